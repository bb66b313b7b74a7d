"""Ids that last: who of the edition before a person is, and under which key they go on.

What belongs here: the rule by which clusters inherit the keys of people, the keys of those who
inherit none, and the crosswalk that tells what became of whom. What does not: which records are of
one person (`clusters.py`), and the ids a release shows.

A person's key is a name and says nothing. In the first edition of a linkage it is the smallest
record key of the cluster. From then on a cluster goes on under the key that most of its records
bore; of keys that as many bore the oldest is taken, then the one that comes first in the table of
the edition before, and of clusters that claim a key with as many records the one with the smallest
record key. No key is given to two, and one that is given up is never given again: who inherits
nothing gets a key made of the edition and their smallest record key. Where a linkage goes on from
people as they were, these keep their keys, however many changed records join or leave them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from datafirst_platform import editions, tables
from datafirst_platform.engine import text
from datafirst_platform.identity import PSEUDONYM_LENGTH
from datafirst_platform.linkage.clusters import Pairs, one_to_one
from datafirst_platform.linkage.models import LEVELS
from datafirst_platform.linkage.publishing import Counts, table_key
from datafirst_platform.safe_errors import NotReady
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datafirst_platform.linkage.clusters import Ints

CHANGES = ("kept", "merged", "split", "new", "withdrawn")
"""What the crosswalk says of a person before and a person now."""

_KEPT, _MERGED, _SPLIT, _NEW, _WITHDRAWN = range(len(CHANGES))


@dataclass(frozen=True)
class Earlier:
    """People of the edition before.

    Attributes:
        read: column of their table (`person_high`, `since_high`, …) to its values (Arrow).
        records: how many records they have.
        row: of every record that this edition holds too, its row there.
        now: where its key stands now.
        firm: how many of these, the first, are as they were: their people keep the key they bear,
            whatever changed records join or leave them.
    """

    read: Callable[[str], pa.Array]
    records: int
    row: Ints
    now: Ints
    firm: int = 0


@dataclass(frozen=True)
class Moves:
    """What became of people who share records with more than one person of the other edition.

    Attributes:
        before: a person of the edition before.
        now: a person of this one who has records of theirs.
        records: how many.
        change: place in `CHANGES`: `kept` where the key goes along, `merged` where it is given up
            and most of its records went here, `split` for every other part.
    """

    before: Ints
    now: Ints
    records: Ints
    change: Ints


@dataclass(frozen=True)
class PersonKeys:
    """Keys of people by their smallest record: most are that record's own, and not held twice.

    Attributes:
        keys: record keys (Arrow).
        number: for every record the place of its person's key among `others`, -1 where it is the
            record's own.
        others: keys (Arrow).
    """

    keys: pa.Array
    number: NDArray[np.int32]
    others: pa.Array

    @property
    def type(self) -> pa.DataType:
        """Of the texts."""
        return self.keys.type

    def take(self, at: pa.Array) -> pa.Array:
        """The keys of the people of these smallest records (Arrow)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        number = self.number[at.to_numpy()]
        is_other = number >= 0
        if not is_other.any():
            return self.keys.take(at)
        others = self.others.take(pa.array(number[is_other]))
        return pc.replace_with_mask(self.keys.take(at), pa.array(is_other), others)


@dataclass(frozen=True)
class Names:
    """What people are called at one threshold.

    Attributes:
        keys: for every record that is the smallest of its person the person's key.
        since: for the same the place of the edition the key is from.
    """

    keys: PersonKeys
    since: NDArray[np.int16]


@dataclass(frozen=True)
class Lineage:
    """What the people of an edition are called.

    Attributes:
        levels: names by threshold.
        editions: years (Arrow), in order.
        counts: what became of the people before; empty where there were none.
    """

    levels: tuple[Names, ...]
    editions: pa.Array
    counts: Counts


def people_before(settings: Settings, edition: str, dataset: str) -> TableVersion | None:
    """The people whose keys an edition goes on with: those of the edition before, if linked.

    Raises:
        NotReady: they were published without the age of their keys.
    """
    earlier = editions.before(edition)
    found = tables.current(settings, table_key(dataset, "people"), earlier.key) if earlier else None
    if (
        found is not None
        and not {f"since_{level}" for level in LEVELS} <= dict(found.columns).keys()
    ):
        msg = (
            f"{found.key} of edition {found.edition} does not say since when its keys are borne: "
            f"run `datafirst refresh {found.edition}` first."
        )
        raise NotReady(msg)
    return found


