"""Make a runtime of Google Colab ready: the first cell of every notebook calls `set_up`.

Drive is slow with many small files: thousands of clips are gathered faster without it.
"""

import importlib
import re
import subprocess
import sys
import tempfile
import tomllib
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole

KEPT = ("data", "models")


def set_up(drive: str = "") -> None:
    """Install on Colab what the project lacks, and keep data and models on Drive if asked to.

    Parameters
    ----------
    drive : str
        Folder of your Drive that keeps ``data`` and ``models``; made if it is not there. Drive is
        mounted beside the project, and only if this is given.

    Raises
    ------
    BadInput
        If a package cannot be installed.
    """
    if "google.colab" not in sys.modules:
        return
    if drive:  # first, since it asks for a permission and nobody watches the installation
        from google.colab import drive as google_drive

        mount = Path.cwd().parent / "drive"
        google_drive.mount(str(mount))
        _keep_on(mount / "MyDrive" / drive)
    _install_missing()
    if "musicnn" not in _installed():  # its weights alone: what its package asks for is of 2019
        _pip("--no-deps", "-r", "requirements-musicnn.txt")
    importlib.invalidate_caches()  # this process looked for packages before they were there
    print(_gpu_line())


def upload(folder: Path | str) -> list[Path]:
    """Ask the reader for files and put them into a folder.

    Parameters
    ----------
    folder : path-like
        Made if files are chosen.

    Returns
    -------
    list of Path
    """
    from google.colab import files

    # a browser sends names without folders; if one does not, they stay in the folder all the same
    paths = {Path(folder) / Path(name).name: content for name, content in files.upload().items()}
    for path, content in paths.items():
        write_whole(path, content)
    return list(paths)


def download(path: Path | str) -> None:
    """Hand a file to the reader's browser.

    Parameters
    ----------
    path : path-like
    """
    from google.colab import files

    files.download(str(path))


def _installed():
    """Return the version by name of every package: of several on the path, the first counts."""
    return {
        canonicalize_name(package.metadata["Name"]): package.version
        for package in reversed(list(distributions()))
        if package.metadata["Name"]
    }


def _install_missing():
    """Install the dependencies of which no version is there; hold every package at its version."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    there, missing, old = _installed(), [], []
    for need in map(Requirement, project["dependencies"]):
        version = there.get(need.name, there.get(need.name.removesuffix("-cpu")))
        if version is None and (need.marker is None or need.marker.evaluate()):
            missing.append(str(need))
        elif version and not need.specifier.contains(version, prereleases=True):
            old.append(f"{need.name} {version} ({need.specifier})")
    print("older than the project asks for, and kept:", ", ".join(old) or "nothing")
    print("installing:", ", ".join(missing) or "nothing, all is there")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as held:
        for name, version in there.items():
            with suppress(InvalidVersion):  # of a package of Debian's: pip would refuse the file
                held.write(f"{name}=={Version(version)}\n")
        held.flush()
        if missing:
            _pip("-c", held.name, *missing)


def _pip(*arguments):
    """Run ``pip install``; what other processes print is lost in a notebook."""
    pip = [sys.executable, *"-m pip install --quiet --disable-pip-version-check".split()]
    done = subprocess.run([*pip, *arguments], capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise BadInput(
            f"pip install {' '.join(arguments)}: {' '.join(errors) or done.stderr}; "
            "run the cell again, or in a new runtime"
        )


def _keep_on(drive):
    """Make the folders of `KEPT` links to those of the same names in a folder of Drive."""
    for here, there in ((Path(name), Path(drive) / name) for name in KEPT):
        there.mkdir(parents=True, exist_ok=True)
        if here.is_dir() and not here.is_symlink() and any(here.iterdir()):
            print(
                f"{here}: holds something already and stays on this runtime; move that to "
                f"{there} and run the cell again to keep it on Drive"
            )
            continue
        if here.is_symlink():
            here.unlink()  # to this or to another folder of Drive: the content is there
        elif here.exists():
            here.rmdir()
        here.symlink_to(there.resolve())
        print(f"{here}: on Drive, {there}")


def _gpu_line():
    """Return in one line which GPU there is, or where to get one."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    except OSError:  # no driver, no GPU
        listed = ""
    if names := re.findall(r"^GPU \d+: (.+) \(UUID", listed, re.MULTILINE):
        return f"GPU: {', '.join(names)}"
    return (
        "no GPU: the report on the default corpus takes minutes all the same; "
        "for more, Runtime > Change runtime type has one"
    )
