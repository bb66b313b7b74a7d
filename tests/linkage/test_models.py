"""The settings that ship, and what is wrong with those that should not."""

import dataclasses
import json

import pytest
import yaml

from datafirst_platform.extracts.contracts import code_meanings
from datafirst_platform.linkage import models
from datafirst_platform.linkage.models import (
    FOLDER,
    LEVELS,
    datasets,
    linkage_model,
    possible_pairs,
    trained_model,
)
from datafirst_platform.linkage.training import train
from datafirst_platform.safe_errors import NotReady, PlatformError


@pytest.mark.parametrize("dataset", [each for each in datasets() if linkage_model(each).is_trained])
def test_every_dataset_has_reasons_falling_thresholds_and_a_current_model(dataset):
    model = linkage_model(dataset)
    assert model.description
    assert all(rule.reason and rule.agree_on and rule.ceiling > 1 for rule in model.blocking)
    assert all(session.reason for session in model.sessions)
    high, medium, low = (model.thresholds[level] for level in LEVELS)
    assert high > medium > low
    trained = trained_model(model)
    assert [each["output_column_name"] for each in trained.comparisons] == [*model.comparisons]
    for comparison in trained.comparisons:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                assert 0 < level["m_probability"] <= 1
                assert 0 < level["u_probability"] <= 1


def test_kinds():
    assert datasets("within") == (
        *("civil", "crown", "family", "magistrates", "npd", "oasys", "pnc", "prison", "probation"),
    )
    assert datasets("across") == ("cross_justice", "pupils_offenders")
    assert datasets("passes") == ("moj_dfe",)
    assert datasets("cases") == ("mags_crown_cases",)
    with pytest.raises(PlatformError, match="of kind 'within', not 'cases'"):
        linkage_model("crown", "cases")


