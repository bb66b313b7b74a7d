"""Linking what changed: it ends where a linkage from nothing does, and never joins in silence."""

import dataclasses
from collections import defaultdict
from datetime import date
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_identities import pnc

from datafirst_platform import tables
from datafirst_platform.editions import edition as edition_of
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage import changes, publishing
from datafirst_platform.linkage.changes import _among, _bridge, settle
from datafirst_platform.linkage.clusters import Likelihood, Pairs, Unlikely
from datafirst_platform.linkage.evaluation import evaluate
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.models import LEVELS
from datafirst_platform.linkage.overrides import COLUMNS, sign
from datafirst_platform.settings import Settings
from datafirst_platform.synthetic import make_supply

THRESHOLDS = (1200, 500, 0)
BRIDGES = TableKey.of("restricted", "magistrates_bridges")


@st.composite
def arrivals(draw):
    """Records, some of people known, nested by threshold, and weighed links of the others."""
    n = draw(st.integers(1, 14))
    strict = draw(st.lists(st.integers(-1, 5), min_size=n, max_size=n))
    joined = draw(st.lists(st.integers(0, 2), min_size=6, max_size=6))
    known = np.array(strict)
    wider = np.array([-1 if each < 0 else joined[each] for each in strict])
    ends = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.integers(0, 20))
    links = {
        (min(one, other), max(one, other)): weight * 100
        for one, other, weight in draw(st.lists(ends, max_size=30))
        if one != other and (known[one] < 0 or known[other] < 0)
    }
    pncs = draw(st.lists(st.sampled_from([None, None, 1, 2]), min_size=n, max_size=n))
    left, right = (np.array([each[side] for each in links], dtype=np.int64) for side in (0, 1))
    weight = np.array(list(links.values()), dtype=np.int64)
    return Pairs(left, right, weight), known, wider, pa.array(pncs, pa.int64())


@given(arrivals())
def test_two_people_known_apart_are_never_joined_and_bridges_tell_who_would_be(drawn):
    links, known, wider, pncs = drawn
    node = np.arange(len(known))
    labels, bridges = settle(links, THRESHOLDS, node, [known, wider, wider], pncs)
    for people, label, bridge, threshold in zip(
        (known, wider, wider), labels, bridges, THRESHOLDS, strict=True
    ):
        told = defaultdict(set)
        for cluster, person in zip(label.tolist(), people.tolist(), strict=True):
            if person >= 0:
                told[cluster].add(person)
        assert all(len(each) == 1 for each in told.values()), "two known people were joined"
        whole = defaultdict(set)
        for cluster, person in zip(label.tolist(), people.tolist(), strict=True):
            if person >= 0:
                whole[person].add(cluster)
        assert all(len(each) == 1 for each in whole.values()), "a known person was parted"
        assert all(label[cluster] == cluster for cluster in label.tolist())
        for left, right, weight in zip(
            bridge.left.tolist(), bridge.right.tolist(), bridge.weight.tolist(), strict=True
        ):
            assert weight >= threshold
            assert told[label[left]]
            assert told[label[right]]
            assert label[left] != label[right]
    for strict, weak in pairwise(labels):
        assert all(weak[each] == weak[strict[each]] for each in range(len(strict)))


@given(arrivals(), st.randoms())
def test_who_goes_where_does_not_depend_on_the_order_of_links(drawn, chance):
    links, known, wider, pncs = drawn
    order = list(range(len(links.weight)))
    chance.shuffle(order)
    other = Pairs(links.left[order], links.right[order], links.weight[order])
    node, people = np.arange(len(known)), [known, wider, wider]
    one, two = (settle(each, THRESHOLDS, node, people, pncs) for each in (links, other))
    for before, after in zip(one[0], two[0], strict=True):
        assert before.tolist() == after.tolist()
    for before, after in zip(one[1], two[1], strict=True):
        assert before.left.tolist() == after.left.tolist()
        assert before.right.tolist() == after.right.tolist()


NEW = np.array([-1, -1, -1, -1])


