"""Standard error: nothing of compiled code, and everything again afterwards."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hiphoplib.io import progress, silent_stderr


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
