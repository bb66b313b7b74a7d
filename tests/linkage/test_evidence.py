"""People of whom several tables tell: aliases, addresses and numbers that stand apart."""

from datetime import date

import pytest
from made_identities import EDITION, pnc

from datafirst_platform import tables
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.models import LEVELS
from datafirst_platform.linkage.publishing import table_key

ROOT, OTHER_ROOT = f"{1:032x}", f"{2:032x}"
NAME = {
    "first_name": "ROWAN",
    "last_name": "TREVANION",
    "birth_date": date(1979, 11, 23),
    "sex_code": "M",
}
ALIAS = {
    "first_name": "MARCUS",
    "last_name": "OYELARAN",
    "birth_date": date(1981, 2, 4),
    "sex_code": "M",
}
USER = {
    "first_name": "ROWAN",
    "surname": "TREVANION",
    "date_of_birth": date(1979, 11, 23),
    "gender": "M",
}
CROWD = 40


def strangers(fields):
    """Records of people who are nobody's kin, so that names have frequencies."""
    forename, surname, born, sex = fields
    return [
        {
            forename: ("PETER", "GRAHAM", "DEREK", "NIGEL", "COLIN")[number % 5],
            surname: ("SMITH", "TURNBULL", "OKAFOR", "PATEL", "LLEWELLYN")[number // 5 % 5],
            born: date(1940 + number, 1 + number % 12, 1 + number % 28),
            sex: "M",
        }
        for number in range(CROWD)
    ]


@pytest.fixture
def prison(settings, publish_identities, rows):
    """Link prisoners' names with what stands in the table of identifiers: people by record."""

    def run(names, identifiers=()):
        crowd = [
            {**each, "root_offender_key": f"{1000 + at:032x}"}
            for at, each in enumerate(
                strangers(("first_name", "last_name", "birth_date", "sex_code"))
            )
        ]
        publish_identities("nomis_offenders", [*names, *crowd])
        publish_identities("nomis_identifiers", identifiers)
        linked = link_dataset(settings, EDITION, "prison")
        people = {row["record_key"]: row for row in rows(linked.tables["people"])}
        return [people[f"{number:032x}"] for number in range(len(names))]

    return run


@pytest.fixture
def probation(settings, publish_identities, rows):
    """Link people under supervision with their aliases and addresses: people by record."""

    def run(users, aliases=(), addresses=()):
        crowd = strangers(("first_name", "surname", "date_of_birth", "gender"))
        publish_identities("delius_offenders", [*users, *crowd])
        publish_identities("delius_aliases", aliases)
        publish_identities("delius_addresses", addresses)
        linked = link_dataset(settings, EDITION, "probation")
        people = {row["record_key"]: row for row in rows(linked.tables["people"])}
        return [people[f"{number:032x}"] for number in range(len(users))]

    return run


def together(one, other, level="medium"):
    return one[f"person_{level}"] == other[f"person_{level}"]


def test_names_under_one_root_are_one_person_however_unlike(prison):
    one, other = prison([{**NAME, "root_offender_key": ROOT}, {**ALIAS, "root_offender_key": ROOT}])
    assert all(together(one, other, level) for level in LEVELS)


def test_two_roots_with_nothing_in_common_stay_apart(prison):
    one, other = prison(
        [{**NAME, "root_offender_key": ROOT}, {**ALIAS, "root_offender_key": OTHER_ROOT}]
    )
    assert not together(one, other, "low")


def test_a_new_root_under_the_alias_is_the_same_person(prison):
    people = prison(
        [
            {**NAME, "root_offender_key": ROOT},
            {**ALIAS, "root_offender_key": ROOT, "first_name": "MARCUS", "middle_name": "IDRIS"},
            {**ALIAS, "root_offender_key": OTHER_ROOT, "middle_name": "IDRIS"},
        ]
    )
    assert together(people[0], people[2])


def test_a_police_number_of_the_root_is_one_of_all_its_names(prison):
    number = {"identifier_type": "PNC", "identifier": pnc(2004, 55_012)}
    names = [
        {**NAME, "root_offender_key": ROOT},
        {**ALIAS, "root_offender_key": OTHER_ROOT, "birth_date": date(1979, 11, 23)},
    ]
    apart = prison(names)
    assert not together(*apart)
    one, other = prison(
        names,
        [
            {"nomis_offenders_key": f"{0:032x}", **number},
            {"nomis_offenders_key": f"{1:032x}", **number},
        ],
    )
    assert together(one, other)


def test_a_number_of_another_register_is_no_police_number(prison):
    number = {"identifier_type": "NINO", "identifier": pnc(2004, 55_012)}
    one, other = prison(
        [{**NAME, "root_offender_key": ROOT}, {**ALIAS, "root_offender_key": OTHER_ROOT}],
        [
            {"nomis_offenders_key": f"{0:032x}", **number},
            {"nomis_offenders_key": f"{1:032x}", **number},
        ],
    )
    assert not together(one, other, "low")


def test_an_alias_links_where_the_name_does_not(probation):
    married = {**USER, "surname": "FAIRWEATHER"}
    address = {"postcode": "LS6 2AB"}
    alone = probation([USER, married])
    assert not together(*alone, "high")
    one, other = probation(
        [USER, married],
        aliases=[{"delius_offenders_key": f"{1:032x}", "surname": "TREVANION"}],
        addresses=[{"delius_offenders_key": f"{n:032x}", **address} for n in (0, 1)],
    )
    assert together(one, other)


def test_a_previous_surname_links_where_the_name_does_not(probation):
    married = {**USER, "surname": "FAIRWEATHER", "previous_surname": "TREVANION"}
    place = [{"delius_offenders_key": f"{n:032x}", "postcode": "LS6 2AB"} for n in (0, 1)]
    one, other = probation([USER, married], addresses=place)
    assert together(one, other, "high")


def test_a_former_address_is_as_good_as_the_present_one(settings, probation, rows):
    def weight(homes):
        addresses = [
            *({"delius_offenders_key": f"{0:032x}", "postcode": each} for each in homes),
            {"delius_offenders_key": f"{1:032x}", "postcode": "CF10 3AT"},
        ]
        probation([USER, {**USER, "second_name": "IDRIS"}], addresses=addresses)
        edges = tables.require(settings, table_key("probation", "edges"), EDITION)
        (edge,) = rows(edges)
        return edge["match_weight"]

    assert weight(["LS6 2AB", "CF10 3AT"]) > weight(["LS6 2AB"])
