"""Family cases: what comes before the family courts, whatever system records it.

What belongs here: cases, who has which part in them, and what happens in time. What does not: the
people (`households.py`) and how FamilyMan holds it (`familyman.py`).

Kinds of case stand near each other as published for 2023: 110,770 divorces, 13,080 applications
in private law a quarter, 31,604 over domestic violence, 4,279 adoptions (Family court statistics
quarterly); 13,800 public law cases a year with 1.6 children and 1.5 adults each (Cafcass, 2007 to
2019). Private law took 47 weeks to a final order in 2023 and public law about 44; the knots of
other years follow the course of the published series from memory. Representation falls with the
end of most legal aid for private law in April 2013. Shares without a source are made up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datafirst_platform.synthetic import lists, population
from datafirst_platform.synthetic.households import (
    CARE,
    VIOLENCE,
    Children,
    Households,
)
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import (
    NEVER,
    People,
    calendar,
    police_force_of,
    stream,
    working_day,
)

PUBLIC, PRIVATE, ADOPTION, DISSOLUTION, INJUNCTION = range(5)
"""Kinds of case: public and private law over children, adoption, divorce, and orders under the
Family Law Act against violence."""

CHILD, APPLICANT, RESPONDENT = range(3)

MADE, WITHDRAWN, REFUSED, NO_ORDER = range(4)
"""How a case is disposed of."""

APPLICATION, FURTHER_APPLICATION, NOTICE, HEARING, INTERIM_ORDER, FINAL_ORDER, SECOND_ORDER = range(
    7
)
"""What happens in a case. A second order is made beside the final one, or after it."""

MOTHER, FATHER, ADOPTER, AUTHORITY, NO_RELATION = range(5)

CASES_PER_CHUNK = 250_000
ROLES_PER_CHUNK = 1_000_000
EVENTS_PER_CHUNK = 3_000_000

_YEAR = 365.25

# Mean weeks to the final order by time of receipt.
_PRIVATE_WEEKS = (
    (2011, 32), (2013, 23), (2016, 26), (2018, 33), (2020, 46), (2021.5, 52), (2022.5, 52),
    (2023.5, 46), (2026, 40),
)  # fmt: skip
_PUBLIC_WEEKS = (
    (2010, 58), (2012, 42), (2013.2, 32), (2015, 27), (2017, 30), (2019, 39), (2020.2, 45),
    (2021.2, 48), (2022.2, 46.5), (2023.5, 42), (2026, 40),
)  # fmt: skip
_DIVORCE_WEEKS = ((2011, 34), (2016, 38), (2019, 46), (2023, 50))
_PRIVATE_SPREAD, _PUBLIC_SPREAD = 0.62, 0.42

_DISPOSALS = np.array([
    [0.89, 0.93, 0.94], [0.81, 0.91, 0.94], [0.965, 0.99, 1.0], [0.97, 1.0, 1.0], [0.83, 0.91, 1.0],
])  # fmt: skip
"""Cumulative shares of MADE, WITHDRAWN and REFUSED by kind of case; the rest is NO_ORDER."""

_NEVER_DISPOSED = np.array([0.004, 0.02, 0.01, 0.03, 0.03])
_FEE_EXEMPT = np.array([0.02, 0.31, 0.24, 0.2, 0.06])
_HARM_ALLEGED = np.array([np.nan, 0.55, np.nan, np.nan, 0.94])

# Shares represented before and after the end of most legal aid, by kind of case and part in it.
_AID_ENDS = (2013.0, 2014.5)
_REPRESENTED_BEFORE = np.array([
    [0.985, 0.995, 0.93], [0.10, 0.72, 0.55], [0.3, 0.3, 0.55], [0.0, 0.62, 0.38],
    [0.0, 0.84, 0.42],
])  # fmt: skip
_REPRESENTED_AFTER = np.array([
    [0.985, 0.995, 0.92], [0.09, 0.40, 0.32], [0.3, 0.25, 0.5], [0.0, 0.52, 0.28],
    [0.0, 0.78, 0.34],
])  # fmt: skip


@dataclass(frozen=True)
class FamilyCases:
    """Family cases of one chunk, ordered by couple and time; one element a case.

    Attributes:
        couple: index into the couples; for adoptions, of the birth parents.
        kind: PUBLIC, PRIVATE, ADOPTION, DISSOLUTION or INJUNCTION.
        receipt_day: of the application.
        court: index into `lists.family_courts()`.
        serial: number of the case among those of its court, year and kind, over all chunks.
        disposal: MADE, WITHDRAWN, REFUSED or NO_ORDER.
        final_day: of the final order, NEVER where there will be none.
        closed_day: on which the court closes it, NEVER for never.
        on_paper: not made online.
        fee_exempt, harm_alleged: as told in the application.
        asks_harm: whether the application asks for harm at all.
        adopted: a child of it goes to be adopted.
    """

    couple: Ints
    kind: Ints
    receipt_day: Ints
    court: Ints
    serial: Ints
    disposal: Ints
    final_day: Ints
    closed_day: Ints
    on_paper: Bools
    fee_exempt: Bools
    harm_alleged: Bools
    asks_harm: Bools
    adopted: Bools

    def __len__(self) -> int:
        return len(self.couple)


@dataclass(frozen=True)
class Roles:
    """Parts in family cases, ordered by case, children first.

    Attributes:
        case: index into the cases.
        person: index into the people of the households; institutions are among these.
        part: CHILD, APPLICANT or RESPONDENT.
        represented: by a lawyer.
        relation: to the children: MOTHER, FATHER, ADOPTER, AUTHORITY or NO_RELATION.
    """

    case: Ints
    person: Ints
    part: Ints
    represented: Bools
    relation: Ints

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True)
class Events:
    """What happens in family cases, ordered by case and time.

    Attributes:
        case: index into the cases.
        what: APPLICATION, NOTICE, …
        day: on which.
        chance: uniform in [0, 1): settles what is left open.
    """

    case: Ints
    what: Ints
    day: Ints
    chance: Floats

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True)
class FamilyLives:
    """What the family courts hear of one chunk of people."""

    cases: FamilyCases
    roles: Roles
    events: Events


def draw(seed: int, households: Households) -> FamilyLives:
    """Draw the family cases of one chunk up to the horizon."""
    people = households.people
    rng = stream(seed, people.chunk, "family cases")
    brood = _Brood.of(households)
    couple, kind, day = _filed(rng, households, brood)
    cases = _cases(seed, households, couple, kind, day)
    roles = _roles(seed, households, brood, cases)
    return FamilyLives(cases, roles, _events(seed, people.chunk, cases))


@dataclass(frozen=True)
class _Brood:
    """Children by couple: where they stand in `Children`, and days of birth of the youngest."""

    first: Ints
    number: Ints
    youngest: Ints

    @classmethod
    def of(cls, households: Households) -> _Brood:
        couples = len(households.couples)
        number = np.bincount(households.children.couple, minlength=couples)
        first = np.cumsum(number) - number
        born = np.append(households.people.born[households.children.person], NEVER)
        youngest = np.where(number > 0, born[np.minimum(first, len(born) - 1)], NEVER)
        return cls(first, number, youngest)


# --- which cases there are ------------------------------------------------------------------------


def _filed(
    rng: np.random.Generator, households: Households, brood: _Brood
) -> tuple[Ints, Ints, Ints]:
    """Couple, kind and day of receipt of every case, but for adoptions."""
    couples = households.couples
    total = len(couples)
    reason, apart = couples.reason, couples.apart_day
    married = couples.married_day < apart
    parent = brood.number > 0
    chance = rng.random((4, total))

    def wait(mean: float, shape: float = 1.0) -> Ints:
        days: Ints = rng.gamma(shape, mean / shape, total).astype(np.int64)
        return days

    dissolved = np.array([1.0, 0.45, 0.35, 0.05, 0.0])[reason]
    dissolution = (chance[0] < dissolved) & married
    divorced = apart + 40 + wait(380, 1.3)
    over_children = (chance[1] < np.array([0.15, 1.0, 0.32, 0.10, 0.0])[reason]) & parent
    applied = np.where(reason == CARE, apart - 60 - wait(500), apart + 15 + wait(330))
    against = chance[2] < np.array([0.05, 0.17, 1.0, 0.12, 0.0])[reason]
    violent = apart + np.where(reason == VIOLENCE, -20, -60) + wait(40)
    public = reason == CARE

    found: list[tuple[Ints, int, Ints]] = [
        (np.flatnonzero(dissolution), DISSOLUTION, divorced),
        (np.flatnonzero(over_children), PRIVATE, applied),
        (np.flatnonzero(against), INJUNCTION, violent),
        (np.flatnonzero(public), PUBLIC, apart),
    ]
    # Some come back, and back again.
    for name, back, days, share, mean in (
        (PRIVATE, over_children, applied, 0.30, 520),
        (INJUNCTION, against, violent, 0.24, 330),
        (PUBLIC, public, apart, 0.17, 560),
    ):
        for _ in range(3):
            days = days + 190 + wait(mean)
            back = back & (rng.random(total) < share)
            found.append((np.flatnonzero(back), name, days))
    couple = np.concatenate([which for which, _, _ in found])
    kind = np.concatenate([np.full(len(which), name) for which, name, _ in found])
    day = working_day(np.concatenate([days[which] for which, _, days in found]))
    age = day - brood.youngest[couple]
    over_child = np.isin(kind, (PRIVATE, PUBLIC))
    due = np.where(over_child, (age > 2) & (age < 17.6 * _YEAR), True)
    due &= day > couples.together_day[couple] + 30
    order = np.lexsort((kind, day, couple))
    order = order[due[order]]
    return couple[order], kind[order], day[order]


def _at(knots: tuple[tuple[float, float], ...], day: Ints) -> Floats:
    years, values = zip(*knots, strict=True)
    found: Floats = np.interp(day / _YEAR + 1970, years, values)
    return found


def _cases(seed: int, households: Households, couple: Ints, kind: Ints, day: Ints) -> FamilyCases:
    people, couples = households.people, households.couples
    rng = stream(seed, people.chunk, "family courts")
    final, disposal = _final(rng, kind, day)
    # Adoptions follow the care case; the couple that adopts lives anywhere.
    last_care = np.zeros(len(couple), dtype=bool)
    care = np.flatnonzero(kind == PUBLIC)
    last_care[care] = np.append(couple[care][1:] != couple[care][:-1], True)
    adopted = last_care & (couples.adopters[couple] >= 0) & (final < NEVER)
    disposal = np.where(adopted, MADE, disposal)
    placed = np.flatnonzero(adopted)
    asked = working_day(final[placed] + 160 + rng.gamma(2, 90, len(placed)).astype(np.int64))
    adoption_final, adoption_disposal = _final(rng, np.full(len(placed), ADOPTION), asked)
    couple = np.concatenate([couple, couple[placed]])
    kind = np.concatenate([kind, np.full(len(placed), ADOPTION)])
    day = np.concatenate([day, asked])
    final = np.concatenate([final, adoption_final])
    disposal = np.concatenate([disposal, adoption_disposal])
    adopted = np.concatenate([adopted, np.zeros(len(placed), dtype=bool)])
    order = np.lexsort((day, couple))
    couple, kind, day = couple[order], kind[order], day[order]
    final, disposal, adopted = final[order], disposal[order], adopted[order]
    total = len(couple)

    home = np.where(kind == ADOPTION, couples.one[couples.adopters[couple]], couples.one[couple])
    force = police_force_of(people, home, day)
    anywhere = rng.random(total) < 0.06
    force = np.where(anywhere, rng.permutation(force), force)
    # Who comes back mostly comes to the same court.
    own = rng.random(len(couples))[couple]
    at = np.where(rng.random(total) < 0.1, rng.random(total), own)
    court = population.within(lists.family_courts().courts_of, force, at)
    settled = rng.random(total)
    lag = np.where(settled < 0.74, rng.integers(0, 60, total), rng.integers(200, 1500, total))
    closed = np.where((settled < 0.90) & (final < NEVER), final + lag, NEVER)
    harm = _HARM_ALLEGED[kind]
    return FamilyCases(
        couple=couple,
        kind=kind,
        receipt_day=day,
        court=court,
        serial=_serial(people.chunk, court, day, kind),
        disposal=disposal,
        final_day=final,
        closed_day=closed,
        on_paper=(kind != DISSOLUTION) | ~couples.online[couple],
        fee_exempt=rng.random(total) < _FEE_EXEMPT[kind],
        harm_alleged=rng.random(total) < harm,
        asks_harm=~np.isnan(harm) & (rng.random(total) < 0.96),
        adopted=adopted,
    )


def _final(rng: np.random.Generator, kind: Ints, day: Ints) -> tuple[Ints, Ints]:
    """Day of the final order and how the case is disposed of."""
    total = len(kind)
    sort = rng.random(total)
    disposal = (sort[:, None] > _DISPOSALS[kind]).sum(axis=1)
    weeks = np.select(
        [kind == PRIVATE, kind == PUBLIC, kind == DISSOLUTION],
        [_at(_PRIVATE_WEEKS, day), _at(_PUBLIC_WEEKS, day), _at(_DIVORCE_WEEKS, day)],
        24.0,
    )
    spread = np.array([_PUBLIC_SPREAD, _PRIVATE_SPREAD, 0.5, 0.45, 0.7])[kind]
    days = 7 * weeks * np.exp(rng.normal(0, 1, total) * spread - spread**2 / 2)
    # Withdrawn sooner than decided; protection is given at once, often before the other hears.
    days = np.where(disposal == WITHDRAWN, days * 0.6, days)
    at_once = rng.random(total) < 0.6
    protection = np.where(at_once, rng.integers(0, 3, total), rng.integers(7, 45, total))
    days = np.where(kind == INJUNCTION, protection, days).astype(np.int64)
    days = np.maximum(days, np.array([3, 7, 30, 110, 0])[kind])
    final = working_day(day + days)
    return np.where(rng.random(total) < _NEVER_DISPOSED[kind], NEVER, final), disposal


MOST_CHUNKS = 250
"""Numbers of five digits for each court, year and kind reach for so many chunks of people."""


def _serial(chunk: int, court: Ints, day: Ints, kind: Ints) -> Ints:
    """Rank among the chunk's cases of that court, year and kind, beside those of other chunks."""
    cell = (court * 100 + calendar(day)[0] % 100) * 5 + kind
    order = np.argsort(cell, kind="stable")
    opens = np.ones(len(cell), dtype=bool)
    opens[1:] = cell[order][1:] != cell[order][:-1]
    position = np.arange(len(cell))
    rank = np.zeros(len(cell), dtype=np.int64)
    rank[order] = position - np.maximum.accumulate(np.where(opens, position, 0))
    return rank * MOST_CHUNKS + chunk


