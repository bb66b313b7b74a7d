"""The figures by which a linkage is judged, as a table of counts: `linkage/<dataset>_quality`.

What belongs here: counting, once a linkage stands, what its report tells: scores, cluster sizes,
who cannot be linked, and how links compare with what is known of pairs, for everyone and by
subgroup. What does not: rates and intervals (`estimates.py`), disclosure and pages (`report.py`),
and anything about a single record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import connect, name, parquet, text
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.linkage.blocking import key_sql
from datafirst_platform.linkage.cases import prepare_cases
from datafirst_platform.linkage.evaluation import _labels, _record_key, evaluate
from datafirst_platform.linkage.labels import answers_of, answers_path
from datafirst_platform.linkage.linking import prepare
from datafirst_platform.linkage.models import LEVELS, LinkageModel, linkage_model
from datafirst_platform.linkage.profiles import (
    EVERYONE,
    SUBGROUPS,
    people_tables,
    profiles_query,
    tables_told,
)
from datafirst_platform.linkage.publishing import is_judged, linked_parts, recipe_of, table_key
from datafirst_platform.linkage.records import forget_records, members_of
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

COLUMNS = {
    "measure": ("VARCHAR", "What was counted"),
    "level": ("VARCHAR", "Threshold, empty where none"),
    "part": ("VARCHAR", "Weight, size or scope the figure is of, empty where none"),
    "subgroup": ("VARCHAR", "What records are told apart by; everyone for all"),
    "subgroup_value": ("VARCHAR", "Subgroup; All for everyone"),
    "value": ("BIGINT", "How many"),
}

MEASURES = {
    "records": "Records that are linked",
    "unlinkable": "Records that no blocking rule reaches: nothing can be linked to them",
    "linked": "Records that share their person (or case) with another record",
    "people_of_size": "People by the number of their records",
    "edges_of_weight": "Scored links by match weight, in halves",
    "linked_pairs": "Pairs linked; of a subgroup, as often as one of its records is in such a pair",
    "true_pairs": "Pairs that the reference labels hold for one; of a subgroup as above",
    "right_pairs": "Pairs that are both",
    "candidates": "Candidate pairs when clerks' pairs were drawn, by the strictest threshold that "
    "links them and by match weight",
    "answered": "Of those drawn, pairs a clerk decided on",
    "one_person": "Of those, pairs decided to be one person (or case)",
    "unsure": "Of those drawn, pairs a clerk could not decide on",
}
"""Measures of the table, with what each counts."""

SIZES = ("1", "2", "3", "4", "5", "6 to 10", "11 to 20", "21 to 50", "51 or more")
"""Bands of cluster sizes."""

_SIZE_BAND = """case when records <= 5 then records::varchar when records <= 10 then '6 to 10'
    when records <= 20 then '11 to 20' when records <= 50 then '21 to 50' else '51 or more' end"""


def measured_tables(model: LinkageModel) -> tuple[TableKey, ...]:
    """What the figures are counted from and Dagster has to wait for: links and extracts."""
    told = dict.fromkeys(each for table in people_tables(model) for each in tables_told(table))
    return (
        *(table_key(model.dataset, part) for part in linked_parts(model.dataset)),
        *(TableKey.of("extracts", each) for each in told),
    )


def measure(settings: Settings, edition: str, dataset: str) -> TableVersion:
    """Count what a linkage's report tells and publish it as `linkage/<dataset>_quality`.

    Rows: (measure, level, part, subgroup, subgroup_value, value), see `MEASURES`. A group of which
    nothing is counted has no row. Nothing is done where the same links, labels and code have been
    counted already.

    Raises:
        NotReady: the dataset has not been linked, or an extract is not there.
        PlatformError: the labels fit no record, the linkage has no match weights, or the engine
            failed.
    """
    model = linkage_model(dataset)
    if not is_judged(dataset):
        msg = f"{dataset} has no match weights, and no table by which it is judged."
        raise PlatformError(msg)
    linked = {
        part: tables.require(settings, table_key(dataset, part), edition)
        for part in linked_parts(dataset)
    }
    told = [profiles_query(settings, edition, table) for table in people_tables(model)]
    versions = [*linked.values(), *(each for _, read in told for each in read)]
    linkage_recipe, inputs = recipe_of(
        settings,
        edition,
        model,
        [*versions, *(each for of in _identities(settings, edition, model) for each in of)],
    )
    labels = _label_files(settings, edition, model)
    inputs |= {label: tables.digest_of(file) for label, file in labels.items()}
    recipe = tables.recipe_of(_code(), linkage_recipe, inputs)
    key = table_key(dataset, "quality")
    if stands := tables.standing(settings, key, edition, recipe):
        return stands
    judged = evaluate(settings, edition, dataset, by_group=False)
    with connect(settings) as connection, values_withheld(f"Measuring {dataset}"):
        _tell(connection, [query for query, _ in told])
        connection.execute(
            "create temp table counted (measure varchar, level varchar, part varchar, "
            "profile integer, value bigint)"
        )
        connection.execute("create temp table whole as select * from counted")
        # What nothing is counted of is 0 of everyone.
        for what in ("records", "unlinkable"):
            _whole(connection, what, "", "", 0)
        for level in LEVELS:
            _whole(connection, "linked", level, "", 0)
        _count_records(settings, connection, edition, model)
        count_links = _count_cases if model.kind == "cases" else _count_people
        count_links(connection, linked)
        if judged is not None:
            against = _against_cases if model.kind == "cases" else _against_labels
            against(settings, connection, edition, model, linked)
            for each in judged.measures:
                counts = (each.linked, each.true, each.both)
                for what, value in zip(_PAIRS, counts, strict=True):
                    _whole(connection, what, each.level, each.scope, value)
        query = _expanded() + _answered(settings, connection, edition, model, linked)
        return tables.publish(
            settings,
            connection,
            key,
            edition,
            f"select * exclude (value), sum(value)::bigint as value from ({query}) group by all "
            f"order by {', '.join(COLUMNS)}",
            recipe=recipe,
            inputs=inputs,
        )


_PAIRS = ("linked_pairs", "true_pairs", "right_pairs")


@cache
def _code() -> str:
    """Digest of the code that counts, which is not among the code that links."""
    digest = hashlib.sha256()
    for each in ("evaluation", "labels", "profiles", "quality"):
        digest.update(Path(__file__).with_name(f"{each}.py").read_bytes())
    return digest.hexdigest()


def _identities(
    settings: Settings, edition: str, model: LinkageModel
) -> Iterable[Sequence[TableVersion]]:
    return (member.versions for member in members_of(settings, edition, model))


def _label_files(settings: Settings, edition: str, model: LinkageModel) -> dict[str, Path]:
    """Every file that tells which pairs are one person, by name."""
    named = [model.dataset] if model.kind == "cases" else people_tables(model)
    truth = settings.secure / "truth" / edition
    files = {f"truth/{each}": truth / f"{each}.parquet" for each in named}
    files[f"labels/{model.dataset}"] = answers_path(settings, edition, model.dataset)
    return {label: file for label, file in files.items() if file.exists()}


def _tell(connection: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> None:
    """Make `profiles` (id, `SUBGROUPS`) and `told` (record_key, profile): few and many rows."""
    kinds = ", ".join(SUBGROUPS)
    told = " union all ".join(f"({query})" for query in queries)
    connection.execute(
        f"""create temp table profiles as
        select (row_number() over (order by {kinds}))::integer as id, {kinds}
        from (select distinct {kinds} from ({told}))"""
    )
    connection.execute(
        f"create temp table told as select record_key, id as profile "
        f"from ({told}) inner join profiles using ({kinds})"
    )


def _whole(
    connection: duckdb.DuckDBPyConnection, what: str, level: str, part: str, value: int
) -> None:
    connection.execute("insert into whole values (?, ?, ?, null, ?)", [what, level, part, value])


def _count_records(
    settings: Settings, connection: duckdb.DuckDBPyConnection, edition: str, model: LinkageModel
) -> None:
    """Records, and those whom no rule reaches in any form their source knows them by."""
    make = prepare_cases if model.kind == "cases" else prepare
    make(settings, connection, edition, model)
    own = "id" if model.kind == "cases" else "tuple"
    reached = " or ".join(f"({key_sql(rule.agree_on)}) is not null" for rule in model.blocking)
    connection.execute(
        f"""create temp table reached as
        select coalesce(node, id) as node, bool_or({reached}) as is_reached
        from tuples left join nodes using (id) group by all"""
    )
    connection.execute(
        f"""insert into counted
        select unnest(['records', 'unlinkable']), '', '', profile,
            unnest([count(*), count(*) filter (where not is_reached)])
        from records
        left join nodes on nodes.id = records.{own}
        inner join reached on reached.node = coalesce(nodes.node, records.{own})
        inner join told using (record_key)
        group by profile"""
    )
    connection.execute("drop table reached")
    forget_records(connection)


def _count_people(connection: duckdb.DuckDBPyConnection, linked: dict[str, TableVersion]) -> None:
    """Linked records, cluster sizes and the weights of links."""
    people = linked["people"].sql
    for level in LEVELS:
        person = f"person_{level}"
        connection.execute(
            f"""insert into counted
            select 'linked', {text(level)}, '', profile, count(*)
            from (select record_key, count(*) over (partition by {person}) as records from {people})
            inner join told using (record_key)
            where records > 1 group by profile"""
        )
        connection.execute(
            f"""insert into whole
            select 'people_of_size', {text(level)}, {_SIZE_BAND}, null, count(*)
            from (select count(*) as records from {people} group by {person}) group by all"""
        )
    _count_weights(connection, linked["edges"].sql)


def _count_weights(connection: duckdb.DuckDBPyConnection, edges: str) -> None:
    connection.execute(
        f"""insert into whole
        select 'edges_of_weight', '', (floor(match_weight * 2) / 2)::decimal(6, 1)::varchar,
            null, count(*)
        from {edges} group by all"""
    )


def _count_cases(connection: duckdb.DuckDBPyConnection, linked: dict[str, TableVersion]) -> None:
    """Cases with a counterpart, of either court, and the weights of links."""
    cases = linked["cases"]
    for level in LEVELS:
        reached = f"match_weight >= {_threshold(cases, level)}"
        keys = " union all ".join(
            f"select {name(key)} as record_key from {cases.sql} where {reached}"
            for key in _ends(cases)
        )
        connection.execute(
            f"""insert into counted
            select 'linked', {text(level)}, '', profile, count(*)
            from ({keys}) inner join told using (record_key) group by profile"""
        )
    _count_weights(connection, cases.sql)


def _ends(cases: TableVersion) -> list[str]:
    return [column for column, _ in cases.columns if column.endswith("_key")]


def _threshold(cases: TableVersion, level: str) -> float:
    return linkage_model(cases.key.table).thresholds[level]


def _against_labels(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    linked: dict[str, TableVersion],
) -> None:
    """Pairs linked, true and both, as each subgroup's records are in them.

    A record of a cluster of n is in n - 1 pairs, so pairs are counted and never listed.
    """
    define_record_pseudonym(connection, scope_key(settings, "records"))
    truth = settings.secure / "truth" / edition
    labels = " union all ".join(
        f"select record_key, person_id, {number} as member "
        f"from ({_labels(settings, edition, table)})"
        for number, table in enumerate(people_tables(model))
        if (truth / f"{table}.parquet").exists()
    )
    connection.execute(
        f"""create temp table labelled as
        select profile, person_id, member, {", ".join(f"person_{level}" for level in LEVELS)}
        from {linked["people"].sql}
        inner join ({labels}) using (record_key) inner join told using (record_key)"""
    )
    for scope in ("all", "cross") if model.kind == "across" else ("all",):
        ways = {level: [f"person_{level}", f"person_id, person_{level}"] for level in LEVELS}
        connection.execute(
            f"create or replace temp table true_ends as {_pair_ends('person_id', scope)}"
        )
        for level, (linked_by, both_by) in ways.items():
            counts = _pair_ends(linked_by, scope), "from true_ends", _pair_ends(both_by, scope)
            for measure_of, query in zip(_PAIRS, counts, strict=True):
                connection.execute(
                    f"insert into counted select {text(measure_of)}, {text(level)}, {text(scope)}, "
                    f"profile, ends from ({query})"
                )


def _pair_ends(columns: str, scope: str) -> str:
    """SQL for how often a record of each profile is in a pair of records alike in the columns.

    Of scope `cross` without the pairs of one dataset.
    """
    own = "1" if scope == "all" else f"sum(count(*)) over (partition by {columns}, member)"
    return f"""
        select profile, sum(records * (together - own))::bigint as ends
        from (
            select profile, count(*) as records,
                sum(count(*)) over (partition by {columns}) as together, {own} as own
            from labelled group by {columns}, profile, member)
        group by profile"""


def _against_cases(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    linked: dict[str, TableVersion],
) -> None:
    """Pairs of cases linked, true and both, by the subgroup of the first court's record."""
    define_record_pseudonym(connection, scope_key(settings, "records"))
    cases = linked["cases"]
    own, other = _ends(cases)
    truth = ", ".join(
        f"{_record_key(table)} as {name(key)}"
        for table, key in zip(people_tables(model), (own, other), strict=True)
    )
    file = settings.secure / "truth" / edition / f"{model.dataset}.parquet"
    connection.execute(
        f"create temp table truth as select distinct {truth}, true as is_true from {parquet(file)}"
    )
    for level in LEVELS:
        connection.execute(
            f"""insert into counted
            select unnest({list(_PAIRS)}), {text(level)}, 'cases', profile,
                unnest([count(is_linked), count(is_true), count(is_linked and is_true)])
            from truth
            full join (
                select {name(own)}, {name(other)}, true as is_linked
                from {cases.sql} where match_weight >= {_threshold(cases, level)}
            ) using ({name(own)}, {name(other)})
            inner join told on told.record_key = {name(own)}
            group by profile"""
        )


