"""Candidate pairs and their match weights.

What belongs here: what linking and training share: blocking, and Splink. What does not: reading
records, clusters, published tables, settings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform.engine import arrays, name
from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.clusters import HUNDREDTHS
from datafirst_platform.linkage.models import (
    LEVELS,
    LinkageModel,
    splink_settings,
    trained_model,
)
from datafirst_platform.linkage.standardise import CLEANED, DERIVED
from datafirst_platform.safe_errors import PlatformError

if TYPE_CHECKING:
    import pyarrow as pa
    from splink import DuckDBAPI, Linker

    from datafirst_platform.linkage.clusters import Ints

_BATCH = 1 << 18
"""Rows handed over at a time when people and edges are written: memory stays flat."""

_PAIRS_AT_ONCE = 1 << 21
"""Pairs put side by side and weighed at a time."""

_PAIRS_A_RECORD = 20
"""Most pairs a set of identifiers may have on average; those of courts have one or two."""

_GROWTH = 3
"""Most times as many as in the edition before."""

_FEW_PAIRS = 1_000_000
"""Pairs that are weighed in any case: they cost seconds."""

_SIDE = re.compile(r"\b[a-z][a-z0-9_]*_[lr]\b")
"""A field of one side of a pair, as conditions name it."""

_OF = {
    field: next(each for each in CLEANED if re.search(rf"\b{each}\b", sql))
    for field, sql in DERIVED.items()
}
"""The cleaned field that a derived one follows from."""


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
        for table_left, is_view in left:
            connection.execute(f"drop {'view' if is_view else 'table'} if exists {table_left}")


def score(
    connection: duckdb.DuckDBPyConnection,
    settings: Mapping[str, Any],
    threshold: float,
    frequencies: Mapping[str, str] | None = None,
) -> None:
    """Make `edges` (l, r, match_weight) of `pairs`: those at the threshold or above it.

    The comparisons and their weights are Splink's own SQL. The two sides of each pair are put
    beside each other here, by position and some pairs at a time: joining them, twice over all
    columns, took the engine two thirds of the time and most of the memory.

    Args:
        connection: with `tuples` and `pairs`.
        settings: Splink's.
        threshold: match weight.
        frequencies: field to the table (the field, `tf_<field>`) that says how common its values
            are; counted in `tuples` where there is none.
    """
    import pyarrow as pa

    with splink_linker(connection, "tuples", settings) as (linker, _):
        weighing = _weighing_sql(linker, threshold)
    levels = [level for each in settings["comparisons"] for level in each["comparison_levels"]]
    weighed = {
        str(level["tf_adjustment_column"]) for level in levels if level.get("tf_adjustment_column")
    }
    told = {
        side[:-2] for level in levels for side in _SIDE.findall(str(level["sql_condition"]))
    } | weighed
    derived = {field: DERIVED[field] for field in sorted(told & DERIVED.keys())}
    held = (told - derived.keys()) | {_OF[field] for field in derived}
    place, columns = _columns(connection, sorted(held))
    common = {
        field: _frequencies(connection, field, columns[field], (frequencies or {}).get(field))
        for field in sorted(weighed)
    }
    pairs = connection.execute("select join_key_l as l, join_key_r as r from pairs").fetchnumpy()
    more = "".join(
        f", {sql.replace(_OF[field], f'{_OF[field]}_{side}')} as {field}_{side}"
        for field, sql in derived.items()
        for side in "lr"
    )
    connection.execute(
        "create or replace temp table edges (l integer, r integer, match_weight decimal(6, 2))"
    )
    for start in range(0, len(pairs["l"]), _PAIRS_AT_ONCE):
        beside: dict[str, pa.Array] = {}
        for side, ids in pairs.items():
            some = ids[start : start + _PAIRS_AT_ONCE]
            at = pa.array(place[some])
            beside[f"id_{side}"] = pa.array(some, pa.int32())
            beside |= {f"{field}_{side}": values.take(at) for field, values in columns.items()}
            beside |= {
                f"tf_{field}_{side}": shares.take(beside[f"{field}_{side}"].indices)
                for field, shares in common.items()
            }
        both = pa.table(beside)
        half = (len(both) + 1) // 2
        # In two pieces for two cores: each piece costs the engine a copy of every dictionary.
        connection.register("compared", pa.concat_tables([both.slice(0, half), both.slice(half)]))
        connection.execute(
            f"""insert into edges
            with __splink__df_blocked as (select *, 0 as match_key{more} from compared), {weighing}
            select id_l, id_r, match_weight::decimal(6, 2) from weighed"""
        )
        connection.unregister("compared")


def _weighing_sql(linker: Linker, threshold: float) -> str:
    """Splink's queries from `__splink__df_blocked`, pairs with both their sides, to `weighed`."""
    from splink.internals.comparison_vector_values import compute_comparison_vector_values_sql
    from splink.internals.predict import predict_from_comparison_vectors_sqls_using_settings

    settings = linker._settings_obj
    compared = compute_comparison_vector_values_sql(
        settings._columns_to_select_for_comparison_vector_values
    )
    *parts, last = predict_from_comparison_vectors_sqls_using_settings(
        settings, threshold_match_weight=threshold
    )
    queries = [
        ("__splink__df_comparison_vectors", compared),
        *((part["output_table_name"], part["sql"]) for part in parts),
        ("weighed", last["sql"]),
    ]
    return ", ".join(f"{table} as ({sql})" for table, sql in queries)


