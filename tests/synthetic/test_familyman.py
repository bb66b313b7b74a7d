"""The family courts' supply tells of the same lives as the others, in FamilyMan's way."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from supply_files import settings_in

from datafirst_platform import editions
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.synthetic import (
    family_cases,
    familyman,
    libra,
    lives,
    make_supply,
    population,
)
from datafirst_platform.synthetic.households import FURTHER_IDS

EARLY, LATE = 20088, 20453  # 2024-12-31 and 2025-12-31
TABLES = ("familyman_cases", "familyman_events", "familyman_parties", "familyman_roles")


@pytest.fixture(scope="module")
def told() -> lives.Lives:
    return lives.draw(7, 0, 24_000)


@pytest.fixture(scope="module")
def ask(told: lives.Lives) -> duckdb.DuckDBPyConnection:
    """Tables of the edition of 2025 by their names, those of 2026 with `_late` behind."""
    connection = duckdb.connect()
    for ending, cut_off in (("", EARLY), ("_late", LATE)):
        for name, table in familyman.tables(told, cut_off).items():
            connection.register(f"{name}{ending}", table)
    connection.register("libra_cases", libra.tables(told, EARLY)["libra_cases"])
    people = told.households.people
    connection.register(
        "lived",
        pa.table(
            {
                "person_id": people.person_id,
                "born": people.born.clip(-60_000).astype("datetime64[D]"),
                "female": people.female,
            }
        ),
    )
    couples, children = told.households.couples, told.households.children
    connection.register(
        "parents",
        pa.table(
            {
                "person_id": people.person_id[np.tile(children.person, 2)],
                "parent": people.person_id[
                    np.concatenate([couples.one[children.couple], couples.other[children.couple]])
                ],
            }
        ),
    )
    return connection


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_everything_is_accepted_at_the_door(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    make_supply(settings, editions.edition("2025"), people=3000, seed=3, sources=["familyman"])
    extract = extract_source(settings, "2025", "familyman")
    assert set(extract.tables) == set(TABLES)
    for table in extract.tables.values():
        assert table.rows_supplied > 1000
        assert table.rows_quarantined == 0


@pytest.mark.parametrize("people", [1_000, 24_000])
def test_party_records_are_as_many_as_known_to_linkage(people: int) -> None:
    """20.9 million of them beside 19.6 million defendants of LIBRA."""
    drawn = lives.draw(9, 0, people)
    parties = familyman.tables(drawn, EARLY)["familyman_parties"].num_rows
    defendants = libra.tables(drawn, EARLY)["libra_cases"].num_rows
    assert parties / defendants == pytest.approx(20.9 / 19.6, rel=0.15)


def test_kinds_of_case_stand_as_published(ask: duckdb.DuckDBPyConnection) -> None:
    """Before most divorces went online; published for 2023, but for care: 2007 to 2019."""
    divorces, private, violence, public, adoptions = _row(
        ask,
        """select count(*) filter (case_type = 'D'), count(*) filter (case_type = 'P'),
        count(*) filter (case_type = 'F'), count(*) filter (case_type = 'C'),
        count(*) filter (case_type = 'A')
        from familyman_cases where receipt_date between '2013-01-01' and '2017-12-31'""",
    )
    assert divorces / private == pytest.approx(110_770 / 52_320, rel=0.2)
    assert violence / private == pytest.approx(31_604 / 52_320, rel=0.2)
    assert public / private == pytest.approx(13_800 / 52_320, rel=0.2)
    assert adoptions / private == pytest.approx(4_279 / 52_320, rel=0.35)
    online = _row(
        ask,
        """select count(*) filter (year(receipt_date::date) = 2023)
            / count(*) filter (year(receipt_date::date) = 2016)
        from familyman_cases where case_type = 'D'""",
    )[0]
    assert online < 0.15
    children, adults = _row(
        ask,
        """select count(*) filter (role_model like 'CHLD%') / count(distinct case_number),
        count(*) filter (role_model like 'RSP%') / count(distinct case_number)
        from familyman_roles where case_number[5] = 'C' and delete_flag = 'N'""",
    )
    assert children == pytest.approx(1.64, abs=0.3)
    assert adults == pytest.approx(1.6, abs=0.25)


@pytest.mark.parametrize(("case_type", "weeks"), [("P", 47), ("C", 44)])
def test_final_orders_of_2023_took_as_long_as_published(
    ask: duckdb.DuckDBPyConnection, case_type: str, weeks: int
) -> None:
    found, before, cases = _row(
        ask,
        f"""with ordered as (
            select case_number, max(receipt_date::date) as ordered from familyman_events
            where error = 'N' and event_model[1] in ('C', 'O')
                and event_model not in ('C6', 'C33', 'C35B', 'C40')
            group by 1)
        select avg(date_diff('day', receipt_date::date, ordered) / 7)
                filter (year(ordered) = 2023),
            avg(date_diff('day', receipt_date::date, ordered) / 7)
                filter (year(ordered) = 2016),
            count(*) filter (year(ordered) = 2023)
        from ordered join familyman_cases using (case_number)
        where case_type = '{case_type}'""",
    )
    assert cases > 80
    assert found == pytest.approx(weeks, rel=0.12)
    assert before < 0.75 * weeks


def test_events_follow_receipt_and_no_edition_knows_its_future(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    early, after_final, first = _row(
        ask,
        """with cases as (select *, receipt_date as received from familyman_cases)
        select count(*) filter (event.receipt_date < received),
            count(*) filter (event.entry_date < event.receipt_date),
            avg((event.receipt_date = received)::int)
                filter (event_model in ('U22', 'A58', 'D8', 'FL401'))
        from familyman_events event join cases using (case_number)""",
    )
    assert early == after_final == 0
    assert first == 1
    for table, column in (
        ("cases", "receipt_date"), ("cases", "closed_date"), ("events", "receipt_date"),
        ("events", "entry_date"), ("parties", "dob"),
    ):  # fmt: skip
        latest = _row(ask, f"select max({column}) from familyman_{table}")[0]
        assert latest <= "2024-12-31"
    assert _row(ask, "select min(receipt_date) from familyman_cases")[0] >= "2011-01-01"


def test_parents_are_parties_of_their_childrens_cases(ask: duckdb.DuckDBPyConnection) -> None:
    with_parent, minors, cases = _row(
        ask,
        """with children as (
            select r.case_number, r.person_id, receipt_date::date as received
            from familyman_roles r join familyman_cases using (case_number)
            where role_model like 'CHLD%' and case_type <> 'A')
        select avg(exists (select 1 from familyman_roles r
                join parents p on r.person_id = p.parent
                where p.person_id = children.person_id
                and r.case_number = children.case_number)::int),
            avg((date_diff('day', born, received) / 365.25 between 0 and 18)::int),
            count(distinct case_number)
        from children join lived using (person_id)""",
    )
    assert with_parent > 0.985
    assert minors == 1
    assert cases > 1000
    grown_up, both_sides = _row(
        ask,
        """select min(date_diff('day', born, receipt_date::date) / 365.25),
            (select count(*) from (select case_number, person_id from familyman_roles
                where role_model not like 'CHLD%' and delete_flag = 'N'
                group by 1, 2 having count(distinct role_model[:3]) > 1))
                / (select count(*) from familyman_roles)
        from familyman_roles join familyman_cases using (case_number)
            join lived on lived.person_id = familyman_roles.person_id
        where role_model not like 'CHLD%' and familyman_roles.person_id > 0""",
    )
    assert grown_up > 16.5
    assert both_sides < 0.012
    mothers = _row(
        ask,
        """select avg(female::int) from familyman_roles join lived using (person_id)
        where relationship_to_child = 'MO'""",
    )[0]
    assert mothers == 1


def test_children_adopted_came_into_care_before(ask: duckdb.DuckDBPyConnection) -> None:
    adoptions, in_care, placed, adopters = _row(
        ask,
        """with adopted as (
            select case_number, person_id, receipt_date from familyman_roles
            join (select case_number, receipt_date from familyman_cases) using (case_number)
            where case_number[5] = 'A' and role_model = 'CHLDZ'),
        care as (
            select person_id, min(r.case_number) as case_number, min(receipt_date) as received
            from familyman_roles r
            join (select case_number, receipt_date from familyman_cases) using (case_number)
            where case_number[5] = 'C' and role_model like 'CHLD%' group by 1)
        select count(*), avg((received < receipt_date)::int),
            avg((exists (select 1 from familyman_events e join familyman_roles r
                using (case_number) where r.person_id = adopted.person_id
                and e.event_model = 'A70'))::int),
            (select avg((relationship_to_child = 'AP')::int) from familyman_roles
                where case_number[5] = 'A' and role_model = 'APLZ'
                and relationship_to_child is not null)
        from adopted left join care using (person_id) where receipt_date > '2014-01-01'""",
    )
    assert adoptions > 100
    assert in_care > 0.93
    assert placed > 0.93
    assert adopters > 0.99


def test_identifiers_are_missing_by_role(ask: duckdb.DuckDBPyConnection) -> None:
    held = {
        row[0]: row[1:]
        for row in ask.execute(
            """select case_number[5] || role_model[:3], avg((dob is not null)::int),
                avg((postcode is not null)::int), avg((gender is not null)::int)
            from familyman_roles join familyman_parties using (party)
            where is_company = '0' and case_number[5] in ('P', 'D') and delete_flag = 'N'
            group by 1"""
        ).fetchall()
    }
    child, applicant, respondent = held["PCHL"], held["PAPL"], held["PRSP"]
    assert child[0] > applicant[0] > respondent[0] > held["DRSP"][0] > 0.1
    assert child[1] < 0.4 < respondent[1] < applicant[1]
    assert min(child[2], applicant[2], respondent[2]) > 0.85
    organisations, with_birth, named = _row(
        ask,
        """select count(*), count(dob) + count(person_family_name) + count(gender), count(company)
        from familyman_parties where is_company = '1'""",
    )
    assert organisations == named > 100
    assert with_birth == 0
    variants = _row(
        ask,
        """select avg(names) from (select count(distinct company) as names from familyman_parties
        where is_company = '1' group by person_id having count(*) > 20)""",
    )[0]
    assert variants > 2.5


def test_some_women_are_known_by_another_name_at_another_time(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    women, men = (
        _row(
            ask,
            f"""select avg((names > 1)::int) from (
                select person_id, count(distinct lower(person_family_name)) as names
                from familyman_parties join lived using (person_id)
                where female = {female} and date_diff('year', born, date '2024-12-31') > 30
                group by 1 having count(*) > 1)""",
        )[0]
        for female in (True, False)
    )
    assert women > men + 0.04


def test_faults_are_as_known(ask: duckdb.DuckDBPyConnection) -> None:
    wrong, twice, orders = _row(
        ask,
        """with orders as (
            select case_number, event_model, receipt_date, child_roles, count(*) as times
            from familyman_events where error = 'N' and (event_model[1] in ('C', 'F', 'A', 'D')
                and event_model not in ('C6', 'A58', 'D8', 'FL401', 'FL402'))
            group by all)
        select (select avg((error = 'Y')::int) from familyman_events),
            sum(times - 1) / sum(times), sum(times) from orders""",
    )
    assert 0.004 < wrong < 0.015
    assert orders > 5000
    assert 0.001 < twice < 0.005
    deleted, public_in_private, private_in_public = _row(
        ask,
        """select (select avg((delete_flag = 'Y')::int) from familyman_roles),
            avg((event_model in ('C32A', 'C35A', 'C33'))::int)
                filter (case_number[5] = 'P' and is_order),
            avg((event_model = 'C43')::int) filter (case_number[5] = 'C' and is_order)
        from (select *, event_model[1] = 'C' and event_model <> 'C6' as is_order
            from familyman_events)""",
    )
    assert 0.005 < deleted < 0.02
    assert 0.002 < public_in_private < 0.03
    assert 0.02 < private_in_public < 0.3
    several, named, whole = _row(
        ask,
        """select avg(contains(application_types, ',')::int) filter (event_model = 'U22'),
            avg((child_roles is not null)::int) filter (case_number[5] in ('C', 'P')),
            avg(contains(child_roles, ',')::int) filter (child_roles is not null)
        from familyman_events""",
    )
    assert 0.1 < several < 0.5
    assert 0.2 < named < 0.7
    assert 0.1 < whole < 0.6


def test_children_named_on_events_are_children_of_the_case(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    named, found = _row(
        ask,
        """with named as (select case_number, unnest(string_split(child_roles, ',')) as role
            from familyman_events)
        select count(*), count(r.role) from named left join familyman_roles r
            on named.role = r.role and named.case_number = r.case_number
            and r.role_model like 'CHLD%'""",
    )
    assert named == found > 1000


def test_case_numbers_name_court_year_and_kind(ask: duckdb.DuckDBPyConnection) -> None:
    wrong, distinct, rows = _row(
        ask,
        """select count(*) filter (case_number[5] <> case_type
                or case_number[3:4] <> receipt_date[3:4]),
            count(distinct case_number), count(*) from familyman_cases""",
    )
    assert wrong == 0
    assert distinct == rows
    assert _row(
        ask,
        """select max(prefixes), max(courts) from (select
            (select max(n) from (select count(distinct case_number[:2]) as n
                from familyman_cases group by court_code)) as prefixes,
            (select max(n) from (select count(distinct court_code) as n
                from familyman_cases group by case_number[:2])) as courts)""",
    ) == (1, 1)
    events_elsewhere = _row(
        ask, "select count(*) from familyman_events where event[:3] <> creating_court"
    )[0]
    assert events_elsewhere == 0


def test_numbers_do_not_meet_those_of_another_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datafirst_platform.synthetic.population.CHUNK", 3000)
    one, other = (familyman.tables(lives.draw(7, chunk, 6000), EARLY) for chunk in (0, 1))
    for table, key in (("cases", "case_number"), ("events", "event"), ("roles", "role"),
                       ("parties", "party")):  # fmt: skip
        keys = [each[f"familyman_{table}"][key].to_pylist() for each in (one, other)]
        assert len({*keys[0], *keys[1]}) == len(keys[0]) + len(keys[1])


def test_more_people_than_there_are_case_numbers_are_refused() -> None:
    beyond = family_cases.MOST_CHUNKS
    drawn = lives.draw(1, beyond, beyond * population.CHUNK + 1)
    with pytest.raises(PlatformError, match="ask for fewer"):
        familyman.tables(drawn, EARLY)


def test_family_and_criminal_courts_meet_the_same_people(ask: duckdb.DuckDBPyConnection) -> None:
    """About one in four of those before the magistrates, and one in six or so the other way."""
    defendants, adults, violent = _row(
        ask,
        f"""with family as (
            select distinct person_id, case_number[5] as kind, role_model[:3] as part
            from familyman_roles where person_id > 0),
        criminal as (select distinct person_id from libra_cases where person_id > 0)
        select (select avg((person_id in (select person_id from family))::int) from criminal),
            (select avg((person_id < {FURTHER_IDS})::int)
                from (select distinct person_id from family where part <> 'CHL')),
            (select avg((person_id < {FURTHER_IDS})::int)
                from family where part = 'RSP' and kind in ('F', 'C'))""",
    )
    assert 0.18 < defendants < 0.35
    assert 0.12 < adults < 0.25
    assert violent > adults + 0.05


@pytest.mark.parametrize("table", TABLES)
def test_a_later_edition_continues_the_earlier(ask: duckdb.DuckDBPyConnection, table: str) -> None:
    key = _row(ask, f"select column_name from (describe {table}) limit 1")[0]
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
    if table == "familyman_parties":
        changed = _row(
            ask,
            f"""select avg((one.dob is distinct from other.dob
                or one.person_family_name is distinct from other.person_family_name
                or one.postcode is distinct from other.postcode)::int)
            from {table} one join {table}_late other using ({key})""",
        )[0]
        assert 0.0005 < changed < 0.02
