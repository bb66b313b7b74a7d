"""The split at the door: accepted rows become content and identities.

They share nothing but `record_key`. What research needs of identity is derived here and coarse.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import (
    POSTCODE_SECTORS,
    Column,
    Contract,
    Derivation,
)
from datafirst_platform.extracts.reading import ReadTable, joined, line_of, record_key, typed
from datafirst_platform.identity import record_pseudonyms

if TYPE_CHECKING:
    import pyarrow as pa

JUNK_BIRTH_DATES = ("1900-01-01", "1970-01-01")
"""Dates court systems hold where none is known (`known_faults` of the contracts): no birth date.
They stay in the identities as supplied; linkage cleans them in its own way."""


@dataclass(frozen=True)
class Split:
    """What becomes of a table's accepted rows.

    Attributes:
        query: SQL for the rows, in the order supplied. Where a pseudonym is due they hold what it
            is made of, where an area is due the sector of a postcode: `finish` follows.
        content: column of the rows for each of `content_schema`, in its order.
        identities: the same for `identities_schema`; empty where no row is linked.
        pseudonyms: columns of the rows that hold what a pseudonym is made of.
        lists: the same, several in a value, parted by commas.
        areas: columns that hold a sector.
    """

    query: str
    content: Mapping[str, str]
    identities: Mapping[str, str]
    pseudonyms: tuple[str, ...]
    lists: tuple[str, ...]
    areas: tuple[str, ...]

    def finish(self, key: bytes, rows: pa.Table) -> pa.Table:
        """Rows of `query` with their pseudonyms and areas.

        In SQL an id would be made of one row at a time, and an area by a join, behind which all
        rows would have to be sorted once.

        Args:
            key: of the scope `records`.
            rows: of `query`.
        """
        for column in self.pseudonyms:
            rows = _replaced(rows, column, partial(record_pseudonyms, key))
        for column in self.lists:
            rows = _replaced(rows, column, partial(_each_pseudonym, key))
        for column in self.areas:
            rows = _replaced(rows, column, _area_of)
        return rows

    def content_of(self, rows: pa.Table) -> pa.Table:
        """The content among finished rows."""
        return _taken(rows, self.content)

    def identities_of(self, rows: pa.Table) -> pa.Table:
        """The identities among finished rows."""
        return _taken(rows, self.identities)


def split(read: ReadTable, parent: ReadTable | None) -> Split:
    """How the accepted rows of a table become content and identities, in one pass over them.

    Args:
        read: the table.
        parent: that of its parent, where its contract has one.
    """
    contract = read.contract
    columns = _Columns()
    content = {"record_key": columns.add("record_key", record_key(contract, "r"))}
    pseudonyms = ["record_key"]
    joins = ""
    where = "r._fault is null"
    if parent is not None:
        made = f"{parent.contract.table}_key"
        content[made] = columns.add(made, record_key(parent.contract, "p"))
        pseudonyms.append(made)
        joins = f" join {parent.rows} p on {joined(contract, parent.contract)}"
        where += " and p._fault is null"
    identities = dict(content) if contract.links else {}
    lists: list[str] = []
    for column in contract.columns:
        if column.content_name is None:
            continue
        made = column.content_name
        content[made] = columns.add(made, _taken_over(column))
        if column.treatment == "pseudonymise":
            (lists if column.multiple else pseudonyms).append(made)
    areas: list[str] = []
    for derivation in contract.derivations:
        of_contract = parent.contract if derivation.of_parent and parent else contract
        alias = "p" if derivation.of_parent else "r"
        if derivation.rule == "lsoa":
            value = _sector(f"{alias}.{name(derivation.of)}")
            areas.append(derivation.name)
        else:
            value = _derived(contract, derivation, of_contract, alias)
        content[derivation.name] = columns.add(derivation.name, value)
    if contract.links:
        person = contract.source_person
        if person is not None:
            identities[str(person.content_name)] = str(person.content_name)
        for column in contract.columns:
            if column.in_identities:
                identities[column.name] = columns.add(column.name, typed(column, "r"))
    # Rows come in the order supplied, unless a join mixed them.
    order = " order by r.rowid" if joins else ""
    query = f"select {columns} from {read.rows} r{joins} where {where}{order}"
    return Split(query, content, identities, tuple(pseudonyms), tuple(lists), tuple(areas))


class _Columns:
    """Columns of a query, each made once; a name that holds something else already gets another."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    def add(self, column: str, value: str) -> str:
        while self._made.setdefault(column, value) != value:
            column = f"_{column}"
        return column

    def __str__(self) -> str:
        return ", ".join(f"{value} as {name(column)}" for column, value in self._made.items())


