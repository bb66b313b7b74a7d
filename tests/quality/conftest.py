"""What the tests of the gates judge: made-up tables, and a refreshed installation's own."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from datafirst_platform import tables
from datafirst_platform.engine import connect, parquet, text
from datafirst_platform.identity import TableKey
from datafirst_platform.marts.project import modelled_tables
from datafirst_platform.quality.rules import Rule
from datafirst_platform.quality.suites import Suite, suite_tables
from datafirst_platform.quality.validation import BATCH, run_suite
from datafirst_platform.releases.candidate import define_released_ids, rekeyed
from tests.conftest import copy_of

EDITION = "2025"
KEY = TableKey.of("extracts", "made_up")

SUITE_KEYS = suite_tables()


def suite_of(*rules: tuple[str, Mapping], columns=("a",)) -> Suite:
    """A suite of these expectations, numbered from rule_0."""
    return Suite(
        key=KEY,
        edition=EDITION,
        file=Path("made_up.yaml"),
        description="made up",
        columns=columns,
        companions=(),
        rules=tuple(
            Rule(f"rule_{number}", kind, kwargs, "critical", "made up")
            for number, (kind, kwargs) in enumerate(rules)
        ),
        variables={"cut_off": "2024-12-31"},
    )


@pytest.fixture
def judge(settings, tmp_path):
    """Judge the rows of a query by expectations: one outcome each."""

    def run(query, *rules, others=None):
        views = {}
        with duckdb.connect() as connection:
            for view, rows in {BATCH: query, **(others or {})}.items():
                views[view] = tmp_path / f"{view}.parquet"
                connection.execute(f"copy ({rows}) to '{views[view]}' (format parquet)")
        return run_suite(settings, suite_of(*rules), {v: parquet(f) for v, f in views.items()})

    return run


def publish(settings, key, query, edition=EDITION):
    """Publish the rows of a query as a table."""
    with connect(settings) as connection:
        return tables.publish(
            settings, connection, key, edition, query, recipe="made up", inputs={}
        )


@pytest.fixture(scope="session")
def judged(refreshed, tmp_path_factory):
    """A copy of the refreshed installation: verdicts may be added to it, tables not altered."""
    return copy_of(refreshed, tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="session")
def candidate(judged, tmp_path_factory):
    """Every table that may be released as a candidate's file: re-keyed."""
    folder = tmp_path_factory.mktemp("candidate")
    files = {}
    with connect(judged) as connection:
        define_released_ids(connection, judged, EDITION)
        for table in modelled_tables():
            mart = tables.require(judged, table.key, EDITION)
            columns = rekeyed(table)
            files[table.name] = folder / f"{table.name}.parquet"
            connection.execute(
                f"copy (select {columns} from read_parquet({text(mart.path)})) "
                f"to {text(files[table.name])} (format parquet)"
            )
    return files
