"""What in a clip speaks for popularity, to a trained model: LIME, checked by two other methods.

LIME (Ribeiro, Singh & Guestrin, KDD 2016), here on a grid (Mishra, Sturm & Dixon, ISMIR 2017),
depends on the fill value (Mishra, Benetos, Sturm & Dixon, IJCNN 2020) and on its random samples
(Praher, Prinz, Flexer & Widmer, ISMIR 2021), so it is run with several of both. How right a map is,
deletion and insertion curves (Petsiuk, Das & Saenko, BMVC 2018) ask the network; `recovery` and
`top_hit` compare with the segments in which a known cause acts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from lime import lime_image
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import Fill, SegmentGrid, compose
from hiphoplib.io import progress
from hiphoplib.run_size import run_size

SEEDS = run_size().lime_seeds
SAMPLES = 400  # perturbed clips a run
SAMPLES_PER_SEGMENT = 10  # at least: fewer, and the local linear fit is mostly noise
MIN_WEIGHT = 0.01  # one percentage point of probability: less is of no use to a musician
MIN_STANDARD_ERRORS = 3.5  # of 40 segments: about one false attribution in 50 explanations
MAX_BINS = 400 * 64 * 323  # of perturbed clips that are made at a time
STEPS = 32  # of integrated gradients
GRADIENT_BATCH = 8  # clips whose activations are in memory for the backward pass
STEP, RANDOM_ORDERS = 2, 10  # segments at a time


class Model(Protocol):
    """What can be explained: `training.Run`, `trained_model.TrainedModel` and the like."""

    # from float32 dB [shape=(n, n_mels, frames)]: probabilities [shape=(n,)], and their gradients
    predict: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Attribution:
    """Weights of a clip's segments: how far the probability rises when a segment is on."""

    grid: SegmentGrid
    runs: np.ndarray  # weights of each LIME run [shape=(n_fills, n_seeds, n_bands, n_segments)]
    r2: np.ndarray  # how linear the model is here, not how right [shape=(n_fills, n_seeds)]
    probability: float  # the model's output for the whole clip
    other_methods: dict[str, np.ndarray]  # weights by name [shape=(n_fills, n_bands, n_segments)]

    @property
    def weights(self) -> np.ndarray:
        """Mean over runs [shape=(n_bands, n_segments)]; above 0 speaks for popularity."""
        return self.runs.mean(axis=(0, 1))

    @property
    def stable(self) -> np.ndarray:
        """Segments whose weight can be quoted, bool [shape=(n_bands, n_segments)].

        Every run has the sign of the mean, and under each fill value the mean over seeds is above
        `MIN_WEIGHT` and `MIN_STANDARD_ERRORS`; the variance over seeds is pooled over all segments.
        """
        n_seeds = self.runs.shape[1]
        if n_seeds < 2:  # the noise of one is unknown
            return np.zeros(self.grid.shape, dtype=bool)
        noise = np.sqrt(self.runs.var(axis=1, ddof=1).mean(axis=(1, 2)))
        floor = np.maximum(MIN_WEIGHT, MIN_STANDARD_ERRORS * noise / np.sqrt(n_seeds))
        agreed = (np.sign(self.runs) == np.sign(self.weights)).all(axis=(0, 1))
        by_fill = np.abs(self.runs.mean(axis=1))
        return agreed & (by_fill > floor[:, None, None]).all(axis=0)

    @property
    def confirmed(self) -> np.ndarray:
        """Stable segments on which every other method agrees, bool [shape=(n_bands, n_segments)].

        It agrees if its mean has the sign of the weight, and at least `MIN_WEIGHT`.
        """
        agreed = [
            np.sign(map_) * (np.abs(map_) >= MIN_WEIGHT) == np.sign(self.weights)
            for map_ in self._other_maps().values()
        ]
        return self.stable & np.all(agreed, axis=0)

    @property
    def correlations(self) -> dict[str, float]:
        """Rank correlation of the weights with those of each other method."""
        return {
            name: rank_correlation(self.weights, map_) for name, map_ in self._other_maps().items()
        }

    def _other_maps(self):
        return {name: by_fill.mean(axis=0) for name, by_fill in self.other_methods.items()}


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps.

    Parameters
    ----------
    one, other : np.ndarray

    Returns
    -------
    float, 0 where one of them is flat
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(np.ravel(one), np.ravel(other)).statistic)


