import dataclasses
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datafirst_platform import tables
from datafirst_platform.engine import connect, parquet
from datafirst_platform.identity import TableKey
from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings

KEY = TableKey.of("marts", "numbers")


def publish(settings, query="select range as n from range(1000)", recipe="r1"):
    with connect(settings) as connection:
        return tables.publish(
            settings,
            connection,
            KEY,
            "2025",
            query,
            order_by=("n",),
            recipe=recipe,
            inputs={"a": "1"},
        )


def test_what_was_published_is_what_stands(settings):
    made = publish(settings)

    assert tables.current(settings, KEY, "2025") == made
    assert made.rows == 1000
    assert made.columns == (("n", "BIGINT"),)
    assert tables.digest_of(made.path) == made.version


def test_same_rows_are_the_same_version_at_any_order_and_thread_count(settings):
    first = publish(settings)
    one_thread = dataclasses.replace(settings, threads=1)
    second = publish(one_thread, "select n from (select range as n from range(1000)) order by -n")

    assert second.version == first.version


def test_row_groups_do_not_follow_what_a_condition_left_of_the_engines(settings):
    found = set()
    for threads in (1, 2):
        with connect(dataclasses.replace(settings, threads=threads)) as connection:
            connection.execute("create table numbers as from range(300_000) t(n)")
            made = tables.publish(
                settings,
                connection,
                KEY,
                "2025",
                "from numbers where n % 997 <> 0",
                recipe="r1",
                inputs={},
            )
            found.add(made.version)

    assert len(found) == 1


@pytest.mark.parametrize("rows", [0, 5, 300_000])
def test_two_tables_of_one_query_are_what_each_alone_would_be(settings, rows):
    query = f"select range as n, range * 2 as m from range({rows}) order by n"
    halves = {
        KEY: lambda made: made.select(["n"]),
        TableKey.of("marts", "doubles"): lambda made: made.select(["m"]).rename_columns(["n"]),
    }
    found = {}
    for threads in (1, 2):
        some = dataclasses.replace(settings, threads=threads)
        with connect(some) as connection:
            made = tables.publish_parts(
                some,
                connection,
                "2025",
                query,
                halves,
                recipe="r1",
                inputs={},
                finish=lambda group: group.set_column(1, "m", pc.add(group["m"], 1)),
            )
        found[threads] = [each.version for each in made.values()]
        assert {each.rows for each in made.values()} == {rows}
        assert all(tables.current(settings, key, "2025") == made[key] for key in halves)
    assert found[1] == found[2]
    alone = publish(settings, f"select range * 2 + 1 as n from range({rows})")
    assert alone.version == found[1][1]


def test_an_installation_in_a_folder_named_like_a_column_reads_its_own_files(tmp_path):
    odd = Settings(home=tmp_path / "n=7" / "m[1]", keys=tmp_path / "keys").prepare()
    made = publish(odd)
    assert made.columns == (("n", "BIGINT"),)
    with connect(odd) as connection:
        found = connection.execute(f"select max(n) from {parquet(made.path)}").fetchall()
    assert found == [(999,)]


def test_versions_are_never_changed(settings):
    first = publish(settings)
    content = first.path.read_bytes()
    second = publish(settings, "select range as n from range(5)")

    assert second.version != first.version
    assert first.path.read_bytes() == content
    assert tables.current(settings, KEY, "2025").version == second.version


@pytest.mark.parametrize("row", [0, 900_000])
def test_a_failure_leaves_the_old_version_standing_and_quotes_nothing(settings, row):
    first = publish(settings)
    with pytest.raises(PlatformError) as failure:
        publish(
            settings,
            f"select cast(if(range = {row}, 'Zebedee', '1') as integer) as n from range({row + 1})",
        )

    assert "Zebedee" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__
    assert tables.current(settings, KEY, "2025") == first
    assert not list(first.path.parent.parent.glob(".stage-*"))


@pytest.mark.parametrize("told", [b"\xff", b"v=elsewhere", b""])
def test_a_damaged_pointer_says_what_to_do(settings, told):
    made = publish(settings)
    (made.path.parent.parent / "CURRENT").write_bytes(told)
    with pytest.raises(PlatformError, match="marts/numbers of edition 2025 is damaged"):
        tables.current(settings, KEY, "2025")


def test_only_the_same_recipe_stands(settings):
    made = publish(settings, recipe="r1")

    assert tables.standing(settings, KEY, "2025", "r1") == made
    assert tables.standing(settings, KEY, "2025", "r2") is None
    assert tables.standing(settings, KEY, "2026", "r1") is None


def test_a_missing_table_says_what_makes_it(settings):
    with pytest.raises(NotReady, match="datafirst refresh 2026"):
        tables.require(settings, KEY, "2026")


# Tables in layers.

COLUMNS = "n, 'x' || n as label, n::uinteger as mark"


