"""A model that listens for who plays, not for what is played: how far that alone gets.

Probabilistic linear discriminant analysis, as speakers are recognised with: S. Ioffe,
"Probabilistic linear discriminant analysis", ECCV 2006; S. Prince & J. Elder, ICCV 2007.
"""

import numpy as np
import pandas as pd

SHRINKAGE = 0.1  # of the covariance within artists, towards a sphere
NEW = 0.5  # chance, before listening, that an artist is not among those that were learnt from
FAME = 3.0  # tracks whose mean is worth as much as the mean of all artists
LEAST = 0.05  # variance between artists in units of that within, so that no direction has none


class Recogniser:
    """Tells tracks' artists by their sound, and answers with what those reached before.

    A track is normal around its artist's place, with the same covariance for all; places are
    normal around the origin. So the probability of each artist, and of one that is new, has a
    closed form.
    """

    def fit(self, X, artists, popularity):
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
        places = _sums(member, X) / n[:, None]
        inside = (X - places[member])[n[member] > 1]
        covariance = inside.T @ inside / (n[n > 1] - 1).sum()
        sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        variance, axes = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere)
        self.whiten = axes / np.sqrt(variance)
        between = np.maximum((X @ self.whiten).var(axis=0) - 1, LEAST)
        shrunk = n[:, None] * between / (n[:, None] * between + 1)
        self.places = np.vstack([(places @ self.whiten) * shrunk, np.zeros(len(between))])
        self.spread = np.vstack([1 + between / (n[:, None] * between + 1), 1 + between])
        self.prior = np.log(np.append((1 - NEW) * n / n.sum(), NEW))
        mean = popularity.mean()
        fame = (np.bincount(member, popularity) + FAME * mean) / (n + FAME)
        self.fame = np.append(fame, mean)
        return self

    def probabilities(self, X):
        """Of each artist, and in the last column of a new one, np.ndarray [shape=(n, artists+1)]"""
        Z = X @ self.whiten
        distance = (Z**2 @ (1 / self.spread).T - 2 * Z @ (self.places / self.spread).T
                    + (self.places**2 / self.spread).sum(axis=1))
        logs = self.prior - (distance + np.log(self.spread).sum(axis=1)) / 2
        likely = np.exp(logs - logs.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Popularity that the likely artists had, np.ndarray [shape=(n,)]."""
        return self.probabilities(X) @ self.fame


def _sums(member, X):
    """Sum of the rows of each group, np.ndarray [shape=(groups, features)]."""
    return np.stack([np.bincount(member, column) for column in X.T], axis=1)
