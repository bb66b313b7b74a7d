"""What the dbt project promises, and that its manifest is made when it has to be."""

import shutil
import subprocess
import sys

import pytest
import yaml
from made_up_rows import source_columns

from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.marts.project import (
    DBT_PROJECT,
    PARSED,
    manifest_path,
    mart_tables,
    modelled_tables,
    project_digest,
    read_manifest,
    release_specs,
)
from datafirst_platform.safe_errors import PlatformError

SPECS = {spec.name: spec for spec in release_specs()}
COLUMNS = [(table, column) for table in mart_tables() for column in table.columns]
LINKING = ["linkage_coverage", "mags_crown_journey", "xjs_link"]
RELEASED = {
    "magistrates": ["magistrates_cases", "magistrates_offences"],
    "crown": ["crown_cases", "crown_offences"],
    "prison": ["prison_custodial_journeys"],
    "probation": [
        "probation_events",
        "probation_licence_conditions",
        "probation_pss_requirements",
        "probation_requirements",
    ],
    "oasys": ["oasys_assessments_details_core_risk", "oasys_assessments_metadata"],
    "family": ["family_cases", "family_events", "family_parties"],
    "civil": ["civil_cases", "civil_events", "civil_parties"],
    "moj_dfe": [
        "moj_dfe_absence",
        "moj_dfe_attainment",
        "moj_dfe_cin",
        "moj_dfe_cla",
        "moj_dfe_cpp",
        "moj_dfe_exclusions",
        "moj_dfe_link",
        "moj_dfe_offending",
        "moj_dfe_pupils",
        "moj_dfe_sen",
    ],
    "criminal_courts_linking": LINKING,
    "criminal_courts_prison_linking": LINKING,
    "criminal_justice_linking": LINKING,
    "criminal_civil_family_linking": LINKING,
    "cross_justice_linking": LINKING,
    "insights": [
        "family_and_criminal_courts",
        "family_case_durations",
        "pupils_offending",
        "repeat_custody",
        "returning_defendants",
        "time_to_completion",
    ],
}
MEMBERS = {
    "criminal_courts_linking": ("magistrates", "crown"),
    "criminal_courts_prison_linking": ("magistrates", "crown", "prison"),
    "criminal_justice_linking": ("magistrates", "crown", "prison", "probation", "oasys"),
    "criminal_civil_family_linking": ("magistrates", "crown", "civil", "family"),
    "cross_justice_linking": (
        *("magistrates", "crown", "prison", "probation", "oasys", "family", "civil"),
    ),
}


@pytest.fixture
def small_project(tmp_path):
    """A project of one mart, quick to parse."""
    project = tmp_path / "dbt"
    for part in ("macros", "models/marts", "seeds", "tests"):
        (project / part).mkdir(parents=True)
    for file in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(DBT_PROJECT / file, project / file)
    (project / "dbt_project.yml").write_text("name: small\nversion: '1.0'\nprofile: datafirst\n")
    (project / "models/marts/one.sql").write_text("select 1 as number")
    return project


def test_releases_hold_exactly_their_tables():
    assert {name: [t.name for t in spec.tables] for name, spec in SPECS.items()} == RELEASED
    assert all(spec.description and spec.owner and spec.label for spec in SPECS.values())


def test_every_mart_is_released_and_those_of_a_dataset_once():
    released = [table.name for spec in SPECS.values() for table in spec.tables]
    assert {*released} == {table.name for table in modelled_tables()}
    of_datasets = [table for table in released if table not in LINKING]
    assert len(of_datasets) == len({*of_datasets})


def test_a_linking_release_holds_the_records_of_its_members_alone():
    assert {name: spec.members for name, spec in SPECS.items() if spec.members} == MEMBERS
    for name, members in MEMBERS.items():
        listed = ", ".join(f"'{member}'" for member in members)
        conditions = {t.name: SPECS[name].condition(t) for t in SPECS[name].tables}
        assert conditions["xjs_link"] == f"source_dataset in ({listed})"
        assert conditions["mags_crown_journey"] == ""
        assert conditions["linkage_coverage"].count(listed) == 2


def test_every_mart_has_a_key_of_its_own_columns_and_that_key_is_tested():
    manifest = read_manifest()
    for table in mart_tables():
        assert table.primary_key, table.name
        assert set(table.primary_key) <= {column.name for column in table.columns}
        tests = rules_of(manifest, table.name)
        for column in table.primary_key:
            assert ("not_null", column) in tests, f"{table.name}.{column}"
        if len(table.primary_key) == 1:
            assert ("unique", table.primary_key[0]) in tests, table.name
        else:
            assert ("is_unique_together", "") in tests, table.name


def rules_of(manifest, table):
    unique_id = f"model.datafirst.{table}"
    return {
        (node["test_metadata"]["name"], node["column_name"] or "")
        for node in manifest["nodes"].values()
        if node.get("attached_node") == unique_id
    }


