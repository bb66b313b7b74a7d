"""What runs when: the partitions, the one job and the one schedule."""

from __future__ import annotations

from datetime import date

import dagster as dg

from datafirst_platform.editions import EDITIONS, due_on

PARTITIONS = dg.StaticPartitionsDefinition([each.key for each in EDITIONS])

REFRESH = "refresh"


def refresh_job() -> dg.UnresolvedAssetJobDefinition:
    """The whole edition, deliveries to releases, in one process: its steps share one engine."""
    return dg.define_asset_job(
        REFRESH,
        selection=dg.AssetSelection.all(),
        partitions_def=PARTITIONS,
        executor_def=dg.in_process_executor,
        description="Refresh an edition: receive, link, build the marts, check, release.",
    )


def annual_refresh(job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """On 1 April, 06:00 in London, launch the edition that is due, once."""

    @dg.schedule(
        job=job,
        name="annual_refresh",
        cron_schedule="0 6 1 4 *",
        execution_timezone="Europe/London",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="1 April each year: the newest edition that is due.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day: date = context.scheduled_execution_time.date()
        edition = due_on(day)
        if edition is None or edition.due.year != day.year:
            return dg.SkipReason(
                f"No edition is listed as due in {day.year}: open it in editions.py."
            )
        return dg.RunRequest(run_key=f"edition-{edition.key}", partition_key=edition.key)

    return schedule
