"""What is wrong with a table of the criminal courts, for each rule in SQL written for it."""

from datafirst_platform.quality.validation import BATCH
from tests.quality.faults.sql import MANY, STRANGER, everywhere, often, one, whole


def case_mart(key):
    """What is wrong with a case mart holds at both courts."""
    return {
        "every_case_is_there": one(**{key: STRANGER}),
        "dates_unaltered": one(completion_date="date '1999-01-01'"),
        "person_is_the_linked_one": one(estimated_defendant_id=STRANGER),
        "people_have_a_person": one(is_organisation="estimated_defendant_id is not null"),
        "offences_reconcile": one(offence_count="offence_count + 1"),
        "principal_offence_exists": one(principal_offence_hash=STRANGER),
        "principal_offence_wherever_there_is_one": one(
            offence_count="5", principal_offence_hash="null"
        ),
        "principal_offence_is_most_serious": whole(disposal_rank="999"),
        "time_runs_forward": everywhere(days_from_offence_to_completion="-1"),
        "completed_cases_have_a_result": everywhere(disposal_group="'Not known'"),
        "custody_plausible": everywhere(disposal_group="'Immediate custody'"),
        "convictions_plausible": everywhere(is_convicted="true"),
        "offences_are_known": everywhere(offence_group="'Not known'"),
    }


def offence_mart(key, case):
    """What is wrong with an offence mart holds at both courts."""
    return {
        "every_offence_is_there": one(**{key: STRANGER}),
        "results_unaltered": one(disposal_date="date '1999-01-01'"),
        "case_exists": one(**{case: STRANGER}),
        "one_principal_offence_in_a_case": whole(is_principal_offence="true"),
        "ranks_have_no_gap": one(most_serious_disposal_rank="77"),
        "person_is_that_of_the_case": one(estimated_defendant_id=STRANGER),
        "custody_has_a_custodial_result": everywhere(custodial_days="9", disposal_group="'Fine'"),
        "convicted_offences_have_a_result": everywhere(
            is_convicted="true", disposal_group="'Not known'"
        ),
    }


DEFENDANTS = {
    "ethnicity_not_all_missing": everywhere(ethnicity_self_defined="null"),
    "birth_year_of_people_filled": everywhere(birth_year="null"),
    "birth_years_plausible": everywhere(birth_year="2024"),
    "very_old_are_rare": everywhere(age_at_first_hearing="90"),
}
OFFENCES = {
    "disposals_are_dated": everywhere(disposal_date="null", disposal_code="'FINE'"),
    "guilty_pleas_plausible": everywhere(plea="'G'"),
    "no_offence_swamps": everywhere(ho_offence_code="'1/01'"),
}
SOME_PEOPLE_RETURN = {
    "some_people_return": f"""
        select t.* replace (left(sha256((row_number() over ())::varchar), 32) as person_medium)
        {MANY}"""
}
FAULTS = {
    "extracts/libra_cases": {
        **DEFENDANTS,
        "children_are_a_minority": everywhere(age_at_first_hearing="12"),
        "sex_of_people_filled": everywhere(sex="null"),
        "most_are_people": everywhere(defendant_type="'O'"),
        "no_date_swamps": everywhere(first_hearing_date="date '2011-01-01'"),
    },
    "extracts/libra_offences": {
        **OFFENCES,
        "cases_have_offences": "from {t} where false",
        "custody_has_a_length": everywhere(disposal_code="'IMP'", custodial_days="null"),
        "custody_within_powers": everywhere(custodial_days="5000"),
    },
    "extracts/xhibit_defendants_on_case": {
        **DEFENDANTS,
        "children_are_few": everywhere(age_at_first_hearing="12"),
        "sex_of_people_filled": everywhere(gender="'9'"),
        "most_are_people": everywhere(is_company="'Y'"),
        "trials_are_there": everywhere(case_type="'A'"),
        "no_date_swamps": everywhere(receipt_date="date '2013-01-01'"),
    },
    "extracts/xhibit_offences": {
        **OFFENCES,
        "cases_have_offences": {
            BATCH: "from {t} where false",
            "xhibit_defendants_on_case": often("xhibit_defendants_on_case"),
        },
        "custody_has_a_length": everywhere(disposal_code="'IMP'", custodial_period_days="null"),
    },
    "linkage/magistrates_people": SOME_PEOPLE_RETURN,
    "linkage/crown_people": SOME_PEOPLE_RETURN,
    "linkage/mags_crown_cases": {
        "crown_follows_magistrates": {
            "libra_cases": whole("libra_cases", first_hearing_date="date '2090-01-01'")
        },
        "sexes_agree": {
            "libra_cases": whole("libra_cases", sex="'M'"),
            "xhibit_defendants_on_case": whole("xhibit_defendants_on_case", gender="'2'"),
        },
        "most_crown_cases_found": {
            BATCH: "from {t} limit 1",
            "xhibit_defendants_on_case": often("xhibit_defendants_on_case"),
        },
    },
    "marts/magistrates_cases": case_mart("defendant_case_hash")
    | {
        "fines_plausible": everywhere(disposal_group="'Fine'"),
        "some_go_to_the_crown_court": everywhere(committal_date="date '2020-01-01'"),
    },
    "marts/crown_cases": case_mart("defendant_on_case_id_hash")
    | {
        "convictions_plausible": everywhere(
            is_convicted="true", case_type_code="'T'", completion_date="date '2020-01-01'"
        )
    },
    "marts/magistrates_offences": offence_mart("defendant_offence_hash", "defendant_case_hash"),
    "marts/crown_offences": offence_mart(
        "defendant_on_offence_id_hash", "defendant_on_case_id_hash"
    ),
    "marts/xjs_link": {
        "high_within_medium": whole(estimated_person_id_high=STRANGER),
        "medium_within_low": whole(estimated_person_id=STRANGER),
        "people_are_the_linked_ones": one(estimated_person_id_low=STRANGER),
        "records_exist": one(source_person_id=STRANGER),
        "every_person_record_is_there": "from {t} offset 1",
    },
    "marts/mags_crown_journey": {
        "magistrates_case_exists": one(mc_case_id_hash=STRANGER),
        "crown_case_exists": one(cc_defendant_on_case_id_hash=STRANGER),
        "both_ends_are_one_person": {"people": whole("people", person_low="record_key")},
        "crown_follows_magistrates": {
            "magistrates": whole("magistrates", first_hearing_date="date '2090-01-01'")
        },
    },
    "releases/mags_crown_journey": {
        "ends_are_looked_up": {"people": "from {people} where false"},
    },
}
