"""What the bench measured is shown whole, and in the README."""

import json
import shutil
import subprocess

import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.studies.bench import PARTS, Effort
from hiphoplib.studies.bench_table import BEGIN, END, RATIOS, bench_markdown, insert
from hiphoplib.studies.resources import ROOT, machine


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
                    "parent_cpu_ms_per_clip": {"1": 1.13, "2": 1.24, "dask 2": 2.56},
                    "dask_clips_per_second_and_worker": 29.4, "pairs": {},
                    "workers_for_a_million_in_an_hour": 11,
                    "writer_clips_per_second": 391.0, "workers_that_one_writer_feeds": 13},
        "training": {"quick": {"rnn": cost | {"ms_per_clip_epoch": 47.5}}, "full": {"rnn": cost},
                     "pairs": {}},
        "memory": {"sizes": [2000, 16_000], "training_seconds": 10.0,
                   "mels": {size: peaks | {"worker_mb": 155.0} for size in ("2000", "16000")},
                   "training": {"rnn": {"2000": peaks, "16000": peaks | {"parent_mb": 2345.0}}},
                   "evaluate": {"2000": peaks, "16000": peaks},
                   "explain": {"clips": 24, "model": "rnn", "parent_mb": 912.0}},
        "report": {"stages": [{"name": "Modelling", "wall": 123.4, "user": 201.2, "kernel": 3.3,
                               "memory_mb": 2468.0}]},
        "startup": {"starts": 5, "seconds": {"python -m hiphoplib --help": 0.51}},
        "explain": {"rnn": {"explain_seconds": 14.5, "score_ms": 149.0}}}


def test_every_figure_is_shown(results):
    text = " ".join(bench_markdown(results).split())  # lines end where a processor's name does
    for shown in ("19 minutes", "39 of “synthetic”", "10.01 [1.91, 2.92]", "| 30.2 | 33 |",
                  "67.4", "117 m", "33.1", "62.2", "58.3", "29.4",
                  "**11 such workers**", "| 1.1 |", "| 2.6 |", "391",
                  "**13 such workers**.", "912 MB", "| Modelling | 123 | 201 | 3 | 2,468 |",
                  "390,001", "47.5", "7.7",
                  "1,234 | 1,234 | 1.00", "1,234 | 2,345 | 1.90", "155", "8,888", "321 s", "0.51",
                  "14.5", "149", results["machine"]["processor"].split()[0], "2021-05-04"):
        assert shown in text, shown
    assert all(f"| {ratio:.2f}" in text for ratio in results["ratios"].values())
    assert bench_markdown(results) == bench_markdown(json.loads(json.dumps(results)))


def test_workers_that_have_to_wait_for_the_writer_are_told(results):
    slow = results["workers"] | {"writer_clips_per_second": 100.0,
                                 "workers_that_one_writer_feeds": 3}
    said = " ".join(bench_markdown(results | {"workers": slow}).split())
    assert ("**3 such workers**: more have to wait for it, and a million clips take 2.8 hours."
            in said)
    assert "have to wait" not in bench_markdown(results)


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
    assert len(tables) == 8
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
    assert readme == insert(readme, results), (
        "run `python -m hiphoplib bench-table README.md …`"
    )
    assert f" {Effort.disk_gb} GB of free disk" in readme
    assert not results["short"] and not results["failed"]
    assert set(PARTS) - {"report"} <= set(results)  # which `make report` measures


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_bench_puts_the_tables_into_the_readme_when_all_is_measured():
    said = subprocess.run(["make", "-n", "bench"], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout.splitlines()
    measure, tables = (step for step in said if "-m hiphoplib" in step)
    assert measure.endswith("-m hiphoplib bench")
    assert tables.endswith(
        "-m hiphoplib bench-table README.md notebooks/results/bench.json"
    )


def test_what_was_measured_apart_says_so():
    results = json.loads((ROOT / "notebooks" / "results" / "bench.json").read_text())
    told = bench_markdown(results | {"apart": {"waiting": ["sleep 1", "2021-05-04"]}})
    assert told.endswith("Measured apart from the rest, on 2021-05-04: waiting, by `sleep 1`.")
    assert "Measured apart" not in bench_markdown({**results, "apart": {}})
