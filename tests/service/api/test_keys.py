"""Who may do what: keys, their scopes, and that they are nowhere to be read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from data.errors import BraggleError
from service.api.app import asks_for_keys
from service.api.clients import is_loopback
from service.api.keys import KeyStore
from service.settings import ServeSettings
from tests.service.api.conftest import serving, settings_for
from tests.service.conftest import Braggle


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_keys_are_made_listed_and_revoked(braggle: Braggle, tmp_path: Path) -> None:
    made = json.loads(braggle("keys", "add", "lab", "--scope", "write", "--json").stdout)
    secret = made["key"]
    assert secret.startswith(f"braggle_{made['id']}_")
    database = tmp_path / "data" / "service" / "keys.sqlite"
    assert secret.encode() not in database.read_bytes()
    assert secret.rpartition("_")[2].encode() not in database.read_bytes()
    assert database.stat().st_mode & 0o077 == 0
    listed = braggle("keys", "list").stdout
    assert made["id"] in listed
    assert "lab" in listed
    assert secret not in listed
    assert "is refused since" in braggle("keys", "revoke", made["id"]).stdout
    (one,) = json.loads(braggle("keys", "list", "--json").stdout)
    assert one["revoked_at"] is not None
    assert braggle("keys", "add", "lab").stdout.strip().startswith("braggle_")


def test_what_is_no_key_is_said(braggle: Braggle) -> None:
    assert (
        "'all': there is no such; give read" in braggle("keys", "add", "x", "--scope", "all").stderr
    )
    assert "'abc': there is no such" in braggle("keys", "revoke", "abc").stderr


@pytest.mark.parametrize(
    "secret", ["", "braggle", "braggle_", "braggle_00000000_x", "a_b_c", "braggle_%_x", "_" * 500]
)
def test_a_secret_that_is_none(tmp_path: Path, secret: str) -> None:
    store = KeyStore(tmp_path)
    assert store.of(secret) is None
    _, good = store.add("x", "read")
    assert store.of(secret) is None
    assert store.of(good[:-1]) is None
    assert store.of(good) is not None


def test_scopes_allow_what_those_before_them_allow(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "library")  # jobs may add to it
    settings = settings_for(tmp_path / "library", tmp_path, keys="on")
    store = KeyStore(settings.service_dir)
    secrets = {scope: store.add(scope, scope)[1] for scope in ("read", "write", "admin")}
    cif = {"file": ("halite.cif", b"data_x")}
    with serving(settings) as client:
        asked = [
            ("GET", "/v1/entries", "read"),
            ("POST", "/v1/entries", "write"),
            ("DELETE", f"/v1/entries/{'0' * 20}", "admin"),
            ("GET", "/metrics", "admin"),
        ]
        order = list(secrets)
        for method, path, needed in asked:
            files = cif if method == "POST" else None
            assert client.request(method, path, files=files).status_code == 401
            for scope, secret in secrets.items():
                answer = client.request(method, path, files=files, headers=bearer(secret))
                allowed = order.index(scope) >= order.index(needed)
                assert (answer.status_code in {200, 202, 404}) == allowed, (path, scope)
                assert allowed or answer.json()["type"].endswith("not-allowed")


def test_without_a_key_only_what_says_nothing_of_the_library_is_open(
    built: Path, tmp_path: Path
) -> None:
    with serving(settings_for(built, tmp_path, keys="on")) as client:
        for path in ("/healthz", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        answer = client.get("/v1/library")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        answer = client.get("/v1/library", headers=bearer("braggle_00000000_wrong"))
        assert answer.status_code == 401
        assert "invalid_token" in answer.headers["www-authenticate"]


def test_a_revoked_key_is_refused_at_once(built: Path, tmp_path: Path) -> None:
    settings = settings_for(built, tmp_path, keys="on")
    store = KeyStore(settings.service_dir)
    key, secret = store.add("x", "read")
    with serving(settings) as client:
        assert client.get("/v1/library", headers=bearer(secret)).status_code == 200
        store.revoke(key.id)
        assert client.get("/v1/library", headers=bearer(secret)).status_code == 401


def test_jobs_belong_to_the_key_that_asked(built: Path, rutile: Path, tmp_path: Path) -> None:
    settings = settings_for(built, tmp_path, keys="on")
    store = KeyStore(settings.service_dir)
    mine, other, admin = (bearer(store.add("x", s)[1]) for s in ("read", "read", "admin"))
    files = [("file", (f"{i}.xy", rutile.read_bytes())) for i in range(2)]
    with serving(settings) as client:
        place = client.post("/v1/search", files=files, headers=mine).headers["Location"]
        for who, status in ((mine, 200), (other, 404), (admin, 200)):
            assert client.get(place, headers=who).status_code == status
            assert len(client.get("/v1/jobs", headers=who).json()["jobs"]) == (status == 200)
        assert client.delete(place, headers=other).status_code == 404
        assert client.delete(place, headers=mine).status_code in {202, 204}


@pytest.mark.parametrize(
    "host, keys, asked",
    [
        ("127.0.0.1", "auto", False),
        ("localhost", "auto", False),
        ("::1", "auto", False),
        ("127.0.0.1", "on", True),
        ("0.0.0.0", "auto", True),  # noqa: S104 - it is only looked at
        ("192.168.1.5", "auto", True),
        ("::", "auto", True),
        ("example.org", "auto", True),
        ("0.0.0.0", "off", False),  # noqa: S104
    ],
)
def test_keys_are_asked_for_off_loopback(host: str, keys: str, asked: bool) -> None:  # noqa: FBT001
    assert asks_for_keys(ServeSettings(host=host, keys=keys)) is asked  # type: ignore[arg-type]
    assert is_loopback(host) is (host in {"127.0.0.1", "localhost", "::1"})


def test_serving_others_without_keys_is_refused(braggle: Braggle) -> None:
    result = braggle("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert result.exit_code == 1
    assert "make one with `braggle keys add NAME`, or say --without-keys" in result.stderr
    assert braggle("serve", "--keys", "--without-keys").exit_code == 2


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BraggleError, match="the keys cannot be read or written"):
        KeyStore(tmp_path / "file").add("x", "read")


def test_loopback_asks_for_none(client: TestClient) -> None:
    assert client.get("/v1/library").status_code == 200
