"""The editions: a year's refresh each. Opening one is a reviewed change to this file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from datafirst_platform.safe_errors import PlatformError


@dataclass(frozen=True)
class Edition:
    """One annual refresh.

    Attributes:
        key: the partition key, a year.
        cut_off: last day the deliveries of this edition cover.
        due: day on which the schedule launches it.
        sources: suppliers whose delivery is expected.
    """

    key: str
    cut_off: date
    due: date
    sources: tuple[str, ...]


SOURCES = (
    "libra",
    "xhibit",
    "nomis",
    "delius",
    "oasys",
    "familyman",
    "caseman",
    "pnc",
    "npd",
    "csc",
)

EDITIONS = (
    Edition("2025", date(2024, 12, 31), date(2025, 4, 1), SOURCES),
    Edition("2026", date(2025, 12, 31), date(2026, 4, 1), SOURCES),
    Edition("2027", date(2026, 12, 31), date(2027, 4, 1), SOURCES),
)


def edition(key: str) -> Edition:
    """The edition of that key.

    Raises:
        PlatformError: there is none; the message lists those there are.
    """
    for each in EDITIONS:
        if each.key == key:
            return each
    listed = ", ".join(each.key for each in EDITIONS)
    msg = f"There is no edition {key!r}. Editions: {listed}. A new one is opened in editions.py."
    raise PlatformError(msg)


def before(key: str) -> Edition | None:
    """The edition before that one, if any."""
    at = EDITIONS.index(edition(key))
    return EDITIONS[at - 1] if at else None


def due_on(day: date) -> Edition | None:
    """The newest edition due on or before that day, if any."""
    due = [each for each in EDITIONS if each.due <= day]
    return due[-1] if due else None
