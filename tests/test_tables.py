import dataclasses

import pyarrow.compute as pc
import pytest

from datafirst_platform import tables
from datafirst_platform.engine import connect, parquet
from datafirst_platform.identity import TableKey
from datafirst_platform.safe_errors import NotReady, PlatformError

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
        given = dataclasses.replace(settings, threads=threads)
        with connect(given) as connection:
            made = tables.publish_parts(
                given,
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
    from datafirst_platform.settings import Settings

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
