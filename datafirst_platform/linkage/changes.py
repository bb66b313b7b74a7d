"""Linking what changed: new records against those known from the edition before.

What belongs here: the run of a linkage within a dataset that takes the people of the edition before
as they are, and finds a place for records that are new or were changed. What does not: what is kept
for it (`known.py`), comparing (`scoring.py`), keys of people (`lineage.py`).

A record whose identifiers are those of a known one is of the same person. All others are compared
with each other and with the known records they share a block with, and join people strongest link
first, under the guards of a whole linkage. Two people known apart are never joined: whoever links
to both goes to the better one, and the link to the other is a *bridge*, left for a decision.
Records that are gone leave; those who remain are not parted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import arrays, connect, parquet, register, text
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.clusters import (
    HUNDREDTHS,
    SEXES,
    Guard,
    Likelihood,
    Pairs,
    _contradict,
    _mutually_best,
    joined,
    may_be_one,
)
from datafirst_platform.linkage.known import (
    Known,
    columns_read,
    define_known,
    keys_sql,
    known_before,
    mark_sql,
    publish_known,
    weighed_fields,
)
from datafirst_platform.linkage.lineage import Earlier, lineage
from datafirst_platform.linkage.models import LEVELS, LinkageModel, splink_settings, trained_model
from datafirst_platform.linkage.overrides import Overrides, overrides_of
from datafirst_platform.linkage.publishing import Counts, Linked, publish, standing
from datafirst_platform.linkage.records import CONTENT, Member, key_number, numbered
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
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints

MOST_CHANGED = 0.1
"""Share of records, new or changed, beyond which a linkage starts from nothing: by then it costs as
much, and what is known says little."""

_BATCH = 1 << 17
"""Rows of a published table that are handed over at a time."""


@dataclass(frozen=True)
class _Rows:
    """Rows of the identities now, and those that are known.

    Attributes:
        now_of: for every known row the same row now, -1 where it is gone or was changed.
        then_of: for every row now the known row, -1 where it is new or was changed.
        gone: known rows that are gone or were changed since the edition before.
        place_of: for every row now its place among the people before, -1 where it has none.
        at: for every place among the people before its row now, -1 where it is gone.
        key: for every place among the people before the number of its key, which rises.
    """

    now_of: Ints
    then_of: Ints
    gone: Ints
    place_of: Ints
    at: Ints
    key: NDArray[np.uint64]

    @property
    def fresh(self) -> Ints:
        """Rows now that are new or were changed."""
        import numpy as np

        return np.flatnonzero(self.then_of < 0)


@dataclass(frozen=True)
class _Touched:
    """The records a change may tell of: those that are new, and all of the people near them.

    Attributes:
        row: rows now, in the order of their keys; what follows is by their place.
        number: of each key; it rises.
        node: first place with the same identifiers.
        key: record keys (Arrow).
        pnc: police identifiers (Arrow).
        person: by threshold a number of the person they are known as, -1 where new.
        people: the rows of the people before that tell of them (Arrow), with their number, `row`.
        now: for each of these the row of the identities now, -1 where it is gone or changed.
    """

    row: Ints
    number: NDArray[np.uint64]
    node: Ints
    key: pa.Array
    pnc: pa.Array
    person: Sequence[Ints]
    people: pa.Table
    now: Ints

    def place(self, rows: Ints) -> Ints:
        """Where these rows now stand."""
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
        counts = link_changes(connection, edition, model, member, known, decisions)
        if counts is None:
            return None
        linked = publish(
            settings,
            connection,
            edition,
            model.dataset,
            queries,
            counts,
            again,
            {**inputs, **known.inputs},
        )
        tables.publish(
            settings,
            connection,
            TableKey.of("restricted", f"{model.dataset}_bridges"),
            edition,
            "select * from bridges order by match_weight desc, record_key, other_record_key",
            recipe=again,
            inputs=known.inputs,
        )
        publish_known(
            settings,
            connection,
            edition,
            model,
            member,
            linked.tables["people"],
            "select * from known_now order by gone, mark",
            known,
        )
        return linked


def link_changes(
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    member: Member,
    known: Known,
    decisions: Overrides,
) -> Counts | None:
    """Link what is new or changed; make the tables of a linkage, of what is known, and `bridges`.

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
        The counts; None where too much has changed, what is known does not fit, or it was decided
        with whom a record that is new belongs.
    """
    table = member.people.key.table
    source = numbered(member.people.path)
    rows = _compare(connection, source, member, known)
    if rows is None or len(rows.fresh) > MOST_CHANGED * len(rows.then_of):
        return None
    define_macros(connection, edition)
    _arrive(connection, source, table, model, rows)
    if _is_decided_on(connection, decisions):
        return None
    _find(connection, model, rows)
    counts = _pair(connection, model)
    _score(connection, source, table, model, known)
    touched, links = _touch(connection, known, rows)
    told = _likelihood(connection, source, table, model, touched)
    labels, bridges = settle(
        links, thresholds_of(model), touched.node, touched.person, touched.pnc, told
    )
    counts |= _name(connection, edition, known, rows, touched, labels)
    counts |= _bridge(connection, touched, bridges)
    counts |= _edges(connection, model, known, touched, links)
    register(connection, "every_gone", {"row": rows.gone})
    _remember(connection, model)
    return counts | _count_tuples(connection, model, known, rows)


def _compare(
    connection: duckdb.DuckDBPyConnection, source: str, member: Member, known: Known
) -> _Rows | None:
    """Make `known`, what is known by row; find out which rows are the same as they were.

    None where what is known does not fit the people who were published.
    """
    import numpy as np

    define_known(connection, known)
    # Rows that stand in both are found in one pass: their marks are not kept.
    found = connection.execute(
        f"""select every.row as now, known.row as before
        from known inner join (
            select row, {mark_sql(member.people.key.table)} as mark from ({source})) as every
            using (mark)
        where not gone"""
    ).fetchnumpy()
    now, before = np.asarray(found["now"]), np.asarray(found["before"])
    columns = connection.execute("select row, linked, gone, record from known").fetchnumpy()
    linked, alive = np.zeros((2, len(columns["row"])), dtype=bool)
    linked[columns["row"]] = columns["linked"]
    alive[columns["row"]] = np.logical_not(columns["gone"])
    key = np.zeros(len(linked), dtype=np.uint64)
    key[columns["row"]] = columns["record"]
    (ended,) = arrays(
        connection,
        """select known.row from known semi join (from known where gone) as ends
            on known.mark = ends.mark and known.layer < ends.layer
        where not gone""",
    )
    alive[ended] = False
    now, before = now[alive[before]], before[alive[before]]
    now_of = np.full(len(linked), -1, dtype=np.int64)
    then_of = np.full(member.people.rows, -1, dtype=np.int64)
    now_of[before], then_of[now] = now, before

    # People are published in the order of their keys.
    person = np.flatnonzero(alive & linked)
    person = person[np.argsort(key[person])]
    key = key[person]
    if len(person) != known.people.rows or (key[1:] == key[:-1]).any():
        return None
    place_of = np.full(len(then_of), -1, dtype=np.int64)
    at = now_of[person]
    place_of[at[at >= 0]] = np.flatnonzero(at >= 0)
    gone = np.flatnonzero(alive & (now_of < 0))
    register(connection, "gone_rows", {"row": gone[linked[gone]]})
    return _Rows(now_of, then_of, gone, place_of, at, key)


def _arrive(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    model: LinkageModel,
    rows: _Rows,
) -> None:
    """Make `arrivals` (row, record_key, `CLEANED`, content, tuple) and their tuples, `arrived`.

    `arrived` has `FIELDS`, content and blocking keys; its id is the first row of a tuple.
    """
    register(connection, "fresh", {"row": rows.fresh})
    connection.execute(
        f"""create temp table fresh_rows as
        select row, record_key, {", ".join(columns_read(table))}, {mark_sql(table)} as mark
        from ({source}) semi join fresh using (row)"""
    )
    cleaned = _compared(model)
    connection.execute(
        f"""create temp table arrivals as
        select *, case when content is null then row
            else min(row) over (partition by content) end as tuple
        from (select *, {CONTENT} as content from (select row, record_key, {cleaned}
            from ({clean_query(table, "from fresh_rows")})))"""
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


def _find(connection: duckdb.DuckDBPyConnection, model: LinkageModel, rows: _Rows) -> None:
    """Make `hits` and `near`: known records like those that are new.

    `hits` (content, row, now): with the same identifiers. `near` (rule, key, content, row, now):
    in a block with one that has no such. Rows are those then and now; who is gone is left out.
    """
    connection.execute(
        "create temp table hits as select content, row from known semi join arrived using (content)"
    )
    _still(connection, "hits", rows)
    connection.execute(
        "create temp table lone as select * from arrived anti join hits using (content)"
    )
    blocks = " union all ".join(
        f"""select {number}::utinyint as rule, key_{number} as key, content, row
        from known semi join lone using (key_{number})"""
        for number in range(len(model.blocking))
    )
    connection.execute(f"create temp table near as {blocks}")
    _still(connection, "near", rows)


def _still(connection: duckdb.DuckDBPyConnection, table: str, rows: _Rows) -> None:
    """Give a table of rows then the same rows now, and drop those that are gone."""
    (row,) = arrays(connection, f"select distinct row from {table}")
    here = rows.now_of[row] >= 0
    register(connection, "here", {"row": row[here], "now": rows.now_of[row[here]]})
    connection.execute(
        f"create or replace temp table {table} as select * from {table} inner join here using (row)"
    )


def _pair(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> Counts:
    """Make `pairs` of the new tuples with each other and with the known ones of their blocks.

    A block counts as it would in a whole linkage: one that is crowded gives no pair.
    """
    blocks = " union all ".join(
        f"""select {number}::utinyint as rule, key_{number} as key, id, true as is_new
        from lone where key_{number} is not null"""
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
            select distinct rule, key, case when content is null then now
                else min(now) over (partition by content) end, false
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
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    model: LinkageModel,
    known: Known,
) -> None:
    """Make `edges` (l, r, match_weight) of the pairs, by row now.

    How common a value is, and how many tuples there are, is told by the edition before.
    """
    connection.execute(
        """create temp table known_near as select distinct join_key as row from (
            select join_key_l as join_key from pairs union all select join_key_r from pairs)
        anti join lone on join_key = lone.id"""
    )
    near = f"select * from ({source}) semi join known_near using (row)"
    cleaned = _compared(model)
    fields = ", ".join(FIELDS)
    connection.execute(
        f"""create temp table tuples as
        select id, 0::utinyint as member, {fields} from lone
        union all
        select row, 0::utinyint, {fields} from ({
            derive_query(f'''
            select row, {cleaned} from ({clean_query(table, near)})''')
        })"""
    )
    common = {}
    for field in weighed_fields(model):
        common[field] = f"common_{field}"
        connection.execute(
            f"""create temp table common_{field} as
            with common as (
                select value, tuples, sum(tuples) over () as total
                from {parquet(known.frequencies.path)} where field = {text(field)})
            select {field}, coalesce(max(common.tuples), 1)::double
                / (select coalesce(max(total), 1) from common) as tf_{field}
            from tuples left join common on hash({field}) = common.value
            where {field} is not null group by {field}"""
        )
    trained = trained_model(model)
    new = connection.execute("select count(*) from lone").fetchall()[0][0]
    prior = trained.prior([_counted(connection, known)["tuples", ""] + new])
    settings = splink_settings(trained.comparisons, prior)
    score(connection, settings, model.thresholds["low"], common)


def _counted(connection: duckdb.DuckDBPyConnection, known: Known) -> Counts:
    """What the edition before counted."""
    found = connection.execute(
        f"select measure, level, value from {parquet(known.counts.path)}"
    ).fetchall()
    return {(measure, level): value for measure, level, value in found}


def _touch(
    connection: duckdb.DuckDBPyConnection, known: Known, rows: _Rows
) -> tuple[_Touched, Pairs]:
    """The records near a change, and their links by place."""
    import numpy as np
    import pyarrow as pa

    left, right, weight = arrays(
        connection,
        f"select l, r, (match_weight * {HUNDREDTHS})::integer as weight from edges order by l, r",
    )
    (hit,) = arrays(connection, "select now from hits")
    ends = np.concatenate([left, right, hit])
    near = np.union1d(rows.place_of[ends[rows.then_of[ends] >= 0]], np.flatnonzero(rows.at < 0))
    register(connection, "near_people", {"file_row_number": near})
    people = parquet(known.people.path, numbered=True)
    # Whoever is one at the lenient threshold is all of whom a stricter one can tell.
    whole = f"person_{LEVELS[-1]}"
    told = connection.sql(
        f"""select * rename (file_row_number as row) from {people}
        semi join (select {whole} from {people} semi join near_people using (file_row_number))
            using ({whole})
        order by row"""
    ).to_arrow_table()
    now = rows.at[told["row"].to_numpy()]
    stays = now >= 0
    then = rows.then_of[now[stays]]
    register(connection, "touched", {"row": then, "place": np.arange(len(then))})
    columns = connection.sql(
        "select content, pnc from known inner join touched using (row) order by place"
    ).to_arrow_table()
    arrived = connection.sql(
        f"""select row, record_key, {key_number("record_key")} as number, content, pnc
        from arrivals order by row"""
    ).to_arrow_table()

    stayed = told.filter(pa.array(stays))
    number = np.concatenate([rows.key[stayed["row"].to_numpy()], arrived["number"].to_numpy()])
    order = np.argsort(number)
    row = np.concatenate([now[stays], arrived["row"].to_numpy()])[order]

    def both(one: pa.ChunkedArray, column: str) -> pa.Array:
        chunks = [*one.chunks, *arrived[column].chunks]
        return pa.chunked_array(chunks, one.type).combine_chunks().take(pa.array(order))

    person = []
    for level in LEVELS:
        names = stayed[f"person_{level}"].combine_chunks().dictionary_encode()
        code = np.full(len(row), -1, dtype=np.int64)
        code[: len(names)] = names.indices.to_numpy()
        person.append(code[order])
    found = _Touched(
        row=row,
        number=number[order],
        node=_first_alike(both(columns["content"], "content")),
        key=both(stayed["record_key"], "record_key"),
        pnc=both(columns["pnc"], "pnc"),
        person=person,
        people=told,
        now=now,
    )
    at = found.node[found.place(left)], found.node[found.place(right)]
    return found, Pairs(np.minimum(*at), np.maximum(*at), weight)


def _first_alike(values: pa.Array) -> Ints:
    """For every place the first with the same value; its own where there is none."""
    import numpy as np

    first = np.arange(len(values))
    told = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    _, start, which = np.unique(
        values.drop_null().to_numpy(), return_index=True, return_inverse=True
    )
    first[told] = told[start[which]]
    return first


def _likelihood(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    model: LinkageModel,
    touched: _Touched,
) -> Likelihood | None:
    """What the records near a change tell of sex and year of birth, by place."""
    import numpy as np

    if model.unlikely is None:
        return None
    register(connection, "near_rows", {"row": touched.row})
    near = f"select * from ({source}) semi join near_rows using (row)"
    found = connection.execute(
        f"""select row, {SEXES} as sex, coalesce(year(dob), 0)::smallint as birth_year
        from ({clean_query(table, near)})"""
    ).fetchnumpy()
    at = touched.place(np.asarray(found["row"]))
    sex: NDArray[np.uint8] = np.zeros(len(touched.row), dtype=np.uint8)
    birth_year: NDArray[np.int16] = np.zeros(len(touched.row), dtype=np.int16)
    sex[at], birth_year[at] = found["sex"], found["birth_year"]
    return Likelihood(model.unlikely, sex, birth_year)


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
    """Merge clusters by their strongest allowed links, and tell which two known ones would join."""
    import numpy as np

    known = np.zeros(len(labels), dtype=bool)
    while True:
        known[labels[is_known]] = True
        size = np.bincount(labels[is_node], minlength=len(labels))
        one, other = labels[links.left], labels[links.right]
        low, high = np.minimum(one, other), np.maximum(one, other)
        order = np.lexsort((links.right, links.left, -links.weight, high, low))
        order = order[low[order] != high[order]]
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
    known: Known,
    rows: _Rows,
    touched: _Touched,
    labels: Sequence[Ints],
) -> Counts:
    """Stream `people_in_order`, make `crosswalk`, and count people and what became of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    stays, lost = np.flatnonzero(touched.now >= 0), np.flatnonzero(touched.now < 0)
    # A record that was changed is known by its key.
    again = pc.index_in(
        touched.people["record_key"].take(_arrow(lost)), value_set=touched.key
    ).combine_chunks()
    changed = again.is_valid().to_numpy(zero_copy_only=False)
    earlier = Earlier(
        lambda column: touched.people[column].combine_chunks(),
        len(touched.people),
        np.concatenate([stays, lost[changed]]),
        np.concatenate([touched.place(touched.now[stays]), again.drop_null().to_numpy()]).astype(
            np.int64
        ),
    )
    told = lineage(connection, edition, earlier, touched.key, labels)
    columns = {"record_key": touched.key}
    for level, names, label in zip(LEVELS, told.levels, labels, strict=True):
        columns[f"person_{level}"] = names.keys.take(_arrow(label))
        columns[f"since_{level}"] = told.editions.take(_arrow(names.since[label]))

    stays_there = rows.at >= 0
    before = rows.place_of[touched.row]
    stays_there[before[before >= 0]] = False
    place = np.flatnonzero(stays_there)
    new = known.people.rows + np.arange(len(touched.row))
    take = np.insert(place, np.searchsorted(rows.key[place], touched.number), new)
    _merge_in(connection, "people_in_order", known.people, take, pa.table(columns))

    published = _counted(connection, known)
    counts = dict(told.counts)
    counts["records_before", ""] = known.people.rows
    counts["records_kept", ""] += known.people.rows - len(touched.people)
    counts["records", ""] = len(take)
    for level, label in zip(LEVELS, labels, strict=True):
        others = published["people", level] - counts["before", level]
        sizes = np.bincount(label, minlength=1)
        counts["before", level] += others
        counts["kept", level] += others
        counts["people", level] = others + int((sizes > 0).sum())
        counts["largest", level] = max(published["largest", level], int(sizes.max()))
    return counts


