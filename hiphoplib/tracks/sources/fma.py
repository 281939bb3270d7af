"""The Free Music Archive: Creative Commons music, how often it was played, and 30 s of each track.

M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson: FMA, a dataset for music analysis. ISMIR
2017, https://github.com/mdeff/fma. Its smaller editions were chosen by popularity, the large one
was not: that one is read.
"""

import bisect
import copy
import difflib
import io
import re
import struct
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import requests

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.io import naming, progress
from hiphoplib.tracks.sources.base import Source, percentile_within, withheld
from hiphoplib.tracks.sources.web import AT_ONCE, MAX_BYTES, Web, legible

METADATA_URL = "https://os.unil.cloud.switch.ch/fma/fma_metadata.zip"
METADATA_SHA1 = "f0df49ffe5f2a6008d7dc83c6915b31835dfe733"
METADATA_MAX_BYTES = 400_000_000  # it has 342 MiB
CLIPS_URL = "https://os.unil.cloud.switch.ch/fma/fma_large.zip"
HIPHOP = Path(__file__).parents[1] / "fma_hiphop.csv"
FMA_FEATURES = tuple(
    "acousticness danceability energy instrumentalness liveness speechiness tempo valence".split()
)

_COLUMNS = {  # of tracks.csv, and what they are called here
    ("track", "title"): "track",
    ("track", "listens"): "listens",
    ("track", "genre_top"): "genre_top",
    ("track", "genres_all"): "genres_all",
    ("track", "duration"): "duration_ms",
    ("track", "license"): "licence",
    ("track", "date_created"): "uploaded_at",
    ("album", "title"): "album_name",
    ("album", "type"): "album_type",
    ("album", "date_released"): "release_date",
    ("artist", "id"): "artist_ids",
    ("artist", "name"): "artists",
}
_STEP = 4_000_000  # bytes of a large file that are asked for, and kept, at a time
_DIRECTORY_MAX_BYTES = 100_000_000  # of the zip; that of fma_large.zip has 8.7 MB
_TAIL_BYTES = 1024  # holds the records that say where the directory begins
_MEMBER = re.compile(r"fma_large/(\d{3})/\1\d{3}\.mp3", re.ASCII)
# What zipfile raises for a damaged archive or member; bzip2 says `OSError`, deflate `zlib.error`.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
)


