"""Errors that say what, where and what to do, and never a value.

DuckDB, dbt and Great Expectations quote cells in their messages. `values_withheld` is the one
boundary at which such an error is replaced, with its cause cut off, by one that quotes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


class PlatformError(Exception):
    """What a user can act on; its text is safe to log and to show."""

    exit_code = 1


class DeliveryRefused(PlatformError):
    """A delivered file cannot be taken at all; the supplier has to send it again."""

    exit_code = 3


class NotReady(PlatformError):
    """Something that has to be there first is not: the message says what and how to make it."""

    exit_code = 4


class GateRefused(PlatformError):
    """A gate is missing, failed or stale; the message lists each."""

    exit_code = 5


@contextmanager
def values_withheld(doing: str) -> Iterator[None]:
    """Run engine work; on failure raise a `PlatformError` naming `doing`, never a value.

    The digest lets two reports of the same failure be recognised as the same.

    Raises:
        PlatformError: the engine failed; class and digest of its message are kept.
    """
    try:
        yield
    except duckdb.Error as error:
        digest = hashlib.sha256(str(error).encode()).hexdigest()[:12]
        name = type(error).__name__
    else:
        return
    msg = f"{doing} failed in the engine ({name}, {digest}). Its message may hold data: withheld."
    raise PlatformError(msg) from None
