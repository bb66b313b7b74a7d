"""Standard records of a linkage: who is to be compared, and who is known to be one already.

What belongs here: reading the identities of each member, with what further tables tell of its
people; collapsing equal identifiers; and the bonds a source itself states. What does not: pairs,
weights, clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import name, register
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.clusters import joined
from datafirst_platform.linkage.models import Evidence, LinkageModel, linkage_model
from datafirst_platform.linkage.standardise import (
    ADDRESS,
    BESIDE_FIELDS,
    CLEANED,
    DERIVED,
    FIELDS,
    FULL_FORM,
    clean_query,
    full_form_query,
)
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    import pyarrow as pa

    from datafirst_platform.linkage.clusters import Ints


CONTENT = f"""case when pnc is not null or cro is not null or (forename1 is not null
    and surname is not null and dob is not null and postcode is not null)
    then hash({", ".join(field for field in CLEANED if field != ADDRESS)}) end"""
"""SQL over cleaned records: equal where they are one tuple, NULL where they identify nobody."""


_NEXT_MEMBER = 0x9E3779B97F4A7C15
"""Added to a hash of identifiers, once for every member before: odd, so that no two sums agree."""


@dataclass(frozen=True)
class Member:
    """The identities a linkage reads of one dataset.

    Attributes:
        people: one row a record of a person.
        evidence: further tables of the same source, with what each adds.
        beside: the table that tells who stands beside whom, if any.
    """

    people: TableVersion
    evidence: tuple[tuple[Evidence, TableVersion], ...]
    beside: TableVersion | None = None

    @property
    def versions(self) -> tuple[TableVersion, ...]:
        """All tables read, those of people first."""
        beside = (self.beside,) if self.beside else ()
        return (self.people, *(version for _, version in self.evidence), *beside)


def members_of(settings: Settings, edition: str, model: LinkageModel) -> list[Member]:
    """The identities of every member of a linkage of people.

    Raises:
        NotReady: one is not there.
    """
    if model.kind != "within":
        return [
            member
            for dataset in model.members
            for member in members_of(settings, edition, linkage_model(dataset))
        ]

    def identities(table: str) -> TableVersion:
        return tables.require(settings, TableKey.of("identities", table), edition)

    return [
        Member(
            identities(model.members[0]),
            tuple((each, identities(each.table)) for each in model.evidence),
            identities(model.beside.table) if model.beside else None,
        )
    ]


def tables_of(model: LinkageModel) -> tuple[str, ...]:
    """The contracts whose identities a linkage of people reads."""
    if model.kind == "within":
        beside = (model.beside.table,) if model.beside else ()
        return (*model.members, *(each.table for each in model.evidence), *beside)
    return tuple(table for member in model.members for table in tables_of(linkage_model(member)))


def load_records(
    connection: duckdb.DuckDBPyConnection,
    members: Sequence[Member],
    *,
    addresses: bool = False,
    beside: bool = False,
) -> list[int]:
    """Make `records` (id, member, record_key, tuple), `tuples` (id, member, `FIELDS`), `nodes`.

    The first two are views: of `collapsed` (id, member, tuple) with the keys as they are published,
    and of `standard`, with what follows from its fields.

    Ids count the rows from 0, member after member. Records with the same identifiers are one tuple,
    compared once; its id is that of its first record. Only what identifies collapses: a police
    identifier, or names, date of birth and postcode. Name and date of birth alone would merge
    strangers, ever more as the data grow.

    A record may have several tuples: every other form in which its source knows the person (an
    alias, an address) is one more, with an id after those of all records. What a source holds for
    one person, by such a form or by an id of its own, is one node; `nodes` (id, node) names the
    tuples that are not nodes of themselves.

    Args:
        connection: with `define_macros`.
        members: what to read.
        addresses: whether addresses are compared, and so read.
        beside: whether `tuples` get `BESIDE_FIELDS`; of one member only.

    Returns:
        The number of tuples of each member.
    """
    forget_records(connection)
    first, spare = 0, sum(member.people.rows for member in members)
    for number, member in enumerate(members):
        spare += _load(connection, number, member, first, spare, addresses=addresses)
        first += member.people.rows
    alike = _alike(connection, spare)
    if beside:
        _stand_beside(connection, members[0])
    _bind(connection, alike)
    _place(connection, members)
    _derive(connection, beside=beside)
    sizes = dict(
        connection.execute("select member, count(*) from tuples group by member").fetchall()
    )
    return [sizes.get(number, 0) for number in range(len(members))]


def forget_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what `load_records`, or a linkage of cases, made of identities."""
    made = connection.execute(
        """select table_name, table_type = 'VIEW' from information_schema.tables
        where table_name in ('records', 'tuples', 'nodes', 'standard', 'collapsed', 'others')
        order by table_type = 'VIEW' desc"""
    ).fetchall()
    for table, is_view in made:
        connection.execute(f"drop {'view' if is_view else 'table'} {table}")


