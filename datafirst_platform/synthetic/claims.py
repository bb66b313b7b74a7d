"""Claims: what comes before the county courts, whatever system records it.

What belongs here: claims, their parties, and what happens to them in time. What does not: the
people (`households.py`) and how CaseMan holds it (`caseman.py`).

Most claims are for a specified sum, brought by companies against individuals; about one in a dozen
is a landlord's or a lender's for possession, few of them while these were stayed in 2020 and 2021;
individuals claim damages. Most claims are not defended: of the judgments four in five are by
default. A small claim came to trial 52 weeks after its issue in 2023, others after 79 weeks; the
knots of other years follow the course of the published series (Civil justice statistics
quarterly) from memory. Shares without a source are made up; so is that about a third of the people
before the criminal courts are a party to a claim some time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datafirst_platform.synthetic import lists, population
from datafirst_platform.synthetic.households import Households, active_days
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import NEVER, People, stream, working_day

SPECIFIED, UNSPECIFIED, DAMAGES, LANDLORD, MORTGAGE, OTHERWISE = range(6)
"""What is claimed: money, damages, possession by a landlord or a mortgage lender, or else."""

CLAIMANT, DEFENDANT = range(2)

EVENT_TYPES = (
    "ISSUE", "ACKSERV", "ADMIT", "PARTADM", "DEFENCE", "TRANSFER", "ALLOC", "HEARING", "TRIAL",
    "JDEF", "JADM", "JHEAR", "POUT", "PSUSP", "SETASIDE", "WCON", "WPOSS", "WDEL", "REPOSS", "AEO",
    "CHARGE", "STAY", "STRUCK", "DISCONT", "SETTLED", "PAID",
)  # fmt: skip
"""What happens to a claim, in the order in which it can on one day."""
OUTCOMES = (
    "ADJ", "VAC", "JUDG", "DISM", "SETT", "WPAID", "WPART", "WNOGOODS", "WSUSP", "WEXEC", "WWITH",
)  # fmt: skip

CASES_PER_CHUNK = 130_000
MOST_CHUNKS = 443
"""Claim numbers, of two letters and five digits, reach for so many chunks of people."""
PARTIES_PER_CHUNK = 400_000
EVENTS_PER_CHUNK = 1_500_000

_SINCE_YEAR = 2010.5
_YEAR = 365.25
_OF_AGE_IN_2010 = 8035
"""1992-01-01: born before."""

# Shares of people against whom anything is claimed, and who claim.
_PURSUED = {"chunk": 0.355, "couples": 0.205, "lone": 0.80, "company": 0.55}
_CLAIMS = {"chunk": 0.022, "couples": 0.028, "lone": 0.26, "company": 0.0}
_PURSUED_AGAIN, _CLAIMS_AGAIN = 0.44, 0.12

_AGAINST_PERSON = np.array([0.826, 0.0, 0.0, 0.105, 0.024, 0.045])
_AGAINST_COMPANY = np.array([0.93, 0.0, 0.0, 0.02, 0.0, 0.05])
_BY_PERSON = np.array([0.30, 0.17, 0.50, 0.0, 0.0, 0.03])

_STAYED = (2020.23, 2021.42)
"""Claims for possession were stayed, and few issued, between 27 March 2020 and 31 May 2021."""
_ISSUED_WHILE_STAYED = 0.22

# Who claims, by what is claimed: kinds of institution, a company or a person, with shares.
_CLAIMANTS: tuple[dict[str, float], ...] = (
    {"debt purchaser": 0.37, "bank": 0.12, "utility": 0.14, "telecom": 0.05, "parking": 0.11,
     "authority": 0.03, "insurer": 0.01, "company": 0.11, "person": 0.06},
    {"person": 1}, {"person": 1},
    {"landlord": 0.42, "authority": 0.20, "company": 0.10, "person": 0.28},
    {"lender": 1},
    {"company": 0.4, "person": 0.35, "authority": 0.25},
)  # fmt: skip
_CLAIMANTS_OF_COMPANIES = {"company": 0.56, "utility": 0.14, "authority": 0.06, "bank": 0.09,
                           "insurer": 0.03, "person": 0.12}  # fmt: skip

# Weeks from issue to trial, of small claims and of others, by time of issue.
_SMALL_WEEKS = ((2012, 30), (2016, 31), (2019, 37), (2021, 50), (2022.5, 52), (2026, 50))
_OTHER_WEEKS = ((2012, 57), (2016, 56), (2019, 60), (2021, 75), (2022.5, 79), (2026, 75))

# Cumulative shares of how a claim goes: by default, admitted, defended, settled at once; the rest
# comes to nothing. Possession claims go to a hearing instead.
_COURSES = np.array([
    [0.59, 0.66, 0.81, 0.87], [0.14, 0.17, 0.77, 0.94], [0.13, 0.16, 0.76, 0.95],
    [0.0, 0.0, 0.0, 0.10], [0.0, 0.0, 0.0, 0.12], [0.10, 0.13, 0.60, 0.72],
])  # fmt: skip
_BY_DEFAULT, _ADMITTED, _DEFENDED, _SETTLED, _LAPSED = range(5)

_AMOUNTS = np.array([[900, 1.25], [0, 0], [4200, 1.1], [1900, 0.75], [9500, 0.9], [1500, 1.2]])
"""Median in pounds, and spread, of what is claimed."""


@dataclass(frozen=True)
class Cases:
    """Claims of one chunk, ordered by number; one element a claim.

    Attributes:
        kind: SPECIFIED, UNSPECIFIED, …
        issue_day: on which it is issued.
        online_possession: issued on Possession Claim Online.
        pence: amount claimed, -1 where none is stated.
        centre: index of the national centre that issues it, -1 for a local court.
        local: index of the local court into `lists.county_courts()`.
        sent_day: day on which a local court takes it over, NEVER else.
        allocated_day: day of allocation to a track, NEVER else.
        closed_day: NEVER for never.
        claimant: index into the people of the households.
    """

    kind: Ints
    issue_day: Ints
    online_possession: Bools
    pence: Ints
    centre: Ints
    local: Ints
    sent_day: Ints
    allocated_day: Ints
    closed_day: Ints
    claimant: Ints

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class Parties:
    """Parties to claims, ordered by claim, claimants first.

    Attributes:
        case: index into the claims.
        person: index into the people of the households; institutions are among these.
        role: CLAIMANT or DEFENDANT.
        represented: by a lawyer.
    """

    case: Ints
    person: Ints
    role: Ints
    represented: Bools

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True)
class Events:
    """What happens to claims, ordered by claim and time.

    Attributes:
        case: index into the claims.
        what: index into `EVENT_TYPES`.
        day: on which.
        pence: of a judgment, an order or a warrant; -1 for none.
        outcome: index into `OUTCOMES`, -1 for none.
        known_day: since when the outcome is known.
    """

    case: Ints
    what: Ints
    day: Ints
    pence: Ints
    outcome: Ints
    known_day: Ints

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True)
class Claims:
    """What the county courts hear of one chunk of people."""

    cases: Cases
    parties: Parties
    events: Events


def draw(seed: int, households: Households) -> Claims:
    """Draw the claims of one chunk of people up to the horizon."""
    people = households.people
    rng = stream(seed, people.chunk, "claims")
    person, claims, day = _begun(rng, households)
    kind = _kinds(rng, people, person, claims, day)
    # Claims for possession were stayed for a while.
    year = day / _YEAR + 1970
    stayed = np.isin(kind, (LANDLORD, MORTGAGE)) & (year > _STAYED[0]) & (year < _STAYED[1])
    issued = ~stayed | (rng.random(len(kind)) < _ISSUED_WHILE_STAYED)
    person, claims, day, kind = person[issued], claims[issued], day[issued], kind[issued]
    claimant, defendant = _sides(rng, households, person, claims, kind, day)
    course, events, cases = _courses(rng, households, kind, day, claimant, defendant)
    return Claims(cases, _parties(rng, households, cases, defendant, course), events)


# --- which claims there are -----------------------------------------------------------------------


def _begun(rng: np.random.Generator, households: Households) -> tuple[Ints, Bools, Ints]:
    """Whom claims begin with, whether that is who claims, and the days of issue."""
    people, lone = households.people, households.lone
    own = np.arange(households.own)
    company = people.is_company[own]
    circles = {
        "chunk": own[~company],
        "couples": np.arange(households.own, lone[0] if len(lone) else households.own),
        "lone": lone,
        "company": own[company],
    }
    persons, days, sides = [], [], []
    for claims, shares, again in (
        (False, _PURSUED, _PURSUED_AGAIN),
        (True, _CLAIMS, _CLAIMS_AGAIN),
    ):
        for circle, members in circles.items():
            begins = members[rng.random(len(members)) < shares[circle]]
            number = np.minimum(rng.geometric(1 - again, len(begins)), 12)
            who = np.repeat(begins, number)
            first = np.repeat(active_days(rng, len(begins), _SINCE_YEAR), number)
            nth = np.arange(len(who)) - np.repeat(np.cumsum(number) - number, number)
            later = np.cumsum(np.where(nth == 0, 0, 20 + rng.exponential(420, len(who))))
            since_first = later - np.repeat(later[np.cumsum(number) - number], number)
            persons.append(who)
            days.append(working_day(first + since_first.astype(np.int64)))
            sides.append(np.full(len(who), claims))
    person, day, side = np.concatenate(persons), np.concatenate(days), np.concatenate(sides)
    age = (day - people.born[person]) / _YEAR
    due = people.is_company[person] | ((age >= 18.1) & (age < 92))
    return person[due], side[due], day[due]


def _kinds(
    rng: np.random.Generator, people: People, person: Ints, claims: Bools, day: Ints
) -> Ints:
    """What is claimed. Tenancies and mortgages are of grown-up people."""
    shares = np.where(
        claims[:, None],
        np.cumsum(_BY_PERSON),
        np.where(
            people.is_company[person][:, None],
            np.cumsum(_AGAINST_COMPANY),
            np.cumsum(_AGAINST_PERSON),
        ),
    )
    kind: Ints = (rng.random(len(person))[:, None] > shares).sum(axis=1).clip(0, OTHERWISE)
    young = ~people.is_company[person] & (day - people.born[person] < 24 * _YEAR)
    return np.where(young & (kind == MORTGAGE), LANDLORD, kind)


def _sides(
    rng: np.random.Generator,
    households: Households,
    person: Ints,
    claims: Bools,
    kind: Ints,
    day: Ints,
) -> tuple[Ints, Ints]:
    """Claimant and first defendant of each claim."""
    people, total = households.people, len(person)
    listed = lists.institutions()
    companies = np.flatnonzero(people.is_company[: households.own])
    if not len(companies):
        companies = households.institutions + listed.of_kind["utility"].members
    # Anybody who was of age in 2010 may be who claims, or who did the damage.
    persons = np.flatnonzero(~people.is_company[: households.own])
    anybody = np.concatenate([persons, households.lone])
    anybody = anybody[people.born[anybody] < _OF_AGE_IN_2010]
    anybody = anybody if len(anybody) else companies
    of_age = anybody[rng.integers(0, len(anybody), total)]
    company = companies[rng.integers(0, len(companies), total)]
    choice, pick = rng.random(total), rng.random(total)

    def institution(name: str, at: Ints) -> Ints:
        if name == "authority":
            local = population.within(listed.authorities_of, force[at], pick[at])
            return households.institutions + local
        return households.institutions + listed.of_kind[name].pick(pick[at])

    force = population.police_force_of(people, person, day)
    opposite = np.where(choice < 0.5, company, of_age)
    against_company = people.is_company[person]
    groups = [(~claims & ~against_company & (kind == k), _CLAIMANTS[k]) for k in range(6)]
    groups.append((~claims & against_company, _CLAIMANTS_OF_COMPANIES))
    # Individuals claim damages of insurers' clients, of companies and of each other.
    groups.append((claims, {"insurer": 0.22, "company": 0.34, "person": 0.44}))
    for mine, shares in groups:
        bounds = np.cumsum(list(shares.values()))
        drawn = np.searchsorted(bounds, choice * bounds[-1], side="right")
        for index, name in enumerate(shares):
            at = np.flatnonzero(mine & (drawn == index))
            if name == "person":
                opposite[at] = of_age[at]
            elif name == "company":
                opposite[at] = company[at]
            else:
                opposite[at] = institution(name, at)
    # Nobody claims of themselves.
    another = np.where(against_company, households.lone[0], company)
    opposite = np.where(opposite == person, another, opposite)
    return np.where(claims, person, opposite), np.where(claims, opposite, person)


# --- how claims go --------------------------------------------------------------------------------


def _weeks(knots: tuple[tuple[float, float], ...], day: Ints) -> Floats:
    years, values = zip(*knots, strict=True)
    found: Floats = np.interp(day / _YEAR + 1970, years, values)
    return found


class _Timeline:
    """Events of claims as they are found."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Ints, Ints, Ints, Ints]] = []

    def add(
        self,
        what: str,
        case: Ints,
        day: Ints,
        pence: Ints | None = None,
        outcome: Ints | None = None,
        known_day: Ints | None = None,
    ) -> None:
        """Let something happen to claims; all but `what` have one element an event."""
        none = np.full(len(case), -1, dtype=np.int64)
        self._parts.append(
            (
                case,
                np.full(len(case), EVENT_TYPES.index(what), dtype=np.int64),
                working_day(day),
                none if pence is None else pence,
                none if outcome is None else outcome,
                day if known_day is None else known_day,
            )
        )

    def events(self) -> Events:
        """All of them, ordered by claim and time."""
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        order = np.lexsort((columns[1], columns[2], columns[0]))
        return Events(*(column[order] for column in columns))


