"""Justice careers: the court cases of a life, whatever source records them.

What belongs here: what happened (offences, dates, courts, outcomes). What does not: which system
held it and how it was written down (`libra.py`, `xhibit.py`, `recording.py`).

Shapes follow published figures: of those whose first case was in 2011, 56 % came back and 18 %
had six cases or more by 2019, and 82 % of those who began with theft came back (Data First,
returning defendants 2011 to 2019); in 2023 the median case took 178 days from offence to
completion at magistrates' courts and 374 at the Crown Court (Criminal court statistics quarterly,
July to September 2023); 13.4 magistrates' records stand against one Crown record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datafirst_platform.synthetic import lists
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import (
    HORIZON_YEAR,
    NEVER,
    People,
    day_of,
    police_force_of,
    stream,
    working_day,
)

MAGISTRATES, FOR_TRIAL, FOR_SENTENCE, APPEAL = range(4)
"""How far a case goes: ends at the magistrates' court, or goes on to the Crown Court."""

NO_PLEA, GUILTY, NOT_GUILTY, UNFIT = range(4)

CASES_PER_CHUNK = 4_000_000
OFFENCES_PER_CHUNK = 8_000_000

_MOST_CASES = 60

# Share of starters who come back, by the group of their first offence, and the share of those
# who go on after each further case. Theft is published (82 %); the others make up the 56 %.
_RETURN_BY_GROUP = {
    "Theft offences": 0.85, "Robbery": 0.78, "Drug offences": 0.70, "Possession of weapons": 0.66,
    "Violence against the person": 0.60, "Public order offences": 0.64,
    "Criminal damage and arson": 0.64, "Miscellaneous crimes against society": 0.74,
    "Fraud offences": 0.46, "Sexual offences": 0.38, "Summary non-motoring": 0.58,
    "Summary motoring": 0.47,
}  # fmt: skip
_GO_ON_THEFT, _GO_ON = 0.83, 0.725
_RETURN_BY_OFFENCE = {"173/01": 0.42, "823/02": 0.36, "825/01": 0.33, "182/10": 0.40}

# Years over which a career's returns spread, and days from offence to charge, and so on; medians
# are for 2023 and fall back to these shares of themselves in earlier years.
_CAREER_YEARS = 6.2
_SPEED_KNOTS = ((2011, 0.72), (2016, 0.82), (2019, 0.90), (2021, 1.05), (2023, 1.0), (2032, 1.0))

_WOMEN = {
    "173/01": 9.0, "182/10": 8.0, "53/35": 3.0, "46/00": 1.5, "79/03": 2.0, "53/02": 1.8,
    "19/08": 0.03, "19/16": 0.03, "20/01": 0.03, "86/02": 0.05, "88/01": 0.03, "34/01": 0.4,
    "28/03": 0.35, "30/02": 0.35, "81/01": 0.2, "81/03": 0.3, "8/26": 0.4, "8/11": 0.5,
}  # fmt: skip
_OF_COMPANIES = {
    "189/01": 12, "190/01": 10, "193/01": 6, "818/01": 14, "814/01": 25, "809/01": 14, "53/01": 2,
    "807/02": 5,
}  # fmt: skip
_NOT_BEFORE_17 = ("Summary motoring",)


