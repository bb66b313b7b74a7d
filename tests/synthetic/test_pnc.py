"""The Police National Computer of the supply holds people of the courts, and those cautioned."""

from __future__ import annotations

import duckdb
import pytest


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_subjects_are_two_or_three_times_the_pupils_among_them(
    shared: duckdb.DuckDBPyConnection,
) -> None:
    ratio, second = _one(
        shared,
        """select count(*) / count(distinct person_id)
                filter (person_id in (select person_id from told)),
            1 - count(distinct person_id) / count(*) from pnc_subjects""",
    )
    assert 2 < ratio < 3.2
    assert second == pytest.approx(0.02, abs=0.012)


def test_pupils_who_offend_are_people_of_the_courts(shared: duckdb.DuckDBPyConnection) -> None:
    in_court, born_alike, cautioned_only_in_court = _one(
        shared,
        """select avg((person_id in (select person_id from libra_cases))::int),
            (select avg((date_of_birth::date = born)::int)
                from libra_cases join told using (person_id)
                where first_offence is not null and date_of_birth is not null),
            (select count(*) from told where cautioned and came_to = 'custody')
        from told where first_offence is not null""",
    )
    assert in_court > 0.75
    assert born_alike > 0.9
    assert cautioned_only_in_court == 0


def test_two_thirds_of_true_pairs_agree_on_everything(shared: duckdb.DuckDBPyConnection) -> None:
    """64 % of those linked did; here of all who are one person."""
    agree, surname, forename, born, without_postcode = _one(
        shared,
        """with at_school as (
            select person_id, upper(replace(strip_accents(surname), 'ł', 'l')) as surname,
                upper(replace(strip_accents(forename), 'ł', 'l')) as forename1, date_of_birth,
                gender as sex, upper(replace(postcode, ' ', '')) as postcode from npd_census),
        compared as (
            select subject_number, s.postcode is null as homeless,
                max((s.surname = n.surname)::int) as surname,
                max((s.forename1 = n.forename1)::int) as forename,
                max((s.date_of_birth = n.date_of_birth)::int) as born,
                max((s.sex = n.sex)::int) as sex,
                max(coalesce(upper(replace(s.postcode, ' ', '')) = n.postcode, false)::int) as home
            from pnc_subjects s join at_school n using (person_id) group by all)
        select avg(surname * forename * born * sex * home), avg(surname), avg(forename), avg(born),
            avg(homeless::int) from compared""",
    )
    assert agree == pytest.approx(0.63, abs=0.06)
    assert 0.86 < surname < 0.97
    assert 0.9 < forename < 0.99
    assert 0.9 < born < 0.985
    assert without_postcode == pytest.approx(0.15, abs=0.05)


def test_disposals_are_of_their_time_and_age(shared: duckdb.DuckDBPyConnection) -> None:
    early_youth, late_warning, grown, at_station, no_disposal = _one(
        shared,
        """select
            count(*) filter (disposal_code in ('YCAU', 'YCCA') and disposal_date < '2013-04-08'),
            avg((disposal_code in ('REPR', 'FWRN'))::int)
                filter (disposal_code in ('REPR', 'FWRN', 'YCAU', 'YCCA')
                    and disposal_date >= '2013-04-08'),
            count(*) filter (disposal_code in ('SCAU', 'CCAU')
                and date_diff('day', born, disposal_date::date) < 6570),
            count(*) filter ((adjudication = 'C') <> (court_type = 'P')),
            count(*) filter ((adjudication in ('NG', 'D')) <> (disposal_code is null))
        from pnc_offences left join who using (person_id)""",
    )
    assert (early_youth, grown, at_station, no_disposal) == (0, 0, 0, 0)
    assert 0 < late_warning < 0.08


def test_children_come_before_the_youth_court(shared: duckdb.DuckDBPyConnection) -> None:
    ages = dict(
        shared.execute(
            """select court_type, avg(date_diff('day', born, disposal_date::date) / 365.25)
            from pnc_offences join who using (person_id) group by all"""
        ).fetchall()
    )
    assert ages["P"] < 18.5
    assert ages["Y"] < 18 < ages["M"]


def test_nothing_is_later_than_the_cut_off_and_offences_stay(
    shared: duckdb.DuckDBPyConnection,
) -> None:
    for ending, cut_off in (("", "2024-12-31"), ("_late", "2025-12-31")):
        latest = _one(
            shared, f"select max(disposal_date), max(offence_date) from pnc_offences{ending}"
        )
        assert max(latest) <= cut_off
    kept, more = _one(
        shared,
        """select count(*) filter (l.person_id is not null)
                / count(*) filter (e.person_id is not null),
            count(*) filter (e.person_id is null)
        from pnc_offences e full join pnc_offences_late l using (subject_number, offence_seq)""",
    )
    assert kept > 0.99
    assert more > 0


def test_every_subject_has_an_offence_and_every_alias_a_subject(
    shared: duckdb.DuckDBPyConnection,
) -> None:
    empty = "select count(*) from pnc_subjects anti join pnc_offences using (subject_number)"
    assert _one(shared, empty) == (0,)
    orphans = "select count(*) from pnc_aliases anti join pnc_subjects using (subject_number)"
    assert _one(shared, orphans) == (0,)
    known = "select count(distinct subject_number) from pnc_aliases"
    share = f"select ({known}) / count(*) from pnc_subjects"
    assert 0.1 < _one(shared, share)[0] < 0.35
