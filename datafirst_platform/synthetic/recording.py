"""How a clerk writes a person down: within-person disagreement.

What belongs here: errors any source can make with names, dates of birth, addresses and numbers.
What does not: the layout of one source (`libra.py`, `xhibit.py`).

Rates aim at what the parameters of the ministry's live linkage model of people in criminal justice
imply for two records of one person: full name not exactly equal 12 %, date of birth 5 %, no shared
full postcode 29 % (moves included), middle name 7 % where both have one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import lists
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import GROUPS, NEVER, People, calendar, day_of

_CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
"""Check letter of police numbers by remainder modulo 23."""

_PLACEHOLDER_PNC = (
    "1933/0993399H",
    "2033/0993399H",
    "2003/0993399B",
    "1999/0339933H",
    "2003/0993399H",
)
_PLACEHOLDER_CRO = "000000/00Z"

_UNKNOWN_BIRTH = (-25567, 0)
"""1900-01-01 and 1970-01-01 stand for unknown."""

# What a finger, an ear and an eye take each letter of A to Z for.
_KEYBOARD = "SNVFRGHJOKLKNMPOWTDYIBECUX"
_EAR = "EPKTIVJEYGCRNMUBKLZDOFVSIS"
_EYE = "ORGOFECNLIXINHQFOPBFVUVKVS"
_CONFUSED = np.array([[ord(letter) for letter in row] for row in (_KEYBOARD, _EAR, _EYE)])

Slip = Callable[[float | Floats], Bools]
"""Draws which records slip at a rate and have not been put right."""

_CHANGED, _SWAPPED, _LEFT_OUT, _DOUBLED = range(4)

_NO_FIXED_ABODE = ("NF1 1NF", "NF1 1FA")

EMPTY = pa.scalar(None, pa.string())
"""A text that was not entered."""

# Clerks misspell names they do not know more often: linkage is less accurate for those who bear
# them, which is what an evaluation by group has to find. Factors are made up.
_UNFAMILIAR = np.array(
    [
        {"british": 0.9, "welsh": 1.0, "irish": 1.0, "caribbean": 1.0}.get(group, 1.8)
        for group in GROUPS
    ]
)

_PREFIXES = ("MIG_ERROR_", "NO_SHOW_", "DUPLICATE_")


@dataclass(frozen=True)
class Manner:
    """How a source writes.

    Attributes:
        upper: everything in capitals.
        ascii_only: accents are dropped.
        error: factor on the rate of slips.
        pnc_held: share of the known police numbers that the source holds.
        short_pnc: `YY/N…ND` without leading zeros instead of `YYYY/NNNNNNND`.
    """

    upper: bool
    ascii_only: bool
    error: float
    pnc_held: float
    cro_held: float
    short_pnc: bool


@dataclass(frozen=True)
class Identity:
    """What was written down, as text with nulls for what was left empty; one element a record.

    `birth_day` is in days since 1970-01-01, NEVER where it is empty.
    """

    first: pa.Array
    middle: pa.Array
    middle2: pa.Array
    surname: pa.Array
    birth_day: Ints
    sex_wrong: Bools
    sex_missing: Bools
    line_1: pa.Array
    line_2: pa.Array
    town: pa.Array
    postcode: pa.Array
    pnc: pa.Array
    cro: pa.Array


def write_down(
    rng: np.random.Generator,
    people: People,
    person: Ints,
    day: Ints,
    manner: Manner,
    put_right: Bools,
) -> Identity:
    """Record people as a source would on those days.

    Args:
        rng: random numbers of this source and chunk.
        people: the chunk.
        person: index of the person of each record.
        day: day of each record.
        manner: the source's.
        put_right: records whose slips have been corrected since.
    """
    total = len(person)
    slip = _slips(rng, manner, put_right)
    first, middle, middle2, surname = names(rng, people, person, day, manner, put_right)
    birth_day = birth_days(rng, people, person, manner, put_right)
    sex_wrong, sex_missing = slip(0.003), rng.random(total) < 0.015
    line_1, line_2, town, postcode = _address(rng, people, person, day, slip)
    pnc, cro = police_numbers(rng, people, person, manner, put_right)
    if manner.upper:
        line_1, line_2, town = map(pc.utf8_upper, (line_1, line_2, town))
    return Identity(
        first=first,
        middle=middle,
        middle2=middle2,
        surname=surname,
        birth_day=birth_day,
        sex_wrong=sex_wrong,
        sex_missing=sex_missing,
        line_1=line_1,
        line_2=line_2,
        town=town,
        postcode=postcode,
        pnc=pnc,
        cro=cro,
    )


def names(
    rng: np.random.Generator,
    people: People,
    person: Ints,
    day: Ints,
    manner: Manner,
    put_right: Bools,
) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """First, middle and second middle names and surnames, as `write_down` records them."""
    slip = _slips(rng, manner, put_right)
    first, middle, middle2, surname = _names(rng, people, person, day, slip)
    if manner.ascii_only:
        first, middle, middle2, surname = map(_without_accents, (first, middle, middle2, surname))
    first = _junk(rng, first, slip)
    first, surname = _swapped(first, surname, slip(0.0012))
    if manner.upper:
        first, middle, middle2, surname = map(pc.utf8_upper, (first, middle, middle2, surname))
    return first, middle, middle2, surname


def birth_days(
    rng: np.random.Generator, people: People, person: Ints, manner: Manner, put_right: Bools
) -> Ints:
    """Days of birth, as `write_down` records them."""
    return _birth(rng, people, person, _slips(rng, manner, put_right))


def addresses(
    rng: np.random.Generator,
    people: People,
    person: Ints,
    day: Ints,
    manner: Manner,
    put_right: Bools,
) -> tuple[pa.Array, pa.Array]:
    """First lines of addresses and postcodes, for sources that hold no more of them."""
    slip = _slips(rng, manner, put_right)
    lived = _lived(rng, people, person, day, slip)
    line = _line(rng, people, lived, slip)
    return pc.utf8_upper(line) if manner.upper else line, _postcode(rng, lived)


def postcodes(
    rng: np.random.Generator,
    people: People,
    person: Ints,
    day: Ints,
    manner: Manner,
    put_right: Bools,
) -> pa.Array:
    """Postcodes, for sources that hold no more of an address."""
    return _postcode(rng, _lived(rng, people, person, day, _slips(rng, manner, put_right)))


@cache
def _organisations_written() -> pa.Array:
    """Names of organisations as they are, and then in each of the ways they are also written."""
    right = lists.organisation_names()
    short = right
    for long, brief in (
        (" Limited", " Ltd"), ("Council", "C C"), (" & ", " and "), (" PLC", " P.L.C."),
        ("Association", "Assoc"),
    ):  # fmt: skip
        short = pc.replace_substring(short, long, brief)
    bare = pc.replace_substring_regex(right, r" (Limited|Ltd|PLC|LLP|Group)$", "")
    full = pc.replace_substring_regex(right, r"\bLtd$", "Limited")
    with_the = pc.binary_join_element_wise("The", right, " ")
    return pa.concat_arrays([right, short, bare, full, pc.utf8_upper(right), with_the])


def organisations(
    rng: np.random.Generator, organisation: Ints, manner: Manner, share: float
) -> pa.Array:
    """Names of organisations as clerks write them, in any of several ways.

    Args:
        rng: random numbers of this source and chunk.
        organisation: index into `lists.organisation_names()`, -1 for none.
        manner: the source's.
        share: of names that are not written as registered.
    """
    written, every = _organisations_written(), len(lists.organisation_names())
    ways = len(written) // every
    way = np.where(
        rng.random(len(organisation)) < share, rng.integers(1, ways, len(organisation)), 0
    )
    names = take(written, np.where(organisation < 0, -1, organisation + way * every))
    names = misspelt(rng, names, rng.random(len(organisation)) < 0.012 * manner.error)
    return pc.utf8_upper(names) if manner.upper else names


def _slips(rng: np.random.Generator, manner: Manner, put_right: Bools) -> Slip:
    def slip(rate: float | Floats) -> Bools:
        drawn: Bools = rng.random(len(put_right)) < rate * manner.error
        return drawn & ~put_right

    return slip


def take(values: pa.Array, index: Ints) -> pa.Array:
    """Elements by index; a negative index gives a null."""
    return values.take(pa.array(index, mask=index < 0))


def scatter(values: pa.Array, at: Bools, new: pa.Array) -> pa.Array:
    """Replace the marked elements by `new`, which holds one element a mark."""
    return pc.replace_with_mask(values, pa.array(at), new)


def dates(days: Ints) -> pa.Array:
    """Days since 1970-01-01 as dates; NEVER as null."""
    return pa.array(np.where(days >= NEVER, 0, days).astype("datetime64[D]"), mask=days >= NEVER)


def _names(
    rng: np.random.Generator, people: People, person: Ints, day: Ints, slip: Slip
) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    names = lists.names()
    total = len(person)
    first = people.first[person]
    chance = rng.random(total)
    known_as, alias = people.nickname[person], people.alias_first[person]
    # A nickname is an error of the record only where the full name stands elsewhere.
    first = np.where((known_as >= 0) & slip(0.075), known_as, first)
    first = np.where((alias >= 0) & (chance < 0.3), alias, first)
    surname = np.where(
        day >= people.renamed[person], people.new_surname[person], people.surname[person]
    )
    alias = people.alias_surname[person]
    both = (day >= people.renamed[person]) & (rng.random(total) < 0.06)
    hyphenated = pc.binary_join_element_wise(
        take(names.surname, people.surname[person]),
        take(names.surname, people.new_surname[person]),
        "-",
    )
    surname = np.where((alias >= 0) & (rng.random(total) < 0.3), alias, surname)
    middle, middle2 = people.middle[person], people.middle2[person]
    dropped = rng.random(total) < 0.18
    middle, middle2 = np.where(dropped, -1, middle), np.where(dropped, -1, middle2)
    middle2 = np.where(rng.random(total) < 0.3, -1, middle2)
    surnames = pc.if_else(pa.array(both), hyphenated, take(names.surname, surname))
    firsts = take(names.first, first)
    middles = take(names.first, middle)
    unfamiliar = _UNFAMILIAR[people.group[person]]
    firsts = misspelt(rng, firsts, slip(0.021 * unfamiliar))
    surnames = misspelt(rng, surnames, slip(0.024 * unfamiliar))
    initials = pc.utf8_slice_codeunits(middles, 0, 1)
    middles = pc.if_else(pa.array(slip(0.022)), initials, middles)
    middles = misspelt(rng, middles, slip(0.022 * unfamiliar))
    return firsts, middles, take(names.first, middle2), surnames


def as_written(texts: pa.Array, manner: Manner) -> pa.Array:
    """Names in a source's manner, without slips."""
    texts = _without_accents(texts) if manner.ascii_only else texts
    return pc.utf8_upper(texts) if manner.upper else texts


