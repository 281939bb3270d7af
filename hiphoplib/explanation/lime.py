"""What in a clip speaks for popularity, to a trained model: LIME, checked by two other witnesses.

An explanation changes with what fills a hole (Mishra, Benetos, Sturm & Dixon, IJCNN 2020) and with
the random samples (Praher, Prinz, Flexer & Widmer, ISMIR 2021), so several of both are run, and a
cell is claimed only where they agree. LIME: Ribeiro, Singh & Guestrin, KDD 2016; on a grid: Mishra,
Sturm & Dixon, ISMIR 2017. The other witnesses, `witnesses`, are cheaper and know nothing of it.

A weight tells what moves this model's output. It does not tell what makes a song popular.
"""

import contextlib
from dataclasses import dataclass, field

import numpy as np
from lime import lime_image
from scipy.stats import spearmanr

from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import Grid, compose
from hiphoplib.io import progress
from hiphoplib.run_size import run_size

SEEDS = run_size().lime_seeds
SAMPLES = 400
BINS_AT_ONCE = 400 * 64 * 323  # of perturbed clips, which a network takes in its own batches
SAMPLES_PER_CELL = 10  # fewer, and the local linear fit is mostly noise
SMALLEST_CLAIM = 0.01  # one percentage point of probability: less is of no use to a musician
CLAIM_Z = 3.5  # standard errors; across 40 cells about one false claim in 50 explanations
SAME_MAP = 0.3  # rank correlation below which two maps are of different things
STEPS = 32  # of the way from nothing but holes to the clip
AT_ONCE = 8  # clips whose activations are kept for the way back


@dataclass(frozen=True, eq=False)
class Explanation:
    """The weights of one clip's cells: the change in probability that goes with a cell being on.

    Parameters
    ----------
    grid : Grid
    runs : np.ndarray [shape=(n_fillings, n_seeds, n_bands, n_cells)]
        Weights of each LIME run.
    r2 : np.ndarray [shape=(n_fillings, n_seeds)]
        How linear the model is here. Not how right the explanation is, which R² does not judge.
    probability : float
        The model's answer for the whole clip.
    witnesses : dict of str to np.ndarray [shape=(n_fillings, n_bands, n_cells)]
        What else was asked which cells matter, by name; empty if nobody.
    """

    grid: Grid
    runs: np.ndarray
    r2: np.ndarray
    probability: float
    witnesses: dict = field(default_factory=dict)

    @property
    def weights(self):
        """Mean over runs [shape=(n_bands, n_cells)]; above 0 speaks for popularity."""
        return self.runs.mean(axis=(0, 1))

    @property
    def spread(self):
        """Standard deviation over runs [shape=(n_bands, n_cells)]."""
        return self.runs.std(axis=(0, 1))

    @property
    def agreement(self):
        """Share of runs with the sign of the mean [shape=(n_bands, n_cells)], in [0, 1]."""
        return (np.sign(self.runs) == np.sign(self.weights)).mean(axis=(0, 1))

    @property
    def noise_floor(self):
        """Smallest |weight| under each filling that can be claimed [shape=(n_fillings,)].

        The larger of `SMALLEST_CLAIM` and `CLAIM_Z` standard errors of the mean over seeds. LIME's
        sampling noise is how far seeds lie apart, pooled over all cells. Infinite for one seed,
        whose noise is unknown.
        """
        n_seeds = self.runs.shape[1]
        if n_seeds < 2:
            return np.full(len(self.runs), np.inf)
        noise = np.sqrt(self.runs.var(axis=1, ddof=1).mean(axis=(1, 2)))
        return np.maximum(SMALLEST_CLAIM, CLAIM_Z * noise / np.sqrt(n_seeds))

    @property
    def claimed(self):
        """Cells that are claimed, bool [shape=(n_bands, n_cells)].

        Every run has the same sign, and under each filling the mean is above the noise floor.
        """
        by_filling = np.abs(self.runs.mean(axis=1))
        return (self.agreement == 1) & (by_filling > self.noise_floor[:, None, None]).all(axis=0)

    @property
    def strong(self):
        """Claimed cells of which every witness says the same, bool [shape=(n_bands, n_cells)].

        A witness says the same if its mean over the fillings has the sign of the weight, and at
        least the size of the smallest claim. Nowhere, if nobody else was asked.
        """
        said = [np.sign(map_) * (np.abs(map_) >= SMALLEST_CLAIM) == np.sign(self.weights)
                for map_ in map(_mean, self.witnesses.values())]
        return self.claimed & np.all(said, axis=0) if said else np.zeros_like(self.claimed)

    @property
    def correlations(self):
        """Rank correlation of the weights with each witness, by its name; 0 of a flat map."""
        return {name: rank_correlation(self.weights, _mean(map_))
                for name, map_ in self.witnesses.items()}


