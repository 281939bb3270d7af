"""Models and data from strangers: nothing in them runs, leads elsewhere, or grows without end."""

import ast
import zipfile

import pytest

from hiphoplib.models import networks
from hiphoplib.models.networks import build_model, load_network
from tests.paths import ROOT

MODULES = sorted((ROOT / "hiphoplib").rglob("*.py"))
# what runs code that stands in a file, or writes where a file says
FUNCTIONS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    "read_pickle",
    "to_pickle",
    "read_hdf",
    "extractall",
    "unpack_archive",
    "from_config",
    "model_from_json",
    "deserialize_keras_object",
    "enable_unsafe_deserialization",
}
CALLS = {"os.system", "joblib.load", "joblib.dump", "keras.models.load_model", "torch.load"}
MODULES_OF_IT = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}


def risky(tree):
    """What of it a module calls or imports, set of str."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            written = ast.unparse(node.func)
            loads = written in ("np.load", "numpy.load")
            if (
                written in FUNCTIONS | CALLS
                or written.rpartition(".")[2] in METHODS
                or loads
                and "allow_pickle=False" not in ast.unparse(node)
                or "shell" in [each.arg for each in node.keywords]
            ):
                found.add(written)
        elif isinstance(node, ast.Import):
            found |= MODULES_OF_IT & {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= MODULES_OF_IT & {node.module}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_runs_what_a_file_holds(path):
    # workers talk to their parent, and to nobody else
    allowed = {"pickle", "cloudpickle"} if path.stem == "parallel" else set()
    assert risky(ast.parse(path.read_text())) <= allowed


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "pd.read_pickle('x')",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "joblib.load('x')",
        "eval('x')",
        "file.extractall('x')",
        "keras.models.load_model('x')",
        "subprocess.run('x', shell=True)",
        "import cloudpickle",
    ],
)
def test_what_would_run_it_is_seen(code):
    assert risky(ast.parse(code))


def test_weights_that_unpack_to_more_than_a_network_has_are_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "network.keras"
    build_model("crnn", (64, 323)).save(path)
    assert load_network("crnn", (64, 323), path).count_params()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.weights.h5.more", bytes(20_000_000))
    assert path.stat().st_size < 10_000_000
    monkeypatch.setattr(networks, "MAX_BYTES", 20_000_000)
    with pytest.raises(ValueError, match="unpacks to more"):
        load_network("crnn", (64, 323), path)


def test_members_of_a_models_file_stay_where_they_are(tmp_path):
    path = tmp_path / "a" / "network.keras"
    path.parent.mkdir()
    build_model("crnn", (64, 323)).save(path)
    with zipfile.ZipFile(path, "a") as file:
        for name in ("../out", "/hiphoplib-out", "..\\out", "assets/../../out"):
            file.writestr(name, b"x")
    load_network("crnn", (64, 323), path)
    assert {each.name for each in tmp_path.rglob("*")} == {"a", "network.keras"}
