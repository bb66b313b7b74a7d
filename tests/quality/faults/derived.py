"""What is wrong with a table, for each rule in SQL that is derived, whatever the table."""

from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.quality.derived import MART, PREVIOUS
from datafirst_platform.quality.validation import BATCH
from tests.quality.faults.sql import MANY, STRANGER, everywhere, often, one, whole


def paired_off(column):
    """Fifty people made of whoever comes along."""
    drawn = f"left(sha256((row_number() over () % 50)::varchar), 32) as {column}"
    return f"select * replace ({drawn}) from {{t}}"


def of_any_age(suite):
    """Fifty people made of whoever comes along, all of whose years of birth are told."""
    told = [
        each.view
        for each in suite.companions
        if (contract := contracts().get(each.key.table))
        and "birth_year" in {column.name for column in contract.content_schema}
    ]
    years = {view: whole(view, birth_year="1930 + row_number() over () % 60") for view in told}
    return {BATCH: paired_off("person_high"), **years}


def _extracts(suite):
    return [each.view for each in suite.companions if each.key.stage == "extracts"]


def _content(suite):
    """A column of a released table that is no pseudonym."""
    ids = {rule.columns[0] for rule in suite.rules if rule.id.endswith(".pseudonym")}
    return next(column for column in suite.columns if column not in ids)


def _shuffled(suite):
    """The last id of a released table beside others than it stood beside."""
    moved = [rule.columns[0] for rule in suite.rules if rule.id.endswith(".pseudonym")][-1]
    (key,) = (rule.columns for rule in suite.rules if rule.id == "primary_key")
    order = f"over (order by {', '.join(key)})"
    return (
        f"select * replace (coalesce(lead({moved}) {order}, first_value({moved}) {order}) "
        f"as {moved}) from {{t}}"
    )


def strangers_linked(suite):
    """Everybody of the first dataset linked to whoever comes along in the second."""
    own, other, number = suite.columns
    one, two = _extracts(suite)
    return f"""
        with one as (select {own}, row_number() over () as place from {{{one}}} group by {own}),
            two as (select record_key, row_number() over () - 1 as place from {{{two}}})
        select {own}, record_key as {other}, 1::smallint as {number}
        from one inner join two on one.place % (select count(*) from two) = two.place"""


def protected(suite):
    """A lookup of people that holds a party of an adoption case, where every case is one."""
    looked_at = MART if MART in {each.view for each in suite.companions} else BATCH
    party = "(select min(party_id_hash) from {family_parties} where estimated_party_id is not null)"
    lookup = (
        f"select * replace ('family' as source_dataset, {party} as source_person_id) from {{t}}"
    )
    return {looked_at: lookup, "family_cases": whole("family_cases", case_type_code="'A'")}


MOVES = """(
    select 'high' as level, repeat('a', 32) as previous_person, repeat('a', 32) as person,
        'kept' as change, 2::bigint as records
    union all select 'high', repeat('a', 32), repeat('b', 32), 'split', 1
    union all select 'high', null, repeat('c', 32), 'new', 3
)"""
"""A crosswalk: that of a first edition is empty."""


def counted(**became):
    """The counts of a linkage with what became of ten thousand people before."""
    counts = {"before": 10_000, "kept": 10_000, "merged": 0, "withdrawn": 0, "parted": 0}
    listed = ", ".join(f"('{measure}', {count})" for measure, count in (counts | became).items())
    return f"""from {{t}} union all
        select measure, 'medium', value from (values {listed}) as became (measure, value)
        union all select 'new', 'medium', (select value from {{t}}
            where measure = 'people' and level = 'medium') - {(counts | became)["kept"]}"""


