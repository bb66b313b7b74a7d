"""The split at the door: accepted rows become content and identities.

They share nothing but `record_key`. What research needs of identity is derived here and coarse.
"""

from __future__ import annotations

from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import POSTCODE_SECTORS, Contract, Derivation
from datafirst_platform.extracts.reading import ReadTable, joined, typed

JUNK_BIRTH_DATES = ("1900-01-01", "1970-01-01")
"""Dates court systems hold where none is known (`known_faults` of the contracts): no birth date.
They stay in the identities as supplied; linkage cleans them in its own way."""

_IN_ORDER = " order by r.rowid"
"""Rows in the order of their files. Without it two threads give other bytes from run to run: the
engine keeps the order of a plain scan, but not behind a filter by subquery or a join."""


def content_query(read: ReadTable, parent: ReadTable | None) -> str:
    """SQL for the content of a table's accepted rows, in the order of `content_schema`."""
    contract = read.contract
    made = ["r._record_key as record_key"]
    joins = ""
    if parent is not None:
        made.append(f"p._record_key as {name(f'{parent.contract.table}_key')}")
        joins += f" join {parent.raw} p on {joined(contract, parent.contract)}"
    for column in contract.columns:
        if column.content_name is None:
            continue
        if column.treatment == "pseudonymise":
            prefix = text(f"{column.domain}|")
            value = f"pseudonym({prefix} || nullif(r.{name(column.name)}, ''))"
        else:
            value = typed(column, "r")
        made.append(f"{value} as {name(column.content_name)}")
    for at, derivation in enumerate(contract.derivations):
        of_contract = parent.contract if derivation.of_parent and parent else contract
        alias = "p" if derivation.of_parent else "r"
        if derivation.rule == "lsoa":
            joins += (
                f" left join read_csv({text(POSTCODE_SECTORS)}, header = true, all_varchar = true)"
                f" s{at} on s{at}.postcode_sector = "
                f"{_sector(f'{alias}.{name(derivation.of)}')}"
            )
            value = f"s{at}.lsoa11cd"
        else:
            value = _derived(contract, derivation, of_contract, alias)
        made.append(f"{value} as {name(derivation.name)}")
    where = read.accepted()
    if parent is not None:
        where += f" and {parent.accepted('p')}"
    return f"select {', '.join(made)} from {read.raw} r{joins} where {where}{_IN_ORDER}"


def identities_query(read: ReadTable) -> str:
    """SQL for the identities of a table's accepted rows, in the order of `identities_schema`."""
    made = ["r._record_key as record_key"]
    made += [
        f"{typed(column, 'r')} as {name(column.name)}"
        for column in read.contract.columns
        if column.in_identities
    ]
    return f"select {', '.join(made)} from {read.raw} r where {read.accepted()}{_IN_ORDER}"


def quarantine_query(read: ReadTable) -> str:
    """SQL for the rows not accepted, with the reason, their place and their text."""
    rules = " ".join(f"when {at} then {text(rule)}" for at, (rule, _) in enumerate(read.reasons))
    columns = " ".join(
        f"when {at} then {text(column)}" for at, (_, column) in enumerate(read.reasons) if column
    )
    files = " ".join(f"when f.row < {each.ends} then {text(each.file.name)}" for each in read.files)
    firsts = " ".join(f"when f.row < {each.ends} then {each.first}" for each in read.files)
    fields = ", ".join(f"r.{name(column.name)}" for column in read.contract.columns)
    # Written as a line of CSV again: a field that is not there is left out.
    quoted = f"""list_transform(
        list_filter([{fields}, nullif(r._more, '')], lambda x: x is not null),
        lambda x: case when regexp_matches(x, '[",\\r\\n]')
            then '"' || replace(x, '"', '""') || '"' else x end)"""
    return f"""
        select f.row - case {firsts} end + 1 as row_number,
            case {files} end as file,
            case f.fault {rules} end as rule,
            case f.fault {columns} else null end as column_name,
            array_to_string({quoted}, ',') as row_text
        from {read.raw} r join {read.faults} f on f.row = r.rowid
        where f.fault >= 0 order by f.row"""


def _derived(contract: Contract, derivation: Derivation, of_contract: Contract, alias: str) -> str:
    born = typed(of_contract.column(derivation.of), alias)
    junk = ", ".join(f"date '{day}'" for day in JUNK_BIRTH_DATES)
    known = f"{born} not in ({junk})"
    if derivation.rule == "year":
        return f"case when {known} then year({born}) end"
    on = typed(contract.column(str(derivation.on)), "r")
    # Whole years: one less until the birthday. 29 February has its birthday on 1 March.
    age = (
        f"(year({on}) - year({born})"
        f" - cast(month({on}) * 100 + day({on}) < month({born}) * 100 + day({born}) as bigint))"
    )
    least = 0 if derivation.minimum is None else derivation.minimum
    most = 150 if derivation.maximum is None else derivation.maximum
    return f"case when {known} and {age} between {least} and {most} then {age} end"


def _sector(postcode: str) -> str:
    """SQL for the sector of a postcode, 'SA1 1' of ' sa11ab': all but its last two letters."""
    plain = f"upper(replace({postcode}, ' ', ''))"
    return f"left({plain}, length({plain}) - 3) || ' ' || {plain}[-3:-3]"
