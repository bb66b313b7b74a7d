"""What is said of the quality of links: precision, recall and F1.

What belongs here: the figures and what follows from them. What does not: counting, which
`evaluation.py` and `subgroups.py` do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """Pairs of records: linked, and truly of one person.

    Attributes:
        scope: what is counted: `all` pairs; `cross`, pairs across datasets only; `cases`; `pass`,
            pairs of one pass; `up to pass`, of it and all before; or those of a group, such as
            `sex: female`.
        level: the threshold, or the number of the pass; of links by passes as a whole `all`.
        linked: pairs with the same estimated person.
        true: pairs with the same person.
        both: pairs with both. Of a group all three are ends of pairs: a pair of two people of it
            counts twice, one with somebody of another group once in each.
    """

    scope: str
    level: str
    linked: int
    true: int
    both: int

    @property
    def precision(self) -> float | None:
        """Share of linked pairs that are true; None where none is linked."""
        return self.both / self.linked if self.linked else None

    @property
    def recall(self) -> float | None:
        """Share of true pairs that are linked; None where there are none."""
        return self.both / self.true if self.true else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where no pair is linked and none is true."""
        pairs = self.linked + self.true
        return 2 * self.both / pairs if pairs else None

    @property
    def shares(self) -> dict[str, float | None]:
        """Precision, recall and F1 as they are shown: to four digits, None where of nothing."""
        every = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {name: share and round(share, 4) for name, share in every.items()}


@dataclass(frozen=True)
class Quality:
    """Quality of one linkage.

    Attributes:
        dataset: the linkage.
        measures: by scope and threshold.
        by_group: the same by group of people, such as `sex: female`, and threshold: of pairs, of
            those across datasets where several are linked, or of links.
    """

    dataset: str
    measures: tuple[Measure, ...]
    by_group: tuple[Measure, ...] = ()

    def at(self, level: str, scope: str = "all") -> Measure:
        """The measure of one threshold.

        Raises:
            KeyError: there is none of that scope and level.
        """
        for measure in (*self.measures, *self.by_group):
            if (measure.scope, measure.level) == (scope, level):
                return measure
        raise KeyError((scope, level))

    @property
    def main_level(self) -> str:
        """The level to look at first: the middle threshold, or all passes."""
        levels = [each.level for each in self.measures]
        return "medium" if "medium" in levels else levels[0]

    @property
    def main(self) -> Measure:
        """The measure to look at first."""
        return next(each for each in self.measures if each.level == self.main_level)
