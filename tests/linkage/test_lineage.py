"""Ids that last: who goes on under which key, and what is told of those who do not."""

from collections import Counter, defaultdict
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_identities import pnc

from datafirst_platform import tables
from datafirst_platform.engine import connect
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.lineage import CHANGES, inherit
from datafirst_platform.linkage.linking import link_across, link_dataset
from datafirst_platform.linkage.models import LEVELS, linkage_model
from datafirst_platform.linkage.publishing import table_key
from datafirst_platform.linkage.records import tables_of
from datafirst_platform.safe_errors import NotReady

EDITIONS = ("2025", "2026", "2027")


@st.composite
def two_editions(draw):
    """Records of both editions: their person before and now; and how old the keys are."""
    records = draw(st.integers(0, 40))
    person = st.lists(st.integers(0, 12), min_size=records, max_size=records)
    before, now = np.array(draw(person), dtype=int), np.array(draw(person), dtype=int)
    age = np.array(draw(st.lists(st.integers(0, 3), min_size=13, max_size=13)))
    return before, now, age


def greedy(before, now, age):
    """The rule in so many words: most records, oldest key, first before, first now."""
    shared = Counter(zip(before.tolist(), now.tolist(), strict=True))
    given_to, heirs = {}, {}
    for (one, other), _ in sorted(
        shared.items(), key=lambda each: (-each[1], age[each[0][0]], *each[0])
    ):
        if one not in given_to and other not in heirs:
            given_to[one], heirs[other] = other, one
    return shared, given_to, heirs


@given(two_editions())
def test_keys_go_where_most_records_go(editions):
    before, now, age = editions
    heir, moves = inherit(before, now, age, 13)
    shared, given_to, heirs = greedy(before, now, age)

    assert {other: one for other, one in enumerate(heir.tolist()) if one >= 0} == heirs
    assert len(set(heirs.values())) == len(heirs), "a key is used once"

    # Moves tell of everybody who shares records with several, and of nobody else.
    ends = [Counter(one for one, _ in shared), Counter(other for _, other in shared)]
    told = {
        (one, other): (records, CHANGES[change])
        for one, other, records, change in zip(
            *(each.tolist() for each in (moves.before, moves.now, moves.records, moves.change)),
            strict=True,
        )
    }
    assert set(told) == {
        (one, other) for one, other in shared if ends[0][one] > 1 or ends[1][other] > 1
    }
    by_person = defaultdict(list)
    for (one, other), (records, change) in told.items():
        assert records == shared[one, other]
        assert (change == "kept") == (given_to.get(one) == other)
        by_person[one].append((change, records))
    for one, parts in by_person.items():
        ended = [records for change, records in parts if change != "split"]
        assert len(ended) == 1
        if one not in given_to:
            assert ended[0] == max(records for _, records in parts)


@given(two_editions(), st.randoms())
def test_who_inherits_does_not_depend_on_the_order_of_records(editions, chance):
    before, now, age = editions
    order = list(range(len(before)))
    chance.shuffle(order)
    one, other = inherit(before, now, age, 13), inherit(before[order], now[order], age, 13)
    assert one[0].tolist() == other[0].tolist()
    for column in ("before", "now", "records", "change"):
        assert getattr(one[1], column).tolist() == getattr(other[1], column).tolist()


@given(two_editions())
def test_who_is_unchanged_keeps_the_key(editions):
    before, _, age = editions
    renamed = (before * 5 + 3) % 13
    heir, moves = inherit(before, renamed, age, 13)
    assert all(heir[(one * 5 + 3) % 13] == one for one in before.tolist())
    assert len(moves.before) == 0


# Over editions: people whose records are alike, so that who is one is beyond doubt.


