"""Linking people: within a dataset, then across datasets.

What belongs here: the run from identities to published edges and people. What does not: how values
are cleaned, compared or clustered, and the link of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import arrays, connect
from datafirst_platform.linkage.blocking import nodes
from datafirst_platform.linkage.changes import follow
from datafirst_platform.linkage.clusters import (
    HUNDREDTHS,
    SEXES,
    Guard,
    Likelihood,
    Pairs,
    Unlikely,
    clusters,
    joined,
)
from datafirst_platform.linkage.known import can_follow, gather, remember
from datafirst_platform.linkage.lineage import earlier_people, lineage, people_before
from datafirst_platform.linkage.models import (
    LEVELS,
    LinkageModel,
    linkage_model,
)
from datafirst_platform.linkage.overrides import Overrides, decided, overrides_of
from datafirst_platform.linkage.publishing import (
    PEOPLE,
    Counts,
    Linked,
    pairs_before,
    publish,
    recipe_of,
    standing,
    table_key,
)
from datafirst_platform.linkage.records import (
    Member,
    forget_tuples,
    load_records,
    members_of,
    record_keys,
)
from datafirst_platform.linkage.scoring import score_candidates, stream, thresholds_of
from datafirst_platform.linkage.standardise import ADDRESS, BESIDE, define_macros
from datafirst_platform.safe_errors import NotReady, PlatformError, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints

_QUERIES = {
    "edges": "select record_key_l, record_key_r, "
    f"(weight / {HUNDREDTHS})::decimal(6, 2) as match_weight from edges_in_order",
    "people": "select * from people_in_order",
    "crosswalk": "select * from crosswalk order by level, previous_person, person",
}


@dataclass(frozen=True)
class _Records:
    """The records of a linkage as they are published: by member, then by key.

    Attributes:
        id: as in `records`.
        member: number of the dataset.
        node: id of the first record that holds the same identifiers, or that the source holds for
            the same person.
        key: record keys (Arrow).
        node_of: for every tuple its node.
    """

    id: Ints
    member: Ints
    node: Ints
    key: Any
    node_of: Ints

    @property
    def ids(self) -> int:
        """One more than the largest id."""
        return len(self.node_of)

    def links(self, left: Ints, right: Ints, weight: Ints) -> Pairs:
        """Scored pairs of tuples as pairs of nodes, each once, at its best weight, in order."""
        import numpy as np

        left, right = self.node_of[left], self.node_of[right]
        left, right = np.minimum(left, right), np.maximum(left, right)
        left, right, weight = _in_order(left, right, weight, self.ids)
        same = (left[1:] == left[:-1]) & (right[1:] == right[:-1])
        first = np.r_[True, ~same][: len(left)] & (left != right)
        return Pairs(left[first], right[first], weight[first])

    def place(self, ids: Ints) -> Ints:
        """Where records with these ids stand."""
        import numpy as np

        at = np.zeros(self.ids, dtype=np.int64)
        at[self.id] = np.arange(len(self.id))
        found: Ints = at[ids]
        return found

    def first(self, labels: Ints) -> Ints:
        """For every label, by id, where the first record that bears it stands; -1 for none.

        Args:
            labels: of every record one, an id.
        """
        import numpy as np

        first: Ints = np.full(self.ids, -1, dtype=np.int64)
        # Of several records the last to be set stays.
        first[labels[::-1]] = np.arange(len(labels))[::-1]
        return first


def _in_order(left: Ints, right: Ints, weight: Ints, ids: int) -> tuple[Ints, Ints, Ints]:
    """Pairs by left, right and falling weight.

    One whole number a pair sorts in a quarter of the time, as long as it has room for all three.
    """
    import numpy as np

    if not len(weight):
        return left, right, weight
    most = int(weight.max())
    span = most - int(weight.min()) + 1
    if ids * ids * span >= 1 << 63:
        order = np.lexsort((-weight, right, left))
        return left[order], right[order], weight[order]
    # Put together and taken apart in one place: there may be tens of millions.
    packed = left * np.int64(ids)
    packed += right
    packed *= span
    packed += most
    packed -= weight
    packed.sort()
    weight = most - packed % span
    packed //= span
    right = packed % ids
    packed //= ids
    return packed, right, weight


def link_dataset(settings: Settings, edition: str, dataset: str) -> Linked:
    """Link the records of one dataset and publish its edges, people, crosswalk and counts.

    Tables: `linkage/<dataset>_edges` (record_key_l, record_key_r, match_weight), one row for two
    linked sets of identifiers, each named by its first record; `linkage/<dataset>_people`
    (record_key, person_high, person_medium, person_low, and since which edition each key of a
    person is borne), one row a record; `restricted/<dataset>_crosswalk` (see `lineage`);
    `linkage/<dataset>_counts` (measure, level, value). Nothing is done where the same settings,
    model and identities have been linked already. Where the installation is incremental it goes on
    from what the edition before left, if that still fits.

    Raises:
        NotReady: the identities or the trained model are not there, or the model is out of date.
        PlatformError: the settings are not valid, or the engine failed.
    """
    model = linkage_model(dataset, "within")
    read = members_of(settings, edition, model)
    before = people_before(settings, edition, dataset)
    recipe, inputs = recipe_of(
        settings, edition, model, [each for member in read for each in member.versions], before
    )
    if stands := standing(settings, edition, dataset, PEOPLE, recipe):
        return stands
    if settings.incremental and not settings.relink:
        followed = follow(settings, edition, model, read[0], recipe, inputs, _QUERIES)
        if followed is not None:
            return followed
    with connect(settings) as connection, values_withheld(f"Linking {dataset}"):
        sizes = prepare(settings, connection, edition, model)
        counts = score_candidates(connection, model, sizes, pairs_before(settings, edition, model))
        records = _records(connection, read)
        links = _links(connection, records)
        decisions = overrides_of(settings, dataset)
        labels = _cluster(connection, model, records, links, decisions)
        remembers = settings.incremental and can_follow(model)
        if remembers:
            gather(connection, model)
        forget_tuples(connection)
        counts |= _people(connection, edition, before, records, labels)
        counts |= _edges(connection, model, records, links)
        linked = publish(settings, connection, edition, dataset, _QUERIES, counts, recipe, inputs)
        if remembers:
            remember(
                settings,
                connection,
                edition,
                model,
                read[0],
                linked,
                records.id,
                labels[-1],
            )
        return linked


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
    read = members_of(settings, edition, model)
    linked = [
        tables.require(settings, table_key(member, "people"), edition) for member in model.members
    ]
    for member, people in zip(read, linked, strict=True):
        if any(people.inputs.get(str(each.key)) != each.version for each in member.versions):
            msg = f"{people.key} was linked from other records than stand now: link it again first."
            raise NotReady(msg)
    versions = [each for member in read for each in member.versions]
    before = people_before(settings, edition, dataset)
    recipe, inputs = recipe_of(settings, edition, model, [*versions, *linked], before)
    if stands := standing(settings, edition, dataset, PEOPLE, recipe):
        return stands
    with connect(settings) as connection, values_withheld(f"Linking {dataset}"):
        sizes = prepare(settings, connection, edition, model)
        counts = score_candidates(connection, model, sizes, pairs_before(settings, edition, model))
        records = _records(connection, read)
        given = _given(connection, records, linked)
        links = _links(connection, records)
        decisions = overrides_of(settings, dataset)
        labels = _cluster(connection, model, records, links, decisions, given)
        forget_tuples(connection)
        counts |= _people(connection, edition, before, records, labels, model.members)
        counts |= _edges(connection, model, records, links)
        return publish(settings, connection, edition, dataset, _QUERIES, counts, recipe, inputs)


def prepare(
    settings: Settings, connection: duckdb.DuckDBPyConnection, edition: str, model: LinkageModel
) -> list[int]:
    """Make `records` and `tuples` of a linkage of people; the number of tuples of each member."""
    define_macros(connection, edition)
    members = members_of(settings, edition, model)
    return load_records(
        connection,
        members,
        addresses=model.compares(ADDRESS),
        beside=model.compares(BESIDE),
    )


def _records(connection: duckdb.DuckDBPyConnection, members: Sequence[Member]) -> _Records:
    import numpy as np
    import pyarrow as pa

    id_, member, tuple_ = arrays(connection, "select id, member, tuple from collapsed")
    last = connection.execute("select max(id) from tuples").fetchall()[0][0]
    ids = max(int(id_.max(initial=-1)), -1 if last is None else last) + 1
    node_of = nodes(connection, ids)
    if node_of is None:
        node_of = np.arange(ids, dtype=np.int64)
    member_of, tuple_of = np.zeros(ids, dtype=np.int64), np.full(ids, -1, dtype=np.int64)
    member_of[id_], tuple_of[id_] = member, tuple_
    keys, order = record_keys(connection, members)
    # Organisations are left out, and stand at the end of the ids perhaps.
    order = order[order < ids]
    order = order[tuple_of[order] >= 0]
    return _Records(
        order, member_of[order], node_of[tuple_of[order]], keys.take(pa.array(order)), node_of
    )


def _links(connection: duckdb.DuckDBPyConnection, records: _Records) -> Pairs:
    """The pairs of `edges` by node; it is dropped, and so is `pairs`."""
    left, right, weight = arrays(
        connection, f"select l, r, (match_weight * {HUNDREDTHS})::integer as weight from edges"
    )
    connection.unregister("pairs")
    connection.execute("drop table edges")
    return records.links(left, right, weight)


def _cluster(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: _Records,
    links: Pairs,
    decisions: Overrides,
    given: Sequence[Ints] = (),
) -> list[Ints]:
    """Cluster the nodes by their links; every record's smallest id of its cluster, by level.

    Raises:
        PlatformError: two records are decided never to be one that cannot be told apart.
    """
    import numpy as np

    holder, identifier = arrays(
        connection,
        "select id, dense_rank() over (order by pnc) - 1 as number from tuples "
        "where pnc is not null",
    )
    member = np.zeros(records.ids, dtype=np.int64)
    member[records.id] = records.member
    apart = None
    if decisions.decisions:
        found = decided(connection, decisions)
        one, other = (records.node[records.place(side)] for side in found["always"])
        given = [joined(each, one, other) for each in given or [np.arange(records.ids)] * 3]
        apart = _never(model, records, found["never"], given)
    likelihood = _likelihood(connection, model.unlikely, records) if model.unlikely else None
    guard = Guard(member, records.node_of[holder], identifier, apart, likelihood)
    return [labels[records.node] for labels in clusters(links, thresholds_of(model), guard, given)]


def _never(
    model: LinkageModel, records: _Records, decided: tuple[Ints, Ints], given: Sequence[Ints]
) -> tuple[Ints, Ints]:
    """The nodes of records that are decided to be apart."""
    one, other = (records.node[records.place(side)] for side in decided)
    one_already = (one == other) | (given[-1][one] == given[-1][other])
    if one_already.any():
        msg = (
            f"{int(one_already.sum())} decisions on {model.dataset} hold apart what is one before "
            "anything is linked: by equal identifiers, by the source's own id, by another decision "
            "or by the linkage of a member. Decide there, or withdraw them "
            f"(`datafirst linkage override sign {model.dataset} FILE`)."
        )
        raise PlatformError(msg)
    return one, other


def _likelihood(
    connection: duckdb.DuckDBPyConnection, rule: Unlikely, records: _Records
) -> Likelihood:
    """What records' own identifiers tell of sex and year of birth; other forms of a name do not."""
    import numpy as np

    found = connection.sql(
        f"""select id, {SEXES} as sex, coalesce(year(dob), 0)::smallint as birth_year
        from tuples semi join collapsed on tuples.id = collapsed.tuple"""
    ).to_arrow_table()
    node = records.node_of[found["id"].to_numpy()]
    year = found["birth_year"].to_numpy()
    sex: NDArray[np.uint8] = np.zeros(records.ids, dtype=np.uint8)
    np.bitwise_or.at(sex, node, found["sex"].to_numpy())
    birth_year: NDArray[np.int16] = np.zeros(records.ids, dtype=np.int16)
    np.maximum.at(birth_year, node, year)
    return Likelihood(rule, sex, birth_year)


