"""Features of tracks in tables: of their clips, kept on disk, and of their metadata."""

from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from hiphoplib.audio.features import NAMES, clip_features
from hiphoplib.audio.files import read_clip
from hiphoplib.audio.tagger import (
    SUMMARIES,
    VGG,
    VGG_SUMMARIES,
    over_windows,
    vgg_outputs,
    weights,
    window_outputs,
    windows,
)
from hiphoplib.audio.windows import Windows
from hiphoplib.errors import BadInput
from hiphoplib.io import progress, write_whole
from hiphoplib.parallel import DIED, jobs_that_fit, unordered
from hiphoplib.tracks.previews import clip_paths, file_version

LIMIT = 5.0  # of a standardised feature: one that hardly varied in training may not outweigh all
SAVE = 200  # clips between two writings of the table
NETWORK_BYTES = 1_500_000_000  # of a worker with the tagger
WHOLE = (slice(None),)
EMBEDDINGS = "tags", "max_pool", "penultimate"
INDEX = ["id", "bytes", "modified"]  # a replaced clip differs in the last two


@dataclass(frozen=True)
class FeatureKind:
    """A way to describe a clip by numbers."""

    version: int  # of that way: a table of another one is made anew
    names: Sequence[str]  # of the features
    extract: Callable  # from samples and their rate to an array; a worker runs it
    # of a kind that a network makes: its outputs for windows, and the features from those of a clip
    outputs: Callable | None = None
    over_windows: Callable | None = None
    ready: Callable = lambda: None  # raises where something is missing that `outputs` needs

    def summarise(self, windows: np.ndarray, parts: Sequence[slice] = WHOLE) -> np.ndarray:
        """Return the features of parts of a clip, or of all of it, by the network.

        Parameters
        ----------
        windows : np.ndarray [shape=(windows, 187, 96)]
        parts : sequence of slice
            Of the windows.

        Returns
        -------
        np.ndarray [shape=(parts, features)], float32
        """
        assert self.outputs and self.over_windows, "no network makes these features"
        outputs = self.outputs(windows)
        return np.array([self.over_windows(outputs[part]) for part in parts])


FEATURES = {
    "handcrafted": FeatureKind(1, NAMES, clip_features),
    "musicnn": FeatureKind(1, SUMMARIES, windows, window_outputs, over_windows, weights),
    "vgg": FeatureKind(1, VGG_SUMMARIES, windows, vgg_outputs, partial(np.mean, axis=0), weights),
}


def kinds_of(names: Collection[str]) -> list[str]:
    """Return the kinds of features that some names belong to.

    Parameters
    ----------
    names : collection of str

    Returns
    -------
    list of str
        In the order of `FEATURES`.
    """
    return [kind for kind, way in FEATURES.items() if not set(names).isdisjoint(way.names)]


def make_features(
    tracks: pd.DataFrame, folder: Path | str, kind: str, *, jobs: int = -1
) -> pd.DataFrame:
    """Compute features of the clips of a corpus; those of an earlier call are read.

    Parameters
    ----------
    tracks : pd.DataFrame
    folder : path-like
        The table is kept in ``features-<kind>.npz`` there, after every 200 clips.
    kind : {"handcrafted", "musicnn", "vgg"}
    jobs : int
        Processes; -1 takes every core.

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
    paths, _ = clip_paths(tracks, folder)
    clips = pd.DataFrame(
        [(track_id, *file_version(path)) for track_id, path in paths.items()], columns=INDEX
    )
    columns = {name: clips[name].to_numpy(str if name == "id" else None) for name in INDEX}
    file, ordered = folder / f"features-{kind}.npz", list(paths.values())
    stored = _load(file, way)
    values = (
        np.full((len(clips), len(way.names)), np.nan, np.float32)
        if stored is None
        else stored.reindex(pd.MultiIndex.from_frame(clips)).to_numpy(copy=True)
    )
    todo = np.flatnonzero(np.isnan(values[:, 0]))
    on_gpu = False
    if todo.size and way.outputs:
        from hiphoplib.keras_backend import HAS_GPU

        way.ready()
        jobs = jobs_that_fit(jobs, NETWORK_BYTES, len(todo))
        on_gpu = HAS_GPU  # then this process runs the network, which workers would run on cores
    work = partial(_described, way, bool(way.outputs) and not on_gpu)
    results = unordered(work, (ordered[row] for row in todo), jobs=jobs)
    with closing(results):
        for done, (number, result) in enumerate(
            progress(results, total=len(todo), desc=kind, unit="clip"), start=1
        ):
            if result is not DIED and result is not None:
                values[todo[number]] = way.summarise(result)[0] if on_gpu else result
            if done % SAVE == 0 or done == len(todo):
                write_whole(file, partial(np.savez, version=way.version, values=values, **columns))
    if np.isnan(values[:, 0]).all():
        raise BadInput(
            f"{folder}: none of {len(clips)} clips could be read; see rejected.csv there"
        )
    return pd.DataFrame(values, pd.Index(clips["id"]), way.names)


def make_available(
    tracks: pd.DataFrame,
    folder: Path | str,
    kinds: Sequence[str] = tuple(FEATURES),
    *,
    jobs: int = -1,
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Compute the features that can be computed here; without musicnn's weights all others.

    Parameters
    ----------
    tracks, folder, kinds, jobs
        As of `make_features`.

    Returns
    -------
    tables, missing : dict of str to pd.DataFrame, dict of str to str
        By kind; why the others cannot be computed.
    """
    tables, missing = {}, {}
    for kind in kinds:
        try:
            tables[kind] = make_features(tracks, folder, kind, jobs=jobs)
        except BadInput as error:
            missing[kind] = str(error)
    return tables, missing


