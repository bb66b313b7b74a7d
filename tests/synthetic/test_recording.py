"""Slips change what they are meant to change, and nothing beside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datafirst_platform.synthetic import recording

NAMES = st.lists(st.one_of(st.none(), st.text("ABCÉxyz'- ", min_size=1, max_size=12)), max_size=30)


@given(NAMES, st.integers(0, 2**32), st.data())
def test_a_slip_touches_marked_names_only_and_by_one_letter(
    names: list[str | None], seed: int, data: st.DataObject
) -> None:
    marked = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names))), dtype=bool
    )
    before = pa.array(names, pa.string())
    after = recording.misspelt(np.random.default_rng(seed), before, marked).to_pylist()
    for was, now, mark in zip(names, after, marked, strict=True):
        if was is None or not mark:
            assert now == was
        else:
            assert now
            assert abs(len(now) - len(was)) <= 1


@given(NAMES, st.integers(0, 2**32))
def test_what_happens_to_a_name_does_not_hang_on_the_others(
    names: list[str | None], seed: int
) -> None:
    texts = pa.array(names, pa.string())
    every = np.ones(len(names), dtype=bool)
    some = every.copy()
    some[::2] = False
    all_slipped = recording.misspelt(np.random.default_rng(seed), texts, every).to_pylist()
    some_slipped = recording.misspelt(np.random.default_rng(seed), texts, some).to_pylist()
    assert some_slipped[1::2] == all_slipped[1::2]


def test_a_marked_name_is_seldom_left_as_it_was() -> None:
    names = pa.array(["CHRISTOPHER"] * 2000)
    slipped = recording.misspelt(np.random.default_rng(1), names, np.ones(2000, dtype=bool))
    changed = [name for name in slipped.to_pylist() if name != "CHRISTOPHER"]
    assert len(changed) > 1950
    assert len(set(changed)) > 50
