"""From identities to people: who is linked with whom, and who must not be."""

import dataclasses
from datetime import date

import numpy as np
import pytest
from made_identities import EDITION, cro, pnc

from datafirst_platform.linkage import linking
from datafirst_platform.linkage.cases import link_cases
from datafirst_platform.linkage.linking import _in_order, link_across, link_dataset
from datafirst_platform.linkage.models import LEVELS, linkage_model
from datafirst_platform.linkage.overrides import COLUMNS, sign
from datafirst_platform.linkage.records import tables_of
from datafirst_platform.safe_errors import NotReady, PlatformError

CASE = {"defendant_type": "P", "sex": "M"}
ANNA = {
    **CASE,
    "first_name": "ANNA",
    "last_name": "WOLSTENHOLME",
    "date_of_birth": date(1984, 7, 19),
    "sex": "F",
    "postcode": "LS6 2AB",
}
BILL = {
    **CASE,
    "first_name": "WILLIAM",
    "last_name": "ARKWRIGHT",
    "date_of_birth": date(1971, 3, 30),
    "postcode": "CF10 3AT",
}
CROWD = [
    {
        **CASE,
        "first_name": forename,
        "last_name": surname,
        "date_of_birth": date(1950 + number, 1 + number % 12, 1 + number % 28),
        "postcode": f"B{number % 9 + 1} {number % 9}AA",
        "pnc_id": pnc(1990, 1000 + number),
    }
    for number, (forename, surname) in enumerate(
        (forename, surname)
        for forename in ("PETER", "GRAHAM", "DEREK", "NIGEL", "COLIN")
        for surname in ("SMITH", "TURNBULL", "OKAFOR", "PATEL", "LLEWELLYN", "DOYLE")
    )
]
"""Strangers, so that names have frequencies."""


@pytest.fixture
def link(settings, publish_identities, rows):
    """Link records of a dataset; the people of each, at every threshold."""

    def run(*records, dataset="magistrates"):
        publish_identities(linkage_model(dataset).members[0], [*records, *CROWD])
        linked = link_dataset(settings, EDITION, dataset)
        people = {row["record_key"]: row for row in rows(linked.tables["people"])}
        return [people.get(f"{number:032x}") for number in range(len(records))]

    return run


def together(people, level="medium"):
    """Whether all of them are one person."""
    return len({each[f"person_{level}"] for each in people}) == 1


def apart(people):
    """Whether no two of them are one person, even at the lenient threshold."""
    return len({each["person_low"] for each in people}) == len(people)


def test_strangers_stay_apart(link):
    assert apart(link(ANNA, BILL))


def test_a_misspelling_links(link):
    assert together(link(ANNA, {**ANNA, "last_name": "WOLSTENHOLM"}))


def test_swapped_names_link(link):
    swapped = {**ANNA, "first_name": ANNA["last_name"], "last_name": ANNA["first_name"]}
    assert together(link(ANNA, swapped))


def test_a_married_name_links_by_its_pnc(link):
    held = {"pnc_id": pnc(2004, 55)}
    married = {**ANNA, "last_name": "HARGREAVES", "postcode": "EX4 4QJ", **held}
    assert together(link({**ANNA, **held}, married))


def test_a_short_form_and_a_move_link(link):
    assert together(link(BILL, {**BILL, "first_name": "BILL", "postcode": "SW9 8EQ"}))


def test_a_day_and_month_swapped_link(link):
    swapped = {**BILL, "date_of_birth": date(1971, 4, 3)}
    assert together(link({**BILL, "date_of_birth": date(1971, 3, 4)}, swapped))


def test_twins_are_two_people(link):
    assert apart(link(BILL, {**BILL, "first_name": "GEORGE"}))
    assert apart(link(ANNA, {**ANNA, "first_name": "THEODORA"}))


def test_twins_stay_two_people_over_many_cases(link):
    twin = {**BILL, "first_name": "GEORGE"}
    others = ["CF10 3AT", "CF10 3AU", None]
    first = [{**BILL, "postcode": each} for each in others]
    second = [{**twin, "postcode": each} for each in others]
    people = link(*first, *second)
    assert together(people[:3])
    assert together(people[3:])
    assert people[0]["person_low"] != people[3]["person_low"]


