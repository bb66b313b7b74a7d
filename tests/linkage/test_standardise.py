"""Cleaning, one rule at a time."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_identities import CHECK_LETTERS, cro, pnc

from datafirst_platform.linkage.standardise import NICKNAMES, clean_query, derive_query

PNC = "select canonical_pnc(parts) from (select pnc_parts(compact(?::varchar)) as parts)"
CRO = "select canonical_cro(parts) from (select cro_parts(compact(?::varchar)) as parts)"

serials = st.integers(1, 9_999_999).filter(lambda serial: serial not in {993399, 339933})
years = st.integers(1930, 2024)


def value(engine, sql, *parameters):
    return engine.execute(sql, list(parameters)).fetchall()[0][0]


@pytest.mark.parametrize(
    ("supplied", "cleaned"),
    [
        ("SMITH", "SMITH"),
        (" Smith ", "SMITH"),
        ("O'Brien", "OBRIEN"),
        ("O’Brien", "OBRIEN"),
        ("O‘Brien", "OBRIEN"),
        ("O`Brien", "OBRIEN"),
        ("O´Brien", "OBRIEN"),
        ("A. N. Other", "A N OTHER"),
        ("J.R", "JR"),
        ("SMITH-JONES", "SMITH JONES"),
        ("Zoë", "ZOE"),
        ("Łukasz", "LUKASZ"),
        ("Øystein", "OYSTEIN"),
        ("Đorđe", "DORDE"),
        ("Guðrún", "GUDRUN"),
        ("Þóra", "TORA"),
        ("Æthelred", "ATHELRED"),
        ("Œdipe", "ODIPE"),
        ("Groß", "GROS"),
        ("MC DONALD", "MCDONALD"),
        ("TOM MC DONALD", "TOM MCDONALD"),
        ("MACDONALD", "MACDONALD"),
        ("AMC SMITH", "AMC SMITH"),
        ("MIG_ERROR_SMITH", "SMITH"),
        ("NO_SHOW_DUPLICATE_SMITH", "SMITH"),
        (" mig_error_smith", "SMITH"),
        ("SMITH_DUPLICATE_", "SMITH DUPLICATE"),
        ("not entered", None),
        ("N/A", None),
        ("MIG_ERROR_", None),
        ("", None),
        (None, None),
    ],
)
def test_names(engine, supplied, cleaned):
    assert value(engine, "select std_name(?::varchar)", supplied) == cleaned


@pytest.mark.parametrize(
    "placeholder",
    [
        *("NOT ENTERED", "NOT KNOWN", "NAME NOT KNOWN", "UNKNOWN", "UNNAMED", "NO NAME"),
        *("BABY", "BABY BOY", "BABY GIRL", "NONE", "NULL", "NK", "N A", "X", "XX", "XXX"),
    ],
)
def test_what_stands_for_no_name_is_none(engine, placeholder):
    assert value(engine, "select std_name(?)", placeholder) is None
    assert value(engine, "select std_name(?)", f"{placeholder}A") is not None


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("WOLSTENHOLME", "WOLSTENHOLM", True),
        ("SMITH", "SMYTHE", True),
        ("LLOYD", "LOYD", True),
        ("ASHCRAFT", "ASCRAFT", True),
        ("DE SOUZA", "DESOUSA", True),
        ("ROBERTS", "ROBERTSON", False),
        ("SMITH", "SMART", False),
        ("TANAKA", "DANAKA", False),
    ],
)
def test_names_sound_alike(engine, one, other, alike):
    assert value(engine, "select sound(?) = sound(?)", one, other) is alike


@pytest.mark.parametrize(
    ("supplied", "cleaned"),
    [
        (date(1990, 5, 6), date(1990, 5, 6)),
        (date(1990, 1, 1), date(1990, 1, 1)),
        (date(1900, 1, 1), None),
        (date(1970, 1, 1), None),
        (date(1899, 3, 3), None),
        (date(1901, 1, 1), date(1901, 1, 1)),
        (date(2024, 12, 31), date(2024, 12, 31)),
        (date(2025, 1, 1), None),
    ],
)
def test_dates_of_birth(engine, supplied, cleaned):
    assert value(engine, "select std_dob(?::date)", supplied) == cleaned


@pytest.mark.parametrize(
    ("supplied", "cleaned"),
    [
        ("SW1A 1AA", "SW1A1AA"),
        ("sw1a1aa", "SW1A1AA"),
        ("M1 1AE", "M11AE"),
        ("NF1 1NF", None),
        ("NF1 1FA", None),
        ("ZZ99 3VZ", None),
        ("ZE2 9AA", "ZE29AA"),
        ("UNKNOWN", None),
        ("SW1A", None),
    ],
)
def test_postcodes(engine, supplied, cleaned):
    assert value(engine, "select std_postcode(compact(?::varchar))", supplied) == cleaned


@pytest.mark.parametrize(
    ("supplied", "cleaned"),
    [
        ("14 Harbour Street", "14 HARBOUR STREET"),
        ("Flat 2,  14a Harbour St.", "FLAT 2 14A HARBOUR ST"),
        ("No fixed abode", None),
        ("rowan1@example.org", None),
        ("", None),
    ],
)
def test_addresses(engine, supplied, cleaned):
    assert value(engine, "select std_address(?::varchar)", supplied) == cleaned


@pytest.mark.parametrize(
    ("macro", "supplied", "cleaned"),
    [
        ("std_noms", "A1234BC", "A1234BC"),
        ("std_noms", "a1234 bc", "A1234BC"),
        ("std_noms", "A12345BC", None),
        ("std_noms", "UNKNOWN", None),
        ("std_crn", "x123456", "X123456"),
        ("std_crn", "X12345", None),
        ("std_crn", "NONE", None),
    ],
)
def test_numbers_of_the_services(engine, macro, supplied, cleaned):
    assert value(engine, f"select {macro}(compact(?::varchar))", supplied) == cleaned


@settings(max_examples=60)
@given(year=years, serial=serials)
def test_every_form_of_a_pnc_reads_as_the_same_number(engine, year, serial):
    long = pnc(year, serial)
    letter = long[-1]
    forms = [long, long.replace("/", ""), long.lower(), f" {long} ", f"{year}/{serial}{letter}"]
    # Two digits stand for the last hundred years up to the edition's cut-off, 2024.
    if year >= 1925:
        forms += [f"{year % 100:02d}/{serial}{letter}", f"{year % 100:02d}{serial}{letter}"]
    (read,) = {value(engine, PNC, form) for form in forms}
    assert read == year * 10_000_000 + serial


@settings(max_examples=40)
@given(year=years, serial=serials, letter=st.sampled_from(CHECK_LETTERS))
def test_a_pnc_with_a_wrong_check_letter_is_no_number(engine, year, serial, letter):
    right = pnc(year, serial)
    read = value(engine, PNC, right[:-1] + letter)
    assert (read is None) == (letter != right[-1])


@settings(max_examples=40)
@given(text=st.text(st.sampled_from("0123456789/EZA -+."), max_size=16))
def test_no_text_breaks_the_reading_of_numbers(engine, text):
    for sql in (PNC, CRO):
        read = value(engine, sql, text)
        assert read is None or read > 0


def test_worked_example_of_a_check_letter(engine):
    assert pnc(2003, 62845) == "2003/0062845E"
    assert value(engine, PNC, "2003/0062845E") == 20030062845


@pytest.mark.parametrize(
    "placeholder",
    ["1933/0993399H", "2033/0993399H", "2003/0993399B", "1999/0339933H", "2003/0993399H"],
)
def test_placeholder_pncs_are_no_numbers(engine, placeholder):
    assert value(engine, PNC, placeholder) is None


def test_the_number_of_a_placeholder_with_its_own_check_letter_is_somebodys(engine):
    assert value(engine, PNC, "1999/0339933Y") == 19990339933


@pytest.mark.parametrize(
    "malformed", ["2003/00628451E", "2003-62845", "E", "12/E", "20X3/0062845E"]
)
def test_malformed_pncs_are_no_numbers(engine, malformed):
    assert value(engine, PNC, malformed) is None


@pytest.mark.parametrize(
    ("year", "serial"),
    [
        pytest.param(2003, 0, id="no serial number"),
        pytest.param(2003, 10_062_845, id="eight digits"),
        pytest.param(1899, 62845, id="before anybody alive was known to the police"),
        pytest.param(2025, 62845, id="after the edition was cut off"),
    ],
)
def test_a_right_check_letter_does_not_make_a_number_of_what_is_none(engine, year, serial):
    assert value(engine, PNC, pnc(year, serial)) is None


def test_an_exponent_is_no_serial_number(engine):
    assert value(engine, PNC, f"2003/1E3{pnc(2003, 1000)[-1]}") is None


def test_cro_numbers(engine):
    plain = value(engine, CRO, cro(764773, 8))
    assert plain == 2008764773
    assert value(engine, CRO, cro(764773, 8).lower()) == plain
    small = f"SF39/12345{CHECK_LETTERS[(39 * 1_000_000 + 12345) % 23]}"
    assert value(engine, CRO, small) not in {None, value(engine, CRO, cro(12345, 39))}
    assert value(engine, CRO, "000000/00Z") is None
    assert value(engine, CRO, cro(1_764_773, 8)) is None
    assert value(engine, CRO, cro(764773, 68)) == 1968764773
    wrong = CHECK_LETTERS[(CHECK_LETTERS.index(cro(764773, 8)[-1]) + 1) % 23]
    assert value(engine, CRO, cro(764773, 8)[:-1] + wrong) is None


def test_short_forms_lead_to_one_long_form():
    pairs = [line.split(",") for line in NICKNAMES.read_text().splitlines()[1:]]
    short = [pair[0] for pair in pairs]
    assert len(short) == len({*short})
    assert not {pair[1] for pair in pairs} & {*short}


def standard(engine, publish_identities, table, *records):
    version = publish_identities(table, records)
    file = f"read_parquet('{version.path}', file_row_number = true)"
    source = f"select *, file_row_number as row from {file}"
    found = engine.execute(
        f"select * from ({derive_query(clean_query(table, source))}) order by row"
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_a_record_becomes_standard(engine, publish_identities):
    (record,) = standard(
        engine,
        publish_identities,
        "libra_cases",
        {
            "defendant_type": "P",
            "first_name": "Dave Lee",
            "forename2": "Alan",
            "last_name": "O'Neil",
            "date_of_birth": date(1980, 1, 1),
            "sex": "M",
            "postcode": "ls1 4ap",
            "pnc_id": "03/62845E",
        },
    )
    assert record["forename1"] == "DAVE"
    assert record["forename_full"] == "DAVID"
    assert record["middle_first"] == "LEE"
    assert record["surname"] == "ONEIL"
    assert record["dob_default"] is True
    assert (record["birth_year"], record["birth_month"], record["birth_day"]) == (1980, 1, 1)
    assert record["sex"] == "male"
    assert (record["postcode"], record["sector"], record["outcode"]) == ("LS14AP", "LS14", "LS1")
    assert record["pnc"] == 20030062845
    assert record["cro"] is None


@pytest.mark.parametrize(
    ("names", "forename", "middle"),
    [
        ({"first_name": "Rowan", "forename2": "Rex"}, "ROWAN", "REX"),
        ({"first_name": "Rowan Rex", "forename2": "Idris"}, "ROWAN", "REX"),
        ({"first_name": "Rowan", "forename2": "Rex Idris"}, "ROWAN", "REX"),
        ({"first_name": "Rowan", "forename3": "Rex"}, "ROWAN", "REX"),
        ({"first_name": "Rowan"}, "ROWAN", None),
    ],
)
def test_the_first_middle_name_is_found_wherever_it_stands(
    engine, publish_identities, names, forename, middle
):
    (record,) = standard(
        engine, publish_identities, "libra_cases", {"defendant_type": "P", **names}
    )
    assert (record["forename1"], record["middle_first"]) == (forename, middle)


@pytest.mark.parametrize(
    ("born", "default"),
    [
        (date(1980, 1, 1), True),
        (date(1980, 1, 2), False),
        (date(1980, 2, 1), False),
    ],
)
def test_only_the_first_of_january_is_a_default(engine, publish_identities, born, default):
    (record,) = standard(
        engine, publish_identities, "libra_cases", {"defendant_type": "P", "date_of_birth": born}
    )
    assert record["dob_default"] is default


def test_sources_with_other_codes_read_alike(engine, publish_identities):
    (record,) = standard(
        engine,
        publish_identities,
        "xhibit_defendants_on_case",
        {"is_company": "N", "first_name": "Ann", "surname": "Hill", "gender": "2"},
    )
    assert (record["surname"], record["sex"]) == ("HILL", "female")


def test_unknown_sex_is_missing(engine, publish_identities):
    (record,) = standard(
        engine, publish_identities, "libra_cases", {"defendant_type": "P", "sex": "NS"}
    )
    assert record["sex"] is None


@pytest.mark.parametrize(
    ("table", "flag", "person", "organisation"),
    [
        ("libra_cases", "defendant_type", "P", "O"),
        ("xhibit_defendants_on_case", "is_company", "N", "Y"),
    ],
)
def test_organisations_are_left_out(engine, publish_identities, table, flag, person, organisation):
    found = standard(
        engine, publish_identities, table, {flag: person}, {flag: organisation}, {flag: person}
    )
    assert [record["row"] for record in found] == [0, 2]
