"""Probation and OASys: real dbt on made-up rows, its unit tests and data tests with it."""

import json
from datetime import date

import duckdb
import pytest
from made_up_rows import EDITION, key, publish_supply, source_columns

from datafirst_platform.marts.build import Build
from datafirst_platform.settings import Settings

MARTS = {
    "probation_events",
    "probation_licence_conditions",
    "probation_pss_requirements",
    "probation_requirements",
    "oasys_assessments_details_core_risk",
    "oasys_assessments_metadata",
}


def offender(label, **given):
    return {"record_key": key(label), "gender": "M", "soft_deleted": "0"} | given


def address(label, of, start, end=None, lsoa=None, **given):
    return {
        "record_key": key(label),
        "delius_offenders_key": key(of),
        "start_date": start,
        "end_date": end,
        "no_fixed_abode": "0",
        "lsoa_residence": lsoa,
        "soft_deleted": "0",
    } | given


def event(label, of, **given):
    return {
        "record_key": key(label),
        "delius_offenders_key": key(of),
        "event_number": 1,
        "referral_date": "2018-06-01",
        "active_flag": "0",
        "in_breach": "0",
        "ftc_count": 0,
        "probation_area_code": "N02",
        "soft_deleted": "0",
    } | given


def disposal(label, of, **given):
    return {
        "record_key": key(label),
        "delius_events_key": key(of),
        "disposal_type_code": "329",
        "disposal_date": "2018-05-20",
        "recall_count": 0,
        "soft_deleted": "0",
    } | given


def part(label, of, **given):
    return {"record_key": key(label), "delius_disposals_key": key(of), "soft_deleted": "0"} | given


def people(*labels):
    columns = ("record_key", "person_high", "person_medium", "person_low")
    return [dict.fromkeys(columns, key(label)) for label in labels]


