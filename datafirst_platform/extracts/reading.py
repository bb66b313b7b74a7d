"""Strict reading: every row supplied is accepted or quarantined, or its file is refused.

DuckDB's CSV reader shifts values where a row has one separator too many and its last field is
empty, and reads nothing where the header's width is wrong, without an error. So it is given no
judgement: all columns are text, further columns catch what is too much, a field that is not there
is told from an empty one, and header, widths, counts and control totals are checked here.

A table is read in one pass, into memory that spills: every row gets its values and its first fault.
What needs other rows, copies and orphans, is found afterwards.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from datafirst_platform.engine import name, one_file, parquet, text
from datafirst_platform.extracts.contracts import DATE_FORMATS, Column, Contract, code_list
from datafirst_platform.extracts.deliveries import (
    DeliveredFile,
    check_digest,
    check_size,
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

_NEVER = "chr(0)"
"""SQL for what no field holds, since text with a NUL is refused: an empty field must stay an empty
text, for NULL means 'not there'."""

_FIRST_DAY, _LAST_DAY = date(1000, 1, 1), date(9999, 12, 31)
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CAUSES = (
    ("Expected Number of Columns", "a row has more than twice the fields it should have"),
    ("unterminated quote", "a quote is not closed, or text follows a closing quote"),
    ("Maximum line size", "a row is longer than 8 MiB, which a quote never closed causes"),
    ("quoted new lines", "rows and line ends do not agree with the manifest's row count"),
    ("state machine", "quotes or line ends are mixed in a way that has no single reading"),
)
_FOOTER_LIMIT = 64 << 20
_LONGEST_LINE = 8 << 20
"""Bytes. A core reads four times as much at once, which has to fill a row group of the engine's:
smaller pieces it would copy together (a quarter of the processor time of reading)."""
_PARQUET_TYPES = re.compile(r"(VARCHAR|DATE|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\))\Z")


_HEADER = -1
"""What stands in `_fault` for a header row."""


@dataclass(frozen=True)
class _Scan:
    """How a file is read: a query for the contract's columns as text, empty where empty.

    Attributes:
        file: as its manifest states it.
        query: SQL; a field that is not there is NULL.
        extra: columns of the query that hold what stood beyond the contract's last column.
        header: whether its first row is a header.
        path: the text it reads.
    """

    file: DeliveredFile
    query: str
    extra: tuple[str, ...]
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
    """A table after reading, one row a row supplied, in the order of its files.

    `rows` holds the contract's columns: dates as dates, all else as the text supplied; empty is
    NULL. Further `_file` (position in `files`), `_fault` (position in `reasons`; NULL for an
    accepted row, -1 for a header) and `_text` (the row as a line of CSV, where a rule on the row
    alone failed: its columns cannot give it back).

    Attributes:
        contract: of the table.
        rows: table of the engine, which every cursor of it sees.
        files: in the order read.
        reasons: rule and column of each fault.
    """

    contract: Contract
    rows: str
    files: tuple[ReadFile, ...]
    reasons: tuple[tuple[str, str | None], ...]


def read_table(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    files: Sequence[DeliveredFile],
    scratch: Path,
    memory_bytes: int,
) -> ReadTable:
    """Read the files that feed a table and find the rows at fault; orphans come after.

    Args:
        connection: an engine.
        contract: of the table.
        files: in the manifest's order.
        scratch: secure folder for unpacked copies.
        memory_bytes: most that one row group of a Parquet file may claim to unpack to.

    Raises:
        DeliveryRefused: a file cannot be taken; message without values.
    """
    for file in files:
        check_size(file)
    refused: PlatformError | None = None
    with ThreadPoolExecutor(1) as pool:
        # A digest keeps one core busy: it is found while the rows are read.
        digests = [pool.submit(check_digest, file) for file in files]
        try:
            found = _read_files(connection, contract, files, scratch, memory_bytes)
        except PlatformError as error:
            refused = error
    # What was altered on its way is told as such, whatever else is wrong with it.
    for digest in digests:
        digest.result()
    if refused is not None:
        raise refused
    _find_duplicates(connection, found)
    return found


def _read_files(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    files: Sequence[DeliveredFile],
    scratch: Path,
    memory_bytes: int,
) -> ReadTable:
    """Read and judge the rows of a table's files, each row by itself."""
    rows = f"_rows_{contract.table}"
    scans = [
        _scan_parquet(connection, contract, file, memory_bytes)
        if file.name.endswith(".parquet")
        else _scan_csv(contract, file, scratch)
        for file in files
    ]
    judged = [
        (rule, column.name, failing)
        for column in contract.columns
        for rule, failing in _rules(column)
    ]
    # One statement for all files: into a table that is there already, one core would write.
    try:
        connection.execute(
            f"create or replace table {rows} as "
            + " union all ".join(
                _judging_query(contract, scan, at, [failing for _, _, failing in judged])
                for at, scan in enumerate(scans)
            )
        )
    except duckdb.Error as error:
        raise _unreadable(scans, error) from None
    finally:
        for scan in scans:
            scan.discard()
    read: list[ReadFile] = []
    for at, scan in enumerate(scans):
        begins = read[-1].ends if read else 0
        if scan.header:
            _take_header(connection, contract, rows, scan.file, at, begins)
        read.append(_reconcile(connection, rows, scan, at, begins))
    reasons: list[tuple[str, str | None]] = [("wrong_field_count", None)]
    reasons += [(rule, column) for rule, column, _ in judged]
    reasons += [("duplicate_row", None), ("duplicate_key", ", ".join(contract.primary_key))]
    if contract.parent:
        reasons.append(("orphan", ", ".join(contract.parent_key)))
    return ReadTable(contract, rows, tuple(read), tuple(reasons))


