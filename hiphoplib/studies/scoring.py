"""Does scoring songs hold? Checked on rendered songs, whose every part has causes that are known.

``python -m hiphoplib.studies.scoring models/NAME …`` asks three things: whether a song's score
moves with the causes in it, whether the part that is called best is better than the others, and
whether another training turns an order round that was called sure.
"""

import argparse
import datetime
import json
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hiphoplib.cli import positive
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate, resample_artists
from hiphoplib.explanation.faithfulness import mean_over
from hiphoplib.io import write_whole
from hiphoplib.models.training import versions
from hiphoplib.scoring.score import FEWEST, reliably_above, score_tracks
from hiphoplib.tracks.synthetic.corpus import WEIGHTS
from hiphoplib.tracks.synthetic.instruments import SR
from hiphoplib.tracks.synthetic.songs import file_name, parts, render_songs

SONGS = 10  # an artist
HEARD_IN = {"voice_presence": "verse", "hat_rolls": "hook"}  # the other causes: everywhere


def planted(seed, number, starts, window=30.0):
    """How far the causes are turned up in each window of a rendered song.

    Parameters
    ----------
    seed, number
        As for `sources.songs.parts`.
    starts : np.ndarray [shape=(n_windows,)]
        In s.
    window : float
        Length of each, in s.

    Returns
    -------
    np.ndarray [shape=(n_windows,)]
        Mean over the window of the weighted causes that can be heard, in standard deviations.
    """
    song = parts(seed, number)
    edges = np.array([part.samples for part in song]) / SR
    heard = np.array([sum(WEIGHTS[cause] * part.recipe.cause(cause)
                          for cause in ("low_end", "voice_presence", "hat_rolls")
                          if HEARD_IN.get(cause, part.role) == part.role) for part in song])
    inside = (np.minimum(edges[:, 1], starts[:, None] + window)
              - np.maximum(edges[:, 0], starts[:, None])).clip(0)
    return inside @ heard / inside.sum(axis=1)


def follows(scored, seed):
    """Whether the scores of rendered songs follow their causes, a row a song.

    Parameters
    ----------
    scored : Scored
        A folder of `render_songs`.
    seed : int
        Its seed.

    Returns
    -------
    np.ndarray [shape=(n_songs, 2)]
        Rank correlation of score and causes over the windows; share of the other windows whose
        causes are turned up less than in the one called best.
    """
    numbers = {file_name(seed, number): number for number in range(1, len(scored.songs) + 1)}
    rows = []
    for song in scored.songs:
        truth = planted(seed, numbers[song.path.name], song.starts, scored.model.grid.seconds)
        best = truth[np.argmax(song.by_window)]
        others = len(truth) - 1
        rows.append((spearmanr(truth, song.by_window).statistic,
                     ((truth < best).sum() + ((truth == best).sum() - 1) / 2) / others))
    return np.array(rows)


def contradicted(scores, networks=FEWEST):
    """Orders that some networks tell, and how many of them the others turn round.

    Parameters
    ----------
    scores : list of np.ndarray [shape=(n_networks, n_windows)]
        Of each song.
    networks : int
        As many tell; every choice of them is tried.

    Returns
    -------
    told, turned : int
        Pairs of songs, summed over the choices; 0 where no network is left to contradict.
    """
    told_in_all, turned = 0, 0
    everyone = set(range(len(scores[0])))
    for some in combinations(everyone, networks) if len(everyone) > networks else ():
        told = reliably_above([song[list(some)] for song in scores])
        others = np.array([song[list(everyone - set(some))].mean() for song in scores])
        told_in_all += int(told.sum())
        turned += int((told & (others[:, None] < others[None, :])).sum())
    return told_in_all, turned


def check(model, folder, seeds):
    """Render songs of some artists, score them, and measure.

    Returns
    -------
    dict
        ``songs``, ``networks``, ``windows`` and ``best`` with ``mean``, ``low``, ``high`` over
        songs, ``told``, ``turned``, and ``seconds``, of a song of three minutes.
    """
    rows, told, turned, minutes, seconds = [], 0, 0, 0.0, 0.0
    for seed in range(seeds):
        songs = Path(folder) / f"seed{seed}"
        render_songs(songs, SONGS, seed)
        scored = score_tracks(songs, model)  # the processes have started
        began = time.perf_counter()
        scored = score_tracks(songs, scored.model)
        seconds += time.perf_counter() - began
        minutes += sum(song.seconds for song in scored.songs) / 60
        rows.append(follows(scored, seed))
        pairs = contradicted([song.scores for song in scored.songs])
        told, turned = told + pairs[0], turned + pairs[1]
    rows = np.concatenate(rows)
    weights = resample_artists(np.arange(len(rows)))
    return {"songs": len(rows), "networks": len(scored.model.networks),
            "corpus": scored.model.card["corpus"]["name"], "model": scored.model.card["model"],
            "windows": mean_over(rows[:, 0], weights), "best": mean_over(rows[:, 1], weights),
            "told": told, "turned": turned, "seconds": 3 * seconds / minutes}


def main(arguments=None):
    """Check models on rendered songs and write down what came out."""
    parser = argparse.ArgumentParser(prog="python -m hiphoplib.studies.scoring",
                                     description=main.__doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="models/NAME")
    parser.add_argument("--songs", type=Path, default=Path("data/songs-checked"), metavar="FOLDER",
                        help="rendered there (default data/songs-checked)")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N",
                        help=f"artists, of {SONGS} songs each (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    try:
        found = {model.name: check(model, options.songs, options.seeds) for model in options.models}
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for each in found.values():
        print(f"{each['model']} of “{each['corpus']}”: rank correlation with the planted causes "
              f"{Estimate.read(each['windows']):.2f}; other windows below the best one "
              f"{Estimate.read(each['best']):.0%}")
    if options.json:
        write_whole(options.json, json.dumps({
            "checked": found, "versions": versions(), "made": datetime.date.today().isoformat(),
            "command": f"python -m hiphoplib.studies.scoring {' '.join(map(str, arguments))}"},
            indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