def inherit(before: Ints, now: Ints, age: Ints, people: int, firm: int = 0) -> tuple[Ints, Moves]:
    """Give the keys of people before to people now.

    Args:
        before: for every record of both editions its person before, numbered from 0.
        now: its person now, numbered from 0.
        age: for every person before how old the key is, the oldest least.
        people: one more than the largest number of a person now.
        firm: how many records, the first, decide before all others.

    Returns:
        For every person now the person before whose key goes on, -1 where there is none; and the
        moves between people of whom one shares records with several.
    """
    import numpy as np

    heir: Ints = np.full(people, -1, dtype=np.int64)
    last = np.zeros(len(age), dtype=np.int64)
    last[before] = now
    torn = np.zeros(len(age), dtype=bool)
    torn[before[last[before] != now]] = True
    source = np.zeros(people, dtype=np.int64)
    source[now] = before
    gathered = np.zeros(people, dtype=bool)
    gathered[now[source[now] != before]] = True
    # Nearly everyone shares records with one person alone.
    plain = ~(torn[before] | gathered[now])
    heir[now[plain]] = before[plain]

    pairs, which, records = np.unique(
        before[~plain] * np.int64(people) + now[~plain], return_inverse=True, return_counts=True
    )
    decisive = np.bincount(which[: int((~plain[:firm]).sum())], minlength=len(pairs))
    one, other = pairs // people, pairs % people
    # Numbered by age, so that the smaller of two numbers is the older key; then apart from the now.
    people_one, place_one = np.unique(one, return_inverse=True)
    rank = np.empty(len(people_one), dtype=np.int64)
    rank[np.lexsort((people_one, age[people_one]))] = np.arange(len(people_one))
    _, place_other = np.unique(other, return_inverse=True)
    left, right = rank[place_one], len(people_one) + place_other
    chosen = one_to_one(Pairs(left, right, records + decisive * len(now)))
    heir[other[chosen]] = one[chosen]

    change = np.full(len(pairs), _SPLIT, dtype=np.int64)
    given_up = np.ones(len(people_one), dtype=bool)
    given_up[place_one[chosen]] = False
    order = np.lexsort((right, -records, place_one))
    foremost = order[np.r_[True, np.diff(place_one[order]) > 0][: len(order)]]
    change[foremost[given_up[place_one[foremost]]]] = _MERGED
    change[chosen] = _KEPT
    return heir, Moves(one, other, records, change)


def earlier_people(
    connection: duckdb.DuckDBPyConnection,
    before: TableVersion | None,
    place: Ints,
    members: Sequence[str] = (),
) -> Earlier | None:
    """All people of the edition before, with the records they share with `records`.

    Args:
        connection: with `records` (`records.load_records`).
        before: the people of the edition before.
        place: for every id of `records` where its key stands among those that are published.
        members: datasets, where people are of several.
    """
    import numpy as np
    import pyarrow as pa

    if before is None:
        return None
    of = "true"
    if members:
        listed = ", ".join(text(each) for each in members)
        of = f"list_position([{listed}], earlier.source_dataset) = records.member + 1"
    found = connection.execute(
        f"""select earlier.row as row, records.id as id
        from {before.numbered()} as earlier
        inner join records on earlier.record_key = records.record_key and {of}"""
    ).fetchnumpy()
    stands = before.stands()
    at = np.cumsum(stands) - 1
    standing = None if stands.all() else pa.array(stands)

    def read(column: str) -> pa.Array:
        values = before.read(column)
        return values if standing is None else values.filter(standing)

    return Earlier(
        read,
        before.rows,
        at[np.asarray(found["row"], dtype=np.int64)],
        place[np.asarray(found["id"])],
    )


def lineage(
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    before: Earlier | None,
    keys: pa.Array,
    smallest: Sequence[Ints],
) -> Lineage:
    """Name the people of every record, and make `crosswalk` of what became of those before.

    `crosswalk` (level, previous_person, person, change, records) tells of those whose records were
    parted or joined, of who is new and of who is withdrawn. Whoever it does not tell of is who they
    were. Where there is no edition before it is empty.

    Args:
        connection: gets the table.
        edition: partition key.
        before: the people of the edition before.
        keys: record keys (Arrow), in the order in which people are published.
        smallest: by threshold, for every record where the smallest record key of its person stands.
    """
    import numpy as np
    import pyarrow as pa

    connection.execute(
        "create or replace temp table crosswalk (level varchar, previous_person varchar, "
        "person varchar, change varchar, records bigint)"
    )
    if before is None:
        own = PersonKeys(keys, np.full(len(keys), -1, dtype=np.int32), keys.slice(0, 0))
        names = Names(own, np.zeros(len(keys), dtype=np.int16))
        return Lineage(tuple(names for _ in smallest), pa.array([int(edition)], pa.int16()), {})
    row, now = before.row, before.now
    listed = sorted({int(edition), *_editions(before)})
    counts: Counts = {("records_before", ""): before.records, ("records_kept", ""): len(row)}
    levels = []
    for level, named in zip(LEVELS, smallest, strict=True):
        code, known, age = _people(before, level, listed)
        heir, moves = inherit(code[row], named[now], age, len(keys), before.firm)
        names = _names(connection, edition, listed, keys, known, age, heir, named)
        levels.append(names)
        size = np.bincount(code, minlength=len(known)), np.bincount(named, minlength=len(keys))
        new = _without(size[1], named[now])
        withdrawn = _without(size[0], code[row])
        told = [
            _told(known, moves.before, names.keys, moves.now, moves.change, moves.records),
            _told(None, new, names.keys, new, [_NEW], size[1][new]),
            _told(known, withdrawn, None, withdrawn, [_WITHDRAWN], size[0][withdrawn]),
        ]
        connection.register("told", pa.concat_tables(told))
        connection.execute(f"insert into crosswalk select {text(level)}, * from told")
        connection.unregister("told")
        became = {
            "before": len(known),
            "kept": int((heir >= 0).sum()),
            "merged": int((moves.change == _MERGED).sum()),
            "split": len(np.unique(moves.before[moves.change == _SPLIT])),
            "withdrawn": len(withdrawn),
            "new": len(new),
            "parted": int(((size[1] > 0) & (heir < 0)).sum()) - len(new),
            "records_moved": int(moves.records[moves.change != _KEPT].sum()),
        }
        counts |= {(measure, level): value for measure, value in became.items()}
    return Lineage(tuple(levels), pa.array(listed, pa.int16()), counts)


