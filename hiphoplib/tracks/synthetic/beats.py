"""Recipes of 30 s hip-hop beats: all that can be heard, and what plays when.

The causes of a recipe are the few properties that the synthetic corpus ties to popularity. Turning
one up changes nothing else: every instrument draws from its own random stream.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SR = 44_100
SECONDS, N = 30, 30 * SR

# Kinds: a structure is one way or the other, and either way has as much of every sound; a change
# lies between two sections; a level lies in one number. An optimum has too little and too much.
CAUSES: dict[str, dict[str, Any]] = {
    "hook_returns": {
        "kind": "structure",
        "band_hz": [500, 11000],
        "what": "Whether the hook comes back after a bridge, or is played twice before it.",
    },
    "riser": {
        "kind": "structure",
        "band_hz": [2000, 7000],
        "what": "Whether noise swells into the hook or dies away before it.",
    },
    "drop": {
        "kind": "structure",
        "band_hz": [30, 11000],
        "what": "Whether drums, bass and voice stop right before the hook, or somewhere else.",
    },
    "hat_rolls": {
        "kind": "change",
        "band_hz": [6000, 11000],
        "what": "How much denser the hi-hats roll in the hook than in the verse; helps trap and "
        "harms boom-bap.",
    },
    "arrangement": {
        "kind": "optimum",
        "band_hz": [500, 2500],
        "what": "How many notes the plucked figure has: neither the fewest nor the most are best.",
    },
    "low_end": {
        "kind": "level",
        "band_hz": [30, 120],
        "what": "How loud the 808 and the kick are, through the whole clip.",
    },
    "voice_presence": {
        "kind": "level",
        "band_hz": [1000, 4000],
        "what": "How forward and bright the voice is in the verse.",
    },
}
# What a deviation of denser rolls is worth; with 60 % of trap its variance is 1.
ROLLS = {"trap": 1.2, "boom-bap": -0.5}

PROGRESSIONS = [(0, 5), (0, 3), (0, 6), (0, 5, 3, 4), (0, 3, 5, 4), (0, 6, 5, 4), (0, 2, 5, 6)]


@dataclass(frozen=True)
class Timeline:
    """Where the bars and sections of a clip lie; bars are counted from the intro's."""

    bar: int  # length, in samples
    offset: int  # how far into the first bar the clip begins, in samples
    spans: dict[str, tuple[int, int]]  # first bar of each section, and the one past its last

    def at(self, bars: float) -> int:
        """Return the sample at which a position lies.

        Parameters
        ----------
        bars : float

        Returns
        -------
        int
        """
        return int(round(bars * self.bar)) - self.offset

    def _seconds(self, bars):
        """Start and end of bars in s, list of lists, neighbours joined and cut to the clip."""
        spans = []
        for bar in bars:
            start, end = (min(max(self.at(at) / SR, 0.0), float(SECONDS)) for at in (bar, bar + 1))
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append([start, end])
        return [[round(a, 3), round(b, 3)] for a, b in spans if a < b]


@dataclass(frozen=True)
class Recipe:
    """All that can be heard in a beat."""

    seed: int = 0  # decides the details
    kit: int = 0  # a seed of the drum sounds
    style: str = "trap"
    bpm: float = 140.0
    root: int = 0  # pitch class
    voice_hz: float = 110.0
    tract: float = 1.0  # factor on the voice's formants
    cut_hz: float = 3500.0  # low-pass of the sampled loop
    dust_db: float = -45.0
    tilt: float = 0.0  # treble of the master, -0.4 dull to 0.4 bright
    level_db: float = -16.0  # of the master, relative to full scale
    low_db: float = 0.0  # habits of the mix
    hat_db: float = 0.0
    voice_db: float = 0.0
    width: float = 0.3  # of the stereo image
    # standardised; of structures, the sign
    causes: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    take: int | None = None  # in songs, every take has other words

    def rng(self, part: str) -> np.random.Generator:
        """Return the random stream of one part of the beat.

        Parameters
        ----------
        part : str

        Returns
        -------
        np.random.Generator
        """
        take = [self.take] if part == "voice" and self.take is not None else []
        return np.random.default_rng([self.seed, *take, *part.encode()])

    @property
    def timeline(self) -> Timeline:
        """Where the bars and sections lie: everywhere in the clip, and unlike in every beat."""
        rng = self.rng("timeline")
        bar = int(round(240 / self.bpm * SR))
        offset = int(rng.uniform(0, 0.5) * bar)
        bars = (N + offset) / bar
        gap = 1 if bar > 2.1 * SR else 2
        part = max(gap + 1, round(0.17 * bars))
        # an early hook leaves a verse before it, a late one a bit of what comes third
        hook = int(rng.integers(2 * gap + 1, max(2 * gap + 1, int(bars) - 2 * part - gap) + 1))
        intro = int(rng.integers(0, hook - 2 * gap))
        second, third, end = (hook + k * part for k in (1, 2, 3))
        again, bridge = (second, third), (third, end)
        if self.causes["hook_returns"] > 0:
            again, bridge = bridge, again
        # without a drop the stop is in the verse or as the bridge begins
        stop = int(rng.integers(intro, hook - 2 * gap + 1))
        stop = bridge[0] if rng.random() < 0.5 else stop
        stop = hook - gap if self.causes["drop"] > 0 else stop
        return Timeline(
            bar,
            offset,
            {
                "intro": (0, intro),
                "verse": (intro, hook - gap),
                "lead": (hook - gap, hook),
                "hook": (hook, second),
                "again": again,
                "bridge": bridge,
                "end": (end, max(end, int(np.ceil(bars)))),
                "stop": (stop, stop + gap),
            },
        )

    @property
    def harmony(self) -> tuple[int, ...]:
        """Scale degrees of the loop's chords, two or four."""
        return PROGRESSIONS[self.rng("harmony").integers(len(PROGRESSIONS))]

    def bars_of(self, *roles: str) -> list[int]:
        """Return the bars that play one of some roles.

        Parameters
        ----------
        *roles : {"intro", "verse", "hook", "bridge", "outro", "stop"}
            The verse leads to the hook, which plays again before or after the bridge.

        Returns
        -------
        list of int
        """
        spans, played = self.timeline.spans, {"lead": "verse", "again": "hook", "end": "outro"}
        role = {bar: played.get(name, name) for name, span in spans.items() for bar in range(*span)}
        return sorted(bar for bar, what in role.items() if what in roles)

    def cause_times(self) -> dict[str, list[list[float]]]:
        """Return where each cause can be heard: by its name, a list of [start, end] in s."""
        line = self.timeline
        third = line.spans["again" if self.causes["hook_returns"] > 0 else "bridge"]
        bars = {
            "hook_returns": range(*third),
            "riser": range(*line.spans["lead"]),
            "drop": range(*line.spans["stop"]),
            "hat_rolls": self.bars_of("verse", "hook"),
            "arrangement": self.bars_of("verse", "hook", "bridge"),
            "low_end": self.bars_of("intro", "verse", "hook", "bridge", "outro"),
            "voice_presence": self.bars_of("verse"),
        }
        return {name: line._seconds(bars[name]) for name in CAUSES}

    def effects(self) -> dict[str, float]:
        """Return what each cause is worth in this beat, in deviations: above 0 it helps."""
        worth: dict[str, Callable] = {
            "structure": np.sign,
            "change": lambda z: ROLLS[self.style] * z,
            "optimum": lambda z: (1 - z * z) / 2**0.5,
            "level": float,
        }
        return {name: float(worth[CAUSES[name]["kind"]](z)) for name, z in self.causes.items()}
