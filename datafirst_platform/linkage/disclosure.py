"""Disclosure control of what a linkage's report counts: the rules of docs/decisions/0009.

What belongs here: which counts are withheld, and rounding. What does not: figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

THRESHOLD = 10
"""A count below it is withheld; `dbt_project/macros/disclosure.sql` has the same."""
ROUNDED_TO = 5

Key = TypeVar("Key", str, tuple[str, ...])


def withheld(least: Mapping[Key, int]) -> frozenset[Key]:
    """Which figures of a slice that adds up to a total are not told.

    A figure below the threshold is not. Where there is one, more follow from the smallest, until
    what is not told comes to the threshold together, which takes two at the least: the total less
    what is told then says no more than that.

    Args:
        least: for each figure the least count it would tell, the smallest of its parts.
    """
    found: set[Key] = set()
    hidden = 0
    for key, count in sorted(least.items(), key=lambda each: (each[1], each[0])):
        if count < THRESHOLD or (found and hidden < THRESHOLD):
            found.add(key)
        hidden += count
    return frozenset(found)


def told(count: int, *, is_withheld: bool = False) -> int | None:
    """A count to the nearest 5; None where it is withheld or under the threshold."""
    if is_withheld or count < THRESHOLD:
        return None
    half = ROUNDED_TO // 2
    return count + half - (count + half) % ROUNDED_TO


def told_share(part: int | None, whole: int | None) -> float | None:
    """The share of one told count in another, to three decimals; None where either is withheld."""
    return None if part is None or not whole else round(part / whole, 3)
