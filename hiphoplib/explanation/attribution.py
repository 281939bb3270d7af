"""Two other ways to ask a model which cells matter, cheaper than LIME and blind to it."""

import numpy as np

from hiphoplib.explanation.segments import compose

STEPS = 32  # of the way from nothing but holes to the clip
AT_ONCE = 8  # clips whose activations are kept for the way back


def probabilities(model, batch):
    """The model's answers, checked, float64 [shape=(n,)], to dB [shape=(n, n_mels, frames)]."""
    p = np.asarray(model.predict(batch), dtype=float).ravel()
    if len(p) != len(batch) or not np.isfinite(p).all():
        raise ValueError(f"the model gave {p[:5]} for {len(batch)} spectrograms: "
                         "one finite probability each is needed")
    return p


def occlusion(model, S_db, grid, fillings):
    """How far the probability falls without each cell (Zeiler & Fergus, ECCV 2014).

    Parameters
    ----------
    model, S_db, grid, fillings
        As for `explain.explain`.

    Returns
    -------
    np.ndarray [shape=(n_fillings, n_bands, n_cells)]
        Above 0 speaks for popularity.
    """
    masks = np.ones((1 + grid.size, grid.size), dtype=bool)
    masks[1:][np.diag_indices(grid.size)] = False
    falls = []
    for filling in fillings:
        p = probabilities(model, compose(S_db, masks.reshape(-1, *grid.shape), grid, filling))
        falls.append((p[0] - p[1:]).reshape(grid.shape))
    return np.array(falls)


def integrated_gradients(model, S_db, grid, fillings, steps=STEPS):
    """The gradient along the way from a filling to the clip, times the way, summed over each cell.

    The cells add up to what separates the clip's probability from that of the filling alone
    (completeness: Sundararajan, Taly & Yan, ICML 2017); the integral is a midpoint sum.

    Parameters
    ----------
    model : training.Run, or whatever has its ``gradient``
        Float32 dB [shape=(n, n_mels, frames)] to the gradient of the probability, of that shape.
    S_db, grid, fillings
        As for `explain.explain`.
    steps : int > 0

    Returns
    -------
    np.ndarray [shape=(n_fillings, n_bands, n_cells)]
        Above 0 speaks for popularity.
    """
    along = ((np.arange(steps, dtype=np.float32) + 0.5) / steps)[:, None, None]
    maps = []
    for filling in fillings:
        start = filling.spectrogram(S_db.shape)
        way = S_db - start
        total = np.zeros(S_db.shape)
        for first in range(0, steps, AT_ONCE):
            total += model.gradient(start + along[first: first + AT_ONCE] * way).sum(axis=0)
        maps.append(grid.sums(way * total / steps))
    return np.array(maps)
