"""CaseMan and Possession Claim Online: claims as the county courts' systems hold them.

What belongs here: their columns and habits. What does not: what happened (`claims.py`), how a
clerk misspells (`recording.py`) and how files are written (`deliveries.py`).

Neither system's tables are published. A party has another number on every claim. Names are as the
claimant gives them: an initial for some, the maiden name of some; dates of birth are rarely known.
Companies are written in any of several ways. All shares are made up.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.synthetic import claims, lists, recording
from datafirst_platform.synthetic.claims import Cases
from datafirst_platform.synthetic.history import History
from datafirst_platform.synthetic.lists import Bools, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import NEVER, calendar, stream

_MANNER = recording.Manner(
    upper=True, ascii_only=True, error=1.25, pnc_held=0, cro_held=0, short_pnc=False
)

_FIRST_DAY = 15340
"""2012-01-01: nothing issued earlier is held."""

_CLAIM_TYPES = pa.array(["SPEC", "UNSPEC", "DAM", "POSSL", "POSSM", "OTHER"])
_CENTRES = ("335", "390")
_CENTRES_DAY = 15418
"""2012-03-19: claims for sums are issued by national centres, other than those made in bulk."""

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_PAIRS = pa.array([one + other for one in _LETTERS for other in _LETTERS])

_OFFSET = 27_182_818
"""Where numbers begin to be dealt: the first is not 0."""

# Tracks by amount in pence, and the days on which the bounds changed: small claims to ten thousand
# pounds since April 2013, an intermediate track since October 2023.
_SMALL_RAISED_DAY, _INTERMEDIATE_DAY = 15796, 19631

_BIRTH_HELD, _MIDDLE_HELD, _INITIAL_ONLY, _TITLE_HELD = 0.06, 0.5, 0.05, 0.86
_OTHER_NAME, _ORGANISATIONS_VARIED = 0.12, 0.45


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as CaseMan would extract them on the day of the cut-off.

    Returns:
        The three `caseman_…` tables: text columns as the contracts name them, then `person_id`.

    Raises:
        PlatformError: more people than claim numbers reach for.
    """
    if lives.chunk >= claims.MOST_CHUNKS:
        raise PlatformError(
            f"Claim numbers of CaseMan reach for {claims.MOST_CHUNKS} chunks of people: "
            "ask for fewer, or leave caseman out."
        )
    cases = lives.claims.cases
    history = History.draw(lives.seed, lives.chunk, "caseman cases", cases.issue_day)
    supplied = (cases.issue_day >= _FIRST_DAY) & (cases.issue_day <= cut_off)
    supplied &= history.stands(cut_off)
    numbers = _case_numbers(lives.chunk, cases)
    claimant = lives.households.people.person_id[cases.claimant]
    return {
        "caseman_cases": _case_table(cases, numbers, claimant, supplied, cut_off),
        "caseman_parties": _party_table(lives, numbers, supplied, cut_off),
        "caseman_events": _event_table(lives, numbers, claimant, supplied, cut_off),
    }


def _dates(days: Ints) -> pa.Array:
    return recording.date_texts(days, day_first=True)


