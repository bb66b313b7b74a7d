"""What is written about every table: nothing may be missing, and what is missing is named."""

import json

from click.testing import CliRunner

from datafirst_platform import coverage as covering
from datafirst_platform.cli import main
from datafirst_platform.coverage import coverage
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.marts.project import modelled_tables
from datafirst_platform.safe_errors import PlatformError


def test_no_table_has_a_gap():
    assert {each.table: each.gaps for each in coverage() if each.gaps} == {}


def test_every_supplied_and_published_table_is_listed():
    listed = {each.table for each in coverage()}
    assert {f"extracts/{table}" for table in contracts()} <= listed
    assert {str(table.key) for table in modelled_tables()} <= listed


def test_a_table_without_a_suite_is_a_gap(monkeypatch):
    def without(key, edition):
        if key.table == "libra_cases":
            msg = "there is none"
            raise PlatformError(msg)
        return load(key, edition)

    load = covering.load_suite
    monkeypatch.setattr(covering, "load_suite", without)
    done = CliRunner().invoke(main, ["coverage", "--json"])
    gaps = {each["table"]: each["gaps"] for each in json.loads(done.output) if each["gaps"]}
    assert gaps["extracts/libra_cases"] == ["its suite cannot be read"]
    assert done.exit_code == 1
