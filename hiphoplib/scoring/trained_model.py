"""A trained model: whatever it is, it has members, whose weighted log odds are added.

Members are networks, and heads on features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from hiphoplib.audio.mel import MelGrid, mel_spectrogram
from hiphoplib.dataset.features import kinds_of
from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.explanation.heard import hear
from hiphoplib.explanation.swap_test import Donors, Part, swap_test
from hiphoplib.models.calibration import Domain, log_odds, together
from hiphoplib.models.stack import Head
from hiphoplib.models.training import Run
from hiphoplib.tracks.synthetic.corpus import CAVEAT


@dataclass(frozen=True, eq=False)
class Member:
    """A network or a head, and how much its log odds count."""

    model: Run | Head
    weight: float

    def log_odds(self, S_db: np.ndarray, X: pd.DataFrame | None) -> np.ndarray:
        """Return the weighted log odds of windows.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n, n_mels, frames)], in dB
            For a network.
        X : pd.DataFrame [shape=(n, features)]
            For a head.

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        odds = (
            self.model.predict(X)
            if isinstance(self.model, Head)
            else log_odds(self.model.predict(S_db))
        )
        return self.weight * odds


@dataclass(frozen=True, eq=False)
class Training:
    """What one seed learnt on one fold: members whose sum is calibrated."""

    members: list[Member]
    offset: float
    reference: np.ndarray  # its scores of its test set, ascending

    def predict(self, S_db: np.ndarray, X: pd.DataFrame | None = None) -> np.ndarray:
        """Return the probability of being popular.

        Parameters
        ----------
        S_db, X
            As of `Member.log_odds`.

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        return expit(sum(member.log_odds(S_db, X) for member in self.members) + self.offset)


def head_features(trainings: Sequence[Training]) -> set[str]:
    """Return the names of the features that heads of some trainings read.

    Parameters
    ----------
    trainings : sequence of Training

    Returns
    -------
    set of str
    """
    return {
        name
        for each in trainings
        for member in each.members
        if isinstance(member.model, Head)
        for name in member.model.table.index
    }


@dataclass(frozen=True)
class TrainedModel:
    """A model to score with: its trainings, whose mean log odds count."""

    trainings: list[Training]
    card: dict  # the manifest, less trainings and hash
    domain: Domain | None  # None of an older folder
    donors: Donors | None = None  # clips to swap parts with; None of an older folder

    @property
    def grid(self) -> MelGrid:
        """Mel grid of its spectrograms."""
        return MelGrid(**self.card["grid"])

    @property
    def margin(self) -> float:
        """Difference of scores from which on an order is reliable; infinite where none is."""
        return (self.card["results"].get("order") or {"margin": np.inf})["margin"]

    @property
    def kinds(self) -> list[str]:
        """Kinds of features that it needs of a song."""
        return kinds_of(
            head_features(self.trainings).union(self.domain.table.index if self.domain else [])
        )

    def predict(self, S_db: np.ndarray, X: pd.DataFrame | None = None) -> np.ndarray:
        """Return the probability of being popular, `together` of all trainings.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n, n_mels, frames)], in dB
        X : pd.DataFrame [shape=(n, features)], optional
            For heads.

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        return together([training.predict(S_db, X) for training in self.trainings])


def song_parts(model: TrainedModel, y: np.ndarray, sr: int) -> list[Part] | None:
    """Return the parts of 30 s of a song that move its score, by the swap test.

    Parameters
    ----------
    model : TrainedModel
    y : np.ndarray [shape=(samples,)]
    sr : int, in Hz

    Returns
    -------
    list of Part, or None
        Strongest first, empty if no part decides; None if the model's folder is an older one,
        without clips to swap with.
    """
    if model.donors is None:
        return None
    donors, S_db = model.donors, mel_spectrogram(y, sr, model.grid).astype(np.float32)
    heard = hear(y, sr, donors.heard.kinds, donors.grid) if donors.heard else None
    return swap_test(model.predict, S_db, donors, heard=heard)


def card_text(manifest: dict) -> str:
    """Return the card for people, Markdown.

    Parameters
    ----------
    manifest : dict

    Returns
    -------
    str
    """
    corpus, protocol, results = (manifest[name] for name in ("corpus", "protocol", "results"))
    grid, within = MelGrid(**manifest["grid"]), results["within_artist"]
    auc, accuracy, skill = (
        Estimate.read(results[name]) for name in ("auc", "accuracy", "brier_skill")
    )
    # what others wrote becomes code, in which no Markdown or HTML is read
    name, kind = (
        "`" + " ".join(corpus[key].replace("`", "'").split()) + "`"
        for key in ("name", "popularity_kind")
    )
    folds = f"{protocol['folds']} folds" if protocol["folds"] else "one test set"
    trainings = ", ".join(
        f"seed {each['seed']} fold {each['fold']}" for each in manifest["trainings"]
    )
    own_tracks = "No artist has enough tracks to be judged within."
    if within:
        auc_within = Estimate.read(within)
        own_tracks = (
            f"Among the tracks of one artist: AUC {auc_within}, {within['artists']} artists."
        )
    orders = "No order of an artist's songs is reliable: none is given."
    if order := results["order"]:
        orders = (
            f"Songs whose scores differ by {order['margin']:.0%} or more are put in order: of "
            f"pairs like these of one artist, {Estimate.read(order['accuracy']):.2f} were right."
        )
    return "\n\n".join(
        [
            f"# {manifest['model']}, trained on {name}",
            f"The mean of {len(manifest['trainings'])} trainings ({trainings}) is the probability "
            "that 30 s of a song are popular: a popularity of at least "
            f"{manifest['threshold']:.4g}. `python -m hiphoplib score FOLDER --model THIS` uses "
            "it.",
            "## Trained on",
            f"Data set {name}, {corpus['tracks']:,} tracks by {corpus['artists']:,} artists, "
            f"fingerprint `{corpus['fingerprint']}`. What popularity is there: {kind}. Split by "
            f"{protocol['split']}, {folds}; mel spectrograms of {grid.n_mels} bands × "
            f"{grid.frames} frames.",
            "## How good it is on tracks that it has not seen",
            f"All seeds and folds: AUC {auc}, accuracy {accuracy}, Brier skill {skill} "
            f"(95 % intervals over artists, {protocol['test_tracks']} tracks).",
            own_tracks,
            orders,
            "## What it is not for",
            "- Deciding about a single song: the intervals above are about the order of many.\n- "
            "Music of another kind than its data set, or another meaning of popular.\n- Saying "
            "why a song is popular: it picks up what goes with popularity in that data set."
            + (f"\n- {CAVEAT}" if manifest["synthetic"] else ""),
            "## Versions",
            ", ".join(f"{library} {version}" for library, version in manifest["versions"].items())
            + f"; {manifest['made']}\n",
        ]
    )
