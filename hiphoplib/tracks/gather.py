"""A corpus on disk: gathered from a source, and found again by its name."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from hiphoplib.errors import BadInput
from hiphoplib.io import forget_parts, write_whole
from hiphoplib.run_size import run_size
from hiphoplib.tracks.cleaning import read_clean
from hiphoplib.tracks.previews import download_previews
from hiphoplib.tracks.sources.base import Source, source_class
from hiphoplib.tracks.table import write_tracks


def get_tracks(
    source: str | Source, keep: Path | str | None = None, **options: Any
) -> pd.DataFrame:
    """Return the tracks table of a source, which is not written.

    Parameters
    ----------
    source : str or Source
        A name in `sources.base.SOURCES` ("synthetic", "fma", …), or such an object.
    keep : path-like, optional
        As of `Source.tracks`.
    **options
        Of the source that is named: ``n`` and ``seed``, the ``path`` of a folder, …

    Returns
    -------
    pd.DataFrame

    Examples
    --------
    >>> get_tracks("synthetic", n=2)["popularity"].tolist()
    [30.0, 67.0]
    """
    return _opened(source, options).tracks(keep)


def _opened(source, options):
    return source_class(source)(**options) if isinstance(source, str) else source


def gather(
    source: str | Source,
    folder: Path | str,
    *,
    jobs: int | None = None,
    retry_rejected: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Make a corpus: the tracks table, the cleaned one, and clips; a stopped call goes on.

    Parameters
    ----------
    source, options
        As of `get_tracks`; a source that is offline fetches no clips.
    folder : path-like
        The corpus to make, or to finish; one of a service may grow, by a larger ``n``.
    jobs, retry_rejected
        As of `download_previews`.

    Returns
    -------
    pd.DataFrame
        The table as gathered.

    Raises
    ------
    BadInput
        If `folder` holds a corpus of another source or with other settings.
    """
    folder, origin = Path(folder), _opened(source, options)
    if origin.path and origin.path.resolve() == folder.resolve():
        raise BadInput(f"{folder}: is the source itself; choose another folder to gather into")
    made_by, note = {"source": origin.name, **origin.settings}, folder / "source.json"
    if note.is_file() and json.loads(note.read_bytes()) != made_by:
        raise BadInput(
            f"{folder}: holds a corpus made by {note.read_text('utf-8').strip()}; "
            "choose another folder or delete it"
        )
    forget_parts(folder)
    tracks = origin.tracks(keep=folder / "raw")
    write_tracks(tracks, folder)
    write_whole(note, json.dumps(made_by) + "\n")  # not before there is something to protect
    clean, truth = read_clean(folder), origin.truth()
    if truth is not None:
        write_whole(folder / "truth.json", json.dumps(truth))
    if not origin.offline:
        download_previews(clean, origin, folder, jobs=jobs, retry_rejected=retry_rejected)
    return tracks


def open_corpus(corpus: Path | str = "synthetic", data: Path | str = "data") -> Path:
    """Return the folder of a corpus, gathered first where that is needed.

    Parameters
    ----------
    corpus : str or path-like
        "synthetic" for the default one, else a folder; unless `gather` made it, it is a source.
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
        raise BadInput(
            f'corpus {corpus}: no such folder; name one that holds tracks.csv, or "synthetic"'
        )
    gather("folder", data / path.resolve().name, path=path)
    return data / path.resolve().name


def report_folders(folder: Path | str) -> tuple[Path, Path]:
    """Return where a report on a corpus puts its figures and its results file.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    images, results : Path
        ``build/<corpus>``; for the default corpus with ``HIPHOP_COMMIT`` in the environment,
        ``images`` and ``notebooks/results``, which the README shows.
    """
    name = Path(folder).resolve().name
    images = results = Path("build") / name
    if os.environ.get("HIPHOP_COMMIT") and name == "synthetic":
        images, results = Path("images"), Path("notebooks/results")
    for made in (images, results):
        made.mkdir(parents=True, exist_ok=True)
    return images, results
