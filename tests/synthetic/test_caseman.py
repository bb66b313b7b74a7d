"""The county courts' supply tells of the same lives as the others, in CaseMan's way."""

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
    caseman,
    claims,
    familyman,
    libra,
    lives,
    make_supply,
    population,
)
from datafirst_platform.synthetic.population import NEVER

EARLY, LATE = 20088, 20453  # 2024-12-31 and 2025-12-31
TABLES = ("caseman_cases", "caseman_parties", "caseman_events")


@pytest.fixture(scope="module")
def told() -> lives.Lives:
    return lives.draw(7, 0, 24_000)


@pytest.fixture(scope="module")
def ask(told: lives.Lives) -> duckdb.DuckDBPyConnection:
    """Tables of the edition of 2025 by their names, those of 2026 with `_late` behind."""
    connection = duckdb.connect()
    for ending, cut_off in (("", EARLY), ("_late", LATE)):
        for name, table in caseman.tables(told, cut_off).items():
            connection.register(f"{name}{ending}", table)
    connection.register("libra_cases", libra.tables(told, EARLY)["libra_cases"])
    connection.register("familyman_roles", familyman.tables(told, EARLY)["familyman_roles"])
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
    connection.execute(
        """create table timed as select *, strptime(event_date, '%d/%m/%Y')::date as day
            from caseman_events;
        create table claims as select *, strptime(issue_date, '%d/%m/%Y')::date as issued
            from caseman_cases"""
    )
    return connection


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_everything_is_accepted_at_the_door(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    make_supply(settings, editions.edition("2025"), people=3000, seed=3, sources=["caseman"])
    extract = extract_source(settings, "2025", "caseman")
    assert set(extract.tables) == set(TABLES)
    for table in extract.tables.values():
        assert table.rows_supplied > 1000
        assert table.rows_quarantined == 0


@pytest.mark.parametrize("people", [2_000, 24_000])
def test_parties_are_as_many_as_known_to_linkage(people: int) -> None:
    """17.7 million of them beside 19.6 million defendants of LIBRA."""
    drawn = lives.draw(9, 0, people)
    parties = caseman.tables(drawn, EARLY)["caseman_parties"].num_rows
    defendants = libra.tables(drawn, EARLY)["libra_cases"].num_rows
    assert parties / defendants == pytest.approx(17.7 / 19.6, rel=0.15)


def test_most_claims_are_companies_for_money_against_individuals(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    specified, possession, damages, online = _row(
        ask,
        """select avg((claim_type = 'SPEC')::int),
            avg((claim_type like 'POSS%')::int) filter (year(issued) < 2020),
            avg((claim_type in ('DAM', 'UNSPEC'))::int),
            avg((claim_type like 'POSS%')::int) filter (system = 'PCOL') from claims""",
    )
    assert 0.7 < specified < 0.85
    assert 0.08 < possession < 0.14
    assert 0.04 < damages < 0.1
    assert online == 1
    by_company, against_person, by_person = _row(
        ask,
        """select avg((is_company = 'Y')::int) filter (role = 'C' and claim_type = 'SPEC'),
            avg((is_company = 'N')::int) filter (role = 'D' and claim_type = 'SPEC'),
            avg((is_company = 'N')::int) filter (role = 'C' and claim_type = 'DAM')
        from caseman_parties join claims using (case_number)""",
    )
    assert by_company > 0.8
    assert against_person > 0.9
    assert by_person == 1
    defendants, people = _row(
        ask,
        """select avg((role = 'D')::int), avg((is_company = 'N')::int)
            filter (role = 'D') from caseman_parties""",
    )
    assert defendants > 0.5
    assert people > 0.9
    stayed = _row(
        ask,
        """select count(*) filter (issued between '2020-04-01' and '2021-03-31')
            / count(*) filter (issued between '2018-04-01' and '2019-03-31')
        from claims where claim_type like 'POSS%'""",
    )[0]
    assert stayed < 0.4


def test_claims_go_as_claims_do(ask: duckdb.DuckDBPyConnection) -> None:
    judged, defended, by_default = _row(
        ask,
        """select avg((case_number in (select case_number from timed
                where event_type in ('JDEF', 'JADM', 'JHEAR')))::int),
            avg((case_number in (select case_number from timed
                where event_type = 'DEFENCE'))::int),
            (select avg((event_type = 'JDEF')::int) from timed
                where event_type in ('JDEF', 'JADM', 'JHEAR'))
        from claims where claim_type = 'SPEC' and year(issued) < 2023""",
    )
    assert 0.55 < judged < 0.8
    assert 0.1 < defended < 0.22
    assert 0.75 < by_default < 0.9
    weeks, before = (
        _row(
            ask,
            f"""select avg(date_diff('day', issued, day) / 7) from timed
                join claims using (case_number)
            where event_type = 'TRIAL' and track = 'SCT' and year(day) = {year}""",
        )[0]
        for year in (2023, 2015)
    )
    assert weeks == pytest.approx(52, rel=0.12)
    assert before < 40
    for earlier, later in (
        (("ISSUE",), ("JDEF", "DEFENCE", "SETTLED", "HEARING")), (("DEFENCE",), ("ALLOC",)),
        (("ALLOC",), ("TRIAL",)), (("JDEF", "JADM", "JHEAR"), ("WCON", "AEO", "CHARGE", "PAID")),
        (("POUT", "PSUSP"), ("WPOSS",)), (("WPOSS",), ("REPOSS",)),
    ):  # fmt: skip
        wrong = _row(
            ask,
            f"""select count(*) from timed after where event_type in {(*later, "")}
            and not exists (select 1 from timed before where event_type in {(*earlier, "")}
                and before.case_number = after.case_number and before.day <= after.day)""",
        )[0]
        assert wrong == 0, (earlier, later)


def test_amounts_tracks_and_courts_fit_the_claim(ask: duckdb.DuckDBPyConnection) -> None:
    stated, unstated, small, track_of_undefended = _row(
        ask,
        """select avg((amount_claimed is not null)::int) filter (claim_type = 'SPEC'),
            count(amount_claimed) filter (claim_type = 'UNSPEC'),
            max(amount_claimed::decimal(18, 2)) filter (track = 'SCT'),
            count(*) filter (track is not null and case_number not in
                (select case_number from timed where event_type = 'ALLOC'))
        from claims""",
    )
    assert stated > 0.97
    assert unstated == track_of_undefended == 0
    assert small <= 10_000
    assert _row(ask, "select min(issued) from claims where track = 'IT'")[0] is not None
    assert str(_row(ask, "select min(issued) from claims where track = 'IT'")[0]) >= "2023-10-01"
    national, sent, elsewhere = _row(
        ask,
        """select avg((court_code in ('335', '390'))::int) filter (claim_type = 'SPEC'),
            avg((court_code in ('335', '390'))::int) filter (case_number in
                (select case_number from timed where event_type = 'TRANSFER')),
            avg((court_code in ('335', '390'))::int) filter (claim_type like 'POSS%')
        from claims""",
    )
    assert national > 0.75
    assert sent == elsewhere == 0


def test_warrants_come_to_something_and_some_are_issued_anew(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    known, elsewhere, anew = _row(
        ask,
        """select avg((outcome_code is not null)::int) filter (event_type = 'WCON'),
            count(outcome_code) filter (event_type not in
                ('HEARING', 'TRIAL', 'WCON', 'WPOSS', 'WDEL')),
            (select avg((n > 1)::int) from (select count(*) as n from timed
                where event_type = 'WCON' group by case_number))
        from timed""",
    )
    assert 0.95 < known < 1
    assert elsewhere == 0
    assert 0.15 < anew < 0.4


def test_people_are_told_by_name_and_address(ask: duckdb.DuckDBPyConnection) -> None:
    birth, named, address, postcode, initials = _row(
        ask,
        """select avg((date_of_birth is not null)::int), avg((surname is not null)::int),
            avg((address_line_1 is not null)::int), avg((postcode is not null)::int),
            avg((length(first_name) = 1)::int) from caseman_parties where is_company = 'N'""",
    )
    assert 0.02 < birth < 0.1
    assert named > 0.99
    assert address > 0.95
    assert postcode > 0.9
    assert 0.02 < initials < 0.1
    assert _row(
        ask,
        """select count(first_name) + count(date_of_birth) + count(title) + count(middle_name)
        from caseman_parties where is_company = 'Y'""",
    ) == (0,)
    variants, repeated = _row(
        ask,
        """select avg(names), count(*) from (select count(distinct surname) as names
            from caseman_parties where is_company = 'Y' group by person_id having count(*) > 30)""",
    )
    assert repeated > 20
    assert variants > 3
    in_person = _row(
        ask,
        """select avg((represented = 'N')::int) filter (is_company = 'N' and role = 'D')
        from caseman_parties""",
    )[0]
    assert in_person > 0.9


def test_couples_rent_and_owe_together_while_they_live_together(
    ask: duckdb.DuckDBPyConnection, told: lives.Lives
) -> None:
    couples, people = told.households.couples, told.households.people
    ask.register(
        "couples",
        pa.table(
            {
                "low": np.minimum(people.person_id[couples.one], people.person_id[couples.other]),
                "high": np.maximum(people.person_id[couples.one], people.person_id[couples.other]),
                "apart": np.minimum(couples.apart_day, NEVER // 100).astype("datetime64[D]"),
            }
        ),
    )
    joint, of_couples, late = _row(
        ask,
        """with joint as (
            select case_number, min(person_id) as low, max(person_id) as high
            from caseman_parties where role = 'D' group by 1 having count(*) > 1)
        select count(*), count(apart), count(*) filter (issued > apart)
        from joint join claims using (case_number) left join couples using (low, high)""",
    )
    assert joint == of_couples > 100
    assert late == 0
    minors = _row(
        ask,
        """select count(*) filter (date_diff('day', born, issued) < 18 * 365)
        from caseman_parties join claims using (case_number)
        join lived on lived.person_id = caseman_parties.person_id
        where caseman_parties.person_id > 0""",
    )
    assert minors == (0,)
    themselves = _row(
        ask,
        """select count(*) from caseman_parties one join caseman_parties other using (case_number)
        where one.role = 'C' and other.role = 'D' and one.person_id = other.person_id""",
    )
    assert themselves == (0,)


def test_claim_numbers_are_of_two_forms_and_do_not_meet(
    ask: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, online = _row(
        ask,
        """select avg(regexp_full_match(case_number, '[0-9][A-Z]{2}[0-9]{5}')::int),
            avg(regexp_full_match(case_number, '[0-9]{3}[A-Z]{2}[0-9]{3}')::int)
                filter (system = 'PCOL') from claims""",
    )
    assert 0.4 < old < 0.9
    assert online == 1
    monkeypatch.setattr("datafirst_platform.synthetic.population.CHUNK", 3000)
    one, other = (caseman.tables(lives.draw(7, chunk, 6000), EARLY) for chunk in (0, 1))
    for table, key in (("cases", "case_number"), ("events", "event_id"), ("parties", "party_id")):
        keys = [each[f"caseman_{table}"][key].to_pylist() for each in (one, other)]
        assert len({*keys[0], *keys[1]}) == len(keys[0]) + len(keys[1])


def test_more_people_than_there_are_claim_numbers_are_refused() -> None:
    beyond = claims.MOST_CHUNKS
    drawn = lives.draw(1, beyond, beyond * population.CHUNK + 1)
    with pytest.raises(PlatformError, match="ask for fewer"):
        caseman.tables(drawn, EARLY)


def test_county_criminal_and_family_courts_meet_the_same_people(
    ask: duckdb.DuckDBPyConnection,
) -> None:
    """Three in ten of those before the magistrates are claimed against or claim."""
    defendants, parties, family = _row(
        ask,
        """with civil as (select distinct person_id from caseman_parties where person_id > 0),
        criminal as (select distinct person_id from libra_cases where person_id > 0),
        family as (select distinct person_id from familyman_roles where person_id > 0)
        select (select avg((person_id in (select person_id from civil))::int) from criminal),
            (select avg((person_id in (select person_id from criminal))::int) from civil),
            (select avg((person_id in (select person_id from family))::int) from civil)""",
    )
    assert 0.22 < defendants < 0.4
    assert 0.25 < parties < 0.5
    assert 0.2 < family < 0.6


def test_no_edition_knows_its_future(ask: duckdb.DuckDBPyConnection) -> None:
    assert str(_row(ask, "select max(day) from timed")[0]) <= "2024-12-31"
    assert str(_row(ask, "select min(issued) from claims")[0]) >= "2012-01-01"
    closed, before = _row(
        ask,
        """select max(closed), count(*) filter (closed < issued) from
        (select issued, strptime(closed_date, '%d/%m/%Y')::date as closed from claims)""",
    )
    assert str(closed) <= "2024-12-31"
    assert before == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_later_edition_continues_the_earlier(ask: duckdb.DuckDBPyConnection, table: str) -> None:
    key = {"caseman_cases": "case_number", "caseman_parties": "party_id"}.get(table, "event_id")
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
    if table == "caseman_events":
        assert _row(
            ask,
            f"""select count(*) filter (strptime(event_date, '%d/%m/%Y') <= '2024-12-31')
            from {table}_late anti join {table} using ({key})""",
        ) == (0,)
