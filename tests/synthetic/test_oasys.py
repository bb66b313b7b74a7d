"""Assessments follow the sentences of the lives, and their answers what people struggle with."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from supply_files import settings_in

from datafirst_platform import editions
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.synthetic import delius, lives, make_supply, needs, oasys, sentences

EARLY, LATE = 20088, 20453  # 2024-12-31 and 2025-12-31
TABLES = ("oasys_offenders", "oasys_assessments", "oasys_core_risk")
SECTIONS = {
    "question_3_tot": ("question_3_3", "question_3_4", "question_3_5", "question_3_6"),
    "question_5_tot": ("question_5_1", "question_5_2", "question_5_5", "question_5_6"),
}


@pytest.fixture(scope="module")
def ask(told: lives.Lives) -> duckdb.DuckDBPyConnection:
    """Tables of the edition of 2025 by their names, those of 2026 with `_late` behind."""
    connection = duckdb.connect()
    for ending, cut_off in (("", EARLY), ("_late", LATE)):
        for name, table in oasys.tables(told, cut_off).items():
            connection.register(f"{name}{ending}", table)
    connection.register("delius_offenders", delius.tables(told, EARLY)["delius_offenders"])
    connection.register(
        "needs",
        pa.table(
            {
                "person_id": told.people.person_id,
                "accommodation": needs.draw(told.seed, told.people, told.cases).accommodation,
            }
        ),
    )
    return connection


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_everything_is_accepted_at_the_door(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    make_supply(settings, editions.edition("2025"), people=3000, seed=3, sources=["oasys"])
    extract = extract_source(settings, "2025", "oasys")
    assert set(extract.tables) == set(TABLES)
    for table in extract.tables.values():
        assert table.rows_supplied > 500
        assert table.rows_quarantined == 0


def test_some_people_have_two_records(ask: duckdb.DuckDBPyConnection) -> None:
    rows, people, distinct = _row(
        ask,
        "select count(*), count(distinct person_id), count(distinct offender_pk) "
        "from oasys_offenders",
    )
    assert rows == distinct
    assert 1.008 < rows / people < 1.04


def test_numbers_of_the_other_systems_are_theirs(ask: duckdb.DuckDBPyConnection) -> None:
    with_crn, with_noms, same = _row(
        ask,
        """select avg((cms_prob_number is not null)::int), avg((cms_pris_number is not null)::int),
        avg(exists (select 1 from delius_offenders d
            where d.crn = cms_prob_number and d.person_id = o.person_id)::int)
            filter (cms_prob_number is not null and person_id in
                (select person_id from delius_offenders))
        from oasys_offenders o""",
    )
    assert with_crn > 0.9
    assert 0.3 < with_noms < 0.8
    assert same > 0.98


def test_missing_no_problem_and_not_asked_are_told_apart(ask: duckdb.DuckDBPyConnection) -> None:
    asked = [each for parts in SECTIONS.values() for each in parts] + ["question_10_6"]
    for question in asked:
        missing, none, not_asked = _row(
            ask,
            f"""select avg(({question} = 'M')::int) filter ({question} is not null),
            avg(({question} = '0')::int), avg(({question} is null)::int) from oasys_core_risk""",
        )
        assert 0.015 < missing < 0.08, question
        assert 0.2 < none < 0.9, question
        assert 0.05 < not_asked < 0.3, question


@pytest.mark.parametrize("total", SECTIONS)
def test_totals_are_the_sums_of_their_answers(ask: duckdb.DuckDBPyConnection, total: str) -> None:
    parts = " + ".join(f"coalesce(try_cast({part} as int), 0)" for part in SECTIONS[total])
    wrong, missing_part, highest = _row(
        ask,
        f"""select count(*) filter ({total}::int <> {parts}),
        count(*) filter ({total} is not null and {SECTIONS[total][1]} = 'M'),
        max({total}::int) from oasys_core_risk""",
    )
    assert wrong == 0
    assert missing_part > 0
    assert highest == 8


def test_the_short_form_asks_less(ask: duckdb.DuckDBPyConnection) -> None:
    short, asked_in_short, left_out_of_long, scored = _row(
        ask,
        """select avg((assessment_type = 'L1')::int),
        count(*) filter (assessment_type = 'L1' and question_3_tot is not null),
        count(*) filter (assessment_type = 'L3' and question_3_tot is null),
        count(*) filter (assessment_type = 'L1' and ogp_2year is not null)
        from oasys_assessments join oasys_core_risk using (assessment_pk)""",
    )
    assert 0.08 < short < 0.3
    assert asked_in_short == left_out_of_long == scored == 0


def test_a_later_form_asks_more(ask: duckdb.DuckDBPyConnection) -> None:
    before, since = _row(
        ask,
        """select count(question_10_7_histpsych_v2) filter (assessment_version = '1'),
        count(question_10_7_histpsych_v2) filter (assessment_version <> '1')
        from oasys_assessments join oasys_core_risk using (assessment_pk)""",
    )
    assert before == 0
    assert since > 0


def test_answers_rise_with_the_need_behind_them(ask: duckdb.DuckDBPyConnection) -> None:
    low, middle, high = _row(
        ask,
        """select avg(question_3_tot::int) filter (accommodation < 0),
        avg(question_3_tot::int) filter (accommodation between 0 and 1),
        avg(question_3_tot::int) filter (accommodation > 1)
        from oasys_core_risk join needs using (person_id)""",
    )
    assert low + 1 < middle < high - 1


def test_custody_is_that_of_the_life(ask: duckdb.DuckDBPyConnection, told: lives.Lives) -> None:
    spells = told.spells
    ask.register(
        "spells",
        pa.table(
            {
                "person_id": told.people.person_id[spells.person],
                "since": spells.received_day.astype("datetime64[D]"),
                "until": np.minimum(spells.released_day, 50_000).astype("datetime64[D]"),
            }
        ),
    )
    inside, disagree, area_inside = _row(
        ask,
        """select avg((in_custody = 'Y')::int), count(*) filter ((in_custody = 'Y') <> exists (
            select 1 from spells s where s.person_id = a.person_id
            and s.since <= initiation_date::date and initiation_date::date < s.until)),
        count(*) filter (in_custody = 'Y' and
            regexp_matches(establishment_or_area_code, '[0-9]'))
        from oasys_assessments a""",
    )
    assert 0.08 < inside < 0.4
    assert disagree == area_inside == 0


def test_previous_custody_is_that_of_the_life(
    ask: duckdb.DuckDBPyConnection, told: lives.Lives
) -> None:
    passed = told.sentences
    custody = np.isin(passed.kind, (sentences.CUSTODY, sentences.YOUTH_CUSTODY))
    ask.register(
        "custody",
        pa.table(
            {
                "person_id": told.people.person_id[passed.person[custody]],
                "day": passed.day[custody].astype("datetime64[D]"),
            }
        ),
    )
    wrong, answered = _row(
        ask,
        """with counted as (select try_cast(question_1_10 as int) as answer, least(9, (select
            count(*) from custody c where c.person_id = r.person_id
            and c.day < question_1_29::date)) as times
            from oasys_core_risk r semi join oasys_assessments a on r.assessment_pk
            = a.assessment_pk and a.purpose_code in ('START_CUSTODY', 'START_COMMUNITY')
            where question_1_29 is not null)
        select count(*) filter (abs(answer - times) > 1), count(answer) from counted""",
    )
    assert answered > 1000
    assert wrong < 0.01 * answered


def test_assessments_broken_off_are_locked_without_a_score(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    locked, finished, scored, answered_while_open = _row(
        ask,
        """select count(*) filter (assessment_status = 'LOCKED_INCOMPLETE'),
        count(*) filter (assessment_status in ('LOCKED_INCOMPLETE', 'OPEN')
            and completed_date is not null),
        count(*) filter (assessment_status in ('LOCKED_INCOMPLETE', 'OPEN')
            and ogrs3_2year is not null),
        count(*) filter (assessment_status = 'OPEN' and r.assessment_pk is not null)
        from oasys_assessments a left join oasys_core_risk r using (assessment_pk)""",
    )
    assert locked > 100
    assert finished == scored == answered_while_open == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_later_edition_continues_the_earlier(ask: duckdb.DuckDBPyConnection, table: str) -> None:
    key = "offender_pk" if table == "oasys_offenders" else "assessment_pk"
    before, gone, new, same_person = _row(
        ask,
        f"""select (select count(*) from {table}),
        (select count(*) from {table} anti join {table}_late using ({key})),
        (select count(*) from {table}_late anti join {table} using ({key})),
        (select avg((one.person_id = other.person_id)::int)
            from {table} one join {table}_late other using ({key}))""",
    )
    assert gone / before < 0.012
    assert 0.01 < new / before < 0.15
    assert same_person == 1


def test_no_edition_knows_its_future(ask: duckdb.DuckDBPyConnection) -> None:
    found = _row(
        ask,
        """select max(initiation_date), max(completed_date),
        (select max(question_1_29) from oasys_core_risk) from oasys_assessments""",
    )
    assert max(found) <= "2024-12-31"
    late_but_old = _row(
        ask,
        """select count(*) from oasys_assessments_late anti join oasys_assessments
        using (assessment_pk) where initiation_date <= '2024-12-31'""",
    )
    assert late_but_old == (0,)
