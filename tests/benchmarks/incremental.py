"""Linking what changed against linking from nothing: CPU, wall, memory and F1 of both, in one run.

`python -m tests.benchmarks.incremental --records 1000000 --output incremental.json`

A supply of one court is made once. Edition 2025 is linked without some of its records; edition 2026
has them, others are corrected and some withdrawn, in the proportion of 100,000 new or changed ones
to 18 million. It is linked from what is known, then from nothing. Both publish all their tables.
Each linkage works in a process of its own, measured from when its libraries are there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DATASET, TABLE = "magistrates", "libra_cases"
CHANGED = 100_000 / 18_000_000
RECORDS_A_PERSON = 2.6


def main(arguments: list[str] | None = None) -> int:
    """Make the supply, link it three times, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--output", type=Path, help="where the figures go")
    parser.add_argument("--worker", choices=["supply", "known", "changes", "whole"])
    options = parser.parse_args(arguments)
    if options.worker == "supply":
        supply(options.records)
        return 0
    if options.worker:
        print(json.dumps(link(options.worker)))
        return 0
    with tempfile.TemporaryDirectory(prefix="datafirst-bench-") as temporary:
        home = (options.home or Path(temporary)) / "data"
        environment = os.environ | {
            "DATAFIRST_HOME": str(home),
            "DATAFIRST_KEYS": str(home.with_name("keys")),
            "DATAFIRST_INCREMENTAL": "1",
        }
        figures: dict[str, Any] = {}
        for step in ("supply", "known", "changes", "whole"):
            command = [sys.executable, "-m", "tests.benchmarks.incremental", "--worker", step]
            command += ["--records", str(options.records)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            if step != "supply":
                figures[step] = json.loads(done.stdout.splitlines()[-1])
    changes, whole = figures["changes"], figures["whole"]
    figures["cpu_ratio"] = round(changes["cpu_seconds"] / whole["cpu_seconds"], 3)
    figures["f1_difference"] = round(changes["f1_medium"] - whole["f1_medium"], 5)
    show(figures)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return 0


def supply(records: int) -> None:
    """Deliver and take edition 2025, then publish identities as two editions would hold them."""
    from datafirst_platform import tables
    from datafirst_platform.editions import edition
    from datafirst_platform.engine import connect, parquet
    from datafirst_platform.extracts.extraction import extract_source
    from datafirst_platform.identity import TableKey
    from datafirst_platform.settings import Settings
    from datafirst_platform.synthetic import make_supply

    settings = Settings.from_environment().prepare()
    people = int(records / RECORDS_A_PERSON)
    make_supply(settings, edition("2025"), people=people, seed=1, sources=("libra",))
    extract_source(settings, "2025", "libra")
    key = TableKey.of("identities", TABLE)
    every = parquet(tables.require(settings, key, "2025").path)
    with connect(settings) as connection:
        connection.execute(
            f"""create table every as
            select *, row_number() over (order by hash(record_key)) as turn from {every}"""
        )
        rows = connection.execute("select count(*) from every").fetchall()[0][0]
        half = int(rows * CHANGED / 2)
        corrected = f"""select * replace (
            case when turn % 2 = 0 and turn <= {2 * half} then last_name || 'S' else last_name end
                as last_name,
            case when turn % 2 = 1 and turn <= {2 * half} then null else postcode end as postcode)
            from every where turn <= {rows - half // 5}"""
        editions = {"2025": f"select * from every where turn > {half}", "2026": corrected}
        for year, query in editions.items():
            tables.publish(
                settings,
                connection,
                key,
                year,
                f"select * exclude (turn) from ({query})",
                order_by=["record_key"],
                recipe=year,
                inputs={},
            )
    truth = settings.secure / "truth"
    shutil.copytree(truth / "2025", truth / "2026")


def link(what: str) -> dict[str, Any]:
    """Link an edition, with everything watched, and hold it against the truth."""
    import pandas  # noqa: F401
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401
    import scipy.sparse.csgraph  # noqa: F401
    import splink  # noqa: F401

    from datafirst_platform.linkage.evaluation import evaluate
    from datafirst_platform.linkage.linking import link_dataset
    from datafirst_platform.settings import Settings

    settings = dataclasses.replace(Settings.from_environment(), relink=what == "whole")
    edition = "2025" if what == "known" else "2026"
    began, began_cpu = time.monotonic(), cpu_seconds()
    linked = link_dataset(settings, edition, DATASET)
    wall, cpu = time.monotonic() - began, cpu_seconds() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    quality = evaluate(settings, edition, DATASET)
    counts = linked.counts
    return {
        "records": counts["records", ""],
        "went_on": ("bridges", "high") in counts,
        "bridges": sum(n for (measure, _), n in counts.items() if measure == "bridges"),
        "pairs": sum(n for (measure, _), n in counts.items() if measure == "pairs"),
        "people_medium": counts["people", "medium"],
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_gib": round(peak, 2),
        "f1_medium": round(quality.at("medium").f1, 5) if quality else 0.0,
    }


def cpu_seconds() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def show(figures: dict[str, Any]) -> None:
    """Print what a reader of the closing note wants."""
    for step in ("known", "changes", "whole"):
        each = figures[step]
        print(
            f"{step:>8}  {each['records']:>12,} records  {each['pairs']:>12,} pairs  "
            f"{each['cpu_seconds']:8.2f} s CPU  {each['wall_seconds']:8.2f} s wall  "
            f"{each['peak_gib']:5.2f} GiB  F1 {each['f1_medium']:.5f}"
        )
    print(
        f"changes against whole: {figures['cpu_ratio']} of the CPU, "
        f"F1 {figures['f1_difference']:+.5f}, {figures['changes']['bridges']} bridges"
    )


if __name__ == "__main__":
    sys.exit(main())
