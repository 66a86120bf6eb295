"""Makes the table of the eleven element features again.

    pip install ".[tabulate]" && python -m generator.distance.tabulate

writes `generator/distance/elements.json`; nothing else needs mendeleev.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAST = 103
RARE_EARTHS_GROUP = 3
FEATURES: dict[str, Callable[[Any], Any]] = {
    "mendeleev_number": lambda one: one.mendeleev_number,
    "unpaired_electrons": lambda one: one.ec.unpaired_electrons(),
    "ionization_energy_ev": lambda one: one.ionenergies.get(1),
    "covalent_radius_pm": lambda one: one.covalent_radius_pyykko,
    "heat_of_formation_kj_mol": lambda one: one.heat_of_formation,
    "dipole_polarizability_bohr3": lambda one: one.dipole_polarizability,
    "mean_ionic_radius_pm": lambda one: _mean([found.ionic_radius for found in one.ionic_radii]),
    "group": lambda one: one.group_id or RARE_EARTHS_GROUP,
    "period": lambda one: one.period,
    "electronegativity_pauling": lambda one: one.en_pauling,
    "atomic_number": lambda one: one.atomic_number,
}
"""Table 1 of AlphaCrystal-II (Song et al., 2024), as mendeleev has the features."""


def main() -> None:
    """Write the table."""
    from mendeleev import element  # type: ignore[import-not-found]

    elements = [element(number) for number in range(1, LAST + 1)]
    columns = {
        name: _filled([read(one) for one in elements]).round(4).tolist()
        for name, read in FEATURES.items()
    }
    content = {
        "from": "mendeleev 1.3.0; what it lacks is interpolated between neighbouring numbers",
        "elements": [one.symbol for one in elements],
        "features": columns,
    }
    rows = json.dumps(content).replace('], "', '],\n"')
    Path(__file__).with_name("elements.json").write_text(rows + "\n", "utf-8")


def _filled(values: list[Any]) -> NDArray[np.float64]:
    """The column with what is missing interpolated. Shape (LAST,)."""
    column = np.array([np.nan if value is None else float(value) for value in values])
    known = np.flatnonzero(np.isfinite(column))
    return np.asarray(np.interp(np.arange(len(column)), known, column[known]))


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


if __name__ == "__main__":
    main()
