"""A release checks itself, on its folder alone: each way of spoiling it is found."""

import csv
import json
import os
import re
import shutil

import duckdb
import pytest
from click.testing import CliRunner

from datafirst_platform.cli import main
from datafirst_platform.releases import bundle
from datafirst_platform.safe_errors import NotReady
from datafirst_platform.tables import digest_of

GATE = {
    "table": "marts/cases",
    "gate": "expectations",
    "data_version": "0" * 64,
    "rules": 3,
    "passed": True,
}


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
        "description": "Two small tables",
        "tables": tables,
        "documents": [entry(folder, bundle.CATALOGUE)],
        "inputs": {"deliveries": {}, "tables": {}},
        "gates": [GATE],
        "code": {"commit": "unknown"},
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
    write_manifest(folder, tables_of(folder), gates=[GATE | {"passed": False}])
    assert failed(folder) == {"gates"}


def test_a_manifest_altered_to_fit_is_found_by_its_digest(folder):
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    file = folder / "data" / "cases.csv"
    file.write_bytes(file.read_bytes().replace(b"k1,", b"k9,", 1))
    manifest["tables"][0]["files"][1]["sha256"] = digest_of(file)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    assert "digest" in failed(folder)


def test_a_folder_without_a_manifest_says_so(tmp_path):
    (finding,) = bundle.verify(tmp_path)
    assert (finding.check, finding.passed) == ("manifest", False)
    assert "missing" in finding.detail


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


def run(*arguments, settings=None):
    places = settings and {"DATAFIRST_HOME": settings.home, "DATAFIRST_KEYS": settings.keys}
    env = {variable: str(place) for variable, place in (places or {}).items()}
    return CliRunner().invoke(main, ["release", *map(str, arguments)], env=env)


def assert_told_as_not_verifying(folder):
    """A spoilt release is told in words, by exit code and as JSON; nothing crashes."""
    done = run("verify", folder, "--json")
    assert done.exit_code == 5, done.output
    assert isinstance(done.exception, SystemExit)
    told = json.loads(done.stdout)
    assert told["verified"] is False
    assert not all(finding["passed"] for finding in told["findings"])
    assert run("verify", folder).exit_code == 5


def altered(**changes):
    return lambda manifest: manifest | changes


def without(*path):
    """Take out of a manifest what lies at a path."""

    def change(manifest):
        at = manifest
        for each in path[:-1]:
            at = at[each]
        del at[path[-1]]
        return manifest

    return change


def at(value, *path):
    """Put a value at a path of a manifest."""

    def change(manifest):
        place = manifest
        for each in path[:-1]:
            place = place[each]
        place[path[-1]] = value
        return manifest

    return change


FIRST_FILE = ("tables", 0, "files", 0)


@pytest.mark.parametrize(
    "change",
    [
        at(None, "tables", 0, "primary_key"),
        at([], "tables", 0, "primary_key"),
        at(["a\0b"], "tables", 0, "primary_key"),
        without("tables", 0, "rows"),
        without("tables", 0, "columns"),
        without("tables", 0, "columns", 0, "name"),
        without("tables", 0, "name"),
        *(without(*FIRST_FILE, each) for each in ("sha256", "bytes", "format", "path")),
        at("xlsx", *FIRST_FILE, "format"),
        *(
            at(path, *FIRST_FILE, "path")
            for path in (
                None,
                "data/\0.csv",
                "\ud800",
                "a" * 5_000,
                "a/" * 5_000,
                "/etc/hostname",
                "../x",
                ".",
                "",
            )
        ),
        altered(gates=None),
        altered(gates={}),
        altered(gates={"passed": True}),
        altered(gates=[5]),
        altered(tables=[]),
        altered(tables={}),
        altered(documents=None),
        at(5, "documents", 0, "linkage"),
        at([], "documents", 0, "linkage"),
        altered(edition="\ud800"),
        altered(digest=5),
        altered(members=[]),
        altered(format="datafirst-release/0"),
        lambda _: [],
        lambda _: 5,
        lambda _: {},
    ],
)
def test_a_manifest_of_another_form_is_a_finding(folder, change):
    manifest = change(json.loads((folder / bundle.MANIFEST).read_text()))
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    assert_told_as_not_verifying(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\xfa", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"NaN"],
    ids=["empty", "cut off", "not text", "lists", "depth", "number", "no number"],
)
def test_a_manifest_that_cannot_be_read_is_a_finding(folder, content):
    (folder / bundle.MANIFEST).write_bytes(content)
    assert {finding.check for finding in bundle.verify(folder)} == {"manifest"}
    assert_told_as_not_verifying(folder)


