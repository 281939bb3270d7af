"""A corpus on disk: gathered from a source, and found again by its name."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.run_size import run_size
from hiphoplib.tracks.cleaning import read_clean
from hiphoplib.tracks.previews import download_previews
from hiphoplib.tracks.sources.base import Source, source_class
from hiphoplib.tracks.table import write_tracks


def get_tracks(source: str | Source, keep: Path | str | None = None,
               **options: Any) -> pd.DataFrame:
    """Return the tracks table of a source, which is not written.

    Parameters
    ----------
    source : str or Source
        A name in `sources.base.SOURCES` ("synthetic", "fma", …), or such an object.
    keep : path-like, optional
        Where a service's responses are kept, so that it need not be asked again.
    **options
        Of the source that is named: ``n`` and ``seed`` of the synthetic one, ``path`` of a
        folder, …

    Returns
    -------
    pd.DataFrame
        One row a track, the columns of the schema first.

    Examples
    --------
    >>> get_tracks("synthetic", n=2)["popularity"].tolist()
    """
    return _opened(source, options).tracks(keep)


def gather(source: str | Source, folder: Path | str, *, jobs: int | None = None,
           retry_rejected: bool = False, **options: Any) -> pd.DataFrame:
    """Make a corpus: the tracks table, the cleaned one, and clips for that.

    It can be stopped at any moment, and goes on where it was.

    Parameters
    ----------
    source : str or Source
        As of `get_tracks`.
    folder : path-like
        The corpus to make, or to finish; one of a service may grow, by a larger ``n``. It has
        ``truth.json`` where the source knows what the popularity is made of.
    jobs, retry_rejected
        As of `download_previews`.
    **options
        Of the source that is named.

    Returns
    -------
    pd.DataFrame
        The table as gathered. A source that is offline fetches no clips.

    Raises
    ------
    BadInput
        If `folder` holds a corpus of another source or with other settings.
    TryLater
        If a service asks to be left alone for a while; the same call goes on then.
    """
    folder, source = Path(folder), _opened(source, options)
    if source.path and source.path.resolve() == folder.resolve():
        raise BadInput(f"{folder}: is the source itself; choose another folder to gather into")
    made_by, note = {"source": source.name, **source.settings}, folder / "source.json"
    if note.is_file() and json.loads(note.read_text()) != made_by:
        raise BadInput(f"{folder}: holds a corpus made by {note.read_text().strip()}; "
                       "choose another folder or delete it")
    tracks = source.tracks(keep=folder / "raw")
    write_tracks(tracks, folder)
    write_whole(note, json.dumps(made_by) + "\n")  # not before there is something to protect
    truth, clean = source.truth(), read_clean(folder)
    if truth is not None:
        write_whole(folder / "truth.json", json.dumps(truth))
    if not source.offline:
        download_previews(clean, source, folder, jobs=jobs, retry_rejected=retry_rejected)
    return tracks


def _opened(source, options):
    return source_class(source)(**options) if isinstance(source, str) else source


def open_corpus(corpus: Path | str = "synthetic", data: Path | str = "data") -> Path:
    """Return the folder of a corpus, gathered first where that is needed.

    Parameters
    ----------
    corpus : str or path-like
        "synthetic" for the default one, else a folder: one that `gather` made is taken as it is,
        any other one is read through the `folder` source.
    data : path-like
        Where corpora are kept.

    Returns
    -------
    Path

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


def report_folders(folder: Path | str) -> tuple[Path, Path]:
    """Return where a report puts its figures and its results file.

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
