"""LIBRA: careers as the magistrates' courts' system holds them.

What belongs here: which cases it holds, its columns and its habits. What does not: the lives
(`population.py`, `careers.py`) and how files are written (`deliveries.py`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import careers, lists, recording
from datafirst_platform.synthetic.careers import Cases, Charges
from datafirst_platform.synthetic.history import History, case_references, still_held
from datafirst_platform.synthetic.lists import Bools, Ints
from datafirst_platform.synthetic.population import ETHNICITY, NEVER, People, calendar, stream

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


def tables(
    seed: int, people: People, cases: Cases, charges: Charges, cut_off: int
) -> dict[str, pa.Table]:
    """The rows of one chunk as LIBRA would extract them on the day of the cut-off.

    Returns:
        `libra_cases` and `libra_offences`: text columns as the contracts name them, then
        `person_id`.
    """
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
    offence_table = _offences(seed, people, cases, charges, case_table, cut_off)
    return {
        "libra_cases": case_table.filter(pa.array(visible)),
        "libra_offences": offence_table.filter(pa.array(visible[charges.case])),
    }


_DISPOSALS = ("IMP", "DTO", "SSO", "CO", "YRO", "REF", "FINE", "COMP", "CD", "AD", "OTH", "CMSE",
              "CMTR", "WDN", "DIS", "NSP", "ADJ")  # fmt: skip


def _offences(
    seed: int, people: People, cases: Cases, charges: Charges, case_table: pa.Table, cut_off: int
) -> pa.Table:
    rng = stream(seed, people.chunk, "libra offences")
    offences = lists.offences()
    case = charges.case
    route = cases.route[case]
    end = cases.end_day[case]
    pending = end > cut_off
    company = people.is_company[cases.person[case]]
    youth = cases.first_hearing_day[case] - people.born[cases.person[case]] < 6574
    disposal = _disposal(charges, offences, youth & ~company, company, rng)
    disposal = np.where(charges.convicted, disposal, np.where(charges.chance < 0.6, 13, 14))
    disposal = np.where(route == careers.FOR_SENTENCE, 11, disposal)
    disposal = np.where(route == careers.FOR_TRIAL, 12, disposal)
    history = History.draw(
        seed, people.chunk, "libra disposals", cases.first_hearing_day[case], of_results=True
    )
    # A result entered wrongly at first: another discharge, or none for a fine.
    mistaken = history.faulty(0.03) & ~history.put_right(cut_off)
    disposal = np.where(
        mistaken & (disposal == 6), 8, np.where(mistaken & (disposal == 13), 14, disposal)
    )
    verdict = np.where(charges.convicted, 0, np.where(disposal == 13, 2, 1))
    verdict = np.where(route == careers.FOR_TRIAL, 3, verdict)
    verdict = np.where(route == careers.FOR_SENTENCE, 0, verdict)
    plea = np.where(route == careers.FOR_TRIAL, -1, charges.plea)
    plea_codes = pa.array(["NONE", "G", "NG", "UNFIT"])
    verdict = np.where(pending, -1, verdict)
    disposal = np.where(pending, 16, disposal)
    end = np.where(pending, NEVER, end)
    hard = charges.severity
    days = np.where(
        disposal == 0, 14 + hard**1.6 * 168, np.where(disposal == 2, 42 + hard * 140, 0)
    )
    days = np.where(disposal == 1, np.array([120, 180, 240, 365])[(hard * 4).astype(int)], days)
    days = np.where(np.isin(disposal, (0, 1, 2)), days.astype(np.int64), -1)
    pence = _fine(offences, charges, company)
    pence = np.where(disposal == 6, pence, -1)
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
            "disposal_code": recording.take(pa.array(_DISPOSALS), disposal),
            "disposal_date": recording.dates(end).cast(pa.string()),
            "custodial_days": recording.number_text(days),
            "fine_amount": recording.money_text(pence),
            "person_id": pa.array(people.person_id[cases.person[case]]),
        }
    )


def _fine(offences: lists.Offences, charges: Charges, company: Bools) -> Ints:
    hard = charges.severity
    pounds = (
        40
        + 560 * hard**2
        + np.where(np.char.endswith(offences.kind[charges.code], "motoring"), 60, 0)
    )
    pounds = np.where(company, pounds * 12, pounds)
    odd = charges.chance < 0.12
    return np.where(odd, (pounds * 100).astype(np.int64), (pounds / 5).astype(np.int64) * 500)


def _disposal(
    charges: Charges,
    offences: lists.Offences,
    youth: Bools,
    company: Bools,
    rng: np.random.Generator,
) -> Ints:
    """Index of the sentence on conviction, by how serious the offence is."""
    kind, group = offences.kind[charges.code], offences.group[charges.code]
    uniform = rng.random(len(charges))
    # Cumulative shares of custody, suspended, community, fine, compensation, two discharges, other.
    order = np.array([0, 2, 3, 6, 7, 8, 9, 10])
    mixes = {
        "motoring": (0.008, 0.02, 0.06, 0.95, 0.951, 0.985, 0.995),
        "petty": (0.03, 0.05, 0.14, 0.84, 0.87, 0.96, 0.97),
        "theft": (0.19, 0.24, 0.42, 0.62, 0.68, 0.92, 0.93),
        "other": (0.13, 0.24, 0.50, 0.76, 0.80, 0.93, 0.94),
    }
    chosen = np.full(len(charges), 10)
    theft = group == "Theft offences"
    summary = np.char.startswith(kind, "Summary non")
    motoring = kind == "Summary motoring"
    for name, mine in (
        ("other", ~(theft | summary | motoring)),
        ("theft", theft & ~summary),
        ("petty", summary),
        ("motoring", motoring),
    ):
        chosen[mine] = order[np.searchsorted(mixes[name], uniform[mine], side="right")]
    for_youths = np.array([1, 4, 5, 8])[np.searchsorted((0.06, 0.40, 0.85), uniform, side="right")]
    chosen = np.where(youth, for_youths, chosen)
    chosen = np.where(company, np.where(uniform < 0.95, 6, 8), chosen)
    second = (charges.seq > 1) & (charges.chance > 0.72) & ~company
    return np.where(second, 15, chosen)
