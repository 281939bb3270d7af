"""The embedded corpus: rendered beats of invented artists, with a popularity of known causes.

It has the flaws of real data, too: releases of one recording with other popularity, dates without
a day, missing previews, clips that are short, silent, mono or no audio at all. A row does not
depend on how many follow it: a larger corpus begins with the smaller one.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.signal import resample_poly
from scipy.stats import norm

from hiphoplib.audio.files import encode
from hiphoplib.errors import BadInput
from hiphoplib.tracks.synthetic.artists import AUDIBLE, WEIGHTS, Artist, heard_value
from hiphoplib.tracks.synthetic.beats import CAUSES, SR, N, cause_times, render

KIND = "synthetic: known causes, fame and noise; no real-world meaning"
COLLECTED = "2020-01-31"

BLOCK = 200  # rows; each block has every flaw this often
CLIP_FLAWS = {"8 s": 1, "1.5 s": 1, "silent": 1, "mono": 2, "48 kHz": 2, "html": 1, "text": 1}
TABLE_FLAWS = {"preview_url": 4, "release_date": 2, "day": 2, "month": 2, "isrc": 5}
NO_AUDIO = {"html": b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head>"
                    b"<body><h1>Service Unavailable</h1></body></html>\n",
            "text": b"error: this preview is not available\n"}


def flawed(block, seed, number):
    """The rows of one block, shuffled, and the flaws of real data put into them."""
    rng = np.random.default_rng([seed, 2, number])
    block = [block[i] for i in rng.permutation(len(block))]
    single = [i for i, (_, behind) in enumerate(block) if behind["releases"] == 1]
    kinds = [kind for kind, count in CLIP_FLAWS.items() for _ in range(count)]
    for kind, i in zip(kinds, rng.permutation(single), strict=False):
        block[i][1]["clip"] = kind
    fields = [name for name, count in TABLE_FLAWS.items() for _ in range(count)]
    places = rng.choice(len(block), len(fields), replace=False)
    for name, i in zip(fields, places, strict=True):
        row, date = block[i][0], block[i][0]["release_date"]
        row.update({"day": {"release_date": date[:7]}, "month": {"release_date": date[:4]}}.get(
            name, {name: None}))
    return block


@lru_cache(maxsize=2)
def corpus(n, seed):
    """Rows of the table and what is behind them, by id; computed once a process."""
    rows, made, k = {}, [], 0
    while len(rows) < n:
        while len(made) < BLOCK:
            artist = Artist(seed, k)
            for i in range(artist.recordings):
                made += artist.releases(i)
            k += 1
        for row, behind in flawed(made[:BLOCK], seed, len(rows) // BLOCK):
            name = f"syn-{len(rows) + 1:05d}"
            if row["preview_url"] is not None:
                row["preview_url"] = f"audio/{name}.mp3"
            rows[name] = {"id": name, **row}, behind
        made = made[BLOCK:]
    return dict(list(rows.items())[:n])


class Synthetic:
    """Hip-hop beats rendered on demand, with a popularity whose causes are known.

    Parameters
    ----------
    n : int
        Rows of the table.
    seed : int
        Another seed, another corpus.
    """

    name = "synthetic"
    prefer = "processes"  # clips are computed, not fetched

    def __init__(self, n=600, seed=0):
        self.n, self.seed = int(n), int(seed)
        if self.n < 1 or self.seed < 0:
            raise BadInput(f"synthetic corpus of {n} tracks, seed {seed}: at least 1 track and a "
                           "seed of 0 or more are needed")

    @property
    def settings(self):
        """What the corpus depends on."""
        return {"n": self.n, "seed": self.seed}

    def tracks(self):
        """The tracks table, pd.DataFrame of `n` rows; dates are text of every precision."""
        table = pd.DataFrame([row for row, _ in corpus(self.n, self.seed).values()])
        return table.assign(source=self.name, popularity_kind=KIND, collected_at=COLLECTED,
                            licence="CC0-1.0")

    def preview(self, row):
        """The clip of a row, bytes of an mp3 (a few are none, as in real data).

        Parameters
        ----------
        row : pd.Series, dict, or anything with an ``id``

        Raises
        ------
        BadInput
            If this corpus has no such row.
        """
        name = row["id"] if isinstance(row, (dict, pd.Series)) else row.id
        if name not in corpus(self.n, self.seed):
            raise BadInput(f"clip {name}: the synthetic corpus of {self.n} rows has none of that "
                           "id; gather again")
        behind = corpus(self.n, self.seed)[name][1]
        clip, sr = behind["clip"], SR
        if clip in NO_AUDIO:
            return NO_AUDIO[clip]
        y = np.zeros((2, N), dtype=np.float32) if clip == "silent" else render(behind["recipe"])
        if clip == "mono":
            y = y.mean(axis=0, keepdims=True)
        elif clip == "48 kHz":
            y, sr = np.clip(resample_poly(y, 160, 147, axis=1), -1, 1), 48_000
        elif clip.endswith(" s"):
            y = y[:, :int(float(clip[:-2]) * SR)]
        return encode(y[:, :30 * sr], sr)

    def truth(self):
        """What the popularity is made of; no column of the table tells it.

        Returns
        -------
        dict
            "causes": band, kind, weight and one sentence on each. "tracks", by id: "oracle", the
            probability that the recording's main release reaches the median, given all that can
            be heard and nothing else; "clip", its flaw or "whole"; "causes", with "value" (in
            standard deviations) and "times_s". "fame", by artist.
        """
        rows = corpus(self.n, self.seed)
        # A recording counts once; a handful of rows may hold no main release at all.
        mains = [pair for pair in rows.values() if pair[1]["main"]] or list(rows.values())
        latent = np.array([behind["latent"] for _, behind in mains])
        popularity = np.array([row["popularity"] for row, _ in mains])
        threshold = latent[popularity >= np.median(popularity)].min()
        tracks = {}
        for name, (_, behind) in rows.items():
            values, times = behind["recipe"].causes, cause_times(behind["recipe"])
            margin = (behind["audible"] - threshold) / (1 - AUDIBLE) ** 0.5
            tracks[name] = {
                "oracle": round(float(norm.cdf(margin)), 4), "clip": behind["clip"],
                "causes": {cause: {"value": round(heard_value(cause, z), 4),
                                   "times_s": times[cause]} for cause, z in values.items()}}
        causes = {name: {"weight": WEIGHTS[name], **cause} for name, cause in CAUSES.items()}
        fame = {row["artists"][0]: round(behind["fame"], 4) for row, behind in rows.values()}
        return {"causes": causes, "tracks": tracks, "fame": fame}
