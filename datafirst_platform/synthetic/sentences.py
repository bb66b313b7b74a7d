"""What follows a court's decision: sentences, stays in custody, supervision by probation.

What belongs here: what happened, once, whichever source writes it down. What does not: the
decisions on each charge (`results.py`) and how prison and probation record them (`nomis.py`).

A determinate sentence is served to its half in custody, or to a quarter less where released on
home detention curfew, and to its end on licence; time on remand counts. Under the Offender
Rehabilitation Act 2014 (since 1 February 2015) sentences under two years carry post-sentence
supervision up to a year after release; before, those under a year ended at the release.
Shapes follow published figures: some 9,000 to 10,000 recalls against 13,000 releases in a quarter
of 2024 (Offender management statistics quarterly). Shares without a source are made up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from datafirst_platform.synthetic import careers, lists, results
from datafirst_platform.synthetic.careers import Cases, Charges
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import NEVER, People, stream
from datafirst_platform.synthetic.results import Results

CUSTODY, YOUTH_CUSTODY, SUSPENDED, COMMUNITY, YOUTH_ORDER, FINE, OTHER = range(7)
"""Kinds of sentences, the most severe first."""

REMAND, SENTENCED, RECALL, FINE_DEFAULT = range(4)
"""As what somebody is received into custody."""

BAIL, TO_COURT_NOT_CUSTODY, LICENCE, END_OF_SENTENCE, HDC, ACQUITTED, DIED, TO_COURT = range(8)
"""How a stay in custody ends; TO_COURT: let go at court and received again under sentence."""

COMMUNITY_ORDER, SUSPENDED_ORDER, ON_LICENCE, POST_SENTENCE, ON_YOUTH_ORDER = range(5)
"""Kinds of supervision."""

ORA_DAY = 16467
"""2015-02-01: since then short sentences are followed by supervision."""

_KIND_OF = np.full(results.APPEAL_DISMISSED + 2, -1, dtype=np.int64)  # the last: no decision
_KIND_OF[: results.SENTENCES] = (
    CUSTODY, CUSTODY, YOUTH_CUSTODY, OTHER, SUSPENDED, COMMUNITY, YOUTH_ORDER, YOUTH_ORDER, FINE,
    OTHER, OTHER, OTHER, OTHER,
)  # fmt: skip

_IPP_ENDED = 15677
"""2012-12-03: no sentence of imprisonment for public protection since."""

# Recalls a year on licence, by time; made up to give the published ratio of recalls to releases.
_RECALLS_A_YEAR = ((2011, 1.0), (2015, 1.3), (2018, 1.6), (2021, 2.0), (2024, 4.0), (2032, 4.0))
_RECALLS_AT_MOST = 5

_DEATHS_A_YEAR = 0.045
"""Of those who are in custody for the last time: three to four in a thousand prisoners a year."""

_ADULT_DAYS = 6574
_ORDER_DAYS = lists.Weighted.of(np.array([183, 365, 548, 730]), np.array([0.1, 0.6, 0.2, 0.1]))
_SUSPENDED_FOR = lists.Weighted.of(np.array([365, 548, 730]), np.array([0.45, 0.3, 0.25]))
_YOUTH_ORDER_DAYS = lists.Weighted.of(
    np.array([91, 183, 274, 365, 548]), np.array([0.15, 0.4, 0.15, 0.25, 0.05])
)


@dataclass(frozen=True)
class Sentences:
    """The sentences of one chunk's persons, one a case, ordered by person, day and case.

    Attributes:
        case: index into the chunk's cases.
        person: index into the chunk's people; never an organisation.
        day: of the sentence.
        kind: CUSTODY, YOUTH_CUSTODY, SUSPENDED, COMMUNITY, YOUTH_ORDER, FINE or OTHER.
        days: length as passed; of SUSPENDED the custody held in suspense; -1 where there is none,
            which with CUSTODY is an indeterminate sentence.
        expires: day on which it has run out, licence included (time on remand counts); of orders
            the last day of supervision as ordered; NEVER for indeterminate sentences; the day of
            the sentence for FINE and OTHER.
        offence: index into `lists.offences()`, of `charge`.
        charge: index into the chunk's charges: the one punished most.
        at_crown: passed by the Crown Court.
    """

    case: Ints
    person: Ints
    day: Ints
    kind: Ints
    days: Ints
    expires: Ints
    offence: Ints
    charge: Ints
    at_crown: Bools

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True)
class Spells:
    """Stays in custody from a reception to a release, ordered by person and time.

    One person's spells never overlap; one may be received on the day of the release before.

    Attributes:
        person: index into the chunk's people.
        journey: number within the chunk of the custodial journey: recalls, and receptions at most
            a day after a release, go on with the journey before.
        nth: 0 for the first spell of a journey, 1 for the next, …
        received_day: day of the reception.
        received_as: REMAND, SENTENCED, RECALL or FINE_DEFAULT.
        released_day: day of the release, NEVER where there is none.
        released_as: BAIL, TO_COURT_NOT_CUSTODY, LICENCE, END_OF_SENTENCE, HDC, ACQUITTED, DIED or
            TO_COURT.
        sentence: index into `Sentences` of the one that lasts longest, -1 for none.
        case: index into the chunk's cases of what led to the reception.
        establishment_in: index into `lists.establishments()`; `establishment_out` likewise.
    """

    person: Ints
    journey: Ints
    nth: Ints
    received_day: Ints
    received_as: Ints
    released_day: Ints
    released_as: Ints
    sentence: Ints
    case: Ints
    establishment_in: Ints
    establishment_out: Ints

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Supervisions:
    """Periods of supervision in the community, ordered by sentence, then kind.

    Attributes:
        person: index into the chunk's people.
        sentence: index into `Sentences`.
        spell: index into `Spells` of the stay it followed, -1 for orders.
        kind: COMMUNITY_ORDER, SUSPENDED_ORDER, ON_LICENCE, POST_SENTENCE or ON_YOUTH_ORDER.
        start_day: first day.
        end_day: last day, NEVER for life licences.
        recalls: how often the person was recalled to custody meanwhile.
        breached: a court found it breached; it may have gone on.
    """

    person: Ints
    sentence: Ints
    spell: Ints
    kind: Ints
    start_day: Ints
    end_day: Ints
    recalls: Ints
    breached: Bools

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Grounds:
    """Reasons to be in custody, of which several may hold at once; ordered by person and time.

    Attributes:
        person: index into the chunk's people.
        start: first day; `end` is the day on which it lets go, NEVER for never.
        received_as: REMAND, SENTENCED, RECALL or FINE_DEFAULT.
        released_as: how somebody leaves whom nothing else holds.
        sentence: index into `Sentences`, -1 for remand that leads to none in custody.
        case: index into the chunk's cases.
        apart: recorded as a new reception even where the ground before ended just then.
        spell: index into `Spells` of the stay it belongs to, -1 until that is settled.
    """

    person: Ints
    start: Ints
    end: Ints
    received_as: Ints
    released_as: Ints
    sentence: Ints
    case: Ints
    apart: Bools
    spell: Ints

    def __len__(self) -> int:
        return len(self.person)

    @classmethod
    def of(
        cls,
        person: Ints,
        start: Ints,
        end: Ints,
        received_as: int,
        released_as: Ints,
        sentence: Ints,
        case: Ints,
        apart: Bools | None = None,
    ) -> Grounds:
        """Grounds of one sort that belong to no stay yet."""
        total = len(person)
        return cls(
            person=person,
            start=start,
            end=end,
            received_as=np.full(total, received_as),
            released_as=released_as,
            sentence=sentence,
            case=case,
            apart=np.zeros(total, dtype=bool) if apart is None else apart,
            spell=np.full(total, -1),
        )

    def ordered(self) -> Grounds:
        """By person, then time; what is recorded apart stands last of a day."""
        return _picked(self, np.lexsort((self.case, self.apart, self.start, self.person)))

    def plus(self, *others: Grounds) -> Grounds:
        """These and others, in no particular order."""
        every = (self, *others)
        return Grounds(
            *(np.concatenate([getattr(each, at.name) for each in every]) for at in fields(self))
        )


_Rows = TypeVar("_Rows", Sentences, Supervisions, Grounds)


def draw(
    seed: int, people: People, cases: Cases, charges: Charges, decided: Results
) -> tuple[Sentences, Spells, Grounds, Supervisions]:
    """Draw what followed the decisions on one chunk's cases, up to whenever it ends."""
    rng = stream(seed, people.chunk, "sentences")
    sentences = _sentences(rng, people, cases, charges, decided)
    remands = _remands(rng, people, cases, sentences)
    sentences, served = _served(rng, people, cases, sentences, remands)
    grounds = remands.plus(served, _fine_defaults(rng, sentences))
    grounds = grounds.plus(_recalls(rng, sentences, grounds.ordered())).ordered()
    grounds, spells = _spells(rng, people, cases, sentences, grounds)
    supervisions = _supervisions(rng, people, sentences, spells, grounds)
    return sentences, spells, grounds, supervisions


