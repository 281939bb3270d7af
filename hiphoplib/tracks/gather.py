"""A corpus on disk: gathered from a source, and found again by its name."""

import json
import os
from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.run_size import run_size
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.previews import download_previews
from hiphoplib.tracks.sources.base import open_source
from hiphoplib.tracks.table import normalise, write_tracks

DATA = Path("data")


def get_tracks(source, keep=None, **options):
    """Rows of the schema from a source.

    Parameters
    ----------
    source : str or Source
        A name in `sources.base.SOURCES` ("synthetic", "fma", …), or such an object.
    keep : path-like, optional
        Where a service's answers are kept, so that it need not be asked again.
    **options
        Handed to the source that is named: ``n`` and ``seed`` of the synthetic one, ``path`` of
        a folder, …

    Returns
    -------
    tracks : pd.DataFrame
        One row a track, `COLUMNS` first and in their order, the source's own columns behind them.

    Raises
    ------
    BadInput
        If there is no such source, or a row breaks the schema.
    TryLater
        If a service asks to be left alone for a while.
    """
    source = open_source(source, **options)
    rows = source.tracks(keep) if getattr(source, "remote", False) else source.tracks()
    return normalise(rows, where=f"source {source.name}")


def gather(source, folder, *, jobs=None, retry_rejected=False, **options):
    """Make a corpus: the tracks table, its clips, and the truth where a source knows it.

    It can be stopped at any moment, and goes on where it was.

    Parameters
    ----------
    source : str or Source
        As for `get_tracks`.
    folder : path-like
        The corpus to make, or to finish; one of a service may grow, by a larger ``n``.
    jobs, retry_rejected
        As for `download_previews`.
    **options
        Handed to the source that is named.

    Returns
    -------
    tracks : pd.DataFrame
        The table as gathered. Clips are fetched for one row a recording (`clean_tracks`), and
        none by a source that is offline.

    Raises
    ------
    BadInput
        If `folder` holds a corpus of another source or with other settings.
    TryLater
        If a service asks to be left alone for a while; the same call goes on then.
    """
    folder, source = Path(folder), open_source(source, **options)
    if getattr(source, "path", None) and Path(source.path).resolve() == folder.resolve():
        raise BadInput(f"{folder}: is the source itself; choose another folder to gather into")
    made_by, note = {"source": source.name, **source.settings}, folder / "source.json"
    if note.is_file() and json.loads(note.read_text()) != made_by:
        raise BadInput(f"{folder}: holds a corpus made by {note.read_text().strip()}; "
                       "choose another folder or delete it")
    tracks = get_tracks(source, keep=folder / "raw")
    write_tracks(tracks, folder)
    write_whole(note, json.dumps(made_by) + "\n")  # not before there is something to protect
    if hasattr(source, "truth"):
        write_whole(folder / "truth.json", json.dumps(source.truth()))
    if not getattr(source, "offline", False):
        download_previews(clean_tracks(tracks)[0], source, folder, jobs=jobs,
                          retry_rejected=retry_rejected)
    return tracks


def open_corpus(corpus="synthetic", data=DATA):
    """Folder of a corpus, gathered first where that is needed.

    Parameters
    ----------
    corpus : str or path-like
        "synthetic" for the default one, else a folder: one that `gather` made is taken as it is,
        any other one is read through the `folder` source.
    data : path-like
        Where corpora are kept.

    Returns
    -------
    folder : Path

    Raises
    ------
    BadInput
        If there is no such corpus.
    """
    path, data = Path(corpus), Path(data)
    if (path / "source.json").is_file():
        return path
    if str(corpus) == "synthetic":
        size = run_size()
        gather("synthetic", data / size.corpus, n=size.rows)
        return data / size.corpus
    if not path.is_dir():
        raise BadInput(f"corpus {corpus}: no such folder; name one that holds tracks.csv, or "
                       "\"synthetic\"")
    folder = data / path.resolve().name
    gather("folder", folder, path=path)
    return folder


def report_folders(folder):
    """Where a report puts its figures and its results file.

    Parameters
    ----------
    folder : path-like
        The corpus that it runs on.

    Returns
    -------
    images, results : Path
        ``build/<corpus>``. Where ``HIPHOP_COMMIT`` is set in the environment (``make report
        COMMIT=1``), the report on the default corpus replaces ``images`` and
        ``notebooks/results``, which README and presentation show.
    """
    name = Path(folder).resolve().name
    if os.environ.get("HIPHOP_COMMIT") and name == "synthetic":
        images, results = Path("images"), Path("notebooks/results")
    else:
        images = results = Path("build") / name
    for made in (images, results):
        made.mkdir(parents=True, exist_ok=True)
    return images, results
