"""What a linkage leaves for the next one: by what the records it linked are known again.

What belongs here: the tables `known/<dataset>`, `known/<dataset>_ends` and
`known/<dataset>_frequencies`, which hold hashes of identifiers and lie in the secure zone, and
whether they still fit. What does not: how records are linked by them (`changes.py`).

`known/<dataset>` has a row for every row of the identities: `mark`, a hash of all that linkage
reads of it; `record`, a hash of its key; `content`, a hash of its identifiers where equal ones are
one tuple; `pnc`; `sex` and `birth_year`, coded; `person`, a number its people by the most lenient
threshold have in common; and `key_0`, … its blocking keys by rule. Where there is nothing to tell
it says 0. The first rows of a file are those of the file of people that was written with it, in the
same order; those who are nobody's follow. A linkage from nothing writes whole tables, one that goes
on adds a layer of what is new or was changed, to both.
`known/<dataset>_ends` (one, other): for every published link, row by row, the numbers of the rows
of its two records in `known/<dataset>`.
`known/<dataset>_frequencies`: (field, value, tuples), how many tuples hold a value, as a hash; of a
linkage from nothing, and handed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform import editions, tables
from datafirst_platform.engine import arrays, name, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.blocking import key_sql
from datafirst_platform.linkage.clusters import SEXES
from datafirst_platform.linkage.models import LinkageModel
from datafirst_platform.linkage.publishing import Linked, basis_of, table_key
from datafirst_platform.linkage.records import CONTENT, Member
from datafirst_platform.linkage.scoring import stream
from datafirst_platform.linkage.standardise import ADDRESS, clean_query
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints


@dataclass(frozen=True)
class Known:
    """What the linkage of the edition before left.

    A record is named by the number of its row in `known/<dataset>`, counted through its layers.

    Attributes:
        records: `known/<dataset>`.
        ends: `known/<dataset>_ends`.
        frequencies: `known/<dataset>_frequencies`.
        people: the people it published.
        edges: the links it published.
        counts: the counts it published.
    """

    records: TableVersion
    ends: TableVersion
    frequencies: TableVersion
    people: TableVersion
    edges: TableVersion
    counts: TableVersion

    @property
    def inputs(self) -> Mapping[str, str]:
        """Data versions by name, as of another edition."""
        every = (self.records, self.ends, self.frequencies, self.people, self.edges, self.counts)
        return {f"before/{version.key}": version.version for version in every}

    @property
    def numbers(self) -> int:
        """One more than the greatest number of a record."""
        return sum(layer.rows for layer in self.records.layers)

    def is_linked(self) -> NDArray[np.bool_]:
        """For every number whether it is of a person."""
        import numpy as np

        found = np.zeros(self.numbers, dtype=bool)
        for first, layer in zip(self.records.first, self.people.layers, strict=True):
            found[first : first + layer.rows] = True
        return found

    def row_of(self, numbers: Ints) -> Ints:
        """The rows of people, counted through their layers, of linked records by number."""
        import numpy as np

        first = np.asarray(self.records.first)
        layer = np.searchsorted(first, numbers, side="right") - 1
        found: Ints = numbers - first[layer] + np.asarray(self.people.first)[layer]
        return found


@dataclass(frozen=True)
class Gone:
    """What stood in the edition before and does not now.

    Attributes:
        known: numbers of records.
        people: the same of those who were of a person.
        edges: rows of the links, counted through their layers.
    """

    known: Ints
    people: Ints
    edges: Ints


def can_follow(model: LinkageModel) -> bool:
    """Whether a linkage can be taken on from what is known: where a record is all there is.

    Where a source tells of people in several tables or names, or says itself who is one, a change
    of one record changes others, and the linkage starts from nothing.
    """
    contract = contracts()[model.members[0]]
    several = model.evidence or model.beside or contract.source_person is not None
    fed = {field for column in contract.columns for field in column.feeds}
    return model.kind == "within" and not several and "previous_surname" not in fed


def known_before(
    settings: Settings, edition: str, model: LinkageModel, member: Member
) -> Known | None:
    """What is known from the edition before, if left by this very code, model and cleaning."""
    earlier = editions.before(edition)
    if earlier is None or not can_follow(model):
        return None
    records, ends, frequencies = (
        tables.current(settings, key, earlier.key) for key in _keys(model)
    )
    people, edges, counts = (
        tables.current(settings, table_key(model.dataset, part), earlier.key)
        for part in ("people", "edges", "counts")
    )
    if not (records and ends and frequencies and people and edges and counts):
        return None
    basis = basis_of(settings, model, member.versions)
    fits = all(each.inputs.get("basis") == basis for each in (records, ends, frequencies))
    beside = all(
        hashes.inputs.get(str(published.key)) == published.version
        and len(hashes.layers) == len(published.layers)
        for hashes, published in ((records, people), (ends, edges))
    )
    if not fits or not beside:
        return None
    return Known(records, ends, frequencies, people, edges, counts)


def _keys(model: LinkageModel) -> tuple[TableKey, TableKey, TableKey]:
    return (
        TableKey.of("known", model.dataset),
        TableKey.of("known", f"{model.dataset}_ends"),
        TableKey.of("known", f"{model.dataset}_frequencies"),
    )


def rows_read(model: LinkageModel, source: str, further: str) -> str:
    """SQL for the identities as far as a linkage within a dataset reads them.

    Args:
        model: the settings.
        source: SQL that reads them, to stand after `from`.
        further: more columns, SQL.

    Returns:
        A query for `further`, `record_key`, what is cleaned, and `mark`: a hash of all this.
    """
    table = model.members[0]
    columns = {each.name: name(each.name) for each in contracts()[table].columns}
    cleaning = clean_query(table, table, ())
    cleaned = [column for column, quoted in columns.items() if quoted in cleaning]
    unread = {
        each.name
        for each in contracts()[table].columns
        if tuple(each.feeds) == (ADDRESS,) and not model.compares(ADDRESS)
    }
    read = [columns[column] for column in cleaned if column not in unread]
    nothing = [f"null::varchar as {columns[column]}" for column in cleaned if column in unread]
    marked = f"hash({', '.join(['record_key', *read])}) as mark"
    return f"select {', '.join([further, 'record_key', *read, *nothing, marked])} from {source}"


def known_columns(model: LinkageModel) -> tuple[str, ...]:
    """Columns of `known/<dataset>`."""
    keys = (f"key_{number}" for number in range(len(model.blocking)))
    return ("mark", "record", "content", "pnc", "sex", "birth_year", "person", *keys)


def keys_sql(model: LinkageModel) -> str:
    """SQL of the columns `content` and `key_0`, …, over standard records; 0 where there is none.

    Half of a key's hash is enough: what meets by chance is compared, and does not link; one of four
    thousand million values is taken for none.
    """
    keys = ", ".join(
        f"coalesce({key_sql(rule.agree_on)} >> 32, 0)::uinteger as key_{number}"
        for number, rule in enumerate(model.blocking)
    )
    return f"coalesce({CONTENT}, 0) as content, {keys}"


def weighed_fields(model: LinkageModel) -> tuple[str, ...]:
    """The fields whose common values weigh less."""
    levels = (level for name in model.comparisons for level in model.comparisons[name])
    fields = (level.get("tf_adjustment_column") for level in levels)
    return tuple(dict.fromkeys(str(field) for field in fields if field))


TOLD = (
    f"coalesce(pnc, 0)::ubigint as pnc, {SEXES} as sex, "
    "coalesce(year(dob), 0)::smallint as birth_year"
)
"""SQL of what makes people unlikely to be one, over standard records; 0 where there is nothing."""


def gather(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Make `held` and `frequencies`: what is to be known of `tuples`, which may be dropped then.

    `held` has the id of a tuple; the row of id -1 tells nothing, and is for those who are nobody.
    """
    keys = ", ".join(f"key_{number}" for number in range(len(model.blocking)))
    connection.execute(
        f"""create or replace temp table held as
        select id, {TOLD}, {keys_sql(model)} from tuples"""
    )
    nothing = ", ".join("0" for _ in model.blocking)
    connection.execute(
        f"insert into held (id, pnc, sex, birth_year, content, {keys}) "
        f"values (-1, 0, 0, 0, 0, {nothing})"
    )
    counted = (
        " union all ".join(
            f"""select {text(field)} as field, hash({field}) as value, count(*)::integer as tuples
        from tuples where {field} is not null group by {field}"""
            for field in weighed_fields(model)
        )
        or "select '' as field, 0::ubigint as value, 0 as tuples where false"
    )
    connection.execute(f"create or replace temp table frequencies as {counted}")


