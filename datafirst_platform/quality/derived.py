"""Derived rules: what follows for a table from how the table is made.

What belongs here: the rules every table of a stage has, made from contracts, the settings of
linkages and the columns of marts, one function a kind of table. What does not: rules that are one
table's own, such as plausible shares; those are written in `expectations/` and read by `suites.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import (
    Column,
    Contract,
    code_list,
    code_meanings,
    contracts,
    sources,
)
from datafirst_platform.extracts.permissions import linkage_permissions
from datafirst_platform.identity import PSEUDONYM_LENGTH, RESTRICTED_STAGES, TableKey
from datafirst_platform.linkage.lineage import CHANGES
from datafirst_platform.linkage.models import LEVELS, LinkageModel, datasets, linkage_model
from datafirst_platform.linkage.profiles import EVERYONE, SUBGROUPS
from datafirst_platform.linkage.publishing import own_id, parts_of, table_key
from datafirst_platform.linkage.quality import COLUMNS as QUALITY_COLUMNS
from datafirst_platform.linkage.quality import MEASURES
from datafirst_platform.marts.project import ReleasedTable, modelled_tables, release_specs
from datafirst_platform.quality.rules import (
    Companion,
    Rule,
    bounded,
    closed,
    holds_rows,
    listed,
    long,
    matching,
    none_found,
    not_null,
    of_type,
    pseudonym,
    share,
    unique,
)

PREVIOUS = "previous"
"""View of a table's own edition before."""

MART = "mart"
"""View of the mart a released table was made from."""

_RECEIPT = (
    *("table_name", "file", "sha256", "bytes"),
    *("rows_supplied", "rows_accepted", "rows_quarantined", "accepted_share"),
)
_PEOPLE = tuple(f"person_{level}" for level in LEVELS)
_SINCE = tuple(f"since_{level}" for level in LEVELS)
_ENDS = ("record_key_l", "record_key_r")
_MOST_WEIGHT = 300
"""log2 of a likelihood ratio: every identifier in common comes to less than half of it."""


@dataclass(frozen=True)
class Derived:
    """What is derived of a suite.

    Attributes:
        stated_by: what states the columns, for messages.
        description: what the rules watch for.
        columns: names, closed and in order.
        companions: other tables the rules look at.
        rules: in order.
    """

    stated_by: str
    description: str
    columns: tuple[str, ...]
    companions: tuple[Companion, ...]
    rules: tuple[Rule, ...]


def derived_tables() -> tuple[TableKey, ...]:
    """Every table of which a suite is derived, released ones included."""
    return (
        *(TableKey.of("extracts", table) for table in contracts()),
        *(TableKey.of("extracts", f"{source}_receipt") for source in sources()),
        *(table_key(dataset, part) for dataset in datasets() for part in parts_of(dataset)),
        *(table.key for table in modelled_tables()),
        *{TableKey.of("releases", table.name) for spec in release_specs() for table in spec.tables},
    )


def derive(key: TableKey, where: str = "", audience: Sequence[str] = ()) -> Derived | None:
    """What is derived of a table's suite; None where nothing is.

    Args:
        key: the table.
        where: SQL condition on the rows of the mart that a released table holds; empty for all.
        audience: for whom a released table is; empty for anybody datasets may be joined for.
    """
    if key.stage == "extracts":
        return _of_extracts(key)
    if key.stage in ("linkage", *RESTRICTED_STAGES):
        return _of_linkage(key)
    model = next((table for table in modelled_tables() if table.name == key.table), None)
    if model is None or key.stage not in (model.stage, "releases"):
        return None
    return of_release(model, where, audience) if key.stage == "releases" else of_mart(model)


def _of_extracts(key: TableKey) -> Derived | None:
    if key.table in contracts():
        return of_extract(contracts()[key.table])
    source = key.table.removesuffix("_receipt")
    if source != key.table and source in sources():
        return of_receipt(source, [contract.table for contract in sources()[source]])
    return None


def _of_linkage(key: TableKey) -> Derived | None:
    parts = ((each, part) for each in datasets() for part in parts_of(each))
    found = [(each, part) for each, part in parts if table_key(each, part) == key]
    if not found:
        return None
    dataset, part = found[0]
    of = {
        "counts": of_counts,
        "edges": of_edges,
        "people": of_people,
        "links": of_links,
        "crosswalk": of_crosswalk,
        "cases": of_cases,
        "quality": of_quality,
    }
    return of[part](linkage_model(dataset))


def of_extract(contract: Contract) -> Derived:
    """An extract is what its contract says, and as whole as the edition before."""
    schema = contract.content_schema
    columns = tuple(each.name for each in schema)
    rules = [closed(columns), holds_rows("An empty table is a supply that did not arrive.")]
    companions = [Companion(PREVIOUS, TableKey.of("extracts", contract.table), previous=True)]
    rules += [
        of_type(each.name, each.type.partition("(")[0], "Its contract states the type.")
        for each in schema
    ]
    rules += _given_pseudonym("record_key", "The pseudonym by which everything knows the row.")
    rules.append(unique("record_key.unique", ["record_key"], "A row is supplied once."))
    if contract.parent is not None:
        own = f"{contract.parent}_key"
        companions.append(Companion(contract.parent, TableKey.of("extracts", contract.parent)))
        rules += _given_pseudonym(own, "Its contract names the row it belongs to.")
        query = f"""select {own} from {{batch}} as child
            anti join {contract.parent} as parent on child.{own} = parent.record_key"""
        reason = f"Its contract says that every row belongs to one of {contract.parent}."
        rules.append(none_found(f"{own}.exists", query, reason))
    rules += _primary_key(contract)
    for column in contract.columns:
        rules += _contracted(column)
    for made in contract.derivations:
        rules += bounded(made.name, made.minimum, made.maximum, "Its contract bounds it.")
    rules += _as_before()
    description = f"{contract.title}: as its contract says, and whole."
    stated_by = f"the contract of {contract.table}"
    return Derived(stated_by, description, columns, tuple(companions), tuple(rules))


