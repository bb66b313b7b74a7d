"""XHIBIT: careers as the Crown Court's system holds them.

What belongs here: which cases it holds, its columns and its habits. What does not: the lives
(`lives.py`) and how files are written (`deliveries.py`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import careers, lists, recording, results
from datafirst_platform.synthetic.careers import Cases
from datafirst_platform.synthetic.history import History, case_references, still_held
from datafirst_platform.synthetic.lists import Bools, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, stream

_MANNER = recording.Manner(
    upper=False, ascii_only=False, error=1.0, pnc_held=0.88, cro_held=0.70, short_pnc=True
)

_FIRST_DAY = 15706
"""2013-01-01: nothing earlier is held."""

# Share of newly received cases still held, falling between these times; made up after the published
# caveat that coverage falls for cases received from mid-2021 while most disposals of 2021 and 2022
# are held. A faster fall would leave only what took long, far above the published median of 2023.
_HELD = (
    (2021.5, 1.0),
    (2022.0, 0.75),
    (2023.0, 0.65),
    (2023.8, 0.60),
    (2024.5, 0.35),
    (2025.5, 0.15),
)

_APPEARANCE = {"W": "1", "A": "4", "B": "3", "M": "3", "O": "6"}


def holds(cases: Cases) -> Bools:
    """Which cases XHIBIT holds: received since 2013, fewer and fewer courts' from mid-2021."""
    at_crown = cases.route != careers.MAGISTRATES
    day = np.where(at_crown, cases.crown_receipt_day, 0)
    held: Bools = at_crown & (day >= _FIRST_DAY) & still_held(_HELD, day, cases.crown_court)
    return held


def _dates(days: Ints) -> pa.Array:
    return pc.strftime(recording.dates(days), format="%d/%m/%Y")


