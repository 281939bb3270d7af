"""Clips in a model's folder that lend their sound, and parts of a song that are found with them.

They are kept as the model's members read them: no sound lies in the folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiphoplib.audio.mel import MelGrid, mel_spectrogram
from hiphoplib.dataset.features import kinds_of
from hiphoplib.explanation.heard import hear, hear_clips, of_arrays, to_arrays
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import MAX_DONORS, Donors, Part, swap_test
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.experiment import Experiment
from hiphoplib.scoring.score import TrainedModel, Training, head_features


def write_donors(experiment: Experiment, kinds: Sequence[str], path: Path) -> None:
    """Write some clips of a corpus to swap parts with.

    Parameters
    ----------
    experiment : Experiment
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}
        Features that the model's heads read; with any, there are fewer clips.
    path : Path, of an npz file

    Raises
    ------
    BadInput
        If there are heads, and too few clips can be decoded.
    """
    drawn = list(np.random.default_rng(0).permutation(experiment.store.ids)[:MAX_DONORS])
    arrays: dict[str, Any] = {}
    if kinds:
        own = [track_id for track_id in drawn if track_id in experiment.tracks.index]
        drawn, heard = hear_clips(experiment, own, kinds)
        arrays = to_arrays(heard)
    arrays["S_db"] = experiment.store.batch(drawn).astype(np.float16)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_donors(path: Path, card: dict, trainings: Sequence[Training]) -> Donors | None:
    """Read the clips that `write_donors` wrote.

    Parameters
    ----------
    path : Path
    card : dict, of the model
    trainings : sequence of Training
        Over the test set of each, log odds spread as much as the swap test compares with.

    Returns
    -------
    Donors, or None
        None of an older folder, which does not hold what heads read.

    Raises
    ------
    OSError, ValueError, EOFError, BadZipFile
        If the file is damaged, or not of the model's grid and features.
    """
    grid, kinds = MelGrid(**card["grid"]), kinds_of(head_features(trainings))
    if not trainings or not all(len(each.reference) for each in trainings):
        return None
    segments, heard = SegmentGrid(grid), None
    with np.load(path, allow_pickle=False) as kept:
        S_db = kept["S_db"].astype(np.float32)
        if kinds and set(kept.files) == {"S_db"}:
            return None
        if kinds:
            heard = of_arrays(kept, kinds, segments)
    if S_db.shape[1:] != grid.shape or not np.isfinite(S_db).all() or (
            heard and any(len(clips) != len(S_db) for clips in heard.spectrograms.values())):
        raise ValueError("no spectrograms of the model's grid")
    spread = float(np.mean([log_odds(each.reference).std() for each in trainings]))
    return Donors(segments, S_db, spread, card["results"]["auc"]["low"] > 0.5, heard)


def song_parts(model: TrainedModel, y: np.ndarray, sr: int) -> list[Part] | None:
    """Return the parts of 30 s of a song that move its score, by the swap test.

    Parameters
    ----------
    model : TrainedModel
    y : np.ndarray [shape=(samples,)]
    sr : int, in Hz

    Returns
    -------
    list of Part, or None
        Strongest first, empty if no part decides; None if the model's folder is an older one,
        without clips to swap with.
    """
    if model.donors is None:
        return None
    donors, S_db = model.donors, mel_spectrogram(y, sr, model.grid).astype(np.float32)
    heard = hear(y, sr, donors.heard.kinds, donors.grid) if donors.heard else None
    return swap_test(model.predict, S_db, donors, heard=heard)
