"""Standard error: nothing of compiled code, and everything again afterwards."""

import os

from hiphoplib.quiet import progress, silent_stderr


def test_file_descriptor_2_is_silent_inside_and_back_outside(capfd):
    with silent_stderr():
        os.write(2, b"chatter")
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"


def test_no_bar_where_nobody_looks(capfd):
    assert list(progress(range(3), desc="long work")) == [0, 1, 2]
    assert capfd.readouterr().err == ""
