"""On Colab nothing that is preinstalled is replaced."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from hiphoplib.colab import install_missing, missing

ROOT = Path(__file__).parents[2]


def test_only_what_no_version_of_is_there_is_asked_for():
    lines = ["# a comment", "keras>=99", "numpy>=1.26", "", "lime>=0.2  # why"]
    assert missing(lines, {"keras": "3.5.0", "numpy": "2.0"}) == ["lime>=0.2"]


def test_the_preinstalled_tensorflow_does_for_the_cpu_one():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert not [need for need in missing(lines, {"tensorflow": "2.19.0"}) if "tensorflow" in need]


def test_where_all_is_there_nothing_is_installed():
    before = {canonicalize_name(found.metadata["Name"]): found.version for found in distributions()}
    assert install_missing(ROOT / "requirements.txt") == []
    after = {canonicalize_name(found.metadata["Name"]): found.version for found in distributions()}
    assert before == after


def test_every_requirement_has_a_lower_bound_and_a_constraint():
    needs = [line for line in (ROOT / "requirements.txt").read_text().splitlines()
             if line and not line.startswith("#")]
    assert all(re.match(r"[\w-]+(\[\w+\])?>=[\d.]+(; .*)?$", need) for need in needs)
    held = {canonicalize_name(line.split("==")[0])
            for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    names = {canonicalize_name(re.match(r"[\w-]+", need)[0]) for need in needs}
    assert names - held <= {"tensorflow"}
