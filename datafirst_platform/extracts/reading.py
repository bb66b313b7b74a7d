"""Strict reading: every row supplied is accepted or quarantined, or its file is refused.

DuckDB's CSV reader shifts values where a row has one separator too many and its last field is
empty, and reads nothing where the header's width is wrong, without an error. So it is given no
judgement: all columns are text, further columns catch what is too much, a field that is not there
is told from an empty one, and header, widths, counts and control totals are checked here.

A table is read once, into memory that spills; rules run over it and give the rows at fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from datafirst_platform.safe_errors import DeliveryRefused, PlatformError, values_withheld

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
_FOOTER_LIMIT = 64 << 20
_PARQUET_TYPES = re.compile(r"(VARCHAR|DATE|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\))\Z")


@dataclass(frozen=True)
class _Scan:
    """How a file is read: a query, whether its first row is a header, the text it reads."""

    file: DeliveredFile
    query: str
    header: bool
    path: Path

    def discard(self) -> None:
        """Remove an unpacked copy."""
        if self.path != self.file.path:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class ReadFile:
    """A file after reading.

    Attributes:
        file: as its manifest states it.
        first: first data row of the file in the table as read.
        ends: row after its last.
    """

    file: DeliveredFile
    first: int
    ends: int


@dataclass(frozen=True)
class ReadTable:
    """A table after reading: `raw` as supplied, `faults` the rows not accepted.

    `raw` holds the supplied columns as text, `_more` (what stood beyond the last column; empty
    where a field is missing; else NULL), `_record_key` and `_file` (position in `files`).
    `faults` holds `row` (rowid in raw) and `fault` (position in `reasons`, -1 for a header).

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

    def accepted(self, alias: str = "r") -> str:
        """SQL condition that leaves the accepted rows of `raw` under that alias."""
        return f"{alias}.rowid not in (select row from {self.faults})"


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
    for file in files:
        check_bytes(file)
    scans = [
        _scan_parquet(connection, contract, file, memory_bytes)
        if file.name.endswith(".parquet")
        else _scan_csv(contract, file, scratch)
        for file in files
    ]
    # One statement for all files: into a table that is there already, one core would write.
    try:
        connection.execute(
            f"create or replace temp table {raw} as "
            + " union all ".join(
                f"select *, {record_key(contract)} as _record_key, {at}::usmallint as _file "
                f"from ({scan.query})"
                for at, scan in enumerate(scans)
            )
        )
    except duckdb.Error as error:
        raise _unreadable(scans, error) from None
    finally:
        for scan in scans:
            scan.discard()
    connection.execute(f"create or replace temp table {faults} (row bigint, fault integer)")
    read: list[ReadFile] = []
    for at, scan in enumerate(scans):
        begins = read[-1].ends if read else 0
        if scan.header:
            _check_header(connection, contract, raw, scan.file, at)
            connection.execute(f"insert into {faults} values (?, -1)", [begins])
        read.append(_reconcile(connection, raw, scan, at, begins))
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
            where {child.accepted()} and not exists (
                select 1 from {parent.raw} p
                where {parent.accepted("p")}
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


def _scan_csv(contract: Contract, file: DeliveredFile, scratch: Path) -> _Scan:
    received = receive_text(file, scratch)
    names = [column.name for column in contract.columns]
    extra = [f"_more{at}" for at in range(len(names))]
    declared = ", ".join(f"{text(each)}: 'VARCHAR'" for each in (*names, *extra))
    # A line for each row means that no field holds a line end, and every core can read.
    parallel = received.one_ending and received.lines == file.rows + 1
    query = f"""
        select {", ".join(name(each) for each in names)},
            case
                when _more0 is not null then concat_ws(',', {", ".join(extra)})
                when {name(names[-1])} is null then ''
            end as _more
        from read_csv({text(received.path)}, auto_detect = false, header = false,
            columns = {{{declared}}}, delim = ',', quote = '"', escape = '"',
            nullstr = {text(_NEVER)}, null_padding = true, strict_mode = true,
            parallel = {str(parallel).lower()})"""
    return _Scan(file, query, header=True, path=received.path)


def _unreadable(scans: Sequence[_Scan], error: duckdb.Error) -> PlatformError:
    """The engine's complaint as ours, without its quotation of the line."""
    message = str(error)
    # Causes are looked for outside the line it quotes, which could hold any text.
    spoken = re.sub(r"Original Line:.*?\n(?=Expected|Value|Maximum|Invalid|\n|\Z)", "", message)
    found = [each for each in scans if str(each.path) in spoken] or list(scans)
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.InternalException):
        try:
            with values_withheld(f"Reading {found[0].file.table}"):
                raise error
        except PlatformError as told:
            return told
    names = " or ".join(each.file.name for each in found)
    if not any(each.header for each in found):
        msg = f"{names}: its Parquet is damaged. Ask for it to be written and sent again."
        return DeliveryRefused(msg)
    line = _LINE.search(spoken)
    where = f" at line {line[1]}" if line else ""
    cause = next((told for mark, told in _CAUSES if mark in spoken), "it is not RFC 4180 text")
    return DeliveryRefused(
        f"{names}: cannot be read{where}: {cause}. Ask the supplier to export it again with every "
        "quote doubled and one kind of line end."
    )


