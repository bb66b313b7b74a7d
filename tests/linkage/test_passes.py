"""Pupils and offenders, linked by ordered passes: who, in which pass, and who is left."""

from datetime import date

import pytest
from made_identities import EDITION, pnc

from datafirst_platform.linkage.passes import link_passes
from datafirst_platform.safe_errors import NotReady

TOM = {
    "surname": "WOLSTENHOLME",
    "forename": "THOMAS",
    "middle_name": "REX",
    "date_of_birth": date(1997, 7, 19),
    "gender": "M",
    "postcode": "LS6 2AB",
}


def subject(**changes):
    """Tom as the police know him."""
    police = {
        "surname": TOM["surname"],
        "forename1": TOM["forename"],
        "forename2": TOM["middle_name"],
        "date_of_birth": TOM["date_of_birth"],
        "sex": "M",
        "postcode": TOM["postcode"],
    }
    return police | changes


@pytest.fixture
def link(settings, publish_identities, rows):
    """Link pupils (each a list of years) with subjects: pairs of their numbers by pass; counts."""

    def run(pupils, subjects, aliases=()):
        years = [
            {"pupil_matching_ref_key": f"{number:032x}", **year}
            for number, years in enumerate(pupils)
            for year in years
        ]
        publish_identities("npd_census", years)
        publish_identities("pnc_subjects", subjects)
        publish_identities(
            "pnc_aliases",
            [{"pnc_subjects_key": f"{of:032x}", **alias} for of, alias in aliases],
        )
        linked = link_passes(settings, EDITION, "moj_dfe")
        found = {
            (int(row["pupil_matching_ref_key"], 16), int(row["pnc_subjects_key"], 16)): row[
                "pass_number"
            ]
            for row in rows(linked.tables["links"])
        }
        return found, linked.counts

    return run


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({}, 1),
        ({"postcode": "LS6 9ZZ"}, 2),
        ({"surname": "Wolstenholm", "forename1": "Tom"}, 3),
        ({"surname": "HARGREAVES"}, 4),
        ({"forename1": "REX", "forename2": None}, 5),
        ({"surname": "THOMAS", "forename1": "WOLSTENHOLME", "postcode": "LS6 9ZZ"}, 6),
        ({"date_of_birth": date(1997, 7, 9)}, 7),
        ({"surname": "WOLSTENHOLM", "postcode": "LS6 9ZZ"}, 8),
        ({"postcode": None}, 9),
        ({"surname": "WOLSTENHOLM", "postcode": None}, 10),
        ({"forename1": "WALTER", "postcode": None}, None),
        ({"date_of_birth": date(1999, 7, 9), "postcode": None}, None),
    ],
)
def test_the_strictest_pass_that_holds_links(link, changes, number):
    found, counts = link([[TOM]], [subject(**changes)])
    assert found == ({} if number is None else {(0, 0): number})
    assert counts["unlinked", "npd"] == counts["unlinked", "pnc"] == (number is None)


# What makes a subject somebody else to a pass, or of a later one: the inward code, and years, month
# and day of birth, in place of Tom's; the pass that links all the same.
OVERLOOKED = [
    ({"sex": "U"}, 3),
    ({"sex": "U", "postcode": "9ZZ"}, 6),
    ({"date_of_birth": (0, 8, 19)}, 7),
    ({"date_of_birth": (1, 7, 19)}, 7),
    ({"surname": "HARGREAVES", "postcode": "9ZZ"}, None),
    ({"surname": "HARGREAVES", "postcode": None}, None),
    ({"surname": "HARGREAVES", "sex": "F"}, None),
    ({"surname": "HARGREAVES", "date_of_birth": (0, 7, 9)}, None),
    ({"surname": "WOLSTENHOLM", "sex": "F"}, None),
    ({"surname": "WOLSTENHOLM", "sex": "F", "postcode": "9ZZ"}, None),
    ({"surname": "WOLSTENHOLM", "sex": "F", "postcode": None}, None),
    ({"surname": "WOLSTENHOLM", "forename2": "ALBERT", "postcode": "9ZZ"}, None),
    ({"surname": "WOLSTENHOLM", "forename2": None, "postcode": None}, None),
    ({"surname": "THOMAS", "forename1": "WALTER", "postcode": "9ZZ"}, None),
    ({"surname": "THOMAS", "forename1": "WOLSTENHOLME", "postcode": None}, None),
    ({"surname": "THOMAS", "forename1": "WOLSTENHOLME", "postcode": "9ZZ", "sex": "F"}, None),
    ({"surname": "HARGREAVES", "forename1": "WALTER"}, None),
    ({"forename1": "WALTER", "postcode": "9ZZ"}, None),
    ({"forename1": "WALTER", "sex": "U"}, None),
    ({"forename1": "WALTER", "forename2": "ALBERT"}, None),
    ({"forename1": "WALTER", "date_of_birth": (0, 7, 9)}, None),
    ({"date_of_birth": (40, 3, 9)}, None),
    ({"date_of_birth": (40, 3, 9), "postcode": "9ZZ"}, None),
    ({"date_of_birth": (0, 7, 9), "postcode": "9ZZ"}, None),
    ({"date_of_birth": (0, 7, 9), "sex": "F"}, None),
    ({"date_of_birth": (0, 7, 9), "forename2": "ALBERT"}, None),
]


