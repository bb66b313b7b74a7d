"""What is wrong with a table of probation or OASys, for each rule in SQL written for it."""

from tests.quality.faults.sql import STRANGER, everywhere, often, one, whole

DELETED = {"soft_deleted_are_few": everywhere(soft_deleted="'1'")}
ONE_LEFT = "from {t} limit 1"
CUSTODY, ORDER = "'303'", "'329'"


def born(**ethnicity):
    """What is wrong with people, whoever holds them."""
    return {
        "ethnicity_not_all_missing": everywhere(**ethnicity),
        "birth_year_filled": everywhere(birth_year="null"),
        "birth_years_plausible": everywhere(birth_year="2024"),
    }


def ended(date, reason):
    """What has ended without saying why."""
    return {"ends_have_a_reason": everywhere(**{date: "date '2020-01-01'", reason: "null"})}


def of_custody():
    """What follows custody, given to who was not in any."""
    return {"parts_are_of_custody": {"delius_disposals": disposals(ORDER)}}


def disposals(kind):
    return whole("delius_disposals", disposal_type_code=kind)


def part(key, start, **faults):
    """What is wrong with the parts of an event holds for each kind of them."""
    return {
        "every_part_is_there": one(**{key: STRANGER}),
        "no_other_part_is_there": one(**{key: STRANGER}),
        "left_out_are_few": {"supplied": often("supplied")},
        "dates_unaltered": one(**{start: "date '1999-01-01'"}),
        "event_is_its_own": one(event_id_hash=STRANGER),
        "person_is_that_of_the_event": one(estimated_offender_id=STRANGER),
        **faults,
    }


