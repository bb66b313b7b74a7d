import stat

import pytest

from datafirst_platform.settings import Settings


def test_home_and_keys_are_read_from_the_environment(tmp_path):
    settings = Settings.from_environment(
        {"DATAFIRST_HOME": str(tmp_path / "data"), "DATAFIRST_THREADS": "1"}
    )

    assert settings.home == tmp_path / "data"
    assert settings.keys == tmp_path / "data-keys"
    assert settings.threads == 1


def test_keys_inside_the_data_root_are_refused(tmp_path):
    with pytest.raises(ValueError, match="put it elsewhere"):
        Settings.from_environment(
            {"DATAFIRST_HOME": str(tmp_path), "DATAFIRST_KEYS": str(tmp_path / "k")}
        )


def test_secure_folders_are_for_their_owner_alone(settings):
    for folder in (settings.secure, settings.keys, settings.spill):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_linking_what_changed_is_a_choice(tmp_path):
    home = {"DATAFIRST_HOME": str(tmp_path / "data")}
    assert not Settings.from_environment(home).incremental
    assert Settings.from_environment(home | {"DATAFIRST_INCREMENTAL": "1"}).incremental
    with pytest.raises(ValueError, match="say 0 or 1"):
        Settings.from_environment(home | {"DATAFIRST_INCREMENTAL": "yes"})
