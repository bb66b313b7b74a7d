"""Social care: what local authorities do for the pupils who are in need.

What belongs here: episodes of need, child protection plans and episodes of care. What does not: who
a pupil is (`pupils.py`), the family courts (`family_cases.py`) and what is delivered (`csc.py`).

Of those sentenced to custody 42 % had been children in need and 18 % looked after (Office for
National Statistics, 2022), as far as their records lead to a pupil: about one child in eight has
no pupil's number. Whom a family court is asked to take into care is in need by then, and nobody
is under a care order since 2011 of whom no family court tells. Other shares are made up, near what
is common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datafirst_platform.synthetic import family_cases, lists
from datafirst_platform.synthetic.family_cases import FamilyLives
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import NEVER, stream
from datafirst_platform.synthetic.pupils import IN_CUSTODY, Pupils, met

NEEDS = ("N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8", "N9", "N0")
ABUSE = ("NEG", "EMO", "PHY", "SAB", "MUL")
SOURCES = (
    "1A", "1B", "1C", "1D", "2A", "2B", "3A", "3B", "3C", "3D", "3E", "3F", "4", "5A", "5B", "5C",
    "6", "7", "8", "9", "10",
)  # fmt: skip
CLOSURES = ("RC1", "RC2", "RC3", "RC4", "RC5", "RC6", "RC7", "RC8", "RC9")
BEGINNINGS = ("S", "L", "P", "T", "B", "U")
STATUSES = ("C1", "C2", "V2", "V4", "J1", "J2", "J3", "L1", "L2")
PLACEMENTS = (
    "F1", "F2", "F3", "F5", "F6", "U1", "U3", "U4", "U5", "U6", "H5", "K1", "K2", "P1", "P2", "R1",
    "R5", "S1", "Z1", "T4",
)  # fmt: skip
ENDINGS = ("X1", "E3", "E4A", "E4B", "E13", "E41", "E45", "E5", "E6", "E17", "E7", "E8", "E9")

# By offending: never, without custody, with custody.
_IN_NEED = np.array([0.105, 0.32, 0.485])
_LOOKED_AFTER = np.array([0.085, 0.26, 0.445])
"""Of those in need."""
_PROTECTED = np.array([0.16, 0.20, 0.22])
"""Likewise, but for those looked after, of whom more are."""
_PROTECTED_AND_LOOKED_AFTER = 0.42
_TAKEN_BY_COURT = 0.62
"""Share looked after of those a family court is asked about."""
_NO_PUPIL_NUMBER = 0.12

_YEAR = 365.25
_RECORDED_SINCE = 13970
"""2008-04-01: episodes of need are recorded; plans a year later."""
_COURTS_TELL_SINCE = 14975
"""2011-01-01: family cases are held."""
_LATER_FOSTER_CODES = 16526
"""2015-04-01: codes of foster placements change."""

_NEED_WEIGHTS = np.array([52, 8, 4, 9, 17, 3, 0.4, 3, 1.2, 2.4])
_NEED_WEIGHTS_IN_TROUBLE = np.array([42, 3, 3, 9, 18, 19, 0.3, 3, 0.8, 1.9])
_SOURCE_WEIGHTS = np.array([
    9, 2, 1, 3, 16, 2, 2, 3, 1, 2, 4, 3, 2, 6, 5, 2, 26, 3, 3, 2, 3,
])  # fmt: skip
_CLOSURE_WEIGHTS = np.array([0, 0.05, 0.6, 0.6, 5, 2, 58, 24, 9.75])


@dataclass(frozen=True)
class Needs:
    """Episodes of need, ordered by pupil and time.

    Attributes:
        pupil: index into the pupils.
        authority: index into `lists.schools().authority`.
        referred_day: on which.
        closed_day: NEVER for never.
        need: index into `NEEDS`.
        source: index into `SOURCES`, -1 for none.
        closure: index into `CLOSURES`.
    """

    pupil: Ints
    authority: Ints
    referred_day: Ints
    closed_day: Ints
    need: Ints
    source: Ints
    closure: Ints


@dataclass(frozen=True)
class Plans:
    """Child protection plans, ordered by pupil; `category` is an index into `ABUSE`."""

    pupil: Ints
    authority: Ints
    start_day: Ints
    end_day: Ints
    category: Ints


@dataclass(frozen=True)
class Stays:
    """Episodes of care, ordered by pupil and time: each in one placement under one legal status.

    Attributes:
        pupil: index into the pupils.
        authority: index into `lists.schools().authority`.
        start_day, end_day: an episode that follows another begins on the day that ends.
        beginning: index into `BEGINNINGS`; `status`, `need`, `placement` and `ending` likewise.
    """

    pupil: Ints
    authority: Ints
    start_day: Ints
    end_day: Ints
    beginning: Ints
    status: Ints
    need: Ints
    placement: Ints
    ending: Ints


@dataclass(frozen=True)
class Care:
    """What social care does for one chunk's pupils.

    Attributes:
        needs, plans, stays: see there.
        has_number: of each pupil, whether social care knows the pupil's number.
    """

    needs: Needs
    plans: Plans
    stays: Stays
    has_number: Bools


@dataclass(frozen=True)
class _Children:
    """The pupils in need; one element each.

    `care_day` and `care_end` are NEVER of those not looked after; `court_day` and `order_day` are
    of the first case in which a family court is asked to take them into care, NEVER for none.
    """

    pupil: Ints
    born: Ints
    offending: Ints
    need: Ints
    court_day: Ints
    order_day: Ints
    care_day: Ints
    care_end: Ints

    def __len__(self) -> int:
        return len(self.pupil)


def draw(seed: int, family: FamilyLives, pupils: Pupils) -> Care:
    """Draw what social care does for one chunk's pupils."""
    rng = stream(seed, pupils.people.chunk, "social care")
    children = _in_need(rng, family, pupils)
    needs = _needs(rng, pupils, children)
    return Care(
        needs=needs,
        plans=_plans(rng, children, needs),
        stays=_stays(rng, pupils, children),
        has_number=rng.random(len(pupils)) >= _NO_PUPIL_NUMBER,
    )


