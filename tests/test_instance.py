import os
import signal
import subprocess
import sys
import textwrap
import time

import dagster as dg
import pytest
import yaml

from datafirst_platform import instance as instances
from datafirst_platform.instance import instance_in_use, one_writer

KILLED = """
import sys, time
from pathlib import Path
import dagster as dg
from datafirst_platform.instance import instance_in_use
from datafirst_platform.settings import Settings

@dg.asset(pool="one")
def forever():
    Path(sys.argv[1], "started").touch()
    time.sleep(600)

settings = Settings(Path(sys.argv[1]) / "data", Path(sys.argv[1]) / "keys")
with instance_in_use(settings) as instance:
    dg.materialize([forever], instance=instance)
"""


def test_a_killed_run_is_failed_and_its_slot_freed(tmp_path, settings):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    with instance_in_use(settings) as instance:
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.FAILURE

        @dg.asset(pool="one")
        def next_one() -> None: ...

        assert dg.materialize([next_one], instance=instance).success


def test_a_living_run_is_left_alone(settings):
    seen = []

    @dg.asset
    def looks_at_itself(context: dg.AssetExecutionContext) -> None:
        with instance_in_use(settings) as second:
            seen.append(second.get_run_by_id(context.run.run_id).status)

    with instance_in_use(settings) as instance:
        assert dg.materialize([looks_at_itself], instance=instance).success
    assert seen == [dg.DagsterRunStatus.STARTED]


def test_one_writer_at_a_time(tmp_path, settings):
    code = (
        "import sys; from pathlib import Path\n"
        "from datafirst_platform.instance import one_writer\n"
        "from datafirst_platform.settings import Settings\n"
        "settings = Settings(Path(sys.argv[1]) / 'data', Path(sys.argv[1]) / 'keys')\n"
        "with one_writer(settings): Path(sys.argv[1], 'written').touch()\n"
    )
    with one_writer(settings):
        waiting = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=3)
        assert not (tmp_path / "written").exists()
    assert waiting.wait(timeout=300) == 0
    assert (tmp_path / "written").exists()


@pytest.mark.parametrize("name", ["local", "service"])
def test_instance_files_keep_no_output_and_send_nothing(name):
    folder = instances._TEMPLATE.parent
    configured = yaml.safe_load((folder / f"{name}.yaml").read_text())

    assert configured["telemetry"]["enabled"] is False
    assert configured["compute_logs"]["class"] == "NoOpComputeLogManager"
    assert configured["run_retries"]["retry_on_asset_or_op_failure"] is False