def test_a_twin_with_the_same_pnc_is_one_person_under_two_names(link):
    held = {"pnc_id": pnc(1993, 77)}
    assert together(link({**BILL, **held}, {**BILL, "first_name": "GEORGE", **held}))


def test_the_same_name_and_date_of_birth_with_other_pncs_are_two_people(link):
    records = [{**BILL, "postcode": None, "pnc_id": pnc(1993, each)} for each in (77, 78)]
    assert apart(link(*records))


def test_of_two_sexes_and_ages_two_records_take_a_stronger_link(link):
    # Of one weight: a mistyped sex and year, or a brother and a sister of one name at one address.
    man = {**BILL, "first_name": "ROWAN", "forename2": "IDRIS"}
    mistyped = {**man, "sex": "F", "date_of_birth": date(1968, 3, 30)}
    sister = {**man, "sex": "F", "date_of_birth": date(1963, 3, 30)}
    assert together(link(man, mistyped), level="high")
    assert not together(link(man, sister), level="high")


def test_organisations_are_not_people(link):
    firm = {"defendant_type": "O", "organisation_name": "ARKWRIGHT LTD", "last_name": "ARKWRIGHT"}
    assert link(firm, firm) == [None, None]


@pytest.mark.parametrize(
    "junk",
    [
        {"pnc_id": "2003/0993399H"},
        {"pnc_id": "2003/0062845F"},
        {"cro_number": "000000/00Z"},
        {"date_of_birth": date(1900, 1, 1), "postcode": "NF1 1NF"},
        {"first_name": "NOT ENTERED", "last_name": "UNKNOWN", "date_of_birth": date(1970, 1, 1)},
    ],
)
def test_junk_never_links(link, junk):
    one = {**ANNA, "postcode": None, **junk}
    other = {**BILL, "postcode": None, **junk}
    assert apart(link(one, other))


def test_records_without_identifiers_are_not_collapsed(link):
    nobody = {**CASE, "first_name": "JOHN", "last_name": "SMITH"}
    assert apart(link(nobody, nobody))


def test_equal_records_are_one_person(link):
    assert together(link(ANNA, ANNA, ANNA), level="high")


def test_every_threshold_refines_the_next_and_names_are_smallest_keys(
    settings, publish_identities, rows
):
    version = publish_identities("libra_cases", [ANNA, {**ANNA, "last_name": "WOLSTON"}, *CROWD])
    linked = link_dataset(settings, EDITION, "magistrates")
    people = rows(linked.tables["people"])
    assert [row["record_key"] for row in people] == sorted(
        row["record_key"] for row in rows(version)
    )
    for stricter, looser in (("high", "medium"), ("medium", "low")):
        joined = {}
        for row in people:
            other = row[f"person_{looser}"]
            assert joined.setdefault(row[f"person_{stricter}"], other) == other
    for level in LEVELS:
        clusters = {}
        for row in people:
            clusters.setdefault(row[f"person_{level}"], []).append(row["record_key"])
        assert all(name == min(keys) for name, keys in clusters.items())
        assert linked.counts["people", level] == len(clusters)
        assert linked.counts["largest", level] == max(len(keys) for keys in clusters.values())


def test_edges_hold_keys_and_weights_only(settings, publish_identities, rows):
    publish_identities("libra_cases", [ANNA, {**ANNA, "last_name": "WOLSTENHOLM"}, *CROWD])
    linked = link_dataset(settings, EDITION, "magistrates")
    edges = linked.tables["edges"]
    assert edges.columns == (
        ("record_key_l", "VARCHAR"),
        ("record_key_r", "VARCHAR"),
        ("match_weight", "DECIMAL(6,2)"),
    )
    (edge,) = rows(edges)
    assert (edge["record_key_l"], edge["record_key_r"]) == (f"{0:032x}", f"{1:032x}")
    assert linked.counts["edges", "low"] == 1
    assert sum(value for (what, _), value in linked.counts.items() if what == "pairs") >= 1


