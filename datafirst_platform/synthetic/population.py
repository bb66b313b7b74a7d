"""People and their lives: names over time, addresses over time, numbers of the police.

What belongs here: who somebody is, whatever source writes it down later. What does not: what
happened to them (`careers.py`) and how a clerk misspelt them (`recording.py`).
Days are counted from 1970-01-01; `NEVER` stands for a day that does not come.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from datafirst_platform.synthetic import lists
from datafirst_platform.synthetic.lists import Bools, Floats, Ints

CHUNK = 50_000
"""People made at once. Part of the draw: another size would give other people."""

NEVER = 1 << 30
HORIZON_YEAR = 2032
"""Lives are told up to the end of this year, so that a later edition continues an earlier one."""

MOVES = 7
_MOVES_OF_FURTHER = 4

# Share of people by ethnicity (16+1) and the name groups met in each. White: British holds Welsh
# and Irish surnames; made up, near the published shares of defendants.
_ETHNICITIES: tuple[tuple[str, float, tuple[tuple[str, float], ...]], ...] = (
    ("W1", 0.700, (("british", 0.91), ("welsh", 0.045), ("irish", 0.045))),
    ("W2", 0.014, (("irish", 1.0),)),
    ("W3", 0.008, (("irish", 0.8), ("british", 0.2))),
    ("W9", 0.060, (("polish", 0.72), ("other", 0.2), ("british", 0.08))),
    ("A1", 0.020, (("indian", 0.9), ("muslim", 0.1))),
    ("A2", 0.030, (("muslim", 1.0),)),
    ("A3", 0.012, (("muslim", 1.0),)),
    ("A4", 0.003, (("chinese", 1.0),)),
    ("A9", 0.015, (("muslim", 0.6), ("indian", 0.25), ("chinese", 0.15))),
    ("B1", 0.032, (("caribbean", 0.8), ("british", 0.2))),
    ("B2", 0.034, (("african", 0.75), ("muslim", 0.25))),
    ("B9", 0.014, (("caribbean", 0.5), ("african", 0.5))),
    ("M1", 0.020, (("caribbean", 0.45), ("british", 0.55))),
    ("M2", 0.004, (("african", 0.5), ("british", 0.5))),
    ("M3", 0.006, (("muslim", 0.4), ("british", 0.6))),
    ("M9", 0.008, (("british", 0.6), ("other", 0.4))),
    ("O2", 0.006, (("muslim", 1.0),)),
    ("O9", 0.014, (("other", 0.6), ("muslim", 0.4))),
)
ETHNICITY = pa.array([code for code, _, _ in _ETHNICITIES])
GROUPS = (
    "british", "welsh", "irish", "polish", "other", "indian", "muslim", "chinese", "caribbean",
    "african",
)  # fmt: skip
# Welsh and Caribbean people are drawn with their own surnames and the British first names.
_FIRST_NAMES_OF = {"welsh": "british", "caribbean": "british"}

# First year before a court: 2011 stands for all who had begun before the records do.
_ENTRY_YEARS = np.arange(2011, HORIZON_YEAR + 1)
_ENTRY_WEIGHTS = np.concatenate(
    [[20.0], 9.5 * 0.92 ** np.arange(9), np.full(5, 3.0), np.full(7, 0.6)]
)
_AGES = np.array([10, 14, 17, 18, 21, 25, 30, 35, 40, 50, 60, 70, 90], dtype=float)
_AGE_SHARES = np.array([0, 0.02, 0.09, 0.13, 0.27, 0.41, 0.55, 0.66, 0.75, 0.89, 0.96, 0.99, 1.0])

_COMPANIES_PER_PERSON = 0.0235


@dataclass(frozen=True)
class Addresses:
    """Up to `MOVES` + 1 addresses a person, shape (people, MOVES + 1)."""

    since: Ints
    sector: Ints
    unit: Ints
    house: Ints
    flat: Ints
    street: Ints
    no_fixed_abode: Bools


@dataclass(frozen=True)
class People:
    """One chunk of the population; every array has one element a person.

    Attributes:
        chunk: number of the chunk.
        person_id: who it is, for good; negative for an organisation.
        is_company: an organisation, which has an address and a name only.
        entered: day of the first court case of their life.
        born: day of birth; `alias_born` is another they give at times, mostly the same.
        female: sex.
        ethnicity: index into `ETHNICITY`.
        group: index into `GROUPS`.
        first: index into the first names; `middle`, `middle2`, `nickname`, `alias_first` likewise,
            -1 for none.
        surname: index into the surnames; `new_surname` from the day `renamed`; `alias_surname`.
        organisation: index into the organisations, -1 for a person.
        twin: index of the twin within the chunk, -1 for none.
        pnc: number in the Police National Computer as year * 10^7 + serial, 0 for none.
        cro: number of the Criminal Records Office as year * 10^6 + serial, 0 for none.
        foreign: holds another nationality than British.
        addresses: where they lived.
    """

    chunk: int
    person_id: Ints
    is_company: Bools
    entered: Ints
    born: Ints
    alias_born: Ints
    female: Bools
    ethnicity: Ints
    group: Ints
    first: Ints
    middle: Ints
    middle2: Ints
    nickname: Ints
    alias_first: Ints
    surname: Ints
    new_surname: Ints
    renamed: Ints
    alias_surname: Ints
    organisation: Ints
    twin: Ints
    pnc: Ints
    cro: Ints
    foreign: Bools
    addresses: Addresses

    def __len__(self) -> int:
        return len(self.person_id)


@dataclass(frozen=True)
class Who:
    """Who people are before they have names; the fields are those of `People`."""

    person_id: Ints
    is_company: Bools
    entered: Ints
    born: Ints
    female: Bools
    ethnicity: Ints
    group: Ints


@dataclass(frozen=True)
class _Kin:
    """Which people are relatives of the one before them; twins and namesakes are among these."""

    follows: Bools
    twin: Bools
    namesake: Bools


def stream(seed: int, chunk: int, purpose: str) -> np.random.Generator:
    """The random numbers of one purpose in one chunk: no other draw can shift them."""
    return np.random.default_rng([seed, chunk, zlib.crc32(purpose.encode())])


def day_of(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970-01-01 of calendar dates; a day past the month's end runs on."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) + day - 1


def calendar(days: Ints) -> tuple[Ints, Ints, Ints]:
    """Year, month and day of days since 1970-01-01."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month_number = months.astype(np.int64)
    day = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    return month_number // 12 + 1970, month_number % 12 + 1, day


