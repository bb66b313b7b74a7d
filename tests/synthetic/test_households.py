"""Who lives with whom is told once, and hangs together with the people of the criminal courts."""

from __future__ import annotations

import numpy as np
import pytest

from datafirst_platform.synthetic import households, lists, lives
from datafirst_platform.synthetic.households import CARE, CONTACT, DIVORCE, Households
from datafirst_platform.synthetic.population import NEVER

YEAR = 365.25


@pytest.fixture(scope="module")
def told() -> lives.Lives:
    return lives.draw(4, 1, 70_000)


@pytest.fixture(scope="module")
def home(told: lives.Lives) -> Households:
    return told.households


def _ages_at_birth(home: Households) -> tuple[np.ndarray, np.ndarray]:
    """Ages in years of mothers and fathers at each birth."""
    people, couples, children = home.people, home.couples, home.children
    one, other = couples.one[children.couple], couples.other[children.couple]
    is_mother = people.female[one]
    born = people.born[children.person]
    mother = (born - people.born[np.where(is_mother, one, other)]) / YEAR
    father = (born - people.born[np.where(is_mother, other, one)]) / YEAR
    return mother, father


def test_the_people_before_the_criminal_courts_stay_who_they_are(
    told: lives.Lives, home: Households
) -> None:
    own = len(told.people)
    assert home.own == own
    for field in ("person_id", "born", "surname", "renamed", "new_surname", "first", "female"):
        assert (getattr(home.people, field)[:own] == getattr(told.people, field)).all(), field
    assert (home.people.addresses.since[:own] == told.people.addresses.since).all()
    ids = home.people.person_id
    assert len(np.unique(ids)) == len(ids)
    further = ids[own : home.institutions]
    assert further.min() > 1_000_000_000
    assert (ids[home.institutions :] < -999_999_999).all()


def test_nobody_is_in_two_couples_or_grown_up_and_child_at_once(home: Households) -> None:
    adults = np.concatenate([home.couples.one, home.couples.other])
    assert len(np.unique(adults)) == len(adults)
    assert len(np.unique(home.children.person)) == len(home.children)
    assert not np.isin(home.children.person, adults).any()
    assert not np.isin(home.lone, adults).any()


def test_parents_are_of_an_age_to_be(home: Households) -> None:
    mother, father = _ages_at_birth(home)
    assert mother.min() > 15.9
    assert father.min() > 15.9
    assert mother.max() < 46
    assert 26 < np.median(mother) < 31
    assert np.median(father) > np.median(mother)
    children = home.children
    first = np.unique(children.couple, return_index=True)[1]
    age = (home.couples.apart_day[children.couple] - home.people.born[children.person])[first]
    assert age.min() > 0
    assert age.max() < 17.6 * YEAR
    babies = home.couples.reason[children.couple[first]] == CARE
    assert 0.2 < (age[babies] < YEAR).mean() < 0.45
    has_child = np.isin(np.arange(len(home.couples)), children.couple)
    assert (home.couples.reason != CONTACT)[~has_child].all()


def test_couples_are_grown_up_and_those_who_divorce_are_married(home: Households) -> None:
    people, couples = home.people, home.couples
    for adult in (couples.one, couples.other):
        assert ((couples.apart_day - people.born[adult]) / YEAR).min() > 17
    married = couples.married_day < NEVER
    assert married[couples.reason == DIVORCE].all()
    assert 0.25 < married[couples.reason == CONTACT].mean() < 0.55
    assert (couples.married_day[married] < couples.apart_day[married]).all()
    assert (couples.together_day <= couples.apart_day).all()


def test_names_follow_marriages_and_births(home: Households) -> None:
    people, couples, children = home.people, home.couples, home.children
    wife = np.where(people.female[couples.one], couples.one, couples.other)
    husband = np.where(people.female[couples.one], couples.other, couples.one)
    takes = (couples.married_day < NEVER) & (people.renamed[wife] == couples.married_day)
    takes &= people.female[wife] & ~people.female[husband]
    assert 0.55 < takes.sum() / (couples.married_day < NEVER).sum() < 0.9
    assert (people.new_surname[wife[takes]] == people.surname[husband[takes]]).all()
    name = people.surname[children.person]
    of = children.couple
    like_a_parent = (
        (name == people.surname[husband[of]])
        | (name == people.surname[wife[of]])
        | (name == people.new_surname[wife[of]])
    )
    assert like_a_parent.all()


def test_couples_share_a_home_until_they_part_and_children_live_with_one(home: Households) -> None:
    people, couples, children = home.people, home.couples, home.children

    def place(person: np.ndarray, day: np.ndarray) -> np.ndarray:
        lived = people.addresses
        current = (lived.since[person] <= day[:, None]).sum(axis=1) - 1
        return lived.sector[person, current] * 1000 + lived.unit[person, current]

    before = place(couples.one, couples.apart_day - 1) == place(
        couples.other, couples.apart_day - 1
    )
    # All but those who have moved so often that no more is told of it.
    assert before.mean() > 0.98
    parting = couples.reason == DIVORCE
    after = couples.apart_day + 30
    assert (place(couples.one, after) == place(couples.other, after))[parting].mean() < 0.01
    carer = np.where(
        children.with_one, couples.one[children.couple], couples.other[children.couple]
    )
    day = couples.apart_day[children.couple] + 30
    assert (place(children.person, day) == place(carer, day)).all()
    mother = people.female[carer]
    assert 0.7 < mother.mean() < 0.9


def test_some_of_those_before_the_criminal_courts_have_a_family_here(
    told: lives.Lives, home: Households
) -> None:
    """About one in four as a partner, and some of the young as somebody's child."""
    persons = (~told.people.is_company).sum()
    adults = np.concatenate([home.couples.one, home.couples.other])
    as_adult = (adults < home.own).sum() / persons
    as_child = (home.children.person < home.own).sum() / persons
    assert 0.18 < as_adult < 0.36
    assert 0.02 < as_child < 0.09


def test_a_chunk_of_one_person_has_its_households() -> None:
    home = households.draw(1, lives.draw(1, 0, 1).people)
    assert len(home.lone) >= 1
    assert len(home.people) - home.institutions == len(lists.institutions().name)


def test_institutions_are_the_same_everywhere(home: Households) -> None:
    elsewhere = lives.draw(4, 0, 500).households
    ids = home.people.person_id[home.institutions :]
    assert (ids == elsewhere.people.person_id[elsewhere.institutions :]).all()
    seats = home.people.addresses.sector[home.institutions :, 0]
    assert (seats == elsewhere.people.addresses.sector[elsewhere.institutions :, 0]).all()
