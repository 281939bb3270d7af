"""Clips of the Free Music Archive, read one by one out of its zip, on disk or on its server."""

import contextlib
import io
import re
import struct
import threading
import zipfile
import zlib

from remotezip import PartialBuffer, RemoteFetcher, RemoteZip, RemoteZipError

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources.answers import Transient, announced, content_range, place, printable
from hiphoplib.tracks.sources.web import MAX_BYTES, chunks

CLIPS_URL = "https://os.unil.cloud.switch.ch/fma/fma_large.zip"
CLIPS_BYTES = 93 * 2 ** 30
DIRECTORY_MAX_BYTES = 100_000_000  # of the zip; that of fma_large.zip has 8.7 MB
TAIL_BYTES = 1024  # holds the records that say where the directory begins
MEMBER = re.compile(r"fma_large/(\d{3})/\1\d{3}\.mp3", re.ASCII)
TWICE = range(2)  # a clip that came damaged may have been damaged on the way

# What zipfile raises for a damaged archive or member; bzip2 says `OSError`, deflate `zlib.error`.
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError,
           NotImplementedError, RuntimeError, RemoteZipError)


class Clips:
    """The clips in ``fma_large.zip``; may be read by several threads at a time.

    Parameters
    ----------
    web : Web
        What asks for a remote one.
    path : path-like, optional
        The file, where it is at hand.

    Raises
    ------
    BadInput
        If the file is missing, or is no zip of the archive's layout.
    """

    def __init__(self, web, path=None):
        self.web = web
        self._local = _local(path) if path else None
        # A `RemoteZip` serves one thread: there are as many as are read at a time. The directory
        # is read from the network once, and kept here for the others.
        self._idle, self._directory, self._opening = [], {}, threading.Lock()

    def ready(self):
        """Find out whether clips can be had; nothing is asked if that is known.

        Raises
        ------
        BadInput
            If the server cannot send a part of the file, or the file's directory is damaged.
        Unreachable, TryLater
            If the server does not answer, or asks for a pause.
        """
        with self._open():
            pass

    def read(self, track_id):
        """A clip, bytes of an mp3 of 30 s.

        Parameters
        ----------
        track_id : str
            Six digits.

        Raises
        ------
        BadInput
            If there is none, or it is damaged or too large.
        """
        name = f"fma_large/{track_id[:3]}/{track_id}.mp3"
        if not MEMBER.fullmatch(name):
            raise BadInput(f"clip {track_id}: not an id of FMA, which has six digits; left out")
        for _ in TWICE:
            with self._open() as archive:
                try:
                    return archive.read(_member(archive, name, track_id))
                except BadInput:
                    raise
                except DAMAGED as error:
                    problem = error
        raise BadInput(f"clip {track_id}: damaged in fma_large.zip ({_said(problem)}); left out")

    @contextlib.contextmanager
    def _open(self):
        """The zip, for one thread at a time where it is remote."""
        if self._local:
            yield self._local
            return
        try:
            archive = self._idle.pop()
        except IndexError:
            archive = self._one_more()
        try:
            yield archive
        finally:
            self._idle.append(archive)

    def _one_more(self):
        """The remote zip, opened once more."""
        with self._opening:
            try:
                return _checked(RemoteZip(CLIPS_URL, initial_buffer_size=TAIL_BYTES, fetcher=Parts,
                                          web=self.web, directory=self._directory),
                                place(CLIPS_URL))
            except BadInput:
                self._directory.clear()
                raise
            except DAMAGED as error:
                self._directory.clear()
                raise BadInput(f"{place(CLIPS_URL)}: its directory is damaged ({_said(error)}); "
                               "try again later, or give a whole copy with --zip FILE") from None


class Parts(RemoteFetcher):
    """Parts of a remote file, asked for with the manners of `Web`.

    A clip is read whole before it is unpacked: a cut connection is no damaged clip.

    Parameters
    ----------
    url, session, support_suffix_range
        What `RemoteZip` hands over; `web` has its own session.
    web : Web
    directory : dict
        Takes what is read before the members: range to (first byte, bytes).
    """

    def __init__(self, url, session=None, support_suffix_range=True, *, web, directory):
        super().__init__(url, session, support_suffix_range)
        self._web, self._directory = web, directory

    def fetch(self, data_range, stream=False):
        """A part of the file, `PartialBuffer`; `stream` for a member."""
        if stream:
            first, body = self._ask(*data_range, MAX_BYTES)
        else:
            if data_range not in self._directory:
                self._directory[data_range] = self._ask(*data_range, DIRECTORY_MAX_BYTES)
            first, body = self._directory[data_range]
        return PartialBuffer(io.BytesIO(body), first, len(body), stream)

    def _ask(self, first, last, at_most):
        """Where the part begins, and its bytes."""
        if last is not None and not 0 <= first <= last < first + at_most:
            raise zipfile.BadZipFile(f"a part from byte {first} to {last}")
        headers = {"Range": self.build_range_header(first, last), "Accept-Encoding": "identity"}

        def ask():
            with self._web.open(self._url, headers=headers) as response:
                start, total = content_range(response)
                if start is None:
                    raise _whole(response, self._url)
                body = b"".join(chunks(response, at_most))
            ends = [end for end in (total, last and last + 1) if end]
            if (last and start != first) or start + len(body) != min(ends, default=start):
                raise Transient("another part came than the one asked for")
            return start, body

        return self._web.patiently(self._url, ask)


def _whole(response, url):
    """The error that an answer is which is no part of the file."""
    if "html" in response.headers.get("Content-Type", ""):
        return Transient("a web page came instead of the file")
    size = (announced(response) or CLIPS_BYTES) / 2 ** 30
    return BadInput(f"{place(url)}: the server cannot send parts of it, and the whole file has "
                    f"{size:.3g} GiB; download it by other means and give it with --zip FILE")


def _local(path):
    """A zip of clips on disk."""
    try:
        return _checked(zipfile.ZipFile(path), path)
    except BadInput:
        raise
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; leave --zip out to read the clips from the "
                       "archive's server") from None
    except DAMAGED as error:
        raise BadInput(f"{path}: not a zip that can be read ({_said(error)}); download it again, "
                       "or leave --zip out") from None


def _checked(archive, where):
    """The zip, if it holds what ``fma_large.zip`` does."""
    if min((info.header_offset for info in archive.infolist()), default=0) < 0:
        raise zipfile.BadZipFile("members before its beginning")
    if not any(map(MEMBER.fullmatch, archive.namelist())):
        raise BadInput(f"{where}: holds no fma_large/000/000002.mp3 and the like; it has to be "
                       "fma_large.zip")
    return archive


def _member(archive, name, track_id):
    """What the directory says of a clip, if that may be read."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise BadInput(f"clip {track_id}: not in fma_large.zip; left out") from None
    size = max(info.file_size, info.compress_size)
    if size > MAX_BYTES:
        raise BadInput(f"clip {track_id}: {size / 1e6:.0f} MB, at most {MAX_BYTES / 1e6:.0f} MB "
                       "are taken; left out")
    return info


def _said(error):
    """What an exception says, on one short line."""
    return printable((str(error).strip() or type(error).__name__).splitlines()[0])[:100]
