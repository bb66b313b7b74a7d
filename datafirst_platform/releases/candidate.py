"""A release candidate: tables re-keyed into a staged folder, each gate asked again, then published.

A candidate is refused, and leaves nothing behind, unless every table it is built from, back to the
extracts, stands on the inputs it was made from and holds a passing verdict of each of its gates
for the very bytes that are shipped. Then the candidate's own tables are checked. Only then does the
folder get its number, by one rename.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import connect, name, text
from datafirst_platform.extracts.contracts import sources
from datafirst_platform.extracts.permissions import linkage_permissions
from datafirst_platform.identity import SECURE_STAGES, STAGES, TableKey, define_pseudonym, scope_key
from datafirst_platform.linkage.models import datasets, linkage_model
from datafirst_platform.linkage.publishing import QUALITY, is_judged, parts_of, table_key
from datafirst_platform.linkage.report import forms_of, make_report
from datafirst_platform.marts.project import (
    DBT_STAGES,
    ReleasedTable,
    ReleaseSpec,
    modelled_tables,
)
from datafirst_platform.quality import verdicts
from datafirst_platform.quality.verdicts import Verdict
from datafirst_platform.releases import bundle
from datafirst_platform.releases.bundle import Release
from datafirst_platform.releases.linkage_changes import NAME as CHANGES
from datafirst_platform.releases.linkage_changes import linkage_changes
from datafirst_platform.releases.plots import draw
from datafirst_platform.safe_errors import GateRefused, values_withheld
from datafirst_platform.settings import PROJECT_ROOT, Settings
from datafirst_platform.tables import TableVersion

CODE_VERSION = "3"
"""Raised by hand when the same tables would be released as other bytes."""

PEOPLE_SCOPE = "people/1"
"""Scope of the released ids of people, the same in every edition (docs/decisions/0014). Another
number gives every person another id: nobody can be followed from the editions before it."""

Progress = Callable[[str], None]


def build_release(
    settings: Settings,
    edition: str,
    spec: ReleaseSpec,
    progress: Progress = lambda _: None,
) -> Release:
    """Build, check and publish a release of an edition from the marts and insights that stand.

    The same content as the newest revision, beside the same releases of its members, publishes
    nothing and returns that revision.

    Args:
        settings: the installation.
        edition: partition key.
        spec: what the release holds.
        progress: told what is under way, in words without data.

    Raises:
        NotReady: a table is not there yet.
        GateRefused: it would join what may not be joined; a gate is missing, failed or stale; or
            the candidate failed its own.
        ReleaseDamaged: the newest revision, or a member's, is not as it was published.
    """
    _permitted(spec, edition)
    versions = [tables.require(settings, table.key, edition) for table in spec.tables]
    ancestry, gates = _gates(settings, spec.name, edition, versions)
    members = _members(settings, edition, spec)
    bundle.newest(settings, spec.name, edition)  # A damaged one is told before the work.
    folder = settings.releases / spec.name
    staged = folder / f".stage-{edition}"
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "data").mkdir(parents=True)
    try:
        with connect(settings) as connection:
            define_released_ids(connection, settings, edition)
            described = []
            for table, version in zip(spec.tables, versions, strict=True):
                progress(f"{table.name}: {version.rows:,} rows")
                described.append(
                    _write_table(connection, table, version, spec.condition(table), staged)
                )
        files = {table.name: staged / "data" / f"{table.name}.parquet" for table in spec.tables}
        own = [
            verdicts.check_file(
                settings,
                TableKey.of("releases", table.name),
                edition,
                files[table.name],
                beside=files,
                where=spec.condition(table),
                audience=spec.audience,
            )
            for table in spec.tables
        ]
        failed = [_failure(verdict) for verdict in own if not verdict.passed]
        if failed:
            raise GateRefused(_refusal(spec.name, edition, failed))
        _write_catalogue(staged / bundle.CATALOGUE, spec.tables)
        documents = [
            _file_entry(staged / bundle.CATALOGUE, staged),
            *_draw(spec.tables, files, staged, progress),
            *_report(settings, edition, spec, staged, progress),
            *(_tell_changes(settings, edition, ancestry, staged) if spec.members else ()),
        ]
        manifest = _manifest(edition, spec, described, documents, ancestry, [*gates, *own])
        if members:
            manifest["members"] = {each.label: each.digest for each in members}
        if spec.joined:
            manifest["permissions"] = linkage_permissions().told(spec.joined, spec.audience)
        return _publish(settings, spec.name, edition, staged, manifest)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _permitted(spec: ReleaseSpec, edition: str) -> None:
    """A release joins only datasets that may be joined, for whom it is for.

    Raises:
        GateRefused: with every pair that may not be, or what the release does not say.
    """
    joining = {
        table_key(each, part)
        for each in datasets()
        for part in parts_of(each)
        if linkage_model(each).kind != "within"
    }
    reasons = []
    if not spec.joined:
        reasons = [
            f"{table.name} joins datasets, and the exposure {spec.name} says of none that it does: "
            "state them there as members, or as joins if the release holds them itself."
            for table in spec.tables
            if joining & set(table.inputs)
        ]
    else:
        known = linkage_permissions()
        unknown = sorted(set(spec.audience) - set(known.audiences))
        if not spec.audience or unknown:
            told = f"says it is for {', '.join(unknown)}" if unknown else "does not say for whom"
            reasons.append(
                f"It joins datasets and its exposure {told}: state as audience one or more of "
                f"{', '.join(known.audiences)}, as {known.file.name} has them."
            )
        reasons += [
            f"{each}." for each in known.refusals(spec.joined, () if unknown else spec.audience)
        ]
    if reasons:
        raise GateRefused(_refusal(spec.name, edition, reasons))


def _ancestry(
    settings: Settings, edition: str, versions: Sequence[TableVersion]
) -> tuple[list[TableVersion], list[str]]:
    """Every table version the released tables follow from, by key, and what is stale."""
    found: dict[TableKey, TableVersion] = {}
    stale: set[str] = set()
    queue = list(versions)
    while queue:
        version = queue.pop()
        if version.key in found:
            continue
        found[version.key] = version
        for label, used in version.inputs.items():
            stage, _, table = label.partition("/")
            if stage not in STAGES or stage == "landing":
                continue
            key = TableKey.of(stage, table)
            upstream = tables.current(settings, key, edition)
            if upstream is not None:
                queue.append(upstream)
            if upstream is None or upstream.version != used:
                stale.add(f"{version.key} was made before {key} was rebuilt: refresh it.")
        # What the same step made stands and falls with it, though nothing is read from it: the
        # receipt of a delivery, the links and counts of a linkage.
        beside = (tables.current(settings, key, edition) for key in _made_with(version.key))
        queue += [each for each in beside if each is not None]
    return [found[key] for key in sorted(found)], sorted(stale)


def _made_with(key: TableKey) -> list[TableKey]:
    """The gated tables that come from the same step as a table of the extracts or of linkage."""
    if key.stage == "linkage":
        kin = [[table_key(name, part) for part in parts_of(name)] for name in datasets()]
    elif key.stage in ("extracts", "identities"):
        kin = [
            [TableKey.of("extracts", table) for table in (f"{source}_receipt", *names)]
            + [TableKey.of("identities", table) for table in names]
            for source, contracts in sources().items()
            if (names := [contract.table for contract in contracts])
        ]
    else:
        return []
    return [each for group in kin if key in group for each in group if each.stage != "identities"]


def _gates(
    settings: Settings, release: str, edition: str, versions: Sequence[TableVersion]
) -> tuple[list[TableVersion], list[Verdict]]:
    """What a candidate follows from and the verdicts that let it pass.

    Raises:
        GateRefused: with every reason, if there is one.
    """
    ancestry, stale = _ancestry(settings, edition, versions)
    # Secure tables stand behind linkage: they are pinned as inputs, but no gate looks at them.
    judged = [version for version in ancestry if version.key.stage not in SECURE_STAGES]
    unmet = verdicts.unmet_gates(settings, judged)
    if stale or unmet:
        raise GateRefused(_refusal(release, edition, [*stale, *(each.text for each in unmet)]))
    found = (
        verdicts.verdict_of(settings, version.key, version.edition, version.version, gate)
        for version in judged
        for gate in verdicts.gates_of(version.key)
    )
    return ancestry, [verdict for verdict in found if verdict is not None]


def _members(settings: Settings, edition: str, spec: ReleaseSpec) -> list[Release]:
    """The releases a linking release joins, which it pins by digest.

    Raises:
        GateRefused: one is not there, or was released from tables that have been rebuilt since:
            its records would not be those that are linked.
        ReleaseDamaged: one is not as it was published.
    """
    found, reasons = [], []
    for member in spec.members:
        newest = bundle.newest(settings, member, edition)
        if newest is None:
            reasons.append(f"{member} of edition {edition} is not released yet: release it first.")
            continue
        bundle.require_whole(newest)
        for label, used in newest.manifest["inputs"]["tables"].items():
            stage, _, table = label.partition("/")
            current = tables.current(settings, TableKey.of(stage, table), edition)
            if stage in DBT_STAGES and (current is None or current.version != used):
                reasons.append(
                    f"{newest.label} holds another {label} than stands: release it anew."
                )
        found.append(newest)
    if reasons:
        raise GateRefused(_refusal(spec.name, edition, reasons))
    return found


def _refusal(release: str, edition: str, reasons: Iterable[str]) -> str:
    listed = "\n".join(f"  - {reason}" for reason in reasons)
    return (
        f"{release} of edition {edition} is refused:\n{listed}\n"
        f"Mend what is named, then run `datafirst refresh {edition}`."
    )


def _failure(verdict: Verdict) -> str:
    rules = ", ".join(outcome.rule for outcome in verdict.failures)
    return f"{verdict.stage}/{verdict.table}: failed {rules}"


def define_released_ids(
    connection: duckdb.DuckDBPyConnection, settings: Settings, edition: str
) -> None:
    """Give a connection the macros by which `rekeyed` makes ids anew.

    Records and cases have a scope an edition: its releases join with each other, two editions do
    not. People have one for all: who is followed from edition to edition keeps an id.
    """
    define_pseudonym(connection, scope_key(settings, f"release/{edition}"))
    define_pseudonym(connection, scope_key(settings, PEOPLE_SCOPE), "person_pseudonym")


def rekeyed(table: ReleasedTable) -> str:
    """SQL for a table's columns, every pseudonym made anew (`define_released_ids`).

    The domain keeps a person's id apart from the record whose id it was made of.
    """
    macro = {"person": "person_pseudonym"}
    return ", ".join(
        f"{macro.get(column.pseudonym_of, 'pseudonym')}"
        f"('{column.pseudonym_of}|' || {name(column.name)}) as {name(column.name)}"
        if column.pseudonym_of
        else name(column.name)
        for column in table.columns
    )


def _write_table(
    connection: duckdb.DuckDBPyConnection,
    table: ReleasedTable,
    version: TableVersion,
    condition: str,
    staged: Path,
) -> dict[str, Any]:
    """Re-key one table and write it in key order as Parquet and CSV; its entry in the manifest."""
    order = ", ".join(name(column) for column in table.primary_key)
    base = staged / "data" / table.name
    with values_withheld(f"Writing {table.name} of the release"):
        connection.execute(
            f"create or replace temp table released as select {rekeyed(table)} "
            f"from {version.sql} where {condition or 'true'} order by {order}"
        )
        rows = connection.execute("select count(*) from released").fetchall()[0][0]
        connection.execute(
            f"copy released to {text(base.with_suffix('.parquet'))} "
            "(format parquet, compression zstd)"
        )
        connection.execute(
            f"copy released to {text(base.with_suffix('.csv'))} (format csv, header)"
        )
        kinds = dict(
            connection.execute(
                "select column_name, column_type from (describe released)"
            ).fetchall()
        )
        connection.execute("drop table released")
    return {
        "name": table.name,
        "description": table.description,
        "primary_key": list(table.primary_key),
        "rows": rows,
        "columns": [
            {"name": column.name, "type": kinds[column.name], "description": column.description}
            for column in table.columns
        ],
        "files": [
            {"format": kind, **_file_entry(base.with_suffix(f".{kind}"), staged)}
            for kind in ("parquet", "csv")
        ],
    }


def _file_entry(path: Path, staged: Path) -> dict[str, Any]:
    return {
        "path": path.relative_to(staged).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": tables.digest_of(path),
    }


def _write_catalogue(path: Path, released: Iterable[ReleasedTable]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(bundle.CATALOGUE_HEADER)
        writer.writerows(
            (table.name, column.name, column.description, column.values)
            for table in released
            for column in table.columns
        )


def _draw(
    released: Iterable[ReleasedTable],
    files: Mapping[str, Path],
    staged: Path,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Draw each table that has a chart from the very file that leaves; entries in the manifest.

    An empty table has nothing to draw.
    """
    entries: list[dict[str, Any]] = []
    for table in released:
        chart = draw(table.name, files[table.name])
        if chart is None:
            continue
        progress(f"{table.name}: chart")
        base = staged / bundle.DOCUMENTS / table.name
        base.parent.mkdir(exist_ok=True)
        for suffix, content in ((".svg", chart.svg), (".png", chart.png)):
            base.with_suffix(suffix).write_bytes(content)
            told = {"table": table.name, "title": chart.title, "alternative": chart.alternative}
            entries.append({**_file_entry(base.with_suffix(suffix), staged), **told})
    return entries


