"""Great Expectations on DuckDB: every type decides both ways, and nothing but counts comes out."""

import dataclasses
import json
import logging
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from datafirst_platform.engine import parquet
from datafirst_platform.quality import validation
from datafirst_platform.quality.rules import KINDS, Companion
from datafirst_platform.quality.validation import BATCH, run_suite
from datafirst_platform.safe_errors import PlatformError
from tests.quality.conftest import suite_of

CANARY = "ZYXQUOR"
GOOD = """select * from (values
    ('aa', 1, date '2020-01-01', 10), ('ab', 2, date '2020-01-02', 20), ('ac', 3, null, null)
) t(name, number, day, amount)"""

# Type, arguments, rows that break it, and how many do; None where it counts no rows.
CASES = [
    (
        "expect_table_columns_to_match_ordered_list",
        {"column_list": ["name", "number", "day", "amount"]},
        "select name, number, amount, day from good",
        None,
    ),
    ("expect_table_row_count_to_be_between", {"min_value": 1}, "from good where false", 0),
    (
        "expect_table_row_count_to_equal_other_table",
        {"other_table_name": "other"},
        "from good limit 2",
        None,
    ),
    (
        "expect_column_values_to_be_of_type",
        {"column": "number", "type_": "INTEGER"},
        "select * replace (number::bigint as number) from good",
        None,
    ),
    (
        "expect_column_values_to_not_be_null",
        {"column": "name"},
        "select * replace (nullif(name, 'aa') as name) from good",
        1,
    ),
    (
        "expect_column_values_to_be_null",
        {"column": "amount", "mostly": 0.3},
        "select * replace (5 as amount) from good",
        3,
    ),
    (
        "expect_column_values_to_be_unique",
        {"column": "number"},
        "from good union all (from good where number = 1)",
        2,
    ),
    (
        "expect_compound_columns_to_be_unique",
        {"column_list": ["name", "number"]},
        "from good union all (from good where number < 3)",
        4,
    ),
    (
        "expect_column_values_to_be_in_set",
        {"column": "name", "value_set": ["aa", "ab", "ac"]},
        f"select * replace ('{CANARY}' as name) from good",
        3,
    ),
    (
        "expect_column_values_to_not_be_in_set",
        {"column": "number", "value_set": [9]},
        "select * replace (9 as number) from good",
        3,
    ),
    (
        "expect_column_values_to_match_regex",
        {"column": "name", "regex": "^a[a-z]$"},
        f"select * replace (name || '{CANARY}' as name) from good",
        3,
    ),
    (
        "expect_column_values_to_not_match_regex",
        {"column": "name", "regex": "Q"},
        f"select * replace ('{CANARY}' as name) from good",
        3,
    ),
    (
        "expect_column_values_to_be_between",
        {"column": "day", "max_value": "2020-01-02"},
        "select * replace (day + 1 as day) from good",
        1,
    ),
    (
        "expect_column_value_lengths_to_be_between",
        {"column": "name", "max_value": 2},
        f"select * replace ('{CANARY}' as name) from good",
        3,
    ),
    (
        "expect_column_proportion_of_non_null_values_to_be_between",
        {"column": "amount", "min_value": 0.5},
        "select * replace (null::integer as amount) from good",
        0,
    ),
    (
        "expect_column_proportion_of_unique_values_to_be_between",
        {"column": "number", "min_value": 0.9},
        "select * replace (1 as number) from good",
        None,
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "amount", "column_B": "number", "ignore_row_if": "either_value_is_missing"},
        "select * replace (0 as amount) from good",
        3,
    ),
    (
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["number", "rest"], "sum_total": 10},
        "select *, 1 as rest from good",
        3,
    ),
    (
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "select name from {batch} where day > getvariable('cut_off')"},
        "select * replace (date '2025-01-01' as day) from good",
        3,
    ),
    (
        "expect_query_share_to_be_between",
        {"query": "select count(day) as counted, count(*) as total from {batch}", "max_share": 0.9},
        "select * replace (date '2025-01-01' as day) from good",
        3,
    ),
]


def test_every_type_a_suite_may_use_is_tried_below():
    assert {case[0] for case in CASES} == set(KINDS)


@pytest.mark.parametrize(("kind", "kwargs", "bad", "rows"), CASES, ids=[case[0] for case in CASES])
def test_each_type_passes_good_rows_and_fails_bad_ones(judge, kind, kwargs, bad, rows):
    good = f"select *, 10 - number as rest from ({GOOD})" if "rest" in str(kwargs) else GOOD
    others = {"other": GOOD}

    (passed,) = judge(good, (kind, kwargs), others=others)
    assert passed.passed, passed
    (failed,) = judge(f"with good as ({GOOD}) {bad}", (kind, kwargs), others=others)
    assert not failed.passed
    assert not failed.error
    if rows is not None:
        assert rows in (failed.counts.get("unexpected_count"), failed.counts.get("observed"))
    assert CANARY not in repr(failed)


