from pathlib import Path

import pytest

from data.errors import BraggleError
from service.settings import Settings


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAGGLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("BRAGGLE_LIBRARY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_a_bare_name_lives_in_the_data_folder(data_dir: Path) -> None:
    assert Settings.load().library_path("minerals") == data_dir / "libraries" / "minerals"
    assert Settings.load().library_path() == data_dir / "libraries" / "main"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    settings = Settings.load()
    assert settings.library_path("./minerals") == Path("minerals")
    assert settings.library_path(str(tmp_path / "lib")) == tmp_path / "lib"
    assert settings.library_path("~/lib") == Path.home() / "lib"


def test_a_folder_that_stands_here_wins(tmp_path: Path) -> None:
    (tmp_path / "minerals").mkdir()
    assert Settings.load().library_path("minerals") == Path("minerals")


def test_the_environment_names_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAGGLE_LIBRARY", "/somewhere/else")
    assert Settings.load().library_path() == Path("/somewhere/else")


def test_a_variable_that_means_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAGGLE_DEBUG", "perhaps")
    with pytest.raises(BraggleError, match="BRAGGLE_DEBUG='perhaps' is not understood"):
        Settings.load()


def test_the_service_has_variables_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAGGLE_SERVE_MAX_BODY_MB", "1.5")
    monkeypatch.setenv("BRAGGLE_SERVE_PORT", "0")
    serve = Settings.load().serve
    assert (serve.max_body_mb, serve.port, serve.host) == (1.5, 0, "127.0.0.1")
    monkeypatch.setenv("BRAGGLE_SERVE_PORT", "many")
    with pytest.raises(BraggleError, match="BRAGGLE_SERVE_PORT='many' is not understood"):
        Settings.load()
    monkeypatch.setenv("BRAGGLE_SERVE_PORT", "0")
    monkeypatch.setenv("BRAGGLE_SERVE_PROT", "1")
    with pytest.raises(BraggleError, match="BRAGGLE_SERVE_PROT='1' is not understood"):
        Settings.load()