def explain(
    model: Model,
    S_db: ArrayLike,
    grid: SegmentGrid,
    fills: Sequence[Fill],
    *,
    seeds: Sequence[int] = SEEDS,
) -> Attribution:
    """Explain one clip: a LIME run for each fill value and seed, and the other methods.

    Parameters
    ----------
    model : Model
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    grid : SegmentGrid
    fills : sequence of Fill
    seeds : sequence of int, at least two, or nothing is stable

    Returns
    -------
    Attribution

    Raises
    ------
    BadInput
        If the spectrogram is of another grid.
    """
    S_db = np.asarray(S_db, dtype=np.float32)
    if S_db.shape != grid.mel_grid.shape:
        raise BadInput(f"spectrogram of {S_db.shape}, the grid has {grid.mel_grid.shape}")
    # the fill value is part of the seed: with the same samples both would share their noise
    asked = [(fill, (seed, number)) for number, fill in enumerate(fills) for seed in seeds]
    runs = [
        lime_run(model, S_db, grid, fill, seed)
        for fill, seed in progress(asked, desc="explain", unit="run")
    ]
    weights, r2 = map(np.array, zip(*runs))
    return Attribution(
        grid,
        weights.reshape(len(fills), -1, *grid.shape),
        r2.reshape(len(fills), -1),
        float(probabilities(model, S_db[None])[0]),
        {
            "occlusion": _occlusion(model, S_db, grid, fills),
            "gradients": _integrated_gradients(model, S_db, grid, fills),
        },
    )


