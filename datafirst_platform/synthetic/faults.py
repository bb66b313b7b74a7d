"""Faults of deliveries, switched on one by one.

What belongs here: what goes wrong between a supplier's system and the landing zone. What does not:
the known imperfections of good deliveries (`recording.py`).

Only the lines at fault are looked at; the rest of a file is copied. A line is a row: fields of the
deliveries made here hold no line end.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import mmap
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datafirst_platform.extracts.contracts import Contract, contracts, sources
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.tables import digest_of

MANIFEST = "manifest.json"

_ROWS = 10
_BLOCK = 1 << 24
# Days there are none of, and layouts no contract has.
_NOT_DATES = ("2019-02-30", "30/02/2019", "2019-13-01", "01/13/2019", "20190230")
_NO_CODE = "ZZ"

Row = list[str]
Edit = Callable[[int, Row], list[Row]]
"""From the number of an edit (0, 1, …) and a row, what is written in the row's place."""


@dataclass(frozen=True)
class FaultApplied:
    """What a fault did, and what a strict reader is expected to do about it.

    Attributes:
        fault: one of `FAULTS`.
        table: table whose file is at fault.
        file: name of the file within its delivery.
        rows: rows expected in quarantine under `rule`; 0 where the file is refused.
        rule: rule of the quarantine, None where the file is refused. Rows of a child table whose
            parent row is quarantined become orphans besides.
        column: column at fault, None where it is the row or the file.
        refused: whether the whole file is to be refused.
    """

    fault: str
    table: str
    file: str
    rows: int
    rule: str | None
    column: str | None
    refused: bool


@dataclass(frozen=True)
class Planned:
    """A fault to be applied to a table of a source once its delivery is made."""

    fault: str
    table: str
    source: str


@dataclass(frozen=True)
class _Target:
    """A file of a delivery, what its manifest says, and the contract of its table."""

    folder: Path
    contract: Contract
    manifest: dict[str, Any]
    entry: dict[str, Any]
    rng: np.random.Generator
    rows: int

    @property
    def path(self) -> Path:
        return self.folder / str(self.entry["path"])

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.contract.columns]

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix == ".parquet"


def planned(text: str, chosen: Sequence[str]) -> Planned:
    """Read `<fault>` or `<fault>:<table>`; without a table the first that suits is taken.

    Raises:
        PlatformError: no such fault, no such table among the sources, or they do not suit.
    """
    fault, _, table = text.partition(":")
    kind = _kind(fault)
    tables = [each for source in chosen for each in sources()[source]]
    suited = [each for each in tables if kind.suits(each)]
    if table:
        suited = [each for each in suited if each.table == table]
    if not suited:
        listed = ", ".join(each.table for each in tables if kind.suits(each))
        raise PlatformError(
            f"Fault {text!r} suits no table here; {fault} suits: {listed or 'none'}."
        )
    return Planned(fault, suited[0].table, suited[0].source)


def apply_fault(
    delivery: Path, fault: str, table: str, *, rows: int = _ROWS, seed: int = 0
) -> FaultApplied:
    """Put a fault into a freshly made delivery, and bring its manifest in line where it is due.

    A fault of rows comes with a manifest that agrees with the faulty file; a fault of the file or
    of the manifest does not.

    Args:
        delivery: folder of the delivery.
        fault: one of `FAULTS`.
        table: table whose file is put at fault.
        rows: how many rows, where the fault is one of rows.
        seed: which rows.

    Raises:
        PlatformError: no such fault or table, or a text fault asked of a Parquet file.
    """
    kind = _kind(fault)
    if table not in contracts() or not kind.suits(contracts()[table]):
        raise PlatformError(f"Fault {fault} does not suit table {table!r}.")
    manifest = json.loads((delivery / MANIFEST).read_text())
    entry = next((each for each in manifest["files"] if each["table"] == table), None)
    if entry is None:
        raise PlatformError(f"{delivery.name} holds no file of {table}.")
    rng = np.random.default_rng([seed, zlib.crc32(f"{fault}:{table}".encode())])
    target = _Target(delivery, contracts()[table], manifest, entry, rng, min(rows, entry["rows"]))
    if kind.text_only and target.is_parquet:
        raise PlatformError(f"Fault {fault} needs a CSV file; {entry['path']} is Parquet.")
    return kind.apply(target)


