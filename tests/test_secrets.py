"""After all other tests: the client secret stands in nothing that the run left behind."""

import base64

import pytest

from tests.paths import ROOT
from tests.spotify_server import CLIENT_ID, SECRET

BASIC = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()


def files(*folders):
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_the_client_secret_is_nowhere(whole_log, said, tmp_path_factory):
    log = whole_log.read_text()
    if "/v1/search?" not in log:
        pytest.skip("no test of this run sent the secret anywhere")
    assert "POST /api/token" in log
    assert any(said)
    for secret in (SECRET, BASIC):
        assert not [text for text in said if secret in text]
        left = files(tmp_path_factory.getbasetemp(), ROOT / "hiphoplib", ROOT / "notebooks")
        assert len(left) > 100
        assert not [path for path in left if secret.encode() in path.read_bytes()]
