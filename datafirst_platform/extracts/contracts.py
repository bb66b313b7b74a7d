"""Contracts: what each supplied table is, and how each of its columns is treated.

Files in the Open Data Contract Standard (3.1), one a table, under `contracts/`. Everything the
platform knows of a source it knows from here: reading, the split, tests, documentation and the
synthetic supply follow. A mistake in a contract is an error that names its file and field.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import PROJECT_ROOT

if TYPE_CHECKING:
    import yaml
    from open_data_contract_standard.model import (
        CustomProperty,
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
    )

CONTRACTS = Path(__file__).parent / "contracts"
SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
POSTCODE_SECTORS = Path(__file__).parent / "code_lists" / "postcode_sectors.csv"
"""Postcode sector to LSOA: `postcode_sector` ('SA1 1'), `lsoa11cd`."""

TREATMENTS = frozenset({"identify", "link_and_keep", "keep", "pseudonymise", "parent"})
IDENTITY_TREATMENTS = frozenset({"identify", "link_and_keep"})
CLASSIFICATIONS = frozenset(
    {"direct_identifier", "linkage_key", "quasi_identifier", "sensitive", "attribute"}
)
LINKAGE_FIELDS = frozenset(
    {
        "forename1",
        "forename2",
        "forename3",
        "surname",
        "date_of_birth",
        "sex",
        "postcode",
        "address",
        "pnc",
        "cro",
        "asn",
        "urn",
        "entity_type",
        "first_hearing_date",
        "completion_date",
        "committal_date",
        "receipt_date",
        "source_person",
        "previous_surname",
        "noms",
        "crn",
    }
)
SOURCE_PERSON = "source_person"
"""The linkage field of a source's own id of a person: a pseudonym, in the identities too."""

DATE_FORMATS: Mapping[str, str] = MappingProxyType(
    {"yyyy-MM-dd": "%Y-%m-%d", "dd/MM/yyyy": "%d/%m/%Y"}
)
"""Date formats a contract may declare, and the engine's spelling of each."""

ENGINE_TYPES: Mapping[str, str] = MappingProxyType(
    {"string": "VARCHAR", "date": "DATE", "integer": "BIGINT", "number": "DECIMAL(18,2)"}
)

