"""Clusters of records from scored pairs, on integer arrays.

What belongs here: connected components and the guarded merging of clusters. What does not: SQL,
keys, people. Every function is deterministic and independent of the order of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.integer[Any]]


HUNDREDTHS = 100
"""Match weights are clustered and published in hundredths: float noise ends here."""


@dataclass(frozen=True)
class Pairs:
    """Scored pairs of records.

    Attributes:
        left: one record's number, from 0.
        right: the other's.
        weight: match weight in hundredths.
    """

    left: Ints
    right: Ints
    weight: Ints


@dataclass(frozen=True)
class Unlikely:
    """When a cluster is unlikely to be one person.

    Attributes:
        more_than: records it holds, each with identifiers of its own.
        years_apart: between its years of birth.
        years_apart_of_two_sexes: the same where its records are of both sexes.
        raised: what a link must weigh above the threshold, in hundredths, to make such a cluster
            nevertheless.
    """

    more_than: int
    years_apart: int
    years_apart_of_two_sexes: int
    raised: int


@dataclass(frozen=True)
class Likelihood:
    """What records tell of a person, to judge clusters by.

    Attributes:
        rule: which clusters are unlikely.
        sex: of every record 1 or 2, 0 where not known.
        birth_year: of every record, 0 where not known.
    """

    rule: Unlikely
    sex: NDArray[np.uint8]
    birth_year: NDArray[np.int16]


@dataclass(frozen=True)
class Guard:
    """What keeps two clusters apart although a pair links them.

    Attributes:
        member: number of the dataset each record is from. Pairs within a dataset count as possible
            links only where there is one dataset.
        holder: records that carry a police identifier.
        identifier: what each of them carries, as a number from 0.
        apart: two arrays of records that have been decided never to be one person, pair by pair.
        likelihood: what makes a cluster unlikely to be one person, if anything does.
    """

    member: Ints
    holder: Ints
    identifier: Ints
    apart: tuple[Ints, Ints] | None = None
    likelihood: Likelihood | None = None


def clusters(
    pairs: Pairs, thresholds: Sequence[int], guard: Guard, given: Sequence[Ints] = ()
) -> list[Ints]:
    """Cluster at every threshold, strictest first; each result refines the next.

    The first threshold takes connected components, parted where police identifiers contradict each
    other: a record with neither number nor date of birth may link to a father and to his son.
    Components at a weak threshold chain strangers together, so below it two clusters merge
    strongest pair first, and only if at least half of the links there could be between them were
    seen and their police identifiers do not contradict each other. What would be unlikely to be one
    person takes a stronger link, and records decided to be apart are never in one cluster.

    Args:
        pairs: with any weights; those below the last threshold are not used.
        thresholds: in hundredths, falling.
        guard: datasets and police identifiers of the records.
        given: partitions that may not be split, one a threshold, as labels.

    Returns:
        One array a threshold: for every record the smallest record of its cluster.
    """
    import numpy as np

    labels: Ints = np.arange(len(guard.member), dtype=np.int64)
    found = []
    for step, threshold in enumerate(thresholds):
        if given:
            labels = _components(labels, given[step])
        reached = pairs.weight >= threshold
        links = Pairs(pairs.left[reached], pairs.right[reached], pairs.weight[reached])
        if step == 0:
            labels = _join(labels, links, guard, threshold)
        else:
            labels = _merge(labels, links, guard, threshold, half=True)
        found.append(labels)
    return found


def one_to_one(pairs: Pairs) -> Ints:
    """The pairs, by position, that link every record at most once: the strongest first.

    Ties go to the smaller left record, then to the smaller right one.
    """
    import numpy as np

    order = np.lexsort((pairs.right, pairs.left, -pairs.weight))
    chosen: Ints = np.empty(0, dtype=np.int64)
    while len(order):
        mutual = _mutually_best(pairs.left[order], pairs.right[order])
        taken = order[mutual]
        chosen = np.concatenate([chosen, taken])
        free = ~(
            np.isin(pairs.left[order], pairs.left[taken])
            | np.isin(pairs.right[order], pairs.right[taken])
        )
        order = order[free]
    return np.sort(chosen)


def _mutually_best(one: Ints, other: Ints) -> NDArray[np.bool_]:
    """Which pairs, listed best first, come first for both their sides.

    The sides are numbered from 0 and may share numbers only if they mean the same thing.
    """
    import numpy as np

    rank = np.arange(len(one))
    foremost = np.full(int(max(one.max(), other.max())) + 1, len(one))
    np.minimum.at(foremost, one, rank)
    np.minimum.at(foremost, other, rank)
    mutual: NDArray[np.bool_] = (foremost[one] == rank) & (foremost[other] == rank)
    return mutual


def joined(labels: Ints, left: Ints, right: Ints) -> Ints:
    """Components of the clusters once these records are joined, named by their smallest record."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(labels)
    own = np.flatnonzero(labels != np.arange(n))
    one = np.concatenate([left, own]).astype(np.int32)
    other = np.concatenate([right, labels[own]]).astype(np.int32)
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(n, n))
    number, component = connected_components(graph.tocsr(), directed=False)
    # Of several records the last to be set stays.
    smallest = np.empty(number, dtype=np.int64)
    smallest[component[::-1]] = np.arange(n)[::-1]
    named: Ints = smallest[component]
    return named


