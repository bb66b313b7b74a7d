"""The split: content holds no identifier, and what is derived from one is right."""

import dataclasses
import datetime

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from landed_rows import booking, case, charge, family_case, family_event, offence, prisoner, row_of

from datafirst_platform.extracts.contracts import POSTCODE_SECTORS, contracts
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.identity import define_record_pseudonym, scope_key


def extracted(landing, cases, offences=()):
    landing.deliver({"libra_cases": cases, "libra_offences": offences})
    return extract_source(landing.settings, "2025", "libra").tables


def table(version):
    """Rows as dictionaries, in the file's order."""
    found = duckdb.connect().execute(
        f"select * from read_parquet('{version.path}', hive_partitioning = false)"
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def pseudonym(landing, plain):
    connection = duckdb.connect()
    define_record_pseudonym(connection, scope_key(landing.settings, "records"))
    return connection.execute("select pseudonym(?)", [plain]).fetchall()[0][0]


def test_content_and_identities_have_the_columns_of_the_contract(landing):
    made = extracted(landing, [case(1)], [offence(1)])
    for name, found in made.items():
        contract = contracts()[name]
        for version, schema in (
            (found.content, contract.content_schema),
            (found.identities, contract.identities_schema),
        ):
            told = version.columns if version else ()
            assert told == tuple((column.name, column.type) for column in schema)
    assert made["libra_offences"].identities is None


def test_no_identifier_reaches_the_content(landing):
    secret = {
        column.name: f"CANARY{number}"
        for number, column in enumerate(contracts()["libra_cases"].columns)
        if column.treatment == "identify" and column.type == "string" and not column.pattern
    }
    made = extracted(landing, [case(1, **secret)], [offence(1)])
    assert len(secret) > 10
    for found in made.values():
        kept = found.content.path.read_bytes() + str(table(found.content)).encode()
        assert b"CANARY" not in kept
        assert b"C000000001" not in kept
        assert b"1980-06-15" not in kept
    assert "CANARY" in str(table(made["libra_cases"].identities))


def test_keys_are_keyed_pseudonyms_that_join(landing):
    made = extracted(landing, [case(1), case(2)], [offence(2, 1), offence(2, 2), offence(1, 1)])
    cases = table(made["libra_cases"].content)
    assert cases[0]["record_key"] == pseudonym(landing, "libra_cases|C000000001|D0000001")
    assert cases[0]["case_key"] == pseudonym(landing, "libra_case|C000000001")
    assert [row["record_key"] for row in table(made["libra_cases"].identities)] == [
        row["record_key"] for row in cases
    ]
    offences = table(made["libra_offences"].content)
    assert [row["libra_cases_key"] for row in offences] == [
        cases[1]["record_key"],
        cases[1]["record_key"],
        cases[0]["record_key"],
    ]
    assert len({row["record_key"] for row in offences}) == 3
    assert len(offences[0]["record_key"]) == 32


def of_prisoners(landing, **tables):
    """An extract of nomis, by the names of its tables without the source."""
    landing.deliver({f"nomis_{name}": rows for name, rows in tables.items()}, source="nomis")
    return extract_source(landing.settings, "2025", "nomis").tables


def test_a_row_is_keyed_to_its_parent_and_that_to_its_own(landing):
    made = of_prisoners(
        landing,
        offenders=[prisoner(2), prisoner(1)],
        bookings=[booking(11, 1), booking(12, 2), booking(13, 1)],
        charges=[charge(21, 13), charge(22, 12), charge(23, 11)],
    )
    offenders, bookings, charges = (
        [row["record_key"] for row in table(made[f"nomis_{name}"].content)]
        for name in ("offenders", "bookings", "charges")
    )
    assert len({*offenders, *bookings, *charges}) == 8
    above = [row["nomis_offenders_key"] for row in table(made["nomis_bookings"].content)]
    assert above == [offenders[1], offenders[0], offenders[1]]
    above = [row["nomis_bookings_key"] for row in table(made["nomis_charges"].content)]
    assert above == [bookings[2], bookings[1], bookings[0]]


def test_names_of_one_prisoner_share_the_sources_own_person(landing):
    rows = [prisoner(1), prisoner(2, root_offender_id="1"), prisoner(3)]
    made = of_prisoners(landing, offenders=rows)["nomis_offenders"]
    roots = [row["root_offender_key"] for row in table(made.identities)]

    assert roots == [row["root_offender_key"] for row in table(made.content)]
    assert roots[:2] == [pseudonym(landing, "nomis_offender|1")] * 2
    assert roots[2] not in roots[:2]
    # A root is the id of a name: one domain, so that it can be looked up.
    assert roots == [table(made.content)[at]["offender_key"] for at in (0, 0, 2)]


def test_identities_of_a_child_name_its_parent_and_keep_what_says_what_they_are(landing):
    given = [("1", "PNC", "1999/0000001A"), ("1", "HOREF", "A123"), ("2", "MERGED", "A1234BC")]
    made = of_prisoners(
        landing,
        offenders=[prisoner(1), prisoner(2)],
        identifiers=[
            row_of(
                "nomis_identifiers",
                identifier_id=str(number),
                root_offender_id=root,
                identifier_type=kind,
                identifier=text,
            )
            for number, (root, kind, text) in enumerate(given)
        ],
    )
    keys = [row["record_key"] for row in table(made["nomis_offenders"].identities)]
    found = table(made["nomis_identifiers"].identities)

    assert [row["nomis_offenders_key"] for row in found] == [keys[0], keys[0], keys[1]]
    assert [(row["identifier_type"], row["identifier"]) for row in found] == [
        (kind, text) for _, kind, text in given
    ]
    content = table(made["nomis_identifiers"].content)
    assert [row["identifier_type"] for row in content] == [kind for _, kind, _ in given]
    assert "identifier" not in content[0]
    assert [row["record_key"] for row in content] == [row["record_key"] for row in found]


@pytest.mark.parametrize(
    ("born", "on", "year", "age"),
    [
        ("1980-06-15", "2015-06-14", 1980, 34),
        ("1980-06-15", "2015-06-15", 1980, 35),
        ("2004-02-29", "2018-02-28", 2004, 13),
        ("2004-02-29", "2018-03-01", 2004, 14),
        ("1900-01-01", "2015-06-15", None, None),
        ("1970-01-01", "2015-06-15", None, None),
        ("1900-01-02", "2015-06-15", 1900, None),
        ("1905-06-15", "2015-06-15", 1905, 110),
        ("2005-06-15", "2015-06-14", 2005, None),
        ("2005-06-15", "2015-06-15", 2005, 10),
        ("2016-01-01", "2015-06-15", 2016, None),
        ("", "2015-06-15", None, None),
    ],
)
def test_year_of_birth_and_age(landing, born, on, year, age):
    made = extracted(
        landing,
        [case(1, date_of_birth=born, first_hearing_date=on)],
        [offence(1, offence_date=on), offence(1, 2, offence_date="")],
    )
    content = table(made["libra_cases"].content)[0]
    assert (content["birth_year"], content["age_at_first_hearing"]) == (year, age)
    offences = table(made["libra_offences"].content)
    assert [row["age_at_offence"] for row in offences] == [age, None]


@pytest.mark.parametrize("rows", [3, 130_000])
def test_rows_stay_in_the_order_supplied(landing, rows):
    """Fewer rows than there are areas, and more than a row group of the engine."""
    days = [datetime.date(2011, 1, 1) + datetime.timedelta(n % 5000) for n in range(rows)]
    areas = ("SA1 1AB", "AL1 7AB", "nowhere", "")
    cases = [
        case(n, first_hearing_date=str(day), postcode=areas[n % 4]) for n, day in enumerate(days)
    ]
    made = extracted(landing, cases)["libra_cases"]
    for part in (made.content, made.identities):
        assert [row["first_hearing_date"] for row in table(part)] == days


def test_the_area_comes_from_the_sector_however_it_is_written(landing):
    sector, area = POSTCODE_SECTORS.read_text().splitlines()[1].split(",")[:2]
    outward = sector.split()[0]
    written = [
        f"{sector}AB",
        f"{sector}AB".lower(),
        f"{sector}AB".replace(" ", ""),
        f" {outward}  {sector[-1]}AB ",
    ]
    nowhere = ["", "NF1 1NF", "AB", sector, f"{outward}", "zz99 9zz", f"X{sector}AB"]
    rows = [case(n, postcode=postcode) for n, postcode in enumerate(written + nowhere)]
    content = table(extracted(landing, rows)["libra_cases"].content)
    assert [row["lsoa_residence"] for row in content] == [area] * 4 + [None] * len(nowhere)


@given(
    born=st.dates(datetime.date(1901, 1, 1), datetime.date(2020, 12, 31)),
    on=st.dates(datetime.date(2010, 1, 1), datetime.date(2024, 12, 31)),
    least=st.sampled_from([None, 0, 10]),
)
@example(born=datetime.date(2011, 1, 2), on=datetime.date(2011, 1, 1), least=None)
@settings(max_examples=200)
def test_an_age_is_the_number_of_birthdays(born, on, least):
    from datafirst_platform.extracts.splitting import _derived

    contract = contracts()["libra_cases"]
    age = next(each for each in contract.derivations if each.rule == "age")
    age = dataclasses.replace(age, minimum=least)
    sql = _derived(contract, age, contract, "r")
    found = ENGINE.execute(
        f"select {sql} from (select ? as date_of_birth, ? as first_hearing_date) r",
        [born, on],
    ).fetchall()[0][0]
    birthdays = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    junk = born == datetime.date(1970, 1, 1)
    assert found == (birthdays if (least or 0) <= birthdays <= 110 and not junk else None)


ENGINE = duckdb.connect()


def test_other_date_formats_are_read_alike(landing):
    row = row_of(
        "xhibit_defendants_on_case",
        defendant_on_case_id="7",
        case_id="8",
        defendant_id="9",
        is_company="N",
        date_of_birth="01/02/1980",
        court_code="404",
        case_type="T",
        receipt_date="28/02/2020",
        first_hearing_date="01/02/2020",
    )
    bad = row | {"defendant_on_case_id": "10", "date_of_birth": "1980-02-01"}
    landing.deliver({"xhibit_defendants_on_case": [row, bad]}, source="xhibit")
    made = extract_source(landing.settings, "2025", "xhibit").tables["xhibit_defendants_on_case"]
    content = table(made.content)
    assert [(each["age_at_first_hearing"], each["receipt_date"]) for each in content] == [
        (40, datetime.date(2020, 2, 28))
    ]
    assert [(each.rule, each.column) for each in made.quarantined_by] == [
        ("bad_date", "date_of_birth")
    ]


def test_several_entries_of_a_field_are_read_and_keyed_one_by_one(landing):
    events = [
        family_event(1, application_types="CAO, PSO ,SIO", child_roles="7, 12"),
        family_event(2, application_types="CAO", child_roles="12"),
        family_event(3),
        family_event(4, application_types="CAO,XXX"),
        family_event(5, application_types="CAO,,PSO"),
        family_event(6, child_roles="7;12"),
        family_event(7, child_roles="7,"),
    ]
    landing.deliver(
        {"familyman_cases": [family_case()], "familyman_events": events}, source="familyman"
    )
    made = extract_source(landing.settings, "2025", "familyman").tables["familyman_events"]
    seven, twelve = (pseudonym(landing, f"familyman_role|{each}") for each in ("7", "12"))
    found = [(row["application_types"], row["child_roles_key"]) for row in table(made.content)]
    assert found == [("CAO,PSO,SIO", f"{seven},{twelve}"), ("CAO", twelve), (None, None)]
    assert [(each.rule, each.column, each.rows) for each in made.quarantined_by] == [
        ("unknown_code", "application_types", 2),
        ("bad_pattern", "child_roles", 2),
    ]
