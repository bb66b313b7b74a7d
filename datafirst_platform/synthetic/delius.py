"""nDelius: supervision as the probation service holds it.

What belongs here: which people and cases it holds, its columns and its habits. What does not: what
happened (`sentences.py`), how a clerk misspells (`recording.py`) and how files are written
(`deliveries.py`).

A person is known from the first referral since 2014: for a sentence that probation carries out, or
for a report to a court that then passed another. Some people have a second record under another
number, kept or deleted since. Lengths of suspended sentence orders are those of the order, not of
the custody held in suspense. Shares without a source are made up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from datafirst_platform.synthetic import lists, needs, nomis, recording, sentences
from datafirst_platform.synthetic.history import History
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import ETHNICITY, MOVES, NEVER, People, stream

_MANNER = recording.Manner(
    upper=False, ascii_only=False, error=0.9, pnc_held=0.93, cro_held=0.75, short_pnc=True
)
_LONG_PNC = 0.12
"""Share of police numbers written in the long form, by way of imports."""

_FIRST_DAY = 16071
"""2014-01-01: no referral earlier is held."""

_SA2020_DAY = 18597
"""2020-12-01: community sentences are passed under the Sentencing Act 2020."""

_COMPANIES_DAY, _REUNITED_DAY = 16222, 18804
"""2014-06-01 and 2021-06-26: trusts, then companies beside a national service, then regions."""

_ADULT_DAYS, _NEARLY_ADULT_DAYS = 6574, 6209
"""Eighteenth and seventeenth birthday. Youth offending teams supervise those younger still."""

_SECOND_RECORD, _SECOND_DELETED = 0.032, 0.4
_MISTAKEN = 0.009
"""Share of rows entered once too often, and marked as deleted since."""

_SENT_TWICE = 0.001
"""Share of events whose row is supplied twice."""

_REFERRED_FOR_REPORT = 0.55
# Share of sentences probation does not carry out that a report came before.
_REPORT_ONLY = {sentences.CUSTODY: 0.3, sentences.FINE: 0.004, sentences.OTHER: 0.008}

_DAYS_MISSING, _DAYS_WRONG = 0.13, 0.02
"""Share of lengths without their days, and of those in months whose days hold the months."""

_WRONG_OFFENCE_DATE = 0.003

_CRN_LETTERS = "ABCDEFGHJKLMNPRSTUVWX"

_UNITS = ("D", "W", "M", "Y")
_DAYS_PER_UNIT = np.array([1.0, 7.0, 30.4375, 365.25])

_HERE = Path(__file__).parent
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True)
class _Menu:
    """Requirements or conditions to draw from; shares have the shape (choices, kinds of case).

    Attributes:
        code: of each choice.
        share: how likely it is in each kind of case.
        since: first day it is imposed; `until`: the last.
        need: name of the need that makes it likelier, empty for none.
        unit: of its length, empty where it has none.
        lengths: what to pick from, padded by repeating, shape (choices, longest list).
    """

    code: pa.Array
    share: Floats
    since: Ints
    until: Ints
    need: tuple[str, ...]
    unit: pa.Array
    lengths: Ints


@dataclass(frozen=True)
class _Events:
    """What the service was told of cases, ordered by offender row and time.

    Attributes:
        sentence: index into the chunk's sentences.
        person: index into the chunk's people.
        offender: index into the offender rows.
        number: over all chunks.
        nth: 1 for the first event of an offender row, 2 for the next, …
        referral_day: of the referral.
        disposed: the sentence is one that probation carries out.
        ends: last day of supervision, or of the report; NEVER for none.
        deleted_day: day on which the event was found to be entered twice, NEVER else.
    """

    sentence: Ints
    person: Ints
    offender: Ints
    number: Ints
    nth: Ints
    referral_day: Ints
    disposed: Bools
    ends: Ints
    deleted_day: Ints

    def __len__(self) -> int:
        return len(self.sentence)

    def take(self, at: Ints | Bools) -> _Events:
        return _Events(*(getattr(self, each.name)[at] for each in fields(self)))


@dataclass(frozen=True)
class _Offenders:
    """Offender rows, ordered by person; the second row of a person follows the first.

    Attributes:
        person: index into the chunk's people.
        second: a second row of a person.
        day: on which it was entered.
        deleted_day: on which it was merged into the other, NEVER else.
    """

    person: Ints
    second: Bools
    day: Ints
    deleted_day: Ints

    def __len__(self) -> int:
        return len(self.person)

    def number(self, people: People) -> Ints:
        """Over all chunks."""
        return people.person_id[self.person] * 2 + self.second


def crn(person_id: Ints, second: Bools) -> pa.Array:
    """Case reference numbers (`X123456`), of the first or the second record of people."""
    number = (person_id * 2 + second) * 7_368_787 % (len(_CRN_LETTERS) * 10**6)
    letter = recording.take(pa.array(list(_CRN_LETTERS)), number // 10**6)
    return pc.binary_join_element_wise(letter, recording.digits(number % 10**6, 6), "")


def crn_on(lives: Lives, person: Ints, day: Ints) -> pa.Array:
    """The case reference number under which people are known on a day.

    Args:
        lives: the chunk.
        person: indices into the chunk's people.
        day: days since 1970-01-01.
    """
    offenders, _ = _offenders(lives, _told(lives))
    since = np.full(len(lives.people), NEVER, dtype=np.int64)
    until = np.full(len(lives.people), NEVER, dtype=np.int64)
    since[offenders.person[offenders.second]] = offenders.day[offenders.second]
    until[offenders.person[offenders.second]] = offenders.deleted_day[offenders.second]
    second = (since[person] <= day) & (day < until[person])
    return crn(lives.people.person_id[person], second)


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as nDelius would extract them on the day of the cut-off.

    Returns:
        The eight `delius_…` tables: text columns as the contracts name them, then `person_id`.
        A few rows of `delius_events` stand there twice.
    """
    told = _told(lives)
    offenders, events = _offenders(lives, told)
    history = History.draw(lives.seed, lives.chunk, "delius offenders", offenders.day)
    supplied = (offenders.day <= cut_off) & history.stands(cut_off)
    offender_rows = _offender_table(lives, offenders, history, cut_off)
    event_rows, event_supplied = _event_table(lives, offenders, events, supplied, cut_off)
    twice = event_supplied & (
        stream(lives.seed, lives.chunk, "delius copies").random(len(events)) < _SENT_TWICE
    )
    sent = np.concatenate([np.flatnonzero(event_supplied), np.flatnonzero(twice)])
    passed_by = lives.sentences.day[events.sentence] <= cut_off
    disposed = events.take(event_supplied & events.disposed & passed_by)
    kept = disposed.take(disposed.deleted_day == NEVER)
    return {
        "delius_offenders": offender_rows.filter(pa.array(supplied)),
        "delius_aliases": _aliases(lives, offenders, supplied, cut_off),
        "delius_addresses": _addresses(lives, offenders, events, supplied, cut_off),
        "delius_events": event_rows.take(pa.array(sent)),
        "delius_disposals": _disposals(lives, disposed, cut_off),
        "delius_requirements": _requirements(lives, kept, cut_off),
        "delius_licence_conditions": _licence_conditions(lives, kept, cut_off),
        "delius_pss_requirements": _pss_requirements(lives, kept, cut_off),
    }


