from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from data import bundling
from data.bundling import PACKAGES, BundlingError, Package

CONTENT = b"a package"
PACKAGE = Package("pip", "some", "1.0", "some-1.0.whl", hashlib.sha256(CONTENT).hexdigest())


def test_every_package_is_pinned() -> None:
    for package in PACKAGES.values():
        assert package.version.split("+")[0].replace("-", "_") in package.file.replace("-", "_")
        assert len(package.sha256) == 64


def test_a_file_that_is_there_is_taken(tmp_path: Path) -> None:
    (tmp_path / PACKAGE.file).write_bytes(CONTENT)
    assert PACKAGE.fetch(tmp_path) == tmp_path / PACKAGE.file


def test_another_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / PACKAGE.file).write_bytes(b"tampered")
    with pytest.raises(BundlingError, match="delete it and run again"):
        PACKAGE.fetch(tmp_path)


def test_a_client_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    package = Package("apt", "some", "1.0", "some_1.0.deb", PACKAGE.sha256)
    with pytest.raises(BundlingError, match=r"apt-get download.*put some_1\.0\.deb into"):
        package.fetch(tmp_path)


def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 1, b"", b"noise\nno matching version\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(BundlingError, match="no matching version"):
        PACKAGE.fetch(tmp_path)


def test_a_client_that_saves_another_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def succeed(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, b"", b"")

    monkeypatch.setattr(subprocess, "run", succeed)
    with pytest.raises(BundlingError, match=r"did not save some-1\.0\.whl"):
        PACKAGE.fetch(tmp_path)


def test_the_command_line_says_it_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundling, "PACKAGES", {"some": PACKAGE})
    (tmp_path / PACKAGE.file).write_bytes(b"tampered")
    monkeypatch.setattr("sys.argv", ["bundling", "--downloads", str(tmp_path)])
    assert bundling.main() == 1
    assert capsys.readouterr().err.count("\n") == 1
