"""Candidate pairs: which records are worth comparing.

What belongs here: blocking keys and the pairs they make. What does not: the rules (`library/`) and
scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform.linkage.models import BlockingRule
from datafirst_platform.linkage.standardise import KEY_PARTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints

    Bools = NDArray[np.bool_]

_ID_BITS = 32


def block(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[BlockingRule], members: int
) -> tuple[dict[str, int], int]:
    """Make `pairs` (match_key, join_key_l, join_key_r) of `tuples`: each once, by its first rule.

    Of one member all pairs within it, of several only those across. Keys are sorted rather than
    joined: it costs half, and shows a crowded block before it makes pairs.

    Returns:
        Pairs by rule, and the number of tuples that no rule reaches.
    """
    import numpy as np
    import pyarrow as pa

    rows = connection.execute("select coalesce(max(id) + 1, 0), count(*) from tuples").fetchall()
    reached = np.zeros(rows[0][0], dtype=bool)
    pairs = np.empty(0, dtype=np.int64)
    rule_of = np.empty(0, dtype=np.uint8)
    for number, rule in enumerate(rules):
        columns = connection.execute(
            f"""select id, member, key from (select id, member, {key_sql(rule.agree_on)} as key
            from tuples) where key is not null"""
        ).fetchnumpy()
        ids = np.asarray(columns["id"], dtype=np.int64)
        member = np.asarray(columns["member"]) if members > 1 else None
        reached[ids] = True
        left, right = _pairs(np.asarray(columns["key"]), ids, member, rule.ceiling)
        pairs = np.concatenate(
            [pairs, np.minimum(left, right) << _ID_BITS | np.maximum(left, right)]
        )
        rule_of = np.concatenate([rule_of, np.full(len(left), number, dtype=np.uint8)])
    # The first of equal pairs is that of the first rule.
    pairs, first = np.unique(pairs, return_index=True)
    rule_of = rule_of[first]
    connection.register(
        "found",
        pa.table(
            {
                "match_key": rule_of,
                "join_key_l": (pairs >> _ID_BITS).astype(np.int32),
                "join_key_r": (pairs & (1 << _ID_BITS) - 1).astype(np.int32),
            }
        ),
    )
    connection.execute("create or replace temp table pairs as select * from found")
    connection.unregister("found")
    counted = np.bincount(rule_of, minlength=len(rules))
    by_rule = {rule.name: int(count) for rule, count in zip(rules, counted, strict=True)}
    return by_rule, rows[0][1] - int(reached.sum())


def key_sql(agree_on: Sequence[str]) -> str:
    """SQL of a key: one integer of all its parts, NULL if a part is NULL."""
    parts = [KEY_PARTS.get(part, part) for part in agree_on]
    known = " and ".join(f"{part} is not null" for part in parts)
    return f"case when {known} then hash({', '.join(parts)}) end"


def _pairs(
    keys: NDArray[np.uint64], ids: Ints, member: Ints | None, ceiling: int
) -> tuple[Ints, Ints]:
    """Pairs of ids with equal keys, in blocks up to the ceiling; across members where given."""
    import numpy as np

    order = np.argsort(keys)
    ordered = keys[order]
    start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(keys) else keys
    size = np.diff(np.r_[start, len(keys)])
    useful = (size > 1) & (size <= ceiling)
    start, size = start[useful], size[useful]
    # Every place in a block is paired with the places after it.
    place = np.repeat(start, size) + _counting(size)
    after = np.repeat(start + size, size) - place - 1
    left = np.repeat(place, after)
    right = left + 1 + _counting(after)
    one, other = order[left], order[right]
    if member is not None:
        across = member[one] != member[other]
        one, other = one[across], other[across]
    return ids[one], ids[other]


def _counting(sizes: Ints) -> Ints:
    """0, 1, …, size - 1 for every size, one after the other."""
    import numpy as np

    ends = np.cumsum(sizes)
    counting: Ints = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return counting