def test_an_unchanged_linkage_is_not_run_again(settings, publish_identities, monkeypatch):
    publish_identities("libra_cases", [ANNA, BILL, *CROWD])
    first = link_dataset(settings, EDITION, "magistrates")

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(linking, "prepare", never)
    assert link_dataset(settings, EDITION, "magistrates") == first


def test_one_thread_and_two_give_the_same_bytes(settings, publish_identities, monkeypatch):
    misspelt = [{**each, "last_name": each["last_name"][:-1] + "X"} for each in CROWD]
    publish_identities("libra_cases", [*misspelt, ANNA, BILL, *CROWD])
    monkeypatch.setattr(linking, "standing", lambda *_: None)
    versions = []
    for threads in (1, 2, 2):
        made = link_dataset(dataclasses.replace(settings, threads=threads), EDITION, "magistrates")
        versions.append({part: table.version for part, table in made.tables.items()})
    assert versions[0] == versions[1] == versions[2]


def test_identities_have_to_be_there(settings):
    with pytest.raises(NotReady, match="identities/libra_cases of edition 2025"):
        link_dataset(settings, EDITION, "magistrates")


def test_an_empty_dataset_links_to_nobody(settings, publish_identities):
    publish_identities("xhibit_defendants_on_case", [])
    linked = link_dataset(settings, EDITION, "crown")
    assert linked.tables["people"].rows == linked.tables["edges"].rows == 0


def test_a_failure_shows_no_value(settings, publish_identities, monkeypatch):
    publish_identities("libra_cases", [ANNA, BILL])
    broken = "select 'WOLSTENHOLME'::integer as number"
    monkeypatch.setattr(linking, "_QUERIES", {"edges": broken, "people": broken})
    with pytest.raises(PlatformError) as failure:
        link_dataset(settings, EDITION, "magistrates")
    assert "WOLSTENHOLME" not in str(failure.value)
    assert failure.value.__cause__ is None


# Across the courts.

UP = {"urn": "01AB1234567", "committal_date": date(2019, 5, 6), "completion_date": date(2019, 5, 6)}
HEARD = {"first_hearing_date": date(2019, 4, 2)}
ELSEWHERE = [
    table
    for dataset in linkage_model("cross_justice").members
    if dataset not in ("magistrates", "crown")
    for table in tables_of(linkage_model(dataset))
]
"""Tables that hold nobody in these tests."""


def crown(record, **more):
    """The Crown Court's record of somebody."""
    gender = {"M": "1", "F": "2"}[record["sex"]]
    held = {"pnc_id", "cro_number", "date_of_birth", "postcode", "first_name", "asn"}
    return {
        "is_company": "N",
        "surname": record["last_name"],
        "gender": gender,
        **{column: value for column, value in record.items() if column in held},
        **more,
    }


@pytest.fixture
def link_courts(settings, publish_identities, rows):
    """Link both courts' records; the people by (dataset, number), and the linked cases."""

    def run(magistrates, crown_records):
        publish_identities("libra_cases", [*magistrates, *CROWD])
        # Keys of the two tables differ, as pseudonyms do.
        keyed = [
            {"record_key": f"f{number:031x}", **record}
            for number, record in enumerate(crown_records)
        ]
        publish_identities("xhibit_defendants_on_case", keyed)
        for table in ELSEWHERE:
            publish_identities(table, [])
        for dataset in linkage_model("cross_justice").members:
            link_dataset(settings, EDITION, dataset)
        across = link_across(settings, EDITION, "cross_justice")
        people = {
            (row["source_dataset"], int(row["record_key"][1:], 16)): row
            for row in rows(across.tables["people"])
        }
        cases = [
            (int(row["libra_cases_key"], 16), int(row["xhibit_defendants_on_case_key"][1:], 16))
            for row in rows(link_cases(settings, EDITION, "mags_crown_cases").tables["cases"])
        ]
        return people, cases

    return run


