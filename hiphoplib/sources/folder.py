"""A corpus that lies on disk: a table and the audio that it names."""

from pathlib import Path

from ..errors import BadInput
from ..tracks import read_tracks


class Folder:
    """Tracks of a folder with ``tracks.csv`` or ``tracks.parquet`` and the audio files it names.

    Parameters
    ----------
    path : path-like
        The folder. ``preview_url`` in its table is a path relative to it.

    Raises
    ------
    BadInput
        If there is no such folder.
    """

    name = "folder"

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_dir():
            raise BadInput(f"{path}: no such folder; give the one that holds tracks.csv")

    @property
    def settings(self):
        """What tells a corpus of this source from another one, dict."""
        return {"path": str(self.path.resolve())}

    def tracks(self):
        """The table as it stands, ``source`` filled in where it is missing, pd.DataFrame."""
        tracks = read_tracks(self.path)
        tracks["source"] = tracks["source"].fillna(self.name)
        return tracks

    def preview(self, row):
        """Audio of one row of the table, bytes.

        Raises
        ------
        BadInput
            If the file is missing, or lies outside the folder.
        """
        path = (self.path / row.preview_url).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise BadInput(f"clip {row.preview_url}: lies outside the corpus; put it inside")
        if not path.is_file():
            raise BadInput(f"clip {row.preview_url}: there is no such file in the corpus; "
                           "add it or delete its row")
        return path.read_bytes()