def lime_run(
    model: Model, S_db: np.ndarray, grid: SegmentGrid, fill: Fill, seed: int | Sequence[int]
) -> tuple[np.ndarray, float]:
    """Run LIME once.

    Parameters
    ----------
    model : Model
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    grid : SegmentGrid
    fill : Fill
    seed : int or sequence of int

    Returns
    -------
    weights : np.ndarray [shape=(n_bands, n_segments)]
    r2 : float
    """

    # LIME is shown a tiny picture with one pixel a segment, all on, and switches pixels off
    def classify(pictures):
        p = probabilities(model, compose(S_db, pictures[..., 0] > 0.5, grid, fill))
        return np.column_stack([1 - p, p])

    state = np.random.RandomState(np.random.SeedSequence(seed).generate_state(1))
    lime = lime_image.LimeImageExplainer(feature_selection="none", random_state=state)
    with no_progress_bar():
        result = lime.explain_instance(
            np.ones((*grid.shape, 3)),
            classify,
            labels=(1,),
            top_labels=None,
            hide_color=0,
            num_samples=max(SAMPLES, SAMPLES_PER_SEGMENT * grid.size),
            batch_size=max(1, MAX_BINS // S_db.size),
            segmentation_fn=lambda _: np.arange(grid.size).reshape(grid.shape),
        )
    weights = np.array([weight for _, weight in sorted(result.local_exp[1])])
    return weights.reshape(grid.shape), float(result.score)


def lime_default(model: Model, S_db: np.ndarray, grid: SegmentGrid) -> np.ndarray:
    """Return the weights of LIME with default settings, mean over each segment of a grid.

    Its own segments (quickshift on the picture), fill value (the mean of each) and 1,000 samples.

    Parameters
    ----------
    model : Model
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    grid : SegmentGrid

    Returns
    -------
    np.ndarray [shape=(n_bands, n_segments)]
    """
    low, high = S_db.min(), S_db.max()

    def classify(pictures):
        p = probabilities(model, (pictures[..., 0] * (high - low) + low).astype(np.float32))
        return np.column_stack([1 - p, p])

    picture = np.repeat(((S_db - low) / (high - low))[..., None], 3, axis=2).astype(float)
    with no_progress_bar():
        result = lime_image.LimeImageExplainer(random_state=0).explain_instance(
            picture, classify, labels=(1,), top_labels=None, random_seed=0, batch_size=500
        )
    weight = dict(result.local_exp[1])
    return grid.means(np.vectorize(lambda segment: weight.get(segment, 0.0))(result.segments))


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Keep lime 0.2.0.1 quiet, which draws a bar for every run and has no option for it.

    Yields
    ------
    None
    """
    bar, lime_image.tqdm = lime_image.tqdm, iter
    try:
        yield
    finally:
        lime_image.tqdm = bar


def probabilities(model: Model, batch: np.ndarray) -> np.ndarray:
    """Return the model's probabilities, checked.

    Parameters
    ----------
    model : Model
    batch : np.ndarray [shape=(n, n_mels, frames)], in dB

    Returns
    -------
    np.ndarray [shape=(n,)], float64

    Raises
    ------
    ValueError
        If they are not one finite number each.
    """
    p = np.asarray(model.predict(batch), dtype=float).ravel()
    if len(p) != len(batch) or not np.isfinite(p).all():
        raise ValueError(
            f"the model gave {p[:5]} for {len(batch)} spectrograms: "
            "one finite probability each is needed"
        )
    return p


def _occlusion(model, S_db, grid, fills):
    """Return how far the probability falls without each segment (Zeiler & Fergus, ECCV 2014)."""
    masks = np.vstack([np.ones((1, grid.size), bool), ~np.eye(grid.size, dtype=bool)])
    masks = masks.reshape(-1, *grid.shape)
    p = np.array([probabilities(model, compose(S_db, masks, grid, fill)) for fill in fills])
    return (p[:, :1] - p[:, 1:]).reshape(len(fills), *grid.shape)


def _integrated_gradients(model, S_db, grid, fills):
    """Return integrated gradients from each fill value to the clip, summed over each segment.

    The segments add up to the probability of the clip less that of the fill value alone
    (completeness: Sundararajan, Taly & Yan, ICML 2017); the integral is a midpoint sum.
    """
    along = ((np.arange(STEPS, dtype=np.float32) + 0.5) / STEPS)[:, None, None]
    maps = []
    for fill in fills:
        start = np.asarray(fill.values, np.float32)
        way, total = S_db - start, np.zeros(S_db.shape)
        for first in range(0, STEPS, GRADIENT_BATCH):
            batch = start + along[first : first + GRADIENT_BATCH] * way
            total += model.gradient(batch).sum(axis=0)
        maps.append(np.bincount(grid.labels().ravel(), np.ravel(way * total / STEPS)))
    return np.reshape(maps, (-1, *grid.shape))


def curves(
    model: Model, S_db: np.ndarray, attribution: Attribution, fills: Sequence[Fill], seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Return the probability of the predicted class as segments go, and as they come back.

    Parameters
    ----------
    model : Model
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    attribution : Attribution
    fills : sequence of Fill, over which curves are averaged
    seed : int

    Returns
    -------
    dict of dict of np.ndarray [shape=(1 + segments / STEP,)]
        ``deletion`` and ``insertion``, each of the orders "lime" (what speaks most for the
        predicted class first), "loudest" first, and "random", the mean of `RANDOM_ORDERS`.
    """
    grid, sign = attribution.grid, 1 if attribution.probability >= 0.5 else -1
    rng = np.random.default_rng(seed)
    orders = {
        "lime": [_ranked(sign * attribution.weights)],
        "loudest": [_ranked(grid.means(S_db))],
        "random": [rng.permutation(grid.size) for _ in range(RANDOM_ORDERS)],
    }
    counts = np.array([*range(0, grid.size, STEP), grid.size])

    def curve(order, fill, way):
        off = np.argsort(order) < counts[:, None]  # of a permutation: each segment's rank
        masks = (off if way == "insertion" else ~off).reshape(-1, *grid.shape)
        p = probabilities(model, compose(S_db, masks, grid, fill))
        return p if sign > 0 else 1 - p

    return {
        way: {
            name: np.mean([curve(order, fill, way) for order in several for fill in fills], axis=0)
            for name, several in orders.items()
        }
        for way in ("deletion", "insertion")
    }


def area(curve: np.ndarray) -> float:
    """Return the area under a deletion or insertion curve: its mean height.

    Parameters
    ----------
    curve : np.ndarray [shape=(points,)]

    Returns
    -------
    float
    """
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))


def recovery(weights: np.ndarray, truth: np.ndarray) -> float:
    """Return the ROC-AUC of a map of weights against the segments in which a cause acts.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_bands, n_segments)], higher where the explanation puts the cause
    truth : np.ndarray of bool [shape=(n_bands, n_segments)]

    Returns
    -------
    float, 0.5 is chance; NaN where the cause acts nowhere or everywhere

    Examples
    --------
    >>> recovery(np.array([[0.2, 0.1, -0.3]]), np.array([[True, False, True]]))
    0.5
    """
    if truth.all() or not truth.any():
        return np.nan
    return float(roc_auc_score(truth.ravel(), weights.ravel()))


def top_hit(weights: np.ndarray, truth: np.ndarray, top: int = 1) -> bool:
    """Return whether a cause acts in one of the segments with the highest weights.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_bands, n_segments)]
    truth : np.ndarray of bool [shape=(n_bands, n_segments)]
    top : int

    Returns
    -------
    bool
    """
    return bool(truth.ravel()[_ranked(weights)[:top]].any())


def _ranked(scores):
    """Return the numbers of segments in the order of their scores, the highest first."""
    return np.argsort(-np.ravel(scores), kind="stable")
