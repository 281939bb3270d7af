"""The program ``hiphoplib``, also ``python -m hiphoplib``: every stage and study is a command.

A command imports what it needs when it runs: TensorFlow takes seconds to load, ``--help`` none.
"""

import errno
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper

import click
from click import Choice, argument, option, pass_obj

from hiphoplib.errors import BadInput
from hiphoplib.options import (
    CORPUS,
    GRID,
    JOBS,
    JSON,
    PATH,
    PROTOCOL,
    Output,
    all_of,
    flag,
    folder,
    number,
    years,
)
from hiphoplib.report.commands import COMMANDS as ARTISTS
from hiphoplib.studies.commands import COMMANDS as STUDIES

PROGRAM = "python -m hiphoplib"
NETWORKS = ("mlp", "cnn1", "cnn2", "rnn", "crnn")  # those of `networks.NETWORKS`
ON_FEATURES = ("handcrafted", "musicnn", "stack")  # that can be saved
FEATURES = ("handcrafted", "musicnn", "vgg")  # those of `features.FEATURES`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if not given.

    Returns
    -------
    int
        Exit status: 0, 1 for an error told in one line, 2 for wrong usage, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # arrow's own keeps what was freed
    os.environ["MPLBACKEND"] = "agg"  # figures are files, whatever the user's settings show
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a terminal cannot show ends no command
            stream.reconfigure(errors="replace")
    try:
        command = f"{PROGRAM} {shlex.join(arguments)}"
        with program.make_context(PROGRAM, arguments, obj=command) as context:
            program.invoke(context)
    except click.exceptions.Exit as stop:  # after --help
        return stop.exit_code
    except click.UsageError as error:
        error.show()
        return 2
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        todo = "; make room, the same command goes on from here" if full else ""
        where = error.filename or "file"
        print(f"error: {where}: {error.strerror or error}{todo}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


class _InOrder(click.Group):
    """Commands in the order of the stages."""

    def list_commands(self, ctx):
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"max_content_width": 100, "show_default": True})
def program():
    """Which unreleased tracks have a chance? An interrupted command, run again, resumes."""


_models = partial(option, "--model", "models", multiple=True)


@program.group()
def gather():
    """Gather tracks and their clips into a data set."""


_out = all_of(
    folder("--out", required=True, metavar="data/NAME", help="The data set to make or to finish."),
    flag("--retry-rejected", help="Try again to get the clips that rejected.csv lists."),
    option(
        "--jobs",
        type=int,
        metavar="N",
        help="Clips at a time; default: one per core, four from a service.",
    ),
)
_seed = option("--seed", default=0, help="Another seed gives other tracks.")
_offline = flag("--offline", help="Make the table again from cached responses, without a request.")
_no_derivatives = flag("--no-derivatives", help="Include tracks whose licence forbids derivatives.")
_n = partial(number, "--n", help="Number of tracks.")


def _source(name, text, *options):
    """Add a source to `gather`, with its own options."""
    gather.command(name, help=text)(all_of(_out, *options)(partial(_gather, name)))


def _gather(source, out, jobs, retry_rejected, **settings):
    """Gather a data set and say what came."""
    from hiphoplib.tracks.cleaning import clean_tracks
    from hiphoplib.tracks.gather import gather as gather_corpus
    from hiphoplib.tracks.table import read_rejected

    tracks = gather_corpus(source, out, jobs=jobs, retry_rejected=retry_rejected, **settings)
    clean, steps = clean_tracks(tracks)
    for step in steps.itertuples():
        print(f"{step.left:7d}  {step.step}" + (f"  (-{step.gone})" if step.gone else ""))
    missing = (read_rejected(out)["stage"] == "previews").sum()
    again = "; --retry-rejected asks again" if missing else ""
    print(f"{missing:7d}  clips missing, see rejected.csv{again}")
    for mark, count in clean["flag"].value_counts().items():
        print(f"{count:7d}  flagged as {mark}, left in")


