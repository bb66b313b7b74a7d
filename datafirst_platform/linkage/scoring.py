"""Standard records, candidate pairs and their match weights.

What belongs here: what linking and training share: collapsing equal records, blocking, and Splink.
What does not: clusters, published tables, settings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform.engine import text
from datafirst_platform.linkage.models import BlockingRule
from datafirst_platform.linkage.standardise import FIELDS, KEY_PARTS, standard_query
from datafirst_platform.safe_errors import PlatformError

if TYPE_CHECKING:
    from splink import DuckDBAPI, Linker

MATCH_WEIGHT = "decimal(6, 2)"


def load_records(connection: duckdb.DuckDBPyConnection, sources: Sequence[tuple[str, Path]]) -> int:
    """Make `records` (id, member, record_key, tuple) and `tuples` (id, member, `FIELDS`).

    Ids count from 0 in the order of the record keys within a member, member after member, so that
    the smallest id is the smallest key. Records with the same identifiers are one tuple, compared
    once; its id is that of its first record. Only what identifies collapses: a police identifier,
    or names, date of birth and postcode. Name and date of birth alone would merge strangers, ever
    more as the data grow.

    Args:
        connection: with `define_macros`.
        sources: contract and file of each member.

    Returns:
        The number of ids; those of organisations are not used.
    """
    content = " || '|' || ".join(f"coalesce({field}::varchar, '')" for field in FIELDS)
    columns = ", ".join(f"{field} {kind}" for field, kind in FIELDS.items())
    connection.execute(
        "create or replace temp table standard "
        f"(member utinyint, id integer, content ubigint, record_key varchar, {columns})"
    )
    first = 0
    for member, (table, file) in enumerate(sources):
        connection.execute(
            f"""insert into standard by name
            select {member} as member, {first} + row as id, * exclude (row),
                case when pnc is not null or cro is not null
                    or (forename1 is not null and surname is not null and dob is not null
                        and postcode is not null) then hash({content}) end as content
            from ({standard_query(table, _numbered(connection, file))})"""
        )
        rows = connection.execute(f"select count(*) from read_parquet({text(file)})").fetchall()
        first += int(rows[0][0])
    connection.execute(
        """create or replace temp table firsts as
        select member, content, min(id) as id from standard where content is not null
        group by member, content"""
    )
    connection.execute(
        """create or replace temp table records as
        select standard.id, member, record_key, coalesce(firsts.id, standard.id) as tuple
        from standard left join firsts using (member, content)"""
    )
    fields = ", ".join(FIELDS)
    connection.execute(
        f"""create or replace temp table tuples as
        select id, member, {fields} from standard where content is null
        union all
        select id, member, {fields} from standard semi join firsts using (id)"""
    )
    connection.execute("drop table standard")
    connection.execute("drop table firsts")
    return first


def _numbered(connection: duckdb.DuckDBPyConnection, file: Path) -> str:
    """SQL for a file's rows, numbered in the order of their keys."""
    rows = f"read_parquet({text(file)}, file_row_number = true)"
    disordered = connection.execute(
        "select count(*) from (select record_key < lag(record_key) over () as falls "
        f"from {rows}) where falls"
    ).fetchall()
    if disordered[0][0]:
        return f"select *, row_number() over (order by record_key) - 1 as row from {rows}"
    return f"select *, file_row_number as row from {rows}"


def block(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[BlockingRule], members: int
) -> tuple[dict[str, int], int]:
    """Make `pairs` (match_key, join_key_l, join_key_r) of `tuples`: each once, by its first rule.

    Of one member all pairs within it, of several only those across. A key is one integer, NULL
    where a part is NULL, so that a rule costs one integer join.

    Returns:
        Pairs by rule, and the number of tuples that no rule reaches.
    """
    keys = ", ".join(f"{key_sql(rule.on)} as key_{number}" for number, rule in enumerate(rules))
    connection.execute(
        f"create or replace temp table keys as select id, member, {keys} from tuples"
    )
    for number, rule in enumerate(rules):
        crowded = (
            connection.execute(
                f"""create or replace temp table crowded as
            select key_{number} as key from keys where key_{number} is not null
            group by all having count(*) > {rule.ceiling}"""
            )
            .execute("select count(*) from crowded")
            .fetchall()[0][0]
        )
        if crowded:
            connection.execute(
                f"update keys set key_{number} = null "
                f"where key_{number} in (select key from crowded)"
            )
    connection.execute("drop table if exists crowded")
    connection.execute(
        "create or replace temp table pairs "
        "(match_key utinyint, join_key_l integer, join_key_r integer)"
    )
    sides = list(combinations(range(members), 2)) if members > 1 else [(0, 0)]
    for one, other in sides:
        for number in range(len(rules)):
            earlier = "".join(
                f" and not coalesce(l.key_{each} = r.key_{each}, false)" for each in range(number)
            )
            connection.execute(
                f"""insert into pairs select {number}, l.id, r.id
                from (select * from keys where member = {one}) as l
                join (select * from keys where member = {other}) as r
                on l.key_{number} = r.key_{number} and l.id < r.id{earlier}"""
            )
    unreached = connection.execute(
        "select count(*) from keys where "
        + " and ".join(f"key_{number} is null" for number in range(len(rules)))
    ).fetchall()[0][0]
    connection.execute("drop table keys")
    counted = dict(
        connection.execute("select match_key, count(*) from pairs group by all").fetchall()
    )
    return {rule.name: counted.get(number, 0) for number, rule in enumerate(rules)}, unreached


def key_sql(on: Sequence[str]) -> str:
    """SQL of a blocking key over a standard record: one integer, NULL if a part is NULL."""
    parts = [KEY_PARTS.get(part, part) for part in on]
    known = " and ".join(f"{part} is not null" for part in parts)
    return f"case when {known} then hash({', '.join(parts)}) end"


@contextmanager
def splink_linker(
    connection: duckdb.DuckDBPyConnection, table: str, settings: Mapping[str, Any]
) -> Iterator[tuple[Linker, DuckDBAPI]]:
    """A Splink linker over a table of this connection; silent, and leaving no table behind.

    Raises:
        PlatformError: Splink failed; its message may quote SQL or data and is withheld.
    """
    from splink import DuckDBAPI, Linker
    from splink.internals.exceptions import SplinkException

    logging.getLogger("splink").setLevel(logging.CRITICAL)
    api = DuckDBAPI(connection)
    try:
        yield Linker(api.register(table), dict(settings), log_level=None), api
    except SplinkException as error:
        msg = f"Splink failed ({type(error).__name__}). Its message may hold data: withheld."
        raise PlatformError(msg) from None
    finally:
        left = connection.execute(
            "select table_name, table_type = 'VIEW' from information_schema.tables "
            "where starts_with(table_name, '__splink__')"
        ).fetchall()
        for name, is_view in left:
            connection.execute(f"drop {'view' if is_view else 'table'} if exists {name}")


def score(
    connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Any], threshold: float
) -> None:
    """Make `edges` (l, r, match_weight) of `pairs`: those at the threshold or above it."""
    with splink_linker(connection, "tuples", settings) as (linker, api):
        linker.table_management.register_blocked_pairs_for_predict(api.register("pairs"))
        scored = linker.inference.predict(threshold_match_weight=threshold, warning_mode="never")
        connection.execute(
            f"""create or replace temp table edges as
            select id_l as l, id_r as r, match_weight::{MATCH_WEIGHT} as match_weight
            from {scored.physical_name}"""
        )
