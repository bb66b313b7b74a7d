"""Linking a table nobody here has seen: the columns it has, the errors it holds, the odd cases."""

import dataclasses
import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner

from datafirst_platform.cli import main
from datafirst_platform.linkage.trial import MappingRefused, run_trial
from datafirst_platform.safe_errors import PlatformError

FIRST = ["alice", "bernard", "chidi", "dilys", "erin", "farouk", "gwen", "hamish", "imran", "jo"]
LAST = ["ashworth", "brooke", "castellano", "dhillon", "evans", "fitzroy", "grant", "hussain"]


@pytest.fixture
def table(tmp_path):
    """Write a table of made-up people, each twice, the second time with a slip."""

    def write(people=150, columns=("given_name", "surname", "date_of_birth", "suburb", "truth")):
        rng = np.random.default_rng(3)
        rows = []
        for person in range(people):
            day = np.datetime64("1950-01-01") + int(rng.integers(0, 18_000))
            row = {
                "given_name": FIRST[rng.integers(len(FIRST))] + "abcdefghij"[person % 10],
                "surname": LAST[rng.integers(len(LAST))] + "klmnopqrst"[person // 10 % 10],
                "date_of_birth": str(day),
                "suburb": f"town{rng.integers(40)}",
                "soc_sec_id": str(10_000_000 + person * 7919),
                "source": "a",
                "truth": f"p{person}",
            }
            slip = ("given_name", "surname", "date_of_birth", "suburb")[person % 4]
            other = {**row, "source": "b", slip: row[slip][:3] + "x" + row[slip][4:]}
            if slip == "date_of_birth":
                other[slip] = row[slip][8:] + "/" + row[slip][5:7] + "/" + row[slip][:4]
            rows += [row, other]
        path = tmp_path / "people.csv"
        lines = [",".join(columns), *(",".join(row[each] for each in columns) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.mark.parametrize("train", [False, True])
def test_people_with_slips_are_found_again(settings, table, train):
    trial = run_trial(settings, table(), "truth", train=train)
    assert trial.records == 300
    assert trial.best is not None
    assert trial.best.f1 > 0.98


def test_names_and_a_date_in_two_forms_are_enough(settings, table):
    file = table(columns=("given_name", "surname", "date_of_birth", "truth"))
    assert run_trial(settings, file, "truth").best.f1 > 0.9


def test_pairs_across_sources_are_measured_too(settings, table):
    file = table(columns=("source", "given_name", "surname", "date_of_birth", "suburb", "truth"))
    trial = run_trial(settings, file, "truth", source="source")
    assert {each.scope for each in trial.measures} == {"all", "cross"}


def test_a_column_is_taken_for_what_it_is_mapped_to(settings, table):
    file = table()
    renamed = file.with_name("renamed.csv")
    renamed.write_text(file.read_text().replace("given_name", "vorname", 1))
    assert "forename" not in run_trial(settings, renamed, "truth").fields
    mapped = run_trial(settings, renamed, "truth", mapping={"forename": "vorname"})
    assert mapped.fields["forename"] == "vorname"


def test_parquet_is_read_as_csv_is(settings, table):
    file = table()
    parquet = file.with_suffix(".parquet")
    duckdb.sql(f"copy (from read_csv('{file}', all_varchar = true)) to '{parquet}'")
    csv_measures = run_trial(settings, file, "truth").measures
    assert run_trial(settings, parquet, "truth").measures == csv_measures


@pytest.mark.parametrize("people", [0, 1, 2])
@pytest.mark.parametrize("train", [False, True])
def test_a_table_of_hardly_anybody_is_no_error(settings, table, people, train):
    trial = run_trial(settings, table(people), "truth", train=train)
    assert trial.records == 2 * people


def test_odd_dates_and_gaps_do_not_break_it(settings, tmp_path):
    file = tmp_path / "odd.csv"
    rows = [
        f"ann{n},,{date},p{n}" for n, date in enumerate(["unknown", "0000-00-00", "31/02/1980"])
    ]
    file.write_text("forename,surname,dob,who\n" + "\n".join(rows) + "\n,,,\n")
    assert run_trial(settings, file, "who").records == 4


def test_the_same_table_gives_the_same_people(settings, table):
    file = table()
    one, other = (run_trial(settings, file, "truth", train=True) for _ in range(2))
    assert (one.clusters, one.measures) == (other.clusters, other.measures)


def test_what_cannot_be_read_says_so_without_a_value(settings, table, tmp_path):
    with pytest.raises(PlatformError, match=r"no column 'person'.*Columns: 5; known by name: fore"):
        run_trial(settings, table(), "person")
    nameless = tmp_path / "nameless.csv"
    nameless.write_text("x,y\n1,2\n")
    with pytest.raises(PlatformError, match="--map surname=COLUMN"):
        run_trial(settings, nameless, None)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"Dilys Evans")
    with pytest.raises(PlatformError, match="cannot be read as Parquet") as told:
        run_trial(settings, broken, None)
    assert "Dilys" not in str(told.value)


def born_in_parts(file, year, month, day):
    """The same table with the date of birth in three columns by these names."""
    head, *rows = [line.split(",") for line in file.read_text().splitlines()]
    at = head.index("date_of_birth")
    for row in rows:
        whole = row[at] if row[at][4] == "-" else "-".join(row[at].split("/")[::-1])
        row[at : at + 1] = whole.split("-")
    head[at : at + 1] = [year, month, day]
    parts = file.with_name("parts.csv")
    parts.write_text("".join(",".join(row) + "\n" for row in [head, *rows]))
    return parts


@pytest.mark.parametrize(
    "names",
    [
        ("birth_year", "birth_month", "birth_day"),
        ("BirthYear", "BirthMonth", "BirthDay"),
        ("yob", "mob", "birth_day"),
        ("yob", "mob", "bd"),
    ],
)
def test_the_day_beside_its_year_is_not_taken_for_the_date(settings, table, names):
    trial = run_trial(settings, born_in_parts(table(), *names), "truth")
    fields = ("birth_year", "birth_month", "birth_day")
    assert {field: trial.fields.get(field) for field in fields} == dict(
        zip(fields, names, strict=True)
    )
    assert "dob" not in trial.fields
    assert trial.best.f1 > 0.95


def test_a_birthday_that_is_a_date_is_one(settings, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("name,birthday\nann smith,1980-02-01\n")
    assert run_trial(settings, file, None).fields["dob"] == "birthday"
    file.write_text("name,birthday,yob\nann smith,1980-02-01,1980\n")
    assert run_trial(settings, file, None).fields["dob"] == "birthday"


@pytest.fixture
def command(settings, monkeypatch):
    """Run the command on a file."""
    monkeypatch.setenv("DATAFIRST_HOME", str(settings.home))
    monkeypatch.setenv("DATAFIRST_KEYS", str(settings.keys))
    return lambda file, *more: CliRunner().invoke(main, ["linkage", "evaluate", str(file), *more])


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "the table has no records"),
        (["ann,smith,1980-01-01,p1"], "only one record has a truth"),
        (["ann,smith,1980-01-01,", "ann,smith,1980-01-01,"], "the truth column is empty"),
        (["ann,smith,1980-01-01,p1", "joe,dhillon,1950-02-03,p2"], "no two records share a truth"),
    ],
)
def test_without_a_truth_nothing_is_called_perfect(command, tmp_path, rows, why):
    file = tmp_path / "people.csv"
    file.write_text("\n".join(["forename,surname,dob,who", *rows]) + "\n")
    done = command(file, "--truth-column", "who", "--json")
    told = json.loads(done.stdout)
    for measure in (told, *told["measures"]):
        assert [measure[each] for each in ("precision", "recall", "f1")] == [None] * 3
    assert why in " ".join(told["not_measurable"])
    assert done.exit_code == 0
    done = command(file, "--truth-column", "who")
    assert done.stdout.count("not measurable") == 9
    assert "1.0" not in done.stdout.split("THRESHOLD")[-1].split("records in")[0]
    assert f"Not measurable: recall of all pairs, and F1 where none is linked: {why}" in done.stdout
    assert done.exit_code == 0