def _check_header(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raw: str,
    file: DeliveredFile,
    at: int,
) -> None:
    rows = connection.execute(
        f"select * from {raw} where rowid = (select min(rowid) from {raw} where _file = ?)", [at]
    ).fetchall()
    if not rows:
        raise DeliveryRefused(f"{file.name}: it is empty, without even a header row.")
    *values, more, _key, _at = rows[0]
    header = [value for value in values if value is not None]
    if len(header) == len(values) and more is not None:
        header += more.split(",")
    difference = columns_differ(contract, header)
    if difference:
        known = {column.name for column in contract.columns}.intersection(header)
        hint = "" if known else " No name is known: is the header row there?"
        raise DeliveryRefused(
            f"{file.name}: header row: {difference}{hint} Ask for the agreed layout, or change "
            f"contracts/{contract.table}.yaml with the supplier."
        )


def _scan_parquet(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    file: DeliveredFile,
    memory_bytes: int,
) -> _Scan:
    _check_footer(file)
    source = f"read_parquet({text(file.path)})"
    try:
        described = connection.execute(f"describe select * from {source}").fetchall()
        claimed = connection.execute(
            f"""select coalesce(max(size), 0), coalesce(sum(rows), 0) from (
                select sum(total_uncompressed_size) as size, any_value(row_group_num_rows) as rows
                from parquet_metadata({text(file.path)}) group by row_group_id)"""
        ).fetchall()[0]
        types = {row[0]: str(row[1]) for row in described}
        difference = columns_differ(contract, [row[0] for row in described], in_order=False)
        if difference:
            raise DeliveryRefused(f"{file.name}: {difference} Ask for the agreed layout.")
        for column in contract.columns:
            if not _PARQUET_TYPES.match(types[column.name]):
                msg = (
                    f"{file.name}: column {column.name} is neither text, date, whole number nor "
                    "decimal. Ask for one of these; text is safest."
                )
                raise DeliveryRefused(msg)
        if claimed[0] > memory_bytes:
            msg = (
                f"{file.name}: a row group unpacks to {claimed[0] >> 20} MiB, more than "
                f"{memory_bytes >> 20} MiB. Ask for smaller row groups."
            )
            raise DeliveryRefused(msg)
        if claimed[1] != file.rows:
            raise _miscounted(file, claimed[1])
    except duckdb.Error:
        msg = f"{file.name}: its Parquet is damaged. Ask for it to be written and sent again."
        raise DeliveryRefused(msg) from None
    given = [_as_text(column, types[column.name]) for column in contract.columns]
    query = f"select {', '.join(given)}, cast(null as varchar) as _more from {source}"
    return _Scan(file, query, header=False, path=file.path)


def _check_footer(file: DeliveredFile) -> None:
    """Refuse what is no Parquet, or claims a footer no table of a contract needs."""
    size = file.path.stat().st_size
    with file.path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, size - 8))
        tail = stream.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if head != b"PAR1" or tail[4:] != b"PAR1" or not 0 < footer <= min(size - 12, _FOOTER_LIMIT):
        msg = f"{file.name}: not a whole Parquet file. Ask for it to be written and sent again."
        raise DeliveryRefused(msg)


def _as_text(column: Column, kind: str) -> str:
    """A typed Parquet column as the text its contract expects, so that one set of rules holds."""
    at = name(column.name)
    if kind == "DATE" and column.type == "date":
        shown = f"strftime({at}, {text(DATE_FORMATS[str(column.format)])})"
    else:
        shown = f"cast({at} as varchar)"
    return f"coalesce({shown}, '') as {at}"


def _reconcile(
    connection: duckdb.DuckDBPyConnection, raw: str, scan: _Scan, at: int, begins: int
) -> ReadFile:
    """Hold what was read against the manifest's row count and control totals."""
    file = scan.file
    sums = "".join(
        f", coalesce(sum(try_cast({name(column)} as decimal(38, 6)))"
        f" filter (rowid <> {begins} or {not scan.header}), 0)"
        for column in file.totals
    )
    with values_withheld(f"Reconciling {file.name}"):
        first, last, rows, *found = connection.execute(
            f"select min(rowid), max(rowid), count(*){sums} from {raw} where _file = {at}"
        ).fetchall()[0]
    if rows - scan.header != file.rows:
        raise _miscounted(file, rows - scan.header)
    if rows and (first, last) != (begins, begins + rows - 1):
        raise PlatformError(f"{file.name}: the engine did not keep the order of rows: a defect.")
    for (column, stated), counted in zip(file.totals.items(), found, strict=True):
        if Decimal(counted) != stated:
            msg = (
                f"{file.name}: the control total of {column} is not what its rows add up to: rows "
                "are missing, doubled or altered. Ask the supplier to check and send it again."
            )
            raise DeliveryRefused(msg)
    return ReadFile(file, begins + scan.header, begins + rows)


