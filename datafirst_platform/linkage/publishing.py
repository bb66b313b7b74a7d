"""What a linkage publishes, and what it follows from.

What belongs here: recipes, the tables of a linkage and its counts, the same for people and cases.
What does not: how links are found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import editions, tables
from datafirst_platform.engine import connect
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.models import LinkageModel, linkage_model, trained_model
from datafirst_platform.linkage.overrides import overrides_of
from datafirst_platform.linkage.standardise import clean_query
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    from datafirst_platform.linkage.clusters import Ints

Counts = dict[tuple[str, str], int]
"""(measure, level) to value; see `Linked`."""

PEOPLE = ("edges", "people", "crosswalk", "counts")
CASES = ("cases", "counts")
LINKS = ("links", "counts")
"""Parts a linkage publishes; `linkage/<dataset>_<part>`, but cases carry the linkage's own name and
a crosswalk is restricted."""


QUALITY = "quality"
"""The part that judges a linkage, counted by a step of its own once the others stand."""


def linked_parts(dataset: str) -> tuple[str, ...]:
    """The parts a linkage publishes as it links."""
    return {"cases": CASES, "passes": LINKS}.get(linkage_model(dataset).kind, PEOPLE)


def is_judged(dataset: str) -> bool:
    """Whether a linkage has a table of what it is judged by: it needs match weights."""
    return linkage_model(dataset).kind in ("within", "across", "cases")


_NOT_LINKING = frozenset(
    {
        *("assets", "charts", "disclosure", "estimates", "evaluation", "labels", "measures"),
        *("page", "pictures", "profiles", "quality", "report", "subgroups", "training"),
    }
)
"""Modules of this room that have no part in what is published."""


def parts_of(dataset: str) -> tuple[str, ...]:
    """Every part a linkage publishes."""
    return (*linked_parts(dataset), *((QUALITY,) if is_judged(dataset) else ()))


@dataclass(frozen=True)
class Linked:
    """What a linkage made, or what stands from an earlier run of the same recipe.

    Attributes:
        tables: the published versions by part: `edges`, `people`, `crosswalk`, `counts`; of cases
            `cases`, `counts`.
        counts: (measure, level) to value, as published. Measures: `records`; `tuples`, distinct
            sets of identifiers among them; `unlinkable`, tuples that no blocking rule reaches;
            `pairs` scored, by the rule that found them first; and by threshold `edges`, `people`
            (clusters) and `largest` (records in the largest cluster). Where an edition before was
            linked, by threshold too: people `before`, of whom `kept`, `merged` and `withdrawn`;
            `split`, those of them whose records are of several people now; `new`, people without a
            record there was, and `parted`, those with such records but no key to inherit;
            `records_before`, `records_kept` and, by threshold, `records_moved` to another person.
            Of cases: `records`, `unlinkable`, `pairs` and, by threshold, `edges` (linked cases). By
            passes: `records`; by member `people` (whom a source holds for one is one) and
            `unlinked`; by pass `linked` and `ambiguous`, pairs that were not the only one for both
            sides.
    """

    tables: Mapping[str, TableVersion]
    counts: Mapping[tuple[str, str], int]


def table_key(dataset: str, part: str) -> TableKey:
    """Key of a part of a linkage."""
    stage = "restricted" if part == "crosswalk" else "linkage"
    return TableKey.of(stage, dataset if part == "cases" else f"{dataset}_{part}")


def own_id(table: str) -> str:
    """The column that names a person of a contract in links: the source's own, else the record."""
    person = contracts()[table].source_person
    return str(person.content_name) if person is not None else f"{table}_key"


def recipe_of(
    settings: Settings,
    edition: str,
    model: LinkageModel,
    versions: Sequence[TableVersion],
    before: TableVersion | None = None,
) -> tuple[str, dict[str, str]]:
    """The digest of all that a linkage follows from, and its inputs by name.

    Args:
        settings: the installation.
        edition: partition key.
        model: the settings.
        versions: what is linked.
        before: the people of the edition before, whose keys go on.

    Raises:
        NotReady: the model is not trained, or is out of date.
    """
    inputs = {str(version.key): version.version for version in versions}
    if before is not None:
        # Of another edition: what follows an edition's tables back stops here.
        inputs[f"before/{before.key}"] = before.version
    if decisions := overrides_of(settings, model.dataset).digest:
        inputs[f"overrides/{model.dataset}"] = decisions
    cleaning = _cleaning(versions)
    trained = trained_model(model).digest if model.is_trained else ""
    return tables.recipe_of(_code(), model.digest, trained, edition, inputs, cleaning), inputs


