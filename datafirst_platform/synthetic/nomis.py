"""P-NOMIS: stays in custody as the prisons' system holds them.

What belongs here: under which numbers, names and bookings prisons know somebody, its columns and
its habits. What does not: the lives (`lives.py`) and how files are written (`deliveries.py`).

A number is meant to follow a person through all their time in prison, and does not: about one new
term in eight comes under another number, some of which are found out and merged later, and of a
thousand numbers three hold two people. The shares are made up after the published caveat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import careers, lists, recording, results, sentences
from datafirst_platform.synthetic.history import History
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, stream

Texts = npt.NDArray[np.str_]

JOURNEYS = "custodial_journeys"

_MANNER = recording.Manner(
    upper=True, ascii_only=True, error=0.9, pnc_held=0.95, cro_held=0.85, short_pnc=False
)
_SHORT = recording.Manner(
    upper=True, ascii_only=True, error=1.5, pnc_held=1.0, cro_held=1.0, short_pnc=True
)

_FAR = 40_000
"""A day long after the horizon that still has a date: 2079-07-08."""

_SENTENCING_CODE = 18_597
"""2020-12-01: sentences are passed under the code of 2020."""

# Numbers over all chunks.
_ROWS_PER_CHUNK = 1_000_000

_NEW_NUMBER = 0.16
"""Share of new terms that come under another number; a part is merged again later."""

_MERGED = 0.3
"""Share of those that are merged with the first number some day."""

_OTHER_NAME, _TOLD_NAME = 0.12, 0.08
"""Shares of further bookings under a number, and of numbers, that add a name to it."""

_TWO_PEOPLE = 0.003
"""Share of numbers under which somebody else is booked too."""


@dataclass(frozen=True)
class Register:
    """Under which numbers and bookings prisons know the people of one chunk.

    A root is the number meant for one person. Roots stand in the order of persons and time, and so
    do bookings.

    Attributes:
        held: indices into `Spells` of the stays in establishments that use P-NOMIS.
        booking: of each held stay, its booking.
        first, last: of each booking, the positions in `held` of its first and last stay.
        root: of each booking, its root as first entered.
        person: of each root, index into the chunk's people.
        since: of each root, day from which it is there.
        merged_day: of each root, day from which it is part of `merged_into`, NEVER for none.
        merged_into: of each root, the root it is part of from then on, or itself.
    """

    held: Ints
    booking: Ints
    first: Ints
    last: Ints
    root: Ints
    person: Ints
    since: Ints
    merged_day: Ints
    merged_into: Ints

    def root_at(self, cut_off: int) -> Ints:
        """Of each root the one it is part of at a cut-off."""
        # Somebody booked under another's number from the start has that day as the merger's.
        now = np.where(self.merged_day <= cut_off, self.merged_into, np.arange(len(self.person)))
        merged: Ints = np.where(self.merged_day[now] <= cut_off, self.merged_into[now], now)
        return merged


def register(lives: Lives) -> Register:
    """Draw the numbers and bookings of one chunk: the same for every source that asks."""
    spells = lives.spells
    rng = stream(lives.seed, lives.chunk, "prison register")
    held = np.flatnonzero(_uses_nomis(lives))
    total = len(held)
    person, nth = spells.person[held], spells.nth[held]
    day, recall = spells.received_day[held], spells.received_as[held] == sentences.RECALL
    chance = rng.random(total)
    begins = (nth == 0) | (chance < np.where(recall, 0.06, 0.2))
    booking = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    last = np.append(first, total)[1:] - 1
    holder = person[first]
    again = np.zeros(len(first), dtype=bool)
    again[1:] = holder[1:] == holder[:-1]
    new = ~again | ((nth[first] == 0) & (rng.random(len(first)) < _NEW_NUMBER))
    root = np.cumsum(new) - 1
    whose, since = holder[new], day[first][new]
    roots = len(whose)
    own = np.ones(roots, dtype=bool)
    own[1:] = whose[1:] != whose[:-1]
    first_root = np.flatnonzero(own)[np.cumsum(own) - 1]
    found = ~own & (rng.random(roots) < _MERGED)
    merged_day = np.where(found, since + rng.integers(60, 2500, roots), NEVER)
    merged_into = np.where(found, first_root, np.arange(roots))
    # Booked by mistake under the number of someone known before, mostly of like name or kin.
    neighbour = np.zeros(roots, dtype=np.int64)
    neighbour[1:] = first_root[:-1]
    twice = own & (since[neighbour] <= since) & (neighbour != np.arange(roots))
    twice &= rng.random(roots) < 2.2 * _TWO_PEOPLE
    twice[1:] &= ~twice[first_root[:-1]]
    return Register(
        held=held,
        booking=booking,
        first=first,
        last=last,
        root=root,
        person=whose,
        since=since,
        merged_day=np.where(twice, since, merged_day),
        merged_into=np.where(twice, neighbour, merged_into),
    )


def _uses_nomis(lives: Lives) -> Bools:
    """Children's homes, training centres and most girls' places do not: whole journeys."""
    people, spells = lives.people, lives.spells
    begins = np.flatnonzero(spells.nth == 0)
    person = spells.person[begins]
    age = (spells.received_day[begins] - people.born[person]) / 365.25
    uses: Bools = (age >= np.where(people.female[person], 18, 15))[spells.journey]
    return uses


def _prison_number(lives: Lives, root: Ints) -> pa.Array:
    """Prison numbers such as A1234BC of roots; empty for a negative root."""
    letters = "ABCDEFGHJKLMNPQRSTUVWX"
    every = pa.array(list(letters))
    number = (1 + lives.chunk * _ROWS_PER_CHUNK + np.maximum(root, 0)) * 618_033_989
    number %= len(letters) ** 3 * 10_000
    number, last = number // len(letters), number % len(letters)
    number, middle = number // len(letters), number % len(letters)
    text = pc.binary_join_element_wise(
        recording.take(every, number // 10_000),
        recording.digits(number % 10_000, 4),
        recording.take(every, middle),
        recording.take(every, last),
        "",
    )
    return pc.if_else(pa.array(root < 0), recording.EMPTY, text)


def number_on(lives: Lives, known: Register, person: Ints, day: Ints) -> pa.Array:
    """The prison number by which somebody is known on a day; empty before their first reception.

    Args:
        lives: the chunk.
        known: its register.
        person: indices into the chunk's people.
        day: days since 1970-01-01.
    """
    stamp = known.person * (NEVER << 1) + known.since
    at = np.searchsorted(stamp, person * (NEVER << 1) + day, side="right") - 1
    mine = (at >= 0) & (known.person[np.maximum(at, 0)] == person)
    # Who was booked under another's number goes by it.
    booked = known.merged_day == known.since
    root = np.where(booked, known.merged_into, np.arange(len(known.person)))[np.maximum(at, 0)]
    return _prison_number(lives, np.where(mine, root, -1))


@dataclass(frozen=True)
class _View:
    """The register as it stands at a cut-off.

    Attributes:
        spell: indices into `Spells` of the held stays that have begun, in order.
        booking: booking of each.
        released: day of the release, NEVER where it is not yet.
        visible: of each booking, whether it is supplied.
        last: of each booking, the position in `spell` of its last stay; 0 where there is none.
    """

    spell: Ints
    booking: Ints
    released: Ints
    visible: Bools
    last: Ints


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as P-NOMIS would extract them on the day of the cut-off.

    Returns:
        The six tables of the contracts as text, then `person_id`; and `custodial_journeys`, the
        truth about journeys: booking and number of the first reception's movement as supplied,
        `person_id`, reception and release (null while in custody), recalls and spells.
    """
    known = register(lives)
    view = _view(lives, known, cut_off)
    names = _Names.draw(lives, known)
    return {
        "nomis_offenders": _offenders(lives, known, names, cut_off),
        "nomis_identifiers": _identifiers(lives, known, names, cut_off),
        "nomis_bookings": _bookings(lives, known, names, view, cut_off),
        "nomis_charges": _charges(lives, known, view, cut_off),
        "nomis_sentences": _sentences(lives, known, view, cut_off),
        "nomis_movements": _movements(lives, known, view, cut_off),
        JOURNEYS: _journeys(lives, view),
    }


