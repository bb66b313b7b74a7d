"""Candidate pairs and their match weights.

What belongs here: what linking and training share: blocking, and Splink. What does not: reading
records, clusters, published tables, settings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.clusters import HUNDREDTHS
from datafirst_platform.linkage.models import (
    LEVELS,
    LinkageModel,
    splink_settings,
    trained_model,
)
from datafirst_platform.safe_errors import PlatformError

if TYPE_CHECKING:
    from splink import DuckDBAPI, Linker

    from datafirst_platform.linkage.clusters import Ints

_BATCH = 1 << 18
"""Rows handed over at a time when people and edges are written: memory stays flat."""


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
    connection: duckdb.DuckDBPyConnection,
    settings: Mapping[str, Any],
    threshold: float,
    frequencies: Mapping[str, str] | None = None,
) -> None:
    """Make `edges` (l, r, match_weight) of `pairs`: those at the threshold or above it.

    Args:
        connection: with `tuples` and `pairs`.
        settings: Splink's.
        threshold: match weight.
        frequencies: field to the table (the field, `tf_<field>`) that says how common its values
            are; counted in `tuples` where there is none.
    """
    with splink_linker(connection, "tuples", settings) as (linker, api):
        for field, table in (frequencies or {}).items():
            linker.table_management.register_term_frequency_lookup(api.register(table), field)
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


def stream(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, tuple[Any, Ints]]
) -> None:
    """Give a connection a table to be read once: Arrow values by column, and which to take."""
    import pyarrow as pa

    schema = pa.schema([(column, values.type) for column, (values, _) in columns.items()])
    rows = len(next(iter(columns.values()))[1])
    batches = (
        pa.record_batch(
            [values.take(pa.array(at[start : start + _BATCH])) for values, at in columns.values()],
            schema=schema,
        )
        for start in range(0, rows, _BATCH)
    )
    connection.register(table, pa.RecordBatchReader.from_batches(schema, batches))