def _case_numbers(chunk: int, cases: Cases) -> pa.Array:
    """Claim numbers: `3QZ12345` with the last digit of the year, or `C12LR345`, a letter a year.

    The older form stands for claims up to 2014 and later ones of the bulk centre. Either way the
    number behind it is the claim's own over all chunks, dealt at random.
    """
    number = chunk * claims.CASES_PER_CHUNK + np.arange(len(cases))
    pairs = len(_PAIRS)
    dealt = (number * 31_415_927 + _OFFSET) % (pairs * 100_000)
    pair = recording.take(_PAIRS, dealt // 100_000)
    rest = dealt % 100_000
    year = calendar(cases.issue_day)[0]
    older = (year < 2015) | (cases.centre == 0)
    digit = recording.digits(year % 10, 1)
    old_form = pc.binary_join_element_wise(digit, pair, recording.digits(rest, 5), "")
    first = pa.array(list("0ABCDEFGHJKLMNPQRSTU")).take(pa.array((year - 2012) % 20))
    first = pc.if_else(pa.array(cases.online_possession), digit, first)
    new_form = pc.binary_join_element_wise(
        first, recording.digits(rest // 1000, 2), pair, recording.digits(rest % 1000, 3), ""
    )
    return pc.if_else(pa.array(older & ~cases.online_possession), old_form, new_form)


def _case_table(
    cases: Cases, numbers: pa.Array, claimant: Ints, supplied: Bools, cut_off: int
) -> pa.Table:
    at = np.flatnonzero(supplied)
    kind, day, pence = cases.kind[at], cases.issue_day[at], cases.pence[at]
    local = recording.take(lists.county_courts().code, cases.local[at])
    centre = pa.array([*_CENTRES, None]).take(pa.array(cases.centre[at] % 3))
    central = (cases.centre[at] >= 0) & (cases.sent_day[at] > cut_off)
    central &= (cases.centre[at] == 0) | (day >= _CENTRES_DAY)
    small_limit = np.where(day < _SMALL_RAISED_DAY, 500_000, 1_000_000)
    above = np.where(day >= _INTERMEDIATE_DAY, 2, 3)
    track = np.where(pence <= small_limit, 0, np.where(pence <= 2_500_000, 1, above))
    track = np.where((pence > 10_000_000) & (track == 2), 3, track)
    damages = (kind == claims.DAMAGES) | (kind == claims.UNSPECIFIED)
    track = np.where(damages & (track == 0), 1, track)
    track = np.where(cases.allocated_day[at] <= cut_off, track, -1)
    closed = np.where(cases.closed_day[at] <= cut_off, cases.closed_day[at], NEVER)
    return pa.table(
        {
            "case_number": numbers.take(pa.array(at)),
            "system": pa.array(["CASEMAN", "PCOL"]).take(
                pa.array(cases.online_possession[at].astype(int))
            ),
            "claim_type": recording.take(_CLAIM_TYPES, kind),
            "court_code": pc.if_else(pa.array(central), centre, local),
            "issue_date": _dates(day),
            "amount_claimed": recording.money_text(pence),
            "track": recording.take(pa.array(["SCT", "FT", "IT", "MT"]), track),
            "closed_date": _dates(closed),
            "person_id": pa.array(claimant[at]),
        }
    )


def _party_table(lives: Lives, numbers: pa.Array, supplied: Bools, cut_off: int) -> pa.Table:
    parties, cases, people = lives.claims.parties, lives.claims.cases, lives.households.people
    rng = stream(lives.seed, lives.chunk, "caseman identities")
    total = len(parties)
    person, day = parties.person, cases.issue_day[parties.case]
    company = people.is_company[person]
    history = History.draw(lives.seed, lives.chunk, "caseman parties", day)
    put_right = history.put_right(cut_off)
    chance = rng.random((6, total))
    renamed, female = people.renamed[person], people.female[person]
    other_name = (chance[0] < _OTHER_NAME) & (renamed < NEVER) & female
    known_as = np.where(other_name, np.where(day >= renamed, renamed - 1, renamed), day)
    first, middle, _, surname = recording.names(rng, people, person, known_as, _MANNER, put_right)
    initial = pa.array(chance[1] < _INITIAL_ONLY)
    first = pc.if_else(initial, pc.utf8_slice_codeunits(first, 0, 1), first)
    middle = pc.if_else(pa.array(chance[2] < _MIDDLE_HELD), middle, recording.EMPTY)
    born = recording.birth_days(rng, people, person, _MANNER, put_right)
    born = np.where((chance[3] < _BIRTH_HELD) & ~company, born, NEVER)
    line, postcode = recording.addresses(rng, people, person, day, _MANNER, put_right)
    organisation = recording.organisations(
        rng, people.organisation[person], _MANNER, _ORGANISATIONS_VARIED
    )
    title = np.where(female, rng.integers(1, 4, total), np.where(chance[4] < 0.02, 4, 0))
    title = np.where(chance[5] < _TITLE_HELD, title, -1)
    number = lives.chunk * claims.PARTIES_PER_CHUNK + np.arange(total)
    nobody = pa.array(company)
    yes_no = pa.array(["N", "Y"])

    def of_persons(values: pa.Array) -> pa.Array:
        return pc.if_else(nobody, recording.EMPTY, values)

    return pa.table(
        {
            "party_id": recording.digits((number * 577_215_661 + _OFFSET) % 10**10, 1),
            "case_number": numbers.take(pa.array(parties.case)),
            "role": recording.take(pa.array(["C", "D"]), parties.role),
            "is_company": recording.take(yes_no, company.astype(int)),
            "title": of_persons(recording.take(pa.array(["MR", "MISS", "MRS", "MS", "DR"]), title)),
            "first_name": of_persons(first),
            "middle_name": of_persons(middle),
            "surname": pc.if_else(nobody, organisation, surname),
            "date_of_birth": _dates(born),
            "address_line_1": recording.some(rng, line, 0.985),
            "postcode": recording.some(rng, postcode, 0.96),
            "represented": recording.take(yes_no, parties.represented.astype(int)),
            "person_id": pa.array(people.person_id[person]),
        }
    ).filter(pa.array(supplied[parties.case]))


def _event_table(
    lives: Lives, numbers: pa.Array, claimant: Ints, supplied: Bools, cut_off: int
) -> pa.Table:
    events = lives.claims.events
    at = np.flatnonzero(supplied[events.case] & (events.day <= cut_off))
    case = events.case[at]
    outcome = np.where(events.known_day[at] <= cut_off, events.outcome[at], -1)
    number = lives.chunk * claims.EVENTS_PER_CHUNK + at
    return pa.table(
        {
            "event_id": recording.digits((number * 141_421_357 + _OFFSET) % 10**10, 1),
            "case_number": numbers.take(pa.array(case)),
            "event_type": recording.take(pa.array(claims.EVENT_TYPES), events.what[at]),
            "event_date": _dates(events.day[at]),
            "amount": recording.money_text(events.pence[at]),
            "outcome_code": recording.take(pa.array(claims.OUTCOMES), outcome),
            "person_id": pa.array(claimant[case]),
        }
    )
