"""Great Expectations on DuckDB: rules go in, counts come out.

What belongs here: the execution engine Great Expectations lacks for DuckDB, and the one call that
runs a suite. What does not: where suites come from (`suites.py`) and what follows from an outcome
(`verdicts.py`).

Great Expectations decides every rule; this module only teaches it DuckDB, through the extension
points it offers: a subclass of its SQL engine and metric providers registered for that subclass.
Rows never leave the engine, so no failing value can reach a result, a log or an error.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeAlias

import duckdb

from datafirst_platform.engine import connect, name
from datafirst_platform.quality.rules import KINDS, Rule
from datafirst_platform.quality.suites import Suite
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings

Untyped: TypeAlias = Any
"""A class or object of Great Expectations or SQLAlchemy, imported only where it is needed."""

BATCH = "batch"
"""Name of the view under which the table being judged is seen."""

COUNTS = ("element_count", "missing_count", "unexpected_count")
"""The only figures taken from a result of Great Expectations, besides row counts and shares."""

_ROW_METRICS = re.compile(
    r"\.(unexpected_(values|rows|value_counts|index_list|index_query)|table)\Z"
)
"""Metrics whose value is rows: Great Expectations asks for them to describe a failure."""

_TYPE_NAME = re.compile(r"[A-Z]+")
_EXCEPTION_WORD = re.compile(r"\b[A-Z]\w*(?:Error|Exception)\b")


@dataclass(frozen=True)
class Outcome:
    """What became of one rule.

    Attributes:
        rule: id of the rule within its suite.
        type: expectation type.
        column: column or columns it is about, comma-separated; empty for a whole table.
        severity: `critical` blocks, `warning` and `info` are recorded only.
        passed: whether the data met it.
        counts: figures that tell nothing about a person: numbers of rows, and shares of them.
        error: class of the exception that kept the rule from being decided; empty if none did.
    """

    rule: str
    type: str
    column: str
    severity: str
    passed: bool
    counts: Mapping[str, int | float]
    error: str = ""


def run_suite(
    settings: Settings, suite: Suite, views: Mapping[str, str | None]
) -> tuple[Outcome, ...]:
    """Let Great Expectations decide every rule of a suite over published tables or files.

    Args:
        settings: threads and memory the engine may use.
        suite: the rules.
        views: name to SQL that reads rows (`TableVersion.sql`); `BATCH` is the table being judged.
            None gives an empty view of the batch's shape: what there is nothing of to compare with.

    Returns:
        One outcome per rule, in the suite's order.

    Raises:
        PlatformError: the engine failed, Great Expectations does not take a rule as written, or
            not every rule came back.
    """
    with connect(settings) as connection:
        with values_withheld(f"Opening {suite.key} for its suite"):
            _define_views(connection, views, {each.view: each.where for each in suite.companions})
            for variable, value in suite.variables.items():
                connection.execute(f"set variable {name(variable)} = ?::date", [value])
        results = _decide(connection, suite)
    outcomes = {outcome.rule: outcome for outcome in results}
    # Great Expectations leaves out of a suite, without a word, what it does not know.
    undecided = [rule.id for rule in suite.rules if rule.id not in outcomes]
    if undecided or len(results) != len(suite.rules):
        msg = (
            f"{suite.key}: {len(suite.rules)} rules were loaded but {len(results)} came back. "
            f"Undecided: {', '.join(undecided) or 'none'}. Check their types in {suite.file}."
        )
        raise PlatformError(msg)
    return tuple(outcomes[rule.id] for rule in suite.rules)


def _define_views(
    connection: duckdb.DuckDBPyConnection,
    views: Mapping[str, str | None],
    conditions: Mapping[str, str],
) -> None:
    for view, rows in sorted(views.items(), key=lambda item: item[0] != BATCH):
        source = f"{BATCH} where false" if rows is None else rows
        if rows is not None and conditions.get(view):
            source = f"{rows} where {conditions[view]}"
        connection.execute(f"create view {name(view)} as select * from {source}")


def _decide(connection: duckdb.DuckDBPyConnection, suite: Suite) -> list[Outcome]:
    toolkit = _toolkit()
    engine = toolkit.engine_class.over(connection)
    batch = toolkit.batch_class(
        data=toolkit.batch_data_class(
            execution_engine=engine, table_name=BATCH, source_table_name=BATCH
        )
    )
    validator = toolkit.validator_class(
        execution_engine=engine, batches=[batch], data_context=toolkit.context
    )
    with _configurations_kept(toolkit.expectation_class):
        result = validator.validate(
            expectation_suite=toolkit.suite_class(
                name=str(suite.key),
                expectations=[_configured(toolkit, suite, rule) for rule in suite.rules],
            ),
            # The least that still counts rows; SUMMARY computes more, and none of it is kept.
            result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
        )
    rules = {rule.id: rule for rule in suite.rules}
    return [_outcome(rules[each.expectation_config.meta["rule"]], each) for each in result.results]


@contextmanager
def _configurations_kept(expectation_class: Untyped) -> Iterator[None]:
    """Let Great Expectations derive each expectation's configuration once.

    It derives it anew whenever it asks, some eighty times a rule: half of its time. The answer is
    the same each time, as no expectation is altered once it is made.
    """
    derived = expectation_class.configuration
    # The expectation is kept with it, so that no other one comes by its id.
    kept: dict[int, tuple[Untyped, Untyped]] = {}

    def once(expectation: Untyped) -> Untyped:
        if id(expectation) not in kept:
            kept[id(expectation)] = (expectation, derived.fget(expectation))
        return kept[id(expectation)][1]

    expectation_class.configuration = property(once)
    try:
        yield
    finally:
        expectation_class.configuration = derived


def _configured(toolkit: _Toolkit, suite: Suite, rule: Rule) -> Untyped:
    configuration = toolkit.configuration_class(
        type=rule.type, kwargs=dict(rule.kwargs), severity=rule.severity, meta={"rule": rule.id}
    )
    try:
        configuration.to_domain_obj()
    except (toolkit.error_class, ValueError, TypeError):
        msg = (
            f"{suite.file}, expectation {rule.id}: Great Expectations does not take it as written. "
            f"Check the type {rule.type} and its kwargs: {', '.join(rule.kwargs)}."
        )
        raise PlatformError(msg) from None
    return configuration


def _outcome(rule: Rule, result: Untyped) -> Outcome:
    """Keep a whitelist of numbers: results also carry values, queries and tracebacks."""
    found = result.result or {}
    counts: dict[str, int | float] = {
        key: int(found[key]) for key in COUNTS if isinstance(found.get(key), int)
    }
    observed = found.get("observed_value")
    if KINDS[rule.type].counts_rows:
        if isinstance(observed, int | float) and not isinstance(observed, bool):
            counts["observed"] = round(observed, 6) if isinstance(observed, float) else observed
        elif isinstance(observed, dict):
            counts |= {
                f"observed_{key}": value
                for key, value in sorted(observed.items())
                if key in {"self", "other"} and isinstance(value, int)
            }
    return Outcome(
        rule=rule.id,
        type=rule.type,
        column=rule.column,
        severity=rule.severity,
        passed=bool(result.success),
        counts=counts,
        error=_error_class(result.exception_info),
    )


def _error_class(info: object) -> str:
    """The exception's class, if there was one: a name Python knows, nothing of its message."""
    if not isinstance(info, Mapping) or info.get("raised_exception") is False:
        return ""
    entries = [info] if "exception_message" in info else list(info.values())
    told = " ".join(
        str(entry.get(part, ""))
        for part in ("exception_message", "exception_traceback")
        for entry in entries
        if isinstance(entry, Mapping)
    )
    known = _exception_names()
    words = [word for word in _EXCEPTION_WORD.findall(told) if word in known]
    return words[0] if words else "Exception"


