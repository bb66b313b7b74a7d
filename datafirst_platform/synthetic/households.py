"""Households: couples, their children and others, beside the people of the criminal courts.

What belongs here: who lived with whom, from when to when, and whose child a child is. What does
not: what came before the family or civil courts of it (`family_lives.py`, `claims.py`).

Some of the chunk's people who come before a criminal court live in one of the couples told of here
or are a child of it; the others of a couple, their children and further adults never do. Only
couples of whom a family court hears are told of. How often each kind of people is met is made up;
so is the share of people before the criminal courts whom a family court knows, about one in four.
Ages of parents and children lie near those of births and divorces in England and Wales.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np

from datafirst_platform.synthetic import lists, population
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import (
    NEVER,
    Addresses,
    People,
    Who,
    stream,
)

DIVORCE, CONTACT, VIOLENCE, CARE, ADOPTERS = range(5)
"""Why a family court hears of a couple first: its divorce, where its children live, violence,
children to be taken into care, or a child it adopts."""

FURTHER_IDS = 1_000_000_000
"""`person_id` of the people who never come before a criminal court begin here."""
_FURTHER_IDS_PER_CHUNK = 1_000_000
_INSTITUTION_IDS = -1_000_000_000

_YEAR = 365.25
_MOST_CHILDREN = 4

# What happens to people happens evenly up to 2026 and then less: no later edition is opened yet.
_ACTIVE_UNTIL, _TOLD_UNTIL, _ACTIVE_AFTER = 2027.0, 2033.0, 0.3
_PARTED_SINCE = 2009.3

_FURTHER_COUPLES, _FURTHER_ADULTS = 1.11, 0.30
"""Couples without anybody who comes before a criminal court, and adults in no couple told of, per
person of the chunk."""

# Share of the chunk's people in a couple of whom a family court hears, by their age at the time.
_ANCHOR_AGES = (18.0, 22.0, 30.0, 42.0, 55.0, 66.0)
_ANCHOR_SHARES = (0.34, 0.47, 0.51, 0.40, 0.22, 0.05)
_ANCHORED_CHILDREN = 0.26

_ADULT, _CHILD, _NOBODY = range(3)
# Why a family court hears of couples, where one of them or a child comes before a criminal court.
_REASONS = np.array([
    [0.30, 0.35, 0.17, 0.18, 0.0],
    [0.12, 0.44, 0.10, 0.34, 0.0],
    [0.81, 0.115, 0.045, 0.03, 0.0],
])  # fmt: skip

# Share of divorces made on paper by the time couples part: the others are made online since 2018,
# a little more than a year after, and left out of FamilyMan.
_ON_PAPER = ((2017.2, 1.0), (2017.8, 0.60), (2019.3, 0.30), (2021.1, 0.20), (2021.3, 0.04))

_CHILDLESS = np.array([0.45, 0.0, 0.35, 0.0, 1.0])
_NUMBER_OF_CHILDREN = np.array([
    [0.46, 0.88, 0.97], [0.58, 0.90, 0.975], [0.52, 0.87, 0.97], [0.55, 0.80, 0.93], [1, 1, 1],
])  # fmt: skip
# Age of the youngest child when the couple parts or the authority steps in: shape of a beta
# distribution over 16.5 years, and the share of newborns.
_YOUNGEST = np.array([[1.3, 1.5], [1.2, 2.4], [1.1, 2.5], [0.9, 2.2], [1, 1]])
_NEWBORN = np.array([0.0, 0.03, 0.03, 0.26, 0.0])
_MARRIED = np.array([1.0, 0.40, 0.42, 0.18, 0.88])
_FIRST_BIRTH = np.array([29.0, 26.5, 26.0, 23.0, 30.0])
_AGE_IF_CHILDLESS = np.array([[46.0, 11.5], [36, 9], [33, 10], [30, 7], [40, 5.5]])
_YEARS_TOGETHER = np.array([11.0, 4.5, 5.0, 4.0, 8.0])

_ADOPTED = 0.58
"""Share of those care cases whose youngest child is under five that end in an adoption."""

_SAME_SEX = 0.02

_GROWN_UP = 5950
"""Days of age from which people live with another and have children."""


@dataclass(frozen=True)
class Couples:
    """Couples of whom a family court hears; one element a couple.

    Attributes:
        one: index into the people; `other` likewise. `one` keeps the home when they part.
        reason: DIVORCE, CONTACT, VIOLENCE, CARE or ADOPTERS.
        together_day: since when they live together.
        married_day: of the marriage, NEVER for none.
        apart_day: on which they part; for CARE and ADOPTERS, about when the court hears of them.
        adopters: index of the couple that adopts their youngest child, -1 for none.
        anchored: one of them or their child comes before a criminal court.
        online: their divorce is made online, if they divorce.
    """

    one: Ints
    other: Ints
    reason: Ints
    together_day: Ints
    married_day: Ints
    apart_day: Ints
    adopters: Ints
    anchored: Bools
    online: Bools

    def __len__(self) -> int:
        return len(self.one)


@dataclass(frozen=True)
class Children:
    """Children of the couples, ordered by couple, the youngest first.

    Attributes:
        person: index into the people.
        couple: index into the couples.
        with_one: lives with `one` of the couple once it has parted.
    """

    person: Ints
    couple: Ints
    with_one: Bools

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Households:
    """The people of one chunk and of their lives, and who belongs to whom.

    Attributes:
        people: the chunk's own first, at the same places, then adults who never come before a
            criminal court, children, and institutions.
        couples: see `Couples`.
        children: see `Children`.
        couple_of: couple of each of the people as an adult, -1 for none.
        own: number of the chunk's own people.
        lone: indices of adults in no couple told of, one at least.
        institutions: index of the first institution among the people; they stand in the order
            of `lists.institutions()`.
    """

    people: People
    couples: Couples
    children: Children
    couple_of: Ints
    own: int
    lone: Ints
    institutions: int


@dataclass(frozen=True)
class _Plan:
    """Couples before there are people in them; days of birth, one element a couple.

    `births` has the shape (couples, `_MOST_CHILDREN`), the youngest first, NEVER for none.
    """

    kind: Ints
    anchor: Ints
    reason: Ints
    apart: Ints
    one_female: Bools
    other_female: Bools
    one_born: Ints
    other_born: Ints
    births: Ints
    together: Ints
    married: Ints
    adopters: Ints
    takes_name: Bools
    online: Bools


def draw(seed: int, people: People) -> Households:
    """Draw the households of one chunk of people."""
    rng = stream(seed, people.chunk, "households")
    plan = _plan(rng, people)
    everybody, couples, lone = _adults(seed, rng, people, plan)
    everybody, children = _children(seed, rng, everybody, plan, couples)
    institutions = len(everybody)
    everybody = population.together([everybody, _institutions(seed, people.chunk)])
    couple_of = np.full(len(everybody), -1, dtype=np.int64)
    couple_of[couples.one] = couple_of[couples.other] = np.arange(len(couples))
    return Households(everybody, couples, children, couple_of, len(people), lone, institutions)


# --- who is to live with whom ---------------------------------------------------------------------


def active_days(rng: np.random.Generator, total: int, since_year: float) -> Ints:
    """Days on which couples part or debts fall due, over the years told of."""
    evenly = _ACTIVE_UNTIL - since_year
    share = evenly / (evenly + _ACTIVE_AFTER * (_TOLD_UNTIL - _ACTIVE_UNTIL))
    times = (since_year, _ACTIVE_UNTIL, _TOLD_UNTIL)
    years = np.interp(rng.random(total), (0.0, share, 1.0), times)
    days: Ints = ((years - 1970) * 365.2425).astype(np.int64)
    return days


def _plan(rng: np.random.Generator, people: People) -> _Plan:
    kind, anchor, apart = _anchors(rng, people)
    sort = rng.random(len(kind))
    reason = (sort[:, None] > np.cumsum(_REASONS, axis=1)[kind]).sum(axis=1).clip(0, CARE)
    years, shares = zip(*_ON_PAPER, strict=True)
    online = rng.random(len(kind)) > np.interp(apart / _YEAR + 1970, years, shares)
    # Nobody here hears of the others that divorce online.
    told = ~(online & (reason == DIVORCE) & (kind == _NOBODY))
    kind, anchor, apart, reason, online = (
        each[told] for each in (kind, anchor, apart, reason, online)
    )
    total = len(kind)
    one_female = np.where(kind == _ADULT, people.female[anchor], rng.random(total) < 0.5)
    age = np.where(kind == _ADULT, (apart - people.born[anchor]) / _YEAR, np.nan)
    as_child = kind == _CHILD
    births = _births(rng, reason, apart, one_female, age, as_child)
    # A child before a criminal court is the youngest: its siblings are older.
    shift = np.where(as_child, people.born[anchor] - births[:, 0], 0)
    births = np.where(births < NEVER, births + shift[:, None], NEVER)
    births[as_child, 0] = people.born[anchor][as_child]
    has_child = births[:, 0] < NEVER
    reason = np.where(~has_child & np.isin(reason, (CONTACT, CARE)), VIOLENCE, reason)
    reason = np.where((age < 20) & (reason == DIVORCE), np.where(has_child, 1, 2), reason)

    # Those who adopt are couples of their own.
    young = (apart - births[:, 0]) / _YEAR < 5
    adopts = np.flatnonzero((reason == CARE) & has_child & young & (rng.random(total) < _ADOPTED))
    adopters = np.full(total + len(adopts), -1, dtype=np.int64)
    adopters[adopts] = total + np.arange(len(adopts))
    more = len(adopts)
    kind = np.concatenate([kind, np.full(more, _NOBODY)])
    anchor = np.concatenate([anchor, np.full(more, -1)])
    reason = np.concatenate([reason, np.full(more, ADOPTERS)])
    apart = np.concatenate([apart, apart[adopts] + 650])
    one_female = np.concatenate([one_female, rng.random(more) < 0.5])
    births = np.concatenate([births, np.full((more, _MOST_CHILDREN), NEVER)])
    online = np.concatenate([online, np.ones(more, dtype=bool)])
    return _ages(rng, people, kind, anchor, reason, apart, one_female, births, adopters, online)


def _anchors(rng: np.random.Generator, people: People) -> tuple[Ints, Ints, Ints]:
    """What couples are told of: kind, the person before a criminal court, the day they part.

    The kind is `_ADULT`, `_CHILD` or `_NOBODY`; the person is -1 for nobody.
    """
    persons = np.flatnonzero(~people.is_company)
    apart = active_days(rng, len(persons), _PARTED_SINCE)
    age = (apart - people.born[persons]) / _YEAR
    chance = rng.random(len(persons))
    share = np.interp(age, _ANCHOR_AGES, _ANCHOR_SHARES)
    adult = (age >= 18) & (age < _ANCHOR_AGES[-1]) & (chance < share)
    child = (age > 0.3) & (age < 16.5) & (chance < _ANCHORED_CHILDREN)
    further = round(len(persons) * _FURTHER_COUPLES)
    nobody = np.full(further, -1, dtype=np.int64)
    anchor = np.concatenate([persons[adult], persons[child], nobody])
    days = np.concatenate([apart[adult], apart[child], active_days(rng, further, _PARTED_SINCE)])
    kind = np.repeat([_ADULT, _CHILD, _NOBODY], [adult.sum(), child.sum(), further])
    return kind, anchor, days


def _births(
    rng: np.random.Generator,
    reason: Ints,
    apart: Ints,
    one_female: Bools,
    age: Floats,
    has_one: Bools,
) -> Ints:
    """Days of birth of each couple's children.

    Args:
        rng: random numbers.
        reason: of each couple.
        apart: day on which it parts.
        one_female: sex of `one`.
        age: of `one` on that day in years, where it is given; nan where the children decide.
        has_one: couples that have a child for certain.
    """
    total = len(reason)
    childless = (rng.random(total) < _CHILDLESS[reason]) & ~has_one
    number = 1 + (rng.random(total)[:, None] > _NUMBER_OF_CHILDREN[reason]).sum(axis=1)
    shape = _YOUNGEST[reason]
    youngest = 0.05 + 16.4 * rng.beta(shape[:, 0], shape[:, 1])
    youngest = np.where(rng.random(total) < _NEWBORN[reason], rng.random(total) * 0.3, youngest)
    given = ~np.isnan(age)
    least = np.where(given, (age - np.where(one_female, 45, 62)).clip(0.02), 0.02)
    most = np.where(given, np.minimum(age - 16.6, 16.5), 16.5)
    childless |= least > most
    youngest = youngest.clip(least, np.maximum(most, least))
    gaps = 1.25 + rng.exponential(1.7, (total, _MOST_CHILDREN))
    # One in seventy is a twin.
    gaps = np.where(rng.random(gaps.shape) < 1 / 70, 0, gaps)
    gaps[:, 0] = youngest
    ages = np.cumsum(gaps, axis=1)
    told = (np.arange(_MOST_CHILDREN) < number[:, None]) & ~childless[:, None]
    # Nobody is a parent before sixteen, and no brood spans more than fifteen years.
    told &= ~given[:, None] | (ages <= (age - 16.3)[:, None])
    told &= (ages - ages[:, :1] < 15) & (ages < 18)
    told[:, 1:] &= told[:, :-1]
    days = apart[:, None] - (ages * _YEAR).astype(np.int64)
    return np.where(told, days, NEVER)


def _ages(
    rng: np.random.Generator,
    people: People,
    kind: Ints,
    anchor: Ints,
    reason: Ints,
    apart: Ints,
    one_female: Bools,
    births: Ints,
    adopters: Ints,
    online: Bools,
) -> _Plan:
    """Give the adults of each couple their days of birth, and the couple its time together."""
    total = len(kind)
    has_child = births[:, 0] < NEVER
    youngest = np.where(has_child, births[:, 0], 0)
    eldest = births.min(axis=1)
    fixed = kind == _ADULT
    same_sex = ~has_child & (rng.random(total) < _SAME_SEX)
    other_female = ~one_female ^ same_sex

    def years(values: Floats) -> Ints:
        days: Ints = (values * _YEAR).astype(np.int64)
        return days

    def bounded(born: Ints, female: Bools) -> Ints:
        """Old enough at the first birth and on parting, not too old for the last."""
        youth = np.array([20.0, 17.5, 17.5, 17.5, 23.0])
        latest = apart - years(youth[reason])
        latest = np.where(
            has_child, np.minimum(latest, eldest - years(np.full(total, 16.3))), latest
        )
        earliest = np.where(has_child, youngest - years(np.where(female, 45.5, 64.0)), -NEVER)
        within: Ints = np.minimum(np.maximum(born, earliest), latest)
        return within

    first_birth = rng.normal(_FIRST_BIRTH[reason], 5.5).clip(16.5) + np.where(one_female, 0, 2.4)
    mean, spread = _AGE_IF_CHILDLESS[reason].T
    alone = rng.normal(mean, spread).clip(19, 88)
    born = np.where(has_child, eldest - years(first_birth), apart - years(alone))
    one_born = np.where(fixed, people.born[anchor], bounded(born, one_female))
    # Men are older by two and a half years in the mean.
    gap = rng.normal(2.4, 4.2, total)
    other_born = one_born + years(np.where(one_female, -gap, np.where(other_female, gap, 0)))
    other_born = bounded(other_born, other_female)

    grown = np.maximum(one_born, other_born) + _GROWN_UP
    lived = years(rng.gamma(1.6, _YEARS_TOGETHER[reason] / 1.6).clip(0.4, 45))
    before_birth = np.where(has_child, eldest - 270 - years(rng.gamma(1.2, 1.6, total)), NEVER)
    together_day = np.maximum(np.minimum(before_birth, apart - lived), grown)
    earliest = np.maximum(together_day + 60, grown + 700)
    room = apart - 200 - earliest
    married = (rng.random(total) < _MARRIED[reason]) & (room > 0)
    married_day = earliest + (rng.random(total) ** 1.6 * room.clip(0)).astype(np.int64)
    takes_name = married & ~same_sex & (rng.random(total) < 0.8)
    # A woman whose name is known to change has married on that day, or keeps her name.
    renamed = np.where(fixed & one_female, people.renamed[anchor], NEVER)
    by_marriage = (renamed > earliest) & (renamed < apart - 200) & ~same_sex
    married |= by_marriage
    married_day = np.where(by_marriage, renamed, married_day)
    takes_name = np.where(fixed & one_female, by_marriage, takes_name)
    reason = np.where((reason == DIVORCE) & ~married, np.where(has_child, 1, 2), reason)
    return _Plan(
        kind=kind,
        anchor=anchor,
        reason=reason,
        apart=apart,
        one_female=one_female,
        other_female=other_female,
        one_born=one_born,
        other_born=other_born,
        births=births,
        together=np.minimum(together_day, apart),
        married=np.where(married, married_day, NEVER),
        adopters=adopters,
        takes_name=takes_name,
        online=online,
    )


# --- people ---------------------------------------------------------------------------------------


def _ids(chunk: int, begin: int, total: int) -> Ints:
    return FURTHER_IDS + chunk * _FURTHER_IDS_PER_CHUNK + begin + np.arange(total)


def _adults(
    seed: int, rng: np.random.Generator, people: People, plan: _Plan
) -> tuple[People, Couples, Ints]:
    """The chunk's people and the further adults; the couples of them; those in no couple."""
    couples = len(plan.kind)
    fixed, as_child = plan.kind == _ADULT, plan.kind == _CHILD
    is_new = np.flatnonzero(~fixed)
    base = len(people)
    one = plan.anchor.copy()
    one[is_new] = base + np.arange(len(is_new))
    other = base + len(is_new) + np.arange(couples)
    lone_total = 1 + round((people.person_id > 0).sum() * _FURTHER_ADULTS)
    total = len(is_new) + couples + lone_total
    lone = base + len(is_new) + couples + np.arange(lone_total)

    ethnicity, group = population.backgrounds(rng, couples)
    known = fixed | as_child
    ethnicity[known] = people.ethnicity[plan.anchor[known]]
    group[known] = people.group[plan.anchor[known]]
    other_ethnicity, other_group = population.backgrounds(rng, couples)
    alike = rng.random(couples) < 0.8
    other_ethnicity[alike], other_group[alike] = ethnicity[alike], group[alike]
    lone_ethnicity, lone_group = population.backgrounds(rng, lone_total)
    first_day = active_days(rng, lone_total, _PARTED_SINCE)
    lone_age = 18.5 + 66 * rng.beta(1.5, 2.6, lone_total)
    lone_born = first_day - (lone_age * _YEAR).astype(np.int64)
    who = Who(
        person_id=_ids(people.chunk, 0, total),
        is_company=np.zeros(total, dtype=bool),
        entered=np.concatenate([plan.together[is_new], plan.together, first_day]),
        born=np.concatenate([plan.one_born[is_new], plan.other_born, lone_born]),
        female=np.concatenate(
            [plan.one_female[is_new], plan.other_female, rng.random(lone_total) < 0.47]
        ),
        ethnicity=np.concatenate([ethnicity[is_new], other_ethnicity, lone_ethnicity]),
        group=np.concatenate([group[is_new], other_group, lone_group]),
    )
    everybody = population.together([people, population.further(seed, people.chunk, "adults", who)])
    formed = Couples(
        one=one,
        other=other,
        reason=plan.reason,
        together_day=plan.together,
        married_day=plan.married,
        apart_day=plan.apart,
        adopters=plan.adopters,
        anchored=known,
        online=plan.online,
    )
    _share_names(everybody, plan, formed)
    stays = (plan.reason == ADOPTERS) | (plan.reason == CARE) & (rng.random(couples) < 0.45)
    _share_homes(everybody.addresses, plan, formed, stays)
    return everybody, formed, lone


