"""A data set that lies on disk: a table and the audio that it names, or addresses of such."""

from pathlib import Path

import requests

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources.base import Source
from hiphoplib.tracks.sources.web import Web
from hiphoplib.tracks.table import read_tracks


class Folder(Source):
    """Tracks of a folder with ``tracks.csv`` or ``tracks.parquet`` and the audio files it names.

    Parameters
    ----------
    path : path-like
        The folder. ``preview_url`` in its table is a path relative to it, or an https address.
    allow_http : bool
        Also take audio from addresses that are not https.
    session : requests.Session, optional
        For such addresses.

    Raises
    ------
    BadInput
        If there is no such folder.
    """

    name = "folder"

    def __init__(self, path: Path | str, allow_http: bool = False,
                 session: requests.Session | None = None):
        self.path, self.web = Path(path), Web(session, allow_http=allow_http)
        if not self.path.is_dir():
            raise BadInput(f"{path}: no such folder; give the one that holds tracks.csv")

    @property
    def settings(self):
        return {"path": str(self.path.resolve())}

    def _tracks(self, keep):
        return read_tracks(self.path)

    def _clip(self, row):
        if "://" in row.preview_url:
            return self.web.get(row.preview_url)
        path = (self.path / row.preview_url).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise BadInput(f"clip {row.preview_url}: lies outside the corpus; put it inside")
        if not path.is_file():
            raise BadInput(f"clip {row.preview_url}: there is no such file in the corpus; "
                           "add it or delete its row")
        return path.read_bytes()