class FMA(Source):
    """Tracks of a genre, drawn by the seed; clips are read out of the archive one by one.

    Popularity is the percentile of the listens among all the genre's uploads of the same year,
    since listens grow with age.

    Parameters
    ----------
    genre : str
        As the archive spells it, in any case; its subgenres belong to it.
    n, seed : int
        Tracks that may be trained on, more begin with the fewer; another seed, other tracks.
    zip, metadata : path-like, optional
        ``fma_large.zip`` and ``fma_metadata.zip``, where they are at hand.
    no_derivatives : bool
        Take tracks whose licence forbids derivatives like any other ones.
    session : requests.Session, optional

    Raises
    ------
    BadInput
        If a file that is named is missing, or is not the archive's.
    """

    name, remote, at_once = "fma", True, AT_ONCE

    def __init__(
        self,
        genre: str = "Hip-Hop",
        n: int = 4000,
        seed: int = 0,
        zip: Path | str | None = None,
        metadata: Path | str | None = None,
        no_derivatives: bool = False,
        session: requests.Session | None = None,
    ):
        self.genre, self.n, self.seed = genre.strip(), int(n), int(seed)
        if self.n < 1 or self.seed < 0:
            raise BadInput(
                f"FMA, {n} tracks, seed {seed}: at least 1 track and a seed of 0 or more are needed"
            )
        for path in (metadata, zip):
            if path and not Path(path).exists():
                raise BadInput(f"{path}: no such file; leave it out to use the archive's server")
        self.metadata, self.no_derivatives = metadata, bool(no_derivatives)
        self.web, self._opening = Web(session), threading.Lock()
        self._served = not zip  # by the archive's server
        self._archive = zip and _open_zip(zip, zip, "download it again, or leave --zip out")

    @property
    def settings(self):
        return {
            "genre": self.genre.casefold(),
            "seed": self.seed,
            "no_derivatives": self.no_derivatives,
        }

    def ready(self) -> None:
        """Read the directory of the zip on its server, unless that is done.

        Raises
        ------
        BadInput
            If it is not handed out, or damaged.
        """
        with self._opening:
            if self._archive:
                return
            try:
                file = _RemoteFile(self.web)
            except (Unreachable, TryLater):
                raise
            except BadInput as error:
                raise BadInput(
                    f"{error}; download it by other means and give it with --zip FILE"
                ) from None
            archive = _open_zip(
                file, CLIPS_URL, "try again later, or give a whole copy with --zip FILE"
            )
            self._ends = sorted([archive.start_dir, *(i.header_offset for i in archive.infolist())])
            self._archive = archive

    def _clip(self, row):
        track_id = row.id
        name = f"fma_large/{track_id[:3]}/{track_id}.mp3"
        if not _MEMBER.fullmatch(name):
            raise BadInput(f"clip {track_id}: not an id of FMA, which has six digits; left out")
        info = self._archive.NameToInfo.get(name)
        if not info:
            raise BadInput(f"clip {track_id}: not in fma_large.zip; left out")
        if info.file_size > MAX_BYTES:  # what is fetched is limited already
            raise BadInput(
                f"clip {track_id}: {info.file_size / 1e6:.0f} MB, at most "
                f"{MAX_BYTES / 1e6:.0f} MB are taken; left out"
            )
        for _ in range(2):  # it may have been damaged on the way
            try:
                return self._fetched(info) if self._served else self._archive.read(info)
            except BadInput:
                raise
            except _DAMAGED as error:
                problem = _in_short(error)
        raise BadInput(f"clip {track_id}: damaged in fma_large.zip ({problem}); left out")

    def _fetched(self, info):
        """Read a member of the remote zip: its bytes come whole, then they are unpacked."""
        first, alone, archive = info.header_offset, copy.copy(info), copy.copy(self._archive)
        end = self._ends[bisect.bisect_right(self._ends, first)]  # where the next one begins
        _, content, _ = self.web.part(CLIPS_URL, first, end - 1)
        archive.fp = io.BytesIO(content)
        alone.header_offset = 0
        return archive.read(alone)

    def _tracks(self, keep):
        catalogue, genres = _read_catalogue(self._metadata(keep))
        genre, mine = _of_genre(catalogue, genres, self.genre)
        mine = mine.sort_values("id", ignore_index=True)
        mine["popularity"] = percentile_within(mine["listens"], mine["uploaded_at"].dt.year)
        mine["withheld"] = [
            withheld(text, no_derivatives=self.no_derivatives) for text in mine["licence"]
        ]
        mine = mine.iloc[np.random.default_rng(self.seed).permutation(len(mine))]
        usable = mine["withheld"].isna() & mine["popularity"].notna()
        chosen = mine[usable.cumsum() - usable < self.n].reset_index(drop=True)
        return chosen.drop(columns="genres_all").assign(
            preview_url="audio/" + chosen["id"] + ".mp3",
            popularity_kind=f"FMA listens, percentile among the {genre} uploads of the same year",
            # the archive was read as a whole: the figures are of the day of its last upload
            collected_at=f"{catalogue['uploaded_at'].max():%Y-%m-%d}",
        )

    def _metadata(self, keep):
        """Return the path of ``fma_metadata.zip``, downloaded if need be, its checksum right."""
        path = Path(self.metadata or (keep or pooch.os_cache("hiphoplib")) / "fma_metadata.zip")
        # `pooch.retrieve` begins a stopped download anew, and leaves its first part behind
        if not self.metadata and not path.is_file():
            with naming(path):
                self._download(path)
        sha1 = pooch.file_hash(str(path), alg="sha1")
        if sha1 == METADATA_SHA1:
            return path
        if not self.metadata:
            path.unlink()
        raise BadInput(
            f"{path}: its SHA-1 is {sha1}, that of the published file is "
            f"{METADATA_SHA1}; "
            + (
                "give another copy, or leave it out to have it downloaded"
                if self.metadata
                else "deleted, the same command downloads it anew"
            )
        )

    def _download(self, path):
        """Download the metadata step by step, going on from ``path.part`` where that is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished, total = path.with_name(f"{path.name}.part"), METADATA_MAX_BYTES
        with (
            unfinished.open("ab", buffering=0) as file,
            progress(desc=path.name, unit="B", unit_scale=True) as bar,
        ):
            while (have := file.seek(0, 2)) < total:
                first = max(have - 1, 0)  # nothing comes from behind the last byte
                _, body, total = self.web.part(METADATA_URL, first, first + _STEP - 1)
                if total > METADATA_MAX_BYTES:
                    raise BadInput(
                        f"{METADATA_URL}: {total / 1e6:.0f} MB, at most "
                        f"{METADATA_MAX_BYTES / 1e6:.0f} MB are taken; left out"
                    )
                file.write(body[have - first :])
                bar.total, bar.n = total, file.tell()
                bar.refresh()
        unfinished.replace(path)


def _read_catalogue(path):
    """Return the archive's tracks, in the types of the table, and its genres: title by id."""
    with zipfile.ZipFile(path) as archive:
        with archive.open("fma_metadata/genres.csv") as file:
            genres = pd.read_csv(file, index_col="genre_id")["title"].astype(str)
        with archive.open("fma_metadata/tracks.csv") as file:  # it has three header rows
            header = pd.read_csv(file, header=None, nrows=2, dtype=str, keep_default_na=False)
        pairs = list(zip(*header.values))
        names = {0: "id"} | {pairs.index(pair): column for pair, column in _COLUMNS.items()}
        with archive.open("fma_metadata/tracks.csv") as file:
            tracks = pd.read_csv(
                file,
                header=None,
                skiprows=3,
                usecols=list(names),
                dtype=str,
                # "NA" may be a name
                keep_default_na=False,
                na_values=[""],
            )
    tracks = tracks.rename(columns=names)
    tracks = tracks[tracks["id"].str.fullmatch("[0-9]{1,6}") & tracks["artists"].notna()].copy()
    tracks["id"] = tracks["id"].str.zfill(6)
    for column in ("listens", "duration_ms"):
        tracks[column] = pd.to_numeric(tracks[column], errors="coerce").astype(float)
    tracks["duration_ms"] = (1000 * tracks["duration_ms"]).where(tracks["duration_ms"] > 0)
    for column in ("uploaded_at", "release_date"):
        # ISO 8601, and "11/26/2008 1:44" in what passed through a spreadsheet
        tracks[column] = pd.to_datetime(tracks[column], format="mixed", errors="coerce")
    tracks["album_type"] = tracks["album_type"].str.lower().replace("single tracks", "single")
    tracks["artists"] = [[name] for name in tracks["artists"]]  # one that begins with "[" as well
    return tracks, genres