@pytest.mark.parametrize(
    ("table", "column"), COLUMNS, ids=[f"{table.name}.{column.name}" for table, column in COLUMNS]
)
def test_every_released_column_is_described_typed_and_tested(table, column):
    assert len(column.description) > 10
    assert "\n" not in column.description
    assert column.data_type
    assert column.name in {tested for _, tested in rules_of(read_manifest(), table.name)}


def test_every_key_that_leaves_is_a_pseudonym_and_nothing_else_is():
    for table, column in COLUMNS:
        names_a_key = column.name.endswith(("_hash", "_person_id")) or "estimated_" in column.name
        is_figure = column.name.startswith("estimated_match_")
        is_key = names_a_key and not is_figure
        assert bool(column.pseudonym_of) is is_key, f"{table.name}.{column.name}"


def test_no_column_tells_a_birthday():
    told = {(table.name, column.name) for table, column in COLUMNS if "birth" in column.name}
    # Of pupils, who are of three school years, the year.
    assert told == {("moj_dfe_pupils", "birth_year")}


def test_values_are_told_for_the_catalogue():
    values = {
        (table.name, column.name): column.values for table, column in COLUMNS if column.values
    }
    assert values["magistrates_cases", "sex"] == "male; female; unknown"
    assert values["crown_cases", "plea_code"].startswith("G = Guilty; NG = Not guilty")
    assert values["crown_cases", "is_juvenile"] == "true; false"
    assert values["crown_cases", "receipt_date"] == "YYYY-MM-DD"
    assert values["magistrates_cases", "custodial_days"] == "0 to 36500"
    untold = {column.name for _, column in COLUMNS if not column.values}
    assert untold == {"estimated_match_weight"}


def test_marts_follow_from_their_own_court_alone():
    inputs = {table.name: {str(key) for key in table.inputs} for table in mart_tables()}
    assert inputs["magistrates_cases"] == {
        "extracts/libra_cases",
        "extracts/libra_offences",
        "linkage/magistrates_people",
    }
    assert inputs["crown_offences"] == {
        "extracts/xhibit_defendants_on_case",
        "extracts/xhibit_offences",
        "linkage/crown_people",
    }


def test_sources_are_what_the_contracts_say_content_is():
    declared = source_columns()
    for table, contract in contracts().items():
        described = {column.name: column.type.lower() for column in contract.content_schema}
        assert declared[TableKey.of("extracts", table)] == described


def test_a_manifest_is_made_again_only_when_the_project_changes(small_project):
    first = manifest_path(small_project)
    made = first.stat().st_mtime_ns
    before = project_digest(small_project)

    assert manifest_path(small_project) == first
    assert first.stat().st_mtime_ns == made
    assert set(read_manifest(small_project)["nodes"]) == {"model.small.one"}

    (small_project / "models/marts/two.sql").write_text("select * from {{ ref('one') }}")

    assert project_digest(small_project) != before
    assert set(read_manifest(small_project)["nodes"]) == {"model.small.one", "model.small.two"}

    before = project_digest(small_project)
    (small_project / "models/marts/one.sql").write_text("select 2 as number")
    assert project_digest(small_project) != before, "as long as it was, and another"
    (small_project / "models/marts/one.sql").write_text("select 1 as number")
    assert project_digest(small_project) == before

    assert sorted(each.name for each in (small_project / "target").iterdir()) == [
        ".parsing",
        "manifest.digest",
        "manifest.json",
        PARSED,
    ]
    assert not (small_project / "logs").exists()


def test_a_project_that_cannot_be_parsed_is_told_with_the_reason(small_project):
    (small_project / "models/marts/two.sql").write_text("select * from {{ ref('missing') }}")

    with pytest.raises(PlatformError, match="missing"):
        manifest_path(small_project)
    assert not (small_project / "target/manifest.digest").exists()


def test_processes_that_ask_at_once_get_one_manifest(small_project):
    code = (
        "import sys, pathlib; from datafirst_platform.marts.project import manifest_path as m; "
        "print(m(pathlib.Path(sys.argv[1])).stat().st_ino)"
    )
    asked = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(small_project)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [process.communicate()[0].strip() for process in asked]

    assert all(process.returncode == 0 for process in asked)
    assert len(set(answers)) == 1


def test_code_lists_have_their_columns_described():
    described = yaml.safe_load((DBT_PROJECT / "seeds/_seeds.yml").read_text())["seeds"]
    files = {file.stem: file for file in (DBT_PROJECT / "seeds").glob("*.csv")}

    assert {seed["name"] for seed in described} == set(files)
    for seed in described:
        header = files[seed["name"]].read_text().splitlines()[0].split(",")
        assert [column["name"] for column in seed["columns"]] == header
        assert list(seed["config"]["column_types"]) == header
        assert all(column["description"] for column in seed["columns"])
