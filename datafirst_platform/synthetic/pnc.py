"""The Police National Computer: cautions and convictions of those who offended as children.

What belongs here: which records are shared, their columns and habits. What does not: what the
police and the courts did (`police.py`), how a clerk misspells (`recording.py`) and how files are
written (`deliveries.py`).

About one person in fifty has a second record, made when they gave another name. All of a record is
withdrawn together, and what a court decides is entered on the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from datafirst_platform.synthetic import lists, police, population, recording
from datafirst_platform.synthetic.history import History
from datafirst_platform.synthetic.lists import Bools, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.police import Offences, Records
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, People, stream

_MANNER = recording.Manner(
    upper=True, ascii_only=True, error=1.05, pnc_held=1.0, cro_held=0.9, short_pnc=False
)
_NO_SLIPS = replace(_MANNER, error=0.0)

_SUBJECTS_PER_CHUNK = 60_000
_SECOND_RECORD, _SAME_NUMBER = 0.024, 0.5
_NO_POSTCODE = 0.155
_ADDRESS_AFTER = 560
"""Mean days from the first offence to the address that is held."""
_OLD_WARNINGS_UNTIL, _OLD_WARNINGS = 16801, 0.05
"""2016-01-01: until then a youth caution is at times entered as a reprimand."""

_ADJUDICATIONS = pa.array(["G", "NG", "D", "C"])
_DISPOSALS = pa.array([
    "REPR", "FWRN", "YCAU", "YCCA", "SCAU", "CCAU", "ABSD", "COND", "FINE", "COMM", "REFO", "YROR",
    "SUSP", "CUST", "DTOR", "OTHR",
])  # fmt: skip
_COURTS = pa.array(["P", "Y", "M", "C"])

# What an officer sees, by ethnicity as told: codes, each as likely as the others.
_SEEN = {
    "W1": "1111", "W2": "1111", "W3": "1112", "W9": "1122", "A1": "4444", "A2": "4444",
    "A3": "4444", "A4": "5555", "A9": "4456", "B1": "3333", "B2": "3333", "B9": "3333",
    "M1": "3331", "M2": "3331", "M3": "4412", "M9": "1234", "O2": "6666", "O9": "2456",
}  # fmt: skip


@dataclass(frozen=True)
class _Subjects:
    """The records made of one chunk's subjects; one element a record.

    Attributes:
        people: as the police know them under that record.
        of: index into the people of `Records`.
        second: whether it is the second record of a person.
        subject: of each offence, index of the record it is on.
    """

    people: People
    of: Ints
    second: Bools
    subject: Ints

    def __len__(self) -> int:
        return len(self.of)


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as the computer would extract them on the day of the cut-off.

    Returns:
        The three `pnc_…` tables: text columns as the contracts name them, then `person_id`.
    """
    known = lives.police
    subjects = _subjects(lives, known)
    offences = known.offences
    first_day = known.first_day[subjects.of]
    history = History.draw(lives.seed, lives.chunk, "pnc subjects", first_day)
    visible = offences.disposal_day <= cut_off
    counts = visible & np.isin(offences.adjudication, (police.GUILTY, police.CAUTIONED))
    held = np.zeros(len(subjects), dtype=bool)
    held[subjects.subject[counts]] = True
    held &= history.stands(cut_off)
    shown = pa.array(held)
    on_shown = visible & held[subjects.subject]
    return {
        "pnc_subjects": _subject_table(
            lives, subjects, first_day, history.put_right(cut_off)
        ).filter(shown),
        "pnc_aliases": _alias_table(lives, subjects, held, cut_off),
        "pnc_offences": _offence_table(lives, subjects, offences, cut_off).filter(
            pa.array(on_shown)
        ),
    }


def _numbers(lives: Lives, subjects: _Subjects) -> pa.Array:
    number = (lives.chunk * _SUBJECTS_PER_CHUNK + subjects.of) * 2 + subjects.second
    return recording.digits(number * 381_966_011 % 9_999_999_967, 1)


