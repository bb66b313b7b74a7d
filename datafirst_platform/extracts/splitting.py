"""The split at the door: accepted rows become content and identities.

They share nothing but `record_key`. What research needs of identity is derived here and coarse.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
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


def content_query(read: ReadTable, parent: ReadTable | None) -> str:
    """SQL for the content of a table's accepted rows, in the order of `content_schema`.

    Where a pseudonym is due its rows hold what it is made of, where an area is due the sector of a
    postcode: `finished_content` follows.
    """
    contract = read.contract
    taken = [f"{record_key(contract, 'r')} as record_key"]
    joins = ""
    if parent is not None:
        taken.append(
            f"{record_key(parent.contract, 'p')} as {name(_key_of(parent.contract.table))}"
        )
        joins += f" join {parent.rows} p on {joined(contract, parent.contract)}"
    keyed = []
    for column in contract.columns:
        if column.content_name is None:
            continue
        made = name(column.content_name)
        taken.append(f"{typed(column, 'r')} as {made}")
        if column.treatment == "pseudonymise" or column.multiple:
            keyed.append(f"{_remade(column, made)} as {made}")
    for derivation in contract.derivations:
        of_contract = parent.contract if derivation.of_parent and parent else contract
        alias = "p" if derivation.of_parent else "r"
        if derivation.rule == "lsoa":
            value = _sector(f"{alias}.{name(derivation.of)}")
        else:
            value = _derived(contract, derivation, of_contract, alias)
        taken.append(f"{value} as {name(derivation.name)}")
    where = "r._fault is null" if parent is None else "r._fault is null and p._fault is null"
    replaced = f" replace ({', '.join(keyed)})" if keyed else ""
    ordered = f"select {', '.join(taken)} from {read.rows} r{joins} where {where}{_order(joins)}"
    return f"select *{replaced} from ({ordered})"


def finished_content(contract: Contract, key: bytes, rows: pa.Table) -> pa.Table:
    """Rows of the content with their pseudonyms and areas.

    In SQL an id would be made of one row at a time, and an area by a join, behind which all rows
    would have to be sorted once.

    Args:
        contract: of the table.
        key: of the scope `records`.
        rows: of `content_query`.
    """
    made = [_key_of(contract.parent)] if contract.parent else []
    columns = [each for each in contract.columns if each.treatment == "pseudonymise"]
    made += [str(each.content_name) for each in columns if not each.multiple]
    rows = _pseudonymised(key, rows, ["record_key", *made])
    for column in columns:
        if column.multiple:
            rows = _replaced(rows, str(column.content_name), partial(_each_pseudonym, key))
    return _sectors_to_areas(contract, rows)


def finished_identities(contract: Contract, key: bytes, rows: pa.Table) -> pa.Table:
    """Rows of `identities_query` with their pseudonyms; arguments as of `finished_content`."""
    made = [_key_of(contract.parent)] if contract.parent else []
    person = contract.source_person
    if person is not None:
        made.append(str(person.content_name))
    return _pseudonymised(key, rows, ["record_key", *made])


def _key_of(table: str) -> str:
    """The column of a table's children that names their row of it."""
    return f"{table}_key"


def _pseudonymised(key: bytes, rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    for column in columns:
        rows = _replaced(rows, column, partial(record_pseudonyms, key))
    return rows


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


def _sectors_to_areas(contract: Contract, rows: pa.Table) -> pa.Table:
    """Content with the area of each sector, none where there is no such sector."""
    import pyarrow.compute as pc

    sectors, areas = _areas()
    for derivation in contract.derivations:
        if derivation.rule == "lsoa":
            rows = _replaced(
                rows, derivation.name, lambda held: areas.take(pc.index_in(held, value_set=sectors))
            )
    return rows


@cache
def _areas() -> tuple[pa.Array, pa.Array]:
    """Sectors of postcodes, written without a space, and the area of each."""
    import pyarrow as pa

    with POSTCODE_SECTORS.open(newline="") as file:
        known = {
            row["postcode_sector"].replace(" ", ""): row["lsoa11cd"] for row in csv.DictReader(file)
        }
    return pa.array(known.keys(), pa.string()), pa.array(known.values(), pa.string())


def identities_query(read: ReadTable, parent: ReadTable | None) -> str:
    """SQL for the identities of a table's accepted rows, in the order of `identities_schema`.

    `finished_identities` follows.
    """
    made = [f"{record_key(read.contract, 'r')} as record_key"]
    joins = ""
    if parent is not None:
        made.append(f"{record_key(parent.contract, 'p')} as {name(_key_of(parent.contract.table))}")
        joins = f" join {parent.rows} p on {joined(read.contract, parent.contract)}"
    person = read.contract.source_person
    if person is not None:
        domain = text(f"{person.domain}|")
        made.append(f"{domain} || r.{name(person.name)} as {name(str(person.content_name))}")
    made += [
        f"{typed(column, 'r')} as {name(column.name)}"
        for column in read.contract.columns
        if column.in_identities
    ]
    where = "r._fault is null" if parent is None else "r._fault is null and p._fault is null"
    return f"select {', '.join(made)} from {read.rows} r{joins} where {where}{_order(joins)}"


def _order(joins: str) -> str:
    """Rows come in the order supplied, unless a join mixed them."""
    return " order by r.rowid" if joins else ""


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


def _remade(column: Column, at: str) -> str:
    """SQL for what a pseudonym is made of, or for entries without spaces around them."""
    one = "trim(entry)" if column.multiple else at
    if column.treatment == "pseudonymise":
        one = f"{text(f'{column.domain}|')} || {one}"
    if not column.multiple:
        return one
    return f"array_to_string(list_transform(string_split({at}, ','), lambda entry: {one}), ',')"


def _derived(contract: Contract, derivation: Derivation, of_contract: Contract, alias: str) -> str:
    born = typed(of_contract.column(derivation.of), alias)
    junk = ", ".join(f"date '{day}'" for day in JUNK_BIRTH_DATES)
    known = f"{born} not in ({junk})"
    if derivation.rule == "year":
        return f"case when {known} then year({born}) end"
    on = typed(contract.column(str(derivation.on)), "r")
    # Whole years: one less until the birthday. 29 February has its birthday on 1 March.
    age = (
        f"(year({on}) - year({born})"
        f" - cast(month({on}) * 100 + day({on}) < month({born}) * 100 + day({born}) as bigint))"
    )
    least = 0 if derivation.minimum is None else derivation.minimum
    most = 150 if derivation.maximum is None else derivation.maximum
    return f"case when {known} and {age} between {least} and {most} then {age} end"


def _sector(postcode: str) -> str:
    """SQL for the sector of a postcode, 'SA11' of ' sa1 1ab': all but its last two letters."""
    return f"left(upper(replace({postcode}, ' ', '')), -2)"