def read_features(folder: Path | str, kind: str) -> pd.DataFrame:
    """Read features that `make_features` has computed.

    Parameters
    ----------
    folder : path-like
    kind : {"handcrafted", "musicnn", "vgg"}

    Returns
    -------
    pd.DataFrame [shape=(tracks, features)], float32, indexed by track id

    Raises
    ------
    BadInput
        If there is no such table, or one of an older version.
    """
    path = Path(folder) / f"features-{kind}.npz"
    table = _load(path, FEATURES[kind])
    if table is None:
        raise BadInput(
            f"{path}: there are no such features; make them with "
            f"`python -m hiphoplib features {folder} --kind {kind}`"
        )
    return table.droplevel(INDEX[1:])


def read_embeddings(folder: Path | str) -> dict[str, pd.DataFrame]:
    """Read what heads learn from: the features that musicnn's authors advise, of three networks.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict of str to pd.DataFrame [shape=(tracks, features)], float32, indexed by track id
        By network: means over a clip of its tags, and of the layers before them.
    """
    vgg = read_features(folder, "vgg")
    return {
        "musicnn": read_musicnn(folder),
        **{network: vgg[[name for name in vgg if name.startswith(network)]] for network in VGG},
    }


def read_musicnn(folder: Path | str) -> pd.DataFrame:
    """Read musicnn's embedding of every clip: means of tags and of the layers before them.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    pd.DataFrame [shape=(tracks, features)], float32, indexed by track id
    """
    X = read_features(folder, "musicnn")
    return X[[name for name in X if name.startswith(EMBEDDINGS) and name.endswith("_mean")]]


def song_features(windows: Windows, kinds: Sequence[str]) -> pd.DataFrame:
    """Compute the features of a song's windows, by what was prepared when it was read.

    Parameters
    ----------
    windows : Windows
        Read with these kinds.
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}

    Returns
    -------
    pd.DataFrame [shape=(n_windows, features)], float32
        Of all kinds side by side: no two have a feature of the same name.
    """

    def described(kind):
        way = FEATURES[kind]
        if not way.outputs:
            return windows.handcrafted
        return np.concatenate([way.summarise(clip, parts) for clip, parts in windows.tagged])

    index = pd.RangeIndex(len(windows.starts))
    return pd.concat(
        [pd.DataFrame(described(kind), index, FEATURES[kind].names) for kind in kinds]
        or [pd.DataFrame(index=index)],
        axis=1,
    )


def standardised(
    X: pd.DataFrame, mean: pd.Series, scale: pd.Series, limit: float = LIMIT
) -> np.ndarray:
    """Return features as so many scales from their mean, at most `limit`; unknown ones as 0.

    Parameters
    ----------
    X : pd.DataFrame [shape=(n, features)]
    mean, scale : pd.Series [shape=(features,)]
    limit : float

    Returns
    -------
    np.ndarray [shape=(n, features)]
    """
    return ((X.astype(float) - mean) / scale).clip(-limit, limit).fillna(0).to_numpy()


def _described(way, by_network, path):
    """What a worker makes of a clip; None if it cannot be read, for which `mels` gives a reason."""
    try:
        result = way.extract(*read_clip(path))
    except BadInput:
        return None
    return way.summarise(result)[0] if by_network else result


def _load(path, way):
    """Table of a file, pd.DataFrame indexed by `INDEX`; None without one, or of another version."""
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile):  # none, or a damaged one
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as table:
            if table["version"] == way.version and table["values"].shape[1] == len(way.names):
                clips = pd.DataFrame({name: table[name] for name in INDEX})
                return pd.DataFrame(table["values"], pd.MultiIndex.from_frame(clips), way.names)
    return None


def metadata_features(tracks: pd.DataFrame) -> pd.DataFrame:
    """Compute the features of tracks that are known without their sound.

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
    before = dates.groupby(tracks["artists"].str[0]).rank(method="min") - 1
    return pd.DataFrame(
        {
            "days": (dates.max() - dates).dt.days.astype(float),
            "month_sin": np.sin(turn),
            "month_cos": np.cos(turn),
            "friday": (dates.dt.day_of_week == 4).where(dates.notna()).astype(float),
            "duration": tracks["duration_ms"] / 1000,
            "explicit": tracks["explicit"].astype("Float64").astype(float),
            "single": (kind == "single").where(kind.notna()).astype(float),
            "album": (kind == "album").where(kind.notna()).astype(float),
            "guests": tracks["artists"].str.len().astype(float) - 1,
            "out": np.log2(1 + before.where(dates.notna())),
        },
        index=tracks.index,
    )
