"""Standard records of a linkage: who is to be compared, and who is known to be one already.

What belongs here: reading the identities of each member, with what further tables tell of its
people; collapsing equal identifiers; and the bonds a source itself states. What does not: pairs,
weights, clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import name, parquet, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.clusters import joined
from datafirst_platform.linkage.models import Evidence, LinkageModel, linkage_model
from datafirst_platform.linkage.standardise import (
    ADDRESS,
    BESIDE_FIELDS,
    CLEANED,
    FIELDS,
    clean_query,
    derive_query,
)
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    from datafirst_platform.linkage.clusters import Ints


CONTENT = f"""case when pnc is not null or cro is not null or (forename1 is not null
    and surname is not null and dob is not null and postcode is not null)
    then hash({", ".join(field for field in CLEANED if field != ADDRESS)}) end"""
"""SQL over cleaned records: equal where they are one tuple, NULL where they identify nobody."""


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

    Ids count from 0 in the order of the record keys within a member, member after member, so that
    the smallest id is the smallest key. Records with the same identifiers are one tuple, compared
    once; its id is that of its first record. Only what identifies collapses: a police identifier,
    or names, date of birth and postcode. Name and date of birth alone would merge strangers, ever
    more as the data grow.

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
    records = sum(member.people.rows for member in members)
    columns = ", ".join(f"{column} {kind}" for column, kind in CLEANED.items())
    connection.execute(
        "create or replace temp table standard (member utinyint, unit integer, id integer, "
        f"record_key varchar, person varchar, {columns}, content ubigint)"
    )
    first, spare = 0, records
    for number, member in enumerate(members):
        spare += _load(connection, number, member, first, spare, addresses=addresses)
        first += member.people.rows
    connection.execute(
        """create or replace temp table firsts as
        select member, content, min(id) as id from standard where content is not null
        group by member, content"""
    )
    connection.execute(
        """create or replace temp table placed as
        select standard.id, unit, member, record_key, person,
            coalesce(firsts.id, standard.id) as tuple
        from standard left join firsts using (member, content)"""
    )
    connection.execute(
        """create or replace temp table records as
        select id, member, record_key, tuple from placed where id = unit"""
    )
    distinct = "select * exclude (unit, record_key, person, content) from standard "
    distinct += "where content is null or id in (select id from firsts)"
    connection.execute(
        f"""create or replace temp table tuples as
        select id, member, {", ".join(FIELDS)} from ({derive_query(distinct)})"""
    )
    if beside:
        _stand_beside(connection, members[0])
    _bind(connection, spare)
    for table in ("standard", "firsts", "placed"):
        connection.execute(f"drop table {table}")
    sizes = dict(
        connection.execute("select member, count(*) from tuples group by member").fetchall()
    )
    return [sizes.get(number, 0) for number in range(len(members))]


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
    if "surname" not in {field for column in contract.columns for field in column.feeds}:
        msg = f"Contract {contract.table} feeds no surname (`links_as`): it cannot be linked."
        raise PlatformError(msg)
    person = contract.source_person
    held = name(str(person.content_name)) if person else "null::varchar"
    source = f"select *, {held} as person from ({numbered(connection, member.people.path)})"
    people = clean_query(contract.table, source, ("row", "record_key", "person"))
    read = "*" if addresses else f"* replace (null::varchar as {ADDRESS})"
    connection.execute(f"create or replace temp table people as select {read} from ({people})")
    for at, (evidence, version) in enumerate(member.evidence):
        child = contracts()[evidence.table]
        if child.parent != contract.table:
            msg = f"Evidence {child.table} does not belong to rows of {contract.table}."
            raise PlatformError(msg)
        source = f"select *, {name(f'{contract.table}_key')} as whose from {parquet(version.path)}"
        cleaned = clean_query(child.table, source, ("whose",))
        connection.execute(
            f"create or replace temp table evidence_{at} as select {read} from ({cleaned})"
        )
        if evidence.fills:
            _fill(connection, f"evidence_{at}", evidence.fills)
    kept = ", ".join(CLEANED)
    connection.execute(
        f"""insert into standard
        select {number}::utinyint, ({first} + row)::integer, ({first} + row)::integer,
            record_key, person, {kept}, {CONTENT} from people"""
    )
    forms = [_form("people", "record_key", {"surname": "previous_surname"})]
    forms += [
        _form(f"evidence_{at}", "whose", {field: field for field in evidence.varies})
        for at, (evidence, _) in enumerate(member.evidence)
        if evidence.varies
    ]
    if "previous_surname" not in {field for each in contract.columns for field in each.feeds}:
        del forms[0]
    if not forms:
        return 0
    connection.execute(
        f"""create or replace temp table forms as
        select *, row_number() over (order by row, {kept}) - 1 as form
        from (
            select distinct row, record_key, person, {kept}
            from ({" union all by name ".join(forms)}))"""
    )
    connection.execute(
        f"""insert into standard
        select {number}::utinyint, ({first} + row)::integer, ({spare} + form)::integer,
            record_key, person, {kept}, {CONTENT} from forms"""
    )
    return int(connection.execute("select count(*) from forms").fetchall()[0][0])


def _stand_beside(connection: duckdb.DuckDBPyConnection, member: Member) -> None:
    """Give `tuples` the `BESIDE_FIELDS`.

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
        f"""create or replace temp table tuples as
        with roles as (
            select distinct {case} as held_in, {person} as person
            from {parquet(member.beside.path)}),
        parts as (
            select tuple, held_in, roles.person, surname,
                case when surname is not null and forename1 is not null
                    then hash(surname, forename1) end as known_as
            from placed inner join standard using (id)
                inner join roles on placed.person = roles.person),
        others as (
            select own.tuple, list(distinct other.known_as) as {beside},
                coalesce(list(distinct other.known_as) filter (own.surname = other.surname), [])
                    as {kin},
                list(distinct hash(own.held_in)) as {cases}
            from parts as own inner join parts as other
                on own.held_in = other.held_in and own.person <> other.person
            where other.known_as is not null
            group by own.tuple)
        select tuples.*, {beside}, {kin}, {cases}
        from tuples left join others on tuples.id = others.tuple"""
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
    return f"""select people.row, people.record_key, people.person, {replaced}, {kept}
        from {table} as form inner join people on form.{whose} = people.record_key
        where {differs}"""


