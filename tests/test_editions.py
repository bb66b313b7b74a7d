from datetime import date

import pytest

from datafirst_platform import editions
from datafirst_platform.safe_errors import PlatformError


def test_editions_follow_each_other():
    for earlier, later in zip(editions.EDITIONS, editions.EDITIONS[1:], strict=False):
        assert earlier.cut_off < later.cut_off
        assert earlier.cut_off < earlier.due < later.due


def test_an_unknown_edition_lists_those_there_are():
    with pytest.raises(PlatformError, match="2025, 2026"):
        editions.edition("1999")


def test_the_newest_due_edition():
    assert editions.due_on(date(2026, 3, 31)).key == "2025"
    assert editions.due_on(date(2026, 4, 1)).key == "2026"
    assert editions.due_on(date(2020, 1, 1)) is None
