"""Judgement, rule by rule: what each rule of the library is for, and that nothing else does it.

Every level of every comparison has a made-up pair that falls on it and on no other, every blocking
rule a pair that it alone finds. A new rule without an example fails here.
"""

import dataclasses
from datetime import date
from itertools import chain
from math import log2

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import yaml
from made_identities import EDITION, cro

from datafirst_platform.engine import text
from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.clusters import Guard, Likelihood, Pairs, clusters
from datafirst_platform.linkage.linking import prepare
from datafirst_platform.linkage.models import (
    LIBRARY,
    TrainingSession,
    datasets,
    library_comparisons,
    linkage_model,
    splink_settings,
)
from datafirst_platform.linkage.scoring import splink_linker, thresholds_of
from datafirst_platform.linkage.standardise import CLEANED, define_macros, derive_query
from datafirst_platform.linkage.training import estimate_m, estimate_u

COLUMNS = {
    **CLEANED,
    **dict.fromkeys(("beside", "beside_kin", "cases"), "VARCHAR[]"),
    # Of cases.
    **dict.fromkeys(("urn", "asn", "initial"), "VARCHAR"),
    **dict.fromkeys(("person_high", "person_medium", "person_low"), "VARCHAR"),
    **dict.fromkeys(("left_on", "first_hearing_date"), "DATE"),
    # Of tables from elsewhere.
    **dict.fromkeys(("dob_text", "town", "number", "email", "phone"), "VARCHAR"),
}  # fmt: skip
"""What is told of a record or a case, cleaned; what follows from it is derived as ever."""

TAKEN_FOR_GRANTED = "Never"
"""The level that a comparison needs at its end and no pair reaches."""


KINDS = {"BIGINT": pa.int64(), "DATE": pa.date32(), "VARCHAR[]": pa.list_(pa.string())}
SCHEMA = pa.schema(
    {"id": pa.int32(), "member": pa.uint8()}
    | {each: KINDS.get(kind, pa.string()) for each, kind in COLUMNS.items()}
)


def told(record):
    """A record or a case with what follows from it and is no part of a standard record."""
    surname, forename, born = (record.get(each) for each in ("surname", "forename1", "dob"))
    more = {"person_low": " ".join(sorted([surname, forename]))} if surname and forename else {}
    return more | ({"dob_text": f"{born:%Y%m%d}"} if born else {}) | record


def make_tuples(connection, records, members=None):
    """Make `tuples` of records, of the members given: equal ones are none the less two."""
    rows = [
        told(each) | {"id": number, "member": members[number] if members else 0}
        for number, each in enumerate(records)
    ]
    connection.register("told", pa.Table.from_pylist(rows, schema=SCHEMA))
    query = derive_query("select * from told")
    connection.execute(f"create or replace temp table tuples as {query}")
    connection.execute("create or replace temp table nodes (id integer, node integer)")
    connection.unregister("told")


# Comparisons: which level a pair falls on.

JANUARY = date(1979, 1, 1)
BORN = date(1979, 11, 23)
TWIN = {
    "surname": "TREVANION",
    "forename1": "ROWAN",
    "dob": BORN,
    "postcode": "TR113AB",
}
CHILD = {"surname": "TREVANION", "forename1": "ROWAN", "beside": ["MARY"], "cases": ["1"]}
SIBLING = {**CHILD, "forename1": "RHIAN", "cases": ["2"]}
HOME = {"address": "14 HARBOUR STREET", "postcode": "TR113AB"}


def called(forename1, surname=None, middle_first=None, **more):
    return {"forename1": forename1, "surname": surname, "middle_first": middle_first, **more}


def of(**columns):
    return columns


