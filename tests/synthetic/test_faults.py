"""Each fault does to its file what it says, and its manifest agrees where it should."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from supply_files import settings_in

from datafirst_platform import editions
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.safe_errors import DeliveryRefused, PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.synthetic import FAULTS, FaultApplied, apply_fault, make_supply

EDITION = editions.edition("2025")
ROW_FAULTS = (
    "bad_dates",
    "unknown_codes",
    "duplicate_rows",
    "duplicate_keys",
    "orphan_offences",
    "shifted_columns",
)
SOURCES = ("libra", "xhibit", "nomis", "familyman", "caseman", "csc")
TABLES = (
    "libra_cases", "libra_offences", "xhibit_defendants_on_case", "xhibit_offences",
    "nomis_offenders", "nomis_movements", "familyman_events", "caseman_parties",
    "csc_cin_episodes",
)  # fmt: skip
"""Every form of a table there is; what a fault does to it follows from its contract."""
FILE_FAULTS = ("wrong_encoding", "truncated_file", "wrong_control_totals", "changed_header")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = settings_in(tmp_path_factory.mktemp("clean"))
    make_supply(settings, EDITION, people=500, seed=2, sources=SOURCES)
    return settings.home


@pytest.fixture
def settings(clean: Path, tmp_path: Path) -> Settings:
    shutil.copytree(clean / "landing", tmp_path / "home" / "landing")
    return settings_in(tmp_path)


def _found(settings: Settings, table: str) -> dict[str, int]:
    """Rows the strict reader puts in quarantine, by rule."""
    extract = extract_source(settings, EDITION.key, contracts()[table].source)
    found: dict[str, int] = {}
    for each in extract.tables[table].quarantined_by:
        found[each.rule] = found.get(each.rule, 0) + each.rows
    return found


def _apply(settings: Settings, fault: str, table: str, rows: int = 10) -> FaultApplied:
    folder = settings.landing / contracts()[table].source / "2025-1"
    return apply_fault(folder, fault, table, rows=rows, seed=4)


def _suits(fault: str, table: str) -> bool:
    contract = contracts()[table]
    if fault == "orphan_offences":
        return contract.parent is not None
    if fault == "wrong_encoding":
        return contract.parent is None and any(
            column.classification == "direct_identifier" for column in contract.columns
        )
    dates = [column for column in contract.columns if column.type == "date"]
    if fault == "bad_dates":
        return bool(dates)
    if fault == "duplicate_keys":
        return any(not column.required for column in dates)
    return not (fault == "shifted_columns" and table == "xhibit_offences")


def test_every_fault_is_tested() -> None:
    assert set(FAULTS) == {*ROW_FAULTS, *FILE_FAULTS}


@pytest.mark.parametrize(
    ("fault", "table"), [(f, t) for f in ROW_FAULTS for t in TABLES if _suits(f, t)]
)
def test_a_fault_of_rows_ends_in_quarantine_as_told(
    settings: Settings, fault: str, table: str
) -> None:
    told = _apply(settings, fault, table)
    assert not told.refused
    assert told.rows in {10, 20}
    assert _found(settings, table) == {told.rule: told.rows}


@pytest.mark.parametrize(
    ("fault", "table"), [(f, t) for f in FILE_FAULTS for t in TABLES if _suits(f, t)]
)
def test_a_fault_of_a_file_has_it_refused(settings: Settings, fault: str, table: str) -> None:
    told = _apply(settings, fault, table)
    assert told.refused
    assert told.rule is None
    with pytest.raises(DeliveryRefused):
        _found(settings, table)


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_the_manifest_of_a_fault_of_rows_agrees_with_the_file(
    settings: Settings, fault: str
) -> None:
    folder = settings.landing / "libra" / "2025-1"
    before = json.loads((folder / "manifest.json").read_text())
    told = _apply(settings, fault, "libra_offences")
    after = json.loads((folder / "manifest.json").read_text())
    old, new = (
        next(e for e in manifest["files"] if e["table"] == told.table)
        for manifest in (before, after)
    )
    content = (folder / told.file).read_bytes()
    assert new["sha256"] == hashlib.sha256(content).hexdigest() != old["sha256"]
    assert new["bytes"] == len(content)
    assert new["rows"] == content.count(b"\n") - 1
    assert new["rows"] - old["rows"] == (10 if fault.startswith("duplicate") else 0)
    others = [[e for e in m["files"] if e["table"] != told.table] for m in (before, after)]
    assert others[0] == others[1]


def test_shifted_rows_hold_one_separator_more_and_half_end_empty(
    settings: Settings, clean: Path
) -> None:
    told = _apply(settings, "shifted_columns", "libra_offences")
    path = settings.landing / "libra" / "2025-1" / told.file
    was = (clean / "landing" / "libra" / "2025-1" / told.file).read_text().splitlines()
    now = path.read_text().splitlines()
    changed = [line for line, old in zip(now, was, strict=True) if line != old]
    assert len(changed) == 10
    assert {line.count(",") for line in changed} == {was[0].count(",") + 1}
    assert sum(line.endswith(",") for line in changed) >= 5


def test_an_orphan_names_no_case_that_was_supplied(settings: Settings) -> None:
    told = _apply(settings, "orphan_offences", "xhibit_offences", rows=3)
    folder = settings.landing / "xhibit" / "2025-1"
    cases = folder / "xhibit_defendants_on_case.csv"
    lost = duckdb.sql(
        f"select count(*) from read_parquet('{folder / told.file}') "
        f"anti join read_csv('{cases}', all_varchar = true) using (defendant_on_case_id)"
    ).fetchall()
    assert lost == [(told.rows,)] == [(3,)]


def test_a_packed_file_is_edited_inside_and_packed_the_same_way_again(settings: Settings) -> None:
    told = _apply(settings, "bad_dates", "libra_cases")
    packed = (settings.landing / "libra" / "2025-1" / told.file).read_bytes()
    assert packed[4:8] == bytes(4)  # gzip's time stamp: none
    assert gzip.decompress(packed).count(b"2019-02-30") == 2


def test_wrong_totals_are_off_by_a_penny(settings: Settings) -> None:
    manifest = settings.landing / "libra" / "2025-1" / "manifest.json"

    def total() -> Decimal:
        files = json.loads(manifest.read_text())["files"]
        entry = next(each for each in files if each["table"] == "libra_offences")
        return Decimal(entry["totals"]["fine_amount"])

    before = total()
    _apply(settings, "wrong_control_totals", "libra_offences")
    assert total() - before == Decimal("0.01")


def test_faults_come_with_a_supply_and_are_the_same_every_time(tmp_path: Path) -> None:
    content = []
    for name in ("one", "two"):
        settings = settings_in(tmp_path / name)
        made = make_supply(
            settings,
            EDITION,
            people=300,
            seed=1,
            faults=["bad_dates:libra_offences", "changed_header:xhibit_offences"],
        )
        told = [fault for delivery in made for fault in delivery.faults]
        assert [(each.fault, each.table) for each in told] == [
            ("bad_dates", "libra_offences"),
            ("changed_header", "xhibit_offences"),
        ]
        content.append([file.path.read_bytes() for each in made for file in each.files])
    assert content[0] == content[1]


@pytest.mark.parametrize(
    ("fault", "table"),
    [("shifted_columns", "xhibit_offences"), ("orphan_offences", "libra_cases"), ("rust", "x")],
)
def test_a_fault_that_cannot_be_is_refused(settings: Settings, fault: str, table: str) -> None:
    folder = settings.landing / "xhibit" / "2025-1"
    with pytest.raises(PlatformError):
        apply_fault(folder, fault, table)
