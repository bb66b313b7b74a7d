"""Never a name outside the secure zone.

Twenty made-up people whose values occur nowhere else are planted in a supply, some in rows that
fail. The supply is refreshed, and every kind of failure is forced. Then every byte the platform
wrote outside `secure/` and `landing/` is looked through, with what is compressed or columnar
opened, and so is everything it printed.
"""

import csv
import dataclasses
import gzip
import hashlib
import io
import json
import logging
import shutil
import sqlite3
import zlib
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from datafirst_platform import tables
from datafirst_platform.engine import connect, parquet, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.refresh import refresh
from tests.conftest import copy_of

EDITION = "2025"
SECRET_FOLDERS = ("secure", "landing")


def canaries():
    """Twenty people; every value is one that no generator of ours makes."""
    made = []
    for number in range(20):
        tag = chr(ord("A") + number)
        born = date(1901, 2, 3) + timedelta(days=37 * number)
        made.append(
            {
                "first_name": f"ZYXQUOR{tag}WEN",
                "last_name": f"QVEXHOLLOW{tag}BY",
                "date_of_birth": born.isoformat(),
                "address_line_1": f"{9100 + number} JXQTHORNWAY",
                "post_town": f"KWZXMOUTH{tag}",
                "postcode": f"ZX{10 + number} 9QJ",
                "pnc_id": f"1901/91827{number:02d}X",
                "cro_number": f"9182{number:02d}/01X",
                "noms": f"I91{number:02d}QX",
                "crn": f"I9182{number:02d}",
            }
        )
    return made


def needles():
    """What must not be found: each value, and dates in both forms suppliers use."""
    found = set()
    for person in canaries():
        for column, value in person.items():
            found.add(value)
            if column == "postcode":
                found.add(value.replace(" ", ""))
            if column == "date_of_birth":
                year, month, day = value.split("-")
                found.add(f"{day}/{month}/{year}")
    return sorted(found)


PLANTED = (
    "libra_cases",
    "nomis_offenders",
    "delius_offenders",
    "delius_addresses",
    "oasys_offenders",
    "familyman_parties",
    "caseman_parties",
)
"""Tables that get canaries; the first twenty rows of people, half of which are made to fail."""

AS_LINKED = {
    "forename1": "first_name",
    "surname": "last_name",
    "date_of_birth": "date_of_birth",
    "address": "address_line_1",
    "postcode": "postcode",
    "pnc": "pnc_id",
    "cro": "cro_number",
    "noms": "noms",
    "crn": "crn",
}
ORGANISATIONS = {"defendant_type": ("O",), "is_company": ("Y", "1")}
BY_NAME = {"address_line_1": "address_line_1", "post_town": "post_town", "town_city": "post_town"}


