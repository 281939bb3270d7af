"""Clips: read to be learnt from, checked and cut when they come, encoded."""

from collections.abc import Iterator
from pathlib import Path

import lameenc
import numpy as np
import soxr

from hiphoplib.audio.decode import NO_AUDIO, Recording
from hiphoplib.errors import BadInput

MIN_SECONDS = 3.0  # a shorter clip is not used
SILENCE_PEAK = 1e-4  # -80 dBFS
MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz
MAX_SECONDS = 7200.0  # of a recording whose middle is looked for


def read_clip(path: Path | str, seconds: float = 30.0) -> tuple[np.ndarray, int]:
    """Decode the first seconds of an audio file to one channel, the mean of all.

    Parameters
    ----------
    path : path-like
        Of any format that a `Recording` decodes.
    seconds : float > 0

    Returns
    -------
    y : np.ndarray [shape=(samples,)], float32
    sr : int, in Hz

    Raises
    ------
    BadInput
        If the file is missing, empty, no audio, shorter than 3 s, or silent; if its samples are
        no numbers or far out of range.
    """
    path = Path(path)
    try:
        with Recording(path) as clip:
            y = _beginning(blocks := clip.blocks(), int(seconds * clip.sr))
            if len(y) < MIN_SECONDS * clip.sr:
                raise BadInput(f"{len(y) / clip.sr:.1f} s of audio, at least {MIN_SECONDS:.0f} s "
                               "are needed; fetch or export it again")
            if np.abs(y).max() < SILENCE_PEAK:
                later = any(np.abs(block).max() >= SILENCE_PEAK for block in blocks)
                raise BadInput(f"its first {seconds:.0f} s are silent; cut them off" if later
                               else "only silence; fetch or export it again")
            return y, clip.sr
    except BadInput as error:
        raise BadInput(f"clip {path.name}: {error}") from error


def _beginning(blocks: Iterator[np.ndarray], n: int) -> np.ndarray:
    """Join blocks [shape=(..., samples)] until there are `n` samples, or all if they are fewer."""
    held: list[np.ndarray] = []
    missing = n
    while missing > 0 and (y := next(blocks, None)) is not None:
        held.append(y[..., :missing])
        missing -= y.shape[-1]
    return np.concatenate(held, axis=-1)


def check_audio(content: bytes, name: str) -> None:
    """Raise where a file is no audio, which its beginning shows; the error calls it `name`.

    Parameters
    ----------
    content : bytes
    name : str

    Raises
    ------
    BadInput
        If nothing can be decoded: an empty file, an HTML page, a damaged beginning.
    """
    try:
        with Recording(content) as clip:
            next(clip.channels())
    except BadInput as error:
        if not str(error).startswith(NO_AUDIO):
            raise BadInput(f"{name}: {error}") from error
        beginning = content[:30].decode("ascii", "replace").split("\n")[0].strip()
        shown = f", it begins with {beginning!r}" if beginning.isprintable() and beginning else ""
        raise BadInput(f"{name}: {len(content):,} bytes that are not audio{shown}") from error


def middle(content: bytes, seconds: float = 30.0, name: str = "recording") -> bytes:
    """Return the middle of a recording as an mp3 of 96 kbit/s; all of it if it is shorter.

    Intro and end say little about a track, and services do not cut their previews there either.
    Channels and sampling rate stay, where an mp3 can have them.

    Parameters
    ----------
    content : bytes
        Of a file that a `Recording` decodes.
    seconds : float > 0
    name : str

    Returns
    -------
    bytes

    Raises
    ------
    BadInput
        If it is no such audio.
    """
    try:
        with Recording(content) as recording:  # to count what is there
            for _ in recording.channels():
                if recording.seconds > MAX_SECONDS:
                    raise BadInput(f"longer than {MAX_SECONDS / 3600:.0f} hours")
            skip = max(0, int((recording.seconds - seconds) / 2 * recording.sr))
        with Recording(content) as recording:
            sr, parts = recording.sr, _after(recording.channels(), skip)
            y = _beginning(_of_one_width(parts), int(seconds * sr))
    except BadInput as error:
        reason = (f"{len(content):,} bytes that are not audio" if str(error).startswith(NO_AUDIO)
                  else str(error))
        raise BadInput(f"{name}: {reason}; left out") from error
    if sr not in MP3_RATES:
        y, sr = soxr.resample(y.T, sr, MP3_RATES[-2]).T, MP3_RATES[-2]
    return encode(y, sr)


def _of_one_width(blocks):
    """Yield blocks with one or two channels, which LAME encodes, as many as the first one has."""
    width = 0
    for y in blocks:
        width = width or (len(y) if len(y) < 3 else 1)
        yield y if len(y) == width else np.repeat(y.mean(axis=0, keepdims=True), width, axis=0)


def _after(blocks, skip):
    """Yield what comes after so many samples."""
    for y in blocks:
        if y.shape[-1] > skip:
            yield y[..., skip:]
        skip = max(0, skip - y.shape[-1])


def encode(y: np.ndarray, sr: int, kbps: int = 96) -> bytes:
    """Encode samples as an mp3.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,) or (channels, samples)]
        Clipped to -1 and 1.
    sr : int, in Hz
    kbps : int
        96 as previews of services, or 32, at 22,050 Hz, for a player in a notebook.

    Returns
    -------
    bytes
    """
    y = np.clip(np.atleast_2d(y), -1, 1)
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(kbps)
    encoder.set_in_sample_rate(sr)
    encoder.set_out_sample_rate(sr if kbps > 32 else 22_050)  # left alone, LAME goes lower
    encoder.set_channels(len(y))
    encoder.set_quality(7)  # the fastest that still sounds the same at this rate
    encoder.silence()
    samples = (y * 32_000).astype(np.int16).T.tobytes()
    return bytes(encoder.encode(samples) + encoder.flush())
