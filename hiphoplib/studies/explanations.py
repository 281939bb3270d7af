"""Do the explanations of a network hold? Many held-out clips of a corpus, measured.

``python -m hiphoplib.studies.explanations data/synthetic`` measures them.
"""

import argparse
import datetime
import sys
from functools import partial
from pathlib import Path

import numpy as np

from hiphoplib.cli import positive
from hiphoplib.dataset.splits import artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import RESAMPLES, resample_artists
from hiphoplib.evaluation.evaluate import labels_on_test, scores_on_test, write_results
from hiphoplib.explanation.cache import (
    explain_ahead,
    explain_randomised,
    explain_track,
    four_tracks,
    remembered,
)
from hiphoplib.explanation.faithfulness import (
    acting,
    claimed,
    curves,
    mean_over,
    measured,
    read_truth,
)
from hiphoplib.explanation.lime import rank_correlation
from hiphoplib.explanation.segments import Filling, fillings
from hiphoplib.io import progress
from hiphoplib.models.experiment import prepare, run_of
from hiphoplib.models.networks import NETWORKS
from hiphoplib.models.training import load_run, versions
from hiphoplib.report.figures_explanation import explanation
from hiphoplib.report.sentences import FOUR_KINDS, explanation_summary
from hiphoplib.report.style import label_of, save, use_style
from hiphoplib.studies.planted import check_planted

CLIPS = 60
SHUFFLED = 12  # clips that a network with shuffled weights explains once more


def evaluate_explanations(experiment, model="rnn", *, clips=CLIPS, command=None):
    """Explain held-out clips and measure whether the explanations hold.

    What is explained once is kept beside the run, so that a stopped evaluation goes on.

    Parameters
    ----------
    experiment : Experiment
    model : str
        A trained network; the run of seed 0 that never saw a clip explains it.
    clips : int
        How many of the held-out clips, drawn by a fixed seed; all if there are no more.
    command : str, optional
        What to write down as the way to repeat this.

    Returns
    -------
    dict
        ``corpus``, ``model``, ``clips``; what `explanation_measures.measured` gives; ``sanity``,
        see `shuffled`; ``four``, what is said of `four_explained`, by kind; ``versions``, ``made``,
        ``command``.
    """
    heldout = labels_on_test(experiment).sort_index()
    drawn = np.random.default_rng(0).permutation(heldout.index)[:clips]
    weights = resample_artists(artist_groups(experiment.tracks.loc[drawn]), RESAMPLES)
    truth, rows = read_truth(experiment), []
    explain_ahead(partial(_explained, experiment, model), list(drawn))
    for track_id in progress(drawn, desc="explain clips", unit="clip"):
        rows.append(_explained(experiment, model, track_id))
        if truth:
            rows[-1]["causes"] = acting(truth, track_id, rows[-1]["found"].grid)
    few = min(SHUFFLED, len(rows))
    return {
        "corpus": {"name": experiment.folder.resolve().name, "fingerprint": experiment.fingerprint},
        "model": model, "clips": len(rows),
        **measured(rows, heldout[drawn].to_numpy(), weights),
        "sanity": shuffled(experiment, model, drawn[:few], [row["found"] for row in rows[:few]],
                           weights[:, :few]),
        "four": {kind: explanation_summary(found, model)
                 for kind, (found, _) in four_explained(experiment, model).items()},
        "versions": versions(), "made": datetime.date.today().isoformat(), "command": command,
    }


def _explained(experiment, model, track_id):
    """A clip's explanation, and the curves that judge it, dict."""
    found, S_db = explain_track(experiment, model, track_id)
    folder, side = run_of(experiment, model, track_id), experiment.sides.loc[track_id]
    train = experiment.sides.index[experiment.sides[side.index[side == "test"][0]] == "train"]
    number = experiment.tracks.index.get_loc(track_id)
    other = experiment.store[train[number % len(train)]]

    def compute():
        run = load_run(folder)
        return {"both": curves(run, S_db, found, fillings(run.scaler.mean), number),
                "another clip": curves(run, S_db, found, [Filling("another clip", other)], number)}

    return {"found": found, "curves": remembered(
        folder, track_id, "curves", [S_db, other, found.runs, number], compute)}