def linkages_of(spec: ReleaseSpec) -> tuple[str, ...]:
    """The linkages whose links a release holds, by name: their reports go with it.

    Statistics are made of marts, not of links, and go without.
    """
    return _linkages({key for table in spec.tables for key in table.inputs})


def judged_before(spec: ReleaseSpec) -> tuple[TableKey, ...]:
    """The tables by which every linkage that a release follows from is judged."""
    marts = {each.key: each for each in modelled_tables()}
    keys = {key for table in spec.tables for key in table.inputs}
    keys |= {key for each in keys if each in marts for key in marts[each].inputs}
    found: set[str] = set()
    queue = list(_linkages(keys))
    while queue:
        each = queue.pop()
        if each not in found:
            found.add(each)
            model = linkage_model(each)
            linked = {*model.members, *([model.people] if model.people else [])}
            queue += [other for other in linked if other in datasets()]
    return tuple(table_key(each, QUALITY) for each in sorted(found))


def _linkages(keys: Collection[TableKey]) -> tuple[str, ...]:
    """The linkages that are judged and made one of these tables, by name."""
    return tuple(
        each
        for each in datasets()
        if is_judged(each)
        and not {table_key(each, part) for part in parts_of(each)}.isdisjoint(keys)
    )


def _report(
    settings: Settings, edition: str, spec: ReleaseSpec, staged: Path, progress: Progress
) -> list[dict[str, Any]]:
    """Write how good the links of a release are, a page a linkage; entries in the manifest."""
    entries: list[dict[str, Any]] = []
    for linkage in linkages_of(spec):
        progress(f"{linkage}: report")
        report = make_report(settings, edition, linkage)
        (staged / bundle.DOCUMENTS).mkdir(exist_ok=True)
        for file, content in forms_of(report):
            path = staged / bundle.DOCUMENTS / file
            path.write_bytes(content)
            about = {"linkage": linkage, "title": report.title}
            if path.suffix == ".png":
                about["alternative"] = report.alternative
            entries.append({**_file_entry(path, staged), **about})
    return entries


