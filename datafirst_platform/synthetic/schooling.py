"""Schooling: what happens to pupils from reception to the sixth form.

What belongs here: years at school, special educational needs, absence, exclusions and results.
What does not: who is a pupil (`pupils.py`) and how the National Pupil Database holds it (`npd.py`).

Of those sentenced to custody 72 % were excluded for a fixed period and 52 % persistently absent,
against 11 % of those who never offended (Office for National Statistics, 2022); a persistent
absentee missed 15 % of sessions in these years. Absence is recorded by pupil from 2006/07,
exclusions for a fixed period from 2005/06. All other shares are made up, near what was common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datafirst_platform.synthetic import lists
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import day_of, stream
from datafirst_platform.synthetic.pupils import Pupils, met

FIRST_YEAR = 2001
"""The eldest begin reception in September 2001."""
YEAR_GROUPS = 15
"""Reception is 0 and year 14 the last."""

MAINSTREAM, SPECIAL, REFERRAL_UNIT, ALTERNATIVE = range(4)
NO_SUPPORT, ACTION, ACTION_PLUS, STATEMENT = range(4)
"""Provision for special needs by its level; later codes differ, levels do not."""

NEEDS = ("SPLD", "MLD", "SLD", "PMLD", "BEHAVIOUR", "SLCN", "HI", "VI", "MSI", "PD", "ASD", "OTH")
"""Primary needs; what `BEHAVIOUR` is called depends on the year."""

FIXED_PERIOD, LUNCHTIME, PERMANENT = range(3)
REASONS = ("PP", "PA", "VP", "VA", "BU", "RA", "SM", "DA", "DM", "TH", "DB", "OT")

LEVELS, GRADES, GCSE, POINTS, LATER_GRADES = range(5)
"""Schemes of results: national curriculum levels, A level grades, GCSE grades, points, 9 to 1."""

_ABSENCE_SINCE, _EXCLUSIONS_SINCE = 2006, 2005

# By offending: never, without custody, with custody.
_FIXED = np.array([0.098, 0.50, 0.735])
_PERMANENTLY = np.array([0.0035, 0.055, 0.15])
_PERSISTENTLY_ABSENT = np.array([0.112, 0.335, 0.53])
_SPECIAL_NEEDS = np.array([0.36, 0.66, 0.80])
_STATEMENT = np.array([0.085, 0.12, 0.19])
"""Of those with special needs."""
_FREE_MEALS = np.array([0.26, 0.46, 0.58])
_STAYS_ON = np.array([0.50, 0.20, 0.08])
_MOST_TROUBLED = 0.09
"""Share of offenders in year 10 or 11 in a referral unit or other alternative provision, doubled
in custody."""

# Boys and girls differ; the mean over both is 1.
_FIXED_OF_BOYS, _NEEDS_OF_BOYS = 1.40, 1.24

_COMES_LATE, _LEAVES_EARLY, _MISSING = 0.055, 0.03, 0.006

_NEED_WEIGHTS = np.array([14, 24, 2.5, 1, 22, 17, 2, 1.2, 0.3, 3.5, 7, 4.5])
_NEED_WEIGHTS_IN_TROUBLE = np.array([11, 20, 1, 0.2, 50, 8, 1, 0.6, 0.1, 1, 2.5, 4])

_EXCLUDED_IN_YEAR = np.array([0.3, 0.8, 1, 1.3, 1.8, 2.2, 3, 7, 12, 17, 20, 15, 2, 1, 0])
_REASON_WEIGHTS = np.array([20, 5, 4.5, 20.5, 1.5, 1.2, 1, 3.2, 3, 2.2, 26, 12])


@dataclass(frozen=True)
class Years:
    """Years at school, ordered by pupil and year; one element a pupil and year.

    Attributes:
        pupil: index into the pupils.
        since: year in which the school year begins.
        group: year group, 0 for reception.
        authority: index into `lists.schools().authority`.
        urn: number of the school.
        kind: MAINSTREAM, SPECIAL, REFERRAL_UNIT or ALTERNATIVE.
        free_meals: eligible for free school meals.
        support: NO_SUPPORT, ACTION, ACTION_PLUS or STATEMENT.
        need: index into `NEEDS`, -1 for none.
        decile: of the home by income deprivation affecting children.
    """

    pupil: Ints
    since: Ints
    group: Ints
    authority: Ints
    urn: Ints
    kind: Ints
    free_meals: Bools
    support: Ints
    need: Ints
    decile: Ints

    def __len__(self) -> int:
        return len(self.pupil)

    @property
    def census_day(self) -> Ints:
        """The third week of January of each school year."""
        return census_day(self.since)


@dataclass(frozen=True)
class Absence:
    """Terms at school: sessions possible and missed; `term` is 1, 2 or 3."""

    pupil: Ints
    since: Ints
    term: Ints
    possible: Ints
    authorised: Ints
    unauthorised: Ints


@dataclass(frozen=True)
class Exclusions:
    """Exclusions from school, ordered by pupil and day.

    Attributes:
        pupil: index into the pupils.
        since: year in which the school year begins.
        day: first day of the exclusion.
        nth: 1, or more where several begin on one day.
        kind: FIXED_PERIOD, LUNCHTIME or PERMANENT.
        reason: index into `REASONS`.
        sessions: excluded for, -1 for permanent ones.
    """

    pupil: Ints
    since: Ints
    day: Ints
    nth: Ints
    kind: Ints
    reason: Ints
    sessions: Ints


@dataclass(frozen=True)
class Attainment:
    """Results; one element a pupil, key stage and subject.

    Attributes:
        pupil: index into the pupils.
        since: year in which the school year of the test or examination begins.
        stage: key stage, 1, 2, 4 or 5.
        subject: index into `SUBJECTS`.
        scheme: LEVELS, GRADES, GCSE, POINTS or LATER_GRADES.
        result: index into `results_of(scheme)`, or points.
    """

    pupil: Ints
    since: Ints
    stage: Ints
    subject: Ints
    scheme: Ints
    result: Ints


@dataclass(frozen=True)
class Schooling:
    """What happens at school to one chunk's pupils."""

    years: Years
    absence: Absence
    exclusions: Exclusions
    attainment: Attainment


