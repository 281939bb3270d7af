"""Explain tracks of a data set by models that never saw them; each explanation is kept on disk."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf

from hiphoplib.audio.files import read_clip
from hiphoplib.dataset.features import kinds_of
from hiphoplib.errors import BadInput
from hiphoplib.explanation.heard import hear, hear_clips
from hiphoplib.explanation.lime import SAMPLES, SEEDS, Attribution, explain
from hiphoplib.explanation.segments import SegmentGrid, fills, isolate
from hiphoplib.explanation.swap_test import (
    MAX_DONORS,
    RULES,
    Donors,
    Part,
    better_than_chance,
    swap_test,
)
from hiphoplib.io import progress, write_whole
from hiphoplib.keras_backend import HAS_GPU
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.comparison import MODELS, Scores
from hiphoplib.models.experiment import Experiment
from hiphoplib.models.networks import NETWORKS
from hiphoplib.models.stack import CRNN
from hiphoplib.models.training import load_run
from hiphoplib.parallel import DIED, jobs_that_fit, unordered
from hiphoplib.tracks.previews import clip_path

MAX_BYTES = 1_800_000_000  # that explaining one track takes
VERSION = 2  # of explanations and curves on disk: those of another version are computed again


def explain_track(
    experiment: Experiment,
    model: str,
    track_id: str,
    *,
    seeds: Sequence[int] = SEEDS,
    randomised: int | None = None,
) -> tuple[Attribution, np.ndarray]:
    """Explain a track by the trained network in whose test set it is.

    Parameters
    ----------
    experiment : Experiment
    model : str, a network in `NETWORKS`
    track_id : str
    seeds : sequence of int
    randomised : int, optional, a seed to shuffle the weights with, for the randomisation check

    Returns
    -------
    attribution : Attribution, read from its file if it has been computed before
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    """
    folder, S_db = experiment.run_of(model, track_id), experiment.store[track_id]
    grid = SegmentGrid(experiment.protocol.grid)

    def compute():
        run = load_run(folder)
        if randomised is not None:
            _randomise_weights(run.model, randomised)
        computed = vars(explain(run, S_db, grid, fills(run.scaler.mean), seeds=seeds))
        return {name: computed[name] for name in ("runs", "r2", "probability", "other_methods")}

    what = "lime" if randomised is None else f"lime randomised {randomised}"
    kept = remember(folder, track_id, what, [S_db, grid, list(seeds), SAMPLES], compute)
    return Attribution(
        grid,
        np.array(kept["runs"]),
        np.array(kept["r2"]),
        kept["probability"],
        {name: np.array(by_fill) for name, by_fill in kept["other_methods"].items()},
    ), S_db


def swap_track(experiment: Experiment, model: str, track_id: str) -> list[Part]:
    """Return the parts of a track that move the score of the network in whose test set it is.

    Parameters
    ----------
    experiment : Experiment
    model : str, a network in `NETWORKS`, or a model of the comparison with heads
    track_id : str

    Returns
    -------
    list of Part
        As of `swap_test`; read from its file if it has been computed before. The donors are
        training clips of that model.

    Raises
    ------
    BadInput
        If there is no such clip, or the model is not trained or cannot be explained.
    """
    folder, S_db = experiment.run_of(model, track_id), experiment.store[track_id]
    grid, fold = SegmentGrid(experiment.protocol.grid), _tested_in(experiment, track_id)
    if model in NETWORKS:
        weights = _weights(folder)
        swapped = partial(_swap_network, experiment, folder, grid, fold, S_db)
    else:
        weights = _learnt(*_with_heads(experiment, model, fold))
        swapped = partial(_swap_heads, experiment, model, fold, track_id)

    def compute():
        return {"parts": [vars(part) for part in swapped()]}

    kept = _kept(folder, track_id, "swap", weights, [S_db, grid, RULES], compute)
    return [
        Part(**{name: np.array(values) for name, values in part.items()}) for part in kept["parts"]
    ]


def _tested_in(experiment, track_id):
    """Fold in whose test set a track is; of one split, the only one."""
    return (experiment.sides.loc[track_id] == "test").idxmax()


@lru_cache(maxsize=1)
def _with_heads(experiment, model, fold):
    """The stack of a fold, and the folders of its networks."""
    entry = MODELS.get(model)
    if entry is None or entry.stack is None:
        raise BadInput(f"model {model!r}: cannot be explained")
    stack = entry.stack(experiment, fold)
    seeds = experiment.trained_seeds(CRNN) if CRNN in stack.weights else []
    return stack, [experiment.run_folder(CRNN, seed, fold) for seed in seeds]


def _learnt(stack, folders):
    """What a stack learnt, bytes."""
    heads = [head.table.to_csv() + repr((head.offset, head.limit)) for head in stack.heads.values()]
    networks = [(folder / "model.keras").read_bytes() for folder in folders]
    return b"".join([repr([*heads, stack.weights, stack.offset]).encode(), *networks])


@lru_cache(maxsize=1)  # the next track of a fold asks again, and its donors are heard by then
def _heads_and_donors(experiment, model, fold):
    """A stack as `swap_test` asks it, and training clips as its members read them."""
    stack, folders = _with_heads(experiment, model, fold)
    runs = [load_run(folder) for folder in folders]

    def predict(S_db, X):
        odds = np.mean([log_odds(run.predict(S_db)) for run in runs], axis=0) if runs else None
        return stack.predict(dict.fromkeys(stack.heads, X), odds)

    train, validation = (experiment.ids(fold, name) for name in ("train", "validation"))
    kinds = kinds_of({name for head in stack.heads.values() for name in head.table.index})
    drawn, heard = hear_clips(experiment, np.random.default_rng(0).permutation(train), kinds)
    odds = log_odds(Scores(experiment).of(model, fold)[validation])
    able = better_than_chance(odds, experiment.labels.loc[validation, fold])
    grid, S_db = SegmentGrid(experiment.protocol.grid), experiment.store.batch(drawn)
    return predict, Donors(grid, S_db, float(odds.std()), able, heard)


def _swap_network(experiment, folder, grid, fold, S_db):
    run = load_run(folder)
    return swap_test(run.predict, S_db, _donors(experiment, folder, run, grid, fold))


def _swap_heads(experiment, model, fold, track_id):
    predict, donors = _heads_and_donors(experiment, model, fold)
    y, sr = read_clip(clip_path(experiment.folder, experiment.tracks.loc[track_id]))
    heard = hear(y, sr, donors.heard.kinds, donors.grid)
    return swap_test(predict, experiment.store[track_id], donors, heard=heard)


def _donors(experiment, folder, run, grid, fold):
    """Training clips of a run; how its log odds spread over its validation set, kept beside it."""
    train, validation = (experiment.ids(fold, name) for name in ("train", "validation"))

    def compute():
        odds = log_odds(run.predict(experiment.store.batch(validation)))
        return {
            "spread": float(odds.std()),
            "able": better_than_chance(odds, experiment.labels.loc[validation, fold]),
        }

    drawn = np.random.default_rng(0).permutation(train)[:MAX_DONORS]
    known = remember(folder, "", "spread", [list(validation)], compute)
    return Donors(grid, experiment.store.batch(drawn), **known)


def _randomise_weights(model, seed=0):
    """Shuffle the numbers in every weight of a network, in place: it knows nothing any more."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [rng.permutation(part.ravel()).reshape(part.shape) for part in model.get_weights()]
    )


