"""Deliveries: which one an edition takes, and what is wrong with one, told without its text."""

import gzip

import pytest
from click.testing import CliRunner
from landed_rows import case, offence

from datafirst_platform.cli import main
from datafirst_platform.extracts.deliveries import delivery_for, inspect_delivery
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.safe_errors import DeliveryRefused, NotReady

SECRET = "ZZTOPSECRET"


def refused(landing, change):
    landing.deliver({"libra_cases": [case(1)], "libra_offences": [offence(1)]}, change=change)
    with pytest.raises(DeliveryRefused) as caught:
        delivery_for(landing.settings, "2025", "libra")
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_the_highest_sequence_of_the_edition_is_taken(landing):
    landing.deliver({})
    landing.deliver({})
    landing.deliver({}, until="2025-12-31")
    found = delivery_for(landing.settings, "2025", "libra")
    assert (found.name, found.sequence) == ("2024-2", 2)
    assert delivery_for(landing.settings, "2026", "libra").name == "2025-3"
    assert inspect_delivery(landing.settings, "2025", "libra").superseded == ("2024-1",)


def test_the_day_after_a_cut_off_is_the_next_edition(landing):
    landing.deliver({}, until="2025-01-01")
    with pytest.raises(NotReady, match="No complete delivery of libra for edition 2025"):
        delivery_for(landing.settings, "2025", "libra")
    assert delivery_for(landing.settings, "2026", "libra").sequence == 1


def test_without_a_manifest_a_delivery_is_still_arriving(landing):
    landing.deliver({}, manifest=False)
    with pytest.raises(NotReady):
        delivery_for(landing.settings, "2025", "libra")
    status = inspect_delivery(landing.settings, "2025", "libra")
    assert status.incomplete == ("2024-1",)
    assert status.delivery is None
    assert "No complete delivery" in status.problem


def test_a_wrong_manifest_of_another_edition_stands_in_nobodys_way(landing):
    landing.deliver({})
    landing.deliver({}, until="2025-12-31", change=lambda m: m.update(format="other"))
    assert delivery_for(landing.settings, "2025", "libra").sequence == 1
    assert "format" in inspect_delivery(landing.settings, "2026", "libra").problem


def test_a_wrong_manifest_is_superseded_by_a_right_one_of_a_higher_sequence(landing):
    landing.deliver({}, change=lambda m: m["files"][0].update(sha256="x"))
    with pytest.raises(DeliveryRefused, match="a higher sequence"):
        delivery_for(landing.settings, "2025", "libra")
    landing.deliver({})
    assert delivery_for(landing.settings, "2025", "libra").sequence == 2
    landing.deliver({}, change=lambda m: m["files"][0].update(sha256="x"))
    with pytest.raises(DeliveryRefused, match="2024-3"):
        delivery_for(landing.settings, "2025", "libra")
    status = inspect_delivery(landing.settings, "2025", "libra")
    assert status.refused
    assert "2024-3" in status.problem


@pytest.mark.parametrize("period", [None, {"from": "2011-01-01"}, {"from": "", "to": "soon"}])
def test_a_manifest_of_no_period_is_superseded_too(landing, period):
    landing.deliver({}, change=lambda m: m.update(period=period))
    with pytest.raises(DeliveryRefused, match="period"):
        delivery_for(landing.settings, "2025", "libra")
    landing.deliver({})
    assert delivery_for(landing.settings, "2025", "libra").sequence == 2


def test_what_is_no_manifest_has_to_be_moved_away(landing):
    folder = landing.deliver({})
    (folder / "manifest.json").write_text("{")
    landing.deliver({})
    with pytest.raises(DeliveryRefused, match="move this folder out of the landing zone"):
        delivery_for(landing.settings, "2025", "libra")
    folder.rename(landing.settings.home / "elsewhere")
    assert delivery_for(landing.settings, "2025", "libra").sequence == 2


@pytest.mark.parametrize("name", ["sex=M", "2024-[1]", "2024-*"])
def test_a_folder_whose_name_would_be_a_column_or_a_pattern_is_refused(landing, name):
    folder = landing.deliver({}, change=lambda m: m.update(delivery=name))
    folder.rename(folder.with_name(name))
    with pytest.raises(DeliveryRefused, match="delivery: must be of letters"):
        delivery_for(landing.settings, "2025", "libra")


def test_a_link_that_leads_nowhere_is_refused(landing):
    folder = landing.deliver({})
    file = folder / "libra_cases.csv"
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(DeliveryRefused, match="a link that leads nowhere"):
        delivery_for(landing.settings, "2025", "libra")