def test_a_manifest_that_is_no_file_is_a_finding(folder):
    manifest = folder / bundle.MANIFEST
    kept = manifest.rename(folder.parent / "kept.json")
    assert_told_as_not_verifying(folder)
    manifest.symlink_to(kept)
    assert_told_as_not_verifying(folder)
    manifest.unlink()
    manifest.symlink_to(manifest)
    assert_told_as_not_verifying(folder)
    manifest.unlink()
    os.mkfifo(manifest)
    assert_told_as_not_verifying(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Table Name\ncases\n",
        "Table Name,Variable Name,Variable Description,Values\ncases,court,Caf\xe9,\n".encode(
            "latin-1"
        ),
        b"Table Name,Variable Name,Variable Description,Values\ncases\n",
        b"Table Name,Variable Name,Variable Description,Values\n" + b"x" * 200_000,
    ],
    ids=["empty", "short", "latin-1", "short row", "long cell"],
)
def test_a_catalogue_that_cannot_be_read_is_a_finding(folder, content):
    (folder / bundle.CATALOGUE).write_bytes(content)
    write_manifest(folder, tables_of(folder))
    assert failed(folder) == {"catalogue"}
    assert_told_as_not_verifying(folder)


def test_a_table_that_is_none_is_a_finding_without_its_values(folder):
    (folder / "data" / "cases.csv").write_bytes(b'case_hash,court\n"SECRET\xff,\0\n,,,SECRET\n')
    (folder / "data" / "cases.parquet").write_bytes(b"PAR1 SECRET PAR1")
    tables = tables_of(folder)
    tables[0]["files"] = [
        {"format": kind, **entry(folder, f"data/cases.{kind}")} for kind in ("parquet", "csv")
    ]
    write_manifest(folder, tables)
    assert failed(folder) == {"table cases (parquet)", "table cases (csv)"}
    assert "SECRET" not in run("verify", folder).output


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("html", b"<p>Caf\xe9</p>"),
        ("html", b"<![x[foo]]>"),
        ("json", b"[" * 100_000),
        ("json", b"\xff"),
    ],
)
def test_a_report_that_cannot_be_read_is_a_finding(folder, form, content):
    (folder / bundle.DOCUMENTS).mkdir()
    forms = {"html": b"<p>fine</p>", "json": b'{"linkage": "courts"}', "png": b"a chart"}
    documents = [entry(folder, bundle.CATALOGUE)]
    for suffix, sound in forms.items():
        path = f"documents/linkage_courts.{suffix}"
        (folder / path).write_bytes(content if suffix == form else sound)
        documents.append(entry(folder, path) | {"linkage": "courts", "alternative": "told"})
    write_manifest(folder, tables_of(folder), documents=documents)
    assert failed(folder) == {"report courts"}
    assert_told_as_not_verifying(folder)


