"""Whole songs: found in a folder, decoded piece by piece, cut into windows as long as a clip.

However long a song is, no more of it is in memory than a few minutes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiphoplib.audio import tagger
from hiphoplib.audio.features import NAMES, window_features
from hiphoplib.audio.files import SILENCE_PEAK, Recording
from hiphoplib.audio.mel import MelGrid, mel_spectrogram
from hiphoplib.errors import BadInput
from hiphoplib.io import CLOUD

# the first five are named to a reader who has none of them
SUFFIXES = tuple(
    """.mp3 .wav .flac .ogg .m4a .aac .mp4 .aif .aiff .oga .opus .3gp .ac3 .adts .aifc .alac .amr
    .ape .au .bwf .caf .dsf .eac3 .m4b .m4r .m4v .mka .mkv .mov .mp1 .mp2 .mpc .mpga .ogx .rf64
    .snd .spx .tta .w64 .wave .weba .webm .wma .wmv .wv""".split()
)
HOP = 5.0  # s between the beginnings of two windows
MIN_SECONDS = 15.0  # of a song: half a window
MAX_WINDOWS = 360  # half an hour of them; a longer recording is read at larger steps
SONG_SECONDS = 1800.0  # after which a song is given up, taggers and all
TOGETHER = 5  # lengths of a window that are described at a time: what windows share is so once


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

    Whatever has the name of a song is one here, links, folders and pipes too: the reason why it
    cannot be read comes when it is read.

    Parameters
    ----------
    folder : path-like
        Or one audio file.

    Returns
    -------
    songs : list of Path
    others : list of str
        Names that are not of songs: hidden ones only if they end as songs do, folders, with a "/"
        behind them, only if there are songs in them.

    Raises
    ------
    BadInput
        If there is no such folder, it may not be read, or there is no audio file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if folder.exists():
            return [folder], []
        raise BadInput(f"{folder}: there is no such folder; name one that holds your songs")
    try:
        files = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
    except OSError as error:
        raise BadInput(
            f"{folder}: it cannot be read ({error.strerror}); change its permissions, or copy it"
        ) from error
    songs = [path for path in files if _named_like_a_song(path)]
    inside = {path.parent.name for path in folder.glob("*/*") if _named_like_a_song(path)}
    if not songs:
        raise BadInput(
            f"{folder}: no audio files in it; "
            + (
                f"there are some in its folder {min(inside)!r}: name that one"
                if inside
                else f"put songs there, as {', '.join(SUFFIXES[:5])} for example"
            )
        )

    def is_missed(path):
        """Whether a reader may ask why it is no song."""
        if path.is_dir():
            return path.name in inside
        return not path.name.startswith(".") or path.suffix.lower() in SUFFIXES

    others = [path for path in files if path not in songs and is_missed(path)]
    return songs, [path.name + "/" * path.is_dir() for path in others]


def _named_like_a_song(path):
    """Whether its ending is that of audio; of what lies in the cloud, the ending before."""
    if path.suffix == CLOUD:
        return Path(path.stem).suffix.lower() in SUFFIXES
    return not path.name.startswith(".") and path.suffix.lower() in SUFFIXES


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
    except (MemoryError, OSError) as error:
        return f"it cannot be read to its end ({error}); export it again"


def _read_windows(path, grid, hop=HOP, kinds=()):
    """Read a song as `windows_or_reason` does, or raise the reason."""
    song = _at_steps(path, grid, hop, hop, kinds)
    if isinstance(song, Windows):
        return song
    # longer than a song, which only its end shows: from the beginning, at larger steps
    step = hop * np.ceil((song - grid.seconds + 1) / hop / (MAX_WINDOWS - 1))
    return _at_steps(path, grid, hop, step, kinds)


def _at_steps(path, grid, hop, step, kinds):
    """Read a song at these steps; its length in s if there are more than `MAX_WINDOWS`."""
    starts, spectra = [], []
    features, tagged = [np.empty((0, len(NAMES)), np.float32)], []
    with Recording(path) as song:
        sr = song.sr
        step_size, size = int(step * sr), int(grid.seconds * sr)
        for first, y, n in _pieces(_stretches(song.blocks(), step_size, size), step_size):
            if first // step_size + n > MAX_WINDOWS:
                for _ in song.blocks():
                    pass
                return song.seconds
            windows = {
                start: y[start : start + size] for start in range(0, n * step_size, step_size)
            }
            windows = {at: x for at, x in windows.items() if np.abs(x).max() >= SILENCE_PEAK}
            starts += [(first + start) / sr for start in windows]
            spectra += [mel_spectrogram(x, sr, grid).astype(np.float16) for x in windows.values()]
            within, seconds = [start / sr for start in windows], min(size, len(y)) / sr
            if windows and "handcrafted" in kinds:
                features.append(window_features(y, sr, within, seconds))
            if windows and {"musicnn", "vgg"} & set(kinds):
                tagged.append((tagger.windows(y, sr), tagger.inside(within, seconds)))
        seconds, note = song.seconds, song.note()
    note = _note(seconds, note, grid.seconds, step if step > hop else None)
    if not starts:
        raise BadInput("only silence; export it again")
    S_db, handcrafted = np.stack(spectra), np.concatenate(features)
    return Windows(np.array(starts), S_db, seconds, note, handcrafted, tagged)


def _note(seconds, note, wanted, step):
    """What a reader should know of a song of so many s, or an error if it is too short."""
    if seconds < MIN_SECONDS:
        raise BadInput(
            f"{seconds:.1f} s of audio, at least {MIN_SECONDS:.0f} s of a song are "
            f"needed{'; ' if note else ''}{note}"
        )
    if seconds < wanted - 1:
        note += f" Only {seconds:.0f} s long: the rest of the {wanted:.0f} s is silence."
    elif step:
        note += f" Longer than a song ({seconds / 60:.0f} min): heard every {step:.0f} s."
    return note.strip()


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
    with Recording(path) as song:
        stretches = _stretches(song.blocks(), 1, int(seconds * song.sr), int(start * song.sr))
        _, y = next(stretches, (0, np.empty(0)))
        return y, song.sr