def _subjects(lives: Lives, known: Records) -> _Subjects:
    """The records: one of each subject, and a second one of some with offences enough."""
    rng = stream(lives.seed, lives.chunk, "pnc subjects")
    people, offences = known.people, known.offences
    total = len(people)
    number = np.bincount(offences.person, minlength=total)
    split = 1 + (rng.random(total) * (number - 1)).astype(np.int64)
    twice = np.flatnonzero((rng.random(total) < _SECOND_RECORD / 0.8) & (number >= 2))
    other = population.chosen(people, twice)
    chance = rng.random((4, len(twice)))
    spare = np.where(other.nickname >= 0, other.nickname, other.first)
    first = np.where(other.alias_first >= 0, other.alias_first, spare)
    anybodys = rng.permutation(people.surname)[twice]
    surname = np.where(other.alias_surname >= 0, other.alias_surname, anybodys)
    keeps_name = chance[0] < 0.45
    shifted = other.born + rng.choice((-730, -365, 365, 31, -31, 1), len(twice))
    serial = (other.pnc % 10**7 + 5_000_011) % 9_999_991
    other = replace(
        other,
        first=np.where(chance[1] < 0.6, first, other.first),
        surname=np.where(keeps_name, other.surname, surname),
        renamed=np.where(keeps_name, other.renamed, NEVER),
        born=np.where(chance[2] < 0.5, shifted, other.born),
        alias_born=np.where(chance[2] < 0.5, shifted, other.born),
        pnc=np.where(chance[3] < _SAME_NUMBER, other.pnc, other.pnc // 10**7 * 10**7 + serial),
        cro=np.where(chance[3] < _SAME_NUMBER, other.cro, 0),
    )
    place = np.full(total, -1, dtype=np.int64)
    place[twice] = total + np.arange(len(twice))
    begins = np.cumsum(number) - number
    nth = np.arange(len(offences)) - begins[offences.person]
    later = (place[offences.person] >= 0) & (nth >= split[offences.person])
    return _Subjects(
        people=population.together([people, other]),
        of=np.concatenate([np.arange(total), twice]),
        second=np.arange(total + len(twice)) >= total,
        subject=np.where(later, place[offences.person], offences.person),
    )


def _subject_table(
    lives: Lives, subjects: _Subjects, first_day: Ints, put_right: Bools
) -> pa.Table:
    rng = stream(lives.seed, lives.chunk, "pnc")
    people, total = subjects.people, len(subjects)
    every = np.arange(total)
    first, middle, _, surname = recording.names(rng, people, every, first_day, _MANNER, put_right)
    born = recording.birth_days(rng, people, every, _MANNER, put_right)
    pnc_id, cro = recording.police_numbers(rng, people, every, _MANNER, put_right)
    day = first_day + (rng.gamma(1.0, _ADDRESS_AFTER, total)).astype(np.int64)
    postcode = recording.postcodes(rng, people, every, day, _MANNER, put_right)
    chance = rng.random((3, total))
    female = people.female ^ (chance[0] < 0.003)
    sex = np.where(chance[0] > 0.996, 2, female.astype(np.int64))
    seen = np.array([list(map(int, _SEEN[code])) for code in ETHNICITY.to_pylist()])
    seen = seen[people.ethnicity, rng.integers(0, 4, total)]
    seen = np.where(chance[1] < 0.03, rng.integers(1, 7, total), seen)
    seen = np.where(chance[1] > 0.965, 0, seen)
    return pa.table(
        {
            "subject_number": _numbers(lives, subjects),
            "pnc_id": pnc_id,
            "cro_number": cro,
            "surname": surname,
            "forename1": first,
            "forename2": middle,
            "date_of_birth": recording.date_texts(born),
            "sex": pa.array(["M", "F", "U"]).take(pa.array(sex)),
            "ethnic_appearance": recording.some(rng, recording.digits(seen, 1), 0.985),
            "postcode": recording.some(rng, postcode, 1 - _NO_POSTCODE),
            "person_id": pa.array(people.person_id),
        }
    )


def _alias_table(lives: Lives, subjects: _Subjects, held: Bools, cut_off: int) -> pa.Table:
    """Other names: short forms, names given at arrest, those of a marriage or of school."""
    rng = stream(lives.seed, lives.chunk, "pnc aliases")
    people, total = subjects.people, len(subjects)
    chance = rng.random((5, total))
    at_school = _name_at_school(lives)[subjects.of]
    kinds = (
        ("nickname", (people.nickname >= 0) & (chance[0] < 0.35)),
        ("alias", (people.alias_first >= 0) & (chance[1] < 0.8)),
        ("alias", (people.alias_surname >= 0) & (chance[2] < 0.8)),
        ("birth", (people.alias_born != people.born) & (chance[2] < 0.8)),
        ("renamed", (people.renamed <= cut_off) & (chance[3] < 0.7)),
        ("school", (at_school >= 0) & (chance[3] < 0.35)),
        ("right", chance[4] < 0.07),
    )
    first, surname, born, kept, number = [], [], [], [], []
    seq = np.zeros(total, dtype=np.int64)
    for nth, (kind, mask) in enumerate(kinds):
        seq = seq + mask
        chosen = np.flatnonzero(mask & held)
        alias_surname = np.where(people.alias_surname >= 0, people.alias_surname, people.surname)
        first_of = {
            "nickname": people.nickname,
            "alias": np.where(people.alias_first >= 0, people.alias_first, people.first),
        }.get(kind, people.first)
        surname_of = {
            "alias": alias_surname if nth == 2 else people.surname,
            "renamed": people.new_surname,
            "school": at_school,
        }.get(kind, people.surname)
        first.append(first_of[chosen])
        surname.append(surname_of[chosen])
        born.append(np.where(kind == "birth", people.alias_born, people.born)[chosen])
        kept.append(chosen)
        number.append(seq[chosen])
    who = np.concatenate(kept)
    days = np.concatenate(born)
    days = np.where(rng.random(len(days)) < 0.25, NEVER, days)
    names = lists.names()
    firsts = recording.take(names.first, np.concatenate(first))
    surnames = recording.take(names.surname, np.concatenate(surname))
    firsts, surnames = (
        recording.as_written(firsts, _MANNER),
        recording.as_written(surnames, _MANNER),
    )
    return pa.table(
        {
            "subject_number": _numbers(lives, subjects).take(pa.array(who)),
            "alias_seq": recording.digits(np.concatenate(number), 1),
            "surname": surnames,
            "forename1": firsts,
            "date_of_birth": recording.date_texts(days),
            "person_id": pa.array(people.person_id[who]),
        }
    )


def _name_at_school(lives: Lives) -> Ints:
    """The other surname by which each subject was known at school, -1 for none."""
    pupils, people = lives.pupils, lives.police.people
    other = np.where(
        pupils.school_surname != pupils.people.surname,
        pupils.school_surname,
        pupils.later_surname,
    )
    other = np.where(other != pupils.people.surname, other, -1)
    order = np.argsort(pupils.people.person_id)
    known = pupils.people.person_id[order]
    at = np.searchsorted(known, people.person_id).clip(0, len(known) - 1)
    found: Ints = np.where(known[at] == people.person_id, other[order][at], -1)
    return found


def _offence_table(lives: Lives, subjects: _Subjects, offences: Offences, cut_off: int) -> pa.Table:
    history = History.draw(
        lives.seed, lives.chunk, "pnc disposals", offences.disposal_day, of_results=True
    )
    mistaken = history.faulty(_OLD_WARNINGS) & ~history.put_right(cut_off)
    mistaken &= offences.disposal_day < _OLD_WARNINGS_UNTIL
    mistaken &= offences.disposal == police.YOUTH_CAUTION
    disposal = np.where(mistaken, police.REPRIMAND, offences.disposal)
    # Numbered within each record, in the order of the offences.
    order = np.argsort(subjects.subject, kind="stable")
    number = np.bincount(subjects.subject, minlength=len(subjects))
    seq = np.zeros(len(offences), dtype=np.int64)
    begins = np.cumsum(number) - number
    seq[order] = np.arange(len(offences)) - begins[subjects.subject[order]] + 1
    return pa.table(
        {
            "subject_number": _numbers(lives, subjects).take(pa.array(subjects.subject)),
            "offence_seq": recording.digits(seq, 1),
            "offence_date": recording.date_texts(offences.day),
            "ho_offence_code": recording.take(lists.offences().code, offences.code),
            "adjudication": _ADJUDICATIONS.take(pa.array(offences.adjudication)),
            "disposal_code": recording.take(_DISPOSALS, disposal),
            "disposal_date": recording.date_texts(offences.disposal_day),
            "court_type": _COURTS.take(pa.array(offences.court)),
            "sentence_length_days": recording.number_text(offences.days),
            "person_id": pa.array(subjects.people.person_id[subjects.subject]),
        }
    )
