"""Scoring a folder of songs: what the model says of each, and what bad files cost."""

import os
import subprocess
import sys
import time
from io import BytesIO

import numpy as np
import pytest
import soundfile as sf

import hiphoplib
from hiphoplib.audio.windows import hear
from hiphoplib.errors import BadInput
from hiphoplib.models.experiment import prepare
from hiphoplib.report.sentences import headline
from hiphoplib.scoring.model_folder import load_model, save_model
from hiphoplib.scoring.score import score_tracks, shown
from tests.audio.test_windows import by_ffmpeg
from tests.paths import ROOT

SR = 22_050


@pytest.fixture(scope="module")
def model_path(trained, tmp_path_factory):
    """A perceptron that learnt that loud is popular, as a folder."""
    return save_model(prepare(trained, folds=3), "mlp", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(model_path):
    return load_model(model_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, noise, mp3):
    """Songs of three levels in five formats, and whatever else lies in such a folder."""
    folder = tmp_path_factory.mktemp("songs")

    def wav(y, format="WAV"):
        file = BytesIO()
        sf.write(file, y, SR, format=format)
        return file.getvalue()

    levels = {"loud.mp3": -8, "middle.wav": -24, "quiet.flac": -44, "loud too.ogg": -8,
              "“quiet” & <b>.m4a": -44}
    for seed, (name, level) in enumerate(levels.items()):
        y = noise(level, 47, seed=seed)
        content = (mp3(y) if name.endswith("mp3") else by_ffmpeg(y, SR, "ipod")
                   if name.endswith("m4a") else wav(y, name.split(".")[-1].upper()))
        (folder / name).write_bytes(content)
    rising = noise(-8, 75, seed=9) * np.linspace(0.01, 1, 75 * SR, dtype=np.float32) ** 2
    (folder / "rising.wav").write_bytes(wav(rising))
    (folder / "silence.wav").write_bytes(wav(np.zeros(40 * SR)))
    (folder / "four seconds.wav").write_bytes(wav(noise(-20, 4)))
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
        "loud.mp3", "middle.wav", "quiet.flac", "loud too.ogg", "“quiet” & <b>.m4a", "rising.wav"}
    assert set(scored.rejected) == {"silence.wav", "four seconds.wav", "page.mp3", "empty.ogg"}
    assert "only silence" in scored.rejected["silence.wav"]
    assert "4.0 s of audio" in scored.rejected["four seconds.wav"]
    assert scored.others == ["cover.jpg"]


def test_a_score_is_the_mean_of_the_networks_over_the_windows(scored, model, folder):
    song = next(song for song in scored.songs if song.name == "rising.wav")
    heard = hear(folder / "rising.wav", model.grid)
    expected = model.scores(heard.S_db.astype(np.float32))
    assert np.allclose(song.scores, expected, atol=1e-6)
    assert song.score == pytest.approx(expected.mean())
    low, high = song.spread
    within = (song.by_window >= low) & (song.by_window <= high)
    assert 0.7 <= within.mean() <= 0.9
    assert song.percentile == pytest.approx(model.percentile(expected))


def test_the_best_part_is_the_window_with_the_highest_score(scored):
    rising = next(song for song in scored.songs if song.name == "rising.wav")
    at = list(rising.starts).index(rising.best)
    assert rising.by_window[at] == rising.by_window.max() > rising.by_window[0]


def test_the_louder_lead_and_the_alike_are_about_the_same(scored):
    """The tiny corpus is the louder the more popular."""
    names = [song.name for song in scored.songs]
    assert set(names[:2]) == {"loud.mp3", "loud too.ogg"}
    assert set(names[-2:]) == {"quiet.flac", "“quiet” & <b>.m4a"}
    number = {name: number for number, name in enumerate(names)}
    assert number["loud too.ogg"] in scored.same(number["loud.mp3"])
    assert scored.told[number["loud.mp3"], number["quiet.flac"]]
    percentiles = [song.percentile for song in scored.songs]
    assert percentiles[0] > percentiles[-1]


def test_what_is_about_the_same_is_so_from_both_sides(scored):
    for number in range(len(scored.songs)):
        assert all(number in scored.same(other) for other in scored.same(number))
    assert headline(scored).endswith("apart; the others are about the same.")


def test_the_table_has_a_row_a_song_in_the_order_of_scores(scored):
    table = scored.table()
    assert table["score"].is_monotonic_decreasing and len(table) == len(scored.songs)
    assert (table["low"] <= table["high"]).all() and table["percentile"].between(0, 100).all()


