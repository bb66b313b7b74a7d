"""The principal offence: the macro against the same rule written in Python."""

import json
import random

import duckdb
import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_rows import publish_supply, supply

from datafirst_platform.marts.build import Build
from datafirst_platform.settings import PROJECT_ROOT

MACRO = (PROJECT_ROOT / "dbt_project/macros/rank_offences.sql").read_text()
SQL = jinja2.Environment().from_string(MACRO + "{{ rank_offences('offences') }}").render()

OFFENCE = st.fixed_dictionaries(
    {
        "defendant_case_key": st.sampled_from("ab"),
        "disposal_rank": st.none() | st.integers(1, 3),
        "custodial_days": st.none() | st.integers(0, 2),
        "fine_amount": st.none() | st.sampled_from(["0.00", "0.01", "100.10"]),
        "offence_priority": st.none() | st.integers(1, 2),
        "ho_offence_code": st.sampled_from(["1/01", "10/01", "2/00"]),
        "is_convicted": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        opened.execute(
            "create table offences (offence_key varchar, defendant_case_key varchar, "
            "disposal_rank integer, custodial_days integer, fine_amount decimal(18,2), "
            "offence_priority integer, ho_offence_code varchar, is_convicted boolean)"
        )
        yield opened


def seriousness(offence):
    return (
        offence["disposal_rank"] or 99,
        -(offence["custodial_days"] or 0),
        -float(offence["fine_amount"] or 0),
        offence["offence_priority"] or 99,
        offence["ho_offence_code"],
        offence["offence_key"],
    )


def ranked(connection, offences):
    connection.execute("truncate offences")
    for offence in offences:
        connection.execute(
            "insert into offences by name select "
            + ", ".join(f"? as {column}" for column in offence),
            list(offence.values()),
        )
    return {
        row[0]: row[1:]
        for row in connection.execute(
            "select offence_key, most_serious_disposal_rank, offence_count, "
            f"convicted_offence_count from ({SQL})"
        ).fetchall()
    }


@given(st.lists(OFFENCE, max_size=6), st.randoms(use_true_random=False))
def test_offences_are_ranked_by_the_documented_rule(connection, drawn, chance):
    offences = [{"offence_key": f"{n:02}", **offence} for n, offence in enumerate(drawn)]
    shuffled = list(offences)
    chance.shuffle(shuffled)

    expected = {}
    for case in "ab":
        own = sorted((o for o in offences if o["defendant_case_key"] == case), key=seriousness)
        convicted = sum(offence["is_convicted"] for offence in own)
        for rank, offence in enumerate(own, start=1):
            expected[offence["offence_key"]] = (rank, len(own), convicted)

    assert ranked(connection, shuffled) == expected


def test_the_order_of_rows_decides_nothing(connection):
    same = {
        "defendant_case_key": "a",
        "disposal_rank": None,
        "custodial_days": None,
        "fine_amount": None,
        "offence_priority": None,
        "ho_offence_code": "1/01",
        "is_convicted": False,
    }
    offences = [{"offence_key": f"{n:02}", **same} for n in range(20)]
    expected = {f"{n:02}": (n + 1, 20, 0) for n in range(20)}
    random.Random(1).shuffle(offences)

    assert ranked(connection, offences) == expected


def test_dbts_unit_tests_pass(settings):
    """They are about code, so a build leaves them out; here they run."""
    publish_supply(settings, supply(), "2025")
    build = Build.of(settings, "2025")
    build.clear()
    ranked_alone = ["--select", "+int_libra__offences_ranked", "+int_xhibit__offences_ranked"]
    done = build.run_dbt("build", "--empty", *ranked_alone, "--exclude", "test_type:data")
    assert done.returncode == 0, done.stdout
    results = json.loads((build.target / "run_results.json").read_text())["results"]
    outcomes = [each["status"] for each in results if each["unique_id"].startswith("unit_test.")]
    assert len(outcomes) >= 7
    assert set(outcomes) == {"pass"}
