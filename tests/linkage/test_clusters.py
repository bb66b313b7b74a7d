"""Clusters and one-to-one links of hand-made pairs."""

from itertools import pairwise

import numpy as np
import pytest

from datafirst_platform.linkage.clusters import (
    Guard,
    Likelihood,
    Pairs,
    Unlikely,
    clusters,
    one_to_one,
)

THRESHOLDS = (1200, 500, 0)


def pairs(*listed):
    """Pairs of (left, right, weight)."""
    columns = np.array(listed, dtype=np.int64).reshape(-1, 3).T
    return Pairs(*columns)


RULE = Unlikely(more_than=4, years_apart=30, years_apart_of_two_sexes=5, raised=400)


def guard(records, member=None, pnc=(), apart=None, told=None):
    """Records of one dataset, or of those in `member`.

    `pnc` maps a record to a number, `told` to sex and year of birth; `apart` lists pairs.
    """
    carried = dict(pnc)
    likelihood = None
    if told is not None:
        traits = np.array([told.get(each, (0, 0)) for each in range(records)]).T
        likelihood = Likelihood(RULE, traits[0].astype(np.uint8), traits[1].astype(np.int16))
    return Guard(
        np.array(member if member is not None else [0] * records, dtype=np.int64),
        np.array([*carried.keys()], dtype=np.int64),
        np.array([*carried.values()], dtype=np.int64),
        apart=tuple(np.array(side) for side in zip(*apart, strict=True)) if apart else None,
        likelihood=likelihood,
    )


def found(listed, held, **given):
    return [labels.tolist() for labels in clusters(pairs(*listed), THRESHOLDS, held, **given)]


def test_a_cluster_is_named_after_its_smallest_record():
    high, _, _ = found([(3, 2, 1500), (4, 3, 1500)], guard(5))
    assert high == [0, 1, 2, 2, 2]


def test_each_threshold_adds_to_the_one_before():
    high, medium, low = found([(0, 1, 1500), (2, 3, 600), (4, 5, 100), (5, 6, -100)], guard(7))
    assert high == [0, 0, 2, 3, 4, 5, 6]
    assert medium == [0, 0, 2, 2, 4, 5, 6]
    assert low == [0, 0, 2, 2, 4, 4, 6]


def test_one_weak_link_does_not_join_two_big_clusters():
    strong = [(0, 1, 1500), (1, 2, 1500), (3, 4, 1500), (4, 5, 1500)]
    assert found([*strong, (2, 3, 600)], guard(6))[1] == [0, 0, 0, 3, 3, 3]
    # Half of the nine links there could be would.
    weak = [(0, 3, 600), (1, 3, 600), (2, 3, 600), (0, 4, 600), (1, 4, 600)]
    assert found([*strong, *weak], guard(6))[1] == [0] * 6


def test_contradicting_police_numbers_keep_clusters_apart():
    link = [(0, 1, 600)]
    assert found(link, guard(2, pnc={0: 7, 1: 8}))[1] == [0, 1]
    assert found(link, guard(2, pnc={0: 7, 1: 7}))[1] == [0, 0]
    assert found(link, guard(2, pnc={0: 7}))[1] == [0, 0]


def test_a_record_without_a_number_does_not_make_two_people_one_however_strong_its_links():
    # A father and his son of one name and address: record 1 holds neither number nor date of birth.
    links = [(0, 1, 1500), (1, 2, 1600)]
    assert found(links, guard(3, pnc={0: 7, 2: 8}))[0] == [0, 1, 1]
    assert found(links, guard(3, pnc={0: 7, 2: 7}))[0] == [0, 0, 0]
    # Whom a dataset holds for one person under two numbers stays one.
    given = [np.array([0, 1, 0])] * 3
    assert found(links, guard(3, pnc={0: 7, 2: 8}), given=given)[0] == [0, 0, 0]


def test_the_strongest_link_goes_first():
    # Record 1 could join 0 or 2, who contradict each other.
    held = guard(3, pnc={0: 7, 2: 8})
    assert found([(0, 1, 600), (1, 2, 700)], held)[1] == [0, 1, 1]
    assert found([(0, 1, 700), (1, 2, 600)], held)[1] == [0, 0, 2]


def test_across_datasets_only_links_across_count_as_possible():
    # Two records of one dataset, each linked to the one of the other: all two links seen.
    held = guard(3, member=[0, 0, 1])
    assert found([(0, 2, 600), (1, 2, 600)], held)[1] == [0, 0, 0]
    # Of the three of one dataset none could link to another: all three links are seen.
    links = [(0, 3, 620), (1, 3, 610), (2, 3, 600)]
    assert found(links, guard(4, member=[0, 0, 0, 1]))[1] == [0] * 4
    assert found(links, guard(4))[1] == [0, 0, 2, 0]