_OPTIONS = {
    "string": {"pattern", "minLength", "maxLength"},
    "date": {"format", "minimum", "maximum"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
}
_COLUMN_PROPERTIES = {
    "treatment",
    "domain",
    "codes",
    "codes_open",
    "multiple",
    "links_as",
    "links_by",
    "evidence",
}
_TABLE_PROPERTIES = {
    "source",
    "supply",
    "legal_basis",
    "derivations",
    "coverage_from",
    "known_faults",
}
_DERIVATION_RULES = {"year": "BIGINT", "age": "BIGINT", "lsoa": "VARCHAR"}
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

Bound = date | Decimal


@dataclass(frozen=True)
class LinksBy:
    """Which linkage field a column feeds, row by row.

    Attributes:
        column: that says what a row's value is.
        fields: its code to linkage field; other codes feed none.
    """

    column: str
    fields: Mapping[str, str]


class ContractError(PlatformError):
    """A contract is wrong; the message names its file and field."""


@dataclass(frozen=True)
class Column:
    """A supplied column.

    Attributes:
        name: the supplier's name.
        type: `string`, `date`, `integer` or `number`.
        required: an empty value quarantines the row.
        treatment: `identify`, `link_and_keep`, `keep`, `pseudonymise` or `parent`.
        classification: how close it comes to a person.
        description: what it holds.
        evidence: `confirmed` by published documentation, or `inferred`.
        domain: prefix of a pseudonymised value: ids of two domains cannot be joined.
        codes: code list the value is taken from.
        codes_open: values outside the list are accepted.
        multiple: the value holds several entries joined by commas; codes, pattern and pseudonyms
            are of each entry.
        pattern: RE2 expression the whole value matches, or each entry of it.
        format: how a date is written (`DATE_FORMATS`).
        minimum: least value.
        maximum: greatest value.
        min_length: fewest characters.
        max_length: most characters.
        links_as: linkage field it feeds.
        links_by: for a column that holds several kinds of value, the column that says which, and
            the linkage field each of its codes feeds; None for any other column.
    """

    name: str
    type: str
    required: bool
    treatment: str
    classification: str
    description: str
    evidence: str
    domain: str | None = None
    codes: str | None = None
    codes_open: bool = False
    multiple: bool = False
    pattern: str | None = None
    format: str | None = None
    minimum: Bound | None = None
    maximum: Bound | None = None
    min_length: int | None = None
    max_length: int | None = None
    links_as: str | None = None
    links_by: LinksBy | None = None

    @property
    def engine_type(self) -> str:
        """DuckDB type once read."""
        return ENGINE_TYPES[self.type]

    @property
    def in_identities(self) -> bool:
        """Whether `identities/` holds it as supplied."""
        return self.treatment in IDENTITY_TREATMENTS

    @property
    def feeds(self) -> frozenset[str]:
        """Linkage fields it feeds."""
        fields = self.links_by.fields.values() if self.links_by else ()
        return frozenset([*fields, *([self.links_as] if self.links_as else [])])

    @property
    def content_name(self) -> str | None:
        """Its name in `extracts/`, None where it is not held there."""
        if self.treatment == "pseudonymise":
            return self.name.removesuffix("_id") + "_key"
        return self.name if self.treatment in {"keep", "link_and_keep"} else None


@dataclass(frozen=True)
class Derivation:
    """What research needs of an identifier, made coarse at the door.

    Attributes:
        name: column of the content.
        rule: `year`, `age` (whole years) or `lsoa`.
        of: the column it is made from.
        of_parent: whether `of` is a column of the parent table.
        on: date column at which an age is taken.
        minimum: ages below are missing.
        maximum: ages above are missing.
        description: what it holds.
    """

    name: str
    rule: str
    of: str
    of_parent: bool
    on: str | None
    minimum: int | None
    maximum: int | None
    description: str

    @property
    def engine_type(self) -> str:
        """DuckDB type."""
        return _DERIVATION_RULES[self.rule]


@dataclass(frozen=True)
class ColumnSchema:
    """A column of a table made here: name, DuckDB type, description."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Contract:
    """A supplied table.

    Attributes:
        table: name of the table, everywhere.
        source: supplier's system.
        dataset: data product it belongs to.
        title: short name for people.
        version: version of the contract.
        description: what it holds.
        limitations: what it does not.
        grain: what one row is.
        owner: who owns the data.
        legal_basis: why it may be held.
        coverage_from: first day covered.
        known_faults: faults known beforehand.
        columns: in the supplier's order.
        primary_key: columns that identify a row.
        parent: table each row belongs to.
        parent_key: own columns that name the parent row, in the order of its primary key.
        parent_columns: the parent's columns they name: its primary key.
        derivations: columns made at the door.
        digest: SHA-256 of the file and the code lists it names.
    """

    table: str
    source: str
    dataset: str
    title: str
    version: str
    description: str
    limitations: str
    grain: str
    owner: str
    legal_basis: str
    coverage_from: date
    known_faults: tuple[str, ...]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    parent: str | None
    parent_key: tuple[str, ...]
    parent_columns: tuple[str, ...]
    derivations: tuple[Derivation, ...]
    digest: str

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        for each in self.columns:
            if each.name == name:
                return each
        raise KeyError(name)

    @property
    def links(self) -> bool:
        """Whether its rows are linked to people: then it has an identities table."""
        return any(column.feeds for column in self.columns)

    @property
    def source_person(self) -> Column | None:
        """The source's own id of a person, which several rows may share; None where it has none."""
        found = [column for column in self.columns if column.links_as == SOURCE_PERSON]
        return found[0] if found else None

    @property
    def content_schema(self) -> tuple[ColumnSchema, ...]:
        """Columns of `extracts/<table>`, in order."""
        made = [ColumnSchema("record_key", "VARCHAR", f"Pseudonym of {self.grain}")]
        if self.parent is not None:
            made.append(
                ColumnSchema(
                    f"{self.parent}_key", "VARCHAR", f"record_key of its row in {self.parent}"
                )
            )
        made += [
            ColumnSchema(
                column.content_name,
                "VARCHAR" if column.treatment == "pseudonymise" else column.engine_type,
                f"Pseudonym: {column.description}"
                if column.treatment == "pseudonymise"
                else column.description,
            )
            for column in self.columns
            if column.content_name is not None
        ]
        made += [
            ColumnSchema(each.name, each.engine_type, each.description) for each in self.derivations
        ]
        return tuple(made)

    @property
    def identities_schema(self) -> tuple[ColumnSchema, ...]:
        """Columns of `identities/<table>`, in order; empty where no row is linked."""
        if not self.links:
            return ()
        made = [ColumnSchema("record_key", "VARCHAR", f"Pseudonym of {self.grain}")]
        if self.parent is not None:
            made.append(
                ColumnSchema(
                    f"{self.parent}_key", "VARCHAR", f"record_key of its row in {self.parent}"
                )
            )
        if self.source_person is not None:
            made.append(
                ColumnSchema(
                    str(self.source_person.content_name),
                    "VARCHAR",
                    f"Pseudonym: {self.source_person.description}",
                )
            )
        return (
            *made,
            *(
                ColumnSchema(column.name, column.engine_type, column.description)
                for column in self.columns
                if column.in_identities
            ),
        )


@cache
def contracts() -> Mapping[str, Contract]:
    """Every contract, by table; read once a process.

    Raises:
        ContractError: a contract is wrong.
    """
    return load(CONTRACTS, SEEDS)


@cache
def sources() -> Mapping[str, tuple[Contract, ...]]:
    """Every source and its contracts, parents before children."""
    found: dict[str, list[Contract]] = {}
    for contract in sorted(contracts().values(), key=lambda each: (_depth(each), each.table)):
        found.setdefault(contract.source, []).append(contract)
    return MappingProxyType({source: tuple(found[source]) for source in sorted(found)})


def _depth(contract: Contract) -> int:
    """Number of tables above it."""
    return 0 if contract.parent is None else 1 + _depth(contracts()[contract.parent])


@cache
def code_list(name: str, folder: Path = SEEDS) -> tuple[str, ...]:
    """The codes of a list: the first column of its seed, in the seed's order.

    Raises:
        ContractError: there is no such list.
    """
    path = folder / f"{name}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows, None)
            return tuple(row[0] for row in rows if row)
    except FileNotFoundError:
        msg = f"There is no code list {name!r}: {path} is missing."
        raise ContractError(msg) from None


@cache
def code_meanings(name: str, field: str, folder: Path = SEEDS) -> Mapping[str, str]:
    """What each code of a list stands for, by a column of its seed; empty where it has none such.

    Raises:
        ContractError: there is no such list.
    """
    codes = code_list(name, folder)
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if field in row]
    return MappingProxyType(dict(zip(codes, (row[field] for row in rows), strict=False)))