def defendant_on_case_id(own_number: Ints) -> pa.Array:
    """Numbers dealt at random over defendants on cases."""
    return recording.digits(own_number * 271_828_183 % 10**10, 1)


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as XHIBIT would extract them on the day of the cut-off.

    Returns:
        `xhibit_defendants_on_case` and `xhibit_offences`: text columns as the contracts name
        them, then `person_id`.
    """
    seed, people, cases = lives.seed, lives.people, lives.cases
    held = np.flatnonzero(holds(cases))
    rng = stream(seed, people.chunk, "xhibit")
    receipt = cases.crown_receipt_day[held]
    history = History.draw(seed, people.chunk, "xhibit", receipt)
    person = cases.person[held]
    total = len(held)
    seen = recording.write_down(rng, people, person, receipt, _MANNER, history.put_right(cut_off))
    company = people.is_company[person]
    nobody = pa.array(company)

    def of_persons(values: pa.Array) -> pa.Array:
        return pc.if_else(nobody, recording.EMPTY, values)

    own = cases.own_number[held]
    # Three in ten who come back keep the number they had.
    _, first_row, which = np.unique(person, return_index=True, return_inverse=True)
    keeps = rng.random(total) < 0.3
    defendant = np.where(keeps, own[first_row][which], own)
    urn, asn = (
        reference.take(pa.array(held)) for reference in case_references(seed, people.chunk, cases)
    )
    urn = recording.mistyped(rng, recording.some(rng, urn, 0.94), 0.008)
    asn = recording.mistyped(rng, recording.some(rng, asn, 0.84), 0.008)
    middle = pc.coalesce(pc.binary_join_element_wise(seen.middle, seen.middle2, " "), seen.middle)
    female = people.female[person] ^ seen.sex_wrong
    gender = np.where(seen.sex_missing, rng.integers(2, 4, total), female.astype(int))
    ethnic_letter = pc.utf8_slice_codeunits(
        recording.take(ETHNICITY, people.ethnicity[person]), 0, 1
    )
    letters = ethnic_letter.to_numpy(zero_copy_only=False).astype(np.str_)
    appearance = np.zeros(total, dtype=np.int64)
    for letter, code in _APPEARANCE.items():
        appearance[letters == letter] = int(code)
    slightly = rng.random(total)
    appearance = np.where(slightly < 0.06, 0, np.where(slightly < 0.075, 2, appearance))
    nationality = recording.some(rng, recording.nationality(people, person), 0.86)
    done = np.where(cases.crown_end_day[held] <= cut_off, cases.crown_end_day[held], NEVER)
    first = np.where(cases.crown_first_day[held] <= cut_off, cases.crown_first_day[held], NEVER)
    custody = np.where(cases.in_custody[held], 1, 0)
    custody = np.where((rng.random(total) < 0.1) | company, 3, custody)
    case_type = np.array([0, 0, 1, 2])[cases.route[held]]
    age_days = cases.crown_receipt_day[held] - people.born[person]
    surname = pc.if_else(
        nobody, recording.take(lists.organisations(), people.organisation[person]), seen.surname
    )
    offices = lists.offices()
    yes_no = pa.array(["N", "Y"])
    table = pa.table(
        {
            "defendant_on_case_id": defendant_on_case_id(own),
            "case_id": recording.digits(cases.number[held] * 314_159_261 % 10**10, 1),
            "defendant_id": recording.digits(defendant * 141_421_357 % 10**10, 1),
            "ptiurn": urn,
            "asn": of_persons(asn),
            "is_company": yes_no.take(pa.array(company.astype(int))),
            "first_name": of_persons(seen.first),
            "middle_name": of_persons(middle),
            "surname": surname,
            "date_of_birth": of_persons(_dates(seen.birth_day)),
            "gender": of_persons(pa.array(["1", "2", "0", "9"]).take(pa.array(gender))),
            "ethnic_appearance_code": of_persons(
                recording.some(rng, pa.array(appearance).cast(pa.string()), 0.9)
            ),
            "ethnicity_self_defined": of_persons(
                recording.some(rng, recording.take(ETHNICITY, people.ethnicity[person]), 0.66)
            ),
            "nationality": of_persons(nationality),
            "address_line_1": seen.line_1,
            "address_line_2": seen.line_2,
            "post_town": seen.town,
            "postcode": seen.postcode,
            "pnc_id": seen.pnc,
            "cro_number": seen.cro,
            "court_code": recording.take(offices.crown, cases.crown_court[held]),
            "case_type": pa.array(["T", "S", "A"]).take(pa.array(case_type)),
            "receipt_date": _dates(receipt),
            "date_of_committal": _dates(cases.committed_day[held]),
            "mag_court_first_hearing_date": recording.some(
                rng, _dates(cases.first_hearing_day[held]), 0.93
            ),
            "mag_court_final_hearing_date": recording.some(rng, _dates(cases.end_day[held]), 0.9),
            "first_hearing_date": _dates(first),
            "completion_date": _dates(done),
            "current_bc_status": pa.array(["B", "C", "J", "N"]).take(pa.array(custody)),
            "no_of_tics": recording.number_text(
                np.where(rng.random(total) < 0.025, rng.geometric(0.25, total), 0)
            ),
            "is_juvenile": yes_no.take(pa.array(((age_days < 6574) & ~company).astype(int))),
            "hate_ind": recording.some(
                rng, yes_no.take(pa.array((rng.random(total) < 0.02).astype(int))), 0.95
            ),
            "person_id": pa.array(people.person_id[person]),
        }
    )
    visible = (receipt <= cut_off) & history.stands(cut_off)
    index_of = np.full(len(cases), -1, dtype=np.int64)
    index_of[held] = np.arange(total)
    offence_table, parent = _offences(lives, table, index_of, cut_off)
    return {
        "xhibit_defendants_on_case": table.filter(pa.array(visible)),
        "xhibit_offences": offence_table.filter(pa.array(visible[parent])),
    }


_DISPOSALS = {
    results.LIFE: "LIFE", results.CUSTODY: "IMP", results.HOSPITAL: "HOSP",
    results.SUSPENDED: "SSO", results.COMMUNITY: "CO", results.YOUTH_REHABILITATION: "YRO",
    results.FINE: "FINE", results.CONDITIONAL_DISCHARGE: "CD", results.APPEAL_ALLOWED: "APAL",
    results.APPEAL_DISMISSED: "APDI", results.ACQUITTED: "ACQ", results.NO_EVIDENCE: "NEV",
    results.LEFT_ON_FILE: "LOF", results.NO_SEPARATE_PENALTY: "NSP",
}  # fmt: skip
_NO_RESULT = len(_DISPOSALS)
_CODES = pa.array([*_DISPOSALS.values(), "ADJ"])
_CODE_OF = np.full(max(_DISPOSALS) + 1, -1)
_CODE_OF[list(_DISPOSALS)] = np.arange(len(_DISPOSALS))


def _offences(lives: Lives, table: pa.Table, index_of: Ints, cut_off: int) -> tuple[pa.Table, Ints]:
    people, cases, charges = lives.people, lives.cases, lives.charges
    rng = stream(lives.seed, people.chunk, "xhibit offences")
    appeal = cases.route[charges.case] == careers.APPEAL
    # Half of the appeals name no offence.
    kept = np.flatnonzero((index_of[charges.case] >= 0) & ~(appeal & (charges.number % 2 == 0)))
    offences = lists.offences()
    case = charges.case[kept]
    parent = index_of[case]
    code, route, plea = charges.code[kept], cases.route[case], charges.plea[kept]
    decided = lives.results.crown
    disposal, days, pence = decided.disposal[kept], decided.days[kept], decided.pence[kept]
    not_guilty = np.where(disposal == results.LEFT_ON_FILE, 2, 1)
    verdict = np.where(charges.crown_convicted[kept], 0, not_guilty)
    verdict = np.where(route == careers.APPEAL, 3, verdict)
    history = History.draw(
        lives.seed, people.chunk, "xhibit disposals", cases.crown_receipt_day[case],
        of_results=True,
    )  # fmt: skip
    mistaken = history.faulty(0.06) & ~history.put_right(cut_off)
    mistaken &= disposal == results.SUSPENDED
    end = cases.crown_end_day[case]
    pending = end > cut_off
    verdict = np.where(pending, -1, verdict)
    days = np.where(pending | mistaken, -1, days)
    pence = np.where(pending, -1, pence)
    disposal = np.where(mistaken, results.COMMUNITY, disposal)
    disposal = np.where(pending, _NO_RESULT, _CODE_OF[disposal])
    plea_index = np.where(route == careers.APPEAL, -1, np.where(pending & (plea == 0), -1, plea))
    out = pa.table(
        {
            "defendant_on_offence_id": recording.digits(
                charges.number[kept] * 577_215_661 % 10**10, 1
            ),
            "defendant_on_case_id": table["defendant_on_case_id"].take(pa.array(parent)),
            "ho_offence_code": recording.take(offences.code, code),
            "cjs_offence_code": recording.some(rng, recording.take(offences.cjs, code), 0.95),
            "offence_date": recording.some(rng, _dates(charges.day[kept]), 0.97),
            "plea": recording.take(pa.array(["NONE", "G", "NG", "UNFIT"]), plea_index),
            "verdict": recording.take(pa.array(["G", "NG", "W", "NONE"]), verdict),
            "disposal_code": recording.take(_CODES, disposal),
            "disposal_date": _dates(np.where(pending, NEVER, end)),
            "custodial_period_days": recording.number_text(days),
            "monetary_amount": recording.money_text(pence),
            "person_id": pa.array(people.person_id[cases.person[case]]),
        }
    )
    return out, parent