def custodial(decided: Results, cases: Cases, charges: Charges) -> tuple[Bools, Ints]:
    """Which charges were punished by custody at once, and its days (-1: indeterminate)."""
    disposal, days, _ = _deciding(decided, cases, charges)
    kind = _KIND_OF[disposal]
    return (kind == CUSTODY) | (kind == YOUTH_CUSTODY), days


def _deciding(decided: Results, cases: Cases, charges: Charges) -> tuple[Ints, Ints, Bools]:
    """Disposal and days of each charge by the court that had the last word on it."""
    at_crown = np.isin(cases.route[charges.case], (careers.FOR_TRIAL, careers.FOR_SENTENCE))
    disposal = np.where(at_crown, decided.crown.disposal, decided.magistrates.disposal)
    return disposal, np.where(at_crown, decided.crown.days, decided.magistrates.days), at_crown


def decision_day(cases: Cases) -> Ints:
    """The day on which each case was decided by the court that had the last word on it."""
    at_crown = np.isin(cases.route, (careers.FOR_TRIAL, careers.FOR_SENTENCE))
    return np.where(at_crown, cases.crown_end_day, cases.end_day)


def _picked(rows: _Rows, at: Ints) -> _Rows:
    return type(rows)(*(getattr(rows, each.name)[at] for each in fields(rows)))