@dataclass(frozen=True)
class Cases:
    """The cases of one chunk, ordered by person and time; one element a defendant on a case.

    Attributes:
        person: index into the chunk's people.
        nth: 0 for a person's first case, 1 for the next, …
        number: of the case, over all chunks; co-defendants share it.
        own_number: of this defendant on this case, over all chunks.
        offence_day, charge_day, receipt_day, first_hearing_day, end_day: at the magistrates'
            court; `end_day` is when it was done there, by a result or by sending it on.
        route: MAGISTRATES, FOR_TRIAL, FOR_SENTENCE or APPEAL.
        committed_day: day on which it was sent or committed, NEVER else.
        crown_receipt_day, crown_first_day, crown_end_day: at the Crown Court, NEVER else.
        force: index of the police force; `court` and `crown_court` likewise.
        in_custody: remanded in custody.
    """

    person: Ints
    nth: Ints
    number: Ints
    own_number: Ints
    offence_day: Ints
    charge_day: Ints
    receipt_day: Ints
    first_hearing_day: Ints
    end_day: Ints
    route: Ints
    committed_day: Ints
    crown_receipt_day: Ints
    crown_first_day: Ints
    crown_end_day: Ints
    force: Ints
    court: Ints
    crown_court: Ints
    in_custody: Bools

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Charges:
    """The offences of one chunk's cases, in the order of the cases.

    Attributes:
        case: index into the chunk's cases.
        seq: 1 for the principal offence as charged, 2, …
        number: over all chunks.
        code: index into the offence list.
        day: of the offence.
        plea: NO_PLEA, GUILTY, NOT_GUILTY or UNFIT.
        convicted: found or pleaded guilty, where the case was tried at the magistrates' court.
        crown_convicted: likewise at the Crown Court.
        severity: uniform in [0, 1): how hard the sentence falls.
        chance: uniform in [0, 1): settles what else is left open.
    """

    case: Ints
    seq: Ints
    number: Ints
    code: Ints
    day: Ints
    plea: Ints
    convicted: Bools
    crown_convicted: Bools
    severity: Floats
    chance: Floats

    def __len__(self) -> int:
        return len(self.case)


def draw(seed: int, people: People) -> tuple[Cases, Charges]:
    """Draw the careers of one chunk of people up to the horizon."""
    rng = stream(seed, people.chunk, "careers")
    first_code = _first_offence(rng, people)
    wanted = _number_of_cases(rng, people, first_code)
    person, nth, start = _when(rng, people, wanted)
    code = _principal_offence(rng, people, person, nth, first_code)
    cases = _courts(seed, people, person, nth, start, code)
    cases = _together(seed, people, cases)
    return cases, _charges(seed, people, cases, code)


def _first_offence(rng: np.random.Generator, people: People) -> Ints:
    offences = lists.offences()
    codes = offences.code.to_pylist()
    every = np.arange(len(codes))
    women = np.array([_WOMEN.get(code, 1.0) for code in codes])
    companies = np.array([float(_OF_COMPANIES.get(code, 0)) for code in codes])
    uniform = rng.random(len(people))
    men_draw = lists.Weighted.of(every, offences.magistrates / (0.8 + 0.2 * women))
    drawn = men_draw.pick(uniform)
    for mine, weights in (
        (people.female, offences.magistrates * women),
        (people.is_company, companies),
    ):
        drawn[mine] = lists.Weighted.of(every, weights).pick(uniform[mine])
    return _not_before_17(rng, drawn, people.entered - people.born)


def _not_before_17(rng: np.random.Generator, code: Ints, age_days: Ints) -> Ints:
    """Children do not drive: their motoring and licence offences become others."""
    offences = lists.offences()
    grown_up = np.isin(offences.group, _NOT_BEFORE_17) | np.isin(
        offences.code.to_numpy(zero_copy_only=False), ("173/01", "182/10", "53/35", "94/02")
    )
    for_children = np.flatnonzero(~grown_up)
    other = lists.Weighted.of(for_children, offences.magistrates[for_children])
    return np.where((age_days < 6210) & grown_up[code], other.pick(rng.random(len(code))), code)