# --- who and what is held -------------------------------------------------------------------------


def _told(lives: Lives) -> _Events:
    """Every event of the lives, whenever, ordered by person and time; offenders not yet set."""
    passed, people, cases = lives.sentences, lives.people, lives.cases
    rng = stream(lives.seed, lives.chunk, "delius events")
    for_report, report_only, ahead, mistaken, noticed = rng.random((5, len(passed)))
    age_days = passed.day - people.born[passed.person]
    carried_out = np.zeros(len(passed), dtype=bool)
    carried_out[lives.supervisions.sentence] = True
    carried_out |= (passed.kind == sentences.CUSTODY) & sentences.has_licence(passed)
    carried_out |= passed.kind == sentences.YOUTH_CUSTODY
    young = np.isin(passed.kind, (sentences.YOUTH_CUSTODY, sentences.YOUTH_ORDER))
    disposed = carried_out & (~young | (age_days >= _NEARLY_ADULT_DAYS))
    share = np.zeros(7)
    share[list(_REPORT_ONLY)] = list(_REPORT_ONLY.values())
    reported = ~carried_out & (report_only < share[passed.kind]) & (age_days >= _ADULT_DAYS)
    adjourned = reported | (for_report < _REFERRED_FOR_REPORT)
    at_crown, at_magistrates = cases.crown_first_day, cases.first_hearing_day
    heard = np.where(passed.at_crown, at_crown[passed.case], at_magistrates[passed.case])
    report_from = passed.day - 10 - (ahead * 25).astype(np.int64)
    referral = np.where(adjourned, np.maximum(heard, report_from), passed.day)
    of = np.flatnonzero(disposed | reported)
    of = of[np.lexsort((passed.case[of], referral[of], passed.person[of]))]
    again = of[mistaken[of] < _MISTAKEN]
    sentence = np.concatenate([of, again])
    is_copy = np.arange(len(sentence)) >= len(of)
    ends = np.where(disposed, supervised_until(lives), passed.day)[sentence]
    found = referral + 1 + (-np.log1p(-noticed) * 120).astype(np.int64)
    return _Events(
        sentence=sentence,
        person=passed.person[sentence],
        offender=np.full(len(sentence), -1),
        number=cases.own_number[passed.case[sentence]] * 2 + is_copy,
        nth=np.zeros(len(sentence), dtype=np.int64),
        referral_day=referral[sentence],
        disposed=disposed[sentence],
        ends=ends,
        deleted_day=np.where(is_copy, found[sentence], NEVER),
    )


def supervised_until(lives: Lives) -> Ints:
    """Day on which each of the chunk's sentences was over, as probation counts; NEVER for life."""
    until = np.full(len(lives.sentences), -1, dtype=np.int64)
    np.maximum.at(until, lives.supervisions.sentence, lives.supervisions.end_day)
    died = _died(lives)[lives.sentences.person]
    expired = np.minimum(lives.sentences.expires, died)
    return np.maximum(np.where(until < 0, expired, until), lives.sentences.day)


def _died(lives: Lives) -> Ints:
    """Day on which each of the chunk's people died in custody, NEVER else."""
    day = np.full(len(lives.people), NEVER, dtype=np.int64)
    died = lives.spells.released_as == sentences.DIED
    day[lives.spells.person[died]] = lives.spells.released_day[died]
    return day


