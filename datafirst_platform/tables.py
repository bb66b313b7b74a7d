"""Published tables: the hand-off between stages.

A table's version is a Parquet file in a folder named after its content, with `version.json`
beside it; `CURRENT` points at the version that stands and is replaced atomically. A version is
never changed afterwards. A crash leaves a `.stage-*` folder behind, which nobody reads.

`recipe` is the digest of everything the content follows from (code, input versions, parameters).
A stage whose recipe stands need not run again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform.engine import name, parquet
from datafirst_platform.identity import TableKey, table_folder
from datafirst_platform.safe_errors import NotReady, PlatformError, values_withheld
from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

CURRENT = "CURRENT"
_VERSION_FILE = "version.json"
_ROW_GROUP = 122_880
"""Rows of a row group; the engine's own, so that its cores can share a file's reading."""
_SAMPLE = 4096
"""Values that say whether a column of texts repeats itself."""
_DICTIONARY_BYTES = 1 << 16
"""Size at which a column's dictionary is given up: keys and names are found unfit early."""


@dataclass(frozen=True)
class TableVersion:
    """A published version of a table.

    Attributes:
        key: stage and table.
        edition: partition key.
        version: SHA-256 of the Parquet file: the data version.
        path: the Parquet file.
        rows: number of rows.
        columns: name and DuckDB type, in order.
        recipe: digest of what the content follows from.
        inputs: what it was made from: name to data version or digest.
    """

    key: TableKey
    edition: str
    version: str
    path: Path
    rows: int
    columns: tuple[tuple[str, str], ...]
    recipe: str
    inputs: Mapping[str, str]


def recipe_of(*parts: object) -> str:
    """The digest of what a table follows from; parts are JSON values."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    key: TableKey,
    edition: str,
    query: str,
    *,
    order_by: Sequence[str] = (),
    recipe: str,
    inputs: Mapping[str, str],
) -> TableVersion:
    """Write a query's rows as the table's new version and point `CURRENT` at it.

    Args:
        settings: the installation.
        connection: an open engine that can run `query`.
        key: stage and table.
        edition: partition key.
        query: SQL; its rows become the table.
        order_by: columns of a unique key; empty keeps the query's own (unique) order. Without a
            fixed order the bytes would differ from run to run.
        recipe: digest of what the content follows from (`recipe_of`).
        inputs: name to data version of what was read.

    Raises:
        PlatformError: the engine failed; no value is quoted.
    """
    order = f" order by {', '.join(name(column) for column in order_by)}" if order_by else ""
    ordered = f"select * from ({query}){order}"
    parts = {key: _whole}
    return publish_parts(
        settings, connection, edition, ordered, parts, recipe=recipe, inputs=inputs
    )[key]


def publish_parts(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    query: str,
    parts: Mapping[TableKey, Callable[[pa.Table], pa.Table]],
    *,
    recipe: str,
    inputs: Mapping[str, str],
    finish: Callable[[pa.Table], pa.Table] | None = None,
) -> dict[TableKey, TableVersion]:
    """Write several tables from the rows of one query; otherwise as `publish`.

    Args:
        settings: the installation.
        connection: an open engine that can run `query`.
        edition: partition key.
        query: SQL in a unique order.
        parts: which columns of a row group each table takes, under which names.
        recipe: digest of what the content follows from.
        inputs: name to data version of what was read.
        finish: what is done to each row group before it is parted: other values, as many rows.

    Raises:
        PlatformError: the engine failed; no value is quoted.
    """
    staged: dict[TableKey, Path] = {}
    try:
        for key in parts:
            folder = table_folder(settings, key, edition)
            folder.mkdir(parents=True, exist_ok=True)
            staged[key] = folder / f".stage-{os.getpid()}"
            shutil.rmtree(staged[key], ignore_errors=True)
            staged[key].mkdir()
        files = {staged[key] / f"{key.table}.parquet": part for key, part in parts.items()}
        with values_withheld(f"Writing {', '.join(map(str, parts))}"):
            digests = _write(connection, query, files, finish, settings.threads)
            record = {"recipe": recipe, "inputs": dict(inputs)}
            return {
                key: _set_current(connection, key, edition, folder, {"version": digest, **record})
                for (key, folder), digest in zip(staged.items(), digests, strict=True)
            }
    finally:
        for folder in staged.values():
            shutil.rmtree(folder, ignore_errors=True)


def _whole(rows: pa.Table) -> pa.Table:
    return rows


def _set_current(
    connection: duckdb.DuckDBPyConnection,
    key: TableKey,
    edition: str,
    staged: Path,
    record: Mapping[str, object],
) -> TableVersion:
    """Give a written file its place among the versions and point `CURRENT` at it."""
    file = staged / f"{key.table}.parquet"
    described = connection.execute(f"describe select * from {parquet(file)}").fetchall()
    rows = connection.execute(f"select count(*) from {parquet(file)}").fetchall()[0][0]
    columns = [[column[0], column[1]] for column in described]
    told = {**record, "rows": rows, "columns": columns}
    (staged / _VERSION_FILE).write_text(json.dumps(told, indent=1, sort_keys=True))
    folder = staged.parent
    final = folder / f"v={str(record['version'])[:16]}"
    if final.exists():
        # The same bytes stand already: only what they follow from may have changed.
        (staged / _VERSION_FILE).replace(final / _VERSION_FILE)
    else:
        staged.rename(final)
    pointer = folder / f".{CURRENT}-{os.getpid()}"
    pointer.write_text(final.name)
    pointer.replace(folder / CURRENT)
    return _read(key, edition, final)


def _write(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    files: Mapping[Path, Callable[[pa.Table], pa.Table]],
    finish: Callable[[pa.Table], pa.Table] | None,
    threads: int,
) -> list[str]:
    """Write a query's rows in their order, in row groups of one size, while the next are made.

    The engine's own writer parts rows into groups as its cores hand them over: one core and two
    would give other bytes unless all rows were sorted once more.

    Returns:
        The digest of each file.
    """
    rows = connection.sql(query).to_arrow_reader(_ROW_GROUP)
    with ThreadPoolExecutor(min(threads, len(files))) as pool:
        groups = _row_groups(rows)
        if finish is not None:
            groups = _ahead(pool, finish, groups)
        first = next(groups, None)
        if first is None:
            first = rows.schema.empty_table()
        with ExitStack() as opened:
            writers = [
                (opened.enter_context(_writer(file, part(first))), part)
                for file, part in files.items()
            ]
            written: list[Future[None]] = []
            # Whatever happens, nobody writes to a file that is being closed.
            opened.callback(wait, written)
            for group in itertools.chain([first], groups):
                for each in written:
                    each.result()
                if len(group):
                    written[:] = [
                        pool.submit(writer.write_table, part(group)) for writer, part in writers
                    ]
            for each in written:
                each.result()
        return list(pool.map(digest_of, files))


def _ahead(
    pool: ThreadPoolExecutor, finish: Callable[[pa.Table], pa.Table], groups: Iterator[pa.Table]
) -> Iterator[pa.Table]:
    """Finished groups in their order; one is worked on while the one before it is used."""
    coming: Future[pa.Table] | None = None
    for group in groups:
        before, coming = coming, pool.submit(finish, group)
        if before is not None:
            yield before.result()
    if coming is not None:
        yield coming.result()


def _writer(file: Path, first: pa.Table) -> pq.ParquetWriter:
    """A writer of a table, by what its first rows look like."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {each.name for each in first.schema if pa.types.is_string(each.type)}
    unlike = {column for column in texts if _seldom_repeats(first[column])}
    return pq.ParquetWriter(
        file,
        first.schema,
        compression="zstd",
        compression_level=1,
        # A column without a repetition gains nothing from a dictionary; lengths first and then the
        # texts are written and read in half the time, and packed closer.
        use_dictionary=[each.name for each in first.schema if each.name not in unlike],
        column_encoding=dict.fromkeys(sorted(unlike), "DELTA_LENGTH_BYTE_ARRAY"),
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        # The least and greatest text of a column are values of rows, and slow to find.
        write_statistics=[each.name for each in first.schema if each.name not in texts],
    )


