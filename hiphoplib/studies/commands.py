"""Studies, the artist's own among them, and what makes the documentation, as commands."""

import os
from pathlib import Path
from typing import Any

import click

from hiphoplib.errors import BadInput


class Output(click.Path):
    """A file, or a folder, to write: whether that can be done is told before the work.

    Parameters
    ----------
    *endings : str
        One of which its name has to have.
    folder : bool
    """

    def __init__(self, *endings: str, folder: bool = False):
        super().__init__(path_type=Path)
        self.endings, self.folder = endings, folder

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path.

        Parameters
        ----------
        value, param, ctx
            As click hands them over.

        Returns
        -------
        Path

        Raises
        ------
        BadInput
            If it cannot be written, or has another ending.
        """
        from hiphoplib.io import check_output

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self.endings and path.suffix.lower() not in self.endings:
            raise BadInput(
                f"{path}: can be {', '.join(self.endings)}; name it so, for example "
                f"{path.stem or 'name'}{self.endings[0]}"
            )
        check_output(path, self.folder)
        return path


PARTS = ("report", "startup", "mel", "workers", "training", "explain", "memory")
_PATH, _COUNT = click.Path(path_type=Path), click.IntRange(min=1)
JSON = click.option("--json", "out", type=Output(), metavar="FILE", help="Write the results here.")


@click.command()
@click.argument("folder", type=Output(folder=True), metavar="FOLDER")
@click.option("--n", type=_COUNT, default=10, show_default=True, help="Songs.")
@click.option(
    "--seed", default=0, show_default=True, help="Another seed, another artist with other songs."
)
def render_songs(folder, n, seed):
    """Render whole songs to try scoring with, without anybody's music.

    They are mp3, wav, flac, ogg and m4a in turn. Their parts differ in what makes a synthetic track
    popular, so that each song has a best stretch. Files that are there stay. CC0-1.0.
    """
    from hiphoplib.tracks.synthetic.songs import render_songs as render

    paths = render(folder, n, seed)
    for path in paths:
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path.name}")
    print(
        f"{len(paths)} songs of one invented artist in {folder}, rendered by this project: "
        "CC0-1.0, nobody's music is in them"
    )


@click.command()
@click.argument("corpus", type=_PATH, metavar="data/NAME")
@click.option(
    "--model", default="rnn", show_default=True, metavar="NAME", help="Which trained network."
)
@click.option("--clips", type=_COUNT, default=60, show_default=True, help="Test clips to explain.")
@click.option("--folds", type=int, metavar="K", help="As for `train`.")
@click.option(
    "--pictures", type=Output(folder=True), metavar="FOLDER", help="Also draw four tracks."
)
@JSON
@click.pass_obj
def explanations(command, **options):
    """Check whether the explanations of a trained network hold.

    Explains test clips, half a minute each, and measures recovery of planted causes, deletion,
    insertion and stability. Explanations are kept: the same command goes on.
    """
    from hiphoplib.studies.explanations import check_explanations

    check_explanations(command=command, **options)


@click.command()
@click.option("--networks", type=_COUNT, default=5, show_default=True, help="Of each kind.")
@click.option(
    "--folder",
    type=Output(folder=True),
    default="data/planted",
    show_default=True,
    help="Keeps the networks.",
)
@click.option("--jobs", type=int, default=-1, help="Processes; all cores if not given.")
@click.option(
    "--json",
    "out",
    type=Output(),
    metavar="FILE",
    help="Write the results here, beside those of `explanations`.",
)
@click.pass_obj
def planted(command, networks, folder, jobs, out):
    """Check on planted causes whether what explanations say is right; an hour on two cores.

    Trains small networks, and compares the swap test with LIME. Networks and what is said of their
    clips are kept: the same command goes on.
    """
    from hiphoplib.studies.planted_check import check_planted, write_planted

    write_planted(check_planted(folder, networks, jobs=jobs), command, out)


@click.command()
@click.argument("folder", type=_PATH, metavar="FOLDER")
@click.option(
    "--popularity",
    type=_PATH,
    required=True,
    metavar="FILE.csv",
    help="A table with a column of titles or file names, one of streams or popularity, "
    "and perhaps one of release dates; an export of Spotify for Artists is one.",
)
@click.option("--model", type=_PATH, required=True, metavar="models/NAME")
@click.option(
    "--out",
    type=Output(".html", ".htm"),
    metavar="report.html",
    help="Also write the page on these songs, with the back-test as a part of it.",
)
def backtest(folder, popularity, model, out):
    """Check a model on songs of yours that are released: would it have known which went well?

    Columns are known by name: title, song, track or file; streams, plays, listens or popularity;
    release date. Streams are taken per day since release. FOLDER holds the songs.
    """
    from hiphoplib.report.sentences import backtest_lines, describe_model
    from hiphoplib.report.song_page import write_report
    from hiphoplib.scoring.backtest import backtest as test

    tested = test(folder, popularity, model)
    print(describe_model(tested.scored.model), *backtest_lines(tested), sep="\n")
    if out:
        write_report(tested.scored, out, backtest=tested)
        print(f"written: {out}")


@click.command()
@click.argument("corpora", nargs=-1, required=True, type=_PATH, metavar="data/NAME...")
@JSON
@click.pass_obj
def stack_gains(command, corpora, out):
    """Measure what soft labels, more tracks, more networks and the stack bring.

    No test track is looked at: those of training and validation sets are scored out of fold.
    """
    from hiphoplib.studies.training_choices import stack_gains as measure

    measure(corpora, out, command)


@click.command()
@click.argument("models", nargs=-1, required=True, type=_PATH, metavar="models/NAME...")
@click.option(
    "--songs",
    type=_PATH,
    default=Path("data/songs-checked"),
    show_default=True,
    help="Songs are rendered there.",
)
@click.option(
    "--seeds", type=_COUNT, default=10, show_default=True, help="Artists, of ten songs each."
)
@JSON
@click.pass_obj
def check_scoring(command, **options):
    """Check models to score with on rendered songs."""
    from hiphoplib.studies.scoring import check_scoring as check

    check(command=command, **options)


@click.command()
@click.argument("model", type=_PATH, metavar="models/NAME")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    type=_PATH,
    metavar="data/NAME",
    help="Its test clips have to be inside; can be repeated.",
)
@click.option(
    "--real",
    multiple=True,
    type=_PATH,
    metavar="FOLDER",
    help="Real recordings, or a corpus of them, which have to be outside.",
)
@click.option(
    "--songs",
    type=_PATH,
    default=Path("data/songs-checked"),
    show_default=True,
    help="Songs are rendered there.",
)
@click.option(
    "--seeds", type=_COUNT, default=30, show_default=True, help="Artists, of ten songs each."
)
@click.option(
    "--hop", type=float, default=5.0, show_default=True, help="Seconds from one window to the next."
)
@JSON
@click.pass_obj
def check_limits(command, **options):
    """Check what a synthetic model does not know, and how often its orders are right."""
    from hiphoplib.studies.scoring import check_limits as check

    check(command=command, **options)


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="data/NAME[:TRACKS]...")
@click.option("--model", "models", multiple=True, default=("mlp", "crnn"), show_default=True)
@click.option("--choice", "choices", multiple=True, metavar="NAME", help="All if not given.")
@click.option("--seeds", type=_COUNT, default=2, show_default=True)
@JSON
@click.pass_obj
def training_choices(command, choices, **options):
    """Compare ways to train networks by their validation sets, in five folds.

    Trainings are kept: the same command goes on.
    """
    from hiphoplib.studies.training_choices import CHOICES
    from hiphoplib.studies.training_choices import training_choices as compare

    compare(command=command, choices=choices or tuple(CHOICES), **options)


@click.command()
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Can be repeated.")
@JSON
@click.pass_obj
def bench(command, **options):
    """Measure speed and peak memory on this machine; 25 minutes, best with nothing beside it."""
    from hiphoplib.studies.bench import bench as measure

    measure(command=command, **options)


@click.command()
@click.argument("readme", type=_PATH)
@click.argument("results", type=_PATH)
def bench_table(readme, results):
    """Put the tables of a bench between their markers in a page."""
    from hiphoplib.studies.costs import insert_bench

    insert_bench(readme, results)


@click.command()
@click.argument("paths", nargs=-1, type=_PATH, metavar="[NOTEBOOK.ipynb]...")
@click.option(
    "--commit",
    is_flag=True,
    help="Replace the committed report, images and results by those of this run.",
)
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
@click.option("--model", type=_PATH, default=Path("models/synthetic"), show_default=True)
@click.option(
    "--songs",
    type=_PATH,
    default=Path("data/songs"),
    show_default=True,
    help="Ten songs are rendered there if it is empty.",
)
@click.option("--out", type=Output(folder=True), default="images", show_default=True)
@click.option(
    "--example",
    type=Output(".html"),
    default="docs/example_report.html",
    show_default=True,
    help="The page itself.",
)
def pictures(model, songs, out, example):
    """Score ten rendered songs, write the page on them, and photograph it with Chromium."""
    from hiphoplib.studies.documents import make_pictures

    print(*make_pictures(model, songs, out, example), sep="\n")


COMMANDS = (
    render_songs,
    backtest,
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
