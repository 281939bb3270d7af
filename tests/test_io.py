"""Files are there whole; standard error holds nothing of compiled code, and all of it after."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hiphoplib.errors import BadInput
from hiphoplib.io import check_output, progress, silent_stderr, write_whole
from tests.paths import ROOT


def test_file_descriptor_2_is_silent_inside_and_back_outside_even_after_an_error(capfd):
    with pytest.raises(ValueError), silent_stderr():
        os.write(2, b"chatter")
        with silent_stderr():
            os.write(2, b"more chatter")
        os.write(2, b"chatter")
        raise ValueError
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"


def test_however_many_threads_come_and_go(capfd):
    open_files, start = len(os.listdir("/dev/fd")), threading.Barrier(8)

    def come_and_go(name):
        start.wait()
        for _ in range(100):
            with silent_stderr():
                os.write(2, b"chatter")
                time.sleep(0)  # another one's turn

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"
    assert len(os.listdir("/dev/fd")) == open_files


def test_no_bar_where_nobody_looks(capfd):
    assert list(progress(range(3), desc="long work")) == [0, 1, 2]
    assert capfd.readouterr().err == ""


def test_two_processes_may_write_one_file(tmp_path):
    """Notebooks side by side open the same corpus: no one takes the other's half-written file."""
    code = (
        "import sys; from hiphoplib.io import write_whole\n"
        "for _ in range(300): write_whole(sys.argv[1], b'x' * 100_000)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "file"], cwd=ROOT)
        for _ in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert (tmp_path / "file").read_bytes() == b"x" * 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_name_may_be_as_long_as_a_disk_allows(tmp_path):
    path = tmp_path / ("a" * 250 + ".html")
    check_output(path)
    write_whole(path, "page")
    assert [each.read_text("utf-8") for each in tmp_path.iterdir()] == ["page"]
    with pytest.raises(BadInput, match="File name too long"):
        check_output(path.with_name(f"a{path.name}"))