def find_orphans(
    connection: duckdb.DuckDBPyConnection, child: ReadTable, parent: ReadTable
) -> None:
    """Add to the child's faults the rows whose parent was not accepted."""
    contract = child.contract
    reason = child.reasons.index(("orphan", ", ".join(contract.parent_key)))
    with values_withheld(f"Holding {contract.table} against {parent.contract.table}"):
        connection.execute(
            f"""update {child.rows} r set _fault = {reason}
            where r._fault is null and not exists (
                select 1 from {parent.rows} p
                where p._fault is null and {joined(contract, parent.contract)})"""
        )


def joined(child: Contract, parent: Contract) -> str:
    """SQL condition that a child row `r` belongs to a parent row `p`."""
    return " and ".join(
        f"{_canonical(child.column(own), f'r.{name(own)}')} = "
        f"{_canonical(parent.column(theirs), f'p.{name(theirs)}')}"
        for own, theirs in zip(child.parent_key, parent.primary_key, strict=True)
    )


def record_key(contract: Contract, alias: str) -> str:
    """SQL for what the record key of a row as read is a pseudonym of: its table and primary key."""
    return " || '|' || ".join([text(contract.table), *_key_parts(contract, alias)])


def _key_parts(contract: Contract, alias: str) -> list[str]:
    """SQL for each column of a table's primary key."""
    return [
        _canonical(column, f"{alias}.{name(column.name)}")
        for column in map(contract.column, contract.primary_key)
    ]


def typed(column: Column, alias: str) -> str:
    """SQL for a column of a row as read, in its contract's type."""
    at = f"{alias}.{name(column.name)}"
    return at if column.type in {"string", "date"} else f"try_cast({at} as {column.engine_type})"


def line_of(read: ReadTable, alias: str) -> str:
    """SQL for a row as it was supplied, written as a line of CSV.

    A row that no rule on the row alone refused has all its fields, and each date written in the
    one way the contract has, so its columns give it back.
    """
    fields = [
        f"strftime({alias}.{name(column.name)}, {text(DATE_FORMATS[str(column.format)])})"
        if column.type == "date"
        else f"{alias}.{name(column.name)}"
        for column in read.contract.columns
    ]
    filled = _line([f"coalesce({field}, '')" for field in fields])
    return f"coalesce({alias}._text, {filled})"


def _line(fields: Sequence[str]) -> str:
    """SQL for a line of CSV; fields that are NULL are left out."""
    return f"""array_to_string(list_transform(
        list_filter([{", ".join(fields)}], lambda x: x is not null),
        lambda x: case when regexp_matches(x, '[",\\r\\n]')
            then '"' || replace(x, '"', '""') || '"' else x end), ',')"""


def _canonical(column: Column, at: str) -> str:
    """A key column as text that is the same for the same key: 07 and 7 are one integer.

    Args:
        column: of a key.
        at: SQL for its text, or for the day of a date.
    """
    if column.type == "date":
        return f"cast({at} as varchar)"
    return at if column.type == "string" else f"cast(try_cast({at} as bigint) as varchar)"


