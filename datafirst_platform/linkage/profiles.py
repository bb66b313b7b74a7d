"""What content says of the person of a record, by which the quality of links is told apart.

What belongs here: sex, ethnicity, age and area, read from the extracts by what contracts and code
lists call things. What does not: identifiers; none is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datafirst_platform import tables
from datafirst_platform.editions import edition as edition_of
from datafirst_platform.engine import name, one_file, text
from datafirst_platform.extracts.contracts import (
    POSTCODE_SECTORS,
    Contract,
    code_meanings,
    contracts,
)
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.models import LinkageModel, linkage_model
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

SUBGROUPS: Mapping[str, str] = {
    "sex": "Sex",
    "ethnicity_group": "Ethnicity group",
    "age_band": "Age",
    "area": "Area",
}
"""Kind of subgroup to its title."""

EVERYONE = ("everyone", "All")
"""Kind and value of the figures that are of all."""

NOT_RECORDED, NOT_KNOWN = "Not recorded", "Not known"
"""A source that never says; one that says, but not of this record."""

_BANDS = (
    (18, "17 and under"),
    (25, "18 to 24"),
    (35, "25 to 34"),
    (45, "35 to 44"),
    (55, "45 to 54"),
    (200, "55 and over"),
)


def people_tables(model: LinkageModel) -> list[str]:
    """The contract that each member's records are rows of."""
    if model.kind == "within":
        return [model.members[0]]
    return [linkage_model(member).members[0] for member in model.members]


def tables_told(table: str) -> tuple[str, ...]:
    """The extracts that tell of a table's people: its own, and where addresses stand apart, those.

    Args:
        table: contract of people.
    """
    return (table, *(child.table for child in _with_addresses(contracts()[table])))


def profiles_query(settings: Settings, edition: str, table: str) -> tuple[str, list[TableVersion]]:
    """SQL for `record_key` and the columns of `SUBGROUPS` of a table's records, and what it reads.

    Area is the region of HM Courts & Tribunals Service a person lives in, and age is counted in
    years of the calendar. Of several addresses the area of most of them is taken.

    Raises:
        NotReady: an extract is not there.
    """
    contract = contracts()[table]
    versions = {
        each: tables.require(settings, TableKey.of("extracts", each), edition)
        for each in tables_told(table)
    }
    year = edition_of(edition).cut_off.year
    own = versions[table].sql
    columns = [
        f"{_sex(contract)} as sex",
        f"{_ethnicity(contract)} as ethnicity_group",
        f"{_age_band(contract, year)} as age_band",
    ]
    residence = next((each.name for each in contract.derivations if each.rule == "lsoa"), None)
    children = _with_addresses(contract)
    joined = ""
    if residence is None and children:
        joined = (
            f"left join ({_addresses(contract, children, versions)}) as lived using (record_key)"
        )
        residence = "lived.lsoa"
    elif residence is not None:
        residence = f"own.{name(residence)}"
    area = text(NOT_RECORDED)
    if residence is not None:
        area = f"coalesce(regions.region, {text(NOT_KNOWN)})"
        joined += f" left join ({_REGIONS}) as regions on regions.lsoa = {residence}"
    query = f"select record_key, {', '.join(columns)}, {area} as area from {own} as own {joined}"
    return query, list(versions.values())


_FORCES = POSTCODE_SECTORS.with_name("police_force_regions.csv")
_REGIONS = f"""
    select sectors.lsoa11cd as lsoa, min(forces.region) as region
    from read_csv({one_file(POSTCODE_SECTORS)}, header = true, all_varchar = true) as sectors
    inner join read_csv({one_file(_FORCES)}, header = true, all_varchar = true) as forces
        using (police_force_code)
    group by sectors.lsoa11cd"""
"""LSOA to the region its police force lies in; the courts' regions are made of such areas."""


def _with_addresses(contract: Contract) -> list[Contract]:
    """The tables of a contract's own rows' addresses, where it has none itself."""
    if any(each.rule == "lsoa" for each in contract.derivations):
        return []
    return [
        child
        for child in contracts().values()
        if child.parent == contract.table and any(each.rule == "lsoa" for each in child.derivations)
    ]


def _addresses(
    contract: Contract, children: Sequence[Contract], versions: Mapping[str, TableVersion]
) -> str:
    owner = name(f"{contract.table}_key")
    lived = " union all ".join(
        f"select {owner} as record_key, {name(each.name)} as lsoa from {versions[child.table].sql}"
        for child in children
        for each in child.derivations
        if each.rule == "lsoa"
    )
    return f"""
        select record_key, lsoa from (
            select record_key, lsoa, count(*) as addresses from ({lived})
            where lsoa is not null group by record_key, lsoa)
        qualify row_number() over (partition by record_key order by addresses desc, lsoa) = 1"""


def _sex(contract: Contract) -> str:
    column = next(
        (
            each
            for each in contract.columns
            if each.links_as == "sex" and each.codes and each.content_name
        ),
        None,
    )
    if column is None:
        return text(NOT_RECORDED)
    means = code_meanings(str(column.codes), "sex")
    known = {code: told for code, told in means.items() if told != "unknown"}
    return _decoded(str(column.content_name), known)


def _ethnicity(contract: Contract) -> str:
    """The group by the finest list of the contract: what people say before how they appear."""
    told = [
        (column, code_meanings(str(column.codes), "ethnicity_group"))
        for column in contract.columns
        if column.codes and column.content_name
    ]
    groups = [(column, means) for column, means in told if means]
    if not groups:
        return text(NOT_RECORDED)
    column, means = max(groups, key=lambda each: len(each[1]))
    return _decoded(str(column.content_name), means)


def _age_band(contract: Contract, year: int) -> str:
    births = [each.name for each in contract.columns if each.links_as == "date_of_birth"]
    born = next(
        (each.name for each in contract.derivations if each.rule == "year" and each.of in births),
        None,
    )
    if born is None:
        return text(NOT_RECORDED)
    age = f"{year} - {name(born)}"
    cases = " ".join(f"when {age} < {below} then {text(band)}" for below, band in _BANDS)
    return f"coalesce(case {cases} end, {text(NOT_KNOWN)})"


def _decoded(column: str, means: Mapping[str, str]) -> str:
    cases = " ".join(f"when {text(code)} then {text(told)}" for code, told in means.items())
    return f"coalesce(case {name(column)} {cases} end, {text(NOT_KNOWN)})"
