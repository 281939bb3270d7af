"""What unit tests and notebooks share: the tiny corpus of the notebooks, the table of times."""

import os
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

if os.environ.get("PYTEST_XDIST_WORKER"):  # there are as many of them as cores already
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Make the tiny corpus before the notebooks run on it side by side."""
    if os.environ.get("HIPHOP_TINY") and not hasattr(session.config, "workerinput"):
        make_tiny()


def make_tiny():
    """Gather, transform and train what the notebooks look for; what stands is not repeated."""
    from hiphoplib.dataset.features import make_available
    from hiphoplib.dataset.store import make_mels
    from hiphoplib.models.experiment import prepare, train
    from hiphoplib.models.networks import NETWORKS
    from hiphoplib.tracks.cleaning import read_clean
    from hiphoplib.tracks.gather import open_corpus

    folder = open_corpus()
    tracks = read_clean(folder)
    make_mels(tracks, folder)
    make_available(tracks, folder)
    train(prepare(folder), list(NETWORKS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep all tests of a file, or cells of a notebook, in one process.

    Those that know a secret share one: `test_secrets` searches what they have said there.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        @staticmethod
        @cache
        def _split_scope(nodeid):
            path = nodeid.partition("::")[0]
            return "secrets" if "spotify_server" in Path(path).read_text(encoding="utf-8") else path

    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter):
    """Print what each file took, the longest first: a slow machine shows in all of them."""
    reports = [
        report
        for group in terminalreporter.stats.values()
        for report in group
        if hasattr(report, "duration")
    ]
    seconds = Counter()
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    terminalreporter.section("seconds by file")
    for file, taken in seconds.most_common(15):
        terminalreporter.write_line(f"{taken:8.1f}  {file}")
    terminalreporter.write_line(f"{seconds.total():8.1f}  in all {len(seconds)} files")