def settled(links, pncs=(None,) * 4, known=NEW, told=None):
    """The people of four records at the middle threshold, given links and who is known."""
    left, right, weight = np.array(links, dtype=np.int64).T
    numbers = pa.array(pncs, pa.int64())
    people = [known] * len(THRESHOLDS)
    labels, _ = settle(Pairs(left, right, weight), THRESHOLDS, np.arange(4), people, numbers, told)
    return labels[1].tolist()


@pytest.mark.parametrize(
    ("weight", "years", "people"),
    [
        (1000, (1950, 1985), [0, 1, 2, 3]),
        (1000, (1950, 1970), [0, 0, 2, 3]),
        (1100, (1950, 1985), [0, 0, 2, 3]),
    ],
    ids=["a generation apart", "not so far", "a stronger link"],
)
def test_a_new_record_makes_nobody_unlikely_unless_by_a_stronger_link(weight, years, people):
    rule = Unlikely(more_than=60, years_apart=30, years_apart_of_two_sexes=5, raised=600)
    born = np.array([*years, 0, 0], dtype=np.int16)
    told = Likelihood(rule, np.zeros(4, dtype=np.uint8), born)
    assert settled([(0, 1, weight)], told=told) == people


@pytest.mark.parametrize("weight", [1500, 600])
def test_contradicting_police_numbers_keep_a_new_record_from_a_person(weight):
    assert settled([(0, 1, weight)], (7, 8, None, None)) == [0, 1, 2, 3]
    assert settled([(0, 1, weight)], (7, 7, None, None)) == [0, 0, 2, 3]
    assert settled([(0, 1, weight)], (7, None, None, None)) == [0, 0, 2, 3]


def test_one_weak_link_does_not_join_a_new_record_to_a_person_of_many():
    known = np.array([1, 1, 1, -1])
    assert settled([(0, 3, 600)], known=known) == [0, 0, 0, 3]
    assert settled([(0, 3, 600), (1, 3, 600)], known=known) == [0] * 4
    assert settled([(0, 3, 1500)], known=known) == [0] * 4


# A handful of people.

CASE = {"defendant_type": "P", "sex": "F"}
ANNA = {
    **CASE,
    "first_name": "ANNA",
    "last_name": "WOLSTENHOLME",
    "date_of_birth": date(1984, 7, 19),
    "postcode": "LS6 2AB",
    "pnc_id": pnc(2004, 55),
}
WIFE = {
    **CASE,
    "first_name": "THEODORA",
    "last_name": "HARGREAVES",
    "date_of_birth": date(1979, 11, 3),
    "postcode": "EX4 4QJ",
}
CROWD = [
    {
        **CASE,
        "first_name": forename,
        "last_name": surname,
        "date_of_birth": date(1950 + number, 1 + number % 12, 1 + number % 28),
        "postcode": f"B{number % 9 + 1} {number % 9}AA",
        "pnc_id": pnc(1990, 1000 + number),
    }
    for number, (forename, surname) in enumerate(
        (forename, surname)
        for forename in ("PETRA", "GRACE", "DORIS", "NORA", "CARLA")
        for surname in ("SMITH", "TURNBULL", "OKAFOR", "PATEL", "LLEWELLYN", "DOYLE")
    )
]


@given(
    st.sets(st.integers(1, 2**32 - 1), max_size=40),
    st.lists(st.integers(0, 2**32 - 1), max_size=60),
    st.sampled_from([np.uint32, np.uint64]),
    st.randoms(),
)
def test_a_search_finds_just_what_is_wanted(wanted, others, kind, chance):
    values = np.array([*others, *wanted, *wanted, 0, 1], dtype=kind)
    chance.shuffle(values)
    which = np.array([chance.random() < 0.8 for _ in values])
    found = _among(np.array(sorted(wanted), dtype=kind))(values, which)
    assert found.tolist() == [
        place for place, value in enumerate(values) if value in wanted and which[place]
    ]


