"""A corpus that lies on disk: a table and the audio that it names, or addresses of such."""

from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources.web import Web
from hiphoplib.tracks.table import read_tracks


class Folder:
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

    def __init__(self, path, allow_http=False, session=None):
        self.path, self.web = Path(path), Web(session, allow_http=allow_http)
        if not self.path.is_dir():
            raise BadInput(f"{path}: no such folder; give the one that holds tracks.csv")

    @property
    def settings(self):
        """What tells a corpus of this source from another one, dict."""
        return {"path": str(self.path.resolve())}

    def tracks(self):
        """The table as it stands, ``source`` filled in where it is missing, pd.DataFrame."""
        tracks = read_tracks(self.path)
        tracks["source"] = tracks["source"].fillna(self.name)
        return tracks

    def preview(self, row):
        """Audio of one row of the table, bytes.

        Raises
        ------
        BadInput
            If the file is missing, or lies outside the folder, or the address does not answer.
        """
        if "://" in row.preview_url:
            return self.web.get(row.preview_url)
        path = (self.path / row.preview_url).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise BadInput(f"clip {row.preview_url}: lies outside the corpus; put it inside")
        if not path.is_file():
            raise BadInput(f"clip {row.preview_url}: there is no such file in the corpus; "
                           "add it or delete its row")
        return path.read_bytes()
