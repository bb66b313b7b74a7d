"""Each of a supplier's faults alone: what it does, what is said, and that a good one mends it."""

import pytest

from datafirst_platform.editions import edition
from datafirst_platform.extracts.extraction import extract_source, standing_extract
from datafirst_platform.safe_errors import DeliveryRefused
from datafirst_platform.synthetic import FAULTS, make_supply
from tests.conftest import PEOPLE

EDITION = "2025"
SAYS = {
    "wrong_encoding": "UTF-8",
    "truncated_file": "bytes",
    "wrong_control_totals": "the manifest states",
    "changed_header": "header",
}


def deliver(settings, sequence, faults=()):
    """A delivery of LIBRA with faults, or a good one; what was done to it."""
    (made,) = make_supply(
        settings,
        edition(EDITION),
        people=PEOPLE,
        seed=11,
        sources=["libra"],
        sequence=sequence,
        faults=faults,
    )
    return made


def counted(extract):
    return {
        table: (each.rows_supplied, each.rows_accepted, each.rows_quarantined)
        for table, each in extract.tables.items()
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_alone_and_its_mending(landed, fault):
    good = extract_source(landed, EDITION, "libra")
    made = deliver(landed, 2, [fault])
    (applied,) = made.faults

    if applied.refused:
        with pytest.raises(DeliveryRefused) as refused:
            extract_source(landed, EDITION, "libra")
        message = str(refused.value)
        assert applied.file in message
        assert SAYS[fault] in message
        assert standing_extract(landed, EDITION, "libra").delivery == good.delivery
    else:
        taken = extract_source(landed, EDITION, "libra")
        quarantined = {
            (table, each.rule): each.rows
            for table, extract in taken.tables.items()
            for each in extract.quarantined_by
        }
        assert quarantined[applied.table, applied.rule] == applied.rows > 0
        # Nothing else is quarantined but what hangs on those rows.
        others = set(quarantined) - {(applied.table, applied.rule)}
        assert {rule for _, rule in others} <= {"orphan"}
        for supplied, accepted, held in counted(taken).values():
            assert supplied == accepted + held

    deliver(landed, 3)
    mended = extract_source(landed, EDITION, "libra")
    assert mended.sequence == 3
    assert counted(mended) == counted(good)
    assert {t: e.content.version for t, e in mended.tables.items()} == {
        t: e.content.version for t, e in good.tables.items()
    }
