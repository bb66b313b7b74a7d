"""Offending, education and social care: real dbt on made-up rows, its tests with it."""

import json
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from made_up_rows import EDITION, key, publish_supply, source_columns

from datafirst_platform.marts.build import Build
from datafirst_platform.settings import Settings

MARTS = {
    "moj_dfe_pupils": 1,
    "moj_dfe_sen": 2,
    "moj_dfe_absence": 2,
    "moj_dfe_exclusions": 1,
    "moj_dfe_attainment": 4,
    "moj_dfe_cin": 1,
    "moj_dfe_cpp": 1,
    "moj_dfe_cla": 1,
    "moj_dfe_offending": 1,
    "moj_dfe_link": 1,
}
"""Every mart, and how many columns at its beginning are looked up by."""


def subject(label, **given):
    return {
        "record_key": key(label),
        "subject_number_key": key(f"number of {label}"),
        "sex": "M",
    } | given


def offence(label, of, day, **given):
    return {
        "record_key": key(label),
        "pnc_subjects_key": key(of),
        "offence_seq": 1,
        "offence_date": day,
        "ho_offence_code": "46/00",
        "adjudication": "G",
        "disposal_code": "FINE",
        "disposal_date": day,
        "court_type": "M",
    } | given


def year(pupil, academic_year, **given):
    return {
        "record_key": key(f"{pupil} in {academic_year}"),
        "pupil_matching_ref_key": key(pupil),
        "academic_year": academic_year,
        "gender": "M",
        "ethnicity": "WBRI",
        "la_code": "330",
        "school_urn_key": key("a school"),
        "school_type": "MAIN",
        "year_group": "9",
        "fsm_eligible": "N",
        "sen_provision": "N",
        "birth_year": 1998,
        "lsoa_residence": "E01000001",
    } | given


def term(pupil, academic_year, number, possible, authorised, unauthorised):
    return {
        "record_key": key(f"{pupil} in term {number} of {academic_year}"),
        "pupil_matching_ref_key": key(pupil),
        "academic_year": academic_year,
        "term": str(number),
        "sessions_possible": possible,
        "sessions_authorised": authorised,
        "sessions_unauthorised": unauthorised,
    }


def exclusion(label, pupil, day, academic_year, kind, reason, sessions=None):
    return {
        "record_key": key(label),
        "pupil_matching_ref_key": key(pupil),
        "start_date": day,
        "exclusion_seq": 1,
        "academic_year": academic_year,
        "exclusion_type": kind,
        "reason": reason,
        "sessions": sessions,
    }


def attained(pupil, stage, subject_code, academic_year, scheme, result):
    return {
        "record_key": key(f"{pupil} {stage} {subject_code}"),
        "pupil_matching_ref_key": key(pupil),
        "key_stage": stage,
        "subject": subject_code,
        "academic_year": academic_year,
        "scheme": scheme,
        "result": result,
    }


def episode(label, child, pupil=None, **given):
    return {
        "record_key": key(label),
        "la_code": "330",
        "la_child_key": key(child),
        "pupil_matching_ref_key": pupil and key(pupil),
    } | given


def people(**person_of):
    """Subjects, each with the label of the person they are taken to be at the middle threshold."""
    return [
        {
            "record_key": key(label.replace("_", " ")),
            "person_high": key(label.replace("_", " ")),
            "person_medium": key(person),
            "person_low": key(person),
        }
        for label, person in person_of.items()
    ]


