"""A clean supply is acceptable by its contracts, agrees with its manifest, and is reproducible."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from supply_files import TABLES, Supplied, settings_in

from datafirst_platform import editions
from datafirst_platform.extracts.contracts import DATE_FORMATS, Column, code_list, contracts
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.synthetic import make_supply

EDITION = editions.edition("2025")
SENT_TWICE = ("delius_events",)
"""Tables of which a few rows are supplied twice."""


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _violation(column: Column) -> str:
    """SQL that is true where a text breaks the contract of its column."""
    at = f'"{column.name}"'
    broken = []
    if column.required:
        broken.append(f"{at} is null")
    one = []
    if column.codes and not column.codes_open:
        codes = ", ".join(f"'{code}'" for code in code_list(column.codes))
        one.append(f"{{}} not in ({codes})")
    if column.pattern:
        one.append(
            f"not regexp_full_match({{}}, '{column.pattern.replace('{', '{{').replace('}', '}}')}')"
        )
    for rule in one:
        if column.multiple:
            entries = f"list_filter(string_split({at}, ','), lambda entry: {rule.format('entry')})"
            broken.append(f"len({entries}) > 0")
        else:
            broken.append(rule.format(at))
    if column.max_length is not None:
        broken.append(f"length({at}) > {column.max_length}")
    if column.type == "date":
        layout = DATE_FORMATS[str(column.format)]
        typed = f"try_strptime({at}, '{layout}')"
        broken.append(f"({at} is not null and strftime({typed}, '{layout}') is distinct from {at})")
        if column.minimum is not None:
            broken.append(f"{typed} < date '{column.minimum}'")
    elif column.type in {"integer", "number"}:
        typed = f"try_cast({at} as decimal(18, 2))"
        broken.append(f"({at} is not null and {typed} is null)")
        broken.append(f"{typed} < {column.minimum} or {typed} > {column.maximum}")
    return " or ".join(f"coalesce({each}, false)" for each in broken)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("edition", ["2025", "2026"])
def test_a_clean_supply_breaks_no_rule_of_its_contract(
    supply: Supplied, edition: str, table: str
) -> None:
    contract = contracts()[table]
    view = supply.view(edition, table)
    for column in contract.columns:
        broken = _violation(column)
        if broken:
            found = supply.ask(f"select count(*) from {view} where {broken}")[0][0]
            assert found == 0, column.name
    keys = ", ".join(contract.primary_key)
    rows, distinct, copies = supply.ask(
        f"""select (select count(*) from (select distinct * from {view})),
        count(distinct ({keys})), count(*) - count(distinct ({keys})) from {view}"""
    )[0]
    assert rows == distinct > 0
    assert copies < 0.003 * rows
    assert copies == 0 or table in SENT_TWICE
    if contract.parent:
        parent = supply.view(edition, contract.parent)
        own = ", ".join(contract.parent_key)
        assert supply.ask(f"select count(*) from {view} anti join {parent} using ({own})") == [(0,)]


@pytest.mark.parametrize("edition", ["2025", "2026"])
def test_manifest_agrees_with_the_files(supply: Supplied, edition: str) -> None:
    for delivery in supply.made[edition]:
        manifest = json.loads((delivery.folder / "manifest.json").read_text())
        assert manifest["delivery"] == delivery.folder.name == f"{edition}-1"
        assert manifest["period"]["to"] == editions.edition(edition).cut_off.isoformat()
        for entry in manifest["files"]:
            path = delivery.folder / entry["path"]
            view = supply.view(edition, entry["table"])
            assert entry["bytes"] == path.stat().st_size
            assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert supply.ask(f"select count(*) from {view}") == [(entry["rows"],)]
            columns = [row[0] for row in supply.ask(f"describe {view}")]
            assert columns == entry["columns"]
            for column, total in entry["totals"].items():
                summed = f"select sum(cast({column} as decimal(18, 2))) from {view}"
                assert supply.ask(summed)[0][0] == Decimal(total) > 0


@pytest.mark.parametrize("table", TABLES)
def test_truth_covers_every_row_once(supply: Supplied, table: str) -> None:
    keys = ", ".join(contracts()[table].primary_key)
    view, truth = supply.view("2026", table), supply.truth("2026", table)
    rows, known = supply.ask(
        f"select (select count(distinct ({keys})) from {view}), "
        f"(select count(*) from (select distinct {keys} from {view}) join {truth} using ({keys}) "
        "where person_id is not null)"
    )[0]
    assert rows == known == supply.ask(f"select count(*) from {truth}")[0][0]


def test_journeys_join_records_of_one_person(supply: Supplied) -> None:
    journeys = supply.truth("2025", "mags_crown_cases")
    total, same = supply.ask(
        f"""select count(*), count(*) filter (l.person_id = x.person_id)
        from {journeys} join {supply.truth("2025", "libra_cases")} l using (case_id, defendant_id)
        join {supply.truth("2025", "xhibit_defendants_on_case")} x using (defendant_on_case_id)"""
    )[0]
    assert total == same == supply.ask(f"select count(*) from {journeys}")[0][0] > 500


def test_same_bytes_whatever_the_threads_and_other_bytes_for_another_seed(tmp_path: Path) -> None:
    digests = []
    for name, threads, seed in (("one", 1, 5), ("two", 2, 5), ("other", 2, 6)):
        settings = settings_in(tmp_path / name, threads)
        make_supply(settings, EDITION, people=700, seed=seed)
        digests.append(_digests(settings.landing) | _digests(settings.secure / "truth"))
    assert digests[0] == digests[1]
    assert (
        digests[0]["xhibit/2025-1/xhibit_offences.parquet"]
        != (digests[2]["xhibit/2025-1/xhibit_offences.parquet"])
    )


def test_people_of_a_chunk_do_not_hang_on_those_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A population that grows by a chunk keeps the rows it had."""
    for module in ("population", "deliveries"):
        monkeypatch.setattr(f"datafirst_platform.synthetic.{module}.CHUNK", 300)
    rows = []
    for people in (300, 600):
        settings = settings_in(tmp_path / str(people))
        made = make_supply(settings, EDITION, people=people, seed=1, file_format="csv")
        rows.append(set(made[0].files[0].path.read_text().splitlines()))
    assert rows[0] < rows[1]