# A line an example: what it is an example of, the level it falls on, and the two records.
FALLS_ON = {
    "identifiers": [
        ("both numbers", "PNC and CRO equal", of(pnc=1, cro=2), of(pnc=1, cro=2)),
        ("a second CRO file for one PNC", "PNC equal", of(pnc=1, cro=2), of(pnc=1, cro=3)),
        ("a PNC where one has no CRO", "PNC equal", of(pnc=1, cro=2), of(pnc=1)),
        ("a CRO where one has no PNC", "CRO equal", of(pnc=1, cro=2), of(cro=2)),
        ("a PNC issued anew, the CRO kept", "CRO equal", of(pnc=1, cro=2), of(pnc=4, cro=2)),
        ("other numbers", "Neither equal", of(pnc=1, cro=2), of(pnc=4, cro=3)),
        ("another PNC and no CRO", "Neither equal", of(pnc=1), of(pnc=4)),
        ("another CRO and no PNC", "Neither equal", of(cro=2), of(cro=3)),
        ("numbers of two registers", "Missing", of(pnc=1), of(cro=1)),
        ("one has no number", "Missing", of(pnc=1, cro=2), of()),
    ],
    "service_numbers": [
        ("a prison number", "NOMS number or CRN equal", of(noms="A1234BC"), of(noms="A1234BC")),
        ("a probation case", "NOMS number or CRN equal", of(crn="X123456"), of(crn="X123456")),
        ("a number after a new term", "Neither equal", of(noms="A1234BC"), of(noms="A9876BC")),
        ("another case", "Neither equal", of(crn="X123456"), of(crn="X654321")),
        ("numbers of two registers", "Missing", of(noms="A1234BC"), of(crn="X123456")),
        ("one has no number", "Missing", of(noms="A1234BC", crn="X123456"), of()),
    ],
    "surname": [
        ("the same", "Equal", called("ROWAN", "TREVANION"), called("MARK", "TREVANION")),
        ("names in the wrong fields", "Names swapped",
         called("THOMAS", "GEORGE"), called("GEORGE", "THOMAS")),
        ("a surname that is the other's forename", "Different",
         called("GEORGE", "THOMAS"), called("THOMAS", "OKAFOR")),
        ("a letter off", "Spelling variant", called(None, "AHMED"), called(None, "AHMAD")),
        ("double-barrelled", "One is part of the other",
         called(None, "FAIRWEATHER JONES"), called(None, "JONES")),
        ("a short name within another", "One is part of the other",
         called(None, "LEE"), called(None, "FAIRLEE")),
        ("two letters are in many names", "Different",
         called(None, "LI"), called(None, "WOLLIN")),
        ("a root in common", "Distant variant", called(None, "HARRIS"), called(None, "HARRY")),
        ("spelt by ear", "Distant variant", called(None, "MUHAMMAD"), called(None, "AHMAD")),
        ("some letters in common", "Different", called(None, "TREMAIN"), called(None, "TRAVIS")),
        ("no surname", "Missing", called("ROWAN", "TREVANION"), called("ROWAN")),
    ],
    "forename": [
        ("the same", "Equal", called("ROWAN"), called("ROWAN")),
        ("forename and surname alike", "Equal",
         called("THOMAS", "THOMAS"), called("THOMAS", "THOMAS")),
        ("a short form", "Short form", called("BILL"), called("WILLIAM")),
        ("two short forms", "Short form", called("BILL"), called("WILL")),
        ("a letter off", "Spelling variant", called("MARTIN"), called("MARTYN")),
        ("a letter off a short name", "Spelling variant", called("AHMED"), called("AHMAD")),
        ("called by a middle name", "Called by a middle name",
         called("ROWAN", middle_first="IDRIS"), called("IDRIS")),
        ("an initial", "Initial only", called("R"), called("ROWAN")),
        ("another initial", "Different", called("T"), called("ROWAN")),
        ("names that begin alike", "Different", called("ROWAN"), called("RHIAN")),
        ("a root in common", "Distant variant", called("GEORGE"), called("GEORGINA")),
        ("letters in common", "Distant variant", called("MARK"), called("MARIANNE")),
        ("another name", "Different", called("GEORGE"), called("ROWAN")),
        ("names in the wrong fields, counted as surname", "Missing",
         called("THOMAS", "GEORGE"), called("GEORGE", "THOMAS")),
        ("a surname that is the other's forename", "Different",
         called("GEORGE", "THOMAS"), called("THOMAS", "OKAFOR")),
        ("no forename", "Missing", called("ROWAN"), called(None)),
    ],
    "middle_names": [
        ("the same", "Equal", of(middle_first="IDRIS"), of(middle_first="IDRIS")),
        ("an initial", "Initial agrees", of(middle_first="I"), of(middle_first="IDRIS")),
        ("another initial", "Different", of(middle_first="J"), of(middle_first="IDRIS")),
        ("names that begin alike", "Different",
         of(middle_first="JOSEPH"), of(middle_first="JOSHUA")),
        ("a letter off", "Spelling variant", of(middle_first="MARIA"), of(middle_first="MARTIN")),
        ("another name", "Different", of(middle_first="IDRIS"), of(middle_first="GEORGE")),
        ("no middle name", "Missing", of(middle_first="IDRIS"), of()),
    ],
    "date_of_birth": [
        ("the same", "Equal", of(dob=BORN), of(dob=BORN)),
        ("a default date", "Equal, 1 January", of(dob=JANUARY), of(dob=JANUARY)),
        ("day and month swapped", "Day and month swapped",
         of(dob=date(1979, 4, 5)), of(dob=date(1979, 5, 4))),
        ("swapped, and of another year", "Year within one",
         of(dob=date(1979, 4, 5)), of(dob=date(1980, 5, 4))),
        ("a day that is the other's month", "Year within one",
         of(dob=date(1979, 4, 5)), of(dob=date(1979, 5, 9))),
        ("day mistyped", "Day or month differs", of(dob=BORN), of(dob=date(1979, 11, 28))),
        ("month mistyped", "Day or month differs", of(dob=BORN), of(dob=date(1979, 10, 23))),
        ("month alone in common", "Different", of(dob=BORN), of(dob=date(1985, 11, 28))),
        ("day alone in common", "Different", of(dob=BORN), of(dob=date(1985, 10, 23))),
        ("year mistyped", "Year differs", of(dob=BORN), of(dob=date(1997, 11, 23))),
        ("default dates of two years", "Different", of(dob=JANUARY), of(dob=date(1985, 1, 1))),
        ("only the year known", "Year equal and one is 1 January", of(dob=BORN), of(dob=JANUARY)),
        ("only another year known", "Different", of(dob=BORN), of(dob=date(1985, 1, 1))),
        ("an age a year off", "Year within one", of(dob=BORN), of(dob=date(1980, 4, 5))),
        ("an age two years off", "Different", of(dob=BORN), of(dob=date(1981, 4, 5))),
        ("no date of birth", "Missing", of(dob=BORN), of()),
    ],
    "postcode": [
        ("the same", "Equal", of(postcode="TR113AB"), of(postcode="TR113AB")),
        ("round the corner", "Sector equal", of(postcode="TR113AB"), of(postcode="TR113ZZ")),
        ("the same town", "Outward code equal", of(postcode="TR113AB"), of(postcode="TR119ZZ")),
        ("elsewhere", "Different", of(postcode="TR113AB"), of(postcode="LS62AB")),
        ("no fixed abode", "Missing", of(postcode="TR113AB"), of()),
    ],
    "residence": [
        ("the same", "Address and postcode equal", HOME, HOME),
        ("a slip in the address", "Address alike in one postcode, or equal in one sector",
         HOME, {**HOME, "address": "14 ARBOUR ST"}),
        ("a slip in the postcode", "Address alike in one postcode, or equal in one sector",
         HOME, {**HOME, "postcode": "TR113AD"}),
        ("a slip in both", "Sector equal",
         HOME, {"address": "14 ARBOUR ST", "postcode": "TR113AD"}),
        ("a neighbour", "Postcode equal", HOME, {**HOME, "address": "114 HARBOUR ST"}),
        ("no address", "Postcode equal", HOME, of(postcode="TR113AB")),
        ("the line in another town", "Address equal", HOME, {**HOME, "postcode": "LS62AB"}),
        ("no postcode", "Address equal", HOME, of(address="14 HARBOUR STREET")),
        ("round the corner", "Sector equal", HOME, of(postcode="TR113ZZ")),
        ("the same town", "Outward code equal", HOME, of(postcode="TR119ZZ")),
        ("elsewhere", "Different", HOME, of(postcode="LS62AB")),
        ("another line, no postcode", "Different", HOME, of(address="3 THE CLOSE")),
        ("one has an address, one a postcode", "Missing",
         of(address="14 HARBOUR STREET"), of(postcode="TR113AB")),
        ("no home known", "Missing", HOME, of()),
    ],
    "sex": [
        ("the same", "Equal", of(sex="male"), of(sex="male")),
        ("brother and sister", "Different", of(sex="male"), of(sex="female")),
        ("not stated", "Missing", of(sex="male"), of()),
    ],
    "twins": [
        ("twins", "Twins", TWIN, {**TWIN, "forename1": "RHIAN"}),
        ("twins with numbers of their own", "Twins",
         {**TWIN, "pnc": 1, "cro": 2}, {**TWIN, "forename1": "RHIAN", "pnc": 3, "cro": 4}),
        ("twins, one of a short name", "Twins", TWIN, {**TWIN, "forename1": "JO"}),
        ("one PNC: a false name", "Missing",
         {**TWIN, "pnc": 1}, {**TWIN, "forename1": "RHIAN", "pnc": 1}),
        ("one CRO: a false name", "Missing",
         {**TWIN, "cro": 1}, {**TWIN, "forename1": "RHIAN", "cro": 1}),
        ("another family of the house", "Missing",
         TWIN, {**TWIN, "forename1": "RHIAN", "surname": "OKAFOR"}),
        ("siblings", "Missing", TWIN, {**TWIN, "forename1": "RHIAN", "dob": date(1981, 2, 4)}),
        ("cousins", "Missing", TWIN, {**TWIN, "forename1": "RHIAN", "postcode": "LS62AB"}),
        ("no home known", "Missing", TWIN, {**TWIN, "forename1": "RHIAN", "postcode": None}),
        ("a short form", "Missing",
         {**TWIN, "forename1": "BILL"}, {**TWIN, "forename1": "WILLIAM"}),
        ("an initial", "Missing", TWIN, {**TWIN, "forename1": "R"}),
        ("called by a middle name", "Missing",
         TWIN, {**TWIN, "forename1": "IDRIS", "middle_first": "ROWAN"}),
        ("a spelling variant", "Missing",
         {**TWIN, "forename1": "MARK"}, {**TWIN, "forename1": "MARIANNE"}),
        ("forename not known", "Missing", TWIN, {**TWIN, "forename1": None}),
    ],
    "beside": [
        ("mother, and father of one's surname", "Of one surname, and one of another beside both",
         of(surname="DOYLE", beside=["A", "B"], beside_kin=["B"]),
         of(surname="DOYLE", beside=["A", "B"], beside_kin=["B"])),
        ("two of one's surname", "Of one surname, and two of it beside both",
         of(surname="DOYLE", beside=["A", "B"], beside_kin=["A", "B"]),
         of(surname="DOYLE", beside=["A", "B"], beside_kin=["A", "B"])),
        ("one of one's surname", "Of one surname, and one of it beside both",
         of(surname="DOYLE", beside=["A", "B"], beside_kin=["A", "B"]),
         of(surname="DOYLE", beside=["A", "C"], beside_kin=["A", "C"])),
        ("married, and the same two beside", "Of two surnames, and two names beside both",
         of(surname="DOYLE", beside=["A", "B"], beside_kin=[]),
         of(surname="PATEL", beside=["A", "B"], beside_kin=[])),
        ("married, and the same one beside", "Of two surnames, and one name beside both",
         of(surname="DOYLE", beside=["A", "B"], beside_kin=[]),
         of(surname="PATEL", beside=["A", "C"], beside_kin=[])),
        ("others beside", "None in common",
         of(surname="DOYLE", beside=["A"], beside_kin=[]),
         of(surname="DOYLE", beside=["C"], beside_kin=[])),
        ("nobody beside", "Missing",
         of(surname="DOYLE", beside=["A"], beside_kin=[]), of(surname="DOYLE")),
    ],
    "kin": [
        ("siblings with their mother", "Kin", CHILD, SIBLING),
        ("siblings, one of a short name", "Kin", CHILD, {**SIBLING, "forename1": "JO"}),
        ("two parties of one case, however alike", "Kin", CHILD, {**CHILD, "beside": ["PETER"]}),
        ("nobody in common", "Missing", CHILD, {**SIBLING, "beside": ["PETER"]}),
        ("the same child again", "Missing", CHILD, {**CHILD, "cases": ["2"]}),
        ("a short form", "Missing",
         {**CHILD, "forename1": "BILL"}, {**SIBLING, "forename1": "WILLIAM"}),
        ("an initial", "Missing", CHILD, {**SIBLING, "forename1": "R"}),
        ("called by a middle name", "Missing",
         CHILD, {**SIBLING, "forename1": "IDRIS", "middle_first": "ROWAN"}),
        ("a spelling variant", "Missing",
         {**CHILD, "forename1": "MARK"}, {**SIBLING, "forename1": "MARIANNE"}),
        ("no forename yet", "Missing", CHILD, {**SIBLING, "forename1": None}),
    ],
    "case_person": [
        ("beyond doubt", "Same at the high threshold",
         of(person_high="A", person_medium="A", person_low="A"),
         of(person_high="A", person_medium="A", person_low="A")),
        ("likely", "Same at the medium threshold",
         of(person_high="A", person_medium="A", person_low="A"),
         of(person_high="B", person_medium="A", person_low="A")),
        ("perhaps", "Same at the low threshold",
         of(person_high="A", person_medium="A", person_low="A"),
         of(person_high="B", person_medium="B", person_low="A")),
        ("the link of people missed a date", "Other person with a like name or date of birth",
         of(person_low="A", surname="DOYLE", initial="J"),
         of(person_low="B", surname="DOYLE", initial="J")),
        ("the link of people missed a name", "Other person with a like name or date of birth",
         of(person_low="A", dob=BORN), of(person_low="B", dob=BORN)),
        ("a brother among co-defendants", "Other person",
         of(person_low="A", surname="DOYLE", initial="J", dob=BORN),
         of(person_low="B", surname="DOYLE", initial="P", dob=JANUARY)),
        ("a co-defendant of one initial", "Other person",
         of(person_low="A", surname="DOYLE", initial="J"),
         of(person_low="B", surname="PATEL", initial="J")),
        ("an organisation", "Missing", of(person_low="A"), of()),
    ],
    "urn": [
        ("the police case", "Equal", of(urn="A"), of(urn="A")),
        ("another", "Different", of(urn="A"), of(urn="B")),
        ("none", "Missing", of(urn="A"), of()),
    ],
    "asn": [
        ("the arrest", "Equal", of(asn="A"), of(asn="A")),
        ("another", "Different", of(asn="A"), of(asn="B")),
        ("none", "Missing", of(asn="A"), of()),
    ],
    "last_hearing": [
        ("went up that day", "Same day",
         of(left_on=date(2019, 5, 6)), of(left_on=date(2019, 5, 6))),
        ("entered a week late", "Within a week",
         of(left_on=date(2019, 5, 6)), of(left_on=date(2019, 5, 13))),
        ("more than a week", "Within five weeks",
         of(left_on=date(2019, 5, 6)), of(left_on=date(2019, 5, 14))),
        ("five weeks", "Within five weeks",
         of(left_on=date(2019, 5, 6)), of(left_on=date(2019, 6, 10))),
        ("more than five weeks", "Further apart",
         of(left_on=date(2019, 5, 6)), of(left_on=date(2019, 6, 11))),
        ("no day", "Missing", of(left_on=date(2019, 5, 6)), of()),
    ],
    "first_hearing": [
        ("that day", "Same day",
         of(first_hearing_date=date(2019, 5, 6)), of(first_hearing_date=date(2019, 5, 6))),
        ("a week", "Within a week",
         of(first_hearing_date=date(2019, 5, 6)), of(first_hearing_date=date(2019, 5, 13))),
        ("more than a week", "Further apart",
         of(first_hearing_date=date(2019, 5, 6)), of(first_hearing_date=date(2019, 5, 14))),
        ("no day", "Missing", of(first_hearing_date=date(2019, 5, 6)), of()),
    ],
    "written_date_of_birth": [
        ("the same", "Equal", of(dob=BORN), of(dob=BORN)),
        ("day and month swapped", "Day and month swapped",
         of(dob=date(1979, 4, 5)), of(dob=date(1979, 5, 4))),
        ("swapped, and of another year", "Different",
         of(dob=date(1979, 4, 5)), of(dob=date(1980, 5, 4))),
        ("a day that is the other's month", "Two slips",
         of(dob=date(1979, 4, 5)), of(dob=date(1979, 5, 9))),
        ("a digit wrong, so that it is no date", "One slip", of(dob=BORN), of(dob_text="19791193")),
        ("two digits changed over", "One slip", of(dob=BORN), of(dob_text="19791132")),
        ("two digits wrong", "Two slips", of(dob=BORN), of(dob_text="19781193")),
        ("three digits wrong", "Different", of(dob=BORN), of(dob_text="19781194")),
        ("of one year", "Year equal", of(dob=BORN), of(dob=date(1979, 4, 5))),
        ("of another year", "Different", of(dob=BORN), of(dob=date(1985, 4, 5))),
        ("no date", "Missing", of(dob=BORN), of()),
    ],
    "place": [
        ("the same", "Address and postcode equal", HOME, HOME),
        ("a slip in the address", "Address equal or alike in one postcode or town",
         HOME, {**HOME, "address": "14 HARBOUR LANE"}),
        ("alike in one town", "Address equal or alike in one postcode or town",
         of(address="14 HARBOUR STREET", town="TRURO"),
         of(address="14 HARBOUR LANE", town="TRURO")),
        ("a neighbour", "Postcode equal", HOME, {**HOME, "address": "14A HARBOUR RD"}),
        ("the line in another town", "Address equal or alike",
         HOME, of(address="14 ARBOUR ST", postcode="LS62AB")),
        ("the line word for word in another town", "Address equal or alike",
         HOME, {**HOME, "postcode": "LS62AB"}),
        ("a like line in another town", "Different",
         HOME, of(address="114 HARBOUR ST", postcode="LS62AB")),
        ("one town", "Town equal", of(town="TRURO"), of(town="TRURO")),
        ("a slip in the postcode", "Postcode one slip away",
         of(postcode="TR113AB"), of(postcode="TR133AB")),
        ("two slips in the postcode", "Different",
         of(postcode="TR113AB"), of(postcode="TR133AD")),
        ("elsewhere", "Different", HOME, of(address="3 THE CLOSE", postcode="LS62AB")),
        ("another line, no postcode", "Different",
         of(address="3 THE CLOSE"), of(address="9 HIGH ROW")),
        ("another town", "Different", of(town="TRURO"), of(town="LEEDS")),
        ("one has an address, one a postcode", "Missing",
         of(address="14 HARBOUR STREET"), of(postcode="TR113AB")),
        ("one has a town, one a postcode", "Missing", of(town="TRURO"), of(postcode="TR113AB")),
        ("no home known", "Missing", {**HOME, "town": "TRURO"}, of()),
    ],
    "number": [
        ("the same", "Equal", of(number="10007919"), of(number="10007919")),
        ("a digit mistyped", "One slip", of(number="10007919"), of(number="10007979")),
        ("two digits mistyped", "Different", of(number="10007919"), of(number="10007977")),
        ("six digits are enough", "One slip", of(number="107919"), of(number="107979")),
        ("next in a short register", "Different", of(number="10791"), of(number="10792")),
        ("no number", "Missing", of(number="10007919"), of()),
    ],
    "email": [
        ("the same", "Equal", of(email="rowan@a.org"), of(email="rowan@a.org")),
        ("another provider", "Name of the mailbox equal",
         of(email="rowan.trevanion@a.org"), of(email="rowan.trevanion@mail.example.net")),
        ("a slip", "Spelling variant",
         of(email="rowan.trevanion@example.org"), of(email="rowan.trevor@example.org")),
        ("another mailbox of one provider", "Different",
         of(email="rowan.trevanion@example.org"), of(email="rowan.oyelaran@example.org")),
        ("no mailbox", "Missing", of(email="rowan@a.org"), of()),
    ],
    "phone": [
        ("the same", "Equal", of(phone="01872555010"), of(phone="01872555010")),
        ("a digit mistyped", "One slip", of(phone="01872555010"), of(phone="01872555070")),
        ("two digits mistyped", "Different", of(phone="01872555010"), of(phone="01872555077")),
        ("no telephone", "Missing", of(phone="01872555010"), of()),
    ],
}  # fmt: skip

