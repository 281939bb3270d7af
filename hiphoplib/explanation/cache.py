"""Explanations of a corpus' tracks, each kept beside the network that it is of."""

import hashlib
import json
from contextlib import closing
from functools import partial

import numpy as np

from hiphoplib.errors import BadInput
from hiphoplib.explanation.lime import SAMPLES, SEEDS, Explanation, explain
from hiphoplib.explanation.segments import Grid, fillings
from hiphoplib.io import progress, write_whole
from hiphoplib.keras_backend import HAS_GPU
from hiphoplib.models.networks import NETWORKS
from hiphoplib.models.training import load_run
from hiphoplib.parallel import DIED, jobs_that_fit, unordered

EXPLAINING_BYTES = 1_800_000_000  # that explaining one track takes at most
VERSION = 1  # of how explanations and curves are computed: those of another one are made anew


def explain_track(experiment, model, track_id, *, seeds=SEEDS, samples=SAMPLES):
    """Explain a track by the trained network that never saw it; once, and then from its file.

    Parameters
    ----------
    experiment : Experiment
    model, track_id : str
    seeds, samples
        As for `explain.explain`.

    Returns
    -------
    explanation : Explanation
    S_db : np.ndarray [shape=(n_mels, frames)]
        The spectrogram that was explained, in dB.
    """
    folder = experiment.run_of(model, track_id)
    S_db = experiment.store[track_id]
    return _explained(folder, track_id, S_db, Grid(experiment.protocol.grid), seeds=seeds,
                      samples=samples), S_db


def explain_ahead(work, track_ids, *, jobs=-1):
    """Do what explains a track for several at once; each explanation then lies in its file.

    Parameters
    ----------
    work : callable
        Of a track's id; it explains by `explain_track`, `explain_randomised` or `remembered`, whose
        next call for that track reads what this one has left.
    track_ids : sequence of str
    jobs : int
        Tracks at once, fewer where the memory is short; -1 for one a core. On a GPU nothing is
        done ahead.

    Raises
    ------
    BadInput
        If explaining a track ends its process.
    """
    if HAS_GPU:
        return
    jobs = jobs_that_fit(jobs, EXPLAINING_BYTES, len(track_ids))
    done = unordered(partial(_without_result, work, dict(NETWORKS)), track_ids, jobs=jobs)
    with closing(done):
        for number, result in progress(done, total=len(track_ids), desc="explain", unit="clip"):
            if result is DIED:
                raise BadInput(f"{track_ids[number]}: explaining it ended its process, for too "
                               "little memory perhaps; free some, the same call goes on from here")


def _without_result(work, models, track_id):
    NETWORKS.update(models)  # some may have been entered where this process does not see it
    work(track_id)  # what it returns would travel for nothing


def four_tracks(y_true, answers):
    """Tracks on which a model is most and least sure, right and wrong, ids by kind.

    Parameters
    ----------
    y_true : pd.Series of 0 and 1, indexed by track id
    answers : pd.Series, indexed by track id
        Probability of being popular.

    Returns
    -------
    dict
        ``popular``, the popular track that is ranked highest; ``unpopular``, the unpopular one
        that is ranked lowest; ``missed`` and ``overrated``, the wrong ends of both.
    """
    popular, unpopular = (answers[y_true[answers.index] == label] for label in (1, 0))
    return {"popular": popular.idxmax(), "unpopular": unpopular.idxmin(),
            "missed": popular.idxmin(), "overrated": unpopular.idxmax()}


def explain_randomised(experiment, model, track_id, number):
    """Explain a track by that network with its weights in random order, which has learnt nothing.

    Parameters
    ----------
    experiment, model, track_id
        As for `explain_track`.
    number : int
        Seed of the order.

    Returns
    -------
    Explanation
    """
    return _explained(experiment.run_of(model, track_id), track_id, experiment.store[track_id],
                      Grid(experiment.protocol.grid), shuffle=number)


def randomise_weights(model, seed=0):
    """Put the numbers of every weight of a Keras network into random order, in place."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.permutation(part.ravel()).reshape(part.shape)
                       for part in model.get_weights()])


def _explained(folder, track_id, S_db, grid, *, seeds=SEEDS, samples=SAMPLES, shuffle=None):
    """Explanation by the run in a folder, from its file if it is there."""
    def compute():
        run = load_run(folder)
        if shuffle is not None:
            randomise_weights(run.model, shuffle)
        found = explain(run, S_db, grid, fillings(run.scaler.mean), seeds=seeds, samples=samples)
        return {"runs": found.runs, "r2": found.r2, "probability": found.probability,
                "witnesses": found.witnesses}

    what = "lime" if shuffle is None else f"lime shuffled {shuffle}"
    kept = remembered(folder, track_id, what, [S_db, grid, list(seeds), samples], compute)
    witnesses = {name: np.array(map_) for name, map_ in kept["witnesses"].items()}
    return Explanation(grid, np.array(kept["runs"]), np.array(kept["r2"]), kept["probability"],
                       witnesses)


def remembered(folder, track_id, what, depends_on, compute):
    """What was computed of a run and a track, read from beside the run if nothing has changed.

    Parameters
    ----------
    folder : Path
        Of a finished run.
    track_id, what : str
    depends_on : list
        Arrays, and whatever has a `repr`; the weights of the run count without saying.
    compute : callable
        Gives a dict of numbers, text, lists, arrays.

    Returns
    -------
    dict
        As JSON gives it back: arrays are lists.
    """
    if not (folder / "model.keras").is_file():
        load_run(folder)  # says what to do
    sha = hashlib.sha256((folder / "model.keras").read_bytes())
    for part in (VERSION, *depends_on):
        sha.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    name = hashlib.sha256(f"{what} {track_id}".encode()).hexdigest()[:16]  # ids may hold anything
    path = folder / "explanations" / f"{name}.json"
    try:
        kept = json.loads(path.read_text())
        if kept["key"] == sha.hexdigest():
            return kept["found"]
    except (OSError, ValueError, KeyError):
        pass  # none yet, or of another network
    path.parent.mkdir(exist_ok=True)
    kept = {"id": track_id, "key": sha.hexdigest(), "found": compute()}
    write_whole(path, json.dumps(kept, default=np.ndarray.tolist) + "\n")
    return json.loads(json.dumps(kept["found"], default=np.ndarray.tolist))
