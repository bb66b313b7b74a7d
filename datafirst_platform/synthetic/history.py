"""What sources share beside the clerk's hand: corrections, withdrawals, coverage, references.

Every record carries the year from which its slips are put right and the year from which it is
gone, drawn once: an edition is a view of the same draw at its cut-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.synthetic import lists, recording
from datafirst_platform.synthetic.careers import Cases
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.population import calendar, stream

_WITHDRAWN_A_YEAR = 0.002
_PUT_RIGHT_A_YEAR = 0.04
"""Of the records with a slip; about one record in six has one, so 0.5 % of all change."""

_RESULT_PUT_RIGHT_A_YEAR = 0.12
"""Of the results entered wrongly."""


@dataclass(frozen=True)
class History:
    """Corrections and withdrawals of one table's records.

    Attributes:
        gone_from: year at whose cut-off the record is no longer supplied.
        right_from: year from whose cut-off its slips are put right.
        chance: uniform in [0, 1), for `faulty`.
    """

    gone_from: Ints
    right_from: Ints
    chance: Floats

    @classmethod
    def draw(
        cls, seed: int, chunk: int, table: str, day: Ints, *, of_results: bool = False
    ) -> History:
        """Draw the history of records that came up on those days.

        Args:
            seed: of the supply.
            chunk: of the population.
            table: any name of its own.
            day: days since 1970-01-01.
            of_results: results are put right more readily than names.
        """
        rng = stream(seed, chunk, f"history of {table}")
        year = calendar(day)[0]

        def waits(yearly: float) -> Ints:
            uniform = rng.random(len(day)).clip(1e-12)
            years: Ints = np.floor(np.log(uniform) / np.log1p(-yearly)).astype(np.int64)
            return year + 1 + years

        put_right = _RESULT_PUT_RIGHT_A_YEAR if of_results else _PUT_RIGHT_A_YEAR
        return cls(waits(_WITHDRAWN_A_YEAR), waits(put_right), rng.random(len(day)))

    def stands(self, cut_off: int) -> Bools:
        """Which records are still supplied at a cut-off (days since 1970-01-01)."""
        return self.gone_from > _year(cut_off)

    def put_right(self, cut_off: int) -> Bools:
        """Which records have been put right by a cut-off."""
        return self.right_from <= _year(cut_off)

    def faulty(self, share: float) -> Bools:
        """Which records were entered wrongly at first."""
        return self.chance < share


def case_references(seed: int, chunk: int, cases: Cases) -> tuple[pa.Array, pa.Array]:
    """Police references of each case: URN (shared by co-defendants) and arrest summons number."""
    rng = stream(seed, chunk, "references")
    unit_letters = pa.array([a + b for a in "ABCDEFGHJKLMNPRSTUVWXYZ" for b in "123456789ABCDE"])
    force = recording.take(lists.offices().force, cases.force)
    year = calendar(cases.charge_day)[0] % 100
    unit = recording.take(unit_letters, (cases.force * 31 + cases.court * 7) % len(unit_letters))
    serial = recording.digits(cases.number * 7_368_787 % 1_000_000, 6)
    urn = pc.binary_join_element_wise(force, unit, serial, recording.digits(year, 2), "")
    station = recording.digits(rng.integers(1, 40, len(cases)) * 100, 4)
    letters = pa.array(list("ABCDEFGHJKLMNPQRTUVWXYZ"))
    number = cases.own_number * 8_191_013 % 10_000_000
    asn = pc.binary_join_element_wise(
        pc.binary_join_element_wise(recording.digits(year, 2), force, ""),
        station,
        "01",
        recording.digits(number, 7),
        pc.binary_join_element_wise(
            recording.digits(number % 9 + 1, 1), recording.take(letters, number % 23), ""
        ),
        "/",
    )
    return urn, asn


def still_held(shares: Sequence[tuple[float, float]], day: Ints, court: Ints) -> Bools:
    """Whether a court still used a system on a day: once it has moved, it does not come back.

    Args:
        shares: times in years with the share of courts that still use it.
        day: days since 1970-01-01.
        court: index of the court.
    """
    times, levels = zip(*shares, strict=True)
    # Golden-ratio steps spread the courts' turns evenly.
    turn = (court + 1) * 0.6180339887 % 1
    held: Bools = turn < np.interp(day / 365.25 + 1970, times, levels)
    return held


def _year(cut_off: int) -> int:
    return int(calendar(np.array([cut_off]))[0][0])
