"""How sure the order of songs is, and a ranking that never says more than that.

Each song is heard in many windows by several networks. How often song A is above song B is the
share of all pairs of a window of A and a window of B, asked of one network at a time, in which A's
score is higher: the probability of superiority (Vargha & Delaney, "A critique and improvement of
the CL common language effect size statistics", J. Educ. Behav. Stat. 25, 2000).
"""

import numpy as np

SURE = 0.8  # of the pairs of windows: less, and the order is a matter of which window one hears
LEAST = 0.02  # of probability: the same song as mp3, ogg or m4a may differ by half of that
FEWEST = 3  # networks: what two of them agree on, another training turns round too often
STEP = 0.01


def above(scores):
    """How often each song is above each other one.

    Parameters
    ----------
    scores : list of np.ndarray [shape=(n_networks, n_windows)]
        Of each song; songs differ in windows, not in networks.

    Returns
    -------
    np.ndarray [shape=(n_songs, n_songs)]
        Share of pairs of windows in which the song of the row has the higher score, ties half; mean
        over the networks. 0.5 on the diagonal.
    """
    if not scores:
        return np.empty((0, 0))
    starts = np.cumsum([0, *(song.shape[1] for song in scores)])[:-1]
    sizes = np.array([song.shape[1] for song in scores])
    found = np.empty((len(scores), len(scores)))
    every = np.concatenate(scores, axis=1)  # [n_networks, windows of all songs]
    for row, song in enumerate(scores):
        lower = np.zeros(every.shape[1])
        for mine, others in zip(np.sort(song, axis=1), every):
            # windows of this song that lie above each window of the others
            lower += len(mine) - sum(np.searchsorted(mine, others, side)
                                     for side in ("left", "right")) / 2
        found[row] = np.add.reduceat(lower, starts) / (sizes * song.size)
    return found


def told_apart(scores, share=None, sure=SURE):
    """Which songs are above which, as far as the networks can tell.

    A song is above another one if that holds in at least `sure` of the pairs of windows, each
    network puts its mean higher, and all together by at least `LEAST`. Fewer than `FEWEST`
    networks tell nothing apart. The relation is transitive: where it would not be, more is asked of
    all pairs.

    Parameters
    ----------
    scores : list of np.ndarray [shape=(n_networks, n_windows)]
    share : np.ndarray [shape=(n_songs, n_songs)], optional
        From `above`, computed if not given.

    Returns
    -------
    np.ndarray of bool [shape=(n_songs, n_songs)]
        Whether the song of the row is above that of the column.
    """
    if not scores:
        return np.empty((0, 0), dtype=bool)
    share = above(scores) if share is None else share
    means = np.array([song.mean(axis=1) for song in scores])  # [n_songs, n_networks]
    if means.shape[1] < FEWEST:
        return np.zeros(share.shape, dtype=bool)
    mean = means.mean(axis=1)
    agreed = mean[:, None] >= mean[None, :] + LEAST
    for network in means.T:
        agreed &= network[:, None] > network[None, :]
    # at the end every window is above every other one, which is transitive
    for least in [*np.arange(sure, 1, STEP), 1.0]:
        told = agreed & (share >= least - 1e-9)
        chained = told.astype(np.float32) @ told.astype(np.float32) > 0
        if not (chained & ~told).any():
            break
    return told


def places(told):
    """First and last place that each song can have, [shape=(n_songs, 2)], from 1.

    Parameters
    ----------
    told : np.ndarray of bool [shape=(n_songs, n_songs)]
        From `told_apart`. Where it does not tell two songs apart, their places overlap.
    """
    return np.column_stack([1 + told.sum(axis=0), len(told) - told.sum(axis=1)])
