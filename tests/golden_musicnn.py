"""Makes ``golden_musicnn.npz``: the outputs of the tagger for windows that everybody can make.

``python -m tests.golden_musicnn`` writes it anew. Made by the network of
`hiphoplib.audio.tagger` when its answers agreed to 5e-6 with those of the authors' own graph.
"""

from pathlib import Path

import numpy as np

from hiphoplib.audio.tagger import N_MELS, WINDOW, _tagger

GOLDEN = Path(__file__).with_suffix(".npz")


def golden_windows():
    """Two windows: bands that swell one after the other, and noise of a fixed seed."""
    time, band = np.arange(WINDOW)[:, None], np.arange(N_MELS)[None]
    swelling = 2 + 2 * np.sin(2 * np.pi * (time / 25 - band / 40))
    noise = np.random.default_rng(0).uniform(0, 4, (WINDOW, N_MELS))
    return np.stack([swelling, noise]).astype(np.float32)


if __name__ == "__main__":
    outputs = _tagger()(golden_windows(), training=False)
    np.savez_compressed(GOLDEN, **{part: values.numpy() for part, values in outputs.items()})
