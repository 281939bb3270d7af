"""The program ``hiphoplib``, also ``python -m hiphoplib``: every stage and study is a command.

A command imports what it needs when it runs: TensorFlow takes seconds to load, ``--help`` none.
"""

import errno
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial, reduce
from io import TextIOWrapper
from pathlib import Path

import click

from hiphoplib.errors import BadInput
from hiphoplib.studies.commands import COMMANDS, JSON, Output

PROGRAM = "python -m hiphoplib"
# those of `networks.NETWORKS`, `splits.SPLITS` and `features.FEATURES`
NETWORKS = ("mlp", "cnn1", "cnn2", "rnn", "crnn")
ON_FEATURES = ("handcrafted", "musicnn", "stack")  # that can be saved
SPLITS = ("artist", "time", "random")
FEATURES = ("handcrafted", "musicnn", "vgg")
PATH, COUNT = click.Path(path_type=Path), click.IntRange(min=1)


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
        print(
            f"error: {error.filename or 'file'}: {error.strerror or error}{todo}", file=sys.stderr
        )
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


def _all_of(*decorators: Callable) -> Callable:
    """One decorator out of several arguments and options."""
    return lambda function: reduce(
        lambda inner, decorate: decorate(inner), reversed(decorators), function
    )


_corpus = click.argument("corpus", type=PATH, metavar="data/NAME")
_grid = click.option(
    "--grid",
    type=click.Choice(["quick", "full"]),
    default="quick",
    help="64 bands x 323 frames, or 128 x 1292 as in 2021.",
)
_folds = click.option(
    "--folds",
    type=int,
    metavar="K",
    help="Folds of the cross-validation; 0: one "
    "split, 10 % for the test set. Default: 5 up to 10,000 tracks, else "
    "0; 3 for data/synthetic.",
)
_protocol = _all_of(
    _corpus,
    _grid,
    _folds,
    click.option(
        "--split",
        type=click.Choice(SPLITS),
        default="artist",
        help="Keep each artist in one set, test on the newest tracks, or draw at random.",
    ),
)
_jobs = click.option(
    "--jobs",
    type=int,
    default=-1,
    metavar="N",
    show_default=False,
    help="Processes; default: one per core. Results do not depend on it.",
)
_models = partial(click.option, "--model", "models", multiple=True)


@program.group()
def gather():
    """Gather tracks and their clips into a data set."""


def _first_and_last(context, option, years):
    """First and last year of "1990-2020", or of "1999"."""
    first, _, last = years.partition("-")
    last = last or first
    if first.isdecimal() and last.isdecimal() and 1900 <= int(first) <= int(last) <= 2100:
        return int(first), int(last)
    raise click.BadParameter(f"{years} is not like 1990-2020")


_out = _all_of(
    click.option(
        "--out",
        type=Output(folder=True),
        required=True,
        metavar="data/NAME",
        help="The data set to make or to finish.",
    ),
    click.option(
        "--retry-rejected", is_flag=True, help="Try again to get the clips that rejected.csv lists."
    ),
    click.option(
        "--jobs",
        type=int,
        metavar="N",
        help="Clips at a time; default: one per core, four from a service.",
    ),
)
_seed = click.option("--seed", default=0, help="Another seed gives other tracks.")
_offline = click.option(
    "--offline", is_flag=True, help="Make the table again from cached responses, without a request."
)
_no_derivatives = click.option(
    "--no-derivatives", is_flag=True, help="Include tracks whose licence forbids derivatives."
)
_n = partial(click.option, "--n", type=COUNT, help="Number of tracks.")
_years = partial(
    click.option, "--years", callback=_first_and_last, metavar="FIRST-LAST", help="Release years."
)


def _source(name, text, *options):
    """Add a source to `gather`, with its own options."""
    gather.command(name, help=text)(_all_of(_out, *options)(partial(_gather, name)))


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
    print(
        f"{missing:7d}  clips missing, see rejected.csv"
        + ("; --retry-rejected asks again" if missing else "")
    )
    for flag, count in clean["flag"].value_counts().items():
        print(f"{count:7d}  flagged as {flag}, left in")