def test_both_courts_know_the_same_person(link_courts):
    people, _ = link_courts([ANNA, BILL], [crown(ANNA), crown(BILL, surname="ARKRIGHT")])
    assert len(people) == 4 + len(CROWD)
    for number in (0, 1):
        assert together([people["magistrates", number], people["crown", number]])
    assert apart([people["magistrates", 0], people["crown", 1]])


def test_a_short_pnc_in_one_court_is_the_long_one_in_the_other(link_courts):
    held = {**ANNA, "pnc_id": pnc(2003, 62845)}
    other = crown(held, surname="HARGREAVES", postcode="EX4 4QJ", pnc_id="03/62845E")
    people, _ = link_courts([held], [other])
    assert together([people["magistrates", 0], people["crown", 0]])


def test_people_of_one_court_stay_whole_across(link_courts):
    records = [ANNA, {**ANNA, "postcode": "LS6 2AC"}, {**ANNA, "first_name": "ANA"}]
    people, _ = link_courts(records, [crown(ANNA, postcode="LS6 2AC")])
    assert together([people["magistrates", number] for number in range(3)])
    assert together([people["magistrates", 0], people["crown", 0]])


def test_what_a_court_holds_for_one_cannot_be_decided_apart_across(settings, link_courts, tmp_path):
    file = tmp_path / "decisions.csv"
    row = ("never", f"{0:032x}", f"{1:032x}", "two women", "A clerk")
    file.write_text("\n".join(",".join(each) for each in (COLUMNS, row)))
    sign(settings, "cross_justice", file)
    with pytest.raises(PlatformError, match="hold apart what is one before anything is linked"):
        link_courts([ANNA, {**ANNA, "postcode": "LS6 2AC"}], [crown(ANNA)])


def test_people_of_other_records_are_not_linked_across(settings, publish_identities, link_courts):
    link_courts([ANNA], [crown(ANNA)])
    publish_identities("libra_cases", [BILL, *CROWD])
    with pytest.raises(NotReady, match="magistrates_people was linked from other records"):
        link_across(settings, EDITION, "cross_justice")


def test_a_case_that_went_up_is_found_again(link_courts):
    record = {**ANNA, **UP, **HEARD}
    other = {**ANNA, **HEARD, "urn": "01AB7654321", "completion_date": date(2019, 4, 2)}
    above = crown(
        ANNA,
        ptiurn=UP["urn"],
        date_of_committal=UP["committal_date"],
        mag_court_first_hearing_date=HEARD["first_hearing_date"],
    )
    _, cases = link_courts([other, record], [above])
    assert cases == [(1, 0)]


def test_defendants_of_one_case_keep_their_own_records(link_courts):
    below = [{**each, **UP, **HEARD} for each in (ANNA, BILL)]
    above = [
        crown(
            each,
            ptiurn=UP["urn"],
            date_of_committal=UP["committal_date"],
            mag_court_first_hearing_date=HEARD["first_hearing_date"],
        )
        for each in (BILL, ANNA)
    ]
    _, cases = link_courts(below, above)
    assert sorted(cases) == [(0, 1), (1, 0)]


def test_a_case_links_to_one_only(link_courts):
    above = crown(ANNA, ptiurn=UP["urn"], date_of_committal=UP["committal_date"])
    _, cases = link_courts([{**ANNA, **UP}, {**ANNA, **UP}], [above])
    assert cases == [(0, 0)]


def test_a_cro_alone_links_across(link_courts):
    held = {**ANNA, "cro_number": cro(123456, 4)}
    people, _ = link_courts([held], [crown(held, surname="HARGREAVES", postcode="EX4 4QJ")])
    assert together([people["magistrates", 0], people["crown", 0]])


@pytest.mark.parametrize("ids", [60, 2**31])
def test_pairs_are_put_in_order_with_and_without_room_for_one_number(ids):
    generator = np.random.default_rng(5)
    left, right = generator.integers(0, 60, (2, 500))
    weight = generator.integers(-300, 4000, 500)
    found = zip(*_in_order(left, right, weight, ids), strict=True)
    expected = sorted(zip(left, right, -weight, strict=True))
    assert [(one, other, -heavy) for one, other, heavy in found] == expected
