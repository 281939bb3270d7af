"""Invented artists and their recordings: what can be heard, and what popularity they reach.

Popularity = audible causes + fame of the artist, which cannot be heard, + noise. The figures are
those of real rap; where each is from stands beside it.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.stats import norm

from hiphoplib.tracks.synthetic.beats import CAUSES, Recipe

# How much each cause weighs, relative to the others, and what shares of the variance of the
# latent popularity the causes and the fame have; the rest is noise.
WEIGHTS = {"low_end": 1.0, "hat_rolls": 1.0, "voice_presence": 0.5, "hook_returns": 0.5,
           "riser": 0.35}
AUDIBLE, FAME = 0.31, 0.24
HABIT = 0.25  # share of a cause's variance that is the artist's habit

# Humps of the popularity that the study of 2021 saw: share, centre, spread. The first is one-sided.
HUMPS = ((0.20, 0, 1.2), (0.15, 28, 3.0), (0.53, 45, 8.0), (0.12, 58, 12.0))

# From rap_tracks_2020, 4,877 rap tracks on Spotify, January 2020: share of the artists with 1, 2,
# ... 30 tracks; quantiles of the duration in minutes; share of the tracks by span of years.
TRACKS_PER_ARTIST = np.array([0.61, 0.17, 0.08, 0.045, 0.02, *(
    0.075 * np.arange(6, 31) ** -2.0 / np.sum(np.arange(6, 31) ** -2.0))])
MINUTES = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (1.2, 2.0, 2.9, 3.5, 4.2, 5.3, 7.5))
YEARS = ((1984, 1989, 0.010), (1990, 1999, 0.105), (2000, 2009, 0.130), (2010, 2013, 0.065),
         (2014, 2014, 0.03), (2015, 2015, 0.04), (2016, 2016, 0.05), (2017, 2017, 0.085),
         (2018, 2018, 0.13), (2019, 2019, 0.327), (2020, 2020, 0.028))
# From 300 track objects of Spotify's search, 2021; guests rounded down towards rap_tracks_2020,
# where 12 % of the titles name one.
EXPLICIT = 0.31
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
ARTIST_FORMS = ("{a} {b}", "{b} {a}", "{a}{b}", "MC {a} {b}", "DJ {b} {a}", "Young {a} {b}",
                "The {a} {b}s", "{a} {b} Crew")
TITLE_FORMS = ("{a} {b}", "{b} in {a}", "No {a} {b}", "{a} {b} Freestyle", "Back to the {b}, {a}",
               "{b} Talk {a}", "My {a} {b}", "{a} Nights, {b} Days")


def invented(number, seed, forms):
    """A name that no other number below 20,000 has."""
    a, b = len(FIRST), len(LAST)
    i = (number * 7919 + seed * 104_729) % (a * b * len(forms))
    name = forms[i % len(forms)].format(a=FIRST[i // len(forms) % a], b=LAST[i // len(forms) // a])
    return name if number < a * b * len(forms) else f"{name} {number // (a * b * len(forms)) + 1}"


@lru_cache(maxsize=1)
def popularity_scale():
    """Quantiles of the popularity: cumulated probability, popularity 0-100."""
    x = np.linspace(0, 100, 4001)
    cdf = sum(share * (norm.cdf(x, centre, spread) if centre else 2 * norm.cdf(x, 0, spread) - 1)
              for share, centre, spread in HUMPS)
    return cdf / cdf[-1], x


def to_popularity(latent):
    """Popularity 0-100 in whole numbers, of a latent with mean 0 and variance 1."""
    return float(np.round(np.interp(norm.cdf(latent), *popularity_scale())))


def draw_year(rng):
    """A release year."""
    low, high, _ = YEARS[rng.choice(len(YEARS), p=[share for *_, share in YEARS])]
    return int(rng.integers(low, high + 1))


def draw_date(rng, year):
    """A release date in `year`, not after the corpus was collected."""
    return f"{year}-{1 if year == 2020 else rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"


class Artist:
    """Artist number `k`: a signature that can be heard, a fame that cannot."""

    def __init__(self, seed, k):
        self.seed, self.k = seed, k
        self.rng = rng = np.random.default_rng([seed, 1, k])
        self.name, self.id = invented(3 * k, seed, ARTIST_FORMS), f"syn-artist-{3 * k:05d}"
        self.recordings = 1 + int(rng.choice(30, p=TRACKS_PER_ARTIST))
        self.year, self.fame = draw_year(rng), rng.standard_normal()
        self.habit = dict(zip(CAUSES, rng.standard_normal(len(CAUSES)), strict=True))
        self.swears = rng.beta(EXPLICIT, 1 - EXPLICIT)
        trap = rng.random() < (0.8 if self.year >= 2014 else 0.15)
        self.signature = Recipe(
            seed=0, kit=int(rng.integers(2 ** 31)), style="trap" if trap else "boom-bap",
            bpm=rng.uniform(118, 156) if trap else rng.uniform(74, 104),
            root=int(rng.integers(12)), voice_hz=85 * 2 ** rng.uniform(0, 1.2),
            tract=rng.uniform(0.86, 1.16), cut_hz=1500 * 2 ** rng.uniform(0, 2),
            dust_db=rng.uniform(-48, -33), tilt=float(np.clip(rng.normal(0, 0.15), -0.35, 0.4)),
            level_db=rng.normal(-16, 1.8), low_db=rng.normal(0, 0.8), hat_db=rng.normal(0, 1.0),
            voice_db=rng.normal(0, 1.0), width=rng.uniform(0.1, 0.6))

    def guests(self):
        """Credited guests of one track: mostly from outside the corpus, some from a small crew."""
        guests = {}
        for _ in range(self.rng.choice(len(GUESTS), p=GUESTS)):
            crew = 4 * (self.k // 4) + int(self.rng.integers(4))
            own = 3 * self.k + 1 + int(self.rng.integers(2))
            number = 3 * crew if self.rng.random() < 0.3 and crew != self.k else own
            guests[invented(number, self.seed, ARTIST_FORMS)] = f"syn-artist-{number:05d}"
        return guests

    def recipe(self):
        """Recipe of one recording: the signature, a little changed, and its causes."""
        rng = self.rng
        own = rng.standard_normal(len(CAUSES))
        causes = {name: float(HABIT ** 0.5 * self.habit[name] + (1 - HABIT) ** 0.5 * z)
                  for name, z in zip(CAUSES, own, strict=True)}
        base = self.signature
        return replace(
            base, seed=int(rng.integers(2 ** 31)), causes=causes,
            bpm=float(np.clip(base.bpm + rng.normal(0, 4), 70, 160)),
            root=base.root if rng.random() < 0.6 else int(rng.integers(12)),
            level_db=base.level_db + rng.normal(0, 1.2), low_db=base.low_db + rng.normal(0, 0.4),
            cut_hz=base.cut_hz * 2 ** rng.normal(0, 0.3))

    def releases(self, number):
        """All releases of this artist's recording `number`, the main one first.

        Returns
        -------
        list of (dict, dict)
            A row of the table without its id, and what no column tells: recipe, fame, latent
            popularity of the main release and its audible part, number of releases.
        """
        rng, recipe, song = self.rng, self.recipe(), self.song(30 * self.k + number)
        audible = audible_part(recipe.causes)
        rest = (1 - AUDIBLE - FAME) ** 0.5 * rng.standard_normal()
        latent = audible + FAME ** 0.5 * self.fame + rest
        count = 1
        if rng.random() < RERELEASED[0]:
            count += 1 + rng.choice(5, p=RERELEASED[1])
        behind = {"recipe": recipe, "fame": self.fame, "latent": latent, "audible": audible,
                  "releases": int(count), "clip": "whole"}
        rows = [{**song, **self.release(song, again=i > 0)} for i in range(count)]
        for i, row in enumerate(rows):
            lost = rng.exponential(0.6) + 0.1 if i else 0.0
            row["popularity"] = to_popularity(latent - lost)
        return [(row, {**behind, "main": i == 0}) for i, row in enumerate(rows)]

    def song(self, number):
        """What all releases of a recording have in common, in the table's columns."""
        rng, guests = self.rng, self.guests()
        title = invented(rng.integers(20_000), self.seed, TITLE_FORMS)
        if guests and rng.random() < 0.33:
            title += f" (feat. {' & '.join(guests)})"
        year = self.year if rng.random() < 0.5 else draw_year(rng)
        return {"popularity": None, "track": title, "artists": [self.name, *guests],
                "album_name": None, "album_type": None, "release_date": draw_date(rng, year),
                "image": None, "duration_ms": int(60_000 * np.interp(rng.random(), *MINUTES)),
                "preview_url": "", "artist_ids": [self.id, *guests.values()],
                "isrc": f"ZZSY{chr(65 + number // 100_000)}{year % 100:02d}{number % 100_000:05d}",
                "explicit": bool(rng.random() < self.swears)}

    def release(self, song, again):
        """What one release has of its own; `again` for all but the main one."""
        rng = self.rng
        own = {"album_name": invented(rng.integers(20_000), self.seed, TITLE_FORMS),
               "album_type": str(rng.choice(ALBUM_TYPES[0], p=ALBUM_TYPES[1]))}
        if again:
            year = min(int(song["release_date"][:4]) + rng.integers(0, 3), 2020)
            own["track"] = song["track"] + str(rng.choice(AGAIN))
            own["release_date"] = max(song["release_date"], draw_date(rng, year))
            own["duration_ms"] = song["duration_ms"] + int(rng.integers(900))
            own["isrc"] = song["isrc"] if rng.random() < 0.6 else None
        return own


def audible_part(causes):
    """What the causes add to the latent popularity; mean 0, variance `AUDIBLE`."""
    heard = sum(WEIGHTS[name] * heard_value(name, z) for name, z in causes.items())
    return heard * (AUDIBLE / sum(w * w for w in WEIGHTS.values())) ** 0.5


def heard_value(name, z):
    """Standardised value of a cause as it is heard: a structure is there or not."""
    return float(np.sign(z)) if CAUSES[name]["kind"] == "structure" else z