def _seldom_repeats(values: pa.ChunkedArray) -> bool:
    """Whether most of the first texts of a column are others: keys, numbers, addresses."""
    import pyarrow.compute as pc

    few = values.slice(0, _SAMPLE).drop_null()
    return 2 * int(pc.count_distinct(few).as_py()) > max(len(few), 1)


def _row_groups(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The same rows parted anew: `_ROW_GROUP` each, the last one what is left.

    Raises:
        duckdb.Error: the engine failed on the way.
    """
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    try:
        for batch in batches:
            held.append(batch)
            while sum(each.num_rows for each in held) >= _ROW_GROUP:
                table = pa.Table.from_batches(held)
                # In one piece: a column's pages, too, are cut where its pieces end.
                yield table.slice(0, _ROW_GROUP).combine_chunks()
                held = table.slice(_ROW_GROUP).to_batches()
    except (OSError, pa.ArrowException) as error:
        # The engine's own error, by the name of the one that hands its rows over.
        raise duckdb.Error(str(error)) from None
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def current(settings: Settings, key: TableKey, edition: str) -> TableVersion | None:
    """The version that stands, or None where the table was never published.

    Raises:
        PlatformError: who runs this may not read it, or it was altered by other hands.
    """
    folder = table_folder(settings, key, edition)
    pointer = folder / CURRENT
    try:
        if not pointer.exists():
            return None
        return _read(key, edition, folder / pointer.read_text().strip())
    except PermissionError:
        raise PlatformError(f"{folder} is not for you to read: ask whom it belongs to.") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        msg = (
            f"{key} of edition {edition} is damaged ({type(error).__name__}): restore {folder} "
            f"from the backup, or remove it and run `datafirst refresh {edition}`."
        )
        raise PlatformError(msg) from None


def require(settings: Settings, key: TableKey, edition: str) -> TableVersion:
    """The version that stands.

    Raises:
        NotReady: there is none; the message says which step makes it.
    """
    found = current(settings, key, edition)
    if found is None:
        msg = f"{key} of edition {edition} is not there yet: run `datafirst refresh {edition}`."
        raise NotReady(msg)
    return found


def standing(settings: Settings, key: TableKey, edition: str, recipe: str) -> TableVersion | None:
    """The version that stands if it was made by this very recipe, else None."""
    found = current(settings, key, edition)
    return found if found is not None and found.recipe == recipe else None


def _read(key: TableKey, edition: str, folder: Path) -> TableVersion:
    record = json.loads((folder / _VERSION_FILE).read_text())
    return TableVersion(
        key=key,
        edition=edition,
        version=record["version"],
        path=folder / f"{key.table}.parquet",
        rows=record["rows"],
        columns=tuple((column, kind) for column, kind in record["columns"]),
        recipe=record["recipe"],
        inputs=record["inputs"],
    )
