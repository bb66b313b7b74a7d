"""Extracting a source for an edition: read, judge, split, publish; or find that all stands.

All tables of a source are read and judged before the first is published, so a refused file leaves
the source as it was. `extract.json` is written last, beside the receipt: only with it, and with
every table made by its recipe, an extract stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform import editions, tables
from datafirst_platform.engine import connect, name, text
from datafirst_platform.extracts.contracts import POSTCODE_SECTORS, Contract, sources
from datafirst_platform.extracts.deliveries import Delivery, delivery_for
from datafirst_platform.extracts.reading import ReadTable, find_orphans, read_table
from datafirst_platform.extracts.splitting import quarantine_query, split
from datafirst_platform.identity import TableKey, scope_key, table_folder
from datafirst_platform.safe_errors import NotReady, PlatformError, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

CODE_VERSION = "5"
"""Raise it whenever reading, judging or splitting gives other rows: extracts are then redone."""

_SUMMARY = "extract.json"
_PARTS = {"recipe", "delivery", "sequence", "manifest_sha256", "files", "tables", "changes"}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RuleCount:
    """Rows quarantined by one rule on one column (None: the row as a whole)."""

    rule: str
    column: str | None
    rows: int


@dataclass(frozen=True)
class Changes:
    """Rows against the previous edition's extract, told apart by record key."""

    new: int
    changed: int
    unchanged: int
    withdrawn: int


@dataclass(frozen=True)
class TableExtract:
    """One table of an extract.

    Attributes:
        contract: of the table.
        content: published content.
        identities: published identities, None where the table is not linked.
        quarantine: published rows not accepted.
        rows_supplied: rows in the delivered files.
        rows_accepted: rows of the content.
        rows_quarantined: the others.
        quarantined_by: those, by rule and column.
        changes: against the previous edition, None where it has no extract.
    """

    contract: Contract
    content: TableVersion
    identities: TableVersion | None
    quarantine: TableVersion
    rows_supplied: int
    rows_accepted: int
    rows_quarantined: int
    quarantined_by: tuple[RuleCount, ...]
    changes: Changes | None


@dataclass(frozen=True)
class SourceExtract:
    """A source's extract for an edition.

    Attributes:
        source: supplier's system.
        edition: partition key.
        delivery: name of the delivery taken.
        sequence: its sequence.
        manifest_sha256: digest of its manifest.
        files: file name to SHA-256.
        receipt: published receipt, one row a file.
        tables: by table, parents first.
        recipe: digest of contracts, delivery, code and key.
        reused: whether it stood already.
    """

    source: str
    edition: str
    delivery: str
    sequence: int
    manifest_sha256: str
    files: Mapping[str, str]
    receipt: TableVersion
    tables: Mapping[str, TableExtract]
    recipe: str
    reused: bool


def extract_source(
    settings: Settings, edition: str, source: str, progress: Progress | None = None
) -> SourceExtract:
    """Take the edition's delivery of a source: publish content, identities, quarantine, receipt.

    Idempotent: what stands with the same delivery, contracts, code and key is not redone.

    Raises:
        NotReady: no delivery is complete, or the key is gone.
        DeliveryRefused: the delivery cannot be taken; nothing of the source was changed.
        PlatformError: an unknown source, or the engine failed.
    """
    tell = progress or (lambda _: None)
    if source not in sources():
        raise PlatformError(f"There is no source {source!r}. Sources: {', '.join(sources())}.")
    delivery = delivery_for(settings, edition, source)
    recipe = _recipe(settings, delivery)
    stands = _standing(settings, edition, source, recipe, reused=True)
    if stands is not None:
        tell(f"{source} {edition}: delivery {delivery.name} stands already")
        return stands
    settings.prepare()
    scratch = settings.spill / f"extract-{source}-{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    try:
        with connect(settings) as connection:
            read = _read(connection, settings, delivery, scratch, tell)
            _publish(connection, settings, edition, delivery, read, recipe, tell)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    found = _standing(settings, edition, source, recipe, reused=False)
    if found is None:
        msg = f"{source} {edition}: another run published meanwhile. Run the extract again."
        raise PlatformError(msg)
    return found


def standing_extract(settings: Settings, edition: str, source: str) -> SourceExtract:
    """The extract that stands, whole: every table made from one delivery by one recipe.

    Raises:
        NotReady: there is none, or a run stopped between its tables.
    """
    summary = _summary(settings, edition, source)
    if summary is not None:
        found = _standing(settings, edition, source, summary["recipe"], reused=True)
        if found is not None:
            return found
    raise NotReady(
        f"The extract of {source} for edition {edition} is not there, or a run stopped half-way: "
        f"run `datafirst refresh {edition}`."
    )


def _recipe(settings: Settings, delivery: Delivery) -> str:
    """Digest of what an extract follows from.

    The key takes part by a value derived for this purpose alone: with another key, other ids.
    """
    sectors = POSTCODE_SECTORS.read_bytes()
    return tables.recipe_of(
        CODE_VERSION,
        {contract.table: contract.digest for contract in sources()[delivery.source]},
        hashlib.sha256(sectors).hexdigest(),
        delivery.manifest_sha256,
        scope_key(settings, "recipe").hex()[:16],
    )