def write_sounds(
    experiment: Experiment, track_id: str, parts: Sequence[Part], folder: Path
) -> None:
    """Write a clip's parts, and the clip without them, as ``said.wav`` and ``rest.wav``.

    Parameters
    ----------
    experiment : Experiment
    track_id : str
    parts : sequence of Part
        At least one.
    folder : Path
    """
    y, sr = read_clip(clip_path(experiment.folder, experiment.tracks.loc[track_id]))
    said = np.any([part.mask for part in parts], axis=0)
    for name, mask in {"said": said, "rest": ~said}.items():
        part = isolate(y, sr, mask, SegmentGrid(experiment.protocol.grid))
        write_whole(folder / f"{name}.wav", partial(_write_wav, y=part, sr=sr))


def _write_wav(file, y, sr):
    sf.write(file, y, sr, format="WAV")


def explain_ahead(work: Callable[[str], object], track_ids: Sequence[str]) -> None:
    """Explain tracks, one a core, so that the next call for each reads its file; not on a GPU.

    Parameters
    ----------
    work : callable, which calls `explain_track` or `remember` for a track's id
    track_ids : sequence of str

    Raises
    ------
    BadInput
        If explaining a track ends its process.
    """
    if HAS_GPU:
        return
    jobs = jobs_that_fit(-1, MAX_BYTES, len(track_ids))
    task = partial(_without_result, work, dict(NETWORKS))
    with closing(unordered(task, track_ids, jobs=jobs)) as done:
        for number, result in progress(done, total=len(track_ids), desc="explain", unit="clip"):
            if result is DIED:
                raise BadInput(
                    f"{track_ids[number]}: explaining it ended its process, for too "
                    "little memory perhaps; free some, the same call goes on from here"
                )


