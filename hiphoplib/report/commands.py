"""The artist's commands: score songs, render some to try it with, test a model on released ones."""

import click
from click import argument, option

from hiphoplib.errors import BadInput
from hiphoplib.options import JOBS, PATH, Output, flag, number


@click.command()
@argument("folder", type=PATH, metavar="FOLDER")
@option(
    "--model",
    type=PATH,
    required=True,
    metavar="models/NAME",
    help="A folder that `train --out` made; `make report` leaves models/synthetic.",
)
@option(
    "--out",
    type=Output(".html", ".htm"),
    required=True,
    metavar="report.html",
    help="The page, one file that opens on a phone.",
)
@flag("--no-audio", help="Leave out the players, so that nobody can play your songs from the page.")
@number(
    "--details",
    default=10,
    help="How many songs get a curve and a player, the highest scores first.",
)
@option(
    "--passages",
    type=click.IntRange(min=0),
    default=3,
    help="For up to how many songs that stand out to name the passages that move the score.",
)
@option("--hop", type=float, default=5.0, help="Seconds from one window of 30 s to the next.")
@JOBS
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


COMMANDS = (score, render_songs, backtest)
