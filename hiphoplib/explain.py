"""What in a clip speaks for popularity, to a trained model: LIME on named bands x 3-second cells.

*What* can be switched off (`Grid`) is apart from *how* the input is then put together (`Filling`,
`compose`), as in audioLIME (Haunschmid, Manilow & Widmer, arXiv 2008.00582). An explanation changes
with the filling (Mishra, Benetos, Sturm & Dixon, IJCNN 2020) and with the random samples (Praher,
Prinz, Flexer & Widmer, ISMIR 2021), so several of both are run, and a cell is claimed only where
they agree. LIME: Ribeiro, Singh & Guestrin, KDD 2016; on a grid: Mishra, Sturm & Dixon, ISMIR 2017.

A weight tells what moves this model's output. It does not tell what makes a song popular.
"""

import contextlib
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from lime import lime_image

from .errors import BadInput
from .mel import FLOOR_DB, MelGrid
from .quiet import progress

BANDS = {  # in Hz
    "sub and bass": (0, 250),  # 808s and kicks
    "low mids": (250, 1000),  # their overtones, the body of the voice
    "vocals and snare": (1000, 5000),  # words, the crack of the snare
    "hats and air": (5000, 11025),
}
SAMPLES_PER_CELL = 10  # fewer, and the local linear fit is mostly noise
SMALLEST_CLAIM = 0.01  # one percentage point of probability: less is of no use to a musician
CLAIM_Z = 3.5  # standard errors; across 40 cells about one false claim in 50 explanations


