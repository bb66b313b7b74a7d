"""One build of dbt: published inputs in, published marts and insights and the tests' verdict out.

dbt works in a private DuckDB file under `warehouse/dbt/<edition>/`, which is gone once its tables
are published. It is given paths of tables without identifiers and nothing else; what it says may
quote a row, so only names, states and counts are kept of it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform import tables
from datafirst_platform.editions import edition as edition_of
from datafirst_platform.engine import name
from datafirst_platform.identity import TableKey
from datafirst_platform.marts.lineage import Lineage, lineage_of, told
from datafirst_platform.marts.project import (
    DBT_PROJECT,
    PARSED,
    Manifest,
    ReleasedTable,
    ancestors,
    manifest_path,
    modelled_tables,
    project_digest,
    read_manifest,
)
from datafirst_platform.safe_errors import GateRefused, NotReady, PlatformError
from datafirst_platform.settings import PROJECT_ROOT, Settings
from datafirst_platform.tables import TableVersion

DBT_GATE = "dbt_tests"
"""The gate whose verdict a build gives each table it publishes."""

_CODE_VERSION = 2
"""Raised whenever the same project and inputs would be published or recorded otherwise."""

_VERDICT_FORMAT = "datafirst-verdict/1"
_SEVERITIES = {"error": "critical", "warn": "warning"}
_HARMLESS = re.compile(r"Got \d+ results?, configured to (?:fail|warn) if [ !=<>\d]+\Z")


@dataclass(frozen=True)
class DbtTest:
    """What became of one dbt test.

    Attributes:
        rule: its name, unique in the project.
        type: kind of test: `unique`, `accepted_values`, …
        on: unique id of the node it is about.
        column: column it is about; empty for a whole table.
        severity: `critical` blocks, `warning` is recorded only.
        status: dbt's word: `pass`, `fail`, `warn`, `error`, `skipped`.
        failures: rows that broke it.
    """

    rule: str
    type: str
    on: str
    column: str
    severity: str
    status: str
    failures: int

    @property
    def passed(self) -> bool:
        """Whether it ran and nothing broke it."""
        return self.status == "pass"


@dataclass(frozen=True)
class DbtRun:
    """What a run of dbt came to.

    Attributes:
        tests: every test, by name.
        broken: models, seeds and hooks that could not be built, by name, with dbt's word for it.
        lineage: column to the columns it comes from; empty if something broke.
    """

    tests: tuple[DbtTest, ...]
    broken: Mapping[str, str]
    lineage: Lineage

    @property
    def refusal(self) -> str:
        """Why nothing may be published; empty if everything may."""
        failed = [
            f"test {each.rule}: {each.failures} rows"
            if each.failures
            else f"test {each.rule}: {each.status}"
            for each in self.tests
            if not each.passed and each.status != "skipped" and each.severity == "critical"
        ]
        failed += [
            f"{label}: {status}" for label, status in self.broken.items() if status != "skipped"
        ]
        skipped = sum(status == "skipped" for status in self.broken.values())
        skipped += sum(each.status == "skipped" for each in self.tests)
        if not failed and not skipped:
            return ""
        if skipped:
            failed.append(f"{skipped} tests and models were not run because of these")
        return "\n".join(f"  - {each}" for each in failed)


@dataclass(frozen=True)
class Build:
    """A build to be done, or done before: an edition's inputs and the project as they stand.

    Attributes:
        settings: the installation.
        edition: partition key.
        project: folder of the dbt project.
        outputs: the marts and insights that are to be published, in an order to publish them in.
        inputs: every table dbt reads.
        digest: digest of the project.
    """

    settings: Settings
    edition: str
    project: Path
    outputs: tuple[ReleasedTable, ...]
    inputs: Mapping[TableKey, TableVersion]
    digest: str

    @classmethod
    def of(cls, settings: Settings, edition: str, project: Path = DBT_PROJECT) -> Build:
        """Look up what stands.

        Raises:
            NotReady: an input of the marts is not published yet.
            PlatformError: dbt cannot parse the project, or there is no such edition.
        """
        outputs = modelled_tables(project)
        made_here = {each.key for each in outputs}
        keys = sorted({key for each in outputs for key in each.inputs} - made_here)
        versions = {key: tables.current(settings, key, edition) for key in keys}
        missing = [str(key) for key, standing in versions.items() if standing is None]
        if missing:
            msg = (
                f"The marts of edition {edition} wait for {', '.join(missing)}: "
                f"run `datafirst refresh {edition}`."
            )
            raise NotReady(msg)
        return cls(
            settings=settings,
            edition=edition,
            project=project.resolve(),
            outputs=outputs,
            inputs={key: standing for key, standing in versions.items() if standing is not None},
            digest=project_digest(project),
        )

    @property
    def folder(self) -> Path:
        """Where dbt works."""
        return self.settings.warehouse / "dbt" / self.edition

    @property
    def database(self) -> Path:
        """The private DuckDB file; its stem is the database's name in every lineage."""
        return self.folder / "warehouse.duckdb"

    @property
    def target(self) -> Path:
        """Where dbt leaves compiled SQL and results."""
        return self.folder / "target"

    @property
    def cut_off(self) -> str:
        """Last day the edition's deliveries cover, as ISO 8601."""
        return edition_of(self.edition).cut_off.isoformat()

    @property
    def recipe(self) -> str:
        """Digest of the project, the edition's cut-off and every input."""
        inputs = {str(key): each.version for key, each in self.inputs.items()}
        return tables.recipe_of("marts", _CODE_VERSION, self.digest, self.cut_off, inputs)

    @property
    def arguments(self) -> list[str]:
        """What dbt is told. Unit tests are about code: the test suite runs them."""
        return ["build", "--exclude-resource-type", "unit_test"]

    @property
    def environment(self) -> dict[str, str]:
        """What `profiles.yml` and the project's macros read."""
        read = {f"{key.stage}.{key.table}": each.sql for key, each in self.inputs.items()}
        return {
            "DATAFIRST_TABLES": json.dumps(read),
            "DATAFIRST_CUT_OFF": self.cut_off,
            "DATAFIRST_WAREHOUSE_FILE": str(self.database),
            "DATAFIRST_THREADS": str(self.settings.threads),
            "DATAFIRST_MEMORY_GIB": str(self.settings.memory_gib),
            "DATAFIRST_SPILL": str(self.settings.spill),
        }

    @property
    def engine_settings(self) -> dict[str, Any]:
        """How the database is opened for reading what dbt built."""
        return {
            "threads": self.settings.threads,
            "memory_limit": f"{self.settings.memory_gib}GiB",
            "temp_directory": str(self.settings.spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }

    def run_dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Let dbt do what its arguments say, in a process of its own.

        What it prints may quote rows: it is for whoever runs tests, and is kept nowhere. For the
        same reason there is no dbt.log.
        """
        parsed = manifest_path(self.project).with_name(PARSED)
        folders = {"project": self.project, "profiles": self.project}
        folders |= {"target": self.target, "log": self.target}
        suffix = {"target": "path", "log": "path"}
        self.target.mkdir(parents=True, exist_ok=True)
        return subprocess.run(  # noqa: S603 - our own dbt, on our own project
            [
                *(sys.executable, "-m", f"{__package__}.invocation", str(parsed)),
                *("--log-level-file=none", "--log-level=error", "--no-use-colors", *arguments),
                *(f"--{each}-{suffix.get(each, 'dir')}={path}" for each, path in folders.items()),
            ],
            cwd=self.project,
            env={
                **os.environ,
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                "PYTHONPATH": os.pathsep.join(
                    [str(PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
                ),
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def clear(self) -> None:
        """Remove what an earlier run left of the database and its results."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings.spill.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in (self.database, self.database.with_suffix(".duckdb.wal"), self._results):
            file.unlink(missing_ok=True)

    def read_run(self) -> DbtRun:
        """What the run that has just ended came to; its results lose every message that may quote.

        Raises:
            PlatformError: dbt ended before it ran anything.
        """
        if not self._results.exists():
            msg = (
                f"dbt ended before it built anything of edition {self.edition}. What it said may "
                f"hold data and is withheld; `dbt parse --project-dir {self.project}` opens none."
            )
            raise PlatformError(msg)
        results = json.loads(self._results.read_text())
        for each in results["results"]:
            if not _HARMLESS.match(each["message"] or ""):
                each["message"] = None
        _write(self._results, json.dumps(results))
        manifest = json.loads((self.target / "manifest.json").read_text())
        status = {each["unique_id"]: each for each in results["results"]}
        broken = {
            unique_id.split(".", 2)[-1]: each["status"]
            for unique_id, each in status.items()
            if not unique_id.startswith("test.")
            and each["status"] in ("error", "skipped", "partial success", "runtime error")
        }
        return DbtRun(
            tests=tuple(_tests(manifest, status)),
            broken=broken,
            lineage={} if broken else lineage_of(manifest, self._lineage, self.digest),
        )

    def publish(
        self, run: DbtRun, connection: duckdb.DuckDBPyConnection
    ) -> dict[str, TableVersion]:
        """Publish every mart and insight with its verdict.

        Args:
            run: what the run came to.
            connection: the database, open for reading.

        Returns:
            Table to its published version.

        Raises:
            GateRefused: a test failed or something could not be built; nothing is published.
            PlatformError: the engine failed.
        """
        if run.refusal:
            raise GateRefused(self.refusal(run))
        versions: dict[str, TableVersion] = {}
        known = dict(self.inputs)
        for table in self.outputs:
            published = tables.publish(
                self.settings,
                connection,
                table.key,
                self.edition,
                f"select * from main.{name(table.name)}",
                order_by=table.primary_key,
                recipe=self.recipe,
                inputs={str(key): known[key].version for key in table.inputs},
            )
            versions[table.name] = known[table.key] = published
        record = {"recipe": self.recipe, "tests": run.tests, "lineage": run.lineage}
        _write(self._record, json.dumps(record, default=asdict, sort_keys=True))
        self._give_verdicts(run, versions)
        return versions

    def refusal(self, run: DbtRun) -> str:
        """Why nothing of a run may be published, and what to do; empty if all may."""
        if not run.refusal:
            return ""
        return (
            f"dbt refuses the marts of edition {self.edition}; nothing is published:\n"
            f"{run.refusal}\nMend what is named, then run `datafirst refresh {self.edition}`."
        )

    def standing(self) -> tuple[DbtRun, dict[str, TableVersion]] | None:
        """The run that made what stands and what it published, or None if dbt has to run."""
        try:
            record = json.loads(self._record.read_text())
        except FileNotFoundError:
            return None
        versions = {
            each.name: tables.standing(self.settings, each.key, self.edition, self.recipe)
            for each in self.outputs
        }
        found = {table: version for table, version in versions.items() if version is not None}
        if record["recipe"] != self.recipe or len(found) < len(versions):
            return None
        run = DbtRun(
            tests=tuple(DbtTest(**each) for each in record["tests"]),
            broken={},
            lineage=told(record["lineage"]),
        )
        self._give_verdicts(run, found)
        return run, found

    def tests_of(self, table: str, run: DbtRun) -> list[DbtTest]:
        """The tests on a mart or insight and on everything it is made from."""
        manifest = read_manifest(self.project)
        over = ancestors(manifest, f"model.{manifest['metadata']['project_name']}.{table}")
        return [each for each in run.tests if each.on in over]

    @property
    def _results(self) -> Path:
        return self.target / "run_results.json"

    @property
    def _lineage(self) -> Path:
        return manifest_path(self.project).with_name("lineage.json")

    @property
    def _record(self) -> Path:
        """What a later run of the same recipe has to say again."""
        return self.folder / "build.json"

    def _give_verdicts(self, run: DbtRun, versions: Mapping[str, TableVersion]) -> None:
        """Write each table's verdict: the tests on it and on everything it is made from."""
        for table, version in versions.items():
            content = verdict(version, self.digest, self.tests_of(table, run))
            folder = self.settings.audit / "verdicts" / version.key.stage / table / self.edition
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / f"{version.version[:16]}.{DBT_GATE}.json", content)


