"""Commands of studies, and of what makes the documentation."""

from functools import partial
from pathlib import Path

import click
from click import Choice, argument, option, pass_obj

from hiphoplib.options import CORPUS, JSON, PATH, Output, flag, folder, number

PARTS = ("report", "startup", "mel", "workers", "training", "explain", "memory")  # of a bench
_SONGS = option(
    "--songs", type=PATH, default=Path("data/songs-checked"), help="Songs are rendered there."
)
_seeds = partial(number, "--seeds", help="Artists, of ten songs each.")


@click.command()
@CORPUS
@option("--model", default="rnn", metavar="NAME", help="Which trained network.")
@number("--clips", default=60, help="Test clips to explain.")
@option("--folds", type=int, metavar="K", help="As for `train`.")
@folder("--pictures", metavar="FOLDER", help="Also draw four tracks.")
@JSON
@pass_obj
def explanations(command, **options):
    """Check whether the explanations of a trained network hold.

    Explains test clips, half a minute each, and measures recovery of planted causes, deletion,
    insertion and stability. Explanations are kept: the same command goes on.
    """
    from hiphoplib.studies.explanations import check_explanations

    check_explanations(command=command, **options)


@click.command()
@number("--networks", default=5, help="Of each kind.")
@folder("--folder", default="data/planted", help="Keeps the networks.")
@option("--jobs", type=int, default=-1, help="Processes; all cores if not given.")
@option(
    "--json",
    "out",
    type=Output(),
    metavar="FILE",
    help="Write the results here, beside those of `explanations`.",
)
@pass_obj
def planted(command, networks, folder, jobs, out):
    """Check on planted causes whether what explanations say is right; an hour on two cores.

    Trains small networks, and compares the swap test with LIME. Networks and what is said of their
    clips are kept: the same command goes on.
    """
    from hiphoplib.studies.planted_check import check_planted, write_planted

    write_planted(check_planted(folder, networks, jobs=jobs), command, out)


@click.command()
@argument("corpora", nargs=-1, required=True, type=PATH, metavar="data/NAME...")
@JSON
@pass_obj
def stack_gains(command, corpora, out):
    """Measure what soft labels, more tracks, more networks and the stack bring.

    No test track is looked at: those of training and validation sets are scored out of fold.
    """
    from hiphoplib.studies.training_choices import stack_gains as measure

    measure(corpora, out, command)


@click.command()
@argument("models", nargs=-1, required=True, type=PATH, metavar="models/NAME...")
@_SONGS
@_seeds(default=10)
@JSON
@pass_obj
def check_scoring(command, **options):
    """Check models to score with on rendered songs."""
    from hiphoplib.studies.scoring import check_scoring as check

    check(command=command, **options)


@click.command()
@argument("model", type=PATH, metavar="models/NAME")
@option(
    "--corpus",
    "corpora",
    type=PATH,
    multiple=True,
    metavar="data/NAME",
    help="Its test clips have to be inside; can be repeated.",
)
@option(
    "--real",
    type=PATH,
    multiple=True,
    metavar="FOLDER",
    help="Real recordings, or a corpus of them, which have to be outside.",
)
@_SONGS
@_seeds(default=30)
@option("--hop", type=float, default=5.0, help="Seconds from one window to the next.")
@JSON
@pass_obj
def check_limits(command, **options):
    """Check what a synthetic model does not know, and how often its orders are right."""
    from hiphoplib.studies.scoring import check_limits as check

    check(command=command, **options)


@click.command()
@argument("corpora", nargs=-1, required=True, metavar="data/NAME[:TRACKS]...")
@option("--model", "models", multiple=True, default=("mlp", "crnn"))
@option("--choice", "choices", multiple=True, metavar="NAME", help="All if not given.")
@number("--seeds", default=2)
@JSON
@pass_obj
def training_choices(command, choices, **options):
    """Compare ways to train networks by their validation sets, in five folds.

    Trainings are kept: the same command goes on.
    """
    from hiphoplib.studies.training_choices import CHOICES
    from hiphoplib.studies.training_choices import training_choices as compare

    compare(command=command, choices=choices or tuple(CHOICES), **options)


@click.command()
@option("--only", multiple=True, type=Choice(PARTS), help="Can be repeated.")
@JSON
@pass_obj
def bench(command, **options):
    """Measure speed and peak memory on this machine; 25 minutes, best with nothing beside it."""
    from hiphoplib.studies.bench import bench as measure

    measure(command=command, **options)


@click.command()
@argument("readme", type=PATH)
@argument("results", type=PATH)
def bench_table(readme, results):
    """Put the tables of a bench between their markers in a page."""
    from hiphoplib.studies.costs import insert_bench

    insert_bench(readme, results)


@click.command()
@argument("paths", nargs=-1, type=PATH, metavar="[NOTEBOOK.ipynb]...")
@flag("--commit", help="Replace the committed report, images and results by those of this run.")
def notebooks(paths, commit):
    """Execute notebooks from top to bottom, in place.

    Without a name: the report, into build/<corpus>, with a page beside it, a model to score with,
    and a table of what each stage took.
    """
    from hiphoplib.studies.documents import execute_notebooks, make_report

    if paths:
        execute_notebooks(paths)
    else:
        make_report(commit)


@click.command()
def presentation():
    """Typeset Presentation.pdf from the results files."""
    from hiphoplib.studies.documents import make_presentation

    print(make_presentation())


@click.command()
def address():
    """Write the project's address, of pyproject.toml, into badges, pages and setup cells."""
    from hiphoplib.studies.documents import write_address

    print(*write_address() or ["everywhere already"], sep="\n")


@click.command()
@option("--model", type=PATH, default=Path("models/synthetic"))
@option(
    "--songs",
    type=PATH,
    default=Path("data/songs"),
    help="Ten songs are rendered there if it is empty.",
)
@folder("--out", default="images")
@option(
    "--example", type=Output(".html"), default="docs/example_report.html", help="The page itself."
)
def pictures(model, songs, out, example):
    """Score ten rendered songs, write the page on them, and photograph it with Chromium."""
    from hiphoplib.studies.documents import make_pictures

    print(*make_pictures(model, songs, out, example), sep="\n")


COMMANDS = (
    explanations,
    planted,
    training_choices,
    stack_gains,
    check_scoring,
    check_limits,
    bench,
    bench_table,
    notebooks,
    presentation,
    address,
    pictures,
)