def write_manifest(folder: Path, manifest: Mapping[str, object]) -> None:
    """Write a delivery's manifest; staged, so that it is there whole or not at all."""
    staged = folder / f".{MANIFEST}.{os.getpid()}"
    staged.write_text(json.dumps(manifest, indent=1) + "\n")
    staged.replace(folder / MANIFEST)


# --- the faults ---------------------------------------------------------------------------------


def _bad_dates(target: _Target) -> FaultApplied:
    columns = [column for column in target.contract.columns if column.type == "date"]
    column = next((each for each in columns if each.required), columns[0])
    _edit(
        target,
        lambda n, row: [_with(target, row, column.name, _NOT_DATES[n % len(_NOT_DATES)])],
    )
    return _rows_at_fault(target, "bad_dates", "bad_date", column.name)


def _unknown_codes(target: _Target) -> FaultApplied:
    column = next(
        each.name for each in target.contract.columns if each.codes and not each.codes_open
    )
    _edit(target, lambda _, row: [_with(target, row, column, _NO_CODE)])
    return _rows_at_fault(target, "unknown_codes", "unknown_code", column)


def _duplicate_rows(target: _Target) -> FaultApplied:
    _edit(target, lambda _, row: [row, row])
    return _rows_at_fault(target, "duplicate_rows", "duplicate_row", None)


def _duplicate_keys(target: _Target) -> FaultApplied:
    """Two rows under one key that say different things: neither can be believed."""
    keys = target.contract.primary_key
    column = next(
        each.name
        for each in target.contract.columns
        if each.type == "date" and not each.required and each.name not in keys
    )
    layout = str(target.contract.column(column).format)
    days = ("2021-11-11", "2022-12-12") if layout == "yyyy-MM-dd" else ("11/11/2021", "12/12/2022")

    def twice(_: int, row: Row) -> list[Row]:
        other = days[row[target.names.index(column)] == days[0]]
        return [row, _with(target, row, column, other)]

    _edit(target, twice)
    return _rows_at_fault(target, "duplicate_keys", "duplicate_key", ", ".join(keys), each=2)


def _orphans(target: _Target) -> FaultApplied:
    column = target.contract.parent_key[0]
    at = target.names.index(column)
    _edit(target, lambda n, row: [_with(target, row, column, _nobodys(n, row[at]))])
    key = ", ".join(target.contract.parent_key)
    return _rows_at_fault(target, "orphan_offences", "orphan", key)


def _nobodys(number: int, key: str) -> str:
    """A key of the same form that no row has: longer than any, or of letters that none holds."""
    if key.isdigit():
        return f"99{number:010d}"
    form = re.sub("[0-9]", "9", re.sub("[A-Z]", "O", key))
    return form[: -len(str(number))] + str(number)


def _shifted_columns(target: _Target) -> FaultApplied:
    """One separator too many somewhere in the row.

    Where the last field is empty the row then ends as it should, which a lenient reader takes for
    a good one: every second row is made so.
    """

    def shift(number: int, row: Row) -> list[Row]:
        at = int(target.rng.integers(1, len(row) - 1))
        ending = [*row[:-1], ""] if number % 2 else row
        return [[*ending[:at], "", *ending[at:]]]

    _edit(target, shift)
    return _rows_at_fault(target, "shifted_columns", "wrong_field_count", None)


def _wrong_encoding(target: _Target) -> FaultApplied:
    """The file in Windows-1252, as exported by a spreadsheet."""
    column = next(
        each.name
        for each in target.contract.columns
        if each.classification == "direct_identifier" and each.type == "string"
    )
    _edit(
        target,
        lambda _, row: [_with(target, row, column, row[target.names.index(column)] + "É")],
        encoding="cp1252",
    )
    return _refused(target, "wrong_encoding")