def remember(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    linked: Linked,
    ids: Ints,
    person: Ints,
) -> None:
    """Publish what is known of the records just linked.

    Args:
        settings: the installation.
        connection: with `collapsed`, what `gather` made, and `ends_in_order` (one, other): the
            places of the two records of each link as it is published.
        edition: partition key.
        model: the settings.
        member: the identities.
        linked: as published.
        ids: of `collapsed`, in the order in which people are published.
        person: for each of these a number of its person by the most lenient threshold.
    """
    import numpy as np
    import pyarrow as pa

    every = connection.execute(
        f"""select row, mark, record from ({
            rows_read(model, member.people.numbered(), "row, hash(record_key) as record")
        })"""
    ).fetchnumpy()
    mark, record = np.zeros((2, member.people.rows), dtype=np.uint64)
    mark[every["row"]], record[every["row"]] = every["mark"], every["record"]
    tuple_of = np.full(member.people.rows, -1, dtype=np.int64)
    id_, tuple_ = arrays(connection, "select id, tuple from collapsed")
    tuple_of[id_] = tuple_
    held = connection.sql("from held").to_arrow_table().combine_chunks()
    connection.execute("drop table held")
    place = np.zeros(member.people.rows + 1, dtype=np.int64)
    place[held["id"].to_numpy()] = np.arange(len(held))
    rows = np.concatenate([ids, np.flatnonzero(tuple_of < 0)])
    at = place[tuple_of[rows]]
    whose = np.append(person, 0).astype(np.uint32)
    columns = {
        "mark": (pa.array(mark), rows),
        "record": (pa.array(record), rows),
        "person": (pa.array(whose), np.minimum(np.arange(len(rows)), len(person))),
    }
    for column in known_columns(model):
        if column not in columns:
            columns[column] = (held[column].combine_chunks(), at)
    stream(connection, "known_in_order", columns)
    queries = (
        f"select {', '.join(known_columns(model))} from known_in_order",
        "select * from ends_in_order",
        "select * from frequencies order by field, value",
    )
    for key, query, given in zip(
        _keys(model), queries, _givens(settings, model, member, linked), strict=True
    ):
        tables.publish(settings, connection, key, edition, query, **given)
    connection.unregister("known_in_order")
    connection.unregister("ends_in_order")


