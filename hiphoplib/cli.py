"""``python -m hiphoplib``: the stages of the report, for long runs."""

import argparse
import errno
import sys
from pathlib import Path

from hiphoplib.errors import BadInput

PROGRAM = "python -m hiphoplib"
# those of `models.MODELS`, `splits.SPLITS` and `features.KINDS`, which take seconds to import
MODEL_NAMES = ("mlp", "cnn1", "cnn2", "rnn", "crnn")
SPLITS = ("artist", "time", "random")
FEATURES = ("handcrafted", "musicnn")


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
    from hiphoplib.tracks.cleaning import clean_tracks
    from hiphoplib.tracks.gather import gather as gather_corpus
    from hiphoplib.tracks.table import read_rejected

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
    from hiphoplib.evaluation.label import popularity_by_age, version_noise
    from hiphoplib.tracks.describe import shape, write_summary, years_table
    from hiphoplib.tracks.table import read_tracks

    tracks = read_tracks(options.corpus)
    found = shape(tracks) | {"versions": version_noise(tracks), "age": popularity_by_age(tracks)}
    print(f"{found['tracks']:7d}  tracks with a popularity")
    if found["tracks"]:
        print(f"{found['zero']:7.1%}  of them at 0")
        print(f"{sum(found['artists']):7d}  main artists, {found['artists'][0]} with one track")
    if found["artist_share"] is not None:
        print(f"{found['artist_share']:7.1%}  of the variance of popularity is the artist's")
    for year, row in years_table(found).iterrows():
        print(f"{year:7d}  {row['tracks']:5.0f} tracks, median {row['median']:.0f}")
    if options.json:
        write_summary(found, options.json, name=options.name or options.corpus.name,
                    command=f"{PROGRAM} {' '.join(options.arguments)}")


def mels(options):
    """Make the mel store of a corpus."""
    from hiphoplib.audio.mel import GRIDS
    from hiphoplib.dataset.store import make_mels
    from hiphoplib.tracks.cleaning import read_clean
    from hiphoplib.tracks.table import read_rejected

    store = make_mels(read_clean(options.corpus), options.corpus, GRIDS[options.grid],
                      jobs=options.jobs, cluster=options.dask)
    rejected = read_rejected(options.corpus)
    print(f"{len(store):7d}  spectrograms, {store.grid.n_mels} bands x {store.grid.frames} frames")
    print(f"{(rejected['stage'] == 'mels').sum():7d}  clips not usable, see rejected.csv")


def features(options):
    """Make tables of features that need no training here: statistics, and what a tagger hears."""
    from hiphoplib.dataset.features import make_features
    from hiphoplib.tracks.cleaning import read_clean

    tracks = read_clean(options.corpus)
    for kind in options.kind or FEATURES:
        table = make_features(tracks, options.corpus, kind, jobs=options.jobs)
        print(f"{table.notna().all(axis=1).sum():7d}  clips by {table.shape[1]} features, {kind}")


def train(options):
    """Train the models on every seed and fold, as many at once as there are cores."""
    from hiphoplib.models.experiment import train as train_model

    experiment = _experiment(options)
    epochs = {"epochs": options.epochs} if options.epochs else {}
    if options.out and len(options.model) > 1:
        raise BadInput("--out: one model a folder; give --model once")
    folders = train_model(
        experiment, options.model, range(options.seeds), jobs=options.jobs, **epochs
    )
    for model in options.model:
        runs = [folder for folder in folders if folder.parent.name == model]
        print(f"{model}: {len(runs)} runs in {runs[0].parent}")
    if options.out:
        _hand_on(experiment, options.model[0], options.out, range(options.seeds))


def _hand_on(experiment, model, folder, seeds):
    """Put a trained model into a folder, and say how to go on."""
    from hiphoplib.scoring.model_folder import save_model
    from hiphoplib.scoring.score import FEWEST

    save_model(experiment, model, folder, seeds)
    print(f"{folder}: all that scoring needs; "
          f"{PROGRAM} score FOLDER --model {folder} --out report.html")
    networks = len(seeds) * experiment.sides.shape[1]
    if networks < FEWEST:
        print(f"it has {networks} of the {FEWEST} networks that it takes to put one song above "
              f"another; --seeds {FEWEST} trains them")


def evaluate(options):
    """Metrics of every model of the ladder, to the screen and to a results file."""
    from hiphoplib.evaluation.evaluate import evaluate as evaluate_experiment
    from hiphoplib.evaluation.evaluate import write_results
    from hiphoplib.studies.learning_curve import DRAWS, compare_splits, power

    experiment = _experiment(options)
    command = f"{PROGRAM} {' '.join(options.arguments)}"
    results, _ = evaluate_experiment(experiment, options.model, command=command)
    if options.splits:
        results["splits"] = compare_splits(experiment)
    if options.power:
        results["power"] = power(experiment, DRAWS)
    protocol = results["protocol"]
    print(f"{protocol['test_tracks']} held-out tracks, split by {protocol['split']}, "
          + (f"{protocol['folds']} folds" if protocol["folds"] else "one holdout"))
    for name, model in results["models"].items():
        auc, accuracy = model["auc"], model["accuracy"]
        print(f"{name:13s} AUC {auc['mean']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]   "
              f"accuracy {accuracy['mean']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]")
    if options.json:
        write_results(results, options.json)