def moved(**columns):
    """The made-up crosswalk with its split set so."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return (
        f"select * replace ({changed}) from {MOVES} where change = 'split' "
        f"union all from {MOVES} where change <> 'split'"
    )


# By what is asked: the id of the rule, or what comes after its column. Made of the column, which is
# empty where a rule is about none, and of the suite.
DERIVED = {
    "exists": lambda column, _: one(**{column: STRANGER}),
    "not_shrunk": lambda *_: {BATCH: "from {t} limit 1", PREVIOUS: f"select t.* {MANY}"},
    "records_last": lambda *_: {
        BATCH: everywhere(record_key=STRANGER),
        PREVIOUS: f"select t.* {MANY}",
    },
    "every_table_arrived": lambda *_: "from {t} where false",
    "no_row_lost": lambda *_: one(rows_supplied="rows_supplied + 1"),
    "accepted_share_agrees": lambda *_: one(accepted_share="0.960001"),
    "published": lambda *_: whole(rows_accepted="rows_accepted + 1"),
    "complete": lambda *_: "from {t} where measure <> 'records'",
    "groups_add_up": lambda *_: whole(value="value + 1"),
    "right_pairs_are_both": lambda *_: whole(
        value="value + case measure when 'right_pairs' then 1000000 else 0 end"
    ),
    "answers_are_of_candidates": lambda *_: (
        "from {t} union all select 'answered', 'high', '0 to 5', 'everyone', 'All', 1"
    ),
    "pairs_found": lambda _, suite: {
        BATCH: "from {t} where false",
        **{view: often(view) for view in _extracts(suite)},
    },
    "as_counted": lambda *_: "from {t} union all (from {t} limit 1)",
    "each_pair_once": lambda *_: (
        "from {t} union all (select record_key_r, record_key_l, match_weight from {t} limit 1)"
    ),
    "ends_in_order": lambda *_: whole(record_key_l="record_key_r", record_key_r="record_key_l"),
    "records_exist": lambda *_: one(record_key_l=STRANGER),
    "every_person_record_covered": lambda *_: "from {t} offset 1",
    "people_only": lambda *_: one(record_key=STRANGER),
    "source_people_whole": lambda *_: whole(person_high="record_key"),
    "every_record_covered": lambda *_: "from {t} offset 1",
    "no_other_record": lambda *_: one(record_key=STRANGER),
    "people_of_a_dataset_whole": lambda *_: whole(person_medium="record_key"),
    "named_by_own_record": lambda *_: one(person_low=STRANGER),
    "changes_told": lambda *_: {PREVIOUS: one(person_medium=STRANGER)},
    "lineage_adds_up": lambda *_: counted(kept=9),
    "people_last": lambda *_: counted(kept=4_000, merged=6_000),
    "each_move_once": lambda *_: f"from {MOVES} union all from {MOVES}",
    "ends_fit": lambda *_: moved(person="previous_person"),
    "one_end_each": lambda *_: moved(change="'merged'"),
    "high_within_medium": lambda *_: whole(person_high="min(record_key) over ()"),
    "medium_within_low": lambda *_: whole(person_medium="min(record_key) over ()"),
    "no_cluster_too_large": lambda *_: everywhere(person_medium=STRANGER),
    "no_cluster_swamps": lambda *_: everywhere(person_low=STRANGER),
    "people_accounted_for": lambda *_: "from {t} where measure <> 'unlinked'",
    "sexes_agree": lambda _, suite: strangers_linked(suite),
    "birth_years_agree": lambda _, suite: strangers_linked(suite),
    "sexes_agree_within_people": lambda *_: paired_off("person_high"),
    "birth_years_agree_within_people": lambda _, suite: of_any_age(suite),
    # The internal id itself goes out.
    "rekeyed": lambda *_: f"from {{{MART}}}",
    "one_to_one": lambda column, _: whole(**{column: STRANGER}),
    "people_together": lambda _, suite: _shuffled(suite),
    "content_unaltered": lambda _, suite: whole(**{_content(suite): "null"}),
    "pairs_permitted": lambda *_: whole(
        source_dataset="case row_number() over () % 2 when 0 then 'crown' else 'npd' end",
        estimated_person_id=STRANGER,
    ),
    "left_out": lambda _, suite: protected(suite),
    "joins": lambda column, _: one(**{column: STRANGER}),
}
