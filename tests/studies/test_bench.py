"""The bench sees what processes take, and measures what it says."""

import copy
import json
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hiphoplib.audio.mel import FULL
from hiphoplib.dataset.store import make_mels
from hiphoplib.errors import BadInput
from hiphoplib.models.checkpoint import CHECKPOINT
from hiphoplib.studies import bench_mel, bench_memory, resources
from hiphoplib.studies.bench import PARTS, SHORT, SO_FAR, Bench, Effort, find_clips, main, run
from hiphoplib.studies.bench_mel import mel_throughput, workers
from hiphoplib.studies.bench_table import RATIOS, bench_markdown
from hiphoplib.studies.resources import machine, times_as_fast, watch
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.table import read_tracks

LITTLE = Effort(clips=3, rounds=2, rows=6, warm_rows=4, pairs=1, models=("mlp",), seconds=0.1,
                sizes=(4, 8), training_seconds=0.1, startups=1, scored=1, seeds=1)
# bytes that are written: of zeros the system would keep one page
HOLD = "kept = b'x' * {}_000_000; import time; time.sleep(0.4)"


@pytest.fixture
def bench(tmp_path, source_folder):
    """A bench of three real clips."""
    clips, _ = find_clips(source_folder, LITTLE, tmp_path)
    return Bench(tmp_path, clips, LITTLE)


def python(code):
    """Return the command that runs some code, without what the environment would add."""
    return [sys.executable, "-I", "-c", code]


# memory and time of a command


def test_memory_of_a_command_and_of_its_worker_is_seen_apart():
    worker = HOLD.format(300) + "; del kept; time.sleep(0.4)"
    use = watch(python(f"import subprocess, sys; kept = b'x' * 200_000_000; subprocess.run("
                       f"[sys.executable, '-I', '-c', {worker!r}])"))
    assert 200 < use.parent_mb < 240
    assert 300 < use.worker_mb < 340, "the peak counts, not what is left at the end"
    assert 0.8 < use.seconds < 10


def test_a_process_that_is_just_being_started_does_not_count_as_its_parent():
    start = ("import os, sys, time\nkept = b'x' * 300_000_000\nif not os.fork():\n"
             "    time.sleep(0.5)\n    os.execv(sys.executable, [sys.executable, '-I', '-c', "
             "'import time; time.sleep(0.5)'])\nos.wait()")
    use = watch(python(start), every=0.05)
    assert use.parent_mb > 300 and use.worker_mb < 60


def test_what_a_command_says_and_how_it_ends_is_known():
    use = watch(python("import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"))
    assert (use.status, use.output, use.errors, use.worker_mb) == (3, "a\n", "b\n", None)


def test_elsewhere_than_on_linux_memory_is_not_known(monkeypatch):
    monkeypatch.setattr(resources.sys, "platform", "darwin")
    use = watch(python("pass"), every=0.01)
    assert use.parent_mb is None and use.worker_mb is None and use.seconds > 0
    with pytest.raises(BadInput, match="Linux only"):
        bench_memory._stage(["platform"])


def test_what_slows_both_of_a_pair_does_not_change_the_ratio():
    slow, fast, noise = [4.0, 6.0, 9.0], [2.0, 2.0, 3.0], [1.0, 7.0, 0.2]
    loaded = [[t * n for t, n in zip(times, noise)] for times in (slow, fast)]
    assert times_as_fast(slow, fast)["median"] == pytest.approx(3)
    assert times_as_fast(*loaded) == pytest.approx(times_as_fast(slow, fast))


def test_the_machine_is_named_without_saying_whose_it_is():
    of = machine()
    assert of["processor"] and of["cores"] >= 1 and of["memory_gb"] > 0.5
    assert set(of["packages"]) == set(resources.PACKAGES)
    assert str(Path.home()) not in json.dumps(of)


# the parts


def test_a_corpus_of_repeated_clips_survives_cleaning_whole(bench):
    folder = bench.corpus("many", 50)
    tracks = read_tracks(folder)
    assert len(clean_tracks(tracks)[0]) == 50 and tracks["id"].is_unique
    assert tracks["preview_url"].nunique() == len(bench.clips)
    assert all((folder / name).is_file() for name in tracks["preview_url"])
    assert tracks["artists"].map(tuple).is_unique


def test_clips_are_taken_from_everywhere_in_a_folder(tmp_path, source_folder):
    for wanted in (3, 30, 40, 50):
        clips, name = find_clips(source_folder, Effort(clips=wanted), tmp_path)
        numbers = [int(clip.stem) for clip in clips]
        assert len(set(numbers)) == min(wanted, 40) and numbers == sorted(numbers)
        assert numbers[-1] >= 40 - 40 / wanted - 1 and name == "tiny"
    with pytest.raises(BadInput, match="no audio there"):
        find_clips(tmp_path, LITTLE, tmp_path)


def test_the_mel_part_compares_the_same_clips_in_pairs(bench, monkeypatch):
    asked = []

    def takes(name, duration):  # of a known time, far apart: the machine may do something else
        return lambda path: asked.append((name, path)) or time.sleep(duration)

    known = {"decode": 0.005, "quick": 0.04, "full": 0.04, "librosa": 0.12}
    monkeypatch.setattr(bench_mel, "WAYS", {name: takes(name, s) for name, s in known.items()})
    figures, ratios = mel_throughput(bench)
    assert figures["measurements"] == 6 and figures["clips"] == 3
    assert figures["kind"] == "MP3, 22050 Hz, channels: 1"
    assert set(ratios) == {"mel_vs_librosa", "mel_vs_decode", "mel_quick_vs_decode"}
    assert max(ratios["mel_vs_decode"], ratios["mel_quick_vs_decode"]) < 1
    assert ratios["mel_vs_librosa"] > 1
    assert figures["ms_per_clip"]["librosa"] >= 120
    turns = [asked[begin: begin + 4] for begin in range(4, len(asked), 4)]  # after a first of each
    assert all({name for name, _ in turn} == set(known) for turn in turns)
    assert [{path for _, path in turn} for turn in turns] == [{path} for path in bench.clips] * 2
    assert len({(one, other) for turn in turns for (one, _), (other, _) in pairwise(turn)}) > 3