def _primary_key(contract: Contract) -> list[Rule]:
    """The key as content has it; nothing where a part of it is not content."""
    held = [
        f"{contract.parent}_key"
        if key in contract.parent_key
        else contract.column(key).content_name
        for key in contract.primary_key
    ]
    columns = [each for each in dict.fromkeys(held) if each is not None]
    if None in held:
        return []
    reason = (
        "The columns the contract names as the key; they repeat only if two numbers met in one "
        "pseudonym."
    )
    return [unique("primary_key", columns, reason)]


def _contracted(column: Column) -> list[Rule]:
    held = column.content_name
    if held is None:
        return []
    rules = [not_null(held, "Its contract requires it.")] if column.required else []
    if column.treatment == "pseudonymise":
        reason = "Content knows a source's numbers by pseudonym only."
        return [*rules, pseudonym(held, reason, multiple=column.multiple)]
    if column.codes is not None and not column.codes_open:
        reason = f"Its contract closes the list: {column.codes}."
        rules.append(listed(held, code_list(column.codes), reason, multiple=column.multiple))
    if column.pattern is not None:
        reason = "Its contract states the form."
        rules.append(matching(held, column.pattern, reason, multiple=column.multiple))
    rules += long(held, column.min_length, column.max_length, "Its contract states the length.")
    minimum, maximum = _json(column.minimum), _json(column.maximum)
    return rules + bounded(held, minimum, maximum, "Its contract bounds it.")


def _json(bound: date | Decimal | None) -> str | int | None:
    if isinstance(bound, Decimal):
        return int(bound)
    return None if bound is None else bound.isoformat()


def _as_before() -> list[Rule]:
    return [
        share(
            "not_shrunk",
            f"""select least(now, earlier) as counted, earlier as total
            from (select count(*) as now from {{batch}}),
                (select count(*) as earlier from {PREVIOUS})""",
            "Supplies are full, so an edition holds what the one before held. Retention and late "
            "corrections take some of it; losing half means a cut file.",
            min_share=0.5,
            judged_from=1000,
        ),
        share(
            "records_last",
            f"""select count(now.record_key) as counted, count(*) as total
            from {PREVIOUS} left join {{batch}} as now on {PREVIOUS}.record_key = now.record_key""",
            "A record keeps its number, hence its key. If many keys are new the supplier has "
            "renumbered, and nothing can be followed from edition to edition by record.",
            "warning",
            min_share=0.8,
            judged_from=1000,
        ),
    ]


def of_receipt(source: str, tables: Sequence[str]) -> Derived:
    """Every row a source delivered is accounted for, and nearly all were fit to be taken."""
    expected = ", ".join(f"({text(table)})" for table in tables)
    audited = "Whoever audits a release walks back to these very bytes."
    rules = [
        closed(_RECEIPT),
        none_found(
            "every_table_arrived",
            f"""select expected.table_name from (values {expected}) as expected (table_name)
            where expected.table_name not in (select table_name from {{batch}})""",
            "A delivery holds every table of its source.",
        ),
        not_null("table_name", "A file feeds one table."),
        listed("table_name", tables, "A table without a contract is not taken."),
        not_null("file", "What was read is told by the file's name."),
        unique("file.unique", ["file"], "A file read twice would be counted twice."),
        not_null("sha256", audited),
        matching("sha256", "[0-9a-f]{64}", audited),
        none_found(
            "no_row_lost",
            """select file from {batch}
            where rows_supplied is distinct from rows_accepted + rows_quarantined""",
            "A row supplied is accepted or set aside with its reason; there is no third way.",
        ),
        *bounded("rows_quarantined", 0, None, "A negative count would hide a loss in the sum."),
        none_found(
            "accepted_share_agrees",
            """select file from {batch}
            where rows_supplied > 0 and abs(accepted_share * rows_supplied - rows_accepted)
                > 0.5 + 0.000001 * rows_supplied""",
            "The share is what people look at; it must follow from the counts, to its decimals.",
        ),
        *bounded(
            "accepted_share",
            0.95,
            None,
            "A live system yields a few broken rows in a hundred at worst. More means the file is "
            "not what its contract says; it is mended at the supplier's, not here.",
        ),
    ]
    for table in tables:
        query = f"""select 1 from (
                select coalesce(sum(rows_accepted), 0) as accepted from {{batch}}
                where table_name = {text(table)}
            ) where accepted <> (select count(*) from {table})"""
        reason = "What was accepted is what everything downstream is made of, row for row."
        rules.append(none_found(f"{table}.published", query, reason))
    companions = tuple(Companion(table, TableKey.of("extracts", table)) for table in tables)
    description = (
        f"Every row {source.upper()} delivered is accounted for, and nearly all of them were fit "
        "to be taken."
    )
    return Derived("the platform", description, _RECEIPT, companions, tuple(rules))


def of_counts(model: LinkageModel) -> Derived:
    """The counts of a linkage are there, each once, and are counts."""
    columns = ("measure", "level", "value")
    expected = _expected_counts(model)
    values = ", ".join(f"({text(measure)}, {text(level)})" for measure, level in expected)
    rules = (
        closed(columns),
        not_null("measure", "A figure without a name says nothing."),
        not_null("value", "What was counted is a number, though it be 0."),
        *bounded("value", 0, None, "Nothing is counted below 0."),
        unique("each_once", ["measure", "level"], "Two figures for one measure contradict."),
        none_found(
            "complete",
            f"""select expected.measure from (values {values}) as expected (measure, level)
            anti join {{batch}} as found
                on expected.measure = found.measure and expected.level = found.level""",
            "What was linked is told from records to people at each threshold.",
        ),
        *([_accounted(model)] if model.kind == "passes" else ()),
        *(_lineage_counted() if model.kind in ("within", "across") else ()),
    )
    description = f"The counts of {model.dataset} are complete, and are counts."
    return Derived("the platform", description, columns, (), rules)


