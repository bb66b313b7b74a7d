"""Family courts: real dbt on made-up rows, its unit tests and data tests with it."""

import json
from datetime import date

import duckdb
import pytest
from made_up_rows import EDITION, key, publish_supply, source_columns

from datafirst_platform.extracts.contracts import code_meanings
from datafirst_platform.marts.build import Build
from datafirst_platform.marts.project import mart_tables
from datafirst_platform.settings import Settings

MARTS = {"family_cases", "family_events", "family_parties"}


def case(label, kind="P", **given):
    return {
        "record_key": key(label),
        "case_number_key": key(f"number of {label}"),
        "case_type": kind,
        "court_code": "120",
        "receipt_date": "2019-01-01",
        "fee_exempt": "N",
    } | given


def event(label, of, model, day, *children, **given):
    roles = ",".join(key(f"number of role {each}") for each in children)
    return {
        "record_key": key(label),
        "familyman_cases_key": key(of),
        "event_key": key(f"number of {label}"),
        "event_model": model,
        "receipt_date": day,
        "entry_date": day,
        "error": "N",
        "child_roles_key": roles or None,
        "creating_court": "120",
    } | given


def party(label, gender="2", **given):
    return {
        "record_key": key(label),
        "party_key": key(f"number of {label}"),
        "is_company": "0",
        "gender": gender,
    } | given


def role(label, of, who, model, **given):
    return {
        "record_key": key(label),
        "familyman_cases_key": key(of),
        "role_key": key(f"number of role {label}"),
        "party_key": key(f"number of {who}"),
        "role_model": model,
        "represented": "N",
        "delete_flag": "N",
    } | given


def people(**persons):
    columns = ("person_high", "person_medium", "person_low")
    return [
        {"record_key": key(label.replace("_", " "))} | dict.fromkeys(columns, key(person))
        for label, person in persons.items()
    ]


