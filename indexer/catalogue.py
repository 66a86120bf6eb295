"""Questions about the entries of a library, answered by DuckDB: filters and statistics."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import gemmi
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import BraggleError, QueryError
from data.formula import is_element, parse_formula, reduced_formula
from indexer.conditions import COLUMNS, Column, Condition, expression
from indexer.structures import STRUCTURES, structures_table

TRACE = 0.03
"""Share of an entry's atoms that may be of elements which were not named."""

Range = tuple[float | None, float | None]
"""From and to, both included; None leaves a side open."""

FACTS_COLUMNS = (
    "id",
    "formula",
    "elements",
    "amounts",
    "space_group_number",
    "volume_angstrom3",
    "density_g_cm3",
)

_FACTS = """
    CREATE TABLE facts AS
    SELECT row, id, formula, space_group_number, volume_angstrom3, density_g_cm3 FROM arrow_facts
"""
_ATOMS = """
    CREATE TABLE atoms AS
    WITH counted AS (
        SELECT row, unnest(elements) AS element, unnest(amounts) AS amount FROM arrow_facts
    ), heavy AS (
        SELECT row, sum(amount) AS amount FROM counted WHERE element <> 'H' GROUP BY row
    )
    SELECT row, element,
           CASE element WHEN 'H' THEN 0.0 ELSE counted.amount / heavy.amount END AS share
    FROM counted LEFT JOIN heavy USING (row)
"""
_SOURCES = """
    CREATE TABLE sources AS
    SELECT row, lower(collection) AS collection,
           lower(concat_ws(chr(10), identifier, array_to_string(names, chr(10)))) AS said
    FROM arrow_sources JOIN facts USING (id)
"""

SOURCES_COLUMNS = ("id", "collection", "identifier", "reference", "licence", "names")

Order = Sequence[tuple[Column, bool]]
"""Columns to sort by, the most important first, each with whether it descends."""


@dataclass(frozen=True)
class Filters:
    """What is known of a sample besides its pattern. Conditions are joined by "and".

    Attributes:
        elements: only these, and at least one of them. Hydrogen is never counted, because X-rays
            hardly see it and many entries leave it out; of the other atoms, those of further
            elements may make up 3 %, because minerals carry traces and chemical analyses miss
            them. Empty: any.
        require: each of these is in the entry, however little of it.
        exclude: none of these is in the entry, not even as a trace.
        formula: this composition, in any order and multiple: "PbSO4", "S Pb O4", "Pb2S2O8".
        space_group: a number from 1 to 230, or a Hermann-Mauguin symbol in any setting.
        volume_angstrom3: of the conventional cell.
        density_g_cm3: calculated from cell and content.
        source: collection that the entry was read from, in whatever case: "amcsd".
        text: stands in one of its names, or in its identifier in a collection, in whatever case.

    A text such as "Pb, S O" may stand for a set of elements.

    Raises:
        QueryError: something that is no element, formula or space group, or a range upside down.
    """

    elements: Collection[str] = ()
    require: Collection[str] = ()
    exclude: Collection[str] = ()
    formula: str | None = None
    space_group: int | str | None = None
    volume_angstrom3: Range | None = None
    density_g_cm3: Range | None = None
    source: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        for name in ("elements", "require", "exclude"):
            object.__setattr__(self, name, _symbols(getattr(self, name), name))
        if self.formula is not None:
            object.__setattr__(self, "formula", _reduced(self.formula))
        if self.space_group is not None:
            object.__setattr__(self, "space_group", _space_group_number(self.space_group))
        for name in ("volume_angstrom3", "density_g_cm3"):
            _check_range(getattr(self, name), name)

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return any(getattr(self, field.name) not in (None, frozenset()) for field in fields(self))


@dataclass(frozen=True)
class Statistics:
    """What a library holds, counted. Dictionaries run from the most to the least.

    Attributes:
        collections: entries by collection they were read from.
        elements: entries that hold an element.
        space_groups: entries by space-group number.
        licences: sources by licence; "" counts those without one.
    """

    collections: dict[str, int]
    elements: dict[str, int]
    space_groups: dict[int, int]
    licences: dict[str, int]


