"""One 30 s hip-hop beat from a recipe: arrangement, mix and master.

A recipe says everything that can be heard. Its causes are the few properties that the synthetic
corpus ties to popularity; each acts in a known band at known times, and turning one up changes
nothing else: every instrument draws from its own random stream.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from hiphoplib.tracks.synthetic import instruments as play
from hiphoplib.tracks.synthetic.instruments import SR, decibels, place

SECONDS, N = 30, 30 * SR
SECTIONS = ("intro", "verse", "gap", "hook", "bridge", "end")
LOW_DB = 5.0  # what one standard deviation of the cause does to 808 and kick

CAUSES = {
    "low_end": {
        "kind": "level", "band_hz": [30, 120],
        "what": "How loud the 808 and the kick are, through the whole clip."},
    "hat_rolls": {
        "kind": "density", "band_hz": [6000, 11000],
        "what": "How densely the hi-hats roll in the hook."},
    "voice_presence": {
        "kind": "level", "band_hz": [1000, 4000],
        "what": "How forward and bright the voice is in the verse."},
    "hook_returns": {
        "kind": "structure", "band_hz": [500, 11000],
        "what": "Whether the hook comes back at the end of the clip or the beat thins out."},
    "riser": {
        "kind": "structure", "band_hz": [2000, 6000],
        "what": "Whether the drums drop out before the hook and a noise riser fills the gap."},
}

# Steps of a bar in sixteenths. Boom-bap: snare on 2 and 4; trap: half time, snare on 3.
KICKS = {
    "boom-bap": [(0, 7, 10), (0, 2, 10), (0, 3, 8, 10), (0, 5, 10), (0, 10, 11), (0, 8, 9, 14)],
    "trap": [(0, 6), (0, 3, 10), (0, 7, 11), (0, 6, 10, 14), (0, 5, 13), (0, 3, 6, 12)]}
SNARES = {"boom-bap": (4, 12), "trap": (8,)}
MINOR = (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = [(0, 5), (0, 3), (0, 6), (0, 5, 3, 4), (0, 3, 5, 4), (0, 6, 5, 4), (0, 2, 5, 6)]
PENTATONIC = (0, 3, 5, 7, 10, 12)


@dataclass(frozen=True)
class Recipe:
    """All that can be heard in a beat.

    `seed` decides the details, `kit` (a seed, too) the drum sounds. `root` is a pitch class,
    `tract` a factor on the voice's formants, `cut_hz` the low-pass of the sampled loop, `tilt`
    the treble of the master (-0.4 dull to 0.4 bright), `level_db` its level relative to full
    scale, `low_db`, `hat_db` and `voice_db` the habits of the mix, `width` the stereo width.
    `causes` holds standardised values; for a cause of kind "structure" only the sign counts.
    """
    seed: int = 0
    kit: int = 0
    style: str = "trap"
    bpm: float = 140.0
    root: int = 0
    voice_hz: float = 110.0
    tract: float = 1.0
    cut_hz: float = 3500.0
    dust_db: float = -45.0
    tilt: float = 0.0
    level_db: float = -16.0
    low_db: float = 0.0
    hat_db: float = 0.0
    voice_db: float = 0.0
    width: float = 0.3
    causes: dict = field(default_factory=dict)

    def cause(self, name):
        """Standardised value of a cause; 0 when the recipe does not name it."""
        return float(self.causes.get(name, 0.0))

    def rng(self, part):
        """Random stream of one part of the beat."""
        return np.random.default_rng([self.seed, *part.encode()])


@dataclass(frozen=True)
class Timeline:
    """Where the bars and sections of a clip lie; bars are counted from the intro's."""

    bar: int        # length, in samples
    offset: int     # how far into the first bar the clip begins, in samples
    marks: tuple    # first bar of verse, gap, hook, bridge, end, and the bar past the end

    def at(self, bars):
        """Sample at which a position in bars (may be fractional) lies."""
        return int(round(bars * self.bar)) - self.offset

    def span(self, name):
        """Start and end of a section as bars."""
        return dict(zip(SECTIONS, pairwise((0, *self.marks)), strict=True))[name]

    def seconds(self, *names):
        """Start and end of sections in s, as a list of lists, cut to the clip."""
        spans = [[self.at(bar) / SR for bar in self.span(name)] for name in names]
        return [[round(max(a, 0.0), 3), round(min(b, float(SECONDS)), 3)] for a, b in spans]


