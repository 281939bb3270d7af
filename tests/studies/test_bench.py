"""The bench sees what processes take, measures what it says, and stands whole on its page."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest

from hiphoplib.audio.mel import FULL
from hiphoplib.dataset.store import make_mels
from hiphoplib.errors import BadInput
from hiphoplib.models.training import CHECKPOINT
from hiphoplib.studies import bench as module
from hiphoplib.studies import costs
from hiphoplib.studies.bench import DISK_GB, PARTS, RESULTS, SO_FAR, _Bench, bench
from hiphoplib.studies.costs import (
    BEGIN,
    END,
    RATIOS,
    bench_markdown,
    costs_of_python,
    insert_bench,
    machine,
)
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.table import read_tracks
from tests.paths import ROOT

# bytes that are written: of zeros the system would keep one page
HOLD = "kept = b'x' * {}_000_000; import time; time.sleep(0.4)"


@pytest.fixture
def small(tmp_path, source_folder):
    """Return what a bench of three real clips shares."""
    return _Bench(
        tmp_path,
        sorted(source_folder.rglob("*.mp3"))[:3],
        repeats=1,
        rows=12,
        models=("rnn", "crnn"),
        sizes=(48, 60),
    )


# memory and time of a command


def test_memory_of_a_command_and_of_its_worker_is_seen_apart():
    worker = HOLD.format(300) + "; del kept; time.sleep(0.4)"
    cost = costs_of_python(
        "-I",
        "-c",
        "import subprocess, sys, time; kept = b'x' * 200_000_000; "
        f"subprocess.run([sys.executable, '-I', '-c', {worker!r}]); time.sleep(0.5)",
    )
    assert 200 < cost["parent_mb"] < 240
    assert 300 < cost["worker_mb"] < 340, "the peak counts, not what is left at the end"
    assert 0.8 < cost["seconds"] < 10


def test_a_process_that_is_just_being_started_does_not_count_as_its_parent():
    cost = costs_of_python(
        "-I",
        "-c",
        "import os, sys, time\nkept = b'x' * 300_000_000\n"
        "if not os.fork():\n    time.sleep(0.5)\n    os.execv(sys.executable, "
        "[sys.executable, '-I', '-c', 'import time; time.sleep(0.5)'])\nos.wait()",
    )
    assert cost["parent_mb"] > 300 and cost["worker_mb"] < 60


def test_what_a_command_prints_is_known_and_why_it_failed():
    assert (
        costs_of_python("-I", "-c", "import time; time.sleep(0.3); print('{\"n\": 3}')")["n"] == 3
    )
    with pytest.raises(BadInput, match="-m hiphoplib.nothing: .* status 1 .*No module named hipho"):
        costs_of_python("-m", "hiphoplib.nothing")


def test_elsewhere_than_on_linux_memory_is_not_known(monkeypatch):
    monkeypatch.setattr(costs, "of_processes", lambda *_: [])
    with pytest.raises(BadInput, match="only Linux keeps it"):
        costs_of_python("-c", "pass")


def test_what_slows_both_of_a_pair_does_not_change_the_ratio():
    slow, fast, noise = [4.0, 6.0, 9.0], [2.0, 2.0, 3.0], [1.0, 7.0, 0.2]
    loaded = [np.multiply(times, noise) for times in (slow, fast)]
    ratio = module._times_as_fast(slow, fast)
    assert ratio["median"] == pytest.approx(3)
    assert module._times_as_fast(*loaded) == pytest.approx(ratio)


# the parts


def test_a_corpus_of_repeated_clips_survives_cleaning_whole(small):
    folder = small.corpus("many", 50)
    tracks = read_tracks(folder)
    assert len(clean_tracks(tracks)[0]) == 50 and tracks["id"].is_unique
    assert tracks["preview_url"].nunique() == len(small.clips)
    assert all((folder / name).is_file() for name in tracks["preview_url"])
    assert tracks["artists"].map(tuple).is_unique


def test_the_mel_part_compares_the_same_clips_in_turn(small, monkeypatch):
    asked = []

    def takes(name, duration):  # of a known time, far apart: the machine may do something else
        return lambda path: asked.append((name, path)) or time.sleep(duration)

    known = {"decode": 0.005, "quick": 0.04, "full": 0.04, "librosa": 0.12}
    monkeypatch.setattr(module, "_WAYS", {name: takes(name, s) for name, s in known.items()})
    figures = PARTS["mel"](small)
    assert figures["measurements"] == 9
    assert figures["kind"] == "MP3, 22050 Hz, channels: 1"
    assert figures["pairs"]["mel_vs_decode"]["high"] < 1 < figures["pairs"]["mel_vs_librosa"]["low"]
    assert figures["ms_per_clip"]["librosa"] >= 120
    turns = [asked[begin : begin + 4] for begin in range(4, len(asked), 4)]  # after a first of each
    assert all({name for name, _ in turn} == set(known) for turn in turns)
    assert [{path for _, path in turn} for turn in turns] == [{path} for path in small.clips] * 3
    assert len({turn[0][0] for turn in turns}) == 4  # each is the first at times


def test_the_workers_part_measures_processes_and_dask(small):
    before = dict(os.environ)
    figures = PARTS["workers"](small)
    assert os.environ == before  # where Dask puts what would slow down all that is measured later
    assert set(figures["pairs"]) == {"workers_2_vs_1", "dask_2_vs_workers_2"} <= set(RATIOS)
    rates = figures["clips_per_second"]
    assert rates["2"] / rates["1"] == pytest.approx(figures["pairs"]["workers_2_vs_1"]["median"])
    each = figures["dask_clips_per_second_and_worker"]
    assert each * 2 == pytest.approx(rates["dask 2"])
    wanted = figures["workers_for_a_million_in_an_hour"]
    assert (wanted - 1) * each * 3600 < 1e6 <= wanted * each * 3600
    most, fed = figures["writer_clips_per_second"], figures["workers_that_one_writer_feeds"]
    assert fed * each <= most < (fed + 1) * each
    assert most * figures["parent_cpu_ms_per_clip"]["dask 2"] == pytest.approx(1000)


def test_training_for_memory_does_what_training_does_and_stops(small, capsys):
    folder = small.corpus("training", 48)
    make_mels(read_tracks(folder), folder, FULL, jobs=2)
    module._train_for(folder, "cnn1", "0")
    assert 0 < json.loads(capsys.readouterr().out)["trained_on"] < 40
    with np.load(folder / "cnn1" / CHECKPOINT, allow_pickle=False) as kept:
        assert {"loss", "val_loss"} <= set(json.loads(str(kept["note"]))["history"][0])


@pytest.mark.slow
def test_every_part_measures_all_that_the_tables_show(small, monkeypatch):
    monkeypatch.setattr(module, "_EPOCH", 0.1)
    monkeypatch.setattr(module, "_TRAINING", 1.0)
    results = {
        "machine": machine(),
        "corpus": {"name": "tiny", "clips": 3},
        "made": "2021-05-04",
        "minutes": 1.0,
        "ratios": {},
    }
    for name in list(PARTS)[1:]:  # without the report
        results[name] = PARTS[name](replace(small, rows=48))
        results["ratios"] |= {
            ratio: pairs["median"] for ratio, pairs in results[name].get("pairs", {}).items()
        }
        results["ratios"] |= results[name].get("ratios", {})
    assert set(results["ratios"]) == set(RATIOS)
    assert bench_markdown(results).count("| --- |") == 8


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder of its own, and a bench of few clips."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_CLIPS", 2)


def test_the_bench_writes_its_file_and_prints_its_table(elsewhere, monkeypatch, capsys):
    bench(["startup"], command="hiphoplib bench --only startup")
    results = json.loads(SO_FAR.read_text())
    assert {"machine", "ratios", "made", "corpus"} <= set(results)
    assert results["command"] == "hiphoplib bench --only startup"
    assert capsys.readouterr().out == bench_markdown(results) + "\n"
    assert [seconds > 0 for seconds in results["startup"]["seconds"].values()] == [True] * 2
    assert [path.name for path in SO_FAR.parent.iterdir()] == ["bench.json"]
    assert not set(results) & (set(PARTS) - {"startup"}) and not RESULTS.exists()
    for name in PARTS:
        monkeypatch.setitem(PARTS, name, lambda this: {})
    monkeypatch.setattr(module, "bench_markdown", str)
    bench()
    assert set(PARTS) <= set(json.loads(RESULTS.read_text()))


def test_a_part_that_fails_costs_the_others_nothing(elsewhere, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PARTS, "mel", lambda this: this.nothing)
    with pytest.raises(BadInput, match=f"'mel': .*AttributeError.* the rest is in {SO_FAR}"):
        bench(["mel", "startup"], out="kept.json")
    assert not (tmp_path / "kept.json").exists()
    results = json.loads(SO_FAR.read_text())
    assert "startup" in results and "mel" not in results and set(results["failed"]) == {"mel"}
    assert "no attribute 'nothing'" in capsys.readouterr().err


def test_a_bench_that_is_stopped_leaves_the_results_of_an_earlier_one(
    elsewhere, tmp_path, monkeypatch
):
    (tmp_path / "kept.json").write_text("earlier")
    monkeypatch.setitem(PARTS, "mel", lambda this: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        bench(["startup", "mel"], out="kept.json")
    assert (tmp_path / "kept.json").read_text() == "earlier"
    assert "startup" in json.loads(SO_FAR.read_text()), "what was measured is not lost"
    assert list(SO_FAR.parent.iterdir()) == [SO_FAR]
    with pytest.raises(KeyboardInterrupt):
        bench(["mel"])
    assert not SO_FAR.exists(), "figures of an earlier one are not taken for its own"


def test_a_disk_that_is_too_small_is_told_before(elsewhere, monkeypatch):
    monkeypatch.setattr(module, "DISK_GB", 10**9)
    with pytest.raises(BadInput, match="free on its disk, 1,000,000,000 GB are needed; make room"):
        bench(["memory"])
    store = 2 * FULL.n_mels * FULL.frames * max(_Bench.sizes)
    assert 1.1 * store < DISK_GB * 1e9, "audio, other stores, checkpoints lie beside it"


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"machine": {"processor": "other"}},
        {"machine": machine(), "stages": [{"name": "one"}]},
    ],
)
def test_the_stages_of_the_report_are_those_measured_here(elsewhere, content):
    if content:
        module.TIMES.parent.mkdir()
        module.TIMES.write_text(json.dumps(content))
    if content and "stages" in content:
        assert PARTS["report"](None) == {"stages": content["stages"]}
        return
    with pytest.raises(BadInput, match="no times of this processor there; `make report` leaves"):
        PARTS["report"](None)


# the tables


@pytest.fixture
def results():
    """The committed results: of every part."""
    return json.loads((ROOT / RESULTS).read_text())


def test_the_page_shows_the_committed_bench(results):
    page = (ROOT / "docs" / "performance.md").read_text()
    assert f"{BEGIN}\n\n{bench_markdown(results)}\n\n{END}" in page, (
        "run `python -m hiphoplib bench-table docs/performance.md …`"
    )
    assert f" {DISK_GB} GB of free disk" in page
    assert not results["failed"]
    assert set(PARTS) - {"report"} <= set(results)  # which `make report` measures


def test_every_bar_stands_beside_its_ratio(results):
    rows = [row.strip("| ").split(" | ") for row in bench_markdown(results).splitlines()]
    assert set(results["ratios"]) == set(RATIOS)
    for name, (what, bar) in RATIOS.items():
        assert [
            row[-1]
            for row in rows
            if row[0] == what and row[1].startswith(f"{results['ratios'][name]:.2f}")
        ] == [bar]
    assert sum("at most 2,500 MB" in row for row in rows) == len(_Bench.models)


def test_what_was_not_measured_is_left_out(results):
    for part in PARTS:
        rest = {key: value for key, value in results.items() if key != part}
        assert len(bench_markdown(rest)) < len(bench_markdown(results))
    few = {key: value for key, value in results.items() if key not in PARTS} | {"ratios": {}}
    assert "|" not in bench_markdown(few)


def test_the_tables_are_put_between_their_markers(results, tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"before\n\n{BEGIN}\nearlier\n{END}\n\nafter\n")
    for _ in range(2):
        insert_bench(page, ROOT / RESULTS)
        assert page.read_text() == (
            f"before\n\n{BEGIN}\n\n{bench_markdown(results)}\n\n{END}\n\nafter\n"
        )
    page.write_text("no markers")
    with pytest.raises(BadInput, match="put them where"):
        insert_bench(page, ROOT / RESULTS)


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_bench_puts_the_tables_into_the_page_when_all_is_measured():
    lines = subprocess.run(
        ["make", "-n", "bench"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    measure, tables = (step for step in lines if "-m hiphoplib" in step)
    assert measure.endswith("-m hiphoplib bench")
    assert tables.endswith("bench-table docs/performance.md notebooks/results/bench.json")
