"""Real dbt on made-up rows: what is published, what is refused, and what is never told."""

import contextlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from made_up_rows import key, publish_supply, supply

from datafirst_platform import tables
from datafirst_platform.automation import PARTITIONS
from datafirst_platform.marts.assets import build_marts
from datafirst_platform.marts.build import Build, DbtRun, DbtTest, verdict
from datafirst_platform.marts.project import INSIGHTS, mart_tables, modelled_tables, project_digest
from datafirst_platform.quality.verdicts import DBT_GATE, Verdict, verdict_of
from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings

BUILT, BROKEN, EMPTY = "2025", "2026", "2027"
CANARY = "Q7CANARY"
MODELS = {table.name: table for table in modelled_tables()}


def run(settings, edition, instance=None):
    return dg.materialize(
        build_marts(settings, PARTITIONS),
        partition_key=edition,
        instance=instance,
        raise_on_error=False,
    )


def rows(settings, mart, columns, edition=BUILT):
    """Rows of a mart in the order of its file, as dictionaries."""
    path = tables.require(settings, MODELS[mart].key, edition).path
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select {columns} from read_parquet('{path}', hive_partitioning = false)"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def by_key(settings, mart, column, columns, edition=BUILT):
    found = rows(settings, mart, f"{column}, {columns}", edition)
    return {row.pop(column): row for row in found}


def versions(settings, edition):
    return {name: tables.current(settings, table.key, edition) for name, table in MODELS.items()}


def failure_of(result):
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return failed.step_failure_data.user_failure_data.description


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marts")
    settings = Settings(folder / "home", folder / "keys", threads=2, memory_gib=1.0).prepare()
    publish_supply(settings, supply(), BUILT)
    return settings


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture(scope="module")
def built(home, instance):
    result = run(home, BUILT, instance)
    assert result.success, failure_of(result)
    return result


@pytest.fixture(scope="module")
def settings(home, built):
    """An installation whose marts of one edition are published."""
    return home


def test_each_mart_keeps_every_row_of_its_source_in_key_order(settings):
    published = versions(settings, BUILT)
    counts = {table.name: published[table.name].rows for table in mart_tables()}
    assert {mart: rows for mart, rows in counts.items() if rows} == {
        "magistrates_cases": 6,
        "magistrates_offences": 7,
        "crown_cases": 2,
        "crown_offences": 1,
        "xjs_link": 7,
        "mags_crown_journey": 1,
    }
    for table in mart_tables():
        keys = [
            tuple(row.values()) for row in rows(settings, table.name, ", ".join(table.primary_key))
        ]
        assert keys == sorted(keys), table.name


def test_columns_are_those_the_contract_names_in_its_order_and_types(settings):
    for table in modelled_tables():
        published = tables.require(settings, table.key, BUILT)
        assert [(name, kind.lower()) for name, kind in published.columns] == [
            (column.name, column.data_type) for column in table.columns
        ]


def test_a_case_is_described_by_its_principal_offence(settings):
    cases = by_key(
        settings,
        "magistrates_cases",
        "defendant_case_hash",
        "principal_offence_hash, ho_offence_code, offence_group, disposal_code, disposal_desc, "
        "custodial_days, offence_count, convicted_offence_count, is_convicted",
    )
    assert cases[key("case2")] == {
        "principal_offence_hash": key("offence4"),
        "ho_offence_code": "28/03",
        "offence_group": "Theft offences",
        "disposal_code": "IMP",
        "disposal_desc": "Immediate custody",
        "custodial_days": 112,
        "offence_count": 3,
        "convicted_offence_count": 3,
        "is_convicted": True,
    }


def test_a_case_without_offences_stays(settings):
    cases = by_key(
        settings,
        "magistrates_cases",
        "defendant_case_hash",
        "offence_count, principal_offence_hash, is_convicted, disposal_group, completion_date",
    )
    assert cases[key("case4")] == {
        "offence_count": 0,
        "principal_offence_hash": None,
        "is_convicted": None,
        "disposal_group": None,
        "completion_date": None,
    }


def test_codes_are_harmonised_and_kept(settings):
    columns = "sex_code, sex, ethnicity_group, court_name, remand_status"
    cases = by_key(settings, "magistrates_cases", "defendant_case_hash", columns)
    assert cases[key("case0")] == {
        "sex_code": "M",
        "sex": "male",
        "ethnicity_group": "White",
        "court_name": "Westminster Magistrates' Court",
        "remand_status": "custody",
    }
    assert cases[key("case2")]["sex"] == "unknown"
    assert cases[key("case2")]["ethnicity_group"] == "Not known"
    assert cases[key("case3")]["court_name"] is None, "a court outside the open list stays"
    crown = by_key(
        settings,
        "crown_cases",
        "defendant_on_case_id_hash",
        "sex_code, sex, remand_status, is_hate_crime, case_type_desc",
    )
    assert crown[key("crown1")] == {
        "sex_code": "2",
        "sex": "female",
        "remand_status": "custody",
        "is_hate_crime": None,
        "case_type_desc": "For trial",
    }