def publish_rows(settings, numbers, below=None, gone=(), edition="2025"):
    """Publish rows named by numbers, alone or upon another version."""
    listed = ", ".join(f"({number})" for number in numbers) or "(0)"
    some = "true" if numbers else "false"
    query = f"select {COLUMNS} from (values {listed}) as t(n) where {some} order by n"
    with connect(settings) as connection:
        if below is None:
            return tables.publish(
                settings, connection, KEY, edition, query, recipe="r", inputs={"a": "1"}
            )
        gone = np.array(sorted(gone), dtype=np.int64)
        return tables.publish_upon(
            settings, connection, below, edition, query, gone, recipe="r", inputs={"a": "1"}
        )


def read_rows(version):
    with duckdb.connect() as connection:
        return connection.execute(f"select * from {version.sql} order by n").fetchall()


def read_numbers(version):
    with duckdb.connect() as connection:
        found = connection.execute(f"select row, n from {version.numbered()}").fetchall()
    return dict(found)


def test_a_layer_adds_rows_and_drops_others_and_nothing_is_written_again(settings):
    whole = publish_rows(settings, range(100))
    made = publish_rows(settings, [200, 201], whole, [3, 5], edition="2026")

    assert tables.current(settings, KEY, "2026") == made
    assert made.rows == 100
    assert made.columns == whole.columns
    assert {n for n, _, _ in read_rows(made)} == {*range(100), 200, 201} - {3, 5}
    assert made.layers[0].path.samefile(whole.path)
    assert tables.current(settings, KEY, "2025") == whole
    # It stands for itself: the edition before may go.
    shutil.rmtree(whole.path.parent.parent)
    assert len(read_rows(made)) == 100
    assert tables.is_intact(made)


@given(st.data())
def test_layers_hold_what_was_put_there_and_rows_keep_their_numbers(data):
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "data", keys=Path(folder) / "keys").prepare()
        first = data.draw(st.integers(0, 6))
        version = publish_rows(settings, list(range(first)), edition="2000")
        held, spent = dict(enumerate(range(first))), first
        for edition in range(2001, 2001 + data.draw(st.integers(0, 3))):
            gone = data.draw(st.sets(st.sampled_from(sorted(held)))) if held else set()
            new = [1000 * edition + each for each in range(data.draw(st.integers(0, 4)))]
            version = publish_rows(settings, new, version, gone, edition=str(edition))
            held = {row: n for row, n in held.items() if row not in gone}
            held |= {spent + place: n for place, n in enumerate(new)}
            spent += len(new)

        assert read_numbers(version) == held
        assert version.rows == len(held)
        assert [n for n, _, _ in read_rows(version)] == sorted(held.values())
        assert {int(row) for row in np.flatnonzero(version.stands())} == held.keys()
        rows = np.array(sorted(held), dtype=np.int64)
        every = version.read("n").to_pylist()
        assert [every[row] for row in rows] == [held[row] for row in rows]
        assert version.take(["n"], rows)["n"].to_pylist() == [held[row] for row in rows]
        groups = ((start, len(some)) for start, some in version.groups("mark"))
        seen = [start + place for start, size in groups for place in range(size)]
        assert seen == list(range(spent))
        assert tables.is_intact(version)


def test_the_same_layers_are_the_same_version_on_one_thread(settings):
    found = set()
    for threads in (1, 2):
        some = dataclasses.replace(settings, threads=threads)
        whole = publish_rows(some, range(300))
        found.add(publish_rows(some, [900], whole, [7, 8], edition="2026").version)
    assert len(found) == 1


def test_what_stands_can_be_read_without_this_code(settings):
    whole = publish_rows(settings, range(10))
    made = publish_rows(settings, [20], whole, [0], edition="2026")
    moved = settings.home / "elsewhere"
    shutil.copytree(made.path.parent, moved)
    read = "import duckdb; print(len(duckdb.sql(open('read.sql').read()).fetchall()))"
    found = subprocess.run(
        [sys.executable, "-c", read],
        cwd=moved,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "10"


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_change_of_any_file_of_a_table_in_layers_is_noticed(settings, which):
    whole = publish_rows(settings, range(10))
    made = publish_rows(settings, [20], whole, [0], edition="2026")
    file = made.files[which]
    content = file.read_bytes()
    file.unlink()
    assert not tables.is_intact(made)
    file.write_bytes(content + b"\0")
    assert not tables.is_intact(made)


def test_a_layer_of_other_columns_is_refused_and_the_old_version_stands(settings):
    whole = publish_rows(settings, range(10))
    none = np.zeros(0, dtype=np.int64)
    with connect(settings) as connection, pytest.raises(PlatformError, match="other columns"):
        tables.publish_upon(
            settings, connection, whole, "2026", "select 1 as n", none, recipe="r", inputs={}
        )
    assert tables.current(settings, KEY, "2026") is None
    assert tables.current(settings, KEY, "2025") == whole


def test_a_file_system_without_links_takes_copies(settings, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    whole = publish_rows(settings, range(10))
    made = publish_rows(settings, [20], whole, [0], edition="2026")
    assert not made.layers[0].path.samefile(whole.path)
    assert len(read_rows(made)) == 10
