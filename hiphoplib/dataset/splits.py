"""Who is learnt from and who is judged on: splits by artist, time or chance, and the label."""

import warnings

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import KFold, StratifiedGroupKFold

from hiphoplib.errors import BadInput

SIDES = ("train", "validation", "test")
SHARES = (0.75, 0.15, 0.10)  # of the 2021 study
CHUNKS = 20  # 5 % each: 15, 3 and 2 of them make the shares
FOLDS = {500: 5, 1000: 3}  # folds of a corpus of fewer tracks than so many; a larger one has none
SPLITS = ("artist", "time", "random")
LATER, MOST_FOLDS = "later", 5  # of a split by time; what came later than its holdout is not used


def artist_groups(tracks):
    """Group of every track: tracks that share a credited artist, directly or over others.

    Parameters
    ----------
    tracks : pd.DataFrame
        A tracks table; names are compared, since ids exist in some sources only.

    Returns
    -------
    groups : pd.Series of int, indexed by track id
        Connected components of the graph of tracks and artists. A split that keeps them whole
        has no artist on two sides (Pampalk, Flexer & Widmer, ISMIR 2005, on why it must).
    """
    credits = tracks[["id", "artists"]].explode("artists")
    names = credits["artists"].str.casefold().str.strip()
    row = pd.factorize(credits["id"])[0]
    artist = pd.factorize(names)[0] + len(tracks)
    size = artist.max() + 1
    graph = coo_matrix((np.ones(len(row)), (row, artist)), shape=(size, size))
    component = connected_components(graph, directed=False)[1]
    return pd.Series(component[: len(tracks)], index=pd.Index(tracks["id"], name="id"))


def default_folds(n):
    """Folds that a corpus of `n` tracks asks for: 5 below 500, 3 below 1,000, 0 (one split) else.

    With 10 % held out the 95 % interval of an AUC near 0.65 is about ± 0.17 at 400 tracks and
    ± 0.11 at 1,000; over all tracks, as folds give it, it is ± 0.055 at 400.
    """
    return next((folds for size, folds in FOLDS.items() if n < size), 0)


