"""Rows that obey the contracts, and deliveries made of any rows: for the tests of this room."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datafirst_platform.extracts.contracts import contracts, sources
from datafirst_platform.settings import Settings

Row = dict[str, str]


def row_of(table: str, **given: str) -> Row:
    """A row of a table, empty but for what is given."""
    return dict.fromkeys((column.name for column in contracts()[table].columns), "") | given


def case(number: int, **given: str) -> Row:
    """A row of libra_cases that the contract accepts."""
    row = row_of("libra_cases") | {
        "case_id": f"C{number:09d}",
        "defendant_id": f"D{number:07d}",
        "urn": f"01AB{number:07d}",
        "defendant_type": "P",
        "first_name": "ANN",
        "last_name": f"EXAMPLE{number}",
        "date_of_birth": "1980-06-15",
        "sex": "F",
        "postcode": "SA1 1AB",
        "pnc_id": "1999/0000001A",
        "court_code": "B0101",
        "receipt_date": "2015-01-05",
        "first_hearing_date": "2015-06-14",
    }
    return row | given


def offence(number: int, seq: int = 1, **given: str) -> Row:
    """A row of libra_offences of that case."""
    row = row_of("libra_offences") | {
        "case_id": f"C{number:09d}",
        "defendant_id": f"D{number:07d}",
        "offence_seq": str(seq),
        "ho_offence_code": "1/01",
        "offence_date": "2015-01-01",
        "fine_amount": "10.50",
    }
    return row | given


def prisoner(number: int, **given: str) -> Row:
    """A name of a prisoner, the first one where no other root is given: nomis_offenders."""
    row = row_of("nomis_offenders", offender_id=str(number), root_offender_id=str(number))
    return row | {"last_name": f"EXAMPLE{number}"} | given


def booking(number: int, offender: int, **given: str) -> Row:
    """A row of nomis_bookings under that name."""
    row = row_of(
        "nomis_bookings",
        offender_book_id=str(number),
        offender_id=str(offender),
        root_offender_id=str(offender),
        booking_begin_date="2015-01-05",
        agy_loc_id="MDI",
        in_out_status="OUT",
        active_flag="N",
    )
    return row | given


def charge(number: int, booking: int, **given: str) -> Row:
    """A row of nomis_charges under that booking."""
    row = row_of(
        "nomis_charges",
        offender_charge_id=str(number),
        offender_book_id=str(booking),
        offence_code="001/01",
        most_serious_flag="Y",
        charge_status="I",
    )
    return row | given


def family_case(number: int = 1) -> Row:
    """A row of familyman_cases that the contract accepts."""
    row = dict.fromkeys((column.name for column in contracts()["familyman_cases"].columns), "")
    return row | {
        "case_number": family_case_number(number),
        "case_type": "P",
        "court_code": "120",
        "receipt_date": "2019-03-01",
        "fee_exempt": "N",
    }


def family_event(number: int, case_number: int = 1, **given: str) -> Row:
    """A row of familyman_events of that case."""
    row = dict.fromkeys((column.name for column in contracts()["familyman_events"].columns), "")
    row |= {
        "event": f"120{number:06d}",
        "case_number": family_case_number(case_number),
        "event_model": "U22",
        "receipt_date": "2019-03-01",
        "error": "N",
        "creating_court": "120",
    }
    return row | given


def family_case_number(number: int) -> str:
    return f"BM19P{number:05d}"


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """Rows as RFC 4180 text with a header."""
    made = io.StringIO(newline="")
    # Python's writer leaves a lone carriage return bare, which is no RFC 4180.
    bare = any("\r" in value for row in rows for value in row.values())
    quoting = csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(made, columns, lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue().encode()


@dataclass
class Landing:
    """Writes deliveries into an installation of its own."""

    settings: Settings
    sequence: int = 0
    written: list[Path] = field(default_factory=list)

    def deliver(
        self,
        tables: dict[str, Sequence[Row] | bytes],
        *,
        source: str = "libra",
        packed: bool = False,
        until: str = "2024-12-31",
        rows: dict[str, int] | None = None,
        change: Callable[[dict], None] | None = None,
        manifest: bool = True,
        suffix: str = "",
    ) -> Path:
        """Write one delivery; `bytes` stand as they are, `rows` states their number."""
        self.sequence += 1
        folder = self.settings.landing / source / f"{until[:4]}-{self.sequence}"
        folder.mkdir(parents=True)
        files = []
        for contract in sources()[source]:
            table = contract.table
            given = tables.get(table, [])
            names = [column.name for column in contract.columns]
            content = given if isinstance(given, bytes) else as_csv(given, names)
            ending = suffix if suffix and isinstance(given, bytes) else ".csv"
            name = f"{table}{ending}" + (".gz" if packed else "")
            stored = gzip.compress(content, mtime=0) if packed else content
            (folder / name).write_bytes(stored)
            files.append(
                {
                    "path": name,
                    "table": table,
                    "sha256": hashlib.sha256(stored).hexdigest(),
                    "bytes": len(stored),
                    "rows": (rows or {}).get(table, 0 if isinstance(given, bytes) else len(given)),
                    "columns": names,
                }
            )
        told = {
            "format": "datafirst-delivery/1",
            "source": source,
            "delivery": folder.name,
            "sequence": self.sequence,
            "period": {"from": "2011-01-01", "to": until},
            "files": files,
        }
        if change:
            change(told)
        if manifest:
            (folder / "manifest.json").write_text(json.dumps(told))
        self.written.append(folder)
        return folder
