"""Audio files of any format: decoded to their end in one way, or the reason why not; encoded."""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import lameenc
import numpy as np
import soxr

from hiphoplib.audio.headers import BEGINNINGS, CHUNKS, Content, correct, torn
from hiphoplib.errors import BadInput
from hiphoplib.io import opened

# what FFmpeg may take a file for: a playlist, which names other files and addresses, is not there
CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,eac3,flac,matroska,mov,mp3,mpc,mpc8,ogg,tta,w64,wav,wv"
)
# edit lists of mp4 say what not to play: too much, where they were cut short or never filled in
OPTIONS = {"format_whitelist": CONTAINERS, "err_detect": "crccheck+explode", "ignore_editlist": "1"}
MIN_SECONDS = 3.0  # a shorter clip is not used
SILENCE_PEAK = 1e-4  # -80 dBFS
LOUDEST = 8.0  # of full scale, +18 dBFS: more is in other units, or damaged
OFFSET = 0.01  # of full scale: a mean over seconds that no music has
CANCELLED = 0.1  # of the level that the mean of independent channels has
BLOCK = 2**17  # samples that are decoded at a time, 3 s at 44.1 kHz
RATES, MAX_CHANNELS = (1000, 768_000), 32  # Hz; beyond them a header is damaged
MAX_LOST = 10_000  # pieces after which a file is given up
LONGEST = 360_000.0  # s; beyond, a header is damaged
FIXED = "mp2", "mp2float", "mp3", "mp3float", "ac3"  # frames of one size, up to four bytes
NO_AUDIO = "not audio that can be decoded"
DIFFERENT = "; export it again as wav, mp3, flac, ogg or m4a"
ZEROS = ": only zeros, as in a file that a cloud drive has not fetched yet; download it"
HALF = ": it begins as such a file, but is cut off, damaged or protected; copy or export it again"


