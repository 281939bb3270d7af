"""The Free Music Archive: Creative Commons music, how often it was played, and 30 s of each track.

M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson: FMA, a dataset for music analysis. ISMIR
2017, https://github.com/mdeff/fma. Its smaller editions were chosen by popularity, the large one
was not: that one is read.
"""

import difflib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources import base as licences
from hiphoplib.tracks.sources.base import percentile_within
from hiphoplib.tracks.sources.fma_zip import DAMAGED, Clips
from hiphoplib.tracks.sources.web import Web

METADATA_URL = "https://os.unil.cloud.switch.ch/fma/fma_metadata.zip"
METADATA_SHA1 = "f0df49ffe5f2a6008d7dc83c6915b31835dfe733"
METADATA_MAX_BYTES = 400_000_000  # it has 342 MiB

COLUMNS = {  # of tracks.csv, and what they are called here
    ("track", "title"): "track", ("track", "listens"): "listens",
    ("track", "genre_top"): "genre_top", ("track", "genres_all"): "genres_all",
    ("track", "duration"): "duration_ms", ("track", "license"): "licence",
    ("track", "date_created"): "uploaded_at", ("album", "title"): "album_name",
    ("album", "type"): "album_type", ("album", "date_released"): "release_date",
    ("artist", "id"): "artist_ids", ("artist", "name"): "artists"}
ALBUM_TYPES = {"single tracks": "single"}  # the others are called what they are called elsewhere


class FMA:
    """Tracks of a genre, drawn by the seed; clips are read out of the archive one by one.

    Parameters
    ----------
    genre : str
        As the archive spells it, in any case; its subgenres belong to it.
    n : int
        Tracks that may be trained on; the first of many are the few.
    seed : int
        Another seed, other tracks.
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

    name, remote, at_once = "fma", True, 4

    def __init__(self, genre="Hip-Hop", n=4000, seed=0, zip=None, metadata=None,
                 no_derivatives=False, session=None):
        self.genre, self.n, self.seed = genre.strip(), int(n), int(seed)
        if self.n < 1 or self.seed < 0:
            raise BadInput(f"FMA, {n} tracks, seed {seed}: at least 1 track and a seed of 0 or "
                           "more are needed")
        if metadata and not Path(metadata).is_file():
            raise BadInput(f"{metadata}: no such file; leave it out to have it downloaded")
        self.metadata, self.no_derivatives = metadata, bool(no_derivatives)
        self.web = Web(session, per_host=self.at_once)
        self._clips = Clips(self.web, zip)

    @property
    def settings(self):
        """What tells a corpus of this source from another one, dict."""
        return {"genre": self.genre.casefold(), "seed": self.seed,
                "no_derivatives": self.no_derivatives}

    def tracks(self, keep=None):
        """Tracks of the genre in an order drawn by the seed, until `n` may be trained on.

        Popularity is the percentile of the listens among all the genre's uploads of the same
        year, since listens grow with age; equal ones share the middle of their ranks.

        Parameters
        ----------
        keep : path-like, optional
            Where ``fma_metadata.zip`` is kept; the user's cache folder if not given.

        Returns
        -------
        pd.DataFrame
            ``withheld`` says why a row may not be trained on; such rows come on top of `n`.

        Raises
        ------
        BadInput
            If the metadata are damaged, or the archive has no such genre.
        """
        catalogue, genres = read_catalogue(self._metadata(keep))
        genre, mine = _of_genre(catalogue, genres, self.genre)
        mine = mine.sort_values("id", ignore_index=True)
        mine["popularity"] = percentile_within(mine["listens"], mine["uploaded_at"].dt.year)
        mine["withheld"] = pd.Series(
            [licences.withheld(text, no_derivatives=self.no_derivatives)
             for text in mine["licence"]], index=mine.index, dtype=object)
        mine = mine.iloc[np.random.default_rng(self.seed).permutation(len(mine))]
        usable = mine["withheld"].isna() & mine["popularity"].notna()
        chosen = mine[usable.cumsum() - usable < self.n].reset_index(drop=True)
        return chosen.drop(columns="genres_all").assign(
            preview_url="audio/" + chosen["id"] + ".mp3", source=self.name,
            popularity_kind=f"FMA listens, percentile among the {genre} uploads of the same year",
            # the archive was read as a whole: the figures are of the day of its last upload
            collected_at=f"{catalogue['uploaded_at'].max():%Y-%m-%d}")

    def ready(self):
        """Find out whether clips can be had, before many are asked for; see `Clips.ready`."""
        self._clips.ready()

    def preview(self, row):
        """The clip of a row, bytes of an mp3 of 30 s; see `Clips.read` for what it raises."""
        return self._clips.read(row.id)

    def _metadata(self, keep):
        """Path of ``fma_metadata.zip``, downloaded if need be, its checksum right."""
        path = Path(self.metadata or
                    Path(keep or pooch.os_cache("hiphoplib")) / "fma_metadata.zip")
        # `pooch.retrieve` begins a stopped download anew, and leaves its first part behind
        if not path.is_file():
            try:
                self.web.download(METADATA_URL, path, max_bytes=METADATA_MAX_BYTES)
            except OSError as error:  # a full disk does not say where it was met
                raise OSError(error.errno, error.strerror, str(path)) from error
        found = pooch.file_hash(str(path), alg="sha1")
        if found == METADATA_SHA1:
            return path
        if not self.metadata:
            path.unlink()
        raise BadInput(f"{path}: its SHA-1 is {found}, that of the published file is "
                       f"{METADATA_SHA1}; " + (
                           "give another copy, or leave it out to have it downloaded"
                           if self.metadata else "deleted, the same command downloads it anew"))


def read_catalogue(path):
    """Tracks and genres of the archive, out of ``fma_metadata.zip``.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    tracks : pd.DataFrame
        ``id`` of six digits and the values of `COLUMNS`; rows without artist are left out.
    genres : pd.Series of str, or None
        Title by genre id; None where the zip has no ``genres.csv``.

    Raises
    ------
    BadInput
        If the file cannot be read, or lacks a column.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            tracks = _read_tracks(archive, path)
            genres = None
            if "fma_metadata/genres.csv" in archive.namelist():
                with archive.open("fma_metadata/genres.csv") as file:
                    genres = pd.read_csv(file, index_col="genre_id")["title"].astype(str)
    except BadInput:
        raise
    except (*DAMAGED, LookupError) as error:
        raise BadInput(f"{path}: not fma_metadata.zip ({str(error).strip()[:100]}); delete it, "
                       "the same command downloads it anew") from error
    return _typed(tracks), genres


