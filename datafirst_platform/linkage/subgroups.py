"""How good the links are for whom: the same measures for groups of people.

What belongs here: what is known of the records that carry reference labels (sex, ethnic group, year
of birth, area), and measures by it. What does not: measures of a whole linkage (`evaluation.py`),
and groups so small that a figure would be of somebody.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import Contract, code_meanings, contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.measures import Measure
from datafirst_platform.linkage.models import LEVELS
from datafirst_platform.linkage.standardise import clean_query, define_macros
from datafirst_platform.settings import Settings

SMALLEST = 10
"""People a group has at least, and pairs it has to be judged by; smaller ones are left out."""

ATTRIBUTES = ("sex", "ethnicity", "born", "area")
"""What people are grouped by: sex, ethnic group, decade of birth (year, where all are of about one
age), and the letters a postcode begins with. As recorded, so that groups differ between sources."""

UNRECORDED = "not recorded"
_ONE_AGE = 10
_UNKNOWN = "Not known"


def tell_groups(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    edition: str,
    of_people: Sequence[str],
) -> bool:
    """Make `told` (record_key, `ATTRIBUTES`) of the records of some contracts.

    Returns:
        Whether anything is told: not where the identities are gone.
    """
    define_macros(connection, edition)
    told = [_told(settings, edition, contracts()[table]) for table in of_people]
    known = [each for each in told if each]
    if not known:
        return False
    connection.execute(f"create temp table years as {' union all '.join(known)}")
    spread = connection.execute(
        "select quantile_disc(birth_year, 0.95) - quantile_disc(birth_year, 0.05) from years"
    ).fetchall()[0][0]
    band = "birth_year" if spread is None or spread < _ONE_AGE else "birth_year // 10 * 10 || 's'"
    connection.execute(
        f"""create temp table told as
        select record_key, sex, ethnicity, {band} as born, area from years"""
    )
    return True


def _told(settings: Settings, edition: str, contract: Contract) -> str:
    """SQL for what one table tells of its records; empty where it does not stand."""
    identities = tables.current(settings, TableKey.of("identities", contract.table), edition)
    content = tables.current(settings, TableKey.of("extracts", contract.table), edition)
    if identities is None:
        return ""
    people = clean_query(contract.table, f"from {identities.sql}", ("record_key",))
    ethnicity, joined = _ethnicity(contract), ""
    if content is not None and ethnicity:
        joined = f"left join {content.sql} as content using (record_key)"
    return f"""
        select record_key, people.sex, {ethnicity if joined else "null::varchar"} as ethnicity,
            year(dob) as birth_year, regexp_extract(postcode, '^[A-Z]+') as area
        from ({people}) as people {joined}"""


def _ethnicity(contract: Contract) -> str:
    """SQL for the ethnic group content holds: self-defined before observed, where known."""
    found = []
    for column in contract.columns:
        groups = code_meanings(column.codes, "ethnicity_group") if column.codes else {}
        if groups and column.content_name:
            cases = " ".join(
                f"when {text(code)} then {text(group)}"
                for code, group in groups.items()
                if group != _UNKNOWN
            )
            found.append((column.codes, f"case content.{name(column.content_name)} {cases} end"))
    observed_last = sorted(found, key=lambda each: "appearance" in str(each[0]))
    return f"coalesce({', '.join(sql for _, sql in observed_last)})" if found else ""


def groups_of_people(connection: duckdb.DuckDBPyConnection, *, across: bool) -> tuple[Measure, ...]:
    """Measures by group of `labelled` (record_key, person_id, member, person_high, …) and `told`.

    Counted from each record's side: the others it is linked to, and those it belongs to.

    Args:
        connection: with both tables.
        across: whether only pairs across members count.
    """
    alike = {"true_ends": ["person_id"]}
    for level in LEVELS:
        alike[f"linked_{level}"] = [f"person_{level}"]
        alike[f"both_{level}"] = ["person_id", f"person_{level}"]
    # Person ids are long; integers sort several times faster.
    coded = ", ".join(
        f"hash({each}) as {each}" for each in ("person_id", *(f"person_{it}" for it in LEVELS))
    )
    _group(connection, f"(select record_key, member, {coded} from labelled)")
    ends = ", ".join(f"{_others(by, across=across)} as {end}" for end, by in alike.items())
    counted = connection.execute(
        f"""select {", ".join(ATTRIBUTES)}, count(distinct person_id),
            {", ".join(f"sum({end})::bigint" for end in alike)}
        from (select person_id, {", ".join(ATTRIBUTES)}, {ends} from grouped)
        group by grouping sets ({", ".join(f"({each})" for each in ATTRIBUTES)})"""
    ).fetchall()
    measures = []
    for at, attribute in enumerate(ATTRIBUTES):
        found = {row[at]: row[len(ATTRIBUTES) :] for row in counted if row[at] is not None}
        people = {group: figures[0] for group, figures in found.items()}
        true = {group: figures[1] for group, figures in found.items()}
        for place, level in enumerate(LEVELS):
            measures += [
                Measure(
                    f"{attribute}: {group}",
                    level,
                    linked=found[group][2 + 2 * place],
                    true=true[group],
                    both=found[group][3 + 2 * place],
                )
                for group in _shown(people, true)
            ]
    return tuple(measures)


def _others(by: Sequence[str], *, across: bool) -> str:
    """SQL for how many other records a record is alike with in the columns."""
    alike = ", ".join(by)
    less = f"count(*) over (partition by {alike}, member)" if across else "1"
    return f"count(*) over (partition by {alike}) - {less}"


def groups_of_links(
    connection: duckdb.DuckDBPyConnection, levels: Sequence[tuple[str, str]]
) -> tuple[Measure, ...]:
    """Measures by group of links `found` (record_key, is_true, …) against `truth` (record_key).

    A link is of the group of its first member's record.

    Args:
        connection: with both tables, and `told`.
        levels: name, and SQL condition on `found`.
    """
    _group(
        connection,
        """(select *, false as is_truth from found
            union all by name select record_key, true as is_truth from truth)""",
    )
    measures = []
    for attribute in ATTRIBUTES:
        records = dict(
            connection.execute(
                f"select {attribute}, count(distinct record_key) from grouped group by all"
            ).fetchall()
        )
        for level, condition in levels:
            counted = {
                group: (linked, true, both)
                for group, linked, true, both in connection.execute(
                    f"""select {attribute}, count(*) filter (not is_truth and {condition}),
                        count(*) filter (is_truth),
                        count(*) filter (not is_truth and is_true and {condition})
                    from grouped group by all"""
                ).fetchall()
            }
            true = {group: figures[1] for group, figures in counted.items()}
            measures += [
                Measure(f"{attribute}: {group}", level, *counted[group])
                for group in _shown(records, true)
            ]
    return tuple(measures)


def _group(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Make `grouped`: rows with what is told of their records."""
    told = ", ".join(
        f"coalesce(nullif({each}::varchar, ''), {text(UNRECORDED)}) as {each}"
        for each in ATTRIBUTES
    )
    connection.execute(
        f"""create temp table grouped as
        select counted.*, {told} from {relation} as counted left join told using (record_key)"""
    )


def _shown(people: dict[str, int], true: dict[str, int]) -> list[str]:
    """Groups large enough, in order; none where the attribute is not recorded at all."""
    if set(people) <= {UNRECORDED}:
        return []
    return sorted(group for group in people if min(people[group], true[group]) >= SMALLEST)
