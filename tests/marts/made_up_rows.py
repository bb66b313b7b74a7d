"""A few made-up rows for each table dbt reads, published as the rooms before it would."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from datafirst_platform import tables
from datafirst_platform.engine import connect
from datafirst_platform.identity import TableKey
from datafirst_platform.settings import PROJECT_ROOT, Settings

EDITION = "2025"

Rows = Sequence[Mapping[str, Any]]


def key(label: str) -> str:
    """A stand-in for a keyed pseudonym."""
    return hashlib.md5(label.encode()).hexdigest()


def source_columns() -> dict[TableKey, dict[str, str]]:
    """Column types of every source table, as dbt is told them."""
    found = {}
    for file in sorted((PROJECT_ROOT / "dbt_project/models/staging").glob("_*.yml")):
        for source in yaml.safe_load(file.read_text()).get("sources", []):
            for table in source["tables"]:
                found[TableKey.of(source["name"], table["name"])] = {
                    column["name"]: column["data_type"] for column in table["columns"]
                }
    return found


def supply() -> dict[str, list[dict[str, Any]]]:
    """Six defendants on five magistrates' cases, two at the Crown Court, one an organisation.

    Tables of other sources are there and hold nobody.
    """
    cases = [
        {
            "record_key": key(f"case{n}"),
            "case_key": key(f"mc{case}"),
            "defendant_key": key(f"d{n}"),
            "defendant_type": "O" if n == 5 else "P",
            "sex": sex,
            "ethnicity_self_defined": ethnicity,
            "court_code": court,
            "police_force_code": "01",
            "receipt_date": "2019-01-02",
            "first_hearing_date": f"2019-02-0{n + 1}",
            "completion_date": None if n == 4 else f"2019-03-0{n + 1}",
            "committal_date": "2019-03-01" if n in {0, 1} else None,
            "remand_status": "B" if n else "C",
            "age_at_first_hearing": None if n == 5 else 20 + n,
            "birth_year": None if n == 5 else 1999 - n,
            "lsoa_residence": f"E0100000{n}",
        }
        for n, (case, sex, ethnicity, court) in enumerate(
            [
                (1, "M", "W1", "B0101"),
                (1, "F", "B1", "B0101"),
                (2, "NS", None, "B0301"),
                (3, "M", "NS", "Z9999"),
                (4, "M", "A2", "B0102"),
                (5, None, None, "B0102"),
            ]
        )
    ]
    offences = [
        {
            "record_key": key(f"offence{n}"),
            "libra_cases_key": key(f"case{case}"),
            "offence_seq": n,
            "ho_offence_code": code,
            "cjs_offence_code": "TH68010",
            "offence_date": "2018-12-01",
            "charge_date": "2018-12-20",
            "plea": "G",
            "verdict": verdict,
            "disposal_code": disposal,
            "disposal_date": "2019-03-01",
            "custodial_days": days,
            "fine_amount": fine,
            "age_at_offence": 20,
        }
        for n, (case, code, verdict, disposal, days, fine) in enumerate(
            [
                (0, "34/01", "NONE", "CMTR", None, None),
                (1, "34/01", "NONE", "CMTR", None, None),
                (2, "46/00", "G", "IMP", 84, None),
                (2, "28/03", "G", "IMP", 112, None),
                (2, "1/99", "G", "FINE", None, "100.10"),
                (3, "803/01", "G", "FINE", None, "250.55"),
                (5, "189/01", "G", "FINE", None, "9000.00"),
            ],
            start=1,
        )
    ]
    crown = [
        {
            "record_key": key(f"crown{n}"),
            "defendant_on_case_key": key(f"doc{n}"),
            "case_key": key("cc1"),
            "defendant_key": key(f"cd{n}"),
            "is_company": "N",
            "gender": str(n + 1),
            "ethnic_appearance_code": "1",
            "ethnicity_self_defined": "W1",
            "nationality": "GBR",
            "court_code": "404",
            "case_type": "T",
            "receipt_date": "2019-03-02",
            "date_of_committal": "2019-03-01",
            "first_hearing_date": "2019-04-01",
            "completion_date": "2019-09-01",
            "current_bc_status": "J",
            "no_of_tics": 0,
            "is_juvenile": "N",
            "hate_ind": None if n else "Y",
            "age_at_first_hearing": 20 + n,
            "lsoa_residence": "E01000000",
        }
        for n in range(2)
    ]
    crown_offences = [
        {
            "record_key": key("crown offence"),
            "xhibit_defendants_on_case_key": key("crown0"),
            "ho_offence_code": "34/01",
            "offence_date": "2018-12-01",
            "plea": "NG",
            "verdict": "G",
            "disposal_code": "IMP",
            "disposal_date": "2019-09-01",
            "custodial_period_days": 900,
            "age_at_offence": 20,
        }
    ]
    people = [_person(f"case{n}") for n in range(5)]
    crown_people = [_person(f"crown{n}") for n in range(2)]
    # The first defendant is one person at both courts.
    linked = [
        *({"source_dataset": "magistrates", **row} for row in people),
        {
            "source_dataset": "crown",
            "record_key": key("crown0"),
            **dict.fromkeys(("person_high", "person_medium", "person_low"), key("case0")),
        },
        {"source_dataset": "crown", **crown_people[1]},
    ]
    return {
        **{str(table): [] for table in source_columns()},
        "extracts/libra_cases": cases,
        "extracts/libra_offences": offences,
        "extracts/xhibit_defendants_on_case": crown,
        "extracts/xhibit_offences": crown_offences,
        "linkage/magistrates_people": people,
        "linkage/crown_people": crown_people,
        "linkage/cross_justice_people": linked,
        "linkage/mags_crown_cases": [
            {
                "libra_cases_key": key("case0"),
                "xhibit_defendants_on_case_key": key("crown0"),
                "match_weight": "21.50",
                "match_probability": "0.9991",
            }
        ],
    }


def _person(label: str) -> dict[str, Any]:
    columns = ("record_key", "person_high", "person_medium", "person_low")
    return dict.fromkeys(columns, key(label))


def publish_supply(
    settings: Settings,
    supplied: Mapping[str, Rows],
    edition: str = EDITION,
    types: Mapping[str, str] | None = None,
) -> None:
    """Publish each table's rows with the types dbt is told of; columns left out are null.

    `types` gives columns another type than the one dbt is told of.
    """
    columns_of = source_columns()
    with connect(settings) as connection:
        for label, rows in supplied.items():
            stage, _, table = label.partition("/")
            table_key = TableKey.of(stage, table)
            columns = columns_of[table_key] | {
                column: kind
                for column, kind in (types or {}).items()
                if column in columns_of[table_key]
            }
            typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"create or replace temp table supplied ({typed})")
            for row in rows:
                assert set(row) <= set(columns), f"{label}: {set(row) - set(columns)}"
                marks = ", ".join("?" for _ in columns)
                connection.execute(
                    f"insert into supplied values ({marks})",
                    [row.get(column) for column in columns],
                )
            first = next(iter(columns))
            tables.publish(
                settings,
                connection,
                table_key,
                edition,
                "from supplied",
                order_by=[first] if stage == "extracts" else list(columns),
                recipe=tables.recipe_of(label, len(rows)),
                inputs={},
            )