EXAMPLES = [
    pytest.param(comparison, *line[1:], id=f"{comparison}: {line[0]}")
    for comparison, lines in FALLS_ON.items()
    for line in lines
]


@pytest.fixture(scope="module")
def library():
    """Every comparison of the library, as Splink's levels."""
    return library_comparisons([*FALLS_ON])


@pytest.mark.parametrize(("comparison", "label", "one", "other"), EXAMPLES)
def test_a_pair_falls_on_the_level_meant_for_it(engine, library, comparison, label, one, other):
    make_tuples(engine, [one, other])
    *stated, last = library[comparison]
    assert last["sql_condition"] == "ELSE"
    cases = " ".join(
        f"when {level['sql_condition']} then {text(level['label_for_charts'])}" for level in stated
    )
    # As Splink has it: columns of both sides, told apart by their ending.
    columns = [each[0] for each in engine.execute("describe tuples").fetchall()]
    left, right = (", ".join(f"{each} as {each}_{side}" for each in columns) for side in "lr")
    found = engine.execute(
        f"""select case {cases} else {text(last["label_for_charts"])} end
        from (select {left} from tuples), (select {right} from tuples) where id_l <> id_r"""
    ).fetchall()
    # Who is left and who is right is of no account.
    assert found == [(label,), (label,)]


