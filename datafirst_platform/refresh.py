"""Refreshing an edition from the command line: the job `refresh` in this process, with progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from datafirst_platform.automation import REFRESH
from datafirst_platform.definitions import build_definitions
from datafirst_platform.instance import instance_in_use
from datafirst_platform.safe_errors import GateRefused
from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StepOutcome:
    """A step of a refresh.

    Attributes:
        step: its name.
        succeeded: whether it did its work.
        seconds: wall time.
        reason: why it failed; empty if it did not.
        exit_code: what the command line should exit with; 0 if it did not fail.
    """

    step: str
    succeeded: bool
    seconds: float
    reason: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Refreshed:
    """How a refresh went.

    Attributes:
        edition: partition key.
        run_id: the run in Dagster.
        succeeded: every step succeeded and every gate passed.
        steps: the steps that ran, in order.
        failed_checks: `asset: check` of each gate that did not pass.
        checks_passed: gates that passed.
        metadata: asset key to its metadata of this run, plain values only.
    """

    edition: str
    run_id: str
    succeeded: bool
    steps: tuple[StepOutcome, ...]
    failed_checks: tuple[str, ...]
    checks_passed: int
    metadata: Mapping[str, Mapping[str, Any]]


class _StepProgress(logging.Handler):
    """Tells of each step as it starts and ends; never passes on a message."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.started: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_event", None)
        step = getattr(event, "step_key", None)
        if event is None or not step:
            return
        kind = event.event_type
        if kind == dg.DagsterEventType.STEP_START:
            self.started[step] = time.monotonic()
        elif kind in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
            seconds = time.monotonic() - self.started.get(step, time.monotonic())
            self.seconds[step] = seconds
            failed = kind == dg.DagsterEventType.STEP_FAILURE
            self.progress(f"{'failed' if failed else 'done':>7}  {seconds:6.1f} s  {step}")


def refresh(settings: Settings, edition: str, progress: Progress) -> Refreshed:
    """Run the whole edition; what already stands by the same recipe is not redone.

    Args:
        settings: the installation.
        edition: partition key.
        progress: told a line for each step as it ends.
    """
    handler = _StepProgress(progress)

    @dg.logger
    def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
        log = logging.Logger("datafirst.refresh", logging.DEBUG)
        log.addHandler(handler)
        return log

    definitions = build_definitions(settings, loggers={"progress": progress_logger})
    with instance_in_use(settings) as instance:
        result = definitions.resolve_job_def(REFRESH).execute_in_process(
            instance=instance,
            partition_key=edition,
            raise_on_error=False,
            run_config={"loggers": {"progress": {}}},
            tags={"datafirst/launched_by": "command line"},
        )
    return _summary(edition, result, handler.seconds)


def _summary(
    edition: str, result: dg.ExecuteInProcessResult, seconds: Mapping[str, float]
) -> Refreshed:
    steps: list[StepOutcome] = []
    failed_checks: list[str] = []
    passed = 0
    metadata: dict[str, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    for event in result.all_events:
        kind = event.event_type
        step = event.step_key or ""
        if kind in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
            failed = kind == dg.DagsterEventType.STEP_FAILURE
            reason, code = _why(event, refused.get(step)) if failed else ("", 0)
            steps.append(StepOutcome(step, not reason, seconds.get(step, 0.0), reason, code))
        elif kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            metadata[materialization.asset_key.to_user_string()] = {
                label: getattr(value, "value", value)
                for label, value in materialization.metadata.items()
            }
        elif kind == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if evaluation.passed:
                passed += 1
            elif evaluation.severity == dg.AssetCheckSeverity.ERROR:
                refused[step] = _failing(evaluation)
                failed_checks.append(
                    f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
                )
    return Refreshed(
        edition=edition,
        run_id=result.run_id,
        succeeded=result.success and not failed_checks,
        steps=tuple(steps),
        failed_checks=tuple(failed_checks),
        checks_passed=passed,
        metadata=metadata,
    )


def _failing(evaluation: AssetCheckEvaluation) -> str:
    """The rules that a gate found broken, with their counts."""
    told = evaluation.metadata.get("failed_rules")
    rules = getattr(told, "value", None) or []
    lines = [
        f"  {each['rule']}: "
        + ", ".join(f"{label} {count}" for label, count in each["counts"].items())
        for each in rules
    ]
    table = evaluation.asset_key.to_user_string()
    return "\n".join([f"{table} does not pass its gate, {evaluation.check_name}:", *lines])


def _why(event: dg.DagsterEvent, refused: str | None) -> tuple[str, int]:
    """The reason a step failed, as it was worded for users, and its exit code.

    Args:
        event: of the failure.
        refused: what a gate within the step found, if one did.
    """
    failure = event.step_failure_data
    worded = failure.user_failure_data
    if worded is not None and worded.description:
        code = getattr(worded.metadata.get("exit_code"), "value", None)
        return worded.description, code if isinstance(code, int) else 1
    if refused is not None:
        return refused, GateRefused.exit_code
    return (failure.error.cls_name if failure.error else None) or "unknown", 1
