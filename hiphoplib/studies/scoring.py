"""Does scoring songs hold? Checked on rendered songs, of whose every part the causes are known."""

import datetime
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hiphoplib.audio.windows import HOP, find_songs, windows_or_reason
from hiphoplib.dataset.features import make_features, song_features
from hiphoplib.evaluation.bootstrap import Bootstrap, Estimate, mean_over
from hiphoplib.evaluation.evaluate import read_results, write_results
from hiphoplib.evaluation.selection import order_accuracy, selective_accuracy
from hiphoplib.models.calibration import fit_domain
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import versions
from hiphoplib.scoring.model_folder import load_model
from hiphoplib.scoring.score import score_tracks
from hiphoplib.tracks.cleaning import read_clean
from hiphoplib.tracks.synthetic.beats import SR
from hiphoplib.tracks.synthetic.corpus import WEIGHTS
from hiphoplib.tracks.synthetic.songs import file_name, parts, popularities, render_songs

_SONGS = 10  # an artist
# Parts in which a cause that differs from part to part acts, and causes that act where it leads to
# a hook. The arrangement is that of the whole song, and no window holds all of a hook's return.
_ROLES = {
    "low_end": ("intro", "verse", "lead", "hook", "bridge", "end"),
    "voice_presence": ("verse",),
    "hat_rolls": ("verse", "hook"),
}
_LEADS = "riser", "drop"


def check_scoring(
    models: Sequence[Path | str],
    songs: Path | str,
    seeds: int,
    out: Path | str | None = None,
    command: str | None = None,
) -> None:
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
        print(
            f"{each['model']} of “{each['corpus']}”: rank correlation with the planted causes "
            f"{Estimate.read(each['windows']):.2f}; other windows below the best one "
            f"{Estimate.read(each['best']):.0%}"
        )
    if out:
        write_results(
            (read_results(out) if Path(out).is_file() else {})
            | {
                "checked": results,
                "versions": versions(),
                "command": command,
                "seconds_per_song": {name: each.pop("seconds") for name, each in results.items()},
                "made": datetime.date.today().isoformat(),
            },
            out,
        )


def check_limits(
    model: Path | str,
    corpora: Sequence[Path | str],
    real: Sequence[Path | str],
    songs: Path | str,
    seeds: int,
    hop: float = HOP,
    out: Path | str | None = None,
    command: str | None = None,
) -> None:
    """Check that a model knows what it does not know, and how often its orders are right.

    Which recordings are outside its domain? How many test clips of other corpora are outside what
    was learnt from them? On rendered songs, how many orders by its margin are right?

    Parameters
    ----------
    model : path-like
        Folder of a model of a synthetic corpus.
    corpora : sequence of path-like
        Corpora whose test clips have to be inside, fold by fold.
    real : sequence of path-like
        Folders or corpora of real recordings, which have to be outside.
    songs : path-like
        Songs are rendered into this folder.
    seeds : int
        How many artists, of ten songs each.
    hop : float
        As of `score_tracks`.
    out, command
        As of `check_scoring`; what else the file holds stays.
    """
    loaded = load_model(model)
    flagged = {"/".join(Path(folder).parts[-2:]): _flagged(folder, loaded) for folder in real}
    own = {Path(corpus).name: _own_flagged(corpus) for corpus in corpora}
    order, own["rendered songs"] = _orders(loaded, Path(songs), seeds, hop)
    outside = {
        "real_flagged": _together(flagged),
        "own_flagged": _together(own),
        "corpus": loaded.card["corpus"]["name"],
        "real": flagged,
        "own": own,
    }
    print(
        "outside: {real_flagged:.1%} of real recordings, {own_flagged:.1%} of its own kind".format(
            **outside
        )
    )
    print(
        f"orders: {order['share_answered']:.0%} of pairs are answered, right: "
        + (f"{Estimate.read(order['accuracy']):.2f}" if order["accuracy"] else "none is")
    )
    if out:
        kept = read_results(out) if Path(out).is_file() else {}
        write_results(kept | {"unlike": outside, "order": order, "limits_command": command}, out)