def test_an_offence_outside_the_list_is_kept_as_not_known(settings):
    offences = by_key(
        settings,
        "magistrates_offences",
        "defendant_offence_hash",
        "ho_offence_code, offence_group, offence_desc, fine_amount, most_serious_disposal_rank",
    )
    unknown = offences[key("offence5")]
    assert unknown["ho_offence_code"] == "1/99"
    assert unknown["offence_group"] == "Not known"
    assert unknown["offence_desc"] is None
    assert str(unknown["fine_amount"]) == "100.10"
    assert unknown["most_serious_disposal_rank"] == 3


def test_organisations_have_no_person(settings):
    columns = "is_organisation, estimated_defendant_id"
    cases = by_key(settings, "magistrates_cases", "defendant_case_hash", columns)
    assert cases[key("case5")] == {"is_organisation": True, "estimated_defendant_id": None}
    assert all(
        case["estimated_defendant_id"] == record
        for record, case in cases.items()
        if not case["is_organisation"]
    )
    linked = {row["source_person_id"] for row in rows(settings, "xjs_link", "source_person_id")}
    assert key("case5") not in linked


def test_a_person_and_a_case_can_be_followed_from_court_to_court(settings):
    found = by_key(settings, "xjs_link", "source_person_id", "estimated_person_id, source_dataset")
    assert found[key("crown0")] == {
        "estimated_person_id": found[key("case0")]["estimated_person_id"],
        "source_dataset": "crown",
    }
    assert [
        {name: str(value) for name, value in row.items()}
        for row in rows(settings, "mags_crown_journey", "*")
    ] == [
        {
            "mc_defendant_case_hash": key("case0"),
            "mc_case_id_hash": key("mc1"),
            "mc_defendant_id_hash": key("d0"),
            "cc_defendant_on_case_id_hash": key("crown0"),
            "estimated_match_score": "0.9991",
            "estimated_match_weight": "21.50",
        }
    ]


def test_every_mart_is_materialised_with_its_lineage_and_descriptions(settings, built):
    made = {m.asset_key.path[1]: m for m in built.asset_materializations_for_node("marts")}
    assert sorted(made) == sorted(MODELS)
    for table in modelled_tables():
        metadata = made[table.name].metadata
        version = tables.require(settings, table.key, BUILT)
        assert metadata["dagster/row_count"].value == version.rows
        assert made[table.name].tags["dagster/data_version"] == version.version
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        for column in table.columns:
            origins = {dep.asset_key.path[0] for dep in lineage[column.name]}
            if table.stage == INSIGHTS:
                assert origins <= {"marts"}
                continue
            counted = column.name.endswith(("_count", "_recorded"))
            assert origins or counted, f"{table.name}.{column.name} comes from nowhere"
            assert origins <= {"extracts", "linkage"}
        schema = metadata["dagster/column_schema"].value
        assert all(column.description for column in schema.columns)


def test_lineage_names_the_supplied_column(built):
    made = {m.asset_key.path[1]: m for m in built.asset_materializations_for_node("marts")}
    lineage = made["magistrates_cases"].metadata["dagster/column_lineage"].value.deps_by_column
    origins = {
        column: sorted("/".join([*dep.asset_key.path, dep.column_name]) for dep in lineage[column])
        for column in ("sex", "custodial_days", "days_from_offence_to_completion")
    }
    assert origins == {
        # Through the code list it is looked up in.
        "sex": ["extracts/libra_cases/sex"],
        "custodial_days": ["extracts/libra_offences/custodial_days"],
        "days_from_offence_to_completion": [
            "extracts/libra_cases/completion_date",
            "extracts/libra_offences/offence_date",
        ],
    }


def test_every_test_is_a_blocking_check_about_the_new_materialisation(settings, built, instance):
    evaluations = built.get_asset_check_evaluations()
    assert all(each.passed for each in evaluations)
    [marts] = build_marts(settings, PARTITIONS)
    assert {each.asset_check_key for each in evaluations} == set(marts.check_keys)
    assert all(spec.blocking for spec in marts.check_specs)
    newest = {
        name: instance.get_latest_materialization_event(dg.AssetKey(table.key)).run_id
        for name, table in MODELS.items()
    }
    for each in evaluations:
        target = each.target_materialization_data
        assert target.run_id == newest[each.asset_key.path[1]] == built.run_id


