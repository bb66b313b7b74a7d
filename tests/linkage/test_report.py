"""What is published about a linkage: right by hand, withheld where few, and of nobody."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import combinations

import duckdb
import pytest
from made_courts import FORENAMES, SURNAMES, identities, records
from made_identities import EDITION

from datafirst_platform import tables
from datafirst_platform.engine import parquet
from datafirst_platform.extracts.contracts import POSTCODE_SECTORS, SEEDS
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.disclosure import told, told_share, withheld
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.models import datasets
from datafirst_platform.linkage.pictures import sections
from datafirst_platform.linkage.publishing import is_judged
from datafirst_platform.linkage.quality import MEASURES, measure
from datafirst_platform.linkage.report import _rendered, figures, forms_of, make_report
from datafirst_platform.marts.project import release_specs
from datafirst_platform.quality.verdicts import check_table
from datafirst_platform.releases import bundle
from datafirst_platform.releases.candidate import judged_before, linkages_of
from datafirst_platform.safe_errors import NotReady
from tests.conftest import copy_of


@pytest.fixture(scope="module")
def measured(linked_courts, tmp_path_factory):
    """The linked court, measured."""
    settings = copy_of(linked_courts, tmp_path_factory.mktemp("measured"))
    measure(settings, EDITION, "magistrates")
    return settings


@pytest.fixture(scope="module")
def report(measured):
    return make_report(measured, EDITION, "magistrates")


def counted(settings):
    """The table's rows as (measure, level, part, subgroup, value) to count."""
    version = tables.require(settings, TableKey.of("linkage", "magistrates_quality"), EDITION)
    with duckdb.connect() as connection:
        rows = connection.execute(f"from {parquet(version.path)}").fetchall()
    return {tuple(row[:5]): row[5] for row in rows}


def people(settings, level="medium"):
    """The estimated person of each record, by record key."""
    version = tables.require(settings, TableKey.of("linkage", "magistrates_people"), EDITION)
    with duckdb.connect() as connection:
        query = f"select record_key, person_{level} from {parquet(version.path)}"
        return dict(connection.execute(query).fetchall())


def test_records_are_counted_by_what_content_says_of_them(measured):
    found, made = counted(measured), records()
    for kind, word in (
        ("sex", lambda each: {"F": "female", "M": "male"}[each["sex"]]),
        (
            "ethnicity_group",
            lambda each: {"W": "White", "A": "Asian", "B": "Black", "M": "Mixed"}[
                each["ethnicity"][0]
            ],
        ),
    ):
        for value, number in Counter(word(each) for each in made).items():
            assert found["records", "", "", kind, value] == number
    ages = Counter(2024 - each["born"].year < 35 for each in made)
    young = ("17 and under", "18 to 24", "25 to 34")
    bands = [found.get(("records", "", "", "age_band", band), 0) for band in young]
    assert sum(bands) == ages[True]
    assert found["records", "", "", "everyone", "All"] == len(made)


