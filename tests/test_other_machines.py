"""What users have set for themselves, and machines that lack what ours has, change no result."""

import json
import multiprocessing
import os
import re
import subprocess
import sys
import tomllib

import psutil
import pytest

from hiphoplib.parallel import unordered
from tests.mel_runs import linux
from tests.paths import ROOT


def run(code, **environment):
    """What a new process prints, in the environment that is given with ours."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        timeout=200,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# settings of Keras and Matplotlib


def test_networks_are_the_same_whatever_keras_json_and_the_environment_say(tmp_path):
    (tmp_path / "keras.json").write_text(
        json.dumps(
            {
                "backend": "torch",
                "image_data_format": "channels_first",
                "floatx": "float16",
                "epsilon": 0.1,
            }
        )
    )
    code = (
        "from hiphoplib.models.networks import build_model\n"
        "from hiphoplib.keras_backend import keras\n"
        "model = build_model('crnn', (64, 323))\n"
        "print(keras.backend.backend(), model.count_params(), model.output_shape, "
        "model.compute_dtype, keras.config.epsilon(), *model.get_weights()[0].shape)"
    )
    theirs = run(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="torch")
    assert theirs == run(code, KERAS_HOME=str(tmp_path / "none"))


def test_another_backend_that_is_loaded_already_is_said():
    code = (
        "import keras, sys\nkeras.backend.backend = lambda: 'jax'\ntry:\n"
        "    import hiphoplib.keras_backend\nexcept ValueError as error:\n    print(error)"
    )
    assert "runs on jax in this process; start another one" in run(code)


MATPLOTLIBRC = """text.usetex: True
font.family: No Such Family
savefig.format: svg
savefig.facecolor: red
savefig.bbox: tight
axes.facecolor: black
lines.linewidth: 20
backend: tkagg
"""


def test_figures_are_the_same_whatever_the_users_matplotlibrc_says(tmp_path):
    (tmp_path / "matplotlibrc").write_text(MATPLOTLIBRC)
    code = (
        "import sys, hashlib, io\nfrom hiphoplib.cli import main\nmain(['--help'])\n"
        "import matplotlib.pyplot as plt\n"
        "from hiphoplib.report.style import STYLE, titled, use_style\n"
        "def draw():\n"
        "    _, ax = plt.subplots(figsize=(2, 2))\n"
        "    ax.plot([1, 2])\n"
        "    titled(ax, 'a', 'b', 'c').figure.savefig(file := io.BytesIO(), format='png')\n"
        "    return hashlib.sha256(file.getvalue()).hexdigest()\n"
        "with plt.style.context(['default', STYLE]):\n    once = draw()\n"
        "use_style()\nprint('drawn', once == draw(), once)"
    )
    drawn = [
        run(code, MATPLOTLIBRC=str(file), MPLBACKEND="")
        for file in (tmp_path / "matplotlibrc", tmp_path / "none")
    ]
    assert "drawn True" in drawn[0] and drawn[0] == drawn[1]


def test_a_title_is_text_whatever_it_holds(figure_style):
    from matplotlib import pyplot as plt

    from hiphoplib.report.style import titled

    drawn = []
    for title in ("A$AP $ky", "$x^2$", "$\\frac{$", r"\$"):
        _, ax = plt.subplots()
        titled(ax, title, "", "").figure.canvas.draw()
        assert ax.get_title(loc="left") == title
        drawn.append(bytes(ax.figure.canvas.buffer_rgba()))
    assert len(set(drawn)) == 4


# what a terminal cannot show, and where nothing can be written


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_cannot_show_a_name_ends_nothing(tmp_path, encoding):
    folder = tmp_path / "Ночь $ 夜"
    ended = subprocess.run(
        [sys.executable, "-m", "hiphoplib", "mels", str(folder)],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    assert ended.returncode == 1 and ended.stderr.count(b"\n") == 1
    assert ended.stderr.startswith(b"error: ") and b"no corpus there" in ended.stderr
    said = "from hiphoplib.cli import main; main(['--help']); print('Ночь')"
    assert run(said, PYTHONIOENCODING=encoding, PYTHONUTF8="0").endswith("????\n")


@linux
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not os.path.isfile("/usr/bin/setpriv"),
    reason="needs to become somebody who may write nowhere",
)
def test_without_a_home_what_numba_compiles_has_a_place_and_leaves_nothing(tmp_path):
    tmp_path.chmod(0o777)
    code = (
        "import hiphoplib, os, librosa, numpy as np\n"
        "librosa.zero_crossings(np.ones(10))\nprint(os.environ['NUMBA_CACHE_DIR'])"
    )
    done = subprocess.run(
        [
            "/usr/bin/setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            sys.executable,
            "-c",
            code,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"HOME": "/nonexistent", "PATH": os.environ["PATH"], "TMPDIR": "/tmp"},
        timeout=100,
    )
    if "Permission denied" in done.stderr:
        pytest.skip("nobody may not read this folder")
    assert done.returncode == 0, done.stderr
    place = done.stdout.strip()
    assert "/hiphoplib-" in place and not os.path.exists(place)


# machines


def _in_a_daemon(queue):
    queue.put(sorted(unordered(abs, [-1, 2, -3], jobs=-1)))


@linux
def test_a_daemonic_process_has_workers_as_well():
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=_in_a_daemon, args=(queue,), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 0 and queue.get() == [(0, 1), (1, 2), (2, 3)]


def test_without_shared_memory_everything_is_done(tmp_path):
    code = (
        "import _multiprocessing, multiprocessing.synchronize as synchronize\n"
        "class Refused:\n    def __init__(self, *all, **named):\n"
        "        raise OSError(38, 'not there')\n"
        "_multiprocessing.SemLock = synchronize._multiprocessing.SemLock = Refused\n"
        "from hiphoplib.parallel import unordered\n"
        "from hiphoplib.tracks.gather import gather\n"
        "print(sorted(unordered(abs, [-1, 2], jobs=2)))\n"
        f"gather('synthetic', {str(tmp_path / 'a')!r}, n=2)\n"
        f"gather('folder', {str(tmp_path / 'b')!r}, path={str(tmp_path / 'a')!r})"
    )
    assert run(code) == "[(0, 1), (1, 2)]\n"
    assert len(list((tmp_path / "b" / "audio").iterdir())) == 2


def test_a_system_that_hides_processes_loses_no_result(monkeypatch):
    def hidden(pid):
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", hidden)
    assert sorted(unordered(abs, [-1, 2, -3], jobs=1)) == [(0, 1), (1, 2), (2, 3)]


# the Makefile


def printed_by_make(*arguments, **environment):
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("folder", ["my songs", "it's $HOME", "a;b", 'c"d'])
def test_make_passes_a_folder_on_whatever_its_name_holds(tmp_path, folder):
    lines = printed_by_make("-n", "real", "SEEDS=1").stdout
    commands = "\n".join(
        line for line in lines.replace("\\\n", " ").splitlines() if " -m hiphoplib " in line
    )
    script = re.sub(r"\S+/python -m hiphoplib", "printf '<%s>'", commands)
    shown = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FOLDER": f"/x/{folder}"},
    ).stdout
    assert shown.startswith(f"<gather><folder></x/{folder}><--out><data/{folder}><mels>")
    assert shown.endswith(f"<notebooks/results/{folder}.json>")


def test_make_asks_for_a_folder():
    # as if the environment stood, which takes minutes
    done = printed_by_make("real", "-o", ".venv/installed", FOLDER="")
    assert done.returncode and "make real FOLDER=path/to/folder" in done.stdout


@pytest.mark.parametrize(
    "version, machine, said",
    [
        ((3, 10, 1), "Linux x86_64", "Python 3.11 to 3.13, this is 3.10.1"),
        ((3, 14, 0), "Linux x86_64", "Python 3.11 to 3.13, this is 3.14.0"),
        ((3, 13, 1), "Darwin x86_64", "Macs with an Intel processor"),
        ((3, 11, 0), "Linux x86_64", ""),
        ((3, 13, 9), "Darwin arm64", ""),
    ],
)
def test_make_says_before_pip_where_tensorflow_is_not(version, machine, said):
    line = printed_by_make("-n", "-W", "constraints.txt", ".venv/installed").stdout
    check = re.search(r"python3 -c '(.*)'", line)[1]
    system, processor = machine.split()
    code = (
        f"import sys, platform\nsys.version_info = {version}\n"
        f"sys.version = {'.'.join(map(str, version))!r} + ' (main)'\n"
        f"platform.system = lambda: {system!r}\nplatform.machine = lambda: {processor!r}\n"
        f"{check}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode == 0) == (said == "") and said in done.stderr
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert requires == ">=3.11,<3.14"
