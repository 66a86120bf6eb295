"""What the service answers. Lengths in Å, angles in degrees, times in milliseconds.

Numbers that JSON cannot hold are None in the answers, wherever they stand.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Verdict = Literal["match", "ambiguous", "no-confident-match"]


class Cell(TypedDict):
    """Of the conventional cell."""

    a: float
    b: float
    c: float
    alpha: float
    beta: float
    gamma: float


class Source(TypedDict):
    """Where a crystal was read from."""

    collection: str
    identifier: str
    reference: str
    licence: str


class Query(TypedDict):
    """What was asked about, and what had to be assumed."""

    file: str
    points: int
    two_theta_range_deg: list[float] | None
    q_range_inv_angstrom: list[float]
    wavelength_angstrom: float | None
    wavelength_source: Literal["stated", "given", "assumed"] | None
    warnings: list[str]
    path: NotRequired[str]


class LibraryState(TypedDict):
    """The version of the library that an answer is of; `path` is its name."""

    path: str
    version: int
    entries: int
    channels: NotRequired[list[str]]


class Fit(TypedDict):
    """How well an entry describes the pattern; see `docs/getting-started.md`."""

    rwp_percent: float
    correlation: float
    cell: Cell
    strain_percent: float
    distortion_percent: float
    zero_shift_deg: float
    scale: float
    matched_peaks: int
    missing_peaks: int
    unexplained_peaks: int


class Entry(TypedDict):
    """One crystal of the library."""

    id: str
    names: list[str]
    formula: str
    space_group: str
    cell: Cell
    source: list[Source]


class Hit(Entry):
    """An entry found; `confidence` is the probability that it is right."""

    rank: int
    score: float
    confidence: float
    fit: Fit
    twins: NotRequired[list[Hit]]


class Tie(TypedDict):
    """An entry that would do as well in a phase's place."""

    id: str
    names: list[str]
    formula: str
    space_group: str
    score_loss: float


class Phase(Entry):
    """One phase of a mixture."""

    weight_percent: float
    trace: bool
    i_over_ic: float | None
    strain_percent: float
    fwhm_deg: float
    evidence: float
    ties: list[Tie]


class Unexplained(TypedDict):
    """Measured peaks that no phase explains."""

    peak_area_percent: float
    two_theta_deg: list[float]


class DrawnHit(TypedDict):
    """Curves of one row, to be read by `unpacked`."""

    rank: int
    name: str
    calculated: str
    ticks: str
    hkl: str
    label: NotRequired[str]
    shown: NotRequired[bool]


class Hump(TypedDict):
    """A broad maximum of the background."""

    two_theta_deg: float
    fwhm_deg: float
    over_background: float


class Humps(TypedDict):
    """All of them; the share is of the area of humps and peaks together."""

    area_percent: float
    each: list[Hump]


class Curves(TypedDict):
    """A pattern and what is drawn over it, to be read by `unpacked`."""

    wavelength: float
    hasTwoTheta: bool
    x: str
    counts: str
    background: str
    humps: NotRequired[tuple[str, str]]
    hits: list[DrawnHit]


class Mixture(TypedDict):
    """Phases that may be the sample together."""

    rank: int
    phases: list[Phase]
    rwp_percent: float
    confidence: float
    score: float
    zero_shift_deg: float
    unexplained: Unexplained
    curves: NotRequired[Curves]


class Answer(TypedDict):
    """Of a look-up; the document of `braggle search --json`."""

    query: Query
    library: LibraryState
    verdict: Verdict
    presence: float
    hits: list[Hit]
    humps: Humps | None
    mixtures: NotRequired[list[Mixture]]
    curves: NotRequired[Curves]
    timings_ms: dict[str, float]


class FailedQuery(TypedDict):
    """Of a file that could not be looked up."""

    file: str
    path: str


class Failure(TypedDict):
    """In place of an `Answer`, where one of several files could not be looked up."""

    query: FailedQuery
    error: str


class ReadPattern(TypedDict):
    """What is in a pattern file, and its curve."""

    query: Query
    curves: Curves


class CrystalQuery(TypedDict):
    """The crystal that was asked about, and what else is wrong in its CIF."""

    file: str
    names: list[str]
    warnings: list[str]


class SimilarEntry(Entry):
    """An entry like a crystal."""

    rank: int
    similarity: float
    same_crystal: bool
    strain_percent: float


class SimilarAnswer(TypedDict):
    """Crystals like a crystal, best first."""

    query: CrystalQuery
    library: LibraryState
    entries: list[SimilarEntry]


class Simulated(TypedDict):
    """The pattern of a crystal, or of a sheet; the highest of its counts are 10,000."""

    query: CrystalQuery
    formula: str
    space_group: str
    wavelength_angstrom: float
    two_theta_deg: list[float]
    counts: list[float]


class EntriesPage(TypedDict):
    """A page of entries; `next_cursor` is None on the last."""

    library: LibraryState
    total: int
    entries: list[Entry]
    next_cursor: str | None