def test_every_level_of_the_library_has_an_example_and_a_reason():
    library = yaml.safe_load((LIBRARY / "comparisons.yaml").read_text())
    stated = {(name, "Missing") for name in library}
    for name, comparison in library.items():
        assert comparison["reason"], name
        stated |= {(name, level["label"]) for level in comparison["levels"]}
    shown = {(name, line[1]) for name, lines in FALLS_ON.items() for line in lines}
    assert {each for each in stated if each[1] != TAKEN_FOR_GRANTED} == shown
    assert all(line[0] for line in chain(*FALLS_ON.values()))


def test_every_comparison_is_used_by_a_linkage_or_a_trial():
    used = set(chain(*(linkage_model(each).comparisons for each in datasets())))
    used |= {"written_date_of_birth", "place", "number", "email", "phone"}
    assert used == FALLS_ON.keys()


# Weights that are set, and how common a value is.

ALIKE = 400
"""People in the table that is learnt from, each there twice."""

# Comparison, level, match weight, and what it would be if it were learnt: why it is set.
WEIGHS = [
    ("identifiers", "PNC and CRO equal", 29.3, "10: the sample of pairs is full of matches"),
    ("identifiers", "PNC equal", 21.3, "10, as above"),
    ("identifiers", "CRO equal", 21.9, "10, as above"),
    ("identifiers", "Neither equal", -10.0, "-3: namesakes of one day would pass for one person"),
    ("service_numbers", "NOMS number or CRN equal", 23.1, "10, as above"),
    ("beside", "Of one surname, and one of another beside both", 7.1, "10: by pairs of any names"),
    ("beside", "Of one surname, and two of it beside both", 8.4, "10, as above"),
    ("beside", "Of one surname, and one of it beside both", 5.1, "10, as above"),
    ("twins", "Twins", -29.9, "nothing: no session can tell twins from one person"),
    ("kin", "Kin", -29.9, "nothing, as above"),
    ("case_person", "Other person", -10.0, "-3: co-defendants share all references"),
]


def learning():
    """Records to learn from: everybody twice, with numbers, company and cases in all ways."""
    for number in range(ALIKE):
        tenth, third = number % 10, number % 3
        common = {
            "surname": f"S{number}",
            "forename1": f"F{number}",
            "dob": date(1950 + number % 50, 1 + number % 12, 1 + number % 28),
            "postcode": f"LS{number % 10}{number % 7}AB",
            "urn": f"U{number}",
        }
        for record in range(2):
            own = 10_000 * record + number
            numbers = (
                {"pnc": number, "cro": number} if tenth < 4
                else {"pnc": number, "cro": own + 5_000} if tenth < 7
                else {"pnc": own + 5_000, "cro": number} if tenth < 9
                else {"pnc": own + 5_000, "cro": own + 5_000}
            )  # fmt: skip
            known = [f"A{number}", f"B{number}"]
            company = (
                {"beside": known, "beside_kin": known[:1]} if third == 0
                else {"beside": known, "beside_kin": known} if third == 1
                else {"beside": known[record:], "beside_kin": known[record:]}
            )  # fmt: skip
            person = f"P{number if tenth < 9 else own + 5_000}"
            yield {
                **common, **numbers, **company,
                "noms": f"N{number if tenth < 9 else own + 5_000}",
                "cases": [f"C{own}"],
                "person_high": person, "person_medium": person, "person_low": person,
            }  # fmt: skip