# --- who has which part ---------------------------------------------------------------------------


def _roles(seed: int, households: Households, brood: _Brood, cases: FamilyCases) -> Roles:
    people, couples = households.people, households.couples
    rng = stream(seed, people.chunk, "family roles")
    total, kind, couple = len(cases), cases.kind, cases.couple
    one, other = couples.one[couple], couples.other[couple]
    one_female = people.female[one]
    woman, man = np.where(one_female, one, other), np.where(one_female, other, one)
    chance = rng.random((6, total))
    # Who applies: two in three divorces and four in five injunctions the wife, and most cases over
    # contact the one with whom the children do not live.
    apart = _lives_apart(households, brood, couple)
    away = np.where(chance[0] < 0.82, np.where(apart, other, one), np.where(apart, one, other))
    hers = np.select([kind == DISSOLUTION, kind == INJUNCTION], [0.62, 0.81], 0.5)
    by_sex = np.where(chance[0] < hers, woman, man)
    applicant = np.where(kind == PRIVATE, away, by_sex)
    respondent = np.where(applicant == one, other, one)
    jointly = (kind == DISSOLUTION) & (cases.receipt_day > 19088) & (chance[1] < 0.2)

    adopters = couples.adopters[couple]
    authority = households.institutions + population.within(
        lists.institutions().authorities_of,
        police_force_of(people, one, cases.receipt_day),
        rng.random(len(couples))[couple],
    )
    public, adoption = kind == PUBLIC, kind == ADOPTION
    between = ~public & ~adoption
    every = np.arange(total)
    parts: list[tuple[Ints, Ints, int]] = [
        (every[between], applicant[between], APPLICANT),
        (every[between], respondent[between], RESPONDENT),
        (every[public], authority[public], APPLICANT),
    ]
    for which, who, part_of in (
        (public & (chance[2] < 0.96), woman, RESPONDENT),
        (public & (chance[3] < 0.70), man, RESPONDENT),
        (adoption, couples.one[adopters], APPLICANT),
        (adoption & (chance[1] < 0.87), couples.other[adopters], APPLICANT),
        (adoption & (chance[2] < 0.90), woman, RESPONDENT),
        (adoption & (chance[3] < 0.50), man, RESPONDENT),
        (adoption & (chance[4] < 0.60), authority, RESPONDENT),
        ((kind == PRIVATE) & (chance[4] < 0.025), authority, RESPONDENT),
    ):
        parts.append((every[which], who[which], part_of))
    child_case, child = _children_of(households.children, people, brood, cases, chance[5])
    parts.append((child_case, child, CHILD))
    case = np.concatenate([which for which, _, _ in parts])
    person = np.concatenate([who for _, who, _ in parts])
    part = np.concatenate([np.full(len(which), name) for which, _, name in parts])
    part = np.where(jointly[case] & (part == RESPONDENT), APPLICANT, part)
    order = np.lexsort((part, case))
    case, person, part = case[order], person[order], part[order]
    share = np.interp(cases.receipt_day[case] / _YEAR + 1970, _AID_ENDS, (0.0, 1.0))
    before, after = _REPRESENTED_BEFORE[kind[case], part], _REPRESENTED_AFTER[kind[case], part]
    institution = people.is_company[person]
    represented = rng.random(len(case)) < before + (after - before) * share
    relation = np.where(people.female[person], MOTHER, FATHER)
    relation = np.where((kind[case] == ADOPTION) & (part == APPLICANT), ADOPTER, relation)
    relation = np.where(institution, AUTHORITY, relation)
    relation = np.where((part == CHILD) | np.isin(kind[case], (3, 4)), NO_RELATION, relation)
    return Roles(case, person, part, represented | institution, relation)


