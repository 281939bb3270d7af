"""Decoding: the beginning of an audio file as samples, or the reason why not."""

from pathlib import Path

import numpy as np
import soundfile as sf

from .errors import BadInput
from .quiet import silent_stderr

MIN_SECONDS = 3.0  # less than this is no clip
SILENCE_PEAK = 1e-4  # -80 dBFS


def read_clip(path, seconds=30.0):
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
            y = clip.read(int(seconds * sr), dtype="float32", always_2d=True).mean(axis=1)
    except (sf.LibsndfileError, RuntimeError, ValueError) as error:
        raise BadInput(f"clip {path.name}: not audio that can be decoded; "
                       "replace the file") from error
    if len(y) < MIN_SECONDS * sr:
        raise BadInput(f"clip {path.name}: {len(y) / sr:.1f} s of audio, "
                       f"at least {MIN_SECONDS:.0f} s are needed")
    if not np.isfinite(y).all():
        raise BadInput(f"clip {path.name}: samples that are no numbers; export the file again")
    if np.abs(y).max() < SILENCE_PEAK:
        raise BadInput(f"clip {path.name}: only silence; replace the file")
    return y, sr
