"""The sound of a beat: short sounds, rendered once and placed many times, mix and master.

A sound is float32 [shape=(2, samples)] unless it says otherwise. Filters are magnitudes in the
frequency domain, because the sounds are short and one FFT is cheaper than a recursive filter.
"""

from itertools import pairwise

import numpy as np
from scipy import fft

from hiphoplib.tracks.synthetic.beats import SR, N, Recipe

# F1, F2 and F3 of six vowels in Hz, rounded from Peterson & Barney (JASA 1952), adult speakers.
FORMANTS = (
    (730, 530, 390, 570, 440, 640),
    (1090, 1840, 1990, 840, 1020, 1190),
    (2440, 2480, 2550, 2410, 2240, 2390),
)
VOWELS = np.array([*zip(*FORMANTS)], dtype=np.float32)
LOW_DB = 4.0  # what one standard deviation of the cause does to 808 and kick
RMS = 0.25  # that the master drives every mix to: all have about the same crest

# Steps of a bar in sixteenths. Boom-bap: snare on 2 and 4; trap: half time, snare on 3.
KICKS = {
    "boom-bap": [(0, 7, 10), (0, 2, 10), (0, 3, 8, 10), (0, 5, 10), (0, 10, 11), (0, 8, 9, 14)],
    "trap": [(0, 6), (0, 3, 10), (0, 7, 11), (0, 6, 10, 14), (0, 5, 13), (0, 3, 6, 12)],
}
SNARES = {"boom-bap": (4, 12), "trap": (8,)}
MINOR = (0, 2, 3, 5, 7, 8, 10)
PENTATONIC = (0, 3, 5, 7, 10, 12)


def _decibels(level):
    """Amplitude factor of a level in dB."""
    return np.float32(10 ** (level / 20))


def _place(mix, sound, at, gain=1.0):
    """Add a sound [shape=(2 or 1, samples)] to the mix at a sample, cut to the mix."""
    a, b = max(at, 0), min(at + sound.shape[1], mix.shape[1])
    if a < b:
        mix[:, a:b] += np.float32(gain) * sound[:, a - at : b - at]


def _seconds(duration):
    """Time axis of a sound, in s, float32 [shape=(samples,)]."""
    return np.arange(int(duration * SR), dtype=np.float32) / SR


def _band(f, low, high, order=2):
    """Gain of a band-pass at frequencies `f`: -3 dB at its edges, then 6 dB an octave and order."""
    f = np.maximum(f, 1.0)
    return 1 / np.sqrt((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order)))


def _noise(rng, duration, low, high, order=2, fall_db=0.0):
    """Noise on two channels from `low` to `high` Hz, less `fall_db` an octave, peak near 1."""
    n = int(duration * SR)
    n_fft = fft.next_fast_len(n, real=True)
    f = fft.rfftfreq(n_fft, 1 / SR).astype(np.float32)
    gain = _band(f, low, high, order) * np.maximum(f / 1000, 0.02) ** (-fall_db / 6.02)
    spectrum = fft.rfft(rng.standard_normal((2, n_fft), dtype=np.float32)) * gain
    y = fft.irfft(spectrum, n_fft)[:, :n]
    return y / (3 * np.std(y) + 1e-9)


def _kick(rng):
    """Falling sine below about 150 Hz, and the beater: set apart, each with a level of its own."""
    t = _seconds(0.32)
    low, drop = rng.uniform(46, 58), rng.uniform(70, 190)
    phase = 2 * np.pi * (low * t - drop * 0.025 * np.exp(-t / 0.025))
    body = np.sin(phase) * np.exp(-t / rng.uniform(0.07, 0.13))
    body *= np.minimum(1, (t[-1] - t) / 0.02)
    click = _noise(rng, 0.03, 700, rng.uniform(3000, 6000), 1) * np.exp(-_seconds(0.03) / 0.006)
    return np.stack([body, body]).astype(np.float32), click


