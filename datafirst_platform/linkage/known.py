"""What a linkage leaves for the next one: by what the records it linked are known again.

What belongs here: the two tables `known/<dataset>` and `known/<dataset>_frequencies`, which hold
hashes of identifiers and lie in the secure zone, and whether they still fit. What does not: how
records are linked by them (`changes.py`).

`known/<dataset>`: `mark`, a hash of all that linkage reads of a row of the identities; `gone`,
whether the row with this mark is no more; `record`, the number of its key; `linked`, whether it is
of a person; `content`, a hash of its identifiers where equal ones are one tuple; `pnc`; and
`key_0`, … its blocking keys by rule. A linkage from nothing leaves a row for every row of the
identities; one that goes on leaves those that are new, changed or gone, a layer upon the ones
before.
`known/<dataset>_frequencies`: (field, value, tuples), how many tuples hold a value, as a hash; left
by a linkage from nothing alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from datafirst_platform import editions, tables
from datafirst_platform.engine import name, parquet, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.blocking import key_sql
from datafirst_platform.linkage.models import LinkageModel
from datafirst_platform.linkage.publishing import basis_of, table_key
from datafirst_platform.linkage.records import CONTENT, Member, key_number, numbered
from datafirst_platform.linkage.standardise import clean_query
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

_LAYER = "before/layer/"
"""Begins the label of an input that is what an edition before left, with the edition."""


@dataclass(frozen=True)
class Known:
    """What the linkage of the edition before left.

    Attributes:
        layers: `known/<dataset>` of each edition since the last that was linked from nothing.
        frequencies: `known/<dataset>_frequencies` of that one.
        people: the people the edition before published.
        edges: the links it published.
        counts: the counts it published.
    """

    layers: tuple[TableVersion, ...]
    frequencies: TableVersion
    people: TableVersion
    edges: TableVersion
    counts: TableVersion

    @property
    def inputs(self) -> Mapping[str, str]:
        """Data versions by name, as of another edition."""
        every = (self.frequencies, self.people, self.edges, self.counts)
        return {f"before/{version.key}": version.version for version in every} | {
            f"{_LAYER}{layer.edition}": layer.version for layer in self.layers
        }


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
    records, frequencies = _keys(model)
    newest = tables.current(settings, records, earlier.key)
    people, edges, counts = (
        tables.current(settings, table_key(model.dataset, part), earlier.key)
        for part in ("people", "edges", "counts")
    )
    if (
        not (newest and people and edges and counts)
        or newest.inputs.get(str(people.key)) != people.version
    ):
        return None
    under = {
        label.removeprefix(_LAYER): version
        for label, version in newest.inputs.items()
        if label.startswith(_LAYER)
    }
    layers = [tables.current(settings, records, each) for each in sorted(under)]
    known = [layer for layer in (*layers, newest) if layer is not None]
    common = tables.current(settings, frequencies, known[0].edition)
    basis = basis_of(settings, model, member.versions)
    fits = all(
        each.inputs.get("basis") == basis for each in (*known, *([common] if common else []))
    )
    stands = all(each.version == under[each.edition] for each in known[:-1])
    if common is None or not fits or not stands or len(known) <= len(under):
        return None
    return Known(tuple(known), common, people, edges, counts)


def _keys(model: LinkageModel) -> tuple[TableKey, TableKey]:
    return (
        TableKey.of("known", model.dataset),
        TableKey.of("known", f"{model.dataset}_frequencies"),
    )


def define_known(connection: duckdb.DuckDBPyConnection, known: Known) -> None:
    """Make `known`: all layers, each row with its `layer` and a number over all of them, `row`."""
    layers, first = [], 0
    for number, layer in enumerate(known.layers):
        layers.append(
            f"select * exclude (file_row_number), {number} as layer, "
            f"{first} + file_row_number as row from {parquet(layer.path, numbered=True)}"
        )
        first += layer.rows
    connection.execute(f"create temp view known as {' union all '.join(layers)}")


def mark_sql(table: str) -> str:
    """SQL of a hash of all that linkage reads of a row of identities."""
    return f"hash(record_key, {', '.join(columns_read(table))})"


def columns_read(table: str) -> list[str]:
    """The columns of identities that are cleaned for linkage, as SQL."""
    cleaning = clean_query(table, table, ())
    columns = (name(each.name) for each in contracts()[table].columns)
    return [each for each in columns if each in cleaning]


def keys_sql(model: LinkageModel) -> str:
    """SQL of the columns `content` and `key_0`, …, over standard records.

    Half of a key's hash is enough: what meets by chance is compared, and does not link.
    """
    keys = ", ".join(
        f"({key_sql(rule.agree_on)} >> 32)::uinteger as key_{number}"
        for number, rule in enumerate(model.blocking)
    )
    return f"{CONTENT} as content, {keys}"


def weighed_fields(model: LinkageModel) -> tuple[str, ...]:
    """The fields whose common values weigh less."""
    levels = (level for name in model.comparisons for level in model.comparisons[name])
    fields = (level.get("tf_adjustment_column") for level in levels)
    return tuple(dict.fromkeys(str(field) for field in fields if field))


def remember(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    people: TableVersion,
) -> None:
    """Publish what is known of the records just linked: `records`, `tuples` are still there."""
    table = member.people.key.table
    keys = ", ".join(f"key_{number}" for number in range(len(model.blocking)))
    records = f"""
        select mark, false as gone, {key_number("every.record_key")} as record,
            records.id is not null as linked, content, pnc, {keys}
        from (select row, record_key, {mark_sql(table)} as mark
            from ({numbered(member.people.path)})) as every
        left join records on every.row = records.id
        left join (select id, pnc, {keys_sql(model)} from tuples) as held
            on records.tuple = held.id
        order by every.row"""
    counted = (
        " union all ".join(
            f"""select {text(field)} as field, hash({field}) as value, count(*)::integer as tuples
        from tuples where {field} is not null group by {field}"""
            for field in weighed_fields(model)
        )
        or "select '' as field, 0::ubigint as value, 0 as tuples where false"
    )
    publish_known(settings, connection, edition, model, member, people, records)
    basis = basis_of(settings, model, member.versions)
    tables.publish(
        settings,
        connection,
        _keys(model)[1],
        edition,
        f"select * from ({counted}) order by field, value",
        recipe=tables.recipe_of(basis, people.recipe),
        inputs={"basis": basis},
    )


def publish_known(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    people: TableVersion,
    query: str,
    known: Known | None = None,
) -> None:
    """Publish an ordered query as what is known of these people; upon what was known before."""
    basis = basis_of(settings, model, member.versions)
    inputs = {"basis": basis, str(people.key): people.version}
    if known is not None:
        inputs |= {f"{_LAYER}{layer.edition}": layer.version for layer in known.layers}
    tables.publish(
        settings,
        connection,
        _keys(model)[0],
        edition,
        query,
        recipe=tables.recipe_of(basis, people.recipe),
        inputs=inputs,
    )
