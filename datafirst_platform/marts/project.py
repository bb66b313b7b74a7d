"""What the dbt project holds, read from its manifest: marts, insights, and what is released.

The manifest is made by `dbt parse` when a file of the project has changed since, and not otherwise.
Nothing here imports dbt.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datafirst_platform.identity import TableKey
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt_project"

MARTS = "marts"
INSIGHTS = "insights"
DBT_STAGES = (MARTS, INSIGHTS)
"""The stages dbt makes, each also the folder of its models; an insight is made of marts alone."""

PARSED = "partial_parse.msgpack"
"""What dbt leaves beside its manifest of the files it parsed, and does not parse again."""

Manifest = Mapping[str, Any]

_PARTS = ("macros", "models", "seeds", "tests")
_FILES = ("dbt_project.yml", "profiles.yml")
_PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb")
_UNSETTLED_NS = 1_000_000_000
"""For how long a file that was written is read each time: two writes at once look like one."""


@dataclass(frozen=True)
class ReleasedColumn:
    """A column of a mart or an insight.

    Attributes:
        name: variable name.
        data_type: DuckDB type its contract enforces.
        description: what it holds.
        pseudonym_of: what its values stand for (`record`, `person`), empty where they are no
            pseudonyms: a release replaces them by keys of its own, one domain for each.
        values: what it may hold, in words, for the variable catalogue.
        accepted: every value it may hold, where its tests close the list; of texts only.
        pattern: expression its whole text matches; empty where no test asks for one.
        bounds: least and greatest number its tests allow; None where there is none.
        refers_to: mart and column its tests find every value in, if they look into a mart.
    """

    name: str
    data_type: str
    description: str
    pseudonym_of: str
    values: str
    accepted: tuple[str, ...] = ()
    pattern: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    refers_to: tuple[str, str] | None = None


@dataclass(frozen=True)
class ReleasedTable:
    """A mart or an insight.

    Attributes:
        stage: `marts` or `insights`.
        name: table name.
        description: what a row is.
        primary_key: the columns that tell its rows apart.
        columns: in order.
        inputs: published tables it is made from; of an insight, the marts.
    """

    stage: str
    name: str
    description: str
    primary_key: tuple[str, ...]
    columns: tuple[ReleasedColumn, ...]
    inputs: tuple[TableKey, ...]

    @property
    def key(self) -> TableKey:
        """Stage and table."""
        return TableKey.of(self.stage, self.name)


DATASET_COLUMNS = ("source_dataset", "linked_dataset")
"""Columns that say which dataset a row of a linking table is of."""


@dataclass(frozen=True)
class ReleaseSpec:
    """What a release holds: a dbt exposure.

    Attributes:
        name: release name.
        label: its title.
        description: what it is for.
        owner: who answers for it.
        tables: the marts and insights in it, by name.
        members: of a linking release, the datasets whose releases it joins; only their records are
            in it. Empty for any other.
        joins: of a release that holds several datasets and joins them itself, which.
        audience: for whom it is, where it joins datasets: names of the linkage permissions.
    """

    name: str
    label: str
    description: str
    owner: str
    tables: tuple[ReleasedTable, ...]
    members: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()

    @property
    def joined(self) -> tuple[str, ...]:
        """The datasets whose people it joins; empty where it joins none."""
        return self.members or self.joins

    def condition(self, table: ReleasedTable) -> str:
        """SQL for the rows of a table that the release holds; empty where it holds all."""
        listed = ", ".join(f"'{member}'" for member in self.members)
        columns = [each.name for each in table.columns if each.name in DATASET_COLUMNS]
        return " and ".join(f"{column} in ({listed})" for column in columns) if listed else ""


def release_specs(project: Path = DBT_PROJECT) -> tuple[ReleaseSpec, ...]:
    """Exactly what is released, by name.

    Args:
        project: folder of the dbt project.

    Raises:
        PlatformError: dbt cannot parse the project.
    """
    manifest = read_manifest(project)
    models = {f"model.{_name(manifest)}.{each.name}": each for each in modelled_tables(project)}
    return tuple(
        ReleaseSpec(
            name=exposure["name"],
            label=exposure["label"] or exposure["name"],
            description=exposure["description"].strip(),
            owner=exposure["owner"]["name"],
            tables=tuple(models[node] for node in sorted(exposure["depends_on"]["nodes"])),
            **{
                field: tuple(exposure["config"].get("meta", {}).get(field, ()))
                for field in ("members", "joins", "audience")
            },
        )
        for exposure in sorted(manifest["exposures"].values(), key=lambda each: each["name"])
    )


def mart_tables(project: Path = DBT_PROJECT) -> tuple[ReleasedTable, ...]:
    """Every mart, released or not, by name.

    Args:
        project: folder of the dbt project.

    Raises:
        PlatformError: dbt cannot parse the project.
    """
    return tuple(each for each in modelled_tables(project) if each.stage == MARTS)


def modelled_tables(project: Path = DBT_PROJECT) -> tuple[ReleasedTable, ...]:
    """Every mart, then every insight, by name: what dbt makes and the platform publishes.

    Args:
        project: folder of the dbt project.

    Raises:
        PlatformError: dbt cannot parse the project.
    """
    return _modelled_tables(project, project_digest(project))


@cache
def _modelled_tables(project: Path, digest: str) -> tuple[ReleasedTable, ...]:
    manifest = _read(project, digest)
    return tuple(
        ReleasedTable(
            stage=stage,
            name=node["name"],
            description=node["description"].strip(),
            primary_key=tuple(
                column
                for constraint in node["constraints"]
                if constraint["type"] == "primary_key"
                for column in constraint["columns"]
            ),
            columns=tuple(
                _column(project, manifest, node["unique_id"], column)
                for column in node["columns"].values()
            ),
            inputs=tuple(sorted(inputs_of(manifest, node["unique_id"]))),
        )
        for stage in DBT_STAGES
        for node in sorted(manifest["nodes"].values(), key=lambda each: str(each["name"]))
        if stage_of(node) == stage
    )


def stage_of(node: Mapping[str, Any]) -> str:
    """The stage a node of the manifest is published as: its folder of models; empty if it is not.

    Args:
        node: any node.
    """
    folder = str(node["fqn"][1]) if node["resource_type"] == "model" else ""
    return folder if folder in DBT_STAGES else ""


def inputs_of(manifest: Manifest, unique_id: str) -> frozenset[TableKey]:
    """The published tables a model is made from: sources, and the marts where it is an insight.

    Other models and code lists between are folded away.
    """
    stage = stage_of(manifest["nodes"][unique_id])
    found: set[TableKey] = set()
    queue = list(manifest["parent_map"][unique_id])
    while queue:
        each = queue.pop()
        if each in manifest["sources"]:
            found.add(source_key(manifest, each))
            continue
        node = manifest["nodes"][each]
        if stage_of(node) not in ("", stage):
            found.add(TableKey.of(stage_of(node), node["name"]))
        else:
            queue.extend(manifest["parent_map"].get(each, ()))
    return frozenset(found)


def source_key(manifest: Manifest, unique_id: str) -> TableKey:
    """The published table a dbt source reads."""
    source = manifest["sources"][unique_id]
    return TableKey.of(source["source_name"], source["name"])


def ancestors(manifest: Manifest, unique_id: str) -> frozenset[str]:
    """Unique ids of every node a node follows from, itself included."""
    found: set[str] = set()
    queue = [unique_id]
    while queue:
        each = queue.pop()
        if each not in found:
            found.add(each)
            queue.extend(manifest["parent_map"].get(each, ()))
    return frozenset(found)


def read_manifest(project: Path = DBT_PROJECT) -> Manifest:
    """The project's manifest as it stands now; parsed at most once per state of the project.

    Raises:
        PlatformError: dbt cannot parse the project.
    """
    return _read(project, project_digest(project))


@cache
def _read(project: Path, digest: str) -> Manifest:
    # The digest makes a changed project another entry of the cache.
    del digest
    manifest: Manifest = json.loads(manifest_path(project).read_text())
    return manifest


def project_digest(project: Path = DBT_PROJECT) -> str:
    """SHA-256 of everything a build follows from besides its inputs: files and versions of dbt.

    Files are read again only if one has changed since, by what the file system says of it.
    """
    found = [(file, (project / file).stat()) for file in _FILES]
    for part in _PARTS:
        inside = _files_below(project / part, part)
        found += sorted(inside, key=lambda each: each[0].split("/"))
    files = tuple((file, told.st_ino, told.st_size, told.st_mtime_ns) for file, told in found)
    settled = max(changed for *_, changed in files) < time.time_ns() - _UNSETTLED_NS
    return (_digest if settled else _digest.__wrapped__)(project, files)


def _files_below(folder: Path, label: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file in a folder, called by its place in the project."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{label}/{entry.name}"
            if entry.is_dir():
                yield from _files_below(folder / entry.name, name)
            elif entry.is_file():
                yield name, entry.stat()


@lru_cache(maxsize=16)
def _digest(project: Path, files: tuple[tuple[str, int, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for package in _PACKAGES:
        digest.update(f"{package}=={version(package)}\n".encode())
    for file, *_ in files:
        content = (project / file).read_bytes()
        digest.update(f"{file} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def manifest_path(project: Path = DBT_PROJECT) -> Path:
    """The manifest that fits the project's files, made by `dbt parse` unless it is there already.

    Several processes may ask at once: one parses, the others wait.

    Raises:
        PlatformError: dbt cannot parse the project; the message is dbt's, about the project alone.
    """
    project = project.resolve()
    target = project / "target"
    manifest = target / "manifest.json"
    stamp = target / "manifest.digest"
    digest = project_digest(project)
    made = (manifest, manifest.with_name(PARSED))
    if _stamped(stamp, digest) and all(each.exists() for each in made):
        return manifest
    with _alone(target):
        if not (_stamped(stamp, digest) and all(each.exists() for each in made)):
            stamp.unlink(missing_ok=True)
            _parse(project, manifest)
            staged = stamp.with_name(f".{stamp.name}.{os.getpid()}")
            staged.write_text(digest)
            staged.replace(stamp)
    return manifest


def dbt_executable() -> str:
    """The `dbt` of this Python's environment.

    Raises:
        PlatformError: dbt is not installed there.
    """
    beside = Path(sys.executable).with_name("dbt")
    found = str(beside) if beside.exists() else shutil.which("dbt")
    if found is None:
        msg = f"There is no dbt beside {sys.executable}: install the project's requirements."
        raise PlatformError(msg)
    return found


def _stamped(stamp: Path, digest: str) -> bool:
    try:
        return stamp.read_text() == digest
    except FileNotFoundError:
        return False


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".parsing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parse(project: Path, manifest: Path) -> None:
    staged = manifest.parent / ".parse"
    shutil.rmtree(staged, ignore_errors=True)
    # Partial parsing keeps unit tests of models that are gone, and then fails on them.
    command = [
        dbt_executable(),
        "--log-level-file=none",
        "--no-use-colors",
        "parse",
        "--no-partial-parse",
        f"--project-dir={project}",
        f"--profiles-dir={project}",
        f"--target-path={staged}",
        f"--log-path={staged}",
    ]
    done = subprocess.run(  # noqa: S603 - our own dbt, on our own project
        command,
        cwd=project,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        told = "\n".join(done.stdout.strip().splitlines()[-12:])
        msg = f"dbt cannot parse {project}. It opened no data; it says:\n{told}"
        raise PlatformError(msg)
    (staged / manifest.name).replace(manifest)
    (staged / PARSED).replace(manifest.with_name(PARSED))
    shutil.rmtree(staged)


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["project_name"])


def _column(
    project: Path, manifest: Manifest, model: str, column: Mapping[str, Any]
) -> ReleasedColumn:
    tests = {
        test["test_metadata"]["name"]: test
        for unique_id in manifest["child_map"][model]
        if (test := manifest["nodes"].get(unique_id, {})).get("attached_node") == model
        and test["column_name"] == column["name"]
    }
    asked = {
        name: test["test_metadata"]["kwargs"]
        for name, test in tests.items()
        if test["config"]["severity"].lower() == "error"
    }
    given = asked.get("accepted_values", {}).get("values", ())
    accepted = tuple(str(each) for each in given if column["data_type"] == "varchar")
    refers_to = None
    if "relationships" in asked:
        field, related = asked["relationships"]["field"], tests["relationships"]
        rows = _entries(project, manifest, related)
        accepted = accepted or tuple(sorted({row[field] for row in rows}))
        looked_into = [
            manifest["nodes"][node]
            for node in related["depends_on"]["nodes"]
            if node.startswith("model.") and node != model
        ]
        if looked_into and stage_of(looked_into[0]):
            refers_to = (looked_into[0]["name"], field)
    least, most = (asked.get("is_between", {}).get(each) for each in ("at_least", "at_most"))
    return ReleasedColumn(
        name=column["name"],
        data_type=column["data_type"],
        description=" ".join(column["description"].split()),
        pseudonym_of=column["config"]["meta"].get("pseudonym", ""),
        values=_values(project, manifest, tests, column),
        accepted=accepted,
        pattern=asked.get("matches_pattern", {}).get("pattern", ""),
        bounds=(_number(least), _number(most)),
        refers_to=refers_to,
    )


def _number(bound: object) -> float | None:
    """A bound that is a number; dates are bounded by SQL, and by nothing here."""
    return bound if isinstance(bound, int | float) else None


def _values(
    project: Path, manifest: Manifest, tests: Mapping[str, Any], column: Mapping[str, Any]
) -> str:
    """What a column may hold: as its `values` say, else as its tests and type do."""
    told = column["config"]["meta"].get("values")
    if told:
        return str(told)
    if column["config"]["meta"].get("pseudonym"):
        return "32 hexadecimal characters"
    if "accepted_values" in tests:
        accepted = tests["accepted_values"]["test_metadata"]["kwargs"]["values"]
        return "; ".join(str(each).lower() if isinstance(each, bool) else each for each in accepted)
    if "relationships" in tests:
        return _listed(project, manifest, tests["relationships"])
    if column["data_type"] == "boolean":
        return "true; false"
    if column["data_type"] == "date":
        return "YYYY-MM-DD"
    if "is_between" in tests:
        bounds = tests["is_between"]["test_metadata"]["kwargs"]
        least, most = bounds["at_least"], bounds.get("at_most")
        return f"{least} to {most}" if most is not None else f"{least} or more"
    return ""


def _listed(project: Path, manifest: Manifest, test: Mapping[str, Any]) -> str:
    """The entries of the code list a column is held against, in words."""
    field = test["test_metadata"]["kwargs"]["field"]
    rows = _entries(project, manifest, test)
    if field == "code":
        return "; ".join(f"{row['code']} = {row['description']}" for row in rows)
    return "; ".join(row[field] for row in rows)


def _entries(project: Path, manifest: Manifest, test: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of the code list a column is held against; none where it is another mart."""
    lists = [each for each in test["depends_on"]["nodes"] if each.startswith("seed.")]
    if not lists:
        return []
    with (project / manifest["nodes"][lists[0]]["original_file_path"]).open(newline="") as file:
        return list(csv.DictReader(file))
