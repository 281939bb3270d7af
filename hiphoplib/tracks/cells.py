"""Cells of a table as strangers write them: names, numbers, dates, yes and no, text and paths.

What can be read in one way only is read, what can be read in several is refused with its row, and
what is read but looks wrong is told on standard error.
"""

import ast
import json
import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain

import numpy as np
import pandas as pd

from hiphoplib.errors import BadInput
from hiphoplib.io import tell

SUSPICIOUS = 0.02  # share of the rows: what looks wrong in so many is told
# where there is no number, date or file; a name may be so
UNKNOWN = {"", *r"n/a #n/a na <na> nan nat null none \n - – — ? unknown".split()}
TRUTH = dict.fromkeys("true t yes y 1 1.0 explicit".split(), True) | dict.fromkeys(
    "false f no n 0 0.0 clean".split(), False
)
# the first two look alike: the other rows tell which it is
DATES = "%m-%d-%Y %d-%m-%Y %Y %Y-%m %m-%Y %b-%Y %B-%Y %b-%d-%Y %B-%d-%Y %d-%b-%Y %d-%B-%Y".split()

_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})*((?!\1)[.,]\d+)?")
_NUMBER = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
# "[A$AP] Mob" and "[KRTM]" are names, "[A, B]" is a list without its quotation marks
_LIST = re.compile(r"""\s*(?:(?:[\w.]*[\[({]\s*)+['"\]]|\[[^\]]*[,'"\\])""")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\[\\'"nrtxu])*'|"(?:[^"\\]|\\[\\'"nrtxu])*\"""")
_AROUND = re.compile(r"(?:array|np\.str_|dtype=\w+|[\s,\[\](){}])*[\])}]")  # by Python and NumPy


def refuse(cells: pd.Series, bad: pd.Series | list[bool], where: str, why: str) -> None:
    """Raise an error on the first cell that is bad, if there is one.

    Parameters
    ----------
    cells : pd.Series
    bad : of bool [shape=(cells,)]
    where, why : str
        What an error calls the table; the reason and the next step.

    Raises
    ------
    BadInput
    """
    cells = cells[bad]
    for row, cell in cells.map(str).items():
        raise BadInput(
            f"{where}, row {row + 1}: {cells.name} is {textwrap.shorten(cell, 60)!r}, "
            + why
            + (f" ({len(cells) - 1} more like it)" if len(cells) > 1 else "")
        )


def given(cells: pd.Series) -> pd.Series:
    """Return cells as text, "" where nothing is known.

    Parameters
    ----------
    cells : pd.Series

    Returns
    -------
    pd.Series of str
    """
    text = cells.astype(object).where(cells.notna(), "").map(_writable).astype(object)
    return text.mask(text.str.casefold().isin(UNKNOWN), "")


def as_lists(cells: pd.Series, where: str, signs: str) -> pd.Series:
    """Read lists of names, however they are written.

    Parameters
    ----------
    cells : pd.Series
        Lists, or text: JSON, what Python, NumPy or pandas write, or plain.
    where : str
        What an error calls the table.
    signs : str
        Regular expression of what parts names in plain text.

    Returns
    -------
    pd.Series of list of str
        None where there is no name.

    Raises
    ------
    BadInput
        If a list cannot be read.
    """
    lists = pd.Series([_as_list(cell, signs) for cell in cells], cells.index, object)
    refuse(
        cells,
        [names == [] for names in lists],
        where,
        'a list that cannot be read; write it as JSON, ["A", "B"]',
    )
    return lists


def as_artists(cells: pd.Series, ids: pd.Series, where: str) -> pd.Series:
    """Read lists of artists; a text with commas is one name, unless there are as many ids.

    Parameters
    ----------
    cells : pd.Series
    ids : pd.Series of list of str, or None
        Of the artists of each row.
    where : str
        What an error calls the table.

    Returns
    -------
    pd.Series of list of str
        None where there is no name; which rows are in doubt is told on standard error.

    Raises
    ------
    BadInput
        If a list cannot be read.
    """
    cells = cells.astype(object)
    plain = {
        row: cell.strip()
        for row, cell in cells.items()
        if isinstance(cell, str) and not _LIST.match(cell)
    }
    several, doubt = _told_apart(plain, ids)
    if doubt:
        tell(f"{where}: {doubt}")
    for row, names in several.items():
        cells.at[row] = names
    return as_lists(cells, where, "[;|]")


def _told_apart(
    texts: Mapping[int, str], ids: Mapping[int, list[str] | None]
) -> tuple[dict[int, list[str]], str]:
    """Names by row of texts that hold several, and what is in doubt about the others, maybe "".

    "50 Cent, DJ Whoo Kid" are two and "Tyler, The Creator" is one, which only their ids tell. In
    doubt is a text of which a part stands in another row as well.
    """
    several: dict[int, list[str]] = {}
    for row, text in texts.items():
        names = re.split("[,;|]", text)
        if len(names) == len(ids[row] or []) > 1:
            several[row] = names
    parts = {
        name: {part.strip() for part in re.split("[,/;|]", name)} - {""}
        for name in set(map(str.casefold, texts.values()))
    }
    counts = Counter(chain.from_iterable(parts.values()))
    doubtful = {
        row + 1: text
        for row, text in texts.items()
        if row not in several
        and len(ids[row] or []) != 1
        and re.search("[,/]", text)
        and max(counts[part] for part in parts[text.casefold()] | {text.casefold()}) > 1
    }
    if not doubtful:
        return several, ""
    rows = ", ".join(map(str, [*doubtful][:9])) + ", …" * (len(doubtful) > 9)
    first = textwrap.shorten(next(iter(doubtful.values())), 60)
    return several, (
        f"artists are read as one name in {len(doubtful)} rows that may name several "
        f'({first!r}; rows {rows}); write JSON there, ["A", "B"] for two names'
    )


def _as_list(cell, signs):
    """List of names from a list or text; None where there is none, [] where that is not clear."""
    if isinstance(cell, str):
        cell = _parsed(cell) if _LIST.match(cell) else re.split(signs, cell)
    elif pd.api.types.is_scalar(cell):
        cell = [cell]
    names = None if cell is None else [name for name in cell if not _is_missing(name)]
    if names is None or not all(isinstance(name, (str, bytes, int, np.integer)) for name in names):
        return []
    # one name is written in several ways: é as one letter or as two, with blanks of any kind
    names = [" ".join(unicodedata.normalize("NFC", _writable(name)).split()) for name in names]
    return [name for name in names if name] or None


def _parsed(text):
    """List that JSON, Python, NumPy or pandas wrote as text; None if that is not clear."""
    with suppress(ValueError):
        value = json.loads(text)
        return value if isinstance(value, list) else None
    if _AROUND.fullmatch(_QUOTED.sub("", text)):
        with suppress(SyntaxError):
            return [ast.literal_eval(name) for name in _QUOTED.findall(text)]
    return None


def _is_missing(cell):
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def _writable(cell):
    """Text without blanks around it that any file can hold: half a character becomes a "?"."""
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
    return text.strip().encode(errors="replace").decode()


def as_texts(cells: pd.Series) -> pd.Series:
    """Read text without blanks around it.

    Parameters
    ----------
    cells : pd.Series

    Returns
    -------
    pd.Series of str
        None where nothing is left.
    """
    texts = [None if _is_missing(cell) else _writable(cell) or None for cell in cells]
    return pd.Series(texts, cells.index, object)


def as_places(cells: pd.Series) -> pd.Series:
    """Read addresses and paths, which Windows writes with backslashes.

    Parameters
    ----------
    cells : pd.Series

    Returns
    -------
    pd.Series of str
        None where there is none.
    """
    texts = [text if "://" in text else text.replace("\\", "/") for text in given(cells)]
    return pd.Series([text or None for text in texts], cells.index, object)


def as_truth(cells: pd.Series) -> pd.Series:
    """Read yes and no, in several words for them.

    Parameters
    ----------
    cells : pd.Series

    Returns
    -------
    pd.Series of boolean
        NA where there is neither.
    """
    return given(cells).str.casefold().map(TRUTH).astype("boolean")


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
            for cell, text in zip(cells, given(cells))
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
        text = given(cells).str.replace(r"\.0$", "", regex=True)  # a year among missing ones
        dates = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
        dates = _within_nanoseconds(dates.dt.tz_localize(None))
        dates = dates.fillna(_not_iso(text[dates.isna()].rename(cells.name), where))
    dates = _within_nanoseconds(dates)
    unread = given(cells[dates.isna()])
    unread = unread[(unread != "") & ~unread.str.startswith("0000")]  # "not known" in catalogues
    if len(unread) > SUSPICIOUS * (len(unread) + dates.notna().sum()):
        swapped = unread.str.fullmatch(r"\d{4}\D(1[3-9]|[23]\d)\D(0?\d|1[0-2])").astype(bool)
        refuse(
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
        refuse(
            text,
            month_first.notna() & day_first.notna() & (month_first != day_first),
            where,
            "and no row tells whether day or month comes first; write it like 2019-06-14",
        )
    dates = month_first.fillna(day_first) if is_month_first else day_first.fillna(month_first)
    for other in others:
        dates = dates.fillna(other)
    return dates
