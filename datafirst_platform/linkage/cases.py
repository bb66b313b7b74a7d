"""Linking cases: a magistrates' court case that went up, and the Crown Court's record of it.

What belongs here: standard cases and their one-to-one link. What does not: linking people, which
comes first and which this builds on.
"""

from __future__ import annotations

from collections import defaultdict

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import arrays, connect, name, register
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.clusters import HUNDREDTHS, Pairs, one_to_one
from datafirst_platform.linkage.models import LEVELS, LinkageModel, linkage_model
from datafirst_platform.linkage.publishing import (
    CASES,
    Linked,
    publish,
    recipe_of,
    standing,
    table_key,
)
from datafirst_platform.linkage.scoring import score_candidates, thresholds_of
from datafirst_platform.linkage.standardise import define_macros
from datafirst_platform.safe_errors import values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

_FIELDS = {
    "urn": "compact({urn})",
    "asn": "compact({asn})",
    "left_on": "coalesce({committal_date}::date, {completion_date}::date)",
    "first_hearing_date": "{first_hearing_date}::date",
    "surname": "std_name({surname})",
    "initial": "left(std_name({forename1}), 1)",
    "dob": "std_dob({date_of_birth}::date)",
}
"""A standard case, as SQL over linkage fields. `left_on`: when it left the lower court."""


def link_cases(settings: Settings, edition: str, dataset: str) -> Linked:
    """Link the cases of two courts, each to one of the other at most, and publish them.

    Tables: `linkage/<dataset>` (a key column for each member, called `<contract>_key`;
    match_weight; match_probability), and `linkage/<dataset>_counts`.

    Raises:
        NotReady: identities, the linked people or the trained model are not there, or the model is
            out of date.
        PlatformError: the settings are not valid, or the engine failed.
    """
    model = linkage_model(dataset, "cases")
    recipe, inputs = recipe_of(settings, edition, model, _sources(settings, edition, model))
    if stands := standing(settings, edition, dataset, CASES, recipe):
        return stands
    with connect(settings) as connection, values_withheld(f"Linking {dataset}"):
        sizes = prepare_cases(settings, connection, edition, model)
        counts = score_candidates(connection, model, sizes)
        left, right, weight = arrays(
            connection, f"select l, r, (match_weight * {HUNDREDTHS})::integer as weight from edges"
        )
        chosen = one_to_one(Pairs(left, right, weight))
        register(
            connection, "chosen", {"l": left[chosen], "r": right[chosen], "weight": weight[chosen]}
        )
        for level, least in zip(LEVELS, thresholds_of(model), strict=True):
            counts["edges", level] = int((weight[chosen] >= least).sum())
        one, other = (linkage_model(member).members[0] for member in model.members)
        query = f"""
            select l.record_key as {name(f"{one}_key")}, r.record_key as {name(f"{other}_key")},
                (weight / {HUNDREDTHS})::decimal(6, 2) as match_weight,
                (1 / (1 + pow(2, -weight / {HUNDREDTHS})))::decimal(5, 4) as match_probability
            from chosen join records as l on l.id = chosen.l join records as r on r.id = chosen.r
            order by l, r"""
        return publish(
            settings, connection, edition, dataset, {"cases": query}, counts, recipe, inputs
        )


def prepare_cases(
    settings: Settings, connection: duckdb.DuckDBPyConnection, edition: str, model: LinkageModel
) -> list[int]:
    """Make `records` and `tuples` of a linkage of cases; the number of cases of each member.

    A case is never collapsed with another: `tuples` holds every record, of organisations too, whose
    cases go up like anyone's.
    """
    define_macros(connection, edition)
    *identities, people = _sources(settings, edition, model)
    first, cases = 0, []
    for member, version in enumerate(identities):
        feeds = {each.links_as: name(each.name) for each in contracts()[version.key.table].columns}
        supplied = defaultdict(lambda: "null", {str(field): feeds[field] for field in feeds})
        fields = ", ".join(f"{sql.format_map(supplied)} as {it}" for it, sql in _FIELDS.items())
        cases.append(
            f"select ({first} + row)::integer as id, {member}::utinyint as member, record_key, "
            f"{fields} from {version.numbered()}"
        )
        first += version.rows
    persons = ", ".join(f"person_{level}" for level in LEVELS)
    connection.execute(
        f"""create temp table tuples as select cases.*, {persons}
        from ({" union all ".join(cases)}) as cases
        left join {people.sql} using (record_key)"""
    )
    connection.execute("create temp view records as select id, record_key from tuples")
    connection.execute("create temp table nodes (id integer, node integer)")
    sizes = dict(
        connection.execute("select member, count(*) from tuples group by member").fetchall()
    )
    return [sizes.get(member, 0) for member in range(len(identities))]


def _sources(settings: Settings, edition: str, model: LinkageModel) -> list[TableVersion]:
    """The identities of every member, then the people of both."""
    keys = [TableKey.of("identities", linkage_model(each).members[0]) for each in model.members]
    keys.append(table_key(str(model.people), "people"))
    return [tables.require(settings, key, edition) for key in keys]
