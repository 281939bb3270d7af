"""Audio files: decoded to samples, or the reason why not; and samples encoded."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import lameenc
import numpy as np
import soundfile as sf

from hiphoplib.errors import BadInput
from hiphoplib.io import silent_stderr

MIN_SECONDS = 3.0  # a shorter clip is not used
SILENCE_PEAK = 1e-4  # -80 dBFS
MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz


def read_clip(path: Path | str, seconds: float = 30.0) -> tuple[np.ndarray, int]:
    """Decode the first seconds of an audio file to one channel, the mean of all.

    Parameters
    ----------
    path : path-like
        Anything that libsndfile reads: mp3, wav, flac, ogg.
    seconds : float > 0

    Returns
    -------
    y : np.ndarray [shape=(samples,)], float32
    sr : int, in Hz

    Raises
    ------
    BadInput
        If the file is missing, empty, no audio, shorter than 3 s, or silent.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"clip {path.name}: there is no such file; gather again to fetch it")
    if path.stat().st_size == 0:
        raise BadInput(f"clip {path.name}: the file is empty; delete it and gather again")
    try:
        samples, sr = _decoded(path, seconds)
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"clip {path.name}: not audio that can be decoded; "
                       "replace the file") from error
    if len(samples) < MIN_SECONDS * sr:
        raise BadInput(f"clip {path.name}: {len(samples) / sr:.1f} s of audio, "
                       f"at least {MIN_SECONDS:.0f} s are needed")
    with np.errstate(invalid="ignore", over="ignore"):  # refused below
        y = sum(samples.T) * np.float32(1 / samples.shape[1])  # NumPy's mean takes much longer
    peak = np.maximum(y.max(), -y.min())  # not a number where any sample is none
    if not np.isfinite(peak):
        raise BadInput(f"clip {path.name}: samples that are no numbers; export the file again")
    if peak < SILENCE_PEAK:
        raise BadInput(f"clip {path.name}: only silence; replace the file")
    return y, sr


def _decoded(file, seconds, middle=False):
    """Samples [shape=(samples, channels)] of the beginning or middle of a file, and its rate.

    Where there is no audio, libsndfile raises a RuntimeError, and soundfile a ValueError.
    """
    with silent_stderr(), sf.SoundFile(file) as clip:
        n = int(seconds * clip.samplerate)
        if middle:
            clip.seek(max(0, (len(clip) - n) // 2))
        return clip.read(n, dtype="float32", always_2d=True), clip.samplerate


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
    with suppress(RuntimeError, ValueError):
        if len(_decoded(BytesIO(content), seconds=1)[0]):
            return
    beginning = content[:30].decode("ascii", "replace").split("\n")[0].strip()
    shown = f", it begins with {beginning!r}" if beginning.isprintable() and beginning else ""
    raise BadInput(f"{name}: {len(content):,} bytes that are not audio{shown}")


def middle(content: bytes, seconds: float = 30.0, name: str = "recording") -> bytes:
    """Return the middle of a recording as an mp3 of 96 kbit/s; all of it if it is shorter.

    Intro and end say little about a track, and services do not cut their previews there either.
    Channels and sampling rate stay.

    Parameters
    ----------
    content : bytes
        Of a file that libsndfile reads, mono or stereo, of 8 to 48 kHz; only the part is decoded.
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
    with suppress(RuntimeError, ValueError):
        y, sr = _decoded(BytesIO(content), seconds, middle=True)
        # what LAME encodes
        if sr in MP3_RATES and y.shape[1] <= 2 and y.size and np.isfinite(y).all():
            return encode(y.T, sr)
    raise BadInput(f"{name}: {len(content):,} bytes that are not audio of 8 to 48 kHz in one or "
                   "two channels; left out")


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