def _view(lives: Lives, known: Register, cut_off: int) -> _View:
    spells = lives.spells
    begun = spells.received_day[known.held] <= cut_off
    # A journey is withdrawn as a whole.
    first = known.held[spells.nth[known.held] == 0]
    history = History.draw(lives.seed, lives.chunk, "nomis bookings", spells.received_day[first])
    stands = np.zeros(int(spells.journey.max(initial=-1)) + 1, dtype=bool)
    stands[spells.journey[first]] = history.stands(cut_off)
    begun &= stands[spells.journey[known.held]]
    spell, booking = known.held[begun], known.booking[begun]
    released = np.where(spells.released_day[spell] <= cut_off, spells.released_day[spell], NEVER)
    visible = np.zeros(len(known.first), dtype=bool)
    visible[booking] = True
    last = np.zeros(len(known.first), dtype=np.int64)
    np.maximum.at(last, booking, np.arange(len(spell)))
    return _View(spell, booking, released, visible, last)


def _book_id(lives: Lives, booking: Ints) -> pa.Array:
    number = 1 + lives.chunk * _ROWS_PER_CHUNK + booking
    return recording.digits(number * 161_803_399 % 10**10, 1)


def _offender_id(lives: Lives, name: Ints) -> pa.Array:
    number = 1 + lives.chunk * _ROWS_PER_CHUNK + name
    return recording.digits(number * 314_159_261 % 10**10, 1)


def _person_id(lives: Lives, person: Ints) -> pa.Array:
    return pa.array(lives.people.person_id[person])


def _texts(values: Texts) -> pa.Array:
    return pa.array(values.tolist(), pa.string())


def _day_text(days: Ints) -> pa.Array:
    return recording.dates(days).cast(pa.string())


_CURRENT, _ALIAS, _MAIDEN, _NICKNAME = range(4)


@dataclass(frozen=True)
class _Names:
    """The names of one chunk's prisoners, ordered by root and time.

    Attributes:
        root: of each name; `day` from which it is held.
        kind: _CURRENT, _ALIAS, _MAIDEN or _NICKNAME.
        head: of each root, its first name, under which all others stand.
        under: of each booking, its name.
    """

    root: Ints
    day: Ints
    kind: Ints
    head: Ints
    under: Ints

    @classmethod
    def draw(cls, lives: Lives, known: Register) -> _Names:
        """A name for each root, for some bookings that go on under it, and a few told at first."""
        people, begun = lives.people, lives.spells.received_day[known.held[known.first]]
        rng = stream(lives.seed, lives.chunk, "nomis names")
        opens = np.ones(len(begun), dtype=bool)
        opens[1:] = known.root[1:] != known.root[:-1]
        anew = ~opens & (rng.random(len(begun)) < _OTHER_NAME)
        told = np.flatnonzero(rng.random(len(known.person)) < _TOLD_NAME)
        booked = np.flatnonzero(opens | anew)
        root = np.concatenate([known.root[booked], told])
        day = np.concatenate([begun[booked], known.since[told]])
        extra = np.arange(len(root)) >= len(booked)
        order = np.lexsort((extra, day, root))
        root, day, extra = root[order], day[order], extra[order]
        opening = np.ones(len(root), dtype=bool)
        opening[1:] = root[1:] != root[:-1]
        under = np.full(len(begun), -1, dtype=np.int64)
        under[booked] = np.flatnonzero(~extra)
        person = known.person[root]
        chance = rng.random(len(root))
        renamed = (people.renamed[person] <= day) & (chance < 0.5)
        nick = (people.nickname[person] >= 0) & (chance > 0.4)
        kind = np.where(renamed, _MAIDEN, np.where(nick, _NICKNAME, _ALIAS))
        return cls(
            root=root,
            day=day,
            kind=np.where(opening, _CURRENT, kind),
            head=np.flatnonzero(opening),
            under=np.maximum.accumulate(under),
        )