def _components(labels: Ints, other: Ints) -> Ints:
    """The finest partition that both refine."""
    import numpy as np

    return joined(labels, np.arange(len(other), dtype=np.int64), other)


def _join(labels: Ints, links: Pairs, guard: Guard, threshold: int) -> Ints:
    """Components of the links; those that are doubtful are merged link by link."""
    import numpy as np

    whole = joined(labels, links.left, links.right)
    doubtful = _doubtful(whole, guard)[whole]
    if not doubtful.any():
        return whole
    among = doubtful[links.left]
    few = Pairs(links.left[among], links.right[among], links.weight[among])
    merged = _merge(labels, few, guard, threshold, half=False)
    return np.where(doubtful, merged, whole)


def _doubtful(labels: Ints, guard: Guard) -> NDArray[np.bool_]:
    """Clusters that hold several police identifiers, are unlikely, or hold whom is to be apart."""
    import numpy as np

    kinds = int(guard.identifier.max(initial=0)) + 1
    carried = np.unique(labels[guard.holder] * np.int64(kinds) + guard.identifier) // kinds
    doubtful = np.zeros(len(labels), dtype=bool)
    doubtful[carried[1:][carried[1:] == carried[:-1]]] = True
    if guard.apart is not None:
        one, other = (labels[side] for side in guard.apart)
        doubtful[one[one == other]] = True
    if guard.likelihood is not None:
        doubtful |= _Portrait.of(labels, guard.likelihood).is_unlikely(guard.likelihood.rule)
    return doubtful


@dataclass(frozen=True)
class _Portrait:
    """What the records of clusters tell together, by label.

    Attributes:
        size: records with identifiers of their own.
        sexes: 1, 2, or 3 for both; 0 where not known.
        first: the earliest year of birth; the largest number where not known.
        last: the latest; 0 where not known.
    """

    size: Ints
    sexes: NDArray[np.uint8]
    first: NDArray[np.int16]
    last: NDArray[np.int16]

    @classmethod
    def of(cls, labels: Ints, told: Likelihood) -> _Portrait:
        import numpy as np

        first = np.where(told.birth_year > 0, told.birth_year, np.iinfo(np.int16).max)
        last, sexes = told.birth_year.copy(), told.sex.copy()
        size = np.bincount(labels, minlength=len(labels))
        # Most records are a cluster of their own.
        moved = np.flatnonzero(labels != np.arange(len(labels)))
        whose = labels[moved]
        np.minimum.at(first, whose, first[moved])
        np.maximum.at(last, whose, last[moved])
        np.bitwise_or.at(sexes, whose, sexes[moved])
        return cls(size, sexes, first, last)

    def together(self, low: Ints, high: Ints) -> _Portrait:
        """What each of the first and each of the second tell together, by place."""
        import numpy as np

        return _Portrait(
            self.size[low] + self.size[high],
            self.sexes[low] | self.sexes[high],
            np.minimum(self.first[low], self.first[high]),
            np.maximum(self.last[low], self.last[high]),
        )

    def is_unlikely(self, rule: Unlikely) -> NDArray[np.bool_]:
        """Which of the clusters are unlikely to be one person."""
        import numpy as np

        most = np.where(self.sexes == _BOTH, rule.years_apart_of_two_sexes, rule.years_apart)
        unlikely: NDArray[np.bool_] = (self.size > rule.more_than) | (self.last - self.first > most)
        return unlikely


_BOTH = 3
SEXES = "(case sex when 'male' then 1 when 'female' then 2 else 0 end)::utinyint"
"""SQL of `Likelihood.sex` over standard records."""


def may_be_one(
    labels: Ints,
    low: Ints,
    high: Ints,
    best: Ints,
    threshold: int,
    told: Likelihood,
    size: Ints | None = None,
) -> NDArray[np.bool_]:
    """Which of two clusters each are likely to be one person, or linked well enough to be.

    Args:
        labels: the cluster of every record.
        low: one cluster of each two.
        high: the other.
        best: the weight of their strongest link, in hundredths.
        threshold: from which a link counts, in hundredths.
        told: of every record.
        size: of every cluster, where not each of its records has identifiers of its own.
    """
    portrait = _Portrait.of(labels, told)
    if size is not None:
        portrait = replace(portrait, size=size)
    unlikely = portrait.together(low, high).is_unlikely(told.rule)
    allowed: NDArray[np.bool_] = ~unlikely | (best >= threshold + told.rule.raised)
    return allowed