def timeline(recipe):
    """Timeline of a recipe."""
    rng = recipe.rng("timeline")
    bar = int(round(240 / recipe.bpm * SR))
    offset = int(rng.uniform(0, 0.5) * bar)
    bars = (N + offset) / bar
    hook = round(bars * rng.uniform(0.42, 0.5))
    gap = hook - (1 if bar > 2 * SR else 2)
    intro = max(1, round(bars * rng.uniform(0.08, 0.16)))
    bridge = hook + max(2, round(bars * 0.28))
    end = max(bridge + 1, round(bars * 0.82))
    return Timeline(bar, offset, (intro, gap, hook, bridge, end, int(np.ceil(bars))))


def cause_times(recipe):
    """Where each cause can be heard: by its name, a list of [start, end] in s."""
    line = timeline(recipe)
    hooks = ("hook", "end") if recipe.cause("hook_returns") > 0 else ("hook",)
    (start, stop), (_, hook) = line.seconds("verse", "gap")
    whole, spoken = [[0.0, float(SECONDS)]], [[start, hook]]
    if recipe.cause("riser") > 0:  # neither bass nor voice in the gap
        whole, spoken = [[0.0, stop], [hook, float(SECONDS)]], [[start, stop]]
    return {"low_end": whole, "hat_rolls": line.seconds(*hooks), "voice_presence": spoken,
            "hook_returns": line.seconds("end"), "riser": line.seconds("gap")}


def bars_of(recipe, line, *roles):
    """Bars that play one of the roles intro, verse, gap, hook, bridge, outro.

    The end plays the hook when that returns, the gap is more verse when there is no riser.
    """
    role = {name: name for name in ("intro", "verse", "hook", "bridge")}
    role["gap"] = "gap" if recipe.cause("riser") > 0 else "verse"
    role["end"] = "hook" if recipe.cause("hook_returns") > 0 else "outro"
    return [bar for name, what in role.items() if what in roles
            for bar in range(*line.span(name))]


def add_drums(mix, recipe, line):
    """Kick, snare or clap, and open hats."""
    rng, kit = recipe.rng("drums"), np.random.default_rng([recipe.kit, 1])
    body, click = play.kick(kit)
    snare, open_hat = play.snare(kit), play.hat(kit, 0.09)
    low = decibels(recipe.low_db + LOW_DB * recipe.cause("low_end"))
    pattern, swing = KICKS[recipe.style][rng.integers(6)], rng.uniform(0, 0.25)
    late = swing if recipe.style == "boom-bap" else 0.0
    for bar in bars_of(recipe, line, "intro", "verse", "hook", "bridge", "outro"):
        for step in pattern:
            at = line.at(bar + (step + late * (step % 2)) / 16)
            force = rng.uniform(0.85, 1)
            place(mix, body, at, 0.42 * low * force)
            place(mix, click, at, 0.22 * force)
    for bar in bars_of(recipe, line, "verse", "hook"):
        for step in SNARES[recipe.style]:
            place(mix, snare, line.at(bar + step / 16), 0.6 * rng.uniform(0.9, 1))
    for bar in bars_of(recipe, line, "hook"):
        place(mix, open_hat, line.at(bar + 14 / 16), 0.1 * decibels(recipe.hat_db))


