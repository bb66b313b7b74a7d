"""The extracts as Dagster sees them: a step a source, with content, identities and a receipt."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from datafirst_platform.extracts.contracts import ColumnSchema, Contract, sources
from datafirst_platform.extracts.extraction import (
    CODE_VERSION,
    SourceExtract,
    TableExtract,
    extract_source,
)
from datafirst_platform.metadata import column_schema, materialized, step, team
from datafirst_platform.settings import Settings

_RECEIPT = (
    ColumnSchema("table_name", "VARCHAR", "Table the file feeds"),
    ColumnSchema("file", "VARCHAR", "Name of the delivered file"),
    ColumnSchema("sha256", "VARCHAR", "SHA-256 of the file as delivered"),
    ColumnSchema("bytes", "BIGINT", "Size of the file as delivered, in bytes"),
    ColumnSchema("rows_supplied", "BIGINT", "Rows in the file"),
    ColumnSchema("rows_accepted", "BIGINT", "Rows accepted"),
    ColumnSchema("rows_quarantined", "BIGINT", "Rows quarantined with their reason"),
    ColumnSchema("accepted_share", "DECIMAL(9,6)", "Accepted of supplied rows"),
)


def build_extracts(
    settings: Settings, partitions: dg.PartitionsDefinition
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """For each source: what is delivered, and the step that takes it in."""
    made: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for source, contracts in sources().items():
        made.append(_landing(source, contracts, partitions))
        made.append(_extract(settings, source, contracts, partitions))
    return made


def _landing(
    source: str, contracts: Sequence[Contract], partitions: dg.PartitionsDefinition
) -> dg.AssetSpec:
    tables = ", ".join(contract.table for contract in contracts)
    return dg.AssetSpec(
        ["landing", source],
        description=f"Deliveries of {source.upper()} as they came, in landing/{source}/: {tables}.",
        group_name="landing",
        owners=[team(contracts[0].owner)],
        kinds={"file"},
        tags={"source": source},
        partitions_def=partitions,
    )


def _spec(
    stage: str,
    table: str,
    contract: Contract,
    description: str,
    schema: Sequence[ColumnSchema],
    kinds: set[str],
) -> dg.AssetSpec:
    return dg.AssetSpec(
        [stage, table],
        deps=[["landing", contract.source]],
        description=description,
        group_name=stage,
        owners=[team(contract.owner)],
        kinds=kinds,
        tags={"source": contract.source, "dataset": contract.dataset},
        code_version=CODE_VERSION,
        metadata={
            "dagster/column_schema": column_schema(
                {column.name: (column.type, column.description) for column in schema}
            ),
            "contract": f"datafirst_platform/extracts/contracts/{contract.table}.yaml",
            "legal_basis": contract.legal_basis,
            "grain": contract.grain,
        },
    )


def _extract(
    settings: Settings,
    source: str,
    contracts: Sequence[Contract],
    partitions: dg.PartitionsDefinition,
) -> dg.AssetsDefinition:
    specs = []
    for contract in contracts:
        specs.append(
            _spec(
                "extracts",
                contract.table,
                contract,
                f"{contract.description} {contract.limitations} Content only: no identifier.",
                contract.content_schema,
                {"duckdb", "parquet"},
            )
        )
        if contract.links:
            specs.append(
                _spec(
                    "identities",
                    contract.table,
                    contract,
                    f"Who the records of {contract.table} are about. In the secure zone; only "
                    "linkage opens it.",
                    contract.identities_schema,
                    {"duckdb", "parquet", "secure"},
                )
            )
    specs.append(
        _spec(
            "extracts",
            f"{source}_receipt",
            contracts[0],
            f"What was delivered by {source.upper()}, one row a file: rows supplied, accepted, "
            "quarantined.",
            _RECEIPT,
            {"duckdb", "parquet"},
        )
    )

    @dg.multi_asset(
        name=f"extract_{source}",
        specs=specs,
        partitions_def=partitions,
        can_subset=False,
        description=f"Read a delivery of {source.upper()} strictly and part it in two.",
    )
    def extract(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with step(settings):
            taken = extract_source(settings, context.partition_key, source, context.log.info)
            for table in taken.tables.values():
                yield from _results(taken, table)
            yield materialized(
                taken.receipt,
                {"delivery": taken.delivery, "manifest_sha256": taken.manifest_sha256},
                {column.name: column.description for column in _RECEIPT},
            )

    return extract


def _results(taken: SourceExtract, table: TableExtract) -> Iterator[dg.MaterializeResult]:
    contract = table.contract
    extra: dict[str, Any] = {
        "delivery": taken.delivery,
        "rows_supplied": table.rows_supplied,
        "rows_accepted": table.rows_accepted,
        "rows_quarantined": table.rows_quarantined,
        "quarantined_by_rule": dg.MetadataValue.json(
            [vars(counted) for counted in table.quarantined_by]
        ),
        "quarantine": dg.MetadataValue.path(table.quarantine.path),
        "reused": taken.reused,
    }
    if table.changes is not None:
        extra["changes_since_last_edition"] = dg.MetadataValue.json(vars(table.changes))
    yield materialized(
        table.content,
        extra,
        {column.name: column.description for column in contract.content_schema},
    )
    if table.identities is not None:
        yield materialized(
            table.identities,
            {"delivery": taken.delivery, "reused": taken.reused},
            {column.name: column.description for column in contract.identities_schema},
        )
