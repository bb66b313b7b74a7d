"""Every suite passes a refreshed installation, and every rule in it fails the fault it is for.

Rules that are derived are alike for every table made in one way: each kind is tried on one of
them. For rules of Great Expectations' own types the fault is made from their arguments; for rules
in SQL it stands in `faults.py`.
"""

import dataclasses
from datetime import date

import duckdb
import pytest

from datafirst_platform import tables
from datafirst_platform.engine import parquet, text
from datafirst_platform.linkage.models import datasets, linkage_model
from datafirst_platform.linkage.publishing import parts_of, table_key
from datafirst_platform.marts.project import mart_tables
from datafirst_platform.quality.derived import derive
from datafirst_platform.quality.rules import Rule
from datafirst_platform.quality.suites import load_suite
from datafirst_platform.quality.validation import BATCH, run_suite
from datafirst_platform.quality.verdicts import check_file, check_table
from tests.quality.conftest import EDITION, SUITE_KEYS
from tests.quality.faults import DERIVED, WRITTEN
from tests.quality.faults.derived import MOVES
from tests.quality.faults.sql import whole

SUITES = {str(key): load_suite(key, EDITION) for key in SUITE_KEYS}
OF_LINKAGE = {
    table_key(dataset, part): f"{linkage_model(dataset).kind} {part}"
    for dataset in datasets()
    for part in parts_of(dataset)
}


def is_sql(rule):
    return "query" in rule.kwargs or "unexpected_rows_query" in rule.kwargs


def derived_rules(suite):
    """Ids of the rules that nobody wrote for this table."""
    derived = derive(suite.key)
    found = {rule.id: rule for rule in derived.rules} if derived else {}
    return {rule.id for rule in suite.rules if found.get(rule.id) == rule}


def made_like(key):
    """What tables are alike in how their rules are derived."""
    if key.stage == "extracts":
        return "receipt" if key.table.endswith("_receipt") else "extract"
    return OF_LINKAGE.get(key, key.stage)


def asked(rule):
    """What a derived rule asks, of whatever column, and that column."""
    column, dot, what = rule.id.rpartition(".")
    return (what, column) if dot else (rule.id, "")


def fault_of(suite, rule: Rule):
    """SQL for the views that break a rule."""
    if not is_sql(rule):
        return {BATCH: made_fault(rule)}
    if rule.id in derived_rules(suite):
        what, column = asked(rule)
        fault = DERIVED[what](column, suite)
    else:
        fault = WRITTEN[str(suite.key)][rule.id]
    return fault if isinstance(fault, dict) else {BATCH: fault}


def made_fault(rule: Rule):
    """SQL that breaks a rule of one of Great Expectations' own types, made from its arguments."""
    columns, kwargs = rule.columns, rule.kwargs
    if rule.type == "expect_column_pair_values_a_to_be_greater_than_b":
        return whole(**{columns[0]: "date '2019-01-01'", columns[1]: "date '2020-01-01'"})
    if rule.type in ROWS:
        return ROWS[rule.type]
    if rule.type == "expect_column_values_to_be_between":
        return whole(**{columns[0]: beyond(kwargs)})
    if rule.type == "expect_column_values_to_be_of_type":
        return whole(**{columns[0]: "null::date" if kwargs["type_"] != "DATE" else "null::bigint"})
    return whole(**{columns[0]: VALUES[rule.type]})


ROWS = {
    "expect_table_columns_to_match_ordered_list": "select *, 1 as surname from {t}",
    "expect_table_row_count_to_be_between": "from {t} where false",
    "expect_table_row_count_to_equal_other_table": "from {t} union all (from {t} limit 1)",
    "expect_column_values_to_be_unique": "from {t} union all (from {t} limit 1)",
    "expect_compound_columns_to_be_unique": "from {t} union all (from {t} limit 1)",
}
VALUES = {
    "expect_column_values_to_not_be_null": "null",
    "expect_column_values_to_be_in_set": "'not in the list'",
    "expect_column_values_to_match_regex": "'Elizabeth II'",
    "expect_column_value_lengths_to_be_between": "repeat('x', 500)",
    "expect_column_proportion_of_non_null_values_to_be_between": "null",
}


def beyond(kwargs):
    """A value just outside the bounds."""
    step = 1 if "max_value" in kwargs else -1
    bound = kwargs.get("max_value", kwargs.get("min_value"))
    if isinstance(bound, str):
        return f"date '{date.fromisoformat(bound)}' + {step}"
    return str(bound + step * (0.5 if isinstance(bound, float) else 1))


