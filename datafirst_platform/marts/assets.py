"""Marts and insights as Dagster sees them: one step lets dbt build, test and publish them all."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtProject,
    build_dbt_asset_specs,
)
from dagster_duckdb import DuckDBResource

from datafirst_platform.marts.build import DBT_GATE, Build, DbtRun, DbtTest
from datafirst_platform.marts.lineage import SEEDS
from datafirst_platform.marts.project import (
    DBT_PROJECT,
    DBT_STAGES,
    MARTS,
    Manifest,
    ReleasedTable,
    inputs_of,
    project_digest,
    read_manifest,
    stage_of,
)
from datafirst_platform.metadata import materialized, step, team
from datafirst_platform.safe_errors import GateRefused, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion


def build_marts(
    settings: Settings, partitions: dg.PartitionsDefinition, project: Path = DBT_PROJECT
) -> list[dg.AssetsDefinition]:
    """The marts and insights of the dbt project, each with its dbt tests as a blocking check.

    Seeds, staging and intermediate models are folded away: a mart follows from published tables,
    an insight from marts.
    dbt builds and tests everything in one go, whatever is selected; what is selected is published.

    Args:
        settings: the installation its assets read and write.
        partitions: the editions.
        project: folder of the dbt project.

    Raises:
        PlatformError: dbt cannot parse the project.
    """
    manifest = read_manifest(project)

    project_name = manifest["metadata"]["project_name"]
    specs = build_dbt_asset_specs(
        manifest=manifest,
        select=" ".join(f"fqn:{project_name}.{stage}" for stage in DBT_STAGES),
        dagster_dbt_translator=ModelTranslator(project_digest(project)),
    )
    with warnings.catch_warnings():
        # Checks by partition are a preview in Dagster; without them an edition would hide another.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        check_specs = [
            dg.AssetCheckSpec(
                DBT_GATE,
                asset=spec.key,
                blocking=True,
                description="dbt's tests on the table and on everything it is made from.",
                partitions_def=partitions,
            )
            for spec in specs
        ]

    @dg.multi_asset(
        name=MARTS,
        specs=specs,
        check_specs=check_specs,
        partitions_def=partitions,
        can_subset=True,
        description="Let dbt build and test every mart and insight, then publish them.",
    )
    def marts(context: dg.AssetExecutionContext) -> Iterator[Any]:
        results: list[dg.MaterializeResult | dg.AssetCheckResult] = []
        refusal = ""
        with step(settings):
            build = Build.of(settings, context.partition_key, project)
            stood = build.standing()
            run, versions = stood if stood is not None else _run_and_publish(build)
            refusal = build.refusal(run)
            for table in build.outputs:
                key = dg.AssetKey(table.key)
                if table.name in versions and key in context.selected_asset_keys:
                    metadata = {**_column_metadata(table, run), "reused": stood is not None}
                    descriptions = {each.name: each.description for each in table.columns}
                    results.append(materialized(versions[table.name], metadata, descriptions))
                # After it: a check is about the newest materialisation there is.
                if dg.AssetCheckKey(key, DBT_GATE) in context.selected_asset_check_keys:
                    results.append(_check_result(key, build.tests_of(table.name, run)))
        yield from results
        if refusal:
            raise dg.Failure(
                description=refusal,
                metadata={"exit_code": GateRefused.exit_code},
                allow_retries=False,
            )

    return [marts]


class ModelTranslator(DagsterDbtTranslator):
    """How a node of the dbt manifest becomes an asset: keys follow the one law of names."""

    def __init__(self, digest: str) -> None:
        # dbt's tests are one check a table: some hundred of them would hide the few that matter.
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_asset_checks=False))
        self.digest = digest

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`[source, table]` of a source, `[marts, model]` or `[insights, model]` of a model."""
        kind, name = dbt_resource_props["resource_type"], dbt_resource_props["name"]
        if kind == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], name])
        return dg.AssetKey([stage_of(dbt_resource_props) or f"{kind}s", name])

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """A table depends on the published ones it is made from, however many models between."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        stage = stage_of(node)
        if not stage:
            return spec
        inputs = sorted(inputs_of(manifest, unique_id))
        return spec.replace_attributes(
            deps=[dg.AssetKey(key) for key in inputs],
            code_version=self.digest[:16],
            group_name=stage,
            owners=[team(_owner(manifest, node))],
            kinds={"dbt", "duckdb", "parquet"},
            tags={"dataset": str(node["group"])},
            skippable=True,
        )


def _owner(manifest: Manifest, node: Mapping[str, Any]) -> str:
    """The owner of a model's group."""
    owners = {each["name"]: each["owner"]["name"] for each in manifest["groups"].values()}
    return str(owners[node["group"]])


def _run_and_publish(build: Build) -> tuple[DbtRun, dict[str, TableVersion]]:
    """Let dbt build and test, then publish; nothing is published where it refuses."""
    build.clear()
    build.run_dbt(*build.arguments)
    run = build.read_run()
    if run.refusal:
        return run, {}
    warehouse = DuckDBResource(
        database=str(build.database),
        connection_config={"access_mode": "READ_ONLY", **build.engine_settings},
    )
    with values_withheld("Opening the warehouse"), contextlib.ExitStack() as closing:
        connection = closing.enter_context(warehouse.get_connection())
        # The resource does not close by itself where an error is raised.
        closing.callback(connection.close)
        versions = build.publish(run, connection)
    build.clear()
    return run, versions


def _check_result(key: dg.AssetKey, tests: Sequence[DbtTest]) -> dg.AssetCheckResult:
    """Dbt's tests on a table as one check: counts by test, never a row."""
    failed = [each for each in tests if not each.passed]
    critical = [each for each in failed if each.severity == "critical"]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=DBT_GATE,
        passed=not critical,
        description=(
            "Failed: " + ", ".join(each.rule for each in critical)
            if critical
            else f"{len(tests)} tests hold"
        ),
        metadata={
            "tests": len(tests),
            "failed_tests": dg.MetadataValue.json(
                [
                    {"test": each.rule, "status": each.status, "rows": each.failures}
                    for each in failed
                ]
            ),
        },
    )


def _column_metadata(table: ReleasedTable, run: DbtRun) -> dict[str, Any]:
    """Where a table's columns come from, and which of them tell its rows apart."""
    origins = run.lineage[table.name]
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                column: [
                    dg.TableColumnDep(dg.AssetKey([each.stage, each.table]), each.column)
                    for each in found
                    if each.stage != SEEDS
                ]
                for column, found in origins.items()
            }
        ),
        "code_lists": sorted(
            {each.table for found in origins.values() for each in found if each.stage == SEEDS}
        ),
        "primary_key": list(table.primary_key),
    }
