"""Commands of the artist, of studies, and of what makes the documentation."""

from functools import partial
from pathlib import Path

import click
from click import Choice, argument, option, pass_obj

from hiphoplib.errors import BadInput
from hiphoplib.options import CORPUS, JOBS, JSON, PATH, Output, flag, folder, number

PARTS = ("report", "startup", "mel", "workers", "training", "explain", "memory")  # of a bench
_SONGS = option(
    "--songs", type=PATH, default=Path("data/songs-checked"), help="Songs are rendered there."
)
_seeds = partial(number, "--seeds", help="Artists, of ten songs each.")


@click.command()
@argument("folder", type=PATH, metavar="FOLDER")
@option(
    "--model",
    type=PATH,
    required=True,
    metavar="models/NAME",
    help="A folder of `train --out`; `make report` leaves models/synthetic.",
)
@option(
    "--out",
    type=Output(".html", ".htm"),
    required=True,
    metavar="report.html",
    help="The report, one file that opens on a phone.",
)
@flag("--no-audio", help="Leave out the players: nobody can play your songs from the report.")
@number(
    "--details",
    default=10,
    help="So many songs have a curve and a player, the highest scores first.",
)
@option(
    "--passages",
    type=click.IntRange(min=0),
    default=3,
    help="Say which passages move the score of so many songs that stand out.",
)
@option("--hop", type=float, default=5.0, help="Seconds from a window of 30 s to the next.")
@JOBS
def score(folder, model, out, no_audio, details, passages, hop, jobs):
    """Score unreleased songs, and write a report to look at and listen to.

    FOLDER holds whole songs, of any format that FFmpeg decodes; or name one such file.
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


@click.command()
@argument("folder", type=Output(folder=True), metavar="FOLDER")
@number("--n", default=10, help="Songs.")
@option("--seed", default=0, help="Another seed, another artist with other songs.")
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
@argument("folder", type=PATH, metavar="FOLDER")
@option(
    "--popularity",
    type=PATH,
    required=True,
    metavar="FILE.csv",
    help="A table with a column of titles or file names, one of streams or popularity, "
    "and perhaps one of release dates; an export of Spotify for Artists is one.",
)
@option("--model", type=PATH, required=True, metavar="models/NAME")
@option(
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
    score,
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
