"""What may not be linked is not linked: settings that join an unpermitted pair do not load."""

import pytest
import yaml

from datafirst_platform.extracts import permissions
from datafirst_platform.linkage import models
from datafirst_platform.linkage.models import datasets, linkage_model
from datafirst_platform.safe_errors import PlatformError

ACROSS = datasets("across")[0]


@pytest.fixture
def settings_with(tmp_path, monkeypatch):
    """Read a linkage's settings with these fields."""

    def read(linkage, **fields):
        raw = yaml.safe_load((models.FOLDER / f"{linkage}.yaml").read_text()) | fields
        (tmp_path / f"{linkage}.yaml").write_text(yaml.safe_dump(raw))
        monkeypatch.setattr(models, "FOLDER", tmp_path)
        models._read.cache_clear()
        return linkage_model(linkage)

    yield read
    models._read.cache_clear()


@pytest.mark.parametrize("linkage", [each for each in datasets() if each not in datasets("within")])
def test_every_linkage_that_joins_datasets_is_permitted(linkage):
    members = linkage_model(linkage).members
    assert permissions.linkage_permissions().refusals(members) == []


def test_an_unpermitted_pair_is_refused_with_what_to_do(settings_with):
    with pytest.raises(PlatformError) as refused:
        settings_with(ACROSS, members=["magistrates", "crown", "npd"])
    told = str(refused.value)
    assert told.startswith(f"{ACROSS}.yaml is not valid: ")
    assert "crown and npd may not be joined" in told
    assert "magistrates and npd may not be joined" in told
    assert "crown and magistrates" not in told
    assert "linkage_permissions.yaml" in told
    assert "enter the pair" in told


def test_cases_are_joined_under_the_same_table(settings_with):
    with pytest.raises(PlatformError, match="crown and npd may not be joined"):
        settings_with("mags_crown_cases", members=["crown", "npd"])


def test_passes_are_joined_under_the_same_table(settings_with):
    with pytest.raises(PlatformError, match="crown and npd may not be joined"):
        settings_with("moj_dfe", members=["npd", "crown"])


def test_a_permission_withdrawn_stops_the_linkage(settings_with, monkeypatch, tmp_path):
    raw = yaml.safe_load(permissions.PERMISSIONS.read_text())
    raw["permissions"] = [
        row for row in raw["permissions"] if set(row["pair"]) != {"magistrates", "crown"}
    ]
    file = tmp_path / "linkage_permissions.yaml"
    file.write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(permissions, "PERMISSIONS", file)
    with pytest.raises(PlatformError, match="crown and magistrates may not be joined"):
        settings_with(ACROSS)
