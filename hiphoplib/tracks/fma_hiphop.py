"""Real hip-hop: the Free Music Archive's own figures, which come with the project.

`fma_hiphop.csv`: 3,552 tracks of M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, "FMA: a
dataset for music analysis", ISMIR 2017, whose metadata are under CC BY 4.0, see `fma_hiphop.md`.
"""

from pathlib import Path

import pandas as pd

from hiphoplib.tracks.sources.base import percentile_within

PATH = Path(__file__).with_suffix(".csv")
FMA_FEATURES = ("acousticness", "danceability", "energy", "instrumentalness", "liveness",
                "speechiness", "tempo", "valence")


def read_fma_hiphop() -> pd.DataFrame:
    """Read the hip-hop tracks of the archive.

    Returns
    -------
    pd.DataFrame, indexed by track id
        ``title``, ``number`` (on its album), ``uploaded``, ``duration`` (s), ``bit_rate``,
        ``listens``, ``favorites``, ``comments``, ``license``, the eight `FMA_FEATURES`, which 910
        of the tracks have; ``popularity``, the percentile (0-100) of the listens among the uploads
        of the same year; ``upload_day``, which stands for an album, as no artist is named.

    Examples
    --------
    >>> tracks = read_fma_hiphop()
    >>> len(tracks), int(tracks["listens"].median())
    (3552, 686)
    """
    tracks = pd.read_csv(PATH, index_col="track_id", parse_dates=["date_created"])
    tracks = tracks.rename(columns={"date_created": "uploaded"})
    return tracks.assign(
        popularity=percentile_within(tracks["listens"], tracks["uploaded"].dt.year),
        upload_day=tracks["uploaded"].dt.date.astype(str))