def test_an_unknown_dataset_is_told_which_there_are():
    with pytest.raises(PlatformError, match="civil, cross_justice, crown, family, magistrates"):
        linkage_model("prisons")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"comparisons": ["identifiers", "shoe_size"]}, "no comparison 'shoe_size'"),
        ({"blocking": ["pnc", "shoes"]}, "no blocking rule 'shoes'"),
        ({"kind": "sideways"}, "kind is none of within, across, cases"),
        ({"dataset": "crown"}, "it calls itself 'crown'"),
        ({"thresholds": {"high": 1, "medium": 5, "low": 0}}, "do not fall"),
        ({"thresholds": {"high": 9, "medium": 5}}, "do not fall"),
        ({"members": None}, "it lacks members"),
        (
            {"training": {"sessions": [{"name": "all", "estimates": [], "reason": "None."}]}},
            "training session all needs agree_on, or of_one_person, and not both",
        ),
    ],
)
def test_settings_that_are_not_valid_are_refused(tmp_path, monkeypatch, change, message):
    raw = yaml.safe_load((models.FOLDER / "magistrates.yaml").read_text()) | change
    raw = {field: value for field, value in raw.items() if value is not None}
    (tmp_path / "magistrates.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models._read.cache_clear()
    try:
        with pytest.raises(PlatformError, match=message):
            linkage_model("magistrates")
    finally:
        models._read.cache_clear()


def test_a_rule_without_a_reason_is_refused(tmp_path, monkeypatch):
    rules = yaml.safe_load((models.LIBRARY / "blocking.yaml").read_text())
    del rules["pnc"]["reason"]
    (tmp_path / "blocking.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "comparisons.yaml").write_text((models.LIBRARY / "comparisons.yaml").read_text())
    monkeypatch.setattr(models, "LIBRARY", tmp_path)
    models._read.cache_clear()
    try:
        with pytest.raises(PlatformError, match="blocking rule pnc gives no reason"):
            linkage_model("magistrates")
    finally:
        models._read.cache_clear()


def test_a_model_of_other_settings_is_refused(tmp_path, monkeypatch):
    model = linkage_model("crown")
    (tmp_path / "crown.json").write_text(model.trained_path.read_text())
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    trained_model(model)
    changed = dataclasses.replace(model, trained_from="0" * 64)
    with pytest.raises(NotReady, match="datafirst linkage train crown"):
        trained_model(changed)


def test_a_linkage_that_was_never_trained_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    with pytest.raises(NotReady, match="has not been trained: run `datafirst linkage train crown`"):
        trained_model(linkage_model("crown"))


def test_thresholds_can_change_without_training_again():
    stored = json.loads(linkage_model("crown").trained_path.read_text())
    assert stored["trained_from"] == linkage_model("crown").trained_from
    assert linkage_model("crown").digest != linkage_model("crown").trained_from


def test_the_prior_falls_as_the_data_grow():
    trained = trained_model(linkage_model("magistrates"))
    assert trained.prior([2_000]) == pytest.approx(10 * trained.prior([20_000]), rel=0.01)
    assert trained.prior([0]) <= 0.5


def test_possible_pairs():
    assert possible_pairs([4]) == 6
    assert possible_pairs([4, 3]) == 12
    assert possible_pairs([2, 3, 4]) == 26


@pytest.fixture
def pass_settings(tmp_path, monkeypatch):
    """The settings of passes, altered; what is wrong with them."""

    def altered(change):
        raw = yaml.safe_load((FOLDER / "moj_dfe.yaml").read_text())
        change(raw)
        (tmp_path / "moj_dfe.yaml").write_text(yaml.safe_dump(raw))
        with pytest.raises(PlatformError) as refused:
            linkage_model("moj_dfe")
        return str(refused.value)

    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models._read.cache_clear()
    yield altered
    models._read.cache_clear()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("passes"), "it lacks passes"),
        (lambda raw: raw.update(passes=[]), "passes: there is none"),
        (lambda raw: raw.update(thresholds={}), "thresholds: passes have no such field"),
        (lambda raw: raw.update(dataset="crown"), "dataset: it calls itself 'crown'"),
        (lambda raw: raw["members"].append("crown"), "members: passes join two datasets"),
        (lambda raw: raw["passes"][2].pop("reason"), "passes, 3: it lacks reason"),
        (lambda raw: raw["passes"][2].update(number=9), "passes, 3, number: passes are numbered"),
        (lambda raw: raw["passes"][0].update(weight=1), "passes, 1, weight: no such field"),
        (
            lambda raw: raw["passes"][3]["agree_on"].append("shoe_size"),
            "passes, 4, agree_on: no key part 'shoe_size'",
        ),
        (
            lambda raw: raw["passes"][6]["and_one_of"].append(["shoe_size"]),
            "passes, 7, and_one_of: no key part 'shoe_size'",
        ),
        (
            lambda raw: raw["passes"][0].update(unless_known_to_differ=["sex"]),
            "passes, 1, unless_known_to_differ: sex is agreed on",
        ),
    ],
)
def test_passes_that_are_not_valid_are_refused_by_file_and_field(pass_settings, change, message):
    told = pass_settings(change)
    assert told.startswith("moj_dfe.yaml is not valid")
    assert message in told


def test_datasets_that_may_not_be_joined_are_not_joined_by_passes_either(pass_settings):
    told = pass_settings(lambda raw: raw.update(members=["npd", "crown"]))
    assert "npd" in told
    assert "crown" in told


def test_passes_are_released_by_the_numbers_and_words_of_the_settings():
    released = code_meanings("link_passes_moj_dfe", "description")
    assert dict(released) == {
        str(each.number): each.description for each in linkage_model("moj_dfe").passes
    }


def test_passes_need_no_training(settings):
    with pytest.raises(PlatformError, match="ordered passes: there is nothing to train"):
        train(settings, "2025", "moj_dfe")
    with pytest.raises(PlatformError, match="nothing to train"):
        trained_model(linkage_model("moj_dfe"))
