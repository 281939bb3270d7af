"""What could not be used: the stages apart, and a file that is whole at any moment."""

import subprocess
import sys
import time

import pytest

from hiphoplib.tracks.table import read_rejected, record_rejected


def listed(folder):
    return read_rejected(folder).to_numpy().tolist()


def test_rejected_keeps_the_stages_apart_and_the_latest_reasons(tmp_path):
    assert len(read_rejected(tmp_path)) == 0
    record_rejected(tmp_path, "previews", {"0001": "gone, really"})
    record_rejected(tmp_path, "mels", {"0003": "silent", "0002": 'a "short" one'})
    assert listed(tmp_path) == [
        ["0001", "previews", "gone, really"],
        ["0002", "mels", 'a "short" one'],
        ["0003", "mels", "silent"],
    ]
    record_rejected(tmp_path, "mels", {"0003": "silent"})
    assert listed(tmp_path) == [["0001", "previews", "gone, really"], ["0003", "mels", "silent"]]
    record_rejected(tmp_path, "mels", {})
    record_rejected(tmp_path, "previews", {})
    assert len(read_rejected(tmp_path)) == 0


@pytest.mark.parametrize("reason", ["NA", "", "two\nlines", "two\r\nlines", "Ärger, 東京", " a "])
def test_a_reason_and_an_id_of_any_text_come_back(tmp_path, reason):
    for _ in range(2):  # also through a file that was there
        record_rejected(tmp_path, "previews", {"0001": reason, "nan": reason})
        record_rejected(tmp_path, "mels", {"2": reason})
    assert listed(tmp_path) == [
        ["0001", "previews", reason],
        ["nan", "previews", reason],
        ["2", "mels", reason],
    ]


WRITE_ON = """
import sys
from itertools import count
from hiphoplib.tracks.table import record_rejected
for number in count():
    record_rejected(sys.argv[1], "previews", dict.fromkeys(map(str, range(1 + number % 999)), "x"))
"""


def test_a_run_may_be_killed_at_any_moment(tmp_path):
    record_rejected(tmp_path, "mels", {"a": "silent", "b": "silent"})
    run = subprocess.Popen([sys.executable, "-c", WRITE_ON, tmp_path])
    seen = set()
    try:
        while len(seen) < 50 and run.poll() is None:  # whatever moment it is, the file is whole
            rejected = read_rejected(tmp_path)
            assert rejected.notna().all(axis=None)
            assert rejected["id"][:2].tolist() == ["a", "b"]
            assert rejected["id"][2:].tolist() == sorted(map(str, range(len(rejected) - 2)))
            seen.add(len(rejected))
    finally:
        run.kill()
        run.wait()
    assert len(seen) == 50
    record_rejected(tmp_path, "previews", {})  # what it left is in nobody's way
    assert listed(tmp_path) == [["a", "mels", "silent"], ["b", "mels", "silent"]]
    whole = [path.name for path in tmp_path.iterdir() if path.suffix != ".part"]
    assert whole == ["rejected.csv"]  # a killed write may leave its temporary file


def test_a_line_that_an_earlier_run_cut_short_does_not_count(tmp_path):
    (tmp_path / "rejected.csv").write_text("id,stage,reason\n1,mels,silent\n2,me")
    record_rejected(tmp_path, "previews", {"3": "gone"})
    assert listed(tmp_path) == [["1", "mels", "silent"], ["3", "previews", "gone"]]


def test_a_thousand_failures_can_be_put_down_one_by_one(tmp_path):
    reasons, start = {}, time.perf_counter()
    for number in range(1000):
        reasons[f"{number:04d}"] = "no such clip; the service has none"
        record_rejected(tmp_path, "previews", reasons)
    assert time.perf_counter() - start < 10  # about 1 s; with pandas 5 s
    assert len(read_rejected(tmp_path)) == 1000
