"""How good the links are, against reference labels where there are any.

What belongs here: precision, recall and F1, and the charts that show them and a model's weights.
What does not: linking (it never sees the labels), and anything about a single record: every figure
here is an aggregate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import connect, name, parquet, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey, define_pseudonym, scope_key
from datafirst_platform.linkage.models import LEVELS, LinkageModel, linkage_model
from datafirst_platform.linkage.publishing import table_key
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings


@dataclass(frozen=True)
class Measure:
    """Pairs of records: linked, and truly of one person.

    Attributes:
        scope: `all` pairs; `cross`, pairs across datasets only; or `cases`.
        level: the threshold.
        linked: pairs with the same estimated person.
        true: pairs with the same person.
        both: pairs with both.
    """

    scope: str
    level: str
    linked: int
    true: int
    both: int

    @property
    def precision(self) -> float:
        """Share of linked pairs that are true; 1 where none is linked."""
        return self.both / self.linked if self.linked else 1.0

    @property
    def recall(self) -> float:
        """Share of true pairs that are linked; 1 where there are none."""
        return self.both / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        pairs = self.linked + self.true
        return 2 * self.both / pairs if pairs else 1.0


@dataclass(frozen=True)
class Quality:
    """Quality of one linkage.

    Attributes:
        dataset: the linkage.
        measures: by scope and threshold.
    """

    dataset: str
    measures: tuple[Measure, ...]

    def at(self, level: str, scope: str = "all") -> Measure:
        """The measure of one threshold.

        Raises:
            KeyError: there is none of that scope and level.
        """
        for measure in self.measures:
            if (measure.scope, measure.level) == (scope, level):
                return measure
        raise KeyError((scope, level))


def evaluate(settings: Settings, edition: str, dataset: str) -> Quality | None:
    """Compare a linkage with the reference labels, or None where there are none.

    Pairs are counted from cluster sizes and never listed: a pair is right where two records share
    the estimated and the true person. Records and datasets without a label are left out.

    Raises:
        NotReady: the dataset has not been linked.
        PlatformError: the labels fit no record at all.
    """
    model = linkage_model(dataset)
    truth = settings.secure / "truth" / edition
    if model.kind == "cases":
        return _evaluate_cases(settings, edition, model)
    members = model.members if model.kind == "across" else (dataset,)
    people_of = [linkage_model(member).members[0] for member in members]
    labelled_tables = [table for table in people_of if (truth / f"{table}.parquet").exists()]
    if not labelled_tables:
        return None
    people = tables.require(settings, table_key(dataset, "people"), edition)
    with connect(settings) as connection, values_withheld(f"Evaluating {dataset}"):
        define_pseudonym(connection, scope_key(settings, "records"))
        labelled = " union all ".join(
            f"select record_key, person_id, {number} as member "
            f"from ({_labels(settings, edition, table, truth / f'{table}.parquet')})"
            for number, table in enumerate(labelled_tables)
        )
        connection.execute(
            f"""create temp table labelled as
            select person_id, member, {", ".join(f"person_{level}" for level in LEVELS)}
            from {parquet(people.path)} join ({labelled}) using (record_key)"""
        )
        if people.rows and not connection.execute("select count(*) from labelled").fetchall()[0][0]:
            msg = f"The reference labels in {truth} fit no record of {people.key}: other keys."
            raise PlatformError(msg)
        scopes = ("all", "cross") if len(members) > 1 else ("all",)
        measures = tuple(
            measure_pairs(connection, scope, level) for scope in scopes for level in LEVELS
        )
    return Quality(dataset, measures)


def _evaluate_cases(settings: Settings, edition: str, model: LinkageModel) -> Quality | None:
    """Compare linked cases with the true ones."""
    file = settings.secure / "truth" / edition / f"{model.dataset}.parquet"
    if not file.exists():
        return None
    cases = tables.require(settings, table_key(model.dataset, "cases"), edition)
    members = [linkage_model(member).members[0] for member in model.members]
    keys = [f"{table}_key" for table in members]
    with connect(settings) as connection, values_withheld(f"Evaluating {model.dataset}"):
        define_pseudonym(connection, scope_key(settings, "records"))
        truth = ", ".join(
            f"{_record_key(table)} as {key}" for table, key in zip(members, keys, strict=True)
        )
        connection.execute(
            f"create temp table truth as select distinct {truth} from read_parquet({text(file)})"
        )
        true = connection.execute("select count(*) from truth").fetchall()[0][0]
        measures = []
        for level in LEVELS:
            linked, both = connection.execute(
                f"""select count(*), count(truth.{keys[0]})
                from {parquet(cases.path)} left join truth using ({", ".join(keys)})
                where match_weight >= ?""",
                [model.thresholds[level]],
            ).fetchall()[0]
            measures.append(Measure("cases", level, linked, true, both))
    return Quality(model.dataset, tuple(measures))


def _labels(settings: Settings, edition: str, table: str, file: Path) -> str:
    """SQL for the labels of a table's records: record_key, person_id.

    Of the records that their source itself holds for one person only the first counts: that they
    belong together is no finding of the linkage.
    """
    labels = f"select {_record_key(table)} as record_key, person_id from read_parquet({text(file)})"
    person = contracts()[table].source_person
    if person is None:
        return labels
    identities = tables.require(settings, TableKey.of("identities", table), edition)
    whose = name(str(person.content_name))
    return f"""select record_key, person_id
        from (select min(record_key) as record_key
            from {parquet(identities.path)} group by {whose})
        inner join ({labels}) using (record_key)"""


def _record_key(table: str) -> str:
    """SQL of a record's key from the supplied key columns."""
    parts = [text(table), *(name(column) for column in contracts()[table].primary_key)]
    return f"pseudonym({' || chr(124) || '.join(parts)})"


def measure_pairs(connection: duckdb.DuckDBPyConnection, scope: str, level: str) -> Measure:
    """Pairs of `labelled` (person_id, member, person_high, …), counted from cluster sizes."""
    person = f"person_{level}"
    linked, true, both = (
        _pairs(connection, columns, scope)
        for columns in ((person,), ("person_id",), ("person_id", person))
    )
    return Measure(scope, level, linked, true, both)


def _pairs(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], scope: str) -> int:
    """Pairs of records that agree on the columns; of scope `cross` without those of one member."""
    by = ", ".join(columns)
    counted = f"select count(*) as n from labelled group by {by}"
    total = f"select coalesce(sum(n * (n - 1) // 2), 0)::bigint from ({counted}"
    pairs = connection.execute(f"{total})").fetchall()[0][0]
    if scope == "cross":
        pairs -= connection.execute(f"{total}, member)").fetchall()[0][0]
    return int(pairs)
