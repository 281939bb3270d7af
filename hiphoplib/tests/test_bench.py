"""The bench sees what processes take, measures what it says, and shows what it measured."""

import copy
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from hiphoplib import bench_memory, resources
from hiphoplib.bench import PARTS, Bench, Effort, find_clips, main, run
from hiphoplib.bench_mel import mel_throughput, workers
from hiphoplib.bench_table import BEGIN, END, RATIOS, bench_markdown, insert
from hiphoplib.errors import BadInput
from hiphoplib.mel import make_mels
from hiphoplib.resources import machine, times_as_fast, watch
from hiphoplib.spectrogram import FULL
from hiphoplib.tracks import clean_tracks, read_tracks

ROOT = Path(__file__).parents[2]
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


def test_the_mel_part_compares_the_same_clips_in_pairs(bench):
    figures, ratios = mel_throughput(bench)
    assert figures["measurements"] == 6 and figures["clips"] == 3
    assert figures["kind"] == "MP3, 22050 Hz, channels: 1"
    assert set(ratios) == {"mel_vs_librosa", "mel_vs_decode", "mel_quick_vs_decode"}
    assert ratios["mel_vs_decode"] < 1, "ours decodes as well"
    assert ratios["mel_vs_decode"] < ratios["mel_vs_librosa"]
    ms = figures["ms_per_clip"]
    assert ms["librosa"] / ms["full"] == pytest.approx(ratios["mel_vs_librosa"], rel=0.7)


def test_the_workers_part_measures_processes_and_dask(bench):
    figures, ratios = workers(bench)
    assert set(ratios) == {"workers_2_vs_1", "dask_2_vs_workers_2"} <= set(RATIOS)
    rates = figures["clips_per_second"]
    assert rates["2"] / rates["1"] == pytest.approx(ratios["workers_2_vs_1"])
    each = figures["dask_clips_per_second_and_worker"]
    assert each * 2 == pytest.approx(rates["dask 2"])
    wanted = figures["workers_for_a_million_in_an_hour"]
    assert (wanted - 1) * each * 3600 < 1e6 <= wanted * each * 3600


def test_training_for_memory_has_all_clips_in_its_set_and_stops(bench):
    folder = bench.corpus("training", 24)
    make_mels(read_tracks(folder), folder, FULL, jobs=2)
    told = bench_memory.train_stage(folder, "mlp", 0)
    assert told["in_training_set"] == 24 and 0 < told["trained_on"] < 24


def test_a_part_that_fails_costs_the_others_nothing(bench, capsys):
    results, saved = {"ratios": {}, "failed": {}}, []
    none = Bench(bench.folder, bench.clips, Effort(clips=3, rounds=1, sizes=()))
    run(["memory", "mel"], none, results, lambda found: saved.append(copy.deepcopy(found)))
    assert results["failed"]["memory"].startswith("ValueError: not enough")
    assert "memory" not in results and results["ratios"]["mel_vs_librosa"] > 0
    assert [sorted(found["ratios"]) for found in saved][0] == [] and "mel" in saved[1]
    assert "memory: peak memory" in capsys.readouterr().err


def test_a_disk_that_is_too_small_is_told_before(tmp_path):
    with pytest.raises(BadInput, match="are needed for a store of 1,000,000,000 clips; make room"):
        bench_memory.check_disk(tmp_path, 10**9)
    bench_memory.check_disk(tmp_path, 1)


def test_a_stage_that_fails_says_why():
    with pytest.raises(BadInput, match="status 1 .*No module named hiphoplib.nothing"):
        bench_memory._stage(["hiphoplib.nothing"])