def _given(
    connection: duckdb.DuckDBPyConnection, records: _Records, people: Sequence[TableVersion]
) -> list[Ints]:
    """The people of every member as partitions of ids, by level."""
    import numpy as np

    given: list[Ints] = [np.arange(records.ids) for _ in LEVELS]
    for number, version in enumerate(people):
        mine = np.flatnonzero(records.member == number)
        for labels, level in zip(given, LEVELS, strict=True):
            person = _in_key_order(connection, version, f"person_{level}")
            code = person.dictionary_encode().indices.to_numpy()
            # A person stands for the first of their records: of several the last to be set.
            first = np.zeros(int(code.max(initial=-1)) + 1, dtype=np.int64)
            first[code[::-1]] = np.arange(len(code))[::-1]
            labels[records.node[mine]] = records.id[mine[first[code]]]
    return given


def _in_key_order(
    connection: duckdb.DuckDBPyConnection, version: TableVersion, column: str
) -> pa.Array:
    """A column of published people in the order of their record keys (Arrow)."""
    if len(version.layers) == 1:
        return version.read(column)
    ordered = f"select {column} from {version.sql} order by record_key"
    return connection.sql(ordered).to_arrow_table()[column].combine_chunks()


def _people(
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    before: TableVersion | None,
    records: _Records,
    labels: Sequence[Ints],
    members: Sequence[str] = (),
) -> Counts:
    """Stream `people_in_order`: every record under its people; make `crosswalk`; count them."""
    import numpy as np
    import pyarrow as pa

    columns: dict[str, tuple[Any, Ints]] = {"record_key": (records.key, np.arange(len(records.id)))}
    if members:
        columns = {"source_dataset": (pa.array(members), records.member), **columns}
    smallest = [_names(records, label) for label in labels]
    place = records.place(np.arange(records.ids))
    earlier = earlier_people(connection, before, place, members)
    told = lineage(connection, edition, earlier, records.key, smallest)
    counts = dict(told.counts)
    for level, names, named in zip(LEVELS, told.levels, smallest, strict=True):
        columns[f"person_{level}"] = (names.keys, named)
        sizes = np.bincount(named) if len(named) else np.zeros(1, dtype=np.int64)
        counts["people", level] = int((sizes > 0).sum())
        counts["largest", level] = int(sizes.max())
    for level, names, named in zip(LEVELS, told.levels, smallest, strict=True):
        columns[f"since_{level}"] = (told.editions, names.since[named])
    stream(connection, "people_in_order", columns)
    return counts


