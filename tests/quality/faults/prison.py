"""What is wrong with a table of the prison data, for each rule in SQL written for it."""

from datafirst_platform.quality.validation import BATCH
from tests.quality.faults.sql import MANY, STRANGER, everywhere, often, one, whole

HELD, LEFT = "'IN'", "'OUT'"
FUTURE = "date '2090-01-01'"
ONE_DAY = "date '2011-01-01'"


def few(parent):
    """A single row, though the table it belongs to holds many."""
    return {BATCH: "from {t} limit 1", parent: often(parent)}


def received(reason):
    """Everyone is received for one reason."""
    return everywhere(movement_type="'ADM'", movement_reason_code=f"'{reason}'")


FAULTS = {
    "extracts/nomis_offenders": {
        "roots_are_supplied": everywhere(root_offender_key=STRANGER),
        "most_names_are_roots": everywhere(root_offender_key=STRANGER),
        "no_root_swamps": everywhere(root_offender_key=STRANGER),
        "sex_filled": everywhere(sex_code="'NK'"),
        "most_prisoners_are_men": everywhere(sex_code="'F'"),
        "ethnicity_not_all_missing": everywhere(race_code="null"),
        "ethnicity_stand_ins_are_few": everywhere(race_code="'MERGE'"),
        "birth_years_plausible": everywhere(birth_year="2024"),
    },
    "extracts/nomis_identifiers": {
        "police_numbers_are_held": few("nomis_offenders"),
        "numbers_stand_under_roots": {
            BATCH: f"select t.* {MANY}",
            "nomis_offenders": whole("nomis_offenders", root_offender_key=STRANGER),
        },
        "mergers_are_few": everywhere(identifier_type="'MERGED'"),
    },
    "extracts/nomis_bookings": {
        "who_is_out_has_an_end": everywhere(in_out_status=LEFT, booking_end_date="null"),
        "who_is_in_has_no_end": everywhere(in_out_status=HELD, booking_end_date=ONE_DAY),
        "held_are_active": everywhere(in_out_status=HELD, active_flag="'N'"),
        "most_have_left": everywhere(in_out_status=HELD),
        "booked_under_their_own_root": everywhere(root_offender_key=STRANGER),
        "names_are_booked": few("nomis_offenders"),
        "very_old_are_rare": everywhere(age_at_reception="90"),
        "children_are_few": everywhere(age_at_reception="12"),
        "security_category_not_all_missing": everywhere(security_category="null"),
        "no_establishment_swamps": everywhere(in_out_status=HELD, agy_loc_id="'LEI'"),
        "no_date_swamps": everywhere(booking_begin_date=ONE_DAY),
    },
    "extracts/nomis_charges": {
        "bookings_have_charges": few("nomis_bookings"),
        "offences_lie_before_bookings": everywhere(offence_date=FUTURE),
        "one_charge_is_most_serious": everywhere(most_serious_flag="'N'"),
        "results_plausible": everywhere(result_code_1="'1002'"),
        "no_offence_swamps": everywhere(offence_code="'1/01'"),
    },
    "extracts/nomis_sentences": {
        "bookings_have_sentences": few("nomis_bookings"),
        "lengths_are_told": everywhere(effective_sentence_days="null", end_date="null"),
        # Days read as months.
        "lengths_agree_with_dates": everywhere(
            end_date="start_date + 364", effective_sentence_days="12"
        ),
        "long_sentences_are_few": everywhere(effective_sentence_days="5000"),
        "consecutive_follow_a_sentence": everywhere(consec_to_sentence_seq="999"),
        "recalls_plausible": everywhere(sentence_calc_type="'LR'"),
        "no_date_swamps": everywhere(start_date=ONE_DAY),
    },
    "extracts/nomis_movements": {
        "bookings_have_a_reception": few("nomis_bookings"),
        "bookings_begin_with_the_reception": everywhere(movement_date=FUTURE),
        "who_is_out_was_released": {
            BATCH: whole(movement_type="'TRN'"),
            "nomis_bookings": often("nomis_bookings"),
        },
        "releases_match_receptions": received("N"),
        "receptions_are_in_and_releases_out": everywhere(
            movement_type="'ADM'", direction_code="'OUT'"
        ),
        "days_follow_numbers": whole(movement_seq="-movement_seq"),
        "recalls_plausible": received("L"),
        "remands_plausible": received("N"),
        "reasons_are_known": received("NEW"),
        "no_date_swamps": everywhere(movement_date=ONE_DAY),
    },
    "marts/prison_custodial_journeys": {
        "begins_with_a_reception": one(custodial_journey_id_hash=STRANGER),
        "ends_with_a_release": one(release_date="date '1999-01-01'", release_reason_code="'CR'"),
        "every_prisoner_is_there": """
            from {t} where estimated_offender_id
                <> (select min(estimated_offender_id) from {t})""",
        "receptions_are_in_journeys": everywhere(spell_count="0"),
        "person_is_the_linked_one": one(estimated_offender_id=STRANGER),
        "offender_is_the_root": one(offender_id_hash=STRANGER),
        "journeys_of_a_person_stay_apart": whole(estimated_offender_id=STRANGER),
        "recalls_begin_no_second_journey": whole(
            estimated_offender_id=STRANGER, reception_type="'recall'"
        ),
        "one_journey_at_most_goes_on": whole(estimated_offender_id=STRANGER, is_in_custody="true"),
        "who_is_held_is_in_custody": {
            BATCH: whole(is_in_custody="false"),
            "bookings": whole("bookings", in_out_status=HELD),
        },
        "days_fit_between_the_dates": whole(days_in_custody="99999"),
        "every_sentence_is_counted": whole(sentence_count="sentence_count + 1"),
        "every_charge_is_counted": whole(charge_count="charge_count + 1"),
        "most_have_left": everywhere(release_date="null"),
        "releases_not_recorded_are_few": everywhere(release_type="'not recorded'"),
        "journeys_are_told_by_few_spells": everywhere(spell_count="11"),
        "recalls_plausible": everywhere(recall_count="1"),
        "remand_plausible": everywhere(had_remand="true"),
        "sentences_are_found": everywhere(reception_type="'sentenced'", sentence_count="0"),
        "bands_are_known": everywhere(sentence_band="'not known'"),
        "short_sentences_plausible": everywhere(
            sentence_band="'over 10 years'", sentence_days="5000"
        ),
        "offences_are_known": everywhere(charge_count="1", offence_group="'Not known'"),
        "establishments_are_known": everywhere(
            reception_establishment_code="'ZZZ'", reception_establishment_name="null"
        ),
    },
}
