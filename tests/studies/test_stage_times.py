"""What stages took, with all processes that they started."""

import json
import subprocess
import sys
import time

import pytest

from hiphoplib.errors import BadInput
from hiphoplib.studies.stage_times import Stage, StageTimes, as_table, read_times, write_times

BUSY = "import time\nuntil = time.process_time() + 0.5\nwhile time.process_time() < until: pass"


def test_a_stage_has_the_time_of_what_it_starts_and_the_next_has_not():
    with StageTimes() as times:
        times.begin("busy")
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        times.begin("idle")
        time.sleep(0.2)
    busy, idle = times.stages
    assert (busy.name, idle.name) == ("busy", "idle")
    assert busy.user + busy.kernel >= 0.45 and busy.wall >= 0.45
    assert idle.user + idle.kernel < 0.2 <= idle.wall
    assert busy.memory_mb > 1


def test_a_process_that_still_runs_counts():
    with StageTimes() as times:
        times.begin("beside")
        child = subprocess.Popen([sys.executable, "-c", f"{BUSY}\nprint(1, flush=True)\ninput()"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        times.begin("after")
        child.communicate(b"\n")
    assert times.stages[0].user + times.stages[0].kernel >= 0.45


def test_the_table_sums_what_is_short_and_all():
    stages = [Stage("long", 60.0, 50.0, 2.0, 900.0), Stage("short", 0.5, 0.4, 0.1, 1200.0),
              Stage("shorter", 0.25, 0.1, 0.1, 100.0)]
    lines = as_table(stages).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["long", "all others", "together"]
    assert lines[-1].split()[1:] == ["60.8", "50.5", "2.2", "1,200"]
    assert len({len(line) for line in lines}) == 1


def test_the_times_are_written_with_what_they_were_measured_on(tmp_path):
    write_times([Stage("one", 1.0, 2.0, 3.0, 4.0)], tmp_path / "build" / "times.json")
    found = json.loads((tmp_path / "build" / "times.json").read_text())
    assert found["stages"] == [{"name": "one", "wall": 1.0, "user": 2.0, "kernel": 3.0,
                                "memory_mb": 4.0}]
    assert found["machine"]["processor"]
    machine, stages = read_times(tmp_path / "build" / "times.json")
    assert machine == found["machine"] and stages == [Stage("one", 1.0, 2.0, 3.0, 4.0)]
    with pytest.raises(BadInput, match="`make report` leaves them"):
        read_times(tmp_path / "nothing.json")


def test_stages_end_when_something_fails():
    with pytest.raises(ZeroDivisionError), StageTimes() as times:
        times.begin("bad")
        1 / 0  # noqa: B018
    assert [stage.name for stage in times.stages] == ["bad"]
