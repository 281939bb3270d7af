"""Recipes of 30 s hip-hop beats: all that can be heard, and what plays when.

The causes of a recipe are the few properties that the synthetic corpus ties to popularity. Turning
one up changes nothing else: every instrument draws from its own random stream.
"""

from dataclasses import dataclass, field

import numpy as np

SR = 44_100
SECONDS, N = 30, 30 * SR

CAUSES = {
    "low_end": {"kind": "level", "band_hz": [30, 120],
                "what": "How loud the 808 and the kick are, through the whole clip."},
    "hat_rolls": {"kind": "density", "band_hz": [6000, 11000],
                  "what": "How densely the hi-hats roll in the hook."},
    "voice_presence": {"kind": "level", "band_hz": [1000, 4000],
                       "what": "How forward and bright the voice is in the verse."},
    "hook_returns": {
        "kind": "structure", "band_hz": [500, 11000],
        "what": "Whether the hook comes back at the end of the clip or the beat thins out."},
    "riser": {
        "kind": "structure", "band_hz": [2000, 6000],
        "what": "Whether the drums drop out before the hook and a noise riser fills the gap."},
}

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

    def _seconds(self, *names):
        """Start and end of sections in s, list of lists, cut to the clip."""
        spans = [[self.at(bar) / SR for bar in self.spans[name]] for name in names]
        return [[round(max(a, 0.0), 3), round(min(b, float(SECONDS)), 3)] for a, b in spans]


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
        """Where the bars and sections lie."""
        rng = self.rng("timeline")
        bar = int(round(240 / self.bpm * SR))
        offset = int(rng.uniform(0, 0.5) * bar)
        bars = (N + offset) / bar
        hook = round(bars * rng.uniform(0.42, 0.5))
        gap = hook - (1 if bar > 2 * SR else 2)
        intro = max(1, round(bars * rng.uniform(0.08, 0.16)))
        bridge = hook + max(2, round(bars * 0.28))
        end = max(bridge + 1, round(bars * 0.82))
        return Timeline(bar, offset, {
            "intro": (0, intro), "verse": (intro, gap), "gap": (gap, hook),
            "hook": (hook, bridge), "bridge": (bridge, end), "end": (end, int(np.ceil(bars)))})

    @property
    def harmony(self) -> tuple[int, ...]:
        """Scale degrees of the loop's chords, two or four."""
        return PROGRESSIONS[self.rng("harmony").integers(len(PROGRESSIONS))]

    def bars_of(self, *roles: str) -> list[int]:
        """Return the bars that play one of some roles.

        Parameters
        ----------
        *roles : {"intro", "verse", "gap", "hook", "bridge", "outro"}
            The end plays the hook when that returns, the gap is more verse when there is no riser.

        Returns
        -------
        list of int
        """
        role = {name: name for name in ("intro", "verse", "hook", "bridge")}
        role["gap"] = "gap" if self.causes["riser"] > 0 else "verse"
        role["end"] = "hook" if self.causes["hook_returns"] > 0 else "outro"
        spans = self.timeline.spans
        return [bar for name, what in role.items() if what in roles for bar in range(*spans[name])]

    def cause_times(self) -> dict[str, list[list[float]]]:
        """Return where each cause can be heard: by its name, a list of [start, end] in s."""
        line = self.timeline
        hooks = ("hook", "end") if self.causes["hook_returns"] > 0 else ("hook",)
        (start, stop), (_, hook) = line._seconds("verse", "gap")
        whole, spoken = [[0.0, float(SECONDS)]], [[start, hook]]
        if self.causes["riser"] > 0:  # neither bass nor voice in the gap
            whole, spoken = [[0.0, stop], [hook, float(SECONDS)]], [[start, stop]]
        return {"low_end": whole, "hat_rolls": line._seconds(*hooks), "voice_presence": spoken,
                "hook_returns": line._seconds("end"), "riser": line._seconds("gap")}
