"""The National Pupil Database: school censuses, absence, exclusions and results.

What belongs here: columns, codes and habits of the database. What does not: what happens at school
(`schooling.py`), how a clerk misspells (`recording.py`) and how files are written
(`deliveries.py`).

A school writes a pupil's name down once and sends it every year; slips of one year are few. The
name at school is at times not that of the birth certificate, and changes when a parent marries.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import lists, recording, schooling
from datafirst_platform.synthetic.lists import Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, day_of, stream
from datafirst_platform.synthetic.pupils import Pupils
from datafirst_platform.synthetic.schooling import Attainment, Years

_MANNER = recording.Manner(
    upper=False, ascii_only=False, error=0.75, pnc_held=0, cro_held=0, short_pnc=False
)
_NO_SLIPS = replace(_MANNER, error=0.0)

_MISTYPED_IN_A_YEAR, _BIRTH_SLIP_IN_A_YEAR = 0.004, 0.002
_FORMER_NAME_HELD, _MIDDLE_NAME_HELD = 0.7, 0.8

_ETHNICITY_OF = {
    "W1": "WBRI", "W2": "WIRI", "W3": "WIRT", "W9": "WOTH", "A1": "AIND", "A2": "APKN",
    "A3": "ABAN", "A4": "CHNE", "A9": "AOTH", "B1": "BCRB", "B2": "BAFR", "B9": "BOTH",
    "M1": "MWBC", "M2": "MWBA", "M3": "MWAS", "M9": "MOTH", "O2": "OOTH", "O9": "OOTH",
}  # fmt: skip

# Before these counties were divided in April 2009.
_DIVIDED = {"822": "820", "823": "820", "895": "875", "896": "875"}
_DIVIDED_SINCE = 2009

_NEW_NEED_CODES = 2014
# Share of provision still told by the former codes, by year: School Action (Plus), statements.
_OLD_CODES = {2014: (0.12, 0.93), 2015: (0.006, 0.55), 2016: (0.0, 0.12), 2017: (0.0, 0.02)}

_SCHEMES = pa.array(["LEVEL", "GRADE", "GRADE", "POINTS", "NUMBER"])


def pupil_references(pupils: Pupils) -> pa.Array:
    """Pupil matching references: dealt at random over pupils, the same in every edition."""
    letters = pa.array([a + b for a in "ABCDEFGHJK" for b in "LMNPQRSTUV"])
    number = pupils.number * 618_033_989 % 9_999_999_967
    return pc.binary_join_element_wise(
        letters.take(pa.array(number % 100)), recording.digits(number // 100, 8), ""
    )


def academic_year(since: Ints) -> pa.Array:
    """School years by the year in which they begin, such as 2009/10."""
    return pc.binary_join_element_wise(
        recording.digits(since, 4), recording.digits((since + 1) % 100, 2), "/"
    )


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as the database would extract them on the day of the cut-off.

    Returns:
        The four `npd_…` tables: text columns as the contracts name them, then `person_id`.
    """
    pupils, told = lives.pupils, lives.schooling
    references, ids = pupil_references(pupils), pupils.people.person_id
    absence, exclusions, attainment = told.absence, told.exclusions, told.attainment

    def held(pupil: Ints, columns: dict[str, pa.Array], day: Ints) -> pa.Table:
        whole = {
            "pupil_matching_ref": references.take(pa.array(pupil)),
            **columns,
            "person_id": pa.array(ids[pupil]),
        }
        return pa.table(whole).filter(pa.array(day <= cut_off))

    absence_columns = {
        "academic_year": academic_year(absence.since),
        "term": recording.digits(absence.term, 1),
        "sessions_possible": recording.number_text(absence.possible),
        "sessions_authorised": recording.number_text(absence.authorised),
        "sessions_unauthorised": recording.number_text(absence.unauthorised),
    }
    kinds = pa.array(["FIXD", "LNCH", "PERM", "SUSP"])
    kind = np.where((exclusions.since >= 2020) & (exclusions.kind == 0), 3, exclusions.kind)
    exclusion_columns = {
        "start_date": recording.date_texts(exclusions.day),
        "exclusion_seq": recording.digits(exclusions.nth, 1),
        "academic_year": academic_year(exclusions.since),
        "exclusion_type": kinds.take(pa.array(kind)),
        "reason": pa.array(schooling.REASONS).take(pa.array(exclusions.reason)),
        "sessions": recording.number_text(exclusions.sessions),
    }
    return {
        "npd_census": held(
            told.years.pupil, _census(lives), schooling.census_day(told.years.since)
        ),
        "npd_absence": held(absence.pupil, absence_columns, _year_end(absence.since)),
        "npd_exclusions": held(exclusions.pupil, exclusion_columns, exclusions.day),
        "npd_attainment": held(attainment.pupil, _results(attainment), _year_end(attainment.since)),
    }


def _year_end(since: Ints) -> Ints:
    return day_of(since + 1, np.full_like(since, 8), np.full_like(since, 31))


