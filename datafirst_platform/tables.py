"""Published tables: the hand-off between stages.

A table's version is a Parquet file in a folder named after its content, with `version.json`
beside it; `CURRENT` points at the version that stands and is replaced atomically. A version is
never changed afterwards. A crash leaves a `.stage-*` folder behind, which nobody reads.

Where little changes from edition to edition a version may be a layer upon an earlier one: its
folder has the files of that one as well, linked and not copied, and a list of those of their rows
that stand no more. `TableVersion.sql` reads what stands, of either kind; `read.sql` lets others.

`recipe` is the digest of everything the content follows from (code, input versions, parameters).
A stage whose recipe stands need not run again.
"""

from __future__ import annotations

import dataclasses
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
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform.engine import name, parquet
from datafirst_platform.identity import TableKey, table_folder
from datafirst_platform.safe_errors import NotReady, PlatformError, values_withheld
from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

CURRENT = "CURRENT"
_VERSION_FILE = "version.json"
_READ_FILE = "read.sql"
_ROW_GROUP = 122_880
"""Rows of a row group; the engine's own, so that its cores can share a file's reading."""
_SAMPLE = 4096
"""Values that say whether a column of texts repeats itself."""
_DICTIONARY_BYTES = 1 << 16
"""Size at which a column's dictionary is given up: keys and names are found unfit early."""


@dataclass(frozen=True)
class Layer:
    """A file of a table.

    Attributes:
        path: the Parquet file.
        digest: its SHA-256.
        rows: how many it has.
        dropped: how many of these stand no more.
    """

    path: Path
    digest: str
    rows: int
    dropped: int


@dataclass(frozen=True)
class TableVersion:
    """A published version of a table.

    Attributes:
        key: stage and table.
        edition: partition key.
        version: SHA-256 of the Parquet file, of several files a digest of theirs: the data version.
        layers: its files, the oldest first; most tables have one.
        dropped: the file that tells which rows stand no more (layer, row), if there are any.
        rows: number of rows that stand.
        columns: name and DuckDB type, in order.
        recipe: digest of what the content follows from.
        inputs: what it was made from: name to data version or digest.
    """

    key: TableKey
    edition: str
    version: str
    layers: tuple[Layer, ...]
    dropped: Path | None
    rows: int
    columns: tuple[tuple[str, str], ...]
    recipe: str
    inputs: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The Parquet file this version brought: all of a table that has no layers."""
        return self.layers[-1].path

    @property
    def sql(self) -> str:
        """SQL that reads its rows, to stand after `from`; those of several layers in any order."""
        if len(self.layers) == 1 and self.dropped is None:
            return parquet(self.path)
        columns = ", ".join(name(column) for column, _ in self.columns)
        return f"(select {columns} from {self.numbered()})"

    def numbered(self, first: Sequence[int] | None = None) -> str:
        """SQL as `sql`, with a number for each row that stays the same in layers upon these: `row`.

        Args:
            first: the number of each layer's first row; else rows are counted through all layers,
                with those that are dropped.
        """
        first = self.first if first is None else first
        columns = ", ".join(name(column) for column, _ in self.columns)
        layers = [
            f"select {columns}, {start} + file_row_number as row "
            f"from {parquet(layer.path, numbered=True)}{self._but_dropped(number)}"
            for number, (layer, start) in enumerate(zip(self.layers, first, strict=True))
        ]
        return f"({' union all '.join(layers)})"

    @property
    def first(self) -> list[int]:
        """The number of each layer's first row, counted through all layers."""
        return list(itertools.accumulate((each.rows for each in self.layers[:-1]), initial=0))

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file its rows are read from."""
        dropped = () if self.dropped is None else (self.dropped,)
        return (*(layer.path for layer in self.layers), *dropped)

    def read(self, column: str) -> pa.Array:
        """The values of a column by the numbers of rows, those that are dropped too (Arrow)."""
        import pyarrow as pa

        layers = [_opened(layer).read([column], use_threads=False) for layer in self.layers]
        return pa.concat_tables(layers)[column].combine_chunks()

    def groups(self, column: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """A column without NULLs, row group by row group: the first row's number, and values."""
        for start, layer in zip(self.first, self.layers, strict=True):
            file = _opened(layer)
            for group in range(file.num_row_groups):
                values = file.read_row_group(group, [column], use_threads=False)[column]
                yield start, values.combine_chunks().to_numpy()
                start += len(values)

    def take(self, columns: Sequence[str], numbers: NDArray[np.integer[Any]]) -> pa.Table:
        """Some columns of rows by their numbers, which rise (Arrow); other row groups stay shut."""
        import numpy as np
        import pyarrow as pa

        taken = [_opened(self.layers[0]).schema_arrow.empty_table().select(list(columns))]
        for start, layer in zip(self.first, self.layers, strict=True):
            file = _opened(layer)
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                some = numbers[np.searchsorted(numbers, start) : np.searchsorted(numbers, end)]
                if len(some):
                    rows = file.read_row_group(group, list(columns), use_threads=False)
                    taken.append(rows.combine_chunks().take(pa.array(some - start)))
                start = end
        return pa.concat_tables(taken).combine_chunks()

    def stands(self) -> NDArray[np.bool_]:
        """For every number of a row whether it stands."""
        import numpy as np
        import pyarrow.parquet as pq

        found = np.ones(sum(layer.rows for layer in self.layers), dtype=bool)
        if self.dropped is not None:
            gone = pq.ParquetFile(self.dropped).read()
            found[np.asarray(self.first)[gone["layer"].to_numpy()] + gone["row"].to_numpy()] = False
        return found

    def _but_dropped(self, layer: int) -> str:
        """SQL that leaves out what stands no more of a layer."""
        if self.dropped is None or not self.layers[layer].dropped:
            return ""
        gone = f"select row as gone from {parquet(self.dropped)} where layer = {layer}"
        return f" anti join ({gone}) on file_row_number = gone"