def _tell_changes(
    settings: Settings, edition: str, ancestry: Sequence[TableVersion], staged: Path
) -> list[dict[str, Any]]:
    """Write the linkage-change report of the linkage a release joins datasets by; its entries."""
    across = {table_key(dataset, "counts") for dataset in datasets("across")}
    entries: list[dict[str, Any]] = []
    for counts in (version for version in ancestry if version.key in across):
        report = linkage_changes(settings, edition, counts)
        base = staged / bundle.DOCUMENTS / CHANGES
        base.parent.mkdir(exist_ok=True)
        for suffix, content in ((".json", report.json), (".html", report.page)):
            base.with_suffix(suffix).write_text(content, encoding="utf-8")
            entries.append({**_file_entry(base.with_suffix(suffix), staged), "title": report.title})
    return entries


def _manifest(
    edition: str,
    spec: ReleaseSpec,
    described: Sequence[Mapping[str, Any]],
    documents: Sequence[Mapping[str, Any]],
    ancestry: Sequence[TableVersion],
    gates: Sequence[Verdict],
) -> dict[str, Any]:
    deliveries = {
        label: digest
        for version in ancestry
        for label, digest in version.inputs.items()
        if label.startswith("landing/")
    }
    manifest: dict[str, Any] = {
        "format": bundle.FORMAT,
        "release": spec.name,
        "edition": edition,
        "description": spec.description,
        "owner": spec.owner,
        "tables": described,
        "documents": list(documents),
        "inputs": {
            "deliveries": dict(sorted(deliveries.items())),
            "tables": {str(version.key): version.version for version in ancestry},
        },
        "gates": [
            {
                "table": f"{verdict.stage}/{verdict.table}",
                "gate": verdict.gate,
                "data_version": verdict.data_version,
                "suite": verdict.suite_digest,
                "rules": len(verdict.outcomes),
                "passed": verdict.passed,
            }
            for verdict in gates
        ],
        "code": provenance(),
    }
    manifest["digest"] = bundle.digest_over(
        {path: str(file["sha256"]) for path, file in bundle.files_of(manifest).items()}
    )
    return manifest


