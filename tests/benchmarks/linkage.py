"""Linking a court's people against a plain Splink script on the same records, in one run.

`python -m tests.benchmarks.linkage --records 1000000 5000000 --output linkage.json`

For each size a supply of LIBRA is made and taken; then its identities are linked as a refresh links
them, from Parquet to Parquet with the trained model, and by a plain script: Splink's own library of
comparisons, blocking rules as its documentation would have them, its own clustering. Both predict
only; the script's model is trained once, on the smallest size. Each works in a process of its own.
Of both the F1 is that of their best threshold, of three. With `--output` a plot is put beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.incremental import DATASET, RECORDS_A_PERSON, TABLE, cpu_seconds

EDITION = "2025"
THRESHOLDS = (4.0, 8.0, 12.0)
"""Match weights the script clusters at; the middle one counts for its CPU."""


def main(arguments: list[str] | None = None) -> int:
    """Make each supply, link it both ways, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--home", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--output", type=Path, help="where the figures go; a plot goes beside it")
    parser.add_argument("--no-script", action="store_true", help="leave the plain script out")
    parser.add_argument("--worker", choices=["supply", "platform", "script"])
    options = parser.parse_args(arguments)
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.records[0])))
        return 0
    sizes = []
    with tempfile.TemporaryDirectory(prefix="datafirst-bench-") as temporary:
        root = options.home or Path(temporary)
        for records in sorted(options.records):
            home = root / str(records)
            environment = os.environ | {
                "DATAFIRST_HOME": str(home / "data"),
                "DATAFIRST_KEYS": str(home / "keys"),
                "DATAFIRST_MEMORY_GIB": "6",
                "DATAFIRST_BENCH_MODEL": str(root / "script.json"),
            }
            figures: dict[str, Any] = {"asked": records}
            for step in ("supply", "platform", "script"):
                if step == "script" and options.no_script:
                    continue
                command = [sys.executable, "-m", "tests.benchmarks.linkage", "--worker", step]
                command += ["--records", str(records)]
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
                figures[step] = json.loads(done.stdout.splitlines()[-1])
            sizes.append(figures)
            show(figures)
            if options.output:
                options.output.write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")
    if options.output:
        plot(sizes, options.output.with_suffix(".png"))
    return 0


def supply(records: int) -> dict[str, Any]:
    """Deliver and take a court's cases of about so many records."""
    from datafirst_platform import tables
    from datafirst_platform.editions import edition
    from datafirst_platform.extracts.extraction import extract_source
    from datafirst_platform.identity import TableKey
    from datafirst_platform.settings import Settings
    from datafirst_platform.synthetic import make_supply

    settings = Settings.from_environment().prepare()
    began = time.monotonic()
    made = settings.secure / "truth" / EDITION
    if not made.exists():
        people = int(records / RECORDS_A_PERSON)
        make_supply(settings, edition(EDITION), people=people, seed=1, sources=("libra",))
    extract_source(settings, EDITION, "libra")
    rows = tables.require(settings, TableKey.of("identities", TABLE), EDITION).rows
    return {"records": rows, "wall_seconds": round(time.monotonic() - began, 1)}


