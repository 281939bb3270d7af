"""Whole songs: found in a folder, decoded piece by piece, cut into windows as long as a clip.

However long a song is, no more of it is in memory than a few minutes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soundfile as sf

from hiphoplib.audio import tagger
from hiphoplib.audio.features import NAMES, window_features
from hiphoplib.audio.files import SILENCE_PEAK
from hiphoplib.audio.mel import MelGrid, mel_spectrogram
from hiphoplib.errors import BadInput
from hiphoplib.io import silent_stderr

SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".aif",
            ".aiff")
HOP = 5.0  # s between the beginnings of two windows
MIN_SECONDS = 15.0  # of a song: half a window
MAX_WINDOWS = 360  # half an hour of them; a longer recording is read at larger steps
TOGETHER = 5  # windows' lengths that are described at a time: what they share is so once
BLOCK_SECONDS = 5.0  # decoded at a time
NO_AUDIO = "not audio that can be decoded; export it again as wav, mp3, flac, ogg or m4a"
DAMAGED = "damaged, it cannot be decoded to its end; export it again"


@dataclass(frozen=True)
class Windows:
    """A song as a model takes it."""

    starts: np.ndarray  # [shape=(n_windows,)], in s
    S_db: np.ndarray  # [shape=(n_windows, n_mels, frames)], float16, in dB, as in a mel store
    seconds: float  # length of the song
    note: str  # what the reader should know of how it was read; empty for most
    handcrafted: np.ndarray  # features [shape=(n_windows, len(features.NAMES))], if asked for
    # what the taggers take of each piece of the song, and which of it lies in each window of 30 s
    tagged: list[tuple[np.ndarray, list[slice]]]


def find_songs(folder: Path | str) -> tuple[list[Path], list[str]]:
    """List the audio files of a folder, by their suffix and in the order of names, and the others.

    Parameters
    ----------
    folder : path-like
        Folders and hidden files in it do not count; or one audio file.

    Returns
    -------
    songs, others : list of Path, list of str

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


def windows_or_reason(task: tuple[Path, MelGrid, float, Collection[str]]) -> Windows | str:
    """Read a song in overlapping windows; those with nothing but silence in them are left out.

    Parameters
    ----------
    task : tuple of Path, MelGrid, float and collection of str
        Seconds from window to window, more where there would be over `MAX_WINDOWS`; the kinds of
        features that are wanted, of ``"handcrafted"``, ``"musicnn"`` and ``"vgg"``.

    Returns
    -------
    Windows or str
        Or the reason why it cannot be read.
    """
    try:
        return _read_windows(*task)
    except BadInput as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _read_windows(path, grid, hop=HOP, kinds=()):
    """Read a song as `windows_or_reason` does, or raise the reason."""
    sr, stated, blocks = _open(path)
    step = max(hop, hop * np.ceil((stated - grid.seconds) / hop / MAX_WINDOWS))
    starts, spectra, sizes = [], [], []
    features, tagged = [np.empty((0, len(NAMES)), np.float32)], []

    def measured():
        for y in blocks:
            sizes.append(len(y))
            yield y

    hop_size, size = int(step * sr), int(grid.seconds * sr)
    for first, y, n in _pieces(_stretches(measured(), hop_size, size), hop_size):
        at = [start for start in range(0, n * hop_size, hop_size)
              if np.abs(y[start: start + size]).max() >= SILENCE_PEAK]
        starts += [(first + start) / sr for start in at]
        spectra += [mel_spectrogram(y[start: start + size], sr, grid).astype(np.float16)
                    for start in at]
        within, seconds = [start / sr for start in at], min(size, len(y)) / sr
        if at and "handcrafted" in kinds:
            features.append(window_features(y, sr, within, seconds))
        if at and {"musicnn", "vgg"} & set(kinds):
            tagged.append((tagger.windows(y, sr), tagger.inside(within, seconds)))
    seconds = sum(sizes) / sr
    if not seconds:
        raise BadInput(NO_AUDIO)
    if seconds < MIN_SECONDS:
        raise BadInput(f"{seconds:.1f} s of audio, at least {MIN_SECONDS:.0f} s of a song are "
                       "needed")
    if not starts:
        raise BadInput("only silence; export it again")
    note = ""
    if seconds < grid.seconds - 1:
        note = f"Only {seconds:.0f} s long: the rest of the {grid.seconds:.0f} s is silence."
    elif step > hop:
        note = f"Longer than a song ({seconds / 60:.0f} min): heard every {step:.0f} s."
    return Windows(np.array(starts), np.stack(spectra), seconds, note, np.concatenate(features),
                   tagged)


