"""What every source of tracks offers, which licences permit training, popularity from listens."""

import re
import unicodedata
from abc import ABC, abstractmethod
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

import pandas as pd
import requests

from hiphoplib.errors import BadInput
from hiphoplib.io import opened
from hiphoplib.tracks.sources.web import Web
from hiphoplib.tracks.table import normalise, read_tracks

# a service's libraries are loaded only if that service is wanted
SOURCES = {
    "synthetic": "hiphoplib.tracks.synthetic.corpus:Synthetic",
    "folder": "hiphoplib.tracks.sources.base:Folder",
    "fma": "hiphoplib.tracks.sources.fma:FMA",
    "spotify": "hiphoplib.tracks.sources.spotify:Spotify",
    "jamendo": "hiphoplib.tracks.sources.jamendo:Jamendo",
}
NO_LICENCE = "no licence given"
NO_DERIVATIVES = "licence forbids derivatives"
UNCLEAR = "licence unclear"

# On text in lower case whose punctuation is blanks; addresses of licences read the same way.
_FORBIDS = re.compile(r"\bnd\b|no ?deriv|\bmusic sharing\b")
_REFUSES = re.compile(r"\ball rights reserved\b|\bdownload only\b")
_ALLOWS = re.compile(
    r"""
    (?: https? \s )? (?: www \s )? creativecommons \s org
        \s (?: licen[cs]es \s (?: by | sa | nc | sampling ) | publicdomain ) \b
    | (?: creative \s commons \s | cc \s )? attribution
        (?: $ | \s (?: \d | non \s? commercial \b | share \s? alike \b | licen[cs]e \b ) )
    | cc \s by \b | by (?: \s nc )? (?: \s sa )? (?: $ | \s \d )
    | cc0 \b | creative \s commons \s (?: zero | cc0 ) \b | public \s? domain \b
    | (?: creative \s commons \s | cc \s )? (?: (?: non \s? commercial | nc ) \s )? sampling \b
    | free \s art \s licen[cs]e \b""",
    re.VERBOSE,
)


class Clip(NamedTuple):
    """What a source needs to know of a row to hand over its audio."""

    id: str
    preview_url: str


class Source(ABC):
    """Where tracks come from. A subclass has `_tracks`, `_clip` and what differs from this.

    Methods raise `BadInput`; `Unreachable` or `TryLater` if the service does not respond or asks
    for a pause.
    """

    name: str  # as in `SOURCES`
    remote = False  # a service, which is not asked again for clips that it did not hand out
    offline = False  # whether it may ask for nothing, so that there are no clips
    parallel = "threads"  # how clips are fetched: threads wait, "processes" compute
    at_once = -1  # clips at a time; -1 for one a core
    path: Path | None = None  # the folder that it reads, if it does

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What tells a corpus of this source from another one; fits into JSON."""

    def tracks(self, keep: Path | str | None = None) -> pd.DataFrame:
        """Return the tracks table, in the schema of `table.normalise`.

        Parameters
        ----------
        keep : path-like, optional
            Folder for what a service sends: what lies there is not asked for again.

        Returns
        -------
        pd.DataFrame
        """
        rows = self._tracks(Path(keep) if keep else None)
        rows["source"] = rows["source"].fillna(self.name) if "source" in rows else self.name
        return normalise(rows, where=f"source {self.name}")

    def preview(self, row: Clip) -> bytes:
        """Return the clip of a row, an audio file; of at most 30 s if the source is a service.

        Parameters
        ----------
        row : Clip

        Returns
        -------
        bytes
        """
        self.ready()
        return self._clip(row)

    def ready(self) -> None:  # noqa: B027
        """Raise as `preview` does if no clip at all can be had."""

    def truth(self) -> dict[str, Any] | None:
        """Return what the popularity is made of, where a source knows."""
        return None

    @abstractmethod
    def _tracks(self, keep: Path | None) -> pd.DataFrame: ...

    @abstractmethod
    def _clip(self, row: Clip) -> bytes: ...


def source_class(name: str) -> type[Source]:
    """Return the class of a source.

    Parameters
    ----------
    name : str

    Returns
    -------
    type

    Raises
    ------
    BadInput
        If `name` is no key of `SOURCES`.
    """
    if name not in SOURCES:
        raise BadInput(
            f"source {name!r}: there is none of that name; there are {', '.join(SOURCES)}"
        )
    return resolve_name(SOURCES[name])


def percentile_within(values: pd.Series, groups: pd.Series) -> pd.Series:
    """Return the share of its group that each value exceeds, with half of itself and its equals.

    Parameters
    ----------
    values, groups : pd.Series
        On one index.

    Returns
    -------
    pd.Series of float
        In %, 50 on average over a group; NaN where value or group is missing.

    Examples
    --------
    >>> percentile_within(pd.Series([3, 1, 2, 9]), pd.Series([2019] * 4)).tolist()
    [62.5, 12.5, 37.5, 87.5]
    """
    ranked = values.astype(float).groupby(groups)
    return ((ranked.rank(method="average") - 0.5) / ranked.transform("count") * 100).rename(None)


def withheld(licence: Any, *, no_derivatives: bool = False) -> str | None:
    """Return why a recording may not be trained on.

    Parameters
    ----------
    licence : str or missing
        Its name, abbreviation or address; what is not understood is not allowed.
    no_derivatives : bool
        Take what forbids derivatives as well.

    Returns
    -------
    str or None
        `NO_LICENCE`, `NO_DERIVATIVES` or `UNCLEAR`; None where it may be trained on.

    Examples
    --------
    >>> withheld("Attribution-NonCommercial 4.0"), withheld("CC BY-ND 4.0")
    (None, 'licence forbids derivatives')
    """
    plain = re.sub(r"[\W_]+", " ", licence.lower()).strip() if isinstance(licence, str) else ""
    if not plain:
        return NO_LICENCE
    if _FORBIDS.search(plain):
        return None if no_derivatives else NO_DERIVATIVES
    return None if _ALLOWS.match(plain) and not _REFUSES.search(plain) else UNCLEAR


class Folder(Source):
    """Tracks of a folder with ``tracks.csv`` or ``tracks.parquet`` and the audio files it names.

    Parameters
    ----------
    path : path-like
        The folder. ``preview_url`` in its table is a path relative to it, or an https address.
    allow_http : bool
        Also take audio from addresses that are not https.
    session : requests.Session, optional

    Raises
    ------
    BadInput
        If there is no such folder.
    """

    name = "folder"

    def __init__(
        self, path: Path | str, allow_http: bool = False, session: requests.Session | None = None
    ):
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
        path = self.path / row.preview_url
        try:
            path = path if path.is_file() else _written_alike(path)
            if not path.resolve().is_relative_to(self.path.resolve()):
                raise BadInput("lies outside the corpus; put it inside")
            with opened(path) as file:
                return file.read()
        except RuntimeError:  # of `resolve`
            raise BadInput(
                f"clip {row.preview_url}: links that lead in a circle; put the file itself there"
            ) from None
        except (BadInput, OSError) as error:
            raise BadInput(f"clip {row.preview_url}: {error}") from error


def _written_alike(path):
    """The only file whose name differs in case, blanks around it, or é as one letter or as two."""

    def plain(name):
        return unicodedata.normalize("NFC", name).casefold().strip()

    folder = path.parent if path.parent.is_dir() else _written_alike(path.parent)
    found = [
        each
        for each in (folder.iterdir() if folder.is_dir() else ())
        if plain(each.name) == plain(path.name)
    ]
    return found[0] if len(found) == 1 else path
