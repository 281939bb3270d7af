"""The tracks table: its schema, its file, and tables as others save them."""

import csv
import io
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pyarrow import compute, parquet, types

from hiphoplib.errors import BadInput
from hiphoplib.io import tell, write_whole
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
MAX_ROWS, MAX_BYTES = 20_000_000, 2**32  # of a parquet file, unpacked
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
    kept = [row for row in _rejected_rows(path) if row[1] != stage]
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
    return pd.DataFrame(
        _rejected_rows(Path(folder) / "rejected.csv"), columns=REJECTED_COLUMNS, dtype=str
    )


def _rejected_rows(path):
    """Rows of the file as it stands; a line that was cut short does not count."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if len(row) == len(REJECTED_COLUMNS)][1:]


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a table as others write it: parquet, or text with commas, semicolons, tabs or bars.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    pd.DataFrame
        Columns are named in lower case, with "_" between words; text is as it stands, "" if empty.

    Raises
    ------
    BadInput
        If it cannot be read, or can be in several ways.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            table = _parquet(path)
        else:
            names, *rows = _text_rows(_decoded(path.read_bytes(), path), path)
            table = pd.DataFrame(rows, columns=names, dtype=object)
            # pandas writes numbers of rows into a column without a name
            table = table.loc[:, [name.strip() != "" for name in names]]
    except BadInput:
        raise
    except (OSError, ValueError, NotImplementedError) as error:  # pandas' and arrow's are such
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise BadInput(
            f"{path}: not a table that can be read ({reason}); save it once more, as CSV in UTF-8"
        ) from error
    table.columns = [re.sub(r"[\s_-]+", "_", str(name).strip()).casefold() for name in table]
    for name in table.columns[table.columns.duplicated()]:
        raise BadInput(f"{path}: two columns are called {name}; delete or rename one")
    return table


def _parquet(path):
    """Table of a parquet file, unless it is too large to be unpacked."""
    about = parquet.read_metadata(path)
    columns = [about.schema.column(n) for n in range(about.num_columns)]
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    size = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
    if about.num_rows <= MAX_ROWS and size <= MAX_BYTES:
        # a text that repeats is stored once, and unpacked as often as it stands there
        stored = parquet.read_table(path, read_dictionary=texts)
        size = max(size, sum(map(_unpacked, stored.columns)))
    if about.num_rows > MAX_ROWS or size > MAX_BYTES:
        raise BadInput(
            f"{path}: {about.num_rows:,} rows of {size >> 20:,} MiB, more than are unpacked; split "
            f"it into tables of {MAX_ROWS:,} rows and {MAX_BYTES >> 20:,} MiB"
        )
    table = pd.read_parquet(path)
    return table.reset_index(drop=table.index.names == [None])


def _unpacked(column):
    """Bytes of the texts of a column, or of lists of them."""
    size = 0
    for chunk in column.chunks:
        while types.is_list(chunk.type) or types.is_large_list(chunk.type):
            chunk = chunk.flatten()
        if types.is_dictionary(chunk.type):
            lengths = compute.binary_length(chunk.dictionary).cast("int64")
            size += compute.sum(lengths.take(chunk.indices)).as_py() or 0
    return size


def _decoded(content, path):
    """Text of a file in UTF-8, UTF-16 or, as older spreadsheets write it, Windows-1252."""
    utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in content and not utf_16:
        raise BadInput(f"{path}: not text; save it as CSV in UTF-8")
    try:
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        text = content.decode("cp1252", "replace")
        # no Western language has four such letters in a row
        foreign = re.search("\ufffd|[^\\W\x00-\x7f]{4}", text)
        is_part_utf_8 = re.search(b"[\xc3-\xc5][\x80-\xbf]", content)
        if utf_16 or foreign or is_part_utf_8:
            line = content.count(b"\n", 0, error.start) + 1
            raise BadInput(
                f"{path}, line {line}: in no encoding that can be told; save the table "
                "once more, as CSV in UTF-8"
            ) from None
        word = next(re.finditer("\\w*[^\x00-\x7f]\\w*", text))[0]
        tell(
            f"{path}: not UTF-8, so it is read as Windows-1252, with words such as “{word}”; if "
            "that is wrong, save it as CSV in UTF-8"
        )
    return text.lstrip("\r\n ")


def _text_rows(text, path):
    """Cells of a table of text; each row is as wide as the first, which pandas does not demand."""
    if marked := re.match("sep=(.)\r?\n", text):  # by Excel
        text = text[marked.end() :]
    sep = marked[1] if marked else max(",;\t|", key=text.partition("\n")[0].count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=sep, skipinitialspace=True, strict=True)
    rows: list[list[str]] = []
    try:
        for row in filter(any, reader):  # spreadsheets end in empty rows
            rows.append(row)
            if len(row) != len(rows[0]):
                raise csv.Error(f"{len(row)} cells, in the first line {len(rows[0])}")
            # a quotation mark that is not closed takes whole rows into one cell
            if any(cell.count(sep) >= cell.count("\n") * (len(row) - 1) > 0 for cell in row):
                raise csv.Error("a cell that holds whole rows")
    except csv.Error as error:
        raise BadInput(
            f"{path}, line {reader.line_num}: {error}; put text that holds a {sep!r} or "
            "a line break between quotation marks, and double those inside"
        ) from None
    if not rows:
        raise BadInput(f"{path}: not a table, for it is empty; save it once more, as CSV in UTF-8")
    return rows
