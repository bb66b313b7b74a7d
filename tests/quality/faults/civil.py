"""What is wrong with a table of the civil courts, for each rule in SQL written for it."""

from tests.quality.faults.sql import STRANGER, everywhere, one, whole

ONE_LEFT = "from {t} limit 1"
BEFORE = "date '1999-01-01'"

FAULTS = {
    "extracts/caseman_cases": {
        "issued_since_2012": everywhere(issue_date="date '2011-12-31'"),
        "money_claims_lead": everywhere(claim_type="'OTHER'"),
        "possession_claims_plausible": everywhere(claim_type="'SPEC'"),
        "online_possession_is_possession": everywhere(system="'PCOL'", claim_type="'SPEC'"),
        "specified_claims_state_an_amount": everywhere(claim_type="'SPEC'", amount_claimed="null"),
        "tracks_are_of_the_fewer": everywhere(track="'SCT'"),
        "closed_not_all_missing": everywhere(closed_date="null"),
        "no_local_court_swamps": everywhere(court_code="'101'"),
        "no_date_swamps": everywhere(issue_date="date '2012-01-01'"),
    },
    "extracts/caseman_parties": {
        "claims_have_both_sides": everywhere(role="'D'"),
        "claims_have_few_parties": everywhere(
            caseman_cases_key="first_value(caseman_cases_key) over ()"
        ),
        "companies_plausible": everywhere(is_company="'N'"),
        "claimants_are_often_companies": everywhere(role="'C'", is_company="'N'"),
        "defendants_are_mostly_people": everywhere(role="'D'", is_company="'Y'"),
        "representation_plausible": everywhere(represented="'Y'"),
        "companies_have_no_birth_year": everywhere(is_company="'Y'", birth_year="1970"),
        "birth_years_plausible": everywhere(birth_year="2068"),
        "addresses_are_found": everywhere(lsoa_residence="null"),
    },
    "extracts/caseman_events": {
        "claims_begin_with_an_issue": ONE_LEFT,
        "events_follow_the_issue": everywhere(event_date=BEFORE),
        "judgments_plausible": everywhere(event_type="'JDEF'"),
        "default_judgments_lead": everywhere(event_type="'JHEAR'"),
        "judgments_have_amounts": everywhere(event_type="'JDEF'", amount="null"),
        "possession_orders_are_of_possession_claims": {
            "caseman_cases": whole("caseman_cases", claim_type="'SPEC'")
        },
        "warrants_follow_judgments": everywhere(event_type="'WCON'"),
        "outcomes_are_of_hearings_and_warrants": everywhere(
            event_type="'ISSUE'", outcome_code="'ADJ'"
        ),
        "no_type_swamps": everywhere(event_type="'ISSUE'"),
        "no_date_swamps": everywhere(event_date="date '2012-01-01'"),
    },
    "marts/civil_cases": {
        "every_case_is_there": one(case_number_hash=STRANGER),
        "claims_unaltered": one(issue_date=BEFORE),
        "parties_reconcile": one(has_company_defendant="not has_company_defendant"),
        "representation_is_that_of_the_parties": whole(representation="'Both'"),
        "events_reconcile": one(warrant_count="warrant_count + 1"),
        "first_judgment_is_an_event_of_the_claim": whole(first_judgment_amount="0.01"),
        "days_run_from_issue_to_judgment": whole(days_to_judgment="days_to_judgment + 1"),
        "time_runs_forward": everywhere(days_to_judgment="-1"),
        "judgments_plausible": everywhere(first_judgment_date="null"),
        "warrants_plausible": everywhere(has_warrant="true"),
        "defended_are_the_fewer": everywhere(is_defended="true"),
        "litigants_in_person_plausible": everywhere(
            has_company_defendant="false", has_litigant_in_person="false"
        ),
        "courts_are_known": everywhere(court_region="'Not known'"),
    },
    "marts/civil_events": {
        "every_event_is_there": one(event_id_hash=STRANGER),
        "events_unaltered": whole(amount="coalesce(amount, 0)"),
        "case_is_its_own": one(case_number_hash=STRANGER),
        "days_run_from_issue": one(days_since_issue="days_since_issue + 1"),
        "one_judgment_is_the_first": whole(is_first_judgment="event_class = 'Warrant'"),
        "judgments_have_a_type": whole(judgment_type="null"),
        "judgments_plausible": everywhere(event_class="'Judgment'"),
    },
    "marts/civil_parties": {
        "every_party_is_there": one(party_id_hash=STRANGER),
        "parties_unaltered": one(is_represented="not is_represented"),
        "case_is_its_own": one(case_number_hash=STRANGER),
        "person_is_the_linked_one": one(estimated_party_id=STRANGER),
        "people_have_a_person": whole(is_organisation="not is_organisation"),
        "litigants_in_person_have_no_lawyer": one(
            is_litigant_in_person="not is_litigant_in_person"
        ),
        # Everybody on a claim is one person.
        "nobody_claims_against_themselves": everywhere(estimated_party_id="case_number_hash"),
        "children_are_few": everywhere(age_in_year_of_issue="11"),
    },
}
