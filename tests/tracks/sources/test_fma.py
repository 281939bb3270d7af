"""FMA's catalogue: rows, popularity, choice and licences; and how its metadata are downloaded."""

import hashlib
import io
import json
import random
import zipfile
from datetime import datetime
from errno import ENOSPC

import numpy as np
import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.gather import gather, get_tracks
from hiphoplib.tracks.sources import fma, web
from hiphoplib.tracks.sources.base import NO_DERIVATIVES, NO_LICENCE, UNCLEAR, percentile_within
from tests.fma_server import HOST, METADATA, Archive, catalogue, clips_zip, metadata_zip, zips
from tests.loopback import Reply, ranged, serving
from tests.paths import SHARED

DATES = ("track", "date_created"), ("album", "date_released")


@pytest.fixture
def tracks_of(tmp_path, monkeypatch):
    """The table that the source makes of a catalogue, without a server."""

    def make(tracks, **options):
        path = tmp_path / "given.zip"
        path.write_bytes(metadata_zip(tracks))
        monkeypatch.setattr(fma, "METADATA_SHA1", hashlib.sha1(path.read_bytes()).hexdigest())
        return get_tracks("fma", **{"n": 10_000, "metadata": path, **options})

    return make


@pytest.fixture
def archive(monkeypatch):
    """What answers for the archive; its metadata are the published ones."""
    monkeypatch.setattr(fma, "METADATA_SHA1", hashlib.sha1(zips()[0]).hexdigest())
    monkeypatch.setattr(web, "PAUSE", 0.002)
    return Archive(*zips())


def spreadsheet(text):
    """A date as a spreadsheet writes it."""
    at = datetime.fromisoformat(text)
    return f"{at.month}/{at.day}/{at.year} {at.hour}:{at.minute:02d}"


def test_rows_say_what_the_catalogue_says(tracks_of):
    mine = {
        f"{track['id']:06d}": track
        for track in catalogue()
        if 21 in json.loads(track["track", "genres_all"])
    }
    table = tracks_of(catalogue()).set_index("id")
    assert set(table.index) == set(mine) and {"NA", "Artist 7"} < set(table["artists"].str[0])
    for name, row in table.iterrows():
        track = mine[name]
        assert row["artists"] == [track["artist", "name"]]
        assert row["artist_ids"] == [track["artist", "id"]]
        assert row["track"] == track["track", "title"] == f"Song, {int(name)}"
        assert row["duration_ms"] == 1000 * int(track["track", "duration"])
        assert row["listens"] == int(track["track", "listens"])
        assert row["release_date"] == pd.Timestamp(track["album", "date_released"])
        kind = track["album", "type"]
        assert row["album_type"] == {"Single Tracks": "single"}.get(kind, kind.lower())
        assert row["licence"] == (track["track", "license"] or None)
        assert row["preview_url"] == f"audio/{name}.mp3" and row["genre_top"] == "Hip-Hop"
    assert set(table["collected_at"]) == {max(t["track", "date_created"] for t in catalogue())[:10]}
    assert set(table["popularity_kind"]) == {
        "FMA listens, percentile among the Hip-Hop uploads of the same year"
    }


def test_popularity_is_a_percentile_within_the_year(tracks_of):
    table = tracks_of(catalogue()).set_index("id")
    expected = percentile_within(table["listens"], table["uploaded_at"].dt.year)
    pd.testing.assert_series_equal(table["popularity"], expected, check_names=False)
    few = tracks_of(catalogue(), n=7).set_index("id")  # among all tracks, however many are wanted
    pd.testing.assert_series_equal(few["popularity"], table["popularity"][few.index])


def test_dates_are_read_as_published_and_as_a_spreadsheet_writes_them(tracks_of):
    table, tracks = tracks_of(catalogue()), catalogue()
    for column in DATES:
        tracks = [{**track, column: spreadsheet(track[column])} for track in tracks]
    same = tracks_of(tracks)
    pd.testing.assert_frame_equal(
        same.drop(columns="uploaded_at"), table.drop(columns="uploaded_at")
    )
    assert (table["uploaded_at"] - same["uploaded_at"]).eq(pd.Timedelta("45s")).all()