def _miscounted(file: DeliveredFile, rows: int) -> DeliveryRefused:
    return DeliveryRefused(
        f"{file.name}: {rows} rows came, the manifest states {file.rows}. Ask the supplier to "
        "check the export and send it again."
    )


def _find_faults(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raw: str, faults: str
) -> tuple[tuple[str, str | None], ...]:
    """Fill `faults`, all but orphans; return the rule and column of each fault."""
    judged: list[tuple[str, str | None, str]] = [("wrong_field_count", None, "r._more is not null")]
    for column in contract.columns:
        judged += [(rule, column.name, failing) for rule, failing in _rules(column)]
    key = ", ".join(contract.primary_key)
    reasons: list[tuple[str, str | None]] = [(rule, column) for rule, column, _ in judged]
    reasons += [("duplicate_row", None), ("duplicate_key", key)]
    if contract.parent:
        reasons.append(("orphan", ", ".join(contract.parent_key)))
    cases = " ".join(f"when {failing} then {at}" for at, (_, _, failing) in enumerate(judged))
    accepted = f"r.rowid not in (select row from {faults})"
    row = ", ".join(f"r.{name(column.name)}" for column in contract.columns)
    with values_withheld(f"Checking {contract.table}"):
        connection.execute(
            f"""insert into {faults}
            select row, fault from (
                select r.rowid as row, case {cases} end as fault from {raw} r where {accepted})
            where fault is not null"""
        )
        # Few rows share a key: they are found by its hash first, and only those compared whole.
        connection.execute(
            f"""insert into {faults}
            with twins as (
                select r.rowid as row, r._record_key as key,
                    row_number() over (partition by {row} order by r.rowid) as copy
                from {raw} r
                where {accepted} and hash(r._record_key) in (
                    select hash(r._record_key) from {raw} r where {accepted}
                    group by all having count(*) > 1)),
            claimed as (
                select row, copy, count(*) filter (copy = 1) over (partition by key) as claims
                from twins)
            select row, case when copy > 1 then {len(judged)} else {len(judged) + 1} end
            from claimed where copy > 1 or claims > 1"""
        )
    return tuple(reasons)


def _rules(column: Column) -> list[tuple[str, str]]:
    """What a column's values must hold: rule and SQL condition of failing, in order."""
    at = f"r.{name(column.name)}"
    given = f"{at} <> ''"
    value = typed(column, "r")
    found: list[tuple[str, str]] = []
    if column.required:
        # Blanks alone are missing too; where another rule follows, it refuses them cheaper.
        ruled = (
            column.type != "string" or column.pattern or (column.codes and not column.codes_open)
        )
        found.append(("missing_required", f"{at} = ''" if ruled else f"trim({at}) = ''"))
    if column.type == "date":
        written = (
            f"cast({value} as varchar)"
            if column.format == "yyyy-MM-dd"
            else f"strftime({value}, {text(DATE_FORMATS[str(column.format)])})"
        )
        # Written back it must be the same text: engines read far more than the agreed format.
        within = f"{value} between date '{_FIRST_DAY}' and date '{_LAST_DAY}'"
        found.append(("bad_date", f"{given} and ({written} = {at} and {within}) is not true"))
    elif column.type == "integer":
        found.append(("bad_integer", f"{given} and not regexp_full_match({at}, '-?[0-9]{{1,18}}')"))
    elif column.type == "number":
        exact = r"'-?[0-9]{1,16}([.][0-9]{1,2})?'"
        found.append(("bad_number", f"{given} and not regexp_full_match({at}, {exact})"))
    if column.codes is not None and not column.codes_open:
        listed = ", ".join(text(code) for code in code_list(column.codes))
        found.append(("unknown_code", f"{given} and {at} not in ({listed})"))
    if column.pattern is not None:
        found.append(
            ("bad_pattern", f"{given} and not regexp_full_match({at}, {text(column.pattern)})")
        )
    for bound, sign in ((column.min_length, "<"), (column.max_length, ">")):
        if bound is not None:
            found.append(("out_of_range", f"{given} and length({at}) {sign} {bound}"))
    for limit, sign in ((column.minimum, "<"), (column.maximum, ">")):
        if limit is not None:
            shown = f"date '{limit}'" if isinstance(limit, date) else str(limit)
            found.append(("out_of_range", f"{value} {sign} {shown}"))
    return found
