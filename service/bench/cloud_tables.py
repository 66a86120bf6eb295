"""Tables of `braggle bench pointclouds`, for the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

SHARES = ("atoms_right", "formula_right", "same_structure")
WITHIN = tuple(f"within_{name}" for name in "abcxyz")
FIGURES = ("structures", "formulas", "formula_known", "structure_known", "symmetric",
           "volume_within_10_percent")  # fmt: skip


def reconstruction_table(result: dict[str, Any]) -> Table:
    """Crystals out of their noise: shares in percent, by level, group and what made them."""
    told = result["reconstruction"]
    table = Table(
        title=f"{told['crystals']} crystals out of their noise, shares in %; "
        "within: the paper's bounds of relative errors",
        box=None,
        pad_edge=False,
    )
    for name in ("noise", "cells", "by"):
        table.add_column(name)
    for name in (*SHARES, *WITHIN, "median Å"):
        table.add_column(name.replace("_", " "), justify="right")
    for time, groups in told["times"].items():
        for group, makers in groups.items():
            for maker, row in makers.items():
                away = row.get("away_angstrom")
                table.add_row(
                    time,
                    f"{group.replace('_', ' ')} ({row['crystals']})",
                    maker.replace("_", " "),
                    *(f"{100 * row[name]:.1f}" if name in row else "" for name in SHARES + WITHIN),
                    "" if away is None else f"{away['median']:.3f}",
                )
    return table


def generation_table(result: dict[str, Any]) -> Table:
    """Structures drawn for chosen elements, beside controls."""
    told = result["generation"]
    table = Table(
        title=f"{told['clouds']} clouds of {len(told['systems'])} systems; "
        f"energies above hull: {told['energies']}",
        box=None,
        pad_edge=False,
    )
    makers = [name for name, one in told.items() if isinstance(one, dict)]
    table.add_column("")
    for name in makers:
        table.add_column(name, justify="right")
    for figure in FIGURES:
        table.add_row(figure.replace("_", " "), *(_cell(told[one].get(figure)) for one in makers))
    for name in ("above_hull_ev", "relaxed_above_hull_ev"):
        if any(name in told[one] for one in makers):
            for figure in ("known", "median", "below_0.08", "below_0.25"):
                values = (told[one].get(name, {}).get(figure) for one in makers)
                table.add_row(f"{name} {figure}".replace("_", " "), *map(_cell, values))
    return table


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"
