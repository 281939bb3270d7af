"""What is encoded can be decoded again."""

import io

import numpy as np
import pytest
import soundfile as sf

from hiphoplib.audio.files import encode, read_clip


@pytest.mark.parametrize("channels", [1, 2])
def test_an_encoded_tone_keeps_its_pitch_rate_and_channels(channels):
    t = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 1000 * t).astype(np.float32)
    y, sr = sf.read(io.BytesIO(encode(np.stack([tone] * channels), 44_100)), always_2d=True)
    assert sr == 44_100 and y.shape[1] == channels
    spectrum = np.abs(np.fft.rfft(y[4410:39_690, 0]))
    assert abs(np.argmax(spectrum) * 44_100 / 35_280 - 1000) < 2


def test_an_mp3_for_players_is_small_and_as_long(source_folder):
    path = sorted((source_folder / "audio").glob("*.mp3"))[0]
    small = encode(*read_clip(path), kbps=32)
    before, after = sf.info(path), sf.info(io.BytesIO(small))
    assert abs(after.duration - before.duration) < 0.15 and after.samplerate == 22_050
    assert after.channels == 1 and len(small) < 5_000 * before.duration