def tried():
    """Suite and rule: of derived ones each kind once, of written ones all in SQL."""
    seen = set()
    for name, suite in SUITES.items():
        derived = derived_rules(suite)
        for rule in suite.rules:
            if rule.id in derived:
                alike = made_like(suite.key), asked(rule)[0] if is_sql(rule) else rule.type
            else:
                alike = (name, rule.id) if is_sql(rule) else (suite.key.stage, rule.type)
            if alike not in seen:
                seen.add(alike)
                yield pytest.param(name, rule.id, id=f"{name}-{rule.id}")


@pytest.fixture(scope="module")
def ground(judged, candidate):
    """Relation of every table, as SQL, by suite key and, for companions, by view."""

    def relations(suite):
        def rows(key):
            if key.stage == "releases":
                return parquet(candidate[key.table])
            return tables.require(judged, key, EDITION).sql

        read = {BATCH: rows(suite.key)}
        for each in suite.companions:
            read[each.view] = None if each.previous else rows(each.key)
        return read

    return relations


@pytest.fixture(scope="module")
def workbench():
    """An engine that makes faulty tables."""
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


@pytest.mark.parametrize("key", SUITE_KEYS, ids=str)
def test_a_refreshed_installation_passes_every_suite(judged, candidate, key):
    if key.stage == "releases":
        verdict = check_file(judged, key, EDITION, candidate[key.table], beside=candidate)
    else:
        verdict = check_table(judged, key, EDITION)
    assert verdict.passed, [(each.rule, each.counts, each.error) for each in verdict.failures]
    assert not [each.rule for each in verdict.outcomes if not each.passed]


@pytest.mark.parametrize("name", SUITES)
def test_every_rule_in_sql_has_a_fault(name):
    suite = SUITES[name]
    derived = derived_rules(suite)
    in_sql = [rule for rule in suite.rules if is_sql(rule)]
    assert {asked(rule)[0] for rule in in_sql if rule.id in derived} <= set(DERIVED)
    assert {rule.id for rule in in_sql if rule.id not in derived} == set(WRITTEN.get(name, {}))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rule_id"), list(tried()))
def test_each_rule_fails_the_fault_it_is_for(ground, workbench, judged, tmp_path, name, rule_id):
    suite = SUITES[name]
    (rule,) = (each for each in suite.rules if each.id == rule_id)
    views = ground(suite)
    relation = {view: rows for view, rows in views.items() if rows is not None}
    # Of a first edition nothing is told: there is no row to spoil.
    words = {**relation, "t": MOVES if suite.key.stage == "restricted" else relation[BATCH]}
    for view, query in fault_of(suite, rule).items():
        spoilt = tmp_path / f"{view}.parquet"
        workbench.execute(f"copy ({query.format(**words)}) to {text(spoilt)} (format parquet)")
        views[view] = parquet(spoilt)
    single = dataclasses.replace(suite, rules=(rule,))
    (outcome,) = run_suite(judged, single, views)
    assert not outcome.passed, outcome
    assert not outcome.error


def test_no_text_is_released_that_its_mart_leaves_open():
    """A text that is neither of a closed list nor of a stated form could name somebody."""
    open_texts = {
        f"{table.name}.{column.name}"
        for table in mart_tables()
        for column in table.columns
        if column.data_type == "varchar"
        if not (column.pseudonym_of or column.accepted or column.pattern)
    }
    assert open_texts == set()


def test_a_table_of_which_part_is_released_is_held_against_that_part(judged, candidate, tmp_path):
    suite = next(
        each
        for each in SUITES.values()
        if each.key.stage == "releases" and "source_person_id" in each.columns
    )
    key, part, where = suite.key, tmp_path / "part.parquet", "source_dataset = 'magistrates'"
    duckdb.sql(
        f"copy (from read_parquet({text(candidate[key.table])}) where {where}) "
        f"to {text(part)} (format parquet)"
    )
    assert check_file(judged, key, EDITION, part, beside=candidate, where=where).passed
    whole_mart = check_file(judged, key, EDITION, part, beside=candidate)
    assert "no_row_lost" in [each.rule for each in whole_mart.failures]
    other = check_file(
        judged, key, EDITION, part, beside=candidate, where="source_dataset = 'crown'"
    )
    assert "content_unaltered" in [each.rule for each in other.failures]