def _orders(model, songs, seeds, hop):
    """Orders of rendered songs, and how many of them are outside."""
    rows, outside = [], 0
    for seed in range(seeds):
        paths = render_songs(songs / f"seed{seed}", _SONGS, seed)
        drawn = dict(zip((path.name for path in paths), popularities(seed, _SONGS)))
        scored = score_tracks(songs / f"seed{seed}", model, hop=hop)
        outside += len(scored.unlike)
        rows += [(drawn[song.path.name], song.score, str(seed)) for song in scored.songs]
    popularity, scores, artists = map(np.array, zip(*rows))
    found = order_accuracy(popularity, scores, artists, model.margin) or {
        "accuracy": None,
        "share": 0.0,
    }
    order = {
        "accuracy": found["accuracy"],
        "share_answered": found["share"],
        "margin": model.margin if np.isfinite(model.margin) else None,
        "model": model.card["model"],
        "corpus": model.card["corpus"]["name"],
        "artists": seeds,
        "songs": len(rows),
        "hop": hop,
        "all_pairs": order_accuracy(popularity, scores, artists, 0.0),
        "by_share": selective_accuracy(popularity, scores, artists),
    }
    n = _SONGS * seeds
    return order, {"n": n, "share": outside / n}


def _together(sets):
    """Share that is flagged of all sets together."""
    total = sum(each["n"] for each in sets.values())
    return sum(each["n"] * each["share"] for each in sets.values()) / total if total else None


def _flagged(folder, model):
    """How many recordings a folder or a corpus has, and what share is outside a model's domain."""
    if (Path(folder) / "source.json").is_file():
        X = make_features(read_clean(folder), folder, "handcrafted").dropna()
        outside = model.domain.distance(X) > model.domain.limit
    else:
        outside = [
            model.domain.outside(song_features(windows, ["handcrafted"]))
            for path in find_songs(folder)[0]
            if not isinstance(
                windows := windows_or_reason((path, model.grid, HOP, ["handcrafted"])), str
            )
        ]
    return {"n": len(outside), "share": float(np.mean(outside))}


def _own_flagged(corpus):
    """How many test clips a corpus has, and what share is outside the rest of its fold."""
    experiment = prepare(corpus)
    X = make_features(read_clean(experiment.folder), experiment.folder, "handcrafted")
    outside = [
        (domain.distance(X.loc[ids]) > domain.limit).sum()
        for fold in experiment.sides
        for ids in [experiment.ids(fold, "test")]
        for domain in [
            fit_domain(X, [(experiment.ids(fold, "train"), experiment.ids(fold, "validation"))])
        ]
    ]
    n = sum(len(experiment.ids(fold, "test")) for fold in experiment.sides)
    return {"n": n, "share": float(sum(outside) / n)}


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
    return {
        "songs": len(windows),
        "trainings": len(scored.model.trainings),
        "corpus": scored.model.card["corpus"]["name"],
        "model": scored.model.card["model"],
        "windows": mean_over(windows, weights),
        "best": mean_over(best, weights),
        "artists": seeds,
        "seconds": 3 * seconds / minutes,
    }


def _causes(seed, number, starts, window=30.0):
    """Return the weighted sum of a song's causes in each window, np.ndarray, in deviations.

    The mean of what differs from part to part, and what leads to a hook, as far as that is heard.
    `starts` and `window` are in s; `seed` and `number` as for `songs.parts`.
    """
    song = parts(seed, number)
    edges = np.array([part.samples for part in song]) / SR
    worth = [
        {name: WEIGHTS[name] * value for name, value in part.recipe.effects().items()}
        for part in song
    ]
    lasting = np.array(
        [
            sum(each[name] for name, roles in _ROLES.items() if part.role in roles)
            for part, each in zip(song, worth)
        ]
    )
    leads = np.array([part.role == "lead" for part in song])
    inside = (
        np.minimum(edges[:, 1], starts[:, None] + window) - np.maximum(edges[:, 0], starts[:, None])
    ).clip(0)
    heard = (inside / np.diff(edges).T)[:, leads].max(axis=1)
    lead = sum(worth[int(np.argmax(leads))][name] for name in _LEADS)
    return inside @ lasting / inside.sum(axis=1) + heard * lead


def _agreement(scored, seed):
    """Return how well the scores of rendered songs follow their causes, np.ndarray, a row a song.

    Rank correlation over the windows; share of the other windows with less of the causes than the
    one with the best score.
    """
    numbers = {file_name(seed, number): number for number in range(1, _SONGS + 1)}
    rows = []
    for song in scored.songs:
        truth = _causes(seed, numbers[song.path.name], song.starts, scored.model.grid.seconds)
        best = truth[np.argmax(song.by_window)]
        rows.append(
            (
                spearmanr(truth, song.by_window).statistic,
                ((truth < best).sum() + ((truth == best).sum() - 1) / 2) / (len(truth) - 1),
            )
        )
    return np.array(rows)