def _asked_of_court(family: FamilyLives, pupils: Pupils) -> tuple[Ints, Ints]:
    """Days of each pupil's first care case and of its final order, NEVER for none."""
    total = len(pupils)
    cases, roles = family.cases, family.roles
    told = pupils.household >= 0
    size = int(max(roles.person.max(initial=0), pupils.household.max(initial=0))) + 1
    place = np.full(size, -1, dtype=np.int64)
    place[pupils.household[told]] = np.flatnonzero(told)
    mine = (roles.part == family_cases.CHILD) & (cases.kind[roles.case] == family_cases.PUBLIC)
    mine &= place[roles.person] >= 0
    pupil, case = place[roles.person[mine]], roles.case[mine]
    # The first case of each stands first.
    order = np.lexsort((cases.receipt_day[case], pupil))
    pupil, first = np.unique(pupil[order], return_index=True)
    case = case[order][first]
    asked, decided = (np.full(total, NEVER, dtype=np.int64) for _ in range(2))
    asked[pupil] = cases.receipt_day[case]
    made = cases.disposal[case] == family_cases.MADE
    decided[pupil] = np.where(made, cases.final_day[case], NEVER)
    return asked, decided


def _in_need(rng: np.random.Generator, family: FamilyLives, pupils: Pupils) -> _Children:
    total = len(pupils)
    asked, decided = _asked_of_court(family, pupils)
    by_court = asked < NEVER
    in_need = met(rng, pupils, _IN_NEED[pupils.offending], 0.5) | by_court
    share = np.where(by_court, _TAKEN_BY_COURT, _LOOKED_AFTER[pupils.offending])
    taken = in_need & (rng.random(total) < share)
    born = pupils.people.born
    adult = born + round(18 * _YEAR)
    # Care begins any time; before 2005 nothing is recorded of it.
    earliest = np.maximum(born + 200, _RECORDED_SINCE - 900)
    begins = earliest + ((adult - 200 - earliest) * rng.beta(1.1, 1.2, total)).astype(np.int64)
    begins = np.where(by_court, asked - rng.integers(0, 25, total), begins)
    short = rng.random(total) < 0.36
    lasts = np.where(short, rng.gamma(1.2, 60, total), rng.gamma(1.3, 780, total)) + 6
    # An interim order stands until the court has decided.
    lasts = np.where(by_court & (decided < NEVER), lasts + decided - asked, lasts)
    ends = np.minimum(begins + lasts.astype(np.int64), adult)
    taken &= begins < adult - 10
    troubled = lists.Weighted.of(np.arange(len(NEEDS)), _NEED_WEIGHTS_IN_TROUBLE)
    need = lists.Weighted.of(np.arange(len(NEEDS)), _NEED_WEIGHTS).pick(rng.random(total))
    need = np.where(pupils.offending > 0, troubled.pick(rng.random(total)), need)
    need = np.where(by_court & (rng.random(total) < 0.7), 0, need)
    at = np.flatnonzero(in_need)
    return _Children(
        pupil=at,
        born=born[at],
        offending=pupils.offending[at],
        need=need[at],
        court_day=asked[at],
        order_day=decided[at],
        care_day=np.where(taken, begins, NEVER)[at],
        care_end=np.where(taken, ends, NEVER)[at],
    )


