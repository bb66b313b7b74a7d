"""Verdicts: what a gate decided about one version of a table, and whether it still stands.

What belongs here: checking a table or a file against its suite, keeping the verdict beside the
data, and telling a release which gates are not met. What does not: the rules (`suites.py`) and
how they are computed (`validation.py`).

A verdict lies at `audit/verdicts/<stage>/<table>/<edition>/<data version>.<gate>.json`. It holds
no value of data and no time, so the same data and rules give the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datafirst_platform import tables
from datafirst_platform.editions import before
from datafirst_platform.engine import parquet
from datafirst_platform.identity import SECURE_STAGES, TableKey
from datafirst_platform.marts.build import DBT_GATE
from datafirst_platform.marts.project import DBT_STAGES, project_digest
from datafirst_platform.quality.rules import Companion
from datafirst_platform.quality.suites import Suite, SuiteError, load_suite
from datafirst_platform.quality.validation import BATCH, Outcome, run_suite
from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion, digest_of

EXPECTATIONS_GATE = "expectations"

_FORMAT = "datafirst-verdict/1"


@dataclass(frozen=True)
class Verdict:
    """What a gate decided about one version of a table.

    Attributes:
        stage: stage of the table.
        table: its name.
        edition: partition key.
        data_version: SHA-256 of the Parquet file that was judged.
        gate: `expectations`, `dbt_tests`, …
        suite_digest: digest of the rules it was judged by.
        outcomes: one per rule.
        inputs: other tables that were looked at: view to data version, empty where there was none.
    """

    stage: str
    table: str
    edition: str
    data_version: str
    gate: str
    suite_digest: str
    outcomes: tuple[Outcome, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no critical rule failed; a gate that judged nothing has not passed."""
        return bool(self.outcomes) and not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Critical rules that were not met."""
        return tuple(
            each for each in self.outcomes if not each.passed and each.severity == "critical"
        )

    @property
    def key(self) -> TableKey:
        """The table it is about."""
        return TableKey.of(self.stage, self.table)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, one line."""
        content = {"format": _FORMAT, "passed": self.passed, **asdict(self)}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, document: str) -> Verdict:
        """Read what `to_json` wrote.

        Raises:
            PlatformError: it is no verdict, or says it passed where its outcomes do not.
        """
        try:
            content: dict[str, Any] = json.loads(document)
            said = content.pop("passed")
            known = content.pop("format") == _FORMAT
            outcomes = tuple(Outcome(**each) for each in content.pop("outcomes"))
            verdict = cls(outcomes=outcomes, **content)
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known or verdict.passed is not said:
            msg = "Not a verdict as this platform writes it. Delete it and run the gate again."
            raise PlatformError(msg)
        return verdict


@dataclass(frozen=True)
class UnmetGate:
    """Why a table's version may not go into a release.

    Attributes:
        key: the table.
        edition: partition key.
        gate: the gate that is not met.
        problem: `missing`, `failed`, `stale` or `tampered`.
        text: what it is and what to do.
    """

    key: TableKey
    edition: str
    gate: str
    problem: str
    text: str


def check_table(settings: Settings, key: TableKey, edition: str) -> Verdict:
    """Judge the standing version of a table, or return the verdict that already stands.

    Raises:
        NotReady: the table, or another one its suite looks at, is not published yet.
        SuiteError: the suite cannot be read.
        PlatformError: the engine failed.
    """
    version = tables.require(settings, key, edition)
    suite = load_suite(key, edition)
    files = {each.view: _companion(settings, each, edition, {}) for each in suite.companions}
    return _judge(settings, suite, version.sql, version.version, files)


