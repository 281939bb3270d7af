"""Options of ``python -m hiphoplib gather``: each source has its own."""

import argparse
from pathlib import Path


def add_sources(parser):
    """Give the parser of ``gather`` one command a source."""
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    synthetic = _add_source(sources, "synthetic", "hip-hop beats with a known truth", n=600)
    folder = _add_source(sources, "folder", "a folder with tracks.csv and its audio")
    folder.add_argument("path", type=Path, metavar="FOLDER")
    folder.add_argument("--allow-http", action="store_true",
                        help="also take previews from addresses that are not https")
    fma = _add_source(sources, "fma", "Creative Commons music and its listens, from the Free Music "
                      "Archive; downloads 342 MiB of metadata once, then about 1 MB a clip", n=4000)
    fma.add_argument("--genre", default="Hip-Hop", help="as the archive spells it "
                     "(default Hip-Hop)")
    fma.add_argument("--zip", type=Path, metavar="FILE",
                     help="fma_large.zip (93 GiB), where you have it; else clips are read from "
                          "the archive's server one by one")
    fma.add_argument("--metadata", type=Path, metavar="FILE",
                     help="fma_metadata.zip, where you have it")
    spotify = _add_source(sources, "spotify", "Spotify's search, for applications that still get "
                          "popularity and previews; needs SPOTIPY_CLIENT_ID and "
                          "SPOTIPY_CLIENT_SECRET in the environment", n=1000)
    spotify.add_argument("--genre", default="hip-hop", help="as Spotify's search spells it "
                         "(default hip-hop)")
    spotify.add_argument("--i-have-permission", dest="permission", action="store_true",
                         help="Spotify has allowed you to train on its content, which its terms "
                              "forbid otherwise")
    jamendo = _add_source(sources, "jamendo", "Creative Commons music and its listens, from "
                          "Jamendo; needs JAMENDO_CLIENT_ID in the environment", n=1000)
    jamendo.add_argument("--tag", default="hiphop", help="(default hiphop)")
    for source in (fma, jamendo):
        source.add_argument("--no-derivatives", action="store_true",
                            help="train also on tracks whose licence forbids derivatives")
    for source, years in ((spotify, (1990, 2025)), (jamendo, (2005, 2025))):
        source.add_argument("--years", type=_years, metavar="FIRST-LAST", default=years,
                            help=f"of release (default {years[0]}-{years[1]})")
        source.add_argument("--offline", action="store_true", help="make the table again from the "
                            "answers that are kept, and ask for none")
    settings = {synthetic: "n seed", folder: "path allow_http", fma: "n seed genre zip metadata "
                "no_derivatives", spotify: "n seed genre years permission offline",
                jamendo: "n seed tag years offline no_derivatives"}
    for source, names in settings.items():
        source.set_defaults(settings=names.split())


def _add_source(sources, name, what, n=None):
    """``gather NAME`` with the options that all sources have; `n` is the default of those."""
    source = sources.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    source.add_argument("--out", type=Path, required=True, metavar="data/NAME",
                        help="the corpus to make or to finish")
    if n:
        source.add_argument("--n", type=positive, default=n,
                            help=f"tracks (default {n})")
        source.add_argument("--seed", type=int, default=0, help="another seed, other tracks "
                            "(default 0)")
    source.add_argument("--retry-rejected", action="store_true",
                        help="ask once more for the clips that rejected.csv names")
    source.add_argument("--jobs", type=int, metavar="N", help="clips at a time (default: one a "
                        "core, four from a service)")
    return source


def _years(text):
    """First and last year of "1990-2020", or of "1999"."""
    first, _, last = text.partition("-")
    try:
        years = int(first), int(last or first)
    except ValueError:
        years = 1, 0
    if not 1900 <= years[0] <= years[1] <= 2100:
        raise argparse.ArgumentTypeError(f"{text} is not like 1990-2020")
    return years


def positive(text):
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number