SUPPLY = {
    "extracts/familyman_cases": [
        case("contact", harm_alleged="Y", closed_date="2020-05-01"),
        case("care", "C", court_code="223", fee_exempt="Y", receipt_date="2019-07-15"),
        case("divorce", "D"),
    ],
    "extracts/familyman_events": [
        event("applied", "contact", "U22", "2019-01-01", "kim", application_types="CAO,PSO"),
        event("notice", "contact", "C6", "2019-01-20"),
        event("notice again", "contact", "C6", "2019-02-20"),
        event("ordered", "contact", "C43", "2019-11-30"),
        event("ordered twice", "contact", "C43", "2019-11-30", entry_date="2019-12-02"),
        event("mistake", "contact", "C32A", "2019-12-01", error="Y"),
        event("care sought", "care", "U22", "2019-07-15", application_types="CARE"),
        event("care at once", "care", "C33", "2019-07-20", "lee", "pat"),
        event("settled", "care", "C43", "2020-01-06", "lee", "gone"),
        event("odd", "care", "X99", "2020-02-01", "gone", creating_court="999"),
        event("given up", "divorce", "G63", "2019-06-01"),
    ],
    "extracts/familyman_parties": [
        party("ann", lsoa_residence="E01000001", birth_year=1985),
        party("ann again", birth_year=1985),
        party("bob", "1"),
        party("council", None, is_company="1"),
        party("kim", "9", birth_year=2010),
        party("sam", "1", birth_year=2018),
        party("lee", "1", birth_year=2014),
        party("pat", birth_year=2020),
    ],
    "extracts/familyman_roles": [
        role("ann applies", "contact", "ann", "APLC", represented="Y", relationship_to_child="MO"),
        role("bob responds", "contact", "bob", "RSPA", relationship_to_child="FA"),
        role("kim", "contact", "kim", "CHLDC"),
        role("sam", "contact", "sam", "CHLDC"),
        role("sam once more", "contact", "sam", "CHLDZ"),
        role("deleted", "contact", "lee", "CHLDC", delete_flag="Y"),
        role("council applies", "care", "council", "APLC", relationship_to_child="LA"),
        role("ann responds", "care", "ann again", "RSPC", represented="Y"),
        role("lost responds", "care", "lost", "RSPC", relationship_to_child="XX"),
        role("lee", "care", "lee", "CHLDC"),
        role("pat", "care", "pat", "CHLDC"),
        role("gone", "care", "kim", "CHLDC", delete_flag="Y"),
    ],
    "linkage/family_people": people(
        ann="ann", ann_again="ann", bob="bob", kim="kim", sam="sam", lee="lee", pat="pat"
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Rows of each mart by its key, once every test of dbt's has passed; and those tests."""
    folder = tmp_path_factory.mktemp("family")
    settings = Settings(folder / "home", folder / "keys", threads=2, memory_gib=1.0).prepare()
    publish_supply(settings, {str(each): () for each in source_columns()} | SUPPLY)
    build = Build.of(settings, EDITION)
    build.clear()
    command = ["build"]
    command += ["--select", "+path:models/marts/family"]
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


def test_children_orders_and_deletions_pass_their_unit_tests(built):
    passed = {each.split(".")[-1] for each in built[1] if each.startswith("unit_test.")}
    assert passed >= {
        "deleted_roles_leave",
        "events_in_error_leave",
        "disposals_are_of_five_types",
        "only_standing_children_are_named",
        "children_not_named_are_all_of_the_case",
        "an_order_entered_twice_is_one",
        "representation_is_by_side",
        "laws_come_from_type_orders_and_applications",
        "the_final_order_is_the_last_that_is_not_interim",
        "weeks_to_the_final_order_are_whole",
        "ages_are_those_of_who_is_born_on_1_july",
    }


def test_all_stays_but_what_was_deleted_or_entered_in_error(marts):
    left_out = {"family_events": {"mistake"}, "family_parties": {"deleted", "gone"}}
    for mart, supplied in (
        ("family_cases", "familyman_cases"),
        ("family_events", "familyman_events"),
        ("family_parties", "familyman_roles"),
    ):
        given = {row["record_key"] for row in SUPPLY[f"extracts/{supplied}"]}
        assert set(marts[mart]) == given - {key(label) for label in left_out.get(mart, ())}


def test_children_not_named_are_all_of_the_case(marts):
    found = {
        label: told(marts["family_events"][key(label)], "children_named", "child_count")
        for label in ("applied", "notice", "care at once", "settled", "odd", "given up")
    }
    assert found == {
        "applied": (True, 1),
        # A child with two roles is one.
        "notice": (False, 2),
        "care at once": (True, 2),
        "settled": (True, 1),
        # A deleted role names nobody.
        "odd": (False, 2),
        "given up": (False, 0),
    }


def test_an_order_entered_twice_stays_and_counts_once(marts):
    doubled = {
        label: marts["family_events"][key(label)]["is_duplicate"]
        for label in ("ordered", "ordered twice", "notice", "notice again")
    }
    assert [label for label, twice in doubled.items() if twice] == ["ordered twice"]
    counts = ("event_count", "application_count", "hearing_count", "order_count")
    assert told(marts["family_cases"][key("contact")], *counts) == (4, 1, 2, 1)


def test_a_case_tells_of_its_parties_and_their_lawyers(marts):
    columns = ("child_count", "applicant_count", "respondent_count", "representation")
    found = {
        label: told(marts["family_cases"][key(label)], *columns)
        for label in ("contact", "care", "divorce")
    }
    assert found == {
        "contact": (2, 1, 1, "Applicant only"),
        "care": (2, 1, 2, "Respondent only"),
        "divorce": (0, 0, 0, "Neither"),
    }


def test_a_case_tells_of_its_first_and_final_order(marts):
    care = marts["family_cases"][key("care")]
    assert told(care, "first_order_date", "first_order_desc", "order_count") == (
        date(2019, 7, 20),
        "Interim care order",
        2,
    )
    assert told(care, "final_order_date", "final_order_code", "final_disposal_type_desc") == (
        date(2020, 1, 6),
        "C43",
        "Order made",
    )
    assert care["weeks_to_final_order"] == 25
    divorce = marts["family_cases"][key("divorce")]
    assert told(divorce, "first_order_date", "final_order_code", "final_disposal_type_desc") == (
        None,
        "G63",
        "Application withdrawn",
    )


def test_public_and_private_law_in_one_case_are_told(marts):
    mixed = {
        label: marts["family_cases"][key(label)]["is_mixed_law"] for label in ("contact", "care")
    }
    # What was entered in error mixes nothing.
    assert mixed == {"contact": False, "care": True}


def test_people_are_followed_over_cases_and_organisations_are_not(marts):
    found = marts["family_parties"]
    columns = ("estimated_party_id", "is_organisation", "sex")
    assert told(found[key("ann applies")], *columns) == (key("ann"), False, "female")
    assert told(found[key("ann responds")], *columns) == (key("ann"), False, "female")
    assert found[key("ann applies")]["party_id_hash"] == key("ann")
    assert found[key("ann responds")]["party_id_hash"] == key("ann again")
    assert told(found[key("council applies")], *columns) == (None, True, None)
    assert told(found[key("lost responds")], "party_id_hash", *columns) == (None, None, None, None)


def test_ages_are_years_for_adults_and_bands_for_children(marts):
    found = {
        label: told(marts["family_parties"][key(label)], "age_at_receipt", "age_band_at_receipt")
        for label in ("ann applies", "ann responds", "bob responds", "kim", "sam", "lee", "pat")
    }
    assert found == {
        "ann applies": (33, None),
        "ann responds": (34, None),
        "bob responds": (None, None),
        "kim": (None, "5 to 9"),
        "sam": (None, "Under 1"),
        "lee": (None, "5 to 9"),
        "pat": (None, None),
    }


def test_codes_are_told_in_words_and_unknown_ones_stay(marts):
    care = marts["family_cases"][key("care")]
    assert told(care, "case_type_desc", "court_name", "court_region", "is_fee_exempt") == (
        "Public law children",
        "Swansea Civil and Family Justice Centre",
        "Wales",
        True,
    )
    assert care["is_harm_alleged"] is None
    assert marts["family_cases"][key("contact")]["is_harm_alleged"] is True
    odd = marts["family_events"][key("odd")]
    assert told(odd, "event_model_code", "event_model_desc", "event_class", "court_name") == (
        "X99",
        None,
        "other",
        None,
    )
    columns = ("role_group", "relationship_to_child_code", "relationship_to_child_desc")
    assert told(marts["family_parties"][key("bob responds")], *columns) == (
        "respondent",
        "FA",
        "Father",
    )
    assert told(marts["family_parties"][key("lost responds")], *columns) == (
        "respondent",
        "XX",
        None,
    )


def test_the_catalogue_explains_every_type_of_application():
    events = next(table for table in mart_tables() if table.name == "family_events")
    (types,) = (each for each in events.columns if each.name == "application_types")
    meanings = code_meanings("application_types_familyman", "description")
    assert types.values == "; ".join(f"{code} = {said}" for code, said in meanings.items())
