"""The tracks table: its schema, its file, and the list of what could not be used.

Tables come from strangers: what can be read in one way only is read, what can be read in several is
refused with its row, and what is read but looks wrong is told on standard error.
"""

import ast
import csv
import io
import json
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from hiphoplib.errors import BadInput
from hiphoplib.io import read_table, tell, write_whole
from hiphoplib.tracks.describe import SUSPICIOUS, doubts, told_apart

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
LISTS = {"artist_ids": "[,;|]", "artists": "[;|]"}  # and what parts them in plain text
TEXTS = [
    name
    for name, column in SCHEMA.columns.items()
    if str(column.dtype) == "object" and name not in LISTS
]
ADDED = ["flag", "withheld"]  # text as well, in the tables that have them
REQUIRED = [name for name, column in SCHEMA.columns.items() if column.required]

_WHAT_TO_DO = {
    "field_uniqueness": "stands twice; an id names one row, delete or rename one of them",
    "in_range": "is outside 0-100; correct it, or leave it empty if it is not known",
    **dict.fromkeys(
        ["greater_than", "less_than"], "is no length; give it in ms, or leave it empty"
    ),
    "not_nullable": "is empty; fill it in or delete the row",
}
# where there is no number, date or file; a name may be so
UNKNOWN = {
    "",
    "n/a",
    "#n/a",
    "na",
    "<na>",
    "nan",
    "nat",
    "null",
    "none",
    r"\n",
    "-",
    "–",
    "—",
    "?",
    "unknown",
}
TRUTH = dict.fromkeys(["true", "t", "yes", "y", "1", "1.0", "explicit"], True) | dict.fromkeys(
    ["false", "f", "no", "n", "0", "0.0", "clean"], False
)
DATES = (
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%Y",
    "%Y-%m",
    "%m-%Y",
    "%b-%Y",
    "%B-%Y",
    "%b-%d-%Y",
    "%B-%d-%Y",
    "%d-%b-%Y",
    "%d-%B-%Y",
)
REJECTED_COLUMNS = ["id", "stage", "reason"]

