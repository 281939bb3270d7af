"""Scoring a folder of songs: what the model says of each, and what bad files cost."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.special import expit, logit

import hiphoplib
from hiphoplib.audio.windows import _read_windows, windows_or_reason
from hiphoplib.errors import BadInput
from hiphoplib.report.sentences import headline
from hiphoplib.scoring.score import BEHIND, NO_ORDER, STANDS_OUT, displayable, score_tracks
from tests.paths import ROOT
from tests.scored_songs import SR, by_network, trained_model, write_song


@pytest.fixture(scope="module")
def model(trained):
    return trained_model(trained)


@pytest.fixture(scope="module")
def model_path(trained, model):
    return trained.with_name("songs_model")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, noise):
    """Songs of three levels in five formats, and whatever else lies in such a folder."""
    folder = tmp_path_factory.mktemp("songs")
    levels = {
        "loud.mp3": -8,
        "middle.wav": -24,
        "quiet.flac": -44,
        "loud too.ogg": -8,
        "“quiet” & <b>.m4a": -44,
    }
    for seed, (name, level) in enumerate(levels.items()):
        write_song(folder / name, noise(level, 47, seed=seed))
    rising = noise(-8, 75, seed=9) * np.linspace(0.01, 1, 75 * SR, dtype=np.float32) ** 2
    write_song(folder / "rising.wav", rising)
    write_song(folder / "silence.wav", np.zeros(40 * SR))
    write_song(folder / "four seconds.wav", noise(-20, 4))
    (folder / "page.mp3").write_bytes(b"<!DOCTYPE html>" * 99)
    (folder / "empty.ogg").touch()
    (folder / "cover.jpg").touch()
    (folder / ".DS_Store").touch()
    return folder


@pytest.fixture(scope="module")
def scored(folder, model):
    return score_tracks(folder, model)


def test_every_song_is_scored_and_every_other_file_has_its_reason(scored):
    assert {song.name for song in scored.songs} == {
        "loud.mp3",
        "middle.wav",
        "quiet.flac",
        "loud too.ogg",
        "“quiet” & <b>.m4a",
        "rising.wav",
    }
    assert set(scored.rejected) == {"silence.wav", "four seconds.wav", "page.mp3", "empty.ogg"}
    assert "only silence" in scored.rejected["silence.wav"]
    assert "4.0 s of audio" in scored.rejected["four seconds.wav"]
    assert scored.others == ["cover.jpg"]


def test_a_score_is_the_mean_of_the_trainings_over_the_windows(scored, model, folder):
    song = next(song for song in scored.songs if song.name == "rising.wav")
    windows = _read_windows(folder / "rising.wav", model.grid)
    expected = by_network(model, windows.S_db.astype(np.float32))
    assert np.allclose(song.scores, expected, atol=1e-6)
    assert song.score == pytest.approx(expit(logit(expected).mean(axis=0)).mean())
    low, high = song.spread
    assert 0.7 <= ((song.by_window >= low) & (song.by_window <= high)).mean() <= 0.9
    below = [
        (each.reference < score).mean()
        for each, scores in zip(model.trainings, expected)
        for score in scores
    ]
    assert song.percentile == pytest.approx(100 * np.mean(below))
    at = list(song.starts).index(song.best)  # the best part has the highest score
    assert song.by_window[at] == song.by_window.max() > song.by_window[0]


def test_the_louder_lead_and_the_alike_are_about_the_same(scored):
    """The tiny corpus is the louder the more popular."""
    names = [song.name for song in scored.songs]
    assert set(names[:2]) == {"loud.mp3", "loud too.ogg"}
    assert set(names[-2:]) == {"quiet.flac", "“quiet” & <b>.m4a"}
    loud, quiet = names.index("loud.mp3"), names.index("quiet.flac")
    assert scored.reliably_above[loud, quiet]
    assert scored.songs[0].percentile > scored.songs[-1].percentile
    assert scored.tiers[0] == STANDS_OUT and scored.tiers[-1] == BEHIND
    leading = [name[:-4] for name, tier in zip(names, scored.tiers) if tier == STANDS_OUT]
    assert all(f"“{name}”" in headline(scored) for name in leading)


def test_the_table_has_a_row_a_song_and_is_the_same_every_time(folder, model, scored):
    table, again = scored.table(), score_tracks(folder, model, jobs=1)
    assert table["score"].is_monotonic_decreasing and len(table) == len(scored.songs)
    assert (table["low"] <= table["high"]).all() and table["percentile"].between(0, 100).all()
    assert again.table().equals(table)
    assert np.array_equal(again.reliably_above, scored.reliably_above)


def test_one_song_and_one_file(folder, model):
    one = score_tracks(folder / "middle.wav", model)
    assert len(one.songs) == 1 and headline(one).startswith("There is only one")
    assert one.tiers == [NO_ORDER]


def test_a_file_that_ends_its_worker_is_skipped_and_listed(folder, model, monkeypatch, tmp_path):
    for name in ("middle.wav", "quiet.flac"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    monkeypatch.setattr("hiphoplib.scoring.score.windows_or_reason", dies_of_quiet)
    scored = score_tracks(tmp_path, model)
    assert [song.name for song in scored.songs] == ["middle.wav"]
    assert "ended the worker" in scored.rejected["quiet.flac"]


def dies_of_quiet(task):
    """A decoder that takes its process along."""
    if task[0].name == "quiet.flac":
        os._exit(1)
    return windows_or_reason(task)


@pytest.mark.parametrize("hop", [0, -1, float("nan"), float("inf")])
def test_a_step_that_is_none_is_refused(folder, model, hop):
    with pytest.raises(BadInput, match="hop of"):
        score_tracks(folder, model, hop=hop)


def test_names_are_shown_without_what_deceives():
    assert displayable("a b “c” 🎤 é 漢.mp3") == "a b “c” 🎤 é 漢.mp3"
    assert displayable("👨‍👩‍👧.mp3") == "👨‍👩‍👧.mp3"
    assert "\u202e" not in displayable("a\u202e3pm.exe") and "\n" not in displayable("a\nb.mp3")
    displayable(os.fsdecode(b"caf\xe9.mp3")).encode()  # a name that is no UTF-8 can be written


def test_the_function_is_where_the_readme_says():
    assert hiphoplib.score_tracks is score_tracks and not hasattr(hiphoplib, "sing")


def test_three_minutes_take_less_than_a_second(model_path, model, noise, mp3, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.mp3").write_bytes(mp3(noise(-20, 180, seed=number)))
    score_tracks(tmp_path, model)  # the workers have started
    began = time.perf_counter()
    score_tracks(tmp_path, model)
    assert (time.perf_counter() - began) / 4 < 1 * 3  # of a machine that tests other things, too


def test_the_command_writes_a_report_and_a_line_for_every_file(folder, model_path, tmp_path):
    command = ["score", folder, "--model", model_path, "--out", tmp_path / "r.html"]
    run = subprocess.run(
        [sys.executable, "-m", "hiphoplib", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0 and run.stderr == ""
    for name in ("loud.mp3", "rising.wav", "“quiet” & <b>.m4a", "not scored: silence.wav: only "):
        assert name in run.stdout
    page = (tmp_path / "r.html").read_text()
    assert "“quiet” &amp; &lt;b&gt;" in page and "& <b>" not in page
    assert "four seconds.wav" in page and "cover.jpg" in page


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (["nowhere", "--model", "M", "--out", "r.html"], "no such folder"),
        (["F", "--model", "nowhere", "--out", "r.html"], "no model there"),
        (["F", "--model", "M", "--out", "r.pdf"], "can be .html, .htm; name it so"),
        (["F", "--model", "M", "--out", "."], "can be .html, .htm; name it so"),
        (["E", "--model", "M", "--out", "r.html"], "no audio files in it"),
        (["B", "--model", "M", "--out", "r.html"], "none of 1 files could be scored"),
    ],
)
def test_what_cannot_be_done_is_one_line(wrong, reason, folder, model_path, tmp_path, capsys):
    from hiphoplib.cli import main

    there = {"F": folder, "M": model_path} | {
        name: tmp_path / name for name in ("E", "B", "r.html", "r.pdf")
    }
    there["E"].mkdir()
    there["B"].mkdir()
    (there["B"] / "a.mp3").write_bytes(b"none")
    assert main(["score", *(str(there.get(word, word)) for word in wrong)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and reason in error
    assert not (tmp_path / "r.html").exists()