@pytest.fixture(scope="module")
def learnt():
    """Match weight by comparison and level, learnt by Splink where the library sets none."""
    made = list(dict.fromkeys(line[0] for line in WEIGHS))
    sessions = (
        TrainingSession("names", ("surname", "forename1"), ("identifiers",), "As in the models."),
        TrainingSession("names", ("surname", "dob"), ("service_numbers",), "As in the models."),
        TrainingSession("birth", ("dob", "postcode"), ("beside",), "As in the models."),
        TrainingSession("case", ("urn",), ("case_person",), "As in the models."),
    )
    model = dataclasses.replace(
        linkage_model("family"),
        comparisons=library_comparisons(made),
        sessions=sessions,
        u_pairs=1.0e6,
    )
    with duckdb.connect() as connection:
        define_macros(connection, EDITION)
        make_tuples(connection, [*learning()])
        comparisons = estimate_u(connection, model)
        for session in sessions:
            comparisons |= estimate_m(connection, model, session, comparisons, 1)
    return {
        (name, level["label_for_charts"]): log2(
            level.get("m_probability", 1.0) / level.get("u_probability", 1.0)
        )
        for name, levels in comparisons.items()
        for level in levels
        if not level.get("is_null_level")
    }


@pytest.mark.parametrize(("comparison", "label", "weight", "otherwise"), WEIGHS)
def test_what_cannot_be_learnt_weighs_what_is_set(learnt, comparison, label, weight, otherwise):
    assert learnt[comparison, label] == pytest.approx(weight, abs=0.4), otherwise


# Comparison, level, field: the weight counts how common the value is, but not how rare below this.
COUNTS_HOW_COMMON = [
    ("surname", "Equal", "surname", 1.0e-5, "families share rare names"),
    ("forename", "Equal", "forename1", 1.0e-5, "as for the surname"),
    ("postcode", "Equal", "postcode", 2.0e-5, "households share a postcode; hostels a common one"),
    ("place", "Postcode equal", "postcode", 1.0e-4, "a table from elsewhere is small"),
    ("place", "Town equal", "town", 1.0e-3, "as above"),
]


@pytest.mark.parametrize(("comparison", "label", "field", "rarest", "why"), COUNTS_HOW_COMMON)
def test_a_rare_value_weighs_more_and_none_more_than_the_rarest(
    engine, library, comparison, label, field, rarest, why
):
    shares = {"COMMON": 0.01, "RARE": rarest, "RAREST": rarest / 100}
    make_tuples(engine, [{field: value} for value in (*shares, *shares)])
    engine.execute(f"create or replace temp table common ({field} varchar, tf_{field} double)")
    engine.executemany("insert into common values (?, ?)", [*shares.items()])
    levels = [dict(each) for each in library[comparison]]
    for level in levels[1:]:
        level |= {"m_probability": 0.5, "u_probability": 0.01}
    settings = splink_settings(
        [{"output_column_name": comparison, "comparison_levels": levels}],
        0.5,
        blocking_rules_to_generate_predictions=[f"l.{field} = r.{field}"],
    )
    with splink_linker(engine, "tuples", settings) as (linker, api):
        linker.table_management.register_term_frequency_lookup(api.register("common"), field)
        found = linker.inference.predict(warning_mode="never").physical_name
        weights = dict(
            engine.execute(
                f"select {field}, match_weight from {found} inner join tuples on id = id_l"
            ).fetchall()
        )
    assert weights["COMMON"] == pytest.approx(log2(0.5 / 0.01), abs=0.01)
    assert weights["RARE"] == pytest.approx(log2(0.5 / rarest), abs=0.01)
    assert weights["RAREST"] == pytest.approx(weights["RARE"], abs=0.01), why


def test_every_weight_that_is_set_or_counts_how_common_a_value_is_has_an_example():
    library = yaml.safe_load((LIBRARY / "comparisons.yaml").read_text())
    levels = [(name, level) for name, each in library.items() for level in each["levels"]]
    stated = {(n, e["label"]) for n, e in levels if {"m", "u"} & e.keys()}
    assert {each for each in stated if each[1] != TAKEN_FOR_GRANTED} == {
        line[:2] for line in WEIGHS
    }
    common = {(n, e["label"], e["term_frequency"]) for n, e in levels if "term_frequency" in e}
    assert common == {line[:3] for line in COUNTS_HOW_COMMON}


# Blocking: which pairs are scored.

ROWAN = {"surname": "TREVANION", "forename1": "ROWAN", "dob": BORN, "postcode": "TR113AB"}
MARK = {"surname": "OKAFOR", "forename1": "MARK", "dob": date(1985, 4, 5), "postcode": "LS62AB"}
EVERYWHERE = [
    {"surname": "TREVANION", "forename1": "ROWAN", "dob": date(1920 + number, 6, 6)}
    for number in range(30)
]
"""So many of one name that it is no evidence of its own."""
IN_TOWN = [
    {**who, "dob": date(1900 + number % 100, 7, 7), "postcode": f"TR11{number % 3}ZZ"}
    for number, who in enumerate(EVERYWHERE * 10)
]
"""So many of one name in one town."""


def without(record, *fields):
    return {field: value for field, value in record.items() if field not in fields}


@dataclasses.dataclass(frozen=True)
class Found:
    """A pair that one rule finds.

    Attributes:
        rule: of the library.
        ceiling: records that may share a key; more share a default, a hostel or a common name.
        why: what happened to the second record.
        one: a record.
        other: another, of the same person.
        where: the linkages that have to find it.
        among: others who would fill the blocks of laxer rules.
    """

    rule: str
    ceiling: int
    why: str
    one: dict
    other: dict
    where: str
    among: list = dataclasses.field(default_factory=list)