def _judging_query(contract: Contract, scan: _Scan, at: int, failing: Sequence[str]) -> str:
    """SQL for a file's rows as `ReadTable.rows` holds them.

    In layers, so that each value is made once. Empty is made NULL before anything is cast: a
    failing cast costs more than all else, and a cast right on the scan would become the scan's
    own, which fails where `try_cast` gives NULL.
    """
    columns = contract.columns
    given = ", ".join(f"nullif({name(each.name)}, '') as {_given(each)}" for each in columns)
    dates = "".join(f", {_date(each)} as {_value(each)}" for each in columns if each.type == "date")
    # Rows of another width: the reader fills up with NULL what is too short.
    beyond = "".join(f" or {each} is not null" for each in scan.extra[:1])
    cases = " ".join(f"when {each} then {number}" for number, each in enumerate(failing, 1))
    held = ", ".join(f"{_value(each)} as {name(each.name)}" for each in columns)
    fields = [*(name(each.name) for each in columns), *scan.extra]
    return f"""
        select {held}, {at}::usmallint as _file, _fault,
            case when _fault is not null then {_line(fields)} end as _text
        from (
            select *, cast(case when {name(columns[-1].name)} is null{beyond} then 0 {cases} end
                as smallint) as _fault
            from (select *{dates} from (select *, {given} from ({scan.query}))))"""


def _given(column: Column) -> str:
    """Name of a column's text while rows are judged, NULL where empty."""
    return name(f"_given_{column.name}")


def _value(column: Column) -> str:
    """Name of what is held of a column: a date's day, any other's text."""
    return name(f"_day_{column.name}") if column.type == "date" else _given(column)


def _date(column: Column) -> str:
    at = _given(column)
    if column.format == "yyyy-MM-dd":
        return f"try_cast({at} as date)"
    return f"cast(try_strptime({at}, {text(DATE_FORMATS[str(column.format)])}) as date)"


def _scan_csv(contract: Contract, file: DeliveredFile, scratch: Path) -> _Scan:
    received = receive_text(file, scratch)
    names = [column.name for column in contract.columns]
    extra = [f"_more{at}" for at in range(len(names))]
    declared = ", ".join(f"{text(each)}: 'VARCHAR'" for each in (*names, *extra))
    # A line for each row means that no field holds a line end, and every core can read.
    parallel = received.one_ending and received.lines == file.rows + 1
    query = f"""
        from read_csv({one_file(received.path)}, hive_partitioning = false,
            auto_detect = false, header = false,
            columns = {{{declared}}}, delim = ',', quote = '"', escape = '"',
            nullstr = {_NEVER}, null_padding = true, strict_mode = true,
            max_line_size = {_LONGEST_LINE},
            parallel = {str(parallel).lower()})"""
    return _Scan(file, query, tuple(extra), header=True, path=received.path)


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


def _take_header(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    rows: str,
    file: DeliveredFile,
    at: int,
    begins: int,
) -> None:
    """Hold a file's first row against the contract and mark it as no data."""
    with values_withheld(f"Reading the header of {file.name}"):
        told = connection.execute(
            f"select {line_of(ReadTable(contract, rows, (), ()), 'r')} from {rows} r "
            f"where r.rowid = {begins} and r._file = {at}"
        ).fetchall()
        connection.execute(f"update {rows} set _fault = {_HEADER} where rowid = {begins}")
    if not told:
        raise DeliveryRefused(f"{file.name}: it is empty, without even a header row.")
    try:
        header = next(csv.reader([told[0][0]], strict=True), [])
    except csv.Error:
        header = []
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
    source = parquet(file.path)
    try:
        described = connection.execute(f"describe select * from {source}").fetchall()
        claimed = connection.execute(
            f"""select coalesce(max(size), 0), coalesce(sum(rows), 0) from (
                select sum(total_uncompressed_size) as size, any_value(row_group_num_rows) as rows
                from parquet_metadata({one_file(file.path)}) group by row_group_id)"""
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
    query = f"select {', '.join(given)} from {source}"
    return _Scan(file, query, (), header=False, path=file.path)


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
    connection: duckdb.DuckDBPyConnection, rows: str, scan: _Scan, at: int, begins: int
) -> ReadFile:
    """Hold what was read against the manifest's row count and control totals."""
    file = scan.file
    sums = "".join(
        f", coalesce(sum(try_cast({name(column)} as decimal(38, 6)))"
        f" filter (_fault is distinct from {_HEADER}), 0)"
        for column in file.totals
    )
    with values_withheld(f"Reconciling {file.name}"):
        first, last, came, *found = connection.execute(
            f"select min(rowid), max(rowid), count(*){sums} from {rows} where _file = {at}"
        ).fetchall()[0]
    if came - scan.header != file.rows:
        raise _miscounted(file, came - scan.header)
    if came and (first, last) != (begins, begins + came - 1):
        raise PlatformError(f"{file.name}: the engine did not keep the order of rows: a defect.")
    for (column, stated), counted in zip(file.totals.items(), found, strict=True):
        if Decimal(counted) != stated:
            msg = (
                f"{file.name}: the control total of {column} is not what its rows add up to: rows "
                "are missing, doubled or altered. Ask the supplier to check and send it again."
            )
            raise DeliveryRefused(msg)
    return ReadFile(file, begins + scan.header, begins + came)


