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


@pytest.mark.parametrize(
    ("variable", "given"),
    [
        ("DATAFIRST_THREADS", "0"),
        ("DATAFIRST_THREADS", "-2"),
        ("DATAFIRST_THREADS", "abc"),
        ("DATAFIRST_THREADS", "1.5"),
        ("DATAFIRST_MEMORY_GIB", "nan"),
        ("DATAFIRST_MEMORY_GIB", "inf"),
        ("DATAFIRST_MEMORY_GIB", "-1"),
        ("DATAFIRST_HOME", "/data/[1]"),
        ("DATAFIRST_KEYS", "/keys*"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(tmp_path, variable, given):
    with pytest.raises(ValueError, match=variable):
        Settings.from_environment({"DATAFIRST_HOME": str(tmp_path / "data"), variable: given})


def test_preparing_again_changes_nothing(settings):
    settings.secure.chmod(0o755)
    settings.prepare()
    assert stat.S_IMODE(settings.secure.stat().st_mode) == 0o700
    before = [folder.stat().st_ctime_ns for folder in (settings.secure, settings.keys)]
    settings.prepare()
    assert before == [folder.stat().st_ctime_ns for folder in (settings.secure, settings.keys)]


def test_secure_folders_are_for_their_owner_alone(settings):
    for folder in (settings.secure, settings.keys, settings.spill):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_linking_what_changed_is_a_choice(tmp_path):
    home = {"DATAFIRST_HOME": str(tmp_path / "data")}
    assert not Settings.from_environment(home).incremental
    assert Settings.from_environment(home | {"DATAFIRST_INCREMENTAL": "1"}).incremental
    with pytest.raises(ValueError, match="say 0 or 1"):
        Settings.from_environment(home | {"DATAFIRST_INCREMENTAL": "yes"})
