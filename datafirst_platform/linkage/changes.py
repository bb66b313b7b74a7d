"""Linking what changed: new records against those known from the edition before.

What belongs here: the run of a linkage within a dataset that takes the people of the edition before
as they are, and finds a place for records that are new or were changed. What does not: what is kept
for it (`known.py`), comparing (`scoring.py`), keys of people (`lineage.py`).

A record whose identifiers are those of a known one is of the same person. All others are compared
with each other and with the known records they share a block with, and join people strongest link
first, under the guards of a whole linkage. Two people known apart are never joined: whoever links
to both goes to the better one, and the link to the other is a *bridge*, left for a decision.
Records that are gone leave; those who remain are not parted.

It costs what changed, and two looks at the identities: one tells what is the same, one fetches the
records to be compared. Of what is known only the columns of numbers are read whole, and people and
links are published as layers upon those of the edition before. A record is named by its number
(`Known`); those that are new have the numbers that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import arrays, connect, register, text
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.clusters import (
    HUNDREDTHS,
    Guard,
    Likelihood,
    Pairs,
    _contradict,
    _mutually_best,
    joined,
    may_be_one,
    outward,
)
from datafirst_platform.linkage.known import (
    TOLD,
    Gone,
    Known,
    keys_sql,
    known_before,
    remember_changes,
    rows_read,
    weighed_fields,
)
from datafirst_platform.linkage.lineage import Earlier, lineage
from datafirst_platform.linkage.models import LEVELS, LinkageModel, splink_settings, trained_model
from datafirst_platform.linkage.overrides import Overrides, overrides_of
from datafirst_platform.linkage.publishing import Counts, Linked, publish, standing
from datafirst_platform.linkage.records import CONTENT, Member, key_number, order_of_keys
from datafirst_platform.linkage.scoring import score, thresholds_of
from datafirst_platform.linkage.standardise import (
    ADDRESS,
    CLEANED,
    FIELDS,
    clean_query,
    define_macros,
    derive_query,
)
from datafirst_platform.safe_errors import values_withheld
from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints

MOST_CHANGED = 0.1
"""Share of records, new or changed, beyond which a linkage starts from nothing: by then it costs as
much, and what is known says little."""


_PIECE = 1 << 17
"""Values looked at in one go: what is made of them stays in a core's cache."""


@dataclass(frozen=True)
class _Before:
    """What is known, by the number of a record.

    Attributes:
        known: what the edition before left.
        counts: what it counted.
        lives: whether it stands in the edition before and in this one, unchanged.
        content: hash of its identifiers, 0 where there is none.
        person: a number it has in common with all of its people by the most lenient threshold.
        gone: numbers of those that are gone or were changed since, of a person or not.
        lost: the same of a person alone.
        unreached: for each of the latter whether no blocking rule reached it.
    """

    known: Known
    counts: Counts
    lives: NDArray[np.bool_]
    content: NDArray[np.uint64]
    person: Ints
    gone: Ints
    lost: Ints
    unreached: NDArray[np.bool_]


@dataclass(frozen=True)
class _Touched:
    """The records a change may tell of: those that are new, and all of the people near them.

    Attributes:
        row: their numbers, in the order of their keys; what follows is by their place.
        node: first place with the same identifiers.
        key: record keys (Arrow).
        pnc: police identifiers (Arrow).
        told: what they tell of sex and year of birth, if it matters.
        person: by threshold a number of the person they are known as, -1 where new.
        people: the rows of the people before that tell of them (Arrow), with their number, `row`.
        stays: for each of these whether its record still stands, unchanged.
    """

    row: Ints
    node: Ints
    key: pa.Array
    pnc: pa.Array
    told: Likelihood | None
    person: Sequence[Ints]
    people: pa.Table
    stays: NDArray[np.bool_]

    def place(self, rows: Ints) -> Ints:
        """Where records of these numbers stand."""
        import numpy as np

        order = np.argsort(self.row)
        found: Ints = order[np.searchsorted(self.row, rows, sorter=order)]
        return found