POLICE = "crown magistrates pnc prison probation cross_justice"
SMALLER = "crown pnc prison probation cross_justice family npd oasys pupils_offenders"
DATED = f"{SMALLER} magistrates"
PLACED = "crown magistrates pnc probation cross_justice family npd pupils_offenders"
FOUND = [
    Found("pnc", 500, "all else changed",
          {**ROWAN, "pnc": 1}, {**MARK, "pnc": 1}, f"{POLICE} oasys"),
    Found("cro", 500, "all else changed, no PNC", {**ROWAN, "cro": 1}, {**MARK, "cro": 1}, POLICE),
    Found("noms", 500, "all else changed, a prison number",
          {**ROWAN, "noms": "A1234BC"}, {**MARK, "noms": "A1234BC"},
          "oasys probation cross_justice"),
    Found("crn", 500, "all else changed, a probation case",
          {**ROWAN, "crn": "X123456"}, {**MARK, "crn": "X123456"}, "oasys cross_justice"),
    Found("surname_dob", 300, "moved, both names misspelt after they begin",
          ROWAN, {**ROWAN, "surname": "TREVANNON", "forename1": "RHOAN", "postcode": "LS62AB"},
          f"{SMALLER} civil"),
    Found("surname_dob", 300, "moved, misspelt, called Bill",
          {**ROWAN, "forename1": "WILLIAM"},
          {**ROWAN, "surname": "TREVANNON", "forename1": "BILL", "postcode": "LS62AB"},
          f"{SMALLER} civil"),
    Found("surname_initial_dob", 300, "moved, called Bill",
          {**ROWAN, "forename1": "WILLIAM"},
          {**ROWAN, "forename1": "BILL", "postcode": "LS62AB"}, "magistrates"),
    Found("forename_start_dob", 300, "moved, surname misspelt after it begins",
          ROWAN, {**ROWAN, "surname": "TREVANNON", "postcode": "LS62AB"}, "magistrates"),
    Found("names_dob", 300, "moved, names entered the wrong way round",
          ROWAN, {**ROWAN, "surname": "ROWAN", "forename1": "TREVANION", "postcode": "LS62AB"},
          f"{DATED} civil"),
    Found("forename_dob_place", 300, "surname changed, moved in town",
          ROWAN, {**ROWAN, "surname": "OKAFOR", "postcode": "TR119ZZ"}, PLACED),
    Found("dob_postcode", 100, "both names unlike at one address",
          ROWAN, {**ROWAN, "surname": "OKAFOR", "forename1": "MARK"}, PLACED),
    Found("names_postcode", 300, "no date of birth, a common name round the corner",
          ROWAN, {**without(ROWAN, "dob"), "postcode": "TR113ZZ"}, f"{PLACED} civil", IN_TOWN),
    Found("names_birth_month", 300, "day mistyped, a common name, moved",
          ROWAN, {**ROWAN, "dob": date(1979, 11, 28), "postcode": "LS62AB"}, SMALLER, EVERYWHERE),
    Found("names_birth_day", 300, "month mistyped, a common name, moved",
          ROWAN, {**ROWAN, "dob": date(1979, 10, 23), "postcode": "LS62AB"}, SMALLER, EVERYWHERE),
    Found("names_birthday", 300, "year mistyped, a common name, moved",
          ROWAN, {**ROWAN, "dob": date(1997, 11, 23), "postcode": "LS62AB"}, SMALLER, EVERYWHERE),
    Found("names_middle_birth_month", 300, "day mistyped, moved",
          {**ROWAN, "middle_first": "J"},
          {**ROWAN, "middle_first": "JOHN", "dob": date(1979, 11, 28), "postcode": "LS62AB"},
          "magistrates"),
    Found("names_middle_birthday", 300, "year mistyped, moved",
          {**ROWAN, "middle_first": "J"},
          {**ROWAN, "middle_first": "JOHN", "dob": date(1997, 11, 23), "postcode": "LS62AB"},
          "magistrates"),
    Found("forename_address", 300, "no date of birth, surname changed, no postcode",
          {"address": "14 HARBOUR STREET", **without(ROWAN, "dob")},
          {"address": "14 HARBOUR STREET", "forename1": "R", "surname": "OKAFOR"}, "civil"),
    Found("forename_postcode", 300, "no date of birth, surname changed, address in another way",
          {"address": "14 HARBOUR STREET", **without(ROWAN, "dob")},
          {"address": "FLAT 2", "forename1": "R", "surname": "OKAFOR", "postcode": "TR113AB"},
          "civil"),
    Found("names_area", 300, "no date of birth, names the wrong way round, moved in town",
          without(ROWAN, "dob"),
          {"surname": "ROWAN", "forename1": "TREVANION", "postcode": "TR119ZZ"},
          "civil cross_justice"),
    Found("names_rare", 20, "no date of birth, a rare name, moved",
          without(ROWAN, "dob"), {**without(ROWAN, "dob"), "postcode": "LS62AB"},
          "civil cross_justice"),
    Found("beside_surname", 100, "neither date nor postcode, forename misspelt, the same mother",
          {**without(ROWAN, "dob"), "beside": ["MARY"]},
          {"surname": "TREVANNON", "forename1": "RHOAN", "beside": ["PETER", "MARY"]}, "family"),
    Found("beside_forename", 100, "neither date nor postcode, surname changed, the same mother",
          {**without(ROWAN, "dob"), "beside": ["MARY"]},
          {"surname": "OKAFOR", "forename1": "ROWAN", "beside": ["PETER", "MARY"]}, "family"),
    Found("beside_dob", 100, "not named yet, the same mother",
          {**ROWAN, "beside": ["MARY"]}, {"dob": BORN, "beside": ["PETER", "MARY"]}, "family"),
    Found("case_urn", 200, "the police case", {"urn": "A"}, {"urn": "A"}, "mags_crown_cases"),
    Found("case_asn", 50, "no police case, the arrest",
          {"urn": "A", "asn": "A"}, {"urn": "B", "asn": "A"}, "mags_crown_cases"),
    Found("case_person_left", 50, "no reference, the day it went up",
          {"person_low": "A", "left_on": BORN, "first_hearing_date": BORN},
          {"person_low": "A", "left_on": BORN, "first_hearing_date": JANUARY}, "mags_crown_cases"),
    Found("case_person_heard", 50, "no reference, the day it was first heard",
          {"person_low": "A", "left_on": JANUARY, "first_hearing_date": BORN},
          {"person_low": "A", "left_on": BORN, "first_hearing_date": BORN}, "mags_crown_cases"),
]  # fmt: skip

