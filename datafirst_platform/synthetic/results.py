"""Results: what a court decides of each charge, drawn once, whichever system writes it down.

What belongs here: disposals with their lengths and amounts. What does not: what a sentence leads
to (`sentences.py`) and the codes of a source (`libra.py`, `xhibit.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datafirst_platform.synthetic import careers, lists
from datafirst_platform.synthetic.careers import Cases, Charges
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import People, stream

(
    LIFE, CUSTODY, DETENTION_AND_TRAINING, HOSPITAL, SUSPENDED, COMMUNITY, YOUTH_REHABILITATION,
    REFERRAL, FINE, COMPENSATION, CONDITIONAL_DISCHARGE, ABSOLUTE_DISCHARGE, OTHERWISE,
    NO_SEPARATE_PENALTY, COMMITTED_FOR_SENTENCE, SENT_FOR_TRIAL, WITHDRAWN, DISMISSED, ACQUITTED,
    NO_EVIDENCE, LEFT_ON_FILE, APPEAL_ALLOWED, APPEAL_DISMISSED,
) = range(23)  # fmt: skip
"""Disposals; those up to OTHERWISE are sentences, the most severe first."""

SENTENCES = OTHERWISE + 1

# A draw is raised to this power before a sentence is chosen by it: above 1 custody is likelier.
_IN_CUSTODY, _FIRST_CASE, _LATER_CASE = 3.0, 0.45, 1.05

_ADULT_DAYS = 6574
"""Days from birth to the eighteenth birthday, about."""


@dataclass(frozen=True)
class Decisions:
    """What one tier of courts decided; one element a charge.

    Attributes:
        disposal: one of the disposals, -1 where that tier decides nothing.
        days: length of immediate or suspended custody in days, -1 for none.
        pence: fine, -1 for none.
    """

    disposal: Ints
    days: Ints
    pence: Ints


@dataclass(frozen=True)
class Results:
    """Results of one chunk's charges, in the order of the charges.

    Attributes:
        magistrates: of every case, be it that the case was sent on.
        crown: of the cases that went to the Crown Court.
        consecutive: custody of this charge follows that of the others of its case.
    """

    magistrates: Decisions
    crown: Decisions
    consecutive: Bools


def draw(seed: int, people: People, cases: Cases, charges: Charges) -> Results:
    """Draw the results of one chunk's charges."""
    rng = stream(seed, people.chunk, "results")
    return Results(
        magistrates=_magistrates(rng, people, cases, charges),
        crown=_crown(rng, people, cases, charges),
        consecutive=rng.random(len(charges)) < 0.3,
    )


def _magistrates(
    rng: np.random.Generator, people: People, cases: Cases, charges: Charges
) -> Decisions:
    case = charges.case
    route = cases.route[case]
    company = people.is_company[cases.person[case]]
    age_days = cases.first_hearing_day[case] - people.born[cases.person[case]]
    youth = (age_days < _ADULT_DAYS) & ~company
    uniform = _weighed(rng.random(len(charges)), cases, case)
    disposal = _of_magistrates(charges, uniform, youth, company)
    not_convicted = np.where(charges.chance < 0.6, WITHDRAWN, DISMISSED)
    disposal = np.where(charges.convicted, disposal, not_convicted)
    disposal = np.where(route == careers.FOR_SENTENCE, COMMITTED_FOR_SENTENCE, disposal)
    disposal = np.where(route == careers.FOR_TRIAL, SENT_FOR_TRIAL, disposal)
    hard = charges.severity
    days = np.full(len(charges), -1, dtype=np.int64)
    terms = np.array([120, 180, 240, 365])[(hard * 4).astype(int)]
    for which, length in (
        (CUSTODY, 14 + hard**1.6 * 168),
        (SUSPENDED, 42 + hard * 140),
        (DETENTION_AND_TRAINING, terms),
    ):
        days = np.where(disposal == which, length.astype(np.int64), days)
    pence = np.where(disposal == FINE, _fine(charges, company), -1)
    return Decisions(disposal, days, pence)


def _weighed(uniform: Floats, cases: Cases, case: Ints) -> Floats:
    """Let those remanded in custody, and those who come back, be sentenced more severely."""
    power = np.where(cases.nth[case] == 0, _FIRST_CASE, _LATER_CASE)
    weighed: Floats = uniform ** np.where(cases.in_custody[case], _IN_CUSTODY, power)
    return weighed