def _taken(rows: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    return rows.select(list(columns.values())).rename_columns(list(columns))


def _each_pseudonym(key: bytes, values: pa.Array) -> pa.Array:
    """Values that hold several texts, parted by commas, with the pseudonym of each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.split_pattern(values, ",")
    made = pa.ListArray.from_arrays(
        texts.offsets, record_pseudonyms(key, texts.values), mask=values.is_null()
    )
    return pc.binary_join(made, ",")


def _replaced(rows: pa.Table, column: str, made: Callable[[pa.Array], pa.Array]) -> pa.Table:
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, column, made(rows[column].combine_chunks()))


def _area_of(postcode_sectors: pa.Array) -> pa.Array:
    """The area of each sector, none where there is no such sector."""
    import pyarrow.compute as pc

    known, areas = _areas()
    return areas.take(pc.index_in(postcode_sectors, value_set=known))


@cache
def _areas() -> tuple[pa.Array, pa.Array]:
    """Sectors of postcodes, written without a space, and the area of each."""
    import pyarrow as pa

    with POSTCODE_SECTORS.open(newline="") as file:
        known = {
            row["postcode_sector"].replace(" ", ""): row["lsoa11cd"] for row in csv.DictReader(file)
        }
    return pa.array(known.keys(), pa.string()), pa.array(known.values(), pa.string())


def quarantine_query(read: ReadTable) -> str:
    """SQL for the rows not accepted, with the reason, their place and their text."""
    rules = " ".join(f"when {at} then {text(rule)}" for at, (rule, _) in enumerate(read.reasons))
    columns = " ".join(
        f"when {at} then {text(column)}" for at, (_, column) in enumerate(read.reasons) if column
    )
    files = " ".join(f"when {at} then {text(f.file.name)}" for at, f in enumerate(read.files))
    firsts = " ".join(f"when {at} then {each.first}" for at, each in enumerate(read.files))
    return f"""
        select r.rowid - case r._file {firsts} end + 1 as row_number,
            case r._file {files} end as file,
            case r._fault {rules} end as rule,
            case r._fault {columns} else null end as column_name,
            {line_of(read, "r")} as row_text
        from {read.rows} r where r._fault >= 0 order by r.rowid"""


def _taken_over(column: Column) -> str:
    """SQL for a column's value, or for what its pseudonym is made of; entries without spaces."""
    value = typed(column, "r")
    one = "trim(entry)" if column.multiple else value
    if column.treatment == "pseudonymise":
        one = f"{text(f'{column.domain}|')} || {one}"
    if not column.multiple:
        return one
    return f"array_to_string(list_transform(string_split({value}, ','), lambda entry: {one}), ',')"


def _derived(contract: Contract, derivation: Derivation, of_contract: Contract, alias: str) -> str:
    born = typed(of_contract.column(derivation.of), alias)
    junk = ", ".join(f"date '{day}'" for day in JUNK_BIRTH_DATES)
    known = f"{born} not in ({junk})"
    if derivation.rule == "year":
        return f"case when {known} then year({born}) end"
    on = typed(contract.column(str(derivation.on)), "r")
    # Whole years: one less until the birthday. 29 February has its birthday on 1 March.
    age = f"(({_day_number(on)} - {_day_number(born)}) // 10000)"
    least = 0 if derivation.minimum is None else derivation.minimum
    most = 150 if derivation.maximum is None else derivation.maximum
    within = f"{born} <= {on} and {age} between {least} and {most}"
    return f"case when {known} and {within} then {age} end"


def _day_number(at: str) -> str:
    """SQL for a date as a number, 20260401."""
    return f"(year({at}) * 10000 + month({at}) * 100 + day({at}))"


def _sector(postcode: str) -> str:
    """SQL for the sector of a postcode, 'SA11' of ' sa1 1ab': all but its last two letters."""
    return f"left(upper(replace({postcode}, ' ', '')), -2)"
