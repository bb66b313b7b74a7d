"""Which published column each column's values come from, read off the SQL that dbt compiled.

Models between are folded away, so that the answer names published tables and code lists alone.
Columns that only join, filter or rank leave no trace here: the SQL says what they do.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from datafirst_platform.marts.project import Manifest, stage_of

if TYPE_CHECKING:
    from sqlglot import exp

SEEDS = "seeds"
"""Stands for the stage of a code list, which is part of the project and no published table."""


class Origin(NamedTuple):
    """A column of a published table, or of a code list where the stage is `seeds`."""

    stage: str
    table: str
    column: str


Lineage = Mapping[str, Mapping[str, tuple[Origin, ...]]]
"""Table to column to origins, sorted; a column made of constants and counts has none."""


def lineage_of(manifest: Manifest, kept: Path, digest: str) -> Lineage:
    """The column lineage of a project, traced once and kept: it follows from its SQL alone.

    Args:
        manifest: manifest of a run, whose models hold their compiled SQL.
        kept: the file it is kept in.
        digest: of the project.
    """
    of = hashlib.sha256(digest.encode() + Path(__file__).read_bytes()).hexdigest()
    try:
        found = json.loads(kept.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        found = {}
    if found.get("of") == of:
        return told(found["lineage"])
    traced = column_lineage(manifest)
    staged = kept.with_name(f".{kept.name}.{os.getpid()}")
    staged.write_text(json.dumps({"of": of, "lineage": traced}, sort_keys=True))
    staged.replace(kept)
    return traced


def told(stored: Mapping[str, Mapping[str, Sequence[Sequence[str]]]]) -> Lineage:
    """Lineage as it was stored."""
    return {
        table: {
            column: tuple(Origin(*each) for each in origins) for column, origins in columns.items()
        }
        for table, columns in stored.items()
    }


def column_lineage(manifest: Manifest) -> Lineage:
    """Trace every column of a mart to what was supplied, and of an insight to marts.

    Args:
        manifest: manifest of a run, whose models hold their compiled SQL.
    """
    origins: dict[str, dict[str, frozenset[Origin]]] = {}
    relations: dict[tuple[str, str], str] = {}
    for unique_id, node in {**manifest["sources"], **manifest["nodes"]}.items():
        if node["resource_type"] not in ("source", "seed", "model"):
            continue
        relations[node["schema"], node.get("identifier") or node["alias"]] = unique_id
        if node["resource_type"] != "model":
            stage = node.get("source_name", SEEDS)
            origins[unique_id] = {
                column: frozenset({Origin(stage, node["name"], column)})
                for column in node["columns"]
            }
    models = {key: node for key, node in manifest["nodes"].items() if key.startswith("model.")}
    waiting = dict(models)
    while waiting:
        for unique_id, node in list(waiting.items()):
            parents = node["depends_on"]["nodes"]
            if all(parent in origins for parent in parents):
                known = {**origins, **_published(models, parents, stage_of(node))}
                origins[unique_id] = _trace(node, parents, manifest, relations, known)
                del waiting[unique_id]
    return {
        node["name"]: {column: tuple(sorted(found)) for column, found in origins[unique_id].items()}
        for unique_id, node in models.items()
        if stage_of(node)
    }


def _published(
    models: Mapping[str, Mapping[str, Any]], parents: list[str], stage: str
) -> dict[str, dict[str, frozenset[Origin]]]:
    """The models read that are published themselves at an earlier stage: tracing ends there."""
    read = {each: models[each] for each in parents if each in models}
    return {
        unique_id: {
            column: frozenset({Origin(stage_of(node), node["name"], column)})
            for column in node["columns"]
        }
        for unique_id, node in read.items()
        if stage_of(node) not in ("", stage)
    }


def _trace(
    node: Mapping[str, Any],
    parents: list[str],
    manifest: Manifest,
    relations: Mapping[tuple[str, str], str],
    origins: Mapping[str, Mapping[str, frozenset[Origin]]],
) -> dict[str, frozenset[Origin]]:
    """Origins of each column of one model, given those of the relations it reads."""
    from sqlglot import MappingSchema, exp, parse_one
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    dialect = manifest["metadata"]["adapter_type"]
    schema = MappingSchema(dialect=dialect)
    for parent in parents:
        found = manifest["sources"].get(parent) or manifest["nodes"][parent]
        # Only names matter for lineage, not types.
        schema.add_table(found["relation_name"], dict.fromkeys(origins[parent], "varchar"))
    parsed = parse_one(node["compiled_code"], dialect=dialect)
    query = cast("exp.Query", qualify(parsed, schema=schema, dialect=dialect))
    lists = {key for key, unique_id in relations.items() if unique_id.startswith("seed.")}
    _keep_looked_up_columns(query, lists)
    scope = build_scope(query)
    traced: dict[str, frozenset[Origin]] = {}
    for column in query.named_selects:
        found_origins: set[Origin] = set()
        tree = lineage(column, query, schema, dialect=dialect, scope=scope, copy=False)
        for leaf in tree.walk():
            table = leaf.expression.find(exp.Table)
            if leaf.downstream or table is None:
                continue
            parent = relations[table.db, table.name]
            found_origins |= origins[parent].get(exp.to_column(leaf.name).name, frozenset())
        traced[column] = frozenset(found_origins)
    return traced


def _keep_looked_up_columns(query: exp.Query, lists: Collection[tuple[str, str]]) -> None:
    """Let a value read from a code list come from the code it was looked up by, too.

    Each column of a code list becomes a call of that column and the columns its list is joined on.
    """
    from sqlglot import exp

    relation_of = {
        cte.alias: (table.db, table.name)
        for cte in query.find_all(exp.CTE)
        if (table := cte.this.find(exp.Table)) is not None
    }
    for select in query.find_all(exp.Select):
        codes: dict[str, list[Any]] = {}
        for join in select.args.get("joins") or ():
            if relation_of.get(join.this.name) in lists and join.args.get("on"):
                codes[join.alias_or_name] = [
                    each
                    for column in join.args["on"].find_all(exp.Column)
                    if column.table != join.alias_or_name
                    # A code may itself be looked up in a list joined before.
                    for each in (column, *codes.get(column.table, ()))
                ]
        for projection in select.expressions:
            for column in list(projection.find_all(exp.Column)):
                if column.table in codes:
                    looked_up = [each.copy() for each in (column, *codes[column.table])]
                    column.replace(exp.Anonymous(this="looked_up", expressions=looked_up))