def _read(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    delivery: Delivery,
    scratch: Path,
    tell: Progress,
) -> dict[str, ReadTable]:
    """Read and judge every table of the source, parents first."""
    read: dict[str, ReadTable] = {}
    for contract in sources()[delivery.source]:
        files = delivery.files_of(contract.table)
        tell(f"reading {contract.table}: {len(files)} files, {sum(f.rows for f in files)} rows")
        made = read_table(
            connection, contract, files, scratch, int(settings.memory_gib * 2**30 / 4)
        )
        if contract.parent is not None:
            find_orphans(connection, made, read[contract.parent])
        read[contract.table] = made
    return read


def _publish(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    edition: str,
    delivery: Delivery,
    read: Mapping[str, ReadTable],
    recipe: str,
    tell: Progress,
) -> None:
    """Publish all tables, then the receipt, then the summary that makes them an extract."""
    summary: dict[str, dict[str, object]] = {}
    receipt: list[str] = []
    for table, made in read.items():
        tell(f"publishing {table}")
        contract = made.contract
        inputs = {
            f"landing/{delivery.source}/{delivery.name}/{each.file.name}": each.file.sha256
            for each in made.files
        } | {f"contract/{table}": contract.digest}
        parent = read[contract.parent] if contract.parent else None
        published = _publish_table(settings, connection, edition, made, parent, recipe, inputs)
        with values_withheld(f"Counting {table}"):
            counted = _by_rule(connection, made)
            receipt += _receipt_rows(connection, made)
        supplied = sum(each.file.rows for each in made.files)
        quarantined = sum(each.rows for each in counted)
        came = {stage: each.rows for stage, each in published.items()}
        if came.pop("quarantine") != quarantined or set(came.values()) != {supplied - quarantined}:
            msg = f"{table}: accepted and quarantined rows are not the rows supplied: a defect."
            raise PlatformError(msg)
        summary[table] = {
            "versions": {stage: each.version for stage, each in published.items()},
            "supplied": supplied,
            "quarantined": [asdict(each) for each in counted],
        }
    tables.publish(
        settings,
        connection,
        _receipt_key(delivery.source),
        edition,
        "select * from (values " + ", ".join(receipt) + ") receipt(table_name, file, sha256,"
        " bytes, rows_supplied, rows_accepted, rows_quarantined, accepted_share)",
        order_by=("table_name", "file"),
        recipe=recipe,
        inputs={f"landing/{delivery.source}/{delivery.name}/manifest": delivery.manifest_sha256},
    )
    _write_summary(
        settings,
        edition,
        delivery.source,
        {
            "recipe": recipe,
            "delivery": delivery.name,
            "sequence": delivery.sequence,
            "manifest_sha256": delivery.manifest_sha256,
            "files": {each.name: each.sha256 for each in delivery.files},
            "tables": summary,
            "changes": {},
        },
    )


def _publish_table(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    read: ReadTable,
    parent: ReadTable | None,
    recipe: str,
    inputs: Mapping[str, str],
) -> dict[str, TableVersion]:
    """Publish content, identities and quarantine of a table; returned by stage."""
    contract = read.contract
    made = split(read, parent)
    parts = {TableKey.of("extracts", contract.table): made.content_of}
    if made.identities:
        parts[TableKey.of("identities", contract.table)] = made.identities_of
    quarantine = TableKey.of("quarantine", contract.table)
    published = tables.publish_parts(
        settings,
        connection,
        edition,
        made.query,
        parts,
        recipe=recipe,
        inputs=inputs,
        finish=partial(made.finish, scope_key(settings, "records")),
    )
    published[quarantine] = tables.publish(
        settings,
        connection,
        quarantine,
        edition,
        quarantine_query(read),
        recipe=recipe,
        inputs=inputs,
    )
    return {key.stage: version for key, version in published.items()}


def _by_rule(connection: duckdb.DuckDBPyConnection, read: ReadTable) -> list[RuleCount]:
    counted = connection.execute(
        f"select _fault, count(*) from {read.rows} where _fault >= 0 group by all order by all"
    ).fetchall()
    found: dict[tuple[str, str | None], int] = {}
    for fault, rows in counted:
        reason = read.reasons[fault]
        found[reason] = found.get(reason, 0) + rows
    return [RuleCount(rule, column, rows) for (rule, column), rows in found.items()]


def _receipt_rows(connection: duckdb.DuckDBPyConnection, read: ReadTable) -> list[str]:
    """One SQL row a file."""
    rows = []
    for at, each in enumerate(read.files):
        file = each.file
        quarantined = connection.execute(
            f"select count(*) from {read.rows} where _fault >= 0 and _file = {at}"
        ).fetchall()[0][0]
        accepted = file.rows - quarantined
        share = f"{accepted}::decimal(28,9) / {file.rows}" if file.rows else "1"
        rows.append(
            f"({text(read.contract.table)}, {text(file.name)}, {text(file.sha256)}, "
            f"{file.bytes}::bigint, {file.rows}::bigint, {accepted}::bigint, "
            f"{quarantined}::bigint, cast({share} as decimal(9,6)))"
        )
    return rows


