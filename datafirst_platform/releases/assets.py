"""The releases as Dagster sees them: an asset each, built from tables whose gates hold."""

from collections.abc import Iterator

import dagster as dg

from datafirst_platform.marts.project import ReleaseSpec, release_specs
from datafirst_platform.metadata import picture, step, team
from datafirst_platform.releases.bundle import Release
from datafirst_platform.releases.candidate import CODE_VERSION, build_release, judged_before
from datafirst_platform.settings import Settings


def build_releases(
    settings: Settings, partitions: dg.PartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """One asset a release, downstream of the marts and insights it holds."""
    return [_release(settings, partitions, spec) for spec in release_specs()]


def _release(
    settings: Settings, partitions: dg.PartitionsDefinition, spec: ReleaseSpec
) -> dg.AssetsDefinition:
    @dg.asset(
        key=["releases", spec.name],
        deps=[
            *(dg.AssetKey(table.key) for table in spec.tables),
            *(dg.AssetKey(["releases", member]) for member in spec.members),
            *(dg.AssetKey(key) for key in judged_before(spec)),
        ],
        partitions_def=partitions,
        description=spec.description,
        group_name="releases",
        owners=[team(spec.owner)],
        kinds={"parquet", "csv"},
        tags={"dataset": spec.name},
        code_version=CODE_VERSION,
    )
    def release(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with step(settings):
            built = build_release(settings, context.partition_key, spec, context.log.info)
            yield _materialized(built)

    return release


def _materialized(built: Release) -> dg.MaterializeResult:
    manifest = built.manifest
    gates = [
        f"| {gate['table']} | {gate['gate']} | {gate['rules']} | "
        f"{'passed' if gate['passed'] else 'failed'} | `{gate['data_version'][:16]}` |"
        for gate in manifest["gates"]
    ]
    return dg.MaterializeResult(
        metadata={
            "release": built.label,
            "digest": built.digest,
            "dagster/row_count": built.rows,
            "dagster/uri": built.path.as_uri(),
            "path": dg.MetadataValue.path(built.path),
            "tables": dg.MetadataValue.json(
                {
                    table["name"]: {"rows": table["rows"], "primary_key": table["primary_key"]}
                    for table in manifest["tables"]
                }
            ),
            **{
                told: dg.MetadataValue.json(manifest[told])
                for told in ("members", "permissions")
                if told in manifest
            },
            **_charts(built),
            "inputs": dg.MetadataValue.json(manifest["inputs"]),
            "gates": dg.MetadataValue.md(
                "| table | gate | rules | outcome | data version |\n"
                "| --- | --- | ---: | --- | --- |\n" + "\n".join(gates)
            ),
            "verify": f"datafirst release verify {built.path}",
        },
        data_version=dg.DataVersion(built.digest),
    )


def _charts(built: Release) -> dict[str, dg.MarkdownMetadataValue]:
    """Each chart of a release, by its table."""
    return {
        f"chart_{document['table']}": picture(
            (built.path / document["path"]).read_text(), document["title"]
        )
        for document in built.manifest["documents"]
        if document["path"].endswith(".svg")
    }