def follow(
    settings: Settings,
    edition: str,
    model: LinkageModel,
    member: Member,
    recipe: str,
    inputs: Mapping[str, str],
    queries: Mapping[str, str],
) -> Linked | None:
    """Link what changed since the edition before and publish it, with what the next one needs.

    Besides the tables of a linkage: `restricted/<dataset>_bridges` (level, record_key,
    other_record_key, match_weight).

    Args:
        settings: the installation.
        edition: partition key.
        model: the settings of the linkage.
        member: its identities.
        recipe: what a linkage from nothing would follow from.
        inputs: its inputs by name.
        queries: the ordered queries of its parts.

    Returns:
        None where there is nothing to go on from, or too much has changed.

    Raises:
        PlatformError: the engine failed.
    """
    known = known_before(settings, edition, model, member)
    if known is None:
        return None
    again = tables.recipe_of(recipe, known.inputs)
    if stands := standing(settings, edition, model.dataset, (*queries, "counts"), again):
        return stands
    with connect(settings) as connection, values_withheld(f"Linking {model.dataset}"):
        decisions = overrides_of(settings, model.dataset)
        changed = link_changes(connection, edition, model, member, known, decisions)
        if changed is None:
            return None
        counts, gone = changed
        # First: once the linkage stands it is not run again, and they would be missed.
        tables.publish(
            settings,
            connection,
            TableKey.of("restricted", f"{model.dataset}_bridges"),
            edition,
            "select * from bridges order by match_weight desc, record_key, other_record_key",
            recipe=again,
            inputs=known.inputs,
        )
        linked = publish(
            settings,
            connection,
            edition,
            model.dataset,
            queries,
            counts,
            again,
            {**inputs, **known.inputs},
            {
                "people": (known.people, known.row_of(gone.people)),
                "edges": (known.edges, gone.edges),
            },
        )
        remember_changes(settings, connection, edition, model, member, linked, known, gone)
        return linked


def link_changes(
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    known: Known,
    decisions: Overrides,
) -> tuple[Counts, Gone] | None:
    """Link what is new or changed; make what is new of the tables of a linkage, and `bridges`.

    Makes `edges_in_order`, `people_in_order`, `crosswalk`, `known_now` and `bridges` (level,
    record_key, other_record_key, match_weight).

    Args:
        connection: empty.
        edition: partition key.
        model: the settings of a linkage that `can_follow`.
        member: the identities.
        known: what the edition before left.
        decisions: of people, on this linkage.

    Returns:
        The counts, and what of the edition before stands no more; None where too much has changed,
        or it was decided with whom a record that is new belongs.
    """
    source = member.people.sql
    before = _compare(connection, model, source, known)
    fresh = connection.execute("select count(*) from fresh_rows").fetchall()[0][0]
    if fresh > MOST_CHANGED * member.people.rows:
        return None
    define_macros(connection, edition)
    _arrive(connection, model)
    if _is_decided_on(connection, decisions):
        return None
    _find(connection, model, before)
    counts = _pair(connection, model)
    _score(connection, model, source, before)
    touched, links = _touch(connection, model, before)
    labels, bridges = settle(
        links, thresholds_of(model), touched.node, touched.person, touched.pnc, touched.told
    )
    counts |= _name(connection, edition, before, touched, labels)
    counts |= _bridge(connection, touched, bridges)
    linked, edges = _edges(connection, model, before, touched, links)
    counts |= linked
    _remember(connection, model, before, touched, labels[-1])
    counts |= _count_tuples(connection, model, before)
    return counts, Gone(before.gone, before.lost, edges)


def _compare(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, source: str, known: Known
) -> _Before:
    """Find out which rows are the same; make `fresh_rows`, of those that are not, with numbers."""
    import numpy as np

    # Rows that are the same on both sides leave no trace.
    connection.execute(
        f"""create temp table compared as
        select every.*, known.row as gone
        from ({rows_read(model, source, "true as is_here")}) as every
        full join (select mark as known_mark, row from {known.records.numbered()}) as known
            on every.mark = known.known_mark
        where every.mark is null or known.known_mark is null"""
    )
    connection.execute(
        f"""create temp table fresh_rows as
        select * exclude (is_here, gone),
            {known.numbers} + row_number() over (order by record_key) - 1 as row
        from compared where is_here"""
    )
    (gone,) = arrays(connection, "select gone from compared where gone is not null order by gone")
    connection.execute("drop table compared")
    linked = known.is_linked()
    lives = known.records.stands()
    lives[gone] = False
    lost = gone[linked[gone]]
    counted = connection.execute(f"select measure, level, value from {known.counts.sql}").fetchall()
    return _Before(
        known,
        {(measure, level): value for measure, level, value in counted},
        lives & linked,
        known.records.read("content").to_numpy(),
        known.records.read("person").to_numpy(),
        gone,
        lost,
        np.ones(len(lost), dtype=bool),
    )


