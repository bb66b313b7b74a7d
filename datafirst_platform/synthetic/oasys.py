"""OASys: assessments of people under sentence as prisons and probation make them.

What belongs here: who is assessed when, the columns of the form and its habits. What does not: what
happened (`sentences.py`) and what people struggle with (`needs.py`).

An answer left out is written as M; a question that the layer, the version or an assessment broken
off did not ask is empty. Totals of sections are the sums of their answers, M counting as nothing.
How often people are assessed and how needs become answers is made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import delius, lists, needs, nomis, recording, sentences
from datafirst_platform.synthetic.history import History
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, stream

_MANNER = recording.Manner(
    upper=True, ascii_only=True, error=1.0, pnc_held=0.82, cro_held=0.0, short_pnc=False
)

_FIRST_DAY = 15706
"""2013-01-01: no assessment earlier is held."""

_VERSIONS = (15706, 16436, 18262)
"""2013, 2015 and 2020: days since which the versions of the form are in use; made up."""

COURT, START_COMMUNITY, START_CUSTODY, REVIEW, RELEASE, RECALL, TERMINATION = range(7)
_PURPOSES = pa.array(
    ["COURT", "START_COMMUNITY", "START_CUSTODY", "REVIEW", "RELEASE", "RECALL", "TERMINATION"]
)
_LAYER_1, _LAYER_3 = range(2)

_ASSESSED = 0.62
"""Share of orders whose people are assessed."""

_REVIEWS_AT_MOST = 8
_SECOND_RECORD = 0.03
_BROKEN_OFF = 0.035
_LOCKED_AFTER = 90

_LEFT_OUT, _LEFT_OUT_BROKEN_OFF = 0.03, 0.25
"""Share of the questions asked that have no answer."""


@dataclass(frozen=True)
class _Assessments:
    """Assessments of one chunk, ordered by person and time.

    Attributes:
        person: index into the chunk's people.
        sentence: index into the chunk's sentences: why there is an assessment.
        day: on which it was begun.
        purpose: COURT, …
        number: over all chunks.
        offender: number of the person's record, over all chunks.
        layer: of the form.
        completed_day: NEVER where it was broken off.
        countersigned_day: day from which it needs no further signature.
        spell: index into the chunk's spells of the stay in custody it was made in, -1 for none.
    """

    person: Ints
    sentence: Ints
    day: Ints
    purpose: Ints
    number: Ints
    offender: Ints
    layer: Ints
    completed_day: Ints
    countersigned_day: Ints
    spell: Ints

    def __len__(self) -> int:
        return len(self.person)

    def take(self, at: Ints | Bools) -> _Assessments:
        return _Assessments(*(getattr(self, each.name)[at] for each in fields(self)))


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as OASys would extract them on the day of the cut-off.

    Returns:
        `oasys_offenders`, `oasys_assessments` and `oasys_core_risk`: text columns as the contracts
        name them, then `person_id`.
    """
    wants = needs.draw(lives.seed, lives.people, lives.cases)
    every = _assessments(lives, wants)
    offenders, known = _offenders(lives, every, cut_off)
    history = History.draw(lives.seed, lives.chunk, "oasys assessments", every.day)
    supplied = known & (every.day <= cut_off) & history.stands(cut_off)
    answers = _core_risk(lives, wants, every, history.put_right(cut_off))
    broken_off = every.completed_day == NEVER
    locked = broken_off & (every.day + _LOCKED_AFTER <= cut_off)
    answered = supplied & (locked | (every.completed_day <= cut_off))
    return {
        "oasys_offenders": offenders,
        "oasys_assessments": _assessment_table(lives, wants, every, cut_off).filter(
            pa.array(supplied)
        ),
        "oasys_core_risk": answers.filter(pa.array(answered)),
    }


# --- who is assessed when -------------------------------------------------------------------------


