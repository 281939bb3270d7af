"""The clips of a corpus: fetched from its source, many at once, each one complete or not there."""

import os
from pathlib import Path
from threading import get_ident
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import joblib

from .errors import BadInput
from .quiet import progress
from .tracks import record_rejected


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
        If the path leads out of the corpus.
    """
    folder = Path(folder)
    if urlsplit(row.preview_url).scheme:
        return folder / "audio" / f"{quote(row.id, safe='')}.mp3"
    path = folder / row.preview_url
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"clip {row.preview_url}: lies outside the corpus; put it inside")
    return path


def download_previews(tracks, source, folder, *, jobs=-1):
    """Fetch the clips that are not there yet.

    Parameters
    ----------
    tracks : pd.DataFrame
        The tracks table; rows without ``preview_url`` are left out.
    source : Source
        Where they come from.
    folder : path-like
        The corpus; clips go to where `clip_path` says, failures to ``rejected.csv``.
    jobs : int
        Clips at a time; -1 takes every core.

    Returns
    -------
    missing : dict of str to str
        Reason by track id of every clip that could not be fetched.
    """
    missing, todo = {}, []
    for clip in map(Clip._make, tracks.loc[tracks["preview_url"].notna(), Clip._fields].values):
        try:
            path = clip_path(folder, clip)
        except BadInput as error:
            missing[clip.id] = str(error)
            continue
        if not path.is_file():
            todo.append((clip, path))
    # a source that computes its clips says so; the others wait for disk or network
    run = joblib.Parallel(n_jobs=jobs, prefer=getattr(source, "prefer", "threads"),
                          return_as="generator_unordered")
    fetched = run(joblib.delayed(_fetch)(source, clip, path) for clip, path in todo)
    for track_id, reason in progress(fetched, total=len(todo), desc="clips", unit="clip"):
        if reason:
            missing[track_id] = reason
    record_rejected(folder, "previews", missing)
    return missing


def _fetch(source, clip, path):
    """Fetch one clip; its id, and the reason if it is not to be had."""
    try:
        audio = source.preview(clip)
    except BadInput as error:
        return clip.id, str(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}.part")
    part.write_bytes(audio)
    part.rename(path)  # a clip is there whole or not at all
    return clip.id, None
