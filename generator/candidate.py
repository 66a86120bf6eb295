"""What is proposed, and what a proposal is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol, runtime_checkable

from data.crystal import Crystal
from data.formula import is_whole, whole_amounts
from data.preparation import Prepared

Cell = tuple[float, float, float, float, float, float]
"""a, b, c in Å and α, β, γ in degrees."""
KNOWN = {"cell": "cell", "space_group": "space group", "formula_units": "formula units"}
"""What may be known of a sample besides its formula: attributes of a `Task`, and their names."""


@dataclass(frozen=True, eq=False)
class Sought:
    """A sample whose structure is sought, and what is known of it.

    Attributes:
        composition: atoms of each element in a formula unit, which is made the smallest one.
        most_atoms: of the primitive cell, that candidates may have.
        deadline: of `time.monotonic`, after which nothing new is begun.
        cell: a, b, c in Å and α, β, γ in degrees of the conventional cell, where they are known.
        space_group: 1 to 230, where it is known.
        formula_units: of the conventional cell, where they are known; with the composition they
            are made those of the smallest formula.
        ligands: atoms of each element in one of each molecule that is known to be there.
    """

    composition: Mapping[str, float]
    most_atoms: int = 400
    deadline: float | None = None
    cell: Cell | None = None
    space_group: int | None = None
    formula_units: int | None = None
    ligands: tuple[Mapping[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not is_whole(self.composition):
            return
        whole = {symbol: float(n) for symbol, n in whole_amounts(self.composition).items()}
        units = sum(self.composition.values()) / sum(whole.values())
        object.__setattr__(self, "composition", whole)
        if self.formula_units is not None:
            object.__setattr__(self, "formula_units", round(self.formula_units * units))

    @property
    def is_late(self) -> bool:
        """Whether nothing new is to be begun."""
        return self.deadline is not None and monotonic() > self.deadline


@dataclass(frozen=True, eq=False)
class Task(Sought):
    """A sought sample of which a pattern was measured that nothing known explains.

    Attributes:
        prepared: the pattern.
        templates: that the network is shown, the nearest; without any, it draws from noise alone.
    """

    templates: int = 4
    prepared: Prepared = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A proposed crystal.

    Attributes:
        crystal: in the standard setting of its space group, its cell fitted to the pattern where
            there is one.
        proposer: the engine that made it.
        template: id of the entry it was made from, where there was one.
        zero_shift_deg: added to the calculated 2θ.
        correlation: cosine of the square roots of the calculated and the measured profile; not a
            number where there is no pattern.
        features: what ranking goes by, by name.
        score: higher is better; comparable within one task.
        refined: whether coordinates were refined against the pattern, too.
    """

    crystal: Crystal
    proposer: str
    template: str | None
    zero_shift_deg: float
    correlation: float
    features: Mapping[str, float] = field(default_factory=dict)
    score: float = 0.0
    refined: bool = False


class Proposer(Protocol):
    """An engine that proposes crystals.

    One that needs no pattern has a method `imagine`, too; see `Imaginer`.

    Of what `KNOWN` names, an engine says by an attribute `uses` what it makes use of; candidates
    of one that has no such attribute are only compared with what is known.
    """

    @property
    def name(self) -> str:
        """As in `--engine`."""
        ...

    def propose(self, task: Task, count: int) -> list[Candidate]:
        """At most so many candidates, best first."""
        ...


@runtime_checkable
class Imaginer(Proposer, Protocol):
    """An engine that proposes crystals without a pattern, too."""

    def imagine(self, sought: Sought, count: int) -> list[Candidate]:
        """At most so many candidates, best first; no pattern was looked at."""
        ...