def _outcomes(rng: np.random.Generator, total: int, shares: dict[str, float]) -> Ints:
    members = np.array([OUTCOMES.index(name) for name in shares])
    return lists.Weighted.of(members, np.array([*shares.values()])).pick(rng.random(total))


def _courses(
    rng: np.random.Generator,
    households: Households,
    kind: Ints,
    day: Ints,
    claimant: Ints,
    defendant: Ints,
) -> tuple[Ints, Events, Cases]:
    """How each claim goes, what happens to it, and where."""
    people, total = households.people, len(kind)
    possession = np.isin(kind, (LANDLORD, MORTGAGE))
    course = (rng.random(total)[:, None] > _COURSES[kind]).sum(axis=1)
    median, spread = _AMOUNTS[kind].T
    pence = (100 * median * np.exp(spread * rng.normal(size=total))).astype(np.int64).clip(2500)
    pence = np.minimum(pence, 2_000_000_000)
    stated = rng.random(total) < np.array([0.995, 0.0, 0.7, 0.78, 0.9, 0.35])[kind]
    pence = np.where(stated, pence, -1)
    by_institution = people.is_company[claimant]
    online = possession & (rng.random(total) < np.where(by_institution, 0.74, 0.3))
    # Sums are claimed at one of two national centres, of which the one serves those who claim
    # in bulk.
    central = np.isin(kind, (SPECIFIED, UNSPECIFIED, DAMAGES))
    bulk = (kind == SPECIFIED) & (claimant >= households.institutions) & (rng.random(total) < 0.94)
    central &= bulk | (rng.random(total) < 0.8)
    centre = np.where(central, np.where(bulk, 0, 1), -1)

    told = _Timeline()
    every = np.arange(total)
    told.add("ISSUE", every, day)
    sent, allocated = np.full(total, NEVER), np.full(total, NEVER)
    judged, closed = np.full(total, NEVER), np.full(total, NEVER)

    def after(at: Ints, least: float, mean: float, since: Ints | None = None) -> Ints:
        begin = day[at] if since is None else since
        days: Ints = begin + (least + rng.gamma(1.3, mean / 1.3, len(at))).astype(np.int64)
        return days

    money = ~possession
    # By default or on admission.
    at = every[money & (course == _BY_DEFAULT)]
    judged[at] = after(at, 19, 26)
    told.add("JDEF", at, judged[at], _owed(rng, pence[at]))
    at = every[money & (course == _ADMITTED)]
    admitted = after(at, 7, 12)
    part = rng.random(len(at)) < 0.25
    told.add("ADMIT", at[~part], admitted[~part])
    told.add("PARTADM", at[part], admitted[part])
    judged[at] = after(at, 5, 14, admitted)
    told.add("JADM", at, judged[at], _owed(rng, pence[at]))
    _defend(rng, told, every[money & (course == _DEFENDED)], day, kind, pence, centre,
            sent, allocated, judged, closed)  # fmt: skip
    # Settled or given up without a judgment, or left alone and stayed after half a year.
    at = every[course == _SETTLED]
    closed[at] = after(at, 8, 60)
    settles = rng.random(len(at)) < 0.6
    told.add("SETTLED", at[settles], closed[at][settles])
    told.add("DISCONT", at[~settles], closed[at][~settles])
    at = every[money & (course == _LAPSED) & (rng.random(total) < 0.4)]
    told.add("STAY", at, after(at, 183, 20))
    _possess(rng, told, every[possession & (course != _SETTLED)], day, kind, pence, judged, closed)
    _enforce(rng, told, every[money & (judged < NEVER)], kind, pence, judged, closed)
    # What ended is mostly closed, some of it late.
    tidy = rng.random(total)
    closed = np.where((closed < NEVER) & (tidy < 0.86), closed + rng.integers(0, 30, total), NEVER)
    late = (judged < NEVER) & (closed == NEVER) & (tidy < 0.3)
    closed = np.where(late, judged + rng.integers(400, 2200, total), closed)

    local_to = np.where(kind == DAMAGES, claimant, defendant)
    force = population.police_force_of(people, local_to, day)
    cases = Cases(
        kind=kind,
        issue_day=day,
        online_possession=online,
        pence=pence,
        centre=centre,
        local=population.within(lists.county_courts().courts_of, force, rng.random(total)),
        sent_day=sent,
        allocated_day=allocated,
        closed_day=closed,
        claimant=claimant,
    )
    return course, told.events(), cases


