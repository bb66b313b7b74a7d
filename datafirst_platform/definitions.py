"""The one place where everything is wired together.

`build_definitions(settings)` is what tests call; `defs` is what `workspace.yaml` loads.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from datafirst_platform.automation import PARTITIONS, annual_refresh, refresh_job
from datafirst_platform.extracts.assets import build_extracts
from datafirst_platform.linkage.assets import build_linkage
from datafirst_platform.marts.assets import build_marts
from datafirst_platform.quality.assets import build_gates
from datafirst_platform.releases.assets import build_releases
from datafirst_platform.settings import Settings


def build_definitions(
    settings: Settings, loggers: Mapping[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """Every asset, gate, job and schedule of an installation.

    Args:
        settings: the installation its assets read and write.
        loggers: where a run's events go besides Dagster's own event log.
    """
    job = refresh_job()
    return dg.Definitions(
        assets=[
            *build_extracts(settings, PARTITIONS),
            *build_linkage(settings, PARTITIONS),
            *build_marts(settings, PARTITIONS),
            *build_releases(settings, PARTITIONS),
        ],
        asset_checks=build_gates(settings, PARTITIONS),
        jobs=[job],
        schedules=[annual_refresh(job)],
        # Steps share one engine and two cores: a process each would cost more than it gives.
        executor=dg.in_process_executor,
        loggers=dict(loggers or {}),
    )


defs = build_definitions(Settings.from_environment())
