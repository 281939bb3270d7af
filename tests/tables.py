"""Tracks tables that tests of the table and of its cleaning share."""

import pandas as pd

from hiphoplib.tracks.table import normalise


def raw_table(n=2, **columns):
    """Return a raw table of n rows, different recordings unless `columns` say otherwise."""
    return pd.DataFrame(
        {
            "id": [f"{i:04d}" for i in range(n)],
            "popularity": [50.0] * n,
            "track": [f"Song {i}" for i in range(n)],
            "artists": [[f"Artist {i}"] for i in range(n)],
            "preview_url": [f"audio/{i}.mp3" for i in range(n)],
        }
        | columns
    )


def table(n=2, **columns):
    """Return the same as a tracks table."""
    return normalise(raw_table(n, **columns))
