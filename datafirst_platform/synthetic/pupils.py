"""Pupils: who of three school years goes to school in England, and what weighs on them.

What belongs here: who is a pupil, under which names schools know them, and the traits that go with
offending. What does not: what happens at school (`schooling.py`) and in social care (`care.py`).

The pupils finished key stage 4 in 2012/13 to 2014/15 (born from September 1996 to August 1999), as
those of whom figures are published: of 1.63 million 5 % were cautioned or sentenced and 1.1 % for
serious violence. Of the people who come before the criminal courts these years hold more than the
share needs, and all who offended as children are old enough by the first edition. First come those
of them who went to school in England, then the children of the households told of, so that family
courts, schools and social care tell of the same people; the others are further people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from datafirst_platform.synthetic import lists, population
from datafirst_platform.synthetic.households import Households
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.police import BORN_BEFORE, BORN_SINCE, Offenders, in_cohort
from datafirst_platform.synthetic.population import NEVER, People, Who, stream

PUPILS_PER_PERSON = 0.2237
"""1.63 million pupils beside 19.6 million defendants of LIBRA, of whom a person has 2.69."""

PUPILS_PER_CHUNK = 20_000

UNKNOWN_TO_POLICE, OFFENDED, IN_CUSTODY = range(3)
"""Whether a pupil was cautioned or convicted, and sentenced to custody, some time."""

_PUPIL_IDS = 2_000_000_000
_IDS_PER_CHUNK = 1_000_000

# Of the pupils: brought before a court some time and recorded as a child, and cautioned only.
_CONVICTED, _CAUTIONED = 0.0425, 0.0085
# Serious violence is met in more than one offender of five, and first offences are most at 15;
# those whom the households know come first.
_SERIOUS_WEIGHT, _KNOWN_CHILD_WEIGHT = 2.6, 1.6
_FIRST_AGES, _FIRST_AGE_WEIGHTS = (15.0, 16.0), np.array([0.62, 1.3, 1.0])
_BOYS_CAUTIONED = 1.3

_SCHOOL_DAY = 14262
"""2009-01-18: a day on which all of them are of school age."""

_NEWCOMERS_DRAWN = 1.7
# Those who never offend live less often where deprivation is high.
_DECILE_WEIGHTS = np.linspace(0.72, 1.28, 10)
_TWINS, _SIBLINGS = 0.014, 0.07

_EARLIER_NAME, _LATER_NAME = 0.065, 0.035
"""Shares of pupils whose surname becomes the one others know, or ceases to be it, at school."""


@dataclass(frozen=True)
class Pupils:
    """The pupils of one chunk; one element a pupil.

    Attributes:
        people: who they are, with no names but those they bear.
        offending: UNKNOWN_TO_POLICE, OFFENDED or IN_CUSTODY.
        own: index into the chunk's own people, -1 for the others.
        household: index into the people of the households, -1 for further people.
        cautioned: cautioned, but never before a criminal court.
        trouble: what exclusion, absence and care have in common; standard normal.
        poverty: likewise of free school meals; standard normal, and higher where deprived.
        school_surname: index of the surname at school until `name_day`, and since.
        name_day: on which the surname at school changes, NEVER for most.
    """

    people: People
    offending: Ints
    own: Ints
    household: Ints
    cautioned: Bools
    trouble: Floats
    poverty: Floats
    school_surname: Ints
    later_surname: Ints
    name_day: Ints

    def __len__(self) -> int:
        return len(self.offending)

    @property
    def number(self) -> Ints:
        """Numbers of the pupils over all chunks."""
        numbers: Ints = self.people.chunk * PUPILS_PER_CHUNK + np.arange(len(self))
        return numbers

    @property
    def cohort(self) -> Ints:
        """0 for those who begin school in September 2001, 1 and 2 for the years after."""
        years: Ints = np.searchsorted([10105, 10470], self.people.born, side="right")
        return years


def draw(seed: int, households: Households, known: Offenders) -> Pupils:
    """Draw the pupils of one chunk."""
    people = households.people
    rng = stream(seed, people.chunk, "pupils")
    persons = int((people.person_id[: households.own] > 0).sum())
    wanted = max(round(persons * PUPILS_PER_PERSON), 1)
    is_child = np.zeros(len(people), dtype=bool)
    is_child[households.children.person] = True

    here = _in_england(people, known.person)
    candidates = known.person[here]
    weights = np.where(known.serious[here], _SERIOUS_WEIGHT, 1.0)
    weights *= np.where(is_child[candidates], _KNOWN_CHILD_WEIGHT, 1.0)
    age = (known.first_day[here] - people.born[candidates]) / 365.25
    weights *= _FIRST_AGE_WEIGHTS[np.searchsorted(_FIRST_AGES, age, side="right")]
    offended = candidates[_race(rng.random(len(weights)), weights, round(wanted * _CONVICTED))]
    # Children of the households, but for those who offended and went to no school of the state.
    elsewhere = np.zeros(len(people), dtype=bool)
    elsewhere[known.person] = True
    children = np.flatnonzero(is_child & in_cohort(people) & ~elsewhere)
    children = children[_in_england(people, children)][: max(wanted - len(offended), 0)]
    newcomers = _newcomers(seed, people.chunk, wanted - len(offended) - len(children))
    place = np.concatenate([offended, children])
    everybody = population.together([population.chosen(people, place), newcomers])
    everybody = replace(
        everybody,
        alias_born=everybody.born,
        alias_first=np.full(wanted, -1, dtype=np.int64),
        alias_surname=np.full(wanted, -1, dtype=np.int64),
    )
    household = np.full(wanted, -1, dtype=np.int64)
    household[: len(place)] = place
    own = np.where((household >= 0) & (household < households.own), household, -1)
    custody = np.zeros(len(people), dtype=bool)
    custody[known.person[known.custody]] = True

    weights = np.where(everybody.female, 1.0, _BOYS_CAUTIONED) * (own < 0)
    cautioned = np.zeros(wanted, dtype=bool)
    cautioned[_race(rng.random(wanted), weights, round(wanted * _CAUTIONED))] = True
    offending = np.full(wanted, UNKNOWN_TO_POLICE)
    offending[: len(offended)] = np.where(custody[offended], IN_CUSTODY, OFFENDED)
    offending[cautioned] = OFFENDED
    decile = lists.schools().decile[_home(everybody)]
    poverty = 0.55 * (5.5 - decile) / 2.87 + np.sqrt(1 - 0.55**2) * rng.normal(size=wanted)
    before, later, name_day = _school_names(rng, everybody)
    return Pupils(
        people=everybody,
        offending=offending,
        own=own,
        household=household,
        cautioned=cautioned,
        trouble=rng.normal(size=wanted),
        poverty=poverty,
        school_surname=before,
        later_surname=later,
        name_day=name_day,
    )


def _home(people: People) -> Ints:
    """Sector in which each lives while all are of school age."""
    homes = people.addresses
    current = (homes.since <= _SCHOOL_DAY).sum(axis=1) - 1
    sector: Ints = homes.sector[np.arange(len(current)), current]
    return sector


def _in_england(people: People, who: Ints) -> Bools:
    homes = population.chosen(people, who)
    there: Bools = lists.schools().of_sector[_home(homes)] >= 0
    return there


def _race(uniform: Floats, weights: Floats, number: int) -> Ints:
    """Some of those of a weight above 0, likelier the higher it is, as rising indices."""
    time = -np.log(uniform.clip(1e-12)) / np.maximum(weights, 1e-9)
    first = np.sort(np.argsort(np.where(weights > 0, time, np.inf), kind="stable")[:number])
    chosen: Ints = first[weights[first] > 0]
    return chosen


def _newcomers(seed: int, chunk: int, wanted: int) -> People:
    """Pupils of whom nobody else tells; some are twins or siblings, and live and are called so."""
    rng = stream(seed, chunk, "further pupils")
    drawn = round(wanted * _NEWCOMERS_DRAWN) + 40
    born = rng.integers(BORN_SINCE, BORN_BEFORE, drawn)
    ethnicity, group = population.backgrounds(rng, drawn)
    follows = rng.random(drawn) < _TWINS + _SIBLINGS
    twin = follows & (rng.random(drawn) < _TWINS / (_TWINS + _SIBLINGS))
    follows[0] = twin[0] = False
    follows[1:] &= ~follows[:-1]
    twin &= follows
    one, other = np.flatnonzero(follows), np.flatnonzero(follows) - 1
    ethnicity[one], group[one] = ethnicity[other], group[other]
    born[twin] = born[np.flatnonzero(twin) - 1]
    # Siblings who are not twins are a year apart at least.
    near = follows & ~twin
    apart = 330 + rng.integers(0, 400, drawn)
    elder = np.roll(born, 1)
    younger = np.where(elder + apart < BORN_BEFORE, elder + apart, elder - apart)
    born = np.where(near & (younger >= BORN_SINCE), younger, born)
    who = Who(
        person_id=_PUPIL_IDS + chunk * _IDS_PER_CHUNK + np.arange(drawn),
        is_company=np.zeros(drawn, dtype=bool),
        entered=born,
        born=born,
        female=rng.random(drawn) < 0.497,
        ethnicity=ethnicity,
        group=group,
    )
    people = population.further(seed, chunk, "pupils", who)
    people.surname[one] = people.surname[other]
    same = one[people.first[one] == people.first[other]]
    people.first[same] = np.where(people.middle[same] >= 0, people.middle[same], people.first[0])
    for values in vars(people.addresses).values():
        values[one] = values[other]
    sector = _home(people)
    weights = np.where(
        lists.schools().of_sector[sector] >= 0,
        _DECILE_WEIGHTS[lists.schools().decile[sector] - 1],
        0,
    )
    # Relatives come together or not at all.
    uniform = rng.random(drawn)
    uniform[one] = uniform[other]
    return population.chosen(people, _race(uniform, weights, wanted))


def _school_names(rng: np.random.Generator, people: People) -> tuple[Ints, Ints, Ints]:
    """Surnames at school before and since some day: a parent marries, or marries again."""
    total = len(people)
    sort, other = rng.random(total), rng.permutation(people.surname)
    day = people.born + (rng.uniform(5.2, 15.8, total) * 365.25).astype(np.int64)
    earlier = (sort < _EARLIER_NAME) & (other != people.surname)
    later = (sort > 1 - _LATER_NAME) & (other != people.surname)
    return (
        np.where(earlier, other, people.surname),
        np.where(later, other, people.surname),
        np.where(earlier | later, day, NEVER),
    )


@cache
def _normal() -> tuple[Floats, Floats]:
    at = np.linspace(-5, 5, 2001)
    return at, np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in at])


def met(
    rng: np.random.Generator, pupils: Pupils, share: Floats | float, with_trouble: float
) -> Bools:
    """Which pupils something happens to, as often as given and likelier the more their trouble.

    Args:
        rng: random numbers.
        pupils: all of the chunk.
        share: of them, one for each or for all.
        with_trouble: correlation with `trouble`.
    """
    own = rng.normal(size=len(pupils))
    latent = np.sqrt(1 - with_trouble**2) * own - with_trouble * pupils.trouble
    at, below = _normal()
    happens: Bools = np.interp(latent, at, below) < share
    return happens