def _snare(rng):
    """A snare or a clap with a short room."""
    t = _seconds(0.5)
    rattle = _noise(rng, 0.5, rng.uniform(700, 1500), rng.uniform(6500, 10000), 1, fall_db=2)
    mono = 0.5 * rattle.mean(axis=0) + 0.5 * rattle[0]
    if rng.random() < 0.5:
        tone = np.sin(2 * np.pi * rng.uniform(165, 230) * t * (1 + 0.2 * np.exp(-t / 0.02)))
        dry = 0.7 * mono * np.exp(-t / rng.uniform(0.05, 0.1)) + 0.7 * tone * np.exp(-t / 0.06)
    else:
        strokes = [
            np.where(t >= at, np.exp(-(t - at) / decay), 0)
            for at, decay in ((0, 0.008), (0.011, 0.008), (0.022, 0.008), (0.03, 0.07))
        ]
        dry = mono * sum(strokes)
    room = rng.uniform(0.05, 0.16) * rattle * np.exp(-t / rng.uniform(0.09, 0.15))
    return ((dry + room) * np.minimum(1, (t[-1] - t) / 0.05)).astype(np.float32)


def _hat(rng, decay):
    """A hi-hat, noise and metal between about 6 and 13 kHz."""
    duration = 4 * decay + 0.02
    t = _seconds(duration)
    ring = sum(np.sign(np.sin(2 * np.pi * f * t + 1)) for f in rng.uniform(5800, 9800, 4))
    body = _noise(rng, duration, rng.uniform(5800, 7200), rng.uniform(11000, 14000), 3)
    y = 0.8 * body + 0.07 * ring
    return (y * np.exp(-t / decay) * np.minimum(1, (t[-1] - t) / 0.01)).astype(np.float32)


def _bass(notes, step, n):
    """An 808 that glides from note to note: what is below about 125 Hz, and the grit above.

    `notes` are (start and length in sixteenths, frequency in Hz); `step` and `n` are samples.
    """
    times, pitch, env_times, env = [], [], [], []
    for start, length, f in notes:
        a, b = start * step, (start + length) * step - 0.012 * SR
        times += [a + 0.07 * SR, b]
        pitch += [f, f]
        env_times += [a, a + 0.006 * SR, b, b + 0.011 * SR]
        env += [0, 1, np.exp(-(b - a) / SR / 0.9), 0]
    t = np.arange(n, dtype=np.float32)
    phase = 2 * np.pi * np.cumsum(np.exp(np.interp(t, times, np.log(pitch)))) / SR
    # Whole turns are taken off in double precision; the rest fits float32.
    phase = np.remainder(phase, 2 * np.pi).astype(np.float32)
    amplitude = np.interp(t, env_times, env).astype(np.float32)
    sub = amplitude * (np.sin(phase) + 0.2 * np.sin(2 * phase))
    grit = amplitude * sum(np.sin(k * phase) / k**1.6 for k in (3, 4, 5, 7, 9))
    return sub, grit


def _chord(rng, pitches, n, cut_hz, brightness, width):
    """A chord of MIDI `pitches` that sounds sampled: each partial is a band of random phases.

    The spectrum is written down and transformed once, after Nasca's PADsynth idea. `brightness` is
    the exponent of the partials' fall, `width` the phase difference of the channels, 0 to 1.
    """
    n_fft = fft.next_fast_len(n, real=True)
    f = fft.rfftfreq(n_fft, 1 / SR).astype(np.float32)
    magnitude = np.zeros(len(f), dtype=np.float32)
    for pitch in pitches:
        f0 = 440 * 2 ** ((pitch - 69 + rng.normal(0, 0.06)) / 12)
        for k in range(1, min(40, int(14_000 / f0)) + 1):
            centre, spread = k * f0 * n_fft / SR, max(1.5, 0.004 * k * f0 * n_fft / SR)
            a, b = int(centre - 3 * spread), int(centre + 3 * spread) + 1
            bins = np.arange(a, b, dtype=np.float32)
            partial = np.exp(-(((bins - centre) / spread) ** 2))
            magnitude[a:b] += partial / (k**brightness * spread**0.5)
    magnitude *= _band(f, 90, cut_hz, 1)
    left = rng.uniform(0, 2 * np.pi, len(f)).astype(np.float32)
    right = left + width * np.pi * rng.uniform(-1, 1, len(f)).astype(np.float32)
    phases = np.stack([left, right])
    y = fft.irfft(magnitude * (np.cos(phases) + 1j * np.sin(phases)), n_fft)[:, :n]
    return y / (3 * np.std(y) + 1e-9)


