"""A refresh of a large supply: rows, CPU and wall per step, peak memory, and what is added on top.

`python -m tests.benchmarks.refresh --people 1000000 --output refresh.json`

On top of the engine's time come: Dagster (the run's wall time outside of any step), dbt (the marts'
step outside of models and tests being run) and Great Expectations (the gates' steps outside of
DuckDB). Everything is measured in one run, which works in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")


def main(arguments: list[str] | None = None) -> int:
    """Make the supply, refresh it in a process of its own, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--output", type=Path, help="where the figures go")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        print(json.dumps(measure(options.people)))
        return 0
    with tempfile.TemporaryDirectory(prefix="datafirst-bench-") as temporary:
        home = (options.home or Path(temporary)) / "data"
        environment = os.environ | {
            "DATAFIRST_HOME": str(home),
            "DATAFIRST_KEYS": str(home.with_name("keys")),
        }
        supply_seconds = make_supply(options.people, environment)
        command = [sys.executable, "-m", "tests.benchmarks.refresh", "--worker"]
        command += ["--people", str(options.people)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    figures = json.loads(done.stdout.splitlines()[-1]) | {"supply_seconds": supply_seconds}
    show(figures)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return 0


def make_supply(people: int, environment: dict[str, str]) -> float:
    """Deliver edition 2025; seconds it took."""
    started = time.monotonic()
    code = (
        "import sys; from datafirst_platform.settings import Settings; "
        "from datafirst_platform.editions import edition; "
        "from datafirst_platform.synthetic import make_supply; "
        "make_supply(Settings.from_environment().prepare(), edition('2025'), "
        "people=int(sys.argv[1]), seed=1)"
    )
    subprocess.run([sys.executable, "-c", code, str(people)], env=environment, check=True)
    return round(time.monotonic() - started, 1)


class Steps(logging.Handler):
    """Wall and CPU seconds of each step, children's included, and DuckDB's wall time within."""

    def __init__(self, engine: dict[str, float]) -> None:
        super().__init__()
        self.engine = engine
        self.began: dict[str, tuple[float, float, float]] = {}
        self.steps: dict[str, dict[str, float]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        import dagster as dg

        event = getattr(record, "dagster_event", None)
        if event is None or not event.step_key:
            return
        now = (time.monotonic(), cpu_seconds(), self.engine["seconds"])
        if event.event_type == dg.DagsterEventType.STEP_START:
            self.began[event.step_key] = now
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            wall, cpu, engine = (
                after - before
                for after, before in zip(now, self.began[event.step_key], strict=True)
            )
            self.steps[event.step_key] = {"wall": wall, "cpu": cpu, "engine": engine}
            print(f"  {wall:7.1f} s  {cpu:7.1f} CPU s  {event.step_key}", file=sys.stderr)


def measure(people: int) -> dict[str, Any]:
    """Refresh edition 2025 with everything watched."""
    import dagster as dg

    from datafirst_platform.definitions import build_definitions
    from datafirst_platform.instance import instance_in_use
    from datafirst_platform.settings import Settings

    settings = Settings.from_environment()
    engine = watch_duckdb()
    dbt = watch_dbt()
    handler = Steps(engine)

    @dg.logger
    def watching(_context: dg.InitLoggerContext) -> logging.Logger:
        log = logging.Logger("benchmark", logging.DEBUG)
        log.addHandler(handler)
        return log

    memory = PeakMemory()
    began, began_cpu = time.monotonic(), cpu_seconds()
    definitions = build_definitions(settings, loggers={"watching": watching})
    with instance_in_use(settings) as instance:
        result = definitions.resolve_job_def("refresh").execute_in_process(
            instance=instance,
            partition_key="2025",
            run_config={"loggers": {"watching": {}}},
        )
    wall, cpu = time.monotonic() - began, cpu_seconds() - began_cpu
    rows = {
        event.step_materialization_data.materialization.asset_key.to_user_string(): (
            event.step_materialization_data.materialization.metadata["dagster/row_count"].value
        )
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    }
    return {
        "people": people,
        "rows": rows,
        "stages": stages(handler.steps),
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_gib": round(memory.stop() / 2**30, 2),
        "added": added(handler.steps, wall, dbt["seconds"]),
    }


def watch_duckdb() -> dict[str, float]:
    """Add up the wall time inside DuckDB, over every connection of this process."""
    import duckdb

    spent = {"seconds": 0.0}
    kind: Any = duckdb.DuckDBPyConnection
    for method in ("execute", "executemany", "sql"):
        original = getattr(kind, method)

        def timed(*arguments: Any, _original: Any = original, **keywords: Any) -> Any:
            started = time.monotonic()
            try:
                return _original(*arguments, **keywords)
            finally:
                spent["seconds"] += time.monotonic() - started

        setattr(kind, method, timed)
    return spent


def watch_dbt() -> dict[str, float]:
    """Wall time in which dbt had at least one model, seed or test running."""
    from datafirst_platform.marts.build import Build

    spent = {"seconds": 0.0}
    original = Build.read_run

    def watched(build: Build) -> Any:
        results = json.loads((build.target / "run_results.json").read_text())["results"]
        spans = sorted(
            (
                datetime.fromisoformat(timing["started_at"]),
                datetime.fromisoformat(timing["completed_at"]),
            )
            for each in results
            for timing in each["timing"]
            if timing["name"] == "execute"
        )
        until = spans[0][0]
        for began, ended in spans:
            spent["seconds"] += max(0.0, (ended - max(began, until)).total_seconds())
            until = max(until, ended)
        return original(build)

    Build.read_run = watched  # type: ignore[method-assign]
    return spent


def stages(steps: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Steps added up by stage."""
    total: dict[str, dict[str, float]] = defaultdict(lambda: {"wall": 0.0, "cpu": 0.0})
    for step, figures in steps.items():
        for figure in ("wall", "cpu"):
            total[stage_of(step)][figure] += figures[figure]
    return {
        stage: {figure: round(value, 1) for figure, value in figures.items()}
        for stage, figures in total.items()
    }


def stage_of(step: str) -> str:
    """The stage a step belongs to."""
    if step.endswith("_expectations"):
        return "gates"
    first = step.partition("_")[0]
    return {"extract": "extracts", "link": "linkage", "releases": "releases"}.get(first, first)


def added(steps: dict[str, dict[str, float]], wall: float, in_dbt: float) -> dict[str, float]:
    """Seconds added by Dagster, dbt and Great Expectations, and their share of the engine's."""
    in_steps = sum(figures["wall"] for figures in steps.values())
    gates = [figures for step, figures in steps.items() if stage_of(step) == "gates"]
    expectations = sum(figures["wall"] - figures["engine"] for figures in gates)
    dbt = steps["marts"]["wall"] - steps["marts"]["engine"] - in_dbt
    dagster = wall - in_steps
    on_top = dagster + dbt + expectations
    return {
        "dagster": round(dagster, 1),
        "dbt": round(dbt, 1),
        "great_expectations": round(expectations, 1),
        "share_of_engine": round(on_top / (wall - on_top), 3),
    }


def cpu_seconds() -> float:
    """CPU seconds of this process and of its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class PeakMemory:
    """The highest resident memory of this process and its children together, sampled."""

    def __init__(self) -> None:
        self.peak = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.done.wait(0.1):
            self.peak = max(self.peak, self._resident())

    @staticmethod
    def _resident() -> int:
        total = 0
        mine = os.getpid()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(folder.name) == mine or int(status[1]) == mine:
                    total += int((folder / "statm").read_text().split()[1]) * PAGE
            except OSError:
                continue
        return total

    def stop(self) -> int:
        """Bytes at the peak."""
        self.done.set()
        self.thread.join()
        return self.peak


def show(figures: dict[str, Any]) -> None:
    """Print what a reader of the closing note wants."""
    print(f"{figures['people']:,} people; supply made in {figures['supply_seconds']} s")
    for table, rows in sorted(figures["rows"].items()):
        print(f"  {rows:>12,}  {table}")
    for stage, spent in figures["stages"].items():
        print(f"  {spent['wall']:8.1f} s wall  {spent['cpu']:8.1f} s CPU  {stage}")
    print(
        f"refresh: {figures['wall_seconds']} s wall, {figures['cpu_seconds']} s CPU, "
        f"peak {figures['peak_gib']} GiB"
    )
    print(f"added on top of the engine: {figures['added']}")


if __name__ == "__main__":
    sys.exit(main())
