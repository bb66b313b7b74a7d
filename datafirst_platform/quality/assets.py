"""The gates as Dagster sees them: a blocking check for each table that has a suite."""

import warnings

import dagster as dg

from datafirst_platform.editions import EDITIONS
from datafirst_platform.identity import RESTRICTED_STAGES
from datafirst_platform.metadata import step
from datafirst_platform.quality.suites import Suite, load_suite, suite_tables
from datafirst_platform.quality.verdicts import EXPECTATIONS_GATE, Verdict, check_table
from datafirst_platform.settings import Settings


def build_gates(
    settings: Settings, partitions: dg.PartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """One blocking check a suite; those of releases are asked by the candidate itself."""
    return [
        _gate(settings, partitions, load_suite(key, EDITIONS[0].key))
        for key in suite_tables()
        if key.stage != "releases"
    ]


def _gate(
    settings: Settings, partitions: dg.PartitionsDefinition, suite: Suite
) -> dg.AssetChecksDefinition:
    # A table of its own stage, and a restricted one, comes from the same step or from upstream: to
    # wait for it, and so for its gate, would make circles.
    others = {
        each.key
        for each in suite.companions
        if not each.previous and each.key.stage not in {suite.key.stage, *RESTRICTED_STAGES}
    }

    def gate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        result: list[dg.AssetCheckResult] = []
        with step(settings):
            verdict = check_table(settings, suite.key, context.run.tags["dagster/partition"])
            result.append(as_check_result(verdict))
        return result[0]

    with warnings.catch_warnings():
        # Checks by partition are a preview in Dagster; without them an edition would hide another.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.asset_check(
            asset=dg.AssetKey(suite.key),
            name=EXPECTATIONS_GATE,
            description=f"{suite.description} {len(suite.rules)} rules.".strip(),
            blocking=True,
            additional_deps=[dg.AssetKey(key) for key in sorted(others)],
            partitions_def=partitions,
        )(gate)


def as_check_result(verdict: Verdict, name: str = EXPECTATIONS_GATE) -> dg.AssetCheckResult:
    """A verdict as Dagster shows it: counts by rule, never a value."""
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([verdict.stage, verdict.table]),
        check_name=name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"{len(verdict.outcomes)} rules hold"
            if verdict.passed
            else "Failed: " + ", ".join(outcome.rule for outcome in verdict.failures)
        ),
        metadata={
            "data_version": verdict.data_version,
            "suite": verdict.suite_digest,
            "rules": len(verdict.outcomes),
            "failed_rules": dg.MetadataValue.json(
                [
                    {"rule": each.rule, "severity": each.severity, "counts": dict(each.counts)}
                    for each in verdict.outcomes
                    if not each.passed
                ]
            ),
        },
    )