def _bell(rng, pitch, decay):
    """A plucked two-operator tone for melodies."""
    t = _seconds(min(2.5 * decay, 1.2))
    f = 440 * 2 ** ((pitch - 69) / 12)
    ratio, index = rng.choice([1.0, 2.0, 3.5]), rng.uniform(0.6, 2.2)
    bend = index * np.exp(-t / (0.4 * decay)) * np.sin(2 * np.pi * ratio * f * t)
    left, right = (np.sin(2 * np.pi * f * d * t + bend) for d in (0.9985, 1.0015))
    y = np.stack([left, right]) * np.exp(-t / decay) * np.minimum(1, (t[-1] - t) / 0.02)
    return y.astype(np.float32)


def _formants(f, vowel, tract):
    """Gain at frequencies `f` of a vocal tract that is 1 / `tract` times as long as the average."""
    centre = np.concatenate([vowel, np.full((len(vowel), 1), 3500.0)], axis=1) * tract
    half = 45 + 0.035 * centre
    level = np.array([1.0, 0.7, 0.45, 0.3])
    shape = level[:, None] / (1 + ((f - centre[..., None]) / half[..., None]) ** 2)
    return (shape.sum(axis=1) + 0.01).astype(np.float32)


def _syllables(rng, f0, tract, presence, count, long=False):
    """Syllables [shape=(count, samples)]: a consonant, and pulses through moving formants.

    `f0` is the mean pitch in Hz, `presence` the gain of 1 to 4 kHz; `long` ones are held.
    """
    n_fft = 18_000 if long else 10_000
    t = np.arange(n_fft, dtype=np.float32) / SR
    lengths = rng.uniform(0.26, 0.38, (count, 1)) if long else rng.uniform(0.1, 0.19, (count, 1))
    bend = rng.normal(0, 0.03 if long else 0.12, (count, 1))
    vibrato = (0.012 if long else 0.004) * np.sin(2 * np.pi * 5.5 * t + rng.uniform(0, 6))
    steps = rng.choice([-2, 0, 0, 0, 3, 5], (count, 1))
    pitch = f0 * 2 ** (steps / 12) * (1 + bend * t / lengths + vibrato)
    phase = np.remainder(np.cumsum(pitch, axis=1) / SR, 1).astype(np.float32)
    spectrum = fft.rfft(
        np.exp(-9 * phase) - 0.11 + 0.02 * rng.standard_normal(phase.shape, dtype=np.float32)
    )
    f = fft.rfftfreq(n_fft, 1 / SR).astype(np.float32)
    tone = 1 + (presence - 1) * _band(f, 1150, 3600, 3)
    first, last = (
        spectrum * _formants(f, VOWELS[rng.integers(6, size=count)], tract) for _ in range(2)
    )
    # Parseval: the level before `tone`, so that presence adds and is not normalised away.
    level = np.sqrt(2 * np.mean(np.abs(first) ** 2) / n_fft / 2)
    a, b = fft.irfft(first * tone), fft.irfft(last * tone)
    move = np.clip(t / lengths, 0, 1)
    voiced = (
        (a * (1 - move) + b * move) * np.clip(t / 0.02, 0, 1) * np.clip((lengths - t) / 0.05, 0, 1)
    )
    hiss = _noise(rng, n_fft / SR, 3500, 9000, 2)[0] * np.exp(-(((t - 0.012) / 0.014) ** 2))
    hiss = hiss * rng.choice([0.0, 0.06, 0.12, 0.2], (count, 1))
    return (voiced / (4 * level) + hiss).astype(np.float32)


def _dust(rng, duration):
    """Surface noise of a record and a few crackles, to be tiled."""
    y = _noise(rng, duration, 40, 15000, 1, fall_db=2.5)
    at = rng.integers(0, y.shape[1] - 40, 40)
    tick = _noise(rng, 0.0008, 1500, 9000, 1)
    for i in at:
        y[:, i : i + tick.shape[1]] += rng.exponential(1.5) * tick
    return y


