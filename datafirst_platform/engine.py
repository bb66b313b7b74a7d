"""The engine behind one seam: a DuckDB connection with bounded memory that downloads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from datafirst_platform.settings import Settings


@contextmanager
def connect(settings: Settings, database: str = ":memory:") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB with the settings' threads and memory; closed on every path.

    Past the memory limit it spills into the secure zone.
    """
    settings.spill.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = duckdb.connect(
        database,
        config={
            "threads": settings.threads,
            "memory_limit": f"{settings.memory_gib}GiB",
            "temp_directory": str(settings.spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
        },
    )
    try:
        # A progress bar on standard output would mix with what a script reads there.
        connection.execute("set enable_progress_bar = false")
        yield connection
    finally:
        connection.close()


def text(value: object) -> str:
    """Quote a path or constant of ours as an SQL string; data is bound, never quoted."""
    return "'" + str(value).replace("'", "''") + "'"


def name(identifier: str) -> str:
    """Quote a column or table name as an SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def parquet(path: object) -> str:
    """SQL that reads a Parquet file of ours as it is.

    Our folders are named `v=…`; DuckDB would take that for a column.
    """
    return f"read_parquet({text(path)}, hive_partitioning = false)"
