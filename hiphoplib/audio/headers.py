"""What an audio file says of its own length: corrected where it is wrong."""

import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

from hiphoplib.io import unreadable

UNKNOWN = 0x7FFF0000  # bytes from which on a wav or aiff says that it did not know its length
BEGINNINGS = b"RIFF", b"OggS", b"fLaC", b"FORM", b"caff", b"ID3", b"\x1aE\xdf\xa3"
FOREIGN = (*BEGINNINGS, b"TAG", b"APETAGEX", b"\xff\xfb", b"RF64")  # no samples, behind a wav's own
# of files made of chunks: how name and size of one are packed, and where the first one begins
CHUNKS = {
    b"RIFF": ("<4sI", 12),
    b"RF64": ("<4sI", 12),
    b"RIFX": (">4sI", 12),
    b"FORM": (">4sI", 12),
    b"caff": (">4sQ", 8),
}
ASF = bytes.fromhex("3026b2758e66cf11")  # how a wma begins
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # its size: 40 bytes behind
PAGE = 2**17  # bytes, more than a page of an ogg has
PAGE_HEADER, LAST_PAGE = 27, 4  # bytes, before the sizes of its segments; a flag


class Content:
    """A file as FFmpeg reads it: no name, which might deceive, and no exceptions on the way.

    Parameters
    ----------
    file : binary file
    path : path-like
        What `error` speaks of.

    Attributes
    ----------
    error : str
        Why it could not be read; empty if it could.
    """

    def __init__(self, file: BinaryIO, path: Path | str):
        self._file, self._path, self.error = file, path, ""
        self.tell, self.close = file.tell, file.close
        self._corrections: dict[int, int] = {}  # bytes to read in place of its own, by place

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as corrected.

        Parameters
        ----------
        size : int
            Below 0, all that are left.

        Returns
        -------
        bytes
            None where the file cannot be read.
        """
        begin, content = self._file.tell(), b""
        try:
            content = self._file.read(size)
        except OSError as error:
            self.error = unreadable(self._path, error)
        for at, byte in self._corrections.items():
            if begin <= at < begin + len(content):
                content = content[: at - begin] + bytes([byte]) + content[at - begin + 1 :]
        return content

    def correct(self, at: int, content: bytes) -> None:
        """From now on, read other bytes in the place of the file's own.

        Parameters
        ----------
        at : int
        content : bytes
        """
        self._corrections.update(enumerate(content, at))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place.

        Parameters
        ----------
        offset, whence : int
            As of the file.

        Returns
        -------
        int
            Where that is, or -1 if it is nowhere.
        """
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):  # where a damaged number points
            return -1


def correct(file: Content, head: bytes, size: int) -> int:
    """Correct what a file says wrongly of its own length.

    Samples that go on behind the size that is stated for them are read to the end of the file.

    Parameters
    ----------
    file : Content
    head : bytes
        How it begins.
    size : int
        In bytes.

    Returns
    -------
    int
        How many bytes at its end are not its own; below 0, how many are missing there.
    """
    start, stated = int.from_bytes(head[4:8]), int.from_bytes(head[8:12])
    if head[:3] == b"ID3" and size < 10 + sum(
        (byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0))
    ):
        file.correct(0, bytes(3))  # a tag that is longer than the file hides all of it
    elif head[:4] == b".snd" and (stated < size - start or stated >= UNKNOWN):
        file.correct(8, b"\xff" * 4)
    elif head[:4] in CHUNKS:
        return _correct_chunks(file, head, size)
    elif head[:4] == b"riff":  # w64
        return _missing(head, 16, size)
    elif head.startswith(ASF) and ASF_PROPERTIES in head:
        return _missing(head, head.index(ASF_PROPERTIES) + 40, size)
    return 0


def _missing(head, at, size):
    """0, or less than it by what a file lacks of the size in bytes that it says there."""
    stated = int.from_bytes(head[at : at + 8], "little")
    return size - stated if size < stated < UNKNOWN else 0


def _correct_chunks(file, head, size):
    """As `correct`, of a file made of chunks."""
    if head[:4] == b"FORM":  # its chunks tell how long it is
        file.correct(4, b"\xff" * 4)
    packed, end = CHUNKS[head[:4]]
    for _ in range(1000):
        name, stated, at = _chunk(file, packed, end, size)
        if name == b"data" and head[:4] == b"RF64":
            stated = int.from_bytes(head[28:36], "little")
        end = at + stated + (stated % 2 if packed != ">4sQ" else 0)
        if name == b"fmt ":
            bits, _, valid = struct.unpack("<3H", (file.read(20) + bytes(20))[14:20])
            if valid < bits and head[at : at + 2] == b"\xfe\xff":
                # of 24 bits in 32, FFmpeg thinks that they are the floats of one old editor
                file.correct(at + 18, struct.pack("<H", bits))
        elif name == b"COMM" and int.from_bytes(file.read(6)[2:]) >= UNKNOWN:
            file.correct(at + 2, bytes(4))
        elif name in (b"data", b"SSND", None):
            break
    if name is None:
        return 0
    behind = _chunk(file, packed, end, size)[0]  # perhaps the next chunk, or another file
    if behind not in (None, *CHUNKS) or (size - end < 8 and stated < UNKNOWN):
        return min(0, size - end + 8)
    file.seek(min(end, size))
    if (following := file.read(36)).startswith(FOREIGN) and following[8:] != head[8:36]:
        return size - end
    file.correct(at - 4, b"\xff" * 4)
    if head[:4] == b"RF64":
        file.correct(0, b"RIFF")
    return 0


def _chunk(file, packed, at, size):
    """Name of the chunk that begins there, or None; its size, and where its content begins."""
    begin = at + struct.calcsize(packed)
    file.seek(min(at, size))
    if re.match(b"[ -~]{4}", chunk := file.read(begin - at)) and len(chunk) == begin - at:
        return *struct.unpack(packed, chunk), begin
    return None, 0, begin


def torn(file: Content, head: bytes, size: int) -> bool:
    """Whether the last page of an ogg, or the last box of an mp4, lacks its end.

    The headers of an ogg, and of an mp4 in fragments, do not say how long it is.

    Parameters
    ----------
    file, head, size
        As of `correct`.

    Returns
    -------
    bool
    """
    if head[:4] == b"OggS":
        file.seek(max(0, size - PAGE))
        page = (tail := file.read())[tail.rfind(b"OggS") :]
        if len(page) < PAGE_HEADER or not page[5] & LAST_PAGE:
            return True
        content = PAGE_HEADER + page[PAGE_HEADER - 1]  # as many segments as its last byte says
        return content + sum(page[PAGE_HEADER:content]) > len(page)
    if head[4:8] != b"ftyp":
        return False
    at = 0
    while at < size:
        file.seek(at)
        box = file.read(16)
        length = int.from_bytes(box[:4])
        if length == 1:
            length = int.from_bytes(box[8:])  # in 64 bits, behind its name
        at += max(8, length) if length else size  # 0: it reaches to the end
    return at > size