def _owed(rng: np.random.Generator, pence: Ints) -> Ints:
    """What is ordered to be paid: the claim with costs, now and then an unstated sum."""
    ordered = (pence * 1.06).astype(np.int64) + 3500
    unstated = (1200 * 100 * np.exp(rng.normal(0, 1, len(pence)))).astype(np.int64)
    held = rng.random(len(pence)) < 0.96
    return np.where(held, np.where(pence < 0, unstated, ordered), -1)


def _defend(
    rng: np.random.Generator,
    told: _Timeline,
    at: Ints,
    day: Ints,
    kind: Ints,
    pence: Ints,
    centre: Ints,
    sent: Ints,
    allocated: Ints,
    judged: Ints,
    closed: Ints,
) -> None:
    """Defended claims: allocation, and trial or an end before it; the last four in place."""
    total = len(at)
    chance = rng.random((6, total))

    def gamma(least: float, mean: float) -> Ints:
        return (least + rng.gamma(1.4, mean / 1.4, total)).astype(np.int64)

    served = chance[0] < 0.6
    told.add("ACKSERV", at[served], day[at][served] + rng.integers(5, 15, int(served.sum())))
    defended = day[at] + gamma(16, 14)
    told.add("DEFENCE", at, defended)
    track_day = defended + gamma(35, 70)
    goes_on = chance[1] < 0.62
    moved = goes_on & (centre[at] >= 0) & (chance[2] < 0.93)
    sent[at[moved]] = (track_day - rng.integers(1, 21, total))[moved]
    told.add("TRANSFER", at[moved], sent[at[moved]])
    allocated[at[goes_on]] = track_day[goes_on]
    told.add("ALLOC", at[goes_on], track_day[goes_on])
    small = (pence[at] >= 0) & (pence[at] <= 1_000_000) & (kind[at] != DAMAGES)
    weeks = np.where(small, _weeks(_SMALL_WEEKS, day[at]), _weeks(_OTHER_WEEKS, day[at]))
    trial = day[at] + (7 * weeks * np.exp(rng.normal(0, 0.42, total) - 0.088)).astype(np.int64)
    trial = np.maximum(trial, track_day + 25)
    tried = goes_on & (chance[3] < np.where(kind[at] == SPECIFIED, 0.52, 0.2))
    put_off = tried & (chance[4] < 0.2)
    earlier = (trial - rng.integers(20, 90, total))[put_off]
    which = at[put_off]
    told.add("HEARING", which, np.maximum(earlier, track_day[put_off] + 5), None,
             _outcomes(rng, len(which), {"ADJ": 0.65, "VAC": 0.35}))  # fmt: skip
    outcome = _outcomes(rng, total, {"JUDG": 0.72, "DISM": 0.2, "SETT": 0.08})
    told.add("TRIAL", at[tried], trial[tried], None, outcome[tried])
    won = tried & (outcome == OUTCOMES.index("JUDG"))
    judged[at[won]] = trial[won]
    told.add("JHEAR", at[won], trial[won], _owed(rng, pence[at[won]]))
    lost = tried & ~won
    closed[at[lost]] = trial[lost]
    # The others end on the way.
    ends = ~tried
    end_day = np.where(goes_on, track_day, defended) + gamma(10, 130)
    end = chance[5]
    for what, low, high in (
        ("SETTLED", 0.0, 0.5), ("DISCONT", 0.5, 0.74), ("STRUCK", 0.74, 0.86), ("STAY", 0.86, 1.0),
    ):  # fmt: skip
        mine = ends & (end >= low) & (end < high)
        told.add(what, at[mine], end_day[mine])
        if what != "STAY":
            closed[at[mine]] = end_day[mine]