def _without_result(work, models, track_id):
    NETWORKS.update(models)  # some may have been entered where this process does not see it
    work(track_id)  # what it returns would travel for nothing


def example_tracks(y_true: pd.Series, probability: pd.Series) -> dict[str, str]:
    """Choose the tracks on which a model is most and least sure, right and wrong.

    Parameters
    ----------
    y_true, probability : pd.Series, indexed by track id

    Returns
    -------
    dict of str to str
        Track ids: ``popular``, the popular track that is ranked highest; ``unpopular``, the
        unpopular one that is ranked lowest; ``missed`` and ``overrated``, the wrong ends of both.
    """
    popular, unpopular = (probability[y_true[probability.index] == label] for label in (1, 0))
    return {
        "popular": popular.idxmax(),
        "unpopular": unpopular.idxmin(),
        "missed": popular.idxmin(),
        "overrated": unpopular.idxmax(),
    }


def remember(
    folder: Path, track_id: str, what: str, depends_on: Sequence, compute: Callable[[], dict]
) -> dict:
    """Return what was computed of a run and a track, from beside the run if nothing has changed.

    Parameters
    ----------
    folder : Path, of a trained run
    track_id, what : str
    depends_on : sequence of arrays, and what has a `repr`; the run's weights always count
    compute : callable, which returns a dict of numbers, strings, lists and arrays

    Returns
    -------
    dict, as JSON gives it back: arrays are lists
    """
    return _kept(folder, track_id, what, _weights(folder), depends_on, compute)


def _weights(folder):
    """The file of a run's weights, bytes."""
    if not (folder / "model.keras").is_file():
        load_run(folder)  # says what to do
    return (folder / "model.keras").read_bytes()


def _kept(folder, track_id, what, weights, depends_on, compute):
    """As `remember`, of a model that consists of `weights`."""
    sha = hashlib.sha256(weights)
    for part in (VERSION, *depends_on):
        sha.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    name = hashlib.sha256(f"{what} {track_id}".encode()).hexdigest()[:16]  # ids may hold anything
    path = folder / "explanations" / f"{name}.json"
    try:
        kept = json.loads(path.read_bytes())
        if kept["key"] == sha.hexdigest():
            return kept["result"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none yet, damaged, or of another network
    kept = {"id": track_id, "key": sha.hexdigest(), "result": compute()}
    kept = json.dumps(kept, default=np.ndarray.tolist)
    write_whole(path, kept + "\n")
    return json.loads(kept)["result"]