_source(
    "synthetic", "Render hip-hop beats whose popularity has known causes.", _n(default=1200), _seed
)
_source(
    "folder",
    "Take a folder with tracks.csv and its audio.",
    click.argument("path", type=PATH, metavar="FOLDER"),
    click.option(
        "--allow-http", is_flag=True, help="Also take previews from addresses that are not https."
    ),
)
_source(
    "fma",
    "Take Creative Commons music and its listens from the Free Music Archive: 342 MiB "
    "of metadata once, then about 1 MB a clip.",
    _n(default=4000),
    _seed,
    _no_derivatives,
    click.option("--genre", default="Hip-Hop", help="As the archive spells it."),
    click.option(
        "--zip",
        type=PATH,
        metavar="FILE",
        help="fma_large.zip (93 GiB), if you "
        "have it; else clips are read from the archive's server one by one.",
    ),
    click.option("--metadata", type=PATH, metavar="FILE", help="fma_metadata.zip, if you have it."),
)
_source(
    "spotify",
    "Search Spotify, with an application that still gets popularity and previews. "
    "Needs SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET in the environment.",
    _n(default=1000),
    _seed,
    _years(default="1990-2025"),
    _offline,
    click.option("--genre", default="hip-hop", help="As Spotify's search spells it."),
    click.option(
        "--i-have-permission",
        "permission",
        is_flag=True,
        help="Spotify has allowed you to train on its content, which its terms forbid otherwise.",
    ),
)
_source(
    "jamendo",
    "Take Creative Commons music and its listens from Jamendo. Needs "
    "JAMENDO_CLIENT_ID in the environment.",
    _n(default=1000),
    _seed,
    _years(default="2005-2025"),
    _offline,
    _no_derivatives,
    click.option("--tag", default="hiphop", help="As Jamendo spells it."),
)


@program.command()
@_all_of(_corpus, JSON)
@click.option("--name", help="Name in the results; default: that of the folder.")
@click.pass_obj
def describe(command, corpus, out, name):
    """Summarise a data set in numbers that name no track and no artist."""
    from hiphoplib.evaluation.evaluate import write_results
    from hiphoplib.evaluation.label import popularity_by_age, version_noise
    from hiphoplib.tracks.describe import describe as summarise
    from hiphoplib.tracks.describe import in_lines
    from hiphoplib.tracks.table import read_tracks

    tracks = read_tracks(corpus)
    summary = summarise(tracks) | {
        "versions": version_noise(tracks),
        "age": popularity_by_age(tracks),
    }
    print(*in_lines(summary), sep="\n")
    if out:
        write_results({"name": name or corpus.name, "command": command, **summary}, out)


