"""Strict reading: every row is accepted or quarantined for a reason, or the file is refused."""

import datetime
import gzip
import io
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landed_rows import Landing, as_csv, booking, case, charge, offence, prisoner, row_of

from datafirst_platform.extracts import reading
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.safe_errors import DeliveryRefused
from datafirst_platform.settings import Settings

SECRET = "ZZTOPSECRET"
CASES = [column.name for column in contracts()["libra_cases"].columns]
HEADER = ",".join(CASES) + "\n"


def rows_of(version, order="all"):
    return (
        duckdb.connect()
        .execute(
            f"select * from read_parquet('{version.path}', hive_partitioning = false)"
            f" order by {order}"
        )
        .fetchall()
    )


def column_of(version, column):
    return [
        row[0]
        for row in duckdb.connect()
        .execute(f"select {column} from read_parquet('{version.path}')")
        .fetchall()
    ]


def reasons(extract, table="libra_cases"):
    """Row number, rule and column of each quarantined row; the counts must agree."""
    found = extract.tables[table]
    assert found.rows_accepted + found.rows_quarantined == found.rows_supplied
    assert found.content.rows == found.rows_accepted
    assert found.quarantine.rows == found.rows_quarantined
    assert sum(each.rows for each in found.quarantined_by) == found.rows_quarantined
    return (
        duckdb.connect()
        .execute(
            f"select row_number, rule, column_name from read_parquet('{found.quarantine.path}')"
            " order by file, row_number"
        )
        .fetchall()
    )


def extracted(landing, cases, offences=(), **given):
    landing.deliver({"libra_cases": cases, "libra_offences": offences}, **given)
    return extract_source(landing.settings, "2025", "libra")


