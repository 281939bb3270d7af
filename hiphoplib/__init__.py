"""From hip-hop clips to a chance of being popular: the small module behind the notebooks.

The data goes one way: `sources` -> `tracks` -> `previews` -> `mel` -> `splits` -> `models`,
`training`, `experiment` -> `evaluation` -> `explain`, `scoring`; `plots` draws, `corpus` keeps the
folders. ``hiphoplib.score_tracks`` scores a folder of songs.
"""

__version__ = "0.1.0"


def __getattr__(name):
    """Import `scoring.score_tracks` when it is asked for: TensorFlow takes seconds to load."""
    if name == "score_tracks":
        from hiphoplib.scoring.score import score_tracks

        return score_tracks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
