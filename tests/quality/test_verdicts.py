"""Verdicts: bound to bytes and rules, kept, reused, and asked again before a release."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datafirst_platform import tables
from datafirst_platform.identity import TableKey
from datafirst_platform.marts.project import project_digest
from datafirst_platform.quality import verdicts
from datafirst_platform.quality.validation import Outcome
from datafirst_platform.quality.verdicts import (
    DBT_GATE,
    EXPECTATIONS_GATE,
    Verdict,
    check_file,
    check_table,
    count_standing,
    gates_of,
    record_verdict,
    unmet_gates,
    verdict_of,
    verdict_path,
)
from datafirst_platform.safe_errors import NotReady, PlatformError
from tests.quality.conftest import publish

COUNTS = TableKey.of("linkage", "magistrates_counts")
EDGES = TableKey.of("linkage", "magistrates_edges")
CASES = TableKey.of("extracts", "libra_cases")
GOOD = """select measure, level, 1::bigint as value from (values
    ('records', ''), ('unlinkable', ''),
    ('edges', 'high'), ('edges', 'medium'), ('edges', 'low'),
    ('people', 'high'), ('people', 'medium'), ('people', 'low'),
    ('largest', 'high'), ('largest', 'medium'), ('largest', 'low')
) counts(measure, level)"""
BAD = f"select * from ({GOOD}) union all select null, '', 7"


CASE_ROWS = "select left(sha256(i::varchar), 32) as record_key from range(3) t(i)"
EDGE_ROWS = """select left(sha256('0'), 32) as record_key_l, left(sha256('1'), 32) as record_key_r,
    12.5::decimal(6,2) as match_weight"""


@pytest.fixture
def engine_runs(monkeypatch):
    """How many times rules were computed."""
    runs = []
    real = verdicts.run_suite

    def counted(*arguments):
        runs.append(arguments[1].key)
        return real(*arguments)

    monkeypatch.setattr(verdicts, "run_suite", counted)
    return runs


def problems(settings, *versions):
    return [(each.gate, each.problem) for each in unmet_gates(settings, versions)]


def test_a_verdict_says_what_was_judged_by_what_and_how_it_came_out(settings):
    version = publish(settings, COUNTS, GOOD)
    verdict = check_table(settings, COUNTS, "2025")

    assert verdict.passed
    assert (verdict.key, verdict.edition) == (COUNTS, "2025")
    assert verdict.data_version == version.version
    assert [each.rule for each in verdict.outcomes] == [
        "columns",
        "measure.not_null",
        "value.not_null",
        "value.bounds",
        "each_once",
        "complete",
        "lineage_adds_up",
        "people_last",
    ]
    path = verdict_path(settings, COUNTS, "2025", version.version, EXPECTATIONS_GATE)
    assert path == (
        settings.audit
        / "verdicts/linkage/magistrates_counts/2025"
        / f"{version.version[:16]}.expectations.json"
    )
    assert path.read_text() == verdict.to_json()
    assert json.loads(path.read_text())["passed"] is True
    assert verdict_of(settings, COUNTS, "2025", version.version, EXPECTATIONS_GATE) == verdict


def test_a_failed_verdict_names_the_rule_and_counts_its_rows(settings):
    publish(settings, COUNTS, BAD)
    verdict = check_table(settings, COUNTS, "2025")

    assert not verdict.passed
    (failed,) = verdict.failures
    assert failed.rule == "measure.not_null"
    assert failed.counts == {"element_count": 12, "unexpected_count": 1}


def test_the_same_data_and_rules_give_the_same_bytes(settings):
    version = publish(settings, COUNTS, GOOD)
    path = verdict_path(settings, COUNTS, "2025", version.version, EXPECTATIONS_GATE)
    check_table(settings, COUNTS, "2025")
    first = path.read_bytes()
    path.unlink()
    check_table(settings, COUNTS, "2025")
    assert path.read_bytes() == first


def test_a_verdict_that_stands_is_not_computed_again(settings, engine_runs):
    publish(settings, COUNTS, GOOD)
    first = check_table(settings, COUNTS, "2025")
    assert check_table(settings, COUNTS, "2025") == first
    assert engine_runs == [COUNTS]
    # Other data, other verdict; the first data again, its verdict again.
    publish(settings, COUNTS, BAD)
    assert not check_table(settings, COUNTS, "2025").passed
    publish(settings, COUNTS, GOOD)
    assert check_table(settings, COUNTS, "2025").passed
    assert engine_runs == [COUNTS, COUNTS]


def test_a_changed_suite_is_asked_again(settings, engine_runs, monkeypatch):
    version = publish(settings, COUNTS, GOOD)
    check_table(settings, COUNTS, "2025")
    assert problems(settings, version) == []
    real = verdicts.load_suite

    def stricter(key, edition):
        suite = real(key, edition)
        rules = [
            dataclasses.replace(rule, kwargs={**rule.kwargs, "min_value": 2})
            if rule.id == "value.bounds"
            else rule
            for rule in suite.rules
        ]
        return dataclasses.replace(suite, rules=tuple(rules))

    monkeypatch.setattr(verdicts, "load_suite", stricter)
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "stale")]
    assert not check_table(settings, COUNTS, "2025").passed
    assert engine_runs == [COUNTS, COUNTS]
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "failed")]


def test_another_table_looked_at_is_part_of_the_verdict(settings, engine_runs):
    cases, counts = publish(settings, CASES, CASE_ROWS), publish(settings, COUNTS, GOOD)
    edges = publish(settings, EDGES, EDGE_ROWS)
    first = check_table(settings, EDGES, "2025")
    assert first.passed
    assert first.inputs == {"libra_cases": cases.version, "counts": counts.version}
    assert problems(settings, edges) == []

    newer = publish(settings, CASES, CASE_ROWS.replace("range(3)", "range(1)"))
    (stale,) = unmet_gates(settings, [edges])
    assert (stale.gate, stale.problem) == (EXPECTATIONS_GATE, "stale")
    assert "extracts/libra_cases" in stale.text
    assert "datafirst refresh 2025" in stale.text
    # What counts is the version the release uses, whatever stands.
    unjudged = (EXPECTATIONS_GATE, "missing")
    assert problems(settings, edges, cases) == [unjudged]
    assert problems(settings, edges, newer) == [(EXPECTATIONS_GATE, "stale"), unjudged]

    second = check_table(settings, EDGES, "2025")
    assert not second.passed
    assert [each.rule for each in second.failures] == ["records_exist"]
    assert engine_runs == [EDGES, EDGES]


def test_a_table_that_was_never_judged_or_failed_is_unmet(settings):
    version = publish(settings, COUNTS, BAD)
    (missing,) = unmet_gates(settings, [version])
    assert (missing.key, missing.gate, missing.problem) == (COUNTS, EXPECTATIONS_GATE, "missing")
    check_table(settings, COUNTS, "2025")
    (failed,) = unmet_gates(settings, [version])
    assert failed.problem == "failed"
    assert "measure.not_null" in failed.text


def test_an_altered_file_is_unmet(settings):
    version = publish(settings, COUNTS, GOOD)
    check_table(settings, COUNTS, "2025")
    version.path.write_bytes(version.path.read_bytes() + b"\0")
    assert problems(settings, version) == [("data", "tampered")]
    version.path.unlink()
    assert problems(settings, version) == [("data", "tampered")]


def test_a_verdict_may_not_be_edited_or_moved(settings):
    version = publish(settings, COUNTS, BAD)
    check_table(settings, COUNTS, "2025")
    path = verdict_path(settings, COUNTS, "2025", version.version, EXPECTATIONS_GATE)
    judged = path.read_text()

    # Saying that it passed, where its outcomes do not.
    path.write_text(judged.replace('"passed":false,"stage"', '"passed":true,"stage"'))
    assert path.read_text() != judged
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "missing")]
    # Leaving the failed rule out.
    content = json.loads(judged)
    content["outcomes"] = [each for each in content["outcomes"] if each["passed"]]
    path.write_text(json.dumps({**content, "passed": True}))
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "stale")]
    # Another version's verdict under this one's name.
    good = publish(settings, COUNTS, GOOD)
    check_table(settings, COUNTS, "2025")
    path.write_text(
        verdict_path(settings, COUNTS, "2025", good.version, EXPECTATIONS_GATE).read_text()
    )
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "missing")]
    path.write_text("")
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "missing")]


def test_a_suite_that_is_gone_opens_no_gate(settings, monkeypatch, tmp_path):
    version = publish(settings, COUNTS, GOOD)
    check_table(settings, COUNTS, "2025")
    other = TableKey.of("marts", "made_up")
    monkeypatch.setattr(
        verdicts, "load_suite", lambda _, edition: _load(other, edition, tmp_path / "none")
    )
    assert problems(settings, version) == [(EXPECTATIONS_GATE, "stale")]


_load = verdicts.load_suite


def test_marts_need_dbts_tests_too_and_secure_tables_are_never_released(settings):
    assert gates_of(TableKey.of("marts", "crown_cases")) == (EXPECTATIONS_GATE, DBT_GATE)
    assert gates_of(TableKey.of("linkage", "crown_people")) == (EXPECTATIONS_GATE,)
    assert gates_of(TableKey.of("identities", "libra_cases")) == ()
    secure = publish(settings, TableKey.of("identities", "libra_cases"), "select 1 as a")
    (refused,) = unmet_gates(settings, [secure])
    assert "never release from it" in refused.text

    mart = publish(settings, TableKey.of("marts", "crown_cases"), "select 1 as a")
    assert problems(settings, mart) == [(EXPECTATIONS_GATE, "missing"), (DBT_GATE, "missing")]
    outcome = Outcome("unique", "unique", "a", "critical", passed=True, counts={"failures": 0})
    for project, wrong in (("another", [(DBT_GATE, "stale")]), (project_digest(), [])):
        given = Verdict("marts", "crown_cases", "2025", mart.version, DBT_GATE, project, (outcome,))
        record_verdict(settings, given)
        assert problems(settings, mart) == [(EXPECTATIONS_GATE, "missing"), *wrong]


def test_dbts_verdict_is_read_as_dbts_door_writes_it(settings):
    from datafirst_platform.marts.build import DbtTest, verdict

    mart = publish(settings, TableKey.of("marts", "crown_cases"), "select 1 as a")
    tests = [
        DbtTest("unique_a", "unique", "model.x", "a", "critical", "pass", 0),
        DbtTest("few_b", "is_between", "model.x", "b", "warning", "warn", 3),
    ]
    passed = Verdict.from_json(verdict(mart, "digest", tests))
    assert (passed.passed, passed.gate, len(passed.outcomes)) == (True, DBT_GATE, 2)
    broken = [*tests, DbtTest("not_null_a", "not_null", "model.x", "a", "critical", "fail", 2)]
    assert not Verdict.from_json(verdict(mart, "digest", broken)).passed


def test_a_candidates_file_is_judged_with_the_files_beside_it(settings, tmp_path):
    """Without publishing either; companions of the same stage come from the candidate."""
    cases, counts = publish(settings, CASES, CASE_ROWS), publish(settings, COUNTS, GOOD)
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    duckdb.sql(EDGE_ROWS).write_parquet(str(good))
    duckdb.sql(EDGE_ROWS.replace("'1'", "'7'")).write_parquet(str(bad))

    assert check_file(settings, EDGES, "2025", good).passed
    verdict = check_file(settings, EDGES, "2025", bad)
    assert [each.rule for each in verdict.failures] == ["records_exist"]
    assert verdict.data_version == tables.digest_of(bad)
    assert verdict.inputs == {"libra_cases": cases.version, "counts": counts.version}
    assert tables.current(settings, EDGES, "2025") is None


def test_what_is_not_there_yet_is_said(settings):
    with pytest.raises(NotReady, match="linkage/magistrates_counts of edition 2025"):
        check_table(settings, COUNTS, "2025")
    publish(settings, EDGES, EDGE_ROWS)
    with pytest.raises(NotReady, match="extracts/libra_cases of edition 2025"):
        check_table(settings, EDGES, "2025")


def test_standing_gates_are_counted(settings):
    assert count_standing(settings, "2025") == (0, 0)
    publish(settings, COUNTS, GOOD)
    check_table(settings, COUNTS, "2025")
    assert count_standing(settings, "2025") == (1, 0)
    publish(settings, COUNTS, BAD)
    assert count_standing(settings, "2025") == (0, 0)
    check_table(settings, COUNTS, "2025")
    assert count_standing(settings, "2025") == (0, 1)
    assert count_standing(settings, "2026") == (0, 0)


_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
_OUTCOMES = st.builds(
    Outcome,
    rule=_WORDS,
    type=_WORDS,
    column=_WORDS,
    severity=st.sampled_from(["critical", "warning", "info"]),
    passed=st.booleans(),
    counts=st.dictionaries(
        _WORDS, st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    ),
    error=_WORDS,
)


@given(
    outcomes=st.lists(_OUTCOMES, max_size=4).map(tuple),
    inputs=st.dictionaries(_WORDS, _WORDS, max_size=3),
    words=st.lists(_WORDS, min_size=5, max_size=5),
)
def test_a_verdict_survives_its_json(outcomes, inputs, words):
    table, edition, version, gate, suite = words
    verdict = Verdict("marts", table, edition, version, gate, suite, outcomes, inputs)
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert Verdict.from_json(verdict.to_json()).to_json() == verdict.to_json()
    failed = any(not each.passed and each.severity == "critical" for each in outcomes)
    assert verdict.passed == (bool(outcomes) and not failed)


@pytest.mark.parametrize("document", ["", "{}", "[]", "null", '{"format":"datafirst-verdict/2"}'])
def test_what_is_no_verdict_is_refused(document):
    with pytest.raises(PlatformError, match="Not a verdict"):
        Verdict.from_json(document)


def test_a_release_asks_without_dagster_and_without_great_expectations():
    code = (
        "import sys; from pathlib import Path\n"
        "from datafirst_platform.settings import Settings\n"
        "from datafirst_platform.quality.suites import load_suite\n"
        "from datafirst_platform.quality.verdicts import unmet_gates\n"
        "from datafirst_platform.identity import TableKey\n"
        "load_suite(TableKey.of('marts', 'crown_cases'), '2025')\n"
        "unmet_gates(Settings(Path('/nowhere/data'), Path('/nowhere/keys')), [])\n"
        "print({'dagster', 'great_expectations', 'pandas', 'dbt'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "set()", done.stderr
