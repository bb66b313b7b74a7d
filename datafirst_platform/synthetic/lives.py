"""Lives: people, their cases, and what came of them, one chunk at a time.

What belongs here: the order in which a life is drawn. What does not: what a source holds of it;
each source's `tables` takes the same lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datafirst_platform.synthetic import (
    care,
    careers,
    claims,
    family_cases,
    households,
    police,
    population,
    pupils,
    results,
    schooling,
    sentences,
)
from datafirst_platform.synthetic.care import Care
from datafirst_platform.synthetic.careers import Cases, Charges
from datafirst_platform.synthetic.claims import Claims
from datafirst_platform.synthetic.family_cases import FamilyLives
from datafirst_platform.synthetic.households import Households
from datafirst_platform.synthetic.police import Offenders, Records
from datafirst_platform.synthetic.population import People
from datafirst_platform.synthetic.pupils import Pupils
from datafirst_platform.synthetic.results import Results
from datafirst_platform.synthetic.schooling import Schooling
from datafirst_platform.synthetic.sentences import Grounds, Sentences, Spells, Supervisions


@dataclass(frozen=True)
class Lives:
    """One chunk of lives, told to the horizon: an edition is a view of them at its cut-off."""

    seed: int
    people: People
    cases: Cases
    charges: Charges
    results: Results
    sentences: Sentences
    spells: Spells
    grounds: Grounds
    supervisions: Supervisions

    @property
    def chunk(self) -> int:
        """Number of the chunk."""
        return self.people.chunk

    @cached_property
    def households(self) -> Households:
        """Who lives with whom, and people who never come before a criminal court; made if asked."""
        return households.draw(self.seed, self.people)

    @cached_property
    def family(self) -> FamilyLives:
        """What the family courts hear of them; made if asked."""
        return family_cases.draw(self.seed, self.households)

    @cached_property
    def claims(self) -> Claims:
        """What the county courts hear of them; made if asked."""
        return claims.draw(self.seed, self.households)

    @cached_property
    def offenders(self) -> Offenders:
        """Those of them who offended as children, of the school years told of; made if asked."""
        return police.offenders(self.seed, self.people, self.cases, self.charges, self.results)

    @cached_property
    def pupils(self) -> Pupils:
        """Who goes to school in England, of those years; made if asked."""
        return pupils.draw(self.seed, self.households, self.offenders)

    @cached_property
    def schooling(self) -> Schooling:
        """What happens to the pupils at school; made if asked."""
        return schooling.draw(self.seed, self.pupils)

    @cached_property
    def care(self) -> Care:
        """What social care does for the pupils; made if asked."""
        return care.draw(self.seed, self.family, self.pupils)

    @cached_property
    def police(self) -> Records:
        """What the police hold of those who offended as children; made if asked."""
        mine = self.pupils
        cautioned = population.chosen(mine.people, np.flatnonzero(mine.cautioned))
        return police.records(self.seed, self.people, self.offenders, cautioned)


def draw(seed: int, chunk: int, people: int) -> Lives:
    """Draw the lives of one chunk of a population of `people`."""
    drawn = population.draw(seed, chunk, people)
    cases, charges = careers.draw(seed, drawn)
    decided = results.draw(seed, drawn, cases, charges)
    return Lives(
        seed, drawn, cases, charges, decided,
        *sentences.draw(seed, drawn, cases, charges, decided),
    )  # fmt: skip
