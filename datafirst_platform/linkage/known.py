"""What a linkage leaves for the next one: by what the records it linked are known again.

What belongs here: the two tables `known/<dataset>` and `known/<dataset>_frequencies`, which hold
hashes of identifiers and lie in the secure zone, and whether they still fit. What does not: how
records are linked by them (`changes.py`).

`known/<dataset>`: a row for each row of the identities, in their order: `mark`, a hash of all that
linkage reads of it; `linked`, whether it is of a person; `content`, a hash of its identifiers where
equal ones are one tuple; `pnc`; and `key_0`, … its blocking keys by rule.
`known/<dataset>_frequencies`: (field, value, tuples), how many tuples hold a value, as a hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from datafirst_platform import editions, tables
from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.blocking import key_sql
from datafirst_platform.linkage.models import LinkageModel
from datafirst_platform.linkage.publishing import basis_of, table_key
from datafirst_platform.linkage.records import CONTENT, Member, numbered
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion


@dataclass(frozen=True)
class Known:
    """What the linkage of the edition before left.

    Attributes:
        records: `known/<dataset>`.
        frequencies: `known/<dataset>_frequencies`.
        people: the people it published.
        edges: the links it published.
        counts: the counts it published.
    """

    records: TableVersion
    frequencies: TableVersion
    people: TableVersion
    edges: TableVersion
    counts: TableVersion

    @property
    def inputs(self) -> Mapping[str, str]:
        """Data versions by name, as of another edition."""
        every = (self.records, self.frequencies, self.people, self.edges, self.counts)
        return {f"before/{version.key}": version.version for version in every}


def can_follow(model: LinkageModel) -> bool:
    """Whether a linkage can be taken on from what is known: where a record is all there is.

    Where a source tells of people in several tables or names, or says itself who is one, a change
    of one record changes others, and the linkage starts from nothing.
    """
    contract = contracts()[model.members[0]]
    several = model.evidence or contract.source_person is not None
    fed = {field for column in contract.columns for field in column.feeds}
    return model.kind == "within" and not several and "previous_surname" not in fed


def known_before(
    settings: Settings, edition: str, model: LinkageModel, member: Member
) -> Known | None:
    """What is known from the edition before, if left by this very code, model and cleaning."""
    earlier = editions.before(edition)
    if earlier is None or not can_follow(model):
        return None
    records, frequencies = (tables.current(settings, key, earlier.key) for key in _keys(model))
    people, edges, counts = (
        tables.current(settings, table_key(model.dataset, part), earlier.key)
        for part in ("people", "edges", "counts")
    )
    if not (records and frequencies and people and edges and counts):
        return None
    basis = basis_of(model, member.versions)
    fits = all(
        each.inputs.get("basis") == basis and each.inputs.get(str(people.key)) == people.version
        for each in (records, frequencies)
    )
    return Known(records, frequencies, people, edges, counts) if fits else None


def _keys(model: LinkageModel) -> tuple[TableKey, TableKey]:
    return (
        TableKey.of("known", model.dataset),
        TableKey.of("known", f"{model.dataset}_frequencies"),
    )


def mark_sql(table: str) -> str:
    """SQL of a hash of all that linkage reads of a row of identities."""
    columns = contracts()[table].columns
    read = {each.name for each in columns if each.feeds}
    read |= {each.links_by.column for each in columns if each.links_by}
    return f"hash({', '.join(['record_key', *map(name, sorted(read))])})"


def keys_sql(model: LinkageModel) -> str:
    """SQL of the columns `content` and `key_0`, …, over standard records."""
    keys = ", ".join(
        f"{key_sql(rule.agree_on)} as key_{number}" for number, rule in enumerate(model.blocking)
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
        select mark, records.id is not null as linked, content, pnc, {keys}
        from (select row, {mark_sql(table)} as mark
            from ({numbered(connection, member.people.path)})) as every
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
    publish_known(
        settings,
        connection,
        edition,
        model,
        member,
        people,
        records,
        f"select * from ({counted}) order by field, value",
    )


def publish_known(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    people: TableVersion,
    records: str,
    frequencies: str,
) -> None:
    """Publish the ordered queries of the two tables, as known for these people."""
    basis = basis_of(model, member.versions)
    inputs = {"basis": basis, str(people.key): people.version}
    for key, query in zip(_keys(model), (records, frequencies), strict=True):
        tables.publish(
            settings,
            connection,
            key,
            edition,
            query,
            recipe=tables.recipe_of(basis, people.recipe),
            inputs=inputs,
        )