def _miscounted(file: DeliveredFile, rows: int) -> DeliveryRefused:
    return DeliveryRefused(
        f"{file.name}: {rows} rows came, the manifest states {file.rows}. Ask the supplier to "
        "check the export and send it again."
    )


def _find_duplicates(connection: duckdb.DuckDBPyConnection, read: ReadTable) -> None:
    """Mark copies of an earlier row, and all rows that differ and claim one key."""
    values = ", ".join(f"r.{name(column.name)}" for column in read.contract.columns)
    copied = read.reasons.index(("duplicate_row", None))
    key = ", ".join(_key_parts(read.contract, "r"))
    with values_withheld(f"Checking {read.contract.table}"):
        # Few rows share a key: they are found by its hash first, and only those compared whole.
        connection.execute(
            f"""create temp table _twins as
            select hash({key}) as key from {read.rows} r where r._fault is null
            group by all having count(*) > 1"""
        )
        if connection.execute("from _twins limit 1").fetchall():
            connection.execute(
                f"""update {read.rows} set _fault = found.fault
                from (
                    with twins as (
                        select r.rowid as row, row({key}) as key,
                            row_number() over (partition by {values} order by r.rowid) as copy
                        from {read.rows} r
                        where r._fault is null and hash({key}) in (from _twins)),
                    claimed as (
                        select row, copy,
                            count(*) filter (copy = 1) over (partition by key) as claims
                        from twins)
                    select row, case when copy > 1 then {copied} else {copied + 1} end as fault
                    from claimed where copy > 1 or claims > 1) found
                where {read.rows}.rowid = found.row"""
            )
        connection.execute("drop table _twins")


def _form(column: Column, each: str) -> str:
    """SQL for the expression a whole value matches, from that of each entry."""
    return text(f" *(?:{each}) *(?:, *(?:{each}) *)*" if column.multiple else each)


def _is_code(column: Column, codes: Iterable[str], at: str) -> str:
    """SQL of whether a text is one of the codes, or several of them where the column holds several.

    Not `in`: a longer list would become a join, behind which rows come in any order.
    """
    if column.multiple:
        return f"regexp_full_match({at}, {_form(column, '|'.join(map(re.escape, codes)))})"
    listed = ", ".join(f"{text(code)}: true" for code in codes)
    return f"map_contains(map {{{listed}}}, {at})"


def _rules(column: Column) -> list[tuple[str, str]]:
    """What a column's values must hold: rule and SQL condition of failing, in order.

    A condition that is NULL does not fail, so that what is empty passes.
    """
    at, value = _given(column), _value(column)
    found: list[tuple[str, str]] = []
    if column.required:
        # Blanks alone are missing too; where another rule follows, it refuses them cheaper.
        ruled = (
            column.type != "string" or column.pattern or (column.codes and not column.codes_open)
        )
        found.append(
            ("missing_required", f"{at} is null" + ("" if ruled else f" or trim({at}) = ''"))
        )
    if column.type == "date":
        written = (
            f"cast({value} as varchar)"
            if column.format == "yyyy-MM-dd"
            else f"strftime({value}, {text(DATE_FORMATS[str(column.format)])})"
        )
        # Written back it must be the same text: engines read far more than the agreed format.
        within = f"{value} between date '{_FIRST_DAY}' and date '{_LAST_DAY}'"
        failing = f"{at} is not null and ({written} = {at} and {within}) is not true"
        found.append(("bad_date", failing))
    elif column.type == "integer":
        found.append(("bad_integer", f"not regexp_full_match({at}, '-?[0-9]{{1,18}}')"))
        value = f"try_cast({at} as bigint)"
    elif column.type == "number":
        exact = r"'-?[0-9]{1,16}([.][0-9]{1,2})?'"
        found.append(("bad_number", f"not regexp_full_match({at}, {exact})"))
        value = f"try_cast({at} as decimal(18, 2))"
    if column.codes is not None and not column.codes_open:
        found.append(("unknown_code", f"not {_is_code(column, code_list(column.codes), at)}"))
    if column.pattern is not None:
        form = _form(column, column.pattern)
        found.append(("bad_pattern", f"not regexp_full_match({at}, {form})"))
    for bound, sign in ((column.min_length, "<"), (column.max_length, ">")):
        if bound is not None:
            found.append(("out_of_range", f"length({at}) {sign} {bound}"))
    for limit, sign in ((column.minimum, "<"), (column.maximum, ">")):
        if limit is not None:
            shown = f"date '{limit}'" if isinstance(limit, date) else str(limit)
            found.append(("out_of_range", f"{value} {sign} {shown}"))
    return found
