"""Strict reading: every row supplied is accepted or quarantined, or its file is refused.

DuckDB's CSV reader shifts values where a row has one separator too many and its last field is
empty, and reads nothing where the header's width is wrong, without an error. So it is given no
judgement: all columns are text, further columns catch what is too much, a field that is not there
is told from an empty one, and header, widths, counts and control totals are checked here.

A table is read once, into memory that spills; rules run over it and give the rows at fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import DATE_FORMATS, Column, Contract, code_list
from datafirst_platform.extracts.deliveries import (
    DeliveredFile,
    check_bytes,
    columns_differ,
    receive_text,
)
from datafirst_platform.safe_errors import DeliveryRefused, values_withheld

RULES = (
    "wrong_field_count",
    "missing_required",
    "bad_date",
    "bad_integer",
    "bad_number",
    "out_of_range",
    "unknown_code",
    "bad_pattern",
    "duplicate_row",
    "duplicate_key",
    "orphan",
)
"""Why a row is quarantined; a row's reason is the first that fails, column by column."""

_NEVER = r"\x01never\x02"
"""What no field holds: an empty field must stay an empty text, for NULL means 'not there'."""

_FIRST_DAY, _LAST_DAY = date(1000, 1, 1), date(9999, 12, 31)
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CAUSES = (
    ("Expected Number of Columns", "a row has more than twice the fields it should have"),
    ("unterminated quote", "a quote is not closed, or text follows a closing quote"),
    ("Maximum line size", "a row is longer than 2 MiB, which a quote never closed causes"),
    ("quoted new lines", "rows and line ends do not agree with the manifest's row count"),
    ("state machine", "quotes or line ends are mixed in a way that has no single reading"),
)
_PARQUET_TYPES = re.compile(r"(VARCHAR|DATE|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\))\Z")


@dataclass(frozen=True)
class ReadFile:
    """A file after reading.

    Attributes:
        file: as its manifest states it.
        begins: first row of the file in the table as read (its header, where it has one).
        first: first data row of the file in the table as read.
        ends: row after its last.
    """

    file: DeliveredFile
    begins: int
    first: int
    ends: int


@dataclass(frozen=True)
class ReadTable:
    """A table after reading: `raw` as supplied, `faults` the rows not accepted.

    `raw` holds the supplied columns as text, `_more` (what stood beyond the last column) and
    `_record_key`. `faults` holds `row` (rowid in raw), `fault` (position in `reasons`, or -1 for
    a header).

    Attributes:
        contract: of the table.
        raw: temporary table.
        faults: temporary table.
        files: in the order read.
        reasons: rule and column of each fault.
    """

    contract: Contract
    raw: str
    faults: str
    files: tuple[ReadFile, ...]
    reasons: tuple[tuple[str, str | None], ...]

    @property
    def accepted(self) -> str:
        """SQL condition on `raw` (alias `r`) that leaves the accepted rows, in their order."""
        return f"r.rowid not in (select row from {self.faults})"


def read_table(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    files: Sequence[DeliveredFile],
    scratch: Path,
    memory_bytes: int,
) -> ReadTable:
    """Read the files that feed a table and find the rows at fault; orphans come after.

    Args:
        connection: an engine with the macro `pseudonym`.
        contract: of the table.
        files: in the manifest's order.
        scratch: secure folder for unpacked copies.
        memory_bytes: most that one row group of a Parquet file may claim to unpack to.

    Raises:
        DeliveryRefused: a file cannot be taken; message without values.
    """
    raw, faults = f"_raw_{contract.table}", f"_faults_{contract.table}"
    columns = ", ".join(f"{name(column.name)} varchar" for column in contract.columns)
    connection.execute(
        f"create or replace temp table {raw} ({columns}, _more varchar, _record_key varchar)"
    )
    connection.execute(f"create or replace temp table {faults} (row bigint, fault integer)")
    read: list[ReadFile] = []
    for file in files:
        check_bytes(file)
        begins = read[-1].ends if read else 0
        if file.name.endswith(".parquet"):
            _insert_parquet(connection, contract, raw, file, memory_bytes)
            first = begins
        else:
            _insert_csv(connection, contract, raw, file, scratch)
            first = begins + 1
            _check_header(connection, contract, raw, file, begins)
            connection.execute(f"insert into {faults} values (?, -1)", [begins])
        read.append(_reconcile(connection, raw, file, begins, first))
    reasons = _find_faults(connection, contract, raw, faults)
    return ReadTable(contract, raw, faults, tuple(read), reasons)