def _swapped(one: pa.Array, other: pa.Array, at: Bools) -> tuple[pa.Array, pa.Array]:
    mask = pa.array(at)
    return pc.if_else(mask, other, one), pc.if_else(mask, one, other)


def _junk(rng: np.random.Generator, first: pa.Array, slip: Slip) -> pa.Array:
    """What migrations and clerks leave in a name."""
    prefix = pa.array(_PREFIXES).take(pa.array(rng.integers(0, len(_PREFIXES), len(first))))
    first = pc.if_else(pa.array(slip(0.002)), pc.binary_join_element_wise(prefix, first, ""), first)
    return pc.if_else(pa.array(slip(0.0015)), "NOT ENTERED", first)


def _without_accents(texts: pa.Array) -> pa.Array:
    plain = pc.utf8_normalize(texts, form="NFKD")
    plain = pc.replace_substring_regex(plain, pattern=r"\p{Mn}", replacement="")
    return pc.replace_substring(pc.replace_substring(plain, "ı", "i"), "ł", "l")


def misspelt(rng: np.random.Generator, texts: pa.Array, at: Bools) -> pa.Array:
    """One slip in each marked text: a letter changed, swapped, left out or doubled.

    Works on a matrix of letters, one row a text. Numbers are drawn for every text, so that what
    happens to one does not hang on which others are marked.
    """
    placed, initial, kinds = (rng.random(len(texts)) for _ in range(3))
    senses = rng.integers(0, len(_CONFUSED), len(texts))
    at = at & ~texts.is_null().to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(at)
    if not len(rows):
        return texts
    words = texts.take(pa.array(rows)).to_numpy(zero_copy_only=False).astype(np.str_)
    width = words.dtype.itemsize // 4 + 1
    letters = words.astype(f"U{width}").view(np.uint32).reshape(len(rows), width).astype(np.int64)
    length = (letters != 0).sum(axis=1)
    # Seldom the first letter: a slip there is seen.
    place = 1 + (placed[rows] * (length - 1)).astype(np.int64)
    place = np.where(initial[rows] < 0.08, 0, place).clip(0, length - 1)
    kind = np.where(length < 3, _DOUBLED, np.searchsorted((0.45, 0.65, 0.85), kinds[rows]))
    column = np.arange(width)[None, :]
    source = np.broadcast_to(column, letters.shape)
    source = np.where((kind == _LEFT_OUT)[:, None] & (column >= place[:, None]), column + 1, source)
    source = np.where((kind == _DOUBLED)[:, None] & (column > place[:, None]), column - 1, source)
    first_of_two = np.minimum(place, length - 2).clip(0)[:, None]
    swap = (kind == _SWAPPED)[:, None]
    source = np.where(swap & (column == first_of_two), column + 1, source)
    source = np.where(swap & (column == first_of_two + 1), column - 1, source)
    slipped = np.take_along_axis(letters, source.clip(0, width - 1), axis=1)
    every = np.arange(len(rows))
    letter = letters[every, place]
    small = letter >= ord("a")
    in_alphabet = letter - np.where(small, ord("a"), ord("A"))
    known = (kind == _CHANGED) & (in_alphabet >= 0) & (in_alphabet < 26)
    other = _CONFUSED[senses[rows], np.where(known, in_alphabet, 0)] + np.where(small, 32, 0)
    slipped[every, place] = np.where(known, other, slipped[every, place])
    written = np.ascontiguousarray(slipped, dtype=np.uint32).view(f"U{width}").ravel()
    return scatter(texts, at, pa.array(written.tolist(), pa.string()))