class Catalogue:
    """The facts about entries in an in-memory DuckDB, row numbers as in the library."""

    def __init__(
        self,
        facts: pa.Table,
        sources: Callable[[], pa.Table],
        structures: Callable[[], Iterable[pa.RecordBatch]],
    ) -> None:
        """Take what it answers from.

        Args:
            facts: the columns `FACTS_COLUMNS`, in row order.
            sources: gives the columns `SOURCES_COLUMNS`; called when first asked about them.
            structures: gives the columns `STRUCTURE_COLUMNS`, in row order; called likewise.
        """
        import duckdb  # a quarter of a second that only filters and statistics need

        self._connection = duckdb.connect(":memory:")
        rows = pa.array(np.arange(len(facts), dtype=np.int64))
        self._connection.register("arrow_facts", facts.append_column("row", rows))
        self._connection.execute(_FACTS)
        self._connection.execute(_ATOMS)
        self._connection.unregister("arrow_facts")
        self._sources = sources
        self._structures = structures
        self._read: set[str] = set()
        self._reading = threading.Lock()

    def select(self, filters: Filters) -> NDArray[np.int64]:
        """Rows that pass, ascending."""
        if filters.source is not None or filters.text is not None:
            self._read_sources()
        conditions, values = _conditions(filters)
        where = " AND ".join(conditions) or "true"
        # One cursor a query: an unread result would block the connection for other threads.
        cursor = self._connection.cursor()
        found = cursor.execute(f"SELECT row FROM facts WHERE {where} ORDER BY row", values)  # noqa: S608
        rows: NDArray[np.int64] = np.asarray(found.fetchnumpy()["row"], dtype=np.int64)
        return rows

    def where(self, condition: Condition | None, order: Order = ()) -> NDArray[np.int64]:
        """Rows for which a condition is true, or all rows, by some columns and then by row.

        What is unknown stands last, whichever way it is sorted.
        """
        self._read_structures()
        text, values = ("true", []) if condition is None else expression(condition)
        by = [f'"{column.name}" {"DESC" if down else "ASC"} NULLS LAST' for column, down in order]
        query = f"SELECT row FROM structures WHERE {text} ORDER BY {', '.join([*by, 'row'])}"  # noqa: S608 - text holds names of columns alone
        found = self._connection.cursor().execute(query, values)
        rows: NDArray[np.int64] = np.asarray(found.fetchnumpy()["row"], dtype=np.int64)
        return rows

    def structures(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The columns of `indexer.conditions` for some rows, in the order of `rows`."""
        self._read_structures()
        columns = ", ".join(f'"{name}"' for name in COLUMNS)
        query = f"SELECT row, {columns} FROM structures WHERE row IN (SELECT unnest(?::BIGINT[]))"  # noqa: S608
        found = self._connection.cursor().execute(query, [list(rows)])
        facts = {values[0]: values[1:] for values in found.fetchall()}
        return [dict(zip(COLUMNS, facts[row], strict=True)) for row in rows]

    def _read_sources(self) -> None:
        with self._reading:
            if "sources" not in self._read:
                cursor = self._connection.cursor()
                cursor.register("arrow_sources", self._sources())
                cursor.execute(_SOURCES)
                self._read.add("sources")

    def _read_structures(self) -> None:
        with self._reading:
            if "structures" not in self._read:
                cursor = self._connection.cursor()
                cursor.register("arrow_sources", self._sources())
                cursor.register("arrow_structures", structures_table(self._structures()))
                cursor.execute(STRUCTURES)
                self._read.add("structures")

    def statistics(self, sources: pa.Table) -> Statistics:
        """Count entries, given the table of sources."""
        cursor = self._connection.cursor()
        cursor.register("arrow_sources", sources)

        def count(what: str, table: str, counted: str) -> dict[Any, int]:
            query = (
                f"SELECT {what}, count({counted}) AS n FROM {table} GROUP BY 1 "  # noqa: S608
                "ORDER BY n DESC, 1"
            )
            return dict(cursor.execute(query).fetchall())

        return Statistics(
            count("collection", "arrow_sources", "DISTINCT id"),
            count("element", "atoms", "*"),
            count("space_group_number", "facts", "*"),
            count("licence", "arrow_sources", "*"),
        )


def _conditions(filters: Filters) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *parameters: object) -> None:
        conditions.append(condition)
        values.extend(parameters)

    if filters.elements:
        add(
            "row NOT IN (SELECT row FROM atoms WHERE NOT list_contains(?::VARCHAR[], element) "
            "GROUP BY row HAVING sum(share) > ?)",
            sorted(filters.elements),
            TRACE + 1e-9,
        )
        # Hydrogen alone would pass whatever is named, since it is not counted.
        add(
            "row IN (SELECT row FROM atoms WHERE list_contains(?::VARCHAR[], element))",
            sorted(filters.elements),
        )
    if filters.require:
        add(
            "row IN (SELECT row FROM atoms WHERE list_contains(?::VARCHAR[], element) "
            "GROUP BY row HAVING count(*) = ?)",
            sorted(filters.require),
            len(filters.require),
        )
    if filters.exclude:
        add(
            "row NOT IN (SELECT row FROM atoms WHERE list_contains(?::VARCHAR[], element))",
            sorted(filters.exclude),
        )
    if filters.formula is not None:
        add("formula = ?", filters.formula)
    if filters.space_group is not None:
        add("space_group_number = ?", filters.space_group)
    for column in ("volume_angstrom3", "density_g_cm3"):
        low, high = getattr(filters, column) or (None, None)
        if low is not None:
            add(f"{column} >= ?", low)
        if high is not None:
            add(f"{column} <= ?", high)
    if filters.source is not None:
        add("row IN (SELECT row FROM sources WHERE collection = ?)", filters.source.lower())
    if filters.text is not None:
        add("row IN (SELECT row FROM sources WHERE contains(said, ?))", filters.text.lower())
    return conditions, values


def _symbols(given: Iterable[str], name: str) -> frozenset[str]:
    if isinstance(given, str):
        given = re.split(r"[,;\s]+", given.strip(" ,;"))
    symbols = {symbol.strip().capitalize() for symbol in given} - {""}
    symbols = {"H" if symbol == "D" else symbol for symbol in symbols}
    for symbol in sorted(symbols):
        if not is_element(symbol):
            raise QueryError(
                f"{name}: {symbol!r} is not a chemical element; give symbols such as Pb,S,O"
            )
    return frozenset(symbols)


def _reduced(formula: str) -> str:
    try:
        return reduced_formula(parse_formula(formula))
    except (BraggleError, ValueError) as error:
        raise QueryError(
            f"formula {formula!r} is not understood ({error}); write it like PbSO4"
        ) from None


def _space_group_number(given: int | str) -> int:
    text = str(given).strip()
    if text.isdigit():
        if 1 <= int(text) <= 230:
            return int(text)
    elif (group := gemmi.find_spacegroup_by_name(text)) is not None:
        return int(group.number)
    raise QueryError(
        f"space group {given!r} is not known; give a number from 1 to 230 or a symbol such as Pnma"
    )


def _check_range(given: Range | None, name: str) -> None:
    if given is None:
        return
    low, high = given
    if low is not None and high is not None and low > high:
        raise QueryError(f"{name}: the range from {low:g} to {high:g} is upside down; swap them")