class Recording:
    """An audio file that is decoded to its end, whatever length it says it has.

    Parameters
    ----------
    file : path-like or bytes
        Of any format that FFmpeg decodes; or what such a file holds.

    Attributes
    ----------
    sr : int
        In Hz.
    samples : int
        That have been decoded so far.

    Raises
    ------
    BadInput
        Why it cannot be decoded, without its name.
    """

    def __init__(self, file: Path | str | bytes):
        if isinstance(file, bytes):
            self._file = Content(BytesIO(file), "")
        else:
            self._file = Content(opened(file), file)
        head = self._file.read(BLOCK)
        size = self._size = self._file.seek(0, os.SEEK_END)
        self._behind = correct(self._file, head, size)
        self._torn = torn(self._file, head, size)
        self._file.seek(0)
        try:
            self._container: Any = av.open(
                self._file, "r", metadata_errors="ignore", options=OPTIONS
            )
            self._stream: Any = self._container.streams.audio[0]
            self._stream.codec_context.thread_count = 1
            self.sr, channels = self._stream.rate or 0, self._stream.channels
            bit_rate = self._stream.codec_context.bit_rate or 0
        except (av.FFmpegError, AttributeError, IndexError, ValueError, MemoryError) as error:
            # AttributeError: a stream without a known coding
            self._file.close()
            if self._file.error:
                raise BadInput(self._file.error) from error
            known = head.startswith(BEGINNINGS) or head[4:8] == b"ftyp"
            raise BadInput(
                NO_AUDIO
                + (HALF if known else ZEROS if head.strip(b"\0") == b"" != head else DIFFERENT)
            ) from error
        if not (RATES[0] <= self.sr <= RATES[1] and 0 < channels <= MAX_CHANNELS):
            self.__exit__()
            raise BadInput(
                f"{channels} channels at {self.sr:,} Hz, as no recording has; export it again"
            )
        self.samples, self._cancelled, self._offset = 0, False, np.empty((0, 1))
        self._lost: list[int] = []
        stream: Any = self._stream
        stated = (
            float(stream.duration * stream.time_base)
            if stream.duration
            else (self._container.duration or 0) / 1e6
        )
        estimated = abs(stated * bit_rate / 8 - size) < 0.02 * size  # from the size, by FFmpeg
        # of files made of chunks, the chunks' sizes tell what is missing
        self._promised = stated * (not (estimated or stated > LONGEST or head[:4] in CHUNKS))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._container.close()
        self._file.close()

    @property
    def seconds(self) -> float:
        """What has been decoded so far, in s."""
        return self.samples / self.sr

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode it to one channel: the mean of all, or the loudest one where they cancel.

        Yields
        ------
        np.ndarray [shape=(samples,)], float32

        Raises
        ------
        BadInput
            If there are none, or some that are no numbers or far out of range.
        """
        for y in self.channels():
            mean = sum(y) * np.float32(1 / len(y))  # NumPy's own takes much longer
            if len(y) > 1:
                power = np.einsum("ij,ij->i", y, y)
                # several channels that have nothing in common lose less than a tenth of this
                if (mean @ mean) * len(y) ** 2 < CANCELLED**2 * power.sum():
                    mean, self._cancelled = y[power.argmax()], True
            yield mean

    def channels(self) -> Iterator[np.ndarray]:
        """Decode it with all its channels.

        Yields
        ------
        np.ndarray [shape=(channels, samples)], float32

        Raises
        ------
        BadInput
            As of `blocks`.
        """
        for y in self._joined():
            with np.errstate(invalid="ignore"):
                peak = np.maximum(y.max(), -y.min())  # not a number where any sample is none
            if not np.isfinite(peak):
                raise BadInput(
                    f"samples that are no numbers after {self.seconds:.0f} s; export it again"
                )
            if peak > LOUDEST:
                raise BadInput(
                    f"samples of {peak:.3g} times full scale after {self.seconds:.0f} "
                    "s: in other units, or damaged; export it again as 24-bit wav"
                )
            new = len(self._offset) != len(y)
            if new or y.shape[1] >= BLOCK:  # of fewer samples, music may have a mean
                mean, before = y.mean(axis=1, keepdims=True), 0 if new else self._offset
                self._offset = np.where(np.abs(mean - before) > OFFSET, mean, before)
            if np.any(self._offset):
                y = y - self._offset
            self.samples += y.shape[1]
            yield y
        if self._file.error or not self.samples:
            raise BadInput(self._file.error or NO_AUDIO + HALF)

    def _joined(self):
        """Blocks of frames of one rate, format and number of channels, at the rate of the first."""
        held, kind = av.AudioFifo(), None
        for frame in self._frames():
            now = frame.sample_rate, frame.layout.name, frame.format.name
            if held.samples and (now != kind or held.samples >= BLOCK):
                yield self._block(held.read())
                held = av.AudioFifo()
            frame.pts, kind = None, now  # times may have gaps, which are not heard
            held.write(frame)
        if held.samples:
            yield self._block(held.read())

    def _block(self, frame):
        y, rate = frame.to_ndarray(), frame.sample_rate
        y = _floats(y if frame.format.is_planar else y.reshape(-1, frame.layout.nb_channels).T)
        return y if rate == self.sr else soxr.resample(y.T, rate, self.sr).T

    def _frames(self):
        """All frames; of packets that cannot be decoded, the bytes are counted."""
        passed = 0  # bytes of the file up to the last fault
        failed, first, last = False, None, None  # packets
        least = 0  # bytes of the smallest packet before the last
        while len(self._lost) < MAX_LOST:
            try:
                for packet in self._container.demux(self._stream):
                    passed = self._file.tell()
                    if packet.size:  # the very last one has nothing, and flushes the decoder
                        if last:
                            least = min(least or last.size, last.size)
                        failed, first, last = False, first or packet, packet
                    try:
                        frames = [_safe(frame) for frame in packet.decode()]
                    except (av.FFmpegError, ValueError):
                        self._lost.append(packet.size)
                        failed = True
                        continue
                    yield from (frame for frame in frames if frame.samples)
                # a tag behind the last frame begins otherwise than a frame
                if not self._promised and last and bytes(first)[:2] == bytes(last)[:2]:
                    small = self._stream.codec.name in FIXED and last.size < least - 4
                    self._torn |= failed or small
                return
            except av.FFmpegError:  # between two packets: it goes on behind
                self._lost.append(self._file.tell() - passed)
                passed = self._file.tell()

    def note(self) -> str:
        """Return what is unusual about what was decoded to the end, as sentences; maybe none."""
        said = []
        promised = self._promised or self.seconds * (1 + max(0, -self._behind) / self._size)
        if promised > self.seconds + 1:
            said.append(
                f"Cut off: {self.seconds:.0f} s of the {promised:.0f} s that it promises are there."
            )
        elif self._torn:
            said.append("It may be cut off: its last part is incomplete.")
        if (share := 100 * sum(self._lost) / self._size) >= 1:
            said.append(f"Damaged: {share:.0f} % of it could not be decoded.")
        if (share := 100 * self._behind / self._size) >= 1:
            said.append(
                f"Behind its end there is something else, {share:.0f} % of the file, which "
                "was not heard."
            )
        if self._cancelled:
            said.append("Its channels cancel each other; the loudest one was heard.")
        return " ".join(said)


def _safe(frame):
    """A frame whose planes PyAV can count: where there are eight or more, it reads beyond them."""
    if not frame.format.is_planar or frame.layout.nb_channels < 8:
        return frame
    packed = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
    return packed.resample(frame)[0]


def _floats(y):
    """Samples as float32, full scale at 1."""
    if y.dtype == np.uint8:
        return (y.astype(np.float32) - 128) / 128
    if y.dtype.kind == "i":
        return y.astype(np.float32) / np.float32(2.0 ** (8 * y.dtype.itemsize - 1))
    with np.errstate(over="ignore"):  # refused as no number
        return y.astype(np.float32, copy=False)


def read_clip(path: Path | str, seconds: float = 30.0) -> tuple[np.ndarray, int]:
    """Decode the first seconds of an audio file to one channel, the mean of all.

    Parameters
    ----------
    path : path-like
        Of any format that a `Recording` decodes.
    seconds : float > 0

    Returns
    -------
    y : np.ndarray [shape=(samples,)], float32
    sr : int, in Hz

    Raises
    ------
    BadInput
        If the file is missing, empty, no audio, shorter than 3 s, or silent; if its samples are
        no numbers or far out of range.
    """
    path = Path(path)
    try:
        with Recording(path) as clip:
            y = beginning(blocks := clip.blocks(), int(seconds * clip.sr))
            if len(y) < MIN_SECONDS * clip.sr:
                raise BadInput(
                    f"{len(y) / clip.sr:.1f} s of audio, at least {MIN_SECONDS:.0f} s "
                    "are needed; fetch or export it again"
                )
            if np.abs(y).max() < SILENCE_PEAK:
                later = any(np.abs(block).max() >= SILENCE_PEAK for block in blocks)
                raise BadInput(
                    f"its first {seconds:.0f} s are silent; cut them off"
                    if later
                    else "only silence; fetch or export it again"
                )
            return y, clip.sr
    except BadInput as error:
        raise BadInput(f"clip {path.name}: {error}") from error


def beginning(blocks: Iterator[np.ndarray], n: int) -> np.ndarray:
    """Join blocks until there are so many samples, or all if they are fewer.

    Parameters
    ----------
    blocks : iterator of np.ndarray [shape=(..., samples)]
    n : int

    Returns
    -------
    np.ndarray [shape=(..., samples)]
    """
    held: list[np.ndarray] = []
    missing = n
    while missing > 0 and (y := next(blocks, None)) is not None:
        held.append(y[..., :missing])
        missing -= y.shape[-1]
    return np.concatenate(held, axis=-1)


def encode(y: np.ndarray, sr: int, kbps: int = 96) -> bytes:
    """Encode samples as an mp3.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,) or (channels, samples)]
        Clipped to -1 and 1.
    sr : int, in Hz
    kbps : int
        96 as previews of services, or 32, at 22,050 Hz, for a player in a notebook.

    Returns
    -------
    bytes
    """
    y = np.clip(np.atleast_2d(y), -1, 1)
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(kbps)
    encoder.set_in_sample_rate(sr)
    encoder.set_out_sample_rate(sr if kbps > 32 else 22_050)  # left alone, LAME goes lower
    encoder.set_channels(len(y))
    encoder.set_quality(7)  # the fastest that still sounds the same at this rate
    encoder.silence()
    samples = (y * 32_000).astype(np.int16).T.tobytes()
    return bytes(encoder.encode(samples) + encoder.flush())