SUBJECTS = (
    "READ", "WRIT", "MATH", "SCIE", "ENGL", "ENGLIT", "HUMA", "LANG", "TECH", "ARTS", "SOCI",
    "VOCA", "ALL",
)  # fmt: skip
_SUBJECT = {name: index for index, name in enumerate(SUBJECTS)}

KS1_LEVELS = ("W", "1", "2C", "2B", "2A", "3")
KS2_LEVELS = ("2", "3", "4", "5")
GCSE_GRADES = ("U", "G", "F", "E", "D", "C", "B", "A", "A*")
A_GRADES = ("U", "E", "D", "C", "B", "A", "A*")
NUMBER_GRADES = ("U", "1", "2", "3", "4", "5", "6", "7", "8", "9")
RESULTS = (*KS1_LEVELS, *KS2_LEVELS, *GCSE_GRADES, *A_GRADES, *NUMBER_GRADES)
"""All results that are no points; `Attainment.result` counts through them."""
_KS1_AT = 0
_KS2_AT = len(KS1_LEVELS)
_GCSE_AT = _KS2_AT + len(KS2_LEVELS)
_A_AT = _GCSE_AT + len(GCSE_GRADES)
_NUMBER_AT = _A_AT + len(A_GRADES)


def census_day(since: Ints) -> Ints:
    """The third week of January of school years that begin in those years."""
    return day_of(since + 1, np.ones_like(since), np.full_like(since, 18))


def draw(seed: int, pupils: Pupils) -> Schooling:
    """Draw what happens at school to one chunk's pupils."""
    rng = stream(seed, pupils.people.chunk, "schooling")
    support, need = _special_needs(rng, pupils)
    expelled = _expelled(rng, pupils)
    years = _years(rng, pupils, support, need, expelled)
    ability = _ability(rng, pupils, support)
    return Schooling(
        years=years,
        absence=_absence(rng, pupils, years),
        exclusions=_exclusions(rng, pupils, years, expelled),
        attainment=_attainment(rng, pupils, years, ability),
    )


