"""The linkage-change report: counts alone, none of them small, the same for the same counts."""

import json
from html.parser import HTMLParser

import pytest

from datafirst_platform import tables
from datafirst_platform.engine import connect
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.models import LEVELS
from datafirst_platform.releases.linkage_changes import linkage_changes

COUNTS = {
    "before": 1_000,
    "kept": 952,
    "merged": 31,
    "withdrawn": 17,
    "split": 14,
    "people": 1_085,
    "new": 120,
    "parted": 13,
    "records_moved": 44,
}


@pytest.fixture
def report(settings):
    """The report of an edition whose linkage counted this."""

    def make(edition="2026", first=False, **counts):
        rows = [(measure, level, n) for measure, n in (COUNTS | counts).items() for level in LEVELS]
        rows = (
            rows if first else [*rows, ("records_before", "", 5_002), ("records_kept", "", 4_900)]
        )
        listed = ", ".join(f"('{measure}', '{level}', {n})" for measure, level, n in rows)
        with connect(settings) as connection:
            version = tables.publish(
                settings,
                connection,
                TableKey.of("linkage", "cross_justice_counts"),
                edition,
                f"select * from (values {listed}) as counts (measure, level, value)",
                recipe="made up",
                inputs={},
            )
        return linkage_changes(settings, edition, version)

    return make


def shown(report, level="medium"):
    return json.loads(report.json)["levels"][level]


def test_counts_are_rounded_and_told_by_threshold(report):
    found = shown(report())
    assert found["kept"] == 950
    assert found["merged"] == 30
    assert found["records_before"] == 5_000
    assert json.loads(report().json)["edition_before"] == "2025"


@pytest.mark.parametrize(
    ("counts", "withheld"),
    [
        ({"merged": 9, "kept": 974}, {"merged", "withdrawn"}),
        ({"merged": 0, "kept": 983}, set()),
        ({"merged": 3, "withdrawn": 4, "kept": 993}, {"merged", "withdrawn", "kept", "parted"}),
        ({"merged": 6, "withdrawn": 4, "kept": 990}, {"merged", "withdrawn"}),
        ({"split": 1}, {"split"}),
        ({"records_moved": 9}, {"records_moved"}),
        ({"parted": 0, "new": 9, "people": 961}, {"new", "kept", "withdrawn"}),
    ],
)
def test_small_counts_and_what_would_give_them_back_are_withheld(report, counts, withheld):
    found = shown(report(**counts))
    assert {measure for measure, count in found.items() if count is None} == withheld


def test_the_page_tells_the_same_and_needs_nothing_else(report):
    made = report(split=4)

    class Page(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.text = [], []

        def handle_starttag(self, tag, attrs):
            self.tags.append(tag)
            assert not {"src", "href"} & {name for name, _ in attrs}

        def handle_data(self, data):
            self.text.append(data)

    page = Page()
    page.feed(made.page)
    assert not {"script", "link", "img"} & set(page.tags)
    assert page.tags.count("tr") == 1 + len(shown(made))
    text = " ".join(page.text)
    assert "withheld" in text
    assert "edition 2025" in text
    assert "5,000" in text


def test_a_first_edition_says_that_there_is_none_before(report):
    made = report("2025", first=True)
    assert json.loads(made.json)["levels"] == {}
    assert "No edition before" in made.page


def test_the_same_counts_give_the_same_bytes(report):
    assert report() == report()
