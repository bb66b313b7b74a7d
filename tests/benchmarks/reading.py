"""Strict reading, quarantine and split of court cases, against DuckDB's plain reading and writing.

Run as a script: `python tests/benchmarks/reading.py --rows 1000000 --output reading.json`.
The plain rate is what the machine gives with no checks, keys or split: `COPY (FROM read_csv)`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from datafirst_platform.engine import connect, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.settings import Settings

# One row in a thousand has a fault, as real supplies have: a code that is in no list.
_VALUES = {
    "case_id": "'C' || lpad(cast(i * 10 // 11 as varchar), 9, '0')",
    "defendant_id": "'D' || lpad(cast(i as varchar), 9, '0')",
    "urn": "lpad(cast(h % 44 as varchar), 2, '0') || 'AB'"
    " || lpad(cast(h % 9999991 as varchar), 7, '0')",
    "asn": "case when h % 5 > 0 then '12/' || lpad(cast(h % 9999999967 as varchar), 10, '0') end",
    "defendant_type": "'P'",
    "title": "case h % 3 when 0 then 'Mr' when 1 then 'Ms' end",
    "first_name": "'FIRST' || h % 501",
    "forename2": "case when h % 2 = 0 then 'SECOND' || h % 499 end",
    "last_name": "'LAST' || h % 9001",
    "date_of_birth": "cast(date '1950-01-01' + cast(h % 18013 as integer) as varchar)",
    "sex": "case when h % 1009 = 0 then '?' when h % 6 = 0 then 'F' else 'M' end",
    "ethnicity_self_defined": "case when h % 3 = 0 then 'W1' end",
    "address_line_1": "h % 211 || ' HIGH STREET'",
    "address_line_2": "'LOCALITY ' || h % 223",
    "post_town": "'TOWN ' || h % 307",
    "postcode": "'AL' || h % 40 || ' ' || h % 10 || 'AB'",
    "pnc_id": "'19' || lpad(cast(h % 97 as varchar), 2, '0') || '/'"
    " || lpad(cast(h % 9999973 as varchar), 7, '0') || 'A'",
    "cro_number": "lpad(cast(h % 999983 as varchar), 6, '0') || '/' || h % 89 + 10 || 'B'",
    "court_code": "'B010' || h % 8",
    "police_force_code": "'0' || h % 7",
    "receipt_date": "cast(date '2011-01-01' + cast(h % 5003 as integer) as varchar)",
    "first_hearing_date": "cast(date '2011-01-20' + cast(h % 5003 as integer) as varchar)",
    "completion_date": "cast(date '2011-03-01' + cast(h % 5003 as integer) as varchar)",
    "committal_date": "case when h % 11 = 0"
    " then cast(date '2011-03-01' + cast(h % 5003 as integer) as varchar) end",
    "remand_status": "case h % 3 when 0 then 'B' when 1 then 'C' else 'N' end",
}


def measure(rows: int, folder: Path, *, packed: bool = False, repeats: int = 3) -> dict[str, float]:
    """Seconds of wall and CPU for plain and strict, and how their rates compare.

    Args:
        rows: rows of the file.
        folder: an empty folder to work in.
        packed: deliver gzip, which DuckDB reads on one core.
        repeats: the fastest of so many counts.
    """
    settings = Settings(folder / "home", folder / "keys").prepare()
    file = _deliver(settings, rows, packed=packed)
    taken: dict[str, tuple[float, float]] = {}
    reading: list[float] = []

    def plain() -> None:
        with connect(settings) as connection:
            connection.execute(
                f"copy (from read_csv({text(file)})) to {text(folder / 'plain.parquet')}"
            )

    def strict() -> None:
        for stage in ("warehouse", "secure/identities", "secure/quarantine"):
            for path in (settings.home / stage).glob("**/extract.json"):
                path.unlink()
        begun, steps = time.perf_counter(), []
        extract_source(
            settings, "2025", "libra", lambda _: steps.append(time.perf_counter() - begun)
        )
        # Steps: reading cases, reading offences, publishing cases, publishing offences.
        reading.append(steps[2])

    for _ in range(repeats):
        for label, work in (("plain", plain), ("strict", strict)):
            wall, cpu = _timed(work)
            best = taken.get(label, (wall, cpu))
            taken[label] = min(best[0], wall), min(best[1], cpu)
    (plain_wall, plain_cpu), (strict_wall, strict_cpu) = taken["plain"], taken["strict"]
    return {
        "rows": rows,
        "plain_wall": round(plain_wall, 3),
        "plain_cpu": round(plain_cpu, 3),
        "strict_wall": round(strict_wall, 3),
        "strict_cpu": round(strict_cpu, 3),
        "strict_wall_until_judged": round(min(reading), 3),
        "rate_of_plain_wall": round(plain_wall / strict_wall, 3),
        "rate_of_plain_cpu": round(plain_cpu / strict_cpu, 3),
        "rows_per_second": round(rows / strict_wall),
    }


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _deliver(settings: Settings, rows: int, *, packed: bool) -> Path:
    """A delivery of that many cases and no offences; made by the engine, never row by row."""
    folder = settings.landing / "libra" / "benchmark"
    folder.mkdir(parents=True)
    ending = ".csv.gz" if packed else ".csv"
    files = []
    for table, count in (("libra_cases", rows), ("libra_offences", 0)):
        names = [column.name for column in contracts()[table].columns]
        made = ", ".join(f"{_VALUES.get(name, 'null')} as {name}" for name in names)
        if table == "libra_offences":
            made = ", ".join(f"null as {name}" for name in names)
        path = folder / f"{table}{ending}"
        packing = ", compression gzip" if packed else ""
        duckdb.connect().execute(
            f"copy (select {made} from (select i, hash(i) as h from range({count}) t(i))"
            f" order by i) to {text(path)} (format csv, header{packing})"
        )
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        files.append(
            {
                "path": path.name,
                "table": table,
                "sha256": digest,
                "bytes": path.stat().st_size,
                "rows": count,
                "columns": names,
            }
        )
    manifest = {
        "format": "datafirst-delivery/1",
        "source": "libra",
        "delivery": "benchmark",
        "sequence": 1,
        "period": {"from": "2011-01-01", "to": "2024-12-31"},
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / f"libra_cases{ending}"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--packed", action="store_true", help="deliver .csv.gz")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given.rows, Path(folder), packed=given.packed, repeats=given.repeats)
    told = json.dumps(found, indent=1)
    print(told)
    if given.output:
        given.output.write_text(told + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
