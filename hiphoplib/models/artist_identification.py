"""Artist identification: how popular are the artists whom a track sounds like?"""

import numpy as np
import pandas as pd

SHRINKAGE = 0.1  # of the covariance within artists, towards a sphere
NEW = 0.5  # probability, before listening, of an artist that is not in the training set
FAME = 3.0  # tracks whose mean is worth as much as the mean of all artists
MIN_BETWEEN = 0.05  # variance between artists, in units of that within


class ArtistIdentifier:
    """Probabilistic linear discriminant analysis: which artist does a track sound like?

    A track is normal around its artist's mean, with the same covariance for all; means are normal
    around the origin. So the probability of each artist, and of a new one, has a closed form
    (Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006, as used for speakers).
    """

    def fit(self, X: np.ndarray, artists: np.ndarray, popularity: np.ndarray) -> "ArtistIdentifier":
        """Learn from tracks.

        Parameters
        ----------
        X : np.ndarray [shape=(tracks, features)]
            Standardised.
        artists : np.ndarray of str [shape=(tracks,)]
            At least one of them with two tracks: how an artist's tracks differ is learnt, too.
        popularity : np.ndarray [shape=(tracks,)]

        Returns
        -------
        self
        """
        member, self.artists = pd.factorize(np.asarray(artists))
        n = np.bincount(member)
        means = _sums(member, X) / n[:, None]
        inside = (X - means[member])[n[member] > 1]
        covariance = inside.T @ inside / (n[n > 1] - 1).sum()
        sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        variance, axes = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere)
        self.whiten = axes / np.sqrt(variance)
        between = np.maximum((X @ self.whiten).var(axis=0) - 1, MIN_BETWEEN)
        shrunk = n[:, None] * between / (n[:, None] * between + 1)
        self.means = np.vstack([(means @ self.whiten) * shrunk, np.zeros(len(between))])
        self.spread = np.vstack([1 + between / (n[:, None] * between + 1), 1 + between])
        self.prior = np.log(np.append((1 - NEW) * n / n.sum(), NEW))
        mean = popularity.mean()
        fame = (np.bincount(member, popularity) + FAME * mean) / (n + FAME)
        self.fame = np.append(fame, mean)
        return self

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each artist, and in the last column of a new one.

        Parameters
        ----------
        X : np.ndarray [shape=(n, features)]

        Returns
        -------
        np.ndarray [shape=(n, artists + 1)]
        """
        Z = X @ self.whiten
        distance = (Z**2 @ (1 / self.spread).T - 2 * Z @ (self.means / self.spread).T
                    + (self.means**2 / self.spread).sum(axis=1))
        logs = self.prior - (distance + np.log(self.spread).sum(axis=1)) / 2
        likely = np.exp(logs - logs.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the mean popularity of the likely artists.

        Parameters
        ----------
        X : np.ndarray [shape=(n, features)]

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        return self.probabilities(X) @ self.fame


def _sums(member, X):
    """Sum of the rows of each group [shape=(groups, features)]."""
    return np.stack([np.bincount(member, column) for column in X.T], axis=1)