def _read_tracks(archive, path):
    """The columns of tracks.csv that are used, as text; it has two header rows and an index row."""
    name = "fma_metadata/tracks.csv"
    with archive.open(name) as file:
        header = pd.read_csv(file, header=None, nrows=3, dtype=str, keep_default_na=False)
    places = {pair: place for place, pair in enumerate(zip(header.iloc[0], header.iloc[1]))}
    lacking = [".".join(pair) for pair in COLUMNS if pair not in places]
    if lacking:
        raise BadInput(f"{path}, {name}: no column {', '.join(lacking)}; it has to be the "
                       "published fma_metadata.zip")
    names = {0: "id"} | {places[pair]: column for pair, column in COLUMNS.items()}
    with archive.open(name) as file:
        tracks = pd.read_csv(file, header=None, skiprows=3, usecols=list(names), dtype=str,
                             keep_default_na=False, na_values=[""])  # "NA" may be a name
    return tracks.rename(columns=names)


def _typed(tracks):
    """The tracks in the types of the tracks table; what is no number or date is missing."""
    number = pd.to_numeric(tracks["id"], errors="coerce")
    tracks = tracks[number.between(0, 999_999) & tracks["artists"].notna()].copy()
    tracks["id"] = number[tracks.index].astype(int).map("{:06d}".format)
    for column in ("listens", "duration_ms"):
        tracks[column] = pd.to_numeric(tracks[column], errors="coerce").astype(float)
    tracks["duration_ms"] = (1000 * tracks["duration_ms"]).where(tracks["duration_ms"] > 0)
    for column in ("uploaded_at", "release_date"):
        tracks[column] = _dates(tracks[column])
    tracks["album_type"] = tracks["album_type"].str.lower().replace(ALBUM_TYPES)
    for column in ("artists", "artist_ids"):
        tracks[column] = pd.Series([None if pd.isna(cell) else [cell] for cell in tracks[column]],
                                   index=tracks.index, dtype=object)
    return tracks.drop_duplicates("id")


def _dates(text):
    """Dates from "2008-11-26 01:44:45", as published, or "11/26/2008 1:44", as spreadsheets do."""
    iso = pd.to_datetime(text, format="ISO8601", errors="coerce")
    return iso.fillna(pd.to_datetime(text, format="%m/%d/%Y %H:%M", errors="coerce"))


def _of_genre(tracks, genres, wanted):
    """The archive's spelling of a genre, and its tracks."""
    titles = tracks["genre_top"].dropna().unique() if genres is None else genres
    spelled = {title.casefold(): title for title in titles}
    if wanted.casefold() not in spelled:
        close = difflib.get_close_matches(wanted.casefold(), spelled, 5, 0.5)
        raise BadInput(f"genre {wanted!r}: FMA has none of that name; it has, for instance, "
                       + ", ".join(spelled[title] for title in close or sorted(spelled)[:12]))
    title = spelled[wanted.casefold()]
    if genres is None:
        return title, tracks[tracks["genre_top"] == title]
    ids = "|".join(str(number) for number in genres.index[genres == title])
    return title, tracks[tracks["genres_all"].str.contains(rf"\b(?:{ids})\b", na=False)]