def _possess(
    rng: np.random.Generator,
    told: _Timeline,
    at: Ints,
    day: Ints,
    kind: Ints,
    pence: Ints,
    judged: Ints,
    closed: Ints,
) -> None:
    """Possession claims: a hearing, an order, and a bailiff; the last two in place."""
    total = len(at)
    chance = rng.random((6, total))
    mortgage = kind[at] == MORTGAGE
    # Landlords may have an order without a hearing where nothing is in dispute.
    on_paper = ~mortgage & (chance[0] < 0.22)
    first = day[at] + (28 + rng.gamma(2, 13, total)).astype(np.int64)
    put_off = ~on_paper & (chance[1] < 0.2)
    told.add("HEARING", at[put_off], first[put_off], None,
             np.full(int(put_off.sum()), OUTCOMES.index("ADJ")))  # fmt: skip
    heard = first + np.where(put_off, rng.integers(25, 70, total), 0)
    outright = chance[2] < np.where(mortgage, 0.44, 0.62)
    suspended = ~outright & (chance[2] < np.where(mortgage, 0.80, 0.80))
    outright |= on_paper
    suspended &= ~on_paper
    ordered = outright | suspended
    result = np.where(ordered, OUTCOMES.index("JUDG"), OUTCOMES.index("DISM"))
    told.add("HEARING", at[~on_paper], heard[~on_paper], None, result[~on_paper])
    arrears = np.where(chance[3] < 0.7, _owed(rng, pence[at]), -1)
    told.add("POUT", at[outright], heard[outright], arrears[outright])
    told.add("PSUSP", at[suspended], heard[suspended], arrears[suspended])
    judged[at[ordered]] = heard[ordered]
    closed[at[~ordered]] = heard[~ordered]
    bailed = ordered & (chance[4] < np.where(outright, 0.52, 0.16))
    which = at[bailed]
    wait = rng.gamma(1.3, np.where(suspended[bailed], 300, 45)).astype(np.int64)
    warrant = heard[bailed] + 16 + wait
    outcome = _outcomes(rng, len(which), {"WEXEC": 0.52, "WSUSP": 0.2, "WWITH": 0.28})
    lag = rng.integers(20, 75, len(which))
    told.add("WPOSS", which, warrant, None, outcome, warrant + lag)
    out = outcome == OUTCOMES.index("WEXEC")
    told.add("REPOSS", which[out], (warrant + lag)[out])
    closed[which[out]] = (warrant + lag)[out]


