"""FMA, killed at random moments: started again, it ends as a run that nobody disturbed."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pandas as pd

from hiphoplib.tracks.table import read_tracks
from tests.fma_server import HOST, Archive, invented_clips, zips
from tests.loopback import Server
from tests.paths import ROOT

N, KILLS = 20, 20

# Imports once; gathers in a child for each line that it reads, and kills it at the moment told.
DRIVER = """
import os, signal, sys, time
import pyarrow.parquet
from hiphoplib.tracks import gather as corpus
from hiphoplib.tracks.sources import fma, web
from tests.loopback import rerouted

url, host, n, fma.METADATA_SHA1 = sys.argv[1:]
web.PAUSE = 0.002

def gather(attempt, folder):
    session = rerouted(url, host)
    session.headers["Attempt"] = attempt
    corpus.gather("fma", folder, n=int(n), session=session)

for line in sys.stdin:
    attempt, moment, folder = line.split()
    start = time.monotonic()
    child = os.fork()
    if not child:
        code = 1
        try:
            gather(attempt, folder)
            code = 0
        finally:
            os._exit(code)
    ended, status = 0, 0
    while not ended:
        if time.monotonic() - start >= float(moment):
            os.kill(child, signal.SIGKILL)
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
    print(os.waitstatus_to_exitcode(status), time.monotonic() - start, flush=True)
"""


@contextmanager
def driver(url, tmp_path):
    """A function that runs an attempt: its exit code, negative if killed, and its seconds."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    with subprocess.Popen(
            [sys.executable, script, url, HOST, str(N), hashlib.sha1(zips()[0]).hexdigest()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}) as process:
        def run(attempt, moment, folder):
            process.stdin.write(f"{attempt} {moment} {folder}\n")
            process.stdin.flush()
            code, seconds = process.stdout.readline().split()
            return int(code), float(seconds)

        yield run
        process.stdin.close()


def files(folder):
    """Bytes by path of all that a corpus holds but its tables, one of which is compared as such."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".parquet"}


def clips(folder):
    """Ids of the clips that are there."""
    return {path.stem for path in folder.glob("audio/*.mp3")}


def phase(folder):
    """How far a run came."""
    if not (folder / "raw" / "fma_metadata.zip").is_file():
        return "metadata"
    return "clips" if clips(folder) else "table"


def test_killed_at_random_moments_it_ends_as_a_run_that_nobody_disturbed(tmp_path):
    archive = Archive(*zips(), piece=8192, pause=0.01)
    there, left, finished = {}, Counter(), []
    with Server(archive) as server, driver(server.url, tmp_path) as run:
        code, seconds = run("calm", 60, tmp_path / "calm")
        assert code == 0
        rng, enough = np.random.default_rng(0), False
        # early ones first, while the metadata are on their way
        moments = chain(sorted(rng.uniform(0, seconds / 2, KILLS)),
                        iter(lambda: rng.uniform(0, seconds), None))
        while code or not enough:
            folder, attempt = tmp_path / f"corpus_{len(finished)}", str(len(there))
            there[attempt] = clips(folder)
            code, _ = run(attempt, 60 if enough else next(moments), folder)
            assert code in (0, -9)
            if code:
                left[phase(folder)] += 1
            else:
                finished.append(folder)
            enough = left.total() >= KILLS and left["metadata"] and left["clips"]
        calm = tmp_path / "calm"
        for folder in finished:
            pd.testing.assert_frame_equal(read_tracks(folder), read_tracks(calm))
            assert files(folder) == files(calm)
    assert clips(calm) < set(invented_clips()) and len(clips(calm)) == N
    for request in archive.requests:
        assert archive.clip(request) not in there.get(request.headers["attempt"], ())
