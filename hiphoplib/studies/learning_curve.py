"""How many tracks a finding needs: smaller corpora drawn from one, each judged as a whole."""

import numpy as np

from hiphoplib.evaluation.bootstrap import estimate, over_seeds
from hiphoplib.evaluation.evaluate import heldout_scores
from hiphoplib.evaluation.findings import Heldout
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import MODELS
from hiphoplib.quiet import progress

SIZES = (125, 250, 500, 1000, 2000, 4000)
DRAWS = {"transfer": 20, "crnn": 2}  # corpora of each size; a network takes minutes to train
FOLDS = 5
BARS = (0.5, 0.6)
POWER = 0.8  # share of corpora of a size whose interval has to exclude a bar
RESAMPLES = 1000


def power(task, draws, sizes=SIZES):
    """AUC and its interval on corpora of several sizes, drawn from one by whole artists.

    Each is cross-validated in five folds, artists held out, so that all of its tracks are judged.

    Parameters
    ----------
    task : Task
        The corpus and its grid.
    draws : dict of str to int
        By model, how many corpora of each size; the whole corpus is one. A network is trained on
        each, once; what stands from an earlier call is not repeated.
    sizes : sequence of int
        In tracks; a last one of at least the corpus' takes all of it.

    Returns
    -------
    dict
        ``models``: by model a list of ``tracks``, ``draws``, ``auc`` (means over the draws of the
        AUC and of the ends of its interval) and ``excludes``, by bar the share of the draws whose
        interval lies above it. ``needed``: by model and bar the smallest size from which on at
        least 80 % of them do, None if no size is enough.
    """
    sizes = [size for size in sizes if size < len(task.tracks)] + [len(task.tracks)]
    found = {model: [] for model in draws}
    cases = [(model, size) for model in draws for size in sizes]
    for model, size in progress(cases, desc="power", unit="size"):
        aucs = [_auc(task, model, size, draw)
                for draw in range(draws[model] if size < len(task.tracks) else 1)]
        found[model].append({
            "tracks": size, "draws": len(aucs),
            "auc": {end: float(np.mean([auc[end] for auc in aucs])) for end in aucs[0]},
            "excludes": {str(bar): float(np.mean([auc["low"] > bar for auc in aucs]))
                         for bar in BARS}})
    return {"models": found, "needed": {model: {str(bar): needed(rows, bar) for bar in BARS}
                                        for model, rows in found.items()}}


def needed(rows, bar):
    """Smallest number of tracks from which on the interval excludes a bar often enough, or None."""
    enough = None
    for row in reversed(rows):
        if row["excludes"][str(bar)] < POWER:
            break
        enough = row["tracks"]
    return enough


def _auc(task, model, size, draw):
    """AUC and interval of a model on a corpus of some size."""
    subset = (size, draw) if size < len(task.tracks) else None
    part = prepare(task.folder, task.protocol.grid.name, "artist", FOLDS, subset)
    if model in MODELS:
        train(part, model)
    scores = heldout_scores(part, model)[[0]]
    heldout = Heldout.of(part, scores.index, RESAMPLES)
    once = np.ones((1, len(scores)))
    point, many = (over_seeds(heldout.y_true, scores.to_numpy(), weights)["auc"]
                   for weights in (once, heldout.weights))
    return estimate(point[0], many)
