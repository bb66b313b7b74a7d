"""Deliveries as suppliers send them: files, manifest, and the truth beside them.

What belongs here: how rows become files. What does not: the rows (a module a source).
People are made in chunks; each chunk's rows go to disk, and DuckDB sorts and writes them with
bounded memory. Rows are ordered by their keys, which are dealt at random over people.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datafirst_platform import editions, engine
from datafirst_platform.extracts.contracts import Contract
from datafirst_platform.extracts.contracts import sources as contracts_of_sources
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.synthetic import (
    careers,
    caseman,
    csc,
    delius,
    familyman,
    libra,
    lives,
    nomis,
    npd,
    oasys,
    pnc,
    xhibit,
)
from datafirst_platform.synthetic import faults as fault_room
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import CHUNK
from datafirst_platform.tables import digest_of

FORMATS = ("mixed", "csv", "csv.gz", "parquet")

Rows = Callable[[Lives, int], dict[str, pa.Table]]

_SOURCES: Mapping[str, Rows] = {
    "libra": libra.tables,
    "xhibit": xhibit.tables,
    "nomis": nomis.tables,
    "delius": delius.tables,
    "oasys": oasys.tables,
    "familyman": familyman.tables,
    "caseman": caseman.tables,
    "pnc": pnc.tables,
    "npd": npd.tables,
    "csc": csc.tables,
}
"""What each source makes of one chunk of lives at a cut-off: a new source is one more function."""

_MIXED = {"libra_cases": "csv.gz", "xhibit_offences": "parquet"}
_OPTIONS = {
    "csv": "format csv, header true",
    "csv.gz": "format csv, header true, compression gzip",
    "parquet": "format parquet, compression zstd",
}
_JOURNEYS = "mags_crown_cases"


@dataclass(frozen=True)
class FileMade:
    """A delivered file: its table, path and number of rows."""

    table: str
    path: Path
    rows: int


@dataclass(frozen=True)
class DeliveryMade:
    """A delivery as made.

    Attributes:
        source: supplier's system.
        delivery: name of its folder.
        folder: where it lies.
        files: what it holds.
        made: False where the very same delivery stood already and was left alone.
        faults: those switched on, with what they did.
    """

    source: str
    delivery: str
    folder: Path
    files: tuple[FileMade, ...]
    made: bool
    faults: tuple[fault_room.FaultApplied, ...] = ()


@dataclass(frozen=True)
class _Supply:
    """What is asked for: all that a supply follows from, but for the code."""

    edition: editions.Edition
    people: int
    seed: int
    sources: tuple[str, ...]
    file_format: str
    sequence: int
    faults: tuple[fault_room.Planned, ...]

    @property
    def delivery(self) -> str:
        return f"{self.edition.key}-{self.sequence}"

    def recipe(self) -> str:
        """Digest of the parameters, the code and the lists of this room."""
        here = Path(__file__).parent
        files = sorted(path for path in here.iterdir() if path.suffix in {".py", ".csv"})
        parts = [repr(self), *(digest_of(path) for path in files)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def make_supply(
    settings: Settings,
    edition: editions.Edition,
    *,
    people: int,
    seed: int,
    sources: Sequence[str] | None = None,
    file_format: str = "mixed",
    faults: Sequence[str] = (),
    sequence: int = 1,
    progress: Callable[[str], None] | None = None,
) -> list[DeliveryMade]:
    """Write every source's delivery for an edition, and the truth of who is who.

    Args:
        settings: the installation; deliveries go to its landing, truth to its secure zone.
        edition: what it is for; nothing later than its cut-off is delivered.
        people: size of the population over all years.
        seed: another seed gives another population.
        sources: suppliers; those of the edition by default.
        file_format: `csv`, `csv.gz`, `parquet`, or `mixed`.
        faults: `<fault>` or `<fault>:<table>`; see `FAULTS`.
        sequence: 2 for a redelivery, and so on.
        progress: told in a few words what is being done.

    Returns:
        One delivery a source.

    Raises:
        PlatformError: an unknown source, format or fault, no people, or another delivery of that
            name stands already.
    """
    chosen = tuple(sources or edition.sources)
    _check(chosen, people, file_format, sequence)
    planned = tuple(fault_room.planned(each, chosen) for each in faults)
    supply = _Supply(edition, people, seed, chosen, file_format, sequence, planned)
    tell = progress or (lambda _: None)
    settings.prepare()
    stood = _standing(settings, supply)
    if stood is not None:
        tell("the same supply stands already")
        return stood
    work = settings.spill / f"supply-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    made = []
    try:
        _make_rows(supply, work, tell)
        with engine.connect(settings) as connection:
            for source in chosen:
                tell(f"writing {source}")
                made.append(_deliver(settings, connection, supply, source, work))
            _write_truth(settings, connection, supply, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _remember(settings, supply, made)
    return made


def _check(chosen: Sequence[str], people: int, file_format: str, sequence: int) -> None:
    unknown = [source for source in chosen if source not in _SOURCES]
    if unknown:
        msg = f"No supply is made of {', '.join(unknown)}; sources are {', '.join(_SOURCES)}."
        raise PlatformError(msg)
    if file_format not in FORMATS:
        raise PlatformError(f"No format {file_format!r}; formats are {', '.join(FORMATS)}.")
    if people < 1 or sequence < 1:
        raise PlatformError("A supply needs one person and a sequence of 1, or more.")


def _make_rows(supply: _Supply, work: Path, tell: Callable[[str], None]) -> None:
    """Every chunk's rows as Parquet: `<table>.parquet` with `person_id`."""
    cut_off = (supply.edition.cut_off - date(1970, 1, 1)).days
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for chunk in range(-(-supply.people // CHUNK)):
            told = min(supply.people, (chunk + 1) * CHUNK)
            tell(f"lives of {told:,} of {supply.people:,} people")
            drawn = lives.draw(supply.seed, chunk, supply.people)
            made = {_JOURNEYS: _journeys(drawn.cases)}
            for source in supply.sources:
                made |= _SOURCES[source](drawn, cut_off)
            for table, rows in made.items():
                if table not in writers:
                    writers[table] = pq.ParquetWriter(work / f"{table}.parquet", rows.schema)
                writers[table].write_table(rows)
    finally:
        for writer in writers.values():
            writer.close()


def _journeys(cases: careers.Cases) -> pa.Table:
    """Which magistrates' record each Crown record comes from, by the ids the sources give."""
    gone = np.flatnonzero(cases.route != careers.MAGISTRATES)
    return pa.table(
        {
            "case_id": libra.case_id(cases).take(pa.array(gone)),
            "defendant_id": libra.defendant_id(cases).take(pa.array(gone)),
            "defendant_on_case_id": xhibit.defendant_on_case_id(cases.own_number[gone]),
        }
    )


def _deliver(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    supply: _Supply,
    source: str,
    work: Path,
) -> DeliveryMade:
    tables = contracts_of_sources()[source]
    staged = work / source
    staged.mkdir()
    written, entries = [], []
    for contract in tables:
        kind = supply.file_format
        if kind == "mixed":
            kind = _MIXED.get(contract.table, "csv")
        path = staged / f"{contract.table}.{kind}"
        rows, totals = _write(connection, work, contract, path, kind)
        written.append((contract.table, path.name, rows))
        entries.append(
            {
                "path": path.name,
                "table": contract.table,
                "sha256": digest_of(path),
                "bytes": path.stat().st_size,
                "rows": rows,
                "columns": [column.name for column in contract.columns],
                "totals": totals,
            }
        )
    manifest = {
        "format": "datafirst-delivery/1",
        "source": source,
        "delivery": supply.delivery,
        "sequence": supply.sequence,
        "period": {
            "from": max(each.coverage_from for each in tables).isoformat(),
            "to": supply.edition.cut_off.isoformat(),
        },
        "files": entries,
    }
    fault_room.write_manifest(staged, manifest)
    applied = tuple(
        fault_room.apply_fault(staged, each.fault, each.table, seed=supply.seed)
        for each in supply.faults
        if each.source == source
    )
    folder = settings.landing / source / supply.delivery
    made = _place(staged, folder)
    files = tuple(FileMade(table, folder / file, rows) for table, file, rows in written)
    return DeliveryMade(source, supply.delivery, folder, files, made, applied)


def _write(
    connection: duckdb.DuckDBPyConnection, work: Path, contract: Contract, path: Path, kind: str
) -> tuple[int, dict[str, str]]:
    """One table's file; its rows and the exact sums of its number columns."""
    columns = ", ".join(engine.name(column.name) for column in contract.columns)
    keys = ", ".join(engine.name(key) for key in contract.primary_key)
    origin = f"read_parquet({engine.text(work / f'{contract.table}.parquet')})"
    with values_withheld(f"Writing {path.name}"):
        connection.execute(
            f"copy (select {columns} from {origin} order by {keys}) "
            f"to {engine.text(path)} ({_OPTIONS[kind]})"
        )
    numbers = [column.name for column in contract.columns if column.type == "number"]
    sums = "".join(
        f", coalesce(sum(cast({engine.name(each)} as decimal(18, 2))), 0)::varchar"
        for each in numbers
    )
    with values_withheld(f"Counting {contract.table}"):
        found = connection.execute(f"select count(*){sums} from {origin}").fetchall()[0]
    return int(found[0]), dict(zip(numbers, found[1:], strict=True))


def _place(staged: Path, folder: Path) -> bool:
    """Move a delivery into the landing zone, its manifest last.

    Returns:
        False where the very same delivery stood there already.

    Raises:
        PlatformError: another delivery of that name stands there.
    """
    manifest = fault_room.MANIFEST
    if (folder / manifest).exists():
        if all(_same(each, folder / each.name) for each in staged.iterdir()):
            return False
        msg = (
            f"{folder} holds another delivery of that name. A supplier never changes one: "
            "remove the folder, or choose a higher sequence."
        )
        raise PlatformError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    for each in sorted(staged.iterdir(), key=lambda path: (path.name == manifest, path.name)):
        arriving = folder / f".{each.name}.arriving"
        shutil.move(each, arriving)
        arriving.replace(folder / each.name)
    return True


def _same(one: Path, other: Path) -> bool:
    return other.exists() and digest_of(one) == digest_of(other)


def _write_truth(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    supply: _Supply,
    work: Path,
) -> None:
    """Who is who, for the evaluation of the linkage alone: keys as supplied and `person_id`."""
    folder = _memory(settings, supply).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(name: str, query: str) -> None:
        staged = work / f"truth-{name}.parquet"
        with values_withheld(f"Writing the truth of {name}"):
            connection.execute(f"copy ({query}) to {engine.text(staged)} ({_OPTIONS['parquet']})")
        shutil.move(staged, folder / f"{name}.parquet")

    def rows_of(table: str) -> str:
        return f"read_parquet({engine.text(work / f'{table}.parquet')})"

    for source in supply.sources:
        for contract in contracts_of_sources()[source]:
            keys = ", ".join(engine.name(key) for key in contract.primary_key)
            put(
                contract.table,
                # A row may be supplied twice: it is one record.
                f"select distinct {keys}, person_id from {rows_of(contract.table)} order by {keys}",
            )
    if {"libra", "xhibit"} <= set(supply.sources):
        put(
            _JOURNEYS,
            f"select journey.* from {rows_of(_JOURNEYS)} journey "
            f"semi join {rows_of('libra_cases')} magistrates using (case_id, defendant_id) "
            f"semi join {rows_of('xhibit_defendants_on_case')} crown using (defendant_on_case_id) "
            "order by case_id, defendant_id",
        )
    if "nomis" in supply.sources:
        put(
            nomis.JOURNEYS,
            f"select * from {rows_of(nomis.JOURNEYS)} order by offender_book_id, movement_seq",
        )


def _memory(settings: Settings, supply: _Supply) -> Path:
    truth = settings.secure / "truth" / supply.edition.key
    return truth / f"supply-{supply.sequence}.json"


def _remember(settings: Settings, supply: _Supply, made: Sequence[DeliveryMade]) -> None:
    """Note what the deliveries were made by, so that making them again can be left out."""
    record = {
        "recipe": supply.recipe(),
        "deliveries": {
            each.source: {
                "manifest": digest_of(each.folder / fault_room.MANIFEST),
                "files": [[file.table, file.path.name, file.rows] for file in each.files],
                "faults": [vars(applied) for applied in each.faults],
            }
            for each in made
        },
    }
    _memory(settings, supply).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def _standing(settings: Settings, supply: _Supply) -> list[DeliveryMade] | None:
    """The deliveries made before by the same recipe, where they still lie there."""
    try:
        record = json.loads(_memory(settings, supply).read_text())
    except FileNotFoundError:
        return None
    if record["recipe"] != supply.recipe():
        return None
    found = []
    for source in supply.sources:
        folder = settings.landing / source / supply.delivery
        known = record["deliveries"][source]
        manifest = folder / fault_room.MANIFEST
        files = tuple(FileMade(table, folder / file, rows) for table, file, rows in known["files"])
        if not manifest.exists() or digest_of(manifest) != known["manifest"]:
            return None
        if not all(file.path.exists() for file in files):
            return None
        applied = tuple(fault_room.FaultApplied(**each) for each in known["faults"])
        found.append(DeliveryMade(source, supply.delivery, folder, files, False, applied))
    return found