def _columns(
    connection: duckdb.DuckDBPyConnection, fields: Sequence[str]
) -> tuple[Ints, dict[str, pa.Array]]:
    """Where each tuple stands, by id; and fields of all tuples.

    Texts are numbers of a dictionary: a pair takes four bytes of a name, and a name is not moved.
    """
    import numpy as np
    import pyarrow as pa

    (ids,) = arrays(connection, "select id from tuples")
    place: Ints = np.zeros(int(ids.max(initial=-1)) + 1, dtype=np.int32)
    place[ids] = np.arange(len(ids))
    columns: dict[str, pa.Array] = {}
    for field in fields:
        # One at a time, for memory.
        read = connection.sql(f"select id, {name(field)} as value from tuples").to_arrow_table()
        values = read["value"].combine_chunks()
        if pa.types.is_string(values.type):
            values = values.dictionary_encode()
        found = place[read["id"].to_numpy()]
        if (found[1:] < found[:-1]).any():
            # A join of many threads hands its rows over as they come.
            values = values.take(pa.array(np.argsort(found)))
        columns[field] = values
    return place, columns


def _frequencies(
    connection: duckdb.DuckDBPyConnection, field: str, values: pa.DictionaryArray, table: str | None
) -> pa.Array:
    """How common each value of a dictionary is, as a share of all that are known.

    Args:
        connection: with the table.
        field: of the tuples.
        values: of all tuples.
        table: (the field, `tf_<field>`), which says so instead.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if table is None:
        known = values.indices.drop_null().to_numpy()
        return pa.array(np.bincount(known, minlength=len(values.dictionary)) / max(len(known), 1))
    told = connection.sql(f"select {field}, tf_{field} from {table}").to_arrow_table()
    at = pc.index_in(values.dictionary, value_set=told[field].combine_chunks())
    return told[f"tf_{field}"].combine_chunks().take(at)


def score_candidates(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    sizes: Sequence[int],
    before: float | None = None,
) -> dict[tuple[str, str], int]:
    """Block and score `tuples` with the trained model: make `edges`; count what went in.

    Args:
        connection: with `records`, `tuples` and `nodes`.
        model: the settings.
        sizes: tuples of each member.
        before: pairs a tuple of the edition before, if it was linked.

    Raises:
        PlatformError: there are many more pairs than records account for.
    """
    trained = trained_model(model)
    most = most_pairs(model, sum(sizes), before)
    by_rule, unreached = block(connection, model.blocking, len(sizes), most)
    settings = splink_settings(trained.comparisons, trained.prior(sizes))
    score(connection, settings, model.thresholds["low"])
    records = connection.execute("select count(*) from records").fetchall()[0][0]
    return {
        ("records", ""): records,
        ("tuples", ""): sum(sizes),
        ("unlinkable", ""): unreached,
        **{("pairs", rule): pairs for rule, pairs in by_rule.items()},
    }


def most_pairs(model: LinkageModel, tuples: int, before: float | None) -> int:
    """Pairs beyond which a linkage stops: a common value has entered, and links would mean little.

    Pairs by chance grow with the square of the records, so that some growth from edition to edition
    is no sign of anything. What the settings state counts alone.
    """
    if model.most_pairs_a_record is not None:
        return int(model.most_pairs_a_record * tuples)
    each = _PAIRS_A_RECORD if before is None else min(_PAIRS_A_RECORD, _GROWTH * before)
    return max(_FEW_PAIRS, int(each * tuples))


def thresholds_of(model: LinkageModel) -> list[int]:
    """The thresholds in hundredths, strictest first."""
    return [round(model.thresholds[level] * HUNDREDTHS) for level in LEVELS]


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
