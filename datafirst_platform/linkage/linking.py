"""Linking people: within a dataset, then across datasets.

What belongs here: the run from identities to published edges and people. What does not: how values
are cleaned, compared or clustered, and the link of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import connect, text
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.clusters import Guard, Pairs, clusters
from datafirst_platform.linkage.models import (
    LEVELS,
    LinkageModel,
    linkage_model,
)
from datafirst_platform.linkage.publishing import (
    PEOPLE,
    Counts,
    Linked,
    publish,
    recipe_of,
    standing,
    table_key,
)
from datafirst_platform.linkage.scoring import (
    HUNDREDTHS,
    arrays,
    load_records,
    register,
    score_candidates,
    thresholds_of,
)
from datafirst_platform.linkage.standardise import define_macros
from datafirst_platform.safe_errors import values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    from datafirst_platform.linkage.clusters import Ints

_PERSONS = ", ".join(f"person_{level}" for level in LEVELS)

_EDGES = """
    select l.record_key as record_key_l, r.record_key as record_key_r, match_weight
    from edges join records as l on l.id = edges.l join records as r on r.id = edges.r
    order by edges.l, edges.r"""


def link_dataset(settings: Settings, edition: str, dataset: str) -> Linked:
    """Link the records of one dataset and publish its edges, people and counts.

    Tables: `linkage/<dataset>_edges` (record_key_l, record_key_r, match_weight), one row for two
    linked sets of identifiers, each named by its first record; `linkage/<dataset>_people`
    (record_key, person_high, person_medium, person_low), one row a record;
    `linkage/<dataset>_counts` (measure, level, value). Nothing is done where the same settings,
    model and identities have been linked already.

    Raises:
        NotReady: the identities or the trained model are not there, or the model is out of date.
        PlatformError: the settings are not valid, or the engine failed.
    """
    model = linkage_model(dataset, "within")
    sources = _identities(settings, edition, model)
    recipe, inputs = recipe_of(model, edition, sources)
    if stands := standing(settings, edition, dataset, PEOPLE, recipe):
        return stands
    with connect(settings) as connection, values_withheld(f"Linking {dataset}"):
        sizes = prepare(settings, connection, edition, model)
        counts = score_candidates(connection, model, sizes)
        connection.execute(
            "create temp view nodes as select id as node, id, member, pnc from tuples"
        )
        _cluster(connection, model)
        connection.execute(
            f"""create temp table people as
            select records.id, record_key, {", ".join(LEVELS)}
            from records join clustered on clustered.node = records.tuple"""
        )
        counts |= _count_edges(connection, model) | _count_people(connection)
        named = ", ".join(f"{level}_.record_key as person_{level}" for level in LEVELS)
        joins = " ".join(f"join records {each}_ on {each}_.id = people.{each}" for each in LEVELS)
        people = f"select people.record_key, {named} from people {joins} order by people.id"
        queries = {"edges": _EDGES, "people": people}
        return publish(settings, connection, edition, dataset, queries, counts, recipe, inputs)


def link_across(settings: Settings, edition: str, dataset: str) -> Linked:
    """Link the people of several datasets, each linked within already.

    Only pairs across datasets are scored: those within have been. Nobody whom a member holds for
    one person is split. Tables as of `link_dataset`; `<dataset>_people` has `source_dataset` before
    the key and holds every record of every member.

    Raises:
        NotReady: identities, a member's people or the trained model are not there, or the model is
            out of date.
        PlatformError: the settings are not valid, or the engine failed.
    """
    model = linkage_model(dataset, "across")
    sources = _identities(settings, edition, model)
    members = [
        tables.require(settings, table_key(member, "people"), edition) for member in model.members
    ]
    recipe, inputs = recipe_of(model, edition, [*sources, *members])
    if stands := standing(settings, edition, dataset, PEOPLE, recipe):
        return stands
    with connect(settings) as connection, values_withheld(f"Linking {dataset}"):
        sizes = prepare(settings, connection, edition, model)
        counts = score_candidates(connection, model, sizes)
        known = " union all ".join(
            f"select {text(member)} as source_dataset, * from read_parquet({text(version.path)})"
            for member, version in zip(model.members, members, strict=True)
        )
        given = _touched_people(connection, known)
        _cluster(connection, model, given)
        _rename(connection, known)
        counts |= _count_edges(connection, model) | _count_people(connection)
        people = (
            "select source_dataset, record_key, "
            + ", ".join(f"{level} as person_{level}" for level in LEVELS)
            + " from people order by source_dataset, record_key"
        )
        queries = {"edges": _EDGES, "people": people}
        return publish(settings, connection, edition, dataset, queries, counts, recipe, inputs)


def prepare(
    settings: Settings, connection: duckdb.DuckDBPyConnection, edition: str, model: LinkageModel
) -> list[int]:
    """Make `records` and `tuples` of a linkage of people; the number of tuples of each member."""
    define_macros(connection, edition)
    sources = _identities(settings, edition, model)
    load_records(connection, [(version.key.table, version.path) for version in sources])
    sizes = dict(
        connection.execute("select member, count(*) from tuples group by member").fetchall()
    )
    return [sizes.get(member, 0) for member in range(len(sources))]


def _identities(settings: Settings, edition: str, model: LinkageModel) -> list[TableVersion]:
    """The identities of every member of a linkage of people."""
    if model.kind == "within":
        return [tables.require(settings, TableKey.of("identities", model.members[0]), edition)]
    return [
        version
        for member in model.members
        for version in _identities(settings, edition, linkage_model(member))
    ]


def _cluster(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, given: Sequence[Ints] = ()
) -> None:
    """Make `clustered` (node, high, medium, low) of `nodes` (node, id, member, pnc) and `edges`."""
    import numpy as np

    left, right, weight = arrays(
        connection,
        f"""select l.node as l, r.node as r, (match_weight * {HUNDREDTHS})::integer as weight
        from edges join nodes as l on l.id = edges.l join nodes as r on r.id = edges.r""",
    )
    node, member = arrays(connection, "select node, member from nodes")
    holder, identifier = arrays(
        connection,
        "select node, dense_rank() over (order by pnc) - 1 as number from nodes "
        "where pnc is not null",
    )
    count = int(node.max(initial=-1)) + 1
    member_of = np.zeros(count, dtype=np.int64)
    member_of[node] = member
    labels = clusters(
        Pairs(left, right, weight),
        thresholds_of(model),
        Guard(member_of, holder, identifier),
        given,
    )
    columns = dict(zip(LEVELS, labels, strict=True))
    register(connection, "clustered", {"node": np.arange(count), **columns})


def _touched_people(connection: duckdb.DuckDBPyConnection, known: str) -> list[Ints]:
    """Make `nodes`: the tuples of everybody whom an edge touches; the partitions they come with.

    Nodes are numbered in the order of the record keys. People whom no edge touches stay as they
    are and need no clustering.
    """
    connection.execute(
        f"""create temp table placed as
        select records.id, records.member, record_key, {_PERSONS}
        from ({known}) join records using (record_key) where records.id = records.tuple"""
    )
    connection.execute(
        f"""create temp table nodes as
        select row_number() over (order by record_key) - 1 as node, id, member, pnc, record_key,
            {_PERSONS}
        from placed join tuples using (id, member)
        where person_low in (
            select person_low from placed
            where id in (select l from edges union all select r from edges))"""
    )
    connection.execute("drop table placed")
    # A person is named by the key of the first record, which is a node among the others.
    joins = " ".join(
        f"join nodes {each} on {each}.record_key = nodes.person_{each}" for each in LEVELS
    )
    columns = ", ".join(f"{level}.node as {level}" for level in LEVELS)
    return arrays(connection, f"select {columns} from nodes {joins} order by nodes.node")


def _rename(connection: duckdb.DuckDBPyConnection, known: str) -> None:
    """Make `people`: every record of every member under the people they are now."""
    names = ", ".join(f"{level}_.record_key as {level}" for level in LEVELS)
    joins = " ".join(f"join nodes {each}_ on {each}_.node = clustered.{each}" for each in LEVELS)
    connection.execute(
        f"""create temp table renamed as select nodes.record_key as before, {names}
        from clustered join nodes using (node) {joins}"""
    )
    now = ", ".join(f"coalesce({each}_.{each}, person_{each}) as {each}" for each in LEVELS)
    joins = " ".join(
        f"left join renamed {each}_ on {each}_.before = person_{each}" for each in LEVELS
    )
    connection.execute(
        f"create temp table people as select source_dataset, record_key, {now} from ({known}) {joins}"
    )


def _count_edges(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> Counts:
    return {
        ("edges", level): connection.execute(
            "select count(*) from edges where match_weight >= ?", [model.thresholds[level]]
        ).fetchall()[0][0]
        for level in LEVELS
    }


def _count_people(connection: duckdb.DuckDBPyConnection) -> Counts:
    counts: Counts = {}
    for level in LEVELS:
        people, largest = connection.execute(
            "select count(*), coalesce(max(size), 0) "
            f"from (select count(*) as size from people group by {level})"
        ).fetchall()[0]
        counts |= {("people", level): people, ("largest", level): largest}
    return counts