def _offenders(lives: Lives, told: _Events) -> tuple[_Offenders, _Events]:
    """Offender rows, and the events held since 2014, parted among them."""
    total = len(lives.people)
    rng = stream(lives.seed, lives.chunk, "delius offenders")
    has_second, is_deleted, wait = rng.random((3, total))
    told = told.take(np.lexsort((told.number, told.referral_day, told.person)))
    held = told.referral_day >= _FIRST_DAY
    person, first, count = np.unique(told.person[held], return_index=True, return_counts=True)
    referral = told.referral_day[held]
    second = has_second[person] < _SECOND_RECORD
    deleted = is_deleted[person] < _SECOND_DELETED
    later = referral[first + count // 2] + np.where(count == 1, 5, 0)
    gone = later + 30 + (-np.log1p(-wait[person]) * 500).astype(np.int64)
    rows = _Offenders(
        person=np.concatenate([person, person[second]]),
        second=np.arange(len(person) + int(second.sum())) >= len(person),
        day=np.concatenate([referral[first], later[second]]),
        deleted_day=np.concatenate(
            [np.full(len(person), NEVER), np.where(deleted, gone, NEVER)[second]]
        ),
    )
    order = np.lexsort((rows.second, rows.person))
    rows = _Offenders(*(getattr(rows, each.name)[order] for each in fields(rows)))
    # From the day of a second record that was kept, events go under that one.
    first_row = np.full(total, -1, dtype=np.int64)
    first_row[rows.person[~rows.second]] = np.flatnonzero(~rows.second)
    switch = np.full(total, NEVER, dtype=np.int64)
    kept = rows.second & (rows.deleted_day == NEVER)
    switch[rows.person[kept]] = rows.day[kept]
    offender = first_row[told.person] + (told.referral_day >= switch[told.person])
    offender[first_row[told.person] < 0] = -1
    # Numbered from a person's first event on, though those before 2014 are not held.
    by_row = np.lexsort((np.arange(len(told)), offender))
    told, offender = told.take(by_row), offender[by_row]
    opens = np.ones(len(told), dtype=bool)
    opens[1:] = offender[1:] != offender[:-1]
    position = np.arange(len(told))
    nth = position - np.maximum.accumulate(np.where(opens, position, 0)) + 1
    told = replace(told, offender=offender, nth=nth)
    return rows, told.take(told.referral_day >= _FIRST_DAY)


# --- people ---------------------------------------------------------------------------------------


def _offender_table(
    lives: Lives, offenders: _Offenders, history: History, cut_off: int
) -> pa.Table:
    people, person = lives.people, offenders.person
    rng = stream(lives.seed, lives.chunk, "delius")
    total = len(offenders)
    put_right = history.put_right(cut_off)
    seen = recording.write_down(rng, people, person, offenders.day, _MANNER, put_right)
    # A second record is there because the name was not found.
    first = recording.misspelt(rng, seen.first, offenders.second & (rng.random(total) < 0.3))
    surname = recording.misspelt(rng, seen.surname, offenders.second & (rng.random(total) < 0.4))
    renamed = offenders.day >= people.renamed[person]
    previous = recording.take(
        lists.names().surname, np.where(renamed, people.surname[person], np.int64(-1))
    )
    long_form = rng.random(total) < _LONG_PNC
    # Entered on the first occasion and mostly kept up: the others hold a number given up since.
    asked = np.where(rng.random(total) < 0.85, NEVER, offenders.day + 500)
    noms = nomis.number_on(lives, nomis.register(lives), person, np.minimum(asked, cut_off))
    return pa.table(
        {
            "offender_id": _offender_id(people, offenders),
            "crn": crn(people.person_id[person], offenders.second),
            "pnc_number": pc.if_else(pa.array(long_form), _long_pnc(seen.pnc), seen.pnc),
            "cro_number": seen.cro,
            "noms_number": recording.some(rng, noms, 0.9),
            "first_name": first,
            "second_name": seen.middle,
            "third_name": seen.middle2,
            "surname": surname,
            "previous_surname": recording.some(rng, previous, 0.65),
            "date_of_birth": _dates(seen.birth_day),
            "gender": _gender(people.female[person] ^ seen.sex_wrong, seen.sex_missing),
            "ethnicity": _ethnicity(rng, people, person),
            "nationality": recording.some(rng, recording.nationality(people, person), 0.8),
            "soft_deleted": _flags(offenders.deleted_day <= cut_off),
            "person_id": pa.array(people.person_id[person]),
        }
    )


def _offender_id(people: People, offenders: _Offenders) -> pa.Array:
    return _dealt(offenders.number(people), 86_028_121)


def _long_pnc(pnc: pa.Array) -> pa.Array:
    """`98/1234X` as `1998/0001234X`; what is long already stays."""
    parts = pc.extract_regex(pnc, r"^(?P<year>\d\d)/(?P<serial>\d+[A-Z])$")
    year, serial = pc.struct_field(parts, "year"), pc.struct_field(parts, "serial")
    century = pc.if_else(pc.greater(year, "50"), "19", "20")
    long_form = pc.binary_join_element_wise(
        pc.binary_join_element_wise(century, year, ""),
        pc.utf8_lpad(serial, width=8, padding="0"),
        "/",
    )
    return pc.coalesce(long_form, pnc)


def _gender(female: Bools, missing: Bools) -> pa.Array:
    return pa.array(["M", "F", "N"]).take(pa.array(np.where(missing, 2, female.astype(int))))


_STAND_INS = pa.array(["NS", "Z1", "ETH03", "ETH04", "ETH05", "O1"])


def _ethnicity(rng: np.random.Generator, people: People, person: Ints) -> pa.Array:
    """Mostly what people say of themselves; refusals, former codes and dummies for the others."""
    own = recording.take(ETHNICITY, people.ethnicity[person])
    # Chinese people entered before the census of 2011 changed the list have its former code.
    former = (own.to_numpy(zero_copy_only=False) == "A4") & (rng.random(len(person)) < 0.4)
    odd = rng.random(len(person)) < 0.045
    which = np.searchsorted((0.45, 0.75, 0.85, 0.93), rng.random(len(person)))
    stand_in = _STAND_INS.take(pa.array(np.where(odd, which, 5)))
    return recording.some(rng, pc.if_else(pa.array(former | odd), stand_in, own), 0.93)


def _aliases(lives: Lives, offenders: _Offenders, supplied: Bools, cut_off: int) -> pa.Table:
    """Other names and dates of birth that people went by, one row each."""
    people, names = lives.people, lists.names()
    person = offenders.person
    rng = stream(lives.seed, lives.chunk, "delius aliases")
    renamed = people.renamed[person] <= offenders.day
    renamed_since = (people.renamed[person] < NEVER) & ~renamed
    told = rng.random((6, len(offenders)))
    goes_by = np.stack(
        [
            (people.alias_first[person] >= 0) & (told[0] < 0.8),
            (people.alias_surname[person] >= 0) & (told[1] < 0.8),
            (people.alias_born[person] != people.born[person]) & (told[2] < 0.8),
            (people.nickname[person] >= 0) & (told[3] < 0.5),
            (renamed | renamed_since) & (told[4] < 0.5),
            told[5] < 0.08,
        ],
        axis=1,
    )
    row, kind = np.nonzero(goes_by)
    who = person[row]
    total = len(row)
    day = offenders.day[row] + (rng.random(total) ** 2 * 700).astype(np.int64)
    day = np.where((kind == 4) & renamed_since[row], np.maximum(day, people.renamed[who] + 30), day)
    first = np.where(kind == 0, people.alias_first[who], people.first[who])
    first = np.where(kind == 3, people.nickname[who], first)
    surname = np.where(renamed[row], people.new_surname[who], people.surname[who])
    other = np.where(renamed[row], people.surname[who], people.new_surname[who])
    surname = np.where(kind == 4, other, np.where(kind == 1, people.alias_surname[who], surname))
    middle = np.where(rng.random(total) < 0.55, people.middle[who], -1)
    middle2 = np.where(middle < 0, -1, people.middle2[who])
    # The last kind is a spelling once heard.
    heard = (kind == 5) | (rng.random(total) < 0.02)
    born = np.where(kind == 2, people.alias_born[who], people.born[who])
    born = np.where((kind == 2) | (rng.random(total) < 0.72), born, NEVER)
    number = offenders.number(people)[row] * 8 + kind
    table = pa.table(
        {
            "alias_id": _dealt(number, 67_867_967),
            "offender_id": _offender_id(people, offenders).take(pa.array(row)),
            "first_name": recording.take(names.first, first),
            "second_name": recording.take(names.first, middle),
            "third_name": recording.take(names.first, middle2),
            "surname": recording.misspelt(rng, recording.take(names.surname, surname), heard),
            "date_of_birth": _dates(born),
            "gender": _gender(people.female[who], rng.random(total) < 0.05),
            "soft_deleted": _flags(rng.random(total) < _MISTAKEN),
            "person_id": pa.array(people.person_id[who]),
        }
    )
    return table.filter(pa.array(supplied[row] & (day <= cut_off)))


def _addresses(
    lives: Lives, offenders: _Offenders, events: _Events, supplied: Bools, cut_off: int
) -> pa.Table:
    """Where people lived while they were known: at each referral, and moves under supervision."""
    people = lives.people
    rng = stream(lives.seed, lives.chunk, "delius addresses")
    since = people.addresses.since
    until = np.concatenate([since[:, 1:], np.full((len(people), 1), NEVER)], axis=1)
    came, went = since[events.person], until[events.person]
    # Told of at the referral, or on moving; shape (events, addresses of a person).
    learnt = np.maximum(came, events.referral_day[:, None])
    met = (learnt < went) & (came <= events.ends[:, None])
    heard_of = np.full((len(offenders), MOVES + 1), NEVER, dtype=np.int64)
    np.minimum.at(heard_of, events.offender, np.where(met, learnt, NEVER))
    # A second record without an event has the address of its day.
    lived, left = since[offenders.person], until[offenders.person]
    at_entry = (lived <= offenders.day[:, None]) & (offenders.day[:, None] < left)
    heard_of = np.where(at_entry, np.minimum(heard_of, offenders.day[:, None]), heard_of)
    known = heard_of <= cut_off
    # Left for another only where that one was heard of.
    after = np.zeros_like(known)
    after[:, :-1] = np.logical_or.accumulate(known[:, :0:-1], axis=1)[:, ::-1]
    row, which = np.nonzero(heard_of < NEVER)
    person, day = offenders.person[row], heard_of[row, which]
    total = len(row)
    history = History.draw(lives.seed, lives.chunk, "delius addresses", day)
    seen = recording.write_down(rng, people, person, day, _MANNER, history.put_right(cut_off))
    start = lived[row, which]
    before = offenders.day[row] - 30 - (rng.random(total) ** 2 * 3000).astype(np.int64)
    start = np.where(start == -NEVER, before, start)
    start = np.where(rng.random(total) < 0.25, day, start)
    end = np.where(after[row, which] & (rng.random(total) < 0.93), left[row, which] - 1, NEVER)
    nowhere = pc.fill_null(pc.equal(seen.line_1, "No fixed abode"), False)
    place = pc.extract_regex(seen.line_1, r"^(?P<number>(?:Flat \d+ )?\d+) (?P<street>.+)$")
    number = offenders.number(people)[row] * (MOVES + 1) + which
    table = pa.table(
        {
            "offender_address_id": _dealt(number, 49_979_687),
            "offender_id": _offender_id(people, offenders).take(pa.array(row)),
            "address_number": pc.struct_field(place, "number"),
            "street_name": pc.coalesce(pc.struct_field(place, "street"), seen.line_1),
            "town_city": seen.town,
            "postcode": seen.postcode,
            "start_date": _dates(start),
            "end_date": _dates(np.maximum(end, start)),
            "no_fixed_abode": _flags(nowhere.to_numpy(zero_copy_only=False)),
            "soft_deleted": _flags(rng.random(total) < _MISTAKEN),
            "person_id": pa.array(people.person_id[person]),
        }
    )
    return table.filter(pa.array(supplied[row] & known[row, which]))


# --- events and disposals -------------------------------------------------------------------------


def _event_table(
    lives: Lives, offenders: _Offenders, events: _Events, supplied: Bools, cut_off: int
) -> tuple[pa.Table, Bools]:
    """All events in their order, and which of them are supplied."""
    people, passed = lives.people, lives.sentences
    rng = stream(lives.seed, lives.chunk, "delius event rows")
    total = len(events)
    history = History.draw(lives.seed, lives.chunk, "delius events", events.referral_day)
    sentence = events.sentence
    offence_day = lives.charges.day[passed.charge[sentence]]
    # A year typed wrongly makes children of grown-ups and the other way round.
    shift = rng.choice((-40, -30, -20, 30, 50), total) * 365
    wrong = history.faulty(_WRONG_OFFENCE_DATE) & ~history.put_right(cut_off)
    offence_day = np.where(wrong, np.maximum(offence_day + shift, -10_900), offence_day)
    breached = np.zeros(len(passed), dtype=bool)
    breached[lives.supervisions.sentence[lives.supervisions.breached]] = True
    breached = breached[sentence] & events.disposed
    active = events.ends > cut_off
    proceedings = breached & active & (np.minimum(events.ends, NEVER) - cut_off < 200)
    failures = rng.poisson(np.where(breached, 2.2, 0.35))
    convicted = np.where(rng.random(total) < 0.03, NEVER, events.referral_day)
    offence = recording.take(lists.offences().code, passed.offence[sentence])
    table = pa.table(
        {
            "event_id": _event_id(events),
            "offender_id": _offender_id(people, offenders).take(pa.array(events.offender)),
            "event_number": recording.number_text(events.nth),
            "referral_date": _dates(events.referral_day),
            "conviction_date": _dates(convicted),
            "offence_date": recording.some(rng, _dates(offence_day), 0.99),
            "mo_code": recording.some(rng, offence, 0.985),
            "active_flag": _flags(active),
            "in_breach": _flags(proceedings),
            "ftc_count": recording.number_text(np.where(events.disposed, failures, 0)),
            "probation_area_code": _areas(rng, lives, events),
            "soft_deleted": _flags(events.deleted_day <= cut_off),
            "person_id": pa.array(people.person_id[events.person]),
        }
    )
    told = supplied[events.offender] & (events.referral_day <= cut_off) & history.stands(cut_off)
    return table, told


def _event_id(events: _Events) -> pa.Array:
    return _dealt(events.number, 32_452_843)


def _areas(rng: np.random.Generator, lives: Lives, events: _Events) -> pa.Array:
    """Who manages each event: by force, by time, and by how grave it is."""
    passed = lives.sentences
    kind, days = passed.kind[events.sentence], passed.days[events.sentence]
    by_chance, odd = rng.random((2, len(events)))
    group = lists.offences().group[passed.offence[events.sentence]]
    grave = (kind == sentences.CUSTODY) & ((days < 0) | (days >= 365))
    grave |= np.isin(group, ("Sexual offences", "Robbery")) | (by_chance < 0.22)
    force = lives.cases.force[passed.case[events.sentence]]
    area = areas(force, events.referral_day, grave)
    # Some custody is managed from the prison, and some events never found their place.
    prison = np.full(len(passed), -1, dtype=np.int64)
    held = lives.spells.sentence >= 0
    prison[lives.spells.sentence[held]] = lives.spells.establishment_out[held]
    prison = np.where(odd < 0.06, prison[events.sentence], -1)
    area = pc.coalesce(recording.take(lists.establishments().code, prison), area)
    return pc.if_else(pa.array(odd > 0.997), "UAT", area)


def areas(force: Ints, day: Ints, grave: Bools) -> pa.Array:
    """Codes of the probation areas that take on cases of a police force on a day."""
    codes = _areas_of_forces()
    column = np.where(day < _COMPANIES_DAY, 0, np.where(day >= _REUNITED_DAY, 3, 1 + grave))
    return recording.take(codes, column * (len(codes) // 4) + force)


@cache
def _areas_of_forces() -> pa.Array:
    """Codes in the order of the forces: all trusts, then companies, divisions, regions."""
    table = csv.read_csv(
        _HERE / "probation_areas.csv",
        convert_options=csv.ConvertOptions(column_types={"force": pa.string()}),
    )
    at = pc.index_in(lists.offices().force, value_set=table["force"])
    columns = (table[name].combine_chunks().take(at) for name in table.column_names[1:])
    return pa.concat_arrays(columns)


def _disposals(lives: Lives, events: _Events, cut_off: int) -> pa.Table:
    """One disposal an event, and a few that were entered and deleted since."""
    passed, people = lives.sentences, lives.people
    rng = stream(lives.seed, lives.chunk, "delius disposals")
    # Drawn for every sentence, so that what an edition holds shifts nothing.
    drawn = rng.random((6, len(passed)))
    history = History.draw(lives.seed, lives.chunk, "delius disposals", passed.day, of_results=True)
    faulty = (history.faulty(_DAYS_WRONG) & ~history.put_right(cut_off))[events.sentence]
    of = events.sentence
    unit_chance, missing, why, early, entered_wrongly, kind_chance = drawn[:, of]
    code = _disposal_codes(lives, of, kind_chance)
    length, unit, days = _length(lives, of, unit_chance)
    days_held = np.where(faulty & (unit == _UNITS.index("M")), length, days)
    days_held = np.where(missing < _DAYS_MISSING, -1, days_held)
    ended = np.where(events.ends <= cut_off, events.ends, NEVER)
    reason = _once(_termination_reasons(lives, of, events.ends, why, early), ended < NEVER)
    recalls = _recalls(lives, cut_off)[0][of]
    table = pa.table(
        {
            "disposal_id": _disposal_id(events),
            "event_id": _event_id(events),
            "disposal_type_code": code,
            "disposal_date": _dates(passed.day[of]),
            "length": recording.number_text(length),
            "length_units": recording.take(pa.array(_UNITS), unit),
            "length_in_days": recording.number_text(days_held),
            "termination_date": _dates(ended),
            "termination_reason_code": reason,
            "recall_count": recording.number_text(recalls),
            "soft_deleted": _flags(events.deleted_day <= cut_off),
            "person_id": pa.array(people.person_id[events.person]),
        }
    )
    at = np.flatnonzero((entered_wrongly < _MISTAKEN) & (events.deleted_day == NEVER))
    other = table.take(pa.array(at))
    number = events.number[at] * 2 + 1
    replaced = {
        "disposal_id": _dealt(number, 15_485_863),
        "length": recording.number_text(np.where(length[at] < 0, -1, length[at] + 1)),
        "length_in_days": pa.nulls(len(at), pa.string()),
        "termination_date": _dates(passed.day[of[at]]),
        "termination_reason_code": pa.array(["08"] * len(at), pa.string()),
        "recall_count": pa.array(["0"] * len(at), pa.string()),
        "soft_deleted": pa.array(["1"] * len(at), pa.string()),
    }
    columns = {name: replaced.get(name, other[name]) for name in other.column_names}
    return pa.concat_tables([table, pa.table(columns)])


def _disposal_id(events: _Events) -> pa.Array:
    return _dealt(events.number * 2, 15_485_863)


def _disposal_codes(lives: Lives, of: Ints, chance: Floats) -> pa.Array:
    passed, people = lives.sentences, lives.people
    kind, day, days = passed.kind[of], passed.day[of], passed.days[of]
    period = (day >= sentences.ORA_DAY).astype(int) + (day >= _SA2020_DAY)
    age_days = day - people.born[passed.person[of]]
    code = lists.offences().code.to_numpy(zero_copy_only=False)[passed.offence[of]]
    group = lists.offences().group[passed.offence[of]]
    code_of_order = np.full((7, 3), "", dtype="U3")
    code_of_order[sentences.COMMUNITY] = "201", "329", "340"
    code_of_order[sentences.SUSPENDED] = "203", "330", "341"
    code_of_order[sentences.YOUTH_ORDER] = "204", "204", "342"
    of_custody = np.where(days < 365, "307", "303")
    of_custody = np.where((days < 730) & (period > 0), "308", of_custody)
    of_custody = np.where((of_custody == "308") & (age_days < 7670), "309", of_custody)
    grave = np.isin(group, ("Violence against the person", "Sexual offences")) & (days > 1460)
    of_custody = np.where(grave & (chance < 0.2), "304", of_custody)
    of_custody = np.where(days < 0, np.where(code == "1/01", "306", "305"), of_custody)
    of_youth = np.where(days > 730, "311", "310")
    chosen = code_of_order[kind, period]
    chosen = np.where(kind == sentences.CUSTODY, of_custody, chosen)
    chosen = np.where(kind == sentences.YOUTH_CUSTODY, of_youth, chosen)
    return pa.array(chosen.tolist(), pa.string())


def _length(lives: Lives, of: Ints, chance: Floats) -> tuple[Ints, Ints, Ints]:
    """Length as entered, its unit (index into `_UNITS`) and in days; -1 for none.

    A clerk enters years, months or weeks where they come within 1 % (or a day) of the days.
    """
    passed = lives.sentences
    days = passed.days[of]
    in_suspense = passed.kind[of] == sentences.SUSPENDED
    days = np.where(in_suspense, passed.expires[of] - passed.day[of], days)
    counts = np.floor(days[:, None] / _DAYS_PER_UNIT + 0.5).astype(np.int64)
    meant = np.floor(counts * _DAYS_PER_UNIT + 0.5)
    near = np.abs(meant - days[:, None]) <= np.maximum(1, days[:, None] // 100)
    near &= counts > 0
    unit = np.where(near[:, 1] & (days < 200) & (chance < 0.5), 1, 0)
    unit = np.where(near[:, 2] & (chance > 0.1), 2, unit)
    unit = np.where(near[:, 3] & (chance > 0.75), 3, unit)
    unit = np.where(days < 0, -1, unit)
    length = np.where(days < 0, -1, counts[np.arange(len(of)), unit])
    in_days = np.where(days < 0, -1, meant[np.arange(len(of)), unit].astype(np.int64))
    return length, unit, in_days


def _termination_reasons(
    lives: Lives, of: Ints, ends: Ints, chance: Floats, early: Floats
) -> Texts:
    """Why disposals ended or will end."""
    passed = lives.sentences
    custodial = np.isin(passed.kind[of], (sentences.CUSTODY, sentences.YOUTH_CUSTODY))
    cut_short = ~custodial & (ends < passed.expires[of])
    activated = (passed.kind[of] == sentences.SUSPENDED) & (chance < 0.55)
    broken = np.where(activated, "06", np.where(chance < 0.65, "05", "04"))
    broken = np.where(chance > 0.93, "07", broken)
    done = np.where(custodial & ~np.isin(of, lives.supervisions.sentence), "03", "01")
    done = np.where(~custodial & (early < 0.03), "02", done)
    done = np.where(early > 0.994, np.where(chance < 0.5, "09", "10"), done)
    reason = np.where(cut_short, broken, done)
    return np.where(_died(lives)[passed.person[of]] == ends, "11", reason)


def _recalls(lives: Lives, cut_off: int) -> tuple[Ints, Ints]:
    """Recalls on the licence of each of the chunk's sentences by the cut-off, and day of the first.

    NEVER stands for no recall.
    """
    supervisions, spells = lives.supervisions, lives.spells
    licence = np.flatnonzero(supervisions.kind == sentences.ON_LICENCE)
    back = np.flatnonzero(spells.received_as == sentences.RECALL)
    clock = spells.person[back] * (NEVER << 1) + spells.received_day[back]
    shift = supervisions.person[licence] * (NEVER << 1)
    until = np.minimum(supervisions.end_day[licence], cut_off + 1)
    first = np.searchsorted(clock, shift + supervisions.start_day[licence], side="right")
    count = np.maximum(np.searchsorted(clock, shift + until) - first, 0)
    recalls = np.zeros(len(lives.sentences), dtype=np.int64)
    recalls[supervisions.sentence[licence]] = count
    day = np.full(len(lives.sentences), NEVER, dtype=np.int64)
    recalled = count > 0
    day[supervisions.sentence[licence[recalled]]] = spells.received_day[back[first[recalled]]]
    return recalls, day


# --- requirements and conditions ------------------------------------------------------------------


def _requirements(lives: Lives, events: _Events, cut_off: int) -> pa.Table:
    """Requirements of community and suspended sentence orders, youth orders included."""
    passed = lives.sentences
    menu = _menu("probation_requirements.csv", ("community", "suspended", "youth"))
    kinds = np.full(7, -1)
    kinds[[sentences.COMMUNITY, sentences.SUSPENDED, sentences.YOUTH_ORDER]] = 0, 1, 2
    ordered = np.flatnonzero(kinds[passed.kind] >= 0)
    wants = needs.draw(lives.seed, lives.people, lives.cases)
    rng = stream(lives.seed, lives.chunk, "delius requirements")
    day = passed.day[ordered]
    share = menu.share[:, kinds[passed.kind[ordered]]].T
    for column, need in enumerate(menu.need):
        if need:
            share[:, column] *= np.exp(0.9 * getattr(wants, need)[passed.person[ordered]] - 0.9)
    imposed = _chosen(rng, menu, share, day)
    none = ~imposed.any(axis=1)
    # What is always at hand where nothing else was ordered: supervision, then activity.
    codes = menu.code.to_pylist()
    imposed[none, codes.index("F")] = True
    imposed[none & (day < sentences.ORA_DAY), codes.index("F")] = False
    imposed[none & (day < sentences.ORA_DAY), codes.index("S")] = True
    at, choice = np.nonzero(imposed)
    sentence = ordered[at]
    total = len(sentence)
    length = menu.lengths[choice, rng.integers(0, menu.lengths.shape[1], total)]
    begun, told, done, why = rng.random((4, total))
    start = passed.day[sentence]
    start = start + np.where(begun < 0.06, (begun * 600).astype(np.int64), 0)
    commenced = np.where(told < 0.18, start + 3 + (begun * 40).astype(np.int64), NEVER)
    until = supervised_until(lives)[sentence]
    runs = ((until - start) * (0.35 + 0.65 * done)).astype(np.int64)
    end = np.where((why < 0.5) | (length < 0), until, start + runs)
    cut_short = until < passed.expires[sentence]
    end = np.where(cut_short, until, end)
    reason = np.where(end == until, np.where(why < 0.25, "51", "52"), "51")
    reason = np.where((end == until) & (why > 0.47), "53", reason)
    reason = np.where(why > 0.97, np.where(done < 0.5, "57", "58"), reason)
    unpaid = np.array(codes)[choice] == "W"
    reason = np.where(unpaid & (end - start > 365) & ~cut_short, "74", reason)
    broken = np.where(why < 0.5, "55", np.where(why < 0.93, "54", "56"))
    reason = np.where(cut_short, broken, reason)
    reason = np.where(_died(lives)[passed.person[sentence]] == end, "59", reason)
    unit = recording.take(menu.unit, choice)
    stated = pa.array(rng.random(total) < 0.96)
    children = {
        "rqmnt_type_main_category_code": recording.take(menu.code, choice),
        "rqmnt_start_date": _dates(start),
        "rqmnt_commencement_date": _dates(np.where(commenced <= cut_off, commenced, NEVER)),
        "rqmnt_termination_date": _dates(np.where(end <= cut_off, end, NEVER)),
        "rqmnt_termination_reason_code": _once(reason, end <= cut_off),
        "length": pc.if_else(stated, recording.number_text(length), recording.EMPTY),
        "length_units": pc.if_else(stated, unit, recording.EMPTY),
    }
    return _under_disposals(
        rng, lives, events, "rqmnt_id", 15_485_867, sentence, choice, start <= cut_off, children
    )


def _licence_conditions(lives: Lives, events: _Events, cut_off: int) -> pa.Table:
    """Conditions of the licences on which people were released."""
    passed, supervisions = lives.sentences, lives.supervisions
    menu = _menu("licence_conditions.csv", ("share", "sexual"))
    rng = stream(lives.seed, lives.chunk, "delius licence conditions")
    licence = np.flatnonzero(supervisions.kind == sentences.ON_LICENCE)
    group = lists.offences().group[passed.offence[supervisions.sentence[licence]]]
    share = menu.share[:, (group == "Sexual offences").astype(int)].T
    day = supervisions.start_day[licence]
    at, choice = np.nonzero(_chosen(rng, menu, share, day))
    sentence, start = supervisions.sentence[licence][at], day[at]
    until = supervisions.end_day[licence][at]
    told, chance, done = rng.random((3, len(at)))
    recalled = _recalls(lives, cut_off)[1][sentence]
    standard = choice == 0
    stops = ~standard & (chance < 0.14) & (until < NEVER)
    runs = ((until - start) * (0.2 + 0.8 * done)).astype(np.int64)
    end = np.where(stops, start + runs, until)
    ended_by_recall = (recalled < end) & (chance > 0.4)
    end = np.where(ended_by_recall, recalled, end)
    stopped = np.where(chance < 0.06, "51", np.where(chance < 0.10, "54", "55"))
    reason = np.where(ended_by_recall, "53", np.where(stops, stopped, "52"))
    reason = np.where(_died(lives)[passed.person[sentence]] == end, "56", reason)
    children = {
        "lic_cond_type_main_category_code": recording.take(menu.code, choice),
        "start_date": _dates(start),
        "commencement_date": _dates(np.where(told < 0.6, start, NEVER)),
        "termination_date": _dates(np.where(end <= cut_off, end, NEVER)),
        "termination_reason_code": _once(reason, end <= cut_off),
    }
    return _under_disposals(
        rng, lives, events, "lic_condition_id", 17_624_813, sentence, choice, start <= cut_off,
        children,
    )  # fmt: skip


def _pss_requirements(lives: Lives, events: _Events, cut_off: int) -> pa.Table:
    """Requirements of supervision after short sentences."""
    supervisions = lives.supervisions
    rng = stream(lives.seed, lives.chunk, "delius post-sentence supervision")
    after = np.flatnonzero(supervisions.kind == sentences.POST_SENTENCE)
    wants = needs.draw(lives.seed, lives.people, lives.cases).drugs[supervisions.person[after]]
    share = np.stack([np.ones(len(after)), 0.05 * np.exp(wants), 0.04 * np.exp(wants)], axis=1)
    at, choice = np.nonzero(rng.random(share.shape) < share)
    sentence, start = supervisions.sentence[after][at], supervisions.start_day[after][at]
    end = supervisions.end_day[after][at]
    chance = rng.random(len(at))
    reason = np.where(chance < 0.06, "53", np.where(chance < 0.10, "51", "52"))
    reason = np.where(supervisions.breached[after][at] & (chance < 0.5), "54", reason)
    reason = np.where(_died(lives)[supervisions.person[after]][at] == end, "59", reason)
    children = {
        "pss_rqmnt_type_main_category_code": recording.take(pa.array(["A", "B", "C"]), choice),
        "start_date": _dates(start),
        "termination_date": _dates(np.where(end <= cut_off, end, NEVER)),
        "termination_reason_code": _once(reason, end <= cut_off),
    }
    return _under_disposals(
        rng, lives, events, "pss_rqmnt_id", 22_801_763, sentence, choice, start <= cut_off, children
    )


def _under_disposals(
    rng: np.random.Generator,
    lives: Lives,
    events: _Events,
    key: str,
    multiplier: int,
    sentence: Ints,
    choice: Ints,
    begun: Bools,
    children: dict[str, pa.Array],
) -> pa.Table:
    """Rows that belong to disposals: those whose event is supplied, some entered twice.

    Args:
        rng: random numbers of the table.
        lives: of the chunk.
        events: supplied, with a disposal each.
        key: name of the id column.
        multiplier: deals the ids.
        sentence: of each row, index into the chunk's sentences.
        choice: what it is, one of at most 32 of a sentence.
        begun: imposed by the cut-off.
        children: the columns between the disposal and the mark of deletion.
    """
    event_of = np.full(len(lives.sentences), -1, dtype=np.int64)
    event_of[events.sentence] = np.arange(len(events))
    event = event_of[sentence]
    again = rng.random(len(sentence)) < _MISTAKEN
    shown = (event >= 0) & begun
    rows = np.concatenate([np.flatnonzero(shown), np.flatnonzero(shown & again)])
    is_copy = np.arange(len(rows)) >= int(shown.sum())
    event, at = event[rows], pa.array(rows)
    number = events.number[event] * 64 + choice[rows] * 2 + is_copy
    person_id = lives.people.person_id[events.person[event]]
    return pa.table(
        {key: _dealt(number, multiplier), "disposal_id": _disposal_id(events).take(pa.array(event))}
        | {name: column.take(at) for name, column in children.items()}
        | {"soft_deleted": _flags(is_copy), "person_id": pa.array(person_id)}
    )


def _chosen(rng: np.random.Generator, menu: _Menu, share: Floats, day: Ints) -> Bools:
    """Which choices of a menu are imposed, shape (cases, choices)."""
    in_force = (menu.since <= day[:, None]) & (day[:, None] <= menu.until)
    drawn: Bools = rng.random(share.shape) < share
    return drawn & in_force


@cache
def _menu(file: str, kinds: tuple[str, ...]) -> _Menu:
    """A menu of this room; `kinds` are its columns of shares."""
    table = csv.read_csv(
        _HERE / file, convert_options=csv.ConvertOptions(column_types={"lengths": pa.string()})
    )

    def days(name: str) -> Ints:
        counted: Ints = table[name].cast(pa.int32()).to_numpy().astype(np.int64)
        return counted

    with_lengths = "lengths" in table.column_names
    listed = [
        [int(length) for length in text.split(" ")] if text else [-1]
        for text in (table["lengths"].to_pylist() if with_lengths else [""] * len(table))
    ]
    # Padded to a common multiple, so that each of a list's lengths stays equally likely.
    width = int(np.lcm.reduce([len(each) for each in listed]))
    return _Menu(
        code=table["code"].cast(pa.string()).combine_chunks(),
        share=np.stack([table[kind].to_numpy().astype(float) for kind in kinds], axis=1),
        since=days("since"),
        until=days("until"),
        need=tuple(table["need"].to_pylist()) if "need" in table.column_names else (),
        unit=table["unit"].combine_chunks() if with_lengths else pa.array([], pa.string()),
        lengths=np.array([np.tile(each, width // len(each)) for each in listed]),
    )


# --- how it is written ----------------------------------------------------------------------------


def _dealt(number: Ints, multiplier: int) -> pa.Array:
    """Numbers dealt at random, all different: the multiplier has no factor 2 or 5."""
    return recording.digits(number * multiplier % 10**12, 1)


def _dates(days: Ints) -> pa.Array:
    return pc.strftime(recording.dates(days), format="%d/%m/%Y")


def _flags(marked: Bools) -> pa.Array:
    return pa.array(["0", "1"]).take(pa.array(marked.astype(int)))


def _once(texts: Texts, known: Bools) -> pa.Array:
    """Texts that are known by now, the others empty."""
    return pc.if_else(pa.array(known), pa.array(texts.tolist(), pa.string()), recording.EMPTY)