def _bind(connection: duckdb.DuckDBPyConnection, ids: int) -> None:
    """Make `nodes` of what `placed` says is one person's."""
    import numpy as np
    import pyarrow as pa

    bonds = connection.execute(
        """select record.tuple as one, form.tuple as other
        from placed as form inner join placed as record on record.id = form.unit
        where form.id <> form.unit
        union all
        select tuple, first_value(tuple) over (partition by member, person order by id)
        from placed where id = unit and person is not null"""
    ).fetchnumpy()
    labels: Ints = np.arange(ids, dtype=np.int64)
    if len(bonds["one"]):
        labels = joined(labels, np.asarray(bonds["one"]), np.asarray(bonds["other"]))
    bound = np.flatnonzero(labels != np.arange(ids))
    found = pa.table({"id": bound.astype(np.int32), "node": labels[bound].astype(np.int32)})
    connection.register("found", found)
    connection.execute("create or replace temp table nodes as select * from found")
    connection.unregister("found")


def numbered(connection: duckdb.DuckDBPyConnection, file: Path) -> str:
    """SQL for a file's rows, numbered in the order of their keys."""
    rows = f"read_parquet({text(file)}, file_row_number = true)"
    disordered = connection.execute(
        "select count(*) from (select record_key < lag(record_key) over () as falls "
        f"from {rows}) where falls"
    ).fetchall()
    if disordered[0][0]:
        # Numbers are joined: a window over whole rows would sort all that is in them.
        return (
            f"select supplied.*, place.row from {rows} as supplied inner join ("
            "select file_row_number, row_number() over (order by record_key) - 1 as row "
            f"from {rows}) as place using (file_row_number)"
        )
    return f"select *, file_row_number as row from {rows}"
