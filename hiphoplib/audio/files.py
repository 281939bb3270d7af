"""Audio files: decoded to samples, or the reason why not; and samples encoded."""

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
    """Decode the beginning of an audio file to one channel.

    Parameters
    ----------
    path : path-like
        Anything that libsndfile reads: mp3, wav, flac, ogg.
    seconds : float > 0
        How much to read at most, in s.

    Returns
    -------
    y : np.ndarray [shape=(samples,)], float32
        The mean of the channels.
    sr : int
        The file's own sampling rate, in Hz.

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
        with silent_stderr(), sf.SoundFile(path) as clip:
            sr = clip.samplerate
            samples = clip.read(int(seconds * sr), dtype="float32", always_2d=True)
    except (RuntimeError, ValueError) as error:  # libsndfile's own is a RuntimeError
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


def check_audio(content: bytes, name: str) -> None:
    """Raise where bytes are no audio, which their beginning shows.

    Parameters
    ----------
    content : bytes
        Of a file.
    name : str
        What an error calls it.

    Raises
    ------
    BadInput
        If nothing can be decoded: an empty file, an HTML page, a damaged beginning.
    """
    try:
        with silent_stderr(), sf.SoundFile(BytesIO(content)) as clip:
            if len(clip.read(clip.samplerate, dtype="float32", always_2d=True)):
                return
    except (RuntimeError, ValueError):
        pass
    beginning = content[:30].decode("ascii", "replace").split("\n")[0].strip()
    shown = f", it begins with {beginning!r}" if beginning.isprintable() and beginning else ""
    raise BadInput(f"{name}: {len(content):,} bytes that are not audio{shown}")


def middle(content: bytes, seconds: float = 30.0, name: str = "recording") -> bytes:
    """Return the middle of a recording as an mp3 of 96 kbit/s; all of it if it is shorter.

    Intro and end say little about a track, and services do not cut their previews there either.

    Parameters
    ----------
    content : bytes
        Of a file that libsndfile reads, mono or stereo, of 8 to 48 kHz; only the part is decoded.
    seconds : float > 0
        In s.
    name : str
        What an error calls it.

    Returns
    -------
    bytes
        With the recording's own channels and sampling rate.

    Raises
    ------
    BadInput
        If it is no such audio.
    """
    try:
        with silent_stderr(), sf.SoundFile(BytesIO(content)) as recording:
            sr, n = recording.samplerate, int(seconds * recording.samplerate)
            if sr not in MP3_RATES or recording.channels > 2:
                raise ValueError("LAME does not encode it")
            recording.seek(max(0, (len(recording) - n) // 2))
            y = recording.read(n, dtype="float32", always_2d=True).T
        if not (y.size and np.isfinite(y).all()):
            raise ValueError("nothing to encode")
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"{name}: {len(content):,} bytes that are not audio of 8 to 48 kHz in one "
                       "or two channels; left out") from error
    return encode(y, sr)


def encode(y: np.ndarray, sr: int, kbps: int = 96) -> bytes:
    """Encode samples as an mp3.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,) or (channels, samples)]
        Clipped to -1 and 1.
    sr : int
        In Hz.
    kbps : int
        Bit rate in kbit/s: 96 as in previews of services, or 32 for a player in a notebook, which
        goes with a sampling rate of 22,050 Hz.

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
