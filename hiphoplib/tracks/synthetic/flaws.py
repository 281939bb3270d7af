"""The flaws of real data, put into the synthetic corpus: in its table and in its clips."""

import numpy as np
from scipy.signal import resample_poly

from hiphoplib.audio.files import encode
from hiphoplib.tracks.synthetic.beats import SECONDS, SR, N, Recipe
from hiphoplib.tracks.synthetic.instruments import render

# How often each flaw is in a block.
CLIP_FLAWS = {"8 s": 1, "1.5 s": 1, "silent": 1, "mono": 2, "48 kHz": 2, "html": 1, "text": 1}
TABLE_FLAWS = {"preview_url": 4, "release_date": 2, "day": 2, "month": 2, "isrc": 5}
NO_AUDIO = {
    "html": b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head>"
    b"<body><h1>Service Unavailable</h1></body></html>\n",
    "text": b"error: this preview is not available\n",
}


def flawed_rows(block: list[tuple], seed: int, number: int) -> list[tuple]:
    """Shuffle the rows of a block, and put its flaws into them, in place.

    Parameters
    ----------
    block : list of (dict, dict)
        Rows of the table, each with what no column of it says.
    seed, number : int
        Of the corpus, and of the block.

    Returns
    -------
    list of (dict, dict)
    """
    rng = np.random.default_rng([seed, 2, number])
    block = [block[i] for i in rng.permutation(len(block))]
    single = [i for i, (_, hidden) in enumerate(block) if hidden["releases"] == 1]
    kinds = [kind for kind, count in CLIP_FLAWS.items() for _ in range(count)]
    for kind, i in zip(kinds, rng.permutation(single), strict=False):
        block[i][1]["clip"] = kind
    fields = [name for name, count in TABLE_FLAWS.items() for _ in range(count)]
    chosen = rng.choice(len(block), len(fields), replace=False)
    for name, i in zip(fields, chosen, strict=True):
        row = block[i][0]
        if name in ("day", "month"):  # the date ends before it
            row["release_date"] = row["release_date"][: {"day": 7, "month": 4}[name]]
        else:
            row[name] = None
    return block


def clip_with(flaw: str, recipe: Recipe) -> bytes:
    """Render a clip with a flaw.

    Parameters
    ----------
    flaw : str
        A key of `CLIP_FLAWS`, or "whole".
    recipe : Recipe

    Returns
    -------
    bytes
        An mp3; of "html" and "text" none.
    """
    if flaw in NO_AUDIO:
        return NO_AUDIO[flaw]
    y = np.zeros((2, N), dtype=np.float32) if flaw == "silent" else render(recipe)
    sr = SR
    if flaw == "mono":
        y = y.mean(axis=0, keepdims=True)
    elif flaw == "48 kHz":
        y, sr = np.clip(resample_poly(y, 160, 147, axis=1), -1, 1), 48_000
    elif flaw.endswith(" s"):
        y = y[:, : int(float(flaw[:-2]) * SR)]
    return encode(y[:, : SECONDS * sr], sr)
