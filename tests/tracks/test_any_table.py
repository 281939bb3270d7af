"""Any table is read as it is meant, or refused in one line; what is read goes all the way.

``HIPHOP_EXAMPLES=5000`` in the environment tries so many tables a test.
"""

import io
import json
import os
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed, see requirements.txt")
from hypothesis import HealthCheck, assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from hiphoplib.dataset.splits import artist_groups, label_popular, split_tracks  # noqa: E402
from hiphoplib.errors import BadInput  # noqa: E402
from hiphoplib.tracks.cleaning import clean_tracks  # noqa: E402
from hiphoplib.tracks.table import (  # noqa: E402
    COLUMNS,
    SCHEMA,
    as_dates,
    as_numbers,
    normalise,
    read_table,  # noqa: E402
    read_tracks,
    write_tracks,
)
from tests import tables  # noqa: E402

often = settings(
    max_examples=int(os.environ.get("HIPHOP_EXAMPLES", 30)),
    deadline=None,
    derandomize="HIPHOP_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
CELLS = [
    "",
    "N/A",
    "nan",
    "50",
    "53,5",
    "1.234",
    "1,234.5",
    "-1",
    "1e999",
    "6/14/2019",
    "6/7/2019",
    "14.6.2019",
    "2019",
    "2019.0",
    "0000",
    "9999-12-31",
    "['A' 'B']",
    '["A"]',
    "[A, B]",
    "A, B",
    "A",
    "A;B",
    "audio\\1.mp3",
    "https://a.example/1",
    "TRUE",
    "maybe",
    "\ud83d",
    "e\u0301",
    "\0",
    "a\nb",
    '"',
    "'",
    ",",
    ";",
    "\t",
    "\u202e",
]
texts = st.one_of(st.sampled_from(CELLS), st.text(max_size=12))
cells = st.one_of(
    texts,
    st.none(),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.datetimes(),
    st.binary(max_size=4),
    st.lists(st.one_of(texts, st.none(), st.integers()), max_size=3),
)
names = (
    st.text(min_size=1, max_size=12)
    .map(lambda name: " ".join(unicodedata.normalize("NFC", name).split()))
    .filter(lambda name: name and name.encode(errors="replace").decode() == name)
)


def one_line(error):
    assert "\n" not in str(error) and ";" in str(error)


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@often
@given(st.lists(st.lists(cells, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=4))
def test_any_cells_are_read_once_and_for_all_or_refused_with_their_row(tmp_path_factory, rows):
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    if len(rows) and all(isinstance(row[0], (int, str)) for row in rows):
        table["id"] = pd.Series(
            [f"{number} {row[0]}" for number, row in enumerate(rows)], dtype=object
        )
    before = table.copy(deep=True)
    try:
        tracks = normalise(table)
    except BadInput as error:
        one_line(error)
        assert re.match(r"tracks, row \d+( \(id .*\))?: \w+ ", str(error))
        assert any(column in str(error) for column in COLUMNS)
        return
    same(table, before)
    SCHEMA.validate(tracks)
    same(normalise(tracks), tracks)
    folder = tmp_path_factory.mktemp("any")
    write_tracks(tracks, folder)
    same(read_tracks(folder), tracks)
    clean, steps = clean_tracks(tracks)
    assert clean["id"].is_unique and clean["popularity"].between(0, 100).all()
    assert clean["preview_url"].notna().all() and steps["left"].is_monotonic_decreasing


@often
@given(
    st.lists(names, min_size=1, max_size=4),
    st.sampled_from(
        [
            json.dumps,
            lambda each: json.dumps(each, ensure_ascii=False),
            repr,
            lambda each: repr(tuple(each)),
            lambda each: str(np.array(each, object)),
            lambda each: repr(np.array(each, object)),
            lambda each: str([np.str_(name) for name in each]),
        ]
    ),
)
def test_a_list_of_names_is_that_list_or_is_refused_however_it_is_written(artists, write):
    try:
        assert tables.table(1, artists=[write(artists)])["artists"][0] == artists
    except BadInput as error:
        one_line(error)


@often
@given(st.lists(texts, min_size=1, max_size=4))
def test_any_text_is_a_number_a_date_or_none(cells):
    cells = pd.Series(cells, dtype=object, name="release_date")
    for counts in (True, False):
        values = as_numbers(cells, counts)
        assert values.dtype == float and len(values) == len(cells)
    try:
        assert str(as_dates(cells, "t").dtype) == "datetime64[ns]"
    except BadInput as error:
        one_line(error)


@often
@given(st.floats(0, 100), st.sampled_from(["{:.1f}", "{:.4f}", "{}", "{:e}"]), st.booleans())
def test_a_popularity_is_itself_however_it_is_written(value, how, comma):
    text = how.format(value)
    written = text.replace(".", ",") if comma else text
    assert as_numbers(pd.Series([written], dtype=object))[0] == float(text)


@often
@given(st.integers(0, 10**9), st.sampled_from(",. '\u202f\u00a0"))
def test_a_count_is_itself_however_its_thousands_are_parted(value, sign):
    written = f"{value:,}".replace(",", sign)
    assert as_numbers(pd.Series([written], dtype=object), counts=True)[0] == value


@often
@given(
    st.lists(
        st.dates(pd.Timestamp("1700-01-01").date(), pd.Timestamp("2200-12-31").date()),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(
        [
            "%m/%d/%Y",
            "%d/%m/%Y",
            "%d-%m-%Y",
            "%d.%m.%Y",
            "%Y/%m/%d",
            "%Y-%m-%d",
            "%Y%m%d",
            "%B %d, %Y",
            "%d %b %Y",
            "%Y-%m-%d %H:%M:%S",
            "%m/%d/%Y %H:%M",
        ]
    ),
)
def test_dates_are_themselves_or_refused_however_they_are_written(days, form):
    written = pd.Series([day.strftime(form) for day in days], dtype=object, name="release_date")
    try:
        found = as_dates(written, "t")
    except BadInput as error:
        assert "day or month comes first" in str(error)
        assert all(day.day <= 12 for day in days)
        return
    assert list(found) == [pd.Timestamp(day) for day in days]


@often
@given(st.data())
def test_any_bytes_are_a_table_or_refused_in_one_line(tmp_path_factory, data):
    text = data.draw(st.lists(st.lists(texts, min_size=5, max_size=6), min_size=1, max_size=4))
    sep = data.draw(st.sampled_from(",;\t|"))
    file = io.StringIO()
    pd.DataFrame(text, dtype=object).to_csv(
        file, sep=sep, index=False, header=data.draw(st.booleans())
    )
    content = file.getvalue().encode(
        data.draw(
            st.sampled_from(["utf-8", "utf-16", "cp1252", "utf-16-le", "cp1251", "utf-8-sig"])
        ),
        "replace",
    )
    content = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=3)):
        if content:
            content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("bytes") / data.draw(st.sampled_from(["t.csv", "t.parquet"]))
    path.write_bytes(content)
    try:
        table = read_table(path)
    except BadInput as error:
        one_line(error)
        return
    assert table.columns.is_unique and all(isinstance(cell, str) for cell in table.to_numpy().flat)


@often
@given(
    st.lists(
        st.lists(st.integers(0, 25), min_size=1, max_size=3, unique=True), min_size=20, max_size=60
    ),
    st.integers(0, 3),
    st.sampled_from(["artist", "time", "random"]),
    st.data(),
)
def test_what_passes_is_split_and_labelled_with_all_invariants(artists, folds, by, data):
    n = len(artists)
    numbers = st.lists(st.integers(0, 100), min_size=n, max_size=n)
    tracks = tables.table(
        n,
        popularity=data.draw(numbers),
        artists=[str(np.array([f"N'{each}" for each in row], object)) for row in artists],
        release_date=[f"{1 + day % 12}/{13 + day % 15}/2019" for day in data.draw(numbers)],
    )
    clean, _ = clean_tracks(tracks)
    assume(len(clean) == n)
    try:
        sides = split_tracks(clean, by, 0 if folds == 1 else folds)
    except BadInput as error:
        one_line(error)
        return
    assert set(sides.index) == set(clean["id"])
    assert set(np.unique(sides)) <= {"train", "validation", "test", "later"}
    groups = artist_groups(clean)
    for fold in sides:
        side = sides[fold].loc[clean["id"]].to_numpy()
        if by == "artist":
            assert groups.groupby(side).unique().explode().is_unique
            each = clean.assign(side=side).explode("artists").groupby("artists")["side"].nunique()
            assert each.max() == 1
        try:
            label, threshold = label_popular(clean["popularity"], side == "train")
        except BadInput as error:
            one_line(error)
            continue
        assert set(label) <= {0, 1} and label.nunique() == 2 or (side != "train").any()
        assert (label == (clean["popularity"] >= threshold)).all()
    if by != "time" and folds > 1:
        assert ((sides == "test").sum(axis=1) == 1).all()
