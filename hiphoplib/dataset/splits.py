"""Splits into training, validation and test set, by artist, time or chance; and the label."""

import warnings

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import KFold, StratifiedGroupKFold

from hiphoplib.errors import BadInput

SETS = ("train", "validation", "test")
SHARES = (0.75, 0.15, 0.10)  # of the 2021 study
CHUNKS = 20  # 5 % each: 15, 3 and 2 of them make the shares
FOLDS, MOST = 5, 10_000  # folds of a corpus of so many tracks; a larger one has none
SPLITS = ("artist", "time", "random")
LATER = "later"  # in a split by time, what came after the test set and is in no set
MAX_FOLDS = 5  # of a split by time


def artist_groups(tracks: pd.DataFrame) -> pd.Series:
    """Return the group of every track: tracks that share a credited artist, maybe over others.

    Parameters
    ----------
    tracks : pd.DataFrame
        A tracks table; names are compared, since ids exist in some sources only.

    Returns
    -------
    pd.Series of int, indexed by track id
        Connected components of the graph of tracks and artists. A split that keeps them whole
        is artist-disjoint (Pampalk, Flexer & Widmer, ISMIR 2005, on why it must be).

    Examples
    --------
    >>> tracks = pd.DataFrame({"id": ["1", "2", "3"], "artists": [["A", "B"], ["B"], ["C"]]})
    >>> artist_groups(tracks).tolist()
    [0, 0, 1]
    """
    credits = tracks[["id", "artists"]].explode("artists")
    names = credits["artists"].str.casefold().str.strip()
    row = pd.factorize(credits["id"])[0]
    artist = pd.factorize(names)[0] + len(tracks)
    size = artist.max() + 1
    graph = coo_matrix((np.ones(len(row)), (row, artist)), shape=(size, size))
    component = connected_components(graph, directed=False)[1]
    return pd.Series(component[: len(tracks)], index=pd.Index(tracks["id"], name="id"))


def default_folds(n: int) -> int:
    """Return how many folds a corpus asks for: 5 up to 10,000 tracks, else 0.

    A test set of 10 % says little: of 4,000 tracks its 95 % interval of an AUC near 0.65 is about
    ± 0.05, over all tracks, as folds give it, ± 0.02.

    Parameters
    ----------
    n : int
        Tracks.

    Returns
    -------
    int
        0 for one split.
    """
    return FOLDS if n <= MOST else 0


def split_tracks(
    tracks: pd.DataFrame, by: str = "artist", folds: int = 0, seed: int = 0
) -> pd.DataFrame:
    """Divide tracks into training, validation and test set, once (75/15/10) or in folds.

    Parameters
    ----------
    tracks : pd.DataFrame
        A cleaned tracks table, one row a recording.
    by : {"artist", "time", "random"}
        Artists kept whole; the newest tracks in the test set, and those before them in the
        validation set; or neither.
    folds : int
        0 for one split. K for K of them, such that every track is in the test set exactly once;
        the validation set is cut out of the rest. By time, each of the newest K tenths is the test
        set once, and what came after it is in no set ("later").
    seed : int
        Another seed, another split. The order of the table does not matter.

    Returns
    -------
    pd.DataFrame [shape=(tracks, folds or 1)], indexed by track id
        "train", "validation" or "test".

    Raises
    ------
    BadInput
        If the corpus is too small for such a split.
    """
    if by not in SPLITS:
        raise BadInput(f"split {by!r}: there is none of that name; there are {', '.join(SPLITS)}")
    if folds == 1 or folds < 0:
        raise BadInput(f"folds {folds}: 0 for one split, or at least 2")
    tracks = tracks.sort_values("id").reset_index(drop=True)
    index = pd.Index(tracks["id"], name="id")
    if by == "time":
        return pd.DataFrame(_by_time(tracks, folds), index=index)
    groups = artist_groups(tracks).to_numpy() if by == "artist" else np.arange(len(tracks))
    found, needed = len(np.unique(groups)), max(folds, 3)
    if found < needed:
        raise BadInput(
            f"split by {by}: {found} separate groups of artists, at least {needed} are "
            "needed; gather more, or split at random"
        )
    popular = (tracks["popularity"] >= tracks["popularity"].median()).to_numpy()
    if folds > np.bincount(popular).max():
        raise BadInput(
            f"folds {folds}: more than {len(tracks)} tracks can be divided into with "
            "popular and unpopular ones in each; take fewer, or gather more"
        )
    if not folds:
        return pd.DataFrame({0: _one_split(popular, groups, SHARES, seed)}, index=index)
    part, sets = divide(popular, groups, folds, seed), {}
    shares = np.array(SHARES[:2]) / sum(SHARES[:2])
    for fold in range(folds):
        rest = part != fold
        sets[fold] = np.full(len(tracks), "test", dtype=object)
        sets[fold][rest] = _one_split(popular[rest], groups[rest], shares, seed + fold)
    return pd.DataFrame(sets, index=index)