def _givens(
    settings: Settings, model: LinkageModel, member: Member, linked: Linked
) -> list[dict[str, Any]]:
    """Recipe and inputs of what is known, beside what was published."""
    basis = basis_of(settings, model, member.versions)
    beside: tuple[tuple[str, ...], ...] = (("people",), ("edges",), ())
    return [
        {
            "recipe": tables.recipe_of(basis, linked.tables["people"].recipe),
            "inputs": {
                "basis": basis,
                **{str(linked.tables[part].key): linked.tables[part].version for part in parts},
            },
        }
        for parts in beside
    ]


def remember_changes(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    linked: Linked,
    known: Known,
    gone: Gone,
) -> None:
    """Publish what is known now: what was known, but for what is gone, and what is new.

    Args:
        settings: the installation.
        connection: with `known_now` (`known_columns`, place), in the order of the people first, and
            `ends_now` (one, other), in the order of the links.
        edition: partition key.
        model: the settings.
        member: the identities.
        linked: as published, upon what was known.
        known: what was known.
        gone: what of it stands no more.
    """
    import numpy as np

    layers = (
        (
            known.records,
            f"select {', '.join(known_columns(model))} from known_now order by place",
            gone.known,
        ),
        (known.ends, "select * from ends_now", gone.edges),
        (
            known.frequencies,
            f"select * from {known.frequencies.sql} limit 0",
            np.zeros(0, dtype=np.int64),
        ),
    )
    for (below, query, dropped), given in zip(
        layers, _givens(settings, model, member, linked), strict=True
    ):
        tables.publish_upon(settings, connection, below, edition, query, dropped, **given)