def test_every_mart_has_a_passing_verdict_the_releases_can_read(settings):
    for mart, version in versions(settings, BUILT).items():
        given = verdict_of(settings, version.key, BUILT, version.version, DBT_GATE)
        assert given.passed, mart
        assert given.suite_digest == project_digest()
        rules = {outcome.rule for outcome in given.outcomes}
        assert len(rules) == len(given.outcomes) > 10
        if mart == "magistrates_cases":
            assert "unique_sex_libra_code" in rules, "tests of its code lists count"
            assert not [rule for rule in rules if "xhibit" in rule]


def test_assets_are_marts_and_insights_and_follow_from_published_tables(settings):
    [marts] = build_marts(settings, PARTITIONS)
    assert {tuple(each.path) for each in marts.keys} == {table.key for table in MODELS.values()}
    for spec in marts.specs:
        upstream = {"marts": {"extracts", "linkage"}, "insights": {"marts"}}[spec.key.path[0]]
        assert {dep.asset_key.path[0] for dep in spec.deps} <= upstream
        assert spec.group_name == spec.key.path[0]
        assert spec.owners == ["team:data_first"]
        assert {"dbt", "duckdb", "parquet"} <= set(spec.kinds)
    reached = {dep.asset_key.path[0] for spec in marts.check_specs for dep in spec.additional_deps}
    assert reached <= {"insights", "marts", "extracts", "linkage"}


def test_what_stands_is_not_built_again(settings, instance, monkeypatch):
    before = versions(settings, BUILT)
    monkeypatch.setattr("dagster_dbt.DbtCliResource.cli", _must_not_run)

    again = run(settings, BUILT, instance)

    assert again.success
    assert versions(settings, BUILT) == before
    materialized = again.asset_materializations_for_node("marts")
    assert {m.asset_key.path[1] for m in materialized} == set(MODELS)
    assert all(m.metadata["reused"].value for m in materialized)
    assert all(m.metadata["dagster/column_lineage"].value for m in materialized)
    assert {each.check_name for each in again.get_asset_check_evaluations()} == {DBT_GATE}
    assert len(again.get_asset_check_evaluations()) == len(MODELS)


def _must_not_run(*_arguments, **_named):
    raise AssertionError


def test_a_lost_verdict_is_given_again_without_building(settings, instance, monkeypatch):
    version = versions(settings, BUILT)["xjs_link"]
    folder = settings.audit / "verdicts/marts/xjs_link" / BUILT
    [file] = folder.glob("*.dbt_tests.json")
    content = file.read_bytes()
    file.unlink()
    monkeypatch.setattr("dagster_dbt.DbtCliResource.cli", _must_not_run)

    run(settings, BUILT, instance)

    assert verdict_of(settings, version.key, BUILT, version.version, DBT_GATE).passed
    assert file.read_bytes() == content


def test_one_mart_can_be_asked_for_alone(settings, instance, monkeypatch):
    monkeypatch.setattr("dagster_dbt.DbtCliResource.cli", _must_not_run)
    result = dg.materialize(
        build_marts(settings, PARTITIONS),
        partition_key=BUILT,
        instance=instance,
        selection=[dg.AssetKey(["marts", "xjs_link"])],
    )
    [made] = result.asset_materializations_for_node("marts")
    assert made.asset_key.path == ["marts", "xjs_link"]
    assert {each.asset_key.path[1] for each in result.get_asset_check_evaluations()} == {"xjs_link"}


def test_dbt_leaves_neither_database_nor_log(settings):
    left = settings.warehouse / "dbt" / BUILT
    assert left.is_dir()
    assert not [*left.rglob("*.duckdb*"), *left.rglob("dbt.log")]


def test_bytes_depend_neither_on_threads_nor_on_the_folder_one_is_in(
    settings, tmp_path, monkeypatch
):
    alone = Settings(tmp_path / "home", tmp_path / "keys", threads=1, memory_gib=1.0).prepare()
    publish_supply(alone, supply(), BUILT)
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)

    assert run(alone, BUILT).success

    ours = {mart: version.version for mart, version in versions(settings, BUILT).items()}
    assert {m: version.version for m, version in versions(alone, BUILT).items()} == ours
    assert Path.cwd() == tmp_path
    assert dict(os.environ) == environment


def test_no_rows_are_no_fault(home):
    publish_supply(home, dict.fromkeys(supply(), ()), EMPTY)

    result = run(home, EMPTY)

    assert result.success, failure_of(result)
    filled = {mart for mart, version in versions(home, EMPTY).items() if version.rows}
    # These name all their groups whoever is in them: a group left out would tell of a zero.
    assert filled == {"pupils_offending", "family_and_criminal_courts"}
    for mart in filled:
        assert all(row["is_suppressed"] for row in rows(home, mart, "is_suppressed", EMPTY))


