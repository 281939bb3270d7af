"""The middle of a recording, and clips of Jamendo."""

import io
import itertools

import numpy as np
import pytest
import soundfile as sf

from hiphoplib.audio.files import encode, middle
from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.gather import gather
from hiphoplib.tracks.previews import Clip
from tests.jamendo_server import HOSTS, Service, usable


def tones(sr, channels, *parts):
    """Tones of so many Hz and seconds, one after the other [shape=(channels, samples)]."""
    y = np.concatenate([0.5 * np.sin(2 * np.pi * hz * np.arange(seconds * sr) / sr)
                        for hz, seconds in parts])
    return np.tile(y, (channels, 1)).astype(np.float32)


def pitches(content):
    """The strongest frequency of every second of a clip, in Hz, and what soundfile says of it."""
    y, sr = sf.read(io.BytesIO(content), always_2d=True)
    seconds = y[:len(y) // sr * sr, 0].reshape(-1, sr)
    return np.abs(np.fft.rfft(seconds)).argmax(axis=1), sf.info(io.BytesIO(content))


def written(y, sr, kind, subtype=None):
    file = io.BytesIO()
    sf.write(file, y.T, sr, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("sr, channels, kind", [
    (8000, 1, "MP3"), (22_050, 2, "MP3"), (44_100, 2, "MP3"), (48_000, 1, "MP3"),
    (16_000, 2, "WAV"), (44_100, 1, "FLAC"), (24_000, 1, "OGG")])
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
    "empty": b"", "html": b"<!DOCTYPE html><html></html>", "zeros": bytes(50_000),
    "three channels": written(tones(8000, 3, (300, 1)), 8000, "WAV"),
    "96 kHz": written(tones(96_000, 1, (300, 1)), 96_000, "WAV"),
    "no samples": written(np.zeros((1, 0)), 8000, "WAV"),
    "no numbers": written(np.full((1, 8000), np.nan), 8000, "WAV", "FLOAT"),
    "a head": written(tones(8000, 1, (300, 1)), 8000, "FLAC")[:60]}


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
