"""Custodial journeys: real dbt on made-up prisoners and on a supply whose truth is known."""

import json
from datetime import date

import duckdb
import pytest
from made_up_rows import EDITION, key, publish_supply, source_columns

from datafirst_platform import tables
from datafirst_platform.editions import edition
from datafirst_platform.engine import connect
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.marts.build import Build
from datafirst_platform.settings import Settings
from datafirst_platform.synthetic import make_supply

MART = "prison_custodial_journeys"
PEOPLE = 4_000


def build(settings, *more):
    """Run dbt on the mart and what it is made from: its database, and the results by node."""
    build = Build.of(settings, EDITION)
    build.clear()
    command = ["build", "--select", f"+{MART}"]
    # Tests of code lists against other datasets' marts are not asked for.
    command += ["--indirect-selection", "buildable", *more]
    done = build.run_dbt(*command)
    assert done.returncode == 0, done.stdout
    results = json.loads((build.target / "run_results.json").read_text())["results"]
    return build.database, {each["unique_id"]: each["status"] for each in results}


def new_settings(folder):
    return Settings(folder / "home", folder / "keys", threads=2, memory_gib=1.0).prepare()


def name(label, root, **given):
    return {
        "record_key": key(label),
        "offender_key": key(f"number of {label}"),
        "root_offender_key": key(f"number of {root}"),
    } | given


def booking(label, of, root, begun, **given):
    return {
        "record_key": key(label),
        "nomis_offenders_key": key(of),
        "root_offender_key": key(f"number of {root}"),
        "booking_begin_date": begun,
        "agy_loc_id": "OUT",
        "in_out_status": "OUT",
        "active_flag": "N",
    } | given


def moves(of, *told):
    """Movements of a booking: day, type and reason, where from or to."""
    return [
        {
            "record_key": key(f"{of} {number}"),
            "nomis_bookings_key": key(of),
            "movement_seq": number,
            "movement_date": day,
            "movement_type": kind,
            "movement_reason_code": reason,
            "direction_code": "OUT" if kind == "REL" else "IN",
            "from_agy_loc_id": place if kind == "REL" else "OUT",
            "to_agy_loc_id": "OUT" if kind == "REL" else place,
        }
        for number, (day, kind, reason, place) in enumerate(told, start=1)
    ]


def sentence(of, seq, kind, begun, **given):
    return {
        "record_key": key(f"{of} sentence {seq}"),
        "nomis_bookings_key": key(of),
        "sentence_seq": seq,
        "sentence_calc_type": kind,
        "sentence_status": "I",
        "start_date": begun,
    } | given


def charge(of, code, day, serious="N"):
    return {
        "record_key": key(f"{of} {code}"),
        "nomis_bookings_key": key(of),
        "offence_code": code,
        "offence_date": day,
        "most_serious_flag": serious,
        "charge_status": "A",
    }


def person(label, of):
    columns = ("person_high", "person_medium", "person_low")
    return {"record_key": key(label)} | dict.fromkeys(columns, key(of))