def _enforce(
    rng: np.random.Generator,
    told: _Timeline,
    at: Ints,
    kind: Ints,
    pence: Ints,
    judged: Ints,
    closed: Ints,
) -> None:
    """What follows a judgment for money; the last in place."""
    total = len(at)
    chance = rng.random((5, total))
    since = judged[at]
    owed = np.maximum(pence[at], -1)
    what_of = {"WPAID": 0.18, "WPART": 0.14, "WNOGOODS": 0.50, "WSUSP": 0.07, "WWITH": 0.11}
    issued, warranted = since, chance[0] < 0.22
    for _ in range(3):
        issued = issued + (20 + rng.gamma(1.1, 110, total)).astype(np.int64)
        which = at[warranted]
        lag = rng.integers(14, 80, len(which))
        told.add("WCON", which, issued[warranted], owed[warranted],
                 _outcomes(rng, len(which), what_of), issued[warranted] + lag)  # fmt: skip
        warranted = warranted & (rng.random(total) < 0.3)
    goods = (kind[at] == OTHERWISE) & (chance[1] < 0.1)
    told.add("WDEL", at[goods], since[goods] + 30)
    for what, low, high, mean in (
        ("AEO", 0.0, 0.04, 300), ("CHARGE", 0.04, 0.09, 350), ("SETASIDE", 0.09, 0.12, 70),
    ):  # fmt: skip
        mine = (chance[2] >= low) & (chance[2] < high)
        wait = 15 + rng.gamma(1.2, mean / 1.2, int(mine.sum()))
        told.add(what, at[mine], since[mine] + wait.astype(np.int64))
    paid = chance[3] < 0.17
    paid_day = since + 5 + rng.gamma(0.9, 420, total).astype(np.int64)
    told.add("PAID", at[paid], paid_day[paid])
    closed[at[paid]] = paid_day[paid]