def test_the_workers_part_measures_processes_and_dask(bench):
    before = dict(os.environ)
    figures, ratios = workers(bench)
    assert os.environ == before  # where Dask puts what would slow down all that is measured later
    assert set(ratios) == {"workers_2_vs_1", "dask_2_vs_workers_2"} <= set(RATIOS)
    rates = figures["clips_per_second"]
    assert rates["2"] / rates["1"] == pytest.approx(ratios["workers_2_vs_1"])
    each = figures["dask_clips_per_second_and_worker"]
    assert each * 2 == pytest.approx(rates["dask 2"])
    wanted = figures["workers_for_a_million_in_an_hour"]
    assert (wanted - 1) * each * 3600 < 1e6 <= wanted * each * 3600
    most, fed = figures["writer_clips_per_second"], figures["workers_that_one_writer_feeds"]
    assert fed * each <= most < (fed + 1) * each
    assert most * figures["parent_cpu_ms_per_clip"]["dask 2"] == pytest.approx(1000)


def test_training_for_memory_does_what_training_does_and_stops(bench):
    folder = bench.corpus("training", 24)
    make_mels(read_tracks(folder), folder, FULL, jobs=2)
    told = bench_memory.train_stage(folder, "cnn1", 0)
    assert told["in_training_set"] == 24 and 0 < told["trained_on"] < 24
    with np.load(folder / "cnn1" / CHECKPOINT, allow_pickle=False) as kept:
        assert {"loss", "val_loss"} <= set(json.loads(str(kept["note"]))["history"][0])


def test_a_part_that_fails_costs_the_others_nothing(bench, capsys):
    results, saved = {"ratios": {}, "failed": {}}, []
    none = Bench(bench.folder, bench.clips, Effort(clips=3, rounds=1, startups=0))
    run(["startup", "mel"], none, results, lambda found: saved.append(copy.deepcopy(found)))
    assert results["failed"]["startup"].startswith("StatisticsError: no median")
    assert "startup" not in results and min(results["ratios"].values()) > 0
    assert [sorted(found["ratios"]) for found in saved][0] == [] and "mel" in saved[1]
    assert "startup: starts of" in capsys.readouterr().err


def test_a_disk_that_is_too_small_is_told_before(tmp_path):
    with pytest.raises(BadInput, match="free on its disk, 1,000,000,000 GB are needed; make room"):
        bench_memory.check_disk(tmp_path, 10**9)
    bench_memory.check_disk(tmp_path, 0.001)
    for effort in (Effort(), SHORT):
        store = 2 * FULL.n_mels * FULL.frames * max(effort.sizes)
        assert 1.1 * store < effort.disk_gb * 1e9, "audio, other stores, checkpoints lie beside it"


def test_a_stage_that_fails_says_why():
    with pytest.raises(BadInput, match="status 1 .*No module named hiphoplib.nothing"):
        bench_memory._stage(["hiphoplib.nothing"])


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")


def test_the_command_writes_its_file_and_prints_its_table(elsewhere, tmp_path, source_folder,
                                                          capsys):
    arguments = ["--short", "--only", "startup", "--clips", str(source_folder)]
    assert main(arguments) == 0
    results = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert {"machine", "ratios", "made", "command", "corpus"} <= set(results)
    assert results["command"].endswith("--only startup --clips " + str(source_folder))
    assert capsys.readouterr().out == bench_markdown(results) + "\n"
    assert [seconds > 0 for seconds in results["startup"]["seconds"].values()] == [True] * 2
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["bench.json"]
    assert not set(results) & (set(PARTS) - {"startup"})
    assert main([*arguments, "--json", "new/kept.json"]) == 0
    assert "startup" in json.loads((tmp_path / "new" / "kept.json").read_text())


@pytest.mark.parametrize("happens, status, said", [
    (lambda bench: bench.nothing, 1, "mel could not be measured: AttributeError"),
    (lambda bench: signal.raise_signal(signal.SIGINT), 130, "stopped; what was measured")])
def test_a_bench_that_fails_or_is_stopped_leaves_the_results_of_an_earlier_one(
        happens, status, said, elsewhere, tmp_path, source_folder, monkeypatch, capsys):
    earlier = tmp_path / "kept.json"
    earlier.write_text("earlier")
    monkeypatch.setattr(bench_mel, "mel_throughput", happens)
    assert main(["--short", "--only", "startup", "--only", "mel", "--json", str(earlier),
                 "--clips", str(source_folder)]) == status
    assert earlier.read_text() == "earlier"
    assert "startup" in json.loads(SO_FAR.read_text()), "what was measured is not lost"
    assert said in (told := capsys.readouterr().err) and f"is in {SO_FAR}" in told
    assert list(SO_FAR.parent.iterdir()) == [SO_FAR]


def test_a_bench_that_is_stopped_at_once_does_not_name_the_figures_of_an_earlier_one(
        elsewhere, source_folder, monkeypatch, capsys):
    SO_FAR.parent.mkdir()
    SO_FAR.write_text("earlier")
    monkeypatch.setattr(bench_mel, "mel_throughput", lambda _: signal.raise_signal(signal.SIGINT))
    assert main(["--short", "--only", "mel", "--clips", str(source_folder)]) == 130
    assert capsys.readouterr().err.endswith("stopped\n") and not SO_FAR.exists()
