"""Probation's supply tells of the same lives as the courts' and the prisons', in its own way."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from supply_files import settings_in

from datafirst_platform import editions
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.synthetic import delius, libra, lives, make_supply, nomis, sentences

EARLY, LATE = 20088, 20453  # 2024-12-31 and 2025-12-31
TABLES = (
    "delius_offenders", "delius_aliases", "delius_addresses", "delius_events", "delius_disposals",
    "delius_requirements", "delius_licence_conditions", "delius_pss_requirements",
)  # fmt: skip


@pytest.fixture(scope="module")
def ask(told: lives.Lives) -> duckdb.DuckDBPyConnection:
    """Tables of the edition of 2025 by their names, those of 2026 with `_late` behind."""
    connection = duckdb.connect()
    for ending, cut_off in (("", EARLY), ("_late", LATE)):
        for name, table in delius.tables(told, cut_off).items():
            connection.register(f"{name}{ending}", table)
    connection.register("libra_cases", libra.tables(told, EARLY)["libra_cases"])
    passed = told.sentences
    connection.register(
        "sentences",
        pa.table(
            {
                "sentence": np.arange(len(passed)),
                "person_id": told.people.person_id[passed.person],
                "day": passed.day.astype("datetime64[D]"),
                "kind": passed.kind,
                "days": passed.days,
            }
        ),
    )
    return connection


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_all_but_copies_of_rows_is_accepted_at_the_door(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    make_supply(settings, editions.edition("2025"), people=3000, seed=3, sources=["delius"])
    extract = extract_source(settings, "2025", "delius")
    assert set(extract.tables) == set(TABLES)
    for name, table in extract.tables.items():
        assert table.rows_supplied > 100
        if name == "delius_events":
            (count,) = table.quarantined_by
            assert count.rule == "duplicate_row"
            assert 0 < table.rows_quarantined < 0.005 * table.rows_supplied
        else:
            assert table.rows_quarantined == 0
    truth = settings.secure / "truth" / "2025" / "delius_events.parquet"
    found = _row(duckdb.connect(), f"select count(*), count(distinct event_id) from '{truth}'")
    assert found == (extract.tables["delius_events"].rows_accepted,) * 2


def test_people_are_as_many_as_known_to_linkage(ask: duckdb.DuckDBPyConnection) -> None:
    rows, cases, people, adults = _row(
        ask,
        """select (select count(*) from delius_offenders), (select count(*) from libra_cases),
        (select count(distinct person_id) from delius_offenders),
        (select avg((person_id > 0)::int) from delius_offenders)""",
    )
    assert rows / cases == pytest.approx(2.4 / 19.6, rel=0.15)
    assert rows / people == pytest.approx(1.03, abs=0.01)
    assert adults == 1


def test_a_second_record_has_its_own_number_and_often_another_spelling(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    pairs, other_crn, other_name, merged, with_events = _row(
        ask,
        """select count(*), avg((one.crn <> other.crn)::int),
        avg((one.surname || one.first_name <> other.surname || other.first_name)::int),
        avg((other.soft_deleted = '1' or one.soft_deleted = '1')::int),
        count(*) filter (other.soft_deleted = '1' and exists (
            select 1 from delius_events where offender_id = other.offender_id))
        from delius_offenders one join delius_offenders other
        on one.person_id = other.person_id and one.offender_id <> other.offender_id
        and other.crn > one.crn""",
    )
    assert pairs > 80
    assert other_crn == 1
    assert 0.3 < other_name < 0.95
    assert 0.1 < merged < 0.6
    assert with_events == 0


def test_numbers_have_the_form_probation_gives_them(ask: duckdb.DuckDBPyConnection) -> None:
    crns, distinct, well_formed, short = _row(
        ask,
        """select count(crn), count(distinct crn),
        avg(regexp_full_match(crn, '[A-Z][0-9]{6}')::int),
        avg(regexp_full_match(pnc_number, '[0-9]{2}/[0-9]+[A-Z]')::int) from delius_offenders""",
    )
    assert crns == distinct
    assert well_formed == 1
    assert 0.8 < short < 0.95


def test_prison_numbers_are_those_of_the_prisons(
    ask: duckdb.DuckDBPyConnection, told: lives.Lives
) -> None:
    held = nomis.tables(told, EARLY)
    numbers = duckdb.connect()
    numbers.register("names", held["nomis_offenders"])
    numbers.register("identifiers", held["nomis_identifiers"])
    numbers.register("offenders", ask.table("delius_offenders").to_arrow_table())
    current, known, never_in_prison = _row(
        numbers,
        """with current as (select distinct person_id, offender_id_display as noms from names),
        merged as (select person_id, identifier as noms from identifiers
            where identifier_type = 'MERGED')
        select avg(exists (select 1 from current c
                where c.person_id = o.person_id and c.noms = noms_number)::int),
            avg(exists (select 1 from (from current union all from merged) c
                where c.person_id = o.person_id and c.noms = noms_number)::int),
            count(*) filter (not exists (select 1 from names n where n.person_id = o.person_id))
        from offenders o where noms_number is not null""",
    )
    assert known > 0.97
    assert 0.85 < current < known
    assert never_in_prison < 20


def test_disposals_agree_with_the_sentences_of_courts(ask: duckdb.DuckDBPyConnection) -> None:
    total, kind_agrees, length_agrees = _row(
        ask,
        f"""with disposals as (
            select *, case disposal_type_code
                when '201' then {sentences.COMMUNITY} when '329' then {sentences.COMMUNITY}
                when '340' then {sentences.COMMUNITY} when '203' then {sentences.SUSPENDED}
                when '330' then {sentences.SUSPENDED} when '341' then {sentences.SUSPENDED}
                when '204' then {sentences.YOUTH_ORDER} when '342' then {sentences.YOUTH_ORDER}
                when '310' then {sentences.YOUTH_CUSTODY} when '311' then {sentences.YOUTH_CUSTODY}
                else {sentences.CUSTODY} end as kind,
                length::int * case length_units when 'D' then 1 when 'W' then 7 when 'M'
                    then 30.4375 else 365.25 end as days
            from delius_disposals where soft_deleted = '0')
        select count(*), avg(exists (select 1 from sentences s where s.person_id = d.person_id
                and s.day = strptime(d.disposal_date, '%d/%m/%Y') and s.kind = d.kind)::int),
            avg(case when d.kind <> {sentences.SUSPENDED} then exists (select 1 from sentences s
                where s.person_id = d.person_id and s.kind = d.kind
                and s.day = strptime(d.disposal_date, '%d/%m/%Y') and (s.days < 0 and d.days is null
                or abs(s.days - d.days) <= 1 + greatest(1, 0.01 * s.days)))::int end)
        from disposals d""",
    )
    assert total > 5000
    assert kind_agrees == 1
    assert length_agrees == 1
    assert _row(
        ask,
        """select count(*) from (select event_id from delius_disposals where soft_deleted = '0'
        group by 1 having count(*) > 1)""",
    ) == (0,)


def test_recalls_are_those_of_the_life(ask: duckdb.DuckDBPyConnection, told: lives.Lives) -> None:
    supervisions, spells = told.supervisions, told.spells
    licence = supervisions.kind == sentences.ON_LICENCE
    person = told.people.person_id
    recalled = (spells.received_as == sentences.RECALL) & (spells.received_day <= EARLY)
    ask.register(
        "licences",
        pa.table(
            {
                "sentence": supervisions.sentence[licence],
                "person_id": person[supervisions.person[licence]],
                "start": supervisions.start_day[licence],
                "end": supervisions.end_day[licence],
                "recalls": supervisions.recalls[licence],
            }
        ),
    )
    ask.register(
        "recalls",
        pa.table(
            {
                "person_id": person[spells.person[recalled]],
                "day": spells.received_day[recalled],
            }
        ),
    )
    disagree, recalled_at_all, of_life = _row(
        ask,
        f"""with counted as (
            select l.*, (select count(*) from recalls r where r.person_id = l.person_id
                and r.day > l.start and r.day < l."end") as by_now from licences l),
        held as (
            select d.person_id, strptime(disposal_date, '%d/%m/%Y')::date as day,
                max(recall_count::int) as recalls
            from delius_disposals d where soft_deleted = '0'
            and disposal_type_code in ('303', '304', '306', '308', '309') group by 1, 2),
        lived as (select person_id, s.day::date as day, max(by_now) as recalls
            from counted join sentences s using (sentence, person_id) group by 1, 2)
        select count(*) filter (h.recalls <> coalesce(l.recalls, 0)),
            count(*) filter (h.recalls > 0),
            (select count(*) from counted where "end" <= {EARLY} and by_now <> recalls)
        from held h left join lived l using (person_id, day)""",
    )
    assert disagree == 0
    assert recalled_at_all > 300
    assert of_life == 0


def test_lengths_come_in_all_units_and_their_days_fail_as_they_are_known_to(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    units = dict(
        ask.execute(
            "select length_units, count(*) from delius_disposals "
            "where length is not null group by 1"
        ).fetchall()
    )
    total = sum(units.values())
    assert set(units) == {"D", "W", "M", "Y"}
    assert units["M"] / total > 0.4
    assert min(units.values()) / total > 0.03
    held, wrong, otherwise_wrong = _row(
        ask,
        """select avg((length_in_days is not null)::int),
        avg((length_units = 'M' and length_in_days = length)::int)
            filter (length_units = 'M' and length_in_days is not null),
        count(*) filter (length_in_days <> length and abs(length_in_days::int - length::int
            * case length_units when 'D' then 1 when 'W' then 7 when 'M' then 30.4375
            else 365.25 end) > 0.5)
        from delius_disposals where length is not null and soft_deleted = '0'""",
    )
    assert held == pytest.approx(0.87, abs=0.02)
    assert 0.003 < wrong < 0.03
    assert otherwise_wrong == 0


def test_requirements_are_those_of_their_time_and_unit(ask: duckdb.DuckDBPyConnection) -> None:
    units = dict(
        ask.execute(
            """select rqmnt_type_main_category_code, string_agg(distinct length_units)
            from delius_requirements group by 1"""
        ).fetchall()
    )
    assert (units["W"], units["F"], units["A"], units["B"]) == ("H", "D", "D", "M")
    commenced, custodial, activity, abstinence, supervision = _row(
        ask,
        """select avg((rqmnt_commencement_date is not null)::int),
        count(*) filter (disposal_type_code not in
            ('201', '203', '204', '329', '330', '340', '341', '342')),
        min(disposal_date_typed) filter (rqmnt_type_main_category_code = 'F'),
        min(disposal_date_typed) filter (rqmnt_type_main_category_code = 'A'),
        max(disposal_date_typed) filter (rqmnt_type_main_category_code = 'S'
            and disposal_type_code in ('201', '203'))
        from delius_requirements join (select *, strptime(disposal_date, '%d/%m/%Y')::date::text
            as disposal_date_typed from delius_disposals) using (disposal_id)""",
    )
    assert 0.1 < commenced < 0.25
    assert custodial == 0
    assert activity >= "2015-02-01"
    assert abstinence >= "2020-10-19"
    assert supervision <= "2015-01-31"
    bare, orders = _row(
        ask,
        """select count(*) filter
            (disposal_id not in (select disposal_id from delius_requirements)),
        count(*) from delius_disposals where soft_deleted = '0'
        and disposal_type_code in ('201', '203', '329', '330', '340', '341')""",
    )
    assert bare / orders < 0.005


def test_licences_and_supervision_after_them_follow_custody(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    for table in ("delius_licence_conditions", "delius_pss_requirements"):
        elsewhere, before_sentence = _row(
            ask,
            f"""select count(*) filter (disposal_type_code
                not in ('303', '304', '305', '306', '308', '309')),
            count(*) filter (strptime(start_date, '%d/%m/%Y')
                < strptime(disposal_date, '%d/%m/%Y'))
            from {table} join delius_disposals using (disposal_id)""",
        )
        assert elsewhere == before_sentence == 0
    first, long = _row(
        ask,
        """select min(strptime(start_date, '%d/%m/%Y'))::date::text,
        count(*) filter (disposal_type_code not in ('308', '309'))
        from delius_pss_requirements join delius_disposals using (disposal_id)""",
    )
    assert first >= "2015-02-01"
    assert long == 0


@pytest.mark.parametrize("table", TABLES[1:])
def test_a_few_rows_are_marked_as_deleted(ask: duckdb.DuckDBPyConnection, table: str) -> None:
    share = _row(ask, f"select avg((soft_deleted = '1')::int) from {table}")[0]
    assert 0.003 < share < 0.025


def test_addresses_are_those_lived_at_under_supervision(ask: duckdb.DuckDBPyConnection) -> None:
    at_referral, open_ended, no_abode = _row(
        ask,
        """with addresses as (
            select offender_id, strptime(start_date, '%d/%m/%Y') as since,
                strptime(end_date, '%d/%m/%Y') as until, no_fixed_abode from delius_addresses)
        select (select avg(exists (select 1 from addresses a
                where a.offender_id = e.offender_id
                and a.since <= strptime(referral_date, '%d/%m/%Y')
                and coalesce(a.until >= strptime(referral_date, '%d/%m/%Y'), true))::int)
            from delius_events e),
            avg((until is null)::int), avg(no_fixed_abode::int) from addresses""",
    )
    assert at_referral > 0.97
    assert 0.5 < open_ended < 0.95
    assert 0.01 < no_abode < 0.06


def test_a_few_offence_dates_make_impossible_ages(
    ask: duckdb.DuckDBPyConnection, told: lives.Lives
) -> None:
    born = pa.table(
        {
            "person_id": told.people.person_id,
            "born": np.maximum(told.people.born, -60_000).astype("datetime64[D]"),
        }
    )
    ask.register("births", born)
    share = _row(
        ask,
        """select avg((date_diff('year', born, strptime(offence_date, '%d/%m/%Y'))
            not between 9 and 95)::int)
        from delius_events join births using (person_id)""",
    )[0]
    assert 0.0002 < share < 0.005


@pytest.mark.parametrize("table", TABLES)
def test_no_edition_knows_its_future(ask: duckdb.DuckDBPyConnection, table: str) -> None:
    columns = [row[0] for row in ask.execute(f"describe {table}").fetchall()]
    dates = [
        name
        for name in columns
        if name.endswith("_date") and name not in ("offence_date", "date_of_birth")
    ]
    for name in dates:
        latest = _row(ask, f"select max(strptime({name}, '%d/%m/%Y'))::date::text from {table}")[0]
        assert latest <= "2024-12-31", name


@pytest.mark.parametrize("table", TABLES)
def test_a_later_edition_continues_the_earlier(ask: duckdb.DuckDBPyConnection, table: str) -> None:
    key = _row(ask, f"select column_name from (describe {table}) limit 1")[0]
    before, gone, new, same_person = _row(
        ask,
        f"""select (select count(distinct {key}) from {table}),
        (select count(*) from {table} anti join {table}_late using ({key})),
        (select count(*) from {table}_late anti join {table} using ({key})),
        (select avg((one.person_id = other.person_id)::int)
            from {table} one join {table}_late other using ({key}))""",
    )
    assert gone / before < 0.012
    assert 0.01 < new / before < 0.15
    assert same_person == 1
    if table == "delius_events":
        assert _row(
            ask,
            f"""select count(*) filter (strptime(referral_date, '%d/%m/%Y') <= '2024-12-31')
            from {table}_late anti join {table} using ({key})""",
        ) == (0,)
    if table == "delius_disposals":
        changed, ended, reopened = _row(
            ask,
            f"""select count(*) filter (one.disposal_date <> other.disposal_date
                or one.disposal_type_code <> other.disposal_type_code
                or one.recall_count::int > other.recall_count::int),
            count(*) filter (one.termination_date is null and other.termination_date is not null),
            count(*) filter (one.termination_date is not null and other.termination_date is null)
            from {table} one join {table}_late other using ({key})""",
        )
        assert changed == reopened == 0
        assert ended > 100
