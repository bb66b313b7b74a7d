"""LIBRA: careers as the magistrates' courts' system holds them.

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
from datafirst_platform.synthetic.lists import Bools
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, calendar, stream

_MANNER = recording.Manner(
    upper=True, ascii_only=True, error=1.0, pnc_held=0.80, cro_held=0.62, short_pnc=False
)

# Share of new cases LIBRA still takes while courts move to Common Platform, falling between these
# times; made up after the published caveat that coverage falls through 2021 and 2022.
_HELD = (
    (2020.9, 1.0),
    (2021.5, 0.80),
    (2022.5, 0.45),
    (2023.5, 0.25),
    (2024.5, 0.15),
    (2025.5, 0.10),
)


def holds(cases: Cases) -> Bools:
    """Which cases LIBRA holds: all to 2020, then those of courts that have not moved yet."""
    return still_held(_HELD, cases.first_hearing_day, cases.court)


def case_id(cases: Cases) -> pa.Array:
    """Case numbers: the year of receipt, then a number dealt at random over cases."""
    year = calendar(cases.receipt_day)[0] % 100
    number = recording.digits(cases.number * 618_033_989 % 10**10, 10)
    return pc.binary_join_element_wise(recording.digits(year, 2), number, "")


def defendant_id(cases: Cases) -> pa.Array:
    """Defendant numbers: another one at every case."""
    return recording.digits(cases.own_number * 381_966_011 % 10**10, 1)


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as LIBRA would extract them on the day of the cut-off.

    Returns:
        `libra_cases` and `libra_offences`: text columns as the contracts name them, then
        `person_id`.
    """
    seed, people, cases, charges = lives.seed, lives.people, lives.cases, lives.charges
    rng = stream(seed, people.chunk, "libra")
    history = History.draw(seed, people.chunk, "libra", cases.first_hearing_day)
    person = cases.person
    put_right = history.put_right(cut_off)
    seen = recording.write_down(rng, people, person, cases.first_hearing_day, _MANNER, put_right)
    company = people.is_company[person]
    urn, asn = case_references(seed, people.chunk, cases)
    urn, asn = recording.some(rng, urn, 0.95), recording.some(rng, asn, 0.86)
    nobody = pa.array(company)

    def of_persons(values: pa.Array) -> pa.Array:
        return pc.if_else(nobody, recording.EMPTY, values)

    female = people.female[person] ^ seen.sex_wrong
    sex = pa.array(["M", "F", "NS"]).take(
        pa.array(np.where(seen.sex_missing, 2, female.astype(int)))
    )
    title = pa.array(["MR", "MISS", "MRS", "MS"]).take(
        pa.array(np.where(female, rng.integers(1, 4, len(cases)), 0))
    )
    ethnicity = recording.some(rng, recording.take(ETHNICITY, people.ethnicity[person]), 0.72)
    done = np.where(cases.end_day <= cut_off, cases.end_day, NEVER)
    committed = np.where(cases.committed_day <= cut_off, cases.committed_day, NEVER)
    offices = lists.offices()
    remand = np.where(cases.in_custody, 1, np.where(cases.route == careers.MAGISTRATES, 2, 0))
    remand = np.where(rng.random(len(cases)) < 0.15, 0, remand)
    case_table = pa.table(
        {
            "case_id": case_id(cases),
            "defendant_id": defendant_id(cases),
            "urn": urn,
            "asn": of_persons(asn),
            "defendant_type": pa.array(["P", "O"]).take(pa.array(company.astype(int))),
            "title": of_persons(recording.some(rng, title, 0.85)),
            "first_name": of_persons(seen.first),
            "forename2": of_persons(seen.middle),
            "forename3": of_persons(seen.middle2),
            "last_name": of_persons(seen.surname),
            "organisation_name": pc.utf8_upper(
                recording.take(lists.organisations(), people.organisation[person])
            ),
            "date_of_birth": of_persons(recording.dates(seen.birth_day).cast(pa.string())),
            "sex": of_persons(sex),
            "ethnicity_self_defined": of_persons(ethnicity),
            "address_line_1": seen.line_1,
            "address_line_2": seen.line_2,
            "post_town": seen.town,
            "postcode": seen.postcode,
            "pnc_id": seen.pnc,
            "cro_number": seen.cro,
            "court_code": recording.take(offices.magistrates, cases.court),
            "police_force_code": recording.take(offices.force, cases.force),
            "receipt_date": recording.dates(cases.receipt_day).cast(pa.string()),
            "first_hearing_date": recording.dates(cases.first_hearing_day).cast(pa.string()),
            "completion_date": recording.dates(done).cast(pa.string()),
            "committal_date": recording.dates(committed).cast(pa.string()),
            "remand_status": pa.array(["B", "C", "N"]).take(pa.array(remand)),
            "person_id": pa.array(people.person_id[person]),
        }
    )
    visible = holds(cases) & (cases.first_hearing_day <= cut_off) & history.stands(cut_off)
    offence_table = _offences(lives, case_table, cut_off)
    return {
        "libra_cases": case_table.filter(pa.array(visible)),
        "libra_offences": offence_table.filter(pa.array(visible[charges.case])),
    }


