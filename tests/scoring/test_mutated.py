"""Audio after accidents of every kind: no crash, no hang, bounded memory, each file accounted for.

The quick form has 60 files, the slow one 2,000, half as clips of a corpus, half as songs to score.
"""

import random

import numpy as np
import pandas as pd
import pytest

from hiphoplib.dataset import store as mel
from hiphoplib.dataset.store import make_mels
from hiphoplib.parallel import _Processes
from hiphoplib.scoring.score import score_tracks
from hiphoplib.tracks.table import normalise, read_rejected
from tests.audio.sounds import FORMATS, encoded, mutated, watched_clip, watched_song
from tests.mel_runs import linux
from tests.scored_songs import trained_model

SR = 24_000  # which every coding knows, and no more to decode than needs be
LIMIT = 600e6  # bytes that a worker may take at most
FILES = [30, pytest.param(1000, marks=pytest.mark.slow)]


def most_memory(folder):
    return max(map(int, (folder / "memory.txt").read_text().split()))


@pytest.fixture(scope="module")
def whole(noise):
    """A clip of 16 s in every format that knows its rate, bytes by suffix."""
    y = noise(-20, 16, sr=SR)
    return {suffix: encoded(y, 48_000 if suffix == ".ac3" else SR, suffix) for suffix in FORMATS}


def accidents(whole, n, seed):
    """Mutated files of all formats in turn, by name."""
    rng, suffixes = random.Random(seed), list(whole)
    return {
        f"{i:04d}{(suffix := suffixes[i % len(suffixes)])}": mutated(
            whole[suffix], list(whole.values()), rng
        )
        for i in range(n)
    }


@linux
@pytest.mark.parametrize("n", FILES)
def test_each_mutated_clip_is_in_the_store_or_listed(whole, n, tmp_path, monkeypatch):
    monkeypatch.setattr(_Processes, "idle", [])
    monkeypatch.setattr(mel, "clip_to_mel", watched_clip)
    clips = accidents(whole, n, seed=n)
    for name, content in clips.items():
        (tmp_path / name).write_bytes(content)
    table = normalise(
        pd.DataFrame(
            {
                "id": list(clips),
                "popularity": 50,
                "track": "t",
                "artists": "a",
                "preview_url": list(clips),
            }
        )
    )
    store = make_mels(table, tmp_path, jobs=1)
    rejected = read_rejected(tmp_path)
    assert sorted([*store.ids, *rejected["id"]]) == sorted(clips)
    assert not rejected["reason"].str.contains("ended the worker").any(), rejected.to_string()
    assert rejected["reason"].str.startswith("clip ").all()
    assert all(np.isfinite(store[name]).all() for name in store.ids)
    assert len(store) > n / 4 and most_memory(tmp_path) < LIMIT


@linux
@pytest.mark.parametrize("n", FILES)
def test_each_mutated_song_is_scored_or_listed(whole, trained, n, tmp_path, monkeypatch):
    model = trained_model(trained)
    monkeypatch.setattr(_Processes, "idle", [])  # of which some have trained
    monkeypatch.setattr("hiphoplib.scoring.score.windows_or_reason", watched_song)
    songs = accidents(whole, n, seed=-n)
    for name, content in songs.items():
        (tmp_path / name).write_bytes(content)
    scored = score_tracks(tmp_path, model, jobs=1)
    names = [song.name for song in scored.songs]
    assert sorted([*names, *scored.rejected, *scored.unlike]) == sorted(songs)
    assert not any("ended the worker" in reason for reason in scored.rejected.values())
    assert all(np.isfinite(song.scores).all() for song in scored.songs)
    assert len(names) > n / 10 and most_memory(tmp_path) < LIMIT
