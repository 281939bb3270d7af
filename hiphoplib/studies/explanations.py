"""Do the explanations of a network hold? Many test clips of a corpus, explained and measured."""

import datetime
from functools import partial
from pathlib import Path

import numpy as np

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, Estimate
from hiphoplib.evaluation.evaluate import labels_on_test, write_results
from hiphoplib.explanation.faithfulness import curves
from hiphoplib.explanation.lime import rank_correlation
from hiphoplib.explanation.segments import Fill, fills
from hiphoplib.explanation.tracks import example_tracks, explain_ahead, explain_track, remember
from hiphoplib.io import progress
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import load_run, versions
from hiphoplib.report.figures_explanation import explanation
from hiphoplib.report.sentences_songs import KINDS, told
from hiphoplib.report.style import label_of, save, use_style
from hiphoplib.studies.explanation_summary import (
    causes_in,
    count_stable,
    mean_over,
    read_truth,
    summarise,
)
from hiphoplib.studies.planted import check_planted

_RANDOMISED = 12  # clips of the randomisation check


def check_explanations(corpus: Path | str, model: str = "rnn", *, clips: int = 60,
                       folds: int | None = None, planted: bool = False,
                       pictures: Path | str | None = None, out: Path | str | None = None,
                       command: str | None = None) -> dict:
    """Explain test clips of a corpus, measure whether the explanations hold, and print the most.

    Each explanation is kept beside the network: the same call goes on where it was stopped.

    Parameters
    ----------
    corpus : path-like
        Its folder.
    model : str
        A trained network; the run of seed 0 that never saw a clip explains it.
    clips : int
        How many test clips, drawn by a fixed seed; all if there are no more.
    folds : int, optional
        As for `prepare`.
    planted : bool
        Also train small networks on planted causes, and check whether those are found.
    pictures : path-like, optional
        Draw four tracks into this folder; titles name no track.
    out : path-like, optional
        Write the results here.
    command : str, optional
        What to write down as the way to repeat this.

    Returns
    -------
    dict
        ``corpus``, ``model``, ``clips``; what `summarise` gives; ``sanity``, the randomisation
        check; ``four``, sentences on four tracks; ``planted`` if asked for, see `check_planted`;
        ``versions``, ``made``, ``command``.
    """
    experiment = prepare(corpus, folds=folds)
    labels, name = labels_on_test(experiment).sort_index(), experiment.folder.resolve().name
    drawn = np.random.default_rng(0).permutation(labels.index)[:clips]
    weights = Bootstrap(artist_groups(experiment.tracks.loc[drawn]), RESAMPLES).weights
    truth, rows = read_truth(experiment), []
    explain_ahead(partial(_explained, experiment, model), list(drawn))
    for track_id in progress(drawn, desc="explain clips", unit="clip"):
        rows.append(_explained(experiment, model, track_id))
        if truth:
            rows[-1]["causes"] = causes_in(truth, track_id, rows[-1]["found"].grid)
    few = min(_RANDOMISED, len(rows))
    four = {kind: explain_track(experiment, model, track_id) for kind, track_id in example_tracks(
        labels, Scores(experiment).on_test(model)[0]).items()}
    results = {
        "corpus": {"name": name, "fingerprint": experiment.fingerprint},
        "model": model, "clips": len(rows),
        **summarise(rows, labels[drawn].to_numpy(), weights),
        "sanity": _randomisation_check(experiment, model, list(drawn[:few]),
                                       [row["found"] for row in rows[:few]], weights[:, :few]),
        "four": {kind: told(found, model) for kind, (found, _) in four.items()},
        "versions": versions(), "made": datetime.date.today().isoformat(), "command": command,
    }
    if pictures:
        use_style()
        for kind, (found, S_db) in four.items():
            title = f"{KINDS[kind].capitalize()}: what the {label_of(model)} listens to"
            save(explanation(S_db, found, title=title), Path(pictures, f"lime_{name}_{kind}.png"),
                 dpi=80)  # for notebooks
    if planted:
        results["planted"] = check_planted()
    for measure in ("deletion_minus_random", "insertion_minus_random", "stability"):
        print(f"{measure:22s} {Estimate.read(results[measure])}")
    if out:
        write_results(results, out)
    return results


def _explained(experiment, model, track_id):
    """Return a clip's explanation, and the curves that judge it, dict."""
    found, S_db = explain_track(experiment, model, track_id)
    folder, side = experiment.run_of(model, track_id), experiment.sides.loc[track_id]
    train = experiment.ids(side.index[side == "test"][0], "train")
    number = experiment.tracks.index.get_loc(track_id)
    other = experiment.store[train[number % len(train)]]

    def compute():
        run = load_run(folder)
        return {"both": curves(run, S_db, found, fills(run.scaler.mean), number),
                "another clip": curves(run, S_db, found, [Fill("another clip", other)], number)}

    return {"found": found, "curves": remember(
        folder, track_id, "curves", [S_db, other, found.runs, number], compute)}


def _randomisation_check(experiment, model, drawn, found, weights):
    """Compare explanations with those of the same network with random weights, dict.

    One that hardly changes tells of the clip or of how the network is built, not of what it has
    learnt (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018).
    """
    explain_ahead(partial(_explain_randomised, experiment, model, drawn), drawn)
    again = [_explain_randomised(experiment, model, drawn, track_id)
             for track_id in progress(drawn, desc="randomisation check", unit="clip")]
    pairs = [(one.weights, other.weights) for one, other in zip(found, again)]
    return {"clips": len(again),
            "correlation": mean_over([rank_correlation(*pair) for pair in pairs], weights),
            "correlation_of_size": mean_over([rank_correlation(*np.abs(pair)) for pair in pairs],
                                             weights),
            "claims": count_stable(again, weights), "claims_trained": count_stable(found, weights)}


def _explain_randomised(experiment, model, drawn, track_id):
    return explain_track(experiment, model, track_id, randomised=drawn.index(track_id))[0]