_DISPOSALS = {
    results.CUSTODY: "IMP", results.DETENTION_AND_TRAINING: "DTO", results.SUSPENDED: "SSO",
    results.COMMUNITY: "CO", results.YOUTH_REHABILITATION: "YRO", results.REFERRAL: "REF",
    results.FINE: "FINE", results.COMPENSATION: "COMP", results.CONDITIONAL_DISCHARGE: "CD",
    results.ABSOLUTE_DISCHARGE: "AD", results.OTHERWISE: "OTH",
    results.COMMITTED_FOR_SENTENCE: "CMSE", results.SENT_FOR_TRIAL: "CMTR",
    results.WITHDRAWN: "WDN", results.DISMISSED: "DIS", results.NO_SEPARATE_PENALTY: "NSP",
}  # fmt: skip
_NO_RESULT = len(_DISPOSALS)
_CODES = pa.array([*_DISPOSALS.values(), "ADJ"])
_CODE_OF = np.full(max(_DISPOSALS) + 1, -1)
_CODE_OF[list(_DISPOSALS)] = np.arange(len(_DISPOSALS))


def _offences(lives: Lives, case_table: pa.Table, cut_off: int) -> pa.Table:
    people, cases, charges = lives.people, lives.cases, lives.charges
    rng = stream(lives.seed, people.chunk, "libra offences")
    offences = lists.offences()
    case = charges.case
    route = cases.route[case]
    end = cases.end_day[case]
    pending = end > cut_off
    decided = lives.results.magistrates
    history = History.draw(
        lives.seed, people.chunk, "libra disposals", cases.first_hearing_day[case], of_results=True
    )
    # A result entered wrongly at first: another discharge, or none for a fine.
    mistaken = history.faulty(0.03) & ~history.put_right(cut_off)
    disposal = decided.disposal
    withdrawn = disposal == results.WITHDRAWN
    disposal = np.where(
        mistaken & (disposal == results.FINE), results.CONDITIONAL_DISCHARGE, disposal
    )
    disposal = np.where(mistaken & withdrawn, results.DISMISSED, disposal)
    verdict = np.where(charges.convicted, 0, np.where(disposal == results.WITHDRAWN, 2, 1))
    verdict = np.where(route == careers.FOR_TRIAL, 3, verdict)
    verdict = np.where(route == careers.FOR_SENTENCE, 0, verdict)
    plea = np.where(route == careers.FOR_TRIAL, -1, charges.plea)
    plea_codes = pa.array(["NONE", "G", "NG", "UNFIT"])
    verdict = np.where(pending, -1, verdict)
    days = np.where(pending, -1, decided.days)
    pence = np.where(pending | (disposal != results.FINE), -1, decided.pence)
    disposal = np.where(pending, _NO_RESULT, _CODE_OF[disposal])
    end = np.where(pending, NEVER, end)
    return pa.table(
        {
            "case_id": case_table["case_id"].take(pa.array(case)),
            "defendant_id": case_table["defendant_id"].take(pa.array(case)),
            "offence_seq": recording.digits(charges.seq, 1),
            "ho_offence_code": recording.take(offences.code, charges.code),
            "cjs_offence_code": recording.some(
                rng, recording.take(offences.cjs, charges.code), 0.97
            ),
            "offence_date": recording.dates(charges.day).cast(pa.string()),
            "charge_date": recording.some(
                rng, recording.dates(cases.charge_day[case]).cast(pa.string()), 0.98
            ),
            "plea": recording.take(plea_codes, plea),
            "verdict": recording.take(pa.array(["G", "NG", "W", "NONE"]), verdict),
            "disposal_code": recording.take(_CODES, disposal),
            "disposal_date": recording.dates(end).cast(pa.string()),
            "custodial_days": recording.number_text(days),
            "fine_amount": recording.money_text(pence),
            "person_id": pa.array(people.person_id[cases.person[case]]),
        }
    )
