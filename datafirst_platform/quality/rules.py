"""Rules: what a suite consists of, whether it was written or derived.

What belongs here: the expectation types that may be used, a rule, another table a rule looks at,
and the wording of the rules that are alike everywhere. What does not: which table has which rules
(`derived.py`, `expectations/`) and running them (`validation.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datafirst_platform.identity import PSEUDONYM_LENGTH, TableKey

SEVERITIES = ("critical", "warning", "info")


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
        id: its name within the suite; a verdict refers to it. Of a derived rule about a column,
            the column and what is asked of it: `record_key.unique`.
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
        where: SQL condition its rows meet; empty for all of them.
    """

    view: str
    key: TableKey
    previous: bool = False
    where: str = ""


def closed(columns: Sequence[str]) -> Rule:
    """The table has these columns, in this order, and no other."""
    return Rule(
        "columns",
        "expect_table_columns_to_match_ordered_list",
        {"column_list": list(columns)},
        "critical",
        "What is published is a closed list: a column nobody decided on cannot slip through.",
    )


def not_null(column: str, reason: str) -> Rule:
    """Every row has a value."""
    return _of_column(column, "not_null", "expect_column_values_to_not_be_null", reason)


def unique(name: str, columns: Sequence[str], reason: str) -> Rule:
    """No two rows agree on all of these columns."""
    if len(columns) == 1:
        kind = "expect_column_values_to_be_unique"
        return Rule(name, kind, {"column": columns[0]}, "critical", reason)
    kind = "expect_compound_columns_to_be_unique"
    return Rule(name, kind, {"column_list": list(columns)}, "critical", reason)


def pseudonym(column: str, reason: str, *, multiple: bool = False) -> Rule:
    """Every value has the form of a keyed pseudonym, or of several joined by commas."""
    form = _whole(f"[0-9a-f]{{{PSEUDONYM_LENGTH}}}", multiple=multiple)
    kind = "expect_column_values_to_match_regex"
    return _of_column(column, "pseudonym", kind, reason, regex=form)


def matching(column: str, pattern: str, reason: str, *, multiple: bool = False) -> Rule:
    """Every text matches an expression as a whole, or each of its entries joined by commas does."""
    kind = "expect_column_values_to_match_regex"
    form = _whole(f"(?:{pattern})", multiple=multiple)
    return _of_column(column, "pattern", kind, reason, regex=form)


def listed(column: str, values: Sequence[str], reason: str, *, multiple: bool = False) -> Rule:
    """Every value is one of these, or several of them joined by commas."""
    if multiple:
        kind = "expect_column_values_to_match_regex"
        form = _whole(f"(?:{'|'.join(map(re.escape, values))})", multiple=True)
        return _of_column(column, "codes", kind, reason, regex=form)
    kind = "expect_column_values_to_be_in_set"
    return _of_column(column, "codes", kind, reason, value_set=list(values))


def _whole(each: str, *, multiple: bool) -> str:
    return f"^{each}(?:,{each})*$" if multiple else f"^{each}$"


def of_type(column: str, type_: str, reason: str) -> Rule:
    """The column has this DuckDB type."""
    return _of_column(column, "type", "expect_column_values_to_be_of_type", reason, type_=type_)


def bounded(column: str, minimum: object, maximum: object, reason: str) -> list[Rule]:
    """Every value lies within the bounds; no rule where both are None."""
    return _within(column, "bounds", "expect_column_values_to_be_between", minimum, maximum, reason)


def long(column: str, minimum: object, maximum: object, reason: str) -> list[Rule]:
    """Every text has a number of characters within the bounds; no rule where both are None."""
    kind = "expect_column_value_lengths_to_be_between"
    return _within(column, "length", kind, minimum, maximum, reason)


def holds_rows(reason: str) -> Rule:
    """The table has a row."""
    kind = "expect_table_row_count_to_be_between"
    return Rule("holds_rows", kind, {"min_value": 1}, "critical", reason)


def none_found(name: str, query: str, reason: str) -> Rule:
    """A query over `{batch}` and companions finds no row."""
    kwargs = {"unexpected_rows_query": _one_line(query)}
    return Rule(name, "unexpected_rows_expectation", kwargs, "critical", reason)


def share(name: str, query: str, reason: str, severity: str = "critical", **bounds: float) -> Rule:
    """What a query counts, `counted` of `total`, is a share within `min_share`, `max_share`.

    Fewer than `judged_from` in total say nothing and pass.
    """
    kwargs = {"query": _one_line(query), **bounds}
    return Rule(name, "expect_query_share_to_be_between", kwargs, severity, reason)


def _within(
    column: str, asked: str, kind: str, minimum: object, maximum: object, reason: str
) -> list[Rule]:
    bounds = {"min_value": minimum, "max_value": maximum}
    given = {bound: value for bound, value in bounds.items() if value is not None}
    return [_of_column(column, asked, kind, reason, **given)] if given else []


def _of_column(column: str, asked: str, kind: str, reason: str, **kwargs: object) -> Rule:
    return Rule(f"{column}.{asked}", kind, {"column": column, **kwargs}, "critical", reason)


def _one_line(query: str) -> str:
    return " ".join(query.split())