def _expected_counts(model: LinkageModel) -> list[tuple[str, str]]:
    """Measure and level of every count a linkage has, whatever it found."""
    if model.kind == "passes":
        by_pass = [
            (each, str(of.number)) for each in ("linked", "ambiguous") for of in model.passes
        ]
        of_members = [(each, of) for each in ("people", "unlinked") for of in model.members]
        return [("records", ""), *by_pass, *of_members]
    by_level = ("edges",) if model.kind == "cases" else ("edges", "people", "largest")
    levels = [(measure, level) for measure in by_level for level in LEVELS]
    return [("records", ""), ("unlinkable", ""), *levels]


def _accounted(model: LinkageModel) -> Rule:
    """By passes: whoever is not unlinked was linked in one of them."""
    members = ", ".join(f"({text(member)})" for member in model.members)
    return none_found(
        "people_accounted_for",
        f"""select member from (values {members}) as members (member)
        where (select sum(value) from {{batch}} where measure = 'people' and level = member)
            is distinct from (select sum(value) from {{batch}}
            where measure = 'linked' or (measure = 'unlinked' and level = member))""",
        "A person is linked in one pass, or in none.",
    )


def of_quality(model: LinkageModel) -> Derived:
    """What a linkage is judged by are counts that agree with each other and with its own."""
    told = "A report may tell of these alone."
    everyone = f"subgroup = {text(EVERYONE[0])}"
    groups = ", ".join(text(kind) for kind in SUBGROUPS)
    expected = [("records", ""), ("unlinkable", ""), *(("linked", level) for level in LEVELS)]
    values = ", ".join(f"({text(measure)}, {text(level)})" for measure, level in expected)
    sums = {
        ("records", "''", "records", "''"),
        ("edges_of_weight", "''", "edges", "'low'"),
    }
    if model.kind != "cases":
        sums |= {("people_of_size", text(level), "people", text(level)) for level in LEVELS}
    agreed = " union all ".join(
        f"""select {text(measure)} as measure where
        (select coalesce(sum(value), 0) from {{batch}}
            where measure = {text(measure)} and level = {level} and {everyone})
        <> (select value from counts where measure = {text(counted)} and level = {at})"""
        for measure, level, counted, at in sorted(sums)
    )
    rules = (
        closed(tuple(QUALITY_COLUMNS)),
        *(
            not_null(column, "A figure that does not say what it is of says nothing.")
            for column in QUALITY_COLUMNS
        ),
        listed("measure", tuple(MEASURES), told),
        listed("subgroup", (EVERYONE[0], *SUBGROUPS), told),
        *bounded("value", 0, None, "Nothing is counted below 0."),
        unique(
            "each_once",
            tuple(column for column in QUALITY_COLUMNS if column != "value"),
            "Two figures for one measure contradict.",
        ),
        none_found(
            "complete",
            f"""select expected.measure from (values {values}) as expected (measure, level)
            anti join {{batch}} as found
                on expected.measure = found.measure and expected.level = found.level
                and {everyone}""",
            "Of everyone it is told how many there are, who cannot be linked, and who is.",
        ),
        none_found("as_counted", agreed, "The figures are of the links the linkage counted."),
        none_found(
            "groups_add_up",
            f"""select measure from (
                select measure, level, subgroup, sum(value) as value from {{batch}}
                where measure in ('records', 'unlinkable', 'linked') group by all
            ) group by measure, level
            having count(distinct value) > 1 or (max(value) > 0
                and count(*) filter (where subgroup in ({groups})) <> {len(SUBGROUPS)})""",
            "Every record is of one group of each kind, if only of those not known.",
        ),
        none_found(
            "right_pairs_are_both",
            """select r.level from {batch} as r
            left join {batch} as other on other.measure in ('linked_pairs', 'true_pairs')
                and (other.level, other.part, other.subgroup, other.subgroup_value)
                    = (r.level, r.part, r.subgroup, r.subgroup_value)
            where r.measure = 'right_pairs' and r.value > 0
                and (other.value is null or r.value > other.value)""",
            "What is linked and true is linked, and true.",
        ),
        none_found(
            "answers_are_of_candidates",
            """select a.level from {batch} as a
            left join {batch} as whole on whole.measure
                    = case a.measure when 'one_person' then 'answered' else 'candidates' end
                and (whole.level, whole.part, whole.subgroup, whole.subgroup_value)
                    = (a.level, a.part, a.subgroup, a.subgroup_value)
            where a.measure in ('answered', 'unsure', 'one_person')
                and (whole.value is null or a.value > whole.value)""",
            "Clerks answer of pairs that were drawn, each once.",
        ),
    )
    description = f"What {model.dataset} is judged by are counts, and they agree."
    columns = tuple(QUALITY_COLUMNS)
    return Derived("the platform", description, columns, (_counts(model),), rules)


