"""People before family and civil courts, of whom dates of birth or addresses are often missing."""

from datetime import date

import pytest
from made_identities import EDITION, pnc

from datafirst_platform.linkage.linking import link_across, link_dataset
from datafirst_platform.linkage.models import LEVELS, linkage_model
from datafirst_platform.linkage.records import tables_of

FORENAMES = ("Peter", "Graham", "Derek", "Nigel", "Colin", "Amira", "Joan", "Bethan")
SURNAMES = ("Smith", "Turnbull", "Okafor", "Patel", "Llewellyn", "Doyle", "Kovacs")
STRANGERS = [(forename, surname) for forename in FORENAMES for surname in SURNAMES]
"""So that names have frequencies."""

CHILD = {
    "person_given_first_name": "Rowan",
    "person_family_name": "Trevanion",
    "gender": "M",
    "is_company": "0",
}
MOTHER = {**CHILD, "person_given_first_name": "Marianne", "person_family_name": "Oyelaran"}
FATHER = {**CHILD, "person_given_first_name": "Jolyon"}
TENANT = {
    "first_name": "ROWAN",
    "surname": "TREVANION",
    "address_line_1": "14 Harbour Street",
    "postcode": "TR11 3AB",
    "is_company": "N",
}


def together(people, level="medium"):
    return len({each[f"person_{level}"] for each in people}) == 1


def apart(people):
    return len({each["person_low"] for each in people}) == len(people)


@pytest.fixture
def family(settings, publish_identities, rows):
    """Link parties by the cases they stand in, given as lists of parties; people by party."""

    def run(*cases):
        crowd = [
            {
                "person_given_first_name": forename,
                "person_family_name": surname,
                "dob": date(1950 + number, 1 + number % 12, 1 + number % 28),
                "postcode": f"B{number % 9 + 1} {number % 9}AA",
                "is_company": "0",
            }
            for number, (forename, surname) in enumerate(STRANGERS)
        ]
        parties = [party for case in cases for party in case] + crowd
        publish_identities(
            "familyman_parties",
            [{**party, "party_key": f"{number:032x}"} for number, party in enumerate(parties)],
        )
        held = [case for case, parts in enumerate(cases) for _ in parts]
        publish_identities(
            "familyman_roles",
            [
                {"familyman_cases_key": f"{case:032x}", "party_key": f"{number:032x}"}
                for number, case in enumerate(held)
            ],
        )
        linked = link_dataset(settings, EDITION, "family")
        people = {row["record_key"]: row for row in rows(linked.tables["people"])}
        return [people.get(f"{number:032x}") for number in range(len(held))]

    return run


@pytest.fixture
def civil(settings, publish_identities, rows):
    """Link parties to claims: people by party."""

    def run(*parties):
        crowd = [
            {
                "first_name": forename,
                "surname": surname,
                "address_line_1": f"{number} Station Road",
                "postcode": f"B{number % 9 + 1} {number % 9}AA",
                "is_company": "N",
            }
            for number, (forename, surname) in enumerate(STRANGERS)
        ]
        publish_identities("caseman_parties", [*parties, *crowd])
        linked = link_dataset(settings, EDITION, "civil")
        people = {row["record_key"]: row for row in rows(linked.tables["people"])}
        return [people.get(f"{number:032x}") for number in range(len(parties))]

    return run


def test_a_name_alone_is_not_enough_and_who_stands_beside_it_is(family):
    assert not together(family([CHILD], [CHILD]))
    first, _, again, _ = family([CHILD, MOTHER], [CHILD, MOTHER])
    assert together([first, again])


def test_other_people_beside_the_same_name_do_not_link(family):
    neighbour = {**MOTHER, "person_given_first_name": "Sunniva", "person_family_name": "Achebe"}
    first, _, again, _ = family([CHILD, MOTHER], [CHILD, neighbour])
    assert not together([first, again])


def test_parties_of_one_case_are_different_people_however_alike(family):
    home = {"postcode": "TR11 3AB"}
    assert apart(family([{**CHILD, **home}, {**CHILD, **home}]))


def test_siblings_stay_apart_though_the_same_people_stand_beside_them(family):
    home = {"postcode": "TR11 3AB"}
    sibling = {**CHILD, "person_given_first_name": "Bethany"}
    cases = [{**CHILD, **home}, MOTHER, FATHER], [{**sibling, **home}, MOTHER, FATHER]
    people = family(*cases)
    assert apart([people[0], people[3]])
    assert together([people[1], people[4]])


def test_a_child_not_named_yet_is_found_by_its_birth_and_its_mother(family):
    born = {"dob": date(2018, 7, 19)}
    newborn = {**CHILD, **born, "person_given_first_name": "Baby"}
    first, _, again, _ = family([newborn, MOTHER], [{**CHILD, **born}, MOTHER])
    assert together([first, again])


def test_a_claim_finds_the_person_by_name_and_address_without_a_date_of_birth(civil):
    assert together(civil(TENANT, TENANT), level="high")
    assert together(civil(TENANT, {**TENANT, "address_line_1": "14 HARBUOR STREET"}), level="high")
    assert together(civil(TENANT, {**TENANT, "postcode": None}), level="high")
    assert together(civil(TENANT, {**TENANT, "first_name": "R"}))


def test_who_shares_a_home_is_not_one_person(civil):
    assert apart(civil(TENANT, {**TENANT, "first_name": "MARIANNE"}))
    assert apart(civil(TENANT, {**TENANT, "first_name": "GRAHAM", "surname": "OYELARAN"}))


def test_a_common_name_elsewhere_is_another_person(civil):
    smith = {**TENANT, "first_name": "PETER", "surname": "SMITH"}
    elsewhere = {**smith, "address_line_1": "3 The Close", "postcode": "LS6 2AB"}
    assert apart(
        civil(smith, elsewhere, *({**smith, "address_line_1": None, "postcode": None},) * 30)[:2]
    )


def test_companies_are_no_people(civil):
    firm = {"is_company": "Y", "surname": "TREVANION LTD", "postcode": "TR11 3AB"}
    assert civil(firm, firm) == [None, None]


def test_a_father_and_his_son_stay_two_people_beside_a_claim_that_fits_both(
    settings, publish_identities, rows
):
    man = {
        "defendant_type": "P",
        "first_name": "ROWAN",
        "last_name": "TREVANION",
        "sex": "M",
        "postcode": "TR11 3AB",
    }
    father = {**man, "date_of_birth": date(1961, 3, 30), "pnc_id": pnc(1985, 4711)}
    son = {**man, "date_of_birth": date(1990, 8, 2), "pnc_id": pnc(2010, 815)}
    strangers = [
        {**man, "first_name": forename, "last_name": surname, "postcode": None}
        for forename, surname in STRANGERS
    ]
    held = {
        "libra_cases": [father, son, *strangers],
        "caseman_parties": [{**TENANT, "record_key": "f" * 32}],
    }
    model = linkage_model("cross_justice")
    for table in tables_of(model):
        publish_identities(table, held.get(table, []))
    for dataset in model.members:
        link_dataset(settings, EDITION, dataset)
    people = rows(link_across(settings, EDITION, "cross_justice").tables["people"])
    found = {(row["source_dataset"], row["record_key"]): row for row in people}
    older, younger = (found["magistrates", f"{number:032x}"] for number in (0, 1))
    party = found["civil", "f" * 32]
    for level in LEVELS:
        assert older[f"person_{level}"] != younger[f"person_{level}"]
    assert party["person_low"] in (older["person_low"], younger["person_low"])
