"""The clips of a corpus: fetched from its source, many at once, each one complete or not there."""

import os
import stat
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import joblib

from hiphoplib.audio.files import check_audio
from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.io import progress, write_whole
from hiphoplib.parallel import DIED, unordered
from hiphoplib.tracks.table import read_rejected, record_rejected

OUTAGE = 20  # clips in a row that find a service not answering: it is down, or the network is


class Clip(NamedTuple):
    """What a source needs to know of a row to hand over its audio."""

    id: str
    preview_url: str


def clip_path(folder, row):
    """Where the clip of a row of the tracks table lies.

    Parameters
    ----------
    folder : path-like
        The corpus.
    row : namedtuple with ``id`` and ``preview_url``
        A path relative to the corpus stays; the clip of an address is named after the id.

    Returns
    -------
    Path

    Raises
    ------
    BadInput
        If the path leads out of the corpus, or the address is none.
    """
    folder = Path(folder)
    try:
        is_address = bool(urlsplit(row.preview_url).scheme)
    except ValueError:
        raise BadInput(f"clip {row.id}: preview_url is no address; correct it") from None
    if is_address:
        return folder / "audio" / f"{quote(row.id, safe='')}.mp3"
    path = folder / row.preview_url
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"clip {row.preview_url}: lies outside the corpus; put it inside")
    return path


def download_previews(tracks, source, folder, *, jobs=None, retry_rejected=False):
    """Fetch the clips that are not there yet.

    Parameters
    ----------
    tracks : pd.DataFrame
        The tracks table; rows without ``preview_url`` are left out.
    source : Source
        Where they come from.
    folder : path-like
        The corpus; clips go to where `clip_path` says, failures to ``rejected.csv``.
    jobs : int, optional
        Clips at a time; -1 takes every core. By default what the source says, else every core.
    retry_rejected : bool
        Ask a service once more for clips that it did not hand out to an earlier run. What lies on
        this machine is looked for each time.

    Returns
    -------
    missing : dict of str to str
        Reason by track id of every clip that could not be fetched, now or earlier.

    Raises
    ------
    TryLater
        If the service asks for a pause, or `OUTAGE` clips in a row found it not answering. What
        came is kept.
    """
    asked = {} if retry_rejected else _rejected(folder)
    todo, missing = _todo(tracks, folder, asked, remote=getattr(source, "remote", False))
    if todo and hasattr(source, "ready"):
        source.ready()
    jobs = jobs or getattr(source, "at_once", -1)
    # a source that computes its clips says so; the others wait for disk or network
    fetch = _computed if getattr(source, "prefer", "threads") == "processes" else _waited_for
    Path(folder).mkdir(parents=True, exist_ok=True)
    record_rejected(folder, "previews", missing)
    fetched = fetch([(source, clip, path) for path, (clip, _) in todo.items()], jobs)
    with closing(fetched):
        _collect(progress(fetched, total=len(todo), desc="clips", unit="clip"), todo, missing,
                 folder)
    return missing


def _collect(fetched, todo, missing, folder):
    """Put down what failed as it comes, for a run may end at any moment."""
    out = []  # ids that found the service not answering, since the last one that was answered
    for path, error in fetched:
        if isinstance(error, TryLater):
            raise error
        ids = todo[path][1]
        out = [*out, *ids] if isinstance(error, Unreachable) else []
        if len(out) >= OUTAGE:
            record_rejected(folder, "previews", {name: why for name, why in missing.items()
                                                 if name not in out})  # it is not their fault
            raise TryLater(f"{len(out)} clips in a row were not to be had: {error}; "
                           "what came is kept, the same command goes on")
        if error:
            missing.update(dict.fromkeys(ids, str(error)))
            record_rejected(folder, "previews", missing)


def _todo(tracks, folder, asked, remote):
    """What to fetch, a clip and the ids that share it by path; and what cannot be, by id."""
    todo, missing = {}, {}
    for clip in map(Clip._make, tracks.loc[tracks["preview_url"].notna(), Clip._fields].values):
        try:
            path = clip_path(folder, clip)
        except BadInput as error:
            missing[clip.id] = str(error)
            continue
        if path.is_file():
            continue
        if clip.id in asked and (remote or "://" in clip.preview_url):
            missing[clip.id] = asked[clip.id]
        else:
            todo.setdefault(path, (clip, []))[1].append(clip.id)
    return todo, missing


def _rejected(folder):
    """Reason by id of the clips that earlier runs could not get."""
    rejected = read_rejected(folder)
    rejected = rejected[rejected["stage"] == "previews"]
    return dict(zip(rejected["id"], rejected["reason"]))


def _waited_for(tasks, jobs):
    """What `_fetch` returns for each task, many at once in threads."""
    run = joblib.Parallel(n_jobs=jobs, prefer="threads", pre_dispatch="2*n_jobs",
                          return_as="generator_unordered")
    return run(joblib.delayed(_fetch)(task) for task in tasks)


def _computed(tasks, jobs):
    """The same, in processes; those that `joblib.Parallel` starts cannot follow `workers`."""
    with closing(unordered(_fetch, tasks, jobs=jobs)) as found:
        for number, result in found:
            _, clip, path = tasks[number]
            yield (path, BadInput(f"clip {clip.id}: making it ended its process")
                   ) if result is DIED else result


def _fetch(task):
    """Fetch one clip; where it lies, and the error if it is not to be had."""
    source, clip, path = task
    try:
        audio = source.preview(clip)
        check_audio(audio, f"clip {clip.id}")
    except BadInput as error:
        return path, error
    write_whole(path, audio)
    return path, None


def clip_paths(tracks, folder):
    """Path of the clip by id, and the reason by id where a row's path leads outside."""
    found, outside = {}, {}
    for row in tracks[tracks["preview_url"].notna()].itertuples():
        try:
            found[row.id] = str(clip_path(folder, row))  # a Path takes ten times the memory
        except BadInput as error:
            outside[row.id] = str(error)
    return found, outside


def file_version(path):
    """Size and time of a file, 0 if it is missing: a replaced clip is told by them."""
    # clips of one length and bit rate have one size, so that alone does not do
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else (0, 0)
