"""What a request may say, and what it means; the same names as the options of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    field_validator,
    model_validator,
)

from data.pattern import Pattern
from data.radiation import Radiation
from data.reading.scan import Axis, Scan, to_pattern
from indexer.catalogue import Filters
from indexer.profiles import Profile
from search.searcher import FirstStage
from service.api.parsing import Simulation, of_points
from service.api.problems import ProblemError, about
from service.spans import Span, span_of

Text = Annotated[str, Field(max_length=1000)]
Words = Annotated[
    str, Field(max_length=1000, description="Symbols of elements, with commas: Pb,S,O")
]
SpanText = Annotated[str, Field(max_length=60, description="FROM:TO; either may be left out")]
MOST_NUMBERS = 1_000_000
Numbers = Annotated[list[FiniteFloat], Field(max_length=MOST_NUMBERS, fail_fast=True)]
"""The first that is none is told: a million of them would cost more than the request did."""
MOST_NAMES = 100


class Options(BaseModel):
    """What no request says is refused, so that a misspelt option is not passed over."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if isinstance(given, dict) and len(given) > MOST_NAMES:
            raise ValueError(f"{len(given)} names are given; send those that /docs lists")
        return given


class FilterOptions(Options):
    """What is known of a sample, or which entries are wanted."""

    elements: Words = ""
    require: Words = ""
    exclude: Words = ""
    formula: Text | None = Field(default=None, description="PbSO4")
    space_group: str | int | None = Field(default=None, description="62 or Pnma")
    volume: SpanText | None = Field(default=None, description="Of the cell in Å³: 300:350")
    density: SpanText | None = Field(default=None, description="In g/cm³: 6:")
    source: Text | None = Field(default=None, description="Collection: amcsd")
    text: Text | None = Field(default=None, description="Stands in a name or an identifier")

    def filters(self) -> Filters:
        """The filters that are meant.

        Raises:
            ProblemError: one of them is not understood.
        """
        given: dict[str, Any] = {
            "elements": self.elements,
            "require": self.require,
            "exclude": self.exclude,
            "formula": self.formula,
            "space_group": self.space_group,
            "volume_angstrom3": _span(self.volume, "volume"),
            "density_g_cm3": _span(self.density, "density"),
            "source": self.source,
            "text": self.text,
        }
        for name, value in given.items():
            with about(name.partition("_")[0] if name.startswith(("vol", "dens")) else name):
                Filters(**{name: value})
        return Filters(**given)


class PatternOptions(Options):
    """How a pattern is read."""

    wavelength: str | float | None = Field(
        default=None, description="CuKa, MoKa1, …, a number in Å, or 17.4keV; wins over the file's"
    )

    def radiation(self) -> Radiation | None:
        """The radiation that is meant.

        Raises:
            ProblemError: it is not understood.
        """
        return radiation_of(self.wavelength)


class SearchOptions(FilterOptions, PatternOptions):
    """As of `braggle search`."""

    phases: int = Field(default=1, ge=1, le=6, description="Most phases of a sample")
    top: int = Field(default=10, ge=1, le=200, description="Rows to answer with")
    first_stage: FirstStage = "auto"
    profile: Profile | None = Field(
        default=None, description="What the library has to be of: powder, or sheets (2d)"
    )
    curves: int = Field(
        default=0, ge=0, le=20, description="Rows that come with curves to draw; of one pattern"
    )


class ArraySearch(SearchOptions):
    """A pattern as arrays, with the options."""

    two_theta_deg: Numbers | None = Field(default=None, description="Or `q_inv_angstrom`")
    q_inv_angstrom: Numbers | None = Field(default=None, description="Or `two_theta_deg`")
    counts: Numbers
    esd: Numbers | None = None
    name: str = Field(default="pattern", max_length=200, description="What answers call it")

    def pattern(self, most_points: int) -> Pattern:
        """The pattern that is meant.

        Raises:
            ProblemError: there is not exactly one axis, or lengths differ.
            PatternError: it is no pattern, or has too many points.
        """
        axes: list[tuple[Axis, str, Numbers | None]] = [
            ("two_theta", "two_theta_deg", self.two_theta_deg),
            ("q", "q_inv_angstrom", self.q_inv_angstrom),
        ]
        given = [(axis, name, values) for axis, name, values in axes if values is not None]
        if len(given) != 1:
            raise ProblemError(
                "bad-value",
                f"two_theta_deg and q_inv_angstrom: {'both' if given else 'neither'} given; "
                "give one of them",
                field="two_theta_deg",
            )
        ((axis, field, values),) = given
        for name, others in (("counts", self.counts), ("esd", self.esd)):
            if others is not None and len(others) != len(values):
                raise ProblemError(
                    "bad-value",
                    f"{name}: {len(others)} values beside {len(values)} of {field}; give as many",
                    field=name,
                )
        radiation = self.radiation()
        with about("counts"):
            scan = Scan(
                axis,
                np.array(values, dtype=np.float64),
                np.array(self.counts, dtype=np.float64),
                None if self.esd is None else np.array(self.esd, dtype=np.float64),
            )
            with np.errstate(all="ignore"):  # what overflows is not finite, and refused as that
                return of_points(to_pattern(scan, label_of(self.name), radiation), most_points)


