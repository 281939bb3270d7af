"""What goes with a saved model: what it is and was learnt from, how good it is, what it is not for.

Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from .calibration import calibrated
from .files import write_whole
from .ladder import answered, platt_on_test
from .training import read_card
from .wording import CAVEAT, estimate

CARD = "card.md"


def write_model_cards(task, results, seeds):
    """Write ``card.md`` beside the weights of every evaluated network.

    Parameters
    ----------
    task : Task
    results : dict
        Of `evaluation.evaluate`.
    seeds : dict of str to list of int
        By network, those that are trained on all folds.

    Returns
    -------
    paths : list of Path
    """
    paths = []
    for model, seed, fold in ((model, seed, fold) for model, trained in seeds.items()
                              for seed in trained for fold in task.sides):
        folder = task.run_folder(model, seed, fold)
        calibration = platt_on_test(task, fold, answered(task, model, fold, seed))
        text = model_card(read_card(folder), results, calibration)
        write_whole(folder / CARD, text)
        paths.append(folder / CARD)
    return paths


def model_card(card, results, calibration):
    """Model card of one trained network, Markdown.

    Parameters
    ----------
    card : dict
        What `training.save_run` has written down of the run.
    results : dict
        Of `evaluation.evaluate`.
    calibration : (float, float)
        Slope and offset for `calibration.calibrated`.
    """
    told, corpus = results["models"][card["model"]], results["corpus"]
    slope, offset = calibration
    how = f"{card['folds']} folds, this is fold {card['fold']}" if card["folds"] else "one holdout"
    within = told["within_artist"]
    lines = [
        f"# {card['model']}, seed {card['seed']}, fold {card['fold']}",
        f"A network of {card['parameters']:,} parameters that answers with the probability that a "
        f"30 s clip is popular: a popularity of at least {card['threshold']:.4g}.",
        "## Learnt from",
        f"- Corpus {_quoted(corpus['name'])}, {corpus['tracks']:,} tracks by {corpus['artists']:,} "
        f"artists, fingerprint `{card['fingerprint']}`",
        f"- What popularity is there: {_quoted(corpus['popularity_kind'])}",
        f"- Split by {card['split']}, {how}; {card['epochs']} epochs; mel spectrograms of "
        f"{card['grid']['shape'][0]} bands × {card['grid']['shape'][1]} frames",
        "## How good it is on tracks that it has not seen",
        f"All seeds and folds of this network: AUC {estimate(told['auc'])}, accuracy "
        f"{estimate(told['accuracy'])}, Brier skill {estimate(told['brier_skill'])} "
        f"(95 % intervals over artists, {results['protocol']['heldout']} tracks).",
        (f"Among the tracks of one artist: AUC {estimate(within)}, {within['artists']} artists."
         if within else "No artist has enough tracks to be judged within."),
        f"Its answer p becomes a probability by 1 / (1 + exp(-({slope:.3f} · logit p + "
        f"{offset:+.3f}))), learnt on the test side: 0.50 becomes "
        f"{calibrated(0.5, slope, offset):.2f}.",
        "## What it is not for",
        "- Deciding about a single song: the interval above is about the order of many.",
        "- Music of another kind than the corpus', or another meaning of popular.",
        "- Saying why a song is popular: it hears what goes with popularity in that corpus.",
        *([f"- {CAVEAT}"] if "oracle" in results["models"] else []),
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in results["versions"].items())
        + f"; {results['made']}",
    ]
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def _quoted(words):
    """What others wrote, as code: Markdown and HTML in it are not read."""
    return "`" + " ".join(words.replace("`", "'").split()) + "`"