def four_explained(experiment, model):
    """Explanation and spectrogram of four held-out tracks, by the kinds of `four_tracks`."""
    answers = scores_on_test(experiment, model)[0]
    return {kind: explain_track(experiment, model, track_id)
            for kind, track_id in four_tracks(labels_on_test(experiment), answers).items()}


def draw_four(experiment, model, folder):
    """Write ``lime_<corpus>_<kind>.png`` of these tracks; titles name no track."""
    use_style()
    for kind, (found, S_db) in four_explained(experiment, model).items():
        title = f"{FOUR_KINDS[kind].capitalize()}: what the {label_of(model)} listens to"
        save(
            explanation(S_db, found, title=title),
            folder / f"lime_{experiment.folder.resolve().name}_{kind}.png",
            dpi=80,
        )  # for notebooks


def shuffled(experiment, model, drawn, found, weights):
    """What networks say that have learnt nothing: the same with their weights in random order.

    An explanation that hardly changes tells of the clip or of how a network is built, not of what
    it has learnt (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018).

    Parameters
    ----------
    experiment, model
        As for `evaluate_explanations`.
    drawn : list of str
        Each is explained by weights in an order of its own.
    found : list of Explanation
        By the trained network, of these clips.
    weights : np.ndarray [shape=(resamples, clips)]

    Returns
    -------
    dict
        ``correlation``: rank correlation of the two maps; ``correlation_of_size``: the same of the
        absolute weights; ``claims`` of the shuffled networks and ``claims_trained`` of the trained
        one, see `explanation_measures.claimed`; ``clips``.
    """
    drawn = list(drawn)
    explain_ahead(partial(_explain_randomised, experiment, model, drawn), drawn)
    again = [explain_randomised(experiment, model, track_id, number) for number, track_id in
             enumerate(progress(drawn, desc="shuffled weights", unit="clip"))]
    pairs = [(one.weights, other.weights) for one, other in zip(found, again)]
    return {"clips": len(again),
            "correlation": mean_over([rank_correlation(*pair) for pair in pairs], weights),
            "correlation_of_size": mean_over([rank_correlation(*np.abs(pair)) for pair in pairs],
                                             weights),
            "claims": claimed(again, weights), "claims_trained": claimed(found, weights)}


def _explain_randomised(experiment, model, drawn, track_id):
    return explain_randomised(experiment, model, track_id, drawn.index(track_id))


def main(arguments=None):
    """Measure them, say the most important, and write all to a results file."""
    parser = argparse.ArgumentParser(prog="python -m hiphoplib.studies.explanations", description=(
        "Do the explanations of a trained network hold? Explains held-out clips, half a minute "
        "each, and measures recovery of planted causes, deletion, insertion, stability. What is "
        "explained is kept: the same command goes on."))
    parser.add_argument("corpus", type=Path, metavar="data/NAME", help="a corpus of `gather`")
    parser.add_argument("--model", choices=NETWORKS, default="rnn", metavar="NAME",
                        help="which trained network (default rnn)")
    parser.add_argument("--clips", type=positive, default=CLIPS, metavar="N",
                        help=f"held-out clips to explain (default {CLIPS})")
    parser.add_argument("--folds", type=int, metavar="K",
                        help="as for `train` (default: what the size of the corpus asks for)")
    parser.add_argument("--planted", action="store_true", help="also train small networks on "
                        "planted causes and look whether they are found; five minutes")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="also draw four tracks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    options = parser.parse_args(arguments)
    command = f"{parser.prog} {' '.join(arguments or sys.argv[1:])}"
    try:
        experiment = prepare(options.corpus, folds=options.folds)
        results = evaluate_explanations(
            experiment, options.model, clips=options.clips, command=command
        )
        if options.pictures:
            draw_four(experiment, options.model, options.pictures)
        if options.planted:
            results["planted"] = check_planted()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name in ("deletion_minus_random", "insertion_minus_random", "stability"):
        found = results[name]
        print(f"{name:22s} {found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]")
    if options.json:
        write_results(results, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