def key_of(number):
    """A record key, and so long that the first half of it tells records apart as pseudonyms do."""
    return f"{number:016x}".ljust(32, "0")


def number_of(key):
    return int(key[:16], 16)


@pytest.fixture
def link(settings, publish_identities, rows):
    """Link an edition of records by number, going on from the edition before."""

    def run(edition, records, **changes):
        every = {**{500 + number: each for number, each in enumerate(CROWD)}, **records}
        made = [{"record_key": key_of(key), **each} for key, each in sorted(every.items())]
        publish_identities("libra_cases", made, edition)
        incremental = dataclasses.replace(settings, **{"incremental": True, **changes})
        linked = link_dataset(incremental, edition, "magistrates")
        read = rows(linked.tables["people"])
        people = {number_of(row["record_key"]): row for row in read}
        assert people.keys() == every.keys()
        assert len(read) == len(people), "a record stands in one layer"
        return people, linked

    return run


def went_on(linked):
    """Whether it went on from what was known."""
    return ("bridges", "high") in linked.counts


def person(people, number, level="medium"):
    return people[number][f"person_{level}"]


def test_the_same_identifiers_are_the_same_person_and_nothing_is_compared(link):
    before, first = link("2025", {1: ANNA, 2: WIFE})
    assert not went_on(first)
    now, linked = link("2026", {1: ANNA, 2: WIFE, 3: ANNA})
    assert went_on(linked)
    assert person(now, 3, "high") == person(now, 1, "high") == person(before, 1, "high")
    assert sum(n for (what, _), n in linked.counts.items() if what == "pairs") == 0
    assert linked.counts["tuples", ""] == first.counts["tuples", ""]


def test_a_new_record_finds_its_person_and_another_is_somebody_new(link):
    before, _ = link("2025", {1: ANNA})
    misspelt = {**ANNA, "last_name": "WOLSTENHOLM", "pnc_id": None}
    now, linked = link("2026", {1: ANNA, 3: misspelt, 4: WIFE})
    assert person(now, 3) == person(before, 1)
    assert person(now, 4) not in {person(now, number) for number in now if number != 4}
    assert linked.counts["new", "medium"] == 1
    assert linked.counts["people", "medium"] == len({person(now, number) for number in now})


def test_new_records_find_each_other(link):
    link("2025", {1: ANNA})
    misspelt = {**WIFE, "last_name": "HARGREAVE"}
    now, linked = link("2026", {1: ANNA, 3: WIFE, 4: misspelt})
    assert went_on(linked)
    assert person(now, 3) == person(now, 4) != person(now, 1)


def test_a_corrected_record_moves_and_a_withdrawn_one_leaves(link, rows):
    before, _ = link("2025", {1: ANNA, 2: ANNA, 3: WIFE, 4: WIFE})
    now, linked = link("2026", {1: ANNA, 2: WIFE, 3: WIFE})
    assert went_on(linked)
    assert person(now, 1) == person(before, 1)
    assert person(now, 2) == person(now, 3) == person(before, 3)
    assert linked.counts["split", "medium"] == 1
    assert linked.counts["records_before", ""] == linked.counts["records", ""] + 1


def test_of_whom_nothing_is_left_is_withdrawn(link, rows):
    before, _ = link("2025", {1: ANNA, 2: WIFE})
    _, linked = link("2026", {1: ANNA})
    told = {row["previous_person"]: row["change"] for row in rows(linked.tables["crosswalk"])}
    assert told == {person(before, 2): "withdrawn"}
    assert linked.counts["withdrawn", "low"] == 1


