"""Audio of strangers: of every format, heard to its end, or refused with the real reason."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import soundfile as sf

from hiphoplib.audio.files import Recording, encode, read_clip
from hiphoplib.audio.mel import QUICK, clip_to_mel, mel_spectrogram
from hiphoplib.audio.windows import SUFFIXES, find_songs, windows_or_reason
from hiphoplib.errors import BadInput
from hiphoplib.tracks.previews import check_audio
from tests.audio.sounds import FORMATS, SR, by_ffmpeg, encoded, written
from tests.mel_runs import posix

RATE = {".opus": 48_000}
# a tag that players write behind an mp3: one item, and a footer
APE = bytes([5, 0, 0, 0, 0, 0, 0, 0]) + b"Title\0abcde" + b"APETAGEX" + bytes([208, 7, 0, 0, 51])
APE += bytes([0, 0, 0, 1]) + bytes(15)


def music(seconds, sr=SR, channels=2, seed=0):
    y = np.random.default_rng(seed).normal(0, 0.1, (int(seconds * sr), channels))
    return y.astype(np.float32).squeeze()


@pytest.fixture(scope="module")
def parts():
    """20 and 40 s of every format, by suffix."""
    return {
        suffix: [encoded(music(seconds, sr, seed=seconds), sr, suffix) for seconds in (20, 40)]
        for suffix in FORMATS
        for sr in [RATE.get(suffix, SR)]
    }


def heard(content):
    """Seconds of a recording, and what is said of it."""
    with Recording(content) as recording:
        n = sum(map(len, recording.blocks()))
        return n / recording.sr, recording.note()


# the length that a file says of itself


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_decoded_and_known_by_its_ending(parts, suffix):
    assert heard(parts[suffix][1]) == (pytest.approx(40, abs=0.1), "") and suffix in SUFFIXES


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus", ".mp3", ".aac", ".mp2", ".ac3"])
def test_files_that_were_joined_are_heard_to_the_end(parts, suffix):
    assert heard(b"".join(parts[suffix])) == (pytest.approx(60, abs=0.2), "")


def test_an_mp3_that_counts_its_frames_may_be_joined_with_one_that_does_not(parts):
    assert heard(parts[".mp3"][0] + encode(music(40).T, SR))[0] == pytest.approx(60, abs=0.2)


def test_what_cannot_be_joined_is_said_to_be_lost(parts):
    """A second song at another rate."""
    seconds, note = heard(parts[".ogg"][0] + written(music(40, 48_000), 48_000, ".ogg"))
    assert seconds == pytest.approx(60, abs=0.2) and not note or "% of it could not" in note


@pytest.mark.parametrize(
    "suffix",
    [".mp3", ".wav", ".aif", ".flac", ".mka", ".wv", ".tta", ".wma"]
    + [".wavex", ".rf64", ".caf", ".w64"],
)
def test_of_a_file_that_was_cut_it_is_said_what_is_missing(parts, suffix):
    if suffix in parts:
        whole = parts[suffix][1]
    else:
        sf.write(file := BytesIO(), music(40), SR, format=suffix[1:].upper(), subtype="FLOAT")
        whole = file.getvalue()
    seconds, note = heard(whole[: len(whole) // 2])
    assert seconds == pytest.approx(20, abs=1.5)
    assert note.startswith(f"Cut off: {seconds:.0f} s of the 40 s")


@pytest.mark.parametrize("suffix", [".ogg", ".opus", ".aac", ".mp2", ".ac3", "raw", "fragments"])
def test_of_a_file_without_a_length_it_is_said_that_its_end_is_missing(parts, suffix, tmp_path):
    if suffix == "raw":  # an mp3 that does not count its frames
        whole = encode(music(40).T, SR)
    elif suffix == "fragments":
        options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "2000000"}
        whole = by_ffmpeg(music(40), SR, "ipod", "aac", **options)
    else:
        whole = parts[suffix][1]
    seconds, note = heard(whole[: len(whole) // 2 - 111])
    assert seconds == pytest.approx(20, abs=1.5)
    assert note == "It may be cut off: its last part is incomplete."
    assert heard(whole) == (pytest.approx(40, abs=0.1), "")


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), APE, bytes(100), b"\n"])
def test_a_tag_behind_the_last_frame_is_no_part_of_it(parts, tail):
    for whole in (encode(music(40).T, SR), *(parts[suffix][1] for suffix in (".aac", ".mp2"))):
        assert heard(whole + tail) == (pytest.approx(40, abs=0.1), "")


def test_lengths_that_were_never_filled_in_do_not_count(parts):
    """As programs write to a pipe."""
    flac = bytearray(parts[".flac"][1])
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    assert heard(bytes(flac)) == (pytest.approx(40), "")
    for size in (bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80"):
        wav = bytearray(parts[".wav"][1])
        at = wav.find(b"data") + 4
        wav[4:8] = wav[at : at + 4] = size
        assert heard(bytes(wav)) == (pytest.approx(40), "")


@pytest.mark.parametrize(
    "suffix, name, at",
    [
        (".wav", b"data", 4),
        (".aif", b"SSND", 4),
        (".aif", b"COMM", 10),
        (".aif", b"FORM", 4),
        (".rf64", b"ds64", 16),
        (".caf", b"data", 8),
        (".au", b".snd", 8),
    ],
)
def test_samples_behind_the_length_that_is_stated_are_heard(suffix, name, at):
    """As recorders leave them that crashed, and editors that forgot."""
    y = music(40)
    file = BytesIO()
    kind = {".aif": "AIFF"}.get(suffix, suffix[1:].upper())
    sf.write(file, y, SR, format=kind)
    whole = file.getvalue()
    at += whole.find(name)
    for wrong in (bytes(4), b"\0\x10\x10\0", b"\x7f" + 3 * b"\xff", b"\xff" * 4):
        content = whole[:at] + wrong + whole[at + 4 :]
        if name == b"ds64":  # the first four of eight bytes
            content = whole[:at] + wrong[::-1] + whole[at + 4 :]
        assert heard(content) == (pytest.approx(40, abs=0.01), ""), wrong


def test_what_lies_behind_a_wav_is_told_from_its_samples(parts):
    wav = parts[".wav"][1]
    tag = b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0" + bytes(14)
    assert heard(wav + tag) == (40, "")
    assert heard(wav + wav)[0] == pytest.approx(80, abs=0.01)
    seconds, note = heard(wav + parts[".mp3"][0])
    assert seconds == 40 and note.startswith("Behind its end there is something else, ")


def test_an_edit_list_hides_nothing(parts, tmp_path):
    for at, wrong in ((12, bytes(4)), (12, b"\0\0\x10\0"), (16, b"\xff" * 4), (16, b"\0\6\0\0")):
        m4a = bytearray(parts[".m4a"][1])
        assert (place := m4a.find(b"elst")) > 0
        m4a[place + at : place + at + 4] = wrong
        assert heard(bytes(m4a)) == (pytest.approx(40, abs=0.1), "")


def test_a_tag_that_promises_more_than_the_file_hides_no_sound():
    assert heard(b"ID3\x03\0\0" + b"\x7f" * 4 + encode(music(20).T, SR))[0] == pytest.approx(
        20, abs=0.1
    )


@pytest.mark.parametrize("suffix, channels", [(".wv", 8), (".wv", 16), (".m4a", 8), (".wav", 16)])
def test_eight_channels_and_more_are_read_and_no_memory_beyond_them(suffix, channels):
    y = music(4, 48_000, channels)
    with Recording(encoded(y, 48_000, suffix)) as recording:
        heard_channels = np.concatenate(list(recording.channels()), axis=1)
    assert len(heard_channels) == channels
    if suffix != ".m4a":
        assert np.abs(heard_channels[:, :100_000] - y.T[:, :100_000]).max() < 0.01


# one way for clips and songs


def test_a_corpus_takes_what_scoring_takes(parts, tmp_path):
    padded = b"ID3\x03\0\0\0\0\x10\0" + bytes(300_000) + encode(music(20).T, SR)
    for suffix, content in {**{s: c[0] for s, c in parts.items()}, ".padded.mp3": padded}.items():
        path = tmp_path / f"clip{suffix}"
        path.write_bytes(content)
        check_audio(content, "clip")
        S_db, reason, _ = clip_to_mel((path, QUICK, 2))
        song = windows_or_reason((path, QUICK, 5.0))
        assert reason is None and np.abs(S_db.astype(float) - song.S_db[0]).max() < 0.5, suffix


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile 'a.wav'\n",
        b"<?xml version='1.0'?><MPD></MPD>",
    ],
)
def test_a_list_of_other_files_is_no_audio(content):
    with pytest.raises(BadInput, match="not audio"):
        Recording(content)


# the real reason


def test_channels_that_cancel_are_heard_one_by_one(tmp_path):
    left = 0.4 * music(20, channels=1) / 0.1
    for right, said in ((-left, True), (-0.9 * left, True), (left, False), (0 * left, False)):
        content = written(np.stack([left, right], axis=1), SR, ".wav")
        (tmp_path / "clip.wav").write_bytes(content)
        y, _ = read_clip(tmp_path / "clip.wav")
        assert np.std(y) > 0.4 * np.std(left) and ("cancel" in heard(content)[1]) == said


def test_a_constant_is_taken_out(tmp_path):
    y = music(20, channels=1)
    (tmp_path / "clip.wav").write_bytes(written(y + 0.3, SR, ".wav", subtype="FLOAT"))
    offset = read_clip(tmp_path / "clip.wav")[0] - y
    assert np.abs(offset).max() < 1e-3
    (tmp_path / "flat.wav").write_bytes(written(0 * y + 0.3, SR, ".wav"))
    with pytest.raises(BadInput, match="only silence"):
        read_clip(tmp_path / "flat.wav")


def test_a_constant_that_begins_later_is_taken_out_too(tmp_path):
    y = music(20, channels=1)
    y[8 * SR :] += 0.3
    with Recording(written(y, SR, ".wav", subtype="FLOAT")) as recording:
        heard_later = np.concatenate(list(recording.blocks()))[12 * SR :]
    assert abs(heard_later.mean()) < 0.01


def test_24_bits_in_32_are_no_floats():
    file = BytesIO()
    sf.write(file, music(20), SR, format="WAVEX", subtype="PCM_32")
    wav = bytearray(file.getvalue())
    wav[(at := wav.find(b"fmt ") + 26) : at + 2] = (24).to_bytes(2, "little")
    with Recording(bytes(wav)) as recording:
        y = np.concatenate(list(recording.channels()), axis=1)
    assert np.abs(y - music(20).T).max() < 1e-6


def test_samples_out_of_range_are_refused_everywhere(tmp_path):
    y = music(20, channels=1)
    spike = y.copy()
    spike[5 * SR] = 1e20
    path = tmp_path / "song.wav"
    for wrong in (spike, 32_768 * y, -spike):
        path.write_bytes(written(wrong, SR, ".wav", subtype="FLOAT"))
        assert "times full scale" in (reason := both(path)) and "export it again" in reason
    for wrong in (np.nan, np.inf, -np.inf, 1e300):  # the last is one in 64 bits only
        y = np.stack([y, y], axis=1).astype(float) if y.ndim == 1 else y
        y[5 * SR, 1] = wrong
        path.write_bytes(written(y, SR, ".wav", subtype="DOUBLE"))
        assert "samples that are no numbers after 3 s; export it again" in both(path)


def test_a_beginning_in_silence_is_told_from_silence(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(
        written(np.concatenate([np.zeros(31 * 8000), music(9, 8000, 1)]), 8000, ".wav")
    )
    with pytest.raises(BadInput, match="its first 30 s are silent; cut them off"):
        read_clip(path)
    assert windows_or_reason((path, QUICK, 5.0)).starts.tolist() == [5, 10]


def both(path):
    """Reason why a file is no song, which is that why it is no clip."""
    reason = windows_or_reason((path, QUICK, 5.0))
    assert clip_to_mel((path, QUICK, 2))[1] == f"clip {path.name}: {reason}"
    return reason


def test_each_file_has_its_own_reason(parts, tmp_path):
    m4a = parts[".m4a"][0]
    for name, content, said in [
        ("a.mp3", b"", "the file is empty"),
        ("b.mp3", bytes(9000), "has not fetched yet"),
        ("c.m4a", m4a[: len(m4a) // 2], "it begins as such a file, but is cut off"),
        ("d.mp3", b"<html></html>", "export it again as wav"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert said in both(tmp_path / name), name
    assert "there is no such file" in both(tmp_path / "gone.mp3")
    (tmp_path / "folder.mp3").mkdir()
    assert "a folder, not a file" in both(tmp_path / "folder.mp3")


@posix
def test_links_pipes_and_files_without_permission_have_theirs(tmp_path):
    (tmp_path / "dead.mp3").symlink_to("nowhere")
    (tmp_path / "loop.mp3").symlink_to("loop.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    assert "a link that leads to no file" in both(tmp_path / "dead.mp3")
    assert "a link that leads to no file" in both(tmp_path / "loop.mp3")
    assert "a pipe or device" in both(tmp_path / "pipe.mp3")
    locked = tmp_path / "locked.mp3"
    locked.write_bytes(encode(music(20).T, SR))
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root may read whatever there is
        script = (
            "import os, sys; os.setuid(65534)\n"
            "from hiphoplib.io import opened\n"
            "try: opened(sys.argv[1])\nexcept ValueError as error: print(error)"
        )
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(0o755)
        said = subprocess.run(
            [sys.executable, "-c", script, locked], capture_output=True, text=True
        ).stdout
        if not said:
            pytest.skip("root here, and nobody may not look into this folder")
    else:
        said = both(locked)
    assert "does not let you read it (Permission denied); change its permissions" in said


@posix
def test_whatever_is_named_like_a_song_is_listed_once(tmp_path):
    (tmp_path / "a.wma").touch()
    (tmp_path / "b.mp3").symlink_to("nowhere")
    (tmp_path / "c.m4b").mkdir()
    os.mkfifo(tmp_path / "d.AIFC")
    for name in (".e.mp3.icloud", "cover.jpg", ".DS_Store", "f.mp3.crdownload", "._g.mp3"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("deep", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "deep" / "h.mp3").touch()
    songs, others = find_songs(tmp_path)
    assert {path.name for path in songs} == {"a.wma", "b.mp3", "c.m4b", "d.AIFC", ".e.mp3.icloud"}
    assert others == ["._g.mp3", "cover.jpg", "deep/", "f.mp3.crdownload"]
    assert "in the cloud" in windows_or_reason((tmp_path / ".e.mp3.icloud", QUICK, 5.0))


def test_threads_decode_side_by_side(parts):
    with ThreadPoolExecutor(4) as pool:
        lengths = list(
            pool.map(lambda content: heard(content)[0], [parts[".flac"][0], parts[".mp3"][0]] * 4)
        )
    assert lengths == pytest.approx([20] * 8, abs=0.1)


def test_a_spectrogram_of_the_loudest_sound_is_finite():
    y = 8 * np.sign(np.sin(np.arange(30 * SR) / 20)).astype(np.float32)
    assert np.isfinite(mel_spectrogram(y, SR).astype(np.float16)).all()