def _since(pupils: Pupils) -> Ints:
    """Years in which the school years of each pupil begin; shape (pupils, `YEAR_GROUPS`)."""
    years: Ints = FIRST_YEAR + pupils.cohort[:, None] + np.arange(YEAR_GROUPS)
    return years


def _of_boys(pupils: Pupils, factor: float) -> Floats:
    """A factor for each pupil by sex, so that the mean over both sexes is 1."""
    weights: Floats = np.where(pupils.people.female, 2 - factor, factor)
    return weights


def _special_needs(rng: np.random.Generator, pupils: Pupils) -> tuple[Ints, Ints]:
    """Level of provision in each year group, shape (pupils, `YEAR_GROUPS`), and primary need."""
    total = len(pupils)
    share = _SPECIAL_NEEDS[pupils.offending]
    never = pupils.offending == 0
    share = np.where(never, share * _of_boys(pupils, _NEEDS_OF_BOYS), share)
    ever = met(rng, pupils, share, 0.45)
    begins = (rng.beta(1.4, 2.2, total) * 11).astype(np.int64)
    lasts = 1 + (rng.gamma(1.6, 3.4, total)).astype(np.int64)
    statement = rng.random(total) < _STATEMENT[pupils.offending]
    further = rng.random(total) < 0.55
    begins = np.where(statement, begins // 2, begins)
    group = np.arange(YEAR_GROUPS)[None, :]
    since = group - begins[:, None]
    level = np.where(further[:, None] & (since >= 2), ACTION_PLUS, ACTION)
    level = np.where(statement[:, None], ACTION_PLUS, level)
    level = np.where(statement[:, None] & (since >= 1 + begins[:, None] % 2), STATEMENT, level)
    held = ever[:, None] & (since >= 0) & (statement[:, None] | (since < lasts[:, None]))
    # Support without a statement ends with compulsory schooling for most.
    held &= statement[:, None] | (group < 12) | (rng.random(total) < 0.5)[:, None]
    need = lists.Weighted.of(np.arange(len(NEEDS)), _NEED_WEIGHTS).pick(rng.random(total))
    troubled = lists.Weighted.of(np.arange(len(NEEDS)), _NEED_WEIGHTS_IN_TROUBLE)
    need = np.where(
        (pupils.trouble > 0.7) | (pupils.offending > 0), troubled.pick(rng.random(total)), need
    )
    severe = np.isin(need, [NEEDS.index("SLD"), NEEDS.index("PMLD")])
    level = np.where(severe[:, None], STATEMENT, level)
    return np.where(held, level, NO_SUPPORT), need


def _expelled(rng: np.random.Generator, pupils: Pupils) -> Ints:
    """Year group in which each pupil is excluded for good, -1 for most."""
    share = _PERMANENTLY[pupils.offending]
    share = np.where(pupils.offending == 0, share * _of_boys(pupils, 1.55), share)
    happens = met(rng, pupils, share, 0.6)
    group = lists.Weighted.of(np.arange(5, 12), np.array([1, 1, 5, 10, 14, 12, 3])).pick(
        rng.random(len(pupils))
    )
    return np.where(happens, group, -1)


def _years(
    rng: np.random.Generator, pupils: Pupils, support: Ints, need: Ints, expelled: Ints
) -> Years:
    total, shape = len(pupils), (len(pupils), YEAR_GROUPS)
    since, group = _since(pupils), np.arange(YEAR_GROUPS)[None, :]
    schools, homes = lists.schools(), pupils.people.addresses
    day = census_day(since)
    current = (homes.since[:, None, :] <= day[:, :, None]).sum(axis=2) - 1
    sector = homes.sector[np.arange(total)[:, None], current]
    authority = schools.of_sector[sector]

    begins = np.where(rng.random(total) < _COMES_LATE, rng.integers(1, 6, total), 0)
    stays = rng.random(total) < _STAYS_ON[pupils.offending] * np.where(pupils.trouble > 1, 0.5, 1.1)
    ends = np.where(stays, np.where(rng.random(total) < 0.84, 13, 12), 11)
    special = (support[:, 9] == STATEMENT) & (rng.random(total) < 0.42)
    ends = np.where(special, np.where(rng.random(total) < 0.25, 14, 13), ends)
    leaves = rng.random(total) < _LEAVES_EARLY
    ends = np.where(leaves, rng.integers(8, 11, total), ends)
    there = (group >= begins[:, None]) & (group <= ends[:, None]) & (authority >= 0)
    there &= (rng.random(shape) >= _MISSING) | (since == 2008)

    from_secondary = rng.random(total) < 0.5
    special_school = special[:, None] & ((group >= 7) | from_secondary[:, None])
    kind = np.where(special_school & (support == STATEMENT), SPECIAL, MAINSTREAM)
    away = (expelled >= 0)[:, None] & (group > expelled[:, None]) & (group < 12)
    returns = (rng.random(total) < 0.35)[:, None] & (group > expelled[:, None] + 1)
    share = _MOST_TROUBLED * np.array([0.09, 1.0, 2.4])[pupils.offending]
    troubled = met(rng, pupils, share, 0.6)[:, None] & (group >= 10) & (group < 12)
    outside = (away & ~returns) | troubled
    otherwise = (rng.random(total) < 0.25)[:, None]
    kind = np.where(outside & (kind == MAINSTREAM), REFERRAL_UNIT + otherwise, kind)

    at = np.nonzero(there)
    return Years(
        pupil=at[0],
        since=since[at],
        group=at[1],
        authority=authority[at],
        urn=_schools_of(rng, authority, sector, kind)[at],
        kind=kind[at],
        free_meals=_free_meals(rng, pupils)[at],
        support=support[at],
        need=np.where(support[at] > NO_SUPPORT, need[at[0]], -1),
        decile=schools.decile[sector[at]],
    )


_URNS_PER_AUTHORITY, _FIRST_URN = 500, 100_000


def _schools_of(rng: np.random.Generator, authority: Ints, sector: Ints, kind: Ints) -> Ints:
    """Number of each pupil's school in each year group, kept until they move or go up.

    Args:
        rng: random numbers.
        authority: index of the authority, shape (pupils, `YEAR_GROUPS`); -1 outside England.
        sector: index of the postcode sector of the home, same shape.
        kind: of the school, same shape.
    """
    schools = lists.schools()
    near = rng.integers(0, 3, len(authority))
    taken = np.zeros_like(authority)
    for group in range(authority.shape[1]):
        of = np.maximum(authority[:, group], 0)
        primary = group < 7
        number = (schools.primaries if primary else schools.secondaries)[of]
        chosen = (sector[:, group] * 7 + near) % number + (0 if primary else 300)
        if group not in {0, 7}:
            same = authority[:, group] == authority[:, group - 1]
            chosen = np.where(same, taken[:, group - 1], chosen)
        taken[:, group] = chosen
    few = near[:, None]
    taken = np.where(kind == SPECIAL, 400 + few * 2 + (sector % 2), taken)
    taken = np.where(kind == REFERRAL_UNIT, 420 + few % 2, taken)
    taken = np.where(kind == ALTERNATIVE, 430 + few, taken)
    urn: Ints = _FIRST_URN + np.maximum(authority, 0) * _URNS_PER_AUTHORITY + taken
    return urn


def _free_meals(rng: np.random.Generator, pupils: Pupils) -> Bools:
    """Eligibility for free school meals in each year group, shape (pupils, `YEAR_GROUPS`)."""
    total = len(pupils)
    # Poverty weighs as trouble does elsewhere: a rank of its own.
    mixed = 0.8 * pupils.poverty + 0.25 * pupils.trouble
    mixed = mixed + np.sqrt(max(1 - 0.8**2 - 0.25**2, 0)) * rng.normal(size=total)
    ever = np.zeros(total, dtype=bool)
    for offending, share in enumerate(_FREE_MEALS):
        mine = np.flatnonzero(pupils.offending == offending)
        first = np.argsort(-mixed[mine], kind="stable")[: round(share * len(mine))]
        ever[mine[first]] = True
    begins = (rng.beta(0.7, 2.0, total) * 12).astype(np.int64)
    lasts = 1 + (rng.beta(1.1, 0.9, total) * 13).astype(np.int64)
    group = np.arange(YEAR_GROUPS)[None, :]
    held: Bools = ever[:, None] & (group >= begins[:, None])
    return held & (group < (begins + lasts)[:, None])


# --- absence and exclusions -----------------------------------------------------------------------


_SESSIONS = np.array([140, 118, 122])
"""Possible in the terms of a year."""


def _absence(rng: np.random.Generator, pupils: Pupils, years: Years) -> Absence:
    total = len(pupils)
    persistent = met(rng, pupils, _PERSISTENTLY_ABSENT[pupils.offending], 0.5)
    # Absence that persists begins in any year of those recorded, mostly the later ones.
    first_seen = (_ABSENCE_SINCE - FIRST_YEAR - pupils.cohort).clip(1)
    begins = first_seen + ((11.999 - first_seen) * rng.beta(2.2, 1.1, total)).astype(np.int64)
    again = rng.random((total, YEAR_GROUPS)) < 0.55
    group = np.arange(YEAR_GROUPS)[None, :]
    often = persistent[:, None] & ((group == begins[:, None]) | (group > begins[:, None]) & again)
    usual = rng.beta(1.7, 34, total) + np.where(pupils.offending > 0, 0.018, 0.0)
    usual += np.where(persistent, 0.02, 0.0)
    rate = (usual[:, None] * np.exp(rng.normal(0, 0.4, (total, YEAR_GROUPS)))).clip(0, 0.105)
    rate = np.where(often, 0.175 + 0.40 * rng.beta(1.0, 3.2, (total, YEAR_GROUPS)), rate)

    told = (years.since >= _ABSENCE_SINCE) & (years.group >= 1) & (years.group <= 11)
    row = np.repeat(np.flatnonzero(told), 3)
    term = np.tile([1, 2, 3], int(told.sum()))
    kept = rng.random(len(row)) >= 0.03
    row, term = row[kept], term[kept]
    pupil, year_group = years.pupil[row], years.group[row]
    possible = _SESSIONS[term - 1] + rng.integers(-6, 7, len(row))
    # The second half of the summer is not collected until 2012/13, and never of year 11.
    half = (year_group == 11) | (years.since[row] < 2012)
    possible -= np.where(half & (term == 3), 58, 0)
    joined = rng.random(len(row)) < 0.012
    possible = np.where(joined, (possible * rng.uniform(0.3, 0.9, len(row))).astype(int), possible)
    chance = rate[pupil, year_group]
    missed = rng.binomial(possible, chance)
    # What is meant to persist does so in the sum over the year, whatever chance makes of a term.
    bound = np.ceil(possible * 0.158).astype(np.int64)
    missed = np.where(often[pupil, year_group], np.maximum(missed, bound), missed)
    missed = np.where(~often[pupil, year_group], np.minimum(missed, bound - 3), missed).clip(0)
    unauthorised = np.where(often, 0.34, 0.16)[pupil, year_group]
    unauthorised = unauthorised + np.where(pupils.offending[pupil] > 0, 0.18, 0.0)
    truant = rng.binomial(missed, unauthorised)
    return Absence(pupil, years.since[row], term, possible, missed - truant, truant)


def _exclusions(
    rng: np.random.Generator, pupils: Pupils, years: Years, expelled: Ints
) -> Exclusions:
    total = len(pupils)
    share = _FIXED[pupils.offending]
    share = np.where(pupils.offending == 0, share * _of_boys(pupils, _FIXED_OF_BOYS), share)
    ever = met(rng, pupils, share, 0.55) | (expelled >= 0) & (rng.random(total) < 0.85)
    mean = np.array([1.6, 4.2, 7.0])[pupils.offending] * np.exp(0.25 * pupils.trouble.clip(-1, 2))
    number = np.where(ever, 1 + rng.poisson(rng.gamma(0.9, (mean - 0.6).clip(0.2))), 0).clip(0, 45)

    # Each falls into one of the years in which the pupil is at school and exclusions are told of.
    weights = np.zeros((total, YEAR_GROUPS))
    told = years.since >= _EXCLUSIONS_SINCE
    weights[years.pupil[told], years.group[told]] = _EXCLUDED_IN_YEAR[years.group[told]]
    running = np.cumsum(weights, axis=1)
    pupil = np.repeat(np.arange(total), number)
    pupil = pupil[running[pupil, -1] > 0]
    at = rng.random(len(pupil)) * running[pupil, -1]
    group = (at[:, None] >= running[pupil]).sum(axis=1).clip(0, YEAR_GROUPS - 1)
    kind = np.where(rng.random(len(pupil)) < 0.02, LUNCHTIME, FIXED_PERIOD)

    there = np.zeros((total, YEAR_GROUPS), dtype=bool)
    there[years.pupil, years.group] = True
    final = np.flatnonzero((expelled >= 0) & there[np.arange(total), expelled.clip(0)])
    pupil = np.concatenate([pupil, final])
    group = np.concatenate([group, expelled[final]])
    kind = np.concatenate([kind, np.full(len(final), PERMANENT)])
    since = _since(pupils)[pupil, group]
    # Schools are open from the second week of September to the middle of July, but for holidays.
    day = day_of(since, np.full_like(since, 9), np.full_like(since, 8))
    offset = (rng.random(len(pupil)) * 218).astype(np.int64)
    week = offset // 5
    holidays = (week >= 15) * 14 + (week >= 27) * 14 + (week >= 7) * 7 + (week >= 21) * 7
    day = day + (3 - (day + 3) % 7) + week * 7 + holidays + offset % 5 - 3
    reason = lists.Weighted.of(np.arange(len(REASONS)), _REASON_WEIGHTS).pick(
        rng.random(len(pupil))
    )
    sessions = np.minimum(1 + rng.geometric(0.26, len(pupil)), 45)
    sessions = np.where(kind == LUNCHTIME, 1, sessions)
    # The permanent one comes after the others of its year: it ends them.
    order = np.lexsort((kind, day, pupil))
    columns = [each[order] for each in (pupil, since, day, kind, reason, sessions)]
    pupil, since, day, kind, reason, sessions = columns
    first = np.ones(len(pupil), dtype=bool)
    first[1:] = (pupil[1:] != pupil[:-1]) | (day[1:] != day[:-1])
    begun = np.flatnonzero(first)
    nth = np.arange(len(pupil)) - begun[np.cumsum(first) - 1] + 1 if len(pupil) else pupil
    return Exclusions(
        pupil, since, day, nth, kind, reason, np.where(kind == PERMANENT, -1, sessions)
    )


# --- attainment -----------------------------------------------------------------------------------


def _ability(rng: np.random.Generator, pupils: Pupils, support: Ints) -> Floats:
    """What results have in common, about standard normal; lower with needs and trouble."""
    needs = np.array([0.22, -0.55, -0.8, -1.5])[support.max(axis=1)]
    weighs = 0.24 * pupils.poverty + 0.20 * pupils.trouble
    weighs = weighs + np.array([0.0, 0.55, 0.95])[pupils.offending]
    ability: Floats = 0.78 * rng.normal(size=len(pupils)) + needs - weighs
    return ability


# Share of pupils entered, and how hard the subject is, by key stage.
_TAKEN: dict[int, dict[str, tuple[float, float]]] = {
    1: {"READ": (1, 0.0), "WRIT": (1, 0.12), "MATH": (1, -0.1)},
    2: {"ENGL": (1, 0.0), "MATH": (1, 0.05), "SCIE": (1, -0.25)},
    4: {
        "ENGL": (0.97, 0.0), "MATH": (0.98, 0.1), "SCIE": (0.93, 0.05), "ENGLIT": (0.78, -0.1),
        "HUMA": (0.62, 0.05), "LANG": (0.45, 0.0), "TECH": (0.58, 0.0), "ARTS": (0.46, -0.2),
        "VOCA": (0.35, -0.2), "ALL": (1, 0.0),
    },
    5: {
        "ENGL": (0.26, 0.2), "MATH": (0.27, -0.1), "SCIE": (0.4, 0.15), "HUMA": (0.42, 0.0),
        "LANG": (0.1, -0.1), "ARTS": (0.28, 0.0), "SOCI": (0.5, 0.2), "TECH": (0.18, 0.2),
        "VOCA": (0.3, -0.3),
    },
}  # fmt: skip
_YEAR_GROUP_OF = {1: 2, 2: 6, 4: 11, 5: 13}
# Ability at which each result but the lowest begins.
_BOUNDS = {
    1: np.array([-2.1, -1.35, -0.75, -0.15, 0.65]),
    2: np.array([-1.9, -0.95, 0.55]),
    4: np.array([-2.4, -2.1, -1.75, -1.3, -0.7, 0.15, 0.8, 1.45]),
    5: np.array([-1.35, -0.75, -0.1, 0.5, 1.15, 1.9]),
}
_BEGIN_AT = {1: _KS1_AT, 2: _KS2_AT, 4: _GCSE_AT, 5: _A_AT}
_SCHEME_OF = {1: LEVELS, 2: LEVELS, 4: GCSE, 5: GRADES}
_NUMBER_BOUNDS = np.array([-2.4, -1.9, -1.3, -0.8, -0.1, 0.4, 0.8, 1.3, 1.8])
_BOYCOTT = 0.24
"""Share of schools that gave no tests at key stage 2 in 2009/10."""


def _attainment(
    rng: np.random.Generator, pupils: Pupils, years: Years, ability: Floats
) -> Attainment:
    parts: list[tuple[Ints, ...]] = []

    def add(row: Ints, stage: int, subject: str, scheme: int, result: Ints) -> None:
        total = len(row)
        parts.append(
            (
                years.pupil[row], years.since[row], np.full(total, stage),
                np.full(total, _SUBJECT[subject]), np.full(total, scheme), result,
            )
        )  # fmt: skip

    for stage, subjects in _TAKEN.items():
        at = np.flatnonzero(years.group == _YEAR_GROUP_OF[stage])
        if stage == 2:
            boycott = (years.since[at] == 2009) & (years.urn[at] * 0.618 % 1 < _BOYCOTT)
            at = at[~boycott]
        own = rng.normal(0, 0.45, len(pupils))
        for subject, (share, hard) in subjects.items():
            drawn, luck = rng.random(len(at)), rng.normal(0, 0.42, len(at))
            know = ability[years.pupil[at]] + 0.5 * own[years.pupil[at]] + luck - hard
            entered = drawn < share
            if stage == 2 and subject == "SCIE":
                # No test of science since 2010.
                entered &= years.since[at] < 2009
            row, know = at[entered], know[entered]
            if subject == "ALL":
                points = (300 + 95 * know + rng.normal(0, 20, len(row))).clip(0, 640)
                add(row, stage, subject, POINTS, points.astype(np.int64))
                continue
            result = np.searchsorted(_BOUNDS[stage], know, side="right")
            add(row, stage, subject, _SCHEME_OF[stage], _BEGIN_AT[stage] + result)
    # Those short of a C sit English and mathematics again while they stay on.
    for subject in ("ENGL", "MATH"):
        later = (years.group == 12) & (rng.random(len(years)) < 0.3)
        at = np.flatnonzero(later & (ability[years.pupil] < -0.1))
        know = ability[years.pupil[at]] + 0.3 + rng.normal(0, 0.4, len(at))
        letters = _GCSE_AT + np.searchsorted(_BOUNDS[4], know, side="right")
        numbers = _NUMBER_AT + np.searchsorted(_NUMBER_BOUNDS, know, side="right")
        old = years.since[at] < 2016
        add(at[old], 4, subject, GCSE, letters[old])
        add(at[~old], 4, subject, LATER_GRADES, numbers[~old])
    columns = [np.concatenate([part[column] for part in parts]) for column in range(6)]
    pupils_of, since_of, stage_of, subject_of = columns[:4]
    order = np.lexsort((since_of, subject_of, stage_of, pupils_of))
    return Attainment(*(each[order] for each in columns))