def test_who_links_two_known_people_joins_one_and_the_other_is_queued(settings, link, rows):
    married = {**ANNA, "last_name": "HARGREAVES", "postcode": "EX4 4QJ"}
    known = {1: ANNA, 2: {**married, "pnc_id": None}}
    before, _ = link("2025", known)
    assert person(before, 1) != person(before, 2)
    # By the number she is the one, by everything else the other.
    now, linked = link("2026", {**known, 3: married})
    assert person(before, 1) == person(now, 1)
    assert person(before, 2) == person(now, 2)
    assert person(now, 3) in (person(now, 1), person(now, 2))
    assert sum(linked.counts["bridges", level] for level in LEVELS) >= 1
    bridges = tables.require(settings, BRIDGES, "2026")
    assert bridges.path.is_relative_to(settings.secure)
    (bridge,) = rows(bridges)
    assert bridge.keys() == {"level", "record_key", "other_record_key", "match_weight"}
    ends = {number_of(bridge["record_key"]), number_of(bridge["other_record_key"])}
    assert ends in ({1, 3}, {2, 3})
    # Linked from nothing they are one.
    whole, again = link("2026", {**known, 3: married}, relink=True)
    assert not went_on(again)
    assert person(whole, 1, "high") == person(whole, 2, "high")