def _offenders(lives: Lives, known: Register, names: _Names, cut_off: int) -> pa.Table:
    people = lives.people
    rng = stream(lives.seed, lives.chunk, "nomis offenders")
    root, day, kind = names.root, names.day, names.kind
    total = len(root)
    person = known.person[root]
    as_of = np.where(kind == _MAIDEN, people.renamed[person] - 1, day)
    history = History.draw(lives.seed, lives.chunk, "nomis names", day)
    put_right = history.put_right(cut_off)
    seen = recording.write_down(rng, people, person, as_of, _MANNER, put_right)
    texts = lists.names()
    short = pc.utf8_upper(recording.take(texts.first, people.nickname[person]))
    first = pc.if_else(pa.array(kind == _NICKNAME), short, seen.first)
    other = np.where((kind == _ALIAS) & (rng.random(total) < 0.6), people.alias_surname[person], -1)
    surname = pc.coalesce(pc.utf8_upper(recording.take(texts.surname, other)), seen.surname)
    now = known.root_at(cut_off)
    female = people.female[person] ^ seen.sex_wrong
    sex = np.where(seen.sex_missing, rng.integers(2, 5, total), female.astype(int))
    table = pa.table(
        {
            "offender_id": _offender_id(lives, np.arange(total)),
            "offender_id_display": _prison_number(lives, now[root]),
            "root_offender_id": _offender_id(lives, names.head[now[root]]),
            "name_type": pa.array(["CN", "A", "MAID", "NICK"]).take(pa.array(kind)),
            "title": recording.some(
                rng,
                pa.array(["MR", "MISS", "MRS", "MS"]).take(
                    pa.array(np.where(female, rng.integers(1, 4, total), 0))
                ),
                0.7,
            ),
            "first_name": first,
            "middle_name": seen.middle,
            "last_name": surname,
            "birth_date": _day_text(seen.birth_day),
            "birth_country_code": _birth_country(rng, lives, person),
            "sex_code": pa.array(["M", "F", "NK", "NS", "REF"]).take(pa.array(sex)),
            "race_code": _race(rng, lives, person, (now != np.arange(len(now)))[root]),
            "nationality_code": recording.some(rng, recording.nationality(people, person), 0.93),
            "person_id": _person_id(lives, person),
        }
    )
    return table.filter(pa.array(day <= cut_off))


def _birth_country(rng: np.random.Generator, lives: Lives, person: Ints) -> pa.Array:
    people = lives.people
    wales = lists.offices().force.to_pylist().index("60")
    at_home = np.where(lists.places().force[people.addresses.sector[person, 0]] >= wales, 1, 0)
    odd = rng.random(len(person))
    at_home = np.where(odd < 0.03, 2, np.where(odd > 0.985, 3, at_home))
    home = pa.array(["ENG", "WAL", "SCOT", "NI"]).take(pa.array(at_home))
    born_abroad = pa.array(people.foreign[person] & (odd < 0.96))
    country = pc.if_else(born_abroad, recording.nationality(people, person), home)
    return recording.some(rng, country, 0.9)


def _race(rng: np.random.Generator, lives: Lives, person: Ints, merged: Bools) -> pa.Array:
    """Ethnicities by the codes of prisons: former ones live on, and mergers leave their mark."""
    code = recording.take(ETHNICITY, lives.people.ethnicity[person])
    chance = rng.random(len(person))
    for now, former in (("A4", "O1"), ("W3", "W8")):
        old = pc.and_(pc.equal(code, now), pa.array(chance < 0.4))
        code = pc.if_else(old, former, code)
    code = pc.if_else(pa.array(merged & (chance > 0.5)), "MERGE", code)
    code = pc.if_else(pa.array((chance > 0.45) & (chance < 0.475)), "NS", code)
    return recording.some(rng, code, 0.97)