def load(folder: Path, seeds: Path) -> Mapping[str, Contract]:
    """Read and check every contract of a folder against each other and the code lists.

    Raises:
        ContractError: a contract is wrong; file and field are named.
    """
    found: dict[str, Contract] = {}
    for path in sorted(folder.glob("*.yaml")):
        contract = _Reader(path, seeds).contract()
        found[contract.table] = contract
    for contract in found.values():
        _check_parent(contract, found)
    return MappingProxyType(found)


def _check_parent(contract: Contract, found: Mapping[str, Contract]) -> None:
    """What a contract says of its parent must hold in the parent's contract."""
    file = f"{contract.table}.yaml"
    if contract.parent is None:
        return
    parent = found.get(contract.parent)
    if parent is None:
        raise ContractError(f"{file}: relationships: there is no contract {contract.parent!r}.")
    if parent.source != contract.source:
        msg = f"{file}: relationships: {parent.table} must be a table of {contract.source}."
        raise ContractError(msg)
    above, seen = contract, {contract.table}
    while above.parent in found:
        above = found[str(above.parent)]
        if above.table in seen:
            raise ContractError(f"{file}: relationships: {contract.table} is its own ancestor.")
        seen.add(above.table)
    if contract.parent_columns != parent.primary_key:
        msg = (
            f"{file}: relationships: name every key column of {parent.table}, in its order: "
            f"{', '.join(parent.primary_key)}."
        )
        raise ContractError(msg)
    for own, theirs in zip(contract.parent_key, parent.primary_key, strict=True):
        if contract.column(own).type != parent.column(theirs).type:
            raise ContractError(f"{file}: {own}: its type differs from {parent.table}.{theirs}.")
    for derivation in contract.derivations:
        if derivation.of_parent:
            _check_derived_from(file, derivation, parent)