def test_links_without_a_true_pair_have_a_precision_and_no_recall(command, tmp_path):
    file = tmp_path / "people.csv"
    rows = [f"ann{n % 9},smith{n % 9},1980-01-0{n % 9 + 1},AB1 2CD,p{n}" for n in range(18)]
    file.write_text("forename,surname,dob,postcode,who\n" + "\n".join(rows) + "\n")
    told = json.loads(command(file, "--truth-column", "who", "--json").stdout)
    assert (told["precision"], told["recall"], told["f1"]) == (0, None, 0)


def test_true_pairs_without_a_link_have_a_recall_and_no_precision(command, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("forename,surname,who\nann,smith,p1\njoe,dhillon,p1\n")
    told = json.loads(command(file, "--truth-column", "who", "--json").stdout)
    assert (told["precision"], told["recall"], told["f1"]) == (None, 0, 0)
    assert "precision of all pairs, high, medium, low" in told["not_measurable"][0]


@pytest.mark.parametrize(
    ("named", "beside"), [("a*.csv", "ab.csv"), ("[1].csv", "1.csv"), ("a?.csv", "ab.csv")]
)
def test_the_name_of_a_file_is_no_pattern(settings, table, named, beside):
    file = table(2)
    for each in (named, beside):
        file.with_name(each).write_text(file.read_text())
    file.with_name(beside).write_text("another,table\n1,2\n")
    assert run_trial(settings, file.with_name(named), "truth").records == 4


@pytest.mark.parametrize("named", ["a*.parquet", "people.csv", "people.parquet"])
def test_the_name_of_a_folder_is_no_column(settings, table, tmp_path, named):
    file = table()
    folder = tmp_path / "surname=x"
    folder.mkdir()
    expected = run_trial(settings, file, "truth").measures
    if named.endswith("csv"):
        (folder / named).write_text(file.read_text())
    else:
        duckdb.sql(f"copy (from read_csv('{file}', all_varchar = true)) to '{file}.parquet'")
        Path(f"{file}.parquet").rename(folder / named)
        (folder / "ab.parquet").write_bytes((folder / named).read_bytes())
    assert run_trial(settings, folder / named, "truth").measures == expected


def test_a_record_in_place_of_the_header_is_not_told(command, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("Dilys,Evans,1980-01-01\nErin,Grant,1970-01-01\n")
    done = [command(file), command(file, "--truth-column", "who"), command(file, "--map", "sex=s")]
    for each in done:
        assert each.exit_code == 1
        assert "Columns: 3; known by name: none. The first row has to be a header" in each.output
        assert not any(value in each.output for value in ("Dilys", "Evans", "1980"))
    assert "--map surname=COLUMN" in done[0].output


@pytest.mark.parametrize("late", [False, True])
def test_a_line_end_within_quotes_is_part_of_a_value(settings, tmp_path, late):
    file = tmp_path / "people.csv"
    plain = 25_000 if late else 0
    rows = [f"ann{n},smith{n},none,p{n}\n" for n in range(plain)]
    rows += [f'ann{n},smith{n},"one ""{n}"",\ntwo",p{n}\n' for n in range(plain, plain + 50)]
    file.write_text("forename,surname,address,who\n" + "".join(rows))
    trial = run_trial(settings, file, "who")
    assert trial.records == plain + 50


def test_a_quote_never_closed_swallows_nobody(settings, tmp_path):
    file = tmp_path / "people.csv"
    rows = [f"ann{n},smith{n},p{n}\n" for n in range(25_000)]
    rows[-10] = '"bea,jones,p0\n'
    file.write_text("forename,surname,who\n" + "".join(rows))
    assert run_trial(settings, file, "who").records == 25_000


def test_the_truth_is_not_linked_by(command, settings, table):
    file = table(2)
    done = command(file, "--truth-column", "truth", "--map", "forename=truth")
    assert done.exit_code == 2
    assert "'truth' is the truth" in done.output
    with pytest.raises(MappingRefused):
        run_trial(settings, file, "truth", mapping={"number": "truth"})


@pytest.mark.parametrize(
    ("mapped", "why"),
    [
        (("forename=given_name", "forename=surname"), "give each field once"),
        (("vorname=given_name",), "no field 'vorname' to map to. Fields: forename, middle, "),
        (("forename",), "write FIELD=COLUMN"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(command, table, mapped, why):
    done = command(table(2), *(each for it in mapped for each in ("--map", it)))
    assert done.exit_code == 2
    assert why in done.output


@pytest.mark.parametrize("named", ["upper.PARQUET", "short.pq", "short.PQ"])
def test_the_ending_of_a_name_tells_parquet(settings, table, named):
    file = table(2)
    duckdb.sql(f"copy (from read_csv('{file}', all_varchar = true)) to '{file}.parquet'")
    parquet = Path(f"{file}.parquet").rename(file.with_name(named))
    assert run_trial(settings, parquet, "truth").records == 4


def test_too_little_memory_is_not_blamed_on_the_file(settings, table):
    little = dataclasses.replace(settings, memory_gib=0.001)
    with pytest.raises(PlatformError, match="Set DATAFIRST_MEMORY_GIB higher") as told:
        run_trial(little, table(), "truth")
    assert "cannot be read" not in str(told.value)


def test_the_command_prints_figures_a_script_can_read(settings, table, monkeypatch):
    monkeypatch.setenv("DATAFIRST_HOME", str(settings.home))
    monkeypatch.setenv("DATAFIRST_KEYS", str(settings.keys))
    arguments = ["linkage", "evaluate", str(table()), "--truth-column", "truth", "--json"]
    done = CliRunner().invoke(main, [*arguments, "--map", "town=suburb"])
    told = json.loads(done.stdout)
    assert {"pairs", "clusters", "precision", "recall", "f1", "seconds"} <= told.keys()
    assert told["f1"] > 0.98
    assert done.exit_code == 0
    assert Path(arguments[2]).stem == "people"
