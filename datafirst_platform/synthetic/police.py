"""Police records: offences with their outcomes, and the cautions that never come to a court.

What belongs here: what the police hold of those who offended as children. What does not: what a
court decided (`results.py`) and how the Police National Computer writes it (`pnc.py`).

The share with the Department for Education holds people of three school years whose first caution
or conviction was for an offence before their eighteenth birthday, with all that came afterwards.
Of those of these years who begin later nothing is shared. First offences peak at 15 as published
(Education, children's social care and offending, 2022). Reprimands and final warnings were given
until 8 April 2013 and youth cautions since; how often anybody is cautioned is made up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datafirst_platform.synthetic import careers, lists, population, results
from datafirst_platform.synthetic.careers import Cases, Charges
from datafirst_platform.synthetic.lists import Bools, Ints
from datafirst_platform.synthetic.population import NEVER, People, calendar, stream
from datafirst_platform.synthetic.results import Results

BORN_SINCE, BORN_BEFORE = 9740, 10835
"""1996-09-01 and 1999-09-01: the three school years that ended key stage 4 in 2013 to 2015."""

GUILTY, NOT_GUILTY, DISCONTINUED, CAUTIONED = range(4)

(
    REPRIMAND, FINAL_WARNING, YOUTH_CAUTION, YOUTH_CONDITIONAL_CAUTION, SIMPLE_CAUTION,
    CONDITIONAL_CAUTION, ABSOLUTE_DISCHARGE, CONDITIONAL_DISCHARGE, FINE, COMMUNITY, REFERRAL,
    YOUTH_REHABILITATION, SUSPENDED, CUSTODY, DETENTION_AND_TRAINING, OTHERWISE,
) = range(16)  # fmt: skip
"""Disposals as the police record them; `NO_DISPOSAL` goes with an acquittal."""
NO_DISPOSAL = -1

POLICE, YOUTH, MAGISTRATES, CROWN = range(4)
"""Who disposed of an offence."""

_YEAR = 365.25
_ADULT = 6574
_NO_MORE_REPRIMANDS = 15803
"""2013-04-08: reprimands and final warnings end."""
_UNTIL = 20818
"""2026-12-31: what comes later does not decide who is told of as serious."""

# Not recordable: what the police keep no record of, beside most offences of driving.
_NOT_RECORDED = ("173/01", "166/01", "182/10", "189/01", "190/01", "193/01", "53/35")
_RECORDED_DRIVING = ("803/01", "803/05", "807/01", "802/01", "4/04")

_FIRST_CAUTION_AGE = (15.55, 0.85)
_CAUTIONED_BEFORE_COURT, _CAUTIONED_CHILD_LATER_IN_COURT = 0.72, 0.08
_ONCE_MORE, _TWICE_MORE, _CAUTIONED_AFTER_COURT = 0.30, 0.08, 0.14

_OF_COURT = {
    results.LIFE: CUSTODY, results.CUSTODY: CUSTODY, results.HOSPITAL: OTHERWISE,
    results.DETENTION_AND_TRAINING: DETENTION_AND_TRAINING, results.SUSPENDED: SUSPENDED,
    results.COMMUNITY: COMMUNITY, results.YOUTH_REHABILITATION: YOUTH_REHABILITATION,
    results.REFERRAL: REFERRAL, results.FINE: FINE, results.COMPENSATION: OTHERWISE,
    results.CONDITIONAL_DISCHARGE: CONDITIONAL_DISCHARGE,
    results.ABSOLUTE_DISCHARGE: ABSOLUTE_DISCHARGE, results.OTHERWISE: OTHERWISE,
    results.NO_SEPARATE_PENALTY: OTHERWISE,
}  # fmt: skip
_ACQUITTED = (results.DISMISSED, results.ACQUITTED, results.APPEAL_ALLOWED)
_DISCONTINUED = (results.WITHDRAWN, results.NO_EVIDENCE)


@dataclass(frozen=True)
class Offences:
    """Offences as the police record them, ordered by person and time; one element an offence.

    Attributes:
        person: index into the people they are told with.
        day: of the offence.
        code: index into the offence list.
        adjudication: GUILTY, NOT_GUILTY, DISCONTINUED or CAUTIONED.
        disposal: REPRIMAND, …, or `NO_DISPOSAL`.
        disposal_day: when it was given.
        court: POLICE, YOUTH, MAGISTRATES or CROWN.
        days: length of custody in days, -1 for none.
    """

    person: Ints
    day: Ints
    code: Ints
    adjudication: Ints
    disposal: Ints
    disposal_day: Ints
    court: Ints
    days: Ints

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Offenders:
    """Those of the chunk's own people who offended as children; one element a person.

    Attributes:
        person: index into the chunk's people, rising.
        first_day: of their first offence that came to anything.
        serious: convicted of serious violence some time.
        custody: sentenced to custody some time.
        offences: of them all; `person` is an index into the chunk's people.
    """

    person: Ints
    first_day: Ints
    serious: Bools
    custody: Bools
    offences: Offences

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Records:
    """What the police hold of one chunk: the subjects, and the offences of each.

    Attributes:
        people: the subjects; each has a number in the Police National Computer.
        first_day: of the first offence of each.
        offences: `person` is an index into the subjects.
    """

    people: People
    first_day: Ints
    offences: Offences


def in_cohort(people: People) -> Bools:
    """Who belongs to the school years that are told of."""
    born: Bools = (people.born >= BORN_SINCE) & (people.born < BORN_BEFORE)
    return born & ~people.is_company


def offenders(
    seed: int, people: People, cases: Cases, charges: Charges, decided: Results
) -> Offenders:
    """Find those of one chunk's people who offended as children, and what they did then and later.

    Children of the school years that are told of only.
    """
    rng = stream(seed, people.chunk, "police")
    tried = _tried(people, cases, charges, decided)
    first_conviction = _first_days(tried, len(people))
    cautions, is_child = _cautions_beside(rng, people, first_conviction)
    held = _ordered([tried, cautions], is_child)
    person = np.flatnonzero(is_child)
    convicted = (held.adjudication == GUILTY) & (held.disposal_day <= _UNTIL)
    serious = np.zeros(len(people), dtype=bool)
    serious[held.person[convicted & lists.offences().serious[held.code]]] = True
    custody = np.zeros(len(people), dtype=bool)
    custody[held.person[np.isin(held.disposal, (CUSTODY, DETENTION_AND_TRAINING))]] = True
    return Offenders(
        person=person,
        first_day=_first_days(held, len(people))[person],
        serious=serious[person],
        custody=custody[person],
        offences=held,
    )


def records(seed: int, people: People, known: Offenders, cautioned: People) -> Records:
    """What the police hold: of those before a criminal court, and of those cautioned only.

    Args:
        seed: of the supply.
        people: the chunk's own.
        known: those of them who offended as children.
        cautioned: people who come before no criminal court, but were cautioned as children.
    """
    rng = stream(seed, people.chunk, "cautioned only")
    everybody = population.together([population.chosen(people, known.person), cautioned])
    place = np.full(len(people), -1, dtype=np.int64)
    place[known.person] = np.arange(len(known))
    total = len(cautioned)
    age = rng.normal(15.6, 1.3, total).clip(10.4, 17.9)
    first = cautioned.born + (age * _YEAR).astype(np.int64)
    again = rng.random(total) < 0.18
    later = first + 60 + (rng.gamma(1.5, 300, total)).astype(np.int64)
    who = len(known) + np.concatenate([np.arange(total), np.flatnonzero(again)])
    day = np.concatenate([first, later[again]])
    nth = np.repeat([0, 1], [total, int(again.sum())])
    own = known.offences
    told = Offences(place[own.person], *(getattr(own, name) for name in _AFTER_PERSON))
    every = np.ones(len(everybody), dtype=bool)
    offences = _ordered([told, _cautions(rng, everybody, who, day, nth)], every)
    first_day = _first_days(offences, len(everybody))
    return Records(_numbered(everybody, first_day), first_day, offences)


_AFTER_PERSON = (
    "day", "code", "adjudication", "disposal", "disposal_day", "court", "days",
)  # fmt: skip


def _recorded() -> Bools:
    offences = lists.offences()
    codes = np.array(offences.code.to_pylist())
    driving = np.char.endswith(offences.kind, "motoring") & (offences.kind == "Summary motoring")
    recorded: Bools = ~np.isin(codes, _NOT_RECORDED) & (
        ~driving | np.isin(codes, _RECORDED_DRIVING)
    )
    return recorded


def _tried(people: People, cases: Cases, charges: Charges, decided: Results) -> Offences:
    """Recordable offences of the school years that courts decided, whichever system holds them."""
    case = charges.case
    person = cases.person[case]
    sent = np.isin(cases.route[case], (careers.FOR_TRIAL, careers.FOR_SENTENCE))
    disposal = np.where(sent, decided.crown.disposal, decided.magistrates.disposal)
    quashed = (cases.route[case] == careers.APPEAL) & (
        decided.crown.disposal == results.APPEAL_ALLOWED
    )
    disposal = np.where(quashed, results.APPEAL_ALLOWED, disposal)
    guilty = (disposal >= 0) & (disposal <= results.NO_SEPARATE_PENALTY)
    ended = np.isin(disposal, (*_ACQUITTED, *_DISCONTINUED))
    told = in_cohort(people)[person] & _recorded()[charges.code] & (guilty | ended)
    at = np.flatnonzero(told)
    case, person, sent = case[at], person[at], sent[at]
    youth = cases.first_hearing_day[case] - people.born[person] < _ADULT
    days = np.where(sent, decided.crown.days[at], decided.magistrates.days[at])
    of_court = np.full(results.APPEAL_DISMISSED + 1, NO_DISPOSAL)
    of_court[list(_OF_COURT)] = list(_OF_COURT.values())
    given = of_court[disposal[at]]
    return Offences(
        person=person,
        day=charges.day[at],
        code=charges.code[at],
        adjudication=np.select(
            [guilty[at], np.isin(disposal[at], _ACQUITTED)], [GUILTY, NOT_GUILTY], DISCONTINUED
        ),
        disposal=given,
        disposal_day=np.where(sent, cases.crown_end_day[case], cases.end_day[case]),
        court=np.where(sent, CROWN, np.where(youth, YOUTH, MAGISTRATES)),
        days=np.where(guilty[at], days, -1),
    )


def _first_days(held: Offences, people: int) -> Ints:
    """Day of each person's first offence that came to a caution or conviction, NEVER for none."""
    first = np.full(people, NEVER, dtype=np.int64)
    counts = np.isin(held.adjudication, (GUILTY, CAUTIONED))
    np.minimum.at(first, held.person[counts], held.day[counts])
    return first