def roll_steps(rng, rate, bar):
    """Hats of one bar, as fractions of it: about `rate` hits a second.

    Quarters come first, then one eighth after another fills up: a roll, not a scatter.
    """
    grid = 32 if bar > 2 * SR else 16
    hits = int(np.clip(round(rate * bar / SR), 2, grid))
    step = np.arange(grid)
    rank = np.where(step % (grid // 4) == 0, 0.0, 1.0)
    rank = rank + np.repeat(rng.random(8), grid // 8) + 1e-3 * step
    return np.sort(np.argsort(rank)[:hits]) / grid


def add_hats(mix, recipe, line):
    """Closed hats: plain in the verse, rolling in the hook."""
    rng, kit = recipe.rng("hats"), np.random.default_rng([recipe.kit, 2])
    hat = play.hat(kit, kit.uniform(0.016, 0.03))
    pan = kit.uniform(0.75, 1.25)
    hat = hat * np.array([[pan], [2 - pan]], dtype=np.float32)
    z, level = recipe.cause("hat_rolls"), decibels(recipe.hat_db)
    plain = roll_steps(rng, rng.uniform(2.5, 4.5), line.bar)
    for bar in bars_of(recipe, line, "intro", "verse", "bridge"):
        for position in plain:
            place(mix, hat, line.at(bar + position), 0.11 * level * rng.uniform(0.6, 1))
    rate = 4.5 * 2 ** (0.9 * z)
    for bar in bars_of(recipe, line, "hook"):
        ranks = np.random.default_rng([recipe.seed, 3, bar])
        for position in roll_steps(ranks, rate, line.bar):
            force = 0.75 + 0.25 * np.cos(8 * np.pi * position)
            place(mix, hat, line.at(bar + position), 0.24 * level * force * decibels(1.5 * z))


def harmony(recipe):
    """Scale degrees of the loop's chords, two or four."""
    return PROGRESSIONS[recipe.rng("harmony").integers(len(PROGRESSIONS))]


def add_bass(mix, recipe, line):
    """The 808 follows the kick and the roots of the chords; silent only in the gap."""
    rng, roots = recipe.rng("bass"), harmony(recipe)
    n, step = len(roots) * line.bar, line.bar / 16
    pattern = KICKS[recipe.style][rng.integers(6)]
    notes = []
    for i, degree in enumerate(roots):
        for start, stop in pairwise((*pattern, 16)):
            pitch = 24 + (recipe.root + MINOR[degree] + 1) % 12
            pitch += 12 * (pitch < 29) + (rng.choice([0, 0, 0, 7]) if start else 0)
            pitch -= 12 * (pitch > 40)
            length = max(1.0, (stop - start) * rng.uniform(0.6, 0.95))
            notes.append((16 * i + start, length, 440 * 2 ** ((pitch - 69) / 12)))
    sub, grit = play.bass(notes, step, n)
    sub = sub * decibels(recipe.low_db + LOW_DB * recipe.cause("low_end"))
    loop = (0.2 * sub + rng.uniform(0.025, 0.06) * grit)[None]
    for bar in bars_of(recipe, line, "intro", "verse", "hook", "bridge", "outro"):
        a = bar % len(roots) * line.bar
        place(mix, loop[:, a:a + line.bar], line.at(bar))


def add_loop(mix, recipe, line):
    """The sampled chords, a loop of two or four bars under everything."""
    rng, roots = recipe.rng("loop"), harmony(recipe)
    brightness = rng.uniform(0.7, 1.4)
    steps, t = np.arange(17) / 16 * line.bar, np.arange(line.bar)
    if rng.random() < 0.6:  # plucked, or held with a pulse
        hits = np.append(0, np.sort(rng.choice(7, rng.integers(0, 3), replace=False) + 1) * 2)
        last = steps[hits][np.searchsorted(steps[hits], t, side="right") - 1]
        shape = np.exp((last - t) / SR / rng.uniform(0.3, 0.9)) + 0.12
    else:
        accents = np.append(0, rng.choice(16, 5, replace=False))
        shape = np.interp(t, steps, np.where(np.isin(np.arange(17), accents), 1.0, 0.5))
    shape = (shape * np.minimum(1, np.minimum(t, line.bar - t) / 300)).astype(np.float32)
    chords = []
    for degree in roots:
        scale = [MINOR[(degree + k) % 7] + 12 * ((degree + k) // 7) for k in (0, 2, 4, 6)]
        pitches = [48 + recipe.root + note for note in scale[:rng.integers(3, 5)]]
        tone = play.chord(rng, pitches, line.bar, recipe.cut_hz, brightness, recipe.width)
        chords.append(0.27 * tone * shape)
    for bar in range(0, line.marks[-1]):
        place(mix, chords[bar % len(chords)], line.at(bar))


def add_melody(mix, recipe, line):
    """A plucked figure of one bar, in the hook only."""
    rng = recipe.rng("melody")
    decay = rng.uniform(0.15, 0.4)
    pitches = 72 + recipe.root % 12 + rng.choice(PENTATONIC, 3)
    tones = [play.bell(rng, pitch, decay) for pitch in pitches]
    figure = np.zeros((2, line.bar + SR), dtype=np.float32)
    for step in rng.choice(16, rng.integers(4, 9), replace=False):
        place(figure, tones[rng.integers(3)], int(step * line.bar / 16), 0.16)
    for bar in bars_of(recipe, line, "hook"):
        place(mix, figure, line.at(bar))


def add_voice(mix, recipe, line):
    """A flow in syllables: spoken in the verse, held and doubled in the hook."""
    rng = recipe.rng("voice")
    presence = decibels(5.0 * recipe.cause("voice_presence"))
    level = 0.36 * decibels(recipe.voice_db)
    said = play.syllables(rng, recipe.voice_hz, recipe.tract, presence, 14)
    sung = play.syllables(rng, 1.2 * recipe.voice_hz, recipe.tract, 1.0, 6, long=True)
    flow = np.sort(rng.choice(15, rng.integers(8, 12), replace=False))
    for bar in bars_of(recipe, line, "verse"):
        for step in flow[rng.random(len(flow)) < 0.9]:
            at = line.at(bar + (step + rng.uniform(-0.1, 0.1)) / 16)
            place(mix, said[rng.integers(14)][None], at, level * rng.uniform(0.7, 1.1))
    chant = np.sort(rng.choice(8, 3, replace=False)) * 2
    for bar in bars_of(recipe, line, "hook"):
        for i, step in enumerate(chant):
            y = sung[(i + 3 * (bar % 2)) % 6]
            double = np.stack([y, np.roll(y, int(0.018 * SR))])
            place(mix, double, line.at(bar + step / 16), 0.9 * level)


def master(mix, recipe):
    """Tilt, level and soft clip, in place; the level takes most of the mix's own level away."""
    tilted = mix[:, 1:] + np.float32(-recipe.tilt) * mix[:, :-1]
    tilted *= np.float32(1 / (1 + abs(recipe.tilt)))
    rms = np.sqrt(np.mean(np.square(tilted[:, ::4]))) + 1e-9
    tilted *= decibels(recipe.level_db) * np.float32((0.14 / rms) ** 0.75 / 0.14)
    return np.tanh(tilted, out=tilted)


def render(recipe):
    """Render a recipe: float32, shape (2, 1_323_000), 30 s at 44.1 kHz, within -1 and 1."""
    line = timeline(recipe)
    mix = np.zeros((2, N + 1), dtype=np.float32)  # the master's tilt takes one sample
    surface = play.dust(recipe.rng("dust"), 2.5) * decibels(recipe.dust_db)
    for at in range(0, N, surface.shape[1]):
        place(mix, surface, at)
    for add in (add_loop, add_bass, add_drums, add_hats, add_melody, add_voice):
        add(mix, recipe, line)
    if recipe.cause("riser") > 0:
        a, b = (line.at(bar) for bar in line.span("gap"))
        place(mix, play.riser(recipe.rng("riser"), (b - a) / SR), a, 0.26)
    return master(mix, recipe)
