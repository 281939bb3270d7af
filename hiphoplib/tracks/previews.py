"""The clips of a corpus: fetched from its source, many at once, each one complete or not there."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from urllib.parse import quote, urlsplit

import joblib
import pandas as pd

from hiphoplib.audio.files import NO_AUDIO, Recording
from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.io import progress, write_whole
from hiphoplib.parallel import DIED, alone, unordered
from hiphoplib.tracks.sources.base import Clip, Source
from hiphoplib.tracks.table import read_rejected, record_rejected

# faults that all clips would meet
OF_THE_DISK = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
}
OUTAGE = 20  # clips in a row that find a service not responding: it is down, or the network is


def clip_path(folder: Path | str, row: Clip) -> Path:
    """Return where the clip of a row lies: its relative path stays, an address gives way to the id.

    Parameters
    ----------
    folder : path-like
        The corpus.
    row : anything with ``id`` and ``preview_url``

    Returns
    -------
    Path

    Raises
    ------
    BadInput
        If the path leads out of the corpus, or the address is none.

    Examples
    --------
    >>> clip_path("data/mine", Clip("7", "https://music.example/a?b=c")).as_posix()
    'data/mine/audio/7.mp3'
    """
    folder = Path(folder)
    try:
        is_address = bool(urlsplit(row.preview_url).scheme)
    except ValueError:
        raise BadInput(f"clip {row.id}: preview_url is no address; correct it") from None
    if is_address:
        return folder / "audio" / f"{quote(row.id, safe='')}.mp3"
    path = folder / row.preview_url
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # links in a circle, a byte 0
        raise BadInput(f"clip {row.id}: preview_url is no path of a file; correct it") from None
    if not inside:
        raise BadInput(f"clip {row.preview_url}: lies outside the corpus; put it inside")
    return path


def download_previews(
    tracks: pd.DataFrame,
    source: Source,
    folder: Path | str,
    *,
    jobs: int | None = None,
    retry_rejected: bool = False,
) -> dict[str, str]:
    """Fetch the clips that are not there yet; failures are put down in ``rejected.csv``.

    Parameters
    ----------
    tracks : pd.DataFrame
    source : Source
    folder : path-like
        The corpus.
    jobs : int, optional
        Clips at a time, -1 for one a core; by default what the source says.
    retry_rejected : bool
        Ask a service once more for clips that it did not hand out to an earlier run.

    Returns
    -------
    dict of str to str
        Reason by track id of every clip that could not be fetched, now or earlier.

    Raises
    ------
    BadInput
        If another run fetches them.
    TryLater
        If the service asks for a pause, or is silent for `OUTAGE` clips in a row; what came stays.
    """
    rejected = read_rejected(folder)
    rejected = rejected[(rejected["stage"] == "previews") & (not retry_rejected)]
    reasons = dict(zip(rejected["id"], rejected["reason"]))
    todo, missing = _todo(tracks, folder, reasons, source.remote)
    if todo:
        source.ready()
    # those that were rejected are tried by every run, and notebooks side by side may do so
    new = any(clip.id not in reasons for clip, _ in todo.values())
    with alone(folder) if new else nullcontext():
        _fetch_all(source, todo, missing, folder, jobs)
    return missing


def _fetch_all(source, todo, missing, folder, jobs):
    """Fetch the clips of `_todo`; why one could not be is put into `missing` and the list."""
    record_rejected(folder, "previews", missing)
    run: Callable = unordered if source.parallel == "processes" else _in_threads
    tasks = [(source, clip, path) for path, (clip, _) in todo.items()]
    unresponsive: list[str] = []  # ids since the last clip that came or was refused
    with closing(run(_fetch, tasks, jobs=jobs or source.at_once)) as results:
        for number, error in progress(results, total=len(todo), desc="clips", unit="clip"):
            _, clip, path = tasks[number]
            if error is DIED:
                error = BadInput(f"clip {clip.id}: making it ended its process")
            if isinstance(error, TryLater):
                raise error
            ids = todo[path][1]
            unresponsive = [*unresponsive, *ids] if isinstance(error, Unreachable) else []
            if len(unresponsive) >= OUTAGE:
                record_rejected(
                    folder,
                    "previews",
                    {name: why for name, why in missing.items() if name not in unresponsive},
                )
                raise TryLater(
                    f"{len(unresponsive)} clips in a row could not be fetched: {error}; "
                    "what came is kept, the same command goes on"
                )
            if error:  # recorded at once, for a run may end at any moment
                missing.update(dict.fromkeys(ids, str(error)))
                record_rejected(folder, "previews", missing)


def _todo(tracks, folder, rejected, remote):
    """Return by path a clip to fetch and the ids that share it; and by id why one cannot be."""
    todo: dict[str, tuple[Clip, list[str]]] = {}
    paths, missing = clip_paths(tracks, folder)
    for clip in map(Clip._make, tracks.loc[tracks["id"].isin(paths), Clip._fields].values):
        if os.path.isfile(paths[clip.id]):
            continue
        if clip.id in rejected and (remote or "://" in clip.preview_url):
            missing[clip.id] = rejected[clip.id]
        else:
            todo.setdefault(paths[clip.id], (clip, []))[1].append(clip.id)
    return todo, missing


def _in_threads(work, tasks, *, jobs):
    """Yield number and result of each task, as `unordered` does."""
    run = joblib.Parallel(jobs, prefer="threads", return_as="generator_unordered")
    return run(
        joblib.delayed(lambda number, task: (number, work(task)))(*item)
        for item in enumerate(tasks)
    )


def _fetch(task):
    """Fetch one clip; return the error if that fails."""
    source, clip, path = task
    try:
        audio = source.preview(clip)
        check_audio(audio, f"clip {clip.id}")
    except BadInput as error:
        return error
    try:
        write_whole(path, audio)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in OF_THE_DISK:
            raise
        return BadInput(
            f"clip {clip.id}: it cannot be written under the name {Path(path).name!r} "
            f"({getattr(error, 'strerror', error)}); give it another one"
        )
    return None


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
        head = content[:30].decode("ascii", "replace").split("\n")[0].strip()
        shown = f", it begins with {head!r}" if head.isprintable() and head else ""
        raise BadInput(f"{name}: {len(content):,} bytes that are not audio{shown}") from error


def clip_paths(tracks: pd.DataFrame, folder: Path | str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the path of each clip by id, and the reason by id where a path leads outside.

    Parameters
    ----------
    tracks : pd.DataFrame
    folder : path-like

    Returns
    -------
    paths, outside : dict of str to str
    """
    paths, outside = {}, {}
    for row in tracks[tracks["preview_url"].notna()].itertuples():
        try:
            paths[row.id] = str(clip_path(folder, row))  # a Path takes ten times the memory
        except BadInput as error:
            outside[row.id] = str(error)
    return paths, outside


def file_version(path: Path | str) -> tuple[int, int]:
    """Return size and time of change of a file: clips of one length may have one size.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes, ns : int
        0 if the file is missing.
    """
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else (0, 0)
