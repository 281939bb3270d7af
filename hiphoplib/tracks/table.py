"""The tracks table: its schema, its file, and the list of what could not be used."""

import ast
import csv
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole

# text stays `object`, None where missing: the same on pandas 2 and 3
_text = partial(pa.Column, object, nullable=True, required=False)

SCHEMA = pa.DataFrameSchema({
    "id": pa.Column(object, unique=True),
    "popularity": pa.Column(float, [pa.Check.in_range(0, 100)], nullable=True),
    "track": pa.Column(object, nullable=True),
    "artists": pa.Column(object),
    "album_name": _text(),
    "album_type": _text(),
    "release_date": pa.Column("datetime64[ns]", nullable=True, required=False),
    "image": _text(),
    "duration_ms": pa.Column(float, [pa.Check.gt(0)], nullable=True, required=False),
    "preview_url": pa.Column(object, nullable=True),
    "artist_ids": _text(),
    "isrc": _text(),
    "explicit": pa.Column("boolean", nullable=True, required=False),
    **{name: _text() for name in ("source", "popularity_kind", "collected_at", "licence")}})
COLUMNS = list(SCHEMA.columns)
LISTS = ["artists", "artist_ids"]
TEXTS = [name for name, column in SCHEMA.columns.items()
         if str(column.dtype) == "object" and name not in LISTS]
ADDED = ["flag", "withheld"]  # text as well, in the tables that have them
REQUIRED = [name for name, column in SCHEMA.columns.items() if column.required]

_WHAT_TO_DO = {
    "field_uniqueness": "stands twice; an id names one row, delete or rename one of them",
    "in_range": "is outside 0-100; correct it, or leave it empty if it is not known",
    "greater_than": "is no length; give it in ms, or leave it empty",
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
        raise BadInput(f"{where}: no column {', '.join(missing)}; a corpus needs "
                       f"{', '.join(REQUIRED)}")
    tracks = tracks.reset_index(drop=True).reindex(
        columns=COLUMNS + [name for name in tracks if name not in COLUMNS])
    for name in LISTS:
        tracks[name] = pd.Series([_as_list(cell) for cell in tracks[name]], dtype=object)
    for name in ("popularity", "duration_ms"):
        tracks[name] = _as_numbers(tracks[name], where)
    tracks["release_date"] = _as_dates(tracks["release_date"])
    tracks["explicit"] = tracks["explicit"].astype(str).str.lower().map(
        {"true": True, "false": False, "1": True, "0": False}).astype("boolean")
    for name in TEXTS + [name for name in ADDED if name in tracks]:
        tracks[name] = pd.Series([_as_text(cell) for cell in tracks[name]], dtype=object)
    try:
        return SCHEMA.validate(tracks, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise BadInput(_first_failure(error.failure_cases, tracks, where)) from None


def _as_list(cell):
    """List of names from a list, JSON, or plain text (one name); None when there is none."""
    if isinstance(cell, str):
        cell = _parsed(cell) if cell.lstrip().startswith("[") else [cell]
    if cell is None or (isinstance(cell, float) and pd.isna(cell)):
        return None
    return [_writable(name) for name in cell if _writable(name)] or None


def _parsed(text):
    """List that JSON, or Python as `DataFrame.to_csv` writes it, stands for."""
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, TypeError):
            return list(parse(text))
    return [text]


def _as_text(cell):
    """Text as of `_writable`; None when nothing is left."""
    return None if pd.api.types.is_scalar(cell) and pd.isna(cell) else _writable(cell) or None


def _writable(cell):
    """Text without blanks around it that any file can hold: half a character becomes a "?"."""
    return str(cell).strip().encode(errors="replace").decode()


def _as_numbers(cells, where):
    """A float column; text that is no number is an error that names its row."""
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    bad = numbers.isna() & cells.notna() & (cells.astype(str).str.strip() != "")
    if bad.any():
        row = bad.idxmax()
        raise BadInput(f"{where}, row {row + 1}: {cells.name} is {cells[row]!r}, not a number; "
                       "correct it, or leave it empty")
    return numbers


def _as_dates(cells):
    """Dates of every precision, the first day where month or day are not known."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return cells.dt.tz_localize(None).astype("datetime64[ns]")
    text = cells.astype("object").where(cells.notna(), None)
    dates = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    # "0000" stands for "not known" in some catalogues, and nanoseconds end in 2262
    dates = dates.where(dates.dt.year.between(1700, 2200))
    return dates.dt.tz_localize(None).astype("datetime64[ns]")


def _first_failure(cases, tracks, where):
    """One line on the first row that breaks the schema."""
    case = cases.iloc[0]
    column, check = case["column"], str(case["check"])
    advice = next(text for key, text in _WHAT_TO_DO.items() if check.startswith(key))
    more = f" ({len(cases) - 1} more like it)" if len(cases) > 1 else ""
    row = int(case["index"])
    return (f"{where}, row {row + 1} (id {tracks['id'][row]!r}): {column} "
            f"{case['failure_case']!r} {advice}{more}")


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
    raise BadInput(f"{folder}: no corpus there (no tracks.parquet or tracks.csv); make one "
                   f"with `python -m hiphoplib gather synthetic --out {folder}`")


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
    try:
        if path.suffix == ".csv":
            as_text = dict.fromkeys([*TEXTS, *ADDED, *LISTS, "release_date"], str)
            # "NA" may be a name
            tracks = pd.read_csv(path, dtype=as_text, keep_default_na=False, na_values=[""])
        else:
            tracks = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"{path}: not a table that can be read ({reason}); gather again") from error
    return normalise(tracks, where=str(path))


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