def _lineage_counted() -> tuple[Rule, ...]:
    """What became of the people of the edition before adds up, and most of them are still there."""
    pivoted = """select * from (pivot {batch} on measure in ('before', 'kept', 'merged',
            'withdrawn', 'new', 'parted', 'people') using any_value(value) group by level)
        where before is not null"""
    return (
        none_found(
            "lineage_adds_up",
            f"""select level from ({pivoted})
            where before <> kept + merged + withdrawn or people <> kept + new + parted""",
            "Whoever there was is kept, merged or withdrawn; whoever there is was kept or is new.",
        ),
        share(
            "people_last",
            f"""select sum(kept)::bigint as counted, sum(before - withdrawn)::bigint as total
            from ({pivoted})""",
            "Ids are to last. If many people whose records are here lost theirs, the linkage has "
            "changed its mind: a new model is expected to, a refresh is not.",
            "warning",
            min_share=0.95,
            judged_from=1000,
        ),
    )


def of_crosswalk(model: LinkageModel) -> Derived:
    """The crosswalk tells of everybody it names what became of them, once."""
    columns = ("level", "previous_person", "person", "change", "records")
    ends = "Both ends of a move are people; who is new had none before, who is withdrawn has none."
    rules = (
        closed(columns),
        not_null("level", "A person is one at a threshold."),
        listed("level", LEVELS, "There are three thresholds."),
        not_null("change", "What became of a person is why the row is there."),
        listed("change", CHANGES, "Whoever reads it has to know what it means."),
        pseudonym("previous_person", "People are known by keyed pseudonyms only."),
        pseudonym("person", "People are known by keyed pseudonyms only."),
        not_null("records", "A person has records."),
        *bounded("records", 1, None, "Without a record there is no person, and no move."),
        none_found(
            "each_move_once",
            """select 1 from {batch} group by level, previous_person, person having count(*) > 1""",
            "A move told twice would count its records twice.",
        ),
        none_found(
            "ends_fit",
            """select 1 from {batch} where case change
                when 'new' then previous_person is not null or person is null
                when 'withdrawn' then previous_person is null or person is not null
                when 'kept' then previous_person is distinct from person
                else previous_person is null or person is null or previous_person = person end""",
            ends,
        ),
        none_found(
            "one_end_each",
            """select 1 from {batch} where previous_person is not null
            group by level, previous_person
            having count(*) filter (where change in ('kept', 'merged', 'withdrawn')) <> 1""",
            "A key goes on, is given up or is gone; the parts that left it are told besides.",
        ),
    )
    description = f"The crosswalk of {model.dataset} tells once what became of a person."
    return Derived("the platform", description, columns, (), rules)


def of_edges(model: LinkageModel) -> Derived:
    """The scored pairs of a linkage are pairs of its own records, each once."""
    members = [_member_tables(model, member) for member in model.members]
    tables = [table for member in members for table in member]
    numbered = " union all ".join(
        f"select {number} as member, record_key from {table}"
        for number, member in enumerate(members)
        for table in member
    )
    across = model.kind == "across"
    order = "l.member >= r.member" if across else "record_key_l >= record_key_r"
    columns = (*_ENDS, "match_weight")
    form = "Nothing leaves linkage but keyed pseudonyms and weights."
    rules = (
        closed(columns),
        *(rule for end in _ENDS for rule in _given_pseudonym(end, form)),
        *_weights(model),
        # Some sources hold next to nobody twice: there a model learns from what they hold for one.
        *(
            []
            if all(each.of_one_person for each in model.sessions)
            else [_something_found(model, tables)]
        ),
        _as_counted(model),
        none_found(
            "each_pair_once",
            """select 1 from {batch}
            group by least(record_key_l, record_key_r), greatest(record_key_l, record_key_r)
            having count(*) > 1""",
            "A pair is scored once; twice, either way round, would double its evidence.",
        ),
        none_found(
            "ends_in_order",
            f"""select 1 from {{batch}} as pair
            inner join ({numbered}) as l on pair.record_key_l = l.record_key
            inner join ({numbered}) as r on pair.record_key_r = r.record_key
            where {order}"""
            if across
            else f"select 1 from {{batch}} where {order}",
            "The first end is of an earlier dataset: pairs within one were scored before."
            if across
            else "The first end has the smaller key; a record tells nothing about itself.",
        ),
        none_found(
            "records_exist",
            f"""select ends.record_key from (
                select record_key_l as record_key from {{batch}}
                union select record_key_r from {{batch}}
            ) as ends
            anti join ({numbered}) as record on ends.record_key = record.record_key""",
            "An end that is in no extract is of another supply.",
        ),
    )
    companions = (*_extracts(tables), _counts(model))
    description = f"The scored pairs of {model.dataset} are pairs of its own records, each once."
    return Derived("the platform", description, columns, companions, rules)


def of_people(model: LinkageModel) -> Derived:
    """Each record of a linkage has a person at nested thresholds, and no cluster is a collapse."""
    across = model.kind == "across"
    tables = [table for member in model.members for table in _member_tables(model, member)]
    columns = (*(("source_dataset",) if across else ()), "record_key", *_PEOPLE, *_SINCE)
    form = "Nothing leaves linkage but keyed pseudonyms."
    lone = "Who was linked to nobody is a person of one record."
    rules = [
        closed(columns),
        *_given_pseudonym("record_key", form),
        unique("record_key.unique", ["record_key"], "A record belongs to one person."),
    ]
    for column in _PEOPLE:
        rules += [not_null(column, lone), pseudonym(column, form)]
    for column in _SINCE:
        rules.append(not_null(column, "Of two keys the older goes on: both have an age."))
    rules += _of_members(model) if across else _of_member(model.members[0])
    rules += _named()
    rules += [_nested(strict, weak) for strict, weak in pairwise(LEVELS)]
    rules += _no_collapse(len(model.members))
    rules += _agreement(tables)
    companions = [
        *_extracts(tables),
        Companion(PREVIOUS, table_key(model.dataset, "people"), previous=True),
        Companion("crosswalk", table_key(model.dataset, "crosswalk")),
    ]
    if across:
        people = (table_key(member, "people") for member in model.members)
        companions += [Companion(key.table, key) for key in people]
    description = (
        f"Every record of {model.dataset} has an estimated person, at three nested thresholds, "
        "and no cluster is a collapse."
    )
    return Derived("the platform", description, columns, tuple(companions), tuple(rules))


