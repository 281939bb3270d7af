"""After all other tests: the client secret stands in nothing that the run left behind."""

import base64
from pathlib import Path

import pytest

from hiphoplib.tests.conftest import SAID
from hiphoplib.tests.spotify_server import CLIENT_ID, SECRET

ROOT = Path(__file__).parents[2]
KNOWS_SECRETS = ("test_credentials", "test_main", "test_secrets", "test_spotify")  # as conftest.py
KNOWING = {path.stem for path in Path(__file__).parent.glob("test_*.py")
           if "spotify_server" in path.read_text()}
BASIC = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()


def files(*folders):
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_all_tests_that_know_a_secret_run_in_this_process():
    assert KNOWING and all(name.startswith(KNOWS_SECRETS) for name in KNOWING)
    assert f"KNOWS_SECRETS = {KNOWS_SECRETS!r}".replace("'", '"') in (
        ROOT / "conftest.py").read_text()


def test_the_client_secret_is_nowhere(whole_log, tmp_path_factory):
    log = whole_log.read_text()
    if "Authorization" not in log:
        pytest.skip("no test of this run sent the secret anywhere")
    assert "Basic [hidden]" in log and "Bearer [hidden]" in log
    assert "https://api.spotify.com/v1/search" in log
    for secret in (SECRET, BASIC):
        assert not [said for said in SAID if secret in said]
        left = files(tmp_path_factory.getbasetemp(), ROOT / "hiphoplib", ROOT / "notebooks")
        assert len(left) > 100
        assert not [path for path in left if secret.encode() in path.read_bytes()]