def _number_of_cases(rng: np.random.Generator, people: People, first_code: Ints) -> Ints:
    offences = lists.offences()
    returns = np.array([_RETURN_BY_GROUP[group] for group in offences.group])
    codes = offences.code.to_pylist()
    for code, share in _RETURN_BY_OFFENCE.items():
        returns[codes.index(code)] = share
    comes_back = rng.random(len(people)) < returns[first_code]
    theft = np.isin(offences.group[first_code], ("Theft offences", "Robbery"))
    go_on = np.where(theft, _GO_ON_THEFT, _GO_ON) + rng.normal(0, 0.05, len(people))
    go_on = go_on.clip(0.3, 0.93)
    further = np.floor(np.log(rng.random(len(people)).clip(1e-12)) / np.log(go_on)).astype(np.int64)
    number = np.where(comes_back, 2 + further, 1)
    number = np.where(people.is_company, np.minimum(number, 4), number)
    return number.clip(1, _MOST_CASES)


def _when(rng: np.random.Generator, people: People, wanted: Ints) -> tuple[Ints, Ints, Ints]:
    """The cases that begin before the horizon: person, position in the life, first hearing."""
    person = np.repeat(np.arange(len(people)), wanted)
    starts = np.cumsum(wanted) - wanted
    nth = np.arange(len(person)) - starts[person]
    scale = _CAREER_YEARS * 365.25 / (wanted[person] - 0.2)
    gap = np.where(nth == 0, 0.0, 10 + rng.gamma(0.9, scale / 0.9))
    running = np.cumsum(gap)
    since_first = running - running[starts][person]
    day = people.entered[person] + since_first.astype(np.int64)
    end = int(day_of(np.array([HORIZON_YEAR]), np.array([12]), np.array([31]))[0])
    told = day <= end
    return person[told], nth[told], working_day(day[told])


def _principal_offence(
    rng: np.random.Generator, people: People, person: Ints, nth: Ints, first_code: Ints
) -> Ints:
    offences = lists.offences()
    codes = offences.code.to_pylist()
    # Those who come back bring fewer licence and speeding cases than those who do not.
    seldom = np.array([0.25 if code in _RETURN_BY_OFFENCE else 1.0 for code in codes])
    later = lists.Weighted.of(np.arange(len(codes)), offences.magistrates * seldom)
    total = len(person)
    uniform = rng.random(total)
    drawn = later.pick(uniform)
    groups, group_of = np.unique(offences.group, return_inverse=True)
    for index in range(len(groups)):
        members = np.flatnonzero(group_of == index)
        same_again = lists.Weighted.of(members, offences.magistrates[members] * seldom[members])
        mine = group_of[first_code[person]] == index
        drawn[mine] = np.where(
            rng.random(int(mine.sum())) < 0.5, same_again.pick(uniform[mine]), drawn[mine]
        )
    company = people.is_company[person]
    drawn = np.where((nth == 0) | company, first_code[person], drawn)
    age = people.entered[person] - people.born[person] + nth * 60
    return np.where(nth == 0, drawn, _not_before_17(rng, drawn, age))


def _speed(day: Ints) -> Floats:
    years, shares = zip(*_SPEED_KNOTS, strict=True)
    speed: Floats = np.interp(day / 365.25 + 1970, years, shares)
    return speed