def _exception_names() -> frozenset[str]:
    found: set[type] = set()
    waiting: list[type] = [Exception]
    while waiting:
        fresh = set(waiting.pop().__subclasses__()) - found
        found |= fresh
        waiting += fresh
    return frozenset(each.__name__ for each in found)


class _Toolkit(NamedTuple):
    """What is taken from Great Expectations, made once a process."""

    engine_class: Untyped
    batch_class: Untyped
    batch_data_class: Untyped
    validator_class: Untyped
    suite_class: Untyped
    expectation_class: Untyped
    configuration_class: Untyped
    error_class: Untyped
    context: Untyped


@cache
def _toolkit() -> _Toolkit:
    """Import Great Expectations (4 to 5 s, once a process) and teach it DuckDB."""
    # Read at import: without it every run reports to the vendor.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations
    from great_expectations.core.batch import Batch
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.validator import Validator

    # It logs failing values.
    logger = logging.getLogger("great_expectations")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    # Ephemeral: nothing is written to disk.
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    engine_class = _engine_class()
    _register_metrics(engine_class)
    _register_expectations(engine_class)
    return _Toolkit(
        engine_class,
        Batch,
        SqlAlchemyBatchData,
        Validator,
        ExpectationSuite,
        Expectation,
        ExpectationConfiguration,
        GreatExpectationsError,
        context,
    )