def working_day(day: Ints) -> Ints:
    """The days themselves, or the Monday after where they are of a weekend."""
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday; 5 and 6 are the weekend
    return day + np.where(weekday >= 5, 7 - weekday, 0)


def police_force_of(people: People, person: Ints, day: Ints) -> Ints:
    """Index of the police force in whose area people live on those days."""
    homes = people.addresses
    current = (homes.since[person] <= day[:, None]).sum(axis=1) - 1
    force: Ints = lists.places().force[homes.sector[person, current]]
    return force


def draw(seed: int, chunk: int, people: int) -> People:
    """Draw one chunk of a population of `people`.

    Persons stand first, organisations after them. Twins, parents and siblings are neighbours.
    """
    persons = min(CHUNK, people - chunk * CHUNK)
    companies = round(persons * _COMPANIES_PER_PERSON)
    total = persons + companies
    is_company = np.arange(total) >= persons
    person_id = np.where(
        is_company,
        -(1 + chunk * CHUNK + np.arange(total) - persons),
        chunk * CHUNK + np.arange(total) + 1,
    )
    rng = stream(seed, chunk, "population")
    entry_year = lists.Weighted.of(_ENTRY_YEARS, _ENTRY_WEIGHTS).pick(rng.random(total))
    entered = day_of(entry_year, np.ones_like(entry_year), rng.integers(1, 366, total))
    age = np.interp(rng.random(total), _AGE_SHARES, _AGES)
    born = entered - (age * 365.2425).astype(np.int64) - 1
    female = rng.random(total) < 0.2
    ethnicity, group = backgrounds(rng, total)

    # Kin: every tenth person is the relative of the one before them, one in 120 their twin, and
    # some sons and daughters bear a parent's name.
    kin, twin = rng.random(total) < 0.10, rng.random(total) < 1 / 120
    follows = (kin | twin) & ~is_company
    follows[0] = False
    follows[1:] &= ~follows[:-1]
    twin &= follows
    namesake = follows & ~twin & (rng.random(total) < 0.05)
    one, other = np.flatnonzero(follows), np.flatnonzero(follows) - 1
    ethnicity[one], group[one] = ethnicity[other], group[other]
    female[namesake] = female[np.flatnonzero(namesake) - 1]
    born[twin] = born[np.flatnonzero(twin) - 1]
    # A twin who comes early must still be ten years old.
    entered = np.maximum(entered, born + 3700)
    who = Who(person_id, is_company, entered, born, female, ethnicity, group)
    addresses = _addresses(stream(seed, chunk, "addresses"), entered, follows)
    named = _named(rng, chunk, who, _Kin(follows, twin, namesake), addresses)
    pnc, cro = _police_numbers(stream(seed, chunk, "police numbers"), person_id, born, entered)
    return replace(named, pnc=pnc, cro=cro)