def test_each_part_of_a_pass_is_asked_for(link):
    pupils, subjects = [], []
    for number, (changes, _) in enumerate(OVERLOOKED):
        # Nobody shares a district or a day of birth with another Tom.
        changes = {"date_of_birth": (0, 7, 19), "postcode": "2AB", **changes}
        years, month, day = changes["date_of_birth"]
        lives, born = f"LS{number + 10}", 1900 + number
        inward = changes["postcode"]
        pupils.append([{**TOM, "postcode": f"{lives} 2AB", "date_of_birth": date(born, 7, 19)}])
        changes |= {"date_of_birth": date(born + years, month, day)}
        subjects.append(subject(**changes) | {"postcode": inward and f"{lives} {inward}"})
    found, _ = link(pupils, subjects)
    expected = {
        (number, number): found_by
        for number, (_, found_by) in enumerate(OVERLOOKED)
        if found_by is not None
    }
    assert found == expected


def test_day_and_month_may_be_swapped(link):
    found, _ = link(
        [[TOM | {"date_of_birth": date(1997, 7, 5)}]], [subject(date_of_birth=date(1997, 5, 7))]
    )
    assert found == {(0, 0): 7}


def test_a_name_of_one_year_and_a_postcode_of_another_agree(link):
    before = TOM | {"surname": "WOLSTENHLOME", "postcode": "LS6 2AB"}
    after = TOM | {"postcode": "EX4 4QJ"}
    assert link([[before, after]], [subject()])[0] == {(0, 0): 1}


def test_former_surnames_and_aliases_are_names_like_others(link):
    changed = TOM | {"surname": "HARGREAVES", "former_surname": "WOLSTENHOLME", "postcode": None}
    alias = {"surname": "Wolstenholme", "forename1": "Thomas", "date_of_birth": None}
    found, _ = link(
        [[changed], [TOM | {"date_of_birth": date(1998, 1, 4)}]],
        [subject(), subject(surname="SMITH", forename1="X", date_of_birth=date(1998, 1, 4))],
        [(1, alias)],
    )
    assert found == {(0, 0): 9, (1, 1): 1}


def test_a_pass_takes_only_those_no_earlier_one_linked(link):
    # The brother agrees with the subject in pass 5; the subject is linked by then.
    brother = TOM | {"forename": "GEORGE", "middle_name": None}
    found, counts = link([[brother], [TOM]], [subject()])
    assert found == {(1, 0): 1}
    assert counts["ambiguous", "5"] == 0


def test_what_is_ambiguous_is_left_and_counted(link):
    # Two namesakes of one day without a postcode; in pass 10 a middle name tells one of them.
    anon = TOM | {"postcode": None, "middle_name": None}
    found, counts = link([[anon], [anon | {"middle_name": "REX"}]], [subject(postcode=None)])
    assert found == {(1, 0): 10}
    assert (counts["ambiguous", "9"], counts["linked", "10"]) == (2, 1)
    assert (counts["people", "npd"], counts["people", "pnc"]) == (2, 1)
    assert (counts["unlinked", "npd"], counts["unlinked", "pnc"]) == (1, 0)


def test_what_is_known_to_differ_does_not_link(link):
    apart = subject(postcode=None, forename2="ALBERT")
    assert link([[TOM]], [apart])[0] == {}
    assert link([[TOM]], [subject(postcode=None, sex="F")])[0] == {}


def test_what_is_missing_may_link(link):
    found, _ = link([[TOM | {"middle_name": None}]], [subject(postcode=None, sex="U")])
    assert found == {(0, 0): 9}


def test_subjects_that_nothing_tells_apart_are_one_and_the_first_stands(link):
    number = pnc(2012, 55)
    found, counts = link([[TOM]], [subject(pnc_id=number), subject(pnc_id=number)])
    assert found == {(0, 0): 1}
    assert (counts["records", ""], counts["people", "pnc"]) == (3, 1)


def test_the_same_records_are_not_linked_twice(link, settings):
    link([[TOM]], [subject()])
    first = link_passes(settings, EDITION, "moj_dfe")
    assert link_passes(settings, EDITION, "moj_dfe").tables == first.tables
    assert first.counts["linked", "1"] == 1


def test_without_records_it_says_so(settings):
    with pytest.raises(NotReady, match="identities/npd_census"):
        link_passes(settings, EDITION, "moj_dfe")
