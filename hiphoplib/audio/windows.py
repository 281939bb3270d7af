"""Whole songs from files: found in a folder, decoded piece by piece, heard in windows of a clip.

However long a song is, no more of it is in memory than one window and a block.
"""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile as sf

from hiphoplib.audio.files import SILENCE_PEAK
from hiphoplib.audio.mel import mel_spectrogram
from hiphoplib.errors import BadInput
from hiphoplib.io import silent_stderr

SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".aif",
            ".aiff")
HOP = 5.0  # s between the beginnings of two windows
LEAST_SECONDS = 15.0  # half a window: less is no song
MOST_WINDOWS = 360  # half an hour of them; what is longer is heard at larger steps
BLOCK_SECONDS = 5.0  # decoded at a time
NO_AUDIO = "not audio that can be decoded; export it again as wav, mp3, flac, ogg or m4a"
DAMAGED = "damaged, it cannot be decoded to its end; export it again"


@dataclass(frozen=True)
class Windows:
    """A song as a model hears it.

    Parameters
    ----------
    starts : np.ndarray [shape=(n_windows,)]
        In s.
    S_db : np.ndarray [shape=(n_windows, n_mels, frames)], float16
        In dB, each as `mel_spectrogram` makes it of a clip, in the precision of a mel store.
    seconds : float
        Length of the song.
    note : str
        What the reader should know of how it was heard; empty for most.
    """

    starts: np.ndarray
    S_db: np.ndarray
    seconds: float
    note: str = ""


def find_songs(folder):
    """Audio files of a folder, in the order of their names, and the names of its other files.

    Parameters
    ----------
    folder : path-like
        Folders in it are not entered; or one audio file.

    Returns
    -------
    songs : list of Path
        By their suffix; whether they hold audio shows when they are decoded.
    others : list of str
        Hidden files are nobody's business and are not named.

    Raises
    ------
    BadInput
        If there is no such folder, or no audio file in it.
    """
    folder = Path(folder)
    if folder.is_file():
        return [folder], []
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder; name one that holds your songs")
    files = sorted((path for path in folder.iterdir()
                    if path.is_file() and not path.name.startswith(".")),
                   key=lambda path: path.name.casefold())
    songs = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not songs:
        inside = sorted({path.parent.name for path in folder.glob("*/*")
                         if path.suffix.lower() in SUFFIXES})
        raise BadInput(f"{folder}: no audio files in it; "
                       + (f"there are some in its folder {inside[0]!r}: name that one" if inside
                          else f"put songs there, as {', '.join(SUFFIXES[:5])} for example"))
    return songs, [path.name for path in files if path not in songs]


def hear_song(task):
    """Windows of a song, or why it cannot be heard: what a worker does with a file.

    Parameters
    ----------
    task : tuple of Path, MelGrid and float
        The song, the grid of the model, and s between two windows.

    Returns
    -------
    Windows or str
    """
    path, grid, hop = task
    try:
        return hear(path, grid, hop)
    except (BadInput, OSError) as error:
        return getattr(error, "strerror", None) or str(error)


def hear(path, grid, hop=HOP):
    """A song in overlapping windows; those with nothing but silence in them are left out.

    Parameters
    ----------
    path : path-like
    grid : MelGrid
        A window is as long as its clips.
    hop : float > 0
        In s; larger for a recording of which that would be more than `MOST_WINDOWS`.

    Returns
    -------
    Windows

    Raises
    ------
    BadInput
        If it is no audio, shorter than `LEAST_SECONDS`, silent, or holds samples that are no
        numbers.
    """
    sr, said, blocks = open_song(path)
    step = max(hop, hop * np.ceil((said - grid.seconds) / hop / MOST_WINDOWS))
    starts, spectra, sizes = [], [], []
    for start, y in _stretches(_measured(blocks, sizes), int(step * sr), int(grid.seconds * sr)):
        if np.abs(y).max() >= SILENCE_PEAK:
            starts.append(start / sr)
            spectra.append(mel_spectrogram(y, sr, grid).astype(np.float16))
    seconds = sum(sizes) / sr
    if not seconds:
        raise BadInput(NO_AUDIO)
    if seconds < LEAST_SECONDS:
        raise BadInput(f"{seconds:.1f} s of audio, at least {LEAST_SECONDS:.0f} s of a song are "
                       "needed")
    if not starts:
        raise BadInput("only silence; export it again")
    return Windows(np.array(starts), np.stack(spectra), seconds,
                   _note(seconds, step, hop, grid.seconds))


