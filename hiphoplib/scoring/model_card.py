"""What goes with a saved model: what it is and was learnt from, how good it is, what it is not for.

Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from hiphoplib.io import write_whole
from hiphoplib.models.calibration import calibrated
from hiphoplib.models.comparison import answered, platt_on_test
from hiphoplib.models.training import read_card
from hiphoplib.report.sentences import CAVEAT, estimate

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
    return _markdown([
        f"# {card['model']}, seed {card['seed']}, fold {card['fold']}",
        f"A network of {card['parameters']:,} parameters that answers with the probability that a "
        f"30 s clip is popular: a popularity of at least {card['threshold']:.4g}.",
        "## Learnt from",
        *_learnt_from(corpus, card["fingerprint"]),
        f"- Split by {card['split']}, {how}; {card['epochs']} epochs; mel spectrograms of "
        f"{card['grid']['shape'][0]} bands × {card['grid']['shape'][1]} frames",
        "## How good it is on tracks that it has not seen",
        *_how_good(told, results["protocol"]),
        f"Its answer p becomes a probability by 1 / (1 + exp(-({slope:.3f} · logit p + "
        f"{offset:+.3f}))), learnt on the test side: 0.50 becomes "
        f"{calibrated(0.5, slope, offset):.2f}.",
        "## What it is not for",
        *_not_for("oracle" in results["models"]),
        "## Versions",
        _versions(results)])


def folder_card(manifest):
    """Card of a model that is made to be handed on, Markdown.

    Parameters
    ----------
    manifest : dict
        What `model_folder.save_model` writes down of it.
    """
    networks, grid, protocol = (manifest[name] for name in ("networks", "grid", "protocol"))
    members = ", ".join(f"seed {each['seed']} fold {each['fold']}" for each in networks)
    how = f"{protocol['folds']} folds" if protocol["folds"] else "one holdout"
    return _markdown([
        f"# {manifest['model']}, learnt from {_quoted(manifest['corpus']['name'])}",
        f"{len(networks)} trainings of one network ({members}), whose mean answer is the "
        "probability that 30 s of a song are popular: a popularity of at least "
        f"{manifest['threshold']:.4g}. `python -m hiphoplib score FOLDER --model THIS` uses it.",
        "## Learnt from",
        *_learnt_from(manifest["corpus"], manifest["corpus"]["fingerprint"]),
        f"- Split by {protocol['split']}, {how}; mel spectrograms of "
        f"{grid['shape'][0]} bands × {grid['shape'][1]} frames",
        "## How good it is on tracks that it has not seen",
        *_how_good(manifest["results"], protocol),
        "## What it is not for",
        *_not_for(manifest["synthetic"]),
        "## Versions",
        _versions(manifest)])


def _learnt_from(corpus, fingerprint):
    return [f"- Corpus {_quoted(corpus['name'])}, {corpus['tracks']:,} tracks by "
            f"{corpus['artists']:,} artists, fingerprint `{fingerprint}`",
            f"- What popularity is there: {_quoted(corpus['popularity_kind'])}"]


def _how_good(told, protocol):
    within = told["within_artist"]
    return [f"All seeds and folds of this network: AUC {estimate(told['auc'])}, accuracy "
            f"{estimate(told['accuracy'])}, Brier skill {estimate(told['brier_skill'])} "
            f"(95 % intervals over artists, {protocol['heldout']} tracks).",
            (f"Among the tracks of one artist: AUC {estimate(within)}, {within['artists']} artists."
             if within else "No artist has enough tracks to be judged within.")]


def _not_for(synthetic):
    return ["- Deciding about a single song: the interval above is about the order of many.",
            "- Music of another kind than the corpus', or another meaning of popular.",
            "- Saying why a song is popular: it hears what goes with popularity in that corpus.",
            *([f"- {CAVEAT}"] if synthetic else [])]


def _versions(results):
    return (", ".join(f"{name} {number}" for name, number in results["versions"].items())
            + f"; {results['made']}")


def _markdown(lines):
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def _quoted(words):
    """What others wrote, as code: Markdown and HTML in it are not read."""
    return "`" + " ".join(words.replace("`", "'").split()) + "`"
