"""FMA, killed at random moments: started again, it ends as a run that nobody disturbed."""

import hashlib
import multiprocessing
import time
from collections import Counter
from itertools import chain

import numpy as np

from hiphoplib.tracks.gather import gather
from hiphoplib.tracks.sources import fma, web
from tests.fma_server import HOST, Archive, invented_clips, same_corpus, zips
from tests.loopback import Server, rerouted

N, KILLS = 20, 20

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "pyarrow.parquet", "hiphoplib.tracks.gather",
                                  "hiphoplib.tracks.sources.fma", "tests.fma_server"])


def attempt(url, name, folder, sha1):
    """Gather, and tell the server which attempt it is."""
    fma.METADATA_SHA1, web.PAUSE = sha1, 0.002
    session = rerouted(url, HOST)
    session.headers["Attempt"] = name
    gather("fma", folder, n=N, session=session)


def run(url, name, moment, folder):
    """Exit code of an attempt that is killed at a moment in s, negative if it was."""
    process = PROCESSES.Process(
        target=attempt, args=(url, name, folder, hashlib.sha1(zips()[0]).hexdigest()))
    process.start()
    process.join(moment)
    process.kill()
    process.join()
    return process.exitcode


def clips(folder):
    """Ids of the clips that are there."""
    return {path.stem for path in folder.glob("audio/*.mp3")}


def phase(folder):
    """How far a run came."""
    if not (folder / "raw" / "fma_metadata.zip").is_file():
        return "metadata"
    return "clips" if clips(folder) else "table"


def test_killed_at_random_moments_it_ends_as_a_run_that_nobody_disturbed(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    archive = Archive(*zips(), piece=8192, pause=0.01)
    there, left, finished = {}, Counter(), []
    with Server(archive) as server:
        run(server.url, "first", 0, tmp_path / "first")  # it waits until all is imported
        start = time.monotonic()
        code = run(server.url, "calm", 60, tmp_path / "calm")
        seconds = time.monotonic() - start
        assert code == 0
        rng, enough = np.random.default_rng(0), False
        # early ones first, while the metadata are on their way
        moments = chain(sorted(rng.uniform(0, seconds / 2, KILLS)),
                        iter(lambda: rng.uniform(0, seconds), None))
        while code or not enough:
            folder, name = tmp_path / f"corpus_{len(finished)}", str(len(there))
            there[name] = clips(folder)
            code = run(server.url, name, 60 if enough else next(moments), folder)
            assert code in (0, -9)
            if code:
                left[phase(folder)] += 1
            else:
                finished.append(folder)
            enough = left.total() >= KILLS and left["metadata"] and left["clips"]
        calm = tmp_path / "calm"
        assert all(same_corpus(folder, calm) for folder in finished)
    assert clips(calm) < set(invented_clips()) and len(clips(calm)) == N
    for request in archive.requests:
        assert archive.clip(request) not in there.get(request.headers["attempt"], ())
