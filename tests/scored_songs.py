"""Songs, a trained model and a scored folder that the tests of the report share."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from hiphoplib.evaluation.evaluate import evaluate
from hiphoplib.models.calibration import fit_domain
from hiphoplib.models.experiment import prepare
from hiphoplib.report import song_page as song_report
from hiphoplib.scoring import model_folder
from hiphoplib.scoring.model_folder import load_model, save_model
from hiphoplib.scoring.score import Scored, Song, score_tracks

SR = 22_050
# as for `song_of_noise`
SONGS = {
    "one.mp3": (70, 35, -26),
    "two.wav": (60, 20, -28),
    "three.flac": (65, 0, -42),
    "four.ogg": (35, 0, -34),
    "five.m4a": (55, 25, -26),
}


# names that a file can have, and a page must not believe
HOSTILE = [
    "<script>alert(1)<script>.mp3",
    '"><img src=x onerror=alert(1)>.wav',
    "' autofocus onfocus='alert(1).flac",
    "--><svg onload=alert(1)>.mp3",
    "javascript:alert(1).ogg",
    "{{ 7 * 7 }} {% raw %}.mp3",
    "“quotes” \"'` & &amp; &lt;b&gt;.mp3",
    "👩‍🎤 🔥 émotions 日本.m4a",
    "שיר חדש.mp3",
    "أغنية ٢.mp3",
    "re\u202ev\u2066ersed\u200b.wav",
    "line\nand\ttab.mp3",
    "bytes \udcff\udcfe.mp3",
    196 * "w" + ".mp3",
    "\u202e\u202d.mp3",
]

ORDER = {
    "margin": 0.02,
    "pairs": 90,
    "artists": 9,
    "share": 0.4,
    "accuracy": {"mean": 0.84, "low": 0.76, "high": 0.92},
}


# cached, for a fixture that two modules import is made twice
@functools.cache
def trained_model(trained):
    """The three networks of the fixture `trained`, to which loud is popular, from a folder.

    As if orders by a margin were known to be right, no artist there has two songs; and as if it
    had learnt from all kinds of music, not from noise of mp3 alone.
    """
    corpus = shutil.copytree(trained, trained.with_name("of_songs"))  # features are written there
    experiment = prepare(corpus, folds=3)
    results, _ = evaluate(experiment, ["mlp"])
    results["models"]["mlp"]["order"] = ORDER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            model_folder, "fit_domain", lambda *sets: replace(fit_domain(*sets), limit=1e9)
        )
        saved = save_model(experiment, results, "mlp", trained.with_name("songs_model"))
    return load_model(saved)


def with_card(model, **changes):
    """The model with another card."""
    return replace(model, card=model.card | changes)


def by_network(model, S_db):
    """Probabilities by each network of a model, np.ndarray [shape=(n_networks, n)]."""
    return np.array([training.predict(S_db) for training in model.trainings])


def estimate(mean, low, high, **more):
    """An estimate with its interval, as a card has it."""
    return {"mean": mean, "low": low, "high": high} | more


def song_of_noise(seconds, loud_from, level_db, seed=0):
    """Samples, float32, of which 30 s are at a level (dB of full scale), the others 14 dB below."""
    level = np.full(int(seconds * SR), level_db - 14.0)
    level[int(loud_from * SR) : int((loud_from + 30) * SR)] = level_db
    noise = np.random.default_rng(seed).normal(0, 10 ** (level / 20))
    return np.clip(noise, -1, 1).astype(np.float32)


def write_song(path, y):
    """Write samples in the format that the name asks for."""
    if path.suffix != ".m4a":
        sf.write(path, y, SR)
        return
    with av.open(str(path), "w", format="ipod") as file:
        stream = file.add_stream("aac", rate=SR, layout="mono")
        frame = av.AudioFrame.from_ndarray(y[None], format="fltp", layout="mono")
        frame.sample_rate = SR
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@functools.cache
def scored_folder(trained):
    """Five songs, a file that is no audio and one that does not say so, scored."""
    folder = trained.with_name("My songs")
    folder.mkdir()
    for seed, (name, form) in enumerate(SONGS.items()):
        write_song(folder / name, song_of_noise(*form, seed))
    (folder / "broken.mp3").write_bytes(b"<html>not found</html>")
    (folder / "lyrics.txt").write_text("la")
    return score_tracks(folder, with_card(trained_model(trained), synthetic=True), jobs=1)


@functools.cache
def report_of(trained):
    """Its report: curves and players of two songs, and what moves the score of the first."""
    scored = scored_folder(trained)
    song = scored.songs[0]
    start = song.excerpt(scored.model.margin)
    return song_report._page(
        scored,
        details=2,
        passages={
            song.path: [
                song_report.Passage(start + 6, start + 9, 1, "The bass <here> raises the score."),
                song_report.Passage(start + 12, start + 15, -1, "The hi-hats lower it."),
            ]
        },
    )


def invented(model, levels, *, names=None, spread=0.01, trainings=3, rejected=None, others=()):
    """A scored folder without files: the means of songs are `levels`, descending.

    `spread` is how far a song's windows lie apart, `trainings` how many score.
    """
    model = replace(model, trainings=model.trainings[:1] * trainings)
    steps = np.linspace(-spread, spread, 13)
    songs = [
        Song(
            Path(names[number] if names else f"song {number + 1}.mp3"),
            90.0,
            np.arange(13) * 5.0,
            np.tile(level + steps, (trainings, 1)),
            100 * level,
        )
        for number, level in enumerate(levels)
    ]
    return Scored(Path("/demo/My songs"), model, songs, rejected or {}, list(others))