def _arrive(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Make `arrivals` (row, record_key, `CLEANED`, content, tuple) and their tuples, `arrived`.

    `arrived` has `FIELDS`, content and blocking keys; its id is the first row of a tuple.
    """
    cleaned = _compared(model)
    connection.execute(
        f"""create temp table arrivals as
        select *, case when content is null then row
            else min(row) over (partition by content) end as tuple
        from (select *, {CONTENT} as content from (select row, record_key, {cleaned}
            from ({clean_query(model.members[0], "from fresh_rows")})))"""
    )
    connection.execute(
        f"""create temp table arrived as
        select row as id, {", ".join(FIELDS)}, {keys_sql(model)}
        from ({derive_query("select * exclude (content) from arrivals where row = tuple")})"""
    )


def _compared(model: LinkageModel) -> str:
    """SQL of the columns `CLEANED`; an address where the model compares it alone, as ever."""
    return ", ".join(
        f"{field if field != ADDRESS or model.compares(ADDRESS) else 'null'}::{kind} as {field}"
        for field, kind in CLEANED.items()
    )


def _is_decided_on(connection: duckdb.DuckDBPyConnection, decisions: Overrides) -> bool:
    """Whether a decision is on a record that is new or was changed."""
    keys = [key for each in decisions.decisions for key in (each.one, each.other)]
    found = connection.execute(
        "select count(*) from arrivals where list_contains(?::varchar[], record_key)", [keys]
    ).fetchall()
    return bool(found[0][0])


def _find(connection: duckdb.DuckDBPyConnection, model: LinkageModel, before: _Before) -> None:
    """Make `hits` and `near`: known records like those that are new.

    `hits` (content, row): with the same identifiers. `near` (rule, key, content, row): in a block
    with one that has no such. Who is gone is left out, but for what `before` tells of them.
    """
    import numpy as np

    def wanted(column: str, table: str) -> NDArray[Any]:
        found = connection.execute(
            f"select distinct {column} from {table} where {column} <> 0 order by {column}"
        ).fetchnumpy()
        return np.asarray(found[column])

    hits = _among(wanted("content", "arrived"))(before.content, before.lives)
    register(connection, "hits", {"content": before.content[hits], "row": hits})
    connection.execute(
        "create temp table lone as select * from arrived anti join hits using (content)"
    )
    none = np.zeros(0, dtype=np.int64)
    near: list[tuple[NDArray[Any], ...]] = [(none.astype(np.uint8), none.astype(np.uint32), none)]
    for number in range(len(model.blocking)):
        column = f"key_{number}"
        search = _among(wanted(column, "lone"))
        for first, key in before.known.records.groups(column):
            left = slice(*np.searchsorted(before.lost, [first, first + len(key)]))
            before.unreached[left] &= key[before.lost[left] - first] == 0
            row = search(key, before.lives[first : first + len(key)])
            near.append((np.full(len(row), number, dtype=np.uint8), key[row], first + row))
    rule, key, row = (np.concatenate(parts) for parts in zip(*near, strict=True))
    register(
        connection,
        "near",
        {"rule": rule, "key": key, "content": before.content[row], "row": row},
    )


def _among(wanted: NDArray[Any]) -> Callable[[NDArray[Any], NDArray[np.bool_]], Ints]:
    """A search for those of some whole numbers that are among the wanted ones, which rise.

    Nearly none is, and two looks tell: a table has a place for every value of the lowest bits, and
    another for the highest. Both are small, so that they stay in a core's cache. A third look, at
    who has that place, tells nearly all that are; only of the others is it asked where they are.

    Returns:
        A function of values, and of which of them to look at, that says where they stand.
    """
    import numpy as np

    kind, most = wanted.dtype.type, int(wanted.max(initial=0)).bit_length()
    bits, more = (4 * len(wanted)).bit_length(), (16 * len(wanted)).bit_length()
    low, high = kind((1 << bits) - 1), kind((1 << more) - 1)
    # 0 stands for nothing in many places, and should look like none that is wanted.
    shifts = (kind(each) for each in range(max(most - more, 0), 0, -1))
    shift = next((each for each in shifts if (wanted >> each).all()), kind(0))
    is_wanted, is_wanted_too = np.zeros(1 << bits, dtype=bool), np.zeros(1 << more, dtype=bool)
    holder = np.zeros(1 << bits, dtype=np.int32)
    is_wanted[wanted & low] = True
    holder[wanted & low] = np.arange(len(wanted))
    is_wanted_too[(wanted >> shift) & high] = True

    def look(values: NDArray[Any], which: NDArray[np.bool_]) -> Ints:
        at: Ints = np.flatnonzero(is_wanted[values & low])
        at = at[is_wanted_too[(values[at] >> shift) & high] & which[at]]
        if len(at):
            value = values[at]
            is_one = wanted[holder[value & low]] == value
            doubt = np.flatnonzero(~is_one)
            found = np.minimum(np.searchsorted(wanted, value[doubt]), len(wanted) - 1)
            is_one[doubt] = wanted[found] == value[doubt]
            at = at[is_one]
        return at

    def search(values: NDArray[Any], which: NDArray[np.bool_]) -> Ints:
        found = [
            start + look(values[start : start + _PIECE], which[start : start + _PIECE])
            for start in range(0, len(values), _PIECE)
        ]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    return search


def _pair(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> Counts:
    """Make `pairs` of the new tuples with each other and with the known ones of their blocks.

    A block counts as it would in a whole linkage: one that is crowded gives no pair.
    """
    blocks = " union all ".join(
        f"""select {number}::utinyint as rule, key_{number} as key, id, true as is_new
        from lone where key_{number} <> 0"""
        for number in range(len(model.blocking))
    )
    ceilings = ", ".join(
        f"({number}, {rule.ceiling})" for number, rule in enumerate(model.blocking)
    )
    connection.execute(
        f"""create temp table blocks as
        with every as (
            {blocks}
            union all
            select distinct rule, key, case when content = 0 then row
                else min(row) over (partition by content) end, false
            from near)
        select every.* from every
        inner join (values {ceilings}) as ceilings (rule, most) using (rule)
        qualify count(*) over (partition by rule, key) <= most"""
    )
    connection.execute(
        """create temp table pairs as
        select min(one.rule) as match_key, least(one.id, other.id) as join_key_l,
            greatest(one.id, other.id) as join_key_r
        from blocks as one inner join blocks as other
            on one.rule = other.rule and one.key = other.key
                and (one.id < other.id or not other.is_new) and one.id <> other.id
        where one.is_new
        group by join_key_l, join_key_r
        order by join_key_l, join_key_r"""
    )
    counted = connection.execute(
        "select match_key, count(*) from pairs group by match_key"
    ).fetchall()
    by_rule = dict(counted)
    return {
        ("pairs", rule.name): by_rule.get(number, 0) for number, rule in enumerate(model.blocking)
    }


def _score(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, source: str, before: _Before
) -> None:
    """Make `edges` (l, r, match_weight) of the pairs, by number.

    How common a value is, and how many tuples there are, is told by the edition before.
    """
    known = before.known
    (row,) = arrays(
        connection,
        f"""select distinct join_key_l as row from pairs where join_key_l < {known.numbers}
        union select join_key_r from pairs where join_key_r < {known.numbers}
        order by row""",
    )
    told = known.records.take(["record", "mark"], row)
    told = told.rename_columns(["record", "known_mark"]).append_column("row", _arrow(row))
    connection.register("near_rows", told)
    # A hash of the key finds them; all that is read is hashed of those alone that are found.
    near = rows_read(
        model,
        f"{source} as every inner join near_rows on hash(every.record_key) = near_rows.record",
        "row, known_mark",
    )
    connection.execute(f"create temp table near_read as {near}")
    near = clean_query(model.members[0], "from near_read where mark = known_mark")
    fields = ", ".join(FIELDS)
    connection.execute(
        f"""create temp table tuples as
        select id, 0::utinyint as member, {fields} from lone
        union all
        select row, 0::utinyint, {fields}
        from ({derive_query(f"select row, {_compared(model)} from ({near})")})"""
    )
    common = {}
    for weighed in weighed_fields(model):
        common[weighed] = f"common_{weighed}"
        connection.execute(
            f"""create temp table common_{weighed} as
            with common as (
                select value, tuples, sum(tuples) over () as total
                from {known.frequencies.sql} where field = {text(weighed)})
            select {weighed}, coalesce(max(common.tuples), 1)::double
                / (select coalesce(max(total), 1) from common) as tf_{weighed}
            from tuples left join common on hash({weighed}) = common.value
            where {weighed} is not null group by {weighed}"""
        )
    trained = trained_model(model)
    new = connection.execute("select count(*) from lone").fetchall()[0][0]
    prior = trained.prior([before.counts["tuples", ""] + new])
    settings = splink_settings(trained.comparisons, prior)
    score(connection, settings, model.thresholds["low"], common)


def _touch(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, before: _Before
) -> tuple[_Touched, Pairs]:
    """The records near a change, and their links by place."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    known = before.known
    left, right, weight = arrays(
        connection,
        f"select l, r, (match_weight * {HUNDREDTHS})::integer as weight from edges order by l, r",
    )
    (hit,) = arrays(connection, "select row from hits order by row")
    ends = np.concatenate([left, right, hit])
    # Whoever is one at the lenient threshold is all of whom a stricter one can tell.
    people = np.unique(before.person[np.concatenate([ends[ends < known.numbers], before.lost])])
    stood = before.lives.copy()
    stood[before.lost] = True
    row = _among(people)(before.person, stood)
    register(connection, "touched", {"row": row})
    told = connection.sql(
        f"""select * from {known.people.numbered(known.records.first)}
        semi join touched using (row) order by row"""
    ).to_arrow_table()
    stays = before.lives[row]
    arrived = connection.sql(
        f"select row, record_key, coalesce(content, 0) as content, {TOLD} "
        "from arrivals order by row"
    ).to_arrow_table()
    stayed = row[stays]

    here = known.records.take(["content", "pnc", "sex", "birth_year"], stayed)
    every = pa.concat_tables([here, arrived.select(here.column_names).cast(here.schema)])

    ours = told["record_key"].filter(pa.array(stays))
    pnc = every["pnc"].combine_chunks()
    keys = pa.chunked_array([*ours.chunks, *arrived["record_key"].chunks], pa.string())
    connection.register("keys", pa.table({"key": keys}))
    start = connection.sql(f"select {key_number('key')} as start from keys").to_arrow_table()
    connection.unregister("keys")
    order = order_of_keys(keys, start["start"])
    ordered = pa.array(order)
    person = []
    for level in LEVELS:
        names = told[f"person_{level}"].filter(pa.array(stays)).combine_chunks()
        code = np.full(len(keys), -1, dtype=np.int64)
        code[: len(stayed)] = names.dictionary_encode().indices.to_numpy()
        person.append(code[order])
    likelihood = None
    if model.unlikely is not None:
        sex, birth_year = (every[column].to_numpy()[order] for column in ("sex", "birth_year"))
        likelihood = Likelihood(model.unlikely, sex, birth_year)
    found = _Touched(
        row=np.concatenate([stayed, arrived["row"].to_numpy()])[order],
        node=_first_alike(every["content"].to_numpy()[order]),
        key=keys.combine_chunks().take(ordered),
        pnc=pc.if_else(pc.equal(pnc, 0), None, pnc).take(ordered),
        told=likelihood,
        person=person,
        people=told,
        stays=stays,
    )
    at = found.node[found.place(left)], found.node[found.place(right)]
    return found, Pairs(np.minimum(*at), np.maximum(*at), weight)


def _first_alike(values: NDArray[np.uint64]) -> Ints:
    """For every place the first with the same value; its own where that is 0."""
    import numpy as np

    first = np.arange(len(values))
    told = np.flatnonzero(values)
    _, start, which = np.unique(values[told], return_index=True, return_inverse=True)
    first[told] = told[start[which]]
    return first


def settle(
    links: Pairs,
    thresholds: Sequence[int],
    node: Ints,
    person: Sequence[Ints],
    pnc: pa.Array,
    told: Likelihood | None = None,
) -> tuple[list[Ints], list[Pairs]]:
    """Find every record a person without joining two that are known apart.

    At each threshold clusters merge strongest link first, in rounds of mutually best ones: at the
    first by any link, below it as in a whole linkage (`clusters`), and never if their police
    identifiers contradict each other. What is unlikely to be one person takes a stronger link.

    Args:
        links: by place, with weights in hundredths; those of one node are one.
        thresholds: in hundredths, falling.
        node: for every record the first place with the same identifiers.
        person: by threshold a number of the person each is known as, -1 where new.
        pnc: police identifiers of the records (Arrow).
        told: what makes a cluster unlikely to be one person, if anything does.

    Returns:
        By threshold for every record the first place of its person; and the bridges: links by which
        two known people would have been joined, each pair of people by its best.
    """
    import numpy as np

    places = np.arange(len(node))
    labels = joined(places, places, node)
    order = np.lexsort((links.right, links.left, -links.weight))
    links = Pairs(links.left[order], links.right[order], links.weight[order])
    holder = np.flatnonzero(pnc.is_valid().to_numpy(zero_copy_only=False) & (node == places))
    numbers = pnc.take(_arrow(holder)).dictionary_encode().indices.to_numpy()
    guard = Guard(
        np.zeros(len(node), dtype=np.int64), holder, numbers.astype(np.int64), likelihood=told
    )
    found, bridges = [], []
    for step, (threshold, known) in enumerate(zip(thresholds, person, strict=True)):
        borne = np.flatnonzero(known >= 0)
        _, first, which = np.unique(known[borne], return_index=True, return_inverse=True)
        labels = joined(labels, borne, borne[first[which]])
        reached = links.weight >= threshold
        strong = Pairs(links.left[reached], links.right[reached], links.weight[reached])
        labels, bridge = _settle(
            labels, strong, threshold, guard, node == places, known >= 0, half=step > 0
        )
        found.append(labels)
        bridges.append(bridge)
    return found, bridges


def _settle(
    labels: Ints,
    links: Pairs,
    threshold: int,
    guard: Guard,
    is_node: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    *,
    half: bool,
) -> tuple[Ints, Pairs]:
    """Merge clusters by their strongest allowed links, and tell which two known ones would join.

    Links come strongest first.
    """
    nodes, linked, between, few = outward(labels, _between(labels, links), guard)
    merged, bridges = _rounds(
        linked, between, threshold, few, is_node[nodes], is_known[nodes], half=half
    )
    becomes = labels.copy()
    becomes[nodes] = nodes[merged]
    return becomes, Pairs(nodes[bridges.left], nodes[bridges.right], bridges.weight)


def _between(labels: Ints, links: Pairs) -> Pairs:
    """The links between clusters."""
    apart = labels[links.left] != labels[links.right]
    return Pairs(links.left[apart], links.right[apart], links.weight[apart])


def _rounds(
    labels: Ints,
    links: Pairs,
    threshold: int,
    guard: Guard,
    is_node: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    *,
    half: bool,
) -> tuple[Ints, Pairs]:
    """Merge clusters that link to each other better than to any other, until none does."""
    import numpy as np

    known = np.zeros(len(labels), dtype=bool)
    while True:
        known[labels[is_known]] = True
        size = np.bincount(labels[is_node], minlength=len(labels))
        links = _between(labels, links)
        one, other = labels[links.left], labels[links.right]
        low, high = np.minimum(one, other), np.maximum(one, other)
        order = np.argsort(low * len(labels) + high, kind="stable")
        low, high = low[order], high[order]
        first = np.flatnonzero(
            np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])][: len(low)]
        )
        seen = np.diff(np.r_[first, len(low)])
        low, high, best = low[first], high[first], order[first]
        allowed = ~_contradict(labels, low, high, guard)
        if half:
            allowed &= 2 * seen >= size[low] * size[high]
        if guard.likelihood is not None:
            allowed &= may_be_one(
                labels, low, high, links.weight[best], threshold, guard.likelihood, size
            )
        apart = allowed & known[low] & known[high]
        merging = np.flatnonzero(allowed & ~apart)
        if not len(merging):
            bridge = best[apart]
            return labels, Pairs(links.left[bridge], links.right[bridge], links.weight[bridge])
        merging = merging[np.lexsort((high[merging], low[merging], -links.weight[best[merging]]))]
        mutual = merging[_mutually_best(low[merging], high[merging])]
        becomes = np.arange(len(labels))
        becomes[high[mutual]] = low[mutual]
        labels = becomes[labels]


