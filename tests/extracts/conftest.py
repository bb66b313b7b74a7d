"""An empty installation to deliver to."""

from pathlib import Path

import pytest
from landed_rows import Landing

from datafirst_platform.settings import Settings


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    settings = Settings(tmp_path / "home", tmp_path / "keys", threads=2, memory_gib=1.0)
    return Landing(settings.prepare())
