"""Extracting a source: once, whole, the same bytes every time."""

import dataclasses
import json

import duckdb
import pytest
from landed_rows import Landing, case, offence

from datafirst_platform import tables
from datafirst_platform.extracts import extraction
from datafirst_platform.extracts.contracts import sources
from datafirst_platform.extracts.extraction import Changes, extract_source, standing_extract
from datafirst_platform.safe_errors import DeliveryRefused, NotReady, PlatformError
from datafirst_platform.settings import Settings


def deliver(landing, numbers, **given):
    landing.deliver(
        {
            "libra_cases": [case(number) for number in numbers],
            "libra_offences": [offence(number) for number in numbers],
        },
        **given,
    )


def versions(extract):
    """Every published version, by key."""
    found = {str(extract.receipt.key): extract.receipt.version}
    for each in extract.tables.values():
        for version in (each.content, each.identities, each.quarantine):
            if version is not None:
                found[str(version.key)] = version.version
    return found


def test_what_stands_is_not_redone(landing, monkeypatch):
    deliver(landing, range(5))
    first = extract_source(landing.settings, "2025", "libra")
    assert not first.reused
    monkeypatch.setattr(extraction, "read_table", None)
    told = []
    again = extract_source(landing.settings, "2025", "libra", told.append)
    assert again == dataclasses.replace(first, reused=True)
    assert standing_extract(landing.settings, "2025", "libra") == again
    assert told == ["libra 2025: delivery 2024-1 stands already"]


def test_a_better_delivery_is_taken(landing):
    deliver(landing, range(5))
    first = extract_source(landing.settings, "2025", "libra")
    deliver(landing, range(6))
    second = extract_source(landing.settings, "2025", "libra")
    assert (second.delivery, second.sequence, second.reused) == ("2024-2", 2, False)
    assert second.tables["libra_cases"].rows_accepted == 6
    assert second.recipe != first.recipe


def test_new_code_redoes_an_extract_and_finds_the_same(landing, monkeypatch):
    deliver(landing, range(5))
    first = extract_source(landing.settings, "2025", "libra")
    monkeypatch.setattr(extraction, "CODE_VERSION", "another")
    second = extract_source(landing.settings, "2025", "libra")
    assert not second.reused
    assert versions(second) == versions(first)


def test_a_refused_delivery_changes_nothing(landing):
    deliver(landing, range(5))
    first = extract_source(landing.settings, "2025", "libra")
    landing.deliver(
        {"libra_cases": [case(1)], "libra_offences": b"other\n"}, rows={"libra_offences": 0}
    )
    with pytest.raises(DeliveryRefused, match="header row"):
        extract_source(landing.settings, "2025", "libra")
    assert versions(standing_extract(landing.settings, "2025", "libra")) == versions(first)


@pytest.mark.parametrize("stops_at", range(1, 7))
def test_a_run_killed_between_its_tables_is_not_read_and_is_done_again(
    landing, monkeypatch, stops_at
):
    deliver(landing, range(5))
    extract_source(landing.settings, "2025", "libra")
    deliver(landing, range(3))
    set_current, calls = tables._set_current, []

    def killed(*given, **named):
        calls.append(given)
        if len(calls) == stops_at:
            raise KeyboardInterrupt
        return set_current(*given, **named)

    monkeypatch.setattr(tables, "_set_current", killed)
    with pytest.raises(KeyboardInterrupt):
        extract_source(landing.settings, "2025", "libra")
    if stops_at > 1:
        with pytest.raises(NotReady, match="stopped half-way"):
            standing_extract(landing.settings, "2025", "libra")
    monkeypatch.setattr(tables, "_set_current", set_current)
    done = extract_source(landing.settings, "2025", "libra")
    assert not done.reused
    assert {each.rows_accepted for each in done.tables.values()} == {3}
    assert not list(landing.settings.spill.iterdir())


@pytest.mark.parametrize("told", ["", "{", "{}", "[]"])
def test_an_extract_whose_summary_is_damaged_is_made_again(landing, told):
    deliver(landing, range(5))
    first = extract_source(landing.settings, "2025", "libra")
    (summary,) = landing.settings.home.glob("**/extract.json")
    summary.write_text(told)
    with pytest.raises(NotReady, match="is not there"):
        standing_extract(landing.settings, "2025", "libra")
    again = extract_source(landing.settings, "2025", "libra")
    assert not again.reused
    assert versions(again) == versions(first)