def _named() -> list[Rule]:
    """A key of a person is inherited or made of a record of theirs, and the crosswalk tells."""
    nameless = " union all ".join(
        f"""select person_{level} from {{batch}} semi join (
                select person_{level} from {{batch}} anti join (
                    select record_key as named from {{batch}} where person_{level} = record_key
                ) on person_{level} = named
                anti join {PREVIOUS} using (person_{level})
            ) using (person_{level})
            group by person_{level} having not bool_or(person_{level} =
                left(sha256(since_{level} || '|' || record_key), {PSEUDONYM_LENGTH}))"""
        for level in LEVELS
    )
    ended, begun = (
        " union ".join(
            f"""select {text(level)} as level, person_{level} as person
            from {one} anti join {other} using (person_{level})"""
            for level in LEVELS
        )
        for one, other in ((PREVIOUS, "{batch}"), ("{batch}", PREVIOUS))
    )
    told = f"""with ended as materialized ({ended}), begun as materialized ({begun}),
        told_ended as (
            select level, previous_person as person from crosswalk
            where change in ('merged', 'withdrawn')),
        told_begun as (
            select level, person from crosswalk where change = 'new' union
            select level, person from crosswalk semi join begun using (level, person)
            where change = 'split')
        select person from (
            (from ended except from told_ended) union all (from told_ended except from ended)
            union all (from begun except from told_begun)
            union all (from told_begun except from begun)
        ) where exists (from {PREVIOUS})"""
    return [
        none_found(
            "named_by_own_record",
            nameless,
            "A person is named by a record of theirs, or as in the edition before: nobody is given "
            "the key of another.",
        ),
        none_found(
            "changes_told",
            told,
            "Whose key is not mentioned goes on under it; whoever follows somebody from edition to "
            "edition relies on that.",
        ),
    ]


def _of_member(table: str) -> list[Rule]:
    """The records of a dataset linked within: the people of its extract, all and only they."""
    contract = contracts()[table]
    people = f"select record_key from {table} where {_is_person(contract)}"
    rules = [
        none_found(
            "every_person_record_covered",
            f"select record_key from ({people}) as own anti join {{batch}} using (record_key)",
            "A record without a person falls out of every study that counts people.",
        ),
        none_found(
            "people_only",
            f"select linked.record_key from {{batch}} as linked anti join ({people}) as own "
            "using (record_key)",
            "Organisations have no person, and a record that is not in the extract is of another "
            "supply.",
        ),
    ]
    # Of a row a person there is nothing to keep whole.
    if contract.source_person and contract.primary_key != (contract.source_person.name,):
        own = contract.source_person.content_name
        query = f"""select own.{own} from {{batch}} as linked
            inner join {table} as own using (record_key)
            group by own.{own} having count(distinct linked.person_high) > 1"""
        reason = "Whom the source itself holds for one person is one, by the strictest evidence."
        rules.append(none_found("source_people_whole", query, reason))
    return rules


def _of_members(model: LinkageModel) -> list[Rule]:
    """The records of a linkage across datasets: those of each, and their people whole."""
    found = "A record is found again by its dataset and key."
    own = " union all ".join(
        f"select {text(member)} as source_dataset, * from {table_key(member, 'people').table}"
        for member in model.members
    )
    same = "linked.source_dataset = own.source_dataset and linked.record_key = own.record_key"
    split = " union all ".join(
        f"""select own.{column} from ({own}) as own inner join {{batch}} as linked on {same}
        group by own.source_dataset, own.{column} having count(distinct linked.{column}) > 1"""
        for column in _PEOPLE
    )
    return [
        not_null("source_dataset", found),
        listed("source_dataset", model.members, "These datasets are linked here."),
        none_found(
            "every_record_covered",
            f"select own.record_key from ({own}) as own anti join {{batch}} as linked on {same}",
            "Who is a person within a dataset is one across them.",
        ),
        none_found(
            "no_other_record",
            f"select linked.record_key from {{batch}} as linked anti join ({own}) as own on {same}",
            "A record that is in none of the datasets is of another supply.",
        ),
        none_found(
            "people_of_a_dataset_whole",
            split,
            "Looking across datasets adds evidence: who is one person within one stays one.",
        ),
    ]


def _nested(strict: str, weak: str) -> Rule:
    return none_found(
        f"{strict}_within_{weak}",
        f"""select person_{strict} from {{batch}} group by person_{strict}
        having count(distinct person_{weak}) > 1""",
        "The thresholds are nested; who is one person by strict evidence stays one by weaker.",
    )


def _no_collapse(members: int) -> list[Rule]:
    largest = max(500, 300 * members)
    return [
        none_found(
            "no_cluster_too_large",
            "select person_medium from {batch} group by person_medium "
            f"having count(*) > {largest}",
            "The most often prosecuted people come to a few hundred records of a dataset in a "
            "decade. More is a chain of strangers, as components at a weak threshold make it.",
        ),
        share(
            "no_cluster_swamps",
            """select max(records) as counted, sum(records) as total
            from (select count(*) as records from {batch} group by person_low)""",
            "In a small supply a collapse stays under the ceiling in records, but not in share.",
            max_share=0.05,
            judged_from=500,
        ),
    ]