def _share_names(people: People, plan: _Plan, couples: Couples) -> None:
    """Let names follow from marriages and from children whose names are known, in place."""
    one, other = couples.one, couples.other
    man = np.where(plan.one_female, other, one)
    woman = np.where(plan.one_female, one, other)
    as_child, fixed = plan.kind == _CHILD, plan.kind == _ADULT
    people.surname[man[as_child]] = people.surname[plan.anchor[as_child]]
    # Her new name is known already: it is his.
    hers = fixed & plan.one_female & plan.takes_name
    people.surname[man[hers]] = people.new_surname[woman[hers]]
    new = ~fixed | ~plan.one_female
    people.renamed[other] = NEVER
    people.renamed[one[~fixed]] = NEVER
    takes = new & plan.takes_name & (plan.one_female != plan.other_female)
    people.renamed[woman[takes]] = couples.married_day[takes]
    people.new_surname[woman[takes]] = people.surname[man[takes]]


def _share_homes(homes: Addresses, plan: _Plan, couples: Couples, stays: Bools) -> None:
    """Let couples share a home until they part, in place; a known child's is their home.

    Args:
        homes: of everybody.
        plan: the couples.
        couples: their people.
        stays: couples that do not part.
    """
    as_child = plan.kind == _CHILD
    one, other = couples.one, couples.other
    parting = np.where(stays, NEVER, couples.apart_day)
    for each in fields(homes):
        values = getattr(homes, each.name)
        values[one[as_child]] = values[plan.anchor[as_child]]
    shared = homes.since[one]
    together = shared < parting[:, None]
    # From then on the places of the other's own; the first since the day they part.
    leaves = together.sum(axis=1).clip(max=shared.shape[1] - 1)
    together[np.arange(len(one)), leaves] &= stays
    own = np.maximum(homes.since[other], parting[:, None] + 200)
    own[np.arange(len(one)), leaves] = parting
    homes.since[other] = np.where(together, shared, own)
    for each in fields(homes):
        if each.name != "since":
            values = getattr(homes, each.name)
            values[other] = np.where(together, values[one], values[other])


