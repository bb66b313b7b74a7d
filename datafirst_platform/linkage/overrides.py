"""Decisions of people that stand above weights: always the same person, or never.

What belongs here: the signed file of decisions on a linkage, its checks, and what it says of the
records of an edition. What does not: how clusters keep to it (`clusters.py`), and clerks' labels,
which judge a linkage and change nothing (`labels.py`).

```
secure/overrides/                       0700
    <dataset>.csv   decision, record_key, other_record_key, reason, decided_by
    <dataset>.json  digest and signature of that file, under a key only this installation has
```

Records are named by their keys, which are the same in every edition.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import tables
from datafirst_platform.editions import EDITIONS
from datafirst_platform.engine import connect
from datafirst_platform.identity import PSEUDONYM_LENGTH, TableKey, scope_key
from datafirst_platform.linkage.models import linkage_model
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    from datafirst_platform.linkage.clusters import Ints

DECISIONS = ("always", "never")
COLUMNS = ("decision", "record_key", "other_record_key", "reason", "decided_by")

_FORMAT = "datafirst-overrides/1"
_KEY = re.compile(rf"[0-9a-f]{{{PSEUDONYM_LENGTH}}}\Z")
_SHOWN = 10
"""Faults that are listed; further ones are counted."""


@dataclass(frozen=True)
class Override:
    """One decision.

    Attributes:
        decision: `always` or `never`.
        one: key of a record.
        other: key of another.
    """

    decision: str
    one: str
    other: str


@dataclass(frozen=True)
class Overrides:
    """The decisions on one linkage.

    Attributes:
        decisions: in the order of the file.
        digest: SHA-256 of the file; empty where there is none.
    """

    decisions: tuple[Override, ...] = ()
    digest: str = ""

    def count(self, decision: str) -> int:
        """How many decisions are of one kind."""
        return sum(each.decision == decision for each in self.decisions)


def sign(settings: Settings, dataset: str, file: Path) -> Overrides:
    """Check a file of decisions, sign it, and put it in force: from the next linkage on.

    It replaces the one before, so it holds every decision that is to stand.

    Raises:
        PlatformError: the linkage takes no decisions, or the file is not valid; faults are named by
            row and column, never by a value.
    """
    if linkage_model(dataset).kind not in ("within", "across"):
        msg = f"{dataset} links no people by weight: there is nothing to override."
        raise PlatformError(msg)
    try:
        content = file.read_bytes()
    except OSError as fault:
        msg = f"{file} cannot be read: {fault.strerror}."
        raise PlatformError(msg) from fault
    found = _read(content, file.name)
    folder = _path(settings, dataset).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    signed = {"format": _FORMAT, "digest": found.digest}
    signed["signature"] = _signature(settings, dataset, found.digest)
    _write(_path(settings, dataset), content)
    _write(
        _path(settings, dataset).with_suffix(".json"),
        (json.dumps(signed, indent=1, sort_keys=True) + "\n").encode(),
    )
    return found


def overrides_of(settings: Settings, dataset: str) -> Overrides:
    """The decisions in force on a linkage; none where nobody signed any.

    Raises:
        PlatformError: the file was altered after it was signed, or its signature is gone.
    """
    path = _path(settings, dataset)
    if not path.exists():
        return Overrides()
    content = path.read_bytes()
    stored = path.with_suffix(".json")
    signature = json.loads(stored.read_text()).get("signature", "") if stored.exists() else ""
    digest = hashlib.sha256(content).hexdigest()
    if not hmac.compare_digest(signature, _signature(settings, dataset, digest)):
        msg = (
            f"{path} is not the file that was signed: nothing is linked by it. Have it looked at, "
            f"then run `datafirst linkage override sign {dataset} FILE` again, or "
            "remove it."
        )
        raise PlatformError(msg)
    return _read(content, path.name)


def unknown(settings: Settings, dataset: str, overrides: Overrides) -> tuple[int, ...]:
    """The lines of the file whose decisions name a record that no linked edition has.

    They have no effect until there is such a record: most likely a key was mistyped.
    """
    people = TableKey.of("linkage", f"{dataset}_people")
    linked = [tables.current(settings, people, each.key) for each in EDITIONS]
    known = [f"select record_key from {version.sql}" for version in linked if version]
    every = " union all ".join(known) or "select '' as record_key where false"
    with connect(settings) as connection, values_withheld(f"Looking up decisions on {dataset}"):
        keys = {key for each in overrides.decisions for key in (each.one, each.other)}
        found = connection.execute(
            f"select distinct record_key from ({every}) where list_contains(?, record_key)",
            [sorted(keys)],
        ).fetchall()
    there = {key for (key,) in found}
    return tuple(
        line
        for line, each in enumerate(overrides.decisions, start=2)
        if not {each.one, each.other} <= there
    )


def decided(
    connection: duckdb.DuckDBPyConnection, overrides: Overrides
) -> dict[str, tuple[Ints, Ints]]:
    """Decision to the ids of both records, of decisions on records that are in `records`."""
    import numpy as np
    import pyarrow as pa

    listed = overrides.decisions
    connection.register(
        "overrides",
        pa.table(
            {
                "number": pa.array(range(len(listed)), pa.int32()),
                "decision": pa.array([each.decision for each in listed], pa.string()),
                "one": pa.array([each.one for each in listed], pa.string()),
                "other": pa.array([each.other for each in listed], pa.string()),
            }
        ),
    )
    found = connection.execute(
        """select decision, l.id as one, r.id as other from overrides
        inner join records as l on l.record_key = overrides.one
        inner join records as r on r.record_key = overrides.other
        order by number"""
    ).fetchnumpy()
    connection.unregister("overrides")
    kinds = np.asarray(found["decision"])
    one, other = (np.asarray(found[side], dtype=np.int64) for side in ("one", "other"))
    return {each: (one[kinds == each], other[kinds == each]) for each in DECISIONS}


def _path(settings: Settings, dataset: str) -> Path:
    return settings.secure / "overrides" / f"{dataset}.csv"


def _signature(settings: Settings, dataset: str, digest: str) -> str:
    key = scope_key(settings, "overrides")
    return hmac.new(key, f"{_FORMAT}|{dataset}|{digest}".encode(), hashlib.sha256).hexdigest()


def _read(content: bytes, file: str) -> Overrides:
    """The decisions of a file.

    Raises:
        PlatformError: it is not valid.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as fault:
        raise PlatformError(f"{file} is not UTF-8.") from fault
    rows = list(csv.reader(lines))
    header = [each.strip() for each in rows[0]] if rows else []
    if tuple(header) != COLUMNS:
        raise PlatformError(f"{file}: its columns have to be {', '.join(COLUMNS)}, in this order.")
    faults = [*_faults(rows[1:])]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise PlatformError(f"{file} is not valid: {'; '.join(faults[:_SHOWN])}{more}.")
    listed = tuple(Override(row[0], row[1], row[2]) for row in rows[1:])
    return Overrides(listed, hashlib.sha256(content).hexdigest())


