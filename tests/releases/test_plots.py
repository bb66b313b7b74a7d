"""Charts: one for each insight, of the released figures alone, told in words, reproducible."""

import re
from xml.etree import ElementTree

import dagster as dg
import duckdb
import pytest

from datafirst_platform.instance import instance_in_use
from datafirst_platform.marts.project import INSIGHTS, modelled_tables
from datafirst_platform.releases import bundle
from datafirst_platform.releases.plots import DRAWINGS, draw

OF_INSIGHTS = {
    "family_and_criminal_courts",
    "family_case_durations",
    "pupils_offending",
    "repeat_custody",
    "returning_defendants",
    "time_to_completion",
}
INSIGHT = {table.name: table for table in modelled_tables() if table.stage == INSIGHTS}
ROWS = {
    "family_case_durations": """
        select case_type, case_year, cases as cases_received, cases as cases_disposed,
            median as median_weeks, mean as mean_weeks, cases is null as is_suppressed
        from (values ('Private law children', 2022, 200, 38, 44),
            ('Private law children', 2023, 210, 40, 48), ('Divorce', 2023, 400, 26, 30),
            ('Adoption', 2023, null, null, null), ('All cases', 2023, 620, 30, 35))
            as given (case_type, case_year, cases, median, mean)""",
    "family_and_criminal_courts": """
        select population, subgroup, subgroup_value, people, linked_people,
            (linked_people / people)::decimal(4,3) as share_linked,
            linked_people is null as is_suppressed
        from (values ('family courts', 'everyone', 'All', 1000, 200),
            ('family courts', 'role', 'respondent', 400, 120),
            ('family courts', 'role', 'child', 300, null),
            ('criminal courts', 'everyone', 'All', 2000, 200),
            ('criminal courts', 'courts', 'both', 300, 50))
            as given (population, subgroup, subgroup_value, people, linked_people)""",
    "pupils_offending": """
        select subgroup, subgroup_value, pupils, offenders as cautioned_or_sentenced,
            serious as serious_violence, custody,
            (offenders / pupils)::decimal(4,3) as share_cautioned_or_sentenced,
            (serious / pupils)::decimal(4,3) as share_serious_violence,
            (custody / pupils)::decimal(4,3) as share_custody, custody is null as is_suppressed
        from (values ('everyone', 'All', 10000, 480, 110, 50),
            ('sex', 'male', 5100, 375, 95, 45), ('sex', 'female', 4900, 105, 15, null),
            ('social_care', 'looked after', 100, null, null, null),
            ('age_at_first_offence', '14', 10000, 90, 20, 10),
            ('age_at_first_offence', '15', 10000, 120, 30, 15))
            as given (subgroup, subgroup_value, pupils, offenders, serious, custody)""",
    "returning_defendants": """
        select 2011 as starting_year, offence_group, date '2019-12-31' as followed_to,
            starters, returned, returned_once, six_or_more,
            (returned / starters)::decimal(4,3) as share_returned,
            (returned_once / starters)::decimal(4,3) as share_returned_once,
            (six_or_more / starters)::decimal(4,3) as share_six_or_more,
            six_or_more is null as is_suppressed
        from (values ('All offences', 1000, 555, 140, 180), ('Theft offences', 200, 165, 20, 75),
            ('Summary motoring', 400, 175, null, null), ('Robbery', null, null, null, null))
            as given (offence_group, starters, returned, returned_once, six_or_more)""",
    "repeat_custody": """
        select release_type, within_months, date '2022-12-31' as released_to, journeys, returned,
            (returned / journeys)::decimal(4,3) as share_returned, returned is null as is_suppressed
        from (values ('all releases', 1, 500, 25), ('all releases', 12, 500, 140),
            ('licence', 12, 300, 75), ('bail', 12, 100, null))
            as given (release_type, within_months, journeys, returned)""",
    "time_to_completion": """
        select court_type, completion_year, offence_group, cases, median_days,
            cases is null as is_suppressed
        from (values ('magistrates', 2022, 'All offences', 500, 190),
            ('magistrates', 2023, 'All offences', 400, 181),
            ('crown', 2023, 'All offences', 90, 377), ('crown', 2022, 'All offences', null, null),
            ('crown', 2023, 'Robbery', 20, 444))
            as given (court_type, completion_year, offence_group, cases, median_days)""",
    "linkage_coverage": """
        select source_dataset, linked_dataset, subgroup, subgroup_value, people, linked_people,
            (linked_people / people)::decimal(4,3) as share_of_people, people as records,
            linked_people as linked_records, (linked_people / people)::decimal(4,3)
                as share_of_records, linked_people is null as is_suppressed
        from (values ('magistrates', 'crown', 'everyone', 'All', 1000, 165),
            ('magistrates', 'crown', 'sex', 'male', 700, 120),
            ('magistrates', 'crown', 'sex', 'female', 300, 45),
            ('magistrates', 'crown', 'age_band', 'Not known', 10, null),
            ('crown', 'magistrates', 'everyone', 'All', 170, null),
            ('crown', 'magistrates', 'sex', 'male', 120, null))
            as given (source_dataset, linked_dataset, subgroup, subgroup_value, people,
                linked_people)""",
}


