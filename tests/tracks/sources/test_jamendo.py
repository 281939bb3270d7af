"""Jamendo, against one on loopback: which rows and clips come, and that none is asked for twice."""

import io
import itertools
import json

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from hiphoplib.audio.files import encode
from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.gather import gather, get_tracks
from hiphoplib.tracks.previews import Clip
from hiphoplib.tracks.sources.base import percentile_within
from hiphoplib.tracks.sources.jamendo import middle
from tests.jamendo_server import (
    CLIENT_ID,
    COUNTS,
    HOSTS,
    SIZE,
    YEARS,
    Service,
    catalogue,
    failed,
    same,
    usable,
)

# the table


def test_rows_are_what_the_service_says(jamendo):
    tracks = get_tracks(jamendo(Service()))
    known = {track["id"]: track for track in catalogue()}
    for row in tracks.itertuples():
        track = known[row.id]
        assert track["audiodownload_allowed"] and row.preview_url == track["audiodownload"]
        assert (row.track, row.artists, row.artist_ids) == (
            track["name"],
            [track["artist_name"]],
            [track["artist_id"]],
        )
        assert row.duration_ms == track["duration"] * 1000 and row.image == track["image"]
        assert f"{row.release_date:%Y-%m-%d}" == track["releasedate"] and row.album_name is None
        assert row.listens == track["stats"]["rate_listened_total"]
        assert row.licence == track["license_ccurl"] and row.source == "jamendo"
        assert (row.withheld is not None) == ("-nd/" in track["license_ccurl"])
    assert set(tracks["withheld"].dropna()) == {"licence forbids derivatives"}
    assert usable(tracks).sum() == 150 and usable(tracks).iloc[-1]


def test_popularity_is_the_percentile_among_the_gathered_of_the_same_year(jamendo):
    tracks = get_tracks(jamendo(Service()))
    assert "among the gathered tracks" in tracks["popularity_kind"][0]
    expected = percentile_within(tracks["listens"], tracks["release_date"].dt.year)
    pd.testing.assert_series_equal(tracks["popularity"], expected, check_names=False)


def test_licences_that_forbid_derivatives_are_taken_where_the_user_says_so(jamendo):
    tracks = get_tracks(jamendo(Service(), no_derivatives=True))
    assert tracks["withheld"].isna().all() and len(tracks) == 150
    assert tracks["licence"].str.contains("-nd/").any()


def test_every_page_is_asked_for_once_and_no_more_than_are_needed(jamendo):
    service = Service()
    get_tracks(jamendo(service))
    asked = [tuple(sorted(query.items())) for query in service.asked]
    assert len(set(asked)) == len(asked)
    pages = [query for query in service.asked if query["limit"] == str(SIZE)]
    assert len(asked) - len(pages) == COUNTS
    one_less = get_tracks(
        jamendo(
            Service(instead=lambda number: failed(6, "") if number == len(asked) - 1 else None),
            n=150 - SIZE,
        )
    )
    assert usable(one_less).sum() == 150 - SIZE
    assert all(
        {**query, "client_id": CLIENT_ID} == query
        and query["tags"] == "hiphop"
        and query["type"] == "single albumtrack"
        for query in service.asked
    )


def test_the_seed_says_which_tracks_and_another_seed_says_others(jamendo):
    one, other, again = (get_tracks(jamendo(Service(), seed=seed)) for seed in (0, 1, 0))
    assert same(one, again) and set(one["id"]) != set(other["id"])