def basis_of(settings: Settings, model: LinkageModel, versions: Sequence[TableVersion]) -> str:
    """The digest of all that a linkage follows from but the records themselves.

    Hashes of an engine's version are part of what is known of records.

    Raises:
        NotReady: the model is not trained, or is out of date.
    """
    trained = trained_model(model).digest if model.is_trained else ""
    decisions = overrides_of(settings, model.dataset).digest
    cleaning = _cleaning(versions)
    return tables.recipe_of(_code(), model.digest, trained, decisions, cleaning, duckdb.__version__)


def _cleaning(versions: Sequence[TableVersion]) -> list[str]:
    """How identities are cleaned. It follows from contracts and code lists: the SQL says how."""
    return [
        clean_query(version.key.table, version.key.table, ())
        for version in versions
        if version.key.stage == "identities"
    ]


@cache
def _code() -> str:
    """Digest of the code that links: a change of it is a change of what is published."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *here.glob("*.csv")]):
        if path.stem not in _NOT_LINKING:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def standing(
    settings: Settings, edition: str, dataset: str, parts: Sequence[str], recipe: str
) -> Linked | None:
    """What stands of a linkage if all of it was made by this recipe."""
    found = {
        part: tables.standing(settings, table_key(dataset, part), edition, recipe) for part in parts
    }
    versions = {part: version for part, version in found.items() if version is not None}
    if len(versions) < len(parts):
        return None
    with connect(settings) as connection:
        rows = connection.execute(
            f"select measure, level, value from {versions['counts'].sql}"
        ).fetchall()
    return Linked(versions, {(measure, level): value for measure, level, value in rows})


def pairs_before(settings: Settings, edition: str, model: LinkageModel) -> float | None:
    """Pairs a set of identifiers had in the edition before, None where it was not linked whole."""
    earlier = editions.before(edition)
    key = table_key(model.dataset, "counts")
    counts = tables.current(settings, key, earlier.key) if earlier else None
    if counts is None:
        return None
    with connect(settings) as connection:
        pairs, tuples = connection.execute(
            f"""select coalesce(sum(value) filter (measure = 'pairs'), 0)::bigint,
                coalesce(sum(value) filter (measure = 'tuples'), 0)::bigint
            from {counts.sql}"""
        ).fetchall()[0]
    went_on = any(label.startswith("before/known") for label in counts.inputs)
    return None if went_on or not tuples else pairs / tuples


def publish(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    dataset: str,
    queries: Mapping[str, str],
    counts: Counts,
    recipe: str,
    inputs: Mapping[str, str],
    upon: Mapping[str, tuple[TableVersion, Ints]] | None = None,
) -> Linked:
    """Publish the ordered queries of a linkage by part, and its counts last.

    Args:
        settings: the installation.
        connection: an open engine that can run the queries.
        edition: partition key.
        dataset: the linkage.
        queries: by part.
        counts: (measure, level) to value.
        recipe: digest of what the linkage follows from.
        inputs: name to data version of what was read.
        upon: by part the version that it is a layer upon, with the rows of it that stand no more.
    """
    connection.execute(
        "create or replace temp table counts (measure varchar, level varchar, value bigint)"
    )
    connection.executemany(
        "insert into counts values (?, ?, ?)",
        [[measure, level, value] for (measure, level), value in counts.items()],
    )
    everything = {**queries, "counts": "select * from counts order by measure, level"}
    below = upon or {}
    versions = {}
    for part, query in everything.items():
        if part in below:
            version, gone = below[part]
            versions[part] = tables.publish_upon(
                settings, connection, version, edition, query, gone, recipe=recipe, inputs=inputs
            )
            continue
        key = table_key(dataset, part)
        versions[part] = tables.publish(
            settings, connection, key, edition, query, recipe=recipe, inputs=inputs
        )
    return Linked(versions, counts)