def _add_drums(mix, recipe, line):
    """Kick, snare or clap, and open hats."""
    rng, kit = recipe.rng("drums"), np.random.default_rng([recipe.kit, 1])
    body, click = _kick(kit)
    snare, open_hat = _snare(kit), _hat(kit, 0.09)
    low = _decibels(recipe.low_db + LOW_DB * recipe.causes["low_end"])
    pattern, swing = KICKS[recipe.style][rng.integers(6)], rng.uniform(0, 0.25)
    late = swing if recipe.style == "boom-bap" else 0.0
    for bar in recipe.bars_of("intro", "verse", "hook", "bridge", "outro"):
        for step in pattern:
            at = line.at(bar + (step + late * (step % 2)) / 16)
            force = rng.uniform(0.85, 1)
            _place(mix, body, at, 0.42 * low * force)
            _place(mix, click, at, 0.22 * force)
    for bar in recipe.bars_of("verse", "hook"):
        for step in SNARES[recipe.style]:
            _place(mix, snare, line.at(bar + step / 16), 0.6 * rng.uniform(0.9, 1))
    for bar in recipe.bars_of("hook"):
        _place(mix, open_hat, line.at(bar + 14 / 16), 0.1 * _decibels(recipe.hat_db))


def _roll_steps(rng, rate, bar):
    """Positions of about `rate` hats a second, as fractions of a bar: one eighth after another."""
    grid = 32
    hits = int(np.clip(round(rate * bar / SR), 2, grid))
    step = np.arange(grid)
    rank = np.where(step % (grid // 4) == 0, 0.0, 1.0)
    rank = rank + np.repeat(rng.random(8), grid // 8) + 1e-3 * step
    return np.sort(np.argsort(rank)[:hits]) / grid


def _add_hats(mix, recipe, line):
    """Closed hats: as much denser in the hook as they are thinner in the verse, or the reverse."""
    rng, kit = recipe.rng("hats"), np.random.default_rng([recipe.kit, 2])
    hat = _hat(kit, kit.uniform(0.016, 0.03))
    pan = kit.uniform(0.75, 1.25)
    hat = hat * np.array([[pan], [2 - pan]], dtype=np.float32)
    z, level = recipe.causes["hat_rolls"], _decibels(recipe.hat_db)
    plain = _roll_steps(rng, rng.uniform(2.5, 4.5), line.bar)
    for bar in recipe.bars_of("intro", "bridge"):
        for position in plain:
            _place(mix, hat, line.at(bar + position), 0.15 * level * rng.uniform(0.6, 1))
    for role, turn in (("verse", -z), ("hook", z)):
        rate = 5 * 2 ** (0.9 * turn)
        for bar in recipe.bars_of(role):
            ranks = np.random.default_rng([recipe.seed, 3, bar])
            for position in _roll_steps(ranks, rate, line.bar):
                force = 0.75 + 0.25 * np.cos(8 * np.pi * position)
                _place(mix, hat, line.at(bar + position), 0.24 * level * force)


def _add_bass(mix, recipe, line):
    """The 808 follows the kick and the roots of the chords; silent only in the gap."""
    rng, roots = recipe.rng("bass"), recipe.harmony
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
    sub, grit = _bass(notes, step, n)
    sub = sub * _decibels(recipe.low_db + LOW_DB * recipe.causes["low_end"])
    loop = (0.2 * sub + rng.uniform(0.025, 0.06) * grit)[None]
    for bar in recipe.bars_of("intro", "verse", "hook", "bridge", "outro"):
        a = bar % len(roots) * line.bar
        _place(mix, loop[:, a : a + line.bar], line.at(bar))


def _add_loop(mix, recipe, line):
    """The sampled chords, a loop of two or four bars under everything."""
    rng, roots = recipe.rng("loop"), recipe.harmony
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
        pitches = [48 + recipe.root + note for note in scale[: rng.integers(3, 5)]]
        tone = _chord(rng, pitches, line.bar, recipe.cut_hz, brightness, recipe.width)
        chords.append(0.27 * tone * shape)
    for bar in range(0, line.spans["end"][1]):
        _place(mix, chords[bar % len(chords)], line.at(bar))


def _add_melody(mix, recipe, line):
    """Plucked figures of one bar: a high one in the hook only, a low one in other sections, too."""
    rng = recipe.rng("melody")
    decay = rng.uniform(0.15, 0.4)
    pitches = 78 + recipe.root % 12 + rng.choice(PENTATONIC, 3)
    high = _figure(rng, pitches, decay, rng.choice(16, 6, replace=False), line.bar)
    notes = int(np.clip(round(6 * 2 ** (0.8 * recipe.causes["arrangement"])), 1, 24))
    order = np.random.default_rng([recipe.seed, 4]).permutation(24) * 16 / 24
    low = _figure(rng, pitches - 12, 0.05, order[:notes], line.bar)
    for bar in recipe.bars_of("hook"):
        _place(mix, high, line.at(bar), 0.2)
    for bar in recipe.bars_of("verse", "hook", "bridge"):
        _place(mix, low, line.at(bar), 0.3)


def _figure(rng, pitches, decay, steps, bar):
    """A bar of plucked notes at some sixteenths, float32 [shape=(2, samples)]."""
    tones = [_bell(rng, pitch, decay) for pitch in pitches]
    figure = np.zeros((2, bar + SR), dtype=np.float32)
    for step in steps:
        _place(figure, tones[rng.integers(3)], int(step * bar / 16))
    return figure


def _add_voice(mix, recipe, line):
    """A flow in syllables: spoken in the verse, held and doubled in the hook."""
    rng = recipe.rng("voice")
    presence = _decibels(6.0 * recipe.causes["voice_presence"])
    level = 0.36 * _decibels(recipe.voice_db)
    said = _syllables(rng, recipe.voice_hz, recipe.tract, presence, 14)
    sung = _syllables(rng, 1.2 * recipe.voice_hz, recipe.tract, 1.0, 6, long=True)
    flow = np.sort(rng.choice(15, rng.integers(8, 12), replace=False))
    for bar in recipe.bars_of("verse"):
        for step in flow[rng.random(len(flow)) < 0.9]:
            at = line.at(bar + (step + rng.uniform(-0.1, 0.1)) / 16)
            _place(mix, said[rng.integers(14)][None], at, level * rng.uniform(0.7, 1.1))
    chant = np.sort(rng.choice(8, 3, replace=False)) * 2
    for bar in recipe.bars_of("hook"):
        for i, step in enumerate(chant):
            y = sung[(i + 3 * (bar % 2)) % 6]
            double = np.stack([y, np.roll(y, int(0.018 * SR))])
            _place(mix, double, line.at(bar + step / 16), 0.9 * level)


def render(recipe: Recipe) -> np.ndarray:
    """Render a beat.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    np.ndarray [shape=(2, 1_323_000)], float32
        30 s at 44.1 kHz, within -1 and 1.
    """
    line = recipe.timeline
    mix = np.zeros((2, N + 1), dtype=np.float32)  # the master's tilt takes one sample
    surface = _dust(recipe.rng("dust"), 2.5) * _decibels(recipe.dust_db)
    for at in range(0, N, surface.shape[1]):
        _place(mix, surface, at)
    for add in (_add_loop, _add_bass, _add_drums, _add_hats, _add_melody, _add_voice, _add_riser):
        add(mix, recipe, line)
    return _master(mix, recipe)


def _add_riser(mix, recipe, line):
    """Noise that swells into the hook; the other way round it dies away before it."""
    a, b = (line.at(bar) for bar in line.spans["lead"])
    noise = _noise(recipe.rng("riser"), (b - a) / SR, 2000, 7000, 3)
    noise *= (_seconds((b - a) / SR)[: noise.shape[1]] * SR / (b - a)) ** 2
    _place(mix, noise if recipe.causes["riser"] > 0 else noise[:, ::-1], a, 0.4)


def _master(mix, recipe):
    """Tilt, a soft clip that is driven to the same RMS in every mix, and a level, in place."""
    tilted = mix[:, 1:] + np.float32(-recipe.tilt) * mix[:, :-1]
    few = np.ravel(tilted[:, ::32])
    low, high = 0.0, 8 * RMS / (np.sqrt(np.mean(np.square(few))) + 1e-9)
    for _ in range(9):  # halvings: to a tenth of a dB
        drive = (low + high) / 2
        above = np.sqrt(np.mean(np.square(np.tanh(drive * few)))) > RMS
        low, high = (low, drive) if above else (drive, high)
    tilted *= np.float32(drive)
    np.tanh(tilted, out=tilted)
    level = np.float32(_decibels(recipe.level_db) / RMS)
    tilted *= level
    return np.clip(tilted, -1, 1, out=tilted) if level > 1 else tilted
