"""What a corpus could not use and why: ``rejected.csv``, one row a track and stage."""

import csv
import io
from pathlib import Path

import pandas as pd

from hiphoplib.io import write_whole

COLUMNS = ["id", "stage", "reason"]


def record_rejected(folder, stage, reasons):
    """Put down in ``rejected.csv`` what a stage could not use.

    The file is complete at any moment, so that a stage may call this after every failure with
    all it has found so far.

    Parameters
    ----------
    folder : path-like
        The corpus.
    stage : str
        "previews" or "mels"; the stage's earlier rows are replaced.
    reasons : dict of str to str
        Reason by track id.
    """
    path = Path(folder) / "rejected.csv"
    kept = [row for row in _rows(path) if row[1] != stage]
    new = [(track_id, stage, reasons[track_id]) for track_id in sorted(reasons)]
    text = io.StringIO()  # and no pandas, which takes several times as long
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *kept, *new])
    write_whole(path, text.getvalue())


def read_rejected(folder):
    """What could not be used and why: ``id``, ``stage``, ``reason``, one row a track and stage."""
    path = Path(folder) / "rejected.csv"
    if not path.is_file():
        return pd.DataFrame({"id": [], "stage": [], "reason": []}, dtype=str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _rows(path):
    """The rows of the file as it stands; a line that was cut short does not count."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if len(row) == len(COLUMNS)][1:]