def test_a_supply_that_stands_is_left_alone_and_another_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    first = make_supply(settings, EDITION, people=300, seed=1)
    before = _digests(settings.landing)
    again = make_supply(settings, EDITION, people=300, seed=1)
    assert all(each.made for each in first)
    assert not any(each.made for each in again)
    assert [each.source for each in first] == list(EDITION.sources)
    assert again[0].files == first[0].files
    with pytest.raises(PlatformError, match="higher sequence"):
        make_supply(settings, EDITION, people=310, seed=1)
    assert _digests(settings.landing) == before
    second = make_supply(settings, EDITION, people=310, seed=1, sequence=2)
    assert {each.delivery for each in second} == {"2025-2"}


@pytest.mark.parametrize("file_format", ["csv", "csv.gz", "parquet"])
def test_every_format_holds_the_same_rows(
    supply: Supplied, tmp_path: Path, file_format: str
) -> None:
    settings = settings_in(tmp_path)
    made = make_supply(settings, EDITION, people=300, seed=1, file_format=file_format)
    paths = [file.path for delivery in made for file in delivery.files]
    assert all(path.name.endswith(f".{file_format}") for path in paths)
    cases = next(path for path in paths if path.name.startswith("libra_cases"))
    rows = (
        pq.read_table(cases).num_rows
        if file_format == "parquet"
        else supply.ask(f"select count(*) from read_csv('{cases}', all_varchar = true)")[0][0]
    )
    assert rows == made[0].files[0].rows


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sources": ["common_platform"]}, "sources are"),
        ({"file_format": "xlsx"}, "formats are"),
        ({"people": 0}, "one person"),
        ({"faults": ["gremlins"]}, "faults are"),
        ({"faults": ["orphan_offences:libra_cases"]}, "suits no table"),
    ],
)
def test_a_wrong_order_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict, told: str
) -> None:
    settings = settings_in(tmp_path)
    order = {"people": 100, "seed": 1} | wrong
    with pytest.raises(PlatformError, match=told):
        make_supply(settings, EDITION, **order)
    assert not settings.landing.exists()
