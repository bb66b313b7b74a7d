"""Rates of false and missed links, estimated from a stratified sample of answered pairs.

What belongs here: arithmetic on counts. What does not: drawing the pairs (`labels.py`), and where
the counts are kept (`quality.py`).

Sources of the formulas:

- the interval of one stratum: Wilson, Probable inference, the law of succession, and statistical
  inference, Journal of the American Statistical Association 22 (1927), 209-212; for a stratum drawn
  without replacement with the number of answers raised by (N - 1) / (N - n), the inverse of the
  factor by which that lowers the variance (Cochran, Sampling techniques, 3rd edition, 1977, 3.2);
- the stratified share, a sum of shares weighted by the strata's sizes (Cochran, 5.3), and its
  interval, recovered from those of the strata: Zou, Huang and Zhang, A note on confidence interval
  estimation for a linear function of binomial proportions, Computational Statistics and Data
  Analysis 53 (2009), 1080-1085;
- the interval of a ratio of two independent sums: Donner and Zou, Closed-form confidence intervals
  for functions of the normal mean and standard deviation, Statistical Methods in Medical Research
  21 (2012), 347-359, equation 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

_Z = 1.959964
"""Normal quantile of 97.5%: intervals are of 95%."""


@dataclass(frozen=True)
class Stratum:
    """Answered pairs of one stratum.

    Attributes:
        pairs: in the stratum.
        answered: of them, with a clear answer.
        matches: of those, said to be one person (or one case).
        otherwise: the share to assume where none is answered; None where nothing may be assumed.
    """

    pairs: int
    answered: int
    matches: int
    otherwise: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A share, or a number, with its interval of 95%."""

    value: float
    low: float
    high: float


def wilson(matches: int, answered: int, pairs: int) -> Estimate:
    """The share of matches among `pairs`, of which `answered` were drawn without replacement."""
    if answered >= pairs:
        share = matches / pairs
        return Estimate(share, share, share)
    n = answered * (pairs - 1) / (pairs - answered)
    share = matches / answered
    spread = _Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # Rounding must not part the ends from a share of 0 or 1.
    return Estimate(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def matches_in(strata: Sequence[Stratum]) -> Estimate | None:
    """How many pairs of these strata are matches; None where a stratum has no answer at all.

    A stratum without an answer whose share is assumed widens the interval by all it could hold.
    """
    value = below = above = 0.0
    for stratum in strata:
        if stratum.pairs == 0:
            continue
        if stratum.answered:
            share = wilson(stratum.matches, stratum.answered, stratum.pairs)
        elif stratum.otherwise is not None:
            share = Estimate(stratum.otherwise, 0.0, 1.0)
        else:
            return None
        value += stratum.pairs * share.value
        below += (stratum.pairs * (share.value - share.low)) ** 2
        above += (stratum.pairs * (share.high - share.value)) ** 2
    pairs = sum(stratum.pairs for stratum in strata)
    return Estimate(value, max(0.0, value - sqrt(below)), min(float(pairs), value + sqrt(above)))


def share_of_matches(strata: Sequence[Stratum]) -> Estimate | None:
    """The share of matches in these strata; None where it cannot be told."""
    pairs = sum(stratum.pairs for stratum in strata)
    found = matches_in(strata)
    if found is None or not pairs:
        return None
    return Estimate(found.value / pairs, found.low / pairs, found.high / pairs)


def false_match_rate(linked: Sequence[Stratum]) -> Estimate | None:
    """Of the linked pairs, the share that is not one person; None where it cannot be told."""
    found = share_of_matches(linked)
    return found and Estimate(1 - found.value, 1 - found.high, 1 - found.low)


def missed_match_rate(linked: Sequence[Stratum], unlinked: Sequence[Stratum]) -> Estimate | None:
    """Of all matches among the candidate pairs, the share not linked; None where it is not known.

    It sees candidate pairs alone: a match that no blocking rule pairs is in neither sum.
    """
    found, missed = matches_in(linked), matches_in(unlinked)
    if found is None or missed is None or found.value + missed.value == 0:
        return None
    low, high = _ratio(missed, found)
    value = missed.value / (found.value + missed.value)
    return Estimate(value, min(value, low / (1 + low)), max(value, high / (1 + high)))


_BOUNDLESS = 1e300


def _ratio(upper: Estimate, lower: Estimate) -> tuple[float, float]:
    """The interval of the ratio of two independent numbers, from 0 to boundless."""
    product = upper.value * lower.value
    widest = lower.high * (2 * lower.value - lower.high)
    narrowest = lower.low * (2 * lower.value - lower.low)
    least = most = 0.0
    if widest > 0:
        inside = product**2 - upper.low * (2 * upper.value - upper.low) * widest
        least = max(0.0, (product - sqrt(max(0.0, inside))) / widest)
    inside = product**2 - upper.high * (2 * upper.value - upper.high) * narrowest
    most = (product + sqrt(max(0.0, inside))) / narrowest if narrowest > 0 else _BOUNDLESS
    return least, most