# --- parties --------------------------------------------------------------------------------------


def _parties(
    rng: np.random.Generator, households: Households, cases: Cases, defendant: Ints, course: Ints
) -> Parties:
    """Claimants and defendants; couples who live together rent, own and owe together."""
    people, couples = households.people, households.couples
    total = len(cases)
    every = np.arange(total)
    couple = households.couple_of[defendant]
    at_home = (couple >= 0) & (couples.together_day[couple] <= cases.issue_day)
    at_home &= couples.apart_day[couple] > cases.issue_day
    jointly = np.array([0.06, 0.0, 0.0, 0.45, 0.65, 0.1])[cases.kind]
    joins = at_home & (rng.random(total) < jointly)
    partner = np.where(couples.one[couple] == defendant, couples.other[couple], couples.one[couple])
    joins &= (cases.issue_day - people.born[partner] > 18 * _YEAR) & (partner != cases.claimant)
    case = np.concatenate([every, every, every[joins]])
    person = np.concatenate([cases.claimant, defendant, partner[joins]])
    role = np.repeat([CLAIMANT, DEFENDANT, DEFENDANT], [total, total, int(joins.sum())])
    order = np.lexsort((role, case))
    case, person, role = case[order], person[order], role[order]
    kind, company = cases.kind[case], people.is_company[person]
    defended = (course[case] == _DEFENDED) & (kind < LANDLORD)
    claims = np.where(company, 0.82, np.array([0.14, 0.5, 0.86, 0.30, 0.9, 0.3])[kind])
    defends = np.where(company, np.where(defended, 0.6, 0.06), np.where(defended, 0.24, 0.012))
    insured = (person >= households.institutions) & defended
    defends = np.where(insured, 0.95, defends)
    share = np.where(role == CLAIMANT, claims, defends)
    return Parties(case, person, role, rng.random(len(case)) < share)