def _lives_apart(households: Households, brood: _Brood, couple: Ints) -> Bools:
    """Whether the children live with `one`, so that `other` is apart from them."""
    with_one = np.append(households.children.with_one, True)
    apart: Bools = with_one[np.minimum(brood.first[couple], len(with_one) - 1)]
    return apart


def _children_of(
    children: Children, people: People, brood: _Brood, cases: FamilyCases, chance: Floats
) -> tuple[Ints, Ints]:
    """The children of each case who are under eighteen; of adoptions, the youngest alone."""
    named = np.select(
        [np.isin(cases.kind, (PUBLIC, PRIVATE)), cases.kind == ADOPTION, cases.kind == INJUNCTION],
        [
            np.where((cases.kind == PUBLIC) & (chance < 0.22), 1, 99),
            1,
            np.where(chance < 0.3, 99, 0),
        ],
        0,
    )
    number = np.minimum(named, brood.number[cases.couple])
    case = np.repeat(np.arange(len(cases)), number)
    starts = np.cumsum(number) - number
    child = brood.first[cases.couple][case] + np.arange(len(case)) - starts[case]
    person = children.person[child]
    age = cases.receipt_day[case] - people.born[person]
    minor = (age > 0) & (age < 18 * _YEAR)
    return case[minor], person[minor]