def _authority(pupils: Pupils, pupil: Ints, day: Ints) -> Ints:
    """Authority of the home on those days; that of a later home where it is not in England."""
    homes = pupils.people.addresses
    schools = lists.schools()
    found = np.full(len(pupil), -1, dtype=np.int64)
    for later in (0, 700, 1800, 3650):
        current = (homes.since[pupil] <= (day + later)[:, None]).sum(axis=1) - 1
        there = schools.of_sector[homes.sector[pupil, current]]
        found = np.where(found < 0, there, found)
    every = schools.of_sector[homes.sector[pupil]]
    return np.where(found < 0, every.max(axis=1), found)


_MOST_EPISODES = 6


def _needs(rng: np.random.Generator, pupils: Pupils, children: _Children) -> Needs:
    total = len(children)
    adult = children.born + round(18 * _YEAR)
    looked_after = children.care_day < NEVER
    by_court = children.court_day < NEVER
    earliest = np.maximum(children.born + 100, _RECORDED_SINCE - 120)
    day = earliest + ((adult - 150 - earliest) * rng.beta(1.0, 1.35, total)).astype(np.int64)
    notice = rng.integers(5, 260, total)
    lead = np.where(looked_after, children.care_day, np.where(by_court, children.court_day, day))
    day = np.where(looked_after | by_court, lead - notice, day)
    number = 1 + np.minimum(rng.geometric(0.52, total) - 1, _MOST_EPISODES - 1)
    parts: list[tuple[Ints, ...]] = []
    for nth in range(_MOST_EPISODES):
        lasts = np.where(
            rng.random(total) < 0.35, rng.gamma(2, 18, total), rng.gamma(1.3, 230, total)
        )
        closed = day + 8 + lasts.astype(np.int64)
        if nth == 0:
            # An episode of need goes on while the child is looked after.
            after = children.care_end + rng.integers(0, 200, total)
            closed = np.where(looked_after, np.maximum(closed, after), closed)
        closed = np.minimum(closed, adult + rng.integers(0, 120, total))
        told = (nth < number) & (day < adult - 20) & (closed >= _RECORDED_SINCE)
        at = np.flatnonzero(told)
        same = rng.random(total) < 0.7
        other = lists.Weighted.of(np.arange(len(NEEDS)), _NEED_WEIGHTS).pick(rng.random(total))
        need = np.where(same, children.need, other)
        ended = lists.Weighted.of(np.arange(len(CLOSURES)), _CLOSURE_WEIGHTS)
        closure = ended.pick(rng.random(total))
        closure = np.where((closed - day > 90) & (closure >= 7), 6, closure)
        source = lists.Weighted.of(np.arange(len(SOURCES)), _SOURCE_WEIGHTS).pick(rng.random(total))
        source = np.where(rng.random(total) < 0.03, -1, source)
        parts.append((at, day[at], closed[at], need[at], source[at], closure[at]))
        day = closed + 20 + (rng.gamma(1.1, 420, total)).astype(np.int64)
    child, day, closed, need, source, closure = (
        np.concatenate([part[column] for part in parts]) for column in range(6)
    )
    order = np.lexsort((day, child))
    child, day, closed = child[order], day[order], closed[order]
    pupil = children.pupil[child]
    return Needs(
        pupil=pupil,
        authority=_authority(pupils, pupil, day),
        referred_day=day,
        closed_day=closed,
        need=need[order],
        source=source[order],
        closure=closure[order],
    )