def _merge_in(
    connection: duckdb.DuckDBPyConnection, table: str, left: TableVersion, take: Ints, new: pa.Table
) -> None:
    """Stream the rows of a published table that stay, with new ones between them.

    Args:
        connection: gets the table, to be read once.
        table: its name.
        left: what was published.
        take: for every row to come its number among those published, or that of a new one after
            them; either rise.
        new: the new rows.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(left.path)
    new = new.select(file.schema_arrow.names).cast(file.schema_arrow)
    is_new = take >= left.rows
    # A new row comes with the next one that stays.
    until = np.minimum.accumulate(np.where(is_new, left.rows, take)[::-1])[::-1]
    number = np.cumsum(is_new)

    def batches() -> Iterator[pa.RecordBatch]:
        start = came = 0
        for batch in file.iter_batches(_BATCH, use_threads=False):
            start += len(batch)
            upto = len(take) if start == left.rows else int(np.searchsorted(until, start))
            yield from rows(pa.Table.from_batches([batch]), start - len(batch), came, upto)
            came = upto
        if not left.rows:
            yield from rows(new.slice(0, 0), 0, 0, len(take))

    def rows(batch: pa.Table, first: int, came: int, upto: int) -> Iterator[pa.RecordBatch]:
        arrived = int(number[came - 1]) if came else 0
        some = new.slice(arrived, int(is_new[came:upto].sum()))
        place = np.where(
            is_new[came:upto],
            take[came:upto] - left.rows - arrived + len(batch),
            take[came:upto] - first,
        )
        pool = pa.concat_tables([batch, some]).combine_chunks()
        yield from pool.take(pa.array(place)).combine_chunks().to_batches()

    connection.register(table, pa.RecordBatchReader.from_batches(file.schema_arrow, batches()))


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
    known: Known,
    touched: _Touched,
    links: Pairs,
) -> Counts:
    """Make `edges_in_order`: the links before of records that are the same, then those found now.

    Of those found each pair of nodes has its best.
    """
    import numpy as np
    import pyarrow as pa

    gone = touched.people["record_key"].filter(pa.array(touched.now < 0))
    order = np.lexsort((-links.weight, links.right, links.left))
    left, right = links.left[order], links.right[order]
    first = order[np.r_[True, (left[1:] != left[:-1]) | (right[1:] != right[:-1])][: len(left)]]
    found = pa.table(
        {
            "record_key_l": touched.key.take(_arrow(links.left[first])),
            "record_key_r": touched.key.take(_arrow(links.right[first])),
            "weight": pa.array(links.weight[first], pa.int32()),
        }
    )
    connection.register("gone_keys", pa.table({"key": gone}))
    connection.register("found", found)
    connection.execute(
        f"""create temp table edges_in_order as
        select record_key_l, record_key_r, (match_weight * {HUNDREDTHS})::integer as weight
        from {parquet(known.edges.path)}
        anti join gone_keys as l on record_key_l = l.key
        anti join gone_keys as r on record_key_r = r.key
        union all
        from found"""
    )
    for name in ("gone_keys", "found"):
        connection.unregister(name)
    counted = ", ".join(
        f"count(*) filter (where weight >= {least})" for least in thresholds_of(model)
    )
    counts = connection.execute(f"select {counted} from edges_in_order").fetchall()[0]
    return {("edges", level): count for level, count in zip(LEVELS, counts, strict=True)}


def _remember(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Make `known_now`: what is known of rows that are new or changed, and which are gone."""
    keys = [f"key_{number}" for number in range(len(model.blocking))]
    none = ", ".join(f"null::uinteger as {key}" for key in keys)
    connection.execute(
        f"""create temp table known_now as
        select mark, false as gone, {key_number("every.record_key")} as record,
            arrivals.row is not null as linked, arrived.content, arrivals.pnc, {", ".join(keys)}
        from fresh_rows as every
        left join arrivals on every.row = arrivals.row
        left join arrived on arrivals.tuple = arrived.id
        union all
        select mark, true, record, false, null, null, {none} from known
        semi join every_gone using (row)
        order by gone, mark"""
    )


def _count_tuples(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, known: Known, rows: _Rows
) -> Counts:
    """Distinct sets of identifiers, and how many of them no blocking rule reaches."""
    unreached = " and ".join(f"key_{number} is null" for number in range(len(model.blocking)))
    connection.execute(
        f"""create temp table left_tuples as
        select content, {unreached} as unreached, row from known semi join gone_rows using (row)"""
    )
    connection.execute(
        """create temp table alike as select content, row
        from known semi join left_tuples using (content)"""
    )
    _still(connection, "alike", rows)
    before = _counted(connection, known)
    lost, lost_unreached = connection.execute(
        """select count(*), count(*) filter (where unreached) from (
            select distinct content, unreached, case when content is null then row end
            from left_tuples anti join alike using (content))"""
    ).fetchall()[0]
    new, new_unreached = connection.execute(
        f"select count(*), count(*) filter (where {unreached}) from lone"
    ).fetchall()[0]
    return {
        ("tuples", ""): before["tuples", ""] + new - lost,
        ("unlinkable", ""): before["unlinkable", ""] + new_unreached - lost_unreached,
    }