def _assessments(lives: Lives, wants: needs.Needs) -> _Assessments:
    """Every assessment of the lives since 2013, whenever."""
    rng = stream(lives.seed, lives.chunk, "oasys")
    parts = [
        _of_orders(rng, lives, wants),
        _of_licences(rng, lives),
        _of_custody(rng, lives),
        _of_recalls(rng, lives),
    ]
    sentence, day, purpose = (np.concatenate(column) for column in zip(*parts, strict=True))
    person = lives.sentences.person[sentence]
    order = np.lexsort((purpose, sentence, day, person))
    sentence, day, purpose, person = sentence[order], day[order], purpose[order], person[order]
    total = len(sentence)
    # Numbered within the person, so that the numbers of one hang on nobody else.
    opens = np.ones(total, dtype=bool)
    opens[1:] = person[1:] != person[:-1]
    position = np.arange(total)
    nth = position - np.maximum.accumulate(np.where(opens, position, 0))
    person_id = lives.people.person_id[person]
    chance = rng.random((5, total))
    # Those who offend seldom and petty are assessed by the short form.
    risk = wants.risk[person] + 0.6 * rng.normal(size=total)
    short = np.where(purpose == COURT, 0.55, np.where(purpose == START_COMMUNITY, 0.3, 0.06))
    layer = np.where(chance[0] < short * np.exp(-0.5 * risk).clip(0.3, 1.6), _LAYER_1, _LAYER_3)
    finished = day + 1 + (chance[1] ** 2 * 45).astype(np.int64)
    signed = finished + np.where(chance[2] < 0.25, (chance[3] * 60).astype(np.int64), 0)
    kept_waiting = (chance[2] > 0.985) & (layer == _LAYER_3)
    stamp = lives.spells.person * (NEVER << 1) + lives.spells.received_day
    spell = np.searchsorted(stamp, person * (NEVER << 1) + day, side="right") - 1
    # The last element, which -1 stands for, is nobody's.
    inside = np.append(lives.spells.person, -1)[spell] == person
    inside &= day < np.append(lives.spells.released_day, 0)[spell]
    has_second = stream(lives.seed, lives.chunk, "oasys offenders").random(len(lives.people))
    # The second record is opened at the second assessment or later, and used half of the time.
    second = (has_second[person] < _SECOND_RECORD) & (nth > 0) & (nth % 2 == 1)
    told = _Assessments(
        person=person,
        sentence=sentence,
        day=day,
        purpose=purpose,
        number=person_id * 1024 + nth,
        offender=person_id * 2 + second,
        layer=layer,
        completed_day=np.where(chance[4] < _BROKEN_OFF, NEVER, finished),
        countersigned_day=np.where(kept_waiting, NEVER, signed),
        spell=np.where(inside, spell, -1),
    )
    return told.take(day >= _FIRST_DAY)


Planned = tuple[Ints, Ints, Ints]
"""Sentence, day and purpose of assessments."""


def _joined(*parts: Planned) -> Planned:
    sentence, day, purpose = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sentence, day, purpose


def _planned(chosen: Bools, sentence: Ints, day: Ints, purpose: int) -> Planned:
    return sentence[chosen], day[chosen], np.full(int(chosen.sum()), purpose)