def _courts(seed: int, people: People, person: Ints, nth: Ints, start: Ints, code: Ints) -> Cases:
    rng = stream(seed, people.chunk, "courts")
    offences, offices, places = lists.offences(), lists.offices(), lists.places()
    total = len(person)
    kind = offences.kind[code]
    speed = _speed(start)

    def days(median: Floats | float, spread: float) -> Ints:
        return np.ceil(np.exp(rng.normal(0, spread, total)) * median * speed).astype(np.int64)

    summons = np.char.startswith(kind, "Summary")
    charge_day = start - days(np.where(summons, 78.0, 40.0), 0.45)
    before_charge = np.where(summons, 64.0, np.where(offences.crown[code] > 5, 88.0, 46.0))
    offence_day = charge_day - days(before_charge, 1.1) + 1
    offence_day = np.maximum(offence_day, people.born[person] + 3660)
    offence_day = np.where(people.is_company[person], charge_day - days(120.0, 0.6), offence_day)
    offence_day = np.minimum(offence_day, charge_day)
    receipt_day = np.maximum(charge_day, start - days(14.0, 0.5))
    at_once = rng.random(total) < 0.52
    end_day = working_day(start + np.where(at_once, 0, days(46.0, 0.9)))

    # To the Crown Court: how much more often an offence leads there than here, times the ratio.
    share = (offences.crown * 0.112 / offences.magistrates).clip(0, 0.97)
    share = np.where(offences.kind == "Indictable only", 0.97, share)
    to_crown = rng.random(total) < np.where(people.is_company[person], 0.028, share[code])
    sort = rng.random(total)
    indictable = kind == "Indictable only"
    summary = summons & ~indictable
    for_sentence = np.where(indictable, 0.0, 0.30)
    appeal = np.where(indictable, 0.0, np.where(summary, 0.85, 0.07))
    route = np.where(sort < appeal, APPEAL, np.where(sort < appeal + for_sentence, 2, 1))
    route = np.where(to_crown, route, MAGISTRATES)
    end_day = np.where((route == FOR_TRIAL) & (rng.random(total) < 0.75), start, end_day)
    committed_day = np.where((route == FOR_TRIAL) | (route == FOR_SENTENCE), end_day, NEVER)
    crown = route != MAGISTRATES
    receipt = end_day + np.where(route == APPEAL, days(16.0, 0.4), days(2.0, 0.8))
    first = working_day(receipt + days(np.where(route == FOR_TRIAL, 24.0, 28.0), 0.35))
    last = np.where(
        route == FOR_TRIAL,
        np.where(rng.random(total) < 0.16, 0, days(270.0, 0.75)),
        np.where(rng.random(total) < 0.5, 0, days(40.0, 0.6)),
    )
    # Most cases are brought where the person lives.
    home = police_force_of(people, person, start)
    anywhere = places.force[places.everywhere.pick(rng.random(total))]
    force = np.where(rng.random(total) < 0.85, home, anywhere)
    court_at, crown_at = rng.random(total), rng.random(total)
    numbers = people.chunk * CASES_PER_CHUNK + np.arange(total)
    in_custody = rng.random(total) < np.where(
        route == FOR_TRIAL, 0.38, np.where(summary, 0.02, 0.16)
    )
    return Cases(
        person=person,
        nth=nth,
        number=numbers,
        own_number=numbers,
        offence_day=offence_day,
        charge_day=charge_day,
        receipt_day=receipt_day,
        first_hearing_day=start,
        end_day=end_day,
        route=route,
        committed_day=committed_day,
        crown_receipt_day=np.where(crown, receipt, NEVER),
        crown_first_day=np.where(crown, first, NEVER),
        crown_end_day=np.where(crown, working_day(first + last), NEVER),
        force=force,
        court=_of_force(offices.magistrates_of, force, court_at),
        crown_court=_of_force(offices.crown_of, force, crown_at),
        in_custody=in_custody,
    )


def _of_force(courts: tuple[lists.Weighted, ...], force: Ints, uniform: Floats) -> Ints:
    drawn = np.zeros(len(force), dtype=np.int64)
    for index, of_force in enumerate(courts):
        mine = force == index
        drawn[mine] = of_force.pick(uniform[mine])
    return drawn