def test_a_run_killed_before_its_summary_is_not_read(landing, monkeypatch):
    deliver(landing, range(5))
    monkeypatch.setattr(extraction, "_write_summary", lambda *_: None)
    with pytest.raises(PlatformError):
        extract_source(landing.settings, "2025", "libra")
    with pytest.raises(NotReady):
        standing_extract(landing.settings, "2025", "libra")


def test_changes_against_the_previous_edition(landing):
    landing.deliver({"libra_cases": [case(1), case(2), case(3)], "libra_offences": [offence(1)]})
    landing.deliver(
        {
            "libra_cases": [case(2, last_name="OTHER"), case(3), case(1, sex="M"), case(4)],
            "libra_offences": [offence(2)],
        },
        until="2025-12-31",
    )
    first = extract_source(landing.settings, "2025", "libra")
    assert {each.changes for each in first.tables.values()} == {None}
    second = extract_source(landing.settings, "2026", "libra")
    assert second.tables["libra_cases"].changes == Changes(1, 2, 1, 0)
    assert second.tables["libra_offences"].changes == Changes(1, 0, 0, 1)
    # The previous edition is redone from another delivery: the changes follow.
    landing.deliver({"libra_cases": [case(1, sex="M")], "libra_offences": []})
    extract_source(landing.settings, "2025", "libra")
    again = extract_source(landing.settings, "2026", "libra")
    assert again.reused
    assert again.tables["libra_cases"].changes == Changes(3, 0, 1, 0)


def test_the_same_bytes_with_one_thread_and_two(tmp_path):
    found = []
    for threads in (1, 2):
        settings = Settings(tmp_path / f"home{threads}", tmp_path / "keys", threads, 1.0)
        landing = Landing(settings.prepare())
        rows = 260_000
        landing.deliver(many(rows, tmp_path), rows={"libra_cases": rows, "libra_offences": rows})
        found.append(versions(extract_source(settings, "2025", "libra")))
    assert found[0] == found[1]


def many(rows, folder):
    """Rows enough for several row groups, some of them at fault; made by the engine."""
    made = {}
    for table, sample, changed in (
        ("libra_cases", case(0), {"sex": "case when i % 997 = 0 then '?' else 'M' end"}),
        ("libra_offences", offence(0), {"offence_seq": "i % 3 + 1"}),
    ):
        changed |= {
            "case_id": "'C' || lpad(cast(i as varchar), 9, '0')",
            "defendant_id": "'D' || lpad(cast(i as varchar), 7, '0')",
        }
        columns = ", ".join(
            f"{changed.get(name, repr(value))} as {name}" for name, value in sample.items()
        )
        order = "i" if table == "libra_cases" else "hash(i)"
        path = folder / f"{table}.csv"
        duckdb.connect().execute(
            f"copy (select {columns} from range({rows}) t(i) order by {order}) to '{path}' (header)"
        )
        made[table] = path.read_bytes()
    return made


def test_counts_and_digests_say_what_was_delivered(landing):
    deliver(landing, range(5))
    made = extract_source(landing.settings, "2025", "libra")
    manifest = json.loads((landing.written[0] / "manifest.json").read_text())
    assert made.files == {each["path"]: each["sha256"] for each in manifest["files"]}
    content = made.tables["libra_cases"].content
    assert content.inputs["landing/libra/2024-1/libra_cases.csv"] == made.files["libra_cases.csv"]
    receipt = (
        duckdb.connect()
        .execute(
            "select table_name, rows_supplied, rows_accepted, accepted_share::varchar"
            f" from read_parquet('{made.receipt.path}') order by all"
        )
        .fetchall()
    )
    assert receipt == [("libra_cases", 5, 5, "1.000000"), ("libra_offences", 5, 5, "1.000000")]


def test_an_unknown_source_is_told(landing):
    with pytest.raises(PlatformError, match=f"no source 'dvla'. Sources: {', '.join(sources())}"):
        extract_source(landing.settings, "2025", "dvla")


def test_another_key_makes_other_ids(tmp_path):
    found = []
    for key in "ab":
        settings = Settings(tmp_path / f"home{key}", tmp_path / f"keys{key}", 2, 1.0)
        landing = Landing(settings.prepare())
        deliver(landing, range(3))
        found.append(extract_source(settings, "2025", "libra"))
    assert found[0].recipe != found[1].recipe
    assert versions(found[0])["extracts/libra_cases"] != versions(found[1])["extracts/libra_cases"]
