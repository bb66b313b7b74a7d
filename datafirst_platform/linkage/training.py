"""Training: estimating a linkage's parameters once, to be stored and used at every refresh.

What belongs here: u from random pairs, m by expectation maximisation, and the JSON that holds them.
What does not: refreshing. A model is trained about yearly, reviewed, and committed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log2
from typing import Any

import duckdb

from datafirst_platform.engine import connect
from datafirst_platform.linkage.blocking import block, key_sql
from datafirst_platform.linkage.cases import prepare_cases
from datafirst_platform.linkage.linking import prepare
from datafirst_platform.linkage.models import (
    LinkageModel,
    TrainedModel,
    TrainingSession,
    linkage_model,
    nothing_to_train,
    possible_pairs,
    splink_settings,
    trained_model,
)
from datafirst_platform.linkage.scoring import score, splink_linker
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings

Comparisons = dict[str, list[dict[str, Any]]]

_UNSEEN = 2e-3
"""m or u of a level that the pairs learnt from did not show. Zero would veto or force a link for
ever; as both, it makes such a level say nothing."""

_DIGITS = 6
_ROUNDS = 5


def train(settings: Settings, edition: str, dataset: str) -> TrainedModel:
    """Estimate a linkage's parameters from an edition's records and write its JSON.

    u is estimated from random pairs, m by expectation maximisation on the pairs that each training
    session of the settings names, and the expected number of matches from the model's own
    posterior over all candidate pairs.

    Raises:
        NotReady: the records are not there.
        PlatformError: the settings are not valid, of a linkage that needs no training, or a session
            finds no pairs to learn from.
    """
    model = linkage_model(dataset)
    if not model.is_trained:
        raise PlatformError(nothing_to_train(model))
    with connect(settings) as connection, values_withheld(f"Training {dataset}"):
        make = prepare_cases if model.kind == "cases" else prepare
        sizes = make(settings, connection, edition, model)
        comparisons = estimate_u(connection, model)
        for session in model.sessions:
            comparisons |= estimate_m(connection, model, session, comparisons, len(sizes))
        matches = expected_matches(connection, model, comparisons, sizes)
        comparisons = _without_matches(comparisons, matches * sum(sizes) / 2, sizes)
        matches = expected_matches(connection, model, comparisons, sizes)
    stored = {
        "dataset": dataset,
        "trained_from": model.trained_from,
        "edition": edition,
        "records": sum(sizes),
        "matches_per_record": float(f"{matches:.{_DIGITS}g}"),
        "comparisons": model.for_splink(comparisons),
    }
    model.trained_path.write_text(json.dumps(stored, indent=1) + "\n")
    return trained_model(model)


def estimate_u(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> Comparisons:
    """Levels with u: the share of random pairs in each."""
    settings = splink_settings(model.for_splink(model.comparisons), prior=1e-4)
    with splink_linker(connection, "tuples", settings) as (linker, _):
        linker.training.estimate_u_using_random_sampling(model.u_pairs, seed=model.seed)
        estimated = linker.misc.save_model_to_json()["comparisons"]
    return {
        comparison["output_column_name"]: _with(
            model,
            comparison["output_column_name"],
            "u",
            comparison["comparison_levels"],
            1 / model.u_pairs,
        )
        for comparison in estimated
    }


def estimate_m(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    session: TrainingSession,
    comparisons: Comparisons,
    members: int,
) -> Comparisons:
    """Levels with m, of the comparisons that a session estimates."""
    chosen = {name: comparisons[name] for name in session.estimates}
    # The key has a name of its own: Splink would leave out every comparison that uses its columns.
    key = "coalesce(node, id)" if session.of_one_person else key_sql(session.agree_on)
    connection.execute(
        f"""create or replace temp table session as
        select tuples.*, {key} as session_key, coalesce(node, id) as node
        from tuples left join nodes using (id)"""
    )
    # What a source itself holds for one person would teach that nothing ever differs, and is looked
    # at only where a session asks for it: where hardly anybody is held twice.
    apart = " and l.member <> r.member" if members > 1 else " and l.node <> r.node"
    if session.of_one_person:
        apart = ""
    settings = splink_settings(model.for_splink(chosen), prior=0.5)
    with splink_linker(connection, "session", settings) as (linker, _):
        linker.training.estimate_parameters_using_expectation_maximisation(
            f"l.session_key = r.session_key{apart}",
            estimate_without_term_frequencies=True,
            max_pairs=model.em_pairs,
        )
        estimated = linker.misc.save_model_to_json()["comparisons"]
    connection.execute("drop table session")
    return {
        comparison["output_column_name"]: _with(
            model, comparison["output_column_name"], "m", comparison["comparison_levels"], _UNSEEN
        )
        for comparison in estimated
    }


def _with(
    model: LinkageModel,
    name: str,
    parameter: str,
    estimated: Sequence[dict[str, Any]],
    least: float,
) -> list[dict[str, Any]]:
    """A comparison's levels with an estimated parameter, where the settings do not fix it."""
    field = f"{parameter}_probability"
    levels = []
    for stated, level in zip(model.comparisons[name], estimated, strict=True):
        kept = dict(level)
        if not stated.get("is_null_level"):
            value = stated.get(field, max(least, float(level.get(field, _UNSEEN))))
            kept[field] = float(f"{value:.{_DIGITS}g}")
        levels.append(kept)
    return levels


def expected_matches(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    comparisons: Comparisons,
    sizes: Sequence[int],
) -> float:
    """Expected number of other records of a record's person: the posterior over all candidates."""
    block(connection, model.blocking, len(sizes))
    score(connection, splink_settings(model.for_splink(comparisons), prior=0.5), threshold=-60.0)
    total = possible_pairs(sizes)
    matches = float(sum(sizes)) / 2
    for _ in range(_ROUNDS):
        matches = min(matches, total / 2)
        prior = log2(matches / (total - matches))
        matches = float(
            connection.execute(
                "select coalesce(sum(1 / (1 + pow(2, -(match_weight::double + ?)))), 1) from edges",
                [prior],
            ).fetchall()[0][0]
        )
    return 2 * matches / sum(sizes)


def _without_matches(comparisons: Comparisons, matches: float, sizes: Sequence[int]) -> Comparisons:
    """Take the matches out of u: a random pair is one with the prior's probability.

    Negligible in tens of millions of records, not in the samples a model may be trained on.
    """
    prior = matches / possible_pairs(sizes)

    def corrected(level: dict[str, Any]) -> dict[str, Any]:
        if level.get("is_null_level") or level["fix_u_probability"]:
            return level
        u = (level["u_probability"] - prior * level["m_probability"]) / (1 - prior)
        # What is left of a level that matches alone fill is noise: keep a tenth.
        u = max(u, level["u_probability"] / 10)
        return {**level, "u_probability": float(f"{u:.{_DIGITS}g}")}

    return {name: [corrected(level) for level in levels] for name, levels in comparisons.items()}