@cache
def provenance() -> dict[str, Any]:
    """The code a release is made by: commit, whether it was altered since, digest of the lock."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(  # noqa: S603 - constants only
                ["git", "-C", str(PROJECT_ROOT), *arguments],  # noqa: S607
                capture_output=True,
                text=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    lock = PROJECT_ROOT / "requirements.lock"
    return {
        "commit": commit or "unknown",
        "modified": bool(git("status", "--porcelain")) if commit else None,
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
    }


def _publish(
    settings: Settings, release: str, edition: str, staged: Path, manifest: dict[str, Any]
) -> Release:
    standing = bundle.newest(settings, release, edition)
    # Equal content beside other releases of its members, or under other permissions, is another
    # release: what its manifest says must not be stale.
    if (
        standing is not None
        and standing.digest == manifest["digest"]
        and standing.manifest.get("members") == manifest.get("members")
        and standing.manifest.get("permissions") == manifest.get("permissions")
    ):
        # A digest in a manifest says nothing of the files that lie beside it today.
        bundle.require_whole(standing)
        return standing
    revision = standing.revision + 1 if standing else 1
    manifest["revision"] = revision
    (staged / bundle.MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    for file in staged.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    final = staged.parent / f"{edition}.{revision}"
    if final.is_dir():
        # Folders alone, which a removed release left: with a file in it, it would be the newest.
        for each in sorted(final.rglob("*"), reverse=True):
            each.rmdir()
        final.rmdir()
    staged.rename(final)
    return bundle.find(settings, f"{release}/{edition}.{revision}")