def _birth(rng: np.random.Generator, people: People, person: Ints, slip: Slip) -> Ints:
    total = len(person)
    alias = (people.alias_born[person] != people.born[person]) & (rng.random(total) < 0.3)
    year, month, day = calendar(np.where(alias, people.alias_born[person], people.born[person]))
    swapped = slip(0.016) & (day <= 12)
    month, day = np.where(swapped, day, month), np.where(swapped, month, day)
    year = year + np.where(slip(0.011), rng.choice((-10, -1, 1, 10), total), 0)
    day = np.where(slip(0.009), (day + rng.choice((-1, 1, 9, 10), total)).clip(1, 28), day)
    new_year = slip(0.0025)
    month, day = np.where(new_year, 1, month), np.where(new_year, 1, day)
    written = day_of(year, month, day)
    written = np.where(slip(0.002), np.array(_UNKNOWN_BIRTH)[rng.integers(0, 2, total)], written)
    return np.where(rng.random(total) < 0.012, NEVER, written)


@dataclass(frozen=True)
class _Lived:
    """Where people are said to live: row and column of their addresses, and the postcode's unit."""

    person: Ints
    current: Ints
    unit: Ints
    sector: Ints
    nowhere: pa.Array


def _lived(rng: np.random.Generator, people: People, person: Ints, day: Ints, slip: Slip) -> _Lived:
    lived = people.addresses
    current = (lived.since[person] <= day[:, None]).sum(axis=1) - 1
    # Some are still written down where they lived before.
    current = np.where(slip(0.04), np.maximum(current - 1, 0), current)
    unit = lived.unit[person, current]
    unit = np.where(slip(0.014), rng.integers(0, len(lists.places().unit), len(person)), unit)
    nowhere = pa.array(lived.no_fixed_abode[person, current])
    return _Lived(person, current, unit, lived.sector[person, current], nowhere)