def _identifiers(lives: Lives, known: Register, names: _Names, cut_off: int) -> pa.Table:
    """Numbers of other registers, held with the number of the prison."""
    people = lives.people
    rng = stream(lives.seed, lives.chunk, "nomis identifiers")
    roots = np.arange(len(known.person))
    person = known.person
    put_right = History.draw(lives.seed, lives.chunk, "nomis identifiers", known.since).put_right(
        cut_off
    )
    pnc, cro = recording.police_numbers(rng, people, person, _MANNER, put_right)
    pnc_short, cro_short = recording.police_numbers(rng, people, person, _SHORT, put_right)
    seven = recording.digits(rng.integers(0, 10**7, len(roots)), 7)
    serial = people.person_id[person]
    letters = pa.array(list("ABCEGHJKLMNPRSTWXYZ"))
    national_insurance = pc.binary_join_element_wise(
        recording.take(letters, serial % 19),
        recording.take(letters, serial // 19 % 19),
        recording.digits(serial * 7_368_787 % 1_000_000, 6),
        recording.take(pa.array(list("ABCD")), serial % 4),
        "",
    )
    foreign = people.foreign[person]
    old_number = _prison_number(lives, roots)
    found = (known.merged_day > known.since) & (known.merged_day <= cut_off)
    kinds: tuple[tuple[str, pa.Array, float | Floats, Ints], ...] = (
        ("PNC", pnc, 0.62, known.since),
        ("PNC", pnc_short, 0.22, known.since),
        ("CRO", cro, 0.62, known.since),
        ("CRO", cro_short, 0.08, known.since),
        ("NINO", national_insurance, 0.3, known.since),
        ("HOREF", pc.binary_join_element_wise("B", seven, ""), foreign * 0.4, known.since),
        ("PASS", pc.binary_join_element_wise("9", seven, "0", ""), foreign * 0.2, known.since),
        ("DL", seven, 0.03, known.since),
        ("SPNC", pc.binary_join_element_wise("S", seven, "/09A", ""), 0.008, known.since),
        ("LIDS", pc.binary_join_element_wise("BL", seven, ""), 0.04, known.since),
        ("HMPS", pc.binary_join_element_wise("X", seven, ""), 0.02, known.since),
        ("MERGED", old_number, found * 1.0, known.merged_day),
    )  # fmt: skip
    now = known.root_at(cut_off)
    pieces = []
    for which, (kind, values, share, since) in enumerate(kinds):
        held = (rng.random(len(roots)) < share) & (since <= cut_off)
        held &= ~values.is_null().to_numpy(zero_copy_only=False)
        at = np.flatnonzero(held)
        number = (lives.chunk * _ROWS_PER_CHUNK + roots[at]) * len(kinds) + which
        pieces.append(
            pa.table(
                {
                    "identifier_id": recording.digits(number * 271_828_183 % 10**10, 1),
                    "root_offender_id": _offender_id(lives, names.head[now[at]]),
                    "identifier_type": pa.array([kind] * len(at), pa.string()),
                    "identifier": values.take(pa.array(at)),
                    "person_id": _person_id(lives, person[at]),
                }
            )
        )
    return pa.concat_tables(pieces)


def _bookings(lives: Lives, known: Register, names: _Names, view: _View, cut_off: int) -> pa.Table:
    people, spells, prisons = lives.people, lives.spells, lists.establishments()
    rng = stream(lives.seed, lives.chunk, "nomis bookings")
    booking = np.flatnonzero(view.visible)
    first, last = known.held[known.first[booking]], view.spell[view.last[booking]]
    person = spells.person[first]
    begun = spells.received_day[first]
    ended = view.released[view.last[booking]]
    inside = ended >= NEVER
    moved = _transfer_day(lives)[last] <= cut_off
    at = np.where(moved, spells.establishment_out[last], spells.establishment_in[last])
    where = recording.take(prisons.code, at)
    age = (begun - people.born[person]) / 365.25
    now = known.root_at(cut_off)
    purpose = prisons.purpose[at]
    chance, entered = rng.random((2, len(view.visible)))[:, booking]
    closed = np.where(chance < 0.25, "B", "C")
    high = np.where(chance < 0.3, "A", "B")
    category = np.where(purpose == "open", "D", np.where(purpose == "high security", high, closed))
    category = np.where(age < 21, np.where(purpose == "open", "J", "I"), category)
    women = np.where(purpose == "women open", "T", "R")
    category = np.where(people.female[person], women, category)
    category = np.where(spells.sentence[last] < 0, "U", category)
    number = (lives.chunk * _ROWS_PER_CHUNK + booking) * 7_368_787
    letters = pa.array(list("ABCDEFGHJKLMNPRSTUVWXY"))
    return pa.table(
        {
            "offender_book_id": _book_id(lives, booking),
            "offender_id": _offender_id(lives, names.under[booking]),
            "root_offender_id": _offender_id(lives, names.head[now[known.root[booking]]]),
            "booking_no": pc.binary_join_element_wise(
                recording.take(letters, number // 100_000 % 22),
                recording.digits(number % 100_000, 5),
                "",
            ),
            "booking_begin_date": _day_text(begun),
            "booking_end_date": _day_text(ended),
            "agy_loc_id": pc.if_else(pa.array(inside), where, "OUT"),
            "in_out_status": pa.array(["OUT", "IN"]).take(pa.array(inside.astype(int))),
            "active_flag": pa.array(["N", "Y"]).take(pa.array(inside.astype(int))),
            "youth_adult_code": pa.array(["A", "Y"]).take(pa.array((age < 21).astype(int))),
            "admission_reason": _texts(_reception_reasons(lives)[first]),
            "security_category": pc.if_else(
                pa.array(entered < 0.93), _texts(category), recording.EMPTY
            ),
            "person_id": _person_id(lives, person),
        }
    )


def _reception_reasons(lives: Lives) -> Texts:
    """The reason each stay is entered with at its reception."""
    people, spells, told = lives.people, lives.spells, lives.sentences
    rng = stream(lives.seed, lives.chunk, "nomis receptions")
    age = (spells.received_day - people.born[spells.person]) / 365.25
    kind = lists.values_at(told.kind, spells.sentence, -1)
    committed = lives.cases.route[spells.case] == careers.FOR_SENTENCE
    unsentenced = np.where(committed | (rng.random(len(spells)) < 0.15), "V", "N")
    sentenced = np.where(age < 21, "W", "I")
    endless, murder = (
        lists.values_at(which(lives).astype(np.int64), spells.sentence, 0) > 0
        for which in (_indeterminate, _murder)
    )
    life = np.where(age < 18, "J", "G")
    sentenced = np.where(endless, np.where(murder, life, "25"), sentenced)
    # Home detention curfew lasts some months at most; a recall after that is from the licence.
    before = np.maximum(np.arange(len(spells)) - 1, 0)
    curfew = spells.released_as[before] == sentences.HDC
    curfew &= spells.received_day - spells.released_day[before] <= 60
    back = np.where(kind == sentences.YOUTH_CUSTODY, "Y", np.where(curfew, "B", "L"))
    reason = np.array(["", "", "", "F"], dtype="U2")[spells.received_as]
    for received_as, codes in (
        (sentences.REMAND, unsentenced),
        (sentences.SENTENCED, sentenced),
        (sentences.RECALL, back),
    ):
        reason = np.where(spells.received_as == received_as, codes, reason)
    return reason


def _release_reasons(lives: Lives, cut_off: int) -> Texts:
    """The reason each stay is entered with at its release."""
    spells = lives.spells
    rng = stream(lives.seed, lives.chunk, "nomis releases")
    code = np.array(["BL", "NCS", "CR", "AR", "HD", "D", "DD", "D"])[spells.released_as]
    chance = rng.random(len(spells))
    endless = lists.values_at(_indeterminate(lives).astype(np.int64), spells.sentence, 0) > 0
    paid = (spells.received_as == sentences.FINE_DEFAULT) & (chance < 0.35)
    hospital = np.zeros(len(lives.cases), dtype=bool)
    disposal = lives.results.crown.disposal
    hospital[lives.charges.case[disposal == results.HOSPITAL]] = True
    treated = hospital[spells.case] & (code == "NCS")
    # A release entered as the wrong one of two that look alike.
    history = History.draw(
        lives.seed, lives.chunk, "nomis releases", np.minimum(spells.released_day, _FAR),
        of_results=True,
    )  # fmt: skip
    mistaken = history.faulty(0.02) & ~history.put_right(cut_off)
    for at, other in (
        (endless & (code == "CR"), "NP"),
        (paid & (code == "AR"), "F"),
        (treated, "HP"),
        (mistaken & (code == "AR"), "CR"),
        (mistaken & (code == "CR"), "AR"),
    ):
        code = np.where(at, other, code)
    return code


def _indeterminate(lives: Lives) -> Bools:
    told = lives.sentences
    custody = np.isin(told.kind, (sentences.CUSTODY, sentences.YOUTH_CUSTODY))
    endless: Bools = custody & (told.days < 0)
    return endless


def _murder(lives: Lives) -> Bools:
    """Which sentences are the mandatory one for murder; IPP is the other without end."""
    disposal = lives.results.crown.disposal[lives.sentences.charge]
    murder: Bools = disposal == results.LIFE
    return murder


def _transfer_day(lives: Lives) -> Ints:
    """Of each stay the day of the transfer to another establishment, NEVER for none."""
    spells = lives.spells
    rng = stream(lives.seed, lives.chunk, "nomis transfers")
    stayed = np.minimum(spells.released_day, NEVER - 1) - spells.received_day
    wait = 14 + (rng.random(len(spells)) * np.minimum(stayed * 0.6, 150)).astype(np.int64)
    moves = (spells.establishment_in != spells.establishment_out) & (wait < stayed)
    return np.where(moves, spells.received_day + wait, NEVER)


_RESULT = np.full(results.APPEAL_DISMISSED + 1, 0)
_RESULT[
    [results.LIFE, results.CUSTODY, results.DETENTION_AND_TRAINING, results.SUSPENDED,
     results.COMMUNITY, results.YOUTH_REHABILITATION, results.FINE, results.CONDITIONAL_DISCHARGE,
     results.DISMISSED, results.ACQUITTED, results.WITHDRAWN, results.NO_EVIDENCE,
     results.LEFT_ON_FILE]
] = 1002, 1002, 1080, 1115, 1116, 1116, 1015, 1057, 2004, 2004, 2050, 2050, 2060  # fmt: skip
_REMANDED, _SENT_FOR_TRIAL, _COMMITTED, _DEFAULTED, _RECALLED = 4531, 4565, 4004, 1024, 1501


def _first_of(*keys: Ints) -> Ints:
    """Positions of the first row of each combination of keys, in the order of the rows."""
    order = np.lexsort((np.arange(len(keys[0])), *keys))
    opens = np.zeros(len(order), dtype=bool)
    opens[:1] = True
    for key in keys:
        opens[1:] |= key[order][1:] != key[order][:-1]
    return np.sort(order[opens])


def _number_within(group: Ints) -> Ints:
    """1, 2, … within each group; the rows of a group stand together."""
    every = np.arange(len(group))
    opens = np.ones(len(group), dtype=bool)
    opens[1:] = group[1:] != group[:-1]
    number: Ints = every - np.maximum.accumulate(np.where(opens, every, 0)) + 1
    return number


def _grounds_of_bookings(lives: Lives, known: Register) -> tuple[Ints, Ints]:
    """Grounds that a booking holds somebody on: their indices, and the booking of each."""
    booking = np.full(len(lives.spells), -1, dtype=np.int64)
    booking[known.held] = known.booking
    of = booking[lives.grounds.spell]
    return np.flatnonzero(of >= 0), of[of >= 0]


def _spread(start: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Ranges laid out one after the other: which range each element is of, and the element."""
    which = np.repeat(np.arange(len(start)), count)
    before = np.cumsum(count) - count
    return which, start[which] + np.arange(len(which)) - before[which]


def _latest(one: Ints, other: Ints, value: Ints) -> Ints:
    """Of each row the highest value among those of its combination of keys."""
    order = np.lexsort((value, other, one))
    one, other = one[order], other[order]
    closes = np.ones(len(order), dtype=bool)
    closes[:-1] = (one[1:] != one[:-1]) | (other[1:] != other[:-1])
    group = np.cumsum(closes) - closes
    highest = np.zeros_like(value)
    highest[order] = value[order][closes][group]
    return highest


def _charge_results(lives: Lives, case: Ints, charge: Ints, decided: Bools, cut_off: int) -> Ints:
    """Result codes of charges, 0 for none: of the decision, or of the hearing before it."""
    cases = lives.cases
    route = cases.route[case]
    tried = np.isin(route, (careers.FOR_TRIAL, careers.FOR_SENTENCE))
    disposal = np.where(
        tried, lives.results.crown.disposal[charge], lives.results.magistrates.disposal[charge]
    )
    age = (sentences.decision_day(cases)[case] - lives.people.born[cases.person[case]]) / 365.25
    result = _RESULT[disposal]
    result = np.where((result == 1002) & (age < 21) & (age >= 18), 1007, result)
    result = np.where((disposal == results.LIFE) & (age < 18), 1003, result)
    sent_on = np.where(route == careers.FOR_SENTENCE, _COMMITTED, _SENT_FOR_TRIAL)
    before = np.where(tried & (cases.committed_day[case] <= cut_off), sent_on, _REMANDED)
    return np.where(decided, result, before)


def _charges(lives: Lives, known: Register, view: _View, cut_off: int) -> pa.Table:
    cases, charges, grounds = lives.cases, lives.charges, lives.grounds
    rng = stream(lives.seed, lives.chunk, "nomis charges")
    ground, booking = _grounds_of_bookings(lives, known)
    pairs = _first_of(booking, grounds.case[ground])
    # What becomes of a charge after somebody has been let go is not heard of.
    ends = _latest(booking, grounds.case[ground], grounds.end[ground])[pairs]
    ground, booking = ground[pairs], booking[pairs]
    case, received_as = grounds.case[ground], grounds.received_as[ground]
    # Of a fine in default and of a recall under a new booking the one charge is entered.
    only = np.flatnonzero(np.isin(received_as, (sentences.FINE_DEFAULT, sentences.RECALL)))
    begins = np.searchsorted(charges.case, np.arange(len(cases) + 1))
    start, count = begins[case], begins[case + 1] - begins[case]
    start[only], count[only] = lives.sentences.charge[grounds.sentence[ground[only]]], 1
    which, charge = _spread(start, count)
    shown = (view.visible[booking] & (grounds.start[ground] <= cut_off))[which]
    booking, received_as, case, ends = (a[which] for a in (booking, received_as, case, ends))
    decision = sentences.decision_day(cases)[case]
    decided = (decision <= cut_off) & (decision <= ends)
    result = _charge_results(lives, case, charge, decided, cut_off)
    result = np.where(received_as == sentences.FINE_DEFAULT, _DEFAULTED, result)
    result = np.where(received_as == sentences.RECALL, _RECALLED, result)
    custodial, _ = sentences.custodial(lives.results, cases, charges)
    pending = ~decided & (ends > cut_off)
    counts = pending | (decided & custodial[charge]) | np.isin(result, (_DEFAULTED, _RECALLED))
    total = len(which)
    priority = lists.offences().priority[charges.code[charge]]
    order = np.lexsort((np.arange(total), priority, ~counts, ~shown, booking))
    leads = np.ones(total, dtype=bool)
    leads[1:] = booking[order][1:] != booking[order][:-1]
    most_serious = np.zeros(total, dtype=bool)
    most_serious[order[leads]] = True
    number = (lives.chunk * _ROWS_PER_CHUNK + np.arange(total)) * 577_215_661 % 10**10
    plea = np.where(decided, charges.plea[charge], -1)
    yes_no = pa.array(["N", "Y"])
    table = pa.table(
        {
            "offender_charge_id": recording.digits(number, 1),
            "offender_book_id": _book_id(lives, booking),
            "offence_code": recording.take(lists.offences().code, charges.code[charge]),
            "offence_date": recording.some(rng, _day_text(charges.day[charge]), 0.93),
            "plea_code": recording.some(
                rng, recording.take(pa.array(["NONE", "G", "NG", "UNFIT"]), plea), 0.8
            ),
            "result_code_1": recording.number_text(np.where(result > 0, result, -1)),
            "most_serious_flag": yes_no.take(pa.array(most_serious.astype(int))),
            "charge_status": pa.array(["I", "A"]).take(pa.array(counts.astype(int))),
            "person_id": _person_id(lives, cases.person[case]),
        }
    )
    return table.filter(pa.array(shown))


@dataclass(frozen=True)
class _Terms:
    """Sentences as entered under bookings, one a charge, in the order of their numbers.

    Attributes:
        ground: index into `Grounds` of what had it entered.
        booking: its booking; `seq` its number there.
        charge: index into the chunk's charges.
        principal: of the charge punished most; the others of a case follow it.
        adds: served after the one before it, but for the principal.
        entered: day from which it is there.
    """

    ground: Ints
    booking: Ints
    seq: Ints
    charge: Ints
    principal: Bools
    adds: Bools
    entered: Ints

    @classmethod
    def of(cls, lives: Lives, known: Register) -> _Terms:
        told, charges, grounds = lives.sentences, lives.charges, lives.grounds
        ground, booking = _grounds_of_bookings(lives, known)
        sentence, received_as = grounds.sentence[ground], grounds.received_as[ground]
        # A sentence is entered where it is served; under the remand only if that was all of it.
        served = np.zeros(len(told), dtype=bool)
        served[sentence[received_as == sentences.SENTENCED]] = True
        under_remand = np.flatnonzero((received_as == sentences.REMAND) & (sentence >= 0))
        holds = (sentence >= 0) & (received_as != sentences.REMAND)
        holds[under_remand] = ~served[sentence[under_remand]]
        ground, booking = ground[holds], booking[holds]
        pairs = _first_of(booking, grounds.sentence[ground])
        ground, booking = ground[pairs], booking[pairs]
        sentence = grounds.sentence[ground]
        default = grounds.received_as[ground] == sentences.FINE_DEFAULT
        custodial, days = sentences.custodial(lives.results, lives.cases, charges)
        passed = np.flatnonzero(custodial)
        begins = np.searchsorted(charges.case[passed], np.arange(len(lives.cases) + 1))
        case = told.case[sentence]
        count = np.where(default, 1, begins[case + 1] - begins[case])
        which, position = _spread(begins[case], count)
        charge = told.charge[sentence][which]
        several = ~default[which]
        charge[several] = passed[position[several]]
        ground, booking, sentence = ground[which], booking[which], sentence[which]
        principal = charge == told.charge[sentence]
        adds = principal | (lives.results.consecutive[charge] & (days[charge] > 0))
        entered = np.maximum(told.day[sentence], grounds.start[ground])
        order = np.lexsort((charge, ~adds, ~principal, told.case[sentence], entered, booking))
        return cls(
            ground=ground[order],
            booking=booking[order],
            seq=_number_within(booking[order]),
            charge=charge[order],
            principal=principal[order],
            adds=adds[order],
            entered=entered[order],
        )


def _sentences(lives: Lives, known: Register, view: _View, cut_off: int) -> pa.Table:
    told, grounds = lives.sentences, lives.grounds
    rng = stream(lives.seed, lives.chunk, "nomis sentences")
    terms = _Terms.of(lives, known)
    ground, adds, principal = terms.ground, terms.adds, terms.principal
    sentence = grounds.sentence[ground]
    default = grounds.received_as[ground] == sentences.FINE_DEFAULT
    day = np.where(default, terms.entered, told.day[sentence])
    days = sentences.custodial(lives.results, lives.cases, lives.charges)[1][terms.charge]
    length = np.where(default, grounds.end[ground] - grounds.start[ground], days)
    endless = _indeterminate(lives)[sentence] & principal
    length = np.where(endless, -1, length)
    # Custody in a row runs on from the principal; what is concurrent begins with it.
    added = np.where(adds, np.maximum(length, 0), 0)
    running = np.cumsum(added)
    head = np.maximum.accumulate(np.where(principal, np.arange(len(ground)), 0))
    running -= (running - added)[head]
    whole = told.days[sentence]
    base = np.where(whole < 0, day, told.expires[sentence] - whole + 1)
    end = np.maximum(base + np.where(adds, running, length) - 1, day)
    end = np.where(default, grounds.end[ground] - 1, np.where(endless, NEVER, end))
    kind = _sentence_types(lives, sentence, terms.charge, days)
    kind = np.where(default, "A/FINE", _recalled(lives, sentence, kind, cut_off))
    recalled = np.char.startswith(kind, "LR") | (np.char.find(kind, "FTR") >= 0)
    category = np.where(told.day[sentence] < _SENTENCING_CODE, "2003", "2020")
    active = np.where(default, end, told.expires[sentence]) > cut_off
    table = pa.table(
        {
            "offender_book_id": _book_id(lives, terms.booking),
            "sentence_seq": recording.digits(terms.seq, 1),
            "sentence_calc_type": _texts(kind),
            "sentence_category": _texts(np.where(recalled, "LICENCE", category)),
            "sentence_status": pa.array(["I", "A"]).take(pa.array(active.astype(int))),
            "start_date": _day_text(day),
            "end_date": _day_text(end),
            "consec_to_sentence_seq": recording.number_text(
                np.where(adds & ~principal, terms.seq - 1, -1)
            ),
            "effective_sentence_days": recording.some(rng, recording.number_text(length), 0.995),
            "person_id": _person_id(lives, told.person[sentence]),
        }
    )
    return table.filter(pa.array(view.visible[terms.booking] & (terms.entered <= cut_off)))


def _sentence_types(lives: Lives, sentence: Ints, charge: Ints, days: Ints) -> Texts:
    """Types by which the dates of sentences are calculated, as passed."""
    told = lives.sentences
    day, person = told.day[sentence], told.person[sentence]
    age = (day - lives.people.born[person]) / 365.25
    short = (days < 730) & (day >= sentences.ORA_DAY)
    young = np.where(day < _SENTENCING_CODE, "SEC91_03", "SEC250")
    young = np.where(told.kind[sentence] == sentences.YOUTH_CUSTODY, "DTO", young)
    kind = np.where(age < 18, young, np.where(age < 21, "YOI", "ADIMP"))
    kind = np.where(short & (kind != "DTO"), np.char.add(kind, "_ORA"), kind)
    protective = _indeterminate(lives)[sentence] & ~_murder(lives)[sentence]
    protective &= charge == told.charge[sentence]
    kind = np.where(protective, np.where(age < 18, "DPP", "IPP"), kind)
    life = np.where(age < 18, "HMPL", np.where(age < 21, "SEC93", "MLP"))
    return np.where(lives.results.crown.disposal[charge] == results.LIFE, life, kind)


def _recalled(lives: Lives, sentence: Ints, kind: Texts, cut_off: int) -> Texts:
    """Types after the last recall: on recall the type of a sentence becomes one of recall."""
    grounds = lives.grounds
    recalls = np.flatnonzero((grounds.received_as == sentences.RECALL) & (grounds.start <= cut_off))
    stay = np.zeros(len(lives.sentences), dtype=np.int64)
    stay[grounds.sentence[recalls]] = (grounds.end - grounds.start)[recalls]
    stay = stay[sentence]
    supervised = np.char.endswith(kind, "_ORA")
    fixed = np.where(stay == 28, "FTR", np.where(supervised, "14FTR", "LR"))
    back = np.where(np.isin(stay, (14, 28)), fixed, "LR")
    back = np.where(supervised, np.char.add(back, "_ORA"), back)
    back = np.where((back == "LR_ORA") & (kind == "YOI_ORA"), "LR_YOI_ORA", back)
    endless = np.isin(kind, ("IPP", "DPP", "MLP"))
    back = np.where(endless, np.char.add("LR_", kind), back)
    back = np.where(np.isin(kind, ("HMPL", "SEC93")), "LR_LIFE", back)
    return np.where((stay > 0) & (kind != "DTO"), back, kind)


@dataclass(frozen=True)
class _Moves:
    """Movements of one sort; one element each, in no particular order.

    Attributes:
        stay: position in `Register.held`.
        day: of the movement; `step` orders those of one day.
        kind, reason, direction: codes.
        origin, destination: indices into `_agencies()`.
    """

    stay: Ints
    day: Ints
    step: Ints
    kind: Texts
    reason: Texts
    direction: Texts
    origin: Ints
    destination: Ints

    @classmethod
    def of(
        cls,
        stay: Ints,
        day: Ints,
        step: int,
        kind: str,
        reason: Texts | str,
        direction: str,
        origin: Ints | int,
        destination: Ints | int,
    ) -> _Moves:
        """Movements of which much is alike; `step` is its place within a day."""
        total = len(stay)

        def texts(value: Texts | str) -> Texts:
            return np.broadcast_to(np.asarray(value, dtype=np.str_), total)

        def ints(value: Ints | int) -> Ints:
            return np.broadcast_to(np.asarray(value, dtype=np.int64), total)

        return cls(
            stay=stay,
            day=day,
            step=ints(step),
            kind=texts(kind),
            reason=texts(reason),
            direction=texts(direction),
            origin=ints(origin),
            destination=ints(destination),
        )


@dataclass(frozen=True)
class _Stays:
    """The held stays with where somebody is: `into`, and `out` from `moved` on."""

    received: Ints
    released: Ints
    into: Ints
    out: Ints
    moved: Ints

    @classmethod
    def of(cls, lives: Lives, held: Ints) -> _Stays:
        spells = lives.spells
        return cls(
            received=spells.received_day[held],
            released=spells.released_day[held],
            into=spells.establishment_in[held],
            out=spells.establishment_out[held],
            moved=_transfer_day(lives)[held],
        )

    def place(self, stay: Ints, day: Ints) -> Ints:
        """Where somebody is on a day of their stay."""
        return np.where(day < self.moved[stay], self.into[stay], self.out[stay])


def _agencies() -> pa.Array:
    """Codes movements go from and to: prisons, magistrates' courts, Crown Courts, outside."""
    offices = lists.offices()
    return pa.concat_arrays(
        [lists.establishments().code, offices.magistrates, offices.crown, pa.array(["OUT"])]
    )


def _movements(lives: Lives, known: Register, view: _View, cut_off: int) -> pa.Table:
    """Receptions, releases and what lies between, in the order of a booking."""
    held = known.held
    stays = _Stays.of(lives, held)
    moves = [
        *_receptions_and_releases(lives, known, stays, cut_off),
        *_transfers(stays),
        *_hearings(lives, known, stays),
        *_absences(lives, stays),
    ]

    stay, day = (np.concatenate([getattr(each, at) for each in moves]) for at in ("stay", "day"))
    booking = known.booking[stay]
    step = np.concatenate([each.step for each in moves])
    order = np.lexsort((step, day, stay, booking))
    booking, stay, day = booking[order], stay[order], day[order]
    seq = _number_within(booking)
    agencies = _agencies()
    shown = np.flatnonzero(view.visible[booking] & (day <= cut_off))
    at = pa.array(order[shown])

    def texts(name: str) -> pa.Array:
        return _texts(np.concatenate([getattr(each, name) for each in moves])).take(at)

    def agency(name: str) -> pa.Array:
        index = np.concatenate([getattr(each, name) for each in moves])
        return recording.take(agencies, index).take(at)

    return pa.table(
        {
            "offender_book_id": _book_id(lives, booking[shown]),
            "movement_seq": recording.digits(seq[shown], 1),
            "movement_date": _day_text(day[shown]),
            "movement_type": texts("kind"),
            "movement_reason_code": texts("reason"),
            "direction_code": texts("direction"),
            "from_agy_loc_id": agency("origin"),
            "to_agy_loc_id": agency("destination"),
            "person_id": _person_id(lives, lives.spells.person[held[stay[shown]]]),
        }
    )


def _receptions_and_releases(
    lives: Lives, known: Register, stays: _Stays, cut_off: int
) -> Iterator[_Moves]:
    rng = stream(lives.seed, lives.chunk, "nomis movements")
    outside = len(_agencies()) - 1
    every = np.arange(len(known.held))
    why = _reception_reasons(lives)[known.held]
    yield _Moves.of(every, stays.received, 0, "ADM", why, "IN", outside, stays.into)
    twice = np.flatnonzero(rng.random(len(every)) < 0.003)
    yield _Moves.of(
        twice, stays.received[twice], 1, "ADM", why[twice], "IN", outside, stays.into[twice]
    )
    # Some last releases are entered only once somebody notices.
    history = History.draw(
        lives.seed, lives.chunk, "nomis movements", np.minimum(stays.released, _FAR),
        of_results=True,
    )  # fmt: skip
    missing = np.zeros(len(every), dtype=bool)
    missing[known.last] = True
    missing &= history.faulty(0.003) & ~history.put_right(cut_off)
    leaves = np.flatnonzero((stays.released < NEVER) & ~missing)
    why = _release_reasons(lives, cut_off)[known.held][leaves]
    origin = stays.place(leaves, stays.released[leaves])
    yield _Moves.of(leaves, stays.released[leaves], 8, "REL", why, "OUT", origin, outside)


def _transfers(stays: _Stays) -> Iterator[_Moves]:
    at = np.flatnonzero(stays.moved < NEVER)
    day, into, out = stays.moved[at], stays.into[at], stays.out[at]
    yield _Moves.of(at, day, 6, "TRN", "NOTR", "OUT", into, out)
    yield _Moves.of(at, day, 7, "ADM", "INT", "IN", into, out)


def _hearings(lives: Lives, known: Register, stays: _Stays) -> Iterator[_Moves]:
    """From remand to court and back; whoever is let go there does not come back."""
    cases, grounds = lives.cases, lives.grounds
    prisons, offices = lists.establishments(), lists.offices()
    position = np.full(len(lives.spells), -1, dtype=np.int64)
    position[known.held] = np.arange(len(known.held))
    stay = position[grounds.spell]
    remand = np.flatnonzero((grounds.received_as == sentences.REMAND) & (stay >= 0))
    stay, case = stay[remand], grounds.case[remand]
    magistrates = len(prisons.code) + cases.court
    crown = len(prisons.code) + len(offices.magistrates) + cases.crown_court
    tried = np.isin(cases.route, (careers.FOR_TRIAL, careers.FOR_SENTENCE))
    days = np.concatenate(
        [each[case] for each in (cases.committed_day, cases.crown_first_day,
                                 sentences.decision_day(cases))]
    )  # fmt: skip
    courts = np.concatenate(
        [each[case] for each in (magistrates, crown, np.where(tried, crown, magistrates))]
    )
    stay, ends = np.tile(stay, 3), np.tile(grounds.end[remand], 3)
    inside = (days > stays.received[stay]) & (days < stays.released[stay]) & (days <= ends)
    stay, days, courts = stay[inside], days[inside], courts[inside]
    at = _first_of(stay, days)
    stay, days, courts = stay[at], days[at], courts[at]
    prison = stays.place(stay, days)
    yield _Moves.of(stay, days, 2, "CRT", "CRT", "OUT", prison, courts)
    yield _Moves.of(stay, days, 3, "CRT", "CRT", "IN", courts, prison)


def _absences(lives: Lives, stays: _Stays) -> Iterator[_Moves]:
    """Days out of open prisons towards the end, and visits to a hospital."""
    rng = stream(lives.seed, lives.chunk, "nomis absences")
    purpose = lists.establishments().purpose[stays.out]
    stayed = np.minimum(stays.released, _FAR) - stays.received
    chance, when = rng.random((2, len(stayed)))
    to_work = np.isin(purpose, ("open", "women open")) & (stayed > 200)
    to_work &= (stays.moved < NEVER) & (stays.released < NEVER)
    home_day = stays.released - 5 - (when * 25).astype(np.int64)
    ill = (chance < 0.03) & (stayed > 30)
    ill_day = stays.received + 2 + (when * 25).astype(np.int64)
    outside = len(_agencies()) - 1
    for reason, goes, day in (("C3", to_work, home_day), ("C6", ill, ill_day)):
        at = np.flatnonzero(goes)
        prison = stays.place(at, day[at])
        yield _Moves.of(at, day[at], 4, "TAP", reason, "OUT", prison, outside)
        yield _Moves.of(at, day[at], 5, "TAP", reason, "IN", outside, prison)


def _journeys(lives: Lives, view: _View) -> pa.Table:
    """The truth about the journeys that are supplied."""
    spells = lives.spells
    spell = view.spell
    opens = np.flatnonzero(spells.nth[spell] == 0)
    which = np.cumsum(spells.nth[spell] == 0) - 1
    closes = np.append(opens, len(spell))[1:] - 1
    recall = spells.received_as[spell] == sentences.RECALL
    return pa.table(
        {
            "offender_book_id": _book_id(lives, view.booking[opens]),
            # A journey begins a booking, and a booking begins with its reception.
            "movement_seq": pa.array(["1"] * len(opens), pa.string()),
            "person_id": _person_id(lives, spells.person[spell[opens]]),
            "reception_date": recording.dates(spells.received_day[spell[opens]]),
            "release_date": recording.dates(view.released[closes]),
            "recall_count": pa.array(np.bincount(which[recall], minlength=len(opens))),
            "spell_count": pa.array(np.bincount(which, minlength=len(opens))),
        }
    )
