"""The tracks table: its schema, its file, and the list of what could not be used."""

import csv
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from hiphoplib.errors import BadInput
from hiphoplib.io import read_table, tell, write_whole
from hiphoplib.tracks.cells import (
    as_artists,
    as_dates,
    as_lists,
    as_numbers,
    as_places,
    as_texts,
    as_truth,
    given,
    refuse,
)
from hiphoplib.tracks.describe import doubts

# text stays `object`, None where missing: the same on pandas 2 and 3
_text = partial(pa.Column, object, nullable=True, required=False)

SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(object, unique=True),
        "popularity": pa.Column(float, [pa.Check.in_range(0, 100)], nullable=True),
        "track": pa.Column(object, nullable=True),
        "artists": pa.Column(object),
        "album_name": _text(),
        "album_type": _text(),
        "release_date": pa.Column("datetime64[ns]", nullable=True, required=False),
        "image": _text(),
        "duration_ms": pa.Column(
            float, [pa.Check.gt(0), pa.Check.lt(float("inf"))], nullable=True, required=False
        ),
        "preview_url": pa.Column(object, nullable=True),
        "artist_ids": _text(),
        "isrc": _text(),
        "explicit": pa.Column("boolean", nullable=True, required=False),
        **{name: _text() for name in ("source", "popularity_kind", "collected_at", "licence")},
    }
)
COLUMNS = list(SCHEMA.columns)
# "flag" and "withheld" stand in some tables only
TEXTS = {name for name, column in SCHEMA.columns.items() if str(column.dtype) == "object"}
TEXTS = TEXTS - {"artists", "artist_ids", "preview_url"} | {"flag", "withheld"}
REQUIRED = [name for name, column in SCHEMA.columns.items() if column.required]

_WHAT_TO_DO = {
    "field_uniqueness": "stands twice; an id names one row, delete or rename one of them",
    "in_range": "is outside 0-100; correct it, or leave it empty if it is not known",
    **dict.fromkeys(
        ["greater_than", "less_than"], "is no length; give it in ms, or leave it empty"
    ),
    "not_nullable": "is empty; fill it in or delete the row",
}
REJECTED_COLUMNS = ["id", "stage", "reason"]


def normalise(tracks: pd.DataFrame, where: str = "tracks") -> pd.DataFrame:
    """Bring a table into the schema's types and order, and check it.

    Parameters
    ----------
    tracks : pd.DataFrame
        Lists may be JSON, dates text of any precision ("2019", "2019-06", "2019-06-14").
    where : str
        What an error calls it.

    Returns
    -------
    pd.DataFrame
        Columns that the schema does not know come last.

    Raises
    ------
    BadInput
        Names the first row that breaks the schema, the reason and the next step.
    """
    missing = [name for name in REQUIRED if name not in tracks]
    if missing:
        raise BadInput(
            f"{where}: no column {', '.join(missing)}; a corpus needs {', '.join(REQUIRED)}"
        )
    tracks = tracks.reset_index(drop=True).reindex(
        columns=COLUMNS + [name for name in tracks if name not in COLUMNS]
    )
    tracks["artist_ids"] = as_lists(tracks["artist_ids"], where, "[,;|]")
    tracks["artists"] = as_artists(tracks["artists"], tracks["artist_ids"], where)
    for name, values, kind in (
        ("popularity", as_numbers(tracks["popularity"]), "not a number"),
        ("duration_ms", as_numbers(tracks["duration_ms"], counts=True), "not a number"),
        ("explicit", as_truth(tracks["explicit"]), "neither true nor false"),
    ):
        unread = tracks[name][values.isna()]
        refuse(unread, given(unread) != "", where, f"{kind}; correct it, or leave it empty")
        tracks[name] = values
    tracks["release_date"] = as_dates(tracks["release_date"], where)
    tracks["preview_url"] = as_places(tracks["preview_url"])
    for name in TEXTS & set(tracks):
        tracks[name] = as_texts(tracks[name])
    try:
        return SCHEMA.validate(tracks, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise BadInput(_first_failure(error.failure_cases, tracks, where)) from None


def _first_failure(cases, tracks, where):
    """One line on the first row that breaks the schema."""
    case = cases.iloc[0]
    column, check = case["column"], str(case["check"])
    advice = next(text for key, text in _WHAT_TO_DO.items() if check.startswith(key))
    more = f" ({len(cases) - 1} more like it)" if len(cases) > 1 else ""
    row, cell = int(case["index"]), case["failure_case"]
    cell = cell.item() if hasattr(cell, "item") else cell  # NumPy's numbers say of which type
    return f"{where}, row {row + 1} (id {tracks['id'][row]!r}): {column} {cell!r} {advice}{more}"


def table_path(folder: Path | str) -> Path:
    """Return where the tracks table of a corpus lies: ``tracks.parquet``, or else ``tracks.csv``.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    Path

    Raises
    ------
    BadInput
        If there is no such corpus.
    """
    for path in (Path(folder) / name for name in ("tracks.parquet", "tracks.csv")):
        if path.is_file():
            return path
    raise BadInput(
        f"{folder}: no corpus there (no tracks.parquet or tracks.csv); make one "
        f"with `python -m hiphoplib gather synthetic --out {folder}`"
    )


def read_tracks(folder: Path | str) -> pd.DataFrame:
    """Read the tracks table of a corpus, as `normalise` returns it.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    pd.DataFrame

    Raises
    ------
    BadInput
        If there is no such corpus, or its table breaks the schema.
    """
    path = table_path(folder)
    tracks = normalise(read_table(path), where=str(path))
    for doubt in doubts(tracks):
        tell(f"{path}: {doubt}")
    return tracks


def write_tracks(tracks: pd.DataFrame, folder: Path | str) -> None:
    """Write the tracks table of a corpus to ``tracks.parquet``; a half-written one never counts.

    Parameters
    ----------
    tracks : pd.DataFrame
    folder : path-like
    """
    write_whole(Path(folder) / "tracks.parquet", partial(tracks.to_parquet, index=False))


def record_rejected(folder: Path | str, stage: str, reasons: Mapping[str, str]) -> None:
    """List in ``rejected.csv`` what a stage could not use; the file is complete at any moment.

    Parameters
    ----------
    folder : path-like
    stage : {"previews", "mels"}
        Its earlier rows are replaced.
    reasons : dict of str to str, by track id
    """
    path = Path(folder) / "rejected.csv"
    kept = [row for row in _rows(path) if row[1] != stage]
    new = [(track_id, stage, reason) for track_id, reason in sorted(reasons.items())]
    text = io.StringIO()  # and no pandas, which takes several times as long
    csv.writer(text, lineterminator="\n").writerows([REJECTED_COLUMNS, *kept, *new])
    write_whole(path, text.getvalue())


def read_rejected(folder: Path | str) -> pd.DataFrame:
    """Read what could not be used: ``id``, ``stage`` and ``reason``.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    pd.DataFrame of str
    """
    return pd.DataFrame(_rows(Path(folder) / "rejected.csv"), columns=REJECTED_COLUMNS, dtype=str)


def _rows(path):
    """Rows of the file as it stands; a line that was cut short does not count."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if len(row) == len(REJECTED_COLUMNS)][1:]