def _receipt_key(source: str) -> TableKey:
    return TableKey.of("extracts", f"{source}_receipt")


def _summary_path(settings: Settings, edition: str, source: str) -> Path:
    return table_folder(settings, _receipt_key(source), edition) / _SUMMARY


def _summary(settings: Settings, edition: str, source: str) -> dict[str, Any] | None:
    """What was written last of an extract; None where nothing that can be read was."""
    try:
        told = json.loads(_summary_path(settings, edition, source).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return told if isinstance(told, dict) and told.keys() >= _PARTS else None


def _write_summary(
    settings: Settings, edition: str, source: str, summary: Mapping[str, object]
) -> None:
    path = _summary_path(settings, edition, source)
    staged = path.with_name(f".{path.name}-{os.getpid()}")
    staged.write_text(json.dumps(summary, indent=1, sort_keys=True))
    staged.replace(path)


def _standing(
    settings: Settings, edition: str, source: str, recipe: str, *, reused: bool
) -> SourceExtract | None:
    """The extract of that recipe if all of it stands, else None."""
    summary = _summary(settings, edition, source)
    if summary is None:
        return None
    receipt = tables.standing(settings, _receipt_key(source), edition, recipe)
    if summary["recipe"] != recipe or receipt is None:
        return None
    found: dict[str, TableExtract] = {}
    for contract in sources()[source]:
        told = summary["tables"][contract.table]
        versions: dict[str, TableVersion] = {}
        for stage, version in told["versions"].items():
            stands = tables.standing(settings, TableKey.of(stage, contract.table), edition, recipe)
            if stands is None or stands.version != version:
                return None
            versions[stage] = stands
        counted = tuple(RuleCount(**each) for each in told["quarantined"])
        quarantined = sum(each.rows for each in counted)
        found[contract.table] = TableExtract(
            contract=contract,
            content=versions["extracts"],
            identities=versions.get("identities"),
            quarantine=versions["quarantine"],
            rows_supplied=told["supplied"],
            rows_accepted=told["supplied"] - quarantined,
            rows_quarantined=quarantined,
            quarantined_by=counted,
            changes=_changes(settings, edition, source, contract, versions, summary),
        )
    return SourceExtract(
        source=source,
        edition=edition,
        delivery=summary["delivery"],
        sequence=summary["sequence"],
        manifest_sha256=summary["manifest_sha256"],
        files=summary["files"],
        receipt=receipt,
        tables=found,
        recipe=recipe,
        reused=reused,
    )


def _changes(
    settings: Settings,
    edition: str,
    source: str,
    contract: Contract,
    versions: Mapping[str, TableVersion],
    summary: dict[str, dict[str, object]],
) -> Changes | None:
    """Rows against the previous edition; counted once for each pair of versions and kept."""
    previous = editions.before(edition)
    if previous is None:
        return None
    stages = [stage for stage in ("extracts", "identities") if stage in versions]
    before = [
        tables.current(settings, TableKey.of(stage, contract.table), previous.key)
        for stage in stages
    ]
    pairs = [(versions[stage], old) for stage, old in zip(stages, before, strict=True) if old]
    if len(pairs) < len(stages):
        return None
    against = tables.recipe_of(*[(new.version, old.version) for new, old in pairs])
    kept = summary["changes"].get(contract.table)
    if isinstance(kept, dict) and kept["against"] == against:
        return Changes(**kept["rows"])
    with connect(settings) as connection, values_withheld(f"Comparing {contract.table}"):
        new, changed, unchanged, withdrawn = connection.execute(_comparison(pairs)).fetchall()[0]
    found = Changes(new, changed, unchanged, withdrawn)
    summary["changes"][contract.table] = {"against": against, "rows": asdict(found)}
    _write_summary(settings, edition, source, summary)
    return found


def _comparison(pairs: list[tuple[TableVersion, TableVersion]]) -> str:
    """SQL that counts new, changed, unchanged and withdrawn records over all stages of a table.

    Rows are compared by a hash of the columns both editions have: two rows of one record that
    differ share it once in 10^19.
    """
    sides: list[list[str]] = [[], []]
    for pair in pairs:
        shared = [column for column in pair[0].columns if column in pair[1].columns]
        values = ", ".join(name(column) for column, _ in shared)
        for side, version in zip(sides, pair, strict=True):
            side.append(f"select record_key, hash({values}) as digest from {version.sql}")
    new, old = (
        "select record_key, bit_xor(digest) as digest from ("
        + " union all ".join(side)
        + ") group by record_key"
        if len(side) > 1
        else side[0]
        for side in sides
    )
    return f"""select
            count(*) filter (o.record_key is null),
            count(*) filter (n.digest <> o.digest),
            count(*) filter (n.digest = o.digest),
            count(*) filter (n.record_key is null)
        from ({new}) n full join ({old}) o on n.record_key = o.record_key"""
