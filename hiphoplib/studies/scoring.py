"""Does scoring songs hold? Checked on rendered songs, of whose every part the causes are known."""

import datetime
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hiphoplib.evaluation.bootstrap import Bootstrap, Estimate
from hiphoplib.evaluation.evaluate import write_results
from hiphoplib.explanation.lime import mean_over
from hiphoplib.models.training import versions
from hiphoplib.scoring.score import score_tracks
from hiphoplib.tracks.synthetic.beats import SR
from hiphoplib.tracks.synthetic.corpus import WEIGHTS
from hiphoplib.tracks.synthetic.songs import file_name, parts, render_songs

_SONGS = 10  # an artist
# Parts in which a cause that differs from part to part acts, and causes that act where it leads to
# a hook. The arrangement is that of the whole song, and no window holds all of a hook's return.
_ROLES = {"low_end": ("intro", "verse", "lead", "hook", "bridge", "end"),
          "voice_presence": ("verse",), "hat_rolls": ("verse", "hook")}
_LEADS = "riser", "drop"


def check_scoring(models: Sequence[Path | str], songs: Path | str, seeds: int,
                  out: Path | str | None = None, command: str | None = None) -> None:
    """Check models on rendered songs, print the findings, and write them down.

    Does a song's score move with the causes in it? Is the part with the best score better than the
    others? Intervals are over artists.

    Parameters
    ----------
    models : sequence of path-like
        Folders of models to score with.
    songs : path-like
        Songs are rendered into this folder.
    seeds : int
        How many artists, of ten songs each.
    out : path-like, optional
        Write the results here.
    command : str, optional
        What to write down as the way to repeat this.
    """
    results = {Path(model).name: _check(model, songs, seeds) for model in models}
    for each in results.values():
        print(f"{each['model']} of “{each['corpus']}”: rank correlation with the planted causes "
              f"{Estimate.read(each['windows']):.2f}; other windows below the best one "
              f"{Estimate.read(each['best']):.0%}")
    if out:
        write_results({"checked": results, "versions": versions(), "command": command,
                       "made": datetime.date.today().isoformat()}, out)


def _check(model, folder, seeds):
    """Return what a results file says of a model, dict; ``seconds`` are of a song of 3 minutes."""
    rows, minutes, seconds = [], 0.0, 0.0
    for seed in range(seeds):
        songs = Path(folder) / f"seed{seed}"
        render_songs(songs, _SONGS, seed)
        scored = score_tracks(songs, model)  # the processes have started
        began = time.perf_counter()
        scored = score_tracks(songs, scored.model)
        seconds += time.perf_counter() - began
        minutes += sum(song.seconds for song in scored.songs) / 60
        rows.append(_agreement(scored, seed))
    windows, best = np.concatenate(rows).T
    weights = Bootstrap(np.repeat(np.arange(seeds), [len(each) for each in rows])).weights
    return {"songs": len(windows), "trainings": len(scored.model.trainings),
            "corpus": scored.model.card["corpus"]["name"], "model": scored.model.card["model"],
            "windows": mean_over(windows, weights), "best": mean_over(best, weights),
            "artists": seeds, "seconds": 3 * seconds / minutes}


def _causes(seed, number, starts, window=30.0):
    """Return the weighted sum of a song's causes in each window, np.ndarray, in deviations.

    The mean of what differs from part to part, and what leads to a hook, as far as that is heard.
    `starts` and `window` are in s; `seed` and `number` as for `songs.parts`.
    """
    song = parts(seed, number)
    edges = np.array([part.samples for part in song]) / SR
    worth = [{name: WEIGHTS[name] * value for name, value in part.recipe.effects().items()}
             for part in song]
    lasting = np.array([sum(each[name] for name, roles in _ROLES.items() if part.role in roles)
                        for part, each in zip(song, worth)])
    leads = np.array([part.role == "lead" for part in song])
    inside = (np.minimum(edges[:, 1], starts[:, None] + window)
              - np.maximum(edges[:, 0], starts[:, None])).clip(0)
    heard = (inside / np.diff(edges).T)[:, leads].max(axis=1)
    lead = sum(worth[int(np.argmax(leads))][name] for name in _LEADS)
    return inside @ lasting / inside.sum(axis=1) + heard * lead


def _agreement(scored, seed):
    """Return how well the scores of rendered songs follow their causes, np.ndarray, a row a song.

    Rank correlation over the windows; share of the other windows with less of the causes than the
    one with the best score.
    """
    numbers = {file_name(seed, number): number for number in range(1, len(scored.songs) + 1)}
    rows = []
    for song in scored.songs:
        truth = _causes(seed, numbers[song.path.name], song.starts, scored.model.grid.seconds)
        best = truth[np.argmax(song.by_window)]
        rows.append((spearmanr(truth, song.by_window).statistic,
                     ((truth < best).sum() + ((truth == best).sum() - 1) / 2) / (len(truth) - 1)))
    return np.array(rows)