SUPPLY = {
    "extracts/delius_offenders": [
        offender("ann", gender="F", ethnicity="W2", nationality="IRL"),
        # The same person once more.
        offender("ann again", ethnicity="ETH04", gender="N"),
        offender("bob", ethnicity="XYZ", gender=None),
        offender("gone", soft_deleted="1"),
    ],
    "extracts/delius_addresses": [
        address("first home", "ann", "2015-01-01", "2018-12-31", "E01000001"),
        address("last home", "ann", "2018-05-01", "2018-07-01", "E01000002"),
        address("no home", "ann", "2018-05-15", None, "E01000003", soft_deleted="1"),
        address("later home", "bob", "2020-01-01", None, "W01000004"),
    ],
    "extracts/delius_events": [
        event(
            "order",
            "ann",
            conviction_date="2018-05-20",
            offence_date="2018-01-02",
            mo_code="46/00",
            age_at_offence=31,
            in_breach="1",
            ftc_count=2,
        ),
        event("prison", "ann again", mo_code="999/99", probation_area_code="Q01", active_flag="1"),
        event("unsentenced", "bob", probation_area_code="ACI"),
        event("deleted", "ann", soft_deleted="1"),
        event("of who is gone", "gone"),
    ],
    "extracts/delius_disposals": [
        disposal("entered first", "order", disposal_date="2018-05-19", length=12, length_units="M"),
        disposal(
            "stands",
            "order",
            length=18,
            length_units="M",
            length_in_days=18,
            termination_date="2019-11-19",
            termination_reason_code="01",
        ),
        disposal("deleted disposal", "order", disposal_date="2019-01-01", soft_deleted="1"),
        disposal(
            "custody",
            "prison",
            disposal_type_code="307",
            length_in_days=168,
            recall_count=1,
        ),
        disposal("of a deleted event", "deleted"),
    ],
    "extracts/delius_requirements": [
        part(
            "work",
            "stands",
            rqmnt_type_main_category_code="W",
            rqmnt_start_date="2018-05-20",
            rqmnt_termination_date="2019-01-03",
            rqmnt_termination_reason_code="51",
            length=100,
            length_units="H",
        ),
        part(
            "treatment",
            "entered first",
            rqmnt_type_main_category_code="B",
            rqmnt_start_date="2018-05-19",
            length=6,
            length_units="M",
        ),
        part(
            "deleted work",
            "stands",
            rqmnt_type_main_category_code="W",
            rqmnt_start_date="2018-05-20",
            soft_deleted="1",
        ),
        part(
            "work of a deleted event",
            "of a deleted event",
            rqmnt_type_main_category_code="W",
            rqmnt_start_date="2018-05-20",
        ),
    ],
    "extracts/delius_licence_conditions": [
        part(
            "condition",
            "custody",
            lic_cond_type_main_category_code="NLC8",
            start_date="2018-08-12",
            termination_date="2018-10-01",
            termination_reason_code="53",
        ),
    ],
    "extracts/delius_pss_requirements": [
        part(
            "supervision", "custody", pss_rqmnt_type_main_category_code="A", start_date="2018-11-04"
        ),
    ],
    "extracts/oasys_offenders": [
        {
            "record_key": key("ann assessed"),
            "gender_code": "2",
            "ethnic_category_code": "W2",
        }
    ],
    "extracts/oasys_assessments": [
        {
            "record_key": key(label),
            "oasys_offenders_key": key("ann assessed"),
            "assessment_type": layer,
            "assessment_version": 1,
            "assessment_status": status,
            "purpose_code": "START_COMMUNITY",
            "initiation_date": "2018-06-10",
            "establishment_or_area_code": area,
            "in_custody": "N",
            "ogrs3_2year": score,
            "age_at_assessment": 31,
        }
        for label, layer, status, area, score in (
            ("full", "L3", "COMPLETE", "N02", 61),
            ("broken off", "L1", "LOCKED_INCOMPLETE", None, None),
        )
    ],
    "extracts/oasys_core_risk": [
        {
            "record_key": key("answers"),
            "oasys_assessments_key": key("full"),
            "question_3_3": "0",
            "question_3_4": "M",
            "question_3_tot": 3,
            "question_2_2_weapon": "M",
        }
    ],
    "linkage/probation_people": [
        *people("ann", "bob", "gone"),
        {"record_key": key("ann again"), "person_high": key("ann again")}
        | dict.fromkeys(("person_medium", "person_low"), key("ann")),
    ],
    "linkage/oasys_people": people("ann assessed"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Rows of each mart by its key, once every test of dbt's has passed; and those tests."""
    folder = tmp_path_factory.mktemp("probation")
    settings = Settings(folder / "home", folder / "keys", threads=2, memory_gib=1.0).prepare()
    publish_supply(settings, {str(each): () for each in source_columns()} | SUPPLY)
    build = Build.of(settings, EDITION)
    build.clear()
    folders = [f"+path:models/marts/{each}" for each in ("probation", "oasys")]
    command = ["build", "--select", *folders]
    # Tests of code lists against other datasets' marts are not asked for.
    command += ["--indirect-selection", "buildable"]
    done = build.run_dbt(*command)
    assert done.returncode == 0, done.stdout
    results = json.loads((build.target / "run_results.json").read_text())["results"]
    with duckdb.connect(str(build.database), read_only=True) as connection:
        marts = {}
        for mart in MARTS:
            found = connection.execute(f"select * from main.{mart}")
            names = [column[0] for column in found.description]
            marts[mart] = {row[0]: dict(zip(names, row, strict=True)) for row in found.fetchall()}
    return marts, [each["unique_id"] for each in results if each["status"] == "pass"]


@pytest.fixture(scope="module")
def marts(built):
    return built[0]


def told(row, *columns):
    return tuple(row[column] for column in columns)


def test_lengths_residences_and_deletions_pass_their_unit_tests(built):
    passed = {each.split(".")[-1] for each in built[1] if each.startswith("unit_test.")}
    assert passed >= {
        "lengths_become_days",
        "hours_are_no_days",
        "what_is_deleted_leaves_with_all_it_holds",
        "the_latest_disposal_stands",
        "residence_is_that_at_referral",
        "an_answer_left_out_is_no_zero",
    }


def test_every_event_stays_but_those_deleted(marts):
    assert set(marts["probation_events"]) == {key("order"), key("prison"), key("unsentenced")}
    assert set(marts["probation_requirements"]) == {key("work"), key("treatment")}


def test_an_event_shows_its_latest_disposal_and_its_length_in_days(marts):
    order = marts["probation_events"][key("order")]
    assert told(order, "disposal_type_description", "disposal_date", "length", "length_units") == (
        "ORA Community Order",
        date(2018, 5, 20),
        18,
        "M",
    )
    assert order["length_in_days"] == 548
    assert told(
        order, "disposal_group", "is_custodial", "disposal_termination_outcome", "recall_count"
    ) == ("Community sentence", False, "completed", 0)
    custody = marts["probation_events"][key("prison")]
    assert told(custody, "is_custodial", "length", "length_in_days", "recall_count") == (
        True,
        None,
        168,
        1,
    )


def test_an_event_without_a_disposal_stays_without(marts):
    assert told(
        marts["probation_events"][key("unsentenced")],
        "disposal_type_code",
        "disposal_group",
        "disposal_date",
        "is_custodial",
        "length_in_days",
        "requirement_count",
    ) == (None, "Not known", None, None, None, 0)


def test_parts_are_counted_over_every_disposal_of_the_event(marts):
    counts = ("requirement_count", "licence_condition_count", "pss_requirement_count")
    assert told(marts["probation_events"][key("order")], *counts) == (2, 0, 0)
    assert told(marts["probation_events"][key("prison")], *counts) == (0, 1, 1)


def test_parts_name_their_event_and_person(marts):
    work = marts["probation_requirements"][key("work")]
    assert told(work, "event_id_hash", "estimated_offender_id") == (key("order"), key("ann"))
    assert told(work, "length", "length_units", "length_in_days") == (100, "H", None)
    assert work["rqmnt_termination_reason_desc"] == "Requirement Completed"
    assert marts["probation_requirements"][key("treatment")]["length_in_days"] == 183
    condition = marts["probation_licence_conditions"][key("condition")]
    assert told(condition, "event_id_hash", "estimated_offender_id") == (key("prison"), key("ann"))
    assert told(condition, "lic_cond_type_main_category_desc") == ("Freedom of movement",)
    supervision = marts["probation_pss_requirements"][key("supervision")]
    assert told(supervision, "event_id_hash", "pss_rqmnt_type_main_category_desc") == (
        key("prison"),
        "Standard 7 Conditions",
    )


def test_two_records_of_a_person_have_one_estimate(marts):
    found = marts["probation_events"]
    assert found[key("order")]["offender_id_hash"] != found[key("prison")]["offender_id_hash"]
    assert {found[key(each)]["estimated_offender_id"] for each in ("order", "prison")} == {
        key("ann")
    }


def test_residence_is_that_at_referral_and_a_deleted_address_is_none(marts):
    homes = {"order": "E01000002", "prison": None, "unsentenced": "W01000004"}
    found = {each: marts["probation_events"][key(each)]["lsoa_residence"] for each in homes}
    assert found == homes


def test_codes_are_harmonised_and_the_sources_words_kept(marts):
    found = marts["probation_events"]
    columns = ("sex", "ethnicity_desc", "ethnicity_group")
    assert told(found[key("order")], *columns) == ("female", "White : Irish", "White")
    assert told(found[key("prison")], *columns) == ("unknown", "Z_Dummy Ethnicity 04", "Not known")
    assert told(found[key("unsentenced")], *columns) == ("unknown", None, "Not known")
    area = ("probation_area_desc", "probation_area_type", "probation_region")
    assert told(found[key("order")], *area) == ("NPS North East", "NPS division", None)
    assert told(found[key("prison")], *area) == (None, "Not known", None), "a new area stays"
    assert told(found[key("unsentenced")], *area) == ("Altcourse (HMP)", "Prison", "North West")
    assert told(found[key("order")], "mo_category_description", "offence_group") == (
        "Theft from a shop",
        "Theft offences",
    )
    assert told(found[key("prison")], "mo_category_description", "offence_group") == (
        None,
        "Not known",
    )
    assert told(found[key("order")], "is_active", "in_breach", "ftc_count") == (False, True, 2)


def test_assessments_keep_missing_zero_and_not_asked_apart(marts):
    answers = marts["oasys_assessments_details_core_risk"]
    assert set(answers) == {key("full")}
    assert told(
        answers[key("full")],
        "question_3_3",
        "question_3_4",
        "question_3_5",
        "question_3_tot",
        "question_2_2_weapon",
    ) == ("0", "M", None, 3, "M")


def test_assessments_say_how_far_they_got_and_what_was_answered(marts):
    found = marts["oasys_assessments_metadata"]
    columns = ("assessment_type_desc", "is_complete", "ogrs3_2year", "has_core_risk")
    assert told(found[key("full")], *columns) == ("Layer 3", True, 61, True)
    assert told(found[key("broken off")], *columns) == ("Layer 1", False, None, False)
    assert told(found[key("full")], "sex", "establishment_or_area_desc", "is_in_custody") == (
        "female",
        "NPS North East",
        False,
    )
    assert {each["estimated_offender_id"] for each in found.values()} == {key("ann assessed")}