def test_the_seed_orders_the_tracks_and_more_of_them_begin_with_the_fewer(tracks_of):
    shuffled = catalogue()
    random.Random(0).shuffle(shuffled)
    every = tracks_of(shuffled)
    ends = np.flatnonzero(every["withheld"].isna()) + 1  # how many rows n tracks take
    assert (np.diff(ends[:8]) > 1).any()
    for n in range(1, 8):
        pd.testing.assert_frame_equal(tracks_of(catalogue(), n=n), every.head(ends[n - 1]))
    other = tracks_of(catalogue(), seed=1)
    assert set(other["id"]) == set(every["id"]) and list(other["id"]) != list(every["id"])


def test_what_may_not_be_trained_on_is_in_the_table_and_counted_out(tracks_of):
    table = tracks_of(catalogue())
    reason = {"": NO_LICENCE, "FMA-Limited: Download Only": UNCLEAR}
    for licence, why in zip(table["licence"].fillna(""), table["withheld"]):
        assert why == reason.get(licence, NO_DERIVATIVES if "No Deriv" in licence else None)
    clean, steps = clean_tracks(table)
    gone = steps.set_index("step")["gone"]
    for why in (NO_LICENCE, UNCLEAR, NO_DERIVATIVES):
        assert gone[why] == (table["withheld"] == why).sum() > 5
    assert not set(clean["id"]) & set(table["id"][table["withheld"].notna()])
    taken = tracks_of(catalogue(), no_derivatives=True)
    assert set(taken["withheld"].dropna()) == {NO_LICENCE, UNCLEAR}


def test_a_genre_has_its_subgenres_and_is_found_in_any_case(tracks_of):
    def ids(genre):
        return set(tracks_of(catalogue(), genre=genre)["id"])

    assert ids("Hip-Hop") == ids(" hip-HOP ") and len(ids("polka")) < len(ids("Hip-Hop"))
    assert ids("Night Rap") < ids("Hip-Hop") and not ids("Hip-Polka") & ids("polka")
    with pytest.raises(BadInput, match="genre 'Hip Hop': .*Hip-Hop"):
        ids("Hip Hop")