def find_orphans(
    connection: duckdb.DuckDBPyConnection, child: ReadTable, parent: ReadTable
) -> None:
    """Add to the child's faults the rows whose parent was not accepted."""
    contract = child.contract
    reason = child.reasons.index(("orphan", ", ".join(contract.parent_key)))
    with values_withheld(f"Holding {contract.table} against {parent.contract.table}"):
        connection.execute(
            f"""insert into {child.faults}
            select r.rowid, {reason} from {child.raw} r
            where {child.accepted} and not exists (
                select 1 from {parent.raw} p
                where {parent.accepted.replace("r.rowid", "p.rowid")}
                  and {joined(contract, parent.contract)})"""
        )


def joined(child: Contract, parent: Contract) -> str:
    """SQL condition that a child row `r` belongs to a parent row `p`."""
    return " and ".join(
        f"{_canonical(child.column(own), 'r')} = {_canonical(parent.column(theirs), 'p')}"
        for own, theirs in zip(child.parent_key, parent.primary_key, strict=True)
    )


def record_key(contract: Contract, alias: str = "") -> str:
    """SQL for the record key of a row that holds the key columns as supplied, as text."""
    parts = " || '|' || ".join(
        _canonical(contract.column(column), alias) for column in contract.primary_key
    )
    return f"pseudonym({text(contract.table + '|')} || {parts})"


def typed(column: Column, alias: str) -> str:
    """SQL for a supplied text as its contract's type; NULL where empty or not of that type."""
    at = f"{alias}.{name(column.name)}"
    if column.type == "string":
        return f"nullif({at}, '')"
    if column.type == "date" and column.format == "yyyy-MM-dd":
        return f"try_cast({at} as date)"
    if column.type == "date":
        return f"cast(try_strptime({at}, {text(DATE_FORMATS[str(column.format)])}) as date)"
    return f"try_cast({at} as {column.engine_type.lower()})"


def _canonical(column: Column, alias: str) -> str:
    """A key column as text that is the same for the same key: 07 and 7 are one integer."""
    at = f"{alias}.{name(column.name)}" if alias else name(column.name)
    return at if column.type == "string" else f"cast(try_cast({at} as bigint) as varchar)"


def _insert_csv(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raw: str,
    file: DeliveredFile,
    scratch: Path,
) -> None:
    received = receive_text(file, scratch)
    names = [column.name for column in contract.columns]
    extra = [f"_more{at}" for at in range(len(names))]
    declared = ", ".join(f"{text(each)}: 'VARCHAR'" for each in (*names, *extra))
    # A line for each row means that no field holds a line end, and every core can read.
    parallel = received.lines == file.rows + 1
    try:
        connection.execute(
            f"""insert into {raw}
            select {", ".join(name(each) for each in names)},
                case
                    when _more0 is not null then concat_ws(',', {", ".join(extra)})
                    when {name(names[-1])} is null then ''
                end,
                {record_key(contract)}
            from read_csv({text(received.path)}, auto_detect = false, header = false,
                columns = {{{declared}}}, delim = ',', quote = '"', escape = '"',
                nullstr = {text(_NEVER)}, null_padding = true, strict_mode = true,
                parallel = {str(parallel).lower()})"""
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise _unreadable(file, str(error)) from None
    except duckdb.Error as error:
        if "CSV Error" in str(error):
            raise _unreadable(file, str(error)) from None
        with values_withheld(f"Reading {file.name}"):
            raise
    finally:
        if received.path != file.path:
            received.path.unlink()


def _unreadable(file: DeliveredFile, message: str) -> DeliveryRefused:
    """The engine's complaint without its quotation of the line."""
    line = _LINE.search(message)
    where = f" at line {line[1]}" if line else ""
    # The causes are looked for outside the line it quotes, which could hold any text.
    spoken = re.sub(r"Original Line:.*?\n(?=Expected|Value|Maximum|Invalid|\n|\Z)", "", message)
    cause = next((told for mark, told in _CAUSES if mark in spoken), "it is not RFC 4180 text")
    return DeliveryRefused(
        f"{file.name}: cannot be read{where}: {cause}. Ask the supplier to export it again with "
        "every quote doubled and one kind of line end."
    )


def _check_header(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raw: str,
    file: DeliveredFile,
    begins: int,
) -> None:
    rows = connection.execute(f"select * from {raw} where rowid = ?", [begins]).fetchall()
    if not rows:
        raise DeliveryRefused(f"{file.name}: it is empty, without even a header row.")
    *values, more, _key = rows[0]
    header = [value for value in values if value is not None] + (more.split(",") if more else [])
    difference = columns_differ(contract, header)
    if difference is None and more is not None:
        difference = f"columns differ from the contract of {contract.table}: one too many."
    if difference:
        hint = "" if set(header) & set(values[:0]) else ""
        raise DeliveryRefused(
            f"{file.name}: header row: {difference}{hint} Ask for the agreed layout, or change "
            f"contracts/{contract.table}.yaml with the supplier."
        )
