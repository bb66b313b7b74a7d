"""A release checks itself, on its folder alone: each way of spoiling it is found."""

import csv
import json
import shutil

import duckdb
import pytest

from datafirst_platform.releases import bundle
from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.tables import digest_of


@pytest.fixture
def folder(tmp_path):
    """A sound release of two small tables."""
    folder = tmp_path / "magistrates" / "2025.1"
    (folder / "data").mkdir(parents=True)
    tables = []
    for table, query in {
        "cases": "select 'k' || range as case_hash, range % 3 as court from range(50)",
        "offences": "select 'k' || (range // 2) as case_hash, range as seq, "
        "null::date as day from range(90)",
    }.items():
        key = ["case_hash"] if table == "cases" else ["case_hash", "seq"]
        with duckdb.connect() as connection:
            for kind in ("parquet", "csv"):
                connection.execute(
                    f"copy ({query}) to '{folder}/data/{table}.{kind}' (format {kind})"
                )
            described = connection.execute(f"describe {query}").fetchall()
            rows = connection.execute(f"select count(*) from ({query})").fetchall()[0][0]
        tables.append(
            {
                "name": table,
                "primary_key": key,
                "rows": rows,
                "columns": [
                    {"name": c[0], "type": c[1], "description": "what it is"} for c in described
                ],
                "files": [
                    {"format": kind, **entry(folder, f"data/{table}.{kind}")}
                    for kind in ("parquet", "csv")
                ],
            }
        )
    with (folder / bundle.CATALOGUE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(bundle.CATALOGUE_HEADER)
        for table in tables:
            for column in table["columns"]:
                writer.writerow((table["name"], column["name"], "what it is", ""))
    write_manifest(folder, tables)
    return folder


def entry(folder, path):
    file = folder / path
    return {"path": path, "bytes": file.stat().st_size, "sha256": digest_of(file)}


def write_manifest(folder, tables, **changes):
    manifest = {
        "format": bundle.FORMAT,
        "release": "magistrates",
        "edition": "2025",
        "revision": 1,
        "tables": tables,
        "documents": [entry(folder, bundle.CATALOGUE)],
        "gates": [{"table": "marts/cases", "gate": "expectations", "passed": True}],
    } | changes
    files = {path: file["sha256"] for path, file in bundle.files_of(manifest).items()}
    manifest["digest"] = bundle.digest_over(files)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))


def tables_of(folder):
    return json.loads((folder / bundle.MANIFEST).read_text())["tables"]


def failed(folder):
    return {finding.check for finding in bundle.verify(folder) if not finding.passed}


def test_a_sound_release_verifies(folder):
    assert failed(folder) == set()


def test_it_verifies_wherever_it_is_copied(folder, tmp_path):
    copy = tmp_path / "elsewhere" / "2025.1"
    shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    assert failed(copy) == set()


def test_a_changed_byte_is_found(folder):
    file = folder / "data" / "cases.csv"
    file.write_bytes(file.read_bytes().replace(b"k1,", b"k2,", 1))
    assert failed(folder) == {"file data/cases.csv"}


def test_a_truncated_file_is_found(folder):
    file = folder / "data" / "offences.parquet"
    file.write_bytes(file.read_bytes()[:-10])
    assert failed(folder) == {"file data/offences.parquet"}


def test_a_missing_file_is_found(folder):
    (folder / "data" / "cases.parquet").unlink()
    assert failed(folder) == {"file data/cases.parquet"}


def test_an_added_file_is_found(folder):
    (folder / "data" / "names.csv").write_text("who\n")
    assert failed(folder) == {"no file added"}


def test_a_path_out_of_the_folder_is_not_followed(folder):
    (folder.parent / "cases.csv").write_bytes((folder / "data" / "cases.csv").read_bytes())
    (folder / "data" / "cases.csv").unlink()
    tables = tables_of(folder)
    tables[0]["files"][1]["path"] = "../cases.csv"
    write_manifest(folder, tables)
    assert "file ../cases.csv" in failed(folder)


def test_rows_that_differ_from_the_manifest_are_found(folder):
    tables = tables_of(folder)
    tables[0]["rows"] += 1
    write_manifest(folder, tables)
    assert failed(folder) == {"table cases (parquet)", "table cases (csv)"}


def test_a_key_that_is_not_unique_is_found(folder):
    tables = tables_of(folder)
    tables[1]["primary_key"] = ["case_hash"]
    write_manifest(folder, tables)
    assert failed(folder) == {"table offences (parquet)", "table offences (csv)"}


def test_a_key_with_a_gap_is_found(folder):
    tables = tables_of(folder)
    tables[1]["primary_key"] = ["case_hash", "seq", "day"]
    write_manifest(folder, tables)
    assert "table offences (parquet)" in failed(folder)


def test_a_variable_the_catalogue_does_not_describe_is_found(folder):
    lines = (folder / bundle.CATALOGUE).read_text().splitlines()
    (folder / bundle.CATALOGUE).write_text("\n".join(lines[:-1]) + "\n")
    write_manifest(folder, tables_of(folder))
    assert failed(folder) == {"catalogue"}


def test_a_failed_gate_is_found(folder):
    write_manifest(folder, tables_of(folder), gates=[{"table": "marts/cases", "passed": False}])
    assert failed(folder) == {"gates"}


def test_a_manifest_altered_to_fit_is_found_by_its_digest(folder):
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    file = folder / "data" / "cases.csv"
    file.write_bytes(file.read_bytes().replace(b"k1,", b"k9,", 1))
    manifest["tables"][0]["files"][1]["sha256"] = digest_of(file)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    assert "digest" in failed(folder)


def test_a_folder_without_a_manifest_says_so(tmp_path):
    with pytest.raises(PlatformError, match="no release folder"):
        bundle.verify(tmp_path)


def test_an_unknown_release_lists_those_there_are(settings):
    with pytest.raises(NotReady, match="none yet"):
        bundle.find(settings, "crown/2025")


def test_a_chart_without_words_is_found(folder):
    (folder / bundle.DOCUMENTS).mkdir()
    (folder / bundle.DOCUMENTS / "cases.svg").write_text("<svg/>")
    listed = [entry(folder, bundle.CATALOGUE), entry(folder, "documents/cases.svg")]
    write_manifest(folder, tables_of(folder), documents=listed)
    assert failed(folder) == {"charts in words"}

    listed[1]["alternative"] = "A bar for each court."
    write_manifest(folder, tables_of(folder), documents=listed)
    assert failed(folder) == set()
