"""Features of clips that need no training here, in a table on disk: statistics, a tagger's view."""

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from hiphoplib.audio.features import NAMES, clip_statistics
from hiphoplib.audio.files import read_clip
from hiphoplib.audio.tagger import SUMMARIES, summaries, weights, windows
from hiphoplib.errors import BadInput
from hiphoplib.io import progress, write_whole
from hiphoplib.parallel import DIED, jobs_that_fit, unordered
from hiphoplib.tracks.previews import clip_paths, file_version

SAVE = 200  # clips between two writings of the table
SECONDS = 30.0
NETWORK_BYTES = 1_500_000_000  # of a worker with the tagger
INDEX = ["id", "bytes", "modified"]  # a replaced clip is told by the last two


@dataclass(frozen=True)
class FeatureKind:
    """A way to describe a clip by numbers.

    Parameters
    ----------
    version : int
        Of that way: a table of another one is made anew.
    names : list of str
        Of the features.
    heard : callable
        From samples and their rate to what `told` takes; a worker runs it.
    told : callable, optional
        From that to the features, np.ndarray [shape=(len(names),)], by a network: a worker runs
        it, or this process where there is a GPU.
    ready : callable
        Raises where something lacks that `told` needs.
    """

    version: int
    names: list
    heard: callable
    told: callable = None
    ready: callable = lambda: None


FEATURES = {"handcrafted": FeatureKind(1, NAMES, clip_statistics),
         "musicnn": FeatureKind(1, SUMMARIES, windows, summaries, weights)}


def make_features(tracks, folder, kind, *, jobs=-1):
    """Features of the clips of a corpus; what an earlier call found is read.

    Parameters
    ----------
    tracks : pd.DataFrame
        The tracks table.
    folder : path-like
        The corpus; the table is kept in ``features-<kind>.npz`` there, after every 200 clips.
    kind : {"handcrafted", "musicnn"}
    jobs : int
        Processes that read the clips; -1 takes every core.

    Returns
    -------
    pd.DataFrame [shape=(tracks, features)], float32, indexed by track id
        NaN where a clip cannot be read.

    Raises
    ------
    BadInput
        If no clip can be read, or the weights of musicnn are not installed.
    """
    folder, way = Path(folder), FEATURES[kind]
    found, _ = clip_paths(tracks, folder)
    index = pd.DataFrame([(track_id, *file_version(path)) for track_id, path in found.items()],
                         columns=INDEX)
    path = folder / f"features-{kind}.npz"
    values = _read(path, way, index)
    todo = np.flatnonzero(np.isnan(values[:, 0]))
    paths = list(found.values())
    if todo.size:
        way.ready()
    here = way.told if way.told and _has_gpu() else None
    if way.told:
        jobs = jobs_that_fit(jobs, NETWORK_BYTES, len(todo))
    heard = unordered(partial(_described, way.heard, None if here else way.told),
                      (paths[row] for row in todo), jobs=jobs)
    with closing(heard):
        for done, (number, answer) in enumerate(
                progress(heard, total=len(todo), desc=kind, unit="clip"), start=1):
            if answer is not DIED and answer is not None:
                values[todo[number]] = here(answer) if here else answer
            if done % SAVE == 0 or done == len(todo):
                _write(path, way, index, values)
    if np.isnan(values[:, 0]).all():
        raise BadInput(f"{folder}: none of {len(index)} clips could be read; "
                       "see rejected.csv there")
    return pd.DataFrame(values, index=pd.Index(index["id"], name="id"), columns=way.names)


def make_available(tracks, folder, kinds=tuple(FEATURES), *, jobs=-1):
    """Make tables of features, and tell what is there; without musicnn's weights all else works.

    Parameters
    ----------
    tracks, folder, jobs
        As for `make_features`.
    kinds : sequence of str

    Returns
    -------
    list of str
        A sentence a kind.
    """
    told = []
    for kind in kinds:
        try:
            table = make_features(tracks, folder, kind, jobs=jobs)
        except BadInput as error:
            told.append(f"What needs features of the kind {kind} is left out ({error}).")
        else:
            told.append(f"{kind}: {table.shape[1]:,} numbers a clip, "
                        f"{table.notna().all(axis=1).sum():,} clips.")
    return told