def platform(_: int) -> dict[str, Any]:
    """Link as a refresh does; from when its libraries are there."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401
    import scipy.sparse.csgraph  # noqa: F401
    import splink  # noqa: F401

    from datafirst_platform.linkage.evaluation import evaluate
    from datafirst_platform.linkage.linking import link_dataset
    from datafirst_platform.linkage.models import LEVELS
    from datafirst_platform.settings import Settings

    settings = Settings.from_environment()
    # What stands from an earlier run would only be looked up.
    shutil.rmtree(settings.warehouse / "linkage", ignore_errors=True)
    began, began_cpu = time.monotonic(), cpu_seconds()
    linked = link_dataset(settings, EDITION, DATASET)
    taken = _taken(began, began_cpu)
    quality = evaluate(settings, EDITION, DATASET, by_group=False)
    if quality is None:
        raise RuntimeError("The supply left no truth.")
    at = {level: quality.at(level) for level in LEVELS}
    counts = linked.counts
    return taken | {
        "records": counts["records", ""],
        "pairs": sum(n for (measure, _), n in counts.items() if measure == "pairs"),
        "measures": {
            level: {"precision": each.precision, "recall": each.recall, "f1": each.f1}
            for level, each in at.items()
        },
        "f1": max(each.f1 for each in at.values()),
    }


def script(_: int) -> dict[str, Any]:
    """Link by a plain Splink script."""
    import logging

    import duckdb
    import splink.comparison_library as compare
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    from datafirst_platform import tables
    from datafirst_platform.identity import TableKey
    from datafirst_platform.settings import Settings

    logging.getLogger("splink").setLevel(logging.ERROR)
    settings = Settings.from_environment()
    path = tables.require(settings, TableKey.of("identities", TABLE), EDITION).path
    stored = Path(os.environ["DATAFIRST_BENCH_MODEL"])
    plain = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        comparisons=[
            compare.NameComparison("first_name").configure(term_frequency_adjustments=True),
            compare.NameComparison("last_name").configure(term_frequency_adjustments=True),
            compare.DateOfBirthComparison("date_of_birth", input_is_string=False),
            compare.PostcodeComparison("postcode"),
            compare.ExactMatch("sex"),
            compare.ExactMatch("pnc_id"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("pnc_id"),
            block_on("last_name", "date_of_birth"),
            block_on("first_name", "date_of_birth"),
            block_on("first_name", "last_name", "postcode"),
            block_on("date_of_birth", "postcode"),
        ],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )
    folder = settings.home / "script"
    folder.mkdir(exist_ok=True)
    with duckdb.connect(str(folder / "script.duckdb")) as connection:
        connection.execute(f"set threads = {settings.threads}")
        connection.execute("set memory_limit = '12GiB'")

        def read() -> Any:
            connection.execute(
                f"""create or replace table people as
                select record_key, upper(trim(first_name)) as first_name,
                    upper(trim(last_name)) as last_name, date_of_birth,
                    upper(replace(postcode, ' ', '')) as postcode, sex, pnc_id
                from read_parquet('{path}', hive_partitioning = false)
                where defendant_type = 'P'"""
            )
            return DuckDBAPI(connection).register("people")

        if not stored.exists():
            linker = Linker(read(), plain)
            train = linker.training
            train.estimate_probability_two_random_records_match([block_on("pnc_id")], recall=0.6)
            train.estimate_u_using_random_sampling(1e7, seed=1)
            for keys in (("pnc_id",), ("first_name", "last_name", "date_of_birth")):
                train.estimate_parameters_using_expectation_maximisation(block_on(*keys))
            linker.misc.save_model_to_json(str(stored), overwrite=True)
        began, began_cpu = time.monotonic(), cpu_seconds()
        linker = Linker(read(), str(stored))
        scored = linker.inference.predict(threshold_match_weight=THRESHOLDS[0])
        found = linker.clustering.cluster_pairwise_predictions_at_threshold(
            scored, threshold_match_weight=THRESHOLDS[1]
        )
        connection.execute(f"copy {found.physical_name} to '{folder / 'people.parquet'}'")
        taken = _taken(began, began_cpu)
        pairs = connection.execute(f"select count(*) from {scored.physical_name}").fetchall()[0][0]
        f1 = {}
        for weight in THRESHOLDS:
            found = linker.clustering.cluster_pairwise_predictions_at_threshold(
                scored, threshold_match_weight=weight
            )
            f1[str(weight)] = _f1(settings, connection, found.physical_name)
    return taken | {"pairs": pairs, "f1_by_weight": f1, "f1": max(f1.values())}


def _f1(settings: Any, connection: Any, clusters: str) -> float:
    """F1 over pairs of a table (record_key, cluster_id), against the truth of the supply."""
    from datafirst_platform.identity import define_record_pseudonym, scope_key
    from datafirst_platform.linkage.evaluation import _labels

    define_record_pseudonym(connection, scope_key(settings, "records"))
    connection.execute(
        f"""create or replace temp table labelled as
        select hash(person_id) as person, hash(cluster_id) as cluster
        from {clusters} inner join ({_labels(settings, EDITION, TABLE)}) using (record_key)"""
    )

    def pairs(columns: str) -> int:
        query = f"select count(*) as n from labelled group by {columns}"
        found = connection.execute(f"select sum(n * (n - 1) // 2)::bigint from ({query})")
        return int(found.fetchall()[0][0])

    both, linked, true = pairs("person, cluster"), pairs("cluster"), pairs("person")
    return round(2 * both / (linked + true), 5)


def _taken(began: float, began_cpu: float) -> dict[str, float]:
    return {
        "wall_seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(cpu_seconds() - began_cpu, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


WORKERS = {"supply": supply, "platform": platform, "script": script}


def show(figures: dict[str, Any]) -> None:
    """Print what a reader of the closing note wants."""
    for step in ("platform", "script"):
        if each := figures.get(step):
            print(
                f"{step:>8}  {figures['platform']['records']:>12,} records  "
                f"{each['pairs']:>12,} pairs  {each['cpu_seconds']:8.2f} s CPU  "
                f"{each['wall_seconds']:8.2f} s wall  {each['peak_gib']:5.2f} GiB  "
                f"F1 {each['f1']:.5f}",
                flush=True,
            )
    if "script" in figures:
        figures["cpu_ratio"] = round(
            figures["platform"]["cpu_seconds"] / figures["script"]["cpu_seconds"], 3
        )
        print(f"{figures['cpu_ratio']} of the script's CPU", flush=True)


def plot(sizes: Sequence[dict[str, Any]], path: Path) -> None:
    """CPU seconds by records, of both, and F1 beside it."""
    import vl_convert

    rows = [
        {
            "records": each["platform"]["records"],
            "by": {"platform": "this platform", "script": "plain script"}[step],
            "CPU seconds": each[step]["cpu_seconds"],
            "F1": each[step]["f1"],
        }
        for each in sizes
        for step in ("platform", "script")
        if step in each
    ]
    encoding = {
        "x": {
            "field": "records",
            "type": "quantitative",
            "scale": {"type": "log", "nice": False, "padding": 20},
            "axis": {"format": ".2s", "values": [row["records"] for row in rows]},
        },
        "color": {"field": "by", "type": "nominal", "title": None},
        "shape": {"field": "by", "type": "nominal", "legend": None},
    }

    def panel(field: str, scale: dict[str, Any]) -> dict[str, Any]:
        y = {"field": field, "type": "quantitative", "scale": scale}
        return {"mark": {"type": "line", "point": True}, "encoding": encoding | {"y": y}}

    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": "Linking a court's people on two cores, with a trained model",
        "data": {"values": rows},
        "hconcat": [
            panel("CPU seconds", {"type": "log"}),
            panel("F1", {"zero": False}),
        ],
    }
    path.write_bytes(vl_convert.vegalite_to_png(json.dumps(spec), scale=2))


if __name__ == "__main__":
    sys.exit(main())
