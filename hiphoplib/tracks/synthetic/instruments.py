"""The instruments of a synthetic beat: short sounds, rendered once and placed many times.

All sounds are float32 arrays at 44.1 kHz. A sound that is placed as it is has two channels,
shape (2, samples). Filters are magnitudes in the frequency domain, because the sounds are short
and one FFT is cheaper than a recursive filter.
"""

import numpy as np
from scipy import fft

SR = 44_100

# Formants F1-F3 of six vowels in Hz, rounded from Peterson & Barney (JASA 1952), adult speakers.
VOWELS = np.array([
    (730, 1090, 2440), (530, 1840, 2480), (390, 1990, 2550),
    (570, 840, 2410), (440, 1020, 2240), (640, 1190, 2390)], dtype=np.float32)


def decibels(level):
    """Amplitude factor of a level in dB."""
    return np.float32(10 ** (level / 20))


def place(mix, sound, at, gain=1.0):
    """Add a sound of shape (2 or 1, samples) to the mix at a sample, cut to the mix."""
    a, b = max(at, 0), min(at + sound.shape[1], mix.shape[1])
    if a < b:
        mix[:, a:b] += np.float32(gain) * sound[:, a - at:b - at]


def seconds(duration):
    """Time axis of a sound: float32, shape (samples,), in s."""
    return np.arange(int(duration * SR), dtype=np.float32) / SR


def band(f, low, high, order=2):
    """Magnitude of a band-pass with Butterworth-like edges.

    Parameters
    ----------
    f : np.ndarray
        Frequencies, in Hz.
    low, high : float
        Edges at -3 dB, in Hz.
    order : int
        Steepness: 6 dB an octave and order.

    Returns
    -------
    np.ndarray, as f
        Between 0 and 1.
    """
    f = np.maximum(f, 1.0)
    return 1 / np.sqrt((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order)))


def noise(rng, duration, low, high, order=2, fall_db=0.0):
    """Band-limited noise with two independent channels, peak near 1.

    Parameters
    ----------
    duration : float
        In s.
    low, high, order : float, float, int
        Edges in Hz, and their steepness (see `band`).
    fall_db : float
        How much the level falls an octave, in dB.

    Returns
    -------
    np.ndarray [shape=(2, samples)]
    """
    n = int(duration * SR)
    n_fft = fft.next_fast_len(n, real=True)
    f = fft.rfftfreq(n_fft, 1 / SR).astype(np.float32)
    gain = band(f, low, high, order) * np.maximum(f / 1000, 0.02) ** (-fall_db / 6.02)
    spectrum = fft.rfft(rng.standard_normal((2, n_fft), dtype=np.float32)) * gain
    y = fft.irfft(spectrum, n_fft)[:, :n]
    return y / (3 * np.std(y) + 1e-9)


def kick(rng):
    """A kick in two parts, so that its weight can be set apart from its attack.

    Returns
    -------
    body, click : np.ndarray [shape=(2, samples)]
        The falling sine below about 150 Hz, and the beater.
    """
    t = seconds(0.32)
    low, drop = rng.uniform(46, 58), rng.uniform(70, 190)
    phase = 2 * np.pi * (low * t - drop * 0.025 * np.exp(-t / 0.025))
    body = np.sin(phase) * np.exp(-t / rng.uniform(0.07, 0.13))
    body *= np.minimum(1, (t[-1] - t) / 0.02)
    click = noise(rng, 0.03, 700, rng.uniform(3000, 6000), 1) * np.exp(-seconds(0.03) / 0.006)
    return np.stack([body, body]).astype(np.float32), click


def snare(rng):
    """A snare or a clap with a short room, shape (2, samples)."""
    t = seconds(0.5)
    rattle = noise(rng, 0.5, rng.uniform(700, 1500), rng.uniform(6500, 10000), 1, fall_db=2)
    mono = 0.5 * rattle.mean(axis=0) + 0.5 * rattle[0]
    if rng.random() < 0.5:
        tone = np.sin(2 * np.pi * rng.uniform(165, 230) * t * (1 + 0.2 * np.exp(-t / 0.02)))
        dry = 0.7 * mono * np.exp(-t / rng.uniform(0.05, 0.1)) + 0.7 * tone * np.exp(-t / 0.06)
    else:
        strokes = [np.where(t >= at, np.exp(-(t - at) / decay), 0) for at, decay
                   in ((0, 0.008), (0.011, 0.008), (0.022, 0.008), (0.03, 0.07))]
        dry = mono * sum(strokes)
    room = rng.uniform(0.05, 0.16) * rattle * np.exp(-t / rng.uniform(0.09, 0.15))
    y = dry + room
    return (y * np.minimum(1, (t[-1] - t) / 0.05)).astype(np.float32)