class Atom(TypedDict):
    """An atom of a cell."""

    element: str
    occupancy: float
    fractional: list[float]


class EntryDetails(Entry):
    """All that the library knows of one crystal."""

    elements: list[str]
    space_group_number: int
    density_g_cm3: float
    volume_angstrom3: float
    atoms: list[Atom]
    library: LibraryState


class Drawing(Entry):
    """A unit cell as it is drawn, in Å about its middle.

    Each of `atoms` is element, x, y, z and covalent radius; `bonds` are pairs of their numbers;
    `edges` are pairs of numbers of `corners`.
    """

    atoms: list[list[Any]]
    bonds: list[list[int]]
    corners: list[list[float]]
    edges: list[list[int]]


class Member(TypedDict):
    """An entry that a template was found in."""

    id: str
    formula: str


class Template(TypedDict):
    """A recurring pair of pattern and structure."""

    id: str
    kind: Literal["global", "local"]
    interval: int
    two_theta_deg: float
    members: list[Member]
    classes: list[str]
    coordinates: list[list[float]]
    size_angstrom: float
    lattice: NotRequired[list[list[float]]]
    non_metals: NotRequired[int]


class Templates(TypedDict):
    """Templates with most members; `total` counts all of them by kind."""

    library: LibraryState
    total: dict[str, int]
    covered_entries: int
    templates: list[Template]


class Channel(TypedDict):
    """What made one kind of the library's vectors."""

    id: str
    version: str
    sha256: str
    dimension: int


class Statistics(TypedDict):
    """Entries by collection, element and space group; sources by licence."""

    collections: dict[str, int]
    elements: dict[str, int]
    space_groups: dict[str, int]
    licences: dict[str, int]


class Library(TypedDict):
    """The library at a glance."""

    path: str
    version: int
    published_at: str
    entries: int
    sources: int
    profile: str
    bytes_on_disk: int
    channels: list[Channel]
    statistics: Statistics


class GenerateQuery(TypedDict):
    """What structures were proposed for; there is no `file` where there was no pattern."""

    file: str | None
    points: int
    formula: str
    elements: NotRequired[list[str]]
    warnings: list[str]


class MadeFrom(TypedDict):
    """The entry that a proposal was made from."""

    id: str
    formula: str
    names: list[str]


class ProposalFit(TypedDict):
    """How well a proposal describes the pattern."""

    rwp_percent: float
    correlation: float
    zero_shift_deg: float


class Proposal(TypedDict):
    """A proposed structure; `probability` is its share among the proposals, `cif` its text.

    There is no `fit` where there was no pattern, and `above_hull_ev_per_atom` only where it was
    estimated; `above_hull_is` says how.
    """

    rank: int
    formula: str
    proposer: str
    refined: bool
    template: MadeFrom | None
    space_group: str
    cell: Cell
    atoms: int
    probability: float
    score: float
    features: dict[str, float]
    copies: int
    above_hull_ev_per_atom: NotRequired[float]
    above_hull_is: NotRequired[str]
    fit: ProposalFit | None
    cif: str


class Solution(TypedDict):
    """Proposed structures, best first; the document of `braggle generate --json`."""

    query: GenerateQuery
    engines: list[str]
    proposals: list[Proposal]
    timings_ms: dict[str, float]
    part: NotRequired[str]


class ReadProblem(TypedDict):
    """What could not be read of what was to be added."""

    where: str
    line: int
    reason: str


class Added(TypedDict):
    """What became of what was to be added.

    Keys:
        added, merged, known: new entries, further sources of old ones, and sources that were there.
        skipped: files that were added before, with this content.
        superseded, removed: sources that went because their file changed, and entries with them.
    """

    library: LibraryState
    added: int
    merged: int
    known: int
    problems: list[ReadProblem]
    skipped: int
    superseded: int
    removed: int


class KeptVersion(TypedDict):
    """A version that is kept: what was done, and whether it is the one that is served."""

    version: int
    published_at: str
    entries: int
    verb: str
    counts: dict[str, int]
    finished: bool
    braggle: str
    is_current: bool


class History(TypedDict):
    """The versions that are kept, the oldest first."""

    library: LibraryState
    versions: list[KeptVersion]


class Removed(TypedDict):
    """How many entries were taken out."""

    library: LibraryState
    removed: int


class Page(TypedDict):
    """A drawing of the library: `page` is HTML with all that it shows."""

    library: LibraryState
    page: str


JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobProgress(TypedDict):
    """How far a job is; `total` is None where that is not known."""

    done: int
    total: int | None
    stage: str


class JobDocument(TypedDict):
    """Where a job stands. Times in UTC, ISO 8601."""

    id: str
    kind: Literal["search", "generate", "add", "remove"]
    state: JobState
    stopping: bool
    created_at: str
    started_at: str | None
    ended_at: str | None
    progress: JobProgress
    links: dict[str, str]
    problem: NotRequired[dict[str, Any]]
