"""On Colab: install what is missing and replace nothing that is there.

Run as ``python -m hiphoplib.colab``. It needs the standard library and `packaging` only.
"""

import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

STANDS_FOR = {"tensorflow-cpu": "tensorflow"}  # the preinstalled one does as well


def missing(requirements, installed):
    """Requirements of which no version is installed.

    Parameters
    ----------
    requirements : iterable of str
        Lines of a requirements file.
    installed : dict of str to str
        Version by canonical name.

    Returns
    -------
    list of str
    """
    lines = [line.split("#")[0].strip() for line in requirements]
    wanted = [Requirement(line) for line in lines if line]
    return [str(need) for need in wanted
            if (need.marker is None or need.marker.evaluate())
            and canonicalize_name(need.name) not in installed
            and STANDS_FOR.get(need.name) not in installed]


def install_missing(path="requirements.txt"):
    """Install the missing requirements, every installed package held at its version."""
    installed = {canonicalize_name(found.metadata["Name"]): found.version
                 for found in distributions() if found.metadata["Name"]}
    needed = missing(Path(path).read_text().splitlines(), installed)
    if not needed:
        return needed
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as held:
        held.writelines(f"{name}=={version}\n" for name, version in sorted(installed.items()))
        held.flush()
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "-c", held.name,
                        *needed], check=True)
    return needed


def install_tagger(path="requirements-musicnn.txt"):
    """Install the weights of musicnn alone: what its package asks for is of 2019."""
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "-r", path],
                   check=True)


if __name__ == "__main__":
    print("installed:", ", ".join(install_missing()) or "nothing, all is there")
    install_tagger()