def _stretches(blocks, step, size, skip=0):
    """Yield (first sample after `skip`, samples) of stretches; of a short song, all of it."""
    kept, start, any_yet = np.empty(0, np.float32), 0, False
    for y in blocks:
        y, skip = y[skip:], max(0, skip - len(y))  # between stretches that do not overlap
        kept = np.concatenate([kept, y])
        while len(kept) >= size:
            yield start, kept[:size]
            any_yet, start = True, start + step
            kept, skip = kept[step:], max(0, step - len(kept))
    if not any_yet and len(kept):
        yield start, kept


def _pieces(stretches, step):
    """Join stretches that overlap, a few minutes of them: (first sample, samples, how many)."""
    held: list[np.ndarray] = []
    first = 0
    for start, y in stretches:
        if held and (step >= len(y) or sum(map(len, held)) >= TOGETHER * len(y)):
            yield first, np.concatenate(held), len(held)
            held = []
        if held:
            held.append(y[-step:].copy())
        else:
            first, held = start, [y]
    if held:
        yield first, np.concatenate(held), len(held)


def stretch(path: Path | str, start: float, seconds: float) -> tuple[np.ndarray, int]:
    """Read a part of a song, the mean of its channels, for a player.

    Parameters
    ----------
    path : path-like
    start, seconds : float, in s

    Returns
    -------
    y : np.ndarray [shape=(samples,)], float32
    sr : int, in Hz
    """
    sr, _, blocks = _open(path)
    _, y = next(_stretches(blocks, 1, int(seconds * sr), int(start * sr)), (0, np.empty(0)))
    return y, sr


def _open(path):
    """Open a song by libsndfile, or by FFmpeg: rate in Hz, length in s as stated, or 0; blocks.

    FFmpeg alone would not do: one wrong byte in an mp3 ends it, and it passes over damage in flac.
    """
    path = Path(path)
    if not path.stat().st_size:
        raise BadInput("the file is empty; export it again")
    with silent_stderr():
        try:
            song = sf.SoundFile(path)
        except (RuntimeError, ValueError):
            return _open_by_ffmpeg(path)

    def blocks():
        size = int(BLOCK_SECONDS * song.samplerate)
        with song:
            while len(samples := song.read(size, dtype="float32", always_2d=True)):
                yield samples.mean(axis=1)

    return song.samplerate, song.frames / song.samplerate, _checked(blocks())


def _open_by_ffmpeg(path):
    try:
        container = av.open(str(path), metadata_errors="ignore")
        stream = container.streams.audio[0]
        sr = stream.rate
        # planes of floats, whatever the file holds; the mean is ours, so that formats agree
        resampler = av.AudioResampler("fltp", rate=sr, frame_size=int(BLOCK_SECONDS * sr))
        ticks = stream.duration
        seconds = float(ticks * stream.time_base) if ticks else (container.duration or 0) / 1e6
    except (av.FFmpegError, AttributeError, IndexError, ValueError) as error:
        raise BadInput(NO_AUDIO) from error  # AttributeError: a stream without a known coding

    def blocks():
        with container:
            for frame in chain(container.decode(stream), [None]):
                for block in resampler.resample(frame):
                    yield block.to_ndarray().mean(axis=0)

    return sr, seconds, _checked(blocks())


def _checked(blocks):
    """Yield blocks of samples, which have to be numbers, up to the damage if there is any."""
    while True:
        try:
            with silent_stderr():
                y = next(blocks, None)
        except (RuntimeError, ValueError, av.FFmpegError) as error:
            raise BadInput(DAMAGED) from error
        if y is None:
            return
        if not np.isfinite(y).all():
            raise BadInput("samples that are no numbers; export it again")
        yield y
