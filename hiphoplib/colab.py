"""On Colab: install what is missing, replace nothing that is there, keep data and models on Drive.

The first cell of every notebook calls `set_up`; ``python -m hiphoplib.colab`` does the same
without Drive. It needs the standard library and `packaging` only.

On Drive lie the folders ``data`` and ``models`` as a whole: clips, spectrograms, checkpoints and
trained models, so that nothing is made twice after a runtime was lost. Drive is quick with large
files, which most of these are, and slow with many small ones, which clips are: a corpus of
thousands of tracks is gathered faster without it. The project itself, figures and results files
stay on the runtime's disk and are lost with it.
"""

import importlib
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole

STANDS_FOR = {"tensorflow-cpu": "tensorflow"}  # the preinstalled one does as well
# for tests and for running notebooks from a shell, which Colab does itself
LEFT_OUT = {"axe-playwright-python", "ipykernel", "ipywidgets", "jupyterlab", "nbclient",
            "nbconvert", "nbformat", "nbval", "playwright", "pytest", "pytest-xdist"}
KEPT = ("data", "models")


def set_up(drive=""):
    """Make the runtime ready for the project, in whose folder it is called, and say what was done.

    Parameters
    ----------
    drive : str
        Folder of your Drive that keeps ``data`` and ``models``; Drive is mounted beside the
        project, and only if this is given. A folder that is not there is made.

    Raises
    ------
    BadInput
        If a package cannot be installed.
    """
    if drive:  # first, since it asks for a permission and nobody watches the installation
        keep_on(mounted(Path.cwd().parent / "drive") / drive)
    install_missing()
    install_tagger()
    importlib.invalidate_caches()  # this process looked for packages before they were there
    print(gpu_line())


def installed(path=None):
    """Version by canonical name of every package on a path; `sys.path` if not given."""
    versions = {}
    for found in distributions(path=sys.path if path is None else path):
        if found.metadata["Name"]:  # the first on the path is the one that is imported
            versions.setdefault(canonicalize_name(found.metadata["Name"]), found.version)
    return versions


def missing(requirements, there):
    """Requirements of which no version is installed, or not what an extra of theirs asks for.

    Parameters
    ----------
    requirements : iterable of str
        Lines of a requirements file.
    there : dict of str to str
        What is installed, as `installed` gives it.

    Returns
    -------
    list of str
    """
    return [str(need) for need in _wanted(requirements)
            if not all(_is_there(one, there) for one in (need, *_of_extras(need)))]


def too_old(requirements, there):
    """What is installed in a version that the project is not meant for.

    Parameters
    ----------
    requirements, there
        As for `missing`.

    Returns
    -------
    list of str
        Name, version that is there, version that is asked for.
    """
    found = [(need, there.get(canonicalize_name(need.name))) for need in _wanted(requirements)]
    return [f"{need.name} {version} ({need.specifier})" for need, version in found
            if version and not need.specifier.contains(version, prereleases=True)]


def _wanted(requirements):
    """Requirements that hold for this platform and are wanted on Colab."""
    lines = [line.split("#")[0].strip() for line in requirements]
    return [need for need in map(Requirement, filter(None, lines))
            if (need.marker is None or need.marker.evaluate())
            and canonicalize_name(need.name) not in LEFT_OUT]


def _is_there(need, there):
    """Whether a package, or the one that stands for it, is installed in any version."""
    name = canonicalize_name(need.name)
    return name in there or STANDS_FOR.get(name) in there


def _of_extras(need):
    """What the extras of a requirement ask for: none of it is there because the package is."""
    try:
        asked = map(Requirement, (requires(need.name) or []) if need.extras else [])
    except PackageNotFoundError:
        return []
    return [one for one in asked if one.marker
            and any(one.marker.evaluate({"extra": extra}) for extra in need.extras)]


def install_missing(path="requirements.txt"):
    """Install the missing requirements, every installed package held at its version.

    Returns
    -------
    list of str
        What was missing.
    """
    requirements, there = Path(path).read_text().splitlines(), installed()
    needed, old = missing(requirements, there), too_old(requirements, there)
    if old:
        print("older than the project asks for, and kept:", ", ".join(old))
    print("installing:", ", ".join(needed) or "nothing, all is there")
    if needed:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as held:
            held.writelines(f"{name}=={version}\n" for name, version in sorted(there.items())
                            if _is_valid(version))
            held.flush()
            _pip("-c", held.name, *needed)
    return needed


def install_tagger(path="requirements-musicnn.txt"):
    """Install the weights of musicnn alone: what its package asks for is of 2019."""
    if "musicnn" not in installed():
        _pip("--no-deps", "-r", path)


def _is_valid(version):
    """Whether pip reads a version: it refuses a whole file of constraints for one of Debian's."""
    try:
        return bool(Version(version))
    except InvalidVersion:
        return False


def _pip(*arguments):
    """Run ``pip install``; a notebook does not show what other processes print."""
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet",
                           "--disable-pip-version-check", *arguments],
                          capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise BadInput(f"pip install {' '.join(arguments)}: {' '.join(said) or done.stderr}; "
                       "run the cell again, or in a new runtime")


def mounted(folder):
    """Mount Drive at a folder; your own part of it."""
    from google.colab import drive

    drive.mount(str(folder))
    return Path(folder) / "MyDrive"


def keep_on(drive, names=KEPT):
    """Make folders of the project links to those of the same names in a folder of Drive.

    A folder that holds something already stays where it is. What is a link to there stays one.

    Parameters
    ----------
    drive : path-like
        Made if it is not there.
    names : sequence of str
    """
    for here, there in ((Path(name), Path(drive) / name) for name in names):
        there.mkdir(parents=True, exist_ok=True)
        if here.is_dir() and not here.is_symlink() and any(here.iterdir()):
            print(f"{here}: holds something already and stays on this runtime; move that to "
                  f"{there} and run the cell again to keep it on Drive")
            continue
        if here.is_symlink():
            here.unlink()  # of this or of another folder of Drive: the content is there
        elif here.exists():
            here.rmdir()
        here.symlink_to(there.resolve())
        print(f"{here}: on Drive, {there}")


def gpu_line():
    """Which GPU there is, or where to get one, in one line; asked of its driver, in no time."""
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    except OSError:  # no driver, no GPU
        said = ""
    found = re.findall(r"^GPU \d+: (.+) \(UUID", said, re.MULTILINE)
    return f"GPU: {', '.join(found)}" if found else (
        "no GPU: the report on the default corpus takes minutes all the same; "
        "for more, Runtime > Change runtime type has one")


if __name__ == "__main__":
    set_up()


def upload(folder):
    """Ask for files and put them into a folder; none chosen, none made.

    Parameters
    ----------
    folder : path-like

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


def download(path):
    """Hand a file to the reader's browser."""
    from google.colab import files

    files.download(str(path))