# Ann is held under an alias, then recalled under a number of her own that is not known to be hers;
# Bob is in custody; of Cyd the root name was not supplied, and one booking served twice.
SUPPLY = {
    "extracts/nomis_offenders": [
        name("ann", "ann", sex_code="F", race_code="W2", nationality_code="IRL"),
        name("ann's alias", "ann", sex_code="NK"),
        name("ann again", "ann again", sex_code="F", race_code="MERGE"),
        name("bob", "bob", race_code="ZZ"),
        name("cyd's alias", "cyd", sex_code="REF", race_code="NS"),
    ],
    "extracts/nomis_bookings": [
        booking(
            "first", "ann's alias", "ann", "2018-03-01", security_category="R", age_at_reception=30
        ),
        booking("second", "ann again", "ann again", "2019-01-10", age_at_reception=31),
        booking(
            "remand",
            "bob",
            "bob",
            "2020-05-01",
            agy_loc_id="LEI",
            in_out_status="IN",
            active_flag="Y",
            security_category="U",
        ),
        booking("twice", "cyd's alias", "cyd", "2015-01-01", age_at_reception=20),
    ],
    "extracts/nomis_movements": [
        *moves(
            "first",
            ("2018-03-01", "ADM", "N", "BZI"),
            ("2018-06-01", "CRT", "CRT", "BZI"),
            ("2018-07-01", "ADM", "INT", "DHI"),
            ("2018-09-01", "REL", "CR", "DHI"),
        ),
        *moves("second", ("2019-01-10", "ADM", "L", "STI"), ("2019-02-01", "REL", "AR", "STI")),
        *moves("remand", ("2020-05-01", "ADM", "NEW", "ZZZ")),
        *moves(
            "twice",
            ("2015-01-01", "ADM", "F", "LEI"),
            ("2015-01-20", "REL", "F", "LEI"),
            ("2017-06-01", "ADM", "I", "LEI"),
        ),
    ],
    "extracts/nomis_sentences": [
        sentence("first", 1, "ADIMP_ORA", "2018-06-01", end_date="2019-02-28"),
        sentence("twice", 1, "A/FINE", "2015-01-01", effective_sentence_days=28),
        sentence("twice", 2, "ADIMP", "2017-06-01"),
    ],
    "extracts/nomis_charges": [
        charge("first", "28/03", "2018-02-01"),
        charge("first", "46/00", "2018-02-01", serious="Y"),
        charge("second", "46/00", "2018-02-01", serious="Y"),
        charge("remand", "1/99", "2020-04-30"),
    ],
    "linkage/prison_people": [
        person("ann", "ann"),
        person("ann's alias", "ann"),
        person("ann again", "ann"),
        person("bob", "bob"),
        person("cyd's alias", "cyd"),
    ],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Journeys by their key, once every test of dbt's has passed; and the names of those tests."""
    settings = new_settings(tmp_path_factory.mktemp("prison"))
    publish_supply(settings, {str(each): () for each in source_columns()} | SUPPLY)
    database, results = build(settings)
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(f"select * from {MART}")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    passed = {node.split(".")[-1] for node, status in results.items() if status == "pass"}
    return {row["custodial_journey_id_hash"]: row for row in rows}, passed


@pytest.fixture(scope="module")
def journeys(built):
    return built[0]


def told(row, *columns):
    return tuple(row[column] for column in columns)


def test_each_rule_of_spells_and_journeys_passes_its_unit_test(built):
    assert built[1] >= {
        "remand_then_sentence_is_one_journey",
        "recall_under_another_booking_is_one_journey",
        "reception_the_day_after_a_release_is_one_journey",
        "transfers_court_and_temporary_absence_end_no_spell",
        "who_is_still_in_custody_has_no_release",
        "a_missing_release_is_the_end_of_the_booking",
        "a_reception_after_a_missing_release_begins_a_journey",
        "receptions_entered_twice_count_once",
        "numbers_out_of_sequence_do_not_matter_across_days",
        "two_bookings_on_one_day_go_out_then_in",
        "one_booking_can_hold_two_journeys",
        "a_recall_without_what_was_before_begins_a_journey",
        "people_are_told_apart_and_names_of_one_joined",
        "a_journey_is_told_by_its_first_and_last_spell",
        "sentences_go_to_the_journey_they_began_in",
        "charges_go_to_the_first_journey_after_the_offence",
    }


def test_a_journey_runs_over_bookings_and_numbers_of_one_person(journeys):
    assert set(journeys) == {
        key("first 1"),
        key("remand 1"),
        key("twice 1"),
        key("twice 3"),
    }
    ann = journeys[key("first 1")]
    assert told(ann, "estimated_offender_id", "offender_id_hash") == (key("ann"), key("ann"))
    assert told(ann, "reception_date", "release_date", "is_in_custody") == (
        date(2018, 3, 1),
        date(2019, 2, 1),
        False,
    )
    assert told(ann, "spell_count", "recall_count", "days_in_custody", "had_remand") == (
        2,
        1,
        184 + 22,
        True,
    )


def test_a_journey_shows_its_first_reception_and_its_last_release(journeys):
    ann = journeys[key("first 1")]
    assert told(ann, "reception_reason_code", "reception_reason_desc", "reception_type") == (
        "N",
        "Unconvicted remand",
        "remand",
    )
    assert told(ann, "release_reason_code", "release_reason_desc", "release_type") == (
        "AR",
        "Automatic release",
        "end of sentence",
    )
    assert told(ann, "reception_establishment_code", "reception_establishment_name") == (
        "BZI",
        "Bronzefield (HMP & YOI)",
    )
    assert told(ann, "release_establishment_code", "release_establishment_name") == (
        "STI",
        "Styal (HMP & YOI)",
    )


def test_the_root_name_tells_who_it_was_and_the_alias_where_there_is_none(journeys):
    columns = ("sex_code", "sex", "ethnicity_code", "ethnicity_desc", "ethnicity_group")
    assert told(journeys[key("first 1")], *columns) == (
        "F",
        "female",
        "W2",
        "White: Irish",
        "White",
    )
    assert journeys[key("first 1")]["nationality"] == "IRL"
    assert told(journeys[key("remand 1")], *columns) == (None, "unknown", "ZZ", None, "Not known")
    cyd = journeys[key("twice 1")]
    assert cyd["offender_id_hash"] == key("cyd's alias")
    assert told(cyd, *columns) == ("REF", "unknown", "NS", "Prefer not to say", "Not known")


def test_sentence_and_charge_describe_the_journey(journeys):
    ann = journeys[key("first 1")]
    assert told(ann, "sentence_type_code", "sentence_group", "sentence_days", "sentence_band") == (
        "ADIMP_ORA",
        "determinate",
        273,
        "over 6 to 12 months",
    )
    assert told(ann, "charge_count", "ho_offence_code", "offence_desc", "offence_group") == (
        3,
        "46/00",
        "Theft from a shop",
        "Theft offences",
    )
    assert told(ann, "security_category_code", "security_category_desc", "security_group") == (
        "R",
        "Women closed",
        "closed",
    )


def test_who_is_in_custody_has_neither_release_nor_days(journeys):
    bob = journeys[key("remand 1")]
    assert bob["is_in_custody"]
    assert told(bob, "release_date", "release_type", "days_in_custody") == (None, None, None)
    assert told(bob, "sentence_count", "sentence_type_code", "sentence_band") == (
        0,
        None,
        "unsentenced",
    )


def test_codes_outside_the_lists_stay(journeys):
    bob = journeys[key("remand 1")]
    assert told(bob, "reception_reason_code", "reception_reason_desc", "reception_type") == (
        "NEW",
        None,
        "other",
    )
    assert told(bob, "reception_establishment_code", "reception_establishment_name") == (
        "ZZZ",
        None,
    )
    assert told(bob, "ho_offence_code", "offence_desc", "offence_group") == (
        "1/99",
        None,
        "Not known",
    )


def test_a_booking_used_again_holds_two_journeys(journeys):
    fine, sentenced = journeys[key("twice 1")], journeys[key("twice 3")]
    columns = ("reception_type", "release_type", "sentence_type_code", "sentence_band")
    assert told(fine, *columns) == ("fine default", "fine paid", "A/FINE", "6 months or less")
    assert told(sentenced, *columns) == ("sentenced", "not recorded", "ADIMP", "not known")
    assert told(sentenced, "release_date", "is_in_custody", "days_in_custody") == (
        None,
        False,
        None,
    )


def test_age_at_a_later_reception_of_a_booking_counts_the_years_between(journeys):
    labels = ("first 1", "remand 1", "twice 1", "twice 3")
    ages = [journeys[key(label)]["age_at_reception"] for label in labels]
    assert ages == [30, None, 20, 22]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The mart made from a supply, beside the truth about it."""
    settings = new_settings(tmp_path_factory.mktemp("supplied"))
    make_supply(settings, edition(EDITION), people=PEOPLE, seed=3, sources=("nomis",))
    extract_source(settings, EDITION, "nomis")
    truth = settings.secure / "truth" / EDITION
    with connect(settings) as connection:
        define_record_pseudonym(connection, scope_key(settings, "records"))
        person = "left(sha256(person_id::varchar), 32)"
        tables.publish(
            settings,
            connection,
            TableKey.of("linkage", "prison_people"),
            EDITION,
            f"""select pseudonym('nomis_offenders|' || offender_id) as record_key,
                {person} as person_high, {person} as person_medium, {person} as person_low
            from read_parquet('{truth / "nomis_offenders.parquet"}')""",
            order_by=["record_key"],
            recipe=tables.recipe_of("truth"),
            inputs={},
        )
        journeys = connection.execute(
            f"""select pseudonym('nomis_movements|' || offender_book_id || '|' || movement_seq),
                reception_date, release_date, recall_count
            from read_parquet('{truth / "custodial_journeys.parquet"}')"""
        ).fetchall()
    unpublished = [
        each for each in source_columns() if tables.current(settings, each, EDITION) is None
    ]
    publish_supply(settings, {str(each): () for each in unpublished})
    database, _ = build(settings, "--exclude-resource-type", "unit_test")
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(
            "select custodial_journey_id_hash, reception_date, release_date, recall_count, "
            f"is_in_custody from {MART}"
        ).fetchall()
    return {first: tuple(rest) for first, *rest in journeys}, found


def test_journeys_are_rebuilt_as_they_were_lived(rebuilt):
    lived, found = rebuilt
    made = {first: tuple(rest) for first, *rest, _ in found}
    assert len(lived) > 300
    right = sum(made.get(first) == journey for first, journey in lived.items())
    assert right / len(lived) >= 0.99
    assert abs(len(made) - len(lived)) / len(lived) < 0.01
