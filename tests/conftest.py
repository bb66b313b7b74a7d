"""What every test may ask for: an installation of its own."""

import pytest

from datafirst_platform.settings import Settings


@pytest.fixture
def settings(tmp_path):
    """An empty installation with its own key."""
    return Settings(
        home=tmp_path / "data", keys=tmp_path / "keys", threads=2, memory_gib=2.0
    ).prepare()
