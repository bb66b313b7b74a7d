"""Made-up identities: a handful of people whose records differ in known ways."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_identities import EDITION

from datafirst_platform import tables
from datafirst_platform.engine import connect
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey, define_pseudonym, scope_key
from datafirst_platform.linkage.standardise import define_macros


@pytest.fixture(scope="module")
def engine():
    """An engine with the cleaning macros."""
    with duckdb.connect() as connection:
        define_macros(connection, EDITION)
        yield connection


@pytest.fixture
def publish_identities(settings):
    """Publish records, given as dictionaries of some of a contract's columns, as identities."""

    def publish(table, records):
        contract = contracts()[table]
        with connect(settings) as connection:
            listed = ", ".join(f"{each.name} {each.type}" for each in contract.identities_schema)
            connection.execute(f"create table made ({listed})")
            for number, record in enumerate(records):
                row = {"record_key": f"{number:032x}", **record}
                connection.execute(
                    f"insert into made ({', '.join(row)}) values ({', '.join('?' * len(row))})",
                    list(row.values()),
                )
            return tables.publish(
                settings,
                connection,
                TableKey.of("identities", table),
                EDITION,
                "select * from made",
                order_by=["record_key"],
                recipe=str(len(records)),
                inputs={},
            )

    return publish


@pytest.fixture
def rows(settings):
    """Read a published version as dictionaries."""

    def read(version):
        with duckdb.connect() as connection:
            file = f"read_parquet('{version.path}', hive_partitioning = false)"
            found = connection.execute(f"select * from {file}")
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
            define_pseudonym(connection, scope_key(settings, "records"))
            plain = "|".join([table, *values])
            return connection.execute("select pseudonym(?)", [plain]).fetchall()[0][0]

    return made