def hat(rng, decay):
    """A hi-hat, noise and metal between about 6 and 13 kHz, shape (2, samples)."""
    duration = 4 * decay + 0.02
    t = seconds(duration)
    ring = sum(np.sign(np.sin(2 * np.pi * f * t + 1)) for f in rng.uniform(5800, 9800, 4))
    body = noise(rng, duration, rng.uniform(5800, 7200), rng.uniform(11000, 14000), 3)
    y = 0.8 * body + 0.07 * ring
    return (y * np.exp(-t / decay) * np.minimum(1, (t[-1] - t) / 0.01)).astype(np.float32)


def riser(rng, duration):
    """Noise between 2 and 6 kHz that swells, shape (2, samples)."""
    t = seconds(duration)
    return noise(rng, duration, 2000, 6000, 3) * np.float32(0.25 + 0.75 * t / duration) ** 1.5


def bass(notes, step, n, glide=0.07):
    """An 808: a sine that glides from note to note, and its overtones.

    Parameters
    ----------
    notes : list of (float, float, float)
        Start and length in sixteenths, frequency in Hz.
    step : float
        Length of a sixteenth, in samples.
    n : int
        Length of the pattern, in samples.
    glide : float
        Time from one pitch to the next, in s.

    Returns
    -------
    sub, grit : np.ndarray [shape=(n,)]
        Fundamental and octave (below about 125 Hz), and what saturation adds above.
    """
    times, pitch, env_times, env = [], [], [], []
    for start, length, f in notes:
        a, b = start * step, (start + length) * step - 0.012 * SR
        times += [a + glide * SR, b]
        pitch += [f, f]
        env_times += [a, a + 0.006 * SR, b, b + 0.011 * SR]
        env += [0, 1, np.exp(-(b - a) / SR / 0.9), 0]
    t = np.arange(n, dtype=np.float32)
    phase = 2 * np.pi * np.cumsum(np.exp(np.interp(t, times, np.log(pitch)))) / SR
    # Whole turns are taken off in double precision; the rest fits float32.
    phase = np.remainder(phase, 2 * np.pi).astype(np.float32)
    amplitude = np.interp(t, env_times, env).astype(np.float32)
    sub = amplitude * (np.sin(phase) + 0.2 * np.sin(2 * phase))
    grit = amplitude * sum(np.sin(k * phase) / k ** 1.6 for k in (3, 4, 5, 7, 9))
    return sub, grit