def explain(options):
    """Explain one track: a picture, sentences, and on request what is claimed to listen to."""
    from hiphoplib.explanation.cache import explain_track
    from hiphoplib.explanation.segments import as_wav, hear
    from hiphoplib.io import write_whole
    from hiphoplib.report.figures_explanation import explanation
    from hiphoplib.report.sentences_songs import told
    from hiphoplib.report.style import label_of, save, use_style
    from hiphoplib.tracks.previews import clip_path

    use_style()
    experiment = _experiment(options)
    found, S_db = explain_track(experiment, options.model, options.track)
    title = f"{options.track}: what the {label_of(options.model)} listens to"
    save(explanation(S_db, found, title=title), options.out)
    print(f"{options.track}:\n{told(found, options.model)}")
    if options.wav:
        heard = hear(clip_path(options.corpus, experiment.tracks.loc[options.track]), found)
        for name, sound in heard.items():
            write_whole(options.wav / f"{name}.wav", as_wav(*sound))
        print(f"written to {options.wav}: {', '.join(heard)}" if heard else "nothing to listen to")


def _experiment(options):
    """The corpus that a command names, split as it says."""
    from hiphoplib.models.experiment import prepare

    return prepare(options.corpus, options.grid, options.split, options.folds)


def _parser():
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(
        "Which unreleased tracks have a chance? The stages of the report as commands: gather, "
        "describe, mels, features, train, evaluate, explain; and score, for songs that are not "
        "out. Each goes on where it was stopped."))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_sources(_add(commands, gather, "gather tracks and their clips into a corpus"))
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
    features_parser = _add(commands, features, "make features of a corpus that need no training")
    features_parser.add_argument("corpus", type=Path, metavar="data/NAME",
                                 help="a corpus of `gather`")
    features_parser.add_argument("--kind", action="append", choices=FEATURES, metavar="KIND",
                                 help=f"{' or '.join(FEATURES)} (default: both)")
    _add_jobs(features_parser)
    train_parser = _add(commands, train, "train networks on it")
    _add_protocol(train_parser)
    train_parser.add_argument("--model", action="append", choices=MODEL_NAMES, metavar="NAME",
                              required=True, help=f"{', '.join(MODEL_NAMES)}; can be repeated")
    train_parser.add_argument("--seeds", type=positive, default=1, metavar="N",
                              help="trainings a model, seeds 0 to N-1 (default 1)")
    _add_jobs(train_parser)
    train_parser.add_argument("--epochs", type=positive, metavar="N",
                              help="at most so many; training stops early (default 25)")
    evaluate_parser = _add(commands, evaluate, "measure them on the tracks held out")
    _add_protocol(evaluate_parser)
    evaluate_parser.add_argument("--model", action="append", metavar="NAME",
                                 help="only this one; can be repeated (default: all that can be)")
    evaluate_parser.add_argument("--splits", action="store_true", help="also compare the splits by "
                                 "artist, time and chance, for models that are trained in folds "
                                 "under each")
    evaluate_parser.add_argument("--power", action="store_true", help="also find how many tracks "
                                 "a finding needs; trains the crnn on smaller corpora")
    evaluate_parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    train_parser.add_argument("--out", type=Path, metavar="models/NAME", help="also put the "
                              "trained model into one folder that `score` takes and that can be "
                              "copied anywhere; with one --model")
    explain_parser = _add(commands, explain, "explain one track by LIME: picture, words, sound")
    _add_protocol(explain_parser)
    explain_parser.add_argument("track", metavar="TRACK_ID", help="id in the tracks table")
    explain_parser.add_argument("--model", choices=MODEL_NAMES, default="rnn", metavar="NAME",
                                help="which trained model (default rnn)")
    explain_parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    explain_parser.add_argument("--wav", type=Path, metavar="FOLDER", help="also write the clip "
                                "with only what is claimed, and without it")
    add_score(_add(commands, score, "score a folder of unreleased songs, with a report"))
    return parser


def _add(commands, run, what):
    """A command named after the function that runs it."""
    parser = commands.add_parser(run.__name__, help=what, description=f"{run.__doc__}")
    parser.set_defaults(run=run)
    return parser


def _add_corpus(parser):
    parser.add_argument("corpus", type=Path, metavar="data/NAME", help="a corpus of `gather`")
    parser.add_argument("--grid", choices=("quick", "full"), default="quick",
                        help="64 bands x 323 frames, or 128 x 1292 as in 2021 (default quick)")


def _add_protocol(parser):
    _add_corpus(parser)
    parser.add_argument("--split", choices=SPLITS, default="artist",
                        help="keep artists on one side (default), hold out the newest, or neither")
    parser.add_argument("--folds", type=int, metavar="K",
                        help="0: one holdout of 10 %%; K: cross-validation (default 5 below "
                             "500 tracks, 3 below 1000, else 0)")


def _add_jobs(parser):
    parser.add_argument("--jobs", type=int, default=-1, metavar="N",
                        help="processes (default: one a core; results do not depend on it)")


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
        source.add_argument("--offline", action="store_true", help="make the table again from "
                            "cached responses, and ask for nothing")
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