def _plans(rng: np.random.Generator, children: _Children, needs: Needs) -> Plans:
    """Plans within the first episode of need of each child, and a second one of a few."""
    pupil, first = np.unique(needs.pupil, return_index=True)
    child = np.searchsorted(children.pupil, pupil)
    total = len(pupil)
    looked_after = children.care_day[child] < NEVER
    share = np.where(
        looked_after, _PROTECTED_AND_LOOKED_AFTER, _PROTECTED[children.offending[child]]
    )
    day = np.maximum(needs.referred_day[first] + 12, _RECORDED_SINCE + 365)
    day = day + rng.integers(0, 60, total)
    lasts = (rng.gamma(2.2, 130, total)).astype(np.int64) + 30
    ends = np.minimum(day + lasts, needs.closed_day[first])
    held = (rng.random(total) < share) & (ends > day + 14)
    again = held & (rng.random(total) < 0.16)
    later = ends + 30 + rng.integers(0, 300, total)
    later_ends = np.minimum(later + lasts, needs.closed_day[first])
    again &= later_ends > later + 14
    abuse = lists.Weighted.of(np.arange(len(ABUSE)), np.array([43, 33, 11, 5, 8]))
    category = abuse.pick(rng.random(total))
    at = np.concatenate([np.flatnonzero(held), np.flatnonzero(again)])
    start = np.concatenate([day[held], later[again]])
    order = np.lexsort((start, at))
    at = at[order]
    return Plans(
        pupil=pupil[at],
        authority=needs.authority[first][at],
        start_day=start[order],
        end_day=np.concatenate([ends[held], later_ends[again]])[order],
        category=category[at],
    )


_MOST_STAYS = 9


def _stays(rng: np.random.Generator, pupils: Pupils, children: _Children) -> Stays:
    taken = np.flatnonzero(children.care_day < NEVER)
    total = len(taken)
    begins, ends = children.care_day[taken], children.care_end[taken]
    asked, decided = children.court_day[taken], children.order_day[taken]
    length = ends - begins
    number = np.minimum(1 + rng.poisson(length / 310.0), _MOST_STAYS)
    number = np.where(length < 20, 1, number)
    # Where the order is made within the stay, an episode begins that day.
    by_court = asked < NEVER
    ordered = by_court & (decided > begins) & (decided < ends)
    number = np.where(ordered, np.maximum(number, 2), number)
    child = np.repeat(np.arange(total), number)
    nth = np.arange(len(child)) - (np.cumsum(number) - number)[child]
    cut = rng.random(len(child))
    cut[nth == 0] = 0.0
    start = begins[child] + (cut * length[child]).astype(np.int64)
    start = np.where(ordered[child] & (nth == 1), decided[child], start)
    order = np.lexsort((start, child))
    child, start = child[order], start[order]
    # No two episodes of a child begin on one day.
    kept = np.ones(len(child), dtype=bool)
    kept[1:] = (child[1:] != child[:-1]) | (start[1:] > start[:-1])
    kept &= start < ends[child]
    child, start = child[kept], start[kept]
    is_first = np.ones(len(child), dtype=bool)
    is_first[1:] = child[1:] != child[:-1]
    is_last = np.ones(len(child), dtype=bool)
    is_last[:-1] = is_first[1:]
    end = np.where(is_last, ends[child], np.append(start[1:], 0))
    age = (start - children.born[taken][child]) / _YEAR

    offending = children.offending[taken][child]
    status = _status(rng, child, start, by_court, decided, begins, offending)
    placement = _placement(rng, start, age, status)
    changed = np.zeros(len(child), dtype=bool)
    changed[1:] = (status[1:] != status[:-1]) & ~is_first[1:]
    moved = np.zeros(len(child), dtype=bool)
    moved[1:] = placement[1:] != placement[:-1]
    sort = rng.random(len(child))
    both = np.where(sort < 0.85, BEGINNINGS.index("B"), BEGINNINGS.index("U"))
    beginning = np.where(changed & moved, both, BEGINNINGS.index("P"))
    beginning = np.where(changed & ~moved, BEGINNINGS.index("L"), beginning)
    beginning = np.where(~changed & (sort > 0.95), BEGINNINGS.index("T"), beginning)
    beginning = np.where(is_first, BEGINNINGS.index("S"), beginning)
    pupil = children.pupil[taken][child]
    return Stays(
        pupil=pupil,
        authority=_authority(pupils, pupil, begins[child]),
        start_day=start,
        end_day=end,
        beginning=beginning,
        status=status,
        need=children.need[taken][child],
        placement=placement,
        ending=_ending(rng, end, children.born[taken][child], offending, is_last),
    )