def _together(seed: int, people: People, cases: Cases) -> Cases:
    """Let some neighbours in place and time, and some twins, stand trial together.

    The one who joins takes over the case: number, days, courts and route.
    """
    rng = stream(seed, people.chunk, "co-defendants")
    total = len(cases)
    order = np.lexsort((cases.number, cases.first_hearing_day, cases.force))
    lead = np.arange(total)
    joins = rng.random(total) < 0.045
    adult = cases.first_hearing_day - people.born[cases.person] >= 18 * 365.25
    before, after = order[:-1], order[1:]
    near = (
        joins[after]
        & ~joins[before]
        & (cases.force[before] == cases.force[after])
        & (cases.person[before] != cases.person[after])
        & (np.abs(cases.first_hearing_day[before] - cases.first_hearing_day[after]) < 120)
        & (adult[before] == adult[after])
        & ~people.is_company[cases.person[before]]
        & ~people.is_company[cases.person[after]]
    )
    lead[after[near]] = before[near]
    # The first case of twins: the hardest pair there is to keep apart.
    begins = np.flatnonzero(cases.nth == 0)
    twin = people.twin[cases.person[begins]]
    elder = begins[(twin > cases.person[begins]) & (rng.random(len(begins)) < 0.15)]
    younger = np.searchsorted(cases.person, people.twin[cases.person[elder]])
    free = (lead[elder] == elder) & ~np.isin(elder, lead[lead != np.arange(total)])
    free &= cases.nth[np.minimum(younger, total - 1)] == 0
    free &= ~np.isin(younger, lead[lead != np.arange(total)])
    lead[younger[free]] = elder[free]
    shared = {
        field: getattr(cases, field)[lead]
        for field in (
            "number", "offence_day", "charge_day", "receipt_day", "first_hearing_day", "end_day",
            "route", "committed_day", "crown_receipt_day", "crown_first_day", "crown_end_day",
            "force", "court", "crown_court",
        )
    }  # fmt: skip
    return replace(cases, **shared)


def _charges(seed: int, people: People, cases: Cases, code: Ints) -> Charges:
    rng = stream(seed, people.chunk, "charges")
    offences = lists.offences()
    # One of a case's leads: co-defendants face the same principal offence.
    lead = cases.number - people.chunk * CASES_PER_CHUNK
    code = code[lead]
    more = (rng.random(len(cases)) < 0.36) * (1 + rng.geometric(0.62, len(cases)) - 1)
    count = (1 + more).clip(1, 40)
    case = np.repeat(np.arange(len(cases)), count)
    starts = np.cumsum(count) - count
    seq = np.arange(len(case)) - starts[case] + 1
    total = len(case)
    # Further offences keep company with the principal one: half of its group, half of any.
    anything = lists.Weighted.of(
        np.arange(len(offences.code)),
        np.where(offences.kind == "Indictable only", 0.02, 1) * offences.magistrates,
    )
    other = anything.pick(rng.random(total))
    _, group_of = np.unique(offences.group, return_inverse=True)
    same_group = group_of[other] == group_of[code[case]]
    again = (rng.random(total) < 0.5) | ~same_group & (rng.random(total) < 0.5)
    charged = np.where((seq == 1) | again, code[case], other)
    charged = np.where(people.is_company[cases.person[case]], code[case], charged)
    day = cases.offence_day[case] + np.where(
        (seq > 1) & (rng.random(total) < 0.4), rng.integers(0, 60, total), 0
    )
    day = np.minimum(day, cases.charge_day[case])
    uniform = rng.random(total)
    crown = np.isin(cases.route[case], (FOR_TRIAL, FOR_SENTENCE))
    guilty = np.where(crown, 0.66, 0.62)
    plea = np.where(uniform < guilty, GUILTY, np.where(uniform < guilty + 0.2, NOT_GUILTY, NO_PLEA))
    plea = np.where((uniform > 0.9985) & crown, UNFIT, plea)
    plea = np.where(cases.route[case] == FOR_SENTENCE, GUILTY, plea)
    found = rng.random(total)
    convicted = (plea == GUILTY) | (found < 0.66)
    crown_convicted = (plea == GUILTY) | ((plea == NOT_GUILTY) & (found < 0.5))
    return Charges(
        case=case,
        seq=seq,
        number=people.chunk * OFFENCES_PER_CHUNK + np.arange(total),
        code=charged,
        day=day,
        plea=plea,
        convicted=convicted,
        crown_convicted=crown_convicted,
        severity=rng.random(total),
        chance=rng.random(total),
    )
