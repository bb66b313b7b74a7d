"""A release joins only what may be joined for whom it is for, and says by what law."""

import dataclasses

import pytest

from datafirst_platform.extracts.permissions import linkage_permissions, pairs_of
from datafirst_platform.marts.project import release_specs
from datafirst_platform.quality.derived import derive
from datafirst_platform.releases import bundle
from datafirst_platform.releases.candidate import build_release
from datafirst_platform.safe_errors import GateRefused, NotReady

EDITION = "2025"
SPECS = {spec.name: spec for spec in release_specs()}
LINKING = [spec for spec in SPECS.values() if spec.joined]
COURTS = SPECS["criminal_courts_linking"]


def refusal(settings, spec):
    with pytest.raises(GateRefused) as refused:
        build_release(settings, EDITION, spec)
    assert not settings.releases.exists() or not list(settings.releases.iterdir())
    return str(refused.value)


@pytest.mark.parametrize("spec", LINKING, ids=lambda spec: spec.name)
def test_every_linking_release_says_for_whom_it_is_and_is_permitted(spec):
    assert spec.audience
    assert linkage_permissions().refusals(spec.joined, spec.audience) == []


def test_what_is_permitted_goes_on_to_the_next_gate(settings):
    with pytest.raises(NotReady):
        build_release(settings, EDITION, COURTS)


def test_a_pair_that_is_not_in_the_table_is_refused(settings):
    told = refusal(settings, dataclasses.replace(COURTS, members=("magistrates", "pnc")))
    assert "magistrates and pnc may not be joined: linkage_permissions.yaml has no" in told


def test_a_pair_that_is_not_for_this_audience_is_refused(settings):
    spec = SPECS["criminal_justice_linking"]
    told = refusal(settings, dataclasses.replace(spec, audience=("ons_srs", "sail")))
    assert "oasys and prison may not be joined for sail" in told
    assert "crown and prison" not in told


def test_a_linking_release_that_does_not_say_for_whom_is_refused(settings):
    told = refusal(settings, dataclasses.replace(COURTS, audience=()))
    assert "does not say for whom" in told
    assert "ons_srs, sail, ons_srs_moj_dfe" in told
    assert "says it is for the_press" in refusal(
        settings, dataclasses.replace(COURTS, audience=("the_press",))
    )


def test_a_lookup_is_not_released_without_saying_what_it_joins(settings):
    told = refusal(settings, dataclasses.replace(COURTS, members=(), audience=()))
    assert "xjs_link joins datasets, and the exposure" in told
    assert "mags_crown_journey joins datasets" in told


def test_the_gate_of_a_released_lookup_holds_the_pairs_of_its_audience():
    [lookup] = [table for table in COURTS.tables if table.name == "xjs_link"]
    key = dataclasses.replace(lookup, stage="releases").key

    def permitted(audience):
        derived = derive(key, audience=audience)
        [rule] = [each for each in derived.rules if each.id == "pairs_permitted"]
        return rule.kwargs["unexpected_rows_query"]

    assert "'oasys and prison'" in permitted(["ons_srs"])
    assert "'oasys and prison'" not in permitted(["sail"])
    assert "'crown and prison'" in permitted(["sail"])


@pytest.mark.parametrize("spec", LINKING, ids=lambda spec: spec.name)
def test_the_manifest_lists_the_permissions_with_their_laws(refreshed, spec):
    told = bundle.find(refreshed, f"{spec.name}/{EDITION}").manifest["permissions"]
    assert [tuple(row["pair"]) for row in told["pairs"]] == list(pairs_of(spec.joined))
    assert set(told["audiences"]) == set(spec.audience)
    used = {law for row in told["pairs"] for law in row["legal_basis"]}
    assert set(told["legal_basis"]) == used
    assert all(law["title"] for law in told["legal_basis"].values())
    assert set(told["left_out"]) == {each for row in told["pairs"] for each in row["leaves_out"]}
