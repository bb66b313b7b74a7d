from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from datafirst_platform.automation import annual_refresh, refresh_job


def evaluate(year):
    schedule = annual_refresh(refresh_job())
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(year, 4, 1, 6, tzinfo=ZoneInfo("Europe/London"))
    )
    return schedule(context)


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_schedule_launches_the_edition_that_is_due(year):
    request = evaluate(year)
    assert request.partition_key == str(year)
    assert request.run_key == f"edition-{year}"


def test_without_an_edition_it_says_where_to_open_one():
    assert "editions.py" in evaluate(2031).skip_message


def test_it_runs_on_the_first_of_april_in_london():
    schedule = annual_refresh(refresh_job())
    assert schedule.cron_schedule == "0 6 1 4 *"
    assert schedule.execution_timezone == "Europe/London"
