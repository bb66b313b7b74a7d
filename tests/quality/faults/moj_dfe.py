"""What is wrong with a table of offending and education, for each rule in SQL written for it."""

from datafirst_platform.quality.validation import BATCH
from tests.quality.faults.sql import MANY, STRANGER, everywhere, often, one, whole

ONE_LEFT = "from {t} limit 1"
BEFORE = "date '1999-01-01'"
AFTER = "date '2999-01-01'"
NO_CENSUS = {BATCH: f"select t.* {MANY}", "pupils": whole("pupils", census_count="0")}


def of_care(start, end):
    """What holds for every episode of children's social care."""
    return {
        "nothing_after_the_cut_off": one(**{start: AFTER}),
        "ends_follow_beginnings": everywhere(**{start: "date '2001-01-02'", end: BEFORE}),
        "pupils_are_known": everywhere(pupil_matching_ref_key="null"),
        "no_authority_swamps": everywhere(la_code="'201'"),
        "no_date_swamps": everywhere(**{start: "date '2012-01-01'"}),
    }


FAULTS = {
    "extracts/pnc_subjects": {
        "sex_filled": everywhere(sex="'U'"),
        "most_are_male": everywhere(sex="'F'"),
        "appearance_filled": everywhere(ethnic_appearance="null"),
        "white_appearance_leads": everywhere(ethnic_appearance="'3'"),
        "birth_years_are_of_the_share": everywhere(birth_year="1898"),
    },
    "extracts/pnc_aliases": {
        "most_subjects_have_none": {
            BATCH: """
                select one.* replace (subject.record_key as pnc_subjects_key)
                from {pnc_subjects} as subject, (from {t} limit 1) as one""",
            "pnc_subjects": often("pnc_subjects"),
        },
    },
    "extracts/pnc_offences": {
        "subjects_have_offences": {BATCH: ONE_LEFT, "pnc_subjects": often("pnc_subjects")},
        "nothing_after_the_cut_off": one(disposal_date=AFTER),
        "disposals_follow_offences": everywhere(
            offence_date="date '2012-01-02'", disposal_date=BEFORE
        ),
        "what_was_proven_has_a_disposal": everywhere(adjudication="'G'", disposal_code="null"),
        "acquittals_have_none": everywhere(adjudication="'NG'", disposal_code="'FINE'"),
        "cautions_are_of_the_police": everywhere(adjudication="'C'", court_type="'C'"),
        "former_cautions_ended_in_2013": everywhere(
            disposal_code="'REPR'", disposal_date="date '2015-01-01'"
        ),
        "youth_cautions_began_in_2013": everywhere(
            disposal_code="'YCAU'", disposal_date="date '2012-01-01'"
        ),
        "custody_has_a_length": everywhere(disposal_code="'CUST'", sentence_length_days="null"),
        "ages_are_told": everywhere(age_at_offence="null"),
        "no_offence_swamps": everywhere(ho_offence_code="'46/00'"),
        "no_date_swamps": everywhere(offence_date="date '2012-01-01'"),
    },
    "extracts/npd_census": {
        "boys_and_girls_are_even": everywhere(gender="'M'"),
        "ethnicity_told": everywhere(ethnicity="'NOBT'"),
        "white_british_lead": everywhere(ethnicity="'CHNE'"),
        "pupils_are_of_the_age_of_their_year": everywhere(birth_year="1950"),
        "pupils_move_up_a_year": whole(year_group="'7'"),
        "free_school_meals_plausible": everywhere(fsm_eligible="'Y'"),
        "special_needs_plausible": everywhere(sen_provision="'K'"),
        "needs_go_with_provision": everywhere(sen_provision="'N'", sen_primary_need="'ASD'"),
        "former_provision_ends_with_2014": everywhere(
            academic_year="'2016/17'", sen_provision="'A'"
        ),
        "present_provision_begins_with_2014": everywhere(
            academic_year="'2010/11'", sen_provision="'K'"
        ),
        "needs_are_of_their_years": everywhere(
            academic_year="'2010/11'", sen_primary_need="'SEMH'"
        ),
        "mainstream_schools_lead": everywhere(school_type="'PRU'"),
        "deprivation_is_even": everywhere(idaci_decile="1"),
        "homes_are_found": everywhere(lsoa_residence="null"),
        "no_authority_swamps": everywhere(la_code="'201'"),
        "no_school_swamps": everywhere(school_urn_key=STRANGER),
    },
    "extracts/npd_absence": {
        "pupils_are_in_the_census": everywhere(pupil_matching_ref_key=STRANGER),
        "missed_within_possible": everywhere(sessions_possible="0", sessions_authorised="1"),
        "absence_plausible": everywhere(sessions_possible="10", sessions_authorised="9"),
        "leave_is_the_rule": everywhere(sessions_authorised="0", sessions_unauthorised="9"),
        "no_term_swamps": everywhere(term="'1'"),
    },
    "extracts/npd_exclusions": {
        "pupils_are_in_the_census": everywhere(pupil_matching_ref_key=STRANGER),
        "excluded_are_few": """
            select one.* replace (pupil as pupil_matching_ref_key)
            from (from {t} limit 1) as one,
                (select distinct pupil_matching_ref_key as pupil from {census})""",
        "days_are_of_their_year": everywhere(start_date=BEFORE),
        "suspensions_have_the_name_of_their_time": everywhere(
            academic_year="'2012/13'", exclusion_type="'SUSP'"
        ),
        "permanent_are_few": everywhere(exclusion_type="'PERM'"),
        "lengths_go_with_kinds": everywhere(exclusion_type="'FIXD'", sessions="null"),
        "no_reason_swamps": everywhere(reason="'OT'"),
        "nothing_after_the_cut_off": one(start_date=AFTER),
    },
    "extracts/npd_attainment": {
        "pupils_are_in_the_census": everywhere(pupil_matching_ref_key=STRANGER),
        "schemes_are_of_their_years": everywhere(academic_year="'2017/18'", scheme="'LEVEL'"),
        "results_have_the_form_of_their_scheme": everywhere(scheme="'SCALED'", result="'A*'"),
        "no_key_stage_swamps": everywhere(key_stage="'KS4'"),
        "no_subject_swamps": everywhere(subject="'ALL'"),
    },
    "extracts/csc_cin_episodes": {
        **of_care("referral_date", "closure_date"),
        "sexes_are_even": everywhere(gender="'1'"),
        "abuse_or_neglect_leads": everywhere(primary_need="'N7'"),
        "reasons_go_with_closures": everywhere(closure_date=BEFORE, closure_reason="null"),
        "episodes_are_closed": everywhere(closure_date="null"),
    },
    "extracts/csc_cpp_episodes": {
        **of_care("cpp_start_date", "cpp_end_date"),
        "neglect_and_emotional_abuse_lead": everywhere(initial_category="'SAB'"),
        "plans_end": everywhere(cpp_end_date="null"),
    },
    "extracts/csc_cla_episodes": {
        **of_care("decom", "dec"),
        "care_begins_with_a_start": everywhere(rne="'P'"),
        "reasons_go_with_ends": everywhere(dec=BEFORE, rec="null"),
        "what_goes_on_goes_on": """
            select t.* replace ('X1' as rec, decom + time::integer as dec)
            from {t} as t, (select unnest(range(1, 200)) as time)""",
        "foster_care_leads": everywhere(placement_type="'K2'"),
        "needs_are_those_of_care": everywhere(category_of_need="'N9'"),
    },
    "marts/moj_dfe_pupils": {
        "every_pupil_is_there": one(pupil_id_hash=STRANGER),
        "years_reconcile": one(census_count="census_count + 1"),
        "what_is_told_is_of_a_census": whole(birth_year="1971"),
        "authority_is_that_of_the_last_census": whole(la_code="null"),
        "nearly_all_are_in_a_census": everywhere(census_count="0"),
        "boys_and_girls_are_even": everywhere(sex="'male'"),
        "free_school_meals_plausible": everywhere(was_ever_fsm_eligible="true"),
        "pupils_are_seen_for_years": everywhere(census_count="1"),
    },
    "marts/moj_dfe_sen": {
        "every_year_is_there": one(academic_year="'1901/02'"),
        "years_unaltered": one(is_fsm_eligible="not is_fsm_eligible"),
        "provision_is_one_list": whole(sen_provision="'SEN support'"),
        "plans_are_the_fewer": everywhere(sen_provision="'statement or plan'"),
    },
    "marts/moj_dfe_absence": {
        "every_year_is_there": one(academic_year="'1901/02'"),
        "terms_reconcile": one(sessions_possible="sessions_possible + 1"),
        "persistent_absence_follows_its_definition": whole(
            is_persistent_absentee="not is_persistent_absentee"
        ),
        "persistent_absentees_plausible": everywhere(is_persistent_absentee="true"),
        "most_years_are_whole": everywhere(terms_recorded="1"),
    },
    "marts/moj_dfe_exclusions": {
        "every_exclusion_is_there": one(exclusion_id_hash=STRANGER),
        "exclusions_unaltered": one(pupil_id_hash=STRANGER),
        "kinds_are_one_list": whole(exclusion_type="'lunchtime'"),
    },
    "marts/moj_dfe_attainment": {"results_unaltered": one(result="'0'")},
    "marts/moj_dfe_cin": {
        "every_episode_is_there": one(cin_episode_id_hash=STRANGER),
        "episodes_unaltered": one(child_id_hash=STRANGER),
        "days_run_between_the_dates": whole(days_open="days_open + 1"),
        "pupils_are_in_a_census": NO_CENSUS,
    },
    "marts/moj_dfe_cpp": {
        "every_plan_is_there": one(cpp_episode_id_hash=STRANGER),
        "plans_unaltered": one(child_id_hash=STRANGER),
        "days_run_between_the_dates": whole(days_on_plan="days_on_plan + 1"),
        "pupils_are_in_a_census": NO_CENSUS,
    },
    "marts/moj_dfe_cla": {
        "every_episode_is_there": one(cla_episode_id_hash=STRANGER),
        "episodes_unaltered": one(child_id_hash=STRANGER),
        "days_run_between_the_dates": whole(days_in_episode="days_in_episode + 1"),
        "pupils_are_in_a_census": NO_CENSUS,
        "leaving_is_told_by_the_reason": whole(is_leaving_care="not is_leaving_care"),
    },
    "marts/moj_dfe_offending": {
        "every_offence_with_a_disposal_is_there": one(offence_id_hash=STRANGER),
        "offences_unaltered": one(disposal_date=BEFORE),
        "person_is_the_linked_one": one(estimated_offender_id=STRANGER),
        "one_offence_is_the_first": whole(is_first_offence="not is_first_offence"),
        "serious_violence_plausible": everywhere(is_serious_violence="true"),
        "cautions_plausible": everywhere(is_caution="true"),
        "custody_is_the_exception": everywhere(is_custodial="true"),
        "offences_are_known": everywhere(offence_group="'Not known'"),
    },
    "marts/moj_dfe_link": {
        "links_unaltered": one(offender_id_hash=STRANGER),
        "person_is_the_linked_one": one(estimated_offender_id=STRANGER),
        "sexes_agree": {
            BATCH: f"select t.* {MANY}",
            "subjects": whole("subjects", sex="case sex when 'M' then 'F' else 'M' end"),
        },
        "years_of_birth_agree": {
            BATCH: f"select t.* {MANY}",
            "subjects": whole("subjects", birth_year="birth_year + 1"),
        },
        "strict_passes_lead": everywhere(match_pass="9"),
        "linked_pupils_plausible": {"pupils": often("pupils")},
    },
}
