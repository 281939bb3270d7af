"""Whole songs of an invented artist, rendered into a folder, to try the scoring with.

A song is made of several 30 s beats of one recipe, joined at bar lines, each for a part of its own:
what makes a beat popular is turned up in some parts and down in others.
"""

from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile as sf

from hiphoplib.audio.files import encode
from hiphoplib.errors import BadInput
from hiphoplib.io import progress, write_whole
from hiphoplib.parallel import unordered
from hiphoplib.tracks.synthetic.beats import CAUSES, ROLLS, SR, N, Recipe
from hiphoplib.tracks.synthetic.corpus import TITLE_FORMS, Artist, invented
from hiphoplib.tracks.synthetic.instruments import render

CLIENT = 1_000_003  # number of the artist, which no corpus reaches: a model has not heard the kit
SECONDS = 126, 234  # shortest and longest song, in s, before it is rounded to bars
FADE = SR // 50  # samples, 20 ms
PEAK = 0.8  # lossy encoders overshoot it by up to 2 dB
LIFT = 1.2  # standard deviations by which causes help more in the best part, less in the worst
MAX_CAUSE = 2.5  # standard deviations, as far as beats of a corpus go
FORMATS = "mp3", "wav", "flac", "ogg", "m4a"
SUBTYPES = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS"}
# FFmpeg's own coder is slow, and with its tools for low bit rates it overshoots by 5 dB.
AAC = {"aac_coder": "fast", "aac_tns": "0", "aac_pns": "0", "aac_is": "0"}

# By whether the hook returns after the bridge, which is a cause; and how long parts are.
FORMS = {
    True: "intro verse verse hook verse verse hook bridge hook end".split(),
    False: "intro verse verse hook verse verse hook bridge end".split(),
}
LENGTHS = {"intro": 2, "verse": 4, "hook": 4, "bridge": 3, "end": 2}
# Which bars of a beat play a part. The first bar of its own intro is cut, the bridge sounds alike.
ROLES = {"intro": ("intro", "bridge"), "bridge": ("intro", "bridge"), "end": ("outro",)}


@dataclass(frozen=True)
class Part:
    """A stretch of a song; a spoken voice is heard in verses only."""

    role: str  # intro, verse, lead (the bars of a riser or a drop), hook, bridge or end
    bars: range  # where it lies in the song
    recipe: Recipe

    @property
    def samples(self) -> tuple[int, int]:
        """First sample, and the one past the last."""
        bar = self.recipe.timeline.bar
        return FADE + self.bars.start * bar, FADE + self.bars.stop * bar


def parts(seed: int, number: int) -> list[Part]:
    """Return the parts of a song, one after another; songs are numbered from 1 on.

    Parameters
    ----------
    seed, number : int

    Returns
    -------
    list of Part
    """
    artist = Artist(seed, CLIENT)
    recipe = [artist.recipe() for _ in range(number)][-1]
    rng, line = recipe.rng("form"), recipe.timeline
    roles = FORMS[recipe.causes["hook_returns"] > 0]
    lengths = np.cumsum([0] + [LENGTHS[role] for role in roles])
    pairs = rng.uniform(*SECONDS) * SR / line.bar / 2
    lines = 2 * np.round(lengths / lengths[-1] * round(pairs)).astype(int)
    # the part that has the most of the causes: a verse or a hook, which have a voice
    best = rng.choice([i for i, role in enumerate(roles) if role in ("verse", "hook")])
    away = np.abs(np.arange(len(roles)) - best)
    lifts = LIFT * (1 - 2 * away / away.max())
    lead = len(range(*line.spans["lead"]))
    form = []
    for i, role in enumerate(roles):
        take = _take(recipe, role, lifts[i], i if role == "verse" else 0)
        start, stop = map(int, lines[i : i + 2])
        leads = lead if roles[i + 1 : i + 2] == ["hook"] else 0
        form.append(Part(role, range(start, stop - leads), take))
        if leads:
            causes = take.causes | {"drop": recipe.causes["drop"]}
            form.append(Part("lead", range(stop - leads, stop), replace(take, causes=causes)))
    return form


def popularities(seed: int, n: int) -> np.ndarray:
    """Return how popular the first songs of an artist are, drawn as the corpus draws it.

    Parameters
    ----------
    seed, n : int

    Returns
    -------
    np.ndarray [shape=(n,)], 0 to 100
    """
    artist = Artist(seed, CLIENT)
    return artist.popularities([artist.recipe() for _ in range(n)])


def _take(recipe, role, lift, take):
    """Recipe of a part whose causes help more by `lift`; a structure is that of the whole song."""
    within = MAX_CAUSE - LIFT
    helps = {"level": 1.0, "change": np.sign(ROLLS[recipe.style])}  # being turned up
    kinds = {name: CAUSES[name]["kind"] for name in recipe.causes}
    causes = {
        name: float(np.clip(z, -within, within) + lift * helps[kinds[name]])
        if kinds[name] in helps
        else z
        for name, z in recipe.causes.items()
    }
    # so that the hook of a beat is long, and its verse and bridge have no stop
    return replace(recipe, take=take, causes=causes | {"hook_returns": -1.0, "drop": 1.0})