def _reviews(
    rng: np.random.Generator, chosen: Bools, sentence: Ints, start: Ints, end: Ints, least: int
) -> Planned:
    """Reviews every `least` days or up to twice as rarely, until the end."""
    every = least + (rng.random(len(sentence)) * least).astype(np.int64)
    runs = np.minimum(end, start + 6000) - start
    count = np.where(chosen, ((runs - 30) // every).clip(0, _REVIEWS_AT_MOST), 0)
    of = np.repeat(np.arange(len(sentence)), count)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + 1
    return sentence[of], start[of] + nth * every[of], np.full(len(of), REVIEW)


def _of_orders(rng: np.random.Generator, lives: Lives, wants: needs.Needs) -> Planned:
    passed, supervisions = lives.sentences, lives.supervisions
    of = np.flatnonzero(
        np.isin(supervisions.kind, (sentences.COMMUNITY_ORDER, sentences.SUSPENDED_ORDER))
    )
    sentence = supervisions.sentence[of]
    start, end = supervisions.start_day[of], supervisions.end_day[of]
    chance, wait, ahead = rng.random((3, len(of)))
    lively = wants.risk[passed.person[sentence]]
    assessed = chance < _ASSESSED * np.exp(0.25 * lively).clip(0.6, 1.5)
    first = start + 5 + (wait * 25).astype(np.int64)
    report = passed.day[sentence] - 3 - (ahead * 14).astype(np.int64)
    return _joined(
        _planned(assessed & (first <= end), sentence, first, START_COMMUNITY),
        _planned(ahead < 0.35, sentence, report, COURT),
        _reviews(rng, assessed & (chance < 0.4), sentence, first, end, 150),
        _planned(assessed & (wait < 0.3) & (end > first + 60), sentence, end, TERMINATION),
    )


def _of_licences(rng: np.random.Generator, lives: Lives) -> Planned:
    supervisions = lives.supervisions
    of = np.flatnonzero(supervisions.kind == sentences.ON_LICENCE)
    sentence = supervisions.sentence[of]
    start, end = supervisions.start_day[of], supervisions.end_day[of]
    chance, wait = rng.random((2, len(of)))
    first = start + (wait * 20).astype(np.int64)
    assessed = (chance < 0.75) & (first <= end)
    return _joined(
        _planned(assessed, sentence, first, RELEASE),
        _reviews(rng, assessed & (chance < 0.6), sentence, first, end, 180),
        _planned(assessed & (wait < 0.2) & (end < NEVER), sentence, end, TERMINATION),
    )


def _of_custody(rng: np.random.Generator, lives: Lives) -> Planned:
    """Under a sentence of a year or more: soon after the start, then yearly."""
    passed, spells = lives.sentences, lives.spells
    held = (spells.sentence >= 0) & (spells.received_as != sentences.RECALL)
    of = np.flatnonzero(held)
    sentence = spells.sentence[of]
    long = (passed.days[sentence] < 0) | (passed.days[sentence] >= 365)
    long &= passed.kind[sentence] == sentences.CUSTODY
    # Who was on remand is assessed once sentenced.
    start, end = np.maximum(spells.received_day[of], passed.day[sentence]), spells.released_day[of]
    chance, wait = rng.random((2, len(of)))
    first = start + 20 + (wait * 50).astype(np.int64)
    assessed = long & (chance < 0.85) & (first < end)
    return _joined(
        _planned(assessed, sentence, first, START_CUSTODY),
        _reviews(rng, assessed & (chance < 0.6), sentence, first, end, 330),
    )


def _of_recalls(rng: np.random.Generator, lives: Lives) -> Planned:
    spells = lives.spells
    of = np.flatnonzero((spells.received_as == sentences.RECALL) & (spells.sentence >= 0))
    chance, wait = rng.random((2, len(of)))
    day = spells.received_day[of] + 5 + (wait * 25).astype(np.int64)
    made = (chance < 0.6) & (day < spells.released_day[of])
    return _planned(made, spells.sentence[of], day, RECALL)


# --- rows -----------------------------------------------------------------------------------------


def _offenders(lives: Lives, every: _Assessments, cut_off: int) -> tuple[pa.Table, Bools]:
    """Records of the people assessed by the cut-off; and of each assessment, whether its is one."""
    people = lives.people
    number, first, of = np.unique(every.offender, return_index=True, return_inverse=True)
    # Numbers rise with the person, and a record's first assessment stands first.
    person, day = every.person[first], every.day[first]
    rng = stream(lives.seed, lives.chunk, "oasys people")
    history = History.draw(lives.seed, lives.chunk, "oasys offenders", day)
    seen = recording.write_down(rng, people, person, day, _MANNER, history.put_right(cut_off))
    total = len(person)
    female = people.female[person] ^ seen.sex_wrong
    gender = np.where(seen.sex_missing, 2, female.astype(int))
    # Numbers of the other systems are taken over on the first occasion, or kept up.
    asked = np.minimum(np.where(rng.random(total) < 0.7, NEVER, day), cut_off)
    probation = recording.some(rng, delius.crn_on(lives, person, asked), 0.94)
    prison = nomis.number_on(lives, nomis.register(lives), person, asked)
    ethnicity = recording.some(rng, recording.take(ETHNICITY, people.ethnicity[person]), 0.92)
    refused = pa.array(rng.random(total) < 0.02)
    table = pa.table(
        {
            "offender_pk": _dealt(number, 86_028_157),
            "pnc": seen.pnc,
            "cms_prob_number": recording.mistyped(rng, probation, 0.002),
            "cms_pris_number": recording.mistyped(rng, recording.some(rng, prison, 0.88), 0.002),
            "forename_1": seen.first,
            "forename_2": seen.middle,
            "family_name": seen.surname,
            "date_of_birth": _dates(seen.birth_day),
            "gender_code": pa.array(["1", "2", "9"]).take(pa.array(gender)),
            "ethnic_category_code": pc.if_else(refused, "NS", ethnicity),
            "person_id": pa.array(people.person_id[person]),
        }
    )
    supplied = (day <= cut_off) & history.stands(cut_off)
    return table.filter(pa.array(supplied)), supplied[of]


def _assessment_table(
    lives: Lives, wants: needs.Needs, every: _Assessments, cut_off: int
) -> pa.Table:
    people, passed = lives.people, lives.sentences
    rng = stream(lives.seed, lives.chunk, "oasys assessment rows")
    total, person = len(every), every.person
    broken_off = every.completed_day == NEVER
    status = np.where(
        every.completed_day > cut_off, 3, np.where(cut_off < every.countersigned_day, 1, 0)
    )
    status = np.where(broken_off & (every.day + _LOCKED_AFTER <= cut_off), 2, status)
    inside = every.spell >= 0
    force = lives.cases.force[passed.case[every.sentence]]
    days = passed.days[every.sentence]
    grave = (passed.kind[every.sentence] == sentences.CUSTODY) & ((days < 0) | (days >= 365))
    area = delius.areas(force, every.day, grave)
    place = np.where(
        every.purpose == START_CUSTODY,
        np.append(lives.spells.establishment_in, -1)[every.spell],
        np.append(lives.spells.establishment_out, -1)[every.spell],
    )
    prison = recording.take(lists.establishments().code, place)
    care = wants.mental_health[person] + 0.7 * rng.normal(size=total)
    level = np.searchsorted((0.6, 1.4, 2.1), care)
    asked = pa.array(inside & (every.layer == _LAYER_3) & (rng.random(total) < 0.85))
    levels = pa.array(["NONE", "LOW", "MEDIUM", "HIGH"]).take(pa.array(level))
    scores = _scores(rng, lives, wants, every)
    return pa.table(
        {
            "assessment_pk": _assessment_pk(every),
            "offender_pk": _dealt(every.offender, 86_028_157),
            "assessment_type": pa.array(["L1", "L3"]).take(pa.array(every.layer)),
            "assessment_version": recording.number_text(_version(every)),
            "assessment_status": pa.array(["COMPLETE", "SIGNED", "LOCKED_INCOMPLETE", "OPEN"]).take(
                pa.array(status)
            ),
            "purpose_code": _PURPOSES.take(pa.array(every.purpose)),
            "initiation_date": _dates(every.day),
            "completed_date": _dates(
                np.where(every.completed_day <= cut_off, every.completed_day, NEVER)
            ),
            "establishment_or_area_code": recording.some(rng, pc.coalesce(prison, area), 0.985),
            "in_custody": pa.array(["N", "Y"]).take(pa.array(inside.astype(int))),
            "level_healthcare_req_elm": pc.if_else(asked, levels, recording.EMPTY),
            **{
                name: recording.number_text(np.where(status >= 2, -1, score))
                for name, score in scores.items()
            },
            "person_id": pa.array(people.person_id[person]),
        }
    )


def _scores(
    rng: np.random.Generator, lives: Lives, wants: needs.Needs, every: _Assessments
) -> dict[str, Ints]:
    """Percentages likely to be reconvicted, or to offend again, within two years; -1 for none."""
    person = every.person
    age = (every.day - lives.people.born[person]) / 365.25
    before = np.log1p(_convictions_before(lives, every))
    static = 0.75 * (before - 1) - 0.045 * (age - 32) - 0.3 * lives.people.female[person]

    def percent(logit: Floats, share: float) -> Ints:
        shown = rng.random(len(every)) < share
        per_cent = np.rint(100 / (1 + np.exp(-logit))).clip(1, 98).astype(np.int64)
        return np.where(shown, per_cent, -1)

    full = every.layer == _LAYER_3
    dynamic = 0.35 * (wants.drugs + wants.thinking)[person]
    violent = 0.5 * (wants.violence + 0.5 * wants.alcohol)[person]
    general = percent(static + dynamic - 0.5, 0.96)
    violence = percent(0.8 * static + violent - 0.9, 0.96)
    return {
        "ogrs3_2year": percent(static + 0.2, 0.97),
        "ogp_2year": np.where(full, general, -1),
        "ovp_2year": np.where(full, violence, -1),
    }


def _convictions_before(
    lives: Lives, every: _Assessments, kinds: tuple[int, ...] | None = None
) -> Ints:
    """Sentences a person had before the one that is assessed, of some kinds or of any."""
    passed = lives.sentences
    counts = np.ones(len(passed), dtype=np.int64) if kinds is None else np.isin(passed.kind, kinds)
    running = np.concatenate([[0], np.cumsum(counts)])
    first = np.searchsorted(passed.person, every.person)
    before: Ints = running[every.sentence] - running[first]
    return before


# --- answers --------------------------------------------------------------------------------------


def _core_risk(lives: Lives, wants: needs.Needs, every: _Assessments, put_right: Bools) -> pa.Table:
    rng = stream(lives.seed, lives.chunk, "oasys answers")
    form = _Form(rng, every, put_right)
    passed, people, person = lives.sentences, lives.people, every.person
    day = every.day

    def level(need: Floats, *thresholds: float) -> Ints:
        """Answers rise with a need, which nobody sees quite alike."""
        seen = need[person] + 0.45 * rng.normal(size=len(every))
        return np.searchsorted(thresholds, seen)

    group = lists.offences().group[passed.offence[every.sentence]]
    violent = np.isin(group, ("Violence against the person", "Robbery"))
    weapon = np.isin(group, ("Possession of weapons", "Robbery"))
    weapon |= violent & (level(wants.violence, 0.9) > 0)
    custodial = (sentences.CUSTODY, sentences.YOUTH_CUSTODY)
    times = _convictions_before(lives, every, custodial).clip(0, 9)
    broke = np.zeros(len(passed), dtype=np.int64)
    broke[lives.supervisions.sentence[lives.supervisions.breached]] = 1
    running = np.concatenate([[0], np.cumsum(broke)])
    broke_before = running[every.sentence] > running[np.searchsorted(passed.person, person)]
    lived = (people.addresses.since[person] <= day[:, None]).sum(axis=1) - 1
    nowhere = people.addresses.no_fixed_abode[person, lived] | (level(wants.accommodation, 1.7) > 0)
    misused = level(wants.drugs, -0.1) > 0
    full = every.layer == _LAYER_3
    done = every.completed_day < NEVER
    accommodation = {
        "question_3_3": form.answer(2 * nowhere, full),
        "question_3_4": form.answer(level(wants.accommodation, 0.5, 1.3), full),
        "question_3_5": form.answer(level(wants.accommodation, 0.3, 1.2), full),
        "question_3_6": form.answer(level(wants.accommodation, 0.8, 1.6), full),
    }
    finance = {
        "question_5_1": form.answer(level(wants.finance, 0.6, 1.4), full),
        "question_5_2": form.answer(level(wants.finance, 0.0, 1.0), full),
        "question_5_5": form.answer(level(wants.finance, 0.7, 1.5), full),
        "question_5_6": form.answer(level(wants.finance, 0.9, 1.7), full),
    }
    heroin = np.where(misused, level(wants.drugs, 1.2, 1.9), 0)
    crack = np.where(misused, level(wants.drugs, 1.0, 1.7), 0)
    harm = 2 * (level(wants.mental_health, 0.9) > 0)
    psychiatric = level(wants.mental_health, 0.8, 1.6)
    history = level(wants.mental_health, 0.6) > 0
    thinking = np.rint(8 + 3.6 * wants.thinking[person] + rng.normal(size=len(every)))
    later = full & done
    convicted = np.minimum(passed.day[every.sentence], day)
    stated = rng.random(len(every)) < 0.96
    number = form.text
    return pa.table(
        {
            "assessment_pk": _assessment_pk(every),
            "question_1_10": number(form.answer(times)),
            "question_1_11": number(form.answer(2 * broke_before)),
            "question_1_29": _dates(np.where(stated, convicted, NEVER)),
            "question_2_2_weapon": form.yes_no(form.answer(weapon)),
            "question_2_3_physicalviol": form.yes_no(form.answer(violent)),
            "question_2_10_alcho": form.yes_no(form.answer(level(wants.alcohol, 0.65))),
            "question_2_10_drugs": form.yes_no(form.answer(level(wants.drugs, 0.95))),
            **{name: number(answers) for name, answers in accommodation.items()},
            "question_3_tot": form.total(accommodation.values()),
            **{name: number(answers) for name, answers in finance.items()},
            "question_5_tot": form.total(finance.values()),
            "question_8_1": form.yes_no(form.answer(misused)),
            "question_8_2_heroin": number(form.answer(heroin, later)),
            "question_8_2_crack": number(form.answer(crack, later)),
            "question_10_5": number(form.answer(harm)),
            "question_10_6": number(form.answer(psychiatric, later)),
            "question_10_7_histpsych_v2": form.yes_no(
                form.answer(history, later & (_version(every) > 1))
            ),
            "question_11_tot": recording.number_text(
                np.where(later, thinking.clip(0, 20).astype(np.int64), -1)
            ),
            "person_id": pa.array(people.person_id[person]),
        }
    )


_MISSING, _NOT_ASKED = -1, -2


class _Form:
    """How answers are put down: as numbers of a code list, left out, or not asked."""

    def __init__(self, rng: np.random.Generator, every: _Assessments, put_right: Bools) -> None:
        self._rng = rng
        broken_off = every.completed_day == NEVER
        self._left_out = np.where(broken_off, _LEFT_OUT_BROKEN_OFF, _LEFT_OUT)
        self._put_right = put_right

    def answer(self, given: Ints | Bools, asked: Bools | None = None) -> Ints:
        """One question's answers as they stand on the forms."""
        left_out = (self._rng.random(len(given)) < self._left_out) & ~self._put_right
        answers = np.where(left_out, _MISSING, given.astype(np.int64))
        return answers if asked is None else np.where(asked, answers, _NOT_ASKED)

    @staticmethod
    def text(answers: Ints) -> pa.Array:
        """Numbers, M where left out, empty where not asked."""
        return pc.if_else(
            pa.array(answers == _MISSING),
            "M",
            recording.number_text(np.maximum(answers, _NOT_ASKED)),
        )

    @staticmethod
    def yes_no(answers: Ints) -> pa.Array:
        """NO, YES, M where left out, empty where not asked."""
        return recording.take(
            pa.array(["NO", "YES", "M"]), np.where(answers == _MISSING, 2, answers)
        )

    @staticmethod
    def total(parts: Iterable[Ints]) -> pa.Array:
        """Sum of the answers of a section; empty where it was not asked."""
        stacked = np.stack(list(parts))
        asked = (stacked != _NOT_ASKED).any(axis=0)
        return recording.number_text(np.where(asked, np.maximum(stacked, 0).sum(axis=0), -1))


def _version(every: _Assessments) -> Ints:
    """Version of the form: the one in use on the day."""
    return np.searchsorted(_VERSIONS, every.day, side="right")


def _assessment_pk(every: _Assessments) -> pa.Array:
    return _dealt(every.number, 67_867_979)


def _dealt(number: Ints, multiplier: int) -> pa.Array:
    """Numbers dealt at random, all different: the multiplier has no factor 2 or 5."""
    return recording.digits(number * multiplier % 10**12, 1)


def _dates(days: Ints) -> pa.Array:
    return recording.dates(days).cast(pa.string())