def further(
    seed: int, chunk: int, circle: str, who: Who, addresses: Addresses | None = None
) -> People:
    """Name and house people who never come before a criminal court, and so have no police number.

    Args:
        seed: of the supply.
        chunk: of the population.
        circle: name of the circle of people, for random numbers of its own.
        who: they are.
        addresses: where they live, if that is known; drawn otherwise, with fewer moves.
    """
    nobody = np.zeros(len(who.born), dtype=bool)
    rng = stream(seed, chunk, f"population of {circle}")
    if addresses is None:
        drawn = stream(seed, chunk, f"addresses of {circle}")
        addresses = _addresses(drawn, who.entered, nobody, moves=_MOVES_OF_FURTHER)
    return _named(rng, chunk, who, _Kin(nobody, nobody, nobody), addresses)


def together(parts: Sequence[People]) -> People:
    """Several circles of one chunk as one, in that order; twins are those of the first."""
    houses = [part.addresses for part in parts]
    addresses = Addresses(
        *(
            np.concatenate([getattr(each, name.name) for each in houses])
            for name in fields(Addresses)
        )
    )
    columns = {
        name.name: np.concatenate([getattr(part, name.name) for part in parts])
        for name in fields(People)
        if name.name not in {"chunk", "addresses"}
    }
    return People(chunk=parts[0].chunk, addresses=addresses, **columns)


def chosen(people: People, at: Ints) -> People:
    """Some of the people of a circle, by index; nobody has a twin among them."""
    homes = Addresses(*(getattr(people.addresses, each.name)[at] for each in fields(Addresses)))
    columns = {
        each.name: getattr(people, each.name)[at]
        for each in fields(People)
        if each.name not in {"chunk", "addresses", "twin"}
    }
    return People(
        chunk=people.chunk, addresses=homes, twin=np.full(len(at), -1, dtype=np.int64), **columns
    )


