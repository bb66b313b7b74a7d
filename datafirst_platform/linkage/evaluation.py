"""How good the links are, against reference labels where there are any.

What belongs here: precision, recall and F1 of a whole linkage, threshold by threshold or pass by
pass. What does not: linking (it never sees the labels), and anything about a single record: every
figure here is an aggregate. Groups of people are measured in `subgroups.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import connect, name, parquet, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.linkage.measures import Measure, Quality
from datafirst_platform.linkage.models import LEVELS, LinkageModel, linkage_model
from datafirst_platform.linkage.publishing import own_id, table_key
from datafirst_platform.linkage.subgroups import groups_of_links, groups_of_people, tell_groups
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion


def evaluate(
    settings: Settings, edition: str, dataset: str, *, by_group: bool = True
) -> Quality | None:
    """Compare a linkage with the reference labels, or None where there are none.

    Pairs are counted from cluster sizes and never listed: a pair is right where two records share
    the estimated and the true person. Records and datasets without a label are left out.

    Args:
        settings: the installation.
        edition: partition key.
        dataset: the linkage.
        by_group: whether people are told apart by groups, too; of cases and passes they always are.

    Raises:
        NotReady: the dataset has not been linked.
        PlatformError: the labels fit no record at all.
    """
    model = linkage_model(dataset)
    if model.kind == "cases":
        return _evaluate_cases(settings, edition, model)
    if model.kind == "passes":
        return _evaluate_passes(settings, edition, model)
    members = model.members if model.kind == "across" else (dataset,)
    people_of = [linkage_model(member).members[0] for member in members]
    labelled_tables = [each for each in people_of if _truth(settings, edition, each).exists()]
    if not labelled_tables:
        return None
    people = tables.require(settings, table_key(dataset, "people"), edition)
    with connect(settings) as connection, values_withheld(f"Evaluating {dataset}"):
        define_record_pseudonym(connection, scope_key(settings, "records"))
        labelled = " union all ".join(
            f"select record_key, person_id, {number} as member "
            f"from ({_labels(settings, edition, table)})"
            for number, table in enumerate(labelled_tables)
        )
        connection.execute(
            f"""create temp table labelled as
            select record_key, person_id, member,
                {", ".join(f"person_{level}" for level in LEVELS)}
            from {people.sql} join ({labelled}) using (record_key)"""
        )
        _some(connection, settings, edition, "labelled", people)
        across = len(members) > 1
        scopes = ("all", "cross") if across else ("all",)
        measures = tuple(
            measure_pairs(connection, scope, level) for scope in scopes for level in LEVELS
        )
        told = by_group and tell_groups(connection, settings, edition, labelled_tables)
        of_groups = groups_of_people(connection, across=across) if told else ()
    return Quality(dataset, measures, of_groups)


def _evaluate_cases(settings: Settings, edition: str, model: LinkageModel) -> Quality | None:
    """Compare linked cases with the true ones; a case is of the group of its first defendant."""
    file = _truth(settings, edition, model.dataset)
    if not file.exists():
        return None
    cases = tables.require(settings, table_key(model.dataset, "cases"), edition)
    members = [linkage_model(member).members[0] for member in model.members]
    keys = [f"{table}_key" for table in members]
    with connect(settings) as connection, values_withheld(f"Evaluating {model.dataset}"):
        define_record_pseudonym(connection, scope_key(settings, "records"))
        truth = ", ".join(
            f"{_record_key(table)} as {key}" for table, key in zip(members, keys, strict=True)
        )
        connection.execute(
            f"""create temp table truth as
            select distinct {truth}, {keys[0]} as record_key from {parquet(file)}"""
        )
        connection.execute(
            f"""create temp table found as
            select {keys[0]} as record_key, match_weight, truth.{keys[0]} is not null as is_true
            from {cases.sql} left join truth using ({", ".join(keys)})"""
        )
        levels = [(level, f"match_weight >= {model.thresholds[level]}") for level in LEVELS]
        measures = [_measure_links(connection, "cases", *level) for level in levels]
        told = tell_groups(connection, settings, edition, members[:1])
        by_group = groups_of_links(connection, levels) if told else ()
    return Quality(model.dataset, tuple(measures), by_group)


def _evaluate_passes(settings: Settings, edition: str, model: LinkageModel) -> Quality | None:
    """Compare links one to one with the true people: in all, by pass, and up to each pass.

    Where the second dataset holds a person twice, one link of theirs is all there can be. A pass's
    recall is the share of all true links that it finds.
    """
    members = [linkage_model(member).members[0] for member in model.members]
    if not all(_truth(settings, edition, table).exists() for table in members):
        return None
    links = tables.require(settings, table_key(model.dataset, "links"), edition)
    with connect(settings) as connection, values_withheld(f"Evaluating {model.dataset}"):
        define_record_pseudonym(connection, scope_key(settings, "records"))
        for end, table in zip("lr", members, strict=True):
            connection.execute(f"create temp table {end} as {_owned(settings, edition, table)}")
        connection.execute(
            """create temp table truth as
            select record_key
            from (
                select record_key, person_id,
                    row_number() over (partition by person_id order by record_key) as place
                from l
            ) inner join (select person_id, count(*) as there from r group by all)
                using (person_id)
            where place <= there"""
        )
        one, other = (own_id(table) for table in members)
        connection.execute(
            f"""create temp table found as
            select l.record_key, links.pass_number, l.person_id = r.person_id as is_true
            from {links.sql} as links
                inner join l on l.own = links.{one} inner join r on r.own = links.{other}"""
        )
        _some(connection, settings, edition, "found", links)
        whole = [("all", "true")]
        numbers = [each.number for each in model.passes]
        measures = [_measure_links(connection, "all", *whole[0])]
        measures += [
            _measure_links(connection, scope, str(number), f"pass_number {compared} {number}")
            for scope, compared in (("pass", "="), ("up to pass", "<="))
            for number in numbers
        ]
        told = tell_groups(connection, settings, edition, members[:1])
        by_group = groups_of_links(connection, whole) if told else ()
    return Quality(model.dataset, tuple(measures), by_group)


def _measure_links(
    connection: duckdb.DuckDBPyConnection, scope: str, level: str, condition: str
) -> Measure:
    """Links of `found` (is_true, …) against `truth`."""
    true = connection.execute("select count(*) from truth").fetchall()[0][0]
    linked, both = connection.execute(
        f"select count(*), count(*) filter (is_true) from found where {condition}"
    ).fetchall()[0]
    return Measure(scope, level, linked, true, both)


def _some(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    edition: str,
    found: str,
    linked: TableVersion,
) -> None:
    """Refuse labels none of which fits what was linked."""
    if linked.rows and not connection.execute(f"select count(*) from {found}").fetchall()[0][0]:
        folder = settings.secure / "truth" / edition
        msg = f"The reference labels in {folder} fit no record of {linked.key}: other keys."
        raise PlatformError(msg)


def _truth(settings: Settings, edition: str, table: str) -> Path:
    """Where the reference labels of a table lie, if there are any."""
    return settings.secure / "truth" / edition / f"{table}.parquet"


def _owned(settings: Settings, edition: str, table: str) -> str:
    """SQL for the people of a table: own, the id links have of them; record_key; person_id."""
    labels = _labels(settings, edition, table)
    if contracts()[table].source_person is None:
        return f"select record_key as own, record_key, person_id from ({labels})"
    identities = tables.require(settings, TableKey.of("identities", table), edition)
    return f"""select {name(own_id(table))} as own, record_key, person_id
        from ({labels}) inner join {identities.sql} using (record_key)"""


def _labels(settings: Settings, edition: str, table: str) -> str:
    """SQL for the labels of a table's records: record_key, person_id.

    Of the records that their source itself holds for one person only the first counts: that they
    belong together is no finding of the linkage.
    """
    file = parquet(_truth(settings, edition, table))
    labels = f"select {_record_key(table)} as record_key, person_id from {file}"
    person = contracts()[table].source_person
    if person is None:
        return labels
    identities = tables.require(settings, TableKey.of("identities", table), edition)
    whose = name(str(person.content_name))
    return f"""select record_key, person_id
        from (select min(record_key) as record_key
            from {identities.sql} group by {whose})
        inner join ({labels}) using (record_key)"""


def _record_key(table: str) -> str:
    """SQL of a record's key from the supplied key columns."""
    parts = [text(table), *(name(column) for column in contracts()[table].primary_key)]
    return f"pseudonym({' || chr(124) || '.join(parts)})"


def measure_pairs(connection: duckdb.DuckDBPyConnection, scope: str, level: str) -> Measure:
    """Pairs of `labelled` (person_id, member, person_high, …), counted from cluster sizes."""
    person = f"person_{level}"
    linked, true, both = (
        _pairs(connection, columns, scope)
        for columns in ((person,), ("person_id",), ("person_id", person))
    )
    return Measure(scope, level, linked, true, both)


def _pairs(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], scope: str) -> int:
    """Pairs of records that agree on the columns; of scope `cross` without those of one member."""
    by = ", ".join(columns)
    counted = f"select count(*) as n from labelled group by {by}"
    total = f"select coalesce(sum(n * (n - 1) // 2), 0)::bigint from ({counted}"
    pairs = connection.execute(f"{total})").fetchall()[0][0]
    if scope == "cross":
        pairs -= connection.execute(f"{total}, member)").fetchall()[0][0]
    return int(pairs)
