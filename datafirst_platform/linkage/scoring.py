"""Standard records, candidate pairs and their match weights.

What belongs here: what linking and training share: collapsing equal records, blocking, and Splink.
What does not: clusters, published tables, settings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform.engine import parquet, text
from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.models import (
    LEVELS,
    LinkageModel,
    splink_settings,
    trained_model,
)
from datafirst_platform.linkage.standardise import CLEANED, FIELDS, clean_query, derive_query
from datafirst_platform.safe_errors import PlatformError

if TYPE_CHECKING:
    from splink import DuckDBAPI, Linker

    from datafirst_platform.linkage.clusters import Ints

HUNDREDTHS = 100
"""Match weights are published and clustered in hundredths: float noise ends here."""


def load_records(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[tuple[str, Path]]
) -> None:
    """Make `records` (id, member, record_key, tuple) and `tuples` (id, member, `FIELDS`).

    Ids count from 0 in the order of the record keys within a member, member after member, so that
    the smallest id is the smallest key. Records with the same identifiers are one tuple, compared
    once; its id is that of its first record. Only what identifies collapses: a police identifier,
    or names, date of birth and postcode. Name and date of birth alone would merge strangers, ever
    more as the data grow.

    Args:
        connection: with `define_macros`.
        sources: contract and file of each member.
    """
    parts = []
    first = 0
    for member, (table, file) in enumerate(sources):
        parts.append(
            f"""select {member}::utinyint as member, ({first} + row)::integer as id,
                * exclude (row),
                case when pnc is not null or cro is not null
                    or (forename1 is not null and surname is not null and dob is not null
                        and postcode is not null) then hash({", ".join(CLEANED)}) end as content
            from ({clean_query(table, numbered(connection, file))})"""
        )
        rows = connection.execute(f"select count(*) from {parquet(file)}").fetchall()
        first += int(rows[0][0])
    connection.execute(f"create or replace temp table standard as {' union all '.join(parts)}")
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
    distinct = "select * exclude (record_key, content) from standard where content is null "
    distinct += "or id in (select id from firsts)"
    connection.execute(
        f"""create or replace temp table tuples as
        select id, member, {", ".join(FIELDS)} from ({derive_query(distinct)})"""
    )
    connection.execute("drop table standard")
    connection.execute("drop table firsts")


def numbered(connection: duckdb.DuckDBPyConnection, file: Path) -> str:
    """SQL for a file's rows, numbered in the order of their keys."""
    rows = f"read_parquet({text(file)}, file_row_number = true)"
    disordered = connection.execute(
        "select count(*) from (select record_key < lag(record_key) over () as falls "
        f"from {rows}) where falls"
    ).fetchall()
    if disordered[0][0]:
        return f"select *, row_number() over (order by record_key) - 1 as row from {rows}"
    return f"select *, file_row_number as row from {rows}"


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
            select id_l as l, id_r as r, match_weight::decimal(6, 2) as match_weight
            from {scored.physical_name}"""
        )


def score_candidates(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, sizes: Sequence[int]
) -> dict[tuple[str, str], int]:
    """Block and score `tuples` with the trained model: make `edges`; count what went in."""
    trained = trained_model(model)
    by_rule, unreached = block(connection, model.blocking, len(sizes))
    settings = splink_settings(trained.comparisons, trained.prior(sizes))
    score(connection, settings, model.thresholds["low"])
    records = connection.execute("select count(*) from records").fetchall()[0][0]
    return {
        ("records", ""): records,
        ("tuples", ""): sum(sizes),
        ("unlinkable", ""): unreached,
        **{("pairs", rule): pairs for rule, pairs in by_rule.items()},
    }


def thresholds_of(model: LinkageModel) -> list[int]:
    """The thresholds in hundredths, strictest first."""
    return [round(model.thresholds[level] * HUNDREDTHS) for level in LEVELS]


def arrays(connection: duckdb.DuckDBPyConnection, query: str) -> list[Ints]:
    """Columns of a query without NULLs, as arrays."""
    import numpy as np

    columns = connection.execute(query).fetchnumpy()
    return [np.asarray(column, dtype=np.int64) for column in columns.values()]


def register(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Ints]
) -> None:
    """Make a table of arrays."""
    import pyarrow as pa

    connection.register("arrays", pa.table(dict(columns)))
    connection.execute(f"create or replace temp table {table} as select * from arrays")
    connection.unregister("arrays")