def test_whatever_the_manifest_does_not_name_is_found(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for place, add in {
        "linked": lambda path: path.symlink_to(tmp_path / "elsewhere"),
        "data/dangling": lambda path: path.symlink_to(tmp_path / "nowhere"),
        "loop": lambda path: path.symlink_to(path),
        "empty": lambda path: path.mkdir(),
        "data/pipe": os.mkfifo,
        "no\nline": lambda path: path.touch(),
    }.items():
        path = folder / place
        add(path)
        assert failed(folder) == {"no file added"}, place
        assert_told_as_not_verifying(folder)
        path.rmdir() if place == "empty" else path.unlink()
    assert failed(folder) == set()


@pytest.mark.parametrize("linked", ["data", "data/cases.csv"])
def test_a_link_does_not_stand_for_what_the_manifest_names(folder, linked):
    moved = (folder / linked).rename(folder.parent / "moved")
    (folder / linked).symlink_to(moved)
    assert "file data/cases.csv" in failed(folder)


@pytest.mark.parametrize("place", ["copy=1", "[ab]", "a*", "what?", "it's", "[", "~"])
def test_it_verifies_in_a_folder_of_any_name(folder, tmp_path, place):
    copy = tmp_path / "x" / place / "2025.1"
    shutil.copytree(folder, copy)
    for other in ("a", "ab", "whatx"):
        shutil.copytree(folder, tmp_path / "x" / other / "2025.1")
        for kind in ("csv", "parquet"):
            (tmp_path / "x" / other / "2025.1" / "data" / f"cases.{kind}").write_text("other\n")
    assert failed(copy) == set()


def test_a_copy_in_the_place_of_another_release_is_found(folder, tmp_path):
    for place, wrong in (
        ("releases/magistrates", set()),
        ("downloads", set()),
        ("releases/oasys", {"release"}),
    ):
        copy = tmp_path / place / "2025.1"
        shutil.copytree(folder, copy)
        assert failed(copy) == wrong
        assert "magistrates/2025.1" in run("verify", copy).output


def test_verify_tells_what_to_compare_with_what_was_published(folder, settings):
    published = settings.releases / "magistrates" / "2025.1"
    shutil.copytree(folder, published)
    told = json.loads(run("verify", folder, "--json").stdout)
    (listed,) = json.loads(run("list", "--json", settings=settings).stdout)
    assert told["release"] == listed["label"] == "magistrates/2025.1"
    assert told["digest"] == listed["digest"]
    assert told["manifest_sha256"] == listed["manifest_sha256"]
    shown = run("show", "magistrates/2025", settings=settings).output
    assert told["digest"] in run("verify", folder).output
    assert told["manifest_sha256"] in run("verify", folder).output
    assert told["digest"] in shown
    assert told["manifest_sha256"] in shown

    # What the release digest does not see, the manifest's does.
    write_manifest(folder, tables_of(folder), gates=[GATE | {"rules": 300}])
    assert failed(folder) == set()
    again = json.loads(run("verify", folder, "--json").stdout)
    assert again["digest"] == listed["digest"]
    assert again["manifest_sha256"] != listed["manifest_sha256"]


SPOILT = {
    "cut off": lambda path: path.write_text("{"),
    "empty": lambda path: path.write_text("{}"),
    "missing": lambda path: path.unlink(),
    "another's": lambda path: path.write_text(path.read_text().replace('"2025"', '"2026"')),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_damaged_release_is_listed_as_such_and_hides_no_other(folder, settings, spoil):
    for edition in ("2025.1", "2025.2"):
        shutil.copytree(folder, settings.releases / "magistrates" / edition)
    manifest = settings.releases / "magistrates" / "2025.2" / bundle.MANIFEST
    manifest.write_text(manifest.read_text().replace('"revision": 1', '"revision": 2'))
    spoil(manifest)

    listed = run("list", settings=settings)
    assert listed.exit_code == 0
    assert "magistrates/2025.2 is damaged" in listed.output
    assert "Restore the folder from the backup" in listed.output
    told = json.loads(run("list", "--json", settings=settings).stdout)
    assert [(each["label"], bool(each["damaged"])) for each in told] == [
        ("magistrates/2025.1", False),
        ("magistrates/2025.2", True),
    ]
    assert run("show", "magistrates/2025.1", settings=settings).exit_code == 0
    # An earlier revision does not stand in for the newest.
    for label in ("magistrates/2025.2", "magistrates/2025"):
        shown = run("show", label, settings=settings)
        assert shown.exit_code == 5
        assert re.search(r"2025.2 is damaged: .* Restore the folder", shown.output)
    env = {"DATAFIRST_HOME": str(settings.home), "DATAFIRST_KEYS": str(settings.keys)}
    status = CliRunner().invoke(main, ["status"], env=env)
    assert status.exit_code == 0, status.output
    assert "2025.2 is damaged" in status.output


def test_a_release_under_the_name_of_another_is_not_listed_as_it(folder, settings):
    shutil.copytree(folder, settings.releases / "oasys" / "2025.1")
    assert bundle.releases(settings) == []
    (found,) = bundle.damaged(settings)
    assert "that of magistrates/2025.1" in found.told
