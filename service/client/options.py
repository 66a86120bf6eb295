"""What may be asked for, by the names of the service and of the command line.

Sets of elements are texts such as "Pb,S,O", or collections of symbols. The service checks
values and says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

Words = str | Iterable[str]
FirstStage = Literal[
    "auto", "exhaustive", "screened", "vectors", "physical", "learned", "atoms", "2d"
]
Engine = Literal["substitution", "diffusion", "direct", "distance", "pointcloud"]


class FilterOptions(TypedDict, total=False):
    """What is known of a sample, or which entries are wanted.

    Attributes:
        volume: of the cell in Å³, FROM:TO; either may be left out.
        density: in g/cm³, FROM:TO.
        source: a collection.
        text: stands in a name or an identifier.
    """

    elements: Words
    require: Words
    exclude: Words
    formula: str | None
    space_group: str | int | None
    volume: str | None
    density: str | None
    source: str | None
    text: str | None


class PatternOptions(TypedDict, total=False):
    """How a pattern is read: CuKa, MoKa1, …, a number in Å, or 17.4keV."""

    wavelength: str | float | None


class SearchOptions(FilterOptions, PatternOptions, total=False):
    """As of `braggle search`.

    Attributes:
        phases: most phases of a sample, 1 to 6.
        top: rows to answer with, 1 to 200.
        profile: what the library has to be of.
        curves: rows that come with curves to draw, of one pattern, 0 to 20.
    """

    phases: int
    top: int
    first_stage: FirstStage
    profile: Literal["powder", "2d"]
    curves: int


class SimilarOptions(TypedDict, total=False):
    """As of `braggle similar`."""

    top: int


class SimulateOptions(TypedDict, total=False):
    """How a pattern is simulated; angles and widths in degrees, `eta` is the Lorentzian share."""

    wavelength: str | float
    two_theta_min: float
    two_theta_max: float
    step: float
    fwhm: float
    eta: float


class GenerateOptions(TypedDict, total=False):
    """As of `braggle generate`.

    Attributes:
        elements: in place of a formula, with the engine pointcloud.
        metals: with their numbers: Zn:4,Cu:1.
        ligands: SMILES, each with its number, with blanks: [O-2]:1.
        cell: a b c α β γ in Å and degrees.
        time_limit: in seconds.
        without: formulas that nothing is made from.
        part: whether the result has a `part` of a page (HTML) that shows it.
    """

    formula: str | None
    elements: Words | None
    metals: str | None
    ligands: str | None
    cell: str | None
    space_group: str | int | None
    formula_units: int | None
    engines: Engine | Iterable[Engine] | None
    samples: int
    templates: int
    refine: bool
    relax: bool
    time_limit: float | None
    without: Words
    wavelength: str | float | None
    part: bool


class PageOptions(FilterOptions, total=False):
    """Which entries, and which page of them: `limit` to a page, `cursor` of the page before."""

    limit: int
    cursor: str | None


class TemplateOptions(TypedDict, total=False):
    """Which templates, and how many."""

    kind: Literal["global", "local"] | None
    limit: int
