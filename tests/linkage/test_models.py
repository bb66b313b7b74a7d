"""The settings that ship, and what is wrong with those that should not."""

import dataclasses
import json

import pytest
import yaml

from datafirst_platform.linkage import models
from datafirst_platform.linkage.models import (
    LEVELS,
    datasets,
    linkage_model,
    possible_pairs,
    trained_model,
)
from datafirst_platform.safe_errors import NotReady, PlatformError


@pytest.mark.parametrize("dataset", datasets())
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
        *("civil", "crown", "family", "magistrates", "oasys", "prison", "probation"),
    )
    assert datasets("across") == ("cross_justice",)
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