def _arrow(values: Ints) -> pa.Array:
    import pyarrow as pa

    return pa.array(values)


def _name(
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    before: _Before,
    touched: _Touched,
    labels: Sequence[Ints],
) -> Counts:
    """Make `people_in_order`, of records that are new or were changed, and `crosswalk`.

    Returns:
        Counts of people and of what became of them.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    known, people = before.known, touched.people
    stays, lost = np.flatnonzero(touched.stays), np.flatnonzero(~touched.stays)
    # A record that was changed is known by its key.
    again = pc.index_in(
        people["record_key"].take(_arrow(lost)), value_set=touched.key
    ).combine_chunks()
    changed = again.is_valid().to_numpy(zero_copy_only=False)
    at = touched.place(people["row"].to_numpy()[stays])
    earlier = Earlier(
        lambda column: people[column].combine_chunks(),
        len(people),
        np.concatenate([stays, lost[changed]]),
        np.concatenate([at, again.drop_null().to_numpy()]).astype(np.int64),
        firm=len(stays),
    )
    told = lineage(connection, edition, earlier, touched.key, labels)
    new = np.flatnonzero(touched.row >= known.numbers)
    columns = {"record_key": touched.key.take(_arrow(new))}
    for level, names, label in zip(LEVELS, told.levels, labels, strict=True):
        columns[f"person_{level}"] = names.keys.take(_arrow(label[new]))
        columns[f"since_{level}"] = told.editions.take(_arrow(names.since[label[new]]))
    in_order = pa.table(columns).select([column for column, _ in known.people.columns])
    connection.register("people_in_order", in_order)

    published = before.counts
    counts = dict(told.counts)
    counts["records_before", ""] = known.people.rows
    counts["records_kept", ""] += known.people.rows - len(people)
    counts["records", ""] = known.people.rows - len(lost) + len(touched.row) - len(stays)
    for level, label in zip(LEVELS, labels, strict=True):
        others = published["people", level] - counts["before", level]
        sizes = np.bincount(label, minlength=1)
        counts["before", level] += others
        counts["kept", level] += others
        counts["people", level] = others + int((sizes > 0).sum())
        counts["largest", level] = max(published["largest", level], int(sizes.max()))
    return counts


def _bridge(
    connection: duckdb.DuckDBPyConnection,
    touched: _Touched,
    bridges: Sequence[Pairs],
) -> Counts:
    """Make `bridges` (level, record_key, other_record_key, match_weight), each by its strictest.

    Both records are named by the smallest key with their identifiers.
    """
    import numpy as np
    import pyarrow as pa

    rows = [
        pa.table(
            {
                "step": np.full(len(found.weight), step),
                "level": pa.array([level] * len(found.weight), pa.string()),
                "record_key": touched.key.take(_arrow(found.left)),
                "other_record_key": touched.key.take(_arrow(found.right)),
                "weight": found.weight,
            }
        )
        for step, (level, found) in enumerate(zip(LEVELS, bridges, strict=True))
    ]
    connection.register("found", pa.concat_tables(rows))
    connection.execute(
        f"""create temp table bridges as
        select level, record_key, other_record_key,
            (weight / {HUNDREDTHS})::decimal(6, 2) as match_weight
        from found
        qualify row_number() over (partition by record_key, other_record_key order by step) = 1
        order by match_weight desc, record_key, other_record_key"""
    )
    connection.unregister("found")
    return {
        ("bridges", level): len(found.weight) for level, found in zip(LEVELS, bridges, strict=True)
    }


def _edges(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    before: _Before,
    touched: _Touched,
    links: Pairs,
) -> tuple[Counts, Ints]:
    """Make `edges_in_order`, of the links found now: each pair of nodes has its best; `ends_now`.

    Returns:
        Counts of all links; and the rows of those before of whom a record is gone or was changed.
    """
    import numpy as np
    import pyarrow as pa

    known = before.known
    order = np.lexsort((-links.weight, links.right, links.left))
    left, right = links.left[order], links.right[order]
    first = order[np.r_[True, (left[1:] != left[:-1]) | (right[1:] != right[:-1])][: len(left)]]
    left, right, found = links.left[first], links.right[first], links.weight[first]
    connection.register(
        "edges_in_order",
        pa.table(
            {
                "record_key_l": touched.key.take(_arrow(left)),
                "record_key_r": touched.key.take(_arrow(right)),
                "weight": pa.array(found, pa.int32()),
            }
        ),
    )
    number = touched.row.astype(np.uint32)
    is_new = touched.row >= known.numbers
    number[is_new] = known.numbers + np.arange(is_new.sum())
    connection.register("ends_now", pa.table({"one": number[left], "other": number[right]}))

    rows: list[Ints] = [np.zeros(0, dtype=np.int64)]
    is_lost = _among(before.lost.astype(np.uint32))
    stands = known.ends.stands()
    both = zip(known.ends.groups("one"), known.ends.groups("other"), strict=True)
    for (start, one), (_, other) in both:
        there = stands[start : start + len(one)]
        rows.append(start + np.union1d(is_lost(one, there), is_lost(other, there)))
    row = np.concatenate(rows)
    register(connection, "lost_edges", {"row": row})
    (lost,) = arrays(
        connection,
        f"select (match_weight * {HUNDREDTHS})::integer as weight "
        f"from {known.edges.numbered()} semi join lost_edges using (row)",
    )
    published = before.counts
    counts = {
        ("edges", level): published["edges", level]
        + int((found >= least).sum())
        - int((lost >= least).sum())
        for level, least in zip(LEVELS, thresholds_of(model), strict=True)
    }
    return counts, row


def _remember(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    before: _Before,
    touched: _Touched,
    label: Ints,
) -> None:
    """Make `known_now` (`known_columns`, place) of rows that are new or changed.

    Args:
        connection: with `fresh_rows`, `arrivals` and `arrived`.
        model: the settings.
        before: what is known.
        touched: the records near a change.
        label: for each of these a place all of its person have in common, at the most lenient
            threshold.
    """
    import numpy as np

    known = before.known
    is_new = touched.row >= known.numbers
    # Who joins people has their number; of others the first has one nobody had.
    person = np.full(len(label), np.iinfo(np.int64).max)
    np.minimum.at(person, label[is_new], touched.row[is_new])
    person[label[~is_new]] = before.person[touched.row[~is_new]]
    written = np.flatnonzero(is_new)
    register(
        connection,
        "written",
        {
            "row": touched.row[written],
            "place": np.arange(len(written)),
            "person": person[label[written]].astype(np.uint32),
        },
    )
    keys = ", ".join(
        f"coalesce(key_{number}, 0) as key_{number}" for number in range(len(model.blocking))
    )
    connection.execute(
        f"""create temp table known_now as
        select mark, hash(every.record_key) as record,
            coalesce(arrived.content, 0)::ubigint as content,
            coalesce(told.pnc, 0)::ubigint as pnc, coalesce(told.sex, 0)::utinyint as sex,
            coalesce(told.birth_year, 0)::smallint as birth_year,
            coalesce(written.person, 0)::uinteger as person, {keys},
            coalesce(place, {len(written)} + row) as place
        from fresh_rows as every
        left join written using (row)
        left join (select row, tuple, {TOLD} from arrivals) as told using (row)
        left join arrived on told.tuple = arrived.id"""
    )


def _count_tuples(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, before: _Before
) -> Counts:
    """Distinct sets of identifiers, and how many of them no blocking rule reaches."""
    import numpy as np

    every = before.content
    content = every[before.lost]
    still = every[_among(np.unique(content[content > 0]))(every, before.lives)]
    left = ~np.isin(content, still)
    # Records without identifiers are sets of their own.
    _, first = np.unique(content, return_index=True)
    counted = content == 0
    counted[first] = True
    counted &= left
    published = before.counts
    unreached = " and ".join(f"key_{number} = 0" for number in range(len(model.blocking)))
    new, new_unreached = connection.execute(
        f"select count(*), count(*) filter (where {unreached}) from lone"
    ).fetchall()[0]
    return {
        ("tuples", ""): published["tuples", ""] + new - int(counted.sum()),
        ("unlinkable", ""): published["unlinkable", ""]
        + new_unreached
        - int((counted & before.unreached).sum()),
    }
