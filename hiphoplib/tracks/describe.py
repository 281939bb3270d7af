"""A tracks table in a few dozen numbers, which may be passed on, and what looks wrong in it."""

from contextlib import suppress

import numpy as np
import pandas as pd

from hiphoplib.tracks.cells import SUSPICIOUS

BIN = 2  # points of popularity
MAX_TRACKS = 12  # of an artist; those with more are counted with these
MIN_TRACKS = 20  # a year with fewer has no median worth showing
NOBODY = {
    "",
    *"- ? none nan null n/a unknown".split(),
    "unknown artist",
    "various",
    "various artists",
}


def describe(tracks: pd.DataFrame) -> dict:
    """Return counts and quartiles of a tracks table, which name no track and no artist.

    Parameters
    ----------
    tracks : pd.DataFrame

    Returns
    -------
    dict
        "tracks": rows with a popularity. "popularity": how many of them in each bin of `BIN`
        points from 0 to 100, list of 50 int. "zero": share with popularity 0. "artists": main
        artists with 1, 2, … `MAX_TRACKS` or more tracks, list of int. "artist_share": of the
        variance of popularity, what lies between artists. "years": by year of release with at
        least `MIN_TRACKS` tracks, how many, and the quartiles of popularity.
    """
    known = tracks[tracks["popularity"].notna()]
    popularity, main = known["popularity"], known["artists"].str[0]
    bins = np.histogram(popularity, np.arange(0, 100 + BIN, BIN))[0]
    counts = np.minimum(main.value_counts(), MAX_TRACKS)
    share = _artist_share(popularity, main)
    years = {}
    for year, group in popularity.groupby(known["release_date"].dt.year):
        if len(group) >= MIN_TRACKS:
            quartiles = group.quantile([0.25, 0.5, 0.75]).round(1).tolist()
            years[str(int(year))] = {"tracks": len(group), "quartiles": quartiles}
    return {
        "tracks": len(known),
        "popularity": bins.tolist(),
        "zero": round(float((popularity == 0).mean()), 4) if len(known) else None,
        "artists": np.bincount(counts, minlength=MAX_TRACKS + 1)[1:].tolist(),
        "artist_share": None if share is None else round(share, 3),
        "years": years,
    }


def _artist_share(popularity, artist):
    """The `intraclass` correlation; None if no artist has two tracks, or all have one number."""
    if popularity.nunique() < 2:
        return None
    member, names = pd.factorize(artist)
    share = intraclass(popularity.to_numpy(), member, np.ones((1, len(names))))[0]
    return float(share) if np.isfinite(share) else None


def intraclass(values: np.ndarray, member: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the intraclass correlation of groups of unequal size, under many weightings.

    That of a one-way analysis of variance (Donner, "A review of inference procedures for the
    intraclass correlation coefficient", International Statistical Review 54(1), 1986): 0 if the
    values of a group are as different as any, 1 if they are alike; below 0 by chance.

    Parameters
    ----------
    values : np.ndarray [shape=(n,)]
    member : np.ndarray of int [shape=(n,)]
        Group of each, from 0 on.
    weights : np.ndarray of float [shape=(resamples, groups)]
        How often each group stands in each resample.

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where a resample has one group, no group of two, or its values are all one.

    Examples
    --------
    >>> intraclass(np.array([1, 2, 8, 9]), np.array([0, 0, 1, 1]), np.ones((1, 2))).round(2)
    array([0.98])
    """
    size, total = np.bincount(member), np.bincount(member, values)
    inside = np.bincount(member, (values - (total / size)[member]) ** 2)
    k, n = weights.sum(axis=1), weights @ size
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (weights @ (total**2 / size) - (weights @ total) ** 2 / n) / (k - 1)
        within = weights @ inside / (n - k)
        usual = (n - weights @ size**2 / n) / (k - 1)  # what a group's size counts as
        return (between - within) / (between + (usual - 1) * within)


def in_lines(summary: dict) -> list[str]:
    """Return a summary as lines for a terminal.

    Parameters
    ----------
    summary : dict

    Returns
    -------
    list of str
    """
    lines = [f"{summary['tracks']:7d}  tracks with a popularity"]
    if summary["tracks"]:
        lines += [
            f"{summary['zero']:7.1%}  of them at 0",
            f"{sum(summary['artists']):7d}  main artists, {summary['artists'][0]} with one track",
        ]
    if summary["artist_share"] is not None:
        lines.append(
            f"{summary['artist_share']:7.1%}  of the variance of popularity is between artists"
        )
    return lines + [
        f"{year:7d}  {row['tracks']:5.0f} tracks, median {row['median']:.0f}"
        for year, row in years_table(summary).iterrows()
    ]


def years_table(summary: dict) -> pd.DataFrame:
    """Return the "years" of a summary as a table: ``tracks``; ``low``, ``median``, ``high``.

    Parameters
    ----------
    summary : dict

    Returns
    -------
    pd.DataFrame, indexed by year
    """
    rows = {
        int(year): [entry["tracks"], *entry["quartiles"]]
        for year, entry in summary["years"].items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["tracks", "low", "median", "high"])


def doubts(tracks: pd.DataFrame) -> list[str]:
    """Return what can be read in a tracks table but looks wrong in many rows.

    Parameters
    ----------
    tracks : pd.DataFrame

    Returns
    -------
    list of str
    """
    artist, ids, popularity = tracks["artists"].str[0], tracks["artist_ids"], tracks["popularity"]
    nobody = artist.str.casefold().isin(NOBODY)
    share = popularity.between(0, 1, inclusive="neither") & (popularity.max() <= 1)
    wrong = {
        "have no artist id, and others have one": ids.isna() & ids.notna().any(),
        "name nobody as their artist; a split keeps them together as if they were by one": nobody,
        "have garbled letters: text in UTF-8 was once read as Windows-1252": artist.map(_garbled),
        "are shorter than 10 s; is duration_ms in ms?": tracks["duration_ms"] < 10_000,
        "have a popularity below 1, and none is above; is it of 0 to 100?": share,
    }
    return [
        f"{rows.sum()} of {len(tracks)} tracks {what} (the first: row {rows.idxmax() + 1}, "
        f"{artist[rows.idxmax()]})"
        for what, rows in wrong.items()
        if rows.any() and rows.mean() >= SUSPICIOUS
    ]


def _garbled(name):
    """Whether it is such as "BeyoncÃ©"."""
    with suppress(UnicodeError):
        return name.encode("cp1252").decode() != name
    return False