def _agreement(tables: Sequence[str]) -> list[Rule]:
    """What content tells of people agrees within them; both sides are content, not identifiers."""
    sexes = [_sexes(contracts()[table]) for table in tables]
    years = [_birth_years(contracts()[table]) for table in tables]
    return [
        *_within_people(
            "sexes_agree_within_people",
            [each for each in sexes if each],
            "count(distinct told)",
            1,
            "Sex is miskeyed on well under one record in a hundred, so strict clusters that hold "
            "both are rare. One in twenty means brothers linked to sisters.",
        ),
        *_within_people(
            "birth_years_agree_within_people",
            [each for each in years if each],
            "max(told) - min(told)",
            10,
            "Years of birth more than ten apart are a mistyped decade or an alias, rare in strict "
            "clusters. One in twenty means fathers linked to sons of the same name.",
        ),
    ]


def _within_people(
    rule: str, told: Sequence[str], spread: str, most: int, reason: str
) -> list[Rule]:
    """Hardly any strict cluster spreads further than `most`; no rule where nothing is told."""
    query = f"""select count(*) filter (where spread > {most}) as counted, count(*) as total
        from (
            select {spread} as spread
            from {{batch}} as linked inner join ({" union all ".join(told)}) as content
                using (record_key)
            where told is not null
            group by linked.person_high having count(*) > 1
        )"""
    return [share(rule, query, reason, max_share=0.05, judged_from=50)] if told else []


def of_cases(model: LinkageModel) -> Derived:
    """A case is linked to at most one of the other dataset, and both exist."""
    tables = [table for member in model.members for table in _member_tables(model, member)]
    keys = [f"{table}_key" for table in tables]
    columns = (*keys, "match_weight", "match_probability")
    rules = [closed(columns)]
    for table, key in zip(tables, keys, strict=True):
        query = f"""select linked.{key} from {{batch}} as linked
            anti join {table} as record on linked.{key} = record.record_key"""
        rules += [
            *_given_pseudonym(key, "A link has two ends, known by keyed pseudonyms."),
            unique(f"{key}.unique", [key], "A case has at most one counterpart."),
            none_found(f"{key}.exists", query, "A link to no record is of another supply."),
        ]
    rules += _weights(model)
    rules.append(not_null("match_probability", "By it a study chooses how sure a link is to be."))
    least = 1 / (1 + 2 ** -model.thresholds["low"])
    rules += bounded(
        "match_probability",
        math.floor(least * 10**4) / 10**4,
        1,
        "A link weaker than the low threshold is not published.",
    )
    rules += [_something_found(model, tables), _as_counted(model)]
    description = f"A case of {model.dataset} has at most one counterpart, and both exist."
    companions = (*_extracts(tables), _counts(model))
    return Derived("the platform", description, columns, companions, tuple(rules))


def of_links(model: LinkageModel) -> Derived:
    """A person of one dataset is linked to at most one of the other, and both exist."""
    tables = [table for member in model.members for table in _member_tables(model, member)]
    keys = [own_id(table) for table in tables]
    columns = (*keys, "pass_number")
    rules = [closed(columns)]
    for table, key in zip(tables, keys, strict=True):
        query = f"""select linked.{key} from {{batch}} as linked
            anti join {table} as record on linked.{key} = record.{_held_as(table)}"""
        rules += [
            *_given_pseudonym(key, "A link has two ends, known by keyed pseudonyms."),
            unique(f"{key}.unique", [key], "A person has at most one counterpart."),
            none_found(f"{key}.exists", query, "A link to nobody is of another supply."),
        ]
    stated = "The settings number the passes; a link tells which of them found it."
    rules += [
        not_null("pass_number", stated),
        *bounded("pass_number", 1, len(model.passes), stated),
        _something_found(model, tables),
        none_found(
            "as_counted",
            """select counts.level from counts left join (
                select pass_number::varchar as level, count(*) as links from {batch} group by all
            ) as found on found.level = counts.level
            where counts.measure = 'linked' and counts.value <> coalesce(found.links, 0)""",
            "The links are those the linkage counted when it made them, pass by pass.",
        ),
        *_linked_alike(
            "sexes_agree",
            tables,
            [_sexes(contracts()[table]) for table in tables],
            "one.told = other.told",
            "Sex is miskeyed on well under one record in a hundred. One link in twenty between a "
            "man and a woman means that brothers are linked to sisters.",
        ),
        *_linked_alike(
            "birth_years_agree",
            tables,
            [_birth_years(contracts()[table]) for table in tables],
            "abs(one.told - other.told) <= 1",
            "A pass may forgive a year of birth, which is mistyped seldom. One link in twenty "
            "further apart means that names alone link.",
        ),
    ]
    description = f"A person of {model.dataset} has at most one counterpart, and both exist."
    companions = (*_extracts(tables), _counts(model))
    return Derived("the platform", description, columns, companions, tuple(rules))


def _held_as(table: str) -> str:
    """The column of an extract that holds the id links have of a person."""
    return "record_key" if contracts()[table].source_person is None else own_id(table)


def _linked_alike(
    rule: str, tables: Sequence[str], told: Sequence[str], alike: str, reason: str
) -> list[Rule]:
    """Hardly any link is of people whose records agree nowhere; no rule where one side is mute."""
    one, other = (
        f"(select held.{_held_as(table)} as own, told.told from ({content}) as told "
        f"inner join {table} as held using (record_key) where told.told is not null)"
        for table, content in zip(tables, told, strict=True)
    )
    left, right = (own_id(table) for table in tables)
    query = f"""select count(*) filter (not alike) as counted, count(*) as total
        from (
            select bool_or({alike}) as alike
            from {{batch}} as linked inner join {one} as one on one.own = linked.{left}
                inner join {other} as other on other.own = linked.{right}
            group by linked.{left}
        )"""
    return [share(rule, query, reason, max_share=0.05, judged_from=50)] if all(told) else []