@pytest.fixture(scope="module")
def broken(home):
    """A run over four faults: of a row, of a key, of a text's type, of a contract's type."""
    supplied = supply()
    supplied["extracts/libra_offences"][0]["custodial_days"] = 40_000
    supplied["extracts/xhibit_offences"][0]["xhibit_defendants_on_case_key"] = key("nobody")
    supplied["extracts/xhibit_offences"][0]["custodial_period_days"] = CANARY
    types = {"custodial_period_days": "varchar", "match_probability": "double"}
    publish_supply(home, supplied, BROKEN, types)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        result = run(home, BROKEN)
    return result, out.getvalue() + err.getvalue()


def test_what_breaks_is_named_with_counts(broken):
    result, _ = broken
    assert not result.success
    told = failure_of(result)
    listed = [line.strip() for line in told.splitlines()]
    ranges = "test is_between_{}_0__36500__custodial_days: 1 rows"
    assert f"- {ranges.format('magistrates_offences')}" in listed
    assert f"- {ranges.format('magistrates_cases')}" in listed
    orphan = "relationships_stg_xhibit__offences_defendant_case_key__defendant_case_key"
    assert orphan in told
    assert "- int_xhibit__offences_ranked: error" in listed
    assert "- mags_crown_journey: error" in listed
    assert "nothing is published" in told
    assert "datafirst refresh 2026" in told


def test_a_run_with_a_fault_publishes_nothing(home, broken):
    result, _ = broken
    assert versions(home, BROKEN) == dict.fromkeys(MODELS)
    assert not list((home.audit / "verdicts/marts").glob(f"*/{BROKEN}/*"))
    assert not result.asset_materializations_for_node("marts")


def test_failed_tests_are_failed_checks(broken):
    result, _ = broken
    failed = {
        each.asset_key.path[1]: each.metadata["failed_tests"].value
        for each in result.get_asset_check_evaluations()
        if not each.passed
    }
    for mart in ("magistrates_cases", "magistrates_offences"):
        name = f"is_between_{mart}_0__36500__custodial_days"
        [named] = [each for each in failed[mart] if each["test"] == name]
        assert named["rows"] == 1


def test_a_fault_quotes_no_value(home, broken, caplog):
    result, printed = broken
    assert CANARY not in printed + caplog.text + failure_of(result) + repr(result.all_events)
    files = [each for each in (home.warehouse / "dbt" / BROKEN).rglob("*") if each.is_file()]
    assert len(files) > 10
    for file in files:
        if file.suffix != ".duckdb":
            assert CANARY.encode() not in file.read_bytes(), file


def test_marts_wait_for_what_they_are_made_from(tmp_path):
    empty = Settings(tmp_path / "home", tmp_path / "keys").prepare()
    with pytest.raises(NotReady, match="extracts/libra_cases") as waiting:
        Build.of(empty, BUILT)
    assert "linkage/mags_crown_cases" in str(waiting.value)
    assert "datafirst refresh 2025" in str(waiting.value)


def test_another_input_asks_for_another_build(settings):
    build = Build.of(settings, BUILT)
    assert build.standing() is not None
    changed = {each: replace(version, version="0" * 64) for each, version in build.inputs.items()}

    assert replace(build, inputs=changed).standing() is None
    assert replace(build, digest="0" * 64).standing() is None


def test_warnings_are_recorded_and_refuse_nothing(settings):
    version = versions(settings, BUILT)["xjs_link"]
    held = DbtTest("a", "unique", "model.datafirst.xjs_link", "", "critical", "pass", 0)
    warned = replace(held, rule="b", severity="warning", status="warn", failures=3)
    failed = replace(held, rule="c", status="fail", failures=3)

    assert DbtRun((held, warned), {}, {}).refusal == ""
    assert Verdict.from_json(verdict(version, "0" * 64, [held, warned])).passed
    assert "test c: 3 rows" in DbtRun((held, failed), {}, {}).refusal
    assert not Verdict.from_json(verdict(version, "0" * 64, [held, failed])).passed
    assert not Verdict.from_json(verdict(version, "0" * 64, [])).passed, "nothing was judged"


def test_a_test_that_did_not_run_refuses(settings):
    unrun = DbtTest("a", "unique", "model.datafirst.xjs_link", "", "critical", "skipped", 0)
    assert "1 tests and models were not run" in DbtRun((unrun,), {}, {}).refusal


def test_dbt_that_ends_before_it_starts_is_told_without_its_words(settings):
    build = Build.of(settings, BUILT)
    with pytest.raises(PlatformError, match="before it built anything") as told:
        build.read_run()
    assert "dbt parse" in str(told.value)


def test_dbt_is_told_where_published_tables_lie_and_no_secret(settings):
    build = Build.of(settings, BUILT)
    told = json.loads(build.environment["DATAFIRST_TABLES"])

    assert told
    read = f"read_parquet('{settings.warehouse}"
    assert all(rows.startswith(read) for rows in told.values())
    assert str(settings.keys) not in json.dumps([build.arguments, build.environment])
