"""Nothing is released past a gate: each one is made to fail, and every way round is tried."""

import dataclasses
import json
import re
import shutil

import dagster as dg
import pytest
from click.testing import CliRunner

from datafirst_platform import tables
from datafirst_platform.cli import main
from datafirst_platform.definitions import build_definitions
from datafirst_platform.engine import connect, parquet
from datafirst_platform.identity import TableKey
from datafirst_platform.instance import instance_in_use
from datafirst_platform.linkage.publishing import parts_of, table_key
from datafirst_platform.marts.project import release_specs
from datafirst_platform.quality.suites import suite_tables
from datafirst_platform.quality.verdicts import (
    DBT_GATE,
    check_table,
    record_verdict,
    verdict_of,
    verdict_path,
)
from datafirst_platform.refresh import refresh
from datafirst_platform.releases import bundle
from datafirst_platform.releases.candidate import build_release
from datafirst_platform.safe_errors import GateRefused

EDITION = "2025"
SPECS = {spec.name: spec for spec in release_specs()}
# Holds nothing in the supply: no pupil has two references.
EMPTY = {"linkage/npd_edges"}
GATED = [key for key in suite_tables() if key.stage != "releases" and str(key) not in EMPTY]
# Only compared with the ordered passes: nothing that follows from these is released.
COMPARED_ONLY = {
    str(table_key(dataset, part))
    for dataset in ("npd", "pupils_offenders")
    for part in parts_of(dataset)
}


def republish(settings, key, query):
    """Publish other rows as the table, from the same inputs, as a faulty step would."""
    standing = tables.require(settings, key, EDITION)
    with connect(settings) as connection:
        source = parquet(standing.path)
        return tables.publish(
            settings,
            connection,
            key,
            EDITION,
            query.format(table=source),
            order_by=[standing.columns[0][0]],
            recipe=standing.recipe,
            inputs=standing.inputs,
        )


def without_releases(settings, name=None):
    """As before anything was released, or that release, so that whatever is built now counts."""
    for each in bundle.releases(settings, name):
        for file in each.path.rglob("*"):
            if file.is_file():
                file.unlink()
    assert not bundle.releases(settings, name)


def releases_of(settings, key):
    """The releases that follow from a table, by what they pinned when they were built."""
    return sorted(
        {
            each.name
            for each in bundle.releases(settings)
            if str(key) in each.manifest["inputs"]["tables"]
        }
    )


@pytest.mark.parametrize("key", GATED, ids=str)
def test_each_gate_fails_on_bad_data_and_the_release_is_refused(installation, key):
    names = releases_of(installation, key)
    without_releases(installation)
    # Every table loses its rows: a fault no suite may let pass; a crosswalk, which may have none,
    # what became of people.
    lost = "select * exclude (change) from {table}"
    if key.stage != "restricted":
        lost = "select * from {table} where false"
    republish(installation, key, lost)

    verdict = check_table(installation, key, EDITION)
    assert not verdict.passed
    assert bool(names) == (str(key) not in COMPARED_ONLY)
    for name in names:
        with pytest.raises(GateRefused) as refused:
            build_release(installation, EDITION, SPECS[name])
        assert str(key) in str(refused.value)
        assert "failed gate expectations" in str(refused.value)
    assert not bundle.releases(installation)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_failed_dbt_test_refuses_the_release(installation, name):
    without_releases(installation)
    key = SPECS[name].tables[0].key
    version = tables.require(installation, key, EDITION)
    given = verdict_of(installation, key, EDITION, version.version, DBT_GATE)
    broken = dataclasses.replace(given.outcomes[0], passed=False, severity="critical")
    outcomes = (broken, *given.outcomes[1:])
    record_verdict(installation, dataclasses.replace(given, outcomes=outcomes))

    with pytest.raises(GateRefused, match=f"{key}.*failed gate {DBT_GATE}: {broken.rule}"):
        build_release(installation, EDITION, SPECS[name])
    assert not bundle.releases(installation)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_marts_dbt_never_tested_refuse_the_release(installation, name):
    without_releases(installation)
    key = SPECS[name].tables[0].key
    version = tables.require(installation, key, EDITION)
    verdict_path(installation, key, EDITION, version.version, DBT_GATE).unlink()

    with pytest.raises(GateRefused, match=f"{key}.*never judged by gate {DBT_GATE}"):
        build_release(installation, EDITION, SPECS[name])
    assert not bundle.releases(installation)


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"insights"}))
def test_a_candidate_that_breaks_its_own_suite_is_refused(installation, name, monkeypatch):
    """The candidate's own gate: here the re-keying is broken, so internal ids would go out."""
    without_releases(installation, name)
    from datafirst_platform.releases import candidate

    monkeypatch.setattr(
        candidate,
        "define_pseudonym",
        lambda connection, _key, macro="pseudonym": connection.execute(
            f"create or replace temp macro {macro}(plain) as 'not-a-pseudonym-' || plain"
        ),
    )
    with pytest.raises(GateRefused, match="releases/"):
        build_release(installation, EDITION, SPECS[name])
    assert not bundle.releases(installation, name)
    assert not list(installation.releases.glob("*/.stage-*"))