def test_all_there_is_comes_where_that_is_less(jamendo):
    service = Service()
    tracks = get_tracks(jamendo(service, n=5000))
    allowed = [track["id"] for track in catalogue() if track["audiodownload_allowed"]]
    assert sorted(tracks["id"]) == sorted(allowed)
    assert len(service.asked) - COUNTS == sum(
        -(-sum(track["releasedate"][:4] == str(year) for track in catalogue()) // SIZE)
        for year in range(YEARS[0], YEARS[1] + 1)
    )


# going on


def test_a_table_is_made_again_without_asking(jamendo, tmp_path, monkeypatch):
    first = jamendo(Service()).tracks(tmp_path)
    assert all(path.parent == tmp_path / "pages" for path in tmp_path.rglob("*.json"))
    monkeypatch.delenv("JAMENDO_CLIENT_ID")
    for offline in (False, True):
        service = Service()
        again = jamendo(service, offline=offline).tracks(tmp_path)
        pd.testing.assert_frame_equal(again, first)
        assert service.asked == []


def test_a_page_says_what_was_asked_and_when(jamendo, tmp_path):
    tracks = jamendo(Service()).tracks(tmp_path)
    pages = [json.loads(path.read_text()) for path in (tmp_path / "pages").iterdir()]
    assert set(tracks["collected_at"]) <= {page["asked_at"] for page in pages}
    for page in pages:
        assert page["query"]["tags"] == "hiphop" and "client_id" not in page["query"]
        assert page["answer"]["headers"]["status"] == "success"


def test_wherever_it_is_stopped_it_goes_on_to_the_same_table(jamendo, tmp_path):
    service = Service()
    whole, count = jamendo(service, n=120).tracks(), len(service.asked)
    assert count > COUNTS + 3
    for stop in range(count):
        keep = tmp_path / str(stop)
        stopped = Service(
            instead=lambda number, stop=stop: (
                failed(6, "Rate limit exceeded.") if number == stop else None
            )
        )
        with pytest.raises(TryLater):
            jamendo(stopped, n=120).tracks(keep)
        assert len(stopped.asked) == stop + 1
        rest = Service()
        assert same(jamendo(rest, n=120).tracks(keep), whole)
        assert stopped.asked[:-1] + rest.asked == service.asked


def test_a_damaged_page_is_asked_for_again(jamendo, tmp_path):
    first = jamendo(Service()).tracks(tmp_path)
    pages = {path: json.loads(path.read_text()) for path in (tmp_path / "pages").iterdir()}
    path, page = next(item for item in pages.items() if item[1]["query"]["limit"] == SIZE)
    for answer in (None, [], {}, {"headers": 1, "results": []}):
        path.write_text(json.dumps({**page, "answer": answer}))
        service = Service()
        assert same(jamendo(service).tracks(tmp_path), first)
        assert len(service.asked) == 1


def test_more_tracks_begin_with_the_fewer(jamendo, tmp_path):
    few = jamendo(Service(), n=100).tracks(tmp_path)
    service = Service()
    many = jamendo(service, n=200).tracks(tmp_path)
    assert many["id"].tolist()[: len(few)] == few["id"].tolist() and usable(many).sum() == 200
    assert same(many, jamendo(Service(), n=200).tracks())
    assert service.asked and not any(query["limit"] == "1" for query in service.asked)


def test_offline_takes_what_is_there(jamendo, tmp_path):
    stopped = Service(instead=lambda number: failed(6, "") if number == COUNTS + 2 else None)
    with pytest.raises(TryLater):
        jamendo(stopped, n=200).tracks(tmp_path)
    service = Service()
    some = jamendo(service, n=200, offline=True).tracks(tmp_path)
    whole = jamendo(Service(), n=200).tracks()
    assert some["id"].tolist() == whole["id"].tolist()[: len(some)] and 0 < len(some) < len(whole)
    assert service.asked == []


def test_offline_passes_over_a_damaged_page(jamendo, tmp_path):
    jamendo(Service()).tracks(tmp_path)
    for path in list((tmp_path / "pages").iterdir()):
        page = json.loads(path.read_text())
        path.write_text(json.dumps({**page, "answer": [None]}))
        service = Service()
        assert len(jamendo(service, offline=True).tracks(tmp_path)) and service.asked == []
        path.write_text(json.dumps(page))


@pytest.mark.parametrize("kept", ["nowhere", "nothing", "only totals"])
def test_offline_without_answers_is_an_error(jamendo, tmp_path, kept):
    if kept == "only totals":
        service = Service(instead=lambda number: failed(6, "") if number == COUNTS else None)
        with pytest.raises(TryLater):
            jamendo(service).tracks(tmp_path)
    with pytest.raises(BadInput, match="no responses with tracks are kept.*without --offline"):
        jamendo(Service(), offline=True).tracks(None if kept == "nowhere" else tmp_path)


def tones(sr, channels, *parts):
    """Tones of so many Hz and seconds, one after the other [shape=(channels, samples)]."""
    y = np.concatenate(
        [0.5 * np.sin(2 * np.pi * hz * np.arange(seconds * sr) / sr) for hz, seconds in parts]
    )
    return np.tile(y, (channels, 1)).astype(np.float32)


def pitches(content):
    """The strongest frequency of every second of a clip, in Hz, and what soundfile says of it."""
    y, sr = sf.read(io.BytesIO(content), always_2d=True)
    seconds = y[: len(y) // sr * sr, 0].reshape(-1, sr)
    return np.abs(np.fft.rfft(seconds)).argmax(axis=1), sf.info(io.BytesIO(content))


def written(y, sr, kind, subtype=None):
    file = io.BytesIO()
    sf.write(file, y.T, sr, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    "sr, channels, kind",
    [
        (8000, 1, "MP3"),
        (22_050, 2, "MP3"),
        (44_100, 2, "MP3"),
        (48_000, 1, "MP3"),
        (16_000, 2, "WAV"),
        (44_100, 1, "FLAC"),
        (24_000, 1, "OGG"),
    ],
)
def test_the_middle_is_from_the_middle(sr, channels, kind):
    y = tones(sr, channels, (300, 3), (1000, 6), (3000, 3))
    clip = middle(encode(y, sr) if kind == "MP3" else written(y, sr, kind), seconds=6)
    found, info = pitches(clip)
    assert (info.format, info.samplerate, info.channels) == ("MP3", sr, channels)
    assert abs(info.duration - 6) < 0.3 and np.abs(found[1:5] - 1000).max() < 3
    assert len(clip) < 6.5 * 96_000 / 8


@pytest.mark.parametrize("seconds", [1, 10, 30])
def test_what_is_shorter_comes_whole(seconds):
    content = encode(tones(22_050, 1, (1000, seconds)), 22_050)
    found, info = pitches(middle(content))
    assert abs(info.duration - sf.info(io.BytesIO(content)).duration) < 0.15
    assert abs(np.median(found) - 1000) < 3


def test_what_is_too_loud_is_clipped_and_does_not_wrap():
    y = 3 * tones(22_050, 1, (200, 5))
    heard, _ = sf.read(io.BytesIO(middle(written(y, 22_050, "WAV", "FLOAT"))))
    spectrum = np.abs(np.fft.rfft(heard[22_050:66_150]))
    assert np.argmax(spectrum) == 400  # halves of a Hz
    assert np.abs(heard).max() > 0.8 and (np.abs(np.diff(heard)) > 1.2).mean() < 1e-3


NO_AUDIO = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html></html>",
    "zeros": bytes(50_000),
    "no samples": written(np.zeros((1, 0)), 8000, "WAV"),
    "a head": written(tones(8000, 1, (300, 1)), 8000, "FLAC")[:60],
}


def test_what_an_mp3_cannot_hold_is_made_so_that_it_can():
    for content in (
        written(tones(8000, 3, (300, 1)), 8000, "WAV"),
        written(tones(96_000, 1, (300, 1)), 96_000, "WAV"),
    ):
        info = sf.info(io.BytesIO(middle(content)))
        assert info.channels == 1 and info.samplerate in (8000, 44_100)
        assert abs(info.duration - 1) < 0.2


def test_samples_that_are_no_numbers_are_told():
    content = written(np.full((1, 8000), np.nan), 8000, "WAV", "FLOAT")
    with pytest.raises(BadInput, match="^clip 7: samples that are no numbers .*; left out$"):
        middle(content, name="clip 7")


@pytest.mark.parametrize("content", NO_AUDIO.values(), ids=NO_AUDIO)
def test_what_is_no_audio_is_an_error_of_one_line(content):
    with pytest.raises(BadInput, match="^clip 7: .* bytes that are not audio.*; left out$"):
        middle(content, name="clip 7")


def test_a_clip_is_the_middle_of_the_track(jamendo):
    audio = encode(tones(22_050, 1, (300, 15), (1000, 30), (3000, 15)), 22_050)
    service = Service(audio=audio)
    source = jamendo(service)
    clip = source.preview(Clip("1000", f"https://{HOSTS[1]}/download/track/1000/mp31/"))
    found, info = pitches(clip)
    assert abs(info.duration - 30) < 0.3 and np.abs(found[1:29] - 1000).max() < 3
    assert service.clips == ["/download/track/1000/mp31/"] and service.asked == []


def test_a_clip_that_is_not_to_be_had_costs_one_row(jamendo):
    source = jamendo(Service(audio=b"<html>gone</html>"))
    with pytest.raises(BadInput, match="^clip 7: 17 bytes that are not audio") as caught:
        source.preview(Clip("7", f"https://{HOSTS[1]}/download/track/7/mp31/"))
    assert not isinstance(caught.value, (TryLater, Unreachable))


def test_a_corpus_has_clips_of_what_may_be_trained_on_and_grows(jamendo, tmp_path):
    audio = encode(tones(22_050, 1, (300, 4)), 22_050)
    seen = []
    for n in (5, 8):
        service = Service(audio=audio)
        tracks = gather(jamendo(service, n=n), tmp_path / "corpus", jobs=2)
        want = tracks[usable(tracks)]
        assert len(want) == n and tracks["withheld"].notna().any()
        assert all("-nd/" not in licence for licence in want["licence"])
        seen.append(service.clips)
        got = sorted(path.stem for path in (tmp_path / "corpus" / "audio").iterdir())
        assert set(got) <= set(want["id"]) and len(got) >= n - 1  # two may be one recording
    assert not set(seen[0]) & set(seen[1])
    assert len(set(itertools.chain(*seen))) == len(got)


def test_offline_no_clip_is_asked_for_either(jamendo, tmp_path):
    gather(jamendo(Service(audio=encode(tones(22_050, 1, (300, 4)), 22_050)), n=5), tmp_path)
    next((tmp_path / "audio").iterdir()).unlink()
    service = Service()
    assert len(gather(jamendo(service, n=5, offline=True), tmp_path))
    assert service.asked == [] and service.clips == []