# Rule, who the second record of its example would be, and that record then: of no use to score.
STRANGERS = [
    ("surname_dob", "of another surname", {"surname": "OKAFOR"}),
    ("surname_dob", "called otherwise", {"forename1": "MARK"}),
    ("surname_dob", "born on another day", {"dob": JANUARY}),
    ("surname_initial_dob", "of a surname that begins alike", {"surname": "TREVANNON"}),
    ("surname_initial_dob", "called otherwise", {"forename1": "MARK"}),
    ("surname_initial_dob", "born on another day", {"dob": JANUARY}),
    ("forename_start_dob", "of another surname", {"surname": "OKAFOR"}),
    ("forename_start_dob", "of a forename that begins alike", {"forename1": "RHOAN"}),
    ("forename_start_dob", "born on another day", {"dob": JANUARY}),
    ("names_dob", "with one name in common", {"surname": "OKAFOR"}),
    ("names_dob", "with the other name in common", {"forename1": "WINIFRED"}),
    ("names_dob", "born on another day", {"dob": JANUARY}),
    ("forename_dob_place", "called otherwise", {"forename1": "MARK"}),
    ("forename_dob_place", "born on another day", {"dob": JANUARY}),
    ("forename_dob_place", "of one forename and day, in another town", {"postcode": "LS62AB"}),
    ("dob_postcode", "born on another day", {"dob": JANUARY}),
    ("dob_postcode", "born on one day, round the corner", {"postcode": "TR113ZZ"}),
    ("names_postcode", "of another surname", {"surname": "OKAFOR"}),
    ("names_postcode", "called otherwise", {"forename1": "MARK"}),
    ("names_postcode", "a namesake across the town", {"postcode": "TR119ZZ"}),
    ("names_birth_month", "of another surname", {"surname": "OKAFOR"}),
    ("names_birth_month", "called otherwise", {"forename1": "MARK"}),
    ("names_birth_month", "born in another year", {"dob": date(1980, 11, 28)}),
    ("names_birth_month", "born in another month", {"dob": date(1979, 10, 28)}),
    ("names_birth_day", "of another surname", {"surname": "OKAFOR"}),
    ("names_birth_day", "called otherwise", {"forename1": "MARK"}),
    ("names_birth_day", "born in another year", {"dob": date(1980, 10, 23)}),
    ("names_birth_day", "born on another day", {"dob": date(1979, 10, 22)}),
    ("names_birthday", "of another surname", {"surname": "OKAFOR"}),
    ("names_birthday", "called otherwise", {"forename1": "MARK"}),
    ("names_birthday", "born in another month", {"dob": date(1997, 10, 23)}),
    ("names_birthday", "born on another day", {"dob": date(1997, 11, 22)}),
    ("names_middle_birth_month", "of another surname", {"surname": "OKAFOR"}),
    ("names_middle_birth_month", "called otherwise", {"forename1": "MARK"}),
    ("names_middle_birth_month", "of another middle name", {"middle_first": "PETER"}),
    ("names_middle_birth_month", "born in another year", {"dob": date(1980, 11, 28)}),
    ("names_middle_birth_month", "born in another month", {"dob": date(1979, 10, 28)}),
    ("names_middle_birthday", "of another surname", {"surname": "OKAFOR"}),
    ("names_middle_birthday", "called otherwise", {"forename1": "MARK"}),
    ("names_middle_birthday", "of another middle name", {"middle_first": "PETER"}),
    ("names_middle_birthday", "born in another month", {"dob": date(1997, 10, 23)}),
    ("names_middle_birthday", "born on another day", {"dob": date(1997, 11, 22)}),
    ("forename_address", "somebody else of the house", {"forename1": "MARK"}),
    ("forename_address", "of one initial, elsewhere", {"address": "3 THE CLOSE"}),
    ("forename_postcode", "a neighbour", {"forename1": "MARK"}),
    ("forename_postcode", "of one initial, round the corner", {"postcode": "TR113ZZ"}),
    ("names_area", "with one name in common", {"surname": "OKAFOR"}),
    ("names_area", "with the other name in common", {"forename1": "WINIFRED"}),
    ("names_area", "a namesake in another town", {"postcode": "LS62AB"}),
    ("names_rare", "of another surname", {"surname": "OKAFOR"}),
    ("names_rare", "called otherwise", {"forename1": "MARK"}),
    ("beside_surname", "of another surname", {"surname": "OKAFOR"}),
    ("beside_surname", "called otherwise", {"forename1": "MARK"}),
    ("beside_surname", "of one name, beside others", {"beside": ["PETER"]}),
    ("beside_forename", "a brother", {"forename1": "MARK"}),
    ("beside_forename", "of one forename, beside others", {"beside": ["PETER"]}),
    ("beside_dob", "a brother", {"dob": JANUARY}),
    ("beside_dob", "born on one day, beside others", {"beside": ["PETER"]}),
    ("case_person_left", "another defendant", {"person_low": "B"}),
    ("case_person_left", "another case of the person", {"left_on": JANUARY}),
    ("case_person_heard", "another defendant", {"person_low": "B"}),
    ("case_person_heard", "another case of the person", {"first_hearing_date": JANUARY}),
]
EXAMPLE_OF = {each.rule: each for each in reversed(FOUND)}

SEARCHED = [
    pytest.param(dataset, each, id=f"{dataset}: {each.rule}, {each.why}")
    for each in FOUND
    for dataset in each.where.split()
]


def is_found(connection, rules, members, example):
    """Whether rules pair the two records of an example, in a crowd."""
    looked_up_by_name = {"names_rare", "names_area"} & {rule.name for rule in rules}
    records = [example.one, example.other, *(example.among if looked_up_by_name else [])]
    make_tuples(connection, records, [at % members for at in range(len(records))])
    block(connection, rules, members)
    query = "select count(*) from pairs where join_key_l = 0 and join_key_r = 1"
    return bool(connection.execute(query).fetchall()[0][0])


@pytest.mark.parametrize(("dataset", "example"), SEARCHED)
def test_a_pair_is_found_and_by_no_other_rule(engine, dataset, example):
    model = linkage_model(dataset)
    members = len(model.members) if model.kind != "within" else 1
    assert is_found(engine, model.blocking, members, example), example.why
    others = [rule for rule in model.blocking if rule.name != example.rule]
    assert not is_found(engine, others, members, example)


def rule_of(example):
    """The rule of an example, as the first of its linkages has it."""
    rules = linkage_model(example.where.split()[0]).blocking
    return next(rule for rule in rules if rule.name == example.rule)