def test_given_people_are_never_split():
    given = [np.array(labels) for labels in ([0, 0, 2, 3], [0, 0, 2, 2], [0, 0, 2, 2])]
    high, medium, low = found([(1, 2, 1500)], guard(4), given=given)
    assert high == [0, 0, 0, 3]
    assert medium == low == [0, 0, 0, 0]


@pytest.mark.parametrize("weight", [1500, 600, 100])
def test_two_sexes_of_different_age_take_a_stronger_link(weight):
    # Weights of each threshold: 1200, 500 and 0, raised by 400.
    step = THRESHOLDS.index(max(each for each in THRESHOLDS if each <= weight))
    couple = {0: (1, 1970), 1: (2, 1978)}
    assert found([(0, 1, weight)], guard(2, told=couple))[step] == [0, 1]
    assert found([(0, 1, weight)], guard(2))[step] == [0, 0]
    strong = [(0, 1, THRESHOLDS[step] + 400)]
    assert found(strong, guard(2, told=couple))[step] == [0, 0]
    # One year of birth, or one sex, is no reason; nor is what is not known.
    for alike in ({0: (1, 1970), 1: (2, 1975)}, {0: (1, 1970), 1: (1, 1978)}, {0: (1, 1970)}):
        assert found([(0, 1, weight)], guard(2, told=alike))[step] == [0, 0]


def test_a_generation_apart_takes_a_stronger_link_whatever_the_sex():
    father_and_son = guard(2, told={0: (1, 1950), 1: (1, 1981)})
    assert found([(0, 1, 1500)], father_and_son)[0] == [0, 1]
    assert found([(0, 1, 1600)], father_and_son)[0] == [0, 0]


def test_a_cluster_too_large_for_one_person_is_broken_at_its_weakest_link():
    links = [(0, 1, 1590), (1, 2, 1580), (2, 3, 1210), (3, 4, 1570), (4, 5, 1560)]
    assert found(links, guard(6))[0] == [0] * 6
    assert found(links, guard(6, told={}))[0] == [0, 0, 0, 3, 3, 3]
    # One person indeed: every link is beyond doubt.
    beyond_doubt = [(one, other, weight + 400) for one, other, weight in links]
    assert found(beyond_doubt, guard(6, told={}))[0] == [0] * 6


def test_one_odd_record_does_not_take_a_person_apart():
    links = [(0, 1, 1500), (1, 2, 1500), (0, 2, 1500), (2, 3, 1300)]
    told = {0: (1, 1970), 1: (1, 1970), 2: (1, 1970), 3: (2, 1990)}
    assert found(links, guard(4, told=told))[0] == [0, 0, 0, 3]


@pytest.mark.parametrize("weight", [1500, 600, 100])
def test_records_decided_to_be_apart_are_never_one(weight):
    links = [(0, 1, weight), (1, 2, weight), (0, 2, weight)]
    assert found(links, guard(3))[-1] == [0, 0, 0]
    for level in found(links, guard(3, apart=[(0, 2)])):
        assert level[0] != level[2]


def test_no_pairs_leave_everyone_alone():
    assert found([], guard(3)) == [[0, 1, 2]] * 3
    assert found([], guard(0)) == [[], [], []]


@pytest.mark.parametrize("seed", range(5))
def test_order_of_pairs_is_of_no_account_and_thresholds_nest(seed):
    generator = np.random.default_rng(seed)
    left = generator.integers(0, 60, 120)
    right = (left + generator.integers(1, 6, 120)) % 60
    weight = generator.integers(-200, 2000, 120)
    held = guard(60, pnc={int(each): int(each) % 9 for each in generator.choice(60, 30, False)})
    listed = np.stack([left, right, weight], axis=1)
    shuffled = generator.permutation(listed)
    expected = found(listed, held)
    assert found(shuffled, held) == expected
    for stricter, looser in pairwise(expected):
        joined = {}
        for one, other in zip(stricter, looser, strict=True):
            assert joined.setdefault(one, other) == other


def test_one_to_one_takes_the_strongest_first():
    listed = pairs((0, 10, 500), (0, 11, 900), (1, 11, 800), (1, 10, 100), (2, 11, 100))
    chosen = one_to_one(listed)
    taken = [(int(listed.left[each]), int(listed.right[each])) for each in chosen]
    assert sorted(taken) == [(0, 11), (1, 10)]


def test_one_to_one_breaks_ties_by_the_smaller_record():
    listed = pairs((1, 10, 500), (0, 10, 500), (0, 11, 500))
    taken = [(int(listed.left[each]), int(listed.right[each])) for each in one_to_one(listed)]
    assert taken == [(0, 10)]


def test_one_to_one_of_nothing_is_nothing():
    assert len(one_to_one(pairs())) == 0
