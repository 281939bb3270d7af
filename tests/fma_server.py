"""The Free Music Archive on loopback: an invented catalogue, invented clips, both in real zips."""

import csv
import io
import struct
import threading
import time
import zipfile
from collections import defaultdict
from functools import lru_cache

import numpy as np
import pandas as pd

from hiphoplib.audio.files import encode
from hiphoplib.tracks.table import read_tracks
from tests.loopback import ranged

HOST = "os.unil.cloud.switch.ch"
METADATA, CLIPS = "/fma/fma_metadata.zip", "/fma/fma_large.zip"

# Columns of the published tracks.csv, of which only some are read.
HEADER = [
    (group, name)
    for group, names in {
        "album": "comments date_created date_released id listens title type",
        "artist": "bio comments date_created id name tags",
        "set": "split subset",
        "track": "comments date_created duration genre_top genres genres_all license listens tags "
        "title",
    }.items()
    for name in names.split()
]
GENRES = {21: (0, "Hip-Hop"), 83: (21, "Night Rap"), 121: (0, "Polka"), 210: (0, "Hip-Polka")}
LICENCES = [
    "Attribution-NonCommercial-ShareAlike 3.0 International",
    "CC0 1.0 Universal",
    "Attribution-Noncommercial-No Derivative Works 3.0 United States",
    "Attribution 4.0",
    "FMA-Limited: Download Only",
    "",
]


def catalogue(n=240, seed=0):
    """Invented tracks of four genres, list of dict: (group, name) to text; "id" to int."""
    rng = np.random.default_rng(seed)
    tracks = []
    for track_id in sorted(rng.choice(9000, n, replace=False) + 2):
        genre, artist = int(rng.choice([*GENRES, 21])), int(rng.integers(60))
        tags = [genre] + [GENRES[genre][0]] * (GENRES[genre][0] > 0)
        year = int(rng.integers(2009, 2014))
        tracks.append(
            {
                "id": int(track_id),
                **{
                    column: text
                    for column, text in zip(
                        (
                            ("track", "title"),
                            ("track", "listens"),
                            ("track", "genres_all"),
                            ("track", "genre_top"),
                            ("track", "duration"),
                            ("track", "license"),
                            ("track", "date_created"),
                            ("album", "title"),
                            ("album", "type"),
                            ("album", "date_released"),
                            ("artist", "id"),
                            ("artist", "name"),
                            ("artist", "bio"),
                        ),
                        (
                            f"Song, {track_id}",
                            str(int(rng.pareto(1) * 30)),
                            str(tags),
                            GENRES[tags[-1]][1],
                            str(rng.integers(100, 400)),
                            str(rng.choice(LICENCES)),
                            f"{year}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d} 01:44:45",
                            f"Album {artist}",
                            str(rng.choice(["Album", "Single Tracks", "Live Performance"])),
                            f"{year - 1}-05-22 00:00:00",
                            str(artist),
                            f"Artist {artist}" if artist else "NA",
                            f'<p class="x">Of "{artist}",\n\nborn in 1980, 11/26/2008</p>',
                        ),
                    )
                },
            }
        )
    return tracks


def metadata_zip(tracks, more=b""):
    """``fma_metadata.zip`` of these tracks, bytes; the published one holds `more`, too."""
    table = io.StringIO()
    write = csv.writer(table, lineterminator="\n").writerow
    write(["", *(group for group, _ in HEADER)])
    write(["", *(name for _, name in HEADER)])
    write(["track_id", *("" for _ in HEADER)])
    for track in tracks:
        write([track["id"], *(track.get(column, "") for column in HEADER)])
    files = {"README.txt": "Invented.", "tracks.csv": table.getvalue(), "features.csv": more}
    files["genres.csv"] = "genre_id,#tracks,parent,title,top_level\n" + "".join(
        f"{number},0,{parent},{title},{parent or number}\n"
        for number, (parent, title) in GENRES.items()
    )
    return zipped({f"fma_metadata/{name}": text for name, text in files.items()})


@lru_cache(maxsize=1)
def invented_clips():
    """A clip of 5 s by id, for each track of the catalogue; no two are the same."""
    noise = np.random.default_rng(0).normal(0, 0.1, (5, 1, 5 * 22050)).clip(-1, 1)
    audio = [encode(y, 22050, kbps=64) for y in noise]
    ids = [f"{track['id']:06d}" for track in catalogue()]
    return {name: _tag(name) + audio[i % len(audio)] for i, name in enumerate(ids)}