@pytest.mark.parametrize("example", EXAMPLE_OF.values(), ids=lambda example: example.rule)
def test_a_crowded_block_pairs_nobody(engine, example):
    for size, pairs in (
        (example.ceiling, example.ceiling * (example.ceiling - 1) // 2),
        (example.ceiling + 1, 0),
    ):
        make_tuples(engine, [example.one] * size)
        found, _ = block(engine, [rule_of(example)], 1)
        assert found[example.rule] == pairs


@pytest.mark.parametrize(
    ("name", "change"),
    [pytest.param(name, change, id=f"{name}: {who}") for name, who, change in STRANGERS],
)
def test_strangers_are_not_scored(engine, name, change):
    example = EXAMPLE_OF[name]
    somebody = dataclasses.replace(example, other={**example.other, **change})
    assert not is_found(engine, [rule_of(example)], 1, somebody)


def test_every_rule_of_every_linkage_has_a_pair_that_it_alone_finds():
    used = {(each, rule.name) for each in datasets() for rule in linkage_model(each).blocking}
    shown = {(dataset, each.rule) for each in FOUND for dataset in each.where.split()}
    assert used == shown
    library = yaml.safe_load((LIBRARY / "blocking.yaml").read_text())
    assert library.keys() == {each.rule for each in FOUND}
    assert all(rule["reason"] for rule in library.values())
    for name, rule in library.items():
        ways = sum(each[0] == name for each in STRANGERS)
        assert ways == (len(rule["agree_on"]) if len(rule["agree_on"]) > 1 else 0), name


# Other forms of a person: what a source tells beside the record itself.

PERSON, TOLD = f"{0:032x}", f"{1:032x}"
KNOWN_AS = {
    "probation": {"first_name": "ROWAN", "second_name": "REX", "surname": "TREVANION",
                  "date_of_birth": BORN, "gender": "M"},
    "pnc": {"forename1": "ROWAN", "forename2": "REX", "surname": "TREVANION",
            "date_of_birth": BORN, "sex": "M", "postcode": "TR11 3AB"},
    "prison": {"first_name": "ROWAN", "middle_name": "REX", "last_name": "TREVANION",
               "birth_date": BORN, "sex_code": "M", "offender_id_display": "A1234BC",
               "root_offender_key": PERSON},
    "npd": {"forename": "ROWAN", "middle_name": "REX", "surname": "TREVANION",
            "date_of_birth": BORN, "gender": "M", "postcode": "TR11 3AB",
            "pupil_matching_ref_key": PERSON},
}  # fmt: skip
OWN = {"surname": "TREVANION", "forename1": "ROWAN", "middle_first": "REX", "dob": BORN}
ITSELF = {"id": 0}
"""Of the record itself, which is known in no other form besides."""
PNC, CRO = "2003/0062845E", cro(764773, 8)
LIVES = {"postcode": "TR11 3AB"}

# Linkage, table, what its rows say, and the form of the person that follows from them.
FORM_OF = [
    ("an alias by forename", "probation", "delius_aliases", [{"first_name": "MARK"}],
     {**OWN, "forename1": "MARK"}),
    ("an alias by middle name", "probation", "delius_aliases", [{"second_name": "IDRIS"}],
     {**OWN, "middle_first": "IDRIS"}),
    ("an alias by surname", "probation", "delius_aliases", [{"surname": "OKAFOR"}],
     {**OWN, "surname": "OKAFOR"}),
    ("another date of birth given", "probation", "delius_aliases", [{"date_of_birth": JANUARY}],
     {**OWN, "dob": JANUARY}),
    ("another sex stated", "probation", "delius_aliases", [{"gender": "F"}],
     {**OWN, "sex": "female"}),
    ("an alias by all of them", "probation", "delius_aliases",
     [{"first_name": "MARK", "surname": "OKAFOR", "date_of_birth": JANUARY}],
     {**OWN, "forename1": "MARK", "surname": "OKAFOR", "dob": JANUARY}),
    ("where somebody lives", "probation", "delius_addresses", [LIVES],
     {**ITSELF, **OWN, "postcode": "TR113AB"}),
    ("a former address", "probation", "delius_addresses", [{"postcode": "AL1 3AB"}, LIVES],
     {**OWN, "postcode": "TR113AB"}),
    ("a present address", "probation", "delius_addresses", [{"postcode": "AL1 3AB"}, LIVES],
     {**OWN, "postcode": "AL13AB"}),
    ("a surname given at another arrest", "pnc", "pnc_aliases", [{"surname": "OKAFOR"}],
     {**OWN, "surname": "OKAFOR", "postcode": "TR113AB"}),
    ("a forename given at another arrest", "pnc", "pnc_aliases", [{"forename1": "MARK"}],
     {**OWN, "forename1": "MARK", "postcode": "TR113AB"}),
    ("a date of birth given at another arrest", "pnc", "pnc_aliases", [{"date_of_birth": JANUARY}],
     {**OWN, "dob": JANUARY, "postcode": "TR113AB"}),
    ("a PNC in the table of numbers", "prison", "nomis_identifiers",
     [{"identifier_type": "PNC", "identifier": PNC}],
     {**ITSELF, **OWN, "pnc": 20030062845}),
    ("a CRO in the table of numbers", "prison", "nomis_identifiers",
     [{"identifier_type": "CRO", "identifier": CRO}],
     {**ITSELF, **OWN, "cro": 2008764773}),
    ("a prison number since merged", "prison", "nomis_identifiers",
     [{"identifier_type": "MERGED", "identifier": "A9876BC"}], {**OWN, "noms": "A9876BC"}),
    ("a surname before marriage", "probation", None, [{"previous_surname": "OKAFOR"}],
     {**OWN, "surname": "OKAFOR"}),
    ("a surname before a mother's marriage", "npd", None, [{"former_surname": "OKAFOR"}],
     {**OWN, "surname": "OKAFOR", "postcode": "TR113AB"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "table", "says", "form"),
    [pytest.param(*line[1:], id=f"{line[1]}: {line[0]}") for line in FORM_OF],
)
def test_a_form_of_a_person_is_compared_like_the_record_itself(
    settings, publish_identities, engine, dataset, table, says, form
):
    model = linkage_model(dataset)
    people = model.members[0]
    own = {"record_key": PERSON, **KNOWN_AS[dataset], **(says[0] if table is None else {})}
    publish_identities(people, [own])
    for evidence in model.evidence:
        rows = says if evidence.table == table else []
        publish_identities(evidence.table, [{f"{people}_key": PERSON, **row} for row in rows])
    prepare(settings, engine, EDITION, model)
    listed = engine.execute(
        f"""select {", ".join(form)} from tuples left join nodes using (id)
        where coalesce(node, id) = (select tuple from records)"""
    ).fetchall()
    assert tuple(form.values()) in listed


def test_every_field_that_evidence_adds_has_an_example():
    used = {
        (dataset, evidence.table, field)
        for dataset in datasets("within")
        for evidence in linkage_model(dataset).evidence
        for field in (*evidence.fills, *evidence.varies)
    }
    plain = {
        "probation": OWN,
        "pnc": {**OWN, "postcode": "TR113AB"},
        "prison": {**OWN, "noms": "A1234BC"},
    }
    shown = {
        (dataset, table, field)
        for _, dataset, table, _, form in FORM_OF
        for field, value in form.items()
        if table and value != (ITSELF | plain[dataset]).get(field)
    }
    assert used == shown


# Clusters that are unlikely to be one person.

OF_PEOPLE = (*datasets("within"), *datasets("across"))
MOST = dict.fromkeys(OF_PEOPLE, 60) | {"cross_justice": 120, "pupils_offenders": 120}
"""Spellings and addresses of one person, at most; of several registers twice as many."""
RAISED = 600
"""What a link has to weigh beyond the threshold, in hundredths, to stand nevertheless."""
MAN, WOMAN = 1, 2
TOGETHER = [
    ("records of one man and his misspelt year", [(MAN, 1950), (MAN, 1980)], True),
    ("a father and his son of one name", [(MAN, 1950), (MAN, 1981)], False),
    ("somebody whose sex was mistyped", [(MAN, 1980), (WOMAN, 1985)], True),
    ("a brother and a sister", [(MAN, 1980), (WOMAN, 1986)], False),
    ("a person and a record that tells neither", [(MAN, 1950), (0, 0)], True),
]


def first_cluster(model, told, weight):
    """How many of a chain of records are in the cluster of the first."""
    places = np.arange(len(told))
    sex, year = np.array(told).T
    guard = Guard(
        np.zeros(len(told), dtype=np.int64),
        np.array([], dtype=np.int64),
        np.array([], dtype=np.int64),
        likelihood=Likelihood(model.unlikely, sex.astype(np.uint8), year.astype(np.int16)),
    )
    links = Pairs(places[:-1], places[1:], np.full(len(told) - 1, weight))
    high, *_ = clusters(links, thresholds_of(model), guard)
    return int((high == 0).sum())


@pytest.mark.parametrize("dataset", OF_PEOPLE)
@pytest.mark.parametrize(
    ("told", "one"), [line[1:] for line in TOGETHER], ids=[line[0] for line in TOGETHER]
)
def test_an_unlikely_person_takes_a_stronger_link(dataset, told, one):
    model = linkage_model(dataset)
    threshold = thresholds_of(model)[0]
    assert first_cluster(model, told, threshold) == (2 if one else 1)
    assert first_cluster(model, told, threshold + RAISED - 1) == (2 if one else 1)
    assert first_cluster(model, told, threshold + RAISED) == 2


@pytest.mark.parametrize("dataset", OF_PEOPLE)
def test_an_unlikely_number_of_records_takes_stronger_links(dataset):
    model = linkage_model(dataset)
    threshold, most = thresholds_of(model)[0], MOST[dataset]
    assert first_cluster(model, [(MAN, 1950)] * most, threshold) == most
    assert first_cluster(model, [(MAN, 1950)] * (most + 1), threshold) < most + 1
    assert first_cluster(model, [(MAN, 1950)] * (most + 1), threshold + RAISED) == most + 1