def forget_tuples(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what `tuples` holds: once they are clustered their numbers are all that is asked for."""
    connection.execute("drop view tuples")
    connection.execute("drop table standard")


def record_keys(
    connection: duckdb.DuckDBPyConnection, members: Sequence[Member]
) -> tuple[pa.Array, Ints]:
    """The record key of every row of every member.

    Returns:
        Keys by the id of a row (Arrow); and the ids, member by member, in the order of the keys.
    """
    import numpy as np
    import pyarrow as pa

    keys, order, first = [], [], 0
    for member in members:
        read = connection.sql(
            f"select record_key, {key_number('record_key')} as start from {member.people.sql}"
        ).to_arrow_table()
        keys += read["record_key"].chunks
        order.append(order_of_keys(read["record_key"], read["start"]) + first)
        first += member.people.rows
    return pa.chunked_array(keys, pa.string()).combine_chunks(), np.concatenate(order)


def order_of_keys(keys: pa.ChunkedArray, start: pa.ChunkedArray) -> Ints:
    """The order of record keys.

    Args:
        keys: texts (Arrow).
        start: `key_number` of each (Arrow).
    """
    import numpy as np
    import pyarrow.compute as pc

    # Pseudonyms are numbers; texts take ten times as long to sort.
    number = start.to_numpy()
    order: Ints = np.argsort(number)
    if start.null_count or (np.diff(number[order]) == 0).any():
        order = pc.sort_indices(keys).to_numpy().astype(np.int64)
    return order


def _alike(connection: duckdb.DuckDBPyConnection, ids: int) -> Ints:
    """Make `alike` (id, tuple) of `standard`.

    Returns:
        For every id below `ids` that of the first of its member with the same identifiers.
    """
    import numpy as np

    columns = connection.execute(
        "select id, member, coalesce(content, 0) as content from standard"
    ).fetchnumpy()
    every, member = np.asarray(columns["id"]), np.asarray(columns["member"])
    content = np.asarray(columns["content"])
    told = np.flatnonzero(content)
    # The same identifiers in two members are two tuples.
    content = content[told] + member[told] * np.uint64(_NEXT_MEMBER)
    order = np.argsort(content)
    content, found = content[order], every[told][order]
    start = np.flatnonzero(np.r_[True, content[1:] != content[:-1]][: len(content)])
    size = np.diff(np.r_[start, len(content)])
    alike: Ints = np.arange(ids, dtype=np.int32)
    if len(start):
        alike[found] = np.repeat(np.minimum.reduceat(found, start), size)
    register(connection, "alike", {"id": every, "tuple": alike[every]})
    return alike


def _place(connection: duckdb.DuckDBPyConnection, members: Sequence[Member]) -> None:
    """Make `collapsed` (id, member, tuple) of the records, and `records`, with their keys."""
    connection.execute(
        """create or replace temp table collapsed as
        select id, member, tuple from standard inner join alike using (id) where id = unit"""
    )
    keyed, first = [], 0
    for member in members:
        source = member.people.numbered()
        keyed.append(f"select ({first} + row)::integer as id, record_key from {source}")
        first += member.people.rows
    connection.execute(
        f"""create or replace temp view records as
        select id, member, record_key, tuple
        from collapsed inner join ({" union all ".join(keyed)}) as keyed using (id)"""
    )


def _derive(connection: duckdb.DuckDBPyConnection, *, beside: bool) -> None:
    """Make `tuples` of `standard`.

    Rows alike are deleted where they are: it costs a tenth of copying those that stay. What follows
    from another field is worked out where it is read.
    """
    connection.execute("delete from standard where id in (select id from alike where id <> tuple)")
    fields = ", ".join(f"{DERIVED.get(field, field)} as {field}" for field in FIELDS)
    source, further = "standard", ""
    if beside:
        source = "standard left join others on standard.id = others.tuple"
        further = ", " + ", ".join(BESIDE_FIELDS)
    connection.execute(
        f"create or replace temp view tuples as select id, member, {fields}{further} from {source}"
    )


def _load(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    member: Member,
    first: int,
    spare: int,
    *,
    addresses: bool,
) -> int:
    """Add a member's records and their other forms to `standard`; the number of other forms."""
    contract = contracts()[member.people.key.table]
    fed = {field for column in contract.columns for field in column.feeds}
    if "surname" not in fed:
        msg = f"Contract {contract.table} feeds no surname (`links_as`): it cannot be linked."
        raise PlatformError(msg)
    person = contract.source_person
    held = name(str(person.content_name)) if person else "null::varchar"
    read = "*" if addresses else f"* replace (null::varchar as {ADDRESS})"
    source = f"select *, {held} as person from {member.people.numbered()}"
    cleaned = clean_query(contract.table, source, ("row", "record_key", "person"))
    people = f"select {read} from ({cleaned})"
    own = f"({first} + row)::integer"
    if not member.evidence and "previous_surname" not in fed:
        _add(connection, number, own, own, people)
        return 0
    connection.execute(f"create or replace temp table people as {people}")
    for at, (evidence, version) in enumerate(member.evidence):
        child = contracts()[evidence.table]
        if child.parent != contract.table:
            msg = f"Evidence {child.table} does not belong to rows of {contract.table}."
            raise PlatformError(msg)
        source = f"select *, {name(f'{contract.table}_key')} as whose from {version.sql}"
        cleaned = clean_query(child.table, source, ("whose",))
        connection.execute(
            f"create or replace temp table evidence_{at} as select {read} from ({cleaned})"
        )
        if evidence.fills:
            _fill(connection, f"evidence_{at}", evidence.fills)
    _add(connection, number, own, own, "from people")
    forms = [
        _form(f"evidence_{at}", "whose", {field: field for field in evidence.varies})
        for at, (evidence, _) in enumerate(member.evidence)
        if evidence.varies
    ]
    if "previous_surname" in fed:
        forms.append(_form("people", "record_key", {"surname": "previous_surname"}))
    if not forms:
        return 0
    kept = ", ".join(CLEANED)
    connection.execute(
        f"""create or replace temp table forms as
        select *, row_number() over (order by row, {kept}) - 1 as form
        from (
            select distinct row, person, {kept} from ({" union all by name ".join(forms)}))"""
    )
    _add(connection, number, own, f"({spare} + form)::integer", "from forms")
    return int(connection.execute("select count(*) from forms").fetchall()[0][0])


def _add(
    connection: duckdb.DuckDBPyConnection, number: int, unit: str, id_: str, source: str
) -> None:
    """Add cleaned rows to `standard`; the first ones make it, which all cores do together."""
    there = connection.execute(
        "select count(*) from information_schema.tables where table_name = 'standard'"
    ).fetchall()[0][0]
    connection.execute(
        f"""{"insert into standard" if there else "create temp table standard as"}
        select {number}::utinyint as member, {unit} as unit, {id_} as id, person,
            {", ".join(CLEANED)}, {FULL_FORM}, {CONTENT} as content
        from ({full_form_query(source)})"""
    )


def _stand_beside(connection: duckdb.DuckDBPyConnection, member: Member) -> None:
    """Make `others` (tuple, `BESIDE_FIELDS`).

    Raises:
        PlatformError: the settings do not say who stands beside whom.
    """
    contract = contracts()[member.beside.key.table] if member.beside else None
    if member.beside is None or contract is None or contract.source_person is None:
        msg = f"Nothing says who stands beside the people of {member.people.key} (`beside`)."
        raise PlatformError(msg)
    case, person = name(f"{contract.parent}_key"), name(str(contract.source_person.content_name))
    beside, kin, cases = BESIDE_FIELDS
    connection.execute(
        f"""create or replace temp table others as
        with roles as (
            select distinct {case} as held_in, {person} as person
            from {member.beside.sql}),
        parts as (
            select tuple, held_in, roles.person, surname,
                case when surname is not null and forename1 is not null
                    then hash(surname, forename1) end as known_as
            from standard inner join alike using (id)
                inner join roles on standard.person = roles.person)
        select own.tuple, list(distinct other.known_as) as {beside},
            coalesce(list(distinct other.known_as) filter (own.surname = other.surname), [])
                as {kin},
            list(distinct hash(own.held_in)) as {cases}
        from parts as own inner join parts as other
            on own.held_in = other.held_in and own.person <> other.person
        where other.known_as is not null
        group by own.tuple"""
    )


def _fill(connection: duckdb.DuckDBPyConnection, table: str, fields: Sequence[str]) -> None:
    """Put what evidence holds of a person into the fields that `people` lacks.

    Of several values the smallest is taken; all rows that the source holds for one person get it.
    """
    least = ", ".join(f"min({table}.{field}) as {field}" for field in fields)
    replaced = ", ".join(
        f"coalesce(people.{field}, filling.{field}) as {field}" for field in fields
    )
    whose = "coalesce(people.person, people.record_key)"
    connection.execute(
        f"""create or replace temp table people as
        with filling as (
            select {whose} as filled, {least}
            from {table} inner join people on {table}.whose = people.record_key
            group by filled)
        select people.* replace ({replaced})
        from people left join filling on filling.filled = {whose}"""
    )


def _form(table: str, whose: str, fields: dict[str, str]) -> str:
    """SQL for `people` as another form has them: what it states in place of their own."""
    replaced = ", ".join(
        f"coalesce(form.{stated}, people.{field}) as {field}" for field, stated in fields.items()
    )
    differs = " or ".join(
        f"(form.{stated} is not null and form.{stated} is distinct from people.{field})"
        for field, stated in fields.items()
    )
    kept = ", ".join(f"people.{field}" for field in CLEANED if field not in fields)
    return f"""select people.row, people.person, {replaced}, {kept}
        from {table} as form inner join people on form.{whose} = people.record_key
        where {differs}"""


def _bind(connection: duckdb.DuckDBPyConnection, alike: Ints) -> None:
    """Make `nodes` of what `standard` says is one person's."""
    import numpy as np

    forms = connection.execute("select id, unit from standard where id <> unit").fetchnumpy()
    held = connection.execute(
        """select id, min(id) over (partition by member, person) as first
        from standard where id = unit and person is not null"""
    ).fetchnumpy()
    labels: Ints = np.arange(len(alike), dtype=np.int64)
    if len(forms["id"]) or len(held["id"]):
        one = np.concatenate([forms["id"], held["id"]])
        other = np.concatenate([forms["unit"], held["first"]])
        labels = joined(labels, alike[one], alike[other])
    bound = np.flatnonzero(labels != np.arange(len(alike)))
    register(connection, "nodes", {"id": bound.astype(np.int32), "node": labels[bound]})


def key_number(key: str) -> str:
    """SQL for a number that puts pseudonyms in their order; NULL of what is none.

    It is of their first half: of a thousand million two share it once in forty times.
    """
    return f"try_cast('0x' || left({key}, 16) as ubigint)"
