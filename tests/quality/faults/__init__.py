"""Faults: what is wrong with a table, as SQL, for each rule that is itself SQL.

A fault is a query over `{t}`, the table as it is, or over a companion by its view; where it alters
companions it is a mapping of view to query. `DERIVED` is told by the kind of rule and holds for
every table; `WRITTEN` is of the rules in `expectations/`, by table and id.
"""

from tests.quality.faults import (
    civil,
    courts,
    family,
    insights,
    moj_dfe,
    prison,
    probation,
)
from tests.quality.faults.derived import DERIVED

WRITTEN = {
    **courts.FAULTS,
    **prison.FAULTS,
    **probation.FAULTS,
    **family.FAULTS,
    **civil.FAULTS,
    **moj_dfe.FAULTS,
    **insights.FAULTS,
}

__all__ = ["DERIVED", "WRITTEN"]