def record(person):
    """A record of a made-up person: the same for the same person, like nobody else's."""
    return {
        "defendant_type": "P",
        "sex": "M",
        "first_name": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[person % 26] * 3 + "O",
        "last_name": "BCDFGHJKLMNPQRSTVWXZ"[person // 26 % 20] * 2 + "ARK",
        "date_of_birth": date(1930 + person % 60, 1 + person % 12, 1 + person % 28),
        "postcode": f"B{person % 9 + 1} {person % 10}AA",
        "pnc_id": pnc(1950 + person % 70, 1000 + person),
    }


@pytest.fixture
def link(settings, publish_identities, rows):
    """Link an edition of magistrates' records, given as record number to person."""

    def run(edition, people, dataset="magistrates"):
        table = linkage_model(dataset).members[0]
        publish_identities(
            table,
            [{"record_key": f"{key:032x}", **record(who)} for key, who in sorted(people.items())],
            edition,
        )
        linked = link_dataset(settings, edition, dataset)
        found = {int(row["record_key"], 16): row for row in rows(linked.tables["people"])}
        assert found.keys() == people.keys()
        return found, rows(linked.tables["crosswalk"]), linked

    return run


def told(crosswalk, level="medium"):
    """The crosswalk of a threshold by the two persons."""
    return {
        (row["previous_person"], row["person"]): (row["change"], row["records"])
        for row in crosswalk
        if row["level"] == level
    }


def test_people_as_they_were_keep_their_keys_against_any_number_of_others():
    # Of the first person two records were changed, and are the second's now.
    before, now = np.array([0, 1, 0, 0]), np.array([0, 1, 1, 1])
    age = np.zeros(2, dtype=np.int64)
    assert inherit(before, now, age, 2)[0].tolist() == [-1, 0]
    heir, moves = inherit(before, now, age, 2, firm=2)
    assert heir.tolist() == [0, 1]
    assert moves.records.tolist() == [1, 2, 1], "counts are of all records"


def test_a_first_edition_names_people_by_their_records_and_tells_of_no_change(link):
    found, crosswalk, linked = link("2025", {1: 7, 2: 7, 3: 8})
    assert [found[key]["person_low"] for key in (1, 2, 3)] == [f"{n:032x}" for n in (1, 1, 3)]
    assert {row[f"since_{level}"] for row in found.values() for level in LEVELS} == {2025}
    assert crosswalk == []
    assert ("kept", "medium") not in linked.counts


def test_a_merge_goes_on_under_the_key_of_most_records(link):
    before, _, _ = link("2025", {1: 1, 2: 2, 3: 2})
    now, crosswalk, linked = link("2026", {1: 2, 2: 2, 3: 2})
    kept, ended = before[2]["person_medium"], before[1]["person_medium"]
    assert {row["person_medium"] for row in now.values()} == {kept}
    assert told(crosswalk) == {(kept, kept): ("kept", 2), (ended, kept): ("merged", 1)}
    assert linked.counts["merged", "medium"] == linked.counts["records_moved", "medium"] == 1


def test_of_keys_with_as_many_records_the_oldest_goes_on(link):
    link("2025", {9: 1})
    second, _, _ = link("2026", {9: 1, 3: 2})
    third, crosswalk, _ = link("2027", {9: 1, 3: 1})
    assert third[3]["person_high"] == third[9]["person_high"] == second[9]["person_high"]
    assert third[3]["since_high"] == 2025
    assert sorted(change for change, _ in told(crosswalk).values()) == ["kept", "merged"]


def test_a_split_leaves_the_key_with_most_records_and_makes_one_nobody_bore(link):
    before, _, _ = link("2025", {1: 1, 2: 1, 3: 1})
    # The record the person is named after is the one that leaves.
    now, crosswalk, linked = link("2026", {1: 5, 2: 1, 3: 1})
    key = before[1]["person_high"]
    assert key == f"{1:032x}"
    assert now[2]["person_high"] == now[3]["person_high"] == key
    made = now[1]["person_high"]
    assert made not in {f"{n:032x}" for n in range(10)}
    assert now[1]["since_high"] == 2026
    assert told(crosswalk, "high") == {(key, key): ("kept", 2), (key, made): ("split", 1)}
    assert linked.counts["split", "high"] == linked.counts["parted", "high"] == 1
    # It stays theirs although it is no key of a record.
    third, crosswalk, _ = link("2027", {1: 5, 2: 1, 3: 1})
    assert {n: row["person_high"] for n, row in third.items()} == {
        n: row["person_high"] for n, row in now.items()
    }
    assert crosswalk == []


def test_new_and_withdrawn_people_are_told_and_a_key_is_not_given_again(link):
    before, _, _ = link("2025", {1: 1, 2: 2})
    now, crosswalk, _ = link("2026", {2: 2, 3: 3})
    gone, come = before[1]["person_low"], now[3]["person_low"]
    assert told(crosswalk, "low") == {(gone, None): ("withdrawn", 1), (None, come): ("new", 1)}
    # Who comes back has been away: what was the key of a person may be known outside.
    again, _, _ = link("2027", {1: 1, 2: 2, 3: 3})
    assert again[1]["person_low"] not in {gone, come}
    assert again[3]["person_low"] == come


def planted(seed, editions=3, people=120):
    """Record to person, edition by edition, with merges, splits, arrivals and withdrawals."""
    chance = np.random.default_rng(seed)
    records = {}
    for who in range(people):
        for _ in range(chance.integers(1, 4)):
            records[len(records)] = who
    made = [dict(records)]
    fresh, number = people, len(records)
    for _ in range(editions - 1):
        now = dict(made[-1])
        everyone = sorted(set(now.values()))
        touched = [int(each) for each in chance.permutation(everyone)[:24]]
        for one, other in zip(touched[:8], touched[8:16], strict=True):
            now = {key: other if who == one else who for key, who in now.items()}
        for who in touched[16:20]:
            theirs = [key for key, each in now.items() if each == who]
            for key in theirs[: len(theirs) // 2]:
                now[key] = fresh
            fresh += 1
        now = {key: who for key, who in now.items() if who not in touched[20:22]}
        for _ in range(5):
            now[number], fresh, number = fresh, fresh + 1, number + 1
        made.append(now)
    return made


@pytest.mark.parametrize("seed", [1, 2])
def test_every_planted_merge_and_split_is_found_over_three_editions(link, seed):
    editions = planted(seed)
    earlier, linked_before, borne = None, None, set()
    for edition, people in zip(EDITIONS, editions, strict=True):
        linked, crosswalk, made = link(edition, people)
        key_of = {}
        for number, who in people.items():
            assert (
                key_of.setdefault(who, linked[number]["person_medium"])
                == (linked[number]["person_medium"])
            )
        assert len(set(key_of.values())) == len(key_of), "a key names one person"
        if earlier is not None:
            shared = Counter(
                (linked_before[number]["person_medium"], linked[number]["person_medium"])
                for number in people.keys() & earlier.keys()
            )
            keys_before = {row["person_medium"] for row in linked_before.values()}
            keys_now = {row["person_medium"] for row in linked.values()}
            found = told(crosswalk)
            # Whom the crosswalk does not mention has all the records they had.
            for (was, now), records in shared.items():
                if was != now:
                    assert found[was, now] == (found[was, now][0], records)
                    assert found[was, now][0] in ("merged", "split")
            for was in keys_before - {one for one, _ in found}:
                assert [now for one, now in shared if one == was] == [was]
            new = {now for was, now in found if was is None}
            withdrawn = {was for was, now in found if now is None}
            assert new == keys_now - {now for _, now in shared}
            assert withdrawn == keys_before - {was for was, _ in shared}
            assert not (keys_now - keys_before) & borne, "a key that was given up stays so"
            counts = made.counts
            assert counts["before", "medium"] == len(keys_before)
            assert counts["kept", "medium"] == len(keys_before & keys_now)
            assert counts["people", "medium"] == len(keys_now)
            merged = {was for was, now in found if found[was, now][0] == "merged"}
            assert counts["merged", "medium"] == len(merged) >= 1
            assert counts["split", "medium"] >= 1
        borne |= {row["person_medium"] for row in linked.values()}
        earlier, linked_before = people, linked


def test_people_across_datasets_keep_their_keys_too(settings, publish_identities, link, rows):
    def both(edition, magistrates, crown):
        link(edition, magistrates)
        publish_identities(
            "xhibit_defendants_on_case",
            [
                {
                    "record_key": f"f{key:031x}",
                    "is_company": "N",
                    "surname": made["last_name"],
                    "gender": "1",
                    **{each: made[each] for each in ("first_name", "date_of_birth", "postcode")},
                    "pnc_id": made["pnc_id"],
                }
                for key, made in ((key, record(who)) for key, who in sorted(crown.items()))
            ],
            edition,
        )
        members = linkage_model("cross_justice").members
        for dataset in members[members.index("crown") + 1 :]:
            for table in tables_of(linkage_model(dataset)):
                publish_identities(table, [], edition)
        for dataset in members:
            link_dataset(settings, edition, dataset)
        linked = link_across(settings, edition, "cross_justice")
        found = rows(linked.tables["people"])
        return {
            (row["source_dataset"], int(row["record_key"][1:], 16)): row["person_medium"]
            for row in found
        }, told(rows(linked.tables["crosswalk"]))

    first, none = both("2025", {1: 1, 2: 2}, {1: 1, 4: 9})
    assert none == {}
    assert first["magistrates", 1] == first["crown", 1] != first["crown", 4]
    # The record both are named after is corrected: it is somebody else's.
    second, found = both("2026", {1: 30, 2: 2}, {1: 1, 4: 9, 5: 1})
    assert second["crown", 1] == second["crown", 5]
    assert second["magistrates", 1] != second["crown", 1]
    assert first["magistrates", 1] in (second["magistrates", 1], second["crown", 1])
    assert second["magistrates", 2] == first["magistrates", 2]
    assert second["crown", 4] == first["crown", 4]
    assert sorted(change for change, _ in found.values()) == ["kept", "split"]


def test_the_same_history_gives_the_same_bytes(settings, link, monkeypatch):
    from datafirst_platform.linkage import linking

    first, second, _ = planted(3)
    link("2025", first)
    _, _, made = link("2026", second)
    monkeypatch.setattr(linking, "standing", lambda *_: None)
    _, _, again = link("2026", second)
    assert {part: each.version for part, each in made.tables.items()} == {
        part: each.version for part, each in again.tables.items()
    }


def test_another_past_is_another_recipe(settings, link):
    link("2025", {1: 1, 2: 1})
    _, _, linked = link("2026", {1: 1, 2: 1})
    label = "before/linkage/magistrates_people"
    assert label in linked.tables["people"].inputs
    link("2025", {1: 1, 2: 2})
    _, _, after = link("2026", {1: 1, 2: 1})
    assert after.tables["people"].inputs[label] != linked.tables["people"].inputs[label]


def test_the_crosswalk_lies_in_the_secure_zone_and_holds_keys_alone(settings, link):
    _, _, linked = link("2025", {1: 1})
    crosswalk = linked.tables["crosswalk"]
    assert crosswalk.key == TableKey.of("restricted", "magistrates_crosswalk")
    assert crosswalk.path.is_relative_to(settings.secure)
    assert [column for column, _ in crosswalk.columns] == [
        "level", "previous_person", "person", "change", "records",
    ]  # fmt: skip


def test_people_without_the_age_of_their_keys_have_to_be_linked_again(settings, link):
    with connect(settings) as connection:
        tables.publish(
            settings,
            connection,
            table_key("magistrates", "people"),
            "2025",
            "select 'a' as record_key, 'a' as person_high, 'a' as person_medium, 'a' as person_low",
            recipe="old",
            inputs={},
        )
    with pytest.raises(NotReady, match="run `datafirst refresh 2025` first"):
        link("2026", {1: 1})


def test_no_model_of_dbt_reads_what_is_restricted():
    from datafirst_platform.marts.project import read_manifest, source_key

    manifest = read_manifest()
    stages = {source_key(manifest, each).stage for each in manifest["sources"]}
    assert "restricted" not in stages
