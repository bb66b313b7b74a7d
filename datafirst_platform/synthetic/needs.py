"""Needs: what is behind the offending of a life, as an assessor would come to see it.

What belongs here: latent traits of a person, once, whichever source asks. What does not: the
answers on a form (`oasys.py`) and what a court orders because of them (`delius.py`). All of it is
made up: no distribution of needs is taken from real people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datafirst_platform.synthetic.careers import Cases
from datafirst_platform.synthetic.lists import Floats
from datafirst_platform.synthetic.population import People, stream

# How much of each need goes with the general risk, between 0 and 1.
_SHARED = {
    "accommodation": 0.55, "finance": 0.55, "drugs": 0.6, "alcohol": 0.35, "mental_health": 0.3,
    "thinking": 0.7, "violence": 0.4,
}  # fmt: skip


@dataclass(frozen=True)
class Needs:
    """Standard-normal traits, one element a person of the chunk; higher is worse.

    Attributes:
        risk: of offending again, in general; the more cases in a life, the higher.
        accommodation, finance, drugs, alcohol, mental_health, thinking, violence: by area.
    """

    risk: Floats
    accommodation: Floats
    finance: Floats
    drugs: Floats
    alcohol: Floats
    mental_health: Floats
    thinking: Floats
    violence: Floats


def draw(seed: int, people: People, cases: Cases) -> Needs:
    """Draw the needs of one chunk of people."""
    rng = stream(seed, people.chunk, "needs")
    career = np.log1p(np.bincount(cases.person, minlength=len(people)))
    risk = 0.75 * (career - 1.2) / 0.65 + 0.66 * rng.normal(size=len(people))
    own = {
        name: share * risk + np.sqrt(1 - share**2) * rng.normal(size=len(people))
        for name, share in _SHARED.items()
    }
    return Needs(risk=risk, **own)