def _census(lives: Lives) -> dict[str, pa.Array]:
    """The columns of the censuses between the pupil's number and the identity."""
    pupils, years = lives.pupils, lives.schooling.years
    people, at, day = pupils.people, years.pupil, years.census_day
    rng = stream(lives.seed, lives.chunk, "npd")
    total, every = len(years), np.arange(len(pupils))
    start, nobody = np.zeros(len(pupils), dtype=np.int64), np.zeros(len(pupils), dtype=bool)
    first, middle, _, surname = recording.names(
        rng,
        replace(people, surname=pupils.school_surname, renamed=np.full(len(pupils), NEVER)),
        every, start, _MANNER, nobody,
    )  # fmt: skip
    later = recording.take(lists.names().surname, pupils.later_surname)
    since = day >= pupils.name_day[at]
    index = pa.array(at)

    def of_year(values: pa.Array, share: float) -> pa.Array:
        return recording.misspelt(rng, values.take(index), rng.random(total) < share)

    changed = pc.if_else(pa.array(since), later.take(index), surname.take(index))
    surnames = recording.misspelt(rng, changed, rng.random(total) < _MISTYPED_IN_A_YEAR)
    former_held = since & (rng.random(len(pupils)) < _FORMER_NAME_HELD)[at]
    middle_held = (rng.random(len(pupils)) < _MIDDLE_NAME_HELD)[at]
    empty = recording.EMPTY
    born = recording.birth_days(rng, people, every, _MANNER, nobody)
    born = np.where(born < NEVER, born, people.born)[at]
    slips = rng.random(total) < _BIRTH_SLIP_IN_A_YEAR
    born = np.where(slips, recording.birth_days(rng, people, at, _LOOSE, nobody[at]), born)
    postcode = recording.postcodes(rng, people, at, day, _NO_SLIPS, nobody[at])
    sex_wrong = rng.random(len(pupils)) < 0.0025
    return {
        "academic_year": academic_year(years.since),
        "surname": surnames,
        "forename": of_year(first, _MISTYPED_IN_A_YEAR),
        "middle_name": pc.if_else(pa.array(middle_held), middle.take(index), empty),
        "former_surname": pc.if_else(pa.array(former_held), surname.take(index), empty),
        "date_of_birth": recording.date_texts(born),
        "gender": pa.array(["M", "F"]).take(pa.array((people.female ^ sex_wrong)[at].astype(int))),
        "ethnicity": _ethnicity(rng, pupils, at),
        "postcode": recording.some(rng, postcode, 0.985),
        "la_code": _authority(years),
        "school_urn": recording.digits(years.urn, 6),
        "school_type": pa.array(["MAIN", "SPEC", "PRU", "AP"]).take(pa.array(years.kind)),
        "year_group": pa.array(["R", *map(str, range(1, 15))]).take(pa.array(years.group)),
        "fsm_eligible": _YES_NO.take(pa.array(years.free_meals.astype(int))),
        **_special_needs(rng, years),
        "idaci_decile": recording.number_text(np.where(rng.random(total) < 0.01, -1, years.decile)),
    }


_LOOSE = replace(_MANNER, error=20.0)
"""As where it is known that something slipped."""
_YES_NO = pa.array(["N", "Y"])


def _ethnicity(rng: np.random.Generator, pupils: Pupils, at: Ints) -> pa.Array:
    """Ethnicity as told by the parents, and from some year on by the pupil."""
    codes = pa.array([_ETHNICITY_OF[each] for each in ETHNICITY.to_pylist()])
    told = codes.take(pa.array(pupils.people.ethnicity))
    unsaid = rng.random(len(pupils))
    told = pc.if_else(pa.array(unsaid < 0.009), "NOBT", told)
    told = pc.if_else(pa.array(unsaid > 0.996), "REFU", told)
    # Most travellers told as such are Roma here.
    roma = pa.array(rng.random(len(pupils)) < 0.6)
    told = pc.if_else(pc.and_(pc.equal(told, "WIRT"), roma), "WROM", told)
    return pc.if_else(pa.array(rng.random(len(at)) < 0.006), "NOBT", told.take(pa.array(at)))


def _authority(years: Years) -> pa.Array:
    """Local authorities, by the codes of their time."""
    codes = lists.schools().authority
    earlier = pa.array([_DIVIDED.get(code, code) for code in codes.to_pylist()])
    at = pa.array(years.authority)
    return pc.if_else(pa.array(years.since < _DIVIDED_SINCE), earlier.take(at), codes.take(at))


def _special_needs(rng: np.random.Generator, years: Years) -> dict[str, pa.Array]:
    total = len(years)
    chance = rng.random(total)
    share = np.zeros((total, 2))
    share[years.since < min(_OLD_CODES)] = 1.0
    for year, shares in _OLD_CODES.items():
        share[years.since == year] = shares
    statement = years.support == schooling.STATEMENT
    old = chance < np.where(statement, share[:, 1], share[:, 0])
    former, latter = pa.array(["N", "A", "P", "S"]), pa.array(["N", "K", "K", "E"])
    at = pa.array(years.support)
    provision = pc.if_else(pa.array(old), former.take(at), latter.take(at))
    # The need is asked for since 2003/04, and not of those at School Action.
    asked = (years.since >= 2003) & ~(old & (years.support == schooling.ACTION))
    asked &= rng.random(total) < 0.985
    names = [{"BEHAVIOUR": "BESD"}.get(each, each) for each in schooling.NEEDS]
    later = [{"BEHAVIOUR": "SEMH"}.get(each, each) for each in schooling.NEEDS]
    need = np.where(asked, years.need, -1)
    return {
        "sen_provision": provision,
        "sen_primary_need": pc.if_else(
            pa.array(years.since >= _NEW_NEED_CODES),
            recording.take(pa.array(later), need),
            recording.take(pa.array(names), need),
        ),
    }


def _results(attainment: Attainment) -> dict[str, pa.Array]:
    points = attainment.scheme == schooling.POINTS
    texts = pa.array(schooling.RESULTS)
    result = recording.take(texts, np.where(points, 0, attainment.result))
    return {
        "key_stage": pc.binary_join_element_wise("KS", recording.digits(attainment.stage, 1), ""),
        "subject": pa.array(schooling.SUBJECTS).take(pa.array(attainment.subject)),
        "academic_year": academic_year(attainment.since),
        "scheme": _SCHEMES.take(pa.array(attainment.scheme)),
        "result": pc.if_else(
            pa.array(points), recording.number_text(np.where(points, attainment.result, 0)), result
        ),
    }
