"""Pupils of the made-up supply are people of the other lives, and offend as often as published."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from datafirst_platform.synthetic import lists, police
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import NEVER


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_pupils_stand_to_defendants_as_published(shared: duckdb.DuckDBPyConnection) -> None:
    """1.63 million pupils beside 19.6 million defendants on cases."""
    pupils, cases = _one(
        shared, "select (select count(*) from told), (select count(*) from libra_cases)"
    )
    assert pupils / cases == pytest.approx(1.63 / 19.6, rel=0.15)


def test_pupils_offend_as_often_as_published(shared: duckdb.DuckDBPyConnection) -> None:
    offended, serious, custody, male = _one(
        shared,
        """select avg((came_to <> 'none')::int), avg(serious::int),
        avg((came_to = 'custody')::int),
        avg((gender = 'M')::int) filter (came_to <> 'none') from told""",
    )
    assert 0.047 < offended < 0.053
    assert serious == pytest.approx(0.011, abs=0.0025)
    assert custody == pytest.approx(0.015, abs=0.005)
    assert male == pytest.approx(0.78, abs=0.05)


def test_most_offend_first_at_fifteen(shared: duckdb.DuckDBPyConnection) -> None:
    ages = shared.execute(
        """select date_sub('year', born, first_offence) as age, count(*) from told
        where first_offence is not null group by all order by 2 desc"""
    ).fetchall()
    assert ages[0][0] == 15
    assert all(10 <= age < 18 for age, _ in ages)


@pytest.mark.parametrize(
    ("measure", "custody", "none"),
    [
        ("in_need", 0.417, None),
        ("looked_after", 0.176, None),
        ("excluded", 0.722, None),
        ("persistently_absent", 0.525, 0.109),
    ],
)
def test_those_in_custody_differ_from_others_as_published(
    shared: duckdb.DuckDBPyConnection, measure: str, custody: float, none: float | None
) -> None:
    shares = dict(
        shared.execute(f"select came_to, avg({measure}::int) from told group by all").fetchall()
    )
    assert shares["custody"] == pytest.approx(custody, abs=0.09)
    assert shares["none"] < shares["other"] < shares["custody"]
    if none is not None:
        assert shares["none"] == pytest.approx(none, abs=0.015)


@pytest.mark.parametrize("trait", ["poor", "has_needs"])
def test_poverty_and_needs_are_met_more_often_where_there_is_offending(
    shared: duckdb.DuckDBPyConnection, trait: str
) -> None:
    shares = dict(
        shared.execute(
            f"select came_to <> 'none', avg({trait}::int) from told group by all"
        ).fetchall()
    )
    assert shares[True] > 1.3 * shares[False] > 0.3


def test_pupils_are_who_they_are_in_the_other_lives(lived: Lives) -> None:
    pupils, people = lived.pupils, lived.pupils.people
    assert len(np.unique(people.person_id)) == len(pupils)
    known = pupils.household >= 0
    of = lived.households.people
    for field in ("person_id", "born", "first", "surname", "female"):
        there = getattr(of, field)[pupils.household[known]]
        assert (getattr(people, field)[known] == there).all(), field
    same = people.addresses.sector[known] == of.addresses.sector[pupils.household[known]]
    assert same.all()
    assert (
        people.person_id[pupils.own >= 0] == lived.people.person_id[pupils.own[pupils.own >= 0]]
    ).all()
    assert ((people.born >= police.BORN_SINCE) & (people.born < police.BORN_BEFORE)).all()


def test_children_of_the_households_come_before_further_people(lived: Lives) -> None:
    home = lived.households
    born = home.people.born[home.children.person]
    of_age = home.children.person[(born >= police.BORN_SINCE) & (born < police.BORN_BEFORE)]
    at_school = np.isin(of_age, lived.pupils.household)
    assert at_school.mean() > 0.75


def test_every_pupil_lives_in_england_while_at_school(lived: Lives) -> None:
    years, people = lived.schooling.years, lived.pupils.people
    assert (years.authority >= 0).all()
    since = people.addresses.since[years.pupil]
    current = (since <= years.census_day[:, None]).sum(axis=1) - 1
    sector = people.addresses.sector[years.pupil, current]
    assert (lists.schools().of_sector[sector] == years.authority).all()
    assert (lists.schools().decile[sector] == years.decile).all()
    share = np.bincount(years.decile, minlength=11)[1:] / len(years)
    assert 0.05 < share.min() < share.max() < 0.16


def test_some_change_their_surname_at_school(lived: Lives) -> None:
    changes = lived.pupils.name_day < NEVER
    assert 0.06 < changes.mean() < 0.14
    assert (lived.pupils.school_surname != lived.pupils.later_surname)[changes].all()
