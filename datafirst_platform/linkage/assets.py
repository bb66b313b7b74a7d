"""Linkage as Dagster sees it: a step a linkage, with its links, people and counts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from datafirst_platform.extracts.contracts import ColumnSchema, contracts
from datafirst_platform.linkage.cases import link_cases
from datafirst_platform.linkage.charts import model_chart, quality_chart
from datafirst_platform.linkage.evaluation import evaluate
from datafirst_platform.linkage.lineage import CHANGES
from datafirst_platform.linkage.linking import link_across, link_dataset
from datafirst_platform.linkage.measures import Measure, Quality
from datafirst_platform.linkage.models import LEVELS, LinkageModel, datasets, linkage_model
from datafirst_platform.linkage.passes import link_passes
from datafirst_platform.linkage.publishing import (
    QUALITY,
    Linked,
    is_judged,
    linked_parts,
    own_id,
    table_key,
)
from datafirst_platform.linkage.quality import COLUMNS as QUALITY_COLUMNS
from datafirst_platform.linkage.quality import measure, measured_tables
from datafirst_platform.linkage.records import tables_of
from datafirst_platform.linkage.report import make_report
from datafirst_platform.metadata import column_schema, materialized, picture, step
from datafirst_platform.settings import Settings

_PERSON = {
    "high": "strict threshold: few false links",
    "medium": "middle threshold: for most research",
    "low": "lenient threshold: few missed links",
}
_COLUMNS: Mapping[str, Sequence[ColumnSchema]] = {
    "edges": (
        ColumnSchema("record_key_l", "VARCHAR", "First record of one set of identifiers"),
        ColumnSchema("record_key_r", "VARCHAR", "First record of another set that links to it"),
        ColumnSchema("match_weight", "DECIMAL(6,2)", "Match weight, log2 of the Bayes factor"),
    ),
    "people": (
        ColumnSchema("source_dataset", "VARCHAR", "Dataset the record belongs to"),
        ColumnSchema("record_key", "VARCHAR", "Record of a person"),
        *(
            ColumnSchema(f"person_{level}", "VARCHAR", f"Estimated person at the {_PERSON[level]}")
            for level in LEVELS
        ),
        *(
            ColumnSchema(f"since_{level}", "SMALLINT", f"Edition the key in person_{level} is from")
            for level in LEVELS
        ),
    ),
    "crosswalk": (
        ColumnSchema("level", "VARCHAR", "Threshold"),
        ColumnSchema("previous_person", "VARCHAR", "Person in the edition before, if any"),
        ColumnSchema("person", "VARCHAR", "Person in this edition, if any"),
        ColumnSchema("change", "VARCHAR", "What became of the one in the other"),
        ColumnSchema("records", "BIGINT", "Records both have; all, where there is one alone"),
    ),
    "counts": (
        ColumnSchema("measure", "VARCHAR", "What was counted"),
        ColumnSchema("level", "VARCHAR", "Threshold, blocking rule, pass or dataset, or empty"),
        ColumnSchema("value", "BIGINT", "How many"),
    ),
    "cases": (
        ColumnSchema("libra_cases_key", "VARCHAR", "Defendant on a magistrates' court case"),
        ColumnSchema("xhibit_defendants_on_case_key", "VARCHAR", "The same on a Crown Court case"),
        ColumnSchema("match_weight", "DECIMAL(6,2)", "Match weight, log2 of the Bayes factor"),
        ColumnSchema("match_probability", "DECIMAL(5,4)", "Probability that the two are one case"),
    ),
}
_WHAT = {
    "edges": "Links between sets of identifiers",
    "people": "The estimated person of each record, at three thresholds",
    "crosswalk": "Who was merged, split, new or withdrawn since the edition before",
    "counts": "Records, pairs, links and people, counted at each step",
    "cases": "Linked cases",
    "links": "Linked people, each with the pass that found them",
}
_LINK = {
    "within": link_dataset,
    "across": link_across,
    "cases": link_cases,
    "passes": link_passes,
}


def build_linkage(
    settings: Settings, partitions: dg.PartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """Two steps for each linkage that has settings: it links, then it is judged."""
    models = [linkage_model(dataset) for dataset in datasets()]
    return [
        *(_linkage(settings, partitions, model) for model in models),
        *(_judged(settings, partitions, model) for model in models if is_judged(model.dataset)),
    ]


def _upstream(model: LinkageModel) -> list[dg.AssetKey]:
    """What a linkage reads: identities, and the people of its members where it builds on them."""
    if model.kind in ("within", "passes"):
        of_people = tables_of(model)
        # The receipt is not read; its gate stops the run where too much of a delivery is held.
        receipts = {contracts()[table].source for table in of_people}
        return [
            *(dg.AssetKey(["identities", table]) for table in of_people),
            *(dg.AssetKey(["extracts", f"{source}_receipt"]) for source in sorted(receipts)),
        ]
    identities = set(tables_of(model))
    linked = [model.people] if model.people else model.members
    return [
        *(dg.AssetKey(["identities", table]) for table in sorted(identities)),
        *(dg.AssetKey(table_key(dataset, "people")) for dataset in linked),
    ]


def _schema(model: LinkageModel, part: str) -> list[ColumnSchema]:
    if part == "links":
        return [
            *(
                ColumnSchema(
                    own_id(linkage_model(member).members[0]), "VARCHAR", f"Person of {member}"
                )
                for member in model.members
            ),
            ColumnSchema("pass_number", "SMALLINT", "Pass that found the pair, 1 the strictest"),
        ]
    return [
        column
        for column in _COLUMNS[part]
        if column.name != "source_dataset" or model.kind == "across"
    ]


def _linkage(
    settings: Settings, partitions: dg.PartitionsDefinition, model: LinkageModel
) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            list(table_key(model.dataset, part)),
            deps=_upstream(model),
            description=f"{_WHAT[part]}. {model.description}",
            group_name="linkage",
            owners=["team:data_linking"],
            kinds={"duckdb", "parquet", *({"splink"} if model.is_trained else ())},
            tags={"dataset": model.dataset},
            code_version=model.digest[:16],
            metadata={
                "dagster/column_schema": column_schema(
                    {
                        column.name: (column.type, column.description)
                        for column in _schema(model, part)
                    }
                ),
                "settings": f"datafirst_platform/linkage/models/{model.dataset}.yaml",
                "thresholds": dg.MetadataValue.json(dict(model.thresholds)),
            },
        )
        for part in linked_parts(model.dataset)
    ]

    @dg.multi_asset(
        name=f"link_{model.dataset}",
        specs=specs,
        partitions_def=partitions,
        can_subset=False,
        description=model.description,
    )
    def link(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with step(settings):
            linked = _LINK[model.kind](settings, context.partition_key, model.dataset)
            # By group it is told by the table of quality, where there is one.
            quality = evaluate(
                settings,
                context.partition_key,
                model.dataset,
                by_group=not is_judged(model.dataset),
            )
            yield from _results(model, linked, quality)

    return link


def _judged(
    settings: Settings, partitions: dg.PartitionsDefinition, model: LinkageModel
) -> dg.AssetsDefinition:
    key = table_key(model.dataset, QUALITY)
    described = {column: description for column, (_, description) in QUALITY_COLUMNS.items()}

    @dg.asset(
        key=list(key),
        deps=[dg.AssetKey(each) for each in measured_tables(model)],
        partitions_def=partitions,
        description=f"What the linkage is judged by, as counts. {model.description}",
        group_name="linkage",
        owners=["team:data_linking"],
        kinds={"duckdb", "parquet"},
        tags={"dataset": model.dataset},
        code_version=model.digest[:16],
        metadata={"dagster/column_schema": column_schema(QUALITY_COLUMNS)},
    )
    def quality(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with step(settings):
            version = measure(settings, context.partition_key, model.dataset)
            report = make_report(settings, context.partition_key, model.dataset)
            # The links themselves carry the model's charts.
            extra: dict[str, Any] = {
                f"chart_{section}": picture(svg, section)
                for section, svg in report.charts.items()
                if section not in ("weights", "parameters")
            }
            yield materialized(version, extra, described)

    return quality


def _results(
    model: LinkageModel, linked: Linked, quality: Quality | None
) -> Iterator[dg.MaterializeResult]:
    for part, version in linked.tables.items():
        extra: dict[str, Any] = {}
        if part in ("people", "cases", "links"):
            extra = {"counts": _counts(linked), **_quality(quality)}
            if model.is_trained:
                extra["model_chart"] = picture(model_chart(model))
            else:
                extra["passes"] = _passes(model, linked)
        if part == "crosswalk":
            extra = {"changes": _changes(linked)}
        yield materialized(
            version, extra, {column.name: column.description for column in _schema(model, part)}
        )


def _counts(linked: Linked) -> dg.MarkdownMetadataValue:
    rows = "\n".join(
        f"| {measure} | {level} | {value:,} |"
        for (measure, level), value in sorted(linked.counts.items())
    )
    return dg.MetadataValue.md(f"| count | of | rows |\n| --- | --- | ---: |\n{rows}")


def _passes(model: LinkageModel, linked: Linked) -> dg.MarkdownMetadataValue:
    """What each pass asks for and found."""
    every = sum(linked.counts["linked", str(each.number)] for each in model.passes)
    rows = "\n".join(
        f"| {each.number} | {each.description} | {found:,} | {found / max(1, every):.1%} "
        f"| {linked.counts['ambiguous', str(each.number)]:,} |"
        for each in model.passes
        for found in [linked.counts["linked", str(each.number)]]
    )
    return dg.MetadataValue.md(
        "| pass | what agrees | linked | of all links | ambiguous |\n"
        f"| ---: | --- | ---: | ---: | ---: |\n{rows}"
    )


def _changes(linked: Linked) -> dg.MarkdownMetadataValue:
    """What became of the people of the edition before, by threshold."""
    if ("records_before", "") not in linked.counts:
        return dg.MetadataValue.md("The first edition linked: nobody has a key to inherit.")
    measures = ("before", *CHANGES, "parted", "records_moved")
    rows = "\n".join(
        f"| {level} | {' | '.join(f'{linked.counts[each, level]:,}' for each in measures)} |"
        for level in LEVELS
    )
    return dg.MetadataValue.md(
        f"| threshold | {' | '.join(measures)} |\n| --- |{' ---: |' * len(measures)}\n{rows}"
    )


def _quality(quality: Quality | None) -> dict[str, Any]:
    """Precision, recall and F1 against reference labels; nothing where there are none."""
    if quality is None:
        return {}
    f1 = quality.main.shares["f1"]
    told = {
        **({} if f1 is None else {f"f1_{quality.main_level}": f1}),
        "quality": _measures("pairs", quality.measures),
        "quality_chart": picture(quality_chart(quality)),
    }
    if quality.by_group:
        told["quality_by_group"] = _measures("group", quality.by_group)
    return told


def _measures(of: str, measures: Sequence[Measure]) -> dg.MarkdownMetadataValue:
    def told(share: float | None) -> str:
        return "not measurable" if share is None else f"{share:.4f}"

    rows = "\n".join(
        f"| {each.scope} | {each.level} | {' | '.join(map(told, each.shares.values()))} |"
        for each in measures
    )
    return dg.MetadataValue.md(
        f"| {of} | threshold | precision | recall | F1 |\n"
        f"| --- | --- | ---: | ---: | ---: |\n{rows}"
    )
