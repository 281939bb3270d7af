"""``python -m hiphoplib``: the stages of the report, for long runs."""

import argparse
import errno
import sys
from pathlib import Path

from .errors import BadInput

PROGRAM = "python -m hiphoplib"
# those of `models.MODELS` and `splits.SPLITS`, which take seconds to import
MODEL_NAMES = ("mlp", "cnn1", "cnn2", "rnn", "crnn")
SPLITS = ("artist", "random")


def main(arguments=None):
    """Run one command; the exit status is 0, 1 for an error told in one line, 2 for wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    options.arguments = arguments
    try:
        options.run(options)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        print(f"error: {error.filename or 'file'}: {error.strerror or error}"
              + ("; make room, the same command goes on from here" if full else ""),
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def gather(options):
    """Gather a corpus and say what came."""
    from .corpus import gather as gather_corpus
    from .rejected import read_rejected
    from .tracks import clean_tracks

    settings = {name: getattr(options, name) for name in options.settings}
    tracks = gather_corpus(options.source, options.out, jobs=options.jobs,
                           retry_rejected=options.retry_rejected, **settings)
    clean, steps = clean_tracks(tracks)
    for step in steps.itertuples():
        print(f"{step.left:7d}  {step.step}" + (f"  (-{step.gone})" if step.gone else ""))
    missing = (read_rejected(options.out)["stage"] == "previews").sum()
    print(f"{missing:7d}  clips missing, see rejected.csv"
          + ("; --retry-rejected asks again" if missing else ""))
    for flag, count in clean["flag"].value_counts().items():
        print(f"{count:7d}  flagged as {flag}, left in")


def describe(options):
    """Say what a corpus looks like, in numbers that name no track and no artist."""
    from .shape import shape, write_shape, years_table
    from .tracks import read_tracks

    found = shape(read_tracks(options.corpus))
    print(f"{found['tracks']:7d}  tracks with a popularity")
    if found["tracks"]:
        print(f"{found['zero']:7.1%}  of them at 0")
        print(f"{sum(found['artists']):7d}  main artists, {found['artists'][0]} with one track")
    if found["artist_share"] is not None:
        print(f"{found['artist_share']:7.1%}  of the variance of popularity is the artist's")
    for year, row in years_table(found).iterrows():
        print(f"{year:7d}  {row['tracks']:5.0f} tracks, median {row['median']:.0f}")
    if options.json:
        write_shape(found, options.json, name=options.name or options.corpus.name,
                    command=f"{PROGRAM} {' '.join(options.arguments)}")


def mels(options):
    """Make the mel store of a corpus."""
    from .mel import GRIDS, make_mels
    from .rejected import read_rejected
    from .tracks import clean_tracks, read_tracks

    tracks, _ = clean_tracks(read_tracks(options.corpus))
    store = make_mels(tracks, options.corpus, GRIDS[options.grid], jobs=options.jobs,
                      cluster=options.dask)
    rejected = read_rejected(options.corpus)
    print(f"{len(store):7d}  spectrograms, {store.grid.n_mels} bands x {store.grid.frames} frames")
    print(f"{(rejected['stage'] == 'mels').sum():7d}  clips not usable, see rejected.csv")


def train(options):
    """Train the models on every seed and fold."""
    from .experiment import train as train_model

    task = _task(options)
    epochs = {"epochs": options.epochs} if options.epochs else {}
    for model in options.model:
        folders = train_model(task, model, range(options.seeds), **epochs)
        print(f"{model}: {len(folders)} runs in {folders[0].parent}")


def evaluate(options):
    """Metrics of every trained model, to the screen and to a results file."""
    from .evaluation import evaluate as evaluate_task
    from .evaluation import write_results

    task = _task(options)
    command = f"{PROGRAM} {' '.join(options.arguments)}"
    results, _ = evaluate_task(task, options.model, command=command)
    protocol = results["protocol"]
    print(f"{protocol['heldout']} held-out tracks, split by {protocol['split']}, "
          + (f"{protocol['folds']} folds" if protocol["folds"] else "one holdout"))
    for name, model in results["models"].items():
        auc, accuracy = model["auc"], model["accuracy"]
        print(f"{name:8s} AUC {auc['mean']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]   "
              f"accuracy {accuracy['mean']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]")
    if options.json:
        write_results(results, options.json)


def explain(options):
    """Explain one track by LIME and draw it."""
    from .explain import claims, explain_track
    from .plots import explanation, save, use_style

    use_style()
    task = _task(options)
    found, S_db = explain_track(task, options.model, options.track)
    title = f"{options.track}: what the {options.model} listens to"
    save(explanation(S_db, found, title=title), options.out)
    print(f"{options.track}: probability of being popular {found.probability:.2f}")
    for sentence in claims(found) or ["No part of the clip can be claimed to speak either way."]:
        print(f"  {sentence}")


def _task(options):
    """The corpus that a command names, split as it says."""
    from .experiment import prepare

    return prepare(options.corpus, options.grid, options.split, options.folds)


def _parser():
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(
        "Which unreleased tracks have a chance? The stages of the report as commands: gather, "
        "describe, mels, train, evaluate, explain. Each goes on where it was stopped."))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_gather(commands)
    describe_parser = _add(commands, describe, "the shape of a corpus, in numbers")
    describe_parser.add_argument("corpus", type=Path, metavar="data/NAME",
                                 help="a corpus of `gather`")
    describe_parser.add_argument("--json", type=Path, metavar="FILE", help="write them here")
    describe_parser.add_argument("--name", help="what they are of (default: the folder's name)")
    mels_parser = _add(commands, mels, "make the mel spectrograms of a corpus")
    _add_corpus(mels_parser)
    _add_jobs(mels_parser)
    mels_parser.add_argument("--dask", metavar="tcp://HOST:PORT",
                             help="let the workers of this Dask scheduler read the clips; they "
                                  "see the corpus under the same path and have this project")
    train_parser = _add(commands, train, "train networks on it")
    _add_protocol(train_parser)
    train_parser.add_argument("--model", action="append", choices=MODEL_NAMES, metavar="NAME",
                              required=True, help=f"{', '.join(MODEL_NAMES)}; can be repeated")
    train_parser.add_argument("--seeds", type=_positive, default=1, metavar="N",
                              help="trainings a model, seeds 0 to N-1 (default 1)")
    train_parser.add_argument("--epochs", type=_positive, metavar="N",
                              help="at most so many; training stops early (default 25)")
    evaluate_parser = _add(commands, evaluate, "measure them on the tracks held out")
    _add_protocol(evaluate_parser)
    evaluate_parser.add_argument("--model", action="append", choices=MODEL_NAMES, metavar="NAME",
                                 help="only this one; can be repeated (default: all trained)")
    evaluate_parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    explain_parser = _add(commands, explain, "explain one track by LIME, as a picture")
    _add_protocol(explain_parser)
    explain_parser.add_argument("track", metavar="TRACK_ID", help="id in the tracks table")
    explain_parser.add_argument("--model", choices=MODEL_NAMES, default="rnn", metavar="NAME",
                                help="which trained model (default rnn)")
    explain_parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    return parser


def _add(commands, run, what):
    """A command named after the function that runs it."""
    parser = commands.add_parser(run.__name__, help=what, description=f"{run.__doc__}")
    parser.set_defaults(run=run)
    return parser


def _add_gather(commands):
    """``gather SOURCE``, each source with its own options."""
    parser = _add(commands, gather, "gather tracks and their clips into a corpus")
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
        source.add_argument("--n", type=_positive, default=n,
                            help=f"tracks (default {n})")
        source.add_argument("--seed", type=int, default=0, help="another seed, other tracks "
                            "(default 0)")
    source.add_argument("--retry-rejected", action="store_true",
                        help="ask once more for the clips that rejected.csv names")
    source.add_argument("--jobs", type=int, metavar="N", help="clips at a time (default: one a "
                        "core, four from a service)")
    return source


def _add_corpus(parser):
    parser.add_argument("corpus", type=Path, metavar="data/NAME", help="a corpus of `gather`")
    parser.add_argument("--grid", choices=("quick", "full"), default="quick",
                        help="64 bands x 323 frames, or 128 x 1292 as in 2021 (default quick)")


def _add_protocol(parser):
    _add_corpus(parser)
    parser.add_argument("--split", choices=SPLITS, default="artist",
                        help="keep artists on one side, or not (default artist)")
    parser.add_argument("--folds", type=int, metavar="K",
                        help="0: one holdout of 10 %%; K: cross-validation (default 5 below "
                             "500 tracks, 3 below 1000, else 0)")


def _add_jobs(parser):
    parser.add_argument("--jobs", type=int, default=-1, metavar="N",
                        help="processes (default: one a core)")


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


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