def _sentences(
    rng: np.random.Generator, people: People, cases: Cases, charges: Charges, decided: Results
) -> Sentences:
    """What each case led to as a whole: the heaviest charge's sentence, and custody in a row."""
    disposal, days, at_crown = _deciding(decided, cases, charges)
    kind = _KIND_OF[disposal]
    passed = np.flatnonzero((kind >= 0) & ~people.is_company[cases.person[charges.case]])
    severity = np.where(disposal == results.LIFE, -1, kind)[passed]
    order = np.lexsort((charges.number[passed], -days[passed], severity, charges.case[passed]))
    passed = passed[order]
    case = charges.case[passed]
    leads = np.ones(len(passed), dtype=bool)
    leads[1:] = case[1:] != case[:-1]
    principal = passed[leads]
    # Custody in a row: the heaviest charge's, then that of each consecutive one.
    which = np.cumsum(leads) - 1
    adds = leads | (decided.consecutive[passed] & (kind[passed] == kind[principal][which]))
    adds &= np.isin(kind[passed], (CUSTODY, YOUTH_CUSTODY, SUSPENDED)) & (days[passed] > 0)
    total = np.zeros(len(principal), dtype=np.int64)
    np.add.at(total, which[adds], days[passed][adds])
    kind = kind[principal]
    total = np.where(days[principal] > 0, total, -1)
    of_order = np.where(
        kind == COMMUNITY,
        _ORDER_DAYS.pick(rng.random(len(kind))),
        _YOUTH_ORDER_DAYS.pick(rng.random(len(kind))),
    )
    total = np.where(np.isin(kind, (COMMUNITY, YOUTH_ORDER)), of_order, total)
    case = charges.case[principal]
    day = decision_day(cases)[case]
    held_for = _SUSPENDED_FOR.pick(rng.random(len(kind)))
    runs = np.where(kind == SUSPENDED, held_for, np.maximum(total, 0))
    by_time = np.lexsort((case, day, cases.person[case]))
    drawn = Sentences(
        case=case,
        person=cases.person[case],
        day=day,
        kind=kind,
        days=total,
        expires=day + runs,
        offence=charges.code[principal],
        charge=principal,
        at_crown=at_crown[principal],
    )
    return _picked(drawn, by_time)


