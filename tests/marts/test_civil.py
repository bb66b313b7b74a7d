"""Civil courts: real dbt on made-up rows, its unit tests and data tests with it."""

import json
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from made_up_rows import EDITION, key, publish_supply, source_columns

from datafirst_platform.marts.build import Build
from datafirst_platform.settings import Settings

MARTS = {"civil_cases", "civil_events", "civil_parties"}


def claim(label, **given):
    return {
        "record_key": key(label),
        "case_number_key": key(f"number of {label}"),
        "system": "CASEMAN",
        "claim_type": "SPEC",
        "court_code": "101",
        "issue_date": "2018-01-10",
    } | given


def party(label, on, role, **given):
    return {
        "record_key": key(label),
        "caseman_cases_key": key(on),
        "party_key": key(f"number of {label}"),
        "role": role,
        "is_company": "N",
        "represented": "N",
    } | given


def event(label, on, kind, day, **given):
    return {
        "record_key": key(label),
        "caseman_cases_key": key(on),
        "event_key": key(f"number of {label}"),
        "event_type": kind,
        "event_date": day,
    } | given


def people(**person_of):
    """Parties, each with the label of the person they are taken to be at the middle threshold."""
    return [
        {
            "record_key": key(label.replace("_", " ")),
            "person_high": key(label.replace("_", " ")),
            "person_medium": key(person),
            "person_low": key(person),
        }
        for label, person in person_of.items()
    ]


COMPANY = {"is_company": "Y", "represented": "Y"}

