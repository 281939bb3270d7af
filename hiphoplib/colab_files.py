"""On Colab: files of the reader's own computer up, the report down."""

from pathlib import Path

from hiphoplib.io import write_whole


def upload(folder):
    """Ask for files and put them into a folder; none chosen, none made.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    list of Path
    """
    from google.colab import files

    # a browser sends names without folders; if one does not, they stay in the folder all the same
    paths = {Path(folder) / Path(name).name: content for name, content in files.upload().items()}
    for path, content in paths.items():
        write_whole(path, content)
    return list(paths)


def download(path):
    """Hand a file to the reader's browser."""
    from google.colab import files

    files.download(str(path))