def _remands(
    rng: np.random.Generator, people: People, cases: Cases, sentences: Sentences
) -> Grounds:
    """Custody from the first hearing to the decision, or to bail on the way."""
    decided = decision_day(cases)
    held = cases.in_custody & ~people.is_company[cases.person]
    case = np.flatnonzero(held & (decided > cases.first_hearing_day + 1))
    start, wait = cases.first_hearing_day[case], (decided - cases.first_hearing_day)[case]
    # Custody time limits: who waits long for a trial is mostly bailed.
    bailed = rng.random(len(case)) < np.where(wait > 182, 0.55, 0.16)
    on_bail = start + 1 + (rng.random(len(case)) * np.minimum(wait - 1, 182)).astype(np.int64)
    sentence = np.full(len(cases), -1, dtype=np.int64)
    sentence[sentences.case] = np.arange(len(sentences))
    sentence = sentence[case]
    kind = lists.values_at(sentences.kind, sentence, -1)
    to_custody = np.isin(kind, (CUSTODY, YOUTH_CUSTODY)) & ~bailed
    freed = np.where(kind < 0, ACQUITTED, np.where(to_custody, LICENCE, TO_COURT_NOT_CUSTODY))
    return Grounds.of(
        person=cases.person[case],
        start=start,
        end=np.where(bailed, on_bail, decided[case]),
        received_as=REMAND,
        released_as=np.where(bailed, BAIL, freed),
        sentence=np.where(to_custody, sentence, -1),
        case=case,
    )


def _served(
    rng: np.random.Generator,
    people: People,
    cases: Cases,
    sentences: Sentences,
    remands: Grounds,
) -> tuple[Sentences, Grounds]:
    """Time in custody under sentence, one after the other where a sentence adds to another.

    Returns:
        The sentences with the day on which custodial ones expire, and the stays.
    """
    of = np.flatnonzero(np.isin(sentences.kind, (CUSTODY, YOUTH_CUSTODY)))
    total = len(of)
    person, day, days = sentences.person[of], sentences.day[of], sentences.days[of]
    on_remand = np.zeros(len(cases), dtype=np.int64)
    on_remand[remands.case] = remands.end - remands.start
    credit = on_remand[sentences.case[of]]
    group = lists.offences().group[sentences.offence[of]]
    violent = np.isin(group, ("Violence against the person", "Sexual offences", "Robbery"))
    adult = day - people.born[person] >= _ADULT_DAYS
    early = adult & (days >= 84) & (days < 1461) & (rng.random(total) < np.where(violent, 0, 0.3))
    custody = days - days // 2 - np.where(early, np.minimum(135, days // 4), 0)
    tariff = (365.25 * rng.uniform(11, 26, total)).astype(np.int64)
    protective = (day < _IPP_ENDED) & (days > 1460) & violent & (rng.random(total) < 0.35)
    custody = np.where(protective, days, np.where(days < 0, tariff, custody))
    adds = rng.random(total) < 0.5
    # How many custodial sentences a person had before: each step takes one of every person.
    first = np.ones(total, dtype=bool)
    first[1:] = person[1:] != person[:-1]
    rank = np.arange(total) - np.maximum.accumulate(np.where(first, np.arange(total), 0))
    until = np.zeros(len(people), dtype=np.int64)
    begins, ends = day.copy(), day.copy()
    for step in range(int(rank.max(initial=-1)) + 1):
        now = np.flatnonzero(rank == step)
        before = until[person[now]]
        begins[now] = np.where(adds[now] & (before > day[now]), before, day[now])
        ends[now] = np.maximum(begins[now] + custody[now] - credit[now], day[now])
        until[person[now]] = np.maximum(before, ends[now])
    expires = np.maximum(begins + days - 1 - credit, ends)
    indeterminate = protective | (days < 0)
    expires_of = sentences.expires.copy()
    expires_of[of] = np.where(indeterminate, NEVER, expires)
    days_of = sentences.days.copy()
    days_of[of] = np.where(indeterminate, -1, days)
    told = replace(sentences, expires=expires_of, days=days_of)
    licence = has_licence(told)[of]
    freed = np.where(early, HDC, np.where(licence & (expires_of[of] > ends), LICENCE, 3))
    # Some are let go at court and received again on that day or the next.
    again = (credit > 0) & (rng.random(total) < 0.25)
    start = np.where(again & (rng.random(total) < 0.5), day + 1, day)
    stays = ends > start
    return told, Grounds.of(
        person=person[stays],
        start=start[stays],
        end=ends[stays],
        received_as=SENTENCED,
        released_as=freed[stays],
        sentence=of[stays],
        case=sentences.case[of][stays],
        apart=again[stays],
    )


