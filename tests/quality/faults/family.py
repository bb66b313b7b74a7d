"""What is wrong with a table of the family courts, for each rule in SQL written for it."""

from tests.quality.faults.sql import STRANGER, everywhere, often, one, whole

ONE_LEFT = "from {t} limit 1"
BEFORE = "date '1999-01-01'"
NOBODY = "null::varchar"
ORDER, CHILD = "'C43'", "'CHLDC'"

FAULTS = {
    "extracts/familyman_cases": {
        "received_since_2011": everywhere(receipt_date="date '2010-12-31'"),
        "closed_not_all_missing": everywhere(closed_date="null"),
        "private_law_plausible": everywhere(case_type="'D'"),
        "public_law_plausible": everywhere(case_type="'C'"),
        "fees_plausible": everywhere(fee_exempt="'Y'"),
        "harm_plausible": everywhere(harm_alleged="'Y'"),
        "no_type_swamps": everywhere(case_type="'P'"),
        "no_court_swamps": everywhere(court_code="'100'"),
        "no_date_swamps": everywhere(receipt_date="date '2011-01-01'"),
    },
    "extracts/familyman_events": {
        "in_error_are_few": everywhere(error="'Y'"),
        "cases_have_events": ONE_LEFT,
        "cases_begin_with_an_application": everywhere(event_model=ORDER),
        "events_follow_receipt": everywhere(receipt_date=BEFORE),
        "entered_after_they_happened": everywhere(entry_date=BEFORE),
        "applications_have_types": everywhere(event_model="'U22'", application_types="null"),
        "types_are_of_applications": everywhere(event_model=ORDER, application_types="'CAO'"),
        "children_sometimes_named": everywhere(child_roles_key="null"),
        "named_children_are_of_the_case": everywhere(child_roles_key=STRANGER),
        "orders_seldom_entered_twice": "from {t} union all from {t}",
        "no_form_swamps": everywhere(event_model=ORDER),
        "no_date_swamps": everywhere(receipt_date="date '2011-01-01'"),
    },
    "extracts/familyman_parties": {
        "parties_have_roles": everywhere(party_key=STRANGER),
        "organisations_plausible": everywhere(is_company="'1'"),
        "organisations_have_no_birth_year": everywhere(is_company="'1'", birth_year="1970"),
        "sex_filled": everywhere(gender="'9'"),
        "birth_year_filled": everywhere(birth_year="null"),
        "birth_years_plausible": everywhere(birth_year="2068"),
        "addresses_are_found": everywhere(lsoa_residence="null"),
    },
    "extracts/familyman_roles": {
        "deleted_are_few": everywhere(delete_flag="'Y'"),
        "roles_have_a_party": everywhere(party_key=STRANGER),
        "cases_have_applicants": everywhere(role_model="'RSPC'"),
        "childrens_cases_have_children": everywhere(role_model="'APLC'"),
        "cases_have_few_roles": everywhere(
            familyman_cases_key="first_value(familyman_cases_key) over ()"
        ),
        "representation_plausible": everywhere(represented="'Y'"),
        "public_law_is_brought_by_organisations": {
            "parties": whole("parties", is_company="'0'"),
        },
        "relationships_are_of_adults": everywhere(role_model=CHILD, relationship_to_child="'MO'"),
    },
    "marts/family_cases": {
        "every_case_is_there": one(case_number_hash=STRANGER),
        "cases_unaltered": one(receipt_date=BEFORE),
        "parties_reconcile": one(child_count="child_count + 1"),
        "representation_is_that_of_the_parties": whole(representation="'Both'"),
        "events_reconcile": one(hearing_count="hearing_count + 1"),
        "first_order_is_an_event_of_the_case": whole(first_order_code="'C82'"),
        "final_order_is_an_event_of_the_case": whole(final_disposal_type_code="'4'"),
        "weeks_run_from_receipt": whole(weeks_to_final_order="weeks_to_final_order + 1"),
        "time_runs_forward": everywhere(final_order_date=BEFORE),
        "orders_plausible": everywhere(final_order_date="null"),
        "time_to_order_plausible": everywhere(weeks_to_final_order="400"),
        "mixed_law_is_the_exception": everywhere(is_mixed_law="true"),
        "childrens_cases_have_children": everywhere(child_count="0"),
        "representation_plausible": everywhere(representation="'Neither'"),
    },
    "marts/family_events": {
        "every_event_is_there": one(event_id_hash=STRANGER),
        "no_other_event_is_there": one(event_id_hash=STRANGER),
        "left_out_are_few": {"supplied": often("supplied")},
        "events_unaltered": one(event_date=BEFORE),
        "case_is_its_own": one(case_number_hash=STRANGER),
        "children_not_named_are_all_of_the_case": whole(child_count="child_count + 1"),
        "only_the_named_are_named": whole(children_named="true"),
        "named_children_are_found": everywhere(children_named="false"),
        "an_order_counts_once": whole(is_duplicate="event_class = 'order'"),
        "duplicates_are_few": everywhere(event_class="'order'", is_duplicate="true"),
        "disposals_are_of_their_type": whole(disposal_type_code="null"),
        "orders_made_lead": everywhere(event_class="'order'", disposal_type_code="'4'"),
        "forms_are_known": everywhere(event_model_desc="null"),
        "courts_are_known": everywhere(court_name="null"),
    },
    "marts/family_parties": {
        "every_role_is_there": one(role_id_hash=STRANGER),
        "no_other_role_is_there": one(role_id_hash=STRANGER),
        "left_out_are_few": {"supplied": often("supplied")},
        "roles_unaltered": whole(is_represented="not is_represented"),
        "case_is_its_own": one(case_number_hash=STRANGER),
        "party_is_its_own": one(party_id_hash=STRANGER),
        "person_is_the_linked_one": one(estimated_party_id=STRANGER),
        "people_have_a_person": whole(estimated_party_id=NOBODY),
        "ages_are_those_of_the_year_of_birth": whole(age_at_receipt="age_at_receipt + 2"),
        "bands_are_those_of_the_year_of_birth": whole(age_band_at_receipt="'Under 1'"),
        "children_have_a_band": everywhere(role_group="'child'", age_band_at_receipt="null"),
        "parties_are_found": everywhere(party_id_hash=NOBODY),
        "children_plausible": everywhere(role_group="'child'"),
        "applicants_plausible": everywhere(role_group="'applicant'"),
        "relationships_are_known": everywhere(
            relationship_to_child_code="'XX'", relationship_to_child_desc="null"
        ),
    },
}