_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})*((?!\1)[.,]\d+)?")
_NUMBER = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
# "[A$AP] Mob" and "[KRTM]" are names, "[A, B]" is a list without its quotation marks
_LIST = re.compile(r"""(?:[\w.]*[\[({]\s*)+['"\]]|\[[^\]]*[,'"\\]""")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\[\\'"nrtxu])*'|"(?:[^"\\]|\\[\\'"nrtxu])*\"""")
_AROUND = re.compile(r"(?:array|np\.str_|dtype=\w+|[\s,\[\](){}])*[\])}]")  # by Python and NumPy


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
    for name, signs in LISTS.items():
        lists = pd.Series([_as_list(cell, signs) for cell in tracks[name]], dtype=object)
        if name == "artists":
            texts = {
                row: cell.strip()
                for row, cell in tracks[name].items()
                if isinstance(cell, str) and not _LIST.match(cell.strip())
            }
            several, doubt = told_apart(texts, tracks["artist_ids"])
            if doubt:
                tell(f"{where}: {doubt}")
            for row, names in several.items():
                lists[row] = _as_list(names)
        _refuse(
            tracks[name],
            [names == [] for names in lists],
            where,
            'a list that cannot be read; write it as JSON, ["A", "B"]',
        )
        tracks[name] = lists
    for name, values, kind in (
        ("popularity", as_numbers(tracks["popularity"]), "not a number"),
        ("duration_ms", as_numbers(tracks["duration_ms"], counts=True), "not a number"),
        (
            "explicit",
            _given(tracks["explicit"]).str.casefold().map(TRUTH).astype("boolean"),
            "neither true nor false",
        ),
    ):
        unread = tracks[name][values.isna()]
        _refuse(unread, _given(unread) != "", where, f"{kind}; correct it, or leave it empty")
        tracks[name] = values
    tracks["release_date"] = as_dates(tracks["release_date"], where)
    for name in TEXTS + [name for name in ADDED if name in tracks]:
        read = _as_place if name == "preview_url" else _as_text
        tracks[name] = pd.Series(map(read, tracks[name]), dtype=object)
    try:
        return SCHEMA.validate(tracks, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise BadInput(_first_failure(error.failure_cases, tracks, where)) from None


def _given(cells):
    """Cells as text, "" where nothing is known."""
    text = cells.astype(object).where(cells.notna(), "").map(_writable).astype(object)
    return text.mask(text.str.casefold().isin(UNKNOWN), "")


def _refuse(cells, bad, where, why):
    """Raise BadInput with the first row that is bad."""
    cells = cells[bad]
    for row, cell in cells.map(str).items():
        raise BadInput(
            f"{where}, row {row + 1}: {cells.name} is {textwrap.shorten(cell, 60)!r}, "
            + why
            + (f" ({len(cells) - 1} more like it)" if len(cells) > 1 else "")
        )


def _as_list(cell, signs="[;|]"):
    """List of names from a list or text; None where there is none, [] where that is not clear."""
    if isinstance(cell, str):
        cell = _parsed(cell) if _LIST.match(cell.strip()) else re.split(signs, cell)
    elif pd.api.types.is_scalar(cell):
        cell = [cell]
    names = None if cell is None else [name for name in cell if not _is_missing(name)]
    if names is None or not all(isinstance(name, (str, bytes, int, np.integer)) for name in names):
        return []
    # one name is written in several ways: é as one letter or as two, with blanks of any kind
    names = [" ".join(unicodedata.normalize("NFC", _writable(name)).split()) for name in names]
    return [name for name in names if name] or None


def _is_missing(cell):
    return (
        cell is None
        or not isinstance(cell, str)
        and pd.api.types.is_scalar(cell)
        and (pd.isna(cell))
    )


def _parsed(text):
    """List that JSON, Python, NumPy or pandas wrote as text; None if that is not clear."""
    with suppress(ValueError):
        value = json.loads(text)
        return value if isinstance(value, list) else None
    if _AROUND.fullmatch(_QUOTED.sub("", text)):
        with suppress(SyntaxError):
            return [ast.literal_eval(name) for name in _QUOTED.findall(text)]
    return None


def _as_text(cell):
    """Text as of `_writable`; None when nothing is left."""
    return None if _is_missing(cell) else _writable(cell) or None


def _writable(cell):
    """Text without blanks around it that any file can hold: half a character becomes a "?"."""
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
    return text.strip().encode(errors="replace").decode()


def _as_place(cell):
    """An address or a path, which Windows writes with backslashes."""
    text = _as_text(cell) or ""
    place = text if "://" in text else text.replace("\\", "/")
    return None if text.casefold() in UNKNOWN else place


def as_numbers(cells: pd.Series, counts: bool = False) -> pd.Series:
    """Read numbers, however their thousands and decimals are parted.

    Parameters
    ----------
    cells : pd.Series
    counts : bool
        Whether "1.234" is a thousand and more; else it has decimals.

    Returns
    -------
    pd.Series of float
        NaN where there is no number.

    Examples
    --------
    >>> as_numbers(pd.Series(["53,5", "1 234,5", "1.234", "N/A"])).tolist()
    [53.5, 1234.5, 1.234, nan]
    """
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype(float)
    return pd.Series(
        [
            float(cell) if isinstance(cell, (int, float)) else _number(text, counts)
            for cell, text in zip(cells, _given(cells))
        ],
        cells.index,
        float,
    )


def _number(text, counts):
    text = re.sub(r"(?<=\d)[\s'’](?=\d{3}(?!\d))", "", text)
    thousands = _THOUSANDS.fullmatch(text)
    if thousands and (counts or thousands[2] or text.count(thousands[1]) > 1):
        text = text.replace(thousands[1], "")
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else float("nan")


def as_dates(cells: pd.Series, where: str) -> pd.Series:
    """Read dates of every precision, the first day where month or day are not known.

    Parameters
    ----------
    cells : pd.Series
        Of a whole column: "6/14/2019" in one row says how to read "6/7/2019" in another.
    where : str
        What an error calls the table.

    Returns
    -------
    pd.Series of datetime64[ns]
        NaT where there is none; how many could not be read is told on standard error.

    Raises
    ------
    BadInput
        If it is not clear which number is the month.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        dates = cells.dt.tz_localize(None)
    else:
        text = _given(cells).str.replace(r"\.0$", "", regex=True)  # a year among missing ones
        dates = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
        dates = _within_nanoseconds(dates.dt.tz_localize(None))
        dates = dates.fillna(_not_iso(text[dates.isna()].rename(cells.name), where))
    dates = _within_nanoseconds(dates)
    unread = _given(cells[dates.isna()])
    unread = unread[(unread != "") & ~unread.str.startswith("0000")]  # "not known" in catalogues
    if len(unread) > SUSPICIOUS * (len(unread) + dates.notna().sum()):
        swapped = unread.str.fullmatch(r"\d{4}\D(1[3-9]|[23]\d)\D(0?\d|1[0-2])").astype(bool)
        _refuse(
            unread,
            swapped,
            where,
            "so that in others day and month may be swapped, too; write it like 2019-06-14",
        )
        tell(
            f"{where}: {cells.name} cannot be read in {len(unread)} rows and is left out, such as "
            f"{unread.iloc[0]!r} in row {unread.index[0] + 1}; write it like 2019-06-14"
        )
    return dates


def _within_nanoseconds(dates):
    """Dates without those before 1700 or after 2200: nanoseconds end in 2262."""
    return dates.where(dates.dt.year.between(1700, 2200)).astype("datetime64[ns]")


def _not_iso(text, where):
    """Dates that are not written as ISO 8601 has them."""
    day = text.str.replace(r"[T\s]+\d{1,2}:\d\d.*$|(?:-00)+$", "", regex=True)
    dotted = day.str.fullmatch(r"\d+\.\s?\d+\.\s?\d+").astype(bool)  # never with the month first
    day = day.str.replace(r"[\s/.,-]+", "-", regex=True)
    month_first, day_first, *others = (
        _within_nanoseconds(pd.to_datetime(day, format=form, errors="coerce")) for form in DATES
    )
    month_first = month_first.mask(dotted)
    is_month_first = (month_first.notna() & day_first.isna()).any()
    if is_month_first == (day_first.notna() & month_first.isna() & ~dotted).any():
        _refuse(
            text,
            month_first.notna() & day_first.notna() & (month_first != day_first),
            where,
            "and no row tells whether day or month comes first; write it like 2019-06-14",
        )
    dates = month_first.fillna(day_first) if is_month_first else day_first.fillna(month_first)
    for other in others:
        dates = dates.fillna(other)
    return dates


def _first_failure(cases, tracks, where):
    """One line on the first row that breaks the schema."""
    case = cases.iloc[0]
    column, check = case["column"], str(case["check"])
    advice = next(text for key, text in _WHAT_TO_DO.items() if check.startswith(key))
    more = f" ({len(cases) - 1} more like it)" if len(cases) > 1 else ""
    row = int(case["index"])
    return (
        f"{where}, row {row + 1} (id {tracks['id'][row]!r}): {column} "
        f"{getattr(case['failure_case'], 'item', lambda: case['failure_case'])()!r} "
        f"{advice}{more}"
    )


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
