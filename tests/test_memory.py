"""What TensorFlow frees stays mapped where that is safe, and nothing is tried elsewhere."""

import ctypes
import os
import subprocess
import sys
import types

import pytest

from hiphoplib.io import keep_memory
from tests.paths import ROOT

STEPS = """
import resource
import numpy as np
from hiphoplib.keras_backend import KEEPS_MEMORY, keras
from hiphoplib.models.networks import build_model

class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, number):
        return np.zeros((64, 64, 323), np.float32), np.zeros((64, 1), np.float32)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

model = build_model("cnn1", (64, 323))
model.fit(Batches(), verbose=0)
before = faults()
model.fit(Batches(), verbose=0)
print(int(KEEPS_MEMORY), (faults() - before) // 2)
"""
USERS = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX")


def steps(**environment):
    """Return whether memory is kept, and the page faults of a step, in a process of its own."""
    # oneDNN, which TensorFlow takes on newer processors, has an allocator of its own
    plain = {name: value for name, value in os.environ.items() if name not in USERS}
    run = subprocess.run(
        [sys.executable, "-c", STEPS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**plain, "TF_ENABLE_ONEDNN_OPTS": "0", **environment},
    )
    return [int(number) for number in run.stdout.split()]


@pytest.mark.skipif(not keep_memory(), reason="another C library, or an older one")
def test_steps_map_no_memory_anew():
    kept, faults = steps()
    plain, more = steps(MALLOC_ARENA_MAX="8")
    assert (kept, plain) == (1, 0)
    assert faults < more / 5 and more > 10_000


@pytest.mark.parametrize(
    "name, platform", [*((name, "linux") for name in USERS), ("NONE", "darwin"), ("NONE", "win32")]
)
def test_nothing_is_tried_on_other_systems_or_against_the_users_choice(monkeypatch, name, platform):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("the C library was asked"))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(name, "1")
    assert not keep_memory()


def test_another_c_library_or_an_older_one_is_left_alone(monkeypatch):
    asked = []
    libc = types.SimpleNamespace(mallopt=lambda *option: asked.append(option) or 0)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: libc)
    for name in USERS:
        monkeypatch.delenv(name, raising=False)
    assert not keep_memory() and not asked
    libc.gnu_get_libc_version = None
    assert not keep_memory()
    assert len(asked) == 1  # where the first is refused, the second would only do harm