SUPPLY = {
    "extracts/caseman_cases": [
        claim("debt", amount_claimed="1500.50", court_code="335"),
        claim(
            "rent",
            system="PCOL",
            claim_type="POSSL",
            track="FT",
            issue_date="2019-02-01",
            closed_date="2019-12-01",
        ),
        claim("crash", claim_type="UNSPEC", court_code="999", track="SCT"),
        claim("forgotten"),
    ],
    "extracts/caseman_parties": [
        party("lender", "debt", "C", **COMPANY, lsoa_residence="E01000001"),
        party("ann", "debt", "D", birth_year=1980, lsoa_residence="W01000002"),
        party("landlord", "rent", "C", represented="Y"),
        party("ann again", "rent", "D", birth_year=1980),
        party("bob", "rent", "D", birth_year=1899),
        party("driver", "crash", "C", represented="Y"),
        party("shop", "crash", "D", is_company="Y"),
    ],
    "extracts/caseman_events": [
        event("debt issued", "debt", "ISSUE", "2018-01-10"),
        event("debt decided", "debt", "JDEF", "2018-02-14", amount="1600.00"),
        event("debt undone", "debt", "SETASIDE", "2018-03-01"),
        event("debt defended", "debt", "DEFENCE", "2018-03-20"),
        event("debt heard", "debt", "TRIAL", "2018-07-02", outcome_code="JUDG"),
        event("debt decided anew", "debt", "JHEAR", "2018-07-02", amount="900.00"),
        event("rent issued", "rent", "ISSUE", "2019-02-01"),
        event("rent decided", "rent", "PSUSP", "2019-03-01", amount="2100.00"),
        event("first warrant", "rent", "WPOSS", "2019-06-01", outcome_code="WSUSP"),
        event("second warrant", "rent", "WPOSS", "2019-08-01", outcome_code="WEXEC"),
        event("third warrant", "rent", "WCON", "2019-05-20", outcome_code="WNOGOODS"),
        event("rent over", "rent", "REPOSS", "2019-08-15"),
        event("crash issued", "crash", "ISSUE", "2018-01-10"),
        event("crash settled", "crash", "SETTLED", "2018-04-01"),
    ],
    "linkage/civil_people": people(
        ann="ann", ann_again="ann", bob="bob", landlord="landlord", driver="driver"
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Rows of each mart by its key, once every test of dbt's has passed; and those tests."""
    folder = tmp_path_factory.mktemp("civil")
    settings = Settings(folder / "home", folder / "keys", threads=2, memory_gib=1.0).prepare()
    publish_supply(settings, {str(each): () for each in source_columns()} | SUPPLY)
    build = Build.of(settings, EDITION)
    build.clear()
    command = ["build"]
    command += ["--select", "+path:models/marts/civil"]
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


def test_judgments_parties_and_warrants_pass_their_unit_tests(built):
    passed = {each.split(".")[-1] for each in built[1] if each.startswith("unit_test.")}
    assert passed >= {
        "the_first_judgment_counts",
        "a_litigant_in_person_is_a_person_without_a_lawyer",
        "companies_and_litigants_in_person_are_told_by_side",
        "several_warrants_are_counted_and_the_first_is_dated",
        "days_to_judgment_run_from_issue",
    }


def test_every_claim_party_and_event_is_there_once(marts):
    for mart in MARTS:
        supplied = SUPPLY[f"extracts/{mart.replace('civil', 'caseman')}"]
        assert set(marts[mart]) == {row["record_key"] for row in supplied}


def test_a_claim_tells_of_its_first_judgment_though_it_was_set_aside(marts):
    debt = marts["civil_cases"][key("debt")]
    assert told(debt, "first_judgment_date", "first_judgment_type", "first_judgment_amount") == (
        date(2018, 2, 14),
        "By default",
        Decimal("1600.00"),
    )
    assert told(debt, "days_to_judgment", "judgment_count", "has_judgment_set_aside") == (
        35,
        2,
        True,
    )
    assert told(debt, "is_defended", "hearing_count", "first_hearing_date") == (
        True,
        1,
        date(2018, 7, 2),
    )
    first = {
        label: marts["civil_events"][key(label)]["is_first_judgment"]
        for label in ("debt decided", "debt decided anew", "debt heard", "rent decided")
    }
    assert [label for label, is_first in first.items() if is_first] == [
        "debt decided",
        "rent decided",
    ]


def test_an_order_for_possession_is_the_judgment_of_its_claim(marts):
    rent = marts["civil_cases"][key("rent")]
    assert told(rent, "claim_group", "first_judgment_type", "days_to_judgment") == (
        "Possession",
        "Suspended possession order",
        28,
    )


def test_several_warrants_are_counted_and_the_first_is_dated(marts):
    columns = ("has_warrant", "warrant_count", "first_warrant_date", "has_repossession")
    rent, debt = (marts["civil_cases"][key(each)] for each in ("rent", "debt"))
    assert told(rent, *columns) == (True, 3, date(2019, 5, 20), True)
    assert told(debt, *columns) == (False, 0, None, False)


def test_companies_and_litigants_in_person_are_told_apart(marts):
    columns = (
        *("claimant_count", "defendant_count", "has_company_claimant", "has_company_defendant"),
        *("has_litigant_in_person", "representation"),
    )
    found = {
        label: told(marts["civil_cases"][key(label)], *columns)
        for label in ("debt", "rent", "crash", "forgotten")
    }
    assert found == {
        "debt": (1, 1, True, False, True, "Claimant only"),
        "rent": (1, 2, False, False, True, "Claimant only"),
        # A shop without a lawyer is no litigant in person.
        "crash": (1, 1, False, True, False, "Claimant only"),
        "forgotten": (0, 0, False, False, False, "Neither"),
    }
    columns = ("is_organisation", "is_represented", "is_litigant_in_person")
    assert told(marts["civil_parties"][key("shop")], *columns) == (True, False, False)
    assert told(marts["civil_parties"][key("ann")], *columns) == (False, False, True)


def test_a_claim_without_a_judgment_stays_without(marts):
    assert told(
        marts["civil_cases"][key("crash")],
        "first_judgment_date",
        "first_judgment_type",
        "days_to_judgment",
        "judgment_count",
    ) == (None, None, None, 0)


def test_people_are_followed_over_claims_and_companies_are_not(marts):
    found = {label: marts["civil_parties"][key(label)] for label in ("ann", "ann again", "lender")}
    assert found["ann"]["estimated_party_id"] == found["ann again"]["estimated_party_id"]
    assert found["ann"]["party_id_hash"] != found["ann again"]["party_id_hash"]
    assert found["lender"]["estimated_party_id"] is None
    assert found["lender"]["lsoa_residence"] == "E01000001"


def test_age_is_that_of_the_year_of_issue_where_it_can_be(marts):
    ages = {"ann": 38, "ann again": 39, "bob": None, "landlord": None}
    found = {each: marts["civil_parties"][key(each)]["age_in_year_of_issue"] for each in ages}
    assert found == ages


def test_codes_are_told_in_words_and_an_unknown_court_stays(marts):
    columns = ("system_desc", "claim_type_desc", "court_name", "court_region", "track_desc")
    rent, debt, crash = (marts["civil_cases"][key(each)] for each in ("rent", "debt", "crash"))
    assert told(rent, *columns) == (
        "Possession Claim Online",
        "Possession claim by a landlord",
        "County Court at Central London",
        "London",
        "Fast track",
    )
    assert told(debt, "court_name", "court_region", "amount_claimed") == (
        "County Court Business Centre",
        "National",
        Decimal("1500.50"),
    )
    assert told(crash, "court_code", "court_name", "court_region") == ("999", None, "Not known")
    warrant = marts["civil_events"][key("second warrant")]
    assert told(warrant, "event_type_desc", "event_class", "outcome_desc", "days_since_issue") == (
        "Warrant of possession",
        "Warrant",
        "Executed, possession or goods given",
        181,
    )
