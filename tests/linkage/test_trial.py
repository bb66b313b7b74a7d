"""Linking a table nobody here has seen: the columns it has, the errors it holds, the odd cases."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner

from datafirst_platform.cli import main
from datafirst_platform.linkage.trial import run_trial
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
    with pytest.raises(PlatformError, match=r"no column 'person'.*Columns: given_name"):
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
