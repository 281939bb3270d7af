"""``python -m hiphoplib score``: what the client's command takes and does."""

from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.gather_options import positive


def add_score(parser):
    """Options of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER",
                        help="of whole songs: mp3, wav, flac, ogg, m4a; or one such file")
    parser.add_argument("--model", type=Path, required=True, metavar="models/NAME",
                        help="a folder of `train --out`; `make report` leaves models/synthetic")
    parser.add_argument("--out", type=Path, required=True, metavar="report.html",
                        help="the report, one file that opens on a phone")
    parser.add_argument("--no-audio", dest="audio", action="store_false",
                        help="leave out the players: nobody hears your songs from the report")
    parser.add_argument("--no-explain", dest="explain", action="store_false",
                        help="leave out the explanations, which take most of the time")
    parser.add_argument("--details", type=positive, default=10, metavar="N",
                        help="show so many songs one by one, the highest scores first (default 10)")
    parser.add_argument("--hop", type=float, default=5.0, metavar="S",
                        help="listen to 30 s every so many seconds (default 5)")
    parser.add_argument("--jobs", type=int, default=-1, metavar="N",
                        help="processes (default: one a core)")


def score(options):
    """Score a folder of unreleased songs and write a report to look at and listen to."""
    from hiphoplib.report.sentences_songs import BANNER, headline, on_screen
    from hiphoplib.report.song_page import check_path, write_report
    from hiphoplib.scoring.score import score_tracks

    check_path(options.out)
    scored = score_tracks(options.folder, options.model, hop=options.hop, jobs=options.jobs)
    print(on_screen(scored))
    for name, reason in scored.rejected.items():
        print(f"not scored: {name}: {reason}")
    if not scored.songs:
        raise BadInput(f"{options.folder}: none of {len(scored.rejected)} files could be scored; "
                       "the lines above say why")
    print(headline(scored))
    if scored.model.card["synthetic"]:
        print(BANNER)
    write_report(scored, options.out, audio=options.audio, explaining=options.explain,
                 details=options.details)
    print(f"written: {options.out}")