class SimilarOptions(Options):
    """As of `braggle similar`."""

    top: int = Field(default=10, ge=1, le=200)


class SimulateOptions(Options):
    """How a pattern is simulated."""

    wavelength: str | float = Field(default="CuKa", description="As of a search")
    two_theta_min: float = Field(default=5.0, ge=0.1, lt=180)
    two_theta_max: float = Field(default=90.0, gt=0.1, le=180)
    step: float = Field(default=0.02, ge=0.001, le=1, description="In degrees")
    fwhm: float = Field(default=0.1, ge=0.005, le=5, description="Of lines, in degrees")
    eta: float = Field(default=0.5, ge=0, le=1, description="Share of a line that is Lorentzian")

    def simulation(self, most_points: int, profile: Profile) -> Simulation:
        """What is meant.

        Args:
            most_points: of a pattern.
            profile: of the library.

        Raises:
            ProblemError: a range without points, too many of them, or no such wavelength.
        """
        radiation = radiation_of(self.wavelength)
        low, high = self.two_theta_min, self.two_theta_max
        if not low < high:
            raise ProblemError(
                "bad-value",
                f"two_theta_max: {high:g} is not above two_theta_min, {low:g}; swap them",
                field="two_theta_max",
            )
        if (high - low) / self.step > most_points - 1:
            raise ProblemError(
                "bad-value",
                f"step: {self.step:g}° from {low:g} to {high:g}° makes more than {most_points} "
                "points; give larger steps",
                field="step",
            )
        return Simulation(
            radiation or Simulation.radiation,
            (low, high),
            self.step,
            self.fwhm,
            self.eta,
            profile,
        )


class GenerateOptions(Options):
    """As of `braggle generate`."""

    formula: Text | None = Field(default=None, description="PbSO4")
    elements: Text | None = Field(
        default=None, description="In place of a formula, with the engine pointcloud: Mg,Mn,O"
    )
    metals: Text | None = Field(default=None, description="With their numbers: Zn:4,Cu:1")
    ligands: Text | None = Field(
        default=None, description="SMILES, each with its number, with blanks: [O-2]:1"
    )
    cell: Text | None = Field(default=None, description="a b c α β γ in Å and degrees")
    space_group: str | int | None = None
    formula_units: int | None = Field(default=None, ge=1, le=1000)
    engines: (
        list[Literal["substitution", "diffusion", "direct", "distance", "pointcloud"]] | None
    ) = None
    samples: int = Field(default=20, ge=1, le=200)
    templates: int = Field(default=4, ge=0, le=4)
    refine: bool = True
    relax: bool = False
    time_limit: float | None = Field(default=None, ge=0, description="In seconds")
    without: Text = Field(default="", description="Formulas that nothing is made from")
    wavelength: str | float | None = None
    part: bool = Field(
        default=False, description="Whether the result has a `part` of a page (HTML) that shows it"
    )

    @field_validator("engines", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        """In a form, names with commas."""
        return [one.strip() for one in value.split(",")] if isinstance(value, str) else value


class PageOptions(FilterOptions):
    """Which entries, and which page of them."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: Text | None = Field(default=None, description="`next_cursor` of the page before")


def radiation_of(wavelength: str | float | None) -> Radiation | None:
    """The radiation that a request names.

    Raises:
        ProblemError: it is not understood.
    """
    if wavelength is None or wavelength == "":
        return None
    with about("wavelength"):
        return Radiation.parse(str(wavelength))


def label_of(name: str | None) -> str:
    """What answers call a file: the last part of its name, without what cannot be shown.

    It is a label and nothing else; no file of that name is looked for.
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(one for one in last if one.isprintable()).strip()
    return shown[:120] or "pattern"


def labels_of(names: Sequence[str | None]) -> list[str]:
    """A label for each of several files."""
    return [label_of(name) for name in names]


def _span(text: str | None, field: str) -> Span | None:
    if text is None:
        return None
    try:
        return span_of(text)
    except ValueError:
        raise ProblemError(
            "bad-value",
            f"{field}: {text!r} is no range; give FROM:TO, either of them may be left out",
            field=field,
        ) from None
