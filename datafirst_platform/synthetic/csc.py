"""Children's social care: what local authorities return to the Department for Education.

What belongs here: columns and habits of these returns. What does not: what happened (`care.py`) and
how files are written (`deliveries.py`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from datafirst_platform.synthetic import care, lists, npd, recording
from datafirst_platform.synthetic.lists import Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import NEVER


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as returned up to the day of the cut-off.

    Returns:
        The three `csc_…` tables: text columns as the contracts name them, then `person_id`.
    """
    needs, plans, stays = lives.care.needs, lives.care.plans, lives.care.stays
    genders = pa.array(["1", "2"])
    female = lives.pupils.people.female.astype(np.int64)
    closed = np.where(needs.closed_day <= cut_off, needs.closed_day, NEVER)
    plan_end = np.where(plans.end_day <= cut_off, plans.end_day, NEVER)
    stay_end = np.where(stays.end_day <= cut_off, stays.end_day, NEVER)
    need = _child(lives, needs.pupil, needs.authority, "referral_date", needs.referred_day) | {
        "gender": genders.take(pa.array(female[needs.pupil])),
        "primary_need": recording.take(pa.array(care.NEEDS), needs.need),
        "referral_source": recording.take(pa.array(care.SOURCES), needs.source),
        "closure_date": recording.date_texts(closed),
        "closure_reason": recording.take(
            pa.array(care.CLOSURES), np.where(closed < NEVER, needs.closure, -1)
        ),
        "person_id": pa.array(lives.pupils.people.person_id[needs.pupil]),
    }
    plan = _child(lives, plans.pupil, plans.authority, "cpp_start_date", plans.start_day) | {
        "initial_category": recording.take(pa.array(care.ABUSE), plans.category),
        "cpp_end_date": recording.date_texts(plan_end),
        "person_id": pa.array(lives.pupils.people.person_id[plans.pupil]),
    }
    stay = _child(lives, stays.pupil, stays.authority, "decom", stays.start_day) | {
        "rne": recording.take(pa.array(care.BEGINNINGS), stays.beginning),
        "legal_status": recording.take(pa.array(care.STATUSES), stays.status),
        "category_of_need": recording.take(pa.array(care.NEEDS), stays.need),
        "placement_type": recording.take(pa.array(care.PLACEMENTS), stays.placement),
        "dec": recording.date_texts(stay_end),
        "rec": recording.take(pa.array(care.ENDINGS), np.where(stay_end < NEVER, stays.ending, -1)),
        "person_id": pa.array(lives.pupils.people.person_id[stays.pupil]),
    }
    return {
        "csc_cin_episodes": pa.table(need).filter(pa.array(needs.referred_day <= cut_off)),
        "csc_cpp_episodes": pa.table(plan).filter(pa.array(plans.start_day <= cut_off)),
        "csc_cla_episodes": pa.table(stay).filter(pa.array(stays.start_day <= cut_off)),
    }


def _child(
    lives: Lives, pupil: Ints, authority: Ints, started: str, day: Ints
) -> dict[str, pa.Array]:
    """The columns by which a return tells of which child, and since when."""
    # Each authority gives a child a number of its own.
    number = (lives.pupils.number[pupil] * 211 + authority) * 38_196_601 % 100_000_007
    known = np.where(lives.care.has_number[pupil], pupil, -1)
    return {
        "la_code": recording.take(lists.schools().authority, authority),
        "la_child_id": recording.digits(number, 1),
        started: recording.date_texts(day),
        "pupil_matching_ref": recording.take(npd.pupil_references(lives.pupils), known),
    }