def test_the_status_tells_what_waits_what_arrives_and_what_is_refused(landing, monkeypatch):
    monkeypatch.setenv("DATAFIRST_HOME", str(landing.settings.home))
    monkeypatch.setenv("DATAFIRST_KEYS", str(landing.settings.keys))
    landing.deliver({"libra_cases": [case(1)]})
    extract_source(landing.settings, "2025", "libra")
    landing.deliver({"libra_cases": [case(2)]})
    landing.deliver({}, manifest=False)
    told = CliRunner().invoke(main, ["status"]).output
    assert "2024-1 (2024-2 waiting)" in told
    assert "Still arriving, without a manifest.json: libra/2024-3" in told
    landing.deliver({}, change=lambda m: m.update(format=SECRET))
    told = CliRunner().invoke(main, ["status"]).output
    assert told.count("Refused: libra/2024-4/manifest.json: format") == 1
    assert SECRET not in told


def test_one_sequence_claimed_twice_is_refused(landing):
    landing.deliver({})
    told = refused(landing, lambda m: m.update(sequence=1))
    assert "2024-1 and 2024-2 both claim sequence 1" in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=SECRET), "format: must be 'datafirst-delivery/1'"),
        (lambda m: m.update(source=SECRET), "source: must be 'libra'"),
        (lambda m: m.update(delivery=SECRET), "delivery: must be the name of its folder"),
        (lambda m: m.update(sequence=SECRET), "sequence: must be a whole number of at least 1"),
        (lambda m: m.update(sequence=0), "sequence: must be a whole number"),
        (lambda m: m.update(sequence=True), "sequence: must be a whole number"),
        (lambda m: m.pop("files"), "lacks files"),
        (lambda m: m.update({SECRET: 1}), "has 1 unknown fields"),
        (lambda m: m["period"].update(to=SECRET), "period.to: must be a date"),
        (lambda m: m["period"].update({"from": "2024-12-32"}), "period.from: must be a date"),
        (lambda m: m["period"].update({"from": "2025-01-01"}), "begins after it ends"),
        (lambda m: m["files"].pop(), "none feeds libra_offences"),
        (lambda m: m["files"].append(m["files"][0]), "a path stands twice"),
        (lambda m: m["files"][0].update(table=SECRET), "files[0].table: must be one of"),
        (lambda m: m["files"][0].update(table="xhibit_offences"), "files[0].table: must be one"),
        (lambda m: m["files"][0].update(path="../../keys/master.csv"), "within the delivery"),
        (lambda m: m["files"][0].update(path="/etc/passwd.csv"), "within the delivery"),
        (lambda m: m["files"][0].update(path=f"{SECRET}.xlsx"), "must end in .csv"),
        (lambda m: m["files"][0].update(path=f"{'x' * 300}.csv"), "at most 200 characters"),
        (lambda m: m["files"][0].update(sha256=SECRET), "sha256: must be 64"),
        (lambda m: m["files"][0].update(bytes=-1), "files[0].bytes: must be a whole number"),
        (lambda m: m["files"][0].update(rows=1.5), "files[0].rows: must be a whole number"),
        (lambda m: m["files"][0]["columns"].pop(), "missing: remand_status"),
        (lambda m: m["files"][0]["columns"].append(SECRET), "1 that the contract does not have"),
        (lambda m: m["files"][0]["columns"].reverse(), "in another order, from column 1 (case_id)"),
        (lambda m: m["files"][0].update(totals={SECRET: "1"}), "only these columns"),
        (lambda m: m["files"][1].update(totals={"fine_amount": SECRET}), "an exact decimal"),
        (lambda m: m["files"][1].update(totals={"fine_amount": 10.5}), "an exact decimal"),
        (lambda m: m["files"][1].update(totals={"fine_amount": "NaN"}), "an exact decimal"),
    ],
)
def test_a_wrong_manifest_is_refused(landing, change, message):
    told = refused(landing, change)
    assert told.startswith("libra/2024-1/manifest.json: ")
    assert message in told
    assert "Ask the supplier" in told


def test_a_path_through_a_link_out_of_the_delivery_is_refused(landing, tmp_path):
    outside = tmp_path / "outside.csv"
    outside.write_text(SECRET)
    folder = landing.deliver({}, change=lambda m: m["files"][0].update(path="link.csv"))
    (folder / "link.csv").symlink_to(outside)
    with pytest.raises(DeliveryRefused, match="leads out of the delivery"):
        delivery_for(landing.settings, "2025", "libra")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1, "a": 2}', "[" * 100_000])
def test_a_manifest_that_is_no_object_is_refused(landing, text):
    folder = landing.deliver({})
    (folder / "manifest.json").write_text(text)
    with pytest.raises(DeliveryRefused, match=r"manifest\.json: file: "):
        delivery_for(landing.settings, "2025", "libra")


def test_status_reads_no_data(landing):
    folder = landing.deliver({"libra_cases": [case(1)]})
    (folder / "libra_cases.csv").write_bytes(gzip.compress(b"other"))
    status = inspect_delivery(landing.settings, "2025", "libra")
    assert status.delivery is not None
    assert status.problem is None