def test_missing_values_are_counted_and_pass(judge):
    (outcome,) = judge(GOOD, ("expect_column_values_to_be_unique", {"column": "day"}))
    assert outcome.passed
    assert outcome.counts == {"element_count": 3, "missing_count": 1, "unexpected_count": 0}


def test_mostly_lets_some_rows_through(judge):
    rows = "select case when i < 5 then 'bad' else 'ok' end as name from range(100) t(i)"
    kind = "expect_column_values_to_be_in_set"
    lenient, strict = judge(
        rows,
        (kind, {"column": "name", "value_set": ["ok"], "mostly": 0.95}),
        (kind, {"column": "name", "value_set": ["ok"], "mostly": 0.96}),
    )
    assert (lenient.passed, strict.passed) == (True, False)
    assert lenient.counts["unexpected_count"] == 5


def test_a_share_of_too_few_rows_says_nothing_and_passes(judge):
    query = "select count(*) as counted, count(*) as total from {batch}"
    kind = "expect_query_share_to_be_between"
    few, enough = judge(
        GOOD,
        (kind, {"query": query, "max_share": 0.5, "judged_from": 4}),
        (kind, {"query": query, "max_share": 0.5, "judged_from": 3}),
    )
    assert (few.passed, enough.passed) == (True, False)


def test_other_tables_are_seen_as_views_and_an_absent_one_as_empty(settings, tmp_path):
    file = tmp_path / "batch.parquet"
    duckdb.sql(GOOD).write_parquet(str(file))
    rule = (
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "select 1 from {batch} join earlier using (number)"},
    )
    (absent,) = run_suite(settings, suite_of(rule), {BATCH: parquet(file), "earlier": None})
    (present,) = run_suite(
        settings, suite_of(rule), {BATCH: parquet(file), "earlier": parquet(file)}
    )
    assert absent.passed
    assert present.counts == {"observed": 3}


def test_a_condition_leaves_of_another_table_the_rows_that_meet_it(settings, tmp_path):
    file = tmp_path / "batch.parquet"
    duckdb.sql(GOOD).write_parquet(str(file))
    rules = suite_of(
        ("expect_table_row_count_to_equal_other_table", {"other_table_name": "whole"}),
        ("expect_table_row_count_to_equal_other_table", {"other_table_name": "part"}),
    )
    seen = (Companion("whole", rules.key), Companion("part", rules.key, where="number > 1"))
    suite = dataclasses.replace(rules, companions=seen)
    assert suite.digest != rules.digest
    equal, fewer = run_suite(
        settings, suite, dict.fromkeys((BATCH, "whole", "part"), parquet(file))
    )
    assert (equal.passed, fewer.passed) == (True, False)
    assert fewer.counts == {"observed_other": 2, "observed_self": 3}


def test_a_versions_folder_is_not_taken_for_a_column(settings, tmp_path):
    folder = tmp_path / "v=0123456789abcdef"
    folder.mkdir()
    duckdb.sql("select 1 as a").write_parquet(str(folder / "t.parquet"))
    rule = ("expect_table_columns_to_match_ordered_list", {"column_list": ["a"]})
    (outcome,) = run_suite(settings, suite_of(rule), {BATCH: parquet(folder / "t.parquet")})
    assert outcome.passed


BREAKING = [
    ("expect_column_values_to_be_in_set", {"column": "name", "value_set": ["x"]}),
    ("expect_column_values_to_match_regex", {"column": "name", "regex": "^x$"}),
    ("expect_column_values_to_be_unique", {"column": "name"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["name", "note"]}),
    ("expect_column_value_lengths_to_be_between", {"column": "name", "max_value": 1}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "name", "column_B": "note"}),
    ("expect_column_values_to_be_between", {"column": "name", "min_value": 1}),
    ("expect_column_values_to_be_between", {"column": "missing", "min_value": 1}),
    ("unexpected_rows_expectation", {"unexpected_rows_query": "select * from {batch}"}),
    ("unexpected_rows_expectation", {"unexpected_rows_query": "from {batch} where name::int > 0"}),
    (
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "from {batch} where error(name) = 1"},
    ),
    ("expect_query_share_to_be_between", {"query": "select name, note from {batch}"}),
    ("expect_query_share_to_be_between", {"query": "select sum(name::int), 1 from {batch}"}),
]


def test_no_planted_value_comes_out_anywhere(judge, capfd, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    rows = f"select '{CANARY}' as name, 'note {CANARY}' as note from range(60)"
    outcomes = judge(rows, *BREAKING)

    assert not any(outcome.passed for outcome in outcomes)
    told = json.dumps([dataclasses.asdict(outcome) for outcome in outcomes])
    written = capfd.readouterr()
    for sink in (told, written.out, written.err, caplog.text):
        assert CANARY not in sink
    # Nothing is written by Great Expectations, in the working folder or elsewhere near it.
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".parquet"] == [
        each for each in ("data", "keys") if (tmp_path / each).exists()
    ]


