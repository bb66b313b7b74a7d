"""What every table has and what it lacks: contract, catalogue, expectations, tests, linkage.

What belongs here: counting, from the project's own files alone, what is written about each table.
What does not: data; nothing here opens any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datafirst_platform.editions import EDITIONS
from datafirst_platform.extracts.contracts import Contract, sources
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.models import LinkageModel, datasets, linkage_model, trained_model
from datafirst_platform.linkage.publishing import parts_of, table_key
from datafirst_platform.linkage.records import tables_of
from datafirst_platform.marts.project import (
    ReleasedTable,
    modelled_tables,
    read_manifest,
    release_specs,
    source_key,
)
from datafirst_platform.quality.suites import load_suite
from datafirst_platform.safe_errors import NotReady, PlatformError


@dataclass(frozen=True)
class Covered:
    """What is written about one table.

    Attributes:
        table: `<stage>/<table>`.
        contract: where its columns are laid down: an ODCS contract's version, `dbt` for an enforced
            model contract, the settings of a linkage, or the room that makes it.
        variables: columns with a description, as the catalogue lists them.
        expectations: rules of its suite.
        tests: dbt tests of the model, or of the staging models that read it.
        linkage: the linkages that read it, or whose product it is.
        gaps: what is missing, in words; empty where nothing is.
    """

    table: str
    contract: str
    variables: int
    expectations: int
    tests: int
    linkage: tuple[str, ...]
    gaps: tuple[str, ...]


def coverage() -> tuple[Covered, ...]:
    """Every table of the platform in the order of the data.

    Raises:
        PlatformError: a contract, a linkage's settings or the dbt project cannot be read at all.
    """
    manifest = read_manifest()
    return (
        *(_supplied(manifest, contract) for group in sources().values() for contract in group),
        *(_plain(TableKey.of("extracts", f"{source}_receipt")) for source in sources()),
        *(covered for dataset in datasets() for covered in _linked(linkage_model(dataset))),
        *(_published(manifest, table) for table in modelled_tables()),
    )


def _supplied(manifest: Mapping[str, Any], contract: Contract) -> Covered:
    key = TableKey.of("extracts", contract.table)
    rules, gaps = _rules(key)
    readers = {
        child
        for unique_id in manifest["sources"]
        if source_key(manifest, unique_id) == key
        for child in manifest["child_map"][unique_id]
        if child.startswith("model.")
    }
    linkages = tuple(
        dataset
        for dataset in datasets("within")
        if contract.table in tables_of(linkage_model(dataset))
    )
    tests = sum(_tests(manifest, reader) for reader in readers)
    # Aliases and numbers are there for the linkage alone.
    if not readers and not linkages:
        gaps.append("no staging model reads it, nor any linkage")
    if readers and not tests:
        gaps.append("its staging model has no test")
    if contract.links and not linkages:
        gaps.append("it tells of people and no linkage reads it")
    described = sum(bool(column.description) for column in contract.columns)
    return Covered(
        str(key), f"ODCS {contract.version}", described, rules, tests, linkages, tuple(gaps)
    )


def _linked(model: LinkageModel) -> Iterator[Covered]:
    untrained = []
    settings = f"{len(model.passes)} passes"
    if model.is_trained:
        settings = f"{len(model.comparisons)} comparisons, {len(model.blocking)} rules"
        try:
            trained_model(model)
        except NotReady:
            untrained = ["its model is not trained for its settings"]
    for part in parts_of(model.dataset):
        key = table_key(model.dataset, part)
        rules, gaps = _rules(key)
        columns = len(load_suite(key, EDITIONS[0].key).columns) if not gaps else 0
        yield Covered(str(key), settings, columns, rules, 0, (model.dataset,), (*gaps, *untrained))


def _plain(key: TableKey) -> Covered:
    rules, gaps = _rules(key)
    columns = len(load_suite(key, EDITIONS[0].key).columns) if not gaps else 0
    return Covered(str(key), "receipt", columns, rules, 0, (), tuple(gaps))


def _published(manifest: Mapping[str, Any], table: ReleasedTable) -> Covered:
    rules, gaps = _rules(table.key)
    released = [spec.name for spec in release_specs() if table in spec.tables]
    if released:
        of_release, more = _rules(TableKey.of("releases", table.name))
        rules += of_release
        gaps += more
    else:
        gaps.append("no release holds it")
    unique_id = f"model.{manifest['metadata']['project_name']}.{table.name}"
    tests = _tests(manifest, unique_id)
    described = sum(bool(column.description) for column in table.columns)
    if described < len(table.columns):
        gaps.append(f"{len(table.columns) - described} variables without description")
    if not tests:
        gaps.append("no dbt test")
    if not table.primary_key:
        gaps.append("no primary key")
    linkages = tuple(
        key.table.removesuffix("_people") for key in table.inputs if key.stage == "linkage"
    )
    return Covered(str(table.key), "dbt", described, rules, tests, linkages, tuple(gaps))


def _rules(key: TableKey) -> tuple[int, list[str]]:
    """The number of rules of a suite, and why there is none."""
    try:
        return len(load_suite(key, EDITIONS[0].key).rules), []
    except PlatformError:
        return 0, ["its suite cannot be read"]


def _tests(manifest: Mapping[str, Any], model: str) -> int:
    return sum(
        manifest["nodes"].get(child, {}).get("attached_node") == model
        for child in manifest["child_map"][model]
    )