def _expanded() -> str:
    """SQL for what was found of each profile as told of everyone and of each subgroup."""
    groups = {EVERYONE[0]: text(EVERYONE[1]), **{kind: kind for kind in SUBGROUPS}}
    # Pairs of everyone are counted once each, not from both their records.
    pairs = ", ".join(text(each) for each in _PAIRS)
    by_group = " union all ".join(
        f"""select measure, level, part, {text(kind)} as subgroup, {value} as subgroup_value,
            sum(value)::bigint as value
        from counted inner join profiles on profiles.id = counted.profile
        where {text(kind)} <> {text(EVERYONE[0])} or measure not in ({pairs})
        group by all"""
        for kind, value in groups.items()
    )
    whole = "select measure, level, part, {}, {}, value from whole"
    return f"{by_group} union all {whole.format(*map(text, EVERYONE))}"


def _answered(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    model: LinkageModel,
    linked: dict[str, TableVersion],
) -> str:
    """SQL for the counts of clerks' answers about these very links; empty where there are none."""
    answers = answers_of(settings, edition, model.dataset)
    links = linked["cases" if model.kind == "cases" else "people"]
    if answers is None or answers.links != links.version:
        return ""
    connection.execute(
        "create temp table clerks (measure varchar, level varchar, part varchar, "
        "subgroup varchar, subgroup_value varchar, value bigint)"
    )
    connection.executemany(
        "insert into clerks values (?, ?, ?, ?, ?, ?)", [list(row) for row in answers.counts]
    )
    return " union all select * from clerks"