def test_the_command_writes_its_file_and_prints_its_table(tmp_path, source_folder, monkeypatch,
                                                          capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    arguments = ["--short", "--only", "startup", "--clips", str(source_folder)]
    assert main(arguments) == 0
    results = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert {"machine", "ratios", "made", "command", "corpus"} <= set(results)
    assert results["command"].endswith("--only startup --clips " + str(source_folder))
    assert capsys.readouterr().out == bench_markdown(results) + "\n"
    assert [seconds > 0.05 for seconds in results["startup"]["seconds"].values()] == [True] * 2
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["bench.json"]
    assert not set(results) & (set(PARTS) - {"startup"})


# what is shown


@pytest.fixture(scope="module")
def results():
    """Results of every part, all numbers different."""
    peaks = {"parent_mb": 1234.0, "seconds": 321.0, "trained_on": 8888}
    cost = {"ms_per_clip_epoch": 7.7, "parameters": 390_001}
    ratios = {name: 10.01 + number for number, name in enumerate(RATIOS)}
    return {
        "machine": machine(), "short": False, "corpus": {"name": "synthetic", "clips": 39},
        "made": "2021-05-04", "minutes": 19.2, "failed": {}, "ratios": ratios,
        "mel": {"clips": 39, "measurements": 117, "kind": "MP3, 44100 Hz, channels: 2",
                "ms_per_clip": {"decode": 20.1, "full": 30.2, "quick": 25.3, "librosa": 67.4},
                "pairs": {"mel_vs_librosa": {"median": 10.01, "low": 1.91, "high": 2.92}}},
        "workers": {"clips": 320, "clips_per_second": {"1": 33.1, "2": 62.2, "dask 2": 58.3},
                    "dask_clips_per_second_and_worker": 29.4, "pairs": {},
                    "workers_for_a_million_in_an_hour": 11},
        "training": {"quick": {"rnn": cost | {"ms_per_clip_epoch": 47.5}}, "full": {"rnn": cost},
                     "pairs": {}},
        "memory": {"sizes": [2000, 16_000], "training_seconds": 10.0,
                   "mels": {size: peaks | {"worker_mb": 155.0} for size in ("2000", "16000")},
                   "training": {"rnn": {"2000": peaks, "16000": peaks | {"parent_mb": 2345.0}}},
                   "evaluate": {"2000": peaks, "16000": peaks}},
        "startup": {"starts": 5, "seconds": {"python -m hiphoplib --help": 0.51}},
        "explain": {"rnn": {"explain_seconds": 14.5, "score_ms": 149.0}}}


def test_every_figure_is_shown(results):
    text = bench_markdown(results)
    for shown in ("19 minutes", "39 of “synthetic”", "10.01 [1.91, 2.92]", "| 30.2 | 33 |",
                  "67.4", "117 m", "33.1", "62.2", "58.3", "29.4",
                  "**11 such workers**", "390,001", "47.5", "7.7",
                  "1,234 | 1,234 | 1.00", "1,234 | 2,345 | 1.90", "155", "8,888", "321 s", "0.51",
                  "14.5", "149", results["machine"]["processor"].split()[0], "2021-05-04"):
        assert shown in text, shown
    assert all(f"| {ratio:.2f}" in text for ratio in results["ratios"].values())
    assert text == bench_markdown(json.loads(json.dumps(results)))


def test_bars_stand_beside_their_ratios(results):
    rows = bench_markdown(results).splitlines()
    for said, bar in (("as with librosa", "at least 1.5"), ("worker processes", "at least 1.8"),
                      ("RNN in those of the CRNN", "at least 20"),
                      ("`mels`, 16,000 clips against 2,000", "at most 1.2"),
                      ("largest worker", "at most 1.2"), ("training RNN", "at most 2,500 MB")):
        assert [row for row in rows if said in row and row.endswith(f"| {bar} |")], said


def test_what_was_not_measured_is_left_out_and_a_short_run_is_told(results):
    for part in PARTS:
        rest = {key: value for key, value in results.items() if key != part}
        assert len(bench_markdown(rest)) < len(bench_markdown(results))
    few = {**{key: results[key] for key in ("machine", "corpus", "made", "minutes", "failed")},
           "short": True, "ratios": {}}
    assert bench_markdown(few).startswith("**A short run")
    assert "|" not in bench_markdown(few)


def test_tables_are_rectangular(results):
    tables = [block.splitlines() for block in bench_markdown(results).split("\n\n")
              if block.startswith("|")]
    assert len(tables) == 7
    for table in tables:
        assert pd.Series([row.count("|") for row in table]).nunique() == 1


def test_a_readme_gets_the_tables_once_and_between_its_markers(results):
    readme = f"before\n\n{BEGIN}\nearlier\n{END}\n\nafter\n"
    once = insert(readme, results)
    assert once == insert(once, results) and "earlier" not in once
    assert once.startswith("before\n") and once.endswith(f"{END}\n\nafter\n")
    with pytest.raises(BadInput, match="put them where"):
        insert("no markers", results)


def test_the_readme_shows_the_committed_bench():
    path = ROOT / "notebooks" / "results" / "bench.json"
    if not path.is_file():
        pytest.skip("no bench is committed")
    results = json.loads(path.read_text())
    readme = (ROOT / "README.md").read_text()
    assert readme == insert(readme, results), "run `python -m hiphoplib.bench_table README.md …`"
    assert not results["short"] and not results["failed"] and set(PARTS) <= set(results)
