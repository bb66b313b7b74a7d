"""Candidate pairs: which records are worth comparing.

What belongs here: blocking keys and the pairs they make. What does not: the rules (`library/`) and
scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform.linkage.models import BlockingRule
from datafirst_platform.linkage.standardise import BESIDE, KEY_PARTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints


def block(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[BlockingRule], members: int
) -> tuple[dict[str, int], int]:
    """Make `pairs` (match_key, join_key_l, join_key_r) of `tuples`: each once, by its first rule.

    Of one member all pairs within it, of several only those across; never of one node. Keys are
    sorted rather than joined: it costs half, and shows a crowded block before it makes pairs.

    Returns:
        Pairs by rule, and the number of tuples that no rule reaches.
    """
    import numpy as np
    import pyarrow as pa

    ids, tuples = connection.execute(
        "select coalesce(max(id) + 1, 0), count(*) from tuples"
    ).fetchall()[0]
    node = nodes(connection, ids)
    reached = np.zeros(ids, dtype=bool)
    member = "member" if members > 1 else "0::utinyint"
    blocks: list[Ints] = []
    listed: list[Ints] = []
    found = []
    for rule in rules:
        source = "tuples"
        if BESIDE in rule.agree_on:
            source = f"(select * replace (unnest({BESIDE}) as {BESIDE}) from tuples)"
        columns = connection.execute(
            f"""select * from (select id, {member} as member, {key_sql(rule.agree_on)} as key
            from {source}) where key is not null"""
        ).fetchnumpy()
        at = np.asarray(columns["id"])
        reached[at] = True
        left, right, block_of = _pairs(
            np.asarray(columns["key"]), np.asarray(columns["member"]), members, rule.ceiling
        )
        left, right = at[left], at[right]
        if node is not None:
            apart = node[left] != node[right]
            left, right = left[apart], right[apart]
        for earlier in blocks:
            new = (earlier[left] != earlier[right]) | (earlier[left] < 0)
            left, right = left[new], right[new]
        left, right = np.minimum(left, right), np.maximum(left, right)
        for pairs in listed:
            new = ~np.isin(left.astype(np.int64) * ids + right, pairs)
            left, right = left[new], right[new]
        if BESIDE in rule.agree_on:
            # A tuple stands in a block for each name beside it: two may meet in several.
            listed.append(np.unique(left.astype(np.int64) * ids + right))
            left, right = listed[-1] // ids, listed[-1] % ids
        else:
            blocks.append(np.full(ids, -1, dtype=np.int32))
            blocks[-1][at] = block_of
        found.append((left, right))
    arrays = pa.table(
        {
            "match_key": np.repeat(
                np.arange(len(rules), dtype=np.uint8), [len(left) for left, _ in found]
            ),
            "join_key_l": np.concatenate([left for left, _ in found]),
            "join_key_r": np.concatenate([right for _, right in found]),
        }
    )
    connection.register("found", arrays)
    connection.execute("create or replace temp table pairs as select * from found")
    connection.unregister("found")
    by_rule = {rule.name: len(left) for rule, (left, _) in zip(rules, found, strict=True)}
    return by_rule, tuples - int(reached.sum())


def nodes(connection: duckdb.DuckDBPyConnection, ids: int) -> Ints | None:
    """The node of every tuple id below `ids`; None where each tuple is a node of itself."""
    import numpy as np

    bound = connection.execute("select id, node from nodes").fetchnumpy()
    if not len(bound["id"]):
        return None
    found: Ints = np.arange(ids, dtype=np.int64)
    found[np.asarray(bound["id"])] = np.asarray(bound["node"])
    return found


def key_sql(agree_on: Sequence[str]) -> str:
    """SQL of a key: one integer of all its parts, NULL if a part is NULL."""
    parts = [KEY_PARTS.get(part, part) for part in agree_on]
    known = " and ".join(f"{part} is not null" for part in parts)
    return f"case when {known} then hash({', '.join(parts)}) end"


def _pairs(
    keys: NDArray[np.uint64], member: NDArray[np.uint8], members: int, ceiling: int
) -> tuple[Ints, Ints, Ints]:
    """Places of equal keys, in pairs; and for every place its block, -1 where it has no pair."""
    import numpy as np

    order = np.argsort(keys)
    ordered = keys[order]
    start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(keys)])
    size = np.diff(np.r_[start, len(keys)])
    useful = (size > 1) & (size <= ceiling)
    if members > 1 and len(keys):
        # A block of one dataset has no pair to give: most of a large dataset beside a small one.
        held = member[order]
        useful &= np.minimum.reduceat(held, start) < np.maximum.reduceat(held, start)
    start, size = start[useful], size[useful]
    # Every place in a block is paired with those after it.
    place = np.repeat(start, size) + _counting(size)
    after = np.repeat(start + size, size) - place - 1
    left = np.repeat(place, after)
    right = left + 1 + _counting(after)
    block_of = np.full(len(keys), -1, dtype=np.int32)
    block_of[order[place]] = np.repeat(np.arange(len(size), dtype=np.int32), size)
    left, right = order[left], order[right]
    if members > 1:
        across = member[left] != member[right]
        left, right = left[across], right[across]
    return left, right, block_of


def _counting(sizes: Ints) -> Ints:
    """0, 1, …, size - 1 for every size, one after the other."""
    import numpy as np

    ends = np.cumsum(sizes)
    counting: Ints = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return counting