def test_rows_are_never_asked_for(judge, monkeypatch):
    """Great Expectations would fetch failing values; what reaches the engine asks for counts."""
    asked = []
    engine = validation._toolkit().engine_class
    real = engine.execute_query

    def watch(self, query):
        result = real(self, query)
        asked.append(str(query))
        return result

    monkeypatch.setattr(engine, "execute_query", watch)
    judge(f"select '{CANARY}' as name, 'note' as note from range(60)", *BREAKING)
    assert asked
    for query in asked:
        told = query.lower()
        assert "unexpected_values" not in told
        counts = ("count(", "sum(", "describe")
        assert any(each in told for each in counts) or told == "select name, note from batch"


def test_an_undecidable_rule_fails_with_the_class_of_its_error(judge):
    rows = "select 'x' as name, 'y' as note"
    by_rule = dict(zip(range(len(BREAKING)), judge(rows, *BREAKING), strict=True))
    assert by_rule[9].error == "ConversionException"
    assert by_rule[6].error == "InvalidColumnTypeError"
    assert by_rule[7].error.endswith("Error")
    assert not any(by_rule[each].passed or by_rule[each].counts for each in (6, 7, 9))


def test_a_type_great_expectations_does_not_know_is_an_error(judge, monkeypatch):
    kind = "expect_column_values_to_be_lovely"
    monkeypatch.setitem(KINDS, kind, KINDS["expect_column_values_to_be_unique"])
    known = ("expect_column_values_to_not_be_null", {"column": "name"})
    with pytest.raises(PlatformError, match=r"made_up.yaml, expectation rule_1.*lovely"):
        judge(GOOD, known, (kind, {"column": "name"}))


def test_a_rule_that_is_dropped_in_silence_is_missed(judge, monkeypatch):
    """As Great Expectations does with a suite that holds a type it does not know."""
    toolkit = validation._toolkit()
    monkeypatch.setattr(
        validation,
        "_toolkit",
        lambda: toolkit._replace(
            suite_class=lambda name, expectations: toolkit.suite_class(
                name=name, expectations=expectations[:-1]
            )
        ),
    )
    known = ("expect_column_values_to_not_be_null", {"column": "name"})
    with pytest.raises(PlatformError, match=r"2 rules were loaded but 1 came back.*rule_1"):
        judge(GOOD, known, ("expect_column_values_to_be_unique", {"column": "name"}))


def test_arguments_great_expectations_does_not_take_are_an_error(judge):
    with pytest.raises(PlatformError, match=r"made_up.yaml, expectation rule_0"):
        judge(GOOD, ("expect_table_row_count_to_be_between", {"min_value": "many"}))


def test_a_file_that_is_no_parquet_is_an_error_without_its_content(settings, tmp_path):
    file = tmp_path / "t.parquet"
    file.write_text(CANARY * 100)
    rule = ("expect_column_values_to_be_unique", {"column": "a"})
    with pytest.raises(PlatformError) as error:
        run_suite(settings, suite_of(rule), {BATCH: parquet(file)})
    assert CANARY not in str(error.value)
    assert error.value.__cause__ is None


def test_threads_do_not_change_the_outcome(settings, tmp_path):
    file = tmp_path / "t.parquet"
    duckdb.sql("select i, i % 7 as j from range(300000) t(i)").write_parquet(str(file))
    query = "select count(*) filter (where j = 1) as counted, count(*) as total from {batch}"
    rules = suite_of(
        ("expect_column_values_to_be_unique", {"column": "j"}),
        ("expect_column_values_to_be_between", {"column": "j", "max_value": 5}),
        ("expect_query_share_to_be_between", {"query": query}),
    )
    found = [
        run_suite(dataclasses.replace(settings, threads=threads), rules, {BATCH: parquet(file)})
        for threads in (1, 2)
    ]
    assert found[0] == found[1]


def test_great_expectations_is_imported_late_and_opens_no_connection(tmp_path):
    duckdb.sql("select 1 as a").write_parquet(str(tmp_path / "t.parquet"))
    code = f"""
import os, socket, sys
from pathlib import Path
from datafirst_platform.quality import verdicts
from datafirst_platform.engine import parquet
from datafirst_platform.quality.validation import run_suite
from datafirst_platform.settings import Settings
from tests.quality.conftest import suite_of
assert not {{"great_expectations", "pandas"}} & set(sys.modules)

def refuse(*arguments):
    raise AssertionError("a connection was opened")

socket.socket.connect = socket.getaddrinfo = refuse
settings = Settings(Path({str(tmp_path)!r}) / "data", Path({str(tmp_path)!r}) / "keys")
rules = suite_of(("expect_column_values_to_be_unique", {{"column": "a"}}))
(outcome,) = run_suite(settings, rules, {{"batch": parquet(Path({str(tmp_path)!r}) / "t.parquet")}})
print(outcome.passed, os.environ["GX_ANALYTICS_ENABLED"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.stdout.split() == ["True", "false"], done.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data", "t.parquet"]