def _line(rng: np.random.Generator, people: People, lived: _Lived, slip: Slip) -> pa.Array:
    at = lived.person, lived.current
    house = pa.array(people.addresses.house[at]).cast(pa.string())
    street = take(lists.places().street, people.addresses.street[at])
    line = pc.binary_join_element_wise(house, street, " ")
    flat = people.addresses.flat[at]
    in_flat = flat > 0
    number = pa.array(flat[in_flat]).cast(pa.string())
    flats = pc.binary_join_element_wise("Flat", number, line.filter(pa.array(in_flat)), " ")
    line = misspelt(rng, scatter(line, in_flat, flats), slip(0.03))
    return pc.if_else(lived.nowhere, "No fixed abode", line)


def _postcode(rng: np.random.Generator, lived: _Lived) -> pa.Array:
    places = lists.places()
    postcode = pc.binary_join_element_wise(
        take(places.sector, lived.sector), take(places.unit, lived.unit), ""
    )
    form = rng.random(len(lived.unit))
    tight, low = form < 0.06, (form > 0.04) & (form < 0.07)
    postcode = scatter(
        postcode, tight, pc.replace_substring(postcode.filter(pa.array(tight)), " ", "")
    )
    postcode = scatter(postcode, low, pc.utf8_lower(postcode.filter(pa.array(low))))
    stand_in = pa.array(_NO_FIXED_ABODE).take(pa.array((form > 0.8).astype(int)))
    return pc.if_else(lived.nowhere, stand_in, postcode)


