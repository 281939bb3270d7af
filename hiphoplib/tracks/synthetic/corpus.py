"""The synthetic corpus: rendered beats of invented artists, with a popularity of known causes.

It has the flaws of real data: releases of one recording with other popularity, dates without a
day, missing previews, clips that are short, silent, mono or no audio. A larger corpus begins with
the smaller one.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import norm

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources.base import Source
from hiphoplib.tracks.synthetic.beats import CAUSES, Recipe
from hiphoplib.tracks.synthetic.flaws import clip_with, flawed_rows

KIND = "synthetic: known causes, fame and noise; no real-world meaning"
COLLECTED = "2020-01-31"
CAVEAT = "Results on synthetic tracks show that the method works, never what makes a hit."

BLOCK = 200  # rows
# How much each cause weighs, relative to the others, and what shares of the variance of the
# latent popularity they, the fame, the release date and other metadata have; the rest is noise.
WEIGHTS = {
    "hook_returns": 1.0,
    "riser": 1.0,
    "drop": 1.0,
    "hat_rolls": 0.6,
    "arrangement": 0.3,
    "low_end": 0.3,
    "voice_presence": 0.3,
}
AUDIBLE, FAME, RECENCY, METADATA = 0.31, 0.24, 0.10, 0.02
HABIT = 0.25  # share of a cause's variance that is the artist's habit

# Humps of the popularity that the study of 2021 saw: share, centre, spread. The first is one-sided.
HUMPS = ((0.20, 0, 1.2), (0.15, 28, 3.0), (0.53, 45, 8.0), (0.12, 58, 12.0))

# From rap_tracks_2020, 4,877 rap tracks on Spotify, January 2020: share of the artists with 1, 2,
# ... 30 tracks; quantiles of the duration in minutes; share of the tracks by span of years.
_FALL = np.arange(6, 31) ** -2.0
TRACKS_PER_ARTIST = np.array([0.61, 0.17, 0.08, 0.045, 0.02, *(0.075 * _FALL / np.sum(_FALL))])
MINUTES = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (1.2, 2.0, 2.9, 3.5, 4.2, 5.3, 7.5))
YEARS = 1984, 1990, 2000, 2010, 2014, 2015, 2016, 2017, 2018, 2019, 2020, 2021  # where spans begin
SHARES = 0.010, 0.105, 0.130, 0.065, 0.03, 0.04, 0.05, 0.085, 0.13, 0.327, 0.028
# From 300 track objects of Spotify's search, 2021; guests rounded down towards rap_tracks_2020,
# where 12 % of the titles name one.
EXPLICIT = 0.31
TRAP = 0.6  # of the artists, in all years alike: the date cannot be heard
ALBUM_TYPES = ("album", "single", "compilation"), (0.56, 0.42, 0.02)
GUESTS = 0.62, 0.28, 0.06, 0.04  # share of the tracks with 0, 1, 2, 3
AGAIN = "", " (Deluxe)", " (Deluxe Edition)", " - Remastered"
RERELEASED = 0.0455, (0.72, 0.17, 0.06, 0.03, 0.02)  # recordings; of these with 1, 2, ... 5 more

FIRST = """Amber Arctic Ashen Atlas Basil Bishop Blue Bronze Cedar Chrome Cinder Copper Crimson
Delta Dusty Ebony Echo Ember Feral Frost Ghostly Golden Granite Hollow Indigo Ivory Jade Juniper
Kilo Lunar Marble Mellow Midnight Neon Nickel Nova Onyx Opal Paper Quartz Rapid Royal Rusty Saffron
Silent Silver Solar Velvet Violet Winter""".split()
LAST = """Anchor Avenue Badger Beacon Bricks Cadence Captain Cipher Compass Corner Courier Cypress
Dynamo Falcon Ferry Foreman Gambit Garden Harbor Heron Lantern Ledger Lynx Mason Meridian Method
Monk Moth Orchard Osprey Pilot Poet Prophet Raven Relay River Sable Saint Scholar Signal Sparrow
Static Tailor Tempo Tiger Union Valley Vector Walker Wolf""".split()
ARTIST_FORMS = (
    "{a} {b}",
    "{b} {a}",
    "{a}{b}",
    "MC {a} {b}",
    "DJ {b} {a}",
    "Young {a} {b}",
    "The {a} {b}s",
    "{a} {b} Crew",
)
TITLE_FORMS = (
    "{a} {b}",
    "{b} in {a}",
    "No {a} {b}",
    "{a} {b} Freestyle",
    "Back to the {b}, {a}",
    "{b} Talk {a}",
    "My {a} {b}",
    "{a} Nights, {b} Days",
)


@lru_cache(maxsize=2)
def _corpus(n, seed):
    """Rows of the table and what no column of it says, by id; computed once a process."""
    rows, made, k = {}, [], 0
    while len(rows) < n:
        while len(made) < BLOCK:
            artist = Artist(seed, k)
            for i in range(artist.recordings):
                made += artist._releases(i)
            k += 1
        for row, hidden in flawed_rows(made[:BLOCK], seed, len(rows) // BLOCK):
            name = f"syn-{len(rows) + 1:05d}"
            if row["preview_url"] is not None:
                row["preview_url"] = f"audio/{name}.mp3"
            rows[name] = {"id": name, **row}, hidden
        made = made[BLOCK:]
    return dict(list(rows.items())[:n])


class Synthetic(Source):
    """Hip-hop beats rendered on demand, with a popularity whose causes are known.

    The table has `n` rows; another `seed` is another corpus.
    """

    name = "synthetic"
    parallel = "processes"  # clips are computed, not fetched

    def __init__(self, n=1200, seed=0):
        self.n, self.seed = int(n), int(seed)
        if self.n < 1 or self.seed < 0:
            raise BadInput(
                f"synthetic corpus of {n} tracks, seed {seed}: at least 1 track and a "
                "seed of 0 or more are needed"
            )

    @property
    def settings(self):
        """What the corpus depends on."""
        return {"n": self.n, "seed": self.seed}

    def _tracks(self, keep):
        """The tracks table, pd.DataFrame of `n` rows; dates are text of every precision."""
        table = pd.DataFrame([row for row, _ in _corpus(self.n, self.seed).values()])
        return table.assign(popularity_kind=KIND, collected_at=COLLECTED, licence="CC0-1.0")

    def _clip(self, row):
        """The clip of a row, bytes of an mp3 (a few are none, as in real data)."""
        rows = _corpus(self.n, self.seed)
        if row.id not in rows:
            raise BadInput(
                f"clip {row.id}: the synthetic corpus of {self.n} rows has none of that "
                "id; gather again"
            )
        _, hidden = rows[row.id]
        return clip_with(hidden["clip"], hidden["recipe"])

    def truth(self) -> dict:
        """Return what the popularity is made of, which no column of the table says.

        Returns
        -------
        dict
            "causes": band, kind, weight and one sentence on each. "tracks", by id: "upper_bound",
            the probability that the recording's main release reaches the median, given all that
            can be heard; "clip", its flaw or "whole"; "causes", with "value" (what it is worth
            in this track, in standard deviations: above 0 it helps) and "times_s". "fame", by
            artist.
        """
        rows = _corpus(self.n, self.seed)
        # A recording counts once; a handful of rows may hold no main release at all.
        mains = [pair for pair in rows.values() if pair[1]["main"]] or list(rows.values())
        latent, popularity = np.array(
            [(hidden["latent"], row["popularity"]) for row, hidden in mains]
        ).T
        threshold = latent[popularity >= np.median(popularity)].min()
        tracks = {}
        for name, (_, hidden) in rows.items():
            effects, times = hidden["recipe"].effects(), hidden["recipe"].cause_times()
            margin = (hidden["audible"] - threshold) / (1 - AUDIBLE) ** 0.5
            tracks[name] = {
                "upper_bound": round(float(norm.cdf(margin)), 4),
                "clip": hidden["clip"],
                "causes": {
                    cause: {"value": round(value, 4), "times_s": times[cause]}
                    for cause, value in effects.items()
                },
            }
        causes = {name: {"weight": WEIGHTS[name], **cause} for name, cause in CAUSES.items()}
        fame = {row["artists"][0]: round(hidden["fame"], 4) for row, hidden in rows.values()}
        return {"causes": causes, "tracks": tracks, "fame": fame}


def invented(number: int, seed: int, forms: Sequence[str]) -> str:
    """Return a name that no other number has.

    Parameters
    ----------
    number, seed : int
    forms : sequence of str
        `ARTIST_FORMS` or `TITLE_FORMS`.

    Returns
    -------
    str
    """
    names = len(FIRST) * len(LAST) * len(forms)
    rest, form = divmod((number * 7919 + seed * 104_729) % names, len(forms))
    b, a = divmod(rest, len(FIRST))
    name = forms[form].format(a=FIRST[a], b=LAST[b])
    return name if number < names else f"{name} {number // names + 1}"


@lru_cache(maxsize=1)
def _popularity_scale():
    """Quantiles of the popularity: cumulated probability, popularity 0-100."""
    x = np.linspace(0, 100, 4001)
    cdf = sum(
        share * (norm.cdf(x, centre, spread) if centre else 2 * norm.cdf(x, 0, spread) - 1)
        for share, centre, spread in HUMPS
    )
    return cdf / cdf[-1], x


def _popularity(latent):
    """Popularity of a latent one, 0 to 100."""
    return float(np.round(np.interp(norm.cdf(latent), *_popularity_scale())))


def _draw_year(rng):
    span = rng.choice(len(SHARES), p=SHARES)
    return int(rng.integers(YEARS[span], YEARS[span + 1]))


def _draw_date(rng, year):
    """A release date in `year`, not after the corpus was collected."""
    return f"{year}-{1 if year == 2020 else rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"


class Artist:
    """Artist number `k`: a signature that can be heard, a fame that cannot."""

    def __init__(self, seed, k):
        self.seed, self.k = seed, k
        self.rng = rng = np.random.default_rng([seed, 1, k])
        self.name, self.id = invented(3 * k, seed, ARTIST_FORMS), f"syn-artist-{3 * k:05d}"
        self.recordings = 1 + int(rng.choice(30, p=TRACKS_PER_ARTIST))
        self.year, self.fame = _draw_year(rng), rng.standard_normal()
        self.habit = dict(zip(CAUSES, rng.standard_normal(len(CAUSES)), strict=True))
        self.swears = rng.beta(EXPLICIT, 1 - EXPLICIT)
        trap = rng.random() < TRAP
        self.signature = Recipe(
            seed=0,
            kit=int(rng.integers(2**31)),
            style="trap" if trap else "boom-bap",
            bpm=rng.uniform(118, 156) if trap else rng.uniform(80, 104),
            root=int(rng.integers(12)),
            voice_hz=85 * 2 ** rng.uniform(0, 1.2),
            tract=rng.uniform(0.86, 1.16),
            cut_hz=1500 * 2 ** rng.uniform(0, 2),
            dust_db=rng.uniform(-48, -33),
            tilt=float(np.clip(rng.normal(0, 0.15), -0.35, 0.4)),
            level_db=rng.normal(-16, 1.8),
            low_db=rng.normal(0, 0.8),
            hat_db=rng.normal(0, 1.0),
            voice_db=rng.normal(0, 1.0),
            width=rng.uniform(0.1, 0.6),
        )

    def _guests(self):
        """Credited guests of one track: mostly from outside the corpus, some from a small crew."""
        guests = {}
        for _ in range(self.rng.choice(len(GUESTS), p=GUESTS)):
            crew = 4 * (self.k // 4) + int(self.rng.integers(4))
            own = 3 * self.k + 1 + int(self.rng.integers(2))
            number = 3 * crew if self.rng.random() < 0.3 and crew != self.k else own
            guests[invented(number, self.seed, ARTIST_FORMS)] = f"syn-artist-{number:05d}"
        return guests

    def recipe(self) -> Recipe:
        """Return the recipe of the next recording: the signature, a little changed, and causes."""
        rng = self.rng
        own = rng.standard_normal(len(CAUSES))
        causes = {
            name: float(HABIT**0.5 * self.habit[name] + (1 - HABIT) ** 0.5 * z)
            for name, z in zip(CAUSES, own, strict=True)
        }
        base = self.signature
        return replace(
            base,
            seed=int(rng.integers(2**31)),
            causes=causes,
            bpm=float(np.clip(base.bpm + rng.normal(0, 4), 76, 160)),
            root=base.root if rng.random() < 0.6 else int(rng.integers(12)),
            level_db=base.level_db + rng.normal(0, 1.2),
            low_db=base.low_db + rng.normal(0, 0.4),
            cut_hz=base.cut_hz * 2 ** rng.normal(0, 0.3),
        )

    def _releases(self, number):
        """Releases of recording `number`, the main one first: rows, and dicts of what none says."""
        rng, recipe, song = self.rng, self.recipe(), self._song(30 * self.k + number)
        count = 2 + int(rng.choice(5, p=RERELEASED[1])) if rng.random() < RERELEASED[0] else 1
        rows = [{**song, **self._release(song, again=i > 0)} for i in range(count)]
        audible, latent = self._latent(recipe, rows[0])
        hidden = {
            "recipe": recipe,
            "fame": self.fame,
            "latent": latent,
            "audible": audible,
            "releases": count,
            "clip": "whole",
        }
        for i, row in enumerate(rows):
            row["popularity"] = _popularity(latent - (rng.exponential(0.6) + 0.1 if i else 0.0))
        return [(row, {**hidden, "main": i == 0}) for i, row in enumerate(rows)]

    def _latent(self, recipe, row):
        """Latent popularity of a main release: what of it can be heard, and all of it."""
        weight = np.sqrt(AUDIBLE / sum(w * w for w in WEIGHTS.values()))
        audible = weight * sum(WEIGHTS[name] * value for name, value in recipe.effects().items())
        rest = 1 - AUDIBLE - FAME - RECENCY - METADATA
        return audible, (
            audible
            + FAME**0.5 * self.fame
            + RECENCY**0.5 * _recency(row)
            + METADATA**0.5 * _format(row)
            + rest**0.5 * self.rng.standard_normal()
        )

    def popularities(self, recipes: Sequence[Recipe]) -> np.ndarray:
        """Draw the popularity of recordings, as that of a corpus' main releases is drawn.

        Parameters
        ----------
        recipes : sequence of Recipe

        Returns
        -------
        np.ndarray [shape=(n,)], 0 to 100
        """
        songs = (self._song(30 * self.k + number) for number in range(len(recipes)))
        rows = [song | self._release(song, again=False) for song in songs]
        return np.array([_popularity(self._latent(*pair)[1]) for pair in zip(recipes, rows)])

    def _song(self, number):
        """Columns that all releases of a recording share."""
        rng, guests = self.rng, self._guests()
        title = invented(rng.integers(20_000), self.seed, TITLE_FORMS)
        if guests and rng.random() < 0.33:
            title += f" (feat. {' & '.join(guests)})"
        year = self.year if rng.random() < 0.5 else _draw_year(rng)
        return {
            "popularity": None,
            "track": title,
            "artists": [self.name, *guests],
            "album_name": None,
            "album_type": None,
            "release_date": _draw_date(rng, year),
            "image": None,
            "duration_ms": int(60_000 * np.interp(rng.random(), *MINUTES)),
            "preview_url": "",
            "artist_ids": [self.id, *guests.values()],
            "isrc": f"ZZSY{chr(65 + number // 100_000)}{year % 100:02d}{number % 100_000:05d}",
            "explicit": bool(rng.random() < self.swears),
        }

    def _release(self, song, again):
        """Columns of one release alone; `again` for all but the main one."""
        rng = self.rng
        own = {
            "album_name": invented(rng.integers(20_000), self.seed, TITLE_FORMS),
            "album_type": str(rng.choice(ALBUM_TYPES[0], p=ALBUM_TYPES[1])),
        }
        if again:
            year = min(int(song["release_date"][:4]) + rng.integers(0, 3), 2020)
            own["track"] = song["track"] + str(rng.choice(AGAIN))
            own["release_date"] = max(song["release_date"], _draw_date(rng, year))
            own["duration_ms"] = song["duration_ms"] + int(rng.integers(900))
            own["isrc"] = song["isrc"] if rng.random() < 0.6 else None
        return own


def _recency(row):
    """Standardised release date: how new among the tracks of all years."""
    year, month, _ = map(int, row["release_date"].split("-"))
    # of 2020 there is one month
    ends = [*YEARS[:-1], 2020 + 1 / 12]
    share = np.interp(year + (month - 0.5) / 12, ends, np.cumsum([0, *SHARES]))
    return norm.ppf(share)


def _format(row):
    """Standardised: singles and tracks with guests are a little more popular."""
    flags = row["album_type"] == "single", len(row["artists"]) > 1
    shares = ALBUM_TYPES[1][1], 1 - GUESTS[0]
    return sum((flag - p) / (2 * p * (1 - p)) ** 0.5 for flag, p in zip(flags, shares))
