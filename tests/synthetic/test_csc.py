"""Social care of the supply agrees with the family courts and with itself."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from datafirst_platform.synthetic import care, family_cases
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import NEVER


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_a_child_in_eight_has_no_pupil(shared: duckdb.DuckDBPyConnection) -> None:
    children, wrong = _one(
        shared,
        """select (select avg((ref is null)::int) from (
                select person_id, max(pupil_matching_ref) as ref
                from csc_cin_episodes group by all)),
            (select count(*) from csc_cin_episodes c join npd_census n using (pupil_matching_ref)
                where c.person_id <> n.person_id)""",
    )
    assert children == pytest.approx(0.12, abs=0.03)
    assert wrong == 0


def test_episodes_of_care_follow_each_other(shared: duckdb.DuckDBPyConnection) -> None:
    gaps, starts, unended, grown = _one(
        shared,
        """with rows as (
            select *, lead(decom) over child as next, row_number() over child as nth
            from csc_cla_episodes
            window child as (partition by la_code, la_child_id order by decom))
        select count(*) filter (next is not null and (next <> dec or rec <> 'X1')),
            count(*) filter ((rne = 'S') <> (nth = 1)),
            count(*) filter (next is null and rec = 'X1'),
            count(*) filter (date_diff('day', born, dec::date) > 6580)
        from rows join who using (person_id)""",
    )
    assert (gaps, starts, unended, grown) == (0, 0, 0, 0)


def test_plans_and_care_lie_within_an_episode_of_need(shared: duckdb.DuckDBPyConnection) -> None:
    for table, begins in (("csc_cpp_episodes", "cpp_start_date"), ("csc_cla_episodes", "decom")):
        lost, rows = _one(
            shared,
            f"""select count(*) filter (not exists (
                    select 1 from csc_cin_episodes n where n.person_id = t.person_id
                        and t.{begins} between n.referral_date and n.closure_date)), count(*)
            from {table} t where {begins} >= '2009'""",
        )
        assert rows > 50
        assert lost <= 0.03 * rows, table


def test_whom_a_family_court_is_asked_about_is_known_to_social_care(lived: Lives) -> None:
    pupils, roles, cases = lived.pupils, lived.family.roles, lived.family.cases
    asked = (roles.part == family_cases.CHILD) & (cases.kind[roles.case] == family_cases.PUBLIC)
    pupil_of = np.full(len(lived.households.people), -1)
    known = pupils.household >= 0
    pupil_of[pupils.household[known]] = np.flatnonzero(known)
    pupil = pupil_of[roles.person[asked]]
    first = np.full(len(pupils), NEVER)
    np.minimum.at(first, pupil[pupil >= 0], cases.receipt_day[roles.case[asked]][pupil >= 0])
    children = np.flatnonzero(first < NEVER)
    assert len(children) > 60
    assert np.isin(children, lived.care.needs.pupil).mean() > 0.97
    stays = lived.care.stays
    assert 0.45 < np.isin(children, stays.pupil).mean() < 0.8
    # Care by order of a court since 2011 is told by the court as well.
    by_order = np.isin(stays.status, [care.STATUSES.index("C1"), care.STATUSES.index("C2")])
    recent = np.ones(len(pupils), dtype=bool)
    recent[stays.pupil[stays.start_day < 14975]] = False
    assert (first[stays.pupil[by_order & recent[stays.pupil]]] < NEVER).all()


def test_codes_of_foster_care_are_those_of_their_time(shared: duckdb.DuckDBPyConnection) -> None:
    early, late = _one(
        shared,
        """select count(*) filter (placement_type[1] = 'U' and decom < '2015-04-01'),
            count(*) filter (placement_type[1] = 'F' and decom >= '2015-04-01')
        from csc_cla_episodes""",
    )
    assert (early, late) == (0, 0)


def test_nothing_is_later_than_the_cut_off(shared: duckdb.DuckDBPyConnection) -> None:
    assert _one(
        shared,
        """select max(greatest(referral_date, closure_date)) <= '2024-12-31',
            (select max(greatest(decom, dec)) from csc_cla_episodes) <= '2024-12-31'
        from csc_cin_episodes""",
    ) == (True, True)