def test_pairs_are_those_a_list_would_show(measured):
    found, sizes = counted(measured), Counter(people(measured).values())
    linked = sum(n * (n - 1) // 2 for n in sizes.values())
    true = sum(n * (n - 1) // 2 for n in Counter(each["person"] for each in records()).values())
    everyone = ("all", "everyone", "All")
    assert found["linked_pairs", "medium", *everyone] == linked
    assert found["true_pairs", "medium", *everyone] == true
    women = [each for each in records() if each["sex"] == "F"]
    pairs = sum(one["person"] == other["person"] for one, other in combinations(women, 2))
    # Nobody's sex differs from record to record, so each pair is seen from both its records.
    assert found["true_pairs", "medium", "all", "sex", "female"] == 2 * pairs
    for what in ("linked_pairs", "true_pairs", "right_pairs"):
        both = sum(found[what, "medium", "all", "sex", sex] for sex in ("female", "male"))
        assert both == 2 * found[what, "medium", *everyone]
    assert found["linked", "medium", "", "everyone", "All"] == sum(
        n for n in sizes.values() if n > 1
    )
    assert {what for what, *_ in found} <= MEASURES.keys()


def test_who_cannot_be_linked_is_counted_by_record(settings, publish_identities, publish_content):
    nobody = {"defendant_type": "P", "first_name": "NOT ENTERED", "last_name": "UNKNOWN"}
    made = records()[:20]
    publish_identities("libra_cases", [nobody, nobody, *identities(made)])
    publish_content("libra_cases", [{"sex": sex} for sex in "MF" + "M" * len(made)])
    link_dataset(settings, EDITION, "magistrates")
    measure(settings, EDITION, "magistrates")
    found = counted(settings)
    assert found["unlinkable", "", "", "everyone", "All"] == 2
    assert found["unlinkable", "", "", "sex", "female"] == 1
    told_of = figures(settings, EDITION, "magistrates")
    assert told_of["labels"] == {
        "basis": "none",
        "in_short": "Without reference labels",
        "basis_in_words": "There are no reference labels for this edition: precision and recall "
        "are not known.",
        "measures": [],
    }


def test_every_police_force_area_lies_in_the_region_its_courts_are_of():
    folder = SEEDS, POSTCODE_SECTORS.parent
    with duckdb.connect() as connection:
        apart = connection.execute(
            f"""select police_force_code from '{folder[0]}/county_courts.csv' as court
            anti join '{folder[1]}/police_force_regions.csv' as area
                using (police_force_code, region)
            where police_force_code is not null
            union all
            select police_force_code from '{POSTCODE_SECTORS}'
            anti join '{folder[1]}/police_force_regions.csv' using (police_force_code)"""
        ).fetchall()
    assert apart == []


def test_what_is_counted_passes_its_gate_and_is_not_counted_again(measured):
    verdict = check_table(measured, TableKey.of("linkage", "magistrates_quality"), EDITION)
    assert verdict.passed, verdict.failures
    again = measure(measured, EDITION, "magistrates")
    assert again.version == tables.require(measured, again.key, EDITION).version


def test_the_report_tells_what_it_rests_on(measured, report):
    assert "made-up supply" in report.figures["labels"]["basis_in_words"]
    medium = [each for each in report.figures["labels"]["measures"] if each["level"] == "medium"]
    assert [each["pairs"] for each in medium] == ["all pairs"]
    assert 0.9 < medium[0]["recall"] <= 1
    assert 0.9 < medium[0]["precision"] <= 1
    assert "truth of the made-up supply" in report.html.decode()


def test_few_are_withheld_and_with_them_what_would_give_them_back(report):
    groups = {
        each["value"]: each
        for each in report.figures["subgroups"]
        if each["subgroup"] == "Ethnicity group"
    }
    # One person of one record is Mixed; the next smallest group is withheld with him.
    assert groups["Mixed"]["records"] is None
    assert all(
        groups["Mixed"][share] is None
        for share in ("share_linked", "share_unlinkable", "precision", "recall")
    )
    assert sum(each["records"] is None for each in groups.values()) == 2
    assert groups["White"]["records"] % 5 == 0
    assert "Mixed</th><td" in report.html.decode()


def test_counts_are_withheld_by_the_rules_of_statistics():
    assert withheld({"a": 50, "b": 12}) == set()
    assert withheld({"a": 50, "b": 3, "c": 12}) == {"b", "c"}
    assert withheld({"a": 50, "b": 3, "c": 8, "d": 60}) == {"b", "c"}
    assert withheld({"a": 4, "b": 90, "c": 0}) == {"a", "b", "c"}
    assert [told(count) for count in (0, 9, 10, 12, 13)] == [None, None, 10, 10, 15]
    assert told(40, is_withheld=True) is None
    assert (told_share(10, 30), told_share(None, 30), told_share(10, None)) == (0.333, None, None)


class Page(HTMLParser):
    """The elements of a page, and the words of its images."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.sources = Counter(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        held = dict(attrs)
        self.sources += [held[name] for name in ("src", "href") if name in held]
        if tag == "img":
            self.words.append(held.get("alt", ""))
        if tag == "html":
            assert held["lang"] == "en-GB"


def test_the_page_stands_alone_and_is_told_in_words(report):
    page = Page(report.html.decode())
    assert not page.tags.keys() & {"script", "link", "iframe"}
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.words) == len(sections()) - 1  # no clerk has been asked
    assert all(len(words) > 60 for words in page.words)
    assert page.tags["h1"] == 1
    assert page.tags["caption"] == page.tags["table"] >= 8
    assert report.png.startswith(b"\x89PNG")


def test_every_figure_of_the_model_stands_in_a_table_behind_its_chart(report):
    text = report.html.decode()
    for each in report.figures["model"]["outcomes"]:
        assert f"{each['match_weight']:+.2f}</td>" in text
    for each in report.figures["scores"]:
        assert f">{each['from']:g}</th>" in text


def test_the_same_tables_give_the_same_bytes(measured, report):
    _rendered.cache_clear()
    again = make_report(measured, EDITION, "magistrates")
    assert forms_of(again) == forms_of(report)


def test_nobody_is_in_a_report(measured, report):
    """Names, dates, addresses, numbers and keys of records are in none of its forms."""
    needles = {*FORENAMES, *SURNAMES, *people(measured)}
    for each, supplied in zip(records(), identities(records()), strict=True):
        needles |= {each["postcode"], each["born"].isoformat(), supplied["address_line_1"]}
        needles |= {each["pnc"]} if each["pnc"] else set()
    assert len(needles) > 300
    told_of = report.json.decode() + re.sub('base64,[^"]+', "", report.html.decode())
    said = (told_of + report.alternative + "".join(report.charts.values())).upper()
    assert not [needle for needle in needles if needle.upper() in said]
    assert json.loads(report.json)["linkage"] == "magistrates"


def test_a_linkage_has_to_be_there(settings):
    with pytest.raises(NotReady, match="linkage/magistrates_edges"):
        measure(settings, EDITION, "magistrates")


def test_other_answers_make_another_table_and_other_truth_too(courts):
    first = measure(courts, EDITION, "magistrates")
    (courts.secure / "truth" / EDITION / "libra_cases.parquet").unlink()
    second = measure(courts, EDITION, "magistrates")
    assert second.version != first.version
    assert not [what for what, *_ in counted(courts) if what == "true_pairs"]


def test_releases_hold_the_reports_of_their_links(refreshed):
    specs = {spec.name: spec for spec in release_specs()}
    for release in bundle.releases(refreshed):
        documents = [each for each in release.manifest["documents"] if "linkage" in each]
        held = {each["path"] for each in documents}
        named = linkages_of(specs[release.name])
        assert held == {
            f"documents/linkage_{linkage}.{form}"
            for linkage in named
            for form in ("html", "json", "png")
        }
        found = {finding.check: finding for finding in bundle.verify(release.path)}
        assert all(found[f"report {linkage}"].passed for linkage in named)
        for key in judged_before(specs[release.name]):
            assert str(key) in release.manifest["inputs"]["tables"]
            assert str(key) in {gate["table"] for gate in release.manifest["gates"]}
    assert linkages_of(specs["insights"]) == ()
    assert linkages_of(specs["crown"]) == ("crown",)


@pytest.fixture
def released(report, tmp_path):
    """A release folder that holds a report alone, and a way to spoil one of its files."""
    folder = tmp_path / "2025.1"
    (folder / "documents").mkdir(parents=True)
    for file, content in forms_of(report):
        (folder / "documents" / file).write_bytes(content)
    documents = [
        {"path": f"documents/{file}", "linkage": "magistrates", "alternative": "told"}
        for file, _ in forms_of(report)
    ]

    def look(form="", spoil=lambda text: text):
        path = folder / "documents" / f"linkage_magistrates.{form}"
        if form:
            path.write_text(spoil(path.read_text()))
        (finding,) = bundle._report_findings(folder, documents)
        return finding

    return look


@pytest.mark.parametrize(
    ("form", "spoil", "says"),
    [
        ("html", lambda text: text + "<script>alert(1)</script>", "refers to something else"),
        ("html", lambda text: text + '<a href="https://example.org">more</a>', "something else"),
        ("html", lambda text: text + '<p onclick="go()">', "runs something"),
        ("html", lambda text: re.sub(r'alt="[^"]+"', 'alt=""', text), "not told in words"),
        ("html", lambda text: text.replace("<style>", "<style>@import 'x';"), "something else"),
        (
            "json",
            lambda text: text.replace('"linkage": "magistrates"', '"linkage": "crown"'),
            "another",
        ),
        ("json", lambda text: text[:100], "cannot be read"),
    ],
)
def test_a_spoilt_report_does_not_verify(released, form, spoil, says):
    assert released().passed
    finding = released(form, spoil)
    assert not finding.passed
    assert says in finding.detail


def test_every_linkage_of_a_refresh_can_be_reported_on(refreshed):
    for dataset in filter(is_judged, datasets()):
        told_of = figures(refreshed, EDITION, dataset)
        assert told_of["records"]["records"] > 0
        # No pupil has two references: there is no pair to be right or wrong about.
        assert told_of["labels"]["basis"] == ("none" if dataset == "npd" else "truth")
        # CaseMan does not record sex.
        least = {"Age", "Area"} if dataset == "civil" else {"Sex"}
        assert {each["subgroup"] for each in told_of["subgroups"]} >= least