FAULTS = {
    "extracts/delius_offenders": {
        **DELETED,
        **born(ethnicity="null"),
        "sex_filled": everywhere(gender="'N'"),
        "ethnicity_stand_ins_are_few": everywhere(ethnicity="'NS'"),
    },
    "extracts/delius_aliases": {
        **DELETED,
        "most_offenders_have_none": """
            select one.* replace (offender.record_key as delius_offenders_key)
            from {delius_offenders} as offender, (from {t} limit 1) as one""",
    },
    "extracts/delius_addresses": {
        **DELETED,
        "offenders_have_addresses": ONE_LEFT,
        "addresses_are_found": everywhere(lsoa_residence="null", no_fixed_abode="'0'"),
        "no_fixed_abode_is_rare": everywhere(no_fixed_abode="'1'"),
    },
    "extracts/delius_events": {
        **DELETED,
        "offenders_have_events": ONE_LEFT,
        "referred_since_2014": everywhere(referral_date="date '2013-12-31'"),
        "age_filled": everywhere(age_at_offence="null"),
        "very_old_are_rare": everywhere(age_at_offence="90"),
        "children_are_few": everywhere(age_at_offence="12"),
        "open_events_plausible": everywhere(active_flag="'1'"),
        "no_offence_swamps": everywhere(mo_code="'46/00'"),
        "no_area_swamps": everywhere(probation_area_code="'N07'"),
        "no_date_swamps": everywhere(referral_date="date '2014-01-01'"),
    },
    "extracts/delius_disposals": {
        **DELETED,
        **ended("termination_date", "termination_reason_code"),
        "events_have_disposals": ONE_LEFT,
        "one_disposal_an_event": everywhere(soft_deleted="'0'"),
        "lengths_filled": everywhere(
            length="null", length_in_days="null", disposal_type_code=ORDER
        ),
        # Months held as days.
        "days_agree_with_the_entry": everywhere(
            length="12", length_units="'M'", length_in_days="12"
        ),
        "custody_plausible": everywhere(disposal_type_code=CUSTODY),
        "recalls_are_from_custody": everywhere(recall_count="1", disposal_type_code=ORDER),
        "reasons_need_an_end": everywhere(termination_date="null", termination_reason_code="'01'"),
    },
    "extracts/delius_requirements": {
        **DELETED,
        **ended("rqmnt_termination_date", "rqmnt_termination_reason_code"),
        "orders_have_requirements": ONE_LEFT,
        "requirements_are_of_orders": {"delius_disposals": disposals(CUSTODY)},
        "unpaid_work_is_in_hours": everywhere(
            rqmnt_type_main_category_code="'W'", length="100", length_units="'D'"
        ),
        "lengths_have_units": everywhere(length="100", length_units="null"),
        "no_type_swamps": everywhere(rqmnt_type_main_category_code="'W'"),
    },
    "extracts/delius_licence_conditions": {
        **DELETED,
        **ended("termination_date", "termination_reason_code"),
        **of_custody(),
    },
    "extracts/delius_pss_requirements": {
        **DELETED,
        **ended("termination_date", "termination_reason_code"),
        **of_custody(),
        "standard_conditions_lead": everywhere(pss_rqmnt_type_main_category_code="'B'"),
    },
    "extracts/oasys_offenders": {
        **born(ethnic_category_code="null"),
        "sex_filled": everywhere(gender_code="'9'"),
    },
    "extracts/oasys_assessments": {
        "offenders_are_assessed": ONE_LEFT,
        "completed_are_dated": everywhere(assessment_status="'COMPLETE'", completed_date="null"),
        "unfinished_have_no_end": everywhere(
            assessment_status="'OPEN'", completed_date="date '2020-01-01'"
        ),
        "most_are_completed": everywhere(assessment_status="'OPEN'"),
        "layer_3_is_there": everywhere(assessment_type="'L1'"),
        "scores_filled": everywhere(assessment_status="'COMPLETE'", ogrs3_2year="null"),
        "custody_plausible": everywhere(in_custody="'Y'"),
        "very_old_are_rare": everywhere(age_at_assessment="90"),
        "no_date_swamps": everywhere(initiation_date="date '2013-01-01'"),
    },
    "extracts/oasys_core_risk": {
        "full_assessments_have_answers": ONE_LEFT,
        "answers_left_out_are_few": everywhere(
            question_3_4="'M'", question_5_2="'M'", question_10_6="'M'"
        ),
        "answers_left_out_are_told": everywhere(
            question_3_4="'0'", question_5_2="'0'", question_10_6="'0'"
        ),
        "totals_add_up": everywhere(
            question_3_3="'0'",
            question_3_4="'0'",
            question_3_5="'M'",
            question_3_6="'0'",
            question_3_tot="8",
        ),
    },
    "marts/probation_events": {
        "every_event_is_there": one(event_id_hash=STRANGER),
        "no_other_event_is_there": one(event_id_hash=STRANGER),
        "left_out_are_few": {"supplied": often("supplied")},
        "dates_unaltered": one(referral_date="date '1999-01-01'"),
        "person_is_the_linked_one": one(estimated_offender_id=STRANGER),
        "offender_is_that_of_the_event": one(offender_id_hash=STRANGER),
        "disposal_is_the_latest": one(disposal_date="date '1999-01-01'"),
        "disposal_unaltered": whole(recall_count="recall_count + 1"),
        "lengths_are_worked_out": whole(length_in_days="length"),
        "residence_is_the_offenders": one(lsoa_residence="'E99999999'"),
        "parts_reconcile": one(pss_requirement_count="pss_requirement_count + 1"),
        "disposals_plausible": everywhere(disposal_type_code="null"),
        "custody_plausible": everywhere(is_custodial="true"),
        "orders_plausible": everywhere(disposal_group="'Immediate custody'"),
        "lengths_filled": everywhere(disposal_type_code=ORDER, length_in_days="null"),
        "time_runs_forward": everywhere(
            disposal_date="date '2020-01-02'", disposal_termination_date="date '2020-01-01'"
        ),
        "completion_plausible": everywhere(disposal_termination_outcome="'completed'"),
        "residences_filled": everywhere(lsoa_residence="null"),
        "offences_are_known": everywhere(offence_group="'Not known'"),
        "areas_are_known": everywhere(probation_area_type="'Not known'"),
    },
    "marts/probation_requirements": part(
        "rqmnt_id_hash",
        "rqmnt_start_date",
        lengths_are_worked_out=whole(length_in_days="length", length_units="'M'"),
        completion_plausible=everywhere(rqmnt_termination_outcome="'completed'"),
    ),
    "marts/probation_licence_conditions": part(
        "lic_condition_id_hash",
        "lic_condition_start_date",
        events_are_custodial={"events": whole("events", is_custodial="false")},
    ),
    "marts/probation_pss_requirements": part(
        "pss_rqmnt_id_hash",
        "pss_rqmnt_start_date",
        events_are_custodial={"events": whole("events", is_custodial="false")},
    ),
    "marts/oasys_assessments_metadata": {
        "every_assessment_is_there": one(assessment_id_hash=STRANGER),
        "dates_unaltered": one(initiation_date="date '1999-01-01'"),
        "scores_unaltered": whole(ovp_2year="coalesce(ovp_2year, 0)"),
        "offender_is_that_of_the_assessment": one(offender_id_hash=STRANGER),
        "person_is_the_linked_one": one(estimated_offender_id=STRANGER),
        "answers_are_where_it_says": one(has_core_risk="not has_core_risk"),
        "most_are_completed": everywhere(is_complete="false"),
        "places_are_known": everywhere(establishment_or_area_desc="null"),
    },
    "marts/oasys_assessments_details_core_risk": {
        "all_answers_are_there": one(assessment_id_hash=STRANGER),
        # What was left out becomes a no.
        "answers_unaltered": whole(question_3_4="replace(question_3_4, 'M', '0')"),
        "assessment_exists": one(assessment_id_hash=STRANGER),
    },
}