def _opened(layer: Layer) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(layer.path, memory_map=True)


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
            published = {}
            for (key, folder), digest in zip(staged.items(), digests, strict=True):
                rows, columns = _shape(connection, folder / f"{key.table}.parquet")
                told = {"version": digest, "rows": rows, "columns": columns, **record}
                published[key] = _set_current(key, edition, folder, told)
            return published
    finally:
        for folder in staged.values():
            shutil.rmtree(folder, ignore_errors=True)


def publish_upon(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    below: TableVersion,
    edition: str,
    query: str,
    gone: NDArray[np.integer[Any]],
    *,
    recipe: str,
    inputs: Mapping[str, str],
) -> TableVersion:
    """Write a query's rows as a layer upon an earlier version of a table; otherwise as `publish`.

    Rows that go on standing are not written again.

    Args:
        settings: the installation.
        connection: an open engine that can run `query`.
        below: a version of the table, of any edition.
        edition: partition key.
        query: SQL in a unique order, with the columns of that version.
        gone: numbers of rows that stand there and do not stand here (`TableVersion.numbered`).
        recipe: digest of what the content follows from.
        inputs: name to data version of what was read.

    Raises:
        PlatformError: the engine failed, or the columns are others; no value is quoted.
    """
    import numpy as np

    key = below.key
    folder = table_folder(settings, key, edition)
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".stage-{os.getpid()}"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    own, list_of_gone = staged / f"{key.table}.parquet", staged / f"{key.table}.dropped.parquet"
    try:
        with values_withheld(f"Writing {key}"):
            (digest,) = _write(connection, query, {own: _whole}, None, settings.threads)
            rows, columns = _shape(connection, own)
            if columns != [list(each) for each in below.columns]:
                msg = f"{key} has other columns in edition {below.edition}: link it from nothing."
                raise PlatformError(msg)
        layer = np.searchsorted(below.first, gone, side="right") - 1
        _write_dropped(list_of_gone, below, layer, gone - np.asarray(below.first)[layer])
        digest_of_gone = digest_of(list_of_gone)
        lost = np.bincount(layer, minlength=len(below.layers))
        layers = []
        for number, each in enumerate(below.layers):
            here = Path(f"{key.table}.{number}.parquet")
            _link(each.path, staged / here)
            layers.append(Layer(here, each.digest, each.rows, each.dropped + int(lost[number])))
        layers.append(Layer(Path(own.name), digest, rows, 0))
        made = TableVersion(
            key=key,
            edition=edition,
            version=_digest_of_layers([each.digest for each in layers], digest_of_gone),
            layers=tuple(layers),
            dropped=Path(list_of_gone.name),
            rows=sum(each.rows - each.dropped for each in layers),
            columns=below.columns,
            recipe=recipe,
            inputs=inputs,
        )
        (staged / _READ_FILE).write_text(
            f"-- What stands of {key} in edition {edition}; for DuckDB, in this folder.\n"
            f"select * from {made.sql};\n"
        )
        record = {
            "version": made.version,
            "layers": [{**dataclasses.asdict(each), "path": str(each.path)} for each in layers],
            "dropped": str(made.dropped),
            "rows": made.rows,
            "columns": columns,
            "recipe": recipe,
            "inputs": dict(inputs),
        }
        return _set_current(key, edition, staged, record)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _write_dropped(
    file: Path,
    below: TableVersion,
    layer: NDArray[np.integer[Any]],
    row: NDArray[np.integer[Any]],
) -> None:
    """Write which rows of layers stand no more, beside those that stood no more before."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    dropped = pa.table({"layer": layer.astype(np.uint16), "row": row.astype(np.int64)})
    if below.dropped is not None:
        dropped = pa.concat_tables([pq.ParquetFile(below.dropped).read(), dropped])
    dropped = dropped.sort_by([("layer", "ascending"), ("row", "ascending")]).combine_chunks()
    with _writer(file, dropped) as writer:
        writer.write_table(dropped, row_group_size=_ROW_GROUP)


def _digest_of_layers(layers: Sequence[str], dropped: str) -> str:
    return recipe_of("layers", list(layers), dropped)


def _link(file: Path, to: Path) -> None:
    """Let a file stand in a second place, copied only where the file system has no links."""
    try:
        to.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, to)


def is_intact(version: TableVersion) -> bool:
    """Whether all its files are there and are those that were published."""
    if not all(file.exists() for file in version.files):
        return False
    digests = [digest_of(layer.path) for layer in version.layers]
    if version.dropped is None:
        return digests == [version.version]
    return _digest_of_layers(digests, digest_of(version.dropped)) == version.version


def _whole(rows: pa.Table) -> pa.Table:
    return rows


def _shape(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, list[list[str]]]:
    """How many rows a file has, and its columns with their types."""
    described = connection.execute(f"describe select * from {parquet(file)}").fetchall()
    rows = connection.execute(f"select count(*) from {parquet(file)}").fetchall()[0][0]
    return rows, [[column[0], column[1]] for column in described]


def _set_current(
    key: TableKey, edition: str, staged: Path, record: Mapping[str, object]
) -> TableVersion:
    """Give written files their place among the versions and point `CURRENT` at it."""
    (staged / _VERSION_FILE).write_text(json.dumps(record, indent=1, sort_keys=True))
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
    # Hashes, and numbers of rows: nothing is gained by packing them.
    hashes = {each.name for each in first.schema if pa.types.is_unsigned_integer(each.type)}
    unlike = {column for column in texts if _seldom_repeats(first[column])}
    return pq.ParquetWriter(
        file,
        first.schema,
        compression={each.name: "none" if each.name in hashes else "zstd" for each in first.schema},
        compression_level={each.name: 1 for each in first.schema if each.name not in hashes},
        # A column without a repetition gains nothing from a dictionary; lengths first and then the
        # texts are written and read in half the time, and packed closer.
        use_dictionary=[each.name for each in first.schema if each.name not in unlike | hashes],
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
    whole = {
        "path": f"{key.table}.parquet",
        "digest": record["version"],
        "rows": record["rows"],
        "dropped": 0,
    }
    layers = record.get("layers", [whole])
    return TableVersion(
        key=key,
        edition=edition,
        version=record["version"],
        layers=tuple(Layer(**{**each, "path": folder / each["path"]}) for each in layers),
        dropped=folder / record["dropped"] if "dropped" in record else None,
        rows=record["rows"],
        columns=tuple((column, kind) for column, kind in record["columns"]),
        recipe=record["recipe"],
        inputs=record["inputs"],
    )