def _faults(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """What is wrong with the decisions, by row as a spreadsheet counts them."""
    seen: dict[frozenset[str], int] = {}
    sound = []
    for number, row in enumerate(rows, start=2):
        pair = frozenset(row[1:3])
        if fault := _fault(row):
            yield f"row {number}{fault}"
        elif pair in seen:
            yield f"row {number}: these two are decided on in row {seen[pair]} already"
        else:
            seen[pair] = number
            sound.append((number, row[0], row[1], row[2]))
    whose: dict[str, str] = {}

    def first(key: str) -> str:
        while key in whose:
            key = whose[key]
        return key

    for _, decision, one, other in sound:
        if decision == "always" and first(one) != first(other):
            whose[first(other)] = first(one)
    for number, decision, one, other in sound:
        if decision == "never" and first(one) == first(other):
            yield f"row {number}: never one, but other rows make them always one"


def _fault(row: Sequence[str]) -> str:
    """What is wrong with one row by itself; empty where nothing is."""
    if len(row) != len(COLUMNS):
        return f" has {len(row)} cells instead of {len(COLUMNS)}"
    decision, one, other, reason, decided_by = row
    if decision not in DECISIONS:
        return ", decision: it is neither always nor never"
    if not (_KEY.match(one) and _KEY.match(other)):
        return f": a record key has {PSEUDONYM_LENGTH} hexadecimal characters"
    if one == other:
        return ": both keys are the same"
    if not reason.strip() or not decided_by.strip():
        return ": it lacks a reason, or who decided"
    return ""


def _write(path: Path, content: bytes) -> None:
    """Put a file in place at once, for its owner alone."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    staged.replace(path)