def verdict(version: TableVersion, digest: str, tests: Sequence[DbtTest]) -> str:
    """A verdict as canonical JSON: sorted keys, one line, no time and no value of data.

    Args:
        version: the version that was tested.
        digest: digest of the project, whose tests they are.
        tests: what became of each.
    """
    failed = any(not each.passed and each.severity == "critical" for each in tests)
    content = {
        "format": _VERDICT_FORMAT,
        "stage": version.key.stage,
        "table": version.key.table,
        "edition": version.edition,
        "data_version": version.version,
        "gate": DBT_GATE,
        "suite_digest": digest,
        "passed": bool(tests) and not failed,
        "inputs": {},
        "outcomes": [
            {
                "rule": each.rule,
                "type": each.type,
                "column": each.column,
                "severity": each.severity,
                "passed": each.passed,
                "counts": {"failures": each.failures},
                "error": "" if each.status in ("pass", "fail", "warn") else each.status,
            }
            for each in tests
        ],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n"


def _tests(manifest: Manifest, results: Mapping[str, Mapping[str, Any]]) -> list[DbtTest]:
    """Every test of the project, by name; one without a result counts as skipped."""
    found = []
    for unique_id, node in manifest["nodes"].items():
        if not unique_id.startswith("test."):
            continue
        result = results.get(unique_id, {})
        metadata = node.get("test_metadata") or {}
        found.append(
            DbtTest(
                rule=node["name"],
                type=metadata.get("name", "singular"),
                on=_subject(manifest, node),
                column=node.get("column_name") or "",
                severity=_SEVERITIES[str(node["config"]["severity"]).lower()],
                status=result.get("status", "skipped"),
                failures=result.get("failures") or 0,
            )
        )
    return sorted(found, key=lambda each: each.rule)


def _subject(manifest: Manifest, node: Mapping[str, Any]) -> str:
    """The node a test is about: the one it is attached to, else the last one it reads."""
    if node.get("attached_node"):
        return str(node["attached_node"])
    read: list[str] = node["depends_on"]["nodes"]
    return max(read, key=lambda each: (len(ancestors(manifest, each)), each))


def _write(path: Path, content: str) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(content)
    staged.replace(path)