def has_licence(sentences: Sentences) -> Bools:
    """Which sentences are followed by supervision of the probation service after release."""
    long = (sentences.days < 0) | (sentences.days >= 365) | (sentences.day >= ORA_DAY)
    licensed: Bools = (sentences.kind == CUSTODY) & long
    return licensed


def _fine_defaults(rng: np.random.Generator, sentences: Sentences) -> Grounds:
    """A few who do not pay their fine."""
    chance, wait, length = rng.random((3, len(sentences)))
    of = np.flatnonzero((sentences.kind == FINE) & (chance < 0.003))
    start = sentences.day[of] + 150 + (wait[of] * 400).astype(np.int64)
    return Grounds.of(
        person=sentences.person[of],
        start=start,
        end=start + 5 + (length[of] * 23).astype(np.int64),
        received_as=FINE_DEFAULT,
        released_as=np.full(len(of), END_OF_SENTENCE),
        sentence=of,
        case=sentences.case[of],
    )


def _stays(grounds: Grounds) -> tuple[Ints, Ints]:
    """Overlapping grounds joined: number of the stay of each, and where each stay begins.

    The grounds must be ordered.
    """
    # Shifted by its person, each end is later than all of the persons before.
    shift = grounds.person * (NEVER << 2)
    reach = np.maximum.accumulate(grounds.end + shift)
    opens = np.ones(len(reach), dtype=bool)
    start = grounds.start + shift
    opens[1:] = (start[1:] > reach[:-1]) | ((start[1:] == reach[:-1]) & grounds.apart[1:])
    return np.cumsum(opens) - 1, np.flatnonzero(opens)


def _best(stay: Ints, value: Ints) -> Ints:
    """Of each stay the position of its highest value, the last of several."""
    order = np.lexsort((np.arange(len(stay)), value, stay))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = stay[order][1:] != stay[order][:-1]
    return order[last]


def _recalls(rng: np.random.Generator, sentences: Sentences, grounds: Grounds) -> Grounds:
    """Recalls to custody of those on licence, again and again while it lasts."""
    stay, opens = _stays(grounds)
    longest = _best(stay, lists.values_at(sentences.expires, grounds.sentence, -1))
    sentence = grounds.sentence[longest]
    person = grounds.person[opens]
    freed = grounds.end[_best(stay, grounds.end)]
    kind = lists.values_at(sentences.kind, sentence, -1)
    licensed = (kind == YOUTH_CUSTODY) | (
        lists.values_at(has_licence(sentences).astype(np.int64), sentence, 0) > 0
    )
    until = lists.values_at(sentences.expires, sentence, -1)
    # At the next reception the new case takes over.
    following = np.full(len(opens), NEVER, dtype=np.int64)
    same = person[1:] == person[:-1]
    following[:-1][same] = grounds.start[opens][1:][same]
    at_risk = np.minimum(until, following)
    short = until - lists.values_at(sentences.day, sentence, 0) < 365
    years, rates = zip(*_RECALLS_A_YEAR, strict=True)
    made = []
    free_since = freed
    active = licensed
    for _ in range(_RECALLS_AT_MOST):
        wait, fixed, length = rng.random((3, len(opens)))
        rate = np.interp(free_since / 365.25 + 1970, years, rates)
        rate = np.where(kind == YOUTH_CUSTODY, rate / 4, rate)
        day = free_since + 2 + (-np.log1p(-wait) / rate * 365.25).astype(np.int64)
        active = active & (day < at_risk)
        term = np.where(short, 14, 28)
        rest = np.minimum(until - day, 3000)
        standard = np.minimum(rest, (20 + rest * (0.25 + 0.75 * length)).astype(np.int64))
        back = day + np.where(fixed < np.where(short, 0.8, 0.35), np.minimum(term, rest), standard)
        at = np.flatnonzero(active)
        made.append(
            Grounds.of(
                person=person[at],
                start=day[at],
                end=np.maximum(back[at], day[at] + 1),
                received_as=RECALL,
                released_as=np.where(back[at] < until[at], LICENCE, END_OF_SENTENCE),
                sentence=sentence[at],
                case=sentences.case[sentence[at]],
            )
        )
        free_since = np.where(active, np.maximum(back, day + 1), free_since)
    return made[0].plus(*made[1:])