def _named(
    rng: np.random.Generator, chunk: int, who: Who, kin: _Kin, addresses: Addresses
) -> People:
    """Give people names; police numbers are still to come."""
    born, female, group = who.born, who.female, who.group
    total = len(born)
    one, other = np.flatnonzero(kin.follows), np.flatnonzero(kin.follows) - 1
    younger, elder = np.flatnonzero(kin.twin), np.flatnonzero(kin.twin) - 1
    twin_of = np.full(total, -1, dtype=np.int64)
    twin_of[younger], twin_of[elder] = elder, younger
    other_birthday = rng.choice((-730, -365, 365, 730, 31, -31), total)
    alias_born = np.where(rng.random(total) < 0.018, born + other_birthday, born)

    first, second, third = (_first_names(rng.random(total), female, group, born) for _ in range(3))
    first[kin.namesake] = first[np.flatnonzero(kin.namesake) - 1]
    first[younger] = np.where(first[younger] == first[elder], second[elder], first[younger])
    middle = np.where(rng.random(total) < 0.62, second, -1)
    middle2 = np.where((rng.random(total) < 0.08) & (middle >= 0), third, -1)
    alias_first = _first_names(rng.random(total), female, group, born)
    alias_first = np.where(rng.random(total) < 0.025, alias_first, -1)
    short = lists.names().nicknames[first]
    known_as = short[np.arange(total), rng.integers(0, 3, total)]
    nickname = np.where(rng.random(total) < 0.3, np.where(known_as < 0, short[:, 0], known_as), -1)
    surname, new_surname, alias_surname = (_surnames(rng.random(total), group) for _ in range(3))
    surname[one] = surname[other]
    alias_surname = np.where(rng.random(total) < 0.035, alias_surname, -1)
    married = female & (rng.random(total) < 0.45)
    renamed = born + (rng.normal(29, 7, total).clip(17, 70) * 365.25).astype(np.int64)
    renamed = np.where(married | (rng.random(total) < 0.01), renamed, NEVER)

    organisation = np.where(
        who.is_company, rng.integers(0, len(lists.organisations()), total), np.int64(-1)
    )
    foreign = rng.random(total) < np.where(np.isin(group, (3, 4)), 0.85, 0.06)
    return People(
        chunk=chunk,
        person_id=who.person_id,
        is_company=who.is_company,
        entered=who.entered,
        born=born,
        alias_born=alias_born,
        female=female & ~who.is_company,
        ethnicity=who.ethnicity,
        group=group,
        first=first,
        middle=middle,
        middle2=middle2,
        nickname=nickname,
        alias_first=alias_first,
        surname=surname,
        new_surname=new_surname,
        renamed=renamed,
        alias_surname=alias_surname,
        organisation=organisation,
        twin=twin_of,
        pnc=np.zeros(total, dtype=np.int64),
        cro=np.zeros(total, dtype=np.int64),
        foreign=foreign,
        addresses=addresses,
    )


def backgrounds(rng: np.random.Generator, total: int) -> tuple[Ints, Ints]:
    """Ethnicities and the name groups met in each."""
    shares = np.array([share for _, share, _ in _ETHNICITIES])
    ethnicity = lists.Weighted.of(np.arange(len(shares)), shares).pick(rng.random(total))
    uniform = rng.random(total)
    group = np.zeros(total, dtype=np.int64)
    for index, (_, _, mix) in enumerate(_ETHNICITIES):
        mine = ethnicity == index
        members = np.array([GROUPS.index(name) for name, _ in mix])
        weights = np.array([share for _, share in mix])
        group[mine] = lists.Weighted.of(members, weights).pick(uniform[mine])
    return ethnicity, group


def _first_names(uniform: Floats, female: Bools, group: Ints, born: Ints) -> Ints:
    names = lists.names()
    cohort = np.searchsorted([-1827, 5479], born, side="right")  # 1965-01-01 and 1985-01-01
    drawn = np.zeros(len(uniform), dtype=np.int64)
    for index, name_group in enumerate(GROUPS):
        for sex_code, sex in ((False, "M"), (True, "F")):
            for period, cohort_name in enumerate(lists.COHORTS):
                mine = (group == index) & (female == sex_code) & (cohort == period)
                given = names.first_of[
                    (sex, _FIRST_NAMES_OF.get(name_group, name_group), cohort_name)
                ]
                drawn[mine] = given.pick(uniform[mine])
    return drawn