def _editions(before: Earlier) -> set[int]:
    """The years the keys of people before are from."""
    import pyarrow.compute as pc

    found = (pc.unique(before.read(f"since_{level}")).to_pylist() for level in LEVELS)
    return {edition for each in found for edition in each}


def _people(before: Earlier, level: str, listed: Sequence[int]) -> tuple[Ints, pa.Array, Ints]:
    """For every record before its person, numbered; by number the keys, and how old they are."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    person = before.read(f"person_{level}").dictionary_encode()
    since = before.read(f"since_{level}")
    code = person.indices.to_numpy().astype(np.int64)
    age = np.zeros(len(person.dictionary), dtype=np.int64)
    age[code] = pc.index_in(since, value_set=pa.array(listed, pa.int16())).to_numpy()
    return code, person.dictionary, age


def _names(
    connection: duckdb.DuckDBPyConnection,
    edition: str,
    listed: Sequence[int],
    keys: pa.Array,
    known: pa.Array,
    age: Ints,
    heir: Ints,
    smallest: Ints,
) -> Names:
    """The keys of people: those inherited, and new ones for the others."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    there = np.zeros(len(keys), dtype=bool)
    there[smallest] = True
    heirs, others = np.flatnonzero(heir >= 0), np.flatnonzero(there & (heir < 0))
    inherited = known.take(pa.array(heir[heirs]))
    differs = pc.not_equal(inherited, keys.take(pa.array(heirs)))
    renamed = np.concatenate([heirs[differs.to_numpy(zero_copy_only=False)], others])
    called = pa.concat_arrays(
        [inherited.filter(differs), _made(connection, edition, keys.take(pa.array(others)))]
    )
    number = np.full(len(keys), -1, dtype=np.int32)
    number[renamed] = np.arange(len(renamed))
    since = np.full(len(keys), listed.index(int(edition)), dtype=np.int16)
    since[heirs] = age[heir[heirs]]
    return Names(PersonKeys(keys, number, called), since)


def _made(connection: duckdb.DuckDBPyConnection, edition: str, smallest: pa.Array) -> pa.Array:
    """Keys nobody has borne, made of the edition and the smallest record keys of people (Arrow)."""
    import numpy as np
    import pyarrow as pa

    connection.register("nameless", pa.table({"place": np.arange(len(smallest)), "key": smallest}))
    made = connection.sql(
        f"select left(sha256({text(edition)} || '|' || key), {PSEUDONYM_LENGTH}) as key "
        "from nameless order by place"
    ).to_arrow_table()
    connection.unregister("nameless")
    return made["key"].combine_chunks()


def _without(size: Ints, borne: Ints) -> Ints:
    """The people of an edition, by number, who have records but none of these."""
    import numpy as np

    there = size > 0
    there[borne] = False
    return np.flatnonzero(there)


def _told(
    known: pa.Array | None,
    before: Ints,
    keys: PersonKeys | None,
    now: Ints,
    change: Sequence[int] | Ints,
    records: Ints,
) -> pa.Table:
    """Rows of the crosswalk; without a key on the side where there is nobody."""
    import numpy as np
    import pyarrow as pa

    nobody = pa.nulls(len(records), pa.string())
    changes = np.broadcast_to(np.asarray(change, dtype=np.int64), len(records))
    return pa.table(
        {
            "previous_person": nobody if known is None else known.take(pa.array(before)),
            "person": nobody if keys is None else keys.take(pa.array(now)),
            "change": pa.array(CHANGES).take(pa.array(changes)),
            "records": pa.array(records, pa.int64()),
        }
    )