def _merge(labels: Ints, links: Pairs, guard: Guard, threshold: int, *, half: bool) -> Ints:
    """Merge clusters by their strongest allowed links, in rounds of mutually best pairs.

    `half` asks for half of the links there could be between two clusters.
    """
    one, other = labels[links.left], labels[links.right]
    apart = one != other
    if not apart.any():
        return labels
    between = Pairs(links.left[apart], links.right[apart], links.weight[apart])
    nodes, linked, between, few = outward(labels, between, guard)
    merged = _rounds(linked, between, few, threshold, half=half)
    becomes = labels.copy()
    becomes[nodes] = nodes[merged]
    return becomes


def outward(labels: Ints, links: Pairs, guard: Guard) -> tuple[Ints, Ints, Pairs, Guard]:
    """Leave alone all clusters but those with a link to another: they are few.

    Args:
        labels: of every record its cluster, named by one of its records.
        links: between clusters, by record.
        guard: what keeps clusters apart, by record.

    Returns:
        The records of these clusters; and labels, links and guard by place among these.
    """
    import numpy as np

    linked = np.zeros(len(labels), dtype=bool)
    linked[labels[links.left]] = linked[labels[links.right]] = True
    nodes = np.flatnonzero(linked[labels])
    place = np.zeros(len(labels), dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    carries = linked[labels[guard.holder]]
    few = Guard(guard.member[nodes], place[guard.holder[carries]], guard.identifier[carries])
    if guard.apart is not None:
        one, other = guard.apart
        both = linked[labels[one]] & linked[labels[other]]
        few = replace(few, apart=(place[one[both]], place[other[both]]))
    if guard.likelihood is not None:
        told = guard.likelihood
        few = replace(
            few, likelihood=replace(told, sex=told.sex[nodes], birth_year=told.birth_year[nodes])
        )
    between = Pairs(place[links.left], place[links.right], links.weight)
    return nodes, place[labels[nodes]], between, few


def _rounds(labels: Ints, links: Pairs, guard: Guard, threshold: int, *, half: bool) -> Ints:
    """Merge clusters that link to each other better than to any other, until none does."""
    import numpy as np

    n = len(labels)
    left, right, weight = links.left, links.right, links.weight
    members = int(guard.member.max()) + 1
    told = guard.likelihood
    while True:
        one, other = labels[left], labels[right]
        apart = one != other
        left, right, weight = left[apart], right[apart], weight[apart]
        if not len(left):
            return labels
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        order = np.lexsort((-weight, high, low))
        low, high, best = low[order], high[order], weight[order]
        first = np.flatnonzero(np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])])
        seen = np.diff(np.r_[first, len(low)])
        low, high, best = low[first], high[first], best[first]

        if half:
            size = np.bincount(labels * members + guard.member, minlength=n * members)
            size = size.reshape(n, members)
            possible = size[low].sum(axis=1) * size[high].sum(axis=1)
            if members > 1:
                possible -= (size[low] * size[high]).sum(axis=1)
            allowed = 2 * seen >= possible
            low, high, best = low[allowed], high[allowed], best[allowed]
        kept = ~(_contradict(labels, low, high, guard) | _decided(labels, low, high, guard))
        if told is not None:
            kept &= may_be_one(labels, low, high, best, threshold, told)
        low, high, best = low[kept], high[kept], best[kept]
        if not len(low):
            return labels

        order = np.lexsort((high, low, -best))
        low, high = low[order], high[order]
        mutual = _mutually_best(low, high)
        becomes = np.arange(n)
        becomes[high[mutual]] = low[mutual]
        labels = becomes[labels]


def _contradict(labels: Ints, low: Ints, high: Ints, guard: Guard) -> NDArray[np.bool_]:
    """Whether two clusters both carry police identifiers and share none."""
    import numpy as np

    kinds = int(guard.identifier.max(initial=0)) + 1
    carried = np.unique(labels[guard.holder] * np.int64(kinds) + guard.identifier)
    cluster = carried // kinds
    start, stop = np.searchsorted(cluster, low), np.searchsorted(cluster, low, side="right")
    other = np.searchsorted(cluster, high, side="right") - np.searchsorted(cluster, high)
    number = stop - start
    # Every identifier of the one, looked up among those of the other.
    candidate = np.repeat(np.arange(len(low)), number)
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    wanted = high[candidate] * np.int64(kinds) + carried[start[candidate] + offset] % kinds
    at = np.searchsorted(carried, wanted)
    found = np.zeros(len(wanted), dtype=bool)
    inside = at < len(carried)
    found[inside] = carried[at[inside]] == wanted[inside]
    shared = np.bincount(candidate[found], minlength=len(low)) > 0
    contradict: NDArray[np.bool_] = (number > 0) & (other > 0) & ~shared
    return contradict


def _decided(labels: Ints, low: Ints, high: Ints, guard: Guard) -> NDArray[np.bool_]:
    """Whether two clusters hold records that have been decided to be apart."""
    import numpy as np

    if guard.apart is None:
        return np.zeros(len(low), dtype=bool)
    n = np.int64(len(labels))
    one, other = (labels[side] for side in guard.apart)
    decided = np.minimum(one, other) * n + np.maximum(one, other)
    apart: NDArray[np.bool_] = np.isin(low * n + high, decided)
    return apart