def _of_genre(tracks, genres, wanted):
    """Return the archive's spelling of a genre, and its tracks."""
    spelled = {title.casefold(): title for title in genres}
    if wanted.casefold() not in spelled:
        close = difflib.get_close_matches(wanted.casefold(), spelled, 5, 0.5)
        raise BadInput(
            f"genre {wanted!r}: FMA has none of that name; it has, for instance, "
            + ", ".join(spelled[title] for title in close or sorted(spelled)[:12])
        )
    title = spelled[wanted.casefold()]
    ids = "|".join(str(number) for number in genres.index[genres == title])
    return title, tracks[tracks["genres_all"].str.contains(rf"\b(?:{ids})\b", na=False)]


class _RemoteFile:
    """What zipfile reads the directory from: the end of the file, and what it asks for besides."""

    def __init__(self, web):
        self._web, self._at = web, 0
        self._first, self._tail, self._size = web.part(CLIPS_URL, -_TAIL_BYTES)

    def seek(self, offset, whence=0):
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self):
        return self._at

    def read(self, size=-1):
        first, end = self._at, self._size if size < 0 else min(self._at + size, self._size)
        self._at = end
        if first >= self._first:
            return self._tail[first - self._first : end - self._first]
        if not 0 <= first < end <= first + _DIRECTORY_MAX_BYTES:
            raise zipfile.BadZipFile(f"a part from byte {first} to {end}")
        return self._web.part(CLIPS_URL, first, end - 1, max_bytes=_DIRECTORY_MAX_BYTES)[1]


def _open_zip(file, name, advice):
    try:
        archive = zipfile.ZipFile(file)
        if min((info.header_offset for info in archive.infolist()), default=0) < 0:
            raise zipfile.BadZipFile("members before its beginning")
    except BadInput:
        raise
    except _DAMAGED as error:
        raise BadInput(
            f"{name}: not a zip that can be read ({_in_short(error)}); {advice}"
        ) from None
    if not any(map(_MEMBER.fullmatch, archive.namelist())):
        raise BadInput(
            f"{name}: holds no fma_large/000/000002.mp3 and the like; it has to be fma_large.zip"
        )
    return archive


def _in_short(error):
    return legible(str(error).strip().partition("\n")[0] or type(error).__name__)[:100]


def read_fma_hiphop() -> pd.DataFrame:
    """Read the archive's own figures on hip-hop, which come with the project.

    `fma_hiphop.csv`: 3,552 tracks of the data set above, whose metadata are under CC BY 4.0, see
    `fma_hiphop.md`.

    Returns
    -------
    pd.DataFrame, indexed by track id
        ``title``, ``number`` (on its album), ``uploaded``, ``duration`` (s), ``bit_rate``,
        ``listens``, ``favorites``, ``comments``, ``license``, the eight `FMA_FEATURES`, which 910
        of the tracks have; ``popularity``, the percentile (0-100) of the listens among the uploads
        of the same year; ``upload_day``, which stands for an album, as no artist is named.

    Examples
    --------
    >>> tracks = read_fma_hiphop()
    >>> len(tracks), int(tracks["listens"].median())
    (3552, 686)
    """
    tracks = pd.read_csv(HIPHOP, index_col="track_id", parse_dates=["date_created"])
    tracks = tracks.rename(columns={"date_created": "uploaded"})
    return tracks.assign(
        popularity=percentile_within(tracks["listens"], tracks["uploaded"].dt.year),
        upload_day=tracks["uploaded"].dt.date.astype(str),
    )