def _measured(blocks, sizes):
    """The blocks, whose sizes are put into a list."""
    for y in blocks:
        sizes.append(len(y))
        yield y


def is_short(seconds, window):
    """Whether a song leaves more than a second of its only window silent."""
    return seconds < window - 1


def _note(seconds, step, hop, window):
    """What was unusual in hearing a song."""
    if is_short(seconds, window):
        return f"Only {seconds:.0f} s long: the rest of the {window:.0f} s is silence."
    if step > hop:
        return f"Longer than a song ({seconds / 60:.0f} min): heard every {step:.0f} s."
    return ""


def _stretches(blocks, step, size):
    """Yield (first sample, samples) of stretches of `size`, one every `step`.

    Of a song that is shorter than one stretch, all of it.
    """
    held, start, skip, any_yet = np.empty(0, np.float32), 0, 0, False
    for y in blocks:
        y, skip = y[skip:], max(0, skip - len(y))  # between stretches that do not overlap
        held = np.concatenate([held, y])
        while len(held) >= size:
            yield start, held[:size]
            any_yet, start = True, start + step
            held, skip = held[step:], max(0, step - len(held))
    if not any_yet and len(held):
        yield start, held


def stretch(path, start, seconds):
    """Part of a song, for a player.

    Parameters
    ----------
    path : path-like
    start, seconds : float
        In s.

    Returns
    -------
    y : np.ndarray [shape=(samples,)], float32
        The mean of the channels.
    sr : int
        In Hz.
    """
    sr, _, blocks = open_song(path)
    first, last, at, parts = int(start * sr), int((start + seconds) * sr), 0, []
    for y in blocks:
        parts.append(y[max(0, first - at): max(0, last - at)])
        at += len(y)
        if at >= last:
            break
    return np.concatenate(parts), sr


def open_song(path):
    """Open a song with libsndfile, or with FFmpeg what that does not read.

    Returns
    -------
    sr : int
        In Hz.
    seconds : float
        Length as the file says, right or not; 0 if it does not.
    blocks : iterator of np.ndarray [shape=(samples,)], float32
        The mean of the channels.

    Raises
    ------
    BadInput
        If neither reads it.
    """
    path = Path(path)
    if not path.stat().st_size:
        raise BadInput("the file is empty; export it again")
    with silent_stderr():
        try:
            song = sf.SoundFile(path)
        except (sf.LibsndfileError, RuntimeError, ValueError):
            return _open_with_ffmpeg(path)
    return song.samplerate, song.frames / song.samplerate, _blocks(song)


def _blocks(song):
    """Blocks of a sound file, which is closed at the end."""
    with song:
        while True:
            try:
                with silent_stderr():
                    samples = song.read(int(BLOCK_SECONDS * song.samplerate), dtype="float32",
                                        always_2d=True)
            except (sf.LibsndfileError, RuntimeError, ValueError) as error:
                raise BadInput(DAMAGED) from error
            if not len(samples):
                return
            yield _checked(samples.mean(axis=1))


def _open_with_ffmpeg(path):
    """As `open_song`, by PyAV, whose wheel carries FFmpeg."""
    import av  # a tenth of a second, and most songs do without

    try:
        container = av.open(str(path), metadata_errors="ignore")
        stream = container.streams.audio[0]
        sr = stream.rate
        ticks = stream.duration
        seconds = float(ticks * stream.time_base) if ticks else (container.duration or 0) / 1e6
    except (av.FFmpegError, AttributeError, IndexError, ValueError) as error:
        raise BadInput(NO_AUDIO) from error  # AttributeError: a stream without a known coding
    return sr, seconds, _blocks_by_ffmpeg(container, stream, sr)


def _blocks_by_ffmpeg(container, stream, sr):
    import av

    # planes of floats, whatever the file holds; the mean is ours, so that formats agree
    resampler = av.AudioResampler(format="fltp", rate=sr)
    with container:
        try:
            frames = (part for frame in container.decode(stream)
                      for part in resampler.resample(frame))
            sizes = _counted(frames, int(BLOCK_SECONDS * sr))
            for _, together in groupby(sizes, key=lambda pair: pair[0]):
                yield _checked(np.concatenate([y for _, y in together]))
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(DAMAGED) from error


def _counted(frames, size):
    """Yield (number of the block, mean of the channels) of decoded frames."""
    done = 0
    for frame in frames:
        y = frame.to_ndarray().mean(axis=0)
        yield done // size, y
        done += len(y)


def _checked(y):
    """The samples, if they are numbers."""
    if not np.isfinite(y).all():
        raise BadInput("samples that are no numbers; export it again")
    return y
