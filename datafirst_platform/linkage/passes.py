"""Linking people of two datasets by ordered passes: what must agree, and in which order.

What belongs here: the joins of a pass, and what counts in it. What does not: weights; passes have
none, so that everybody can say of a link why it was made. How values are cleaned is said in
`standardise.py`, what a pass asks for in the settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from datafirst_platform.engine import connect, name
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.linkage.linking import prepare
from datafirst_platform.linkage.models import LinkageModel, Pass, linkage_model
from datafirst_platform.linkage.publishing import (
    LINKS,
    Counts,
    Linked,
    own_id,
    publish,
    recipe_of,
    standing,
)
from datafirst_platform.linkage.records import Member, members_of
from datafirst_platform.linkage.standardise import KEY_PARTS, TOLD_TOGETHER
from datafirst_platform.safe_errors import values_withheld
from datafirst_platform.settings import Settings

_ENDS = ("l", "r")


def link_passes(settings: Settings, edition: str, dataset: str) -> Linked:
    """Link the people of two datasets, each to one of the other at most, and publish the links.

    People are those a source itself holds for one, with every form in which it knows them: other
    years, aliases, former names. A pass looks only at people whom no earlier one linked; two are
    linked if they agree on what the pass asks for and neither agrees so with anybody else. What is
    ambiguous is counted and left to later passes.

    Tables: `linkage/<dataset>_links` (one column for each member: the source's own id of a person,
    where it has one, else the key of the record, called `<contract>_key`; pass_number), and
    `linkage/<dataset>_counts`.

    Raises:
        NotReady: the identities are not there.
        PlatformError: the settings are not valid, or the engine failed.
    """
    model = linkage_model(dataset, "passes")
    read = members_of(settings, edition, model)
    versions = [each for member in read for each in member.versions]
    recipe, inputs = recipe_of(settings, edition, model, versions)
    if stands := standing(settings, edition, dataset, LINKS, recipe):
        return stands
    with connect(settings) as connection, values_withheld(f"Linking {dataset}"):
        prepare(settings, connection, edition, model)
        _tell_forms(connection)
        connection.execute("create temp table linked (l integer, r integer, pass_number smallint)")
        counts: Counts = {}
        for each in model.passes:
            counts |= _pass(connection, each)
        counts |= _people(connection, model)
        return publish(
            settings, connection, edition, dataset, {"links": _links(read)}, counts, recipe, inputs
        )


def _tell_forms(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `told_<kind>` (member, person, key parts): what is told of a person, each form once.

    A person is the node of their records. Names, dates of birth and postcodes are kept apart: who
    moved, and had been misspelt before, has the right name at the old address too.
    """
    for kind, parts in TOLD_TOGETHER.items():
        columns = ", ".join(f"{KEY_PARTS[part]} as {part}" for part in parts)
        connection.execute(
            f"""create temp table told_{kind} as
            select distinct member, coalesce(node, id) as person, {columns}
            from tuples left join nodes using (id)"""
        )


def _pass(connection: duckdb.DuckDBPyConnection, each: Pass) -> Counts:
    """Add the pairs of a pass to `linked`; count them, and those that are ambiguous."""
    agreeing = " union ".join(_agreeing(parts) for parts in each.keys)
    connection.execute(f"create or replace temp table candidates as {agreeing}")
    for part in each.unless_known_to_differ:
        connection.execute(_taken_out(part))
    connection.execute(
        """create or replace temp table judged as
        select l, r,
            count(*) over (partition by l) = 1 and count(*) over (partition by r) = 1 as is_only
        from candidates"""
    )
    connection.execute(
        "insert into linked select l, r, ?::smallint from judged where is_only", [each.number]
    )
    linked, ambiguous = connection.execute(
        "select count(*) filter (is_only), count(*) filter (not is_only) from judged"
    ).fetchall()[0]
    return {("linked", str(each.number)): linked, ("ambiguous", str(each.number)): ambiguous}


def _agreeing(parts: Sequence[str]) -> str:
    """SQL for the pairs (l, r) of people, not linked yet, that agree on the parts in some form."""
    kinds = [kind for kind, told in TOLD_TOGETHER.items() if {*told} & {*parts}]
    told = f"told_{kinds[0]}" + "".join(
        f" inner join told_{kind} using (member, person)" for kind in kinds[1:]
    )
    listed = ", ".join(parts)
    known = " and ".join(f"{part} is not null" for part in parts)
    sides = (
        f"""(select distinct person as {end}, {listed} from {told}
        where member = {member} and {known} and person not in (select {end} from linked))"""
        for member, end in enumerate(_ENDS)
    )
    return f"select distinct l, r from {' inner join '.join(sides)} using ({listed})"


def _taken_out(part: str) -> str:
    """SQL that takes the pairs out of `candidates` of which both sides tell a part, none alike."""
    told = next(f"told_{kind}" for kind, parts in TOLD_TOGETHER.items() if part in parts)
    return f"""
        create or replace temp table candidates as
        with contradicted as (
            select l, r
            from candidates
                inner join {told} as one on one.person = l and one.{part} is not null
                inner join {told} as other on other.person = r and other.{part} is not null
            group by l, r
            having not bool_or(one.{part} = other.{part})
        )
        select l, r from candidates anti join contradicted using (l, r)"""


def _people(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> Counts:
    """The records of both members; their people, and those no pass linked."""
    counts: Counts = {("records", ""): _counted(connection, "records")}
    for number, (member, end) in enumerate(zip(model.members, _ENDS, strict=True)):
        people = f"(select distinct person from told_sex where member = {number})"
        counts["people", member] = _counted(connection, people)
        unlinked = f"{people} where person not in (select {end} from linked)"
        counts["unlinked", member] = _counted(connection, unlinked)
    return counts


def _counted(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(connection.execute(f"select count(*) from {relation}").fetchall()[0][0])


def _links(read: Sequence[Member]) -> str:
    """SQL for the links, each side by the id its source's records have, in the order of both."""
    columns = [name(own_id(member.people.key.table)) for member in read]
    named = [
        f"""{end} as (
            select coalesce(node, tuple) as {end}, arg_min({_held(member)}, record_key) as {column}
            from records inner join {member.people.sql} as held using (record_key)
                left join nodes on nodes.id = records.tuple
            where records.member = {number} group by all)"""
        for number, (member, column, end) in enumerate(zip(read, columns, _ENDS, strict=True))
    ]
    return f"""with {", ".join(named)}
        select {", ".join(columns)}, pass_number
        from linked inner join l using (l) inner join r using (r) order by {", ".join(columns)}"""


def _held(member: Member) -> str:
    """SQL for the id by which links name whom a record is of: the source's own, or its key."""
    person = contracts()[member.people.key.table].source_person
    return f"held.{name(str(person.content_name))}" if person else "record_key"