def _children(
    seed: int, rng: np.random.Generator, people: People, plan: _Plan, couples: Couples
) -> tuple[People, Children]:
    """The people with the children of the couples, and whose children these are."""
    couple, nth = np.nonzero(plan.births < NEVER)
    known = (plan.kind[couple] == _CHILD) & (nth == 0)
    stays = plan.kind == _CHILD
    man_is_one = ~plan.one_female
    # Most stay with their mother; those known from elsewhere are where they live.
    with_one = stays | ((rng.random(len(plan.kind)) < 0.84) ^ man_is_one)
    new = np.flatnonzero(~known)
    of = couple[new]
    man = np.where(plan.one_female, couples.other, couples.one)[of]
    woman = np.where(plan.one_female, couples.one, couples.other)[of]
    carer = np.where(with_one, couples.one, couples.other)[of]
    born = plan.births[couple, nth][new]
    like = np.where(rng.random(len(new)) < 0.5, man, woman)
    total = len(new)
    who = Who(
        person_id=_ids(people.chunk, int((people.person_id >= FURTHER_IDS).sum()), total),
        is_company=np.zeros(total, dtype=bool),
        entered=born,
        born=born,
        female=rng.random(total) < 0.487,
        ethnicity=people.ethnicity[like],
        group=people.group[like],
    )
    homes = Addresses(*(getattr(people.addresses, each.name)[carer] for each in fields(Addresses)))
    brood = population.further(seed, people.chunk, "children", who, homes)
    hers = np.where(born >= people.renamed[woman], people.new_surname[woman], people.surname[woman])
    his = (born > plan.married[of]) | (rng.random(total) < 0.72)
    never = np.full(total, NEVER)
    brood = replace(
        brood, surname=np.where(his, people.surname[man], hers), renamed=never, alias_born=born
    )
    person = np.full(len(couple), -1, dtype=np.int64)
    person[known] = plan.anchor[couple[known]]
    person[new] = len(people) + np.arange(total)
    children = Children(person, couple, with_one[couple])
    return population.together([people, brood]), children


@cache
def _institutions_of(seed: int) -> People:
    """Institutions as organisations with one address for good; the same in every chunk."""
    listed, places = lists.institutions(), lists.places()
    total = len(listed.name)
    ids = _INSTITUTION_IDS - np.arange(total)
    zero, yes = np.zeros(total, dtype=np.int64), np.ones(total, dtype=bool)
    people = population.further(
        seed, 0, "institutions", Who(ids, yes, zero, zero, ~yes, zero, zero)
    )
    homes = people.addresses
    rng = stream(seed, 0, "seats of institutions")
    seat = population.within(places.within_force, np.maximum(listed.force, 0), rng.random(total))
    homes.since[:, 1:] = NEVER
    homes.sector[:] = np.where(listed.force < 0, homes.sector[:, 0], seat)[:, None]
    homes.no_fixed_abode[:] = False
    return replace(people, organisation=len(lists.organisations()) + np.arange(total))


def _institutions(seed: int, chunk: int) -> People:
    return replace(_institutions_of(seed), chunk=chunk)