_source(
    "synthetic", "Render hip-hop beats whose popularity has known causes.", _n(default=1200), _seed
)
_source(
    "folder",
    "Take a folder with tracks.csv and its audio.",
    argument("path", type=PATH, metavar="FOLDER"),
    flag("--allow-http", help="Also take previews from addresses that are not https."),
)
_source(
    "fma",
    "Take Creative Commons music and its listens from the Free Music Archive: 342 MiB "
    "of metadata once, then about 1 MB a clip.",
    _n(default=4000),
    _seed,
    _no_derivatives,
    option("--genre", default="Hip-Hop", help="As the archive spells it."),
    option(
        "--zip",
        type=PATH,
        metavar="FILE",
        help="fma_large.zip (93 GiB), if you "
        "have it; else clips are read from the archive's server one by one.",
    ),
    option("--metadata", type=PATH, metavar="FILE", help="fma_metadata.zip, if you have it."),
)
_source(
    "spotify",
    "Search Spotify, with an application that still gets popularity and previews. "
    "Needs SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET in the environment.",
    _n(default=1000),
    _seed,
    years(default="1990-2025"),
    _offline,
    option("--genre", default="hip-hop", help="As Spotify's search spells it."),
    flag(
        "--i-have-permission",
        "permission",
        help="Spotify has allowed you to train on its content, which its terms forbid otherwise.",
    ),
)
_source(
    "jamendo",
    "Take Creative Commons music and its listens from Jamendo. Needs "
    "JAMENDO_CLIENT_ID in the environment.",
    _n(default=1000),
    _seed,
    years(default="2005-2025"),
    _offline,
    _no_derivatives,
    option("--tag", default="hiphop", help="As Jamendo spells it."),
)


@program.command()
@all_of(CORPUS, JSON)
@option("--name", help="Name in the results; default: that of the folder.")
@pass_obj
def describe(command, corpus, out, name):
    """Summarise a data set in numbers that name no track and no artist."""
    from hiphoplib.evaluation.evaluate import write_results
    from hiphoplib.evaluation.label import popularity_by_age, version_noise
    from hiphoplib.tracks import describe as described
    from hiphoplib.tracks.table import read_tracks

    tracks = read_tracks(corpus)
    label = {"versions": version_noise(tracks), "age": popularity_by_age(tracks)}
    summary = described.describe(tracks) | label
    print(*described.in_lines(summary), sep="\n")
    if out:
        write_results({"name": name or corpus.name, "command": command, **summary}, out)


@program.command()
@all_of(CORPUS, GRID, JOBS)
@option(
    "--dask",
    metavar="tcp://HOST:PORT",
    help="Let the workers of this Dask scheduler "
    "read the clips; they need this project, and the data set under the same path.",
)
def mels(corpus, grid, jobs, dask):
    """Make the mel spectrograms of a data set."""
    from hiphoplib.audio.mel import GRIDS
    from hiphoplib.dataset.store import make_mels
    from hiphoplib.tracks.cleaning import read_clean
    from hiphoplib.tracks.table import read_rejected

    store = make_mels(read_clean(corpus), corpus, GRIDS[grid], jobs=jobs, cluster=dask)
    unusable = (read_rejected(corpus)["stage"] == "mels").sum()
    print(f"{len(store):7d}  spectrograms, {store.grid.n_mels} bands x {store.grid.frames} frames")
    print(f"{unusable:7d}  clips not usable, see rejected.csv")


@program.command()
@all_of(CORPUS, JOBS)
@option(
    "--kind",
    "kinds",
    multiple=True,
    type=Choice(FEATURES),
    default=FEATURES,
    help="Can be repeated; default: all.",
)
def features(corpus, jobs, kinds):
    """Make audio features: hand-crafted ones, and those of music taggers."""
    from hiphoplib.dataset.features import make_features
    from hiphoplib.tracks.cleaning import read_clean

    tracks = read_clean(corpus)
    for kind in kinds:
        table = make_features(tracks, corpus, kind, jobs=jobs)
        print(f"{table.notna().all(axis=1).sum():7d}  clips by {table.shape[1]} features, {kind}")


@program.command()
@all_of(PROTOCOL, JOBS)
@_models(
    type=Choice(NETWORKS + ON_FEATURES),
    help="Can be repeated. With --out and no --model: the best on the validation set of the "
    "networks trained before.",
)
@number("--seeds", default=1, help="Trainings of each model and fold, with seeds 0 to N-1.")
@number("--epochs", default=20, help="At most; training stops early.")
@folder(
    "--out",
    metavar="models/NAME",
    help="Also save one trained model as a folder that `score` reads.",
)
def train(corpus, grid, split, folds, jobs, models, seeds, epochs, out):
    """Train models with every seed on every fold, one per core at a time."""
    from hiphoplib.dataset.features import make_features
    from hiphoplib.models import experiment as training
    from hiphoplib.models.comparison import MODELS
    from hiphoplib.tracks.cleaning import read_clean

    if out and len(models) > 1:
        raise BadInput("--out: one model a folder; give --model once")
    if not out and not models:
        raise BadInput("--model: name one, or a folder for the best that is trained by --out")
    experiment = training.prepare(corpus, grid, split, folds)
    for kind in {kind for model in models for kind in MODELS[model].needs}:
        make_features(read_clean(corpus), corpus, kind, jobs=jobs)
    networks = [model for model in models if model in NETWORKS]
    runs = training.train(experiment, networks, range(seeds), jobs=jobs, epochs=epochs)
    for parent in dict.fromkeys(run.parent for run in runs):
        print(f"{parent.name}: {len(runs) // len(networks)} runs in {parent}")
    if out:
        _save(experiment, models[0] if models else None, out, range(seeds))