def refusal(landing, cases, offences=(), **given):
    with pytest.raises(DeliveryRefused) as caught:
        extracted(landing, cases, offences, **given)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not list(landing.settings.warehouse.rglob("*.parquet"))
    assert not list(landing.settings.spill.iterdir())
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "rule", "column"),
    [
        ({"court_code": ""}, "missing_required", "court_code"),
        ({"first_hearing_date": ""}, "missing_required", "first_hearing_date"),
        ({"date_of_birth": "31/02/1980"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "1980-02-30"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "0980-02-20"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "1980-2-3"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "1980/02/03"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "infinity"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "epoch"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": "1980-02-03 00:00:00"}, "bad_date", "date_of_birth"),
        ({"date_of_birth": " "}, "bad_date", "date_of_birth"),
        ({"receipt_date": "2009-12-31"}, "out_of_range", "receipt_date"),
        ({"sex": "f"}, "unknown_code", "sex"),
        ({"court_code": "b0101"}, "bad_pattern", "court_code"),
        ({"case_id": "C1\n"}, "bad_pattern", "case_id"),
    ],
)
def test_a_row_at_fault_is_quarantined_for_its_first_fault(landing, given, rule, column):
    extract = extracted(landing, [case(1), case(2, **given), case(3)])
    assert reasons(extract) == [(2, rule, column)]


@pytest.mark.parametrize(
    "given",
    [
        {"date_of_birth": "1900-01-01"},
        {"date_of_birth": "1066-10-14"},
        {"pnc_id": "no number at all"},
        {"postcode": "nowhere"},
        {"court_code": "B9999"},
        {"last_name": "NÚÑEZ-ŁUKASZEWICZ 李"},
        {"last_name": 'O"BRIEN, "PAT"'},
        {"address_line_1": "FLAT 1\nTHE MILL\r\nMILL LANE"},
        {"last_name": "NULL"},
        {"last_name": " "},
        {"last_name": "\\N\\"},
    ],
)
def test_odd_but_honest_rows_are_accepted_as_they_are(landing, given):
    extract = extracted(landing, [case(1), case(2, **given), case(3)])
    assert reasons(extract) == []
    identities = extract.tables["libra_cases"].identities
    for column, value in given.items():
        if column in dict(identities.columns):
            assert str(column_of(identities, column)[1]) == value


@pytest.mark.parametrize(
    ("given", "rule", "column"),
    [
        ({"offence_seq": "1.0"}, "bad_integer", "offence_seq"),
        ({"offence_seq": "1000"}, "out_of_range", "offence_seq"),
        ({"fine_amount": "1e3"}, "bad_number", "fine_amount"),
        ({"fine_amount": "10.505"}, "bad_number", "fine_amount"),
        ({"fine_amount": "£10"}, "bad_number", "fine_amount"),
        ({"fine_amount": "-0.01"}, "out_of_range", "fine_amount"),
        ({"offence_seq": "01"}, "duplicate_key", "case_id, defendant_id, offence_seq"),
        ({"case_id": "C999999999"}, "orphan", "case_id, defendant_id"),
    ],
)
def test_numbers_and_orphans(landing, given, rule, column):
    extract = extracted(landing, [case(1)], [offence(1, 1), offence(1, 2) | given])
    found = reasons(extract, "libra_offences")
    assert (2, rule, column) in found
    assert len(found) == (2 if rule == "duplicate_key" else 1)


def test_children_of_quarantined_rows_are_orphans(landing):
    extract = extracted(landing, [case(1), case(2, sex="?")], [offence(1), offence(2)])
    assert reasons(extract, "libra_offences") == [(2, "orphan", "case_id, defendant_id")]


def test_what_hangs_below_a_refused_row_is_orphaned_however_deep(landing):
    landing.deliver(
        {
            "nomis_offenders": [prisoner(1), prisoner(2, sex_code="?")],
            "nomis_bookings": [booking(11, 1), booking(12, 2), booking(13, 3)],
            "nomis_charges": [charge(21, 11), charge(22, 12), charge(23, 13), charge(24, 11)],
        },
        source="nomis",
    )
    extract = extract_source(landing.settings, "2025", "nomis")

    assert reasons(extract, "nomis_offenders") == [(2, "unknown_code", "sex_code")]
    assert reasons(extract, "nomis_bookings") == [
        (2, "orphan", "offender_id"),
        (3, "orphan", "offender_id"),
    ]
    assert reasons(extract, "nomis_charges") == [
        (2, "orphan", "offender_book_id"),
        (3, "orphan", "offender_book_id"),
    ]


def test_copies_go_and_rows_that_claim_one_key_all_go(landing):
    rows = [case(1), case(2), case(1), case(3), case(3, sex="M"), case(3), case(4)]
    assert reasons(extracted(landing, rows)) == [
        (3, "duplicate_row", None),
        (4, "duplicate_key", "case_id, defendant_id"),
        (5, "duplicate_key", "case_id, defendant_id"),
        (6, "duplicate_row", None),
    ]


def test_a_day_may_be_part_of_the_key(landing):
    plans = [
        row_of(
            "csc_cpp_episodes",
            la_code="330",
            la_child_id="7",
            cpp_start_date=day,
            initial_category=category,
        )
        for day, category in [
            ("2010-03-01", "NEG"),
            ("2012-03-01", "NEG"),
            ("2012-03-01", "EMO"),
            ("2012-02-30", "NEG"),
        ]
    ]
    landing.deliver({"csc_cpp_episodes": plans}, source="csc")
    key = "la_code, la_child_id, cpp_start_date"
    assert reasons(extract_source(landing.settings, "2025", "csc"), "csc_cpp_episodes") == [
        (2, "duplicate_key", key),
        (3, "duplicate_key", key),
        (4, "bad_date", "cpp_start_date"),
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_marks_and_packing_make_no_difference(landing, ending, mark, last, packed):
    text = mark + as_csv([case(1), case(2)], CASES).decode().replace("\n", ending)
    text = text if last else text.removesuffix(ending)
    extract = extracted(landing, text.encode(), rows={"libra_cases": 2}, packed=packed)
    assert reasons(extract) == []
    assert extract.tables["libra_cases"].rows_accepted == 2


@pytest.mark.parametrize(
    ("separators", "rule"), [(-20, True), (-1, True), (0, False), (1, True), (2, True), (26, True)]
)
@pytest.mark.parametrize("tail", ["", "x"])
def test_a_row_of_another_width_is_quarantined_whole(landing, separators, rule, tail):
    lines = as_csv([case(1), case(2), case(3)], CASES).decode().splitlines()
    cut = lines[2].split(",")[: len(CASES) + min(separators, 0)]
    lines[2] = ",".join(cut) + "," * max(separators, 0) + (tail if separators > 0 else "")
    text = "\n".join(lines) + "\n"
    extract = extracted(landing, text.encode(), rows={"libra_cases": 3})
    assert reasons(extract) == ([(2, "wrong_field_count", None)] if rule else [])


def test_blank_lines_are_no_rows(landing):
    text = as_csv([case(1), case(2)], CASES).decode().replace("\n", "\n\n")
    assert reasons(extracted(landing, text.encode(), rows={"libra_cases": 2})) == []


def test_a_quarantined_row_can_be_read_again_from_its_text(landing):
    rows = [case(1), case(2, sex="?", last_name='A "B", C', address_line_1="X\nY")]
    extract = extracted(landing, rows)
    text = column_of(extract.tables["libra_cases"].quarantine, "row_text")[0]
    assert text == as_csv(rows[1:], CASES).decode().split("\n", 1)[1].removesuffix("\n")


def test_rows_refused_beside_others_keep_their_text(landing):
    """Copies, claims of one key and orphans are told apart late, when dates are dates."""
    cases = [case(1), case(1), case(2), case(2, last_name='O"NEIL, X', committal_date="2015-07-01")]
    offences = [offence(3, offence_seq="007", fine_amount="1.5", verdict="G")]
    extract = extracted(landing, cases, offences)
    for table, refused in (("libra_cases", cases[1:]), ("libra_offences", offences)):
        columns = [column.name for column in contracts()[table].columns]
        kept = column_of(extract.tables[table].quarantine, "row_text")
        assert kept == as_csv(refused, columns).decode().splitlines()[1:]


def test_a_row_of_another_width_keeps_its_text(landing):
    lines = as_csv([case(1), case(2), case(3)], CASES).decode().splitlines()
    lines[2] += ',"A, B",C,'
    lines[3] = "C000000003,D0000003"
    extract = extracted(landing, "\n".join(lines).encode(), rows={"libra_cases": 3})
    kept = column_of(extract.tables["libra_cases"].quarantine, "row_text")
    assert [line.rstrip(",") for line in kept] == [line.rstrip(",") for line in lines[2:]]


def test_several_files_feed_one_table_and_rows_count_from_one_in_each(landing):
    def twice(manifest):
        first = manifest["files"][0]
        folder = landing.settings.landing / "libra" / manifest["delivery"]
        (folder / "more.csv").write_bytes(as_csv([case(3), case(4, sex="?"), case(1)], CASES))
        import hashlib

        content = (folder / "more.csv").read_bytes()
        manifest["files"].append(
            first
            | {
                "path": "more.csv",
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "rows": 3,
            }
        )

    extract = extracted(landing, [case(1), case(2, sex="?")], change=twice)
    assert reasons(extract) == [
        (2, "unknown_code", "sex"),
        (2, "unknown_code", "sex"),
        (3, "duplicate_row", None),
    ]
    receipt = rows_of(extract.receipt, "table_name, file")
    assert [(row[1], row[4], row[5], row[6]) for row in receipt] == [
        ("libra_cases.csv", 2, 1, 1),
        ("more.csv", 3, 1, 2),
        ("libra_offences.csv", 0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "it is empty"),
        (f"{SECRET},x\n".encode(), "is the header row there?"),
        (HEADER.replace("sex", SECRET).encode(), "missing: sex; 1 that the contract does not"),
        (HEADER.replace("sex,", "").encode(), "missing: sex"),
        (HEADER.replace("\n", ",\n").encode(), "1 that the contract does not have"),
        (HEADER.replace("title,first_name", "first_name,title").encode(), "from column 6 (title)"),
        (HEADER.replace("title", "sex").encode(), "missing: title; more than once: sex"),
        (HEADER.encode() + f'{SECRET},"{SECRET}\n'.encode(), "at line 2: a quote is not closed"),
        (HEADER.encode() + f'{SECRET},"{SECRET}"x,1\n'.encode(), "at line 2: a quote is not"),
        (HEADER.encode() + f"{SECRET}{',' * 99}\n".encode(), "at line 2: a row has more than"),
        (HEADER.encode() + f"{SECRET}\r\n{SECRET}\n{SECRET}\r\n".encode(), "cannot be read"),
        (HEADER.encode() + b"x" * 9_000_000 + b"\n", "longer than 8 MiB"),
        (HEADER.encode() + f"{SECRET}\xff\n".encode("latin-1"), "not UTF-8 at byte"),
        (HEADER.encode() + SECRET.encode() + b"\xe2\x82", "not UTF-8 at byte"),
        (HEADER.encode() + SECRET.encode() + b"\0\n", "a NUL byte at byte"),
        (HEADER.encode("utf-16"), "a NUL byte at byte"),
        (HEADER.encode() + f"{SECRET}\n{SECRET}\n".encode(), "2 rows came, the manifest states 1"),
        (HEADER.encode() + b"\n\n", "0 rows came, the manifest states 1"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_cannot_be_trusted_is_refused_whole(landing, text, message, packed):
    told = refusal(landing, text, rows={"libra_cases": 1}, packed=packed)
    assert told.startswith("libra_cases.csv")
    assert message in told
    assert "ask" in told.lower() or "is empty" in told


def test_the_byte_that_is_not_utf8_is_found_across_blocks(landing):
    text = HEADER.encode() + ("é" * 1_000_001).encode() + b"\xff\n"
    told = refusal(landing, text, rows={"libra_cases": 1})
    assert f"not UTF-8 at byte {len(text) - 2} " in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "truncated or altered"),
        (lambda content: content[:-1] + b"?", "SHA-256 is not the manifest's"),
        # It cannot be read either, which is told of files that came as they were sent.
        (lambda content: content[:-1] + b'"', "SHA-256 is not the manifest's"),
        (lambda _: None, "it is not there"),
    ],
)
def test_a_file_that_is_not_the_manifests_is_refused(landing, change, message):
    folder = landing.deliver({"libra_cases": [case(1)], "libra_offences": []})
    path = folder / "libra_cases.csv"
    changed = change(path.read_bytes())
    path.unlink() if changed is None else path.write_bytes(changed)
    with pytest.raises(DeliveryRefused, match=message) as caught:
        extract_source(landing.settings, "2025", "libra")
    assert caught.value.__context__ is None


@pytest.mark.parametrize("cut", [5, 12, -9, -1])
def test_broken_gzip_is_refused(landing, cut):
    content = gzip.compress(as_csv([case(n) for n in range(50)], CASES))
    whole = {"libra_cases": content[:cut], "libra_offences": gzip.compress(b"")}
    told = refusal(landing, whole["libra_cases"], rows={"libra_cases": 50}, suffix=".csv.gz")
    assert "broken or truncated gzip" in told


def test_a_few_bytes_that_unpack_to_very_many_are_refused(landing):
    bomb = gzip.compress(HEADER.encode() + b"\n" * 80_000_000)
    told = refusal(landing, bomb, suffix=".csv.gz")
    assert "unpacks to more than" in told


@pytest.mark.parametrize(("stated", "stands"), [("21.00", True), ("21", True), ("21.01", False)])
def test_control_totals_are_held_against_all_rows(landing, stated, stands):
    def with_total(manifest):
        manifest["files"][1]["totals"] = {"fine_amount": stated}

    rows = [offence(1, 1), offence(9, 2)]
    if stands:
        extracted(landing, [case(1)], rows, change=with_total)
    else:
        told = refusal(landing, [case(1)], rows, change=with_total)
        assert "control total of fine_amount" in told
        assert "21" not in told


def parquet(rows, types=None, table="libra_cases"):
    columns = [column.name for column in contracts()[table].columns]
    types = types or {}
    arrays = {
        name: pa.array([row[name] or None for row in rows], pa.string()).cast(
            types.get(name, pa.string())
        )
        for name in columns
    }
    made = io.BytesIO()
    pq.write_table(pa.table(arrays), made)
    return made.getvalue()


def test_parquet_is_held_to_the_same_rules(landing):
    rows = [case(1), case(2, sex="?"), case(3, date_of_birth="")]
    types = {"date_of_birth": pa.date32(), "first_hearing_date": pa.date32()}
    extract = extracted(
        landing,
        parquet(rows, types),
        as_csv([], [column.name for column in contracts()["libra_offences"].columns]),
        rows={"libra_cases": 3},
        change=as_parquet,
    )
    assert reasons(extract) == [(2, "unknown_code", "sex")]
    assert column_of(extract.tables["libra_cases"].identities, "date_of_birth") == [
        datetime.date(1980, 6, 15),
        None,
    ]


def as_parquet(manifest):
    """Rename the delivered cases to what they are."""
    folder = manifest["delivery"]
    file = manifest["files"][0]
    as_parquet.landing(folder, file["path"])
    file["path"] = "libra_cases.parquet"


@pytest.fixture(autouse=True)
def _renaming(landing):
    root = landing.settings.landing / "libra"
    as_parquet.landing = lambda folder, name: (root / folder / name).rename(
        root / folder / "libra_cases.parquet"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"PAR1" + SECRET.encode() + b"PAR1", "not a whole Parquet file"),
        (lambda: parquet([case(1)])[:-100], "not a whole Parquet file"),
        (lambda: b"PAR1" + b"x" * 500 + parquet([case(1)])[504:], "damaged"),
        (lambda: parquet([case(1), case(2)]), "2 rows came, the manifest states 1"),
        (
            lambda: parquet([case(1, title="1.5")], {"title": pa.float64()}),
            "column title is neither text",
        ),
    ],
)
def test_parquet_that_cannot_be_trusted_is_refused(landing, content, message):
    told = refusal(landing, content(), rows={"libra_cases": 1}, change=as_parquet)
    assert told.startswith("libra_cases.parquet: ")
    assert message in told


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(
    names=st.lists(TEXT, min_size=1, max_size=6),
    births=st.lists(st.one_of(TEXT, st.dates().map(str)), min_size=6, max_size=6),
    packed=st.booleans(),
)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_text_comes_through_whole_or_is_quarantined(tmp_path_factory, names, births, packed):
    root = tmp_path_factory.mktemp("any")
    landing = Landing(Settings(root / "home", root / "keys", memory_gib=1.0).prepare())
    rows = [
        case(number, last_name=name, date_of_birth=birth)
        for number, (name, birth) in enumerate(zip(names, births, strict=False))
    ]
    extract = extracted(landing, rows, packed=packed)
    at_fault = {number for number, _, _ in reasons(extract)}
    good = [row for number, row in enumerate(rows, 1) if number not in at_fault]
    identities = extract.tables["libra_cases"].identities
    assert column_of(identities, "last_name") == [row["last_name"] or None for row in good]
    assert [str(day or "") for day in column_of(identities, "date_of_birth")] == [
        row["date_of_birth"] for row in good
    ]
    for number in at_fault:
        assert not is_date(rows[number - 1]["date_of_birth"])


def is_date(text):
    try:
        return str(datetime.date.fromisoformat(text)) == text and text >= "1000"
    except ValueError:
        return text == ""


def test_refusals_are_written_nowhere_with_values(landing):
    refusal(landing, HEADER.encode() + f'{SECRET},"{SECRET}\n'.encode(), rows={"libra_cases": 1})
    for path in landing.settings.home.rglob("*.json"):
        assert SECRET not in json.dumps(path.read_text())


def test_no_rule_becomes_a_join_behind_which_rows_lose_their_order():
    with duckdb.connect() as connection:
        for contract in contracts().values():
            rows = ", ".join(f"'' as {reading._given(each)}" for each in contract.columns)
            days = "".join(
                f", date '2020-01-01' as {reading._value(each)}"
                for each in contract.columns
                if each.type == "date"
            )
            connection.execute(f"create or replace temp table rows as select {rows}{days}")
            rules = [rule for each in contract.columns for _, rule in reading._rules(each)]
            cases = " ".join(f"when {rule} then {at}" for at, rule in enumerate(rules))
            plan = connection.execute(f"explain select case {cases} end from rows").fetchall()
            assert "join" not in str(plan).lower(), contract.table
