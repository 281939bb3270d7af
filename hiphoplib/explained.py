"""Explanations of a corpus' tracks, each kept beside the network that it is of."""

import hashlib
import json

import numpy as np

from .cells import Grid, fillings
from .experiment import run_of
from .explain import SAMPLES, SEEDS, Explanation, explain
from .files import write_whole
from .training import load_run


def explain_track(task, model, track_id, *, seeds=SEEDS, samples=SAMPLES):
    """Explain a track by the trained network that never saw it; once, and then from its file.

    Parameters
    ----------
    task, model, track_id
        As for `experiment.run_of`.
    seeds, samples
        As for `explain.explain`.

    Returns
    -------
    explanation : Explanation
    S_db : np.ndarray [shape=(n_mels, frames)]
        The spectrogram that was explained, in dB.
    """
    folder, S_db = run_of(task, model, track_id), task.store[track_id]
    grid = Grid(task.protocol.grid)

    def compute():
        run = load_run(folder)
        found = explain(run, S_db, grid, fillings(run.scaler.mean), seeds=seeds, samples=samples)
        return {"runs": found.runs, "r2": found.r2, "probability": found.probability,
                "witnesses": found.witnesses}

    kept = remembered(folder, track_id, "lime", [S_db, grid, list(seeds), samples], compute)
    witnesses = {name: np.array(map_) for name, map_ in kept["witnesses"].items()}
    return Explanation(grid, np.array(kept["runs"]), np.array(kept["r2"]), kept["probability"],
                       witnesses), S_db


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
    for part in depends_on:
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