def _weights(model: LinkageModel) -> list[Rule]:
    reason = "What is below the low threshold links nobody; what is beyond no evidence comes to."
    return [
        not_null("match_weight", "A pair has a weight."),
        *bounded("match_weight", model.thresholds["low"], _MOST_WEIGHT, reason),
    ]


def _something_found(model: LinkageModel, tables: Sequence[str]) -> Rule:
    records = ", ".join(f"(select count(*) from {table})" for table in tables)
    within = model.kind == "within"
    return share(
        "pairs_found",
        f"""select least(pairs, 1) as counted, least({records}) as total
        from (select count(*) as pairs from {{batch}})""",
        # A register of people should hold each once; courts and prisons see the same people.
        "Nobody is recorded in one way only; among a thousand records a pair is of one person."
        if within
        else "Datasets are of the same people; among fifty records a pair is of one person.",
        # As little as a share can be: a single pair is enough.
        min_share=1e-10,
        judged_from=1000 if within else 50,
    )


def _as_counted(model: LinkageModel) -> Rule:
    found = " union all ".join(
        f"""select {text(level)} as level, count(*) as edges
        from {{batch}} where match_weight >= {model.thresholds[level]}"""
        for level in LEVELS
    )
    return none_found(
        "as_counted",
        f"""select found.level from ({found}) as found
        left join counts on counts.measure = 'edges' and counts.level = found.level
        where found.edges is distinct from counts.value""",
        "The links are those the linkage counted when it made them, at each threshold.",
    )


def _counts(model: LinkageModel) -> Companion:
    return Companion("counts", table_key(model.dataset, "counts"))


def _extracts(tables: Sequence[str]) -> tuple[Companion, ...]:
    return tuple(Companion(table, TableKey.of("extracts", table)) for table in tables)


def _member_tables(model: LinkageModel, member: str) -> tuple[str, ...]:
    """The contracts a member's records are rows of."""
    return (member,) if model.kind == "within" else linkage_model(member).members


def _is_person(contract: Contract) -> str:
    """SQL for the rows of an extract that are about people and not organisations."""
    column = _linked_as(contract, "entity_type")
    if column is None:
        return "true"
    codes = str(column.codes)
    means = code_meanings(codes, "is_organisation") or code_meanings(codes, "flag")
    organisations = ", ".join(text(code) for code, told in means.items() if told == "true")
    return f"not coalesce({name(column.name)} in ({organisations}), false)"


def _sexes(contract: Contract) -> str:
    """SQL for `record_key`, `told`: what an extract tells of sex, where it is known."""
    column = _linked_as(contract, "sex")
    means = code_meanings(str(column.codes), "sex") if column is not None else {}
    known = {code: told for code, told in means.items() if told != "unknown"}
    if column is None or not known:
        return ""
    cases = " ".join(f"when {text(code)} then {text(told)}" for code, told in known.items())
    told = f"case {name(column.name)} {cases} end"
    return f"select record_key, {told} as told from {contract.table}"


def _birth_years(contract: Contract) -> str:
    """SQL for `record_key`, `told`: the year of birth an extract holds."""
    births = [column.name for column in contract.columns if column.links_as == "date_of_birth"]
    made = [each for each in contract.derivations if each.rule == "year" and each.of in births]
    if not made:
        return ""
    return f"select record_key, {name(made[0].name)} as told from {contract.table}"


def _linked_as(contract: Contract, field: str) -> Column | None:
    """The coded column of the content that feeds a field of linkage; None where there is none."""
    return next(
        (
            column
            for column in contract.columns
            if column.links_as == field and column.codes and column.content_name
        ),
        None,
    )


def of_mart(table: ReleasedTable) -> Derived:
    """A mart has its columns, its key and pseudonyms where its model says so."""
    columns = tuple(column.name for column in table.columns)
    rules = [
        closed(columns),
        holds_rows("A mart without rows lost them in a join: its sources have some."),
        *_keyed(table),
        *_pseudonyms(table, "Marts know people and cases by keyed pseudonyms only."),
    ]
    left_out, companions = _left_out(table, "{batch}")
    stated_by = f"the model {table.name}"
    return Derived(stated_by, table.description, columns, companions, (*rules, *left_out))


def of_release(table: ReleasedTable, where: str = "", audience: Sequence[str] = ()) -> Derived:
    """A released table is its mart, re-keyed, and holds what the catalogue explains.

    Args:
        table: the mart.
        where: SQL condition on the rows of the mart that are released; empty for all of them.
        audience: for whom it is; empty for anybody datasets may be joined for.
    """
    columns = tuple(column.name for column in table.columns)
    rules = [
        closed(columns),
        *_keyed(table),
        *_pseudonyms(table, "What leaves are keyed pseudonyms, never an id of a source."),
        Rule(
            "no_row_lost",
            "expect_table_row_count_to_equal_other_table",
            {"other_table_name": MART},
            "critical",
            "The release holds every row of the mart that is meant for it, once.",
        ),
        *_rekeyed(table),
    ]
    explained = "What the catalogue does not explain could be free text."
    for column in table.columns:
        if column.accepted:
            rules.append(listed(column.name, column.accepted, explained))
        if column.pattern:
            rules.append(matching(column.name, column.pattern, explained))
        reason = "Beyond what the catalogue states a value is a slip, or tells too much."
        rules += bounded(column.name, *column.bounds, reason)
    # Who is left out is known by the ids of the marts: the rows meant for release are looked at.
    left_out, tell = _left_out(table, MART)
    rules += [*_pairs_permitted(table, audience), *left_out]
    companions = {MART: Companion(MART, table.key, where=where)}
    companions |= {each.view: each for each in tell}
    for column in table.columns:
        if column.refers_to is None or not _released_with(table.name, column.refers_to[0]):
            continue
        other, field = column.refers_to
        companions[other] = Companion(other, TableKey.of("releases", other))
        query = f"""select candidate.{column.name} from {{batch}} as candidate
            anti join {other} on candidate.{column.name} = {other}.{field}
            where candidate.{column.name} is not null"""
        reason = "The tables of a release join as the marts did."
        rules.append(none_found(f"{column.name}.joins", query, reason))
    description = f"What is released of {table.name} is the mart, re-keyed, and nothing else."
    stated_by = f"the model {table.name}"
    return Derived(stated_by, description, columns, tuple(companions.values()), tuple(rules))