def test_the_same_call_gives_the_same(folder, model, scored):
    again = score_tracks(folder, model, jobs=1)
    assert again.table().equals(scored.table()) and np.array_equal(again.told, scored.told)


def test_one_song_and_one_file(folder, model):
    one = score_tracks(folder / "middle.wav", model)
    assert len(one.songs) == 1 and headline(one).startswith("One song")
    assert one.places.tolist() == [[1, 1]]


def test_a_file_that_ends_its_worker_costs_its_line(folder, model, monkeypatch, tmp_path):
    for name in ("middle.wav", "quiet.flac"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    monkeypatch.setattr("hiphoplib.scoring.score.hear_song", dies_of_quiet)
    scored = score_tracks(tmp_path, model)
    assert [song.name for song in scored.songs] == ["middle.wav"]
    assert "ended the worker" in scored.rejected["quiet.flac"]


def dies_of_quiet(task):
    """A decoder that takes its process along."""
    from hiphoplib.audio.windows import hear_song

    if task[0].name == "quiet.flac":
        os._exit(1)
    return hear_song(task)


@pytest.mark.parametrize("hop", [0, -1, float("nan"), float("inf")])
def test_a_step_that_is_none_is_refused(folder, model, hop):
    with pytest.raises(BadInput, match="hop of"):
        score_tracks(folder, model, hop=hop)


def test_names_are_shown_without_what_deceives():
    assert shown("a b “c” 🎤 é 漢.mp3") == "a b “c” 🎤 é 漢.mp3"
    assert shown("👨‍👩‍👧.mp3") == "👨‍👩‍👧.mp3"
    assert "\u202e" not in shown("a\u202e3pm.exe") and "\n" not in shown("a\nb.mp3")
    shown(os.fsdecode(b"caf\xe9.mp3")).encode()  # a name that is no UTF-8 can be written


def test_the_function_is_where_the_readme_says(folder, model):
    assert hiphoplib.score_tracks is score_tracks
    with pytest.raises(AttributeError, match="no attribute 'sing'"):
        hiphoplib.sing  # noqa: B018


def test_three_minutes_take_less_than_a_second(model_path, model, noise, mp3, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.mp3").write_bytes(mp3(noise(-20, 180, seed=number)))
    score_tracks(tmp_path, model)  # the workers have started
    began = time.perf_counter()
    score_tracks(tmp_path, model)
    assert (time.perf_counter() - began) / 4 < 1 * 3  # of a machine that tests other things, too


def score(*arguments):
    """Run the command as a process of its own."""
    return subprocess.run([sys.executable, "-m", "hiphoplib", "score", *map(str, arguments)],
                          cwd=ROOT, capture_output=True, text=True, timeout=200)


def test_the_command_writes_a_report_and_a_line_for_every_file(folder, model_path, tmp_path):
    said = score(folder, "--model", model_path, "--out", tmp_path / "r.html", "--no-explain")
    assert said.returncode == 0 and said.stderr == ""
    for name in ("loud.mp3", "rising.wav", "“quiet” & <b>.m4a", "not scored: silence.wav: only "):
        assert name in said.stdout
    page = (tmp_path / "r.html").read_text()
    assert "“quiet” &amp; &lt;b&gt;.m4a" in page and "<b>.m4a" not in page
    assert "four seconds.wav" in page and "cover.jpg" in page


@pytest.mark.parametrize("wrong, reason", [
    (["nowhere", "--model", "M", "--out", "r.html"], "no such folder"),
    (["F", "--model", "nowhere", "--out", "r.html"], "no model there"),
    (["F", "--model", "M", "--out", "r.pdf"], "the report is an HTML file"),
    (["F", "--model", "M", "--out", "."], "the report is an HTML file"),
    (["E", "--model", "M", "--out", "r.html"], "no audio files in it"),
    (["B", "--model", "M", "--out", "r.html"], "none of 1 files could be scored")])
def test_what_cannot_be_done_is_one_line(wrong, reason, folder, model_path, tmp_path, capsys):
    from hiphoplib.cli import main

    for name in ("empty", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad" / "a.mp3").write_bytes(b"none")
    there = {"F": folder, "M": model_path, "E": tmp_path / "empty", "B": tmp_path / "bad",
             "r.html": tmp_path / "r.html", "r.pdf": tmp_path / "r.pdf"}
    assert main(["score", *(str(there.get(word, word)) for word in wrong)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and reason in said
    assert not (tmp_path / "r.html").exists()