def _cautions_beside(
    rng: np.random.Generator, people: People, first_conviction: Ints
) -> tuple[Offences, Bools]:
    """Cautions of those whom a court convicts some time, and who of them offended as a child."""
    total = len(people)
    chance = rng.random((5, total))
    mean, spread = _FIRST_CAUTION_AGE
    age = rng.normal(mean, spread, total).clip(10.4, 17.9)
    first = people.born + (age * _YEAR).astype(np.int64)
    convicted_age = (first_conviction - people.born) / _YEAR
    as_child = convicted_age < 18
    share = np.where(as_child, _CAUTIONED_BEFORE_COURT, _CAUTIONED_CHILD_LATER_IN_COURT)
    before = (first < first_conviction - 40) & (convicted_age < 20) & (chance[0] < share)
    is_child = as_child | before
    room = np.where(before, first_conviction - 20 - first, 0)
    between = first + (room * chance[1]).astype(np.int64)
    after = first_conviction + 100 + (rng.gamma(1.3, 500, total)).astype(np.int64)
    waves = (
        (before, first, 0),
        (before & (chance[2] < _ONCE_MORE), between, 1),
        (before & (chance[3] < _TWICE_MORE), (between + first_conviction - 20) // 2, 2),
        (as_child & (chance[4] < _CAUTIONED_AFTER_COURT), np.where(as_child, after, 0), 2),
    )
    who = np.concatenate([np.flatnonzero(wave) for wave, _, _ in waves])
    day = np.concatenate([days[wave] for wave, days, _ in waves])
    nth = np.concatenate([np.full(int(wave.sum()), number) for wave, _, number in waves])
    return _cautions(rng, people, who, day, nth), is_child


def _cautions(
    rng: np.random.Generator, people: People, who: Ints, day: Ints, nth: Ints
) -> Offences:
    """Cautions for offences of those days; `nth` is 0 for a person's first."""
    offences = lists.offences()
    total = len(who)
    minor = _recorded() & (offences.kind != "Indictable only") & (offences.priority > 28)
    minor &= ~np.char.endswith(offences.kind, "motoring") & (offences.priority != 43)
    codes = np.array(offences.code.to_pylist())
    minor &= ~np.isin(codes, ("66/91", "195/12", "79/03", "80/01", "191/40"))
    minor |= np.char.equal(codes, "92/34") | np.char.equal(codes, "46/00")
    often = lists.Weighted.of(np.flatnonzero(minor), offences.magistrates[minor])
    given = day + np.minimum(rng.gamma(1.2, 32, total), 300).astype(np.int64)
    child = given - people.born[who] < _ADULT
    sort = rng.random(total)
    warned = (nth > 0) | (sort < 0.22)
    reprimand = np.where(warned, FINAL_WARNING, REPRIMAND)
    youth = np.where(sort < 0.24, YOUTH_CONDITIONAL_CAUTION, YOUTH_CAUTION)
    of_child = np.where(given < _NO_MORE_REPRIMANDS, reprimand, youth)
    of_adult = np.where(sort < 0.16, CONDITIONAL_CAUTION, SIMPLE_CAUTION)
    return Offences(
        person=who,
        day=day,
        code=often.pick(rng.random(total)),
        adjudication=np.full(total, CAUTIONED),
        disposal=np.where(child, of_child, of_adult),
        disposal_day=given,
        court=np.full(total, POLICE),
        days=np.full(total, -1),
    )


def _ordered(parts: list[Offences], who: Bools) -> Offences:
    """The offences of some people, by person and time."""
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("person", *_AFTER_PERSON)
    }
    order = np.lexsort(
        (columns["code"], columns["disposal_day"], columns["day"], columns["person"])
    )
    order = order[who[columns["person"][order]]]
    return Offences(**{name: values[order] for name, values in columns.items()})


def _numbered(people: People, first_day: Ints) -> People:
    """Give those a number in the Police National Computer who have none elsewhere."""
    year: Ints = np.maximum(calendar(np.minimum(first_day, _UNTIL))[0], 2006)
    number = year * 10**7 + people.person_id * 618_033 % 9_999_991
    return replace(people, pnc=np.where(people.pnc > 0, people.pnc, number))