@program.command()
@_all_of(_corpus, _grid, _jobs)
@click.option(
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
@_all_of(_corpus, _jobs)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(FEATURES),
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
@_all_of(_protocol, _jobs)
@_models(
    type=click.Choice(NETWORKS + ON_FEATURES),
    help="Can be repeated. With --out and no --model: the best on the validation set of the "
    "networks trained before.",
)
@click.option(
    "--seeds", type=COUNT, default=1, help="Trainings of each model and fold, with seeds 0 to N-1."
)
@click.option("--epochs", type=COUNT, default=20, help="At most; training stops early.")
@click.option(
    "--out",
    type=Output(folder=True),
    metavar="models/NAME",
    help="Also save one trained model as a folder that `score` reads.",
)
def train(corpus, grid, split, folds, jobs, models, seeds, epochs, out):
    """Train models with every seed on every fold, one per core at a time."""
    from hiphoplib.dataset.features import make_features
    from hiphoplib.models.comparison import MODELS
    from hiphoplib.models.experiment import prepare
    from hiphoplib.models.experiment import train as train_models
    from hiphoplib.tracks.cleaning import read_clean

    if out and len(models) > 1:
        raise BadInput("--out: one model a folder; give --model once")
    if not out and not models:
        raise BadInput("--model: name one, or a folder for the best that is trained by --out")
    experiment = prepare(corpus, grid, split, folds)
    for kind in {kind for model in models for kind in MODELS[model].needs}:
        make_features(read_clean(corpus), corpus, kind, jobs=jobs)
    networks = [model for model in models if model in NETWORKS]
    runs = train_models(experiment, networks, range(seeds), jobs=jobs, epochs=epochs)
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
    print(
        f"{out}: {model}, all that scoring needs; "
        f"{PROGRAM} score FOLDER --model {out} --out report.html"
    )


@program.command()
@_all_of(_protocol, JSON)
@_models(metavar="NAME", help="Can be repeated; default: all that can be evaluated.")
@click.option(
    "--splits",
    is_flag=True,
    help="Also compare the splits by artist, by time and at random, "
    "for models that are trained in folds under each.",
)
@click.option(
    "--power",
    is_flag=True,
    help="Also find how many tracks a finding needs; trains the CRNN on smaller data sets.",
)
@click.pass_obj
def evaluate(command, corpus, grid, split, folds, out, models, splits, power):
    """Evaluate models on their test sets."""
    from hiphoplib.evaluation.bootstrap import Estimate
    from hiphoplib.evaluation.evaluate import evaluate as evaluate_models
    from hiphoplib.evaluation.evaluate import write_results
    from hiphoplib.models.experiment import prepare
    from hiphoplib.studies import learning_curve

    experiment = prepare(corpus, grid, split, folds)
    results, _ = evaluate_models(experiment, list(models), command=command)
    if splits:
        results["splits"] = learning_curve.compare_splits(experiment)
    if power:
        results["power"] = learning_curve.learning_curve(experiment)
    protocol = results["protocol"]
    print(
        f"{protocol['test_tracks']} test tracks, split by {protocol['split']}, "
        + (f"{protocol['folds']} folds" if protocol["folds"] else "one split")
    )
    for name, model in results["models"].items():
        print(
            f"{name:21s} AUC {Estimate.read(model['auc'])}   "
            f"accuracy {Estimate.read(model['accuracy'])}"
        )
    if out:
        write_results(results, out)


@program.command()
@_protocol
@click.argument("track", metavar="TRACK_ID")
@click.option(
    "--model",
    type=click.Choice(NETWORKS + ON_FEATURES),
    default="rnn",
    help="Which trained model; LIME's picture is of networks only.",
)
@click.option(
    "--out",
    type=Output(".png", ".svg", ".pdf", ".jpg"),
    required=True,
    metavar="FILE.png",
    help="The picture.",
)
@click.option(
    "--wav",
    type=Output(folder=True),
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


@program.command()
@click.argument("folder", type=PATH, metavar="FOLDER")
@click.option(
    "--model",
    type=PATH,
    required=True,
    metavar="models/NAME",
    help="A folder that `train --out` made; `make report` leaves models/synthetic.",
)
@click.option(
    "--out",
    type=Output(".html", ".htm"),
    required=True,
    metavar="report.html",
    help="The page, one file that opens on a phone.",
)
@click.option(
    "--no-audio",
    is_flag=True,
    help="Leave out the players, so that nobody can play your songs from the page.",
)
@click.option(
    "--details",
    type=COUNT,
    default=10,
    help="How many songs get a curve and a player, the highest scores first.",
)
@click.option(
    "--passages",
    type=click.IntRange(min=0),
    default=3,
    help="For up to how many songs that stand out to name the passages that move the score.",
)
@click.option("--hop", type=float, default=5.0, help="Seconds from one window of 30 s to the next.")
@_jobs
def score(folder, model, out, no_audio, details, passages, hop, jobs):
    """Score unreleased songs, and write a page to look at and listen to.

    FOLDER holds whole songs in any format that FFmpeg decodes, or is one such file.
    """
    from hiphoplib.report.sentences import BANNER, describe_model, headline, on_screen
    from hiphoplib.report.song_page import find_passages, write_report
    from hiphoplib.scoring.score import score_tracks

    scored = score_tracks(folder, model, hop=hop, jobs=jobs)
    print(describe_model(scored.model))
    print(on_screen(scored))
    for name, reason in scored.rejected.items():
        print(f"not scored: {name}: {reason}")
    if not scored.songs and not scored.unlike:
        raise BadInput(
            f"{folder}: none of {len(scored.rejected)} files could be scored; "
            "the lines above say why"
        )
    print(headline(scored))
    if scored.model.card["synthetic"]:
        print(BANNER)
    write_report(
        scored, out, audio=not no_audio, details=details, passages=find_passages(scored, passages)
    )
    print(f"written: {out}")


for _command in COMMANDS:
    program.add_command(_command)
