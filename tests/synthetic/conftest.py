"""One supply of two editions, and one chunk of lives, for all tests of the room."""

from __future__ import annotations

import duckdb
import pytest
from supply_files import PEOPLE, SEED, SOURCES, Supplied, settings_in

from datafirst_platform import editions
from datafirst_platform.synthetic import lives, make_supply


@pytest.fixture(scope="session")
def supply(tmp_path_factory: pytest.TempPathFactory) -> Supplied:
    settings = settings_in(tmp_path_factory.mktemp("supply"))
    made = {
        key: make_supply(settings, editions.edition(key), people=PEOPLE, seed=SEED, sources=SOURCES)
        for key in ("2025", "2026")
    }
    return Supplied(settings, made, duckdb.connect())


@pytest.fixture(scope="session")
def lived() -> lives.Lives:
    return lives.draw(3, 0, 40_000)


@pytest.fixture(scope="session")
def told() -> lives.Lives:
    """Fewer lives, for sources whose every row is asked about."""
    return lives.draw(7, 0, 12_000)
