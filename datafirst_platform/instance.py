"""Dagster's instance of one installation: its files, who uses it, and what a killed run left.

Everyone who may run steps (`datafirst refresh`, `datafirst ui`) holds a shared lock on the
instance while alive; the system lets go of it when a process dies, however it dies. Whoever can
take the lock alone knows that every run still marked as running is dead.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from datafirst_platform.settings import Settings

_TEMPLATE = Path(__file__).parent / "instances" / "local.yaml"
_RUNNING = [
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.CANCELING,
]


def prepare_instance(settings: Settings) -> Path:
    """Make `DAGSTER_HOME` with its `dagster.yaml`, unless one is there, and return it."""
    settings.prepare()
    file = settings.dagster / "dagster.yaml"
    if not file.exists():
        file.write_text(_TEMPLATE.read_text())
    return settings.dagster


@contextmanager
def instance_in_use(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance for running steps; dead runs are failed first if nobody else is there."""
    home = prepare_instance(settings)
    with (home / ".in-use").open("w") as lock:
        alone = True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        with dg.DagsterInstance.from_config(str(home)) as instance:
            if alone:
                _fail_dead_runs(instance)
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield instance


@contextmanager
def one_writer(settings: Settings) -> Iterator[None]:
    """Hold the installation's tables for writing; another writer waits here."""
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    with (settings.warehouse / ".writing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _fail_dead_runs(instance: dg.DagsterInstance) -> None:
    """Fail the runs whose process is gone and free the slots they held.

    Failing alone is not enough: a slot held by a dead run blocks every later one.
    """
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_RUNNING)):
        instance.report_run_failed(run, "Its process ended without a word: refresh again.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