def plant(settings):
    """Give twenty rows of each table of people the canaries' identities."""
    for table in PLANTED:
        contract = contracts()[table]
        (folder,) = (settings.landing / contract.source).glob(f"{EDITION}-*")
        manifest = json.loads((folder / "manifest.json").read_text())
        entry = next(file for file in manifest["files"] if file["table"] == table)
        rows = list(csv.DictReader(io.StringIO(unpack(folder / entry["path"]))))
        persons = [
            row
            for row in rows
            if not any(row.get(column) in codes for column, codes in ORGANISATIONS.items())
        ]
        coded = [column.name for column in contract.columns if column.codes and column.required]
        spoiled = [column.name for column in contract.columns if column.type == "date"] + [
            name for name in coded if name not in ORGANISATIONS
        ]
        for number, person in enumerate(canaries()):
            row = persons[number * 7]
            row.update(as_held(contract, person))
            if number >= 10:
                # The value that breaks the rule is itself a canary's.
                row[spoiled[number % len(spoiled)]] = person["last_name"]
        text_out = io.StringIO()
        writer = csv.DictWriter(text_out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write(folder, manifest, entry, pack(entry, text_out.getvalue()))


def as_held(contract, person):
    """A canary as a source would write it: its values in the columns that hold them."""
    held = {}
    for column in contract.columns:
        value = next((AS_LINKED[field] for field in column.feeds if field in AS_LINKED), None)
        value = value or BY_NAME.get(column.name)
        if value:
            held[column.name] = person[value]
            if column.format == "dd/MM/yyyy":
                held[column.name] = "/".join(reversed(person[value].split("-")))
    return held


def unpack(path):
    """The text of a delivered CSV."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def pack(entry, content):
    """A CSV's text as its file holds it."""
    packed = content.encode()
    return gzip.compress(packed, mtime=0) if entry["path"].endswith(".gz") else packed


def write(folder, manifest, entry, packed):
    """Replace a delivered file and tell the manifest so."""
    (folder / entry["path"]).write_bytes(packed)
    entry["sha256"] = hashlib.sha256(packed).hexdigest()
    entry["bytes"] = len(packed)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def texts_of(path: Path):
    """Everything a file says, opened as far as it opens."""
    raw = path.read_bytes()
    yield raw
    if path.suffix == ".gz":
        yield gzip.decompress(raw)
    if raw[:4] == b"PAR1":
        table = pq.read_table(path)
        for column in table.columns:
            for value in column.unique().to_pylist():
                yield str(value).encode()
        yield str(pq.read_metadata(path).metadata).encode()
    if raw[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            names = connection.execute("select name from sqlite_master where type = 'table'")
            for (name,) in names.fetchall():
                for row in connection.execute(f'select * from "{name}"'):
                    for value in row:
                        yield from unpacked(value)
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_type = 'BASE TABLE'"
            ).fetchall()
            for schema, name in found:
                yield str(
                    connection.execute(
                        f'select columns(*)::varchar from "{schema}"."{name}"'
                    ).fetchall()
                ).encode()


def unpacked(value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        yield value
        try:
            yield zlib.decompress(value)
        except zlib.error:
            return


def found_in(root: Path):
    """Which canaries stand where, outside the secret folders."""
    wanted = [needle.encode().upper() for needle in needles()]
    wanted += [needle.encode("utf-16-le").upper() for needle in needles()]
    by_beginning = defaultdict(list)
    for needle in wanted:
        by_beginning[needle[:4]].append(needle)
    found = []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if not path.is_file() or relative.parts[0] in SECRET_FOLDERS:
            continue
        # No needle holds a line break: what is found in any of the texts is found in all of them.
        said = b"\n".join(texts_of(path)).upper()
        begun = [many for beginning, many in by_beginning.items() if beginning in said]
        hits = [needle for many in begun for needle in many if needle in said]
        if hits:
            found.append((str(relative), hits[:3]))
    return found


def test_the_search_finds_what_is_there(tmp_path):
    """The search itself is tested: a canary in each kind of file is found."""
    person = canaries()[4]
    (tmp_path / "plain.log").write_text(f"saw {person['first_name'].lower()}")
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(person["postcode"].encode()))
    with duckdb.connect() as connection:
        connection.execute(f"copy (select '{person['pnc_id']}' as p) to '{tmp_path}/t.parquet'")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(f"create table t as select date '{person['date_of_birth']}' as d")
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute("create table t (b blob)")
        connection.execute(
            "insert into t values (?)", [zlib.compress(person["last_name"].encode())]
        )
    found = {name for name, _ in found_in(tmp_path)}
    assert found == {"plain.log", "packed.csv.gz", "t.parquet", "warehouse.duckdb", "runs.db"}


@pytest.fixture
def planted(supplied, tmp_path):
    settings = copy_of(supplied, tmp_path)
    plant(settings)
    return settings


def test_no_canary_leaves_the_secure_zone(planted, capfd, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    settings = planted
    printed = []

    done = refresh(settings, EDITION, printed.append)
    assert done.succeeded, (done.steps, done.failed_checks)

    # The canaries did come in: the secure zone holds them, so that finding none elsewhere counts.
    for table in PLANTED:
        quarantined = tables.require(settings, TableKey.of("quarantine", table), EDITION)
        assert quarantined.rows >= 10, table
        identities = tables.require(settings, TableKey.of("identities", table), EDITION)
        people = [as_held(contracts()[table], person) for person in canaries()]
        mark = next(iter(people[0]))
        known = ", ".join(text(each[mark]) for each in people)
        with connect(settings) as connection:
            held = connection.execute(
                f"select count(*) from {parquet(identities.path)} where {mark} in ({known})"
            ).fetchall()[0][0]
        assert held == 10, table

    for force, anew, fails, reason in (
        (refused_file, (), "extract_libra", "header row"),
        (broken_engine_in_extracts, (EXTRACTS,), "extract_libra", "failed in the engine"),
        (broken_engine_in_linkage, (LINKS,), "link_magistrates", "failed in the engine"),
        (unforeseen_error, (), "link_magistrates", "KeyError"),
        (failing_gate, (VERDICTS,), "extracts/libra_cases: expectations", ""),
        (failing_dbt, (VERDICTS, MARTS), "marts", "dbt refuses the marts"),
    ):
        forget(settings, *anew)
        with monkeypatch.context() as patched:
            force(settings, patched)
            failed = refresh(settings, EDITION, printed.append)
        broken = [each.step for each in failed.steps if not each.succeeded]
        assert fails in (*broken, *failed.failed_checks), (force.__name__, failed.steps)
        assert any(reason in each.reason for each in failed.steps), (force.__name__, failed.steps)
        printed += [step.reason for step in failed.steps]

    out = capfd.readouterr()
    said = "\n".join([*printed, out.out, out.err, caplog.text]).upper()
    assert not [needle for needle in needles() if needle.upper() in said]
    assert found_in(settings.home) == []


EXTRACTS = "warehouse/extracts/libra_*/*/CURRENT"
LINKS = "warehouse/linkage/magistrates_*/*/CURRENT"
MARTS = "warehouse/marts/*/*/CURRENT"
VERDICTS = "audit/verdicts/extracts/*/*/*.json"


def forget(settings, *patterns):
    """Let what stands there be made anew, so that the next failure is met."""
    for pattern in patterns:
        known = list(settings.home.glob(pattern))
        assert known, pattern
        for each in known:
            each.unlink()


def refused_file(settings, _patched):
    """No header row: what stands in its place is a person. Delivered as a later sequence."""
    (folder,) = (settings.landing / "libra").glob(f"{EDITION}-*")
    headless = folder.with_name(f"{EDITION}-2")
    shutil.copytree(folder, headless)
    manifest = json.loads((headless / "manifest.json").read_text())
    manifest |= {"delivery": headless.name, "sequence": 2}
    entry = next(file for file in manifest["files"] if file["table"] == "libra_cases")
    content = gzip.decompress((headless / entry["path"]).read_bytes()).decode()
    rows = content.split("\n")
    people = [row for row in rows if "ZYXQUOR" in row]
    write(
        headless, manifest, entry, gzip.compress("\n".join([*people, *rows[1:]]).encode(), mtime=0)
    )


def broken_engine_in_extracts(settings, patched):
    shutil.rmtree(settings.landing / "libra" / f"{EDITION}-2")
    from datafirst_platform.extracts import extraction

    real = extraction.split

    def broken(read, parent):
        made = real(read, parent)
        if read.contract.table != "libra_cases":
            return made
        cast = f"select * replace (cast(first_name as integer) as record_key) from ({made.query})"
        return dataclasses.replace(made, query=cast)

    patched.setattr(extraction, "split", broken)


def broken_engine_in_linkage(settings, patched):
    from datafirst_platform.linkage import linking

    def explode(connection, *_arguments, **_keywords):
        table = tables.require(settings, TableKey.of("identities", "libra_cases"), EDITION)
        connection.execute(
            f"select error(first_name || last_name) from read_parquet({text(table.path)}) "
            "where first_name like 'ZYXQUOR%'"
        ).fetchall()

    patched.setattr(linking, "load_records", explode)


def failing_gate(settings, patched):
    from datafirst_platform.quality import verdicts

    real = verdicts.run_suite

    def impossible(settings, suite, views, *arguments, **keywords):
        outcomes = real(settings, suite, views, *arguments, **keywords)
        import dataclasses

        return tuple(dataclasses.replace(each, passed=False) for each in outcomes)

    patched.setattr(verdicts, "run_suite", impossible)


def failing_dbt(settings, patched):
    """dbt is led to a table that holds a person where a number belongs, and cannot cast it."""
    from datafirst_platform.marts.build import Build

    spoiled = settings.secure / "spoiled.parquet"
    person = canaries()[0]
    content = next((settings.warehouse / "extracts" / "libra_cases").rglob("*.parquet"))
    with connect(settings) as connection:
        connection.execute(
            f"copy (select * replace ({text(person['first_name'])} as age_at_first_hearing) "
            f"from {parquet(content)}) to {text(spoiled)}"
        )
    real = Build.environment.fget

    def misled(build):
        given = real(build)
        read = json.loads(given["DATAFIRST_TABLES"])
        read["extracts.libra_cases"] = parquet(spoiled)
        return given | {"DATAFIRST_TABLES": json.dumps(read)}

    patched.setattr(Build, "environment", property(misled))


def unforeseen_error(settings, patched):
    from datafirst_platform.linkage import linking

    def explode(*_arguments, **_keywords):
        person = canaries()[0]
        raise KeyError(f"{person['first_name']} {person['last_name']} {person['date_of_birth']}")

    patched.setattr(linking, "load_records", explode)