def _surnames(uniform: Floats, group: Ints) -> Ints:
    drawn = np.zeros(len(uniform), dtype=np.int64)
    for index, name_group in enumerate(GROUPS):
        mine = group == index
        drawn[mine] = lists.names().surname_of[name_group].pick(uniform[mine])
    return drawn


def _addresses(
    rng: np.random.Generator, entered: Ints, follows: Bools, moves: int = MOVES
) -> Addresses:
    places = lists.places()
    total = len(entered)
    shape = (total, moves + 1)
    # Some never move, some move all the time: exponential gaps with a rate of their own.
    yearly = rng.gamma(0.8, 0.26, total) + 0.01
    gaps = rng.exponential(1.0, (total, moves)) / yearly[:, None] * 365.25
    since = np.full(shape, -NEVER, dtype=np.int64)
    since[:, 1:] = np.minimum(entered[:, None] - 365 + np.cumsum(gaps, axis=1), NEVER)
    sector = np.zeros(shape, dtype=np.int64)
    sector[:, 0] = places.everywhere.pick(rng.random(total))
    how_far = rng.random((total, moves))
    where = rng.random((total, moves))
    for move in range(moves):
        before = sector[:, move]
        near = how_far[:, move] < 0.32
        far = how_far[:, move] > 0.78
        new = places.everywhere.pick(where[:, move])
        new = np.where(far, new, within(places.within_force, places.force[before], where[:, move]))
        new = np.where(
            near, within(places.within_outcode, places.outcode[before], where[:, move]), new
        )
        sector[:, move + 1] = new
    unit = rng.integers(0, len(places.unit), shape)
    house = 1 + (rng.random(shape) ** 2 * 180).astype(np.int64)
    flat = np.where(rng.random(shape) < 0.15, rng.integers(1, 40, shape), 0)
    # A postcode unit lies on one street.
    street = (sector * 131 + unit * 17) % len(places.street)
    no_fixed_abode = rng.random(shape) < 0.025
    at = np.flatnonzero(follows)
    for array in (sector, unit, house, flat, street, no_fixed_abode):
        array[at, 0] = array[at - 1, 0]
    # Nobody moves on from the last of fewer moves.
    column = np.minimum(np.arange(MOVES + 1), moves)
    since = since[:, column]
    since[:, moves + 1 :] = NEVER
    return Addresses(
        since=since,
        sector=sector[:, column],
        unit=unit[:, column],
        house=house[:, column],
        flat=flat[:, column],
        street=street[:, column],
        no_fixed_abode=no_fixed_abode[:, column],
    )


def within(groups: tuple[lists.Weighted, ...], of: Ints, uniform: Floats) -> Ints:
    """Pick from the group each element belongs to, in one pass over all groups."""
    offsets = np.concatenate([[0], np.cumsum([len(group.members) for group in groups])])
    members = np.concatenate([group.members for group in groups])
    # Shifted by its group's number, each group's weights become one rising scale.
    scale = np.concatenate([group.cumulative + index for index, group in enumerate(groups)])
    at = np.searchsorted(scale, uniform + of, side="right")
    return members[np.clip(at, offsets[of], offsets[of + 1] - 1)]


def _police_numbers(
    rng: np.random.Generator, person_id: Ints, born: Ints, entered: Ints
) -> tuple[Ints, Ints]:
    total = len(born)
    first_year = calendar(entered)[0]
    # Those already known in 2011 were first arrested in some year before.
    year = np.where(first_year == 2011, first_year - rng.integers(0, 15, total), first_year)
    year = np.maximum(year, calendar(born)[0] + 10)
    # Multiplying by a constant modulo a prime deals every person another serial number.
    pnc = year * 10**7 + person_id * 618_033 % 9_999_991
    cro = year * 10**6 + person_id * 381_967 % 999_983
    has_pnc = (rng.random(total) < 0.80) & (person_id > 0)
    has_cro = (rng.random(total) < 0.62) & has_pnc
    return np.where(has_pnc, pnc, 0), np.where(has_cro, cro, 0)
