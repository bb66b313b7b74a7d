"""Linkage permissions: the table that ships, what is wrong with one that should not, refusals."""

import json
from datetime import date

import pytest
import yaml
from click.testing import CliRunner

from datafirst_platform.cli import main
from datafirst_platform.extracts.contracts import ContractError, contracts
from datafirst_platform.extracts.permissions import (
    PERMISSIONS,
    linkage_permissions,
    load_permissions,
    pairs_of,
    row_told,
)

JUSTICE = ("magistrates", "crown", "prison", "probation", "oasys", "family", "civil")
MOJ_DFE = ("npd", "pnc", "csc")


@pytest.fixture
def altered(tmp_path):
    """The table that ships, altered by a function, read again."""

    def read(alter):
        raw = yaml.safe_load(PERMISSIONS.read_text())
        alter(raw)
        file = tmp_path / PERMISSIONS.name
        file.write_text(yaml.safe_dump(raw, sort_keys=False))
        return load_permissions(file)

    yield read
    load_permissions.cache_clear()


def test_justice_datasets_are_joined_with_each_other_and_education_with_offending_alone():
    found = linkage_permissions()
    assert set(found.permitted) == {*pairs_of(JUSTICE), *pairs_of(MOJ_DFE)}
    assert not found.refusals(JUSTICE, ["ons_srs"])
    assert not found.refusals(MOJ_DFE, ["ons_srs_moj_dfe"])
    assert all(row.people == "england" for row in found.of(MOJ_DFE))


def test_assessments_are_joined_in_one_secure_setting_alone():
    found = linkage_permissions()
    without = [each for each in JUSTICE if each != "oasys"]
    assert not found.refusals(without, ["ons_srs", "sail"])
    refused = found.refusals(JUSTICE, ["ons_srs", "sail"])
    assert len(refused) == len(without)
    assert all("oasys" in each and "for sail" in each for each in refused)


def test_parties_of_adoption_cases_are_left_out_of_every_pair_of_the_family_courts():
    found = linkage_permissions()
    for pair, row in found.permitted.items():
        assert row.leaves_out == (("adoption_parties",) if "family" in pair else ())
    assert found.left_out["adoption_parties"].evidence == "inferred"
    assert "sections 56 to 65" in found.left_out["adoption_parties"].because


def test_every_row_has_a_law_and_says_how_it_is_known():
    found = linkage_permissions()
    for row in found.permitted.values():
        assert row.legal_basis
        assert row.source
    # The joint share rests on the joint approval of two departments.
    assert all("digital_economy_act" not in row.legal_basis for row in found.of(MOJ_DFE))


def test_linking_within_a_dataset_is_permitted_by_its_own_contracts():
    assert all(contract.legal_basis for contract in contracts().values())
    assert linkage_permissions().refusals(["crown", "crown"]) == []


def test_a_refusal_names_the_pair_the_file_and_what_to_do():
    [told] = linkage_permissions().refusals(["npd", "crown"])
    assert told.startswith("crown and npd may not be joined: linkage_permissions.yaml has no")
    assert "Leave one of them out, or enter the pair in" in told
    assert str(PERMISSIONS) in told


def first(**fields):
    return lambda raw: raw["permissions"][0].update(fields)


def drop(field):
    return lambda raw: raw["permissions"][0].pop(field)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (drop("legal_basis"), "row 1: legal_basis: missing"),
        (first(legal_basis=[]), "magistrates: legal_basis: must be a list of names"),
        (first(legal_basis=["common_sense"]), "legal_basis: there is no 'common_sense'"),
        (first(audiences=["everybody"]), "audiences: there is no 'everybody'"),
        (first(people="wales"), "people: 'wales' is none of all, england"),
        (first(evidence="rumoured"), "evidence: 'rumoured' is none of confirmed, inferred"),
        (first(pair=["crown"]), "row 1: pair: names two datasets"),
        (first(pair=["crown", "crown"]), "row 1: pair: must be a list of names, each once"),
        (first(pair=["prison", "magistrates"]), "magistrates and prison: is there twice"),
        (first(leaves_out=["jurors"]), "leaves_out: there is no 'jurors'"),
        (first(leaves_out=["adoption_parties"]), "leaves_out: adoption_parties are of neither"),
        (first(source=" "), "source: must be a text"),
        (first(review="soon"), "review: must be a date"),
        (
            first(agreed=date(2024, 4, 16), review=date(2024, 4, 16)),
            "review: lies after the day of agreement",
        ),
        (first(note="x"), "row 1: note: unknown field"),
        (lambda raw: raw.pop("laws"), "file: laws: missing"),
        (lambda raw: raw.update(permissions=[]), "permissions: must be a list"),
        (lambda raw: raw["laws"]["children_act"].pop("title"), "laws: children_act: title"),
        (
            lambda raw: next(
                row for row in raw["permissions"] if row["pair"] == ["magistrates", "family"]
            ).update(leaves_out=[]),
            "family and magistrates: leaves_out: adoption_parties must be left out of every pair",
        ),
    ],
)
def test_a_mistake_names_file_and_field(altered, alter, message):
    with pytest.raises(ContractError, match=message) as wrong:
        altered(alter)
    assert str(wrong.value).startswith("linkage_permissions.yaml: ")


def test_a_table_that_is_not_there_or_says_a_thing_twice_is_refused(tmp_path):
    with pytest.raises(ContractError, match=r"none\.yaml: file: is missing"):
        load_permissions(tmp_path / "none.yaml")
    twice = tmp_path / "twice.yaml"
    twice.write_text("version: 1.0.0\nversion: 2.0.0\n")
    with pytest.raises(ContractError, match=r"twice\.yaml: line 2"):
        load_permissions(twice)


def test_dates_of_the_owners_are_told_where_they_are_known(altered):
    found = altered(first(agreed=date(2024, 4, 16), review=date(2029, 4, 16)))
    told = row_told(found.permitted["crown", "magistrates"])
    assert (told["agreed"], told["review"]) == ("2024-04-16", "2029-04-16")
    assert "agreed" not in row_told(found.permitted["magistrates", "prison"])


def test_the_command_line_shows_the_table():
    shown = CliRunner().invoke(main, ["linkage", "permissions"])
    assert shown.exit_code == 0
    assert "family + magistrates" in shown.output
    assert "24 pairs may be joined; no other." in shown.output
    told = json.loads(CliRunner().invoke(main, ["linkage", "permissions", "--json"]).output)
    assert len(told["permissions"]) == len(linkage_permissions().permitted)
    assert told["laws"]["digital_economy_act"]["evidence"] == "confirmed"
    assert told["left_out"]["adoption_parties"]["dataset"] == "family"