def test_a_linking_release_waits_for_its_members(installation):
    without_releases(installation, "crown")
    with pytest.raises(GateRefused, match="crown of edition 2025 is not released yet"):
        build_release(installation, EDITION, SPECS["criminal_courts_linking"])


def test_a_linking_release_pins_another_release_of_a_member_anew(installation):
    crown = bundle.find(installation, f"crown/{EDITION}")
    before = bundle.find(installation, f"criminal_courts_linking/{EDITION}")
    again = crown.path.with_name(f"{EDITION}.2")
    shutil.copytree(crown.path, again)
    (again / bundle.MANIFEST).chmod(0o644)
    manifest = {**crown.manifest, "revision": 2, "digest": "f" * 64}
    (again / bundle.MANIFEST).write_text(json.dumps(manifest))

    built = build_release(installation, EDITION, SPECS["criminal_courts_linking"])
    assert before.manifest["members"][f"crown/{EDITION}.1"] == crown.digest
    assert built.manifest["members"][f"crown/{EDITION}.2"] == "f" * 64
    assert built.revision == before.revision + 1


def materialize_alone(settings, name, selection):
    definitions = build_definitions(settings)
    job = dg.define_asset_job("alone", selection=selection)
    with instance_in_use(settings) as instance:
        resolved = dg.Definitions(
            assets=definitions.assets,
            asset_checks=definitions.asset_checks,
            jobs=[job],
            executor=dg.in_process_executor,
        )
        return resolved.resolve_job_def("alone").execute_in_process(
            instance=instance, partition_key=EDITION, raise_on_error=False
        )


def reason(result):
    (failure,) = [
        event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE
    ]
    return failure.step_failure_data.user_failure_data.description


def test_releasing_alone_after_a_failed_gate_is_refused(installation):
    without_releases(installation)
    key = TableKey.of("marts", "crown_cases")
    republish(installation, key, "select * from {table} where false")
    assert not check_table(installation, key, EDITION).passed

    alone = dg.AssetSelection.assets(["releases", "crown"])
    result = materialize_alone(installation, "crown", alone)
    assert not result.success
    assert "failed gate expectations" in reason(result)
    assert not bundle.releases(installation)


def test_refreshing_without_checks_releases_nothing(landed):
    everything = dg.AssetSelection.all().without_checks()
    result = materialize_alone(landed, "crown", everything)

    assert not result.success
    assert not bundle.releases(landed)
    failed = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    assert {event.step_key.partition("__")[0] for event in failed} == {"releases"}


def test_data_rebuilt_after_the_check_is_refused(installation):
    without_releases(installation)
    key = TableKey.of("linkage", "crown_people")
    republish(installation, key, "select * from {table} where record_key > '8'")

    with pytest.raises(GateRefused, match="was made before linkage/crown_people was rebuilt"):
        build_release(installation, EDITION, SPECS["crown"])


def test_data_altered_in_place_is_refused(installation):
    without_releases(installation)
    version = tables.require(installation, TableKey.of("marts", "crown_cases"), EDITION)
    version.path.write_bytes(version.path.read_bytes() + b"\0")

    with pytest.raises(GateRefused, match="not the file that was published"):
        build_release(installation, EDITION, SPECS["crown"])


def test_a_failed_gate_stops_the_run_before_the_marts(landed):
    """LIBRA delivers other people than XHIBIT knows: the gate of linked cases stops the refresh."""
    from datafirst_platform.editions import edition
    from datafirst_platform.synthetic import make_supply

    make_supply(
        landed,
        edition(EDITION),
        people=400,
        seed=3,
        sources=["libra"],
        sequence=2,
        faults=["shifted_columns"],
    )
    done = refresh(landed, EDITION, lambda _: None)

    assert not done.succeeded
    assert done.failed_checks == ("linkage/mags_crown_cases: expectations",)
    (failed,) = (step for step in done.steps if not step.succeeded)
    assert failed.exit_code == 5
    says, rule = failed.reason.splitlines()[:2]
    assert says == "linkage/mags_crown_cases does not pass its gate, expectations:"
    assert re.fullmatch(r"  \w+: .*\d+", rule)
    assert "marts" not in {step.step for step in done.steps}
    assert not bundle.releases(landed)


def test_the_command_line_says_why_and_exits_with_5(installation):
    republish(
        installation, TableKey.of("marts", "crown_cases"), "select * from {table} where false"
    )
    environment = {
        "DATAFIRST_HOME": str(installation.home),
        "DATAFIRST_KEYS": str(installation.keys),
    }
    done = CliRunner().invoke(main, ["release", "build", "crown", EDITION], env=environment)

    assert done.exit_code == 5
    assert "marts/crown_cases" in done.output
    assert "datafirst refresh 2025" in done.output