def _spells(
    rng: np.random.Generator,
    people: People,
    cases: Cases,
    sentences: Sentences,
    grounds: Grounds,
) -> tuple[Grounds, Spells]:
    """Stays as recorded, and the grounds with the stay each belongs to."""
    stay, opens = _stays(grounds)
    last = _best(stay, grounds.end)
    longest = _best(stay, lists.values_at(sentences.expires, grounds.sentence, -1))
    person, received = grounds.person[opens], grounds.start[opens]
    received_as = grounds.received_as[opens]
    released, released_as = grounds.end[last], grounds.released_as[last]
    same = np.zeros(len(opens), dtype=bool)
    same[1:] = person[1:] == person[:-1]
    gap = np.full(len(opens), NEVER, dtype=np.int64)
    gap[1:] = received[1:] - released[:-1]
    # Let go at court under a sentence that keeps them: received again at once.
    again = np.zeros(len(opens), dtype=bool)
    again[:-1] = same[1:] & grounds.apart[opens][1:] & (gap[1:] <= 1)
    released_as = np.where(again, TO_COURT, released_as)
    # Whoever dies in custody has no later case: careers are drawn before.
    ends_life = np.ones(len(opens), dtype=bool)
    ends_life[:-1] = ~same[1:]
    last_case = np.full(len(people), -NEVER, dtype=np.int64)
    np.maximum.at(last_case, cases.person, decision_day(cases))
    ends_life &= last_case[person] <= received
    stayed = np.minimum(released - received, 12_000)
    dies = ends_life & (rng.random(len(opens)) < _DEATHS_A_YEAR * stayed / 365.25)
    died = received + 1 + (rng.random(len(opens)) * (stayed - 1)).astype(np.int64)
    released = np.where(dies, died, released)
    continues = same & ((received_as == RECALL) | (gap <= 1))
    journey = np.cumsum(~continues) - 1
    begins = np.flatnonzero(~continues)
    sentence = grounds.sentence[longest]
    case = grounds.case[opens]
    into, out = _establishments(
        rng, people, person, received, released, sentences, sentence, cases.force[case]
    )
    spells = Spells(
        person=person,
        journey=journey,
        nth=np.arange(len(opens)) - begins[journey],
        received_day=received,
        received_as=received_as,
        released_day=released,
        released_as=np.where(dies, DIED, released_as),
        sentence=sentence,
        case=case,
        establishment_in=into,
        establishment_out=out,
    )
    return replace(grounds, spell=stay), spells


def _establishments(
    rng: np.random.Generator,
    people: People,
    person: Ints,
    received: Ints,
    released: Ints,
    sentences: Sentences,
    sentence: Ints,
    force: Ints,
) -> tuple[Ints, Ints]:
    """Where somebody is received, and where they are released from."""
    prisons = lists.establishments()
    total = len(person)
    age = (received - people.born[person]) / 365.25
    female = people.female[person]
    chance, first, later = rng.random((3, total))
    local = np.zeros(total, dtype=np.int64)
    for index, serving in enumerate(prisons.local_of):
        mine = force == index
        local[mine] = serving.pick(first[mine])

    def of(purpose: str, uniform: Floats) -> Ints:
        picked = prisons.of_purpose[purpose].pick(uniform)
        built = prisons.opened[picked] < received // 365 + 1970
        return np.where(built, picked, prisons.always[purpose])

    into = np.where(female, of("women", first), np.where(age < 18, of("youth", first), local))
    days = lists.values_at(sentences.days, sentence, 0)
    long = (days < 0) | (days >= 1461)
    stays = np.minimum(released, NEVER - 1) - received > 70
    moves = stays & (sentence >= 0)
    away = np.where(
        long & (chance < 0.15),
        of("high security", later),
        np.where(
            (days < 0) | (days > 540) & (chance > 0.75), of("open", later), of("trainer", later)
        ),
    )
    away = np.where((age < 21) & ~long, of("young adult", later), away)
    women = np.where(chance > 0.8, of("women open", later), of("women", later))
    away = np.where(female, women, np.where(age < 18, of("youth", later), away))
    return into, np.where(moves, away, into)


