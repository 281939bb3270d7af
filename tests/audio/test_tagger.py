"""The tagger is the authors' own, number for number; without its weights the user is told."""

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest

from hiphoplib.audio import tagger as musicnn
from hiphoplib.dataset.features import FEATURES
from hiphoplib.errors import BadInput
from tests.golden_musicnn import GOLDEN, golden_windows


def installed():
    try:
        return bool(distribution("musicnn"))
    except PackageNotFoundError:
        return False


needs_weights = pytest.mark.skipif(not installed(), reason=f"needs `{musicnn.INSTALL}`")


@needs_weights
def test_the_tagger_has_the_outputs_of_the_original():
    outputs = musicnn._tagger().predict_on_batch(golden_windows())
    with np.load(GOLDEN, allow_pickle=False) as golden:
        assert set(outputs) == set(golden)
        for part, values in outputs.items():
            # Sums of up to 13,000 products in float32, in an order that the processor chooses:
            # relative to the largest value of a part, 1e-5 is a hundred times what one rounding
            # costs, and a hundredth of what a wrong padding or a wrong layer would.
            scale = np.abs(golden[part]).max()
            np.testing.assert_allclose(values, golden[part], rtol=0, atol=1e-5 * scale)


@needs_weights
def test_a_summary_is_mean_and_deviation_over_the_windows():
    windows = golden_windows()
    outputs = musicnn._tagger()(windows, training=False)
    summary = dict(zip(musicnn.SUMMARIES, FEATURES["musicnn"].summarise(windows)[0], strict=True))
    tags = outputs["tags"].numpy()
    assert summary["tags33_mean"] == pytest.approx(tags[:, 33].mean(), abs=1e-6)
    assert summary["tags33_std"] == pytest.approx(tags[:, 33].std(), abs=1e-6)
    assert summary["penultimate199_std"] == pytest.approx(
        outputs["penultimate"].numpy()[:, 199].std(), abs=1e-5
    )


@needs_weights
@pytest.mark.parametrize("network", musicnn.VGG)
def test_the_smaller_networks_have_the_outputs_of_the_original_graph(network):
    """Its operations one by one, as the authors' own code has them."""
    from hiphoplib.keras_backend import tf

    stored = tf.compat.v1.train.NewCheckpointReader(f"{musicnn.weights(network)}/").get_tensor

    def normalised(x, number):
        name = f"batch_normalization_{number}".removesuffix("_0")
        return tf.nn.batch_normalization(
            x,
            *(stored(f"{name}/{of}") for of in ("moving_mean", "moving_variance", "beta", "gamma")),
            1e-3,
        )

    x = normalised(golden_windows()[..., None], 0)
    for number, size, stride in ((1, (4, 1), 2), (2, 2, 2), (3, 2, 2), (4, 2, 2), (5, 4, 4)):
        x = tf.nn.conv2d(x, stored(f"{number}CNN/kernel"), 1, "SAME")
        x = normalised(tf.nn.relu(x + stored(f"{number}CNN/bias")), number)
        x = tf.nn.max_pool2d(x, size, stride, "VALID")
    pool5 = tf.reshape(x, (len(x), -1))
    tags = tf.sigmoid(pool5 @ stored("dense/kernel") + stored("dense/bias"))
    outputs = musicnn._tagger(network).predict_on_batch(golden_windows())
    np.testing.assert_allclose(outputs["pool5"], pool5, atol=1e-4)
    np.testing.assert_allclose(outputs["tags"], tags, atol=1e-5)
    values = FEATURES["vgg"].summarise(golden_windows())[0]
    summary = dict(zip(musicnn.VGG_SUMMARIES, values, strict=True))
    assert summary[f"{network}_tags3_mean"] == pytest.approx(tags.numpy()[:, 3].mean(), abs=1e-5)


@pytest.mark.parametrize("sr, seconds, n", [(16_000, 30, 10), (44_100, 30, 10), (22_050, 3.1, 1)])
def test_windows_are_three_seconds_each_at_any_rate(sr, seconds, n):
    y = np.sin(2 * np.pi * 440 * np.arange(int(sr * seconds)) / sr).astype(np.float32)
    windows = musicnn.windows(y, sr)
    assert windows.shape == (n, 187, 96)
    loudest = windows[0].mean(axis=0).argmax()
    low, high = musicnn.librosa.mel_frequencies(98, fmax=8000)[[loudest, loudest + 2]]
    assert low < 440 < high


def test_where_the_weights_are_missing_the_message_says_how_to_get_them(monkeypatch):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(musicnn, "distribution", nothing)
    with pytest.raises(BadInput, match="pip install --no-deps musicnn==0.1.0"):
        musicnn.weights()


def test_longer_windows_take_the_windows_that_lie_in_them():
    length = musicnn.WINDOW * musicnn.HOP / musicnn.SR
    for start, part in zip([0.0, 5.0, 97.3], musicnn.inside([0.0, 5.0, 97.3], 30.0)):
        assert start <= part.start * length and part.stop * length <= start + 30
        assert part.stop - part.start in (9, 10)
    assert [part.stop - part.start for part in musicnn.inside([1.0], 2.0)] == [1]


@needs_weights
def test_parts_are_summed_up_as_if_each_were_a_clip():
    windows = np.concatenate([golden_windows(), golden_windows()[::-1]])
    parts = [slice(0, 4), slice(2, 6)]
    for summarise in (FEATURES[kind].summarise for kind in ("musicnn", "vgg")):
        for row, part in zip(summarise(windows, parts), parts, strict=True):
            np.testing.assert_allclose(row, summarise(windows[part])[0], atol=1e-4)
