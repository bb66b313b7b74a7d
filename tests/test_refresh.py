"""The main job, end to end: what a newcomer, an engineer and a release manager would notice."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import dagster as dg
import numpy as np
import pytest
from click.testing import CliRunner

from datafirst_platform import tables
from datafirst_platform.cli import main
from datafirst_platform.definitions import build_definitions
from datafirst_platform.engine import connect, parquet
from datafirst_platform.identity import TableKey
from datafirst_platform.instance import instance_in_use
from datafirst_platform.refresh import refresh
from datafirst_platform.releases import bundle
from tests.conftest import copy_of

RELEASES = (
    "civil",
    "criminal_civil_family_linking",
    "criminal_courts_linking",
    "criminal_courts_prison_linking",
    "criminal_justice_linking",
    "cross_justice_linking",
    "crown",
    "family",
    "insights",
    "magistrates",
    "moj_dfe",
    "oasys",
    "prison",
    "probation",
)


def quietly(settings, edition):
    return refresh(settings, edition, lambda _: None)


def digests(settings, edition="2025"):
    return {each.name: each.digest for each in bundle.releases(settings) if each.edition == edition}


def run(settings, *arguments):
    """The command line, in this process."""
    environment = {"DATAFIRST_HOME": str(settings.home), "DATAFIRST_KEYS": str(settings.keys)}
    return CliRunner().invoke(main, arguments, env=environment)


def test_every_release_is_built_and_verifies(refreshed):
    found = bundle.releases(refreshed)

    assert tuple(each.label for each in found) == tuple(f"{name}/2025.1" for name in RELEASES)
    for each in found:
        wrong = [finding for finding in bundle.verify(each.path) if not finding.passed]
        assert not wrong, wrong


def test_no_row_is_lost_between_delivery_and_release(refreshed):
    releases = {each.name: each for each in bundle.releases(refreshed)}
    rows = {
        table["name"]: table["rows"]
        for each in releases.values()
        for table in each.manifest["tables"]
    }
    for table, mart in {
        "libra_cases": "magistrates_cases",
        "libra_offences": "magistrates_offences",
        "xhibit_defendants_on_case": "crown_cases",
        "xhibit_offences": "crown_offences",
    }.items():
        accepted = tables.require(refreshed, TableKey.of("extracts", table), "2025").rows
        assert rows[mart] == accepted > 0


def test_releases_of_an_edition_join_and_hold_no_internal_id(refreshed):
    import duckdb

    folder = {each.name: each.path / "data" for each in bundle.releases(refreshed)}
    mart = tables.require(refreshed, TableKey.of("marts", "xjs_link"), "2025").path
    with duckdb.connect() as connection:
        joined, released, internal = connection.execute(
            f"""with link as (from '{folder["criminal_courts_linking"]}/xjs_link.parquet'),
            cases as (from '{folder["magistrates"]}/magistrates_cases.parquet')
            select (select count(*) from link join cases
                    on link.source_person_id = cases.defendant_case_hash),
                   (select count(*) from link where source_dataset = 'magistrates'),
                   (select count(*) from link
                    join {parquet(mart)} as mart using (source_person_id))"""
        ).fetchall()[0]
    assert joined == released > 0
    assert internal == 0


def test_a_second_refresh_makes_nothing_anew(installation):
    before = {path: path.stat().st_mtime_ns for path in installation.warehouse.rglob("*.parquet")}
    done = quietly(installation, "2025")

    assert done.succeeded
    assert {
        path: path.stat().st_mtime_ns for path in installation.warehouse.rglob("*.parquet")
    } == before
    assert len(bundle.releases(installation)) == len(RELEASES)


def test_the_next_edition_tells_what_changed(installation):
    done = quietly(installation, "2026")

    assert done.succeeded, (done.steps, done.failed_checks)
    changes = done.metadata["extracts/libra_cases"]["changes_since_last_edition"]
    assert min(changes["new"], changes["changed"], changes["withdrawn"]) > 0
    assert changes["unchanged"] > changes["changed"]
    assert digests(installation, "2026").keys() == digests(installation, "2025").keys()
    assert "| medium |" in done.metadata["restricted/cross_justice_crosswalk"]["changes"]
    people_last_and_records_do_not(installation)
    linking_releases_tell_of_changes(installation)


YEARS = ("2025", "2026")


def people_last_and_records_do_not(settings):
    """Of two editions people can be joined, records and cases cannot."""
    import duckdb

    releases = (bundle.find(settings, f"criminal_justice_linking/{each}") for each in YEARS)
    files = [f"'{each.path}/data/xjs_link.parquet'" for each in releases]
    with duckdb.connect() as connection:
        people, lasting, records = connection.execute(
            f"""with before as (from {files[0]}), now as (from {files[1]})
            select (select count(distinct estimated_person_id) from before),
                (select count(distinct estimated_person_id) from before
                    semi join now using (estimated_person_id)),
                (select count(*) from before join now using (source_person_id))"""
        ).fetchall()[0]
    assert 0.95 * people < lasting <= people
    assert records == 0


def linking_releases_tell_of_changes(settings):
    """In the folder, in the manifest, and in figures that fit the edition before."""
    for name in (each for each in RELEASES if each.endswith("linking")):
        built = bundle.find(settings, f"{name}/2026")
        listed = {document["path"] for document in built.manifest["documents"]}
        for path in ("documents/linkage_changes.json", "documents/linkage_changes.html"):
            assert path in listed
            assert (built.path / path).stat().st_size > 500
        told = json.loads((built.path / "documents/linkage_changes.json").read_text())
        assert told["edition_before"] == "2025"
        assert told["levels"]["medium"]["before"] > 100
    assert not any(
        "linkage_changes" in document["path"]
        for document in bundle.find(settings, "crown/2026").manifest["documents"]
    )


def test_one_thread_and_another_place_give_the_same_bytes(supplied, refreshed, tmp_path):
    elsewhere = dataclasses.replace(copy_of(supplied, tmp_path), threads=1)

    assert quietly(elsewhere, "2025").succeeded
    assert digests(elsewhere) == digests(refreshed)


def test_people_and_links_in_layers_make_the_same_releases(installation, refreshed):
    for part in ("people", "edges"):
        key = TableKey.of("linkage", f"magistrates_{part}")
        whole = tables.require(installation, key, "2025")
        first = ", ".join(column for column, _ in whole.columns[:2])
        # Every third row stands in a layer of its own.
        third = np.arange(0, whole.rows, 3)
        moved = f"from {whole.numbered()} where row % 3 = 0 order by {first}"
        with connect(installation) as connection:
            made = tables.publish_upon(
                installation,
                connection,
                whole,
                "2025",
                f"select * exclude (row) {moved}",
                third,
                recipe=whole.recipe,
                inputs=whole.inputs,
            )
        assert made.rows == whole.rows
    done = quietly(installation, "2025")

    assert done.succeeded, (done.steps, done.failed_checks)
    assert tables.require(installation, key, "2025") == made, "it is read as it stands"
    assert digests(installation) == digests(refreshed)


def test_a_killed_refresh_goes_on_and_ends_the_same(landed, refreshed):
    environment = os.environ | {
        "DATAFIRST_HOME": str(landed.home),
        "DATAFIRST_KEYS": str(landed.keys),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "datafirst_platform.cli", "refresh", "2025"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    people = landed.warehouse / "linkage" / "magistrates_people" / "2025" / "CURRENT"
    while not people.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not bundle.releases(landed)

    assert quietly(landed, "2025").succeeded
    assert digests(landed) == digests(refreshed)
    with instance_in_use(landed) as instance:
        statuses = sorted(each.status.value for each in instance.get_runs())
    assert statuses == ["FAILURE", "SUCCESS"]


def test_each_asset_shows_what_an_engineer_looks_for(refreshed):
    definitions = build_definitions(refreshed)
    graph = definitions.resolve_asset_graph()
    with instance_in_use(refreshed) as instance:
        for key in graph.materializable_asset_keys:
            node = graph.get(key)
            assert node.description, key
            assert node.owners, key
            assert node.group_name != "default", key
            assert node.kinds, key
            assert node.tags, key
            assert node.code_version, key
            assert node.partitions_def is not None, key
            event = instance.get_latest_materialization_event(key)
            metadata = event.asset_materialization.metadata
            # Nothing has become of anybody in a first edition; no pupil has two references.
            may_be_empty = key.path[0] == "restricted" or key.path == ["linkage", "npd_edges"]
            assert metadata["dagster/row_count"].value > 0 or may_be_empty, key
            assert metadata["path"].value, key
            version = event.asset_materialization.tags["dagster/data_version"]
            assert len(version) == 64, key
            if key.path[0] != "releases":
                columns = metadata["dagster/column_schema"].schema.columns
                assert all(column.description for column in columns), key
            if key.path[0] == "marts" and not key.path[1].startswith(("stg_", "int_")):
                lineage = metadata["dagster/column_lineage"].lineage.deps_by_column
                assert lineage, key


def test_linkage_is_measured_against_the_truth(refreshed):
    definitions = build_definitions(refreshed)
    assert definitions is not None
    with instance_in_use(refreshed) as instance:
        for table, least in {
            "magistrates_people": 0.97,
            "crown_people": 0.97,
            "civil_people": 0.85,
            "cross_justice_people": 0.94,
        }.items():
            event = instance.get_latest_materialization_event(dg.AssetKey(["linkage", table]))
            metadata = event.asset_materialization.metadata
            assert float(metadata["f1_medium"].value) >= least, table
            assert "data:image" in metadata["quality_chart"].value


def test_status_and_release_list_speak_to_people_and_scripts(refreshed):
    shown = run(refreshed, "status")
    assert shown.exit_code == 0
    assert "magistrates/2025.1" in shown.output

    told = json.loads(run(refreshed, "status", "--json").output)
    assert told[0]["sources"]["libra"]["accepted"] > 0
    assert told[0]["gates_failed"] == 0

    listed = json.loads(run(refreshed, "release", "list", "--json").output)
    assert [each["label"].split("/")[0] for each in listed] == list(RELEASES)
    assert run(refreshed, "release", "show", "crown/2025").exit_code == 0


def test_verify_exits_with_5_on_a_spoiled_release(installation):
    folder = bundle.find(installation, "crown/2025").path
    assert run(installation, "release", "verify", str(folder)).exit_code == 0

    file = folder / "data" / "crown_cases.csv"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b"\n")
    spoiled = run(installation, "release", "verify", str(folder))
    assert spoiled.exit_code == 5
    assert "crown_cases.csv" in spoiled.output


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("refresh", "1999"), 2, "1999"),
        (("release", "show", "crown/1999"), 4, "There is no release"),
        (("release", "verify", "/nowhere"), 2, "does not exist"),
        (("release", "build", "nonsense", "2025"), 4, "criminal_courts_linking"),
        (("refresh", "2027"), 4, "2027"),
    ],
)
def test_exit_codes_mean_something(refreshed, arguments, code, says):
    done = run(refreshed, *arguments)
    assert done.exit_code == code, done.output
    assert says in done.output


def test_help_teaches_every_command(refreshed):
    for arguments in ([], ["supply"], ["refresh"], ["status"], ["release"], ["ui"], ["demo"]):
        shown = run(refreshed, *arguments, "--help")
        assert shown.exit_code == 0
        assert len(shown.output) > 100


def test_a_person_is_not_called_by_a_records_id(refreshed):
    import duckdb

    folder = {each.name: each.path / "data" for each in bundle.releases(refreshed)}
    with duckdb.connect() as connection:
        shared = connection.execute(
            f"""select count(*) from '{folder["magistrates"]}/magistrates_cases.parquet' as person
            join '{folder["magistrates"]}/magistrates_cases.parquet' as record
            on person.estimated_defendant_id = record.defendant_case_hash"""
        ).fetchall()
    assert shared == [(0,)]