def _pairs_permitted(table: ReleasedTable, audience: Sequence[str]) -> list[Rule]:
    """In a lookup of people over datasets, nobody joins two that may not be joined."""
    people = _looked_up(table)
    pairs = linkage_permissions().pairs(audience) if people else ()
    if not people:
        return []
    permitted = ", ".join(text(" and ".join(pair)) for pair in pairs)
    # Few combinations of datasets stand for many people.
    held = " union ".join(
        f"""select distinct datasets from (
            select list_sort(list(distinct source_dataset)) as datasets
            from {{batch}} group by {column} having count(distinct source_dataset) > 1
        )"""
        for column in people
    )
    query = f"""select 1 from (select datasets, unnest(datasets) as one from ({held})),
        unnest(datasets) as others (other)
        where one < other and concat(one, ' and ', other) not in ({permitted or "''"})"""
    reason = "What may not be joined for whom the release is for is not: the permissions say what."
    return [none_found("pairs_permitted", query, reason)]


def _left_out(table: ReleasedTable, relation: str) -> tuple[list[Rule], tuple[Companion, ...]]:
    """Whom the permissions leave out is in no lookup of people; a rule for each class of them."""
    if not _looked_up(table):
        return [], ()
    rules: list[Rule] = []
    companions: dict[str, Companion] = {}
    for each in linkage_permissions().left_out.values():
        query = f"""select 1 from {relation} as lookup semi join ({each.records}) as protected (own)
            on lookup.source_person_id = protected.own
            where lookup.source_dataset = {text(each.dataset)}
                and exists (select 1 from {{batch}})"""
        rules.append(none_found(f"{each.name}.left_out", query, each.because))
        companions |= {name: Companion(name, TableKey.of("marts", name)) for name in each.tables}
    return rules, tuple(companions.values())


def _looked_up(table: ReleasedTable) -> list[str]:
    """The columns of people in a lookup over datasets; none where a table is no such lookup."""
    names = {column.name for column in table.columns}
    if not {"source_dataset", "source_person_id"} <= names:
        return []
    return [column.name for column in table.columns if column.pseudonym_of == "person"]


def _released_with(table: str, other: str) -> bool:
    """Whether every release that holds a table holds another one too."""
    held = [{each.name for each in spec.tables} for spec in release_specs()]
    return all(other in names for names in held if table in names)


def _keyed(table: ReleasedTable) -> list[Rule]:
    key = "It is the key of the table."
    return [
        *(not_null(column, key) for column in table.primary_key),
        unique("primary_key", table.primary_key, f"{key} A join that multiplies rows shows here."),
    ]


def _pseudonyms(table: ReleasedTable, reason: str) -> list[Rule]:
    return [pseudonym(column.name, reason) for column in table.columns if column.pseudonym_of]


def _rekeyed(table: ReleasedTable) -> list[Rule]:
    """Ids were replaced one to one, and nothing else was changed."""
    content = [name(column.name) for column in table.columns if not column.pseudonym_of]
    ids = [column.name for column in table.columns if column.pseudonym_of]
    told = f"hash({', '.join(content)})" if content else "0"
    rules: list[Rule] = []
    for own in ids:
        inside = f"""select candidate.{own} from {{batch}} as candidate
            semi join {MART} on candidate.{own} = {MART}.{own}"""
        reason = (
            "No id inside the platform leaves it, or a release could be joined with what lies here."
        )
        rules.append(none_found(f"{own}.rekeyed", inside, reason))
        # The key is one row's on either side: what all rows hold says as much.
        if table.primary_key != (own,):
            query = _differing(_groups([own], told))
            reason = (
                "Each id stands for the rows it stood for: who was together stays together, and "
                "who was apart stays apart."
            )
            rules.append(none_found(f"{own}.one_to_one", query, reason))
    people = [column.name for column in table.columns if column.pseudonym_of == "person"]
    if len(people) > 1:
        query = _differing(_groups(people, told))
        reason = "A person at one threshold is the same people at the others as before."
        rules.append(none_found("people_together", query, reason))
    if content:
        query = _differing(f"select {told} as told from {{relation}}")
        reason = "Re-keying changes ids and nothing else."
        rules.append(none_found("content_unaltered", query, reason))
    return rules


def _groups(ids: Sequence[str], told: str) -> str:
    """SQL for what rows of the same ids tell in sum, whatever the ids are called."""
    known = " or ".join(f"{each} is not null" for each in ids)
    return f"""select hash(count(*), sum({told})) as told from {{relation}}
        where {known} group by {", ".join(ids)}"""


def _differing(query: str) -> str:
    """SQL for what a query over `{relation}` tells more often of the candidate or of the mart."""
    candidate = query.replace("{relation}", "{batch}")
    mart = query.replace("{relation}", MART)
    return f"""select told from (
            select told, 1 as side from ({candidate})
            union all select told, -1 from ({mart})
        ) group by told having sum(side) <> 0"""


def _given_pseudonym(column: str, reason: str) -> list[Rule]:
    return [not_null(column, reason), pseudonym(column, reason)]
