"""What is known of a track before its release besides its sound."""

import numpy as np
import pandas as pd


def context(tracks):
    """Features of tracks that need no listening.

    Parameters
    ----------
    tracks : pd.DataFrame
        A cleaned tracks table, indexed by track id.

    Returns
    -------
    pd.DataFrame, float, indexed by track id
        ``days`` since the newest release of the table, ``month`` as a point on a circle
        (``month_sin``, ``month_cos``), ``friday`` (the industry's day), ``duration`` in s,
        ``explicit``, ``single`` and ``album``, ``guests``, and ``out``: how many tracks of the
        table its main artist had released before, as log2(1 + n). NaN where not known.
    """
    dates = tracks["release_date"]
    turn = 2 * np.pi * (dates.dt.day_of_year - 1) / 365.25
    kind = tracks["album_type"].astype("object").str.lower()
    known = kind.notna()
    return pd.DataFrame({
        "days": (dates.max() - dates).dt.days.astype(float),
        "month_sin": np.sin(turn), "month_cos": np.cos(turn),
        "friday": (dates.dt.day_of_week == 4).where(dates.notna()).astype(float),
        "duration": tracks["duration_ms"] / 1000,
        "explicit": tracks["explicit"].astype("boolean").astype("Float64").astype(float),
        "single": (kind == "single").where(known).astype(float),
        "album": (kind == "album").where(known).astype(float),
        "guests": tracks["artists"].str.len().astype(float) - 1,
        "out": np.log2(1 + _released_before(tracks)),
    }, index=tracks.index)


def _released_before(tracks):
    """How many tracks the main artist has in the table that came out on an earlier day."""
    artist = tracks["artists"].str[0]
    before = tracks["release_date"].groupby(artist).rank(method="min") - 1
    return before.where(tracks["release_date"].notna())
