"""The client's presentation, typeset from the results files and figures of the report.

``python -m hiphoplib.studies.presentation`` makes it.
"""

import re
import sys
from pathlib import Path

import matplotlib
import typst

from hiphoplib.errors import BadInput

SOURCE = "Presentation.typ"
MAKE = "`make report` makes it, or a command in the README"


def make_presentation(folder="."):
    """Typeset `Presentation.typ` of a folder.

    Parameters
    ----------
    folder : path-like
        Holds `Presentation.typ`, its parts in `presentation/`, and the results files and figures
        that it names.

    Returns
    -------
    path : Path
        ``Presentation.pdf`` in the same folder. The same results give the same file.

    Raises
    ------
    BadInput
        If a results file or figure is missing, or a results file lacks what is shown.
    """
    source = Path(folder) / SOURCE
    if not source.is_file():
        raise BadInput(f"{source}: there is no such file; name the folder of the repository")
    for name in needed_files(source):
        if not (source.parent / name).is_file():
            raise BadInput(f"{name}: there is no such file, and the presentation shows it; {MAKE}")
    try:
        pdf = typst.compile(source, font_paths=[font_folder()], ignore_system_fonts=True)
    except typst.TypstError as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{source}: cannot be typeset ({reason})") from error
    path = source.with_suffix(".pdf")
    path.write_bytes(pdf)
    return path


def needed_files(source):
    """Results files and figures that a Typst source names, list of str."""
    return re.findall(r'"((?:images|notebooks/results)/[^"]+)"', Path(source).read_text("utf-8"))


def font_folder():
    """Folder of the typeface of the figures, DejaVu Sans, which matplotlib brings along."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def main():
    """Make the presentation here; the exit status is 1 for an error told in one line."""
    try:
        print(make_presentation())
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