def _engine_class() -> Untyped:
    import sqlalchemy
    from duckdb_engine import ConnectionWrapper
    from great_expectations.execution_engine.sqlalchemy_execution_engine import (
        SqlAlchemyExecutionEngine,
    )

    class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
        """Great Expectations' SQL engine over one DuckDB connection of ours."""

        @classmethod
        def over(cls, connection: duckdb.DuckDBPyConnection) -> DuckDBExecutionEngine:
            # One connection, never closed by the pool: the views live in it.
            engine = sqlalchemy.create_engine(
                "duckdb://",
                creator=lambda: ConnectionWrapper(connection),
                poolclass=sqlalchemy.StaticPool,
            )
            return cls(engine=engine, create_temp_table=False)

        def execute_query(self, query: Untyped) -> Untyped:
            """Run a query and hold its rows.

            Great Expectations fetches after the connection went back to the pool, whose rollback
            drops DuckDB's pending result. Errors are replaced: DuckDB's quote the cell.
            """
            try:
                with self.get_connection() as connection:
                    result = connection.execute(query)
                    return result.freeze()() if result.returns_rows else result
            except (sqlalchemy.exc.SQLAlchemyError, duckdb.Error) as error:
                failed = type(getattr(error, "orig", None) or error).__name__
            raise RuleEngineError(failed)

        execute_query_in_transaction = execute_query

        def resolve_metrics(
            self,
            metrics_to_resolve: Iterable[Untyped],
            metrics: Untyped = None,
            runtime_configuration: dict | None = None,
        ) -> Untyped:
            """Answer what asks for rows with none, and compute the rest."""
            asked = list(metrics_to_resolve)
            rows = [each for each in asked if _ROW_METRICS.search(each.metric_name)]
            rest = [each for each in asked if not _ROW_METRICS.search(each.metric_name)]
            computed = super().resolve_metrics(rest, metrics, runtime_configuration) if rest else {}
            return {**computed, **{each.id: [] for each in rows}}

    return DuckDBExecutionEngine


class RuleEngineError(Exception):
    """DuckDB could not compute a rule: only the class of its error is kept."""


def _register_metrics(engine_class: Untyped) -> None:
    """Metrics whose SQL Great Expectations has no words for in DuckDB, or slow ones.

    A metric provider registers itself, for this engine only, when its class is made.
    """
    import sqlalchemy
    from great_expectations.expectations.metrics.map_metric_provider import (
        ColumnMapMetricProvider,
        column_condition_partial,
    )
    from great_expectations.expectations.metrics.metric_provider import (
        MetricProvider,
        metric_value,
    )
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

    class DuckDBColumnTypes(TableMetricProvider):  # type: ignore[misc]
        """Names and types as DuckDB describes them; reflection does not know its catalogue."""

        metric_name = "table.column_types"
        value_keys = ("include_nested",)

        @metric_value(engine=engine_class)  # type: ignore[untyped-decorator]
        def _duckdb(cls, execution_engine: Untyped, **_: Untyped) -> list[dict[str, Untyped]]:  # noqa: N805
            described = execution_engine.execute_query(sqlalchemy.text(f"describe {BATCH}"))
            return [
                {"name": row[0], "type": getattr(sqlalchemy, _type_name(row[1]))()}
                for row in described.fetchall()
            ]

    class DuckDBMatchRegex(ColumnMapMetricProvider):  # type: ignore[misc]
        condition_metric_name = "column_values.match_regex"
        condition_value_keys = ("regex",)

        @column_condition_partial(engine=engine_class)  # type: ignore[untyped-decorator]
        def _duckdb(cls, column: Untyped, regex: str, **_: Untyped) -> Untyped:  # noqa: N805
            return sqlalchemy.func.regexp_matches(column, regex)

    class DuckDBNotMatchRegex(ColumnMapMetricProvider):  # type: ignore[misc]
        condition_metric_name = "column_values.not_match_regex"
        condition_value_keys = ("regex",)

        @column_condition_partial(engine=engine_class)  # type: ignore[untyped-decorator]
        def _duckdb(cls, column: Untyped, regex: str, **_: Untyped) -> Untyped:  # noqa: N805
            return sqlalchemy.not_(sqlalchemy.func.regexp_matches(column, regex))

    def repeated(execution_engine: Untyped, domain: dict, columns: Sequence[str]) -> int:
        # Grouping hashes narrow keys; the default sorts whole rows, at three times the cost.
        keys: list[Untyped] = [sqlalchemy.column(column) for column in columns]
        rows = execution_engine.get_domain_records(domain_kwargs=domain)
        source = rows.subquery() if isinstance(rows, sqlalchemy.Select) else rows
        groups = (
            sqlalchemy.select(sqlalchemy.func.count().label("rows_of_key"))
            .select_from(source)
            .where(sqlalchemy.or_(*(key.is_not(None) for key in keys)))
            .group_by(*keys)
            .having(sqlalchemy.func.count() > 1)
            .subquery()
        )
        total = sqlalchemy.func.coalesce(sqlalchemy.func.sum(groups.c.rows_of_key), 0)
        return int(execution_engine.execute_query(sqlalchemy.select(total)).scalar())

    table_domain = ("batch_id", "table", "row_condition", "condition_parser")

    class DuckDBRepeatedValues(MetricProvider):  # type: ignore[misc]
        metric_name = "column_values.unique.unexpected_count"
        domain_keys = (*table_domain, "column")

        @metric_value(engine=engine_class)  # type: ignore[untyped-decorator]
        def _duckdb(
            cls,  # noqa: N805
            execution_engine: Untyped,
            metric_domain_kwargs: dict,
            **_: Untyped,
        ) -> int:
            return repeated(
                execution_engine, metric_domain_kwargs, [metric_domain_kwargs["column"]]
            )

    class DuckDBRepeatedRecords(MetricProvider):  # type: ignore[misc]
        metric_name = "compound_columns.unique.unexpected_count"
        domain_keys = (*table_domain, "column_list", "ignore_row_if")

        @metric_value(engine=engine_class)  # type: ignore[untyped-decorator]
        def _duckdb(
            cls,  # noqa: N805
            execution_engine: Untyped,
            metric_domain_kwargs: dict,
            **_: Untyped,
        ) -> int:
            return repeated(
                execution_engine, metric_domain_kwargs, metric_domain_kwargs["column_list"]
            )