def test_a_bad_cell_costs_its_row_at_most(tracks_of):
    whole = tracks_of(catalogue()).set_index("id")
    bad = iter(
        [
            ("id", "x"),
            (("artist", "name"), ""),
            (("track", "listens"), "many"),
            (("track", "date_created"), "soon"),
            (("track", "duration"), "0"),
            (("album", "date_released"), "0000-00-00"),
            (("track", "title"), ""),
            (("album", "type"), ""),
            (("artist", "id"), ""),
        ]
    )
    tracks = [
        dict([*track.items(), next(bad, ("id", track["id"]))])
        if 21 in json.loads(track["track", "genres_all"])
        else track
        for track in catalogue()
    ]
    table = tracks_of(tracks).set_index("id")
    assert len(table) == len(whole) - 2
    assert table["popularity"].isna().sum() == 2 and table["duration_ms"].isna().sum() == 1
    assert table[["release_date", "track", "album_type", "artist_ids"]].isna().sum().tolist() == [
        1,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize("options", [{"n": 0}, {"seed": -1}, {"metadata": "nowhere.zip"}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(BadInput, match="at least 1 track|nowhere.zip: no such file"):
        fma.FMA(**options)


STEP = 30_000  # bytes; the metadata are several of them


def ranges(archive):
    """First bytes of the parts of the metadata that were asked for."""
    return [
        int(request.headers["range"][6:].partition("-")[0])
        for request in archive.requests
        if request.path == METADATA
    ]


def test_metadata_are_downloaded_once_whatever_goes_wrong(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(fma, "_STEP", STEP)
    faults = [
        lambda request, content: ranged(request, content, cut=7_000),
        lambda request, content: Reply(503),
        lambda request, content: Reply(200, b"<!DOCTYPE html>", {"Content-Type": "text/html"}),
        lambda request, content: Reply(429, headers={"Retry-After": "0"}),
        lambda request, content: ranged(request, content, cut=0),
    ]
    archive.faults[METADATA] = list(faults)
    with serving(archive, HOST) as (_, session):
        for _ in range(2):
            get_tracks("fma", keep=tmp_path, session=session)
    assert [path.name for path in tmp_path.iterdir()] == ["fma_metadata.zip"]
    assert (tmp_path / "fma_metadata.zip").read_bytes() == zips()[0]
    assert len(ranges(archive)) == -(-len(zips()[0]) // (STEP - 1)) + len(faults)


@pytest.mark.parametrize("have", [1, STEP, 100_000, None])
def test_a_download_that_was_killed_goes_on_where_it_was(archive, tmp_path, have):
    (tmp_path / "fma_metadata.zip.part").write_bytes(zips()[0][:have])
    with serving(archive, HOST) as (server, session):
        get_tracks("fma", keep=tmp_path, session=session)
        assert archive.sent(server, METADATA) == len(zips()[0]) - (have or len(zips()[0])) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["fma_metadata.zip"]


def test_a_refusal_keeps_what_came_and_what_is_too_large_gets_no_name(
    archive, tmp_path, monkeypatch
):
    monkeypatch.setattr(fma, "_STEP", STEP)
    archive.faults[METADATA] = [ranged, lambda request, content: Reply(403)]
    with serving(archive, HOST) as (_, session):
        with pytest.raises(BadInput, match="HTTP 403"):
            get_tracks("fma", keep=tmp_path, session=session)
        [part] = tmp_path.iterdir()
        assert part.suffix == ".part" and part.read_bytes() == zips()[0][:STEP]
        monkeypatch.setattr(fma, "METADATA_MAX_BYTES", len(zips()[0]) - 1)
        with pytest.raises(BadInput, match="are taken; left out"):
            get_tracks("fma", keep=tmp_path, session=session)
    assert [path.name for path in tmp_path.iterdir()] == [part.name]


def test_metadata_of_a_wrong_checksum_are_named_and_downloaded_anew(archive, tmp_path):
    wrong = zips()[0][:-1] + b"?"
    archive.faults[METADATA] = [lambda request, content: ranged(request, wrong)]
    path = tmp_path / "fma_metadata.zip"
    with serving(archive, HOST) as (_, session):
        with pytest.raises(BadInput) as error:
            get_tracks("fma", keep=tmp_path, session=session)
        for said in (str(path), hashlib.sha1(wrong).hexdigest(), fma.METADATA_SHA1, "anew"):
            assert said in str(error.value)
        assert not path.exists() and "\n" not in str(error.value)
        assert len(get_tracks("fma", keep=tmp_path, session=session))
    path.write_bytes(wrong)
    with pytest.raises(BadInput, match="another copy"):
        get_tracks("fma", metadata=path)
    assert path.read_bytes() == wrong  # it is the user's


def test_a_full_disk_is_reported_and_nothing_of_it_stays(archive, tmp_path):
    part = tmp_path / "fma_metadata.zip.part"
    part.symlink_to("/dev/full")
    with serving(archive, HOST) as (_, session):
        with pytest.raises(OSError) as error:
            get_tracks("fma", keep=tmp_path, session=session)
        assert error.value.errno == ENOSPC and "fma_metadata.zip" in error.value.filename
        part.unlink()
        assert len(get_tracks("fma", keep=tmp_path, session=session))


def test_the_real_excerpt_and_the_real_clips(tmp_path, monkeypatch):
    folder = SHARED / "fma"
    if not (folder / "tracks_excerpt.csv").is_file():
        pytest.skip(f"no real excerpt at {folder}; it is not part of the repository")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as metadata:
        metadata.write(folder / "tracks_excerpt.csv", "fma_metadata/tracks.csv")
        metadata.writestr("fma_metadata/genres.csv", "genre_id,title\n21,Hip-Hop\n")
    real = {path.stem: path.read_bytes() for path in sorted((folder / "clips").iterdir())[:6]}
    monkeypatch.setattr(fma, "METADATA_SHA1", hashlib.sha1(content.getvalue()).hexdigest())
    archive = Archive(content.getvalue(), clips_zip(real))
    with serving(archive, HOST) as (_, session):
        table = gather("fma", tmp_path, session=session)
    assert table["popularity"].between(0, 100).all() and (table["genre_top"] == "Hip-Hop").all()
    assert len(table) and table["withheld"].isna().all()
    for name in table["id"]:
        assert (tmp_path / "audio" / f"{name}.mp3").read_bytes() == real[name]
