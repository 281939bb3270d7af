"""The first cell of every notebook, run as on Colab.

A clean environment holds what Colab ships, in `colab_packages.txt`; IPython of there runs the
cell, with ``/content`` in a temporary folder and GitHub's repository in a copy of this one as it
stands. Of `google.colab` there is what the cell uses: `drive.mount`, which makes a folder. About
two minutes, and 3 GB for so long.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.utils import canonicalize_name

from hiphoplib.colab import KEPT
from tests.test_colab import GPU, NOTEBOOKS, PACKAGES, PROJECT, ROOT, first_cell, pinned

pytestmark = pytest.mark.slow

CELL, SHIPPED = first_cell(NOTEBOOKS[0]), pinned(PACKAGES)
CORE = {"numpy", "pandas", "scikit-learn", "keras", "tensorflow"}
URL = PROJECT["urls"]["Repository"]
MOUNT = '''"""Stands for Colab's: notes where it was called for."""
from pathlib import Path


def mount(mountpoint):
    (Path(mountpoint) / "MyDrive").mkdir(parents=True, exist_ok=True)
    with Path(__file__).with_name("mounted").open("a") as note:
        note.write(f"{mountpoint}\\n")
'''


def run(*command, **options):
    """Standard output of a command that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_this_repository(folder):
    """A repository of one commit: what is tracked, or would be, as it stands now."""
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it stands"]):
        run(
            "git",
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.org",
            *arguments,
            cwd=folder,
        )
    return folder


class Runtime:
    """A runtime of Colab, of the CPU kind."""

    def __init__(self, folder):
        self.content, self.programs = folder / "content", folder / "programs"
        self.python, self.colab = folder / "env/bin/python", folder / "colabtools/google/colab"
        for made in (self.content, self.programs, self.colab):
            made.mkdir(parents=True)
        (self.colab / "__init__.py").touch()
        (self.colab / "drive.py").write_text(MOUNT)
        self.project, self.drive = self.content / "HipHopPopularity", self.content / "drive"
        origin = copy_of_this_repository(folder / "origin")
        self.environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "colabtools"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{origin.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": URL,
        }
        run(sys.executable, "-m", "venv", folder / "env")
        run(
            self.python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "-r",
            PACKAGES,
        )

    def packages(self):
        """Version by name of what is installed."""
        listed = run(
            self.python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "list",
            "--format",
            "json",
            env=self.environment,
        )
        return {canonicalize_name(one["name"]): one["version"] for one in json.loads(listed)}

    def cell(self, source, drive=""):
        """Run a cell in ``/content``; what it printed."""
        source = source.replace('DRIVE = ""', f'DRIVE = "{drive}"')
        path = self.content.with_name("cell.ipy")
        path.write_text(source.replace("/content", str(self.content)))
        return run(
            self.python,
            "-m",
            "IPython",
            "--colors=NoColor",
            "--InteractiveShellApp.exec_lines=import google.colab",
            path,
            cwd=self.content,
            env=self.environment,
        )

    def inside(self, *code):
        """Run Python in the project's folder, as later cells do; what it printed."""
        return run(self.python, "-c", "\n".join(code), cwd=self.project, env=self.environment)

    def mounted(self):
        """Where Drive was mounted, every time."""
        note = self.colab / "mounted"
        return note.read_text().split() if note.is_file() else []


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """A fresh one; gone at the end, for pytest keeps the folders of its last runs."""
    folder = tmp_path_factory.mktemp("colab")
    yield Runtime(folder)
    shutil.rmtree(folder)


def test_the_first_cell_changes_no_package_that_is_there(runtime):
    assert runtime.packages() == SHIPPED and set(SHIPPED) >= CORE
    output = runtime.cell(CELL)
    after = runtime.packages()
    assert {name: after.get(name) for name in SHIPPED} == SHIPPED
    assert (runtime.project / "hiphoplib").is_dir()
    extras = {
        re.match(r"[\w-]+", need)[0]
        for extra in PROJECT["optional-dependencies"].values()
        for need in extra
    }
    assert not extras & (set(after) - set(SHIPPED))
    assert "\nno GPU: " in output
    assert not runtime.mounted() and not (runtime.project / "data").exists()


def test_a_package_that_wants_another_version_is_refused_and_changes_nothing(runtime, tmp_path):
    wheel, info = tmp_path / "greedy-1.0-py3-none-any.whl", "greedy-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: greedy\nVersion: 1.0\nRequires-Dist: six<1.17\n",
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    (tmp_path / "pyproject.toml").write_text(
        f"[project]\ndependencies = ['greedy @ {wheel.as_uri()}']"
    )
    before = runtime.packages()
    output = runtime.inside(
        "import os",
        "from hiphoplib import colab",
        "from hiphoplib.errors import BadInput",
        f"os.chdir({str(tmp_path)!r})",
        "try:",
        "    colab._install_missing()",
        "except BadInput as error:",
        "    print(error)",
    )
    assert "greedy" in output and "conflicting dependencies" in output
    assert runtime.packages() == before


def test_the_project_works_with_what_is_there(runtime):
    names = sorted(path.stem for path in (ROOT / "hiphoplib").glob("[!_]*.py"))
    output = runtime.inside(
        "import keras, numpy, pandas, sklearn, tensorflow",
        "print([one.__version__ for one in (keras, numpy, pandas, sklearn, tensorflow)])",
        *[f"import hiphoplib.{name}" for name in names],
        "import hiphoplib.tracks.sources.base, musicnn",
        "from hiphoplib.tracks.gather import gather",
        "print(len(gather('synthetic', 'try', n=4)))",
    )
    versions, n = output.splitlines()
    assert re.findall(r"[\d.]+", versions) == [
        SHIPPED[name] for name in ("keras", "numpy", "pandas", "scikit-learn", "tensorflow")
    ]
    assert n == "4"


def test_a_second_runtime_goes_on_where_the_first_was_lost(runtime):
    program = runtime.programs / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{GPU.format(0)}'\n")
    program.chmod(0o755)
    before = runtime.packages()
    shutil.rmtree(runtime.project)
    gather = (
        "from hiphoplib.tracks.gather import open_corpus, gather",
        "from pathlib import Path",
        "gather('synthetic', 'data/few', n=4)",
        "Path('models/mine').mkdir(exist_ok=True)",
        "print(sorted((path.name, path.stat().st_mtime_ns)"
        " for path in Path('data/few/audio').iterdir()))",
    )
    output = runtime.cell(CELL, drive="music/kept")
    assert runtime.mounted() == [str(runtime.drive)]
    assert "\nGPU: Tesla T4\n" in output and "nothing, all is there" in output
    made = runtime.inside(*gather)
    shutil.rmtree(runtime.project)
    runtime.cell(CELL, drive="music/kept")
    assert runtime.inside(*gather) == made  # the same files: no clip was made again
    for name in KEPT:
        assert (runtime.project / name).resolve() == runtime.drive / "MyDrive/music/kept" / name
    assert (runtime.project / "models/mine").is_dir()
    state = {path: path.lstat().st_ino for path in runtime.drive.rglob("*")}
    runtime.cell(CELL, drive="music/kept")
    assert {path: path.lstat().st_ino for path in runtime.drive.rglob("*")} == state
    assert runtime.packages() == before