def _check_derived_from(file: str, derivation: Derivation, contract: Contract) -> None:
    """A derivation's column must be there and of the type its rule takes."""
    wanted = "string" if derivation.rule == "lsoa" else "date"
    for role, of, table in (
        ("of", derivation.of, contract),
        *((("on", derivation.on, contract),) if derivation.on and not derivation.of_parent else ()),
    ):
        column = next((each for each in table.columns if each.name == of), None)
        if column is None:
            msg = f"{file}: derivations: {derivation.name}: {role}: {table.table} has no {of!r}."
            raise ContractError(msg)
        if column.type != wanted:
            msg = f"{file}: derivations: {derivation.name}: {role}: {of} is not a {wanted}."
            raise ContractError(msg)


class _Reader:
    """Reads one contract; every complaint names the file and the field."""

    def __init__(self, path: Path, seeds: Path) -> None:
        self.path = path
        self.seeds = seeds

    def wrong(self, where: str, what: str) -> ContractError:
        return ContractError(f"{self.path.name}: {where}: {what}")

    def contract(self) -> Contract:
        text = self.path.read_bytes()
        model = self.model(text)
        if model.kind != "DataContract" or not str(model.apiVersion or "").startswith("v3."):
            raise self.wrong("kind, apiVersion", "must be DataContract and v3.x.")
        if not model.schema_ or len(model.schema_) != 1:
            raise self.wrong("schema", "must describe exactly one table.")
        table = model.schema_[0]
        name = self.text("schema.name", table.name)
        if name != self.path.stem or not _NAME.match(name):
            raise self.wrong("schema.name", "must be the file's name, in lower snake case.")
        columns = tuple(self.column(each) for each in table.properties or ())
        if len(columns) < 2:
            raise self.wrong("properties", "a table has at least two columns.")
        names = [column.name for column in columns]
        for twice in names:
            if names.count(twice) > 1:
                raise self.wrong(twice, "this column is declared twice.")
        fields = [field for column in columns for field in column.feeds]
        for field in fields:
            if fields.count(field) > 1:
                raise self.wrong("links_as", f"two columns feed {field}.")
        for column in columns:
            self.check_links_by(column, columns)
        custom = self.custom("customProperties", model.customProperties, _TABLE_PROPERTIES)
        if custom.get("supply") != "full":
            raise self.wrong("supply", "must be 'full': increments are not read.")
        parent, parent_key, parent_columns = self.parent(table, names)
        self.check_parent_treatment(columns, parent_key)
        description = model.description
        contract = Contract(
            table=name,
            source=self.text("source", custom.get("source")),
            dataset=self.text("dataProduct", model.dataProduct),
            title=self.text("name", model.name),
            version=self.text("version", model.version),
            description=self.text("schema.description", table.description),
            limitations=(description.limitations if description else None) or "",
            grain=self.text("dataGranularityDescription", table.dataGranularityDescription),
            owner=self.text("team.name", getattr(model.team, "name", None)),
            legal_basis=self.text("legal_basis", custom.get("legal_basis")),
            coverage_from=self.day("coverage_from", custom.get("coverage_from")),
            known_faults=self.texts("known_faults", custom.get("known_faults")),
            columns=columns,
            primary_key=self.primary_key(table.properties or ()),
            parent=parent,
            parent_key=parent_key,
            parent_columns=parent_columns,
            derivations=tuple(
                self.derivation(each, parent)
                for each in self.listed("derivations", custom.get("derivations"))
            ),
            digest=self.digest(text, columns),
        )
        for derivation in contract.derivations:
            self.check_derivation(contract, derivation)
        return contract

    def model(self, content: bytes) -> OpenDataContractStandard:
        """The standard's own model of the file; unknown fields are refused at every depth."""
        import yaml
        from open_data_contract_standard.model import OpenDataContractStandard
        from pydantic import ValidationError

        try:
            raw = yaml.load(content, Loader=unique_keys_loader())  # noqa: S506
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"line {mark.line + 1}" if mark else "file"
            raise self.wrong(where, f"{getattr(error, 'problem', None) or 'not YAML'}.") from None
        if not isinstance(raw, dict):
            raise self.wrong("file", "must hold one contract.")
        try:
            model = OpenDataContractStandard.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise self.wrong(where, f"{first['msg']}.") from None
        unknown = _unknown_field(raw, model.model_dump(by_alias=True, exclude_unset=True))
        if unknown:
            raise self.wrong(unknown, "unknown field.")
        return model

    def column(self, given: SchemaProperty) -> Column:
        name = self.text("properties.name", given.name)
        if not _NAME.match(name):
            raise self.wrong(name, "a column's name must be lower snake case.")
        custom = self.custom(name, given.customProperties, _COLUMN_PROPERTIES)
        kind = self.one_of(name, "logicalType", given.logicalType, ENGINE_TYPES)
        options = given.logicalTypeOptions or {}
        for option in options:
            if option not in _OPTIONS[kind]:
                raise self.wrong(name, f"logicalTypeOptions: {option!r} does not suit a {kind}.")
        treatment = self.one_of(name, "treatment", custom.get("treatment"), TREATMENTS)
        classification = self.one_of(name, "classification", given.classification, CLASSIFICATIONS)
        links_as = self.optional(f"{name}: links_as", custom.get("links_as"))
        if links_as is not None:
            self.one_of(name, "links_as", links_as, LINKAGE_FIELDS)
        links_by = self.links_by(name, custom.get("links_by"))
        column = Column(
            name=name,
            type=kind,
            required=bool(given.required),
            treatment=treatment,
            classification=classification,
            description=self.text(f"{name}: description", given.description),
            evidence=self.one_of(
                name, "evidence", custom.get("evidence"), ("confirmed", "inferred")
            ),
            domain=self.optional(f"{name}: domain", custom.get("domain")),
            codes=self.optional(f"{name}: codes", custom.get("codes")),
            codes_open=self.flag(name, "codes_open", custom.get("codes_open", False)),
            multiple=self.flag(name, "multiple", custom.get("multiple", False)),
            pattern=self.pattern(name, options.get("pattern")),
            format=self.one_of(name, "format", options.get("format"), DATE_FORMATS)
            if kind == "date"
            else None,
            minimum=self.bound(name, "minimum", kind, options.get("minimum")),
            maximum=self.bound(name, "maximum", kind, options.get("maximum")),
            min_length=self.length(name, "minLength", options.get("minLength")),
            max_length=self.length(name, "maxLength", options.get("maxLength")),
            links_as=links_as,
            links_by=links_by,
        )
        self.check_column(column, key=bool(given.primaryKey))
        return column

    def check_column(self, column: Column, *, key: bool) -> None:
        """What must hold between the fields of one column."""
        kept = column.treatment in {"keep", "link_and_keep"}
        formed = column.pattern is not None or (column.codes is not None and not column.codes_open)
        faults = {
            "a key column must be required.": key and not column.required,
            "a direct identifier must be treated with 'identify'.": (
                column.classification == "direct_identifier" and column.treatment != "identify"
            ),
            "a linkage key must not be kept in the content.": (
                column.classification == "linkage_key" and kept
            ),
            "links_as needs the treatment 'identify' or 'link_and_keep'.": (
                bool(column.feeds - {SOURCE_PERSON}) and not column.in_identities
            ),
            "links_as: source_person needs the treatment 'pseudonymise'.": (
                column.links_as == SOURCE_PERSON and column.treatment != "pseudonymise"
            ),
            "links_as and links_by exclude each other.": (
                column.links_as is not None and column.links_by is not None
            ),
            "a pseudonymised column, and only that, has a domain.": (
                (column.treatment == "pseudonymise") != bool(column.domain)
            ),
            "only strings are pseudonymised.": (
                column.treatment == "pseudonymise" and column.type != "string"
            ),
            "codes_open needs codes.": column.codes_open and column.codes is None,
            "only strings have codes.": column.codes is not None and column.type != "string",
            "multiple needs closed codes or a pattern, which each entry is held against.": (
                column.multiple and not formed
            ),
            "multiple needs the treatment 'keep' or 'pseudonymise'.": (
                column.multiple and column.treatment not in {"keep", "pseudonymise"}
            ),
            "a key, or what links, has one value.": (
                column.multiple and (key or bool(column.feeds))
            ),
        }
        for fault, holds in faults.items():
            if holds:
                raise self.wrong(column.name, fault)
        if column.codes is not None:
            if not (self.seeds / f"{column.codes}.csv").is_file():
                raise self.wrong(column.name, f"codes: there is no code list {column.codes!r}.")
            if not code_list(column.codes, self.seeds):
                raise self.wrong(column.name, f"codes: the list {column.codes!r} is empty.")

    def links_by(self, where: str, given: object) -> LinksBy | None:
        if given is None:
            return None
        if not isinstance(given, dict) or set(given) != {"column", "fields"}:
            raise self.wrong(where, "links_by: has a column and fields, a code to a field each.")
        fields = given["fields"]
        if not isinstance(fields, dict) or not fields:
            raise self.wrong(where, "links_by: fields: must name a linkage field for a code.")
        for field in fields.values():
            self.one_of(where, "links_by", field, LINKAGE_FIELDS - {SOURCE_PERSON})
        return LinksBy(self.text(f"{where}: links_by", given["column"]), MappingProxyType(fields))

    def check_links_by(self, column: Column, columns: Sequence[Column]) -> None:
        """The column that says which must be there, in the identities, and know the codes."""
        if column.links_by is None:
            return
        says = next((each for each in columns if each.name == column.links_by.column), None)
        if says is None or not says.in_identities or says.codes is None:
            raise self.wrong(
                column.name, "links_by: column: must be a coded column of the identities."
            )
        unknown = set(column.links_by.fields) - set(code_list(says.codes, self.seeds))
        if unknown:
            raise self.wrong(column.name, f"links_by: {says.codes} has no {min(unknown)!r}.")

    def check_parent_treatment(
        self, columns: Sequence[Column], parent_key: tuple[str, ...]
    ) -> None:
        """Treated as `parent` is exactly what the relationship names."""
        for column in columns:
            if (column.treatment == "parent") != (column.name in parent_key):
                raise self.wrong(
                    column.name, "the columns treated as 'parent' must be those of relationships."
                )
            if column.name in parent_key and not column.required:
                raise self.wrong(column.name, "a column that names the parent must be required.")

    def primary_key(self, properties: Sequence[SchemaProperty]) -> tuple[str, ...]:
        keyed = {
            each.primaryKeyPosition or 0: str(each.name) for each in properties if each.primaryKey
        }
        count = sum(bool(each.primaryKey) for each in properties)
        if not keyed or sorted(keyed) != list(range(1, count + 1)):
            raise self.wrong("primaryKey", "positions must count from 1, each once.")
        return tuple(keyed[position] for position in sorted(keyed))

    def parent(
        self, table: SchemaObject, names: Sequence[str]
    ) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
        if not table.relationships:
            return None, (), ()
        if len(table.relationships) > 1 or table.relationships[0].type != "foreignKey":
            raise self.wrong("relationships", "a table has at most one, of type foreignKey.")
        relation = table.relationships[0]
        pairs = [
            [each.partition(".")[::2] for each in ([side] if isinstance(side, str) else side or [])]
            for side in (relation.from_, relation.to)
        ]
        own, theirs = pairs
        if not own or len(own) != len(theirs) or len({each[0] for each in theirs}) != 1:
            raise self.wrong("relationships", "from and to must pair columns of one parent.")
        for its_table, column in own:
            if its_table != table.name or column not in names:
                raise self.wrong("relationships", f"from: no column {column!r} in {table.name}.")
        return theirs[0][0], tuple(each[1] for each in own), tuple(each[1] for each in theirs)

    def derivation(self, given: object, parent: str | None) -> Derivation:
        allowed = {"name", "rule", "of", "on", "minimum", "maximum", "description"}
        if not isinstance(given, dict) or set(given) - allowed:
            raise self.wrong("derivations", f"fields are {', '.join(sorted(allowed))}.")
        name = self.text("derivations: name", given.get("name"))
        where = f"derivations: {name}"
        rule = self.one_of(where, "rule", given.get("rule"), _DERIVATION_RULES)
        of_table, _, of = self.text(f"{where}: of", given.get("of")).rpartition(".")
        if of_table and of_table != parent:
            raise self.wrong(where, f"of: {of_table} is not the parent.")
        on = given.get("on")
        if (rule == "age") != (on is not None):
            raise self.wrong(where, "on: an age, and only an age, is taken on a date column.")
        return Derivation(
            name=name,
            rule=rule,
            of=of,
            of_parent=bool(of_table),
            on=on,
            minimum=self.length(where, "minimum", given.get("minimum")),
            maximum=self.length(where, "maximum", given.get("maximum")),
            description=self.text(f"{where}: description", given.get("description")),
        )

    def check_derivation(self, contract: Contract, derivation: Derivation) -> None:
        names = [column.name for column in contract.content_schema]
        if not _NAME.match(derivation.name) or names.count(derivation.name) > 1:
            raise self.wrong(f"derivations: {derivation.name}", "its name is taken, or no name.")
        if not derivation.of_parent:
            _check_derived_from(self.path.name, derivation, contract)
        elif derivation.on is not None and derivation.on not in [
            column.name for column in contract.columns if column.type == "date"
        ]:
            raise self.wrong(
                f"derivations: {derivation.name}", f"on: {derivation.on} is no date column."
            )

    def digest(self, content: bytes, columns: Sequence[Column]) -> str:
        found = hashlib.sha256(content)
        for codes in sorted({column.codes for column in columns if column.codes}):
            listed = json.dumps([codes, *code_list(codes, self.seeds)])
            found.update(listed.encode())
        return found.hexdigest()

    def custom(
        self, where: str, given: Sequence[CustomProperty] | None, allowed: set[str]
    ) -> dict[str, object]:
        found: dict[str, object] = {}
        for each in given or ():
            if each.property not in allowed:
                raise self.wrong(where, f"customProperties: unknown property {each.property!r}.")
            if each.property in found:
                raise self.wrong(where, f"customProperties: {each.property} stands twice.")
            found[each.property] = each.value
        return found

    def text(self, where: str, given: object) -> str:
        if not isinstance(given, str) or not given.strip():
            raise self.wrong(where, "must be a text.")
        return given

    def optional(self, where: str, given: object) -> str | None:
        return None if given is None else self.text(where, given)

    def listed(self, where: str, given: object) -> list[object]:
        if given is not None and not isinstance(given, list):
            raise self.wrong(where, "must be a list.")
        return given or []

    def texts(self, where: str, given: object) -> tuple[str, ...]:
        return tuple(self.text(where, each) for each in self.listed(where, given))

    def one_of(self, where: str, field: str, given: object, allowed: Collection[str]) -> str:
        if given not in allowed:
            listed = ", ".join(sorted(allowed))
            raise self.wrong(where, f"{field}: {given!r} is not one of {listed}.")
        return str(given)

    def flag(self, where: str, field: str, given: object) -> bool:
        if not isinstance(given, bool):
            raise self.wrong(where, f"{field}: must be true or false.")
        return given

    def length(self, where: str, field: str, given: object) -> int | None:
        if given is not None and (not isinstance(given, int) or given < 0):
            raise self.wrong(where, f"{field}: must be a whole number.")
        return given

    def pattern(self, where: str, given: object) -> str | None:
        if given is None:
            return None
        try:
            re.compile(self.text(f"{where}: pattern", given))
        except re.error:
            raise self.wrong(where, "pattern: not a regular expression.") from None
        return str(given)

    def day(self, where: str, given: object) -> date:
        try:
            return date.fromisoformat(str(given))
        except ValueError:
            raise self.wrong(where, "must be a date, yyyy-MM-dd.") from None

    def bound(self, where: str, field: str, kind: str, given: object) -> Bound | None:
        if given is None:
            return None
        if kind == "date":
            return self.day(f"{where}: {field}", given)
        try:
            return Decimal(str(given))
        except InvalidOperation:
            raise self.wrong(where, f"{field}: must be a number.") from None


@cache
def unique_keys_loader() -> type[yaml.CSafeLoader]:
    """A YAML loader that refuses a key written twice, which YAML's own lets the last one win."""
    import yaml

    class Loader(yaml.CSafeLoader):
        pass

    def mapping(loader: yaml.CSafeLoader, node: yaml.MappingNode) -> dict[object, object]:
        made: dict[object, object] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if key in made:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands twice", key_node.start_mark
                )
            made[key] = loader.construct_object(value_node, deep=True)
        return made

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def _unknown_field(raw: object, known: object, where: str = "") -> str | None:
    """The first field of `raw` that the standard's model dropped, as a dotted path."""
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            here = f"{where}.{key}" if where else str(key)
            if key not in known:
                return here
            found = _unknown_field(value, known[key], here)
            if found:
                return found
    elif isinstance(raw, list) and isinstance(known, list):
        for at, (value, kept) in enumerate(zip(raw, known, strict=True)):
            named = value.get("name") or value.get("property") if isinstance(value, dict) else None
            found = _unknown_field(value, kept, f"{where}[{named or at}]")
            if found:
                return found
    return None
