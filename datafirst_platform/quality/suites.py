"""Suites: the rules a table has to meet, those derived for it and those written for it alone.

What belongs here: reading `expectations/<stage>/<table>.yaml` strictly, putting it with what is
derived (`derived.py`), and the digest by which a verdict is known to be about these very rules.
What does not: running them (`validation.py`).

A suite that is wholly derived has no file. A file holds one mapping::

    table: marts/crown_cases
    description: what is being watched for, in a sentence
    with:                               # other published tables, seen as views
      supplied: extracts/xhibit_defendants_on_case
      previous: {table: marts/crown_cases, edition: previous}
    expectations:
      - id: completed_after_first_hearing
        type: expect_column_pair_values_a_to_be_greater_than_b
        kwargs: {column_A: completion_date, column_B: first_hearing_date, or_equal: true}
        severity: critical              # blocks; warning and info are recorded only
        reason: why the bound is where it is

Its rules are added to those derived; one with the id of a derived rule stands in its place. Views
of derived rules may be used as they are. `columns: [record_key, ...]` lists the columns, closed and
in order, of a table nothing is derived for.

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
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from datafirst_platform.editions import Edition, before, edition
from datafirst_platform.identity import SECURE_STAGES, TableKey
from datafirst_platform.quality.derived import PREVIOUS, Derived, derive, derived_tables
from datafirst_platform.quality.rules import KINDS, SEVERITIES, Companion, Rule, closed
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import PROJECT_ROOT

EXPECTATIONS = PROJECT_ROOT / "expectations"

_ID = re.compile(r"[a-z][a-z0-9_.]*\Z")
_VIEW = re.compile(r"[a-z][a-z0-9_]*\Z")
_SUITE_FIELDS = frozenset({"table", "description", "columns", "with", "expectations"})
_RULE_FIELDS = frozenset({"id", "type", "kwargs", "severity", "reason"})


class SuiteError(PlatformError):
    """A suite cannot be read as written; the message names the file and the field."""


@dataclass(frozen=True)
class Suite:
    """All rules for one table in one edition.

    Attributes:
        key: the table.
        edition: partition key.
        file: where its own rules are written, or would be; for messages.
        description: what it watches for.
        columns: names, closed and in order.
        companions: other tables it looks at.
        rules: in order: those derived first.
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
            "companions": [
                [each.view, str(each.key), each.previous, each.where] for each in self.companions
            ],
            "rules": [[rule.id, rule.type, rule.kwargs, rule.severity] for rule in self.rules],
            "variables": self.variables,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def suite_file(key: TableKey, folder: Path = EXPECTATIONS) -> Path:
    """Where the suite of a table is written, if it has rules of its own."""
    return folder / key.stage / f"{key.table}.yaml"


def suite_tables(folder: Path = EXPECTATIONS) -> tuple[TableKey, ...]:
    """Every table that has a suite, derived or written, in order."""
    written = (TableKey.of(file.parent.name, file.stem) for file in folder.glob("*/*.yaml"))
    return tuple(sorted({*derived_tables(), *written}))


def load_suite(
    key: TableKey,
    edition_key: str,
    folder: Path = EXPECTATIONS,
    where: str = "",
    audience: Sequence[str] = (),
) -> Suite:
    """The suite of a table: what is derived for it, with what is written for it alone.

    Args:
        key: the table.
        edition_key: whose dates are put in.
        folder: root of the files.
        where: of a released table, the SQL condition on the rows of its mart that it holds.
        audience: of a released table, for whom it is.

    Raises:
        SuiteError: there is none, or it cannot be read as written: file and field are named.
    """
    file = suite_file(key, folder)
    chosen = edition(edition_key)
    derived = derive(key, where, audience)
    if derived is None and not file.exists():
        msg = f"{file} is missing: nothing is derived for {key}, so write its suite."
        raise SuiteError(msg)
    written = _read(file) if file.exists() else {"table": str(key)}
    _check_heading(file, key, written, derived)
    columns = _columns(file, key, written, derived)
    rules = list(_rules(file, written, chosen, columns))
    return Suite(
        key=key,
        edition=edition_key,
        file=file,
        description=str(written.get("description") or (derived and derived.description)).strip(),
        columns=columns,
        companions=_companions(file, written, derived.companions if derived else ()),
        rules=_composed(file, derived.rules if derived else (closed(columns),), rules),
        variables=_variables(chosen),
    )


def _composed(file: Path, derived: Sequence[Rule], written: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules derived, those written anew in their places, then the others written."""
    own: dict[str, Rule] = {}
    for rule in written:
        if rule.id in own:
            msg = f"{file}, expectation {rule.id}, id: used twice."
            raise SuiteError(msg)
        own[rule.id] = rule
    placed = [own.pop(rule.id, rule) for rule in derived]
    return (*placed, *own.values())


def _read(file: Path) -> dict[str, Any]:
    try:
        content = _parsed(file.read_text())
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


@lru_cache(maxsize=512)
def _parsed(text: str) -> Any:  # noqa: ANN401 (whatever stands in the file)
    """What a text says in YAML, not to be altered: each release asks for the same suites again."""
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)


class _StrictLoader(yaml.CSafeLoader):
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


def _check_heading(
    file: Path, key: TableKey, written: Mapping[str, Any], derived: Derived | None
) -> None:
    if written.get("table") != str(key):
        msg = f"{file}, table: must be {key}, as the file's own name says."
        raise SuiteError(msg)
    told = "description" in written or derived is None
    if told and not _text(written.get("description")):
        msg = f"{file}, description: missing. Say in a sentence what is being watched for."
        raise SuiteError(msg)


def _columns(
    file: Path, key: TableKey, written: Mapping[str, Any], derived: Derived | None
) -> tuple[str, ...]:
    names = written.get("columns")
    if derived is not None:
        if names is not None and names != list(derived.columns):
            msg = f"{file}, columns: {derived.stated_by} states others. Remove the field."
            raise SuiteError(msg)
        return derived.columns
    texts = isinstance(names, list) and all(_text(each) for each in names)
    if not texts or not names or len(set(names)) != len(names):
        msg = f"{file}, columns: list every column of {key}, in order, each once."
        raise SuiteError(msg)
    return tuple(names)


def _companions(
    file: Path, written: Mapping[str, Any], derived: Sequence[Companion]
) -> tuple[Companion, ...]:
    given = written.get("with", {})
    if not isinstance(given, dict):
        msg = f"{file}, with: must be a mapping of view to table."
        raise SuiteError(msg)
    found = {each.view: each for each in derived}
    for view, named in given.items():
        where = f"{file}, with.{view}"
        companion = _companion(where, view, named)
        known = found.setdefault(view, companion)
        if (known.key, known.previous) != (companion.key, companion.previous):
            msg = f"{where}: derived rules see {known.key} by this name. Choose another."
            raise SuiteError(msg)
    return tuple(found.values())


def _companion(where: str, view: str, named: object) -> Companion:
    target = named if isinstance(named, dict) else {"table": named}
    if not _VIEW.match(view) or view == "batch":
        msg = f"{where}: a view is lower snake case, and `batch` is the table itself."
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
    return Companion(view, key, previous)


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


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