@dataclass(frozen=True)
class Grid:
    """What can be switched off: named frequency bands x equal stretches of time.

    Parameters
    ----------
    mel_grid : MelGrid
    bands : dict of str to (float, float)
        Lowest and highest Hz by name, from low to high, no gaps; the outer two are open-ended.
    cell_seconds : float > 0
        Length of a cell in s; the last one is what is left of the clip.
    """

    mel_grid: MelGrid
    bands: dict = field(default_factory=lambda: dict(BANDS))
    cell_seconds: float = 3.0

    @property
    def shape(self):
        """Number of bands and of cells in time."""
        return len(self.bands), int(np.ceil(self.mel_grid.seconds / self.cell_seconds - 1e-9))

    @property
    def size(self):
        """Number of cells."""
        return int(np.prod(self.shape))

    def segments(self):
        """Cell number of each bin, int [shape=(n_mels, frames)], in 0..size-1."""
        edges = list(self.bands.values())
        if any(below[1] != above[0] for below, above in pairwise(edges)):
            raise BadInput(f"bands {self.bands}: each must begin where the one below it ends")
        n_bands, n_cells = self.shape
        lows, frequencies = [low for low, _ in edges[1:]], self.mel_grid.mel_frequencies()
        band = np.searchsorted(lows, frequencies, side="right")
        # a last frame exactly at the clip's end belongs to the cell before it
        cell = np.minimum(self.mel_grid.times() // self.cell_seconds, n_cells - 1).astype(int)
        segments = band[:, None] * n_cells + cell[None, :]
        if len(np.unique(segments)) < self.size:
            raise BadInput(f"{n_bands} bands x {n_cells} cells on a mel grid of "
                           f"{self.mel_grid.shape}: some cells hold no bin; take larger ones")
        return segments

    def span(self, cell):
        """Return (start, end) in s of a cell in time."""
        return cell * self.cell_seconds, min((cell + 1) * self.cell_seconds, self.mel_grid.seconds)

    def cell_name(self, i):
        """Return what a musician calls cell number i, such as "hats and air, 12-15 s"."""
        band, cell = divmod(i, self.shape[1])
        start, end = self.span(cell)
        return f"{list(self.bands)[band]}, {start:g}-{end:g} s"


@dataclass(frozen=True)
class Filling:
    """What stands in a cell that is off: a level in dB, or one per mel band [shape=(n_mels,)]."""
    name: str
    values: float | np.ndarray


def fillings(band_mean):
    """Return the two fillings that runs have to agree on: silence and the training mean.

    `band_mean` is the mean level of each mel band over the training split, in dB
    [shape=(n_mels,)]. A cell's own mean, LIME's default, would hide features of level.
    """
    return [Filling("silence", FLOOR_DB), Filling("training mean", np.asarray(band_mean))]


def compose(S_db, mask_cells, grid, filling):
    """Return S_db with the cells that are off filled in, float32 [shape=(..., n_mels, frames)].

    `mask_cells` [shape=(..., n_bands, n_cells)] is True where a cell stays on; leading dimensions
    give as many spectrograms.
    """
    mask = np.asarray(mask_cells, dtype=bool)
    on = mask.reshape(*mask.shape[:-2], grid.size)[..., grid.segments()]
    level = np.asarray(filling.values, dtype=np.float32)
    return np.where(on, np.asarray(S_db, np.float32), level[:, None] if level.ndim else level)


@dataclass(frozen=True, eq=False)
class Explanation:
    """The weights of one clip's cells: the change in probability that goes with a cell being on."""

    grid: Grid
    runs: np.ndarray  # [shape=(n_fillings, n_seeds, n_bands, n_cells)]
    r2: np.ndarray  # [shape=(n_fillings, n_seeds)], how linear the model is here, not how right
    probability: float  # the model's answer for the whole clip

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
        """Smallest |weight| that can be claimed; infinite for one seed, whose noise is unknown.

        The larger of `SMALLEST_CLAIM` and `CLAIM_Z` standard errors of the mean over runs. LIME's
        sampling noise is how far seeds lie apart within a filling, pooled over all cells.
        """
        if self.runs.shape[1] < 2:
            return np.inf
        noise = np.sqrt(self.runs.var(axis=1, ddof=1).mean())
        return max(SMALLEST_CLAIM, CLAIM_Z * noise / np.sqrt(self.r2.size))

    @property
    def claimed(self):
        """Where every run agrees in sign and |mean| is above the noise floor, bool."""
        return (self.agreement == 1) & (np.abs(self.weights) > self.noise_floor)


def explain(predict, S_db, grid, fillings, *, seeds=(0, 1, 2), samples=400, batch_size=64):
    """Explain one clip, by one LIME run for each filling and seed.

    Parameters
    ----------
    predict : callable
        float32 dB [shape=(n, n_mels, frames)] to probabilities [shape=(n,)].
    S_db : np.ndarray [shape=(n_mels, frames)]
        In dB, on the mel grid of `grid`.
    fillings : list of Filling
    seeds : iterable of int
        At least two, or nothing can be claimed.
    samples, batch_size : int
        Perturbed clips a run, at least 10 a cell; how many `predict` gets at once.

    Returns
    -------
    Explanation

    Raises
    ------
    BadInput
        If the spectrogram is of another grid, or the samples are too few for the cells.
    """
    S_db = np.asarray(S_db, dtype=np.float32)
    if S_db.shape != grid.mel_grid.shape:
        raise BadInput(f"spectrogram of {S_db.shape}, the grid has {grid.mel_grid.shape}")
    if samples < SAMPLES_PER_CELL * grid.size:
        raise BadInput(f"samples={samples} for {grid.size} cells: at least "
                       f"{SAMPLES_PER_CELL * grid.size} are needed, or larger cells")
    asked = [(filling, (seed, number)) for number, filling in enumerate(fillings) for seed in seeds]
    found = [_run(predict, S_db, grid, filling, seed, samples, batch_size)
             for filling, seed in progress(asked, desc="explain", unit="run")]
    weights, r2 = map(np.array, zip(*found))
    runs, r2 = weights.reshape(len(fillings), -1, *grid.shape), r2.reshape(len(fillings), -1)
    return Explanation(grid, runs, r2, float(_probabilities(predict, S_db[None])[0]))


def explain_track(task, model, track_id, **options):
    """Explain a track by the trained network that never saw it.

    Parameters
    ----------
    task, model, track_id
        As for `experiment.heldout_run`; further options are handed to `explain`.

    Returns
    -------
    explanation : Explanation
    S_db : np.ndarray [shape=(n_mels, frames)]
        The spectrogram that was explained, in dB.
    """
    from .experiment import heldout_run  # brings TensorFlow, which takes seconds

    run = heldout_run(task, model, track_id)
    S_db = task.store[track_id]
    grid = Grid(task.protocol.grid)
    return explain(run.predict, S_db, grid, fillings(run.scaler.mean), **options), S_db


def _run(predict, S_db, grid, filling, seed, samples, batch_size):
    """Return (weights [shape=(n_bands, n_cells)], R²) of one LIME run."""
    # LIME sees a tiny picture with one pixel a cell, all on, and switches pixels off
    def classify(pictures):
        p = _probabilities(predict, compose(S_db, pictures[..., 0] > 0.5, grid, filling))
        return np.column_stack([1 - p, p])

    # the filling is part of the seed: fillings with the same samples would share their noise
    state = np.random.RandomState(np.random.SeedSequence(seed).generate_state(1))
    lime = lime_image.LimeImageExplainer(feature_selection="none", random_state=state)
    with _no_progress_bar():
        result = lime.explain_instance(
            np.ones((*grid.shape, 3)), classify, labels=(1,), top_labels=None, hide_color=0,
            num_samples=samples, batch_size=batch_size,
            segmentation_fn=lambda _: np.arange(grid.size).reshape(grid.shape))
    weights = np.array([weight for _, weight in sorted(result.local_exp[1])])
    return weights.reshape(grid.shape), result.score


def _probabilities(predict, batch):
    """Return predict's answer as float64 [shape=(n,)], checked."""
    p = np.asarray(predict(batch), dtype=float).ravel()
    if len(p) != len(batch) or not np.isfinite(p).all():
        raise ValueError(f"predict gave {p[:5]} for {len(batch)} spectrograms: "
                         "one finite probability each is needed")
    return p


def claims(explanation):
    """What may be quoted: a sentence for each stretch of claimed cells, strongest first."""
    grid, runs, regions = explanation.grid, explanation.r2.size, []
    signs = np.sign(explanation.weights) * explanation.claimed
    for band, name in enumerate(grid.bands):
        starts = np.flatnonzero(np.diff(signs[band], prepend=0))
        for cells in np.split(np.arange(grid.shape[1]), starts):
            if len(cells) and signs[band, cells[0]]:
                start, end = grid.span(cells[0])[0], grid.span(cells[-1])[1]
                side = "for" if signs[band, cells[0]] > 0 else "against"
                regions.append((abs(explanation.weights[band, cells].sum()),
                                f"{name.capitalize()} from {start:g} to {end:g} s speak "
                                f"{side} popularity (agreed in {runs} of {runs} runs)."))
    return [sentence for _, sentence in sorted(regions, key=lambda region: -region[0])]


def deletion(predict, S_db, explanation, filling, *, top=4, draws=50, seed=0):
    """How far the probability falls without the top cells, and without random ones.

    Parameters
    ----------
    predict, S_db, explanation, filling
        As for `explain`, and what it gave.
    top : int
        Cells to switch off: those that speak most for the model's own answer, or random ones.
    draws, seed : int
        Random choices to average over, and their seed.

    Returns
    -------
    fall_top, fall_random : float
        Towards the other answer. Equal falls mean that the map says nothing.
    """
    grid, rng = explanation.grid, np.random.default_rng(seed)
    side = 1 if explanation.probability >= 0.5 else -1
    best = np.argsort(-side * explanation.weights.ravel())[:top]
    mask = np.ones((1 + draws, grid.size), dtype=bool)
    mask[0, best] = False
    for row in mask[1:]:
        row[rng.choice(grid.size, top, replace=False)] = False
    p = _probabilities(predict, compose(S_db, mask.reshape(-1, *grid.shape), grid, filling))
    falls = side * (explanation.probability - p)
    return float(falls[0]), float(falls[1:].mean())


@contextlib.contextmanager
def _no_progress_bar():
    """Keep lime 0.2.0.1 quiet, which draws a bar for every run and has no option for it."""
    bar, lime_image.tqdm = lime_image.tqdm, iter
    try:
        yield
    finally:
        lime_image.tqdm = bar
