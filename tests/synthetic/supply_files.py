"""How the tests of this room read what was supplied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from datafirst_platform.engine import text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.settings import Settings
from datafirst_platform.synthetic import DeliveryMade

SOURCES = (
    "libra",
    "xhibit",
    "nomis",
    "delius",
    "oasys",
    "familyman",
    "caseman",
    "pnc",
    "npd",
    "csc",
)
TABLES = sorted(table for table, contract in contracts().items() if contract.source in SOURCES)
PEOPLE = 12_000
SEED = 7


@dataclass(frozen=True)
class Supplied:
    settings: Settings
    made: dict[str, list[DeliveryMade]]
    connection: duckdb.DuckDBPyConnection

    def file(self, edition: str, table: str) -> Path:
        for delivery in self.made[edition]:
            for file in delivery.files:
                if file.table == table:
                    return file.path
        raise KeyError(table)

    def view(self, edition: str, table: str) -> str:
        """The name of a table that holds a delivered file with all columns as text."""
        name = f"{table}_{edition}"
        path = self.file(edition, table)
        reader = (
            f"read_parquet({text(path)})"
            if path.suffix == ".parquet"
            else f"read_csv({text(path)}, all_varchar = true, header = true)"
        )
        self.connection.execute(f"create table if not exists {name} as select * from {reader}")
        return name

    def truth(self, edition: str, table: str) -> str:
        path = self.settings.secure / "truth" / edition / f"{table}.parquet"
        return f"read_parquet({text(path)})"

    def ask(self, query: str) -> list[tuple]:
        return self.connection.execute(query).fetchall()


def settings_in(folder: Path, threads: int = 2) -> Settings:
    return Settings(home=folder / "home", keys=folder / "keys", threads=threads)