def _song(seed, number):
    """Render a song of 2 to 4 minutes, np.ndarray [shape=(2, samples)], float32, 44.1 kHz."""
    form, recipe, last = parts(seed, number), None, -1
    y = np.zeros((2, form[-1].samples[1]), dtype=np.float32)
    for part in form:
        if part.recipe != recipe:
            recipe = part.recipe
            beat, line, loop = render(recipe), recipe.timeline, len(recipe.harmony)
        bars = _bars(part.role, recipe)
        for i, at in enumerate(range(*part.samples, line.bar)):
            last = bars[i] if part.role == "lead" else _follower(bars, last, loop)
            _join(y, beat[:, line.at(last) - FADE : line.at(last + 1)], at)
    y[:, -line.bar :] *= np.linspace(1, 0, line.bar, dtype=np.float32)
    rms, peak = np.sqrt(np.mean(np.square(y))), np.abs(y).max()
    y *= min(np.float32(10 ** (recipe.level_db / 20)) / rms, np.float32(PEAK) / peak)
    return y


def _bars(role, recipe):
    """Bars of a beat that play a part and are not cut by the beat's beginning or end."""
    line = recipe.timeline
    if role == "lead":
        return list(range(*line.spans["lead"]))
    bars = [
        bar
        for bar in recipe.bars_of(*ROLES.get(role, (role,)))
        if line.at(bar) >= FADE and line.at(bar + 1) <= N
    ]
    # the last bars of a slow beat may all be cut
    return bars or _bars("bridge", recipe)


def _follower(bars, last, loop):
    """Bar that goes on after bar `last`: the next, or else one with the next of `loop` chords."""
    if last + 1 in bars:
        return last + 1
    return ([bar for bar in bars if (bar - last - 1) % loop == 0] or bars)[0]


def _join(y, sound, at):
    """Put a bar into the song, in place; it is faded in over 20 ms before its bar line."""
    rise = np.linspace(0, 1, FADE, dtype=np.float32)
    y[:, at - FADE : at] += rise * (sound[:, :FADE] - y[:, at - FADE : at])
    y[:, at : at + sound.shape[1] - FADE] = sound[:, FADE:]


def file_name(seed: int, number: int) -> str:
    """Return the name of a song's file: its number, an invented title, one of five formats in turn.

    Parameters
    ----------
    seed, number : int

    Returns
    -------
    str
    """
    kind = FORMATS[(number - 1) % len(FORMATS)]
    return f"{number:02d} {invented(number, seed, TITLE_FORMS)}.{kind}"


def _encode_as(kind, y):
    """Encode a song, bytes of a file of one of `FORMATS`: 16 bit, or 110 to 256 kbit/s."""
    if kind == "mp3":
        return encode(y, SR, kbps=192)
    content = BytesIO()
    if kind == "m4a":
        import av  # all of FFmpeg, which only this format needs

        with av.open(content, "w", format="ipod") as file:
            stream = file.add_stream("aac", rate=SR, layout="stereo", bit_rate=256_000, options=AAC)
            frame = av.AudioFrame.from_ndarray(y, format="fltp", layout="stereo")
            frame.sample_rate = SR
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    else:
        with sf.SoundFile(content, "w", SR, 2, SUBTYPES[kind], format=kind.upper()) as file:
            for at in range(0, y.shape[1], SR):  # libsndfile crashes at minutes of Vorbis at once
                file.write(y[:, at : at + SR].T)
    return content.getvalue()


def render_songs(folder: Path | str, n: int = 10, seed: int = 0, *, jobs: int = -1) -> list[Path]:
    """Render songs of one invented artist into a folder; those that are there stay.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    n, seed : int
        How many, of which artist; more of them begin with the fewer.
    jobs : int
        Processes; -1 takes every core.

    Returns
    -------
    list of Path
        All `n`: mp3, wav, flac, ogg, m4a in turn.

    Raises
    ------
    BadInput
        If `n` or `seed` is too small.
    """
    if n < 1 or seed < 0:
        raise BadInput(f"{n} songs, seed {seed}: at least 1 song, and a seed of 0 or more")
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [Path(folder) / file_name(seed, number) for number in range(1, n + 1)]
    todo = [(path, seed, number) for number, path in enumerate(paths, 1) if not path.is_file()]
    with closing(unordered(_write, todo, jobs=jobs)) as written:
        for _ in progress(written, total=len(todo), desc="songs", unit="song"):
            pass
    return paths


def _write(task):
    path, seed, number = task
    write_whole(path, _encode_as(path.suffix[1:], _song(seed, number)))