# --- what happens ---------------------------------------------------------------------------------


def _events(seed: int, chunk: int, cases: FamilyCases) -> Events:
    rng = stream(seed, chunk, "family events")
    total, kind = len(cases), cases.kind
    every = np.arange(total)
    begin = cases.receipt_day
    # What never ends goes on for a while.
    last = np.where(cases.final_day < NEVER, cases.final_day, begin + 400)
    length = last - begin
    over_children = np.isin(kind, (PUBLIC, PRIVATE))
    notice = (kind != DISSOLUTION) & (rng.random(total) < 0.92)
    hearings = rng.poisson(np.array([3.2, 1.9, 1.1, 0.2, 0.35])[kind] * (0.4 + length / 420))
    hearings = hearings.clip(0, 9)
    further = rng.random(total) < np.array([0.30, 0.24, 0.0, 0.32, 0.05])[kind]
    interim = rng.random(total) < np.array([0.86, 0.05, 0.0, 1.0, 0.0])[kind]
    done = cases.final_day < NEVER
    interim &= (kind != DISSOLUTION) | done & (cases.disposal == MADE)
    second = rng.random(total) < np.array([0.30, 0.09, 0.05, 0.0, 0.36])[kind]
    second &= done & (cases.disposal == MADE)
    second |= cases.adopted
    heard = np.repeat(every, hearings)

    def within(case: Ints, earliest: float, latest: float) -> Ints:
        share = earliest + (latest - earliest) * rng.random(len(case))
        return working_day(begin[case] + (share * length[case]).astype(np.int64))

    after = np.where(kind == INJUNCTION, rng.integers(7, 30, total), 0)
    nisi = begin + np.maximum(length - rng.integers(43, 110, total), length // 2)
    interims = np.where(kind == DISSOLUTION, nisi, begin + np.minimum(length, 12))
    spread = np.flatnonzero(interim & (kind == PUBLIC))
    interims[spread] = within(spread, 0.02, 0.3)
    found = (
        (every, APPLICATION, begin),
        (every[further], FURTHER_APPLICATION, within(every[further], 0.05, 0.9)),
        (every[notice], NOTICE, begin[notice] + np.where(over_children, 7, 2)[notice]),
        (heard, HEARING, within(heard, 0.08, 0.97)),
        (every[interim], INTERIM_ORDER, interims[interim]),
        (every[done], FINAL_ORDER, cases.final_day[done]),
        (every[second], SECOND_ORDER, (cases.final_day + after)[second]),
    )
    case = np.concatenate([which for which, _, _ in found])
    what = np.concatenate([np.full(len(which), name) for which, name, _ in found])
    day = np.concatenate([days for _, _, days in found])
    # Nothing but a second order follows the final one.
    day = np.where((what != SECOND_ORDER) & done[case], np.minimum(day, last[case]), day)
    order = np.lexsort((what, day, case))
    return Events(case[order], what[order], day[order], rng.random(len(case)))