def _save(experiment, model, out, seeds):
    """Put a trained model into a folder, and say how to go on."""
    from hiphoplib.evaluation.evaluate import evaluate as evaluate_models
    from hiphoplib.models.comparison import Scores
    from hiphoplib.scoring.model_folder import save_model, saveable

    if not model:
        scores = Scores(experiment)
        aucs = {name: scores.on_validation(name) for name in saveable() if scores.seeds(name)}
        if not aucs:
            raise BadInput(f"{experiment.folder}: nothing is trained there; name a --model")
        model = max(aucs, key=lambda name: aucs[name])
        print("AUC by validation: " + ", ".join(f"{name} {aucs[name]:.3f}" for name in aucs))
        seeds = scores.seeds(model)
    save_model(experiment, evaluate_models(experiment, [model])[0], model, out, seeds)
    next_step = f"{PROGRAM} score FOLDER --model {out} --out report.html"
    print(f"{out}: {model}, all that scoring needs; {next_step}")


@program.command()
@all_of(PROTOCOL, JSON)
@_models(metavar="NAME", help="Can be repeated; default: all that can be evaluated.")
@flag(
    "--splits",
    help="Also compare the splits by artist, by time and at random, "
    "for models that are trained in folds under each.",
)
@flag(
    "--power",
    help="Also find how many tracks a finding needs; trains the CRNN on smaller data sets.",
)
@pass_obj
def evaluate(command, corpus, grid, split, folds, out, models, splits, power):
    """Evaluate models on their test sets."""
    from hiphoplib.evaluation import evaluate as evaluation
    from hiphoplib.evaluation.bootstrap import Estimate
    from hiphoplib.models.experiment import prepare
    from hiphoplib.studies import learning_curve

    experiment = prepare(corpus, grid, split, folds)
    results, _ = evaluation.evaluate(experiment, list(models), command=command)
    if splits:
        results["splits"] = learning_curve.compare_splits(experiment)
    if power:
        results["power"] = learning_curve.learning_curve(experiment)
    protocol = results["protocol"]
    once = f"{protocol['folds']} folds" if protocol["folds"] else "one split"
    print(f"{protocol['test_tracks']} test tracks, split by {protocol['split']}, {once}")
    for name, model in results["models"].items():
        auc, accuracy = (Estimate.read(model[metric]) for metric in ("auc", "accuracy"))
        print(f"{name:21s} AUC {auc}   accuracy {accuracy}")
    if out:
        evaluation.write_results(results, out)


@program.command()
@PROTOCOL
@argument("track", metavar="TRACK_ID")
@option(
    "--model",
    type=Choice(NETWORKS + ON_FEATURES),
    default="rnn",
    help="Which trained model; LIME's picture is of networks only.",
)
@option(
    "--out",
    type=Output(".png", ".svg", ".pdf", ".jpg"),
    required=True,
    metavar="FILE.png",
    help="The picture.",
)
@folder(
    "--wav",
    metavar="FOLDER",
    help="Also write the named passages alone, and the clip without them.",
)
def explain(corpus, grid, split, folds, track, model, out, wav):
    """Explain one track: a picture, sentences by the swap test and, with --wav, sound."""
    from hiphoplib.explanation.segments import SegmentGrid
    from hiphoplib.explanation.tracks import explain_track, swap_track, write_sounds
    from hiphoplib.io import write_whole
    from hiphoplib.models.experiment import prepare
    from hiphoplib.report.figures_explanation import explanation, swapped
    from hiphoplib.report.sentences import explanation_summary, swap_sentences
    from hiphoplib.report.style import label_of, use_style

    use_style()
    experiment = prepare(corpus, grid, split, folds)
    title, parts = f"{track}: {label_of(model)}", swap_track(experiment, model, track)
    if model in NETWORKS:
        attribution, S_db = explain_track(experiment, model, track)
        figure = explanation(S_db, attribution, f"{title}, LIME").figure
        told = f"{track}:\n{explanation_summary(attribution, parts, model)}"
    else:
        segments = SegmentGrid(experiment.store.grid)
        figure = swapped(experiment.store[track], parts, segments, title=title).figure
        told = "\n- ".join([f"{track}:", *swap_sentences(parts, segments)])
    write_whole(out, partial(figure.savefig, format=out.suffix[1:].lower()))
    print(told)
    if wav and parts:
        write_sounds(experiment, track, parts, wav)
        print(f"written to {wav}: said, rest")


for _command in (*ARTISTS, *STUDIES):
    program.add_command(_command)