def check_file(
    settings: Settings,
    key: TableKey,
    edition: str,
    path: Path,
    beside: Mapping[str, Path] | None = None,
    where: str = "",
    audience: Sequence[str] = (),
) -> Verdict:
    """Judge a Parquet file that is not published: a table of a release candidate.

    Args:
        settings: the installation.
        key: the table it is to become; names the suite.
        edition: partition key.
        path: the Parquet file.
        beside: the candidate's other files by table name, for suites that look at them.
        where: SQL condition on the rows of the mart that the file holds; empty for all of them.
        audience: for whom the candidate is; empty for anybody datasets may be joined for.

    Raises:
        NotReady: another table its suite looks at is not there.
        SuiteError: the suite cannot be read.
        PlatformError: the engine failed.
    """
    suite = load_suite(key, edition, where=where, audience=audience)
    files = {
        each.view: _companion(settings, each, edition, beside or {}, of=key.stage)
        for each in suite.companions
    }
    return _judge(settings, suite, parquet(path), digest_of(path), files)


def _companion(
    settings: Settings,
    companion: Companion,
    edition: str,
    beside: Mapping[str, Path],
    of: str = "",
) -> tuple[str | None, str]:
    """Rows (SQL) and version of a table a suite looks at; None where no edition is before."""
    if companion.key.stage == of and companion.key.table in beside:
        path = beside[companion.key.table]
        return parquet(path), digest_of(path)
    found = _companion_version(settings, companion, edition)
    return (found.sql, found.version) if found is not None else (None, "")


def _companion_version(
    settings: Settings, companion: Companion, edition: str
) -> TableVersion | None:
    if not companion.previous:
        return tables.require(settings, companion.key, edition)
    earlier = before(edition)
    return tables.current(settings, companion.key, earlier.key) if earlier else None


def _judge(
    settings: Settings,
    suite: Suite,
    rows: str,
    data_version: str,
    beside: Mapping[str, tuple[str | None, str]],
) -> Verdict:
    inputs = {view: version for view, (_, version) in beside.items()}
    standing = verdict_of(settings, suite.key, suite.edition, data_version, EXPECTATIONS_GATE)
    if standing is not None and standing.suite_digest == suite.digest and standing.inputs == inputs:
        return standing
    views = {BATCH: rows, **{view: other for view, (other, _) in beside.items()}}
    verdict = Verdict(
        stage=suite.key.stage,
        table=suite.key.table,
        edition=suite.edition,
        data_version=data_version,
        gate=EXPECTATIONS_GATE,
        suite_digest=suite.digest,
        outcomes=run_suite(settings, suite, views),
        inputs=inputs,
    )
    record_verdict(settings, verdict)
    return verdict


def verdict_path(
    settings: Settings, key: TableKey, edition: str, data_version: str, gate: str
) -> Path:
    """Where a verdict lies."""
    folder = settings.audit / "verdicts" / key.stage / key.table / edition
    return folder / f"{data_version[:16]}.{gate}.json"


def record_verdict(settings: Settings, verdict: Verdict) -> Path:
    """Write a verdict beside the data, atomically; a later one about the same data replaces it."""
    path = verdict_path(settings, verdict.key, verdict.edition, verdict.data_version, verdict.gate)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(verdict.to_json())
    staged.replace(path)
    return path


def verdict_of(
    settings: Settings, key: TableKey, edition: str, data_version: str, gate: str
) -> Verdict | None:
    """The verdict on that very version, or None where there is none that can be read."""
    try:
        verdict = Verdict.from_json(
            verdict_path(settings, key, edition, data_version, gate).read_text()
        )
    except (FileNotFoundError, PlatformError):
        return None
    about = (verdict.key, verdict.edition, verdict.data_version, verdict.gate)
    return verdict if about == (key, edition, data_version, gate) else None


def count_standing(settings: Settings, edition: str) -> tuple[int, int]:
    """How many gates passed and failed, over the tables of an edition as they stand.

    A verdict on a version that no longer stands counts as neither.
    """
    passed = failed = 0
    for folder in sorted((settings.audit / "verdicts").glob(f"*/*/{edition}")):
        key = TableKey.of(folder.parent.parent.name, folder.parent.name)
        standing = tables.current(settings, key, edition)
        if standing is None:
            continue
        for gate in gates_of(key):
            verdict = verdict_of(settings, key, edition, standing.version, gate)
            passed += verdict is not None and verdict.passed
            failed += verdict is not None and not verdict.passed
    return passed, failed


