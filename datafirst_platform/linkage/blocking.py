"""Candidate pairs: which records are worth comparing.

What belongs here: blocking keys and the pairs they make. What does not: the rules (`library/`) and
scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform.engine import arrays
from datafirst_platform.linkage.models import BlockingRule
from datafirst_platform.linkage.standardise import BESIDE, KEY_PARTS
from datafirst_platform.safe_errors import PlatformError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints

_BITS = 64
"""Of the number that stands for a pair and its rule."""


def block(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[BlockingRule],
    members: int,
    most: int | None = None,
) -> tuple[dict[str, int], int]:
    """Make `pairs` (match_key, join_key_l, join_key_r) of `tuples`: each once, by its first rule.

    Of one member all pairs within it, of several only those across; never of one node. Keys are
    sorted rather than joined: it costs half, and shows a crowded block before it makes pairs. A key
    and a tuple's id are one whole number, and so are both ids of a pair and its rule: a number is
    sorted in a quarter of the time it takes to find the order of several columns. An id's bits are
    taken off the hash of a key; who meets by chance is compared, and does not link.

    Args:
        connection: with `tuples` and `nodes`.
        rules: in order.
        members: datasets.
        most: pairs there may be, of a rule and in all; None for any number.

    Returns:
        Pairs by rule, and the number of tuples that no rule reaches.

    Raises:
        PlatformError: there are more pairs than there may be, which is found before a rule's are
            made; or more tuples or rules than a pair's number has room for.
    """
    import numpy as np
    import pyarrow as pa

    ids, tuples = connection.execute(
        "select coalesce(max(id) + 1, 0), count(*) from tuples"
    ).fetchall()[0]
    width, rule_width = int(ids).bit_length(), len(rules).bit_length()
    if 2 * width + rule_width > _BITS:
        msg = f"{ids} records and {len(rules)} blocking rules are more than pairs can be told by."
        raise PlatformError(msg)
    reached = np.zeros(ids, dtype=bool)
    member = _members(connection, ids) if members > 1 else None
    found: list[NDArray[np.uint64]] = []
    for number, rule in enumerate(rules):
        source = "tuples"
        if BESIDE in rule.agree_on:
            source = f"(select * replace (unnest({BESIDE}) as {BESIDE}) from tuples)"
        known, key = _key(rule.agree_on)
        keyed = np.asarray(
            connection.execute(
                f"select ({key} >> {width} << {width}) | id::ubigint as keyed "
                f"from {source} where {known}"
            ).fetchnumpy()["keyed"]
        )
        keyed.sort()
        id_ = (keyed & np.uint64((1 << width) - 1)).astype(np.int64)
        reached[id_] = True
        start, size = _blocks(keyed >> np.uint64(width), id_, member, rule.ceiling)
        if most is not None and (many := int((size * (size - 1) // 2).sum())) > most:
            raise PlatformError(_too_many(f"Blocking rule {rule.name}", many, tuples, most))
        left, right = _pairs(start, size, id_, member)
        pairs = (left << width | right).astype(np.uint64)
        found.append(pairs << np.uint64(rule_width) | np.uint64(number))
    every = np.concatenate(found) if found else np.empty(0, dtype=np.uint64)
    del found
    every.sort()
    pair = every >> np.uint64(rule_width)
    # A pair's rules stand in their order: the first found it.
    first = np.r_[True, pair[1:] != pair[:-1]][: len(pair)]
    pair, by = pair[first], (every[first] & np.uint64((1 << rule_width) - 1)).astype(np.uint8)
    left = (pair >> np.uint64(width)).astype(np.int32)
    right = (pair & np.uint64((1 << width) - 1)).astype(np.int32)
    if most is not None and len(pair) > most:
        raise PlatformError(_too_many("The blocking rules together", len(pair), tuples, most))
    if (node := nodes(connection, ids)) is not None:
        apart = node[left] != node[right]
        left, right, by = left[apart], right[apart], by[apart]
    connection.register(
        "pairs", pa.table({"match_key": by, "join_key_l": left, "join_key_r": right})
    )
    counted = np.bincount(by, minlength=len(rules))
    by_rule = {rule.name: int(pairs) for rule, pairs in zip(rules, counted, strict=True)}
    return by_rule, tuples - int(reached.sum())


def _members(connection: duckdb.DuckDBPyConnection, ids: int) -> Ints:
    """The member of every tuple id below `ids`."""
    import numpy as np

    found: Ints = np.zeros(ids, dtype=np.uint8)
    id_, member = arrays(connection, "select id, member from tuples")
    found[id_] = member
    return found


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
    known, key = _key(agree_on)
    return f"case when {known} then {key} end"


def _key(agree_on: Sequence[str]) -> tuple[str, str]:
    """SQL of whether all parts of a key are known, and of the key if they are."""
    parts = [KEY_PARTS.get(part, part) for part in agree_on]
    return " and ".join(f"{part} is not null" for part in parts), f"hash({', '.join(parts)})"


def _too_many(what: str, pairs: int, tuples: int, most: int) -> str:
    return (
        f"{what}: {pairs} pairs of {tuples} sets of identifiers, at most {most} are expected. "
        "A value that many share has entered the records, or a rule asks for too little: look at "
        "what the suppliers changed, then at the rule's parts and ceiling in "
        "linkage/library/blocking.yaml. If it is right, state `most_pairs_a_record` in the "
        "linkage's settings. Nothing was published."
    )


def _blocks(
    keys: NDArray[np.uint64], ids: Ints, member: Ints | None, ceiling: int
) -> tuple[Ints, Ints]:
    """Where the blocks that give pairs start, and how many places each has.

    Args:
        keys: in order.
        ids: of each.
        member: by id the dataset, if pairs are to be of two.
        ceiling: most places of a block that gives pairs.
    """
    import numpy as np

    start = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    size = np.diff(np.r_[start, len(keys)])
    useful = (size > 1) & (size <= ceiling)
    if member is not None and len(keys):
        # A block of one dataset has no pair to give: most of a large dataset beside a small one.
        held = member[ids]
        useful &= np.minimum.reduceat(held, start) < np.maximum.reduceat(held, start)
    return start[useful], size[useful]


def _pairs(start: Ints, size: Ints, ids: Ints, member: Ints | None) -> tuple[Ints, Ints]:
    """The ids of each block in pairs, the smaller one left: within a block they rise."""
    import numpy as np

    # Every place in a block is paired with those after it.
    place = np.repeat(start, size) + _counting(size)
    after = np.repeat(start + size, size) - place - 1
    left = np.repeat(place, after)
    right = ids[left + 1 + _counting(after)]
    left = ids[left]
    if member is not None:
        across = member[left] != member[right]
        left, right = left[across], right[across]
    return left, right


def _counting(sizes: Ints) -> Ints:
    """0, 1, …, size - 1 for every size, one after the other."""
    import numpy as np

    ends = np.cumsum(sizes)
    counting: Ints = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return counting