def _names(records: _Records, label: Ints) -> Ints:
    """Where the record with the smallest key of each record's cluster stands."""
    import numpy as np
    import pyarrow.compute as pc

    named: Ints = records.first(label)
    for number in range(1, int(records.member.max(initial=0)) + 1):
        # The first of a member has the smallest key of it; another member may have a smaller one.
        mine = np.flatnonzero(records.member == number)
        cluster, first = np.unique(label[mine], return_index=True)
        candidate = mine[first]
        smaller = pc.less(records.key.take(candidate), records.key.take(named[cluster])).to_numpy(
            zero_copy_only=False
        )
        named[cluster[smaller]] = candidate[smaller]
    found: Ints = named[label]
    return found


def _edges(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, records: _Records, links: Pairs
) -> Counts:
    """Stream `edges_in_order`: the links by the keys of their nodes' first records; count them.

    `ends_in_order` (one, other) has the places of these records.
    """
    import numpy as np
    import pyarrow as pa

    first = records.first(records.node)
    one, other = first[links.left], first[links.right]
    left = np.minimum(one, other)
    right = np.maximum(one, other, out=one)
    del other
    left, right, weight = _in_order(left, right, links.weight, records.ids)

    ends = {"one": left.astype(np.uint32), "other": right.astype(np.uint32)}
    connection.register("ends_in_order", pa.table(ends))
    columns = {
        "record_key_l": (records.key, left),
        "record_key_r": (records.key, right),
        "weight": (pa.array(weight), np.arange(len(weight))),
    }
    stream(connection, "edges_in_order", columns)
    return {
        ("edges", level): int((links.weight >= least).sum())
        for level, least in zip(LEVELS, thresholds_of(model), strict=True)
    }