def _of_magistrates(charges: Charges, uniform: Floats, youth: Bools, company: Bools) -> Ints:
    """The sentence on conviction, by how serious the offence is."""
    offences = lists.offences()
    kind, group = offences.kind[charges.code], offences.group[charges.code]
    order = np.array(
        [CUSTODY, SUSPENDED, COMMUNITY, FINE, COMPENSATION, CONDITIONAL_DISCHARGE,
         ABSOLUTE_DISCHARGE, OTHERWISE]
    )  # fmt: skip
    # Cumulative shares in that order.
    mixes = {
        "motoring": (0.008, 0.02, 0.06, 0.95, 0.951, 0.985, 0.995),
        "petty": (0.03, 0.05, 0.14, 0.84, 0.87, 0.96, 0.97),
        "theft": (0.19, 0.24, 0.42, 0.62, 0.68, 0.92, 0.93),
        "other": (0.13, 0.24, 0.50, 0.76, 0.80, 0.93, 0.94),
    }
    chosen = np.full(len(charges), OTHERWISE)
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
    for_youths = np.array(
        [DETENTION_AND_TRAINING, YOUTH_REHABILITATION, REFERRAL, CONDITIONAL_DISCHARGE]
    )[np.searchsorted((0.06, 0.40, 0.85), uniform, side="right")]
    chosen = np.where(youth, for_youths, chosen)
    chosen = np.where(company, np.where(uniform < 0.95, FINE, CONDITIONAL_DISCHARGE), chosen)
    second = (charges.seq > 1) & (charges.chance > 0.72) & ~company
    return np.where(second, NO_SEPARATE_PENALTY, chosen)


def _fine(charges: Charges, company: Bools) -> Ints:
    offences = lists.offences()
    motoring = np.char.endswith(offences.kind[charges.code], "motoring")
    pounds = 40 + 560 * charges.severity**2 + np.where(motoring, 60, 0)
    pounds = np.where(company, pounds * 12, pounds)
    odd = charges.chance < 0.12
    return np.where(odd, (pounds * 100).astype(np.int64), (pounds / 5).astype(np.int64) * 500)


def _crown(rng: np.random.Generator, people: People, cases: Cases, charges: Charges) -> Decisions:
    offences = lists.offences()
    case = charges.case
    route = cases.route[case]
    hard, chance = charges.severity, charges.chance
    company = people.is_company[cases.person[case]]
    indictable = offences.kind == "Indictable only"
    murder = offences.code.to_numpy(zero_copy_only=False) == "1/01"
    serious = indictable[charges.code]
    cumulative = np.where(serious[:, None], [0.74, 0.9, 0.93], [0.36, 0.66, 0.86])
    drawn = rng.random(len(charges))
    uniform = _weighed(drawn, cases, case)
    level = (uniform[:, None] >= cumulative).sum(axis=1)
    disposal = np.array([CUSTODY, SUSPENDED, COMMUNITY, FINE])[level]
    disposal = np.where((level == 3) & (chance < 0.5), CONDITIONAL_DISCHARGE, disposal)
    disposal = np.where(murder[charges.code], LIFE, disposal)
    disposal = np.where((charges.plea == careers.UNFIT) | (drawn > 0.997), HOSPITAL, disposal)
    age_days = cases.crown_receipt_day[case] - people.born[cases.person[case]]
    youth = (age_days < _ADULT_DAYS) & ~company
    disposal = np.where(youth & (level > 0), YOUTH_REHABILITATION, disposal)
    disposal = np.where(company, FINE, disposal)
    disposal = np.where((charges.seq > 1) & (chance > 0.75), NO_SEPARATE_PENALTY, disposal)
    not_convicted = np.where(
        chance < 0.5, ACQUITTED, np.where(chance < 0.8, NO_EVIDENCE, LEFT_ON_FILE)
    )
    found = charges.crown_convicted | (disposal == HOSPITAL)
    disposal = np.where(found, disposal, not_convicted)
    on_appeal = np.where(chance < 0.42, APPEAL_ALLOWED, APPEAL_DISMISSED)
    disposal = np.where(route == careers.APPEAL, on_appeal, disposal)
    disposal = np.where(route == careers.MAGISTRATES, -1, disposal)
    months = np.where(serious, 30, 13) * np.exp(1.1 * (hard - 0.5) * 2)
    days = np.where(disposal == CUSTODY, (months * 30.4).astype(np.int64).clip(7, 12000), -1)
    days = np.where(disposal == SUSPENDED, 60 + (hard * 640).astype(np.int64), days)
    pence = np.where(disposal == FINE, (100 + (hard**2 * 1900)).astype(np.int64) // 5 * 500, -1)
    return Decisions(disposal, days, np.where((disposal == FINE) & company, pence * 40, pence))
