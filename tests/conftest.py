"""What every test may ask for: an installation of its own, or one whose edition is refreshed.

`make test` shares the tests between two processes. What takes long to make is made by the one that
asks first; the other waits for it, and both read it where it lies.
"""

import dataclasses
import fcntl
import os
import shutil
from pathlib import Path

import hypothesis
import pytest

from datafirst_platform.editions import edition
from datafirst_platform.settings import Settings

PEOPLE = 1_500

# An example may take as long as it takes: the machine may have other work.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


@pytest.fixture
def settings(tmp_path):
    """An empty installation with its own key."""
    return Settings(
        home=tmp_path / "data", keys=tmp_path / "keys", threads=2, memory_gib=2.0
    ).prepare()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Make an installation in a folder by that name, unless a process of this run has made it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name, make):
        root = shared / name
        done = root / "made"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(root, ignore_errors=True)
                root.mkdir()
                make(root)
                done.touch()
        return Settings(root / "data", root / "keys", threads=2, memory_gib=2.0)

    return made


@pytest.fixture(scope="session")
def supplied(made_once):
    """An installation with the deliveries of two editions and nothing done yet: do not alter."""
    from datafirst_platform.identity import master_key
    from datafirst_platform.synthetic import make_supply

    def supply(root):
        settings = Settings(root / "data", root / "keys", threads=2, memory_gib=2.0).prepare()
        master_key(settings)
        for key in ("2025", "2026"):
            make_supply(settings, edition(key), people=PEOPLE, seed=11)

    return made_once("supplied", supply)


@pytest.fixture(scope="session")
def refreshed(made_once, supplied):
    """An installation with edition 2025 refreshed: do not alter, copy it (`installation`)."""
    from datafirst_platform.refresh import refresh

    def refresh_a_copy(root):
        done = refresh(copy_of(supplied, root), "2025", lambda _: None)
        assert done.succeeded, (done.steps, done.failed_checks)

    return made_once("refreshed", refresh_a_copy)


@pytest.fixture
def installation(refreshed, tmp_path):
    """A copy of the refreshed installation, to alter at will."""
    return copy_of(refreshed, tmp_path)


@pytest.fixture
def landed(supplied, tmp_path):
    """A copy of the supplied installation, to alter at will."""
    return copy_of(supplied, tmp_path)


def copy_of(settings, root):
    """The same installation with the same key in another place.

    Left behind is what nobody reads again, and most of its files: the SQL dbt compiled for a build.
    """
    builds = settings.warehouse / "dbt"
    shutil.copytree(
        settings.home,
        root / "data",
        ignore=lambda folder, _: ["target"] if Path(folder).parent == builds else [],
    )
    shutil.copytree(settings.keys, root / "keys")
    return dataclasses.replace(settings, home=root / "data", keys=root / "keys")
