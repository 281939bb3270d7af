"""How right explanations are where the truth is known: counted on planted causes."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate, over_networks
from hiphoplib.evaluation.evaluate import read_results, write_results
from hiphoplib.explanation.lime import explain, lime_default, recovery
from hiphoplib.explanation.segments import SegmentGrid, fills
from hiphoplib.explanation.swap_test import RULES, Donors, swap_test
from hiphoplib.explanation.tracks import remember
from hiphoplib.io import progress
from hiphoplib.models.calibration import log_odds
from hiphoplib.parallel import DIED, unordered
from hiphoplib.studies.planted import BANDS, SMALL, plant

_TESTED = 24  # clips that the swap test explains, of each network
_COMPARED = 3  # that LIME explains, which takes longer
_FEW = 3  # seeds of the networks that learn a whole band, or shuffled labels
FIRST_SEED = 10  # the rules of the swap test were chosen on lower ones
WAYS = "swap_test", "old_rule", "lime_default"
PLANTED = *WAYS, "planted_by"  # keys of a results file


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
    kind, network, seed, shuffled = case
    path = folder / case.name
    planted = plant(kind, network=network, seed=seed, shuffled=shuffled, folder=path)
    planted.run.predict(planted.S_db[:1])  # trained, and on disk

    def swapped():
        scores, labels = planted.scores, planted.labels[planted.scores.index]
        result = {"auc": recovery(scores.to_numpy(), (labels == 1).to_numpy())}
        if shuffled:
            return result | _null(planted)
        result["swap_test"] = _swap_tested(planted)
        if network == "crnn" and kind in BANDS:
            late = plant(kind, {"test": _TESTED}, seed=seed + 1000, late=0.5)
            result["late"] = _swap_tested(late, planted)
        return result

    def by_lime():
        clips = _classified(planted, planted)[:_COMPARED]
        return {
            way: _judged(planted, {clip: said(planted, clip) for clip in clips})
            for way, said in (("old_rule", _stable), ("lime_default", _first))
        }

    result = remember(path, case.name, "swap test", [RULES, _TESTED], swapped)
    if not shuffled and kind in BANDS:
        result |= remember(path, case.name, "lime", [_COMPARED], by_lime)
    return result


def _swap_tested(planted, trained=None):
    """Counts of the test clips that a network classifies correctly, see `_judged`.

    The network is that of `trained`, if given.
    """
    trained = trained or planted
    donors = trained.donors
    return _judged(
        planted,
        {
            clip: _said(trained.run.predict, planted.S_db[clip], donors, seed=int(clip))
            for clip in _classified(planted, trained)[:_TESTED]
        },
    )


def _said(*asked, **options):
    """Parts that the swap test names, each with its effect."""
    return [(part.mask, part.effect) for part in swap_test(*asked, **options)]


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
    predict, able = planted.run.predict, donors.able
    always = replace(donors, able=True)
    said = sum(bool(_said(predict, planted.S_db[clip], always, seed=int(clip))) for clip in clips)
    return {"null": {"clips": len(clips), "said": said * able, "ungated": said, "able": able}}


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
    rows = []
    for clip, parts in said.items():
        popular = planted.labels[clip] == 1
        right = [
            not (mask & ~planted.segments[clip]).any() and (effect > 0) == popular
            for mask, effect in parts
        ]
        found = any(right)
        rows.append((1, len(parts), sum(right), found, bool(parts), popular, popular and found))
    names = ["clips", "said", "right", "found", "any", "popular", "found_popular"]
    return pd.DataFrame(rows, columns=names).astype(int).sum().to_dict()


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
    return _judged(known, {clip: _said(predict, planted.S_db[clip], donors) for clip in clips})


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