def _truncated_file(target: _Target) -> FaultApplied:
    size = target.path.stat().st_size
    os.truncate(target.path, size * 6 // 10)
    return _refused(target, "truncated_file")


def _wrong_control_totals(target: _Target) -> FaultApplied:
    totals = target.entry.get("totals") or {}
    if totals:
        column = next(iter(totals))
        totals[column] = str(Decimal(totals[column]) + Decimal("0.01"))
    else:
        target.entry["rows"] += 1
    write_manifest(target.folder, target.manifest)
    return _refused(target, "wrong_control_totals")


def _changed_header(target: _Target) -> FaultApplied:
    """A column is renamed in the file; the manifest still names the agreed one."""
    column = next(
        each.name
        for each in target.contract.columns
        if each.name not in target.contract.primary_key
    )
    if target.is_parquet:
        table = pq.read_table(target.path)
        names = [f"{name}_new" if name == column else name for name in table.column_names]
        _put_parquet(target.path, table.rename_columns(names))
    else:
        _replace_lines(
            target,
            [0],
            lambda _, row: [[f"{name}_new" if name == column else name for name in row]],
        )
    _agree(target)
    return _refused(target, "changed_header")


@dataclass(frozen=True)
class _Kind:
    """A fault: how it is applied and what it suits."""

    apply: Callable[[_Target], FaultApplied]
    suits: Callable[[Contract], bool]
    text_only: bool = False


def _any(_: Contract) -> bool:
    return True


_KINDS: Mapping[str, _Kind] = {
    "bad_dates": _Kind(_bad_dates, lambda each: any(c.type == "date" for c in each.columns)),
    "unknown_codes": _Kind(
        _unknown_codes, lambda each: any(c.codes and not c.codes_open for c in each.columns)
    ),
    "duplicate_rows": _Kind(_duplicate_rows, _any),
    "duplicate_keys": _Kind(
        _duplicate_keys,
        lambda each: any(c.type == "date" and not c.required for c in each.columns),
    ),
    "orphan_offences": _Kind(_orphans, lambda each: each.parent is not None),
    "shifted_columns": _Kind(_shifted_columns, _any, text_only=True),
    "wrong_encoding": _Kind(
        _wrong_encoding,
        lambda each: any(c.classification == "direct_identifier" for c in each.columns),
        text_only=True,
    ),
    "truncated_file": _Kind(_truncated_file, _any),
    "wrong_control_totals": _Kind(_wrong_control_totals, _any),
    "changed_header": _Kind(_changed_header, _any),
}

FAULTS = tuple(_KINDS)
"""Names of the faults."""


def _kind(fault: str) -> _Kind:
    if fault not in _KINDS:
        raise PlatformError(f"No fault {fault!r}; faults are {', '.join(FAULTS)}.")
    return _KINDS[fault]


def _rows_at_fault(
    target: _Target, fault: str, rule: str, column: str | None, each: int = 1
) -> FaultApplied:
    rows = target.rows * each
    return FaultApplied(fault, target.contract.table, target.path.name, rows, rule, column, False)


def _refused(target: _Target, fault: str) -> FaultApplied:
    return FaultApplied(fault, target.contract.table, target.path.name, 0, None, None, True)


# --- editing files ------------------------------------------------------------------------------


def _with(target: _Target, row: Row, column: str, value: str) -> Row:
    at = target.names.index(column)
    return [*row[:at], value, *row[at + 1 :]]


def _edit(target: _Target, edit: Edit, encoding: str = "utf-8") -> None:
    """Edit some rows, chosen at random, and bring the manifest in line with the file."""
    chosen = np.sort(target.rng.choice(target.entry["rows"], target.rows, replace=False))
    if target.is_parquet:
        _edit_parquet(target, chosen, edit)
    else:
        _replace_lines(target, [int(row) + 1 for row in chosen], edit, encoding)
    _agree(target)


def _agree(target: _Target) -> None:
    target.entry["sha256"] = digest_of(target.path)
    target.entry["bytes"] = target.path.stat().st_size
    write_manifest(target.folder, target.manifest)


def _recount(target: _Target, before: Row, after: Sequence[Row]) -> None:
    """Let the manifest's rows and totals follow an edit."""
    target.entry["rows"] += len(after) - 1
    for column, total in (target.entry.get("totals") or {}).items():
        at = target.names.index(column)
        change = sum((_amount(row, at) for row in after), Decimal(0)) - _amount(before, at)
        target.entry["totals"][column] = str(Decimal(total) + change)


def _amount(row: Row, at: int) -> Decimal:
    try:
        return Decimal(row[at])
    except InvalidOperation:
        return Decimal(0)


def _edit_parquet(target: _Target, chosen: np.ndarray, edit: Edit) -> None:
    table = pq.read_table(target.path)
    pieces, done = [], 0
    for number, at in enumerate(chosen):
        before = [
            "" if value is None else str(value)
            for value in table.slice(at, 1).to_pylist()[0].values()
        ]
        after = edit(number, before)
        _recount(target, before, after)
        columns = [
            pa.array([value or None for value in values], pa.string())
            for values in zip(*after, strict=True)
        ]
        pieces += [table.slice(done, at - done), pa.table(columns, schema=table.schema)]
        done = at + 1
    pieces.append(table.slice(done))
    _put_parquet(target.path, pa.concat_tables(pieces))


def _put_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


def _replace_lines(
    target: _Target, lines: Sequence[int], edit: Edit, encoding: str = "utf-8"
) -> None:
    """Rewrite a CSV file with the given lines (0 is the header) edited."""
    plain, made = target.path.with_name(".plain"), target.path.with_name(".edited")
    packed = target.path.suffix == ".gz"
    if packed:
        with gzip.open(target.path) as packed_file, plain.open("wb") as out:
            shutil.copyfileobj(packed_file, out, _BLOCK)
    else:
        target.path.replace(plain)
    with (
        plain.open("rb") as file,
        made.open("wb") as out,
        closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as content,
    ):
        done = 0
        for number, (start, end) in enumerate(_spans(content, lines)):
            before = next(csv.reader([content[start:end].decode()]))
            after = edit(number, before)
            if lines[number]:
                _recount(target, before, after)
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(after)
            _copy(content, done, start, out)
            out.write(text.getvalue().encode(encoding))
            done = end
        _copy(content, done, len(content), out)
    plain.unlink()
    if packed:
        with (
            made.open("rb") as file,
            target.path.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as out_packed,
        ):
            shutil.copyfileobj(file, out_packed, _BLOCK)
        made.unlink()
    else:
        made.replace(target.path)


def _copy(content: mmap.mmap, start: int, end: int, out: io.BufferedWriter) -> None:
    for at in range(start, end, _BLOCK):
        out.write(content[at : min(at + _BLOCK, end)])


def _spans(content: mmap.mmap, lines: Sequence[int]) -> list[tuple[int, int]]:
    """Where lines begin and end (line end included), counted block by block."""
    wanted = np.array(lines)
    begins = np.zeros(len(lines), dtype=np.int64)
    ends = np.zeros(len(lines), dtype=np.int64)
    passed = 0
    for at in range(0, len(content), _BLOCK):
        found = np.flatnonzero(np.frombuffer(content[at : at + _BLOCK], np.uint8) == 10) + at + 1
        # The k-th line end of the file closes line k and opens line k + 1.
        for store, shift in ((begins, 1), (ends, 0)):
            index = wanted - shift - passed
            here = (index >= 0) & (index < len(found))
            store[here] = found[index[here]]
        passed += len(found)
    ends[ends == 0] = len(content)
    return list(zip(begins.tolist(), ends.tolist(), strict=True))