SUPPLY = {
    "extracts/pnc_subjects": [
        subject("tom", ethnic_appearance="1", birth_year=1998),
        subject("tom as tim", sex=None),
        subject("una", sex="F", ethnic_appearance="3"),
    ],
    "extracts/pnc_offences": [
        offence("tom let off", "tom", "2011-01-05", adjudication="NG", disposal_code=None),
        offence("tom robs", "tom", "2014-06-01", ho_offence_code="34/01", disposal_code="DTOR",
                disposal_date="2014-09-01", court_type="Y", sentence_length_days=120,
                age_at_offence=15),
        offence("tim steals", "tom as tim", "2013-02-01", adjudication="C", disposal_code="REPR",
                disposal_date="2013-02-10", court_type="P", age_at_offence=14),
        offence("una drives", "una", "2019-02-01", ho_offence_code="999/99"),
    ],
    "extracts/npd_census": [
        year("tom's pupil", "2012/13", sen_provision="P", sen_primary_need="BESD",
             fsm_eligible="Y", idaci_decile=2),
        year("tom's pupil", "2013/14", gender="F", birth_year=1989, year_group="10"),
        year("tom's pupil", "2014/15", sen_provision="K", sen_primary_need="SEMH",
             year_group="11", ethnicity="REFU", la_code="331", school_type="PRU",
             school_urn_key=key("another school"), lsoa_residence="E01000002"),
        year("zoe's pupil", "2012/13", gender="F", ethnicity="NOBT", year_group="R"),
    ],
    "extracts/npd_absence": [
        term("tom's pupil", "2014/15", 1, 140, 10, 12),
        term("tom's pupil", "2014/15", 2, 110, 5, 10),
        term("zoe's pupil", "2015/16", 1, 140, 14, 0),
        term("never counted", "2013/14", 3, 100, 14, 0),
    ],
    "extracts/npd_exclusions": [
        exclusion("tom sent home", "tom's pupil", "2013-10-02", "2013/14", "FIXD", "PP", 4),
        exclusion("tom sent home later", "tom's pupil", "2020-10-02", "2020/21", "SUSP", "OW", 2),
        exclusion("tom sent off", "tom's pupil", "2014-10-02", "2014/15", "PERM", "DB"),
    ],
    "extracts/npd_attainment": [
        attained("zoe's pupil", "KS2", "MATH", "2009/10", "LEVEL", "4"),
        attained("zoe's pupil", "KS4", "MATH", "2014/15", "GRADE", "A*"),
        attained("zoe's pupil", "KS4", "ALL", "2014/15", "POINTS", "352.5"),
    ],
    "extracts/csc_cin_episodes": [
        episode("tom in need", "tom's number", "tom's pupil", referral_date="2010-03-01",
                gender="1", primary_need="N1", referral_source="6",
                closure_date="2010-09-01", closure_reason="RC7"),
        episode("a baby", "a baby's number", referral_date="2011-03-01", gender="0",
                primary_need="N0"),
    ],
    "extracts/csc_cpp_episodes": [
        episode("tom protected", "tom's number", "tom's pupil", cpp_start_date="2010-04-01",
                initial_category="NEG", cpp_end_date="2010-08-01"),
    ],
    "extracts/csc_cla_episodes": [
        episode("tom fostered", "tom's number", "tom's pupil", decom="2011-01-10", rne="S",
                legal_status="V2", category_of_need="N1", placement_type="F2", dec="2012-01-10",
                rec="X1"),
        episode("tom fostered on", "tom's number", "tom's pupil", decom="2012-01-10", rne="L",
                legal_status="C2", category_of_need="N1", placement_type="U6"),
    ],
    "linkage/pnc_people": people(tom="tom", tom_as_tim="tom", una="una"),
    "linkage/moj_dfe_links": [
        {
            "pupil_matching_ref_key": key("tom's pupil"),
            "pnc_subjects_key": key("tom"),
            "pass_number": 1,
        }
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Rows of each mart by its key, once every test of dbt's has passed; and those tests."""
    folder = tmp_path_factory.mktemp("moj_dfe")
    settings = Settings(folder / "home", folder / "keys", threads=2, memory_gib=1.0).prepare()
    publish_supply(settings, {str(each): () for each in source_columns()} | SUPPLY)
    build = Build.of(settings, EDITION)
    build.clear()
    command = ["build"]
    command += ["--select", "+path:models/marts/moj_dfe"]
    # Tests of code lists against other datasets' marts are not asked for.
    command += ["--indirect-selection", "buildable"]
    done = build.run_dbt(*command)
    assert done.returncode == 0, done.stdout
    results = json.loads((build.target / "run_results.json").read_text())["results"]
    with duckdb.connect(str(build.database), read_only=True) as connection:
        marts = {}
        for mart, width in MARTS.items():
            found = connection.execute(f"select * from main.{mart}")
            names = [column[0] for column in found.description]
            marts[mart] = {
                row[0] if width == 1 else row[:width]: dict(zip(names, row, strict=True))
                for row in found.fetchall()
            }
    return marts, [each["unique_id"] for each in results if each["status"] == "pass"]


@pytest.fixture(scope="module")
def marts(built):
    return built[0]


def told(row, *columns):
    return tuple(row[column] for column in columns)


def test_what_changed_over_the_years_passes_its_unit_tests(built):
    passed = {each.split(".")[-1] for each in built[1] if each.startswith("unit_test.")}
    assert passed >= {
        "serious_violence_is_told_by_the_offence",
        "cautions_before_and_after_april_2013_are_one_group",
        "special_educational_needs_are_one_list_before_and_after_2014",
        "persistent_absence_follows_the_definition_of_the_year",
        "a_slip_of_one_year_is_outvoted",
        "the_first_offence_is_that_of_the_person",
    }


def test_a_pupil_is_told_once_though_years_differ(marts):
    tom = marts["moj_dfe_pupils"][key("tom's pupil")]
    assert told(tom, "sex", "birth_year", "ethnicity_code", "la_name", "lsoa_residence") == (
        *("male", 1998, "WBRI", "Coventry", "E01000002"),
    )
    assert told(tom, "census_count", "first_academic_year", "last_academic_year") == (
        *(3, "2012/13", "2014/15"),
    )
    assert tom["was_ever_fsm_eligible"] is True
    zoe = marts["moj_dfe_pupils"][key("zoe's pupil")]
    assert told(zoe, "ethnicity_group", "was_ever_fsm_eligible") == ("Not known", False)


def test_a_pupil_in_no_census_is_a_pupil_still(marts):
    assert set(marts["moj_dfe_pupils"]) == {
        key(each) for each in ("tom's pupil", "zoe's pupil", "never counted")
    }
    assert told(
        marts["moj_dfe_pupils"][key("never counted")], "sex", "census_count", "la_code"
    ) == ("unknown", 0, None)


def test_special_needs_are_told_in_the_years_codes_and_in_one_list(marts):
    columns = ("sen_provision_code", "sen_provision", "sen_need_code", "sen_need", "school_type")
    found = {
        academic_year: told(row, *columns)
        for (pupil, academic_year), row in marts["moj_dfe_sen"].items()
        if pupil == key("tom's pupil")
    }
    need = "social, emotional and mental health"
    assert found == {
        "2012/13": ("P", "SEN support", "BESD", need, "mainstream"),
        "2013/14": ("N", "none", None, None, "mainstream"),
        "2014/15": ("K", "SEN support", "SEMH", need, "pupil referral unit"),
    }
    assert marts["moj_dfe_sen"][key("zoe's pupil"), "2012/13"]["year_group"] == 0


def test_the_year_defines_who_is_persistently_absent(marts):
    columns = ("terms_recorded", "sessions_missed", "share_missed", "is_persistent_absentee")
    found = {
        (pupil, academic_year): told(marts["moj_dfe_absence"][key(pupil), academic_year], *columns)
        for pupil, academic_year in (
            ("tom's pupil", "2014/15"),
            ("zoe's pupil", "2015/16"),
            ("never counted", "2013/14"),
        )
    }
    assert found == {
        ("tom's pupil", "2014/15"): (2, 37, Decimal("0.148"), False),
        ("zoe's pupil", "2015/16"): (1, 14, Decimal("0.100"), True),
        ("never counted", "2013/14"): (1, 14, Decimal("0.140"), False),
    }


def test_a_fixed_period_exclusion_is_a_suspension(marts):
    columns = ("exclusion_type_code", "exclusion_type", "reason_group", "sessions")
    found = [told(row, *columns) for row in marts["moj_dfe_exclusions"].values()]
    assert sorted(found, key=str) == [
        ("FIXD", "suspension", "violence", 4),
        ("PERM", "permanent", "disruption", None),
        ("SUSP", "suspension", "violence", 2),
    ]


def test_results_stay_as_they_were_given(marts):
    found = {row["result"]: row["scheme_desc"] for row in marts["moj_dfe_attainment"].values()}
    assert set(found) == {"4", "A*", "352.5"}
    assert found["A*"] == "Grade A* to G or U"


def test_social_care_is_told_by_episode_with_its_pupil_where_there_is_one(marts):
    need = marts["moj_dfe_cin"][key("tom in need")]
    assert told(need, "pupil_id_hash", "need_group", "referral_source_group", "days_open") == (
        *(key("tom's pupil"), "abuse or neglect", "police", 184),
    )
    baby = marts["moj_dfe_cin"][key("a baby")]
    assert told(baby, "pupil_id_hash", "sex", "closure_date", "days_open") == (
        *(None, "unknown", None, None),
    )
    plan = marts["moj_dfe_cpp"][key("tom protected")]
    assert told(plan, "initial_category_desc", "days_on_plan") == ("Neglect", 122)
    columns = ("placement_group", "legal_status_group", "is_leaving_care", "days_in_episode")
    first, second = (
        told(marts["moj_dfe_cla"][key(each)], *columns)
        for each in ("tom fostered", "tom fostered on")
    )
    assert first == ("foster care", "voluntary", False, 365)
    assert second == ("foster care", "care order", False, None)
    children = {
        marts[mart][key(label)]["child_id_hash"]
        for mart, label in (
            ("moj_dfe_cin", "tom in need"),
            ("moj_dfe_cpp", "tom protected"),
            ("moj_dfe_cla", "tom fostered"),
        )
    }
    assert children == {key("tom's number")}


def test_offences_that_came_to_something_are_told_and_others_are_not(marts):
    assert set(marts["moj_dfe_offending"]) == {
        key(each) for each in ("tom robs", "tim steals", "una drives")
    }
    robbery = marts["moj_dfe_offending"][key("tom robs")]
    columns = ("offence_group", "is_serious_violence", "disposal_group", "is_custodial")
    assert told(robbery, *columns) == ("Robbery", True, "Immediate custody", True)
    assert told(robbery, "age_at_offence", "court_type", "sentence_length_days") == (
        *(15, "youth", 120),
    )
    unknown = marts["moj_dfe_offending"][key("una drives")]
    assert told(unknown, "offence_desc", "offence_group", "is_serious_violence") == (
        *(None, "Not known", False),
    )


def test_the_first_offence_is_the_persons_under_whatever_name(marts):
    columns = ("estimated_offender_id", "is_first_offence", "is_caution", "disposal_date")
    found = {
        label: told(marts["moj_dfe_offending"][key(label)], *columns)
        for label in ("tom robs", "tim steals", "una drives")
    }
    assert found == {
        "tom robs": (key("tom"), False, False, date(2014, 9, 1)),
        "tim steals": (key("tom"), True, True, date(2013, 2, 10)),
        "una drives": (key("una"), True, False, date(2019, 2, 1)),
    }


def test_a_pupil_is_joined_to_offences_by_the_link_and_keeps_its_pass(marts):
    (link,) = marts["moj_dfe_link"].values()
    assert link == {
        "pupil_id_hash": key("tom's pupil"),
        "offender_id_hash": key("tom"),
        "estimated_offender_id": key("tom"),
        "match_pass": 1,
        "match_pass_desc": "Surname, forename, date of birth, sex and a postcode equal",
    }
    of_the_person = {
        row["offence_id_hash"]
        for row in marts["moj_dfe_offending"].values()
        if row["estimated_offender_id"] == link["estimated_offender_id"]
    }
    assert of_the_person == {key("tom robs"), key("tim steals")}