def _tag(text):
    """An ID3 tag that holds a text, as clips of the archive have."""
    frame = b"TIT2" + (1 + len(text)).to_bytes(4, "big") + b"\0\0\0" + text.encode()
    return b"ID3\3\0\0\0\0\0" + bytes([len(frame)]) + frame


@lru_cache(maxsize=1)
def zips():
    """Both zips, bytes."""
    features = np.random.default_rng(0).bytes(200_000)
    return metadata_zip(catalogue(), more=features), clips_zip(invented_clips())


def clips_zip(clips):
    """``fma_large.zip`` of clips by id, bytes."""
    return zipped(
        {
            "fma_large/README.txt": "Invented.",
            "fma_large/checksums": "0" * 5000,
            **{member(track_id): clip for track_id, clip in clips.items()},
        }
    )


def zipped(files):
    """A zip, bytes; bzip2, as the published ones are."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_BZIP2) as archive:
        for name, file in files.items():
            archive.writestr(name, file)
    return content.getvalue()


def member(track_id):
    """Name of a clip in the zip."""
    return f"fma_large/{track_id[:3]}/{track_id}.mp3"


def same_corpus(folder, other):
    """Whether two corpora hold the same tracks, clips and other files, and nothing half done."""
    pd.testing.assert_frame_equal(read_tracks(folder), read_tracks(other))
    one, two = (
        {
            str(path.relative_to(corpus)): path.suffix == ".parquet" or path.read_bytes()
            for path in corpus.rglob("*")
            if path.is_file()
        }
        for corpus in (folder, other)
    )
    return one == two


def flipped(content, at, count=8):
    """Some bytes changed."""
    return (
        content[:at]
        + bytes(255 - byte for byte in content[at : at + count])
        + content[at + count :]
    )


def patched(content, name, *, size=None, packed=None):
    """The zip with other sizes of a member in its directory."""
    entry = content.rindex(b"PK\1\2", 0, content.rindex(member(name).encode()))
    values = bytearray(content)
    for at, value in (20, packed), (24, size):
        if value is not None:
            values[entry + at : entry + at + 4] = struct.pack("<I", value)
    return bytes(values)


def end_record(content, **values):
    """The zip with other values in the record at its end, which says where the directory is."""
    names = dict(entries=(10, "<H"), size=(12, "<I"), offset=(16, "<I"))
    end, changed = content.rindex(b"PK\5\6"), bytearray(content)
    for name, value in values.items():
        struct.pack_into(names[name][1], changed, end + names[name][0], value)
    return bytes(changed)


class Archive:
    """Answers as the archive's server does; `faults` come first, by path or by clip id.

    A fault is a function of the request and the file's content that returns a `Reply`; `options`
    are those of every other `Reply`. `requests` holds all as they come.
    """

    def __init__(self, metadata, clips, **options):
        self.files, self.options = {METADATA: metadata, CLIPS: clips}, options
        self.faults, self.requests, self._lock = defaultdict(list), [], threading.Lock()
        with zipfile.ZipFile(io.BytesIO(clips)) as archive:
            infos = archive.infolist()
            ends = [*(info.header_offset for info in infos[1:]), archive.start_dir]
        self.spans = {
            info.filename[-10:-4]: (info.header_offset, end) for info, end in zip(infos, ends)
        }
        self.directory = len(clips) - archive.start_dir

    def __call__(self, request):
        content, clip = self.files[request.path], self.clip(request)
        with self._lock:
            self.requests.append(request)
            fault = next(
                (
                    self.faults[key].pop(0)
                    for key in (clip, request.path)
                    if key and self.faults[key]
                ),
                None,
            )
        return fault(request, content) if fault else ranged(request, content, **self.options)

    def clip(self, request):
        """Id of the clip that a request is for, None if it is for something else."""
        first = request.headers.get("range", "").removeprefix("bytes=").split("-")[0]
        at = int(first) if first and request.path == CLIPS else -1
        return next((name for name, (start, end) in self.spans.items() if start <= at < end), None)

    def asked(self, path=CLIPS):
        """Ids of the clips that were asked for, in turn; None for other requests."""
        return [self.clip(request) for request in self.requests if request.path == path]

    def sent(self, server, path=CLIPS):
        """Bytes of a file that went out, once the last answer is in the server's log."""
        while len(server.log) < len(self.requests):
            time.sleep(0.001)
        return sum(sent for request, _, sent in server.log if request.path == path)
