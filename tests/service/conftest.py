"""A made-up answer for everything that shows answers, and a command line with a small library."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from data.bundled import bundled_records
from data.cif import write_cif
from data.pattern import Pattern
from data.profile import simulate_pattern
from data.radiation import CU_KA
from data.record import Source
from indexer import Library
from search.result import Fit, Hit, LookupResult, Overlay, Verdict
from service.cli import app
from tests import crystals, layered

MakeResult = Callable[..., LookupResult]
Braggle = Callable[..., Result]

CELL = (8.482, 5.398, 6.959, 90.0, 90.0, 90.0)


def _overlay(two_theta: NDArray[np.float64], cell: tuple[float, ...], scale: float) -> Overlay:
    """Lorentzians at every reflection of an orthorhombic cell, over a falling background."""
    hkl = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)[1:]
    inv_d = np.sqrt(((hkl / np.array(cell[:3])) ** 2).sum(axis=1))
    sine = CU_KA.wavelength_angstrom * inv_d / 2
    centre = 2 * np.degrees(np.arcsin(np.clip(sine, 0, 1)))
    order = np.argsort(centre)
    centre, hkl = centre[order], hkl[order]
    inside = (centre > two_theta[0]) & (centre < two_theta[-1])
    centre, hkl = centre[inside], hkl[inside]
    height = scale * (0.1 + np.abs(np.sin(1.7 * (hkl @ [1, 3, 5])))) * np.exp(-centre / 60)
    shape = 1 / (1 + ((two_theta[:, None] - centre) / 0.07) ** 2)
    return Overlay(_background(two_theta) + shape @ height, centre, hkl.astype(np.int16))


def _background(two_theta: NDArray[np.float64]) -> NDArray[np.float64]:
    return 220 + 900 * np.exp(-two_theta / 18)


def _hit(rank: int, overlay: Overlay | None, **changes: object) -> Hit:
    values: dict[str, object] = {
        "rank": rank,
        "id": f"{rank:020x}",
        "names": ("Anglesite", "lead sulfate"),
        "formula": "PbSO4",
        "space_group": "P n m a",
        "cell": CELL,
        "sources": (
            Source("amcsd", "0000109", "Miyake et al. (1978) American Mineralogist 63, 506", ""),
        ),
        "score": 10.0 - rank,
        "confidence": 0.97 / rank,
        "fit": Fit(
            rwp_percent=8.4 + 3 * rank,
            correlation=0.99 - 0.03 * rank,
            cell=(8.49, 5.402, 6.965, 90.0, 90.0, 90.0),
            strain_percent=0.02 * rank,
            distortion_percent=0.01 * rank,
            zero_shift_deg=-0.012,
            scale=12.5,
            matched_peaks=44,
            missing_peaks=rank - 1,
            unexplained_peaks=2,
        ),
        "overlay": overlay,
    }
    return Hit(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def make_result() -> MakeResult:
    """Build an answer; the file's name, the first hit's names and the verdict can be changed."""

    def make(
        *,
        file: str = "pbso4.xye",
        names: tuple[str, ...] = ("Anglesite", "lead sulfate"),
        verdict: Verdict = "match",
        points: int = 3000,
    ) -> LookupResult:
        two_theta = np.linspace(10, 110, points)
        best = _overlay(two_theta, CELL, 9000)
        noise = np.random.default_rng(1).normal(size=points)
        counts = np.clip(best.calculated + noise * np.sqrt(best.calculated), 0, None).round()
        pattern = Pattern("two_theta", two_theta, counts, None, CU_KA, "assumed", name=file)
        barite = (8.884, 5.457, 7.157, 90.0, 90.0, 90.0)
        second = _overlay(two_theta, barite, 7000)
        twin = _hit(1, None, names=("Hashemite",), formula="BaCr0.8S0.2O4", id="f" * 20)
        garnet = Source("cod", "1000001", "A. Author (2001) A journal 1, 1", "CC0")
        return LookupResult(
            query=pattern,
            background=_background(two_theta),
            warnings=(
                "The wavelength is assumed to be Cu Kα; give `wavelength` if it is another.",
            ),
            library_path="/home/someone/.local/share/braggle/libraries/default",
            library_version=3,
            library_entries=13021,
            channels=("physical",),
            verdict=verdict,
            presence=0.98,
            hits=(
                _hit(1, best, names=names, twins=(twin,)),
                _hit(2, second, names=("Barite",), formula="BaSO4", cell=barite),
                _hit(
                    3,
                    None,
                    names=(),
                    formula="Ca3Al2Si3O12",
                    space_group="I a -3 d",
                    sources=(garnet,),
                ),
                _hit(4, None, names=("Rutile",), formula="TiO2", space_group="P 42/m n m"),
            ),
            timings_ms={"prepare": 11.2, "first stage": 24.8, "fit": 131.0},
        )

    return make


CRYSTALS = {
    "halite": crystals.ROCK_SALT,
    "fluorite": crystals.FLUORITE,
    "rutile": crystals.RUTILE,
    "anatase": crystals.ANATASE,
    "quartz": crystals.QUARTZ,
    "calcite": crystals.CALCITE,
}


def write_xy(pattern: Pattern, path: Path) -> Path:
    np.savetxt(path, np.column_stack([pattern.x, pattern.counts]), fmt="%.4f %.0f")
    return path


@pytest.fixture(scope="session")
def cifs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifs")
    for name, crystal in CRYSTALS.items():
        (folder / f"{name}.cif").write_text(write_cif(crystal, name=name), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def rutile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pattern = simulate_pattern(crystals.RUTILE, background_counts=200, rng=np.random.default_rng(2))
    return write_xy(pattern, tmp_path_factory.mktemp("patterns") / "sample.xy")


@pytest.fixture(scope="session")
def built(cifs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("libraries") / "built"
    result = CliRunner().invoke(app, ["library", "build", str(cifs), "--into", str(path)])
    assert result.exit_code == 0, result.output
    return path


WANTED = {
    "Anglesite", "Barite", "Celestine", "Fluorapatite", "Fluorite", "Galena", "Massicot", "NAC",
    "Rutile",
}  # fmt: skip


@pytest.fixture(scope="session")
def minerals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of some bundled crystals, those of measured patterns and their like among them."""
    path = tmp_path_factory.mktemp("libraries") / "minerals"
    kept = [one for one in bundled_records() if WANTED & set(one.names)]
    Library.build(kept, path, workers=1)
    return path


@pytest.fixture(scope="session")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the layers of four crystals; of rock salt there is nothing in it."""
    path = tmp_path_factory.mktemp("sheets") / "sheets"
    records = [*layered.records(), layered.record("salt", crystals.ROCK_SALT)]
    Library.build(records, path, profile="2d")
    return path


@pytest.fixture
def braggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Path) -> Braggle:
    """Run the command line on a library of six crystals, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAGGLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BRAGGLE_LIBRARY", str(built))
    monkeypatch.delenv("BRAGGLE_DEBUG", raising=False)

    def run(*words: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin)

    return run