def gates_of(key: TableKey) -> tuple[str, ...]:
    """Names of the gates a table has to pass before anything is released from it.

    Secure tables have none: nobody may release from them, and no gate may look at them.
    """
    if key.stage in SECURE_STAGES or key.stage == "landing":
        return ()
    return (EXPECTATIONS_GATE, DBT_GATE) if key.stage in DBT_STAGES else (EXPECTATIONS_GATE,)


def unmet_gates(settings: Settings, versions: Sequence[TableVersion]) -> list[UnmetGate]:
    """Every reason why a release may not be built from these versions; empty if there is none.

    A verdict is looked for that is about this very data, judged by the rules as they stand now,
    against the versions of other tables that the release uses too. The file is hashed again.
    """
    used = {(each.key, each.edition): each.version for each in versions}
    found: list[UnmetGate] = []
    for version in versions:
        if version.key.stage in SECURE_STAGES:
            found.append(
                _unmet(version, "none", "tampered", "may hold identifiers: never release from it")
            )
            continue
        if not tables.is_intact(version):
            found.append(
                _unmet(
                    version,
                    "data",
                    "tampered",
                    "is not the file that was published. Publish it again from its inputs",
                )
            )
        for gate in gates_of(version.key):
            problem = _problem(settings, version, gate, used)
            if problem is not None:
                found.append(_unmet(version, gate, *problem))
    return found


def _unmet(version: TableVersion, gate: str, problem: str, text: str) -> UnmetGate:
    about = f"{version.key} of edition {version.edition} (version {version.version[:16]})"
    return UnmetGate(version.key, version.edition, gate, problem, f"{about} {text}.")


def _problem(
    settings: Settings,
    version: TableVersion,
    gate: str,
    used: Mapping[tuple[TableKey, str], str],
) -> tuple[str, str] | None:
    """What is wrong with a gate, as kind and text; None if it is met."""
    again = f"Run `datafirst refresh {version.edition}`"
    verdict = verdict_of(settings, version.key, version.edition, version.version, gate)
    if verdict is None:
        return "missing", f"was never judged by gate {gate}. {again}"
    if gate == EXPECTATIONS_GATE:
        try:
            suite = load_suite(version.key, version.edition)
        except SuiteError as error:
            return "stale", f"has a verdict, but its suite cannot be read: {error} {again}"
        rules = [rule.id for rule in suite.rules]
        if (
            verdict.suite_digest != suite.digest
            or [each.rule for each in verdict.outcomes] != rules
        ):
            return "stale", f"was judged by rules that have changed since. {again}"
        moved = _moved(settings, suite, verdict, used)
        if moved:
            return "stale", f"was judged against another version of {', '.join(moved)}. {again}"
    if gate == DBT_GATE and verdict.suite_digest != project_digest():
        return "stale", f"was tested by a dbt project that has changed since. {again}"
    if not verdict.passed:
        rules = [each.rule for each in verdict.failures]
        listed = ", ".join(rules) if rules else "it judged nothing"
        return "failed", f"failed gate {gate}: {listed}. Mend the cause, then run again"
    return None


def _moved(
    settings: Settings,
    suite: Suite,
    verdict: Verdict,
    used: Mapping[tuple[TableKey, str], str],
) -> list[str]:
    """Other tables whose version is no longer the one the verdict looked at."""
    moved: list[str] = []
    for each in suite.companions:
        earlier = before(suite.edition) if each.previous else None
        partition = earlier.key if earlier else suite.edition
        try:
            now = used.get((each.key, partition), "") if not each.previous or earlier else ""
            if not now:
                standing = _companion_version(settings, each, suite.edition)
                now = standing.version if standing else ""
        except NotReady:
            now = ""
        if verdict.inputs.get(each.view) != now:
            moved.append(str(each.key))
    return moved