def _by_time(tracks, folds):
    """Sets by release date: each fold tests on a tenth and learns from what came before it."""
    dates = tracks["release_date"]
    if dates.notna().sum() < len(tracks) / 2 or dates.nunique() < 3:
        raise BadInput(
            f"split by time: {dates.notna().sum()} of {len(tracks)} tracks have a "
            "release date; fill in release_date, or split by artist"
        )
    if folds > MAX_FOLDS:
        raise BadInput(
            f"folds {folds}: a split by time has {MAX_FOLDS} at most, each of them a "
            "tenth, so that there is a past to learn from"
        )
    order = tracks.sort_values(["release_date", "id"], na_position="first").index
    sets = {}
    for fold in range(folds or 1):
        end = 1 - SHARES[2] * ((folds or 1) - 1 - fold)
        past = end - SHARES[2]
        ends = [past * SHARES[0] / (SHARES[0] + SHARES[1]), past, end]
        sets[fold] = np.empty(len(tracks), dtype=object)
        for name, rows in zip(
            (*SETS, LATER), np.split(order, np.round(np.multiply(ends, len(tracks))).astype(int))
        ):
            sets[fold][rows] = name
    return sets


def divide(popular: np.ndarray, groups: np.ndarray, n_parts: int, seed: int = 0) -> np.ndarray:
    """Divide tracks into parts that are alike in size and label, groups whole.

    Parameters
    ----------
    popular : np.ndarray of bool [shape=(n,)]
    groups : np.ndarray [shape=(n,)]
    n_parts, seed : int

    Returns
    -------
    np.ndarray of int [shape=(n,)]
        The part of every track.
    """
    if len(np.unique(groups)) == len(groups):
        folds = KFold(n_parts, shuffle=True, random_state=seed).split(groups)
    else:
        # shuffled here: its own shuffle forgets the labels before scikit-learn 1.8, pull 32540
        code = np.unique(groups, return_inverse=True)[1]
        order = np.argsort(np.random.RandomState(seed).permutation(code.max() + 1))
        folds = StratifiedGroupKFold(n_parts).split(groups, popular, order[code])
    part = np.empty(len(groups), dtype=int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # then not in every part
        for number, (_, members) in enumerate(folds):
            part[members] = number
    return part


def _one_split(popular, groups, shares, seed):
    """Set of every track: small parts go, the largest first, to the set that lacks most."""
    chunks = min(CHUNKS, len(np.unique(groups)), np.bincount(popular).max())
    part = divide(popular, groups, chunks, seed) if chunks > 1 else np.zeros(len(groups), dtype=int)
    sizes, lacking = np.bincount(part), np.array(shares) * len(groups)
    chosen = np.empty(len(groups), dtype=object)
    for number in np.argsort(-sizes, kind="stable"):
        receiver = int(np.argmax(lacking))
        lacking[receiver] -= sizes[number]
        chosen[part == number] = SETS[receiver]
    if len(set(chosen)) < len(shares):
        raise BadInput(
            f"split of {len(groups)} tracks: a set would be empty, since a few artists "
            "hold most of them; gather more, or split at random"
        )
    return chosen


def label_popular(popularity: pd.Series, train: np.ndarray) -> tuple[pd.Series, float]:
    """Label tracks as popular or not, by the median of the training set.

    Parameters
    ----------
    popularity : pd.Series, 0-100
        Of all tracks.
    train : array-like of bool [shape=(tracks,)]
        Which of them are in the training set.

    Returns
    -------
    popular : pd.Series of int
        1 where the popularity is at least the threshold.
    threshold : float
        The median; the next higher value where so many tracks share the lowest one that it is the
        median.

    Raises
    ------
    BadInput
        If every training track has the same popularity.
    """
    known = popularity[np.asarray(train, dtype=bool)].dropna()
    if known.nunique() < 2:
        raise BadInput(
            "label: every training track has the same popularity, so there are no two "
            "classes to tell apart; gather more tracks"
        )
    threshold = known.median()
    if threshold == known.min():
        threshold = known[known > threshold].min()
    return (popularity >= threshold).astype(int), float(threshold)


def percentile(popularity: pd.Series, train: np.ndarray) -> pd.Series:
    """Return the share of the training tracks that are less popular, ties half.

    Parameters
    ----------
    popularity : pd.Series
        Of all tracks.
    train : array-like of bool [shape=(tracks,)]
        Which of them are in the training set.

    Returns
    -------
    pd.Series of float in [0, 1]

    Examples
    --------
    >>> percentile(pd.Series([10, 20, 20, 40, 30]), [True] * 4 + [False]).tolist()
    [0.125, 0.5, 0.5, 0.875, 0.75]
    """
    known = np.sort(popularity[np.asarray(train, dtype=bool)].dropna())
    less = sum(np.searchsorted(known, popularity, side) for side in ("left", "right")) / 2
    return pd.Series(less / len(known), index=popularity.index)
