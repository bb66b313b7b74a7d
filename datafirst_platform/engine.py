"""The engine behind one seam: a DuckDB connection with bounded memory that downloads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def one_file(path: object) -> str:
    """Quote the path of a file to be read: what would make a pattern of it stands for itself."""
    return text(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def parquet(path: object, *, numbered: bool = False) -> str:
    """SQL that reads a Parquet file as it is, with the numbers of its rows where asked.

    A folder named `v=…` is no column, as DuckDB would have it; the name of a file is no pattern.
    """
    number = ", file_row_number = true" if numbered else ""
    return f"read_parquet({one_file(path)}{number}, hive_partitioning = false)"


def arrays(connection: duckdb.DuckDBPyConnection, query: str) -> list[NDArray[np.int64]]:
    """Columns of a query of whole numbers without NULLs, as arrays."""
    import numpy as np

    columns = connection.execute(query).fetchnumpy()
    return [np.asarray(column, dtype=np.int64) for column in columns.values()]


def register(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, NDArray[Any]]
) -> None:
    """Make a table of arrays."""
    import pyarrow as pa

    connection.register("arrays", pa.table(dict(columns)))
    connection.execute(f"create or replace temp table {table} as select * from arrays")
    connection.unregister("arrays")