def _supervisions(
    rng: np.random.Generator,
    people: People,
    sentences: Sentences,
    spells: Spells,
    grounds: Grounds,
) -> Supervisions:
    """Orders of courts, licences, and what follows them."""
    total = len(sentences)
    dead = np.full(len(people), NEVER, dtype=np.int64)
    died = spells.released_as == DIED
    dead[spells.person[died]] = spells.released_day[died]
    of_order = np.full(7, -1)
    of_order[[SUSPENDED, COMMUNITY, YOUTH_ORDER]] = SUSPENDED_ORDER, COMMUNITY_ORDER, ON_YOUTH_ORDER
    ordered = np.flatnonzero(of_order[sentences.kind] >= 0)
    breach, ends_early = rng.random((2, total))
    # Custody for a new offence ends an order.
    custody = np.flatnonzero(np.isin(sentences.kind, (CUSTODY, YOUTH_CUSTODY)))
    stamp = sentences.person * (NEVER << 1) + sentences.day
    at = np.searchsorted(stamp[custody], stamp[ordered], side="right")
    to_custody = np.append(custody, 0)[at]
    meets = (at < len(custody)) & (sentences.person[to_custody] == sentences.person[ordered])
    revoked = np.where(meets, sentences.day[to_custody], NEVER)
    end = sentences.expires[ordered]
    broken = (revoked < end) | (breach[ordered] < 0.16)
    soon = breach[ordered] < 0.06
    cut = sentences.day[ordered] + 30 + (ends_early[ordered] * (end - sentences.day[ordered]) * 0.8)
    end = np.minimum(np.where(soon, np.minimum(end, cut.astype(np.int64)), end), revoked)

    # The stay a sentence was released from; a sentence served on remand has that stay.
    freed_from = np.full(total, -1, dtype=np.int64)
    first = (grounds.sentence >= 0) & (grounds.received_as != RECALL)
    np.maximum.at(freed_from, grounds.sentence[first], grounds.spell[first])
    released = lists.values_at(spells.released_day, freed_from, NEVER)
    out = np.flatnonzero(
        has_licence(sentences) & (freed_from >= 0) & (released < sentences.expires)
    )
    alive = released[out] < dead[sentences.person[out]]
    out = out[alive]
    recalled = np.flatnonzero(spells.received_as == RECALL)
    clock = spells.person[recalled] * (NEVER << 1) + spells.received_day[recalled]
    shift = sentences.person[out] * (NEVER << 1)
    recalls = np.searchsorted(clock, shift + sentences.expires[out]) - np.searchsorted(
        clock, shift + released[out], side="right"
    )
    short = (sentences.days > 1) & (sentences.days < 730) & (sentences.day >= ORA_DAY)
    after = out[short[out] & (released[out] + 365 > sentences.expires[out])]
    counts = len(ordered), len(out), len(after)
    sentence = np.concatenate([ordered, out, after])
    person = sentences.person[sentence]
    kind = np.concatenate(
        [of_order[sentences.kind[ordered]], np.full(counts[1], ON_LICENCE), np.full(counts[2], 3)]
    )
    drawn = Supervisions(
        person=person,
        sentence=sentence,
        spell=np.concatenate([np.full(counts[0], -1), freed_from[out], freed_from[after]]),
        kind=kind,
        start_day=np.concatenate(
            [sentences.day[ordered], released[out], sentences.expires[after] + 1]
        ),
        end_day=np.minimum(
            np.concatenate([end, sentences.expires[out], released[after] + 365]), dead[person]
        ),
        recalls=np.concatenate([np.zeros(counts[0], np.int64), recalls, np.zeros_like(after)]),
        breached=np.concatenate([broken, np.zeros(counts[1], dtype=bool), breach[after] < 0.12]),
    )
    keep = np.flatnonzero(drawn.start_day <= drawn.end_day)
    keep = keep[np.lexsort((kind[keep], sentence[keep]))]
    return _picked(drawn, keep)