def chord(rng, pitches, n, cut_hz, brightness, width):
    """A chord that sounds sampled: each partial is a narrow band of random phases.

    The spectrum is written down and transformed once, after Nasca's PADsynth idea.

    Parameters
    ----------
    pitches : sequence of float
        MIDI numbers.
    n : int
        Length, in samples.
    cut_hz : float
        Corner of the low-pass of the "record", in Hz.
    brightness : float
        Exponent of the partials' fall; smaller is brighter.
    width : float
        Phase difference of the channels, 0 (mono) to 1.

    Returns
    -------
    np.ndarray [shape=(2, n)]
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
            magnitude[a:b] += np.exp(-((bins - centre) / spread) ** 2) / (
                k ** brightness * spread ** 0.5)
    magnitude *= band(f, 90, cut_hz, 1)
    left = rng.uniform(0, 2 * np.pi, len(f)).astype(np.float32)
    right = left + width * np.pi * rng.uniform(-1, 1, len(f)).astype(np.float32)
    phases = np.stack([left, right])
    y = fft.irfft(magnitude * (np.cos(phases) + 1j * np.sin(phases)), n_fft)[:, :n]
    return y / (3 * np.std(y) + 1e-9)


def bell(rng, pitch, decay):
    """A plucked two-operator tone for melodies, shape (2, samples)."""
    t = seconds(min(2.5 * decay, 1.2))
    f = 440 * 2 ** ((pitch - 69) / 12)
    ratio, index = rng.choice([1.0, 2.0, 3.5]), rng.uniform(0.6, 2.2)
    bend = index * np.exp(-t / (0.4 * decay)) * np.sin(2 * np.pi * ratio * f * t)
    left, right = (np.sin(2 * np.pi * f * d * t + bend) for d in (0.9985, 1.0015))
    return (np.stack([left, right]) * np.exp(-t / decay)
            * np.minimum(1, (t[-1] - t) / 0.02)).astype(np.float32)


def formants(f, vowel, tract):
    """Gain of a vocal tract.

    Parameters
    ----------
    f : np.ndarray [shape=(bins,)]
        Frequencies, in Hz.
    vowel : np.ndarray [shape=(vowels, 3)]
        Formants of an average speaker, in Hz.
    tract : float
        Factor on all formants; below 1 is a longer tract, a larger speaker.

    Returns
    -------
    np.ndarray [shape=(vowels, bins)]
    """
    centre = np.concatenate([vowel, np.full((len(vowel), 1), 3500.0)], axis=1) * tract
    half = 45 + 0.035 * centre
    level = np.array([1.0, 0.7, 0.45, 0.3])
    shape = level[:, None] / (1 + ((f - centre[..., None]) / half[..., None]) ** 2)
    return (shape.sum(axis=1) + 0.01).astype(np.float32)


def syllables(rng, f0, tract, presence, count, long=False):
    """Sung or spoken syllables: a glottal pulse train through moving formants, a consonant first.

    Parameters
    ----------
    f0, tract : float
        Mean pitch of the voice in Hz, factor on the formants.
    presence : float
        Gain of 1 to 4 kHz; 1 leaves the voice as it is.
    count, long : int, bool
        How many, and whether they are held, as in a hook.

    Returns
    -------
    np.ndarray [shape=(count, samples)]
    """
    n_fft = 18_000 if long else 10_000
    t = np.arange(n_fft, dtype=np.float32) / SR
    lengths = rng.uniform(0.26, 0.38, (count, 1)) if long else rng.uniform(0.1, 0.19, (count, 1))
    bend = rng.normal(0, 0.03 if long else 0.12, (count, 1))
    vibrato = (0.012 if long else 0.004) * np.sin(2 * np.pi * 5.5 * t + rng.uniform(0, 6))
    steps = rng.choice([-2, 0, 0, 0, 3, 5], (count, 1))
    pitch = f0 * 2 ** (steps / 12) * (1 + bend * t / lengths + vibrato)
    phase = np.remainder(np.cumsum(pitch, axis=1) / SR, 1).astype(np.float32)
    spectrum = fft.rfft(np.exp(-9 * phase) - 0.11 + 0.02 * rng.standard_normal(
        phase.shape, dtype=np.float32))
    f = fft.rfftfreq(n_fft, 1 / SR).astype(np.float32)
    tone = 1 + (presence - 1) * band(f, 1150, 3600, 3)
    first, last = (spectrum * formants(f, VOWELS[rng.integers(6, size=count)], tract)
                   for _ in range(2))
    # Parseval: the level before `tone`, so that presence adds and is not normalised away.
    level = np.sqrt(2 * np.mean(np.abs(first) ** 2) / n_fft / 2)
    a, b = fft.irfft(first * tone), fft.irfft(last * tone)
    move = np.clip(t / lengths, 0, 1)
    voiced = (a * (1 - move) + b * move) * np.clip(t / 0.02, 0, 1) * np.clip(
        (lengths - t) / 0.05, 0, 1)
    hiss = noise(rng, n_fft / SR, 3500, 9000, 2)[0] * np.exp(-((t - 0.012) / 0.014) ** 2)
    hiss = hiss * rng.choice([0.0, 0.06, 0.12, 0.2], (count, 1))
    return (voiced / (4 * level) + hiss).astype(np.float32)


def dust(rng, duration):
    """Surface noise of a record and a few crackles, to be tiled; shape (2, samples)."""
    y = noise(rng, duration, 40, 15000, 1, fall_db=2.5)
    at = rng.integers(0, y.shape[1] - 40, 40)
    tick = noise(rng, 0.0008, 1500, 9000, 1)
    for i in at:
        y[:, i:i + tick.shape[1]] += rng.exponential(1.5) * tick
    return y