def test_a_run_killed_once_links_stand_has_left_its_bridges(settings, link, rows, monkeypatch):
    married = {**ANNA, "last_name": "HARGREAVES", "postcode": "EX4 4QJ"}
    known = {1: ANNA, 2: {**married, "pnc_id": None}}
    link("2025", known)
    real = changes.publish

    def killed(*given):
        real(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(changes, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        link("2026", {**known, 3: married})
    monkeypatch.setattr(changes, "publish", real)
    _, linked = link("2026", {**known, 3: married})
    assert went_on(linked)
    assert len(rows(tables.require(settings, BRIDGES, "2026"))) == 1


def test_a_new_record_that_was_decided_on_is_linked_from_nothing(settings, link, tmp_path):
    file = tmp_path / "decisions.csv"
    rows = [COLUMNS, ("never", key_of(1), key_of(3), "two women", "A clerk")]
    file.write_text("".join(",".join(row) + "\n" for row in rows))
    sign(settings, "magistrates", file)
    misspelt = {**ANNA, "last_name": "WOLSTENHOLM"}
    link("2025", {1: ANNA})
    now, linked = link("2026", {1: ANNA, 3: misspelt})
    assert not went_on(linked)
    assert person(now, 1, "low") != person(now, 3, "low")


def test_a_crowded_block_finds_nobody_for_a_new_record(link):
    hostel = {
        number: {
            **CASE,
            "first_name": forename + "A",
            "last_name": surname + forename,
            "date_of_birth": WIFE["date_of_birth"],
            "postcode": WIFE["postcode"],
        }
        for number, (forename, surname) in enumerate(
            (forename, surname) for forename in "BCDFGHJKLM" for surname in "BCDFGHJKLM"
        )
    }
    _, first = link("2025", hostel)
    assert first.counts["pairs", "dob_postcode"] > 0
    _, linked = link("2026", {**hostel, 400: WIFE})
    assert went_on(linked)
    assert linked.counts["pairs", "dob_postcode"] == 0


def test_what_was_linked_from_nothing_stands(link):
    link("2025", {1: ANNA})
    records = {1: ANNA, 2: WIFE}
    link("2026", records, relink=True)
    _, linked = link("2026", records)
    assert not went_on(linked)


def test_other_code_or_too_much_change_links_from_nothing(link, monkeypatch):
    link("2025", {1: ANNA})
    _, linked = link(
        "2026", {number: {**ANNA, "postcode": f"LS{number} 2AB"} for number in range(1, 10)}
    )
    assert not went_on(linked)
    assert went_on(link("2026", {1: ANNA, 2: WIFE})[1])
    monkeypatch.setattr(publishing, "_code", lambda: "another")
    assert not went_on(link("2026", {1: ANNA, 2: WIFE})[1])


def test_an_installation_that_is_not_incremental_keeps_nothing(settings, link):
    link("2025", {1: ANNA}, incremental=False)
    assert not (settings.secure / "known").exists()
    assert not went_on(link("2026", {1: ANNA}, incremental=False)[1])


def test_what_is_known_lies_in_the_secure_zone_and_a_change_adds_to_it(settings, link):
    link("2025", {1: ANNA, 2: WIFE})
    key = TableKey.of("known", "magistrates")
    whole = tables.require(settings, key, "2025")
    assert whole.path.is_relative_to(settings.secure)
    link("2026", {1: ANNA, 2: {**WIFE, "postcode": "EX4 4QK"}, 3: ANNA})
    now = tables.require(settings, key, "2026")
    assert [(layer.rows, layer.dropped) for layer in now.layers] == [(whole.rows, 1), (2, 0)]
    assert now.path.is_relative_to(settings.secure)


def test_a_record_that_was_changed_back_is_found_again(link):
    first, _ = link("2025", {1: ANNA, 2: ANNA})
    second, _ = link("2026", {1: ANNA, 2: WIFE})
    third, linked = link("2027", {1: ANNA, 2: ANNA})
    assert went_on(linked)
    assert person(second, 2) != person(first, 2) == person(third, 2) == person(third, 1)


# A supply of three editions.


@pytest.fixture(scope="module")
def supplied_courts(tmp_path_factory):
    """An installation with the identities of three editions of magistrates' courts."""
    root = tmp_path_factory.mktemp("courts")
    made = Settings(
        root / "data", root / "keys", threads=2, memory_gib=2.0, incremental=True
    ).prepare()
    for key in ("2025", "2026", "2027"):
        make_supply(made, edition_of(key), people=900, seed=5, sources=("libra",))
        extract_source(made, key, "libra")
    return made


def history(settings):
    """Link every edition after the one before; what was made, by edition."""
    return {key: link_dataset(settings, key, "magistrates") for key in ("2025", "2026", "2027")}


def test_it_ends_where_a_linkage_from_nothing_does(supplied_courts):
    made = history(supplied_courts)
    assert [went_on(each) for each in made.values()] == [False, True, True]
    quality = {key: evaluate(supplied_courts, key, "magistrates") for key in made}
    relink = dataclasses.replace(supplied_courts, relink=True)
    for key in ("2026", "2027"):
        again = link_dataset(relink, key, "magistrates")
        assert not went_on(again)
        whole = evaluate(supplied_courts, key, "magistrates")
        for level in LEVELS:
            assert abs(quality[key].at(level).f1 - whole.at(level).f1) < 0.002
        pairs = [
            sum(n for (what, _), n in each.counts.items() if what == "pairs")
            for each in (made[key], again)
        ]
        assert pairs[0] < 0.2 * pairs[1]
        for what in ("records", "tuples", "unlinkable"):
            assert made[key].counts[what, ""] == again.counts[what, ""]


def test_the_same_history_gives_the_same_bytes_on_one_thread(supplied_courts, tmp_path):
    import shutil

    versions = []
    for threads in (1, 2):
        root = tmp_path / str(threads)
        shutil.copytree(supplied_courts.home, root / "data")
        shutil.rmtree(root / "data" / "warehouse" / "linkage", ignore_errors=True)
        shutil.rmtree(root / "data" / "secure" / "known", ignore_errors=True)
        made = history(
            dataclasses.replace(
                supplied_courts, home=root / "data", keys=supplied_courts.keys, threads=threads
            )
        )
        assert went_on(made["2027"])
        versions.append(
            {
                (key, part): table.version
                for key, each in made.items()
                for part, table in each.tables.items()
            }
        )
    assert versions[0] == versions[1]


def test_bridges_may_be_of_the_lenient_thresholds_alone():
    one, none = np.array([0]), np.array([], dtype=np.int64)
    found = Pairs(one, one + 1, np.array([350]))
    touched = SimpleNamespace(key=pa.array([key_of(1), key_of(2)]))
    with duckdb.connect() as connection:
        counts = _bridge(connection, touched, [Pairs(none, none, none), found, found])
        bridges = connection.execute("from bridges").fetchall()
    assert counts == {("bridges", "high"): 0, ("bridges", "medium"): 1, ("bridges", "low"): 1}
    assert bridges == [("medium", key_of(1), key_of(2), Decimal("3.50"))]