def read_features(folder, kind):
    """Features that `make_features` has found, pd.DataFrame indexed by track id.

    Raises
    ------
    BadInput
        If there is no such table, or one of an older version.
    """
    path, way = Path(folder) / f"features-{kind}.npz", FEATURES[kind]
    table = _table(path, way)
    if table is None:
        raise BadInput(f"{path}: there are no such features; make them with "
                       f"`python -m hiphoplib features {folder} --kind {kind}`")
    index, values = table
    return pd.DataFrame(values, index=pd.Index(index["id"], name="id"), columns=way.names)


def _described(heard, told, path):
    """What a worker makes of a clip; None if it cannot be read, which `mels` tells."""
    try:
        answer = heard(*read_clip(path, SECONDS))
    except BadInput:
        return None
    return told(answer) if told else answer


def _has_gpu():
    from hiphoplib.keras_backend import HAS_GPU

    return HAS_GPU


def _table(path, way):
    """Clips of a table, pd.DataFrame, and their features; None if there is none of this way."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as table:
            if table["version"] == way.version and table["values"].shape[1] == len(way.names):
                return pd.DataFrame({name: table[name] for name in INDEX}), table["values"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # none, or a damaged one
        pass
    return None


def _read(path, way, index):
    """Features of an index' clips that a table holds, np.ndarray; NaN where it does not."""
    values = np.full((len(index), len(way.names)), np.nan, np.float32)
    table = _table(path, way)
    if table is not None:
        old, old_values = table
        places = pd.Series(np.arange(len(old)), index=pd.MultiIndex.from_frame(old))
        kept = places.reindex(pd.MultiIndex.from_frame(index)).fillna(-1).to_numpy(dtype=int)
        values[kept >= 0] = old_values[kept[kept >= 0]]
    return values


def _write(path, way, index, values):
    columns = {"id": index["id"].to_numpy(str), "bytes": index["bytes"].to_numpy(),
               "modified": index["modified"].to_numpy()}
    write_whole(path, partial(np.savez, version=way.version, values=values, **columns))


def metadata_features(tracks):
    """Features of tracks that need no listening.

    Parameters
    ----------
    tracks : pd.DataFrame
        A cleaned tracks table, indexed by track id.

    Returns
    -------
    pd.DataFrame, float, indexed by track id
        ``days`` since the newest release of the table, ``month`` as a point on a circle
        (``month_sin``, ``month_cos``), ``friday`` (the industry's day), ``duration`` in s,
        ``explicit``, ``single`` and ``album``, ``guests``, and ``out``: how many tracks of the
        table its main artist had released before, as log2(1 + n). NaN where not known.
    """
    dates = tracks["release_date"]
    turn = 2 * np.pi * (dates.dt.day_of_year - 1) / 365.25
    kind = tracks["album_type"].astype("object").str.lower()
    known = kind.notna()
    return pd.DataFrame({
        "days": (dates.max() - dates).dt.days.astype(float),
        "month_sin": np.sin(turn), "month_cos": np.cos(turn),
        "friday": (dates.dt.day_of_week == 4).where(dates.notna()).astype(float),
        "duration": tracks["duration_ms"] / 1000,
        "explicit": tracks["explicit"].astype("boolean").astype("Float64").astype(float),
        "single": (kind == "single").where(known).astype(float),
        "album": (kind == "album").where(known).astype(float),
        "guests": tracks["artists"].str.len().astype(float) - 1,
        "out": np.log2(1 + _released_before(tracks)),
    }, index=tracks.index)


def _released_before(tracks):
    """How many tracks the main artist has in the table that came out on an earlier day."""
    artist = tracks["artists"].str[0]
    before = tracks["release_date"].groupby(artist).rank(method="min") - 1
    return before.where(tracks["release_date"].notna())
