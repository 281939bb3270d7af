"""The shape of a tracks table in a few dozen numbers: to compare corpora without passing them on.

`REAL` is that of 4,877 rap tracks with the popularity that Spotify gave them in January 2020.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

BIN = 2  # points of popularity
MOST = 12  # tracks of an artist; more are counted as so many
FEW = 20  # tracks; a year with fewer has no median worth showing
REAL = Path(__file__).parents[2] / "notebooks" / "results" / "shape_rap_2020.json"


def shape(tracks):
    """Counts and quartiles of a tracks table, which name no track and no artist.

    Parameters
    ----------
    tracks : pd.DataFrame
        A tracks table.

    Returns
    -------
    dict
        "tracks": rows with a popularity. "popularity": how many of them in each bin of `BIN`
        points from 0 to 100, list of 50 int. "zero": share with popularity 0. "artists": main
        artists with 1, 2, … `MOST` or more tracks, list of int. "artist_share": `artist_share`,
        None where it cannot be told. "years": by year of release with at least `FEW` tracks, how
        many, and the quartiles of popularity.
    """
    known = tracks[tracks["popularity"].notna()]
    popularity, main = known["popularity"], known["artists"].str[0]
    bins = np.histogram(popularity, np.arange(0, 100 + BIN, BIN))[0]
    counts = np.minimum(main.value_counts(), MOST)
    share = artist_share(popularity, main)
    years = {}
    for year, group in popularity.groupby(known["release_date"].dt.year):
        if len(group) >= FEW:
            quartiles = group.quantile([.25, .5, .75]).round(1).tolist()
            years[str(int(year))] = {"tracks": len(group), "quartiles": quartiles}
    return {"tracks": len(known), "popularity": bins.tolist(),
            "zero": round(float((popularity == 0).mean()), 4) if len(known) else None,
            "artists": np.bincount(counts, minlength=MOST + 1)[1:].tolist(),
            "artist_share": None if share is None else round(share, 3), "years": years}


def artist_share(popularity, artist):
    """Share of the variance of popularity that lies between artists, not within them.

    The intraclass correlation of a one-way analysis of variance with groups of unequal size:
    0 if an artist's tracks are as different as any, 1 if they are all alike.

    Parameters
    ----------
    popularity, artist : pd.Series [shape=(tracks,)]

    Returns
    -------
    float <= 1 or None
        Slightly below 0 may come by chance; None if no artist has two tracks, or all one number.

    References
    ----------
    Donner, A. (1986): "A review of inference procedures for the intraclass correlation
    coefficient in the one-way random effects model", International Statistical Review 54(1).
    """
    groups = popularity.groupby(artist)
    n, size = len(popularity), groups.size()
    k = len(size)
    if k < 2 or n == k:
        return None
    between = (size * (groups.mean() - popularity.mean()) ** 2).sum() / (k - 1)
    within = ((popularity - groups.transform("mean")) ** 2).sum() / (n - k)
    usual = (n - (size ** 2).sum() / n) / (k - 1)  # what a group's size counts as
    spread = between + (usual - 1) * within
    return float((between - within) / spread) if spread > 0 else None


def read_summary(path=REAL):
    """A shape as `write_summary` left it, dict."""
    return json.loads(Path(path).read_text())


def write_summary(found, path, **about):
    """Write a shape to a file, with what is to be known about it (``name``, ``command``)."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({**about, **found}, indent=1) + "\n")


def years_table(found):
    """The "years" of a shape as a table: index year (int), ``tracks``, ``low``, ``median``,
    ``high``."""
    rows = {int(year): [entry["tracks"], *entry["quartiles"]]
            for year, entry in found["years"].items()}
    return pd.DataFrame.from_dict(rows, orient="index",
                                  columns=["tracks", "low", "median", "high"])
