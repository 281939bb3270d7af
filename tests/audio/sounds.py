"""Real encoded audio of every format, and what happens to it on its way."""

import random
from io import BytesIO

import av
import numpy as np
import soundfile as sf

from hiphoplib.audio.mel import clip_to_mel
from hiphoplib.audio.windows import windows_or_reason

SR = 44_100
# suffix: container and coding of FFmpeg
BY_FFMPEG = {
    ".m4a": ("ipod", "aac"),
    ".aac": ("adts", "aac"),
    ".opus": ("ogg", "libopus"),
    ".mka": ("matroska", "flac"),
    ".caf": ("caf", "pcm_s16le"),
    ".wv": ("wv", "wavpack"),
    ".wma": ("asf", "wmav2"),
    ".tta": ("tta", "tta"),
    ".mp2": ("mp2", "mp2"),
    ".ac3": ("ac3", "ac3"),
    ".aifc": ("aiff", "pcm_s16be"),
    ".mp3": ("mp3", "libmp3lame"),
    ".m4b": ("mov", "alac"),
}


def by_ffmpeg(y, sr, container, codec="aac", **options):
    """Bytes of a file that FFmpeg writes, of [shape=(samples, channels)]."""
    file = BytesIO()
    with av.open(file, "w", format=container, options=options) as out:
        layout = {1: "mono", 2: "stereo", 8: "7.1", 16: "hexadecagonal"}[y[0].size]
        stream = out.add_stream(codec, rate=sr, layout=layout)
        frame = av.AudioFrame.from_ndarray(y.astype(np.float32).reshape(1, -1), "flt", layout)
        frame.rate, frame.pts = sr, 0
        if codec == "wmav2":  # has no bit rate of its own
            stream.bit_rate = 128_000
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1024
        fits = av.AudioResampler(stream.codec_context.format.name, layout, sr, size)
        for part in [*fits.resample(frame), *fits.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


def written(y, sr, suffix, **options):
    """Bytes of a file that libsndfile writes: wav, flac, ogg, aif."""
    file = BytesIO()
    kind = suffix.strip(".").upper().replace("AIF", "AIFF")[:4]
    with sf.SoundFile(
        file, "w", sr, y.ndim if y.ndim == 1 else y.shape[1], format=kind, **options
    ) as out:
        for begin in range(0, len(y), 40_000):  # more at once ends its Vorbis encoder
            out.write(y[begin : begin + 40_000])
    return file.getvalue()


def encoded(y, sr, suffix):
    """Bytes of a file of a format by its suffix."""
    if suffix in BY_FFMPEG:
        return by_ffmpeg(y, sr, *BY_FFMPEG[suffix])
    return written(y, sr, suffix)


FORMATS = [*BY_FFMPEG, ".wav", ".flac", ".ogg", ".aif"]


def mutated(content, others, rng: random.Random):
    """The bytes of a file after one to three accidents."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(max(1, len(content)))
        # headers are short, and most of what goes wrong stands there
        at = rng.choice([at, rng.randrange(min(512, max(1, len(content))))])
        kind = rng.choice(["flip", "bytes", "number", "cut", "splice", "zeros", "lose", "twice"])
        if kind == "flip":
            for _ in range(rng.choice([1, 8, 200])):
                if content:
                    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        elif kind == "bytes":
            content[at : at + rng.choice([1, 4, 1000])] = rng.randbytes(rng.choice([1, 4, 1000]))
        elif kind == "number":  # lengths and rates that promise the world
            content[at : at + 4] = rng.choice(
                [b"\xff" * 4, bytes(4), b"\x7f" + b"\xff" * 3, b"\xff\xff\xff\x7f", b"\0\0\0\x80"]
            )
        elif kind == "cut":
            del content[at:]
        elif kind == "splice":
            other = rng.choice(others)
            content[at:] = other[rng.randrange(len(other)) :]
        elif kind == "zeros":
            size = rng.choice([16, 4096, len(content) // 2])
            content[at : at + size] = bytes(min(size, max(0, len(content) - at)))
        elif kind == "lose":
            del content[at : at + rng.choice([1, 100, 5000])]
        else:
            content += content[at:]
    return bytes(content)


def note_memory(folder):
    """Put down the most memory that this process has had: its own, not that of its parent."""
    line = next(
        line for line in open("/proc/self/status", encoding="utf-8") if line.startswith("VmHWM")
    )
    with (folder / "memory.txt").open("a") as file:
        file.write(f"{1024 * int(line.split()[1])}\n")


def watched_clip(task):
    """What a worker does with a clip, and what memory it took."""
    result = clip_to_mel(task)
    note_memory(task[0].parent)
    return result


def watched_song(task):
    """What a worker does with a song, and what memory it took."""
    result = windows_or_reason(task)
    note_memory(task[0].parent)
    return result
