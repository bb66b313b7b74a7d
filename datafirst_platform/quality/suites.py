"""Suites: the rules a table has to meet, as written in `expectations/` and in its contract.

What belongs here: reading `expectations/<stage>/<table>.yaml` strictly, adding what a contract
already says, and the digest by which a verdict is known to be about these very rules. What does
not: running them (`validation.py`).

A suite's file holds one mapping::

    table: extracts/libra_cases
    description: what is being watched for, in a sentence
    columns: [record_key, ...]          # closed and ordered; not where a contract states them
    with:                               # other published tables, seen as views
      cases: extracts/libra_cases
      previous: {table: extracts/libra_cases, edition: previous}
    expectations:
      - id: completed_after_first_hearing
        type: expect_column_pair_values_a_to_be_greater_than_b
        kwargs: {column_A: completion_date, column_B: first_hearing_date, or_equal: true}
        severity: critical              # blocks; warning and info are recorded only
        reason: why the bound is where it is

A value `{edition: cut_off}` stands for the edition's own. In SQL, `{batch}` is the table being
judged, the names under `with` are the others, and `getvariable('cut_off')` is a date.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from datafirst_platform.editions import Edition, before, edition
from datafirst_platform.extracts.contracts import Column, code_list, contracts
from datafirst_platform.identity import PSEUDONYM_LENGTH, SECURE_STAGES, TableKey
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import PROJECT_ROOT

EXPECTATIONS = PROJECT_ROOT / "expectations"
SEVERITIES = ("critical", "warning", "info")
PREVIOUS = "previous"

_ID = re.compile(r"[a-z][a-z0-9_.]*\Z")
_VIEW = re.compile(r"[a-z][a-z0-9_]*\Z")
_SUITE_FIELDS = frozenset({"table", "description", "columns", "with", "expectations"})
_RULE_FIELDS = frozenset({"id", "type", "kwargs", "severity", "reason"})


class SuiteError(PlatformError):
    """A suite cannot be read as written; the message names the file and the field."""


@dataclass(frozen=True)
class Kind:
    """An expectation type that may be used: it works on DuckDB and its figures are counts.

    Attributes:
        required: arguments it must have.
        optional: arguments it may have.
        counts_rows: whether its observed value is a number of rows or a share of them, and so may
            be kept. Values of a column never are.
    """

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    counts_rows: bool = False


def _kind(required: str, optional: str = "", *, counts_rows: bool = False) -> Kind:
    return Kind(frozenset(required.split()), frozenset(optional.split()), counts_rows)


KINDS: Mapping[str, Kind] = {
    "expect_table_columns_to_match_ordered_list": _kind("column_list"),
    "expect_table_row_count_to_be_between": _kind("", "min_value max_value", counts_rows=True),
    "expect_table_row_count_to_equal_other_table": _kind("other_table_name", counts_rows=True),
    "expect_column_values_to_be_of_type": _kind("column type_"),
    "expect_column_values_to_not_be_null": _kind("column", "mostly"),
    "expect_column_values_to_be_null": _kind("column", "mostly"),
    "expect_column_values_to_be_unique": _kind("column"),
    "expect_compound_columns_to_be_unique": _kind("column_list"),
    "expect_column_values_to_be_in_set": _kind("column value_set", "mostly"),
    "expect_column_values_to_not_be_in_set": _kind("column value_set", "mostly"),
    "expect_column_values_to_match_regex": _kind("column regex", "mostly"),
    "expect_column_values_to_not_match_regex": _kind("column regex", "mostly"),
    "expect_column_values_to_be_between": _kind(
        "column", "min_value max_value mostly strict_min strict_max"
    ),
    "expect_column_value_lengths_to_be_between": _kind("column", "min_value max_value mostly"),
    "expect_column_proportion_of_non_null_values_to_be_between": _kind(
        "column", "min_value max_value", counts_rows=True
    ),
    "expect_column_proportion_of_unique_values_to_be_between": _kind(
        "column", "min_value max_value", counts_rows=True
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _kind(
        "column_A column_B", "or_equal ignore_row_if mostly"
    ),
    "expect_multicolumn_sum_to_equal": _kind("column_list sum_total", "ignore_row_if"),
    "unexpected_rows_expectation": _kind("unexpected_rows_query", counts_rows=True),
    "expect_query_share_to_be_between": _kind(
        "query", "min_share max_share judged_from", counts_rows=True
    ),
}
"""Every type a suite may use. An unknown one is refused here: Great Expectations drops it."""


@dataclass(frozen=True)
class Rule:
    """One expectation, ready to run.

    Attributes:
        id: its name within the suite; a verdict refers to it.
        type: expectation type, one of `KINDS`.
        kwargs: JSON values, the edition's own already put in.
        severity: `critical`, `warning` or `info`.
        reason: why the rule is there and its bounds where they are.
    """

    id: str
    type: str
    kwargs: Mapping[str, Any]
    severity: str
    reason: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns it is about; none for a rule about the whole table or in SQL."""
        single = [
            self.kwargs[key] for key in ("column", "column_A", "column_B") if key in self.kwargs
        ]
        return (*single, *self.kwargs.get("column_list", ()))

    @property
    def column(self) -> str:
        """Its columns for show; the list of all of a table's is left out."""
        whole_table = self.type == "expect_table_columns_to_match_ordered_list"
        return "" if whole_table else ",".join(self.columns)