def split_tracks(tracks, by="artist", folds=0, seed=0):
    """Side of every track, in one split of 75/15/10 or in folds.

    Parameters
    ----------
    tracks : pd.DataFrame
        A cleaned tracks table, one row a recording.
    by : {"artist", "time", "random"}
        Artists kept whole; the newest tracks held out, and those before them on the test side; or
        neither.
    folds : int
        0 for one split into train, test and holdout. K for K of them, such that every track is
        held out exactly once; a test part is cut out of each training part. By time, each of the
        newest K tenths is held out once, and what came after it is on no side ("later").
    seed : int
        Another seed, another split. The order of the table does not matter.

    Returns
    -------
    sides : pd.DataFrame [shape=(tracks, folds or 1)], indexed by track id
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
    if by == "time":
        return _by_time(tracks, folds)
    groups = artist_groups(tracks).to_numpy() if by == "artist" else np.arange(len(tracks))
    needed = max(folds, 3)
    if len(np.unique(groups)) < needed:
        raise BadInput(f"split by {by}: {len(np.unique(groups))} separate groups of artists, at "
                       f"least {needed} are needed; gather more, or split at random")
    popular = (tracks["popularity"] >= tracks["popularity"].median()).to_numpy()
    if folds > np.bincount(popular).max():
        raise BadInput(f"folds {folds}: more than {len(tracks)} tracks can be divided into with "
                       "popular and unpopular ones in each; take fewer, or gather more")
    index = pd.Index(tracks["id"], name="id")
    if not folds:
        return pd.DataFrame({0: _one_split(popular, groups, SHARES, seed)}, index=index)
    part = _parts(popular, groups, folds, seed)
    sides = {}
    for fold in range(folds):
        rest = part != fold
        side = np.full(len(tracks), "test", dtype=object)
        shares = (SHARES[0] / (SHARES[0] + SHARES[1]), SHARES[1] / (SHARES[0] + SHARES[1]))
        side[rest] = _one_split(popular[rest], groups[rest], shares, seed + fold)
        sides[fold] = side
    return pd.DataFrame(sides, index=index)


def _by_time(tracks, folds):
    """Sides by release date: each fold holds out a tenth and learns from what came before it."""
    dates = tracks["release_date"]
    if dates.notna().sum() < len(tracks) / 2 or dates.nunique() < 3:
        raise BadInput(f"split by time: {dates.notna().sum()} of {len(tracks)} tracks have a "
                       "release date; fill in release_date, or split by artist")
    if folds > MOST_FOLDS:
        raise BadInput(f"folds {folds}: a split by time has {MOST_FOLDS} at most, each of them a "
                       "tenth, so that there is a past to learn from")
    order = tracks.sort_values(["release_date", "id"], na_position="first").index
    index, sides = pd.Index(tracks["id"], name="id"), {}
    for fold in range(folds or 1):
        end = 1 - SHARES[2] * ((folds or 1) - 1 - fold)
        past = end - SHARES[2]
        ends = [past * SHARES[0] / (SHARES[0] + SHARES[1]), past, end]
        parts = np.split(order, np.round(np.multiply(ends, len(tracks))).astype(int))
        side = np.empty(len(tracks), dtype=object)
        for name, rows in zip((*SIDES, LATER), parts):
            side[rows] = name
        sides[fold] = side
    return pd.DataFrame(sides, index=index)


def _parts(popular, groups, n_parts, seed):
    """Part of every track, np.ndarray of int: groups whole, parts alike in size and label."""
    if len(np.unique(groups)) == len(groups):
        folds = KFold(n_parts, shuffle=True, random_state=seed).split(groups)
    else:
        # shuffled here: its own shuffle forgets the labels before scikit-learn 1.8, pull 32540
        code = np.unique(groups, return_inverse=True)[1]
        place = np.argsort(np.random.RandomState(seed).permutation(code.max() + 1))
        folds = StratifiedGroupKFold(n_parts).split(groups, popular, place[code])
    part = np.empty(len(groups), dtype=int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # then not in every part
        for number, (_, members) in enumerate(folds):
            part[members] = number
    return part


def _one_split(popular, groups, shares, seed):
    """Side of every track: small parts are dealt out, the largest first, to where most is open."""
    chunks = min(CHUNKS, len(np.unique(groups)), np.bincount(popular).max())
    part = _parts(popular, groups, chunks, seed) if chunks > 1 else np.zeros(len(groups), dtype=int)
    sizes = np.bincount(part)
    open_places = np.array(shares) * len(groups)
    side = np.empty(len(groups), dtype=object)
    for number in np.argsort(-sizes, kind="stable"):
        receiver = int(np.argmax(open_places))
        open_places[receiver] -= sizes[number]
        side[part == number] = SIDES[receiver]
    if len(set(side)) < len(shares):
        raise BadInput(f"split of {len(groups)} tracks: a side would be empty, since a few artists "
                       "hold most of them; gather more, or split at random")
    return side


def label_popular(popularity, train):
    """Popular or not, by the training tracks' median.

    Parameters
    ----------
    popularity : pd.Series, 0-100
        Of all tracks.
    train : array-like of bool [shape=(tracks,)]
        Which of them the threshold may be learnt from.

    Returns
    -------
    popular : pd.Series of int
        1 where the popularity is at least the threshold.
    threshold : float
        The median of the training tracks; the next higher value where so many tracks share the
        lowest one that it is the median.

    Raises
    ------
    BadInput
        If every training track has the same popularity.
    """
    known = popularity[np.asarray(train, dtype=bool)].dropna()
    if known.nunique() < 2:
        raise BadInput("label: every training track has the same popularity, so there are no two "
                       "classes to tell apart; gather more tracks")
    threshold = known.median()
    if threshold == known.min():
        threshold = known[known > threshold].min()
    return (popularity >= threshold).astype(int), float(threshold)