def _address(
    rng: np.random.Generator, people: People, person: Ints, day: Ints, slip: Slip
) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    places, lived = lists.places(), _lived(rng, people, person, day, slip)
    line_1 = _line(rng, people, lived, slip)
    postcode = _postcode(rng, lived)
    town = pc.if_else(lived.nowhere, EMPTY, take(places.town, lived.sector))
    locality = take(places.locality, lived.sector % len(places.locality))
    locality = pc.if_else(pa.array(rng.random(len(person)) < 0.8), EMPTY, locality)
    return line_1, locality, town, some(rng, postcode, 0.965)


def police_numbers(
    rng: np.random.Generator, people: People, person: Ints, manner: Manner, put_right: Bools
) -> tuple[pa.Array, pa.Array]:
    """PNC and CRO numbers as a source holds them, with slips where they have not been put right."""
    total = len(person)
    slip = _slips(rng, manner, put_right)
    number = people.pnc[person]
    year, serial = number // 10**7, number % 10**7
    letter = check_letter(year % 100 * 10**7 + serial)
    # A slip in a digit leaves the check letter behind.
    serial = np.where(slip(0.008), (serial // 10 * 10 + (serial + 3) % 10), serial)
    if manner.short_pnc:
        pnc = pc.binary_join_element_wise(digits(year % 100, 2), digits(serial, 1), "/")
    else:
        pnc = pc.binary_join_element_wise(digits(year, 4), digits(serial, 7), "/")
    pnc = pc.binary_join_element_wise(pnc, letter, "")
    stand_in = pa.array(_PLACEHOLDER_PNC).take(
        pa.array(rng.integers(0, len(_PLACEHOLDER_PNC), total))
    )
    pnc = pc.if_else(pa.array(slip(0.002)), stand_in, pnc)
    held = (number > 0) & (rng.random(total) < manner.pnc_held)
    pnc = pc.if_else(pa.array(held), pnc, EMPTY)

    number = people.cro[person]
    year, serial = number // 10**6 % 100, number % 10**6
    letter = check_letter(year * 10**6 + serial)
    cro = pc.binary_join_element_wise(digits(serial, 6), digits(year, 2), "/")
    on_file = number % 10 == 0
    filed = pc.binary_join_element_wise(
        pc.binary_join_element_wise("SF", digits(year, 2), ""), digits(serial, 1), "/"
    )
    cro = pc.binary_join_element_wise(
        scatter(cro, on_file, filed.filter(pa.array(on_file))), letter, ""
    )
    cro = pc.if_else(pa.array(slip(0.002)), _PLACEHOLDER_CRO, cro)
    held = (number > 0) & (rng.random(total) < manner.cro_held)
    return pnc, pc.if_else(pa.array(held), cro, EMPTY)


_BRITISH = "GBR"
_ABROAD = pa.array(["POL", "ROU", "LTU", "ALB", "PRT", "BRA", "ITA", "IRL", "IND", "PAK", "NGA",
                    "VNM", "JAM", "SOM"])  # fmt: skip
_ABROAD_OF = np.array([
    (7, 2, 0), (7, 2, 0), (7, 7, 7), (0, 1, 2), (4, 5, 6), (8, 8, 8), (9, 13, 9),
    (11, 11, 11), (12, 12, 12), (10, 10, 13),
])  # fmt: skip
"""Nationalities met in each name group."""


def nationality(people: People, person: Ints) -> pa.Array:
    """Nationalities as ISO 3166 alpha-3 codes."""
    abroad = take(_ABROAD, _ABROAD_OF[people.group[person], person % 3])
    return pc.if_else(pa.array(people.foreign[person]), abroad, _BRITISH)


def check_letter(number: Ints) -> pa.Array:
    """The letter that closes a police number: modulo 23 of year and serial together."""
    return pa.array(list(_CHECK_LETTERS)).take(pa.array(number % 23))


def mistyped(rng: np.random.Generator, texts: pa.Array, share: float) -> pa.Array:
    """Put another digit in the seventh place of a share of the references."""
    at = (rng.random(len(texts)) < share) & ~texts.is_null().to_numpy(zero_copy_only=False)
    chosen = texts.filter(pa.array(at))
    return scatter(texts, at, pc.utf8_replace_slice(chosen, 6, 7, "7"))


_FIRST_WRITTEN, _LAST_WRITTEN = -58_440, 29_220
"""1810-01-01 and 2050-01-01: days beyond are not written by `date_texts`."""


@cache
def _days_written(*, day_first: bool) -> pa.Array:
    written = pa.array(np.arange(_FIRST_WRITTEN, _LAST_WRITTEN).astype("datetime64[D]"))
    text = written.cast(pa.string())
    if not day_first:
        return text
    parts = [pc.utf8_slice_codeunits(text, *ends) for ends in ((8, 10), (5, 7), (0, 4))]
    return pc.binary_join_element_wise(*parts, "/")


def date_texts(days: Ints, *, day_first: bool = False) -> pa.Array:
    """Days since 1970-01-01 as text, each written once and looked up; NEVER as null.

    Args:
        days: between 1810 and 2050, or NEVER.
        day_first: `dd/MM/yyyy` instead of `yyyy-MM-dd`.
    """
    return take(
        _days_written(day_first=day_first), np.where(days >= NEVER, -1, days - _FIRST_WRITTEN)
    )


def digits(number: Ints, width: int) -> pa.Array:
    """Whole numbers as text with leading zeros up to `width`."""
    return pc.utf8_lpad(pa.array(number).cast(pa.string()), width=width, padding="0")


def some(rng: np.random.Generator, values: pa.Array, share: float) -> pa.Array:
    """Keep about `share` of the values, leave the others empty."""
    keep: Floats = rng.random(len(values))
    return pc.if_else(pa.array(keep < share), values, EMPTY)


def number_text(values: Ints) -> pa.Array:
    """Whole numbers as text; negative ones stand for empty."""
    return pa.array(values, mask=values < 0).cast(pa.string())


def money_text(pence: Ints) -> pa.Array:
    """Pence as pounds with two decimals; negative ones stand for empty."""
    missing = pa.array(pence < 0)
    text = pc.binary_join_element_wise(
        pa.array(pence // 100).cast(pa.string()), digits(pence % 100, 2), "."
    )
    return pc.if_else(missing, EMPTY, text)
