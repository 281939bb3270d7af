"""Spectrograms with one planted cause each, to see whether an explanation finds it.

In every clip one segment is louder (kind "level"), or its level jumps from frame to frame
("texture"): in the upper of two bands that speaks for popularity, in the lower against. Or a whole
band is louder or quieter ("band"). Some of the training clips have no cause, and a label by chance:
else a network that hears nothing would be sure.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from hiphoplib.audio.mel import MelGrid
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate, over_networks
from hiphoplib.evaluation.evaluate import read_results, write_results
from hiphoplib.explanation.lime import explain, lime_default, recovery
from hiphoplib.explanation.segments import SegmentGrid, fills
from hiphoplib.explanation.swap_test import RULES, Donors, better_than_chance, swap_test
from hiphoplib.explanation.tracks import remember
from hiphoplib.io import progress
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.training import Run, fit, load_run, read_card, save_run
from hiphoplib.parallel import DIED, unordered
from hiphoplib.run_size import run_size

SMALL = MelGrid(32, 4096, name="planted")
BANDS = {"level": ("sub and bass", "low mids"), "texture": ("vocals and snare", "hats and air")}
LOUDER, JUMP = 8.0, 6.0  # dB
WHOLE, SHIFT = "sub and bass", (2.0, 6.0)  # dB, of the whole band, louder or quieter
_WITHOUT = 0.25  # share of the training and validation clips
_CLIPS = {"train": run_size().planted, "validation": 200, "test": 100}
_TESTED = 24  # clips that the swap test explains, of each network
_COMPARED = 3  # and LIME, which takes longer
_FEW = 3  # seeds of the networks that learn a whole band, or shuffled labels
FIRST_SEED = 10
WAYS = "swap_test", "old_rule", "lime_default"
PLANTED = *WAYS, "planted_by"  # keys of a results file
PATIENCE = {"crnn": 10, "rnn": 20}  # the RNN begins to learn late


@dataclass(frozen=True, eq=False)
class Planted:
    """Spectrograms with a planted cause, and a small network that learns it."""

    S_db: np.ndarray  # in dB [shape=(clips, n_mels, frames)]
    labels: pd.Series  # 0 or 1
    sides: pd.Series  # "train", "validation" or "test"
    segments: np.ndarray  # that decide, bool [shape=(clips, n_bands, n_segments)]
    network: str = "crnn"
    seed: int = 0
    folder: Path | None = None  # keeps the network, if given

    @cached_property
    def run(self) -> Run:
        """The network, trained when it is first asked for."""
        if self.folder and read_card(self.folder):
            return load_run(self.folder)
        store: Any = SimpleNamespace(grid=SMALL, batch=lambda ids: self.S_db[list(ids)])
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        run = fit(
            self.network,
            store,
            self.labels,
            self.sides,
            seed=self.seed,
            epochs=30,
            patience=PATIENCE[self.network],
            folder=self.folder,
        )
        if self.folder:
            save_run(run, self.folder)
        return run

    @cached_property
    def scores(self) -> pd.Series:
        """Its probabilities of the test clips."""
        test = self.sides.index[self.sides == "test"]
        return pd.Series(self.run.predict(self.S_db[test]), test)

    @property
    def donors(self) -> Donors:
        """Its training clips, for the swap test."""
        train, validation = (np.flatnonzero(self.sides == side) for side in ("train", "validation"))
        odds = log_odds(self.run.predict(self.S_db[validation]))
        return Donors(
            SegmentGrid(SMALL),
            self.S_db[train],
            float(log_odds(self.scores).std()),
            better_than_chance(odds, self.labels[validation]),
        )


def plant(
    kind: str,
    clips: Mapping[str, int] = _CLIPS,
    *,
    network: str = "crnn",
    seed: int = 0,
    late: float = 0.0,
    shuffled: bool = False,
    folder: Path | None = None,
) -> Planted:
    """Make a corpus of spectrograms with a planted cause.

    Parameters
    ----------
    kind : {"level", "texture", "band"}
    clips : dict of str to int
        Clips of the training, validation and test sets.
    network : str, in `NETWORKS`
    seed : int, of the clips and of the network
    late : float
        By how much of a segment the cause is off the grid: it lies in two segments then.
    shuffled : bool
        Whether the labels of the training and validation sets are shuffled: nothing decides.
    folder : Path, optional
        Keeps the network.

    Returns
    -------
    Planted
    """
    rng, grid, n = np.random.default_rng(seed), SegmentGrid(SMALL), sum(clips.values())
    S_db = np.array([_beat(rng) for _ in range(n)], np.float32)
    labels, stretches = rng.permutation(np.arange(n) % 2), rng.integers(0, grid.shape[1], n)
    names, segments = list(grid.bands), np.zeros((n, *grid.shape), bool)
    jump = JUMP * (-1.0) ** (np.arange(SMALL.frames) // 2)
    sides = np.repeat(list(clips), list(clips.values()))
    without = (rng.random(n) < _WITHOUT) & (sides != "test")
    rows = grid.labels()[:, :1] // grid.shape[1]
    for i in np.flatnonzero(~without):
        if kind == "band":
            band, there = names.index(WHOLE), rows == names.index(WHOLE)
            segments[i, band] = True
            S_db[i] += there * (2 * labels[i] - 1) * rng.uniform(*SHIFT)
            continue
        start = min(stretches[i] + late, grid.shape[1] - 1)
        band = names.index(BANDS[kind][labels[i]])
        segments[i, band, int(np.floor(start)) : int(np.ceil(start)) + 1] = True
        times = SMALL.times() / grid.segment_seconds - start
        there = (rows == band) & (times >= 0) & (times < 1)
        S_db[i] += np.where(there, LOUDER if kind == "level" else jump, 0)
    if shuffled:
        learnt = np.flatnonzero(sides != "test")
        labels[learnt] = rng.permutation(labels[learnt])
    return Planted(S_db, pd.Series(labels), pd.Series(sides), segments, network, seed, folder)


def _beat(rng):
    """Return something like a beat in dB: a tilt, four rhythms, drift, noise."""
    t, row = SMALL.times(), np.arange(SMALL.n_mels)
    S_db = rng.normal(-8, 3) - 0.9 * row[:, None] * rng.uniform(0.8, 1.2)
    S_db = S_db + rng.normal(0, 3, SMALL.shape)
    seconds = 60 / rng.uniform(80, 150)
    for band, beats in zip(np.split(row, 4), (1, 2, 0.5, 0.25)):
        since = (t / (beats * seconds) + rng.uniform()) % 1
        drift = np.interp(t, np.linspace(0, SMALL.seconds, 11), rng.normal(0, 2, 11))
        S_db[band] += rng.uniform(4, 9) * np.exp(-4 * since) + drift
    return S_db


class _Case(NamedTuple):
    """One network of the checks."""

    kind: str
    network: str
    seed: int
    shuffled: bool = False

    @property
    def name(self):
        return "-".join([self.kind, self.network, str(self.seed)] + ["shuffled"] * self.shuffled)


def _cases(seeds):
    """All networks of the checks, by seed: those that a stopped run has are of all kinds."""
    return [
        case
        for number, seed in enumerate(seeds)
        for case in (
            *(_Case(kind, network, seed) for network in ("crnn", "rnn") for kind in BANDS),
            *(
                [_Case("band", "crnn", seed), *(_Case(kind, "crnn", seed, True) for kind in BANDS)]
                if number < _FEW
                else []
            ),
        )
    ]


def _check(folder, case):
    """Return what is said of the test clips of a network, dict; kept beside it."""
    planted = plant(
        case.kind,
        network=case.network,
        seed=case.seed,
        shuffled=case.shuffled,
        folder=folder / case.name,
    )
    planted.run.predict(planted.S_db[:1])  # trained, and on disk

    def swapped():
        scores, labels = planted.scores, planted.labels[planted.scores.index]
        result = {"auc": recovery(scores.to_numpy(), (labels == 1).to_numpy())}
        if case.shuffled:
            return result | _null(planted)
        result["swap_test"] = _swap_tested(planted)
        if case.network == "crnn" and case.kind in BANDS:
            late = plant(case.kind, {"test": _TESTED}, seed=case.seed + 1000, late=0.5)
            result["late"] = _swap_tested(late, planted)
        return result

    def by_lime():
        clips = _classified(planted, planted)[:_COMPARED]
        return {
            way: _judged(planted, {clip: said(planted, clip) for clip in clips})
            for way, said in (("old_rule", _stable), ("lime_default", _first))
        }

    result = remember(planted.folder, case.name, "swap test", [RULES, _TESTED], swapped)
    return (
        result
        if case.shuffled or case.kind not in BANDS
        else result | remember(planted.folder, case.name, "lime", [_COMPARED], by_lime)
    )


def _swap_tested(planted, trained=None):
    """Counts of the test clips that a network classifies correctly, see `_judged`.

    The network is that of `trained`, if given.
    """
    trained = trained or planted
    donors = trained.donors
    return _judged(
        planted,
        {
            clip: [
                (part.mask, part.effect)
                for part in swap_test(
                    trained.run.predict, planted.S_db[clip], donors, seed=int(clip)
                )
            ]
            for clip in _classified(planted, trained)[:_TESTED]
        },
    )


def _classified(planted, trained):
    """Numbers of the test clips that a network classifies correctly."""
    test = np.flatnonzero(planted.sides == "test")
    popular = trained.run.predict(planted.S_db[test]) >= 0.5
    return test[popular == (planted.labels[test] == 1)]


def _null(planted):
    """Of how many clips something is said by a network that has learnt nothing, dict.

    Log odds that are stretched to the spread of a network that has learnt change nothing: the rule
    is in units of that spread. ``ungated``: what is said if all models are able.
    """
    donors = planted.donors
    clips = np.flatnonzero(planted.sides == "test")[:_TESTED]
    said = sum(
        bool(
            swap_test(
                planted.run.predict, planted.S_db[clip], replace(donors, able=True), seed=int(clip)
            )
        )
        for clip in clips
    )
    return {
        "null": {
            "clips": len(clips),
            "said": said * donors.able,
            "ungated": said,
            "able": donors.able,
        }
    }


def _stable(planted, clip):
    """Segments that ten LIME runs agree on: the rule before the swap test."""
    found = explain(
        planted.run, planted.S_db[clip], SegmentGrid(SMALL), fills(planted.run.scaler.mean)
    )
    return _single(found.stable, found.weights)


def _first(planted, clip):
    """The segment with the largest weight of LIME with default settings."""
    weights = lime_default(planted.run, planted.S_db[clip], SegmentGrid(SMALL))
    return _single(np.abs(weights) == np.abs(weights).max(), weights)


def _single(chosen, weights):
    """Chosen segments, one at a time, each with its weight."""
    masks = np.eye(chosen.size, dtype=bool).reshape(-1, *chosen.shape)
    return [(masks[number], weights.flat[number]) for number in np.flatnonzero(chosen)]


def _judged(planted, said):
    """Count of a network: parts that are said, those that are right, clips with one, of each sign.

    Right is what lies within the planted segments and has the sign of the clip's label.
    """
    counts = dict.fromkeys(
        ("clips", "said", "right", "found", "any", "popular", "found_popular"), 0
    )
    for clip, parts in said.items():
        popular = planted.labels[clip] == 1
        right = [
            not (mask & ~planted.segments[clip]).any() and (effect > 0) == popular
            for mask, effect in parts
        ]
        for name, count in {
            "clips": 1,
            "said": len(parts),
            "right": sum(right),
            "found": any(right),
            "any": bool(parts),
            "popular": popular,
            "found_popular": popular and any(right),
        }.items():
            counts[name] += int(count)
    return counts


def _known_detector(seed):
    """Of a function that is known, a segment 5 dB above its band's median: counts as `_judged`.

    Its donors have no such segment planted.
    """
    planted, grid = plant("level", {"test": 120}, seed=seed), SegmentGrid(SMALL)
    labels, band = grid.labels().ravel(), list(grid.bands).index(BANDS["level"][1])

    def above(S_db):
        means = np.array([np.bincount(labels, clip.ravel()) for clip in S_db]) / np.bincount(labels)
        row = means.reshape(-1, *grid.shape)[:, band]
        return row - np.median(row, axis=1, keepdims=True) - 5

    def predict(S_db):
        return expit(6.0 * (above(S_db).max(axis=1) > 0) - 3)

    donors = Donors(
        grid,
        plant("texture", {"train": 200}, seed=seed + 1).S_db,
        float(log_odds(predict(planted.S_db)).std()),
    )
    truth = np.zeros_like(planted.segments)
    truth[:, band] = above(planted.S_db) > 0
    clips = np.flatnonzero(truth.sum(axis=(1, 2)) == 1)[:_TESTED]
    known = replace(planted, labels=pd.Series(1, planted.labels.index), segments=truth)
    return _judged(
        known,
        {
            clip: [
                (part.mask, part.effect) for part in swap_test(predict, planted.S_db[clip], donors)
            ]
            for clip in clips
        },
    )


def check_planted(folder: Path | str, networks: int = 5, *, jobs: int = 1) -> dict:
    """Return how right explanations are where the truth is known.

    The rule of the swap test was chosen on networks of the seeds 0 to 2; these have others.

    Parameters
    ----------
    folder : path-like
        Keeps the networks and what is said of their clips: the same call goes on after a stop.
    networks : int
        Of each kind.
    jobs : int
        Processes; -1 takes every core.

    Returns
    -------
    dict
        See `summarise`.

    Raises
    ------
    BadInput
        If the check of a network ends its process.
    """
    folder, cases = Path(folder), _cases(range(FIRST_SEED, FIRST_SEED + networks))
    counts = {}
    with closing(unordered(partial(_check, folder), cases, jobs=jobs)) as done:
        for number, result in progress(done, total=len(cases), desc="planted", unit="network"):
            if result is DIED:
                raise BadInput(
                    f"{cases[number].name}: its check ended its process, for too little "
                    "memory perhaps; free some, the same call goes on from here"
                )
            counts[cases[number]] = result
    return summarise(counts)


def summarise(counts: Mapping) -> dict:
    """Return rates with their 95 % intervals over networks.

    Parameters
    ----------
    counts : mapping
        What `check_planted` found of each network.

    Returns
    -------
    dict
        ``swap_test``, ``old_rule``, ``lime_default``: precision and recall by kind and network.
        ``swap_test`` has also ``late``, causes half a segment off the grid; ``band``, a whole band
        louder or quieter; ``known``, a detector whose function is known; and ``null_rate``, the
        share of clips of which something is said by networks that learnt shuffled labels.
    """

    def rates(way, kind, network="crnn"):
        of = [
            result[way]
            for case, result in counts.items()
            if (case.kind, case.network, case.shuffled) == (kind, network, False)
        ]
        return {
            "networks": len(of),
            "precision": over_networks(
                [each["right"] / each["said"] for each in of if each["said"]]
            ),
            "recall": over_networks([each["found"] / each["clips"] for each in of]),
        }

    results: dict[str, Any] = {
        way: {
            kind: {network: rates(way, kind, network) for network in ("crnn", "rnn")}
            for kind in BANDS
        }
        for way in WAYS
    }
    bands = [result["swap_test"] for case, result in counts.items() if case.kind == "band"]
    null = [result["null"] for result in counts.values() if "null" in result]
    known = _known_detector(FIRST_SEED)
    results["swap_test"] |= {
        "late": {kind: rates("late", kind) for kind in BANDS},
        "band": rates("swap_test", "band")
        | {
            "recall_louder": over_networks([of["found_popular"] / of["popular"] for of in bands]),
            "recall_quieter": over_networks(
                [
                    (of["found"] - of["found_popular"]) / (of["clips"] - of["popular"])
                    for of in bands
                ]
            ),
        },
        "known": {
            "precision": known["right"] / max(1, known["said"]),
            "recall": known["found"] / known["clips"],
            "clips": known["clips"],
        },
        "null_rate": over_networks([of["said"] / of["clips"] for of in null]),
        "null_rate_ungated": over_networks([of["ungated"] / of["clips"] for of in null]),
    }
    return results


def write_planted(results: dict, command: str | None, out: Path | None) -> None:
    """Print what `summarise` returned, and write it into a file of `explanations`.

    Parameters
    ----------
    results : dict
    command : str, optional
        What to write down as the way to repeat this.
    out : Path, optional
        What else stands in the file stays.
    """
    for way in WAYS:
        for kind in BANDS:
            for network, rates in results[way][kind].items():
                print(
                    f"{way:13s} {kind:8s} {network:5s}",
                    *(
                        f"{name} {Estimate.read(rates[name]) if rates[name] else '–'}"
                        for name in ("precision", "recall")
                    ),
                    f"{rates['networks']} networks",
                )
    rate = results["swap_test"]["null_rate"]
    print("said of networks that learnt nothing:", Estimate.read(rate) if rate else "–")
    if out:
        kept = read_results(out) if out.is_file() else {}
        kept.pop("planted", None)  # of an older version
        write_results({**kept, **results, "planted_by": command}, out)
