"""Speed of the way from audio to mel spectrograms: on one core, on two, and under Dask."""

import logging
import math
import os
import shutil
import time
from contextlib import contextmanager, nullcontext
from statistics import median

import librosa
import numpy as np
import soundfile as sf
from threadpoolctl import threadpool_limits

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FULL, QUICK, mel_spectrogram
from hiphoplib.dataset.store import make_mels
from hiphoplib.studies.resources import seconds, times_as_fast
from hiphoplib.tracks.table import read_tracks

# Dask would have its workers give memory back at once, and take it anew for the next clip
KEEP_FREED = {"MALLOC_TRIM_THRESHOLD_": "134217728", "MALLOC_MMAP_THRESHOLD_": "33554432"}


def decoding(path):
    """Decode a clip and do nothing with it."""
    with sf.SoundFile(path) as clip:
        return clip.read(int(FULL.seconds * clip.samplerate), dtype="float32")


def with_librosa(path):
    """The plain way to the spectrogram of a clip."""
    y, sr = librosa.load(path, sr=FULL.sr, duration=FULL.seconds)
    S = librosa.feature.melspectrogram(y=y, sr=sr, n_fft=FULL.n_fft, hop_length=FULL.hop_length,
                                       n_mels=FULL.n_mels)
    return librosa.power_to_db(S)


def ours(path, grid=FULL):
    """This project's way to the same."""
    return mel_spectrogram(*read_clip(path, grid.seconds), grid)


def ours_quick(path):
    """The same on the small grid."""
    return ours(path, QUICK)


WAYS = {"decode": decoding, "full": ours, "quick": ours_quick, "librosa": with_librosa}


def mel_throughput(bench):
    """From a file to its mel spectrogram, one thread: ours, the librosa way, decoding alone."""
    taken = {name: [] for name in WAYS}
    with threadpool_limits(1):
        for way in WAYS.values():
            way(bench.clips[0])  # imports and tables are made once a process
        for turn in range(bench.effort.rounds * len(bench.clips)):
            path = bench.clips[turn % len(bench.clips)]
            order = np.roll(list(WAYS), turn)  # nobody always comes after the same one
            for name in order:
                taken[name].append(seconds(WAYS[name], path))
    first = sf.info(bench.clips[0])
    figures = {"clips": len(bench.clips), "measurements": len(taken["full"]),
               "kind": f"{first.format}, {first.samplerate} Hz, channels: {first.channels}",
               "ms_per_clip": {name: 1000 * median(times) for name, times in taken.items()},
               "pairs": {"mel_vs_librosa": times_as_fast(taken["librosa"], taken["full"]),
                         "mel_vs_decode": times_as_fast(taken["decode"], taken["full"]),
                         "mel_quick_vs_decode": times_as_fast(taken["decode"], taken["quick"])}}
    return figures, {name: spread["median"] for name, spread in figures["pairs"].items()}


def workers(bench):
    """The same table by one process, by two, and by two workers of a Dask cluster."""
    folder, few = (bench.corpus(f"workers-{rows}", rows)
                   for rows in (bench.effort.rows, bench.effort.warm_rows))
    taken, own = ({"1": [], "2": [], "dask 2": []} for _ in range(2))
    how = {"1": nullcontext({"jobs": 1}), "2": nullcontext({"jobs": 2})}
    for pair in range(bench.effort.pairs):
        for name, workers in (how | {"dask 2": _local_cluster()}).items():
            with workers as options:
                _make(few, options)  # a worker takes a second or two to start and to import
                begin = time.process_time()
                taken[name].append(seconds(_make, folder, options))
                own[name].append(time.process_time() - begin)
        bench.say(f"workers: {pair + 1} of {bench.effort.pairs}")
    rows = bench.effort.rows
    rates = {name: rows / median(times) for name, times in taken.items()}
    cpu = {name: 1000 * median(times) / rows for name, times in own.items()}
    figures = {"clips": rows, "clips_per_second": rates, "parent_cpu_ms_per_clip": cpu,
               **_many_workers(rates["dask 2"] / 2, 1000 / cpu["dask 2"]),
               "pairs": {"workers_2_vs_1": times_as_fast(taken["1"], taken["2"]),
                         "dask_2_vs_workers_2": times_as_fast(taken["2"], taken["dask 2"])}}
    return figures, {name: spread["median"] for name, spread in figures["pairs"].items()}


@contextmanager
def _local_cluster():
    """Two Dask workers, as options of `make_mels`.

    They are gone when others are measured, and so are the settings that Dask puts into the
    environment of this process for theirs, which slow down all processes that are started later.
    """
    from distributed import LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    before = dict(os.environ)
    os.environ.update(KEEP_FREED)
    try:
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                          dashboard_address=":0") as cluster:
            yield {"cluster": cluster.scheduler_address}
    finally:
        os.environ.clear()
        os.environ.update(before)


def _many_workers(each, most):
    """How many workers a million clips an hour want, and how many one writer can feed, dict.

    Parameters
    ----------
    each, most : float > 0
        Clips a second of one worker, and at most of the process that writes the store, which takes
        a core for that. Here it runs the scheduler as well.
    """
    return {"dask_clips_per_second_and_worker": each,
            "workers_for_a_million_in_an_hour": math.ceil(1e6 / 3600 / each),
            "writer_clips_per_second": most, "workers_that_one_writer_feeds": int(most / each)}


def _make(folder, options):
    """The whole store of a corpus, from nothing."""
    shutil.rmtree(folder / f"mels-{FULL.name}", ignore_errors=True)
    make_mels(read_tracks(folder), folder, FULL, **options)