def _type_name(duckdb_type: str) -> str:
    """The SQL standard's name of a DuckDB type, without its precision."""
    found = _TYPE_NAME.match(duckdb_type)
    return {"HUGEINT": "BIGINT", "UBIGINT": "BIGINT"}.get(
        found.group() if found else "", found.group() if found else "VARCHAR"
    )


def _register_expectations(engine_class: Untyped) -> None:
    """The one rule Great Expectations has no type for: a share computed over several tables."""
    import sqlalchemy
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.query_metric_provider import QueryMetricProvider

    class QueryShare(QueryMetricProvider):  # type: ignore[misc]
        metric_name = "query_share.counts"
        value_keys = ("query",)

        @metric_value(engine=engine_class)  # type: ignore[untyped-decorator]
        def _duckdb(
            cls,  # noqa: N805
            execution_engine: Untyped,
            metric_domain_kwargs: dict,
            metric_value_kwargs: dict,
            **_: Untyped,
        ) -> tuple[int, int]:
            batch, _domain, _accessor = execution_engine.get_compute_domain(
                metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE
            )
            query = metric_value_kwargs["query"].format(batch=batch)
            rows = execution_engine.execute_query(sqlalchemy.text(query)).fetchall()
            counted, total = rows[0]
            return int(counted or 0), int(total or 0)

    class ExpectQueryShareToBeBetween(BatchExpectation):  # type: ignore[misc]
        """A query's one row `counted, total` has a share within bounds.

        Below `judged_from` rows in total the share says nothing and passes.
        """

        query: str
        min_share: float = 0.0
        max_share: float = 1.0
        judged_from: int = 1

        metric_dependencies: ClassVar[tuple[str, ...]] = ("query_share.counts",)
        success_keys: ClassVar[tuple[str, ...]] = ("query", "min_share", "max_share", "judged_from")
        domain_keys: ClassVar[tuple[str, ...]] = ("batch_id", "row_condition", "condition_parser")

        def _validate(
            self,
            metrics: dict,
            **_: Untyped,
        ) -> dict[str, Untyped]:
            counted, total = metrics["query_share.counts"]
            judged = total >= max(self.judged_from, 1)
            share = counted / total if total else 0.0
            return {
                "success": not judged or self.min_share <= share <= self.max_share,
                "result": {
                    "element_count": total,
                    "unexpected_count": counted,
                    "observed_value": share,
                },
            }
