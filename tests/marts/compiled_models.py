"""The models' own SQL, as dbt compiles it, run on tables a test chooses."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform.engine import text
from datafirst_platform.marts.project import DBT_PROJECT, dbt_executable

CUT_OFF = "2024-12-31"


def compile_models(folder: Path) -> Mapping[str, Any]:
    """The project's nodes by name, their SQL compiled; opens no data.

    Args:
        folder: where dbt may leave what it makes.
    """
    arguments = ["--select", "+path:models/insights"]
    places = {"project": DBT_PROJECT, "profiles": DBT_PROJECT}
    done = subprocess.run(
        [
            dbt_executable(),
            "--log-level-file=none",
            "compile",
            *arguments,
            *(f"--{what}-dir={place}" for what, place in places.items()),
            f"--target-path={folder}",
        ],
        env=os.environ
        | {
            "DATAFIRST_WAREHOUSE_FILE": str(folder / "warehouse.duckdb"),
            "DATAFIRST_CUT_OFF": CUT_OFF,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return json.loads((folder / "manifest.json").read_text())


def open_warehouse() -> duckdb.DuckDBPyConnection:
    """An engine whose database is called as dbt calls it."""
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse; use warehouse; set threads = 2")
    return connection


def run_models(
    connection: duckdb.DuckDBPyConnection,
    manifest: Mapping[str, Any],
    wanted: str,
    given: Mapping[str, str],
) -> str:
    """Make a model and all it follows from; the name of its relation.

    Args:
        connection: an open warehouse; what is there already is not made again.
        manifest: of `compile_models`.
        wanted: name of the model.
        given: name of a model, or `<source>.<table>`, to SQL for its rows.
    """
    nodes = {**manifest["nodes"], **manifest["sources"]}
    parents = {key: list(manifest["parent_map"].get(key, ())) for key in nodes}
    needed, queue = {}, [f"model.datafirst.{wanted}"]
    while queue:
        each = queue.pop()
        known = _label(nodes[each]) in given
        needed[each] = [] if known else parents[each]
        queue += [parent for parent in needed[each] if parent not in needed]
    for each in TopologicalSorter(needed).static_order():
        node = nodes[each]
        query = given.get(_label(node)) or _rows_of(node)
        connection.execute(f"create schema if not exists {node['schema']}")
        connection.execute(f"create table if not exists {node['relation_name']} as {query}")
    return str(nodes[f"model.datafirst.{wanted}"]["relation_name"])


def _label(node: Mapping[str, Any]) -> str:
    if node["resource_type"] == "source":
        return f"{node['source_name']}.{node['name']}"
    return str(node["name"])


def _rows_of(node: Mapping[str, Any]) -> str:
    if node["resource_type"] == "seed":
        types = ", ".join(
            f"'{column}': '{kind}'" for column, kind in node["config"]["column_types"].items()
        )
        file = text(DBT_PROJECT / node["original_file_path"])
        return f"select * from read_csv({file}, header = true, columns = {{{types}}})"
    return str(node["compiled_code"])