def _mean(by_filling):
    return by_filling.mean(axis=0)


def rank_correlation(one, other):
    """Spearman's rank correlation of two maps, float; 0 where one of them is flat."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(np.ravel(one), np.ravel(other)).statistic)


def explain(model, S_db, grid, fillings, *, seeds=SEEDS, samples=None):
    """Explain one clip: a LIME run for each filling and seed, and the witnesses beside it.

    Parameters
    ----------
    model : training.Run, or whatever has its ``predict`` (and ``gradient``)
        ``predict``: float32 dB [shape=(n, n_mels, frames)] to probabilities [shape=(n,)].
    S_db : np.ndarray [shape=(n_mels, frames)]
        In dB, on the mel grid of `grid`.
    grid : Grid
    fillings : list of Filling
    seeds : iterable of int
        At least two, or nothing can be claimed.
    samples : int
        Perturbed clips a run, at least 10 a cell (400, or what the cells need, if not given).

    Returns
    -------
    Explanation

    Raises
    ------
    BadInput
        If the spectrogram is of another grid, or the samples are too few for the cells.
    """
    S_db = np.asarray(S_db, dtype=np.float32)
    least = SAMPLES_PER_CELL * grid.size
    samples = max(SAMPLES, least) if samples is None else samples
    if S_db.shape != grid.mel_grid.shape:
        raise BadInput(f"spectrogram of {S_db.shape}, the grid has {grid.mel_grid.shape}")
    if samples < least:
        raise BadInput(f"samples={samples} for {grid.size} cells: at least {least} are needed, "
                       "or larger cells")
    asked = [(filling, (seed, number)) for number, filling in enumerate(fillings) for seed in seeds]
    found = [lime_run(model, S_db, grid, filling, seed, samples)
             for filling, seed in progress(asked, desc="explain", unit="run")]
    weights, r2 = map(np.array, zip(*found))
    witnesses = {"occlusion": occlusion(model, S_db, grid, fillings)}
    if hasattr(model, "gradient"):
        witnesses["gradients"] = integrated_gradients(model, S_db, grid, fillings)
    return Explanation(grid, weights.reshape(len(fillings), -1, *grid.shape),
                       r2.reshape(len(fillings), -1),
                       float(probabilities(model, S_db[None])[0]), witnesses)


def lime_run(model, S_db, grid, filling, seed, samples=SAMPLES):
    """One run of LIME.

    Parameters
    ----------
    model, S_db, grid, filling, samples
        As for `explain`.
    seed : int or sequence of int

    Returns
    -------
    weights : np.ndarray [shape=(n_bands, n_cells)]
    r2 : float
    """
    # LIME sees a tiny picture with one pixel a cell, all on, and switches pixels off
    def classify(pictures):
        p = probabilities(model, compose(S_db, pictures[..., 0] > 0.5, grid, filling))
        return np.column_stack([1 - p, p])

    # the filling is part of the seed: fillings with the same samples would share their noise
    state = np.random.RandomState(np.random.SeedSequence(seed).generate_state(1))
    lime = lime_image.LimeImageExplainer(feature_selection="none", random_state=state)
    with no_progress_bar():
        result = lime.explain_instance(
            np.ones((*grid.shape, 3)), classify, labels=(1,), top_labels=None, hide_color=0,
            num_samples=samples, batch_size=max(1, BINS_AT_ONCE // S_db.size),
            segmentation_fn=lambda _: np.arange(grid.size).reshape(grid.shape))
    weights = np.array([weight for _, weight in sorted(result.local_exp[1])])
    return weights.reshape(grid.shape), float(result.score)


@contextlib.contextmanager
def no_progress_bar():
    """Keep lime 0.2.0.1 quiet, which draws a bar for every run and has no option for it."""
    bar, lime_image.tqdm = lime_image.tqdm, iter
    try:
        yield
    finally:
        lime_image.tqdm = bar


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
