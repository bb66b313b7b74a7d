"""Made-up identities: a handful of people whose records differ in known ways."""

from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_courts import content, identities, records
from made_identities import EDITION

from datafirst_platform import tables
from datafirst_platform.engine import connect
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.standardise import define_macros
from datafirst_platform.settings import Settings
from tests.conftest import copy_of


@pytest.fixture(scope="module")
def engine():
    """An engine with the cleaning macros."""
    with duckdb.connect() as connection:
        define_macros(connection, EDITION)
        yield connection


def publish_records(settings, stage, table, made, edition=EDITION):
    """Publish records, given as dictionaries of some columns, as what a stage holds of a table."""
    contract = contracts()[table]
    schema = contract.identities_schema if stage == "identities" else contract.content_schema
    with connect(settings) as connection:
        listed = ", ".join(f"{each.name} {each.type}" for each in schema)
        connection.execute(f"create table made ({listed})")
        for number, record in enumerate(made):
            row = {"record_key": f"{number:032x}", **record}
            connection.execute(
                f"insert into made ({', '.join(row)}) values ({', '.join('?' * len(row))})",
                list(row.values()),
            )
        return tables.publish(
            settings,
            connection,
            TableKey.of(stage, table),
            edition,
            "select * from made",
            order_by=["record_key"],
            recipe=str(len(made)),
            inputs={},
        )


@pytest.fixture
def publish_identities(settings):
    """Publish records, given as dictionaries of some of a contract's columns, as identities."""
    return partial(publish_records, settings, "identities")


@pytest.fixture
def publish_content(settings):
    """The same as extracts: what is not an identifier."""
    return partial(publish_records, settings, "extracts")


@pytest.fixture
def rows(settings):
    """Read a published version as dictionaries."""

    def read(version):
        with duckdb.connect() as connection:
            found = connection.execute(f"select * from {version.sql}")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return read


@pytest.fixture
def label(settings):
    """Write reference labels."""

    def write(table, **columns):
        folder = settings.secure / "truth" / EDITION
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), folder / f"{table}.parquet")

    return write


@pytest.fixture
def key_of(settings):
    """The key of a supplied record, by its table and the values of its primary key."""

    def made(table, *values):
        with connect(settings) as connection:
            define_record_pseudonym(connection, scope_key(settings, "records"))
            plain = "|".join([table, *values])
            return connection.execute("select pseudonym(?)", [plain]).fetchall()[0][0]

    return made


@pytest.fixture(scope="session")
def linked_courts(tmp_path_factory):
    """An installation with a linked magistrates' court whose truth is known: do not alter."""
    root = tmp_path_factory.mktemp("courts")
    settings = Settings(root / "data", root / "keys", threads=2, memory_gib=2.0).prepare()
    made = records()
    cases = [each["case"] for each in made]
    with connect(settings) as connection:
        define_record_pseudonym(connection, scope_key(settings, "records"))
        query = "select pseudonym('libra_cases|' || ? || '|d')"
        keys = [connection.execute(query, [case]).fetchall()[0][0] for case in cases]
    for stage, rows in (("identities", identities(made)), ("extracts", content(made))):
        held = [{"record_key": key, **row} for key, row in zip(keys, rows, strict=True)]
        publish_records(settings, stage, "libra_cases", held)
    truth = settings.secure / "truth" / EDITION
    truth.mkdir(parents=True)
    told = {"case_id": cases, "defendant_id": ["d"] * len(cases)}
    told["person_id"] = [each["person"] for each in made]
    pq.write_table(pa.table(told), truth / "libra_cases.parquet")
    link_dataset(settings, EDITION, "magistrates")
    return settings


@pytest.fixture
def courts(linked_courts, tmp_path):
    """A copy of the linked court, to alter at will."""
    return copy_of(linked_courts, tmp_path)