def _status(
    rng: np.random.Generator,
    child: Ints,
    start: Ints,
    by_court: Bools,
    decided: Ints,
    begins: Ints,
    offending: Ints,
) -> Ints:
    """Legal status of each episode: by agreement, unless a court was asked."""
    total = len(child)
    status = np.full(total, STATUSES.index("V2"))
    # Care orders of before 2011 are of cases that nothing tells of.
    old = (rng.random(len(begins)) < 0.5) & (begins < _COURTS_TELL_SINCE - 500) & ~by_court
    since = start - begins[child]
    earlier = np.where(since > 300, STATUSES.index("C2"), STATUSES.index("C1"))
    earlier = np.where(start < _COURTS_TELL_SINCE, earlier, STATUSES.index("C2"))
    status = np.where(old[child], earlier, status)
    of_court = np.where(start >= decided[child], STATUSES.index("C2"), STATUSES.index("C1"))
    status = np.where(by_court[child], of_court, status)
    police = (since == 0) & ~by_court[child] & (rng.random(total) < 0.04)
    status = np.where(police, STATUSES.index("L1"), status)
    remanded = (offending == IN_CUSTODY) & ~by_court[child] & (rng.random(total) < 0.16)
    return np.where(remanded, STATUSES.index("J1"), status)


def _placement(rng: np.random.Generator, start: Ints, age: Floats, status: Ints) -> Ints:
    """Placement of each episode, in the codes of its time."""
    total = len(start)

    def of(*codes: str) -> Ints:
        return np.array([PLACEMENTS.index(code) for code in codes])

    before = lists.Weighted.of(of("F1", "F2", "F3", "F5", "F6"), np.array([13, 40, 17, 12, 18]))
    after = lists.Weighted.of(of("U1", "U3", "U4", "U5", "U6"), np.array([6, 9, 27, 1, 57]))
    uniform, sort, chance = rng.random(total), rng.random(total), rng.random(total)
    fostered = np.where(start < _LATER_FOSTER_CODES, before.pick(uniform), after.pick(uniform))
    away = lists.Weighted.of(
        of("K2", "R1", "S1", "H5", "P2", "P1", "Z1", "T4"),
        np.array([42, 5, 4, 17, 8, 16, 5, 3]),
    )
    elsewhere = away.pick(uniform)
    grown = np.isin(elsewhere, of("H5", "P2")) & (age < 16)
    elsewhere = np.where(grown, PLACEMENTS.index("K2"), elsewhere)
    placement = np.where(
        sort < np.interp(age, (8, 13, 17), (0.10, 0.25, 0.48)), elsewhere, fostered
    )
    secure = np.where(chance < 0.7, PLACEMENTS.index("R5"), PLACEMENTS.index("K1"))
    return np.where(status == STATUSES.index("J1"), secure, placement)


def _ending(
    rng: np.random.Generator, end: Ints, born: Ints, offending: Ints, is_last: Bools
) -> Ints:
    """Why each episode ceased; those followed by another are `X1`."""

    def of(*codes: str) -> Ints:
        return np.array([ENDINGS.index(code) for code in codes])

    uniform = rng.random(len(end))
    grown = (end - born) >= 18 * _YEAR - 30
    home = lists.Weighted.of(
        of("E4A", "E4B", "E13", "E41", "E45", "E3", "E8"), np.array([48, 14, 6, 7, 7, 3, 15])
    )
    leaving = lists.Weighted.of(of("E5", "E6", "E17", "E7", "E8"), np.array([32, 22, 18, 7, 21]))
    ending = np.where(grown, leaving.pick(uniform), home.pick(uniform))
    sentenced = (offending == IN_CUSTODY) & ~grown & (end - born > 12 * _YEAR)
    ending = np.where(sentenced & (rng.random(len(end)) < 0.25), ENDINGS.index("E9"), ending)
    return np.where(is_last, ending, ENDINGS.index("X1"))
