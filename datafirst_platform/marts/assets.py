"""The marts as Dagster sees them: one step that lets dbt build, test and publish them all."""

import contextlib
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
from dagster_duckdb import DuckDBResource
from packaging.version import Version

from datafirst_platform.marts.build import Build, DbtRun
from datafirst_platform.marts.lineage import SEEDS
from datafirst_platform.marts.project import (
    DBT_PROJECT,
    MARTS,
    Manifest,
    ReleasedTable,
    dbt_executable,
    is_mart,
    project_digest,
    read_manifest,
    source_key,
    sources_of,
)
from datafirst_platform.metadata import materialized, step
from datafirst_platform.safe_errors import values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion


def build_marts(
    settings: Settings, partitions: dg.PartitionsDefinition, project: Path = DBT_PROJECT
) -> list[dg.AssetsDefinition]:
    """The marts of the dbt project, each with its dbt tests as blocking checks.

    Seeds, staging and intermediate models are folded away: a mart follows from published tables.
    dbt builds and tests everything in one go, whatever is selected; what is selected is published.

    Args:
        settings: the installation its assets read and write.
        partitions: the editions.
        project: folder of the dbt project.

    Raises:
        PlatformError: dbt cannot parse the project.
    """
    manifest = read_manifest(project)

    @dbt_assets(
        manifest=manifest,
        select=f"fqn:{manifest['metadata']['project_name']}.{MARTS}",
        name=MARTS,
        partitions_def=partitions,
        dagster_dbt_translator=MartTranslator(project_digest(project), partitions),
    )
    def marts(context: dg.AssetExecutionContext) -> Iterator[Any]:
        results: list[dg.MaterializeResult | dg.AssetCheckResult] = []
        refusal = ""
        with step(settings):
            build = Build.of(settings, context.partition_key, project)
            stood = build.standing()
            run, versions = stood if stood is not None else _run_and_publish(build)
            refusal = build.refusal(run)
            checks = _check_results(context, run)
            for mart in build.marts:
                if mart.name in versions and dg.AssetKey(mart.key) in context.selected_asset_keys:
                    metadata = {**_column_metadata(mart, run), "reused": stood is not None}
                    descriptions = {each.name: each.description for each in mart.columns}
                    results.append(materialized(versions[mart.name], metadata, descriptions))
                # After it: a check is about the newest materialisation there is.
                results += checks[dg.AssetKey(mart.key)]
        yield from results
        if refusal:
            raise dg.Failure(description=refusal, allow_retries=False)

    return [marts]


class MartTranslator(DagsterDbtTranslator):
    """How a node of the dbt manifest becomes an asset: keys follow the one law of names."""

    def __init__(self, digest: str, partitions: dg.PartitionsDefinition) -> None:
        super().__init__()
        self.digest = digest
        self.partitions = partitions

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`[source, table]` of a source, `[marts, model]` of a mart."""
        kind, name = dbt_resource_props["resource_type"], dbt_resource_props["name"]
        if kind == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], name])
        return dg.AssetKey([MARTS if is_mart(dbt_resource_props) else f"{kind}s", name])

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """A mart depends on the published tables it is made from, however many models between."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if not is_mart(node):
            return spec
        inputs = sorted(source_key(manifest, each) for each in sources_of(manifest, node))
        return spec.replace_attributes(
            deps=[dg.AssetKey(key) for key in inputs],
            code_version=self.digest[:16],
            group_name=MARTS,
            owners=[_team(manifest, node)],
            kinds={"dbt", "duckdb", "parquet"},
            tags={"dataset": str(node["group"])},
            skippable=True,
        )

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """A test waits for the marts and published tables it reads, not for folded models."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        folded = {"seeds", "models"}
        others = {each.asset_key for each in spec.additional_deps}
        return dg.AssetCheckSpec(
            name=spec.name,
            asset=spec.asset_key,
            description=spec.description,
            additional_deps=[key for key in sorted(others) if key.path[0] not in folded],
            blocking=spec.blocking,
            metadata=spec.metadata,
            partitions_def=self.partitions,
        )


def _team(manifest: Manifest, node: Mapping[str, Any]) -> str:
    """The owner of a model's group as Dagster wants owners."""
    owners = {each["name"]: each["owner"]["name"] for each in manifest["groups"].values()}
    return "team:" + re.sub(r"[^a-z0-9]+", "_", owners[node["group"]].lower())


class _LocalDbt(DbtCliResource):
    """dbt as installed here, without asking the package index for the newest version."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))


def _run_and_publish(build: Build) -> tuple[DbtRun, dict[str, TableVersion]]:
    """Let dbt build and test, then publish; nothing is published where it refuses."""
    build.clear()
    with _environment(build.environment), contextlib.redirect_stdout(_Nowhere()):
        # The resource repeats on standard output what dbt says; it may quote rows, and Dagster may
        # keep it. For the same reason there is no dbt.log.
        dbt = _LocalDbt(
            project_dir=str(build.project),
            profiles_dir=str(build.project),
            dbt_executable=dbt_executable(),
            global_config_flags=["--log-level-file", "none"],
        )
        dbt.cli(build.arguments, raise_on_error=False, target_path=build.target).wait()
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


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while: the resource hands dbt this process's own environment."""
    before = {each: os.environ.get(each) for each in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for each, value in before.items():
            if value is None:
                del os.environ[each]
            else:
                os.environ[each] = value


class _Nowhere(io.TextIOBase):
    """Swallows what is written to it."""

    def write(self, text: str) -> int:
        return len(text)


def _check_results(
    context: dg.AssetExecutionContext, run: DbtRun
) -> dict[dg.AssetKey, list[dg.AssetCheckResult]]:
    """The result of every selected check that ran, by mart."""
    results: dict[dg.AssetKey, list[dg.AssetCheckResult]] = defaultdict(list)
    for test in run.tests:
        asset_key = dg.AssetKey([MARTS, test.on.rpartition(".")[2]])
        selected = dg.AssetCheckKey(asset_key, test.rule) in context.selected_asset_check_keys
        if not selected or test.status == "skipped":
            continue
        critical = test.severity == "critical"
        results[asset_key].append(
            dg.AssetCheckResult(
                asset_key=asset_key,
                check_name=test.rule,
                passed=test.passed,
                severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
                metadata={"status": test.status, "failed_rows": test.failures},
            )
        )
    return results


def _column_metadata(mart: ReleasedTable, run: DbtRun) -> dict[str, Any]:
    """Where a mart's columns come from, and which of them tell its rows apart."""
    origins = run.lineage[mart.name]
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
        "primary_key": list(mart.primary_key),
    }