@pytest.fixture
def released(tmp_path):
    """Write a table's made-up rows as a release would hold them."""

    def write(table, where="true"):
        file = tmp_path / f"{table}.parquet"
        columns = ", ".join(
            f"{column.name}::{column.data_type} as {column.name}"
            for column in INSIGHT[table].columns
        )
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select {columns} from ({ROWS[table]}) where {where}) to '{file}' "
                "(format parquet)"
            )
        return file

    return write


def test_every_insight_has_a_chart_and_no_other_table():
    assert set(DRAWINGS) == set(INSIGHT) == set(ROWS)
    assert draw("crown_cases", None) is None


@pytest.mark.parametrize("table", ROWS)
def test_a_chart_is_a_picture_with_a_title_axes_and_words(released, table):
    chart = draw(table, released(table))
    assert chart.png.startswith(b"\x89PNG")
    root = ElementTree.fromstring(chart.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == chart.alternative
    told = [each.text for each in root.iter() if each.tag.endswith("text") and each.text]
    assert chart.title in told
    axes = {
        "family_case_durations": {"year of the final disposal", "mean weeks from receipt"},
        "family_and_criminal_courts": {"share found there", "people"},
        "pupils_offending": {"share of pupils", "age"},
        "returning_defendants": {"share of those who started", "offence group"},
        "repeat_custody": {"share of journeys that ended", "release"},
        "time_to_completion": {"year of completion", "median days from offence to completion"},
        "linkage_coverage": {"share of people linked", "subgroup"},
    }
    assert axes[table] <= set(told)
    assert len(chart.alternative) > 100
    assert b"http://www.w3.org" in chart.svg
    assert not re.search(rb"(href|src)=", chart.svg), "nothing is loaded from elsewhere"


@pytest.mark.parametrize("table", ROWS)
def test_the_same_table_gives_the_same_bytes(released, table):
    assert draw(table, released(table)) == draw(table, released(table))


@pytest.mark.parametrize("table", ROWS)
def test_a_table_without_a_figure_to_show_has_no_chart(released, table):
    figure = {
        "family_case_durations": "mean_weeks",
        "family_and_criminal_courts": "linked_people",
        "pupils_offending": "cautioned_or_sentenced",
        "returning_defendants": "returned",
        "repeat_custody": "returned",
        "time_to_completion": "median_days",
        "linkage_coverage": "linked_people",
    }[table]
    assert draw(table, released(table, f"{figure} is null")) is None
    assert draw(table, released(table, "false")) is None


def test_what_is_withheld_is_named_and_not_drawn(released):
    chart = draw("returning_defendants", released("returning_defendants"))
    assert "Withheld by disclosure control: Robbery." in chart.alternative
    assert b">Robbery<" not in chart.svg
    coverage = draw("linkage_coverage", released("linkage_coverage"))
    assert "Withheld by disclosure control: crown people in magistrates." in coverage.alternative
    assert b"crown people in magistrates (withheld)" in coverage.svg
    courts = draw("family_and_criminal_courts", released("family_and_criminal_courts"))
    assert "Withheld by disclosure control: family courts, role: child." in courts.alternative
    pupils = draw("pupils_offending", released("pupils_offending"))
    assert "Withheld by disclosure control: social care looked after." in pupils.alternative
    assert b">social care: looked after<" not in pupils.svg
    assert "family courts found at the criminal courts: Everyone 20.0%" in courts.alternative


def test_published_figures_stand_beside_ours(released):
    returning = draw("returning_defendants", released("returning_defendants")).alternative
    for told in (
        "Came back 55.5% (published 56%)",
        "Came back once only 14.0% (published 17%)",
        "Six cases or more 18.0% (published 18%)",
        "Theft offences 82.5% (published 82%)",
    ):
        assert told in returning
    time = draw("time_to_completion", released("time_to_completion"))
    assert "magistrates' courts (published for 2023: 178): 2022: 190, 2023: 181" in time.alternative
    assert "Crown Court (published for 2023: 374): 2023: 377" in time.alternative
    family = draw("family_case_durations", released("family_case_durations")).alternative
    assert "Private law children (published for 2023: 47): 2022: 44 (38), 2023: 48 (40)" in family
    pupils = draw("pupils_offending", released("pupils_offending")).alternative
    assert "Cautioned or sentenced 4.8% (published 5%)" in pupils
    assert "For serious violence 1.1% (published 1%)" in pupils
    assert "14 0.9%; 15 1.2%" in pupils
    assert b"published figures" in time.svg
    earlier = draw("time_to_completion", released("time_to_completion", "completion_year = 2022"))
    assert "published" not in earlier.alternative


def test_releases_hold_their_charts_and_verify(refreshed):
    releases = {each.name: each for each in bundle.releases(refreshed)}
    insights = releases["insights"]
    charts = {
        document["path"]: document
        for document in insights.manifest["documents"]
        if "table" in document
    }
    held = [table["name"] for table in insights.manifest["tables"]]
    assert held == sorted(OF_INSIGHTS)
    assert set(charts) == {f"documents/{table}.{kind}" for table in held for kind in ("svg", "png")}
    for path, document in charts.items():
        chart = draw(document["table"], insights.path / "data" / f"{document['table']}.parquet")
        content = chart.svg if path.endswith("svg") else chart.png
        assert (insights.path / path).read_bytes() == content
        assert (document["title"], document["alternative"]) == (chart.title, chart.alternative)
    found = {finding.check: finding for finding in bundle.verify(insights.path)}
    assert all(finding.passed for finding in found.values())
    assert found["charts in words"].detail == f"{2 * len(OF_INSIGHTS)} charts"


def test_charts_are_shown_beside_the_release_in_dagster(refreshed):
    with instance_in_use(refreshed) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["releases", "insights"]))
    metadata = event.asset_materialization.metadata
    for table in OF_INSIGHTS:
        shown = metadata[f"chart_{table}"].value
        assert shown.startswith("![")
        assert "](data:image/svg+xml;base64," in shown


def test_a_linking_release_tells_of_its_own_datasets_alone(refreshed):
    for release in bundle.releases(refreshed):
        members = {label.partition("/")[0] for label in release.manifest.get("members", {})}
        if not members:
            continue
        with duckdb.connect() as connection:
            told = connection.execute(
                "select distinct source_dataset, linked_dataset from "
                f"'{release.path}/data/linkage_coverage.parquet'"
            ).fetchall()
        assert {dataset for pair in told for dataset in pair} == members
        for document in release.manifest["documents"]:
            for other in {"magistrates", "crown", "prison", "probation", "oasys"} - members:
                assert f"{other} people in" not in document.get("alternative", "")