@dataclass(frozen=True)
class Companion:
    """Another table a suite looks at.

    Attributes:
        view: its name in SQL.
        key: the table.
        previous: whether the edition before is meant; where there is none the view is empty.
    """

    view: str
    key: TableKey
    previous: bool


@dataclass(frozen=True)
class Suite:
    """All rules for one table in one edition.

    Attributes:
        key: the table.
        edition: partition key.
        file: where it is written, for messages.
        description: what it watches for.
        columns: names, closed and in order.
        companions: other tables it looks at.
        rules: in order: those of the contract first.
        variables: dates SQL may ask for by `getvariable`.
    """

    key: TableKey
    edition: str
    file: Path
    description: str
    columns: tuple[str, ...]
    companions: tuple[Companion, ...]
    rules: tuple[Rule, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over everything an outcome follows from, reasons and descriptions left out."""
        content = {
            "columns": self.columns,
            "companions": [[each.view, str(each.key), each.previous] for each in self.companions],
            "rules": [[rule.id, rule.type, rule.kwargs, rule.severity] for rule in self.rules],
            "variables": self.variables,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def suite_file(key: TableKey, folder: Path = EXPECTATIONS) -> Path:
    """Where the suite of a table is written."""
    return folder / key.stage / f"{key.table}.yaml"


def load_suite(key: TableKey, edition_key: str, folder: Path = EXPECTATIONS) -> Suite:
    """Read a table's suite, with what its contract says put first.

    Args:
        key: the table.
        edition_key: whose dates are put in.
        folder: root of the suites.

    Raises:
        SuiteError: there is none, or it cannot be read as written: file and field are named.
    """
    file = suite_file(key, folder)
    chosen = edition(edition_key)
    if not file.exists():
        msg = f"{file} is missing: write the suite of {key}."
        raise SuiteError(msg)
    written = _read(file)
    rules, columns, companions = _from_contract(key)
    columns = _columns(file, key, written, columns)
    rules = [*(rules or _closed(columns)), *_rules(file, written, chosen, columns)]
    _unique(file, rules)
    return Suite(
        key=key,
        edition=edition_key,
        file=file,
        description=str(written["description"]).strip(),
        columns=columns,
        companions=(*companions, *_companions(file, written, companions)),
        rules=tuple(rules),
        variables=_variables(chosen),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(), Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        msg = f"{file}{where}: not YAML as we read it ({getattr(error, 'problem', error)})."
        raise SuiteError(msg) from None
    if not isinstance(content, dict):
        msg = f"{file}: a suite is one mapping with {', '.join(sorted(_SUITE_FIELDS))}."
        raise SuiteError(msg)
    _known_fields(file, "suite", content, _SUITE_FIELDS)
    return content


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the last would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} twice, or no text", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _known_fields(file: Path, where: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        listed = ", ".join(sorted(known))
        msg = f"{file}, {where}: unknown field {', '.join(unknown)}. Known: {listed}."
        raise SuiteError(msg)


def _columns(
    file: Path, key: TableKey, written: Mapping[str, Any], by_contract: tuple[str, ...]
) -> tuple[str, ...]:
    if written.get("table") != str(key):
        msg = f"{file}, table: must be {key}, as the file's own name says."
        raise SuiteError(msg)
    if not _text(written.get("description")):
        msg = f"{file}, description: missing. Say in a sentence what is being watched for."
        raise SuiteError(msg)
    listed = written.get("columns")
    if by_contract:
        if listed is not None:
            msg = f"{file}, columns: the contract of {key.table} states them. Remove the field."
            raise SuiteError(msg)
        return by_contract
    names = isinstance(listed, list) and all(isinstance(each, str) and each for each in listed)
    if not names or not listed or len(set(listed)) != len(listed):
        msg = f"{file}, columns: list every column of {key}, in order, each once."
        raise SuiteError(msg)
    return tuple(listed)


def _companions(
    file: Path, written: Mapping[str, Any], derived: Sequence[Companion]
) -> Iterator[Companion]:
    given = written.get("with", {})
    if not isinstance(given, dict):
        msg = f"{file}, with: must be a mapping of view to table."
        raise SuiteError(msg)
    for view, named in given.items():
        where = f"{file}, with.{view}"
        target = named if isinstance(named, dict) else {"table": named}
        if not _VIEW.match(view) or view in {"batch", *(each.view for each in derived)}:
            msg = f"{where}: a view is lower snake case and not taken: `batch` is the table itself."
            raise SuiteError(msg)
        previous = target.get("edition") == PREVIOUS
        if set(target) - {"table", "edition"} or ("edition" in target and not previous):
            msg = f"{where}: write stage/table, or {{table: stage/table, edition: previous}}."
            raise SuiteError(msg)
        stage, _, table = str(target.get("table", "")).partition("/")
        try:
            key = TableKey.of(stage, table)
        except ValueError as error:
            msg = f"{where}: {error}"
            raise SuiteError(msg) from None
        if stage in SECURE_STAGES:
            msg = f"{where}: {key} may hold identifiers; gates look at content only."
            raise SuiteError(msg)
        yield Companion(view, key, previous)


def _rules(
    file: Path, written: Mapping[str, Any], chosen: Edition, columns: Sequence[str]
) -> Iterator[Rule]:
    given = written.get("expectations", [])
    if not isinstance(given, list):
        msg = f"{file}, expectations: must be a list."
        raise SuiteError(msg)
    for number, entry in enumerate(given, start=1):
        if not isinstance(entry, dict):
            msg = f"{file}, expectation {number}: must be a mapping."
            raise SuiteError(msg)
        name = entry.get("id")
        if not isinstance(name, str) or not _ID.match(name):
            msg = f"{file}, expectation {number}, id: missing, or not lower snake case."
            raise SuiteError(msg)
        yield _rule(file, name, entry, chosen, columns)


def _rule(
    file: Path, name: str, entry: Mapping[str, Any], chosen: Edition, columns: Sequence[str]
) -> Rule:
    where = f"expectation {name}"
    _known_fields(file, where, entry, _RULE_FIELDS)
    kind = KINDS.get(str(entry.get("type")))
    if kind is None:
        msg = f"{file}, {where}, type: {entry.get('type')!r} is not one of {', '.join(KINDS)}."
        raise SuiteError(msg)
    if not _text(entry.get("reason")):
        msg = f"{file}, {where}, reason: missing. Say why the bound is where it is."
        raise SuiteError(msg)
    severity = entry.get("severity", "critical")
    if severity not in SEVERITIES:
        msg = f"{file}, {where}, severity: {severity!r} is not one of {', '.join(SEVERITIES)}."
        raise SuiteError(msg)
    kwargs = entry.get("kwargs", {})
    if not isinstance(kwargs, dict):
        msg = f"{file}, {where}, kwargs: must be a mapping."
        raise SuiteError(msg)
    _known_fields(file, f"{where}, kwargs", kwargs, kind.required | kind.optional)
    absent = sorted(kind.required - set(kwargs))
    if absent:
        msg = f"{file}, {where}, kwargs: {', '.join(absent)} missing."
        raise SuiteError(msg)
    rule = Rule(
        id=name,
        type=str(entry["type"]),
        kwargs={key: _value(file, where, value, chosen) for key, value in kwargs.items()},
        severity=str(severity),
        reason=str(entry["reason"]).strip(),
    )
    _check_arguments(file, where, rule, columns)
    return rule


def _check_arguments(file: Path, where: str, rule: Rule, columns: Sequence[str]) -> None:
    for column in rule.columns:
        if column not in columns:
            listed = ", ".join(columns)
            msg = f"{file}, {where}, kwargs: there is no column {column!r}. Columns: {listed}."
            raise SuiteError(msg)
    mostly = rule.kwargs.get("mostly", 1.0)
    if isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        msg = f"{file}, {where}, kwargs.mostly: a share above 0 and up to 1."
        raise SuiteError(msg)
    for key in ("query", "unexpected_rows_query"):
        if key in rule.kwargs and "{batch}" not in str(rule.kwargs[key]):
            msg = f"{file}, {where}, kwargs.{key}: the SQL must read from {{batch}}."
            raise SuiteError(msg)


def _value(file: Path, where: str, value: object, chosen: Edition) -> object:
    """An argument as JSON: the edition's own value put in, a date as ISO 8601 text."""
    if isinstance(value, dict):
        values: dict[str, object] = {"cut_off": chosen.cut_off.isoformat(), "key": chosen.key}
        wanted = value.get("edition")
        if set(value) != {"edition"} or wanted not in values:
            msg = f"{file}, {where}, kwargs: write {{edition: {' or '.join(values)}}}, got {value}."
            raise SuiteError(msg)
        return values[str(wanted)]
    if isinstance(value, list):
        return [_value(file, where, each, chosen) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return value


def _variables(chosen: Edition) -> dict[str, str]:
    found = {"cut_off": chosen.cut_off.isoformat()}
    earlier = before(chosen.key)
    if earlier is not None:
        found["previous_cut_off"] = earlier.cut_off.isoformat()
    return found


def _unique(file: Path, rules: Sequence[Rule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            msg = f"{file}, expectation {rule.id}, id: used twice."
            raise SuiteError(msg)
        seen.add(rule.id)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _closed(columns: Sequence[str]) -> list[Rule]:
    return [
        Rule(
            "columns",
            "expect_table_columns_to_match_ordered_list",
            {"column_list": list(columns)},
            "critical",
            "What is published is a closed list: a column nobody decided on cannot slip through.",
        )
    ]


_PSEUDONYM_PATTERN = f"^[0-9a-f]{{{PSEUDONYM_LENGTH}}}$"


def _from_contract(key: TableKey) -> tuple[list[Rule], tuple[str, ...], tuple[Companion, ...]]:
    """What a contract already says of an extract: rules, columns, and the parent table."""
    contract = contracts().get(key.table) if key.stage == "extracts" else None
    if contract is None:
        return [], (), ()
    schema = contract.content_schema
    columns = tuple(each.name for each in schema)
    rules = _closed(columns)
    for each in schema:
        rules.append(
            _derived(
                f"{each.name}.type",
                "expect_column_values_to_be_of_type",
                each.name,
                type_=each.type.partition("(")[0],
            )
        )
    rules += _of_pseudonym("record_key")
    rules.append(_derived("record_key.unique", "expect_column_values_to_be_unique", "record_key"))
    companions: tuple[Companion, ...] = ()
    if contract.parent is not None:
        own = f"{contract.parent}_key"
        companions = (
            Companion(contract.parent, TableKey.of("extracts", contract.parent), previous=False),
        )
        rules += _of_pseudonym(own)
        rules.append(
            Rule(
                f"{own}.exists",
                "unexpected_rows_expectation",
                {
                    "unexpected_rows_query": f"select {own} from {{batch}} as child anti join "
                    f"{contract.parent} as parent on child.{own} = parent.record_key"
                },
                "critical",
                f"Its contract says that every row belongs to one of {contract.parent}.",
            )
        )
    for column in contract.columns:
        rules += _of_column(column)
    for derivation in contract.derivations:
        rules += _bounds(derivation.name, derivation.minimum, derivation.maximum)
    return rules, columns, companions


def _of_column(column: Column) -> list[Rule]:
    held = column.content_name
    if held is None:
        return []
    if column.treatment == "pseudonymise":
        return _of_pseudonym(held, required=column.required)
    rules: list[Rule] = []
    if column.required:
        rules.append(_derived(f"{held}.not_null", "expect_column_values_to_not_be_null", held))
    if column.codes is not None and not column.codes_open:
        codes = list(code_list(column.codes))
        rules.append(
            _derived(f"{held}.codes", "expect_column_values_to_be_in_set", held, value_set=codes)
        )
    if column.pattern is not None:
        whole = f"^(?:{column.pattern})$"
        rules.append(
            _derived(f"{held}.pattern", "expect_column_values_to_match_regex", held, regex=whole)
        )
    if column.min_length is not None or column.max_length is not None:
        bounds = {"min_value": column.min_length, "max_value": column.max_length}
        given = {bound: value for bound, value in bounds.items() if value is not None}
        rules.append(
            _derived(f"{held}.length", "expect_column_value_lengths_to_be_between", held, **given)
        )
    return rules + _bounds(held, column.minimum, column.maximum)


def _of_pseudonym(column: str, *, required: bool = True) -> list[Rule]:
    present = [_derived(f"{column}.not_null", "expect_column_values_to_not_be_null", column)]
    return [
        *(present if required else []),
        _derived(
            f"{column}.pseudonym",
            "expect_column_values_to_match_regex",
            column,
            regex=_PSEUDONYM_PATTERN,
        ),
    ]


def _bounds(
    column: str, minimum: date | Decimal | int | None, maximum: date | Decimal | int | None
) -> list[Rule]:
    given = {
        name: bound.isoformat() if isinstance(bound, date) else int(bound)
        for name, bound in (("min_value", minimum), ("max_value", maximum))
        if bound is not None
    }
    if not given:
        return []
    return [_derived(f"{column}.bounds", "expect_column_values_to_be_between", column, **given)]


def _derived(rule: str, kind: str, column: str, **kwargs: object) -> Rule:
    return Rule(rule, kind, {"column": column, **kwargs}, "critical", "Its contract says so.")
