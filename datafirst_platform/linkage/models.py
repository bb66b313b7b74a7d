"""The settings of each linkage and its trained parameters.

What belongs here: reading and checking `models/<dataset>.yaml` and `models/<dataset>.json`, and
turning the two into what Splink takes. What does not: data. A dataset is added by a YAML and the
JSON that `train` makes of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from datafirst_platform.linkage.standardise import KEY_PARTS
from datafirst_platform.safe_errors import NotReady, PlatformError

FOLDER = Path(__file__).with_name("models")
KINDS = ("within", "across", "cases")
LEVELS = ("high", "medium", "low")
"""The three thresholds, strictest first; clusters at one refine those at the next."""


@dataclass(frozen=True)
class BlockingRule:
    """Pairs that agree on every part are scored.

    Attributes:
        name: of the rule.
        on: parts of the key (`standardise.KEY_PARTS`, or columns of a case).
        ceiling: records a block may hold; pairs of a larger one are not scored by this rule.
        reason: why the rule earns its pairs.
    """

    name: str
    on: tuple[str, ...]
    ceiling: int
    reason: str


@dataclass(frozen=True)
class TrainingSession:
    """One run of expectation maximisation.

    Attributes:
        name: of the session.
        on: parts of the key its pairs agree on.
        estimates: comparisons whose m it estimates; they may not look at what it blocks on.
        reason: why these pairs.
    """

    name: str
    on: tuple[str, ...]
    estimates: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class LinkageModel:
    """The settings of one linkage.

    Attributes:
        dataset: its name; the tables it publishes are named after it.
        kind: `within` one table, `across` datasets already linked within, or of `cases`.
        description: what is linked.
        members: the contract (within), or the datasets (across, cases).
        comparisons: name to levels, as Splink's settings have them.
        blocking: which pairs are scored.
        thresholds: level to the match weight from which a pair links.
        sessions: how m is estimated.
        seed: of the sample from which u is estimated.
        u_pairs: pairs in that sample.
        em_pairs: pairs a session may use at most.
        people: the linkage whose person ids cases are compared on; only for cases.
        digest: of all that the trained parameters depend on.
    """

    dataset: str
    kind: str
    description: str
    members: tuple[str, ...]
    comparisons: Mapping[str, Sequence[Mapping[str, Any]]]
    blocking: tuple[BlockingRule, ...]
    thresholds: Mapping[str, float]
    sessions: tuple[TrainingSession, ...]
    seed: int
    u_pairs: float
    em_pairs: float
    people: str | None
    digest: str

    @property
    def trained_path(self) -> Path:
        """The JSON with the trained parameters."""
        return FOLDER / f"{self.dataset}.json"


def datasets(kind: str | None = None) -> tuple[str, ...]:
    """Every dataset that has settings (of that kind), in alphabetical order."""
    named = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "comparisons")
    return tuple(each for each in named if kind is None or linkage_model(each).kind == kind)


@cache
def linkage_model(dataset: str) -> LinkageModel:
    """The checked settings of a linkage.

    Raises:
        PlatformError: there are none, or they are not valid; the message lists every fault.
    """
    path = FOLDER / f"{dataset}.yaml"
    if not path.exists():
        listed = ", ".join(datasets())
        msg = f"No linkage is called {dataset!r}. There are settings for: {listed}."
        raise PlatformError(msg)
    raw = yaml.safe_load(path.read_text())
    library = yaml.safe_load((FOLDER / "comparisons.yaml").read_text())
    faults = _faults(dataset, raw, library)
    if faults:
        msg = f"{path.name} is not valid: {'; '.join(faults)}."
        raise PlatformError(msg)
    training = raw["training"]
    comparisons = {each: _levels(library[each]) for each in raw["comparisons"]}
    return LinkageModel(
        dataset=dataset,
        kind=raw["kind"],
        description=raw["description"],
        members=tuple(raw["members"]),
        comparisons=comparisons,
        blocking=tuple(
            BlockingRule(rule["name"], tuple(rule["on"]), rule["ceiling"], rule["reason"])
            for rule in raw["blocking"]
        ),
        thresholds={level: float(raw["thresholds"][level]) for level in LEVELS},
        sessions=tuple(
            TrainingSession(each["name"], tuple(each["on"]), tuple(each["estimates"]), each["reason"])
            for each in training["sessions"]
        ),
        seed=training["seed"],
        u_pairs=float(training["u_pairs"]),
        em_pairs=float(training["em_pairs"]),
        people=raw.get("people"),
        digest=hashlib.sha256(
            json.dumps([raw["members"], comparisons, training], sort_keys=True).encode()
        ).hexdigest(),
    )


@dataclass(frozen=True)
class TrainedModel:
    """Estimated parameters of a linkage.

    Attributes:
        comparisons: as in the settings, with m and u of every level.
        matches_per_record: expected number of other records of the same person.
        digest: SHA-256 of the JSON file.
    """

    comparisons: tuple[Mapping[str, Any], ...]
    matches_per_record: float
    digest: str

    def prior(self, candidates: float) -> float:
        """Probability that two random records match, where each has that many candidates.

        A person's number of records does not grow with the dataset, so the prior falls as it grows
        and is worked out again at every refresh.
        """
        return min(0.5, self.matches_per_record / max(1.0, candidates))


def trained_model(model: LinkageModel) -> TrainedModel:
    """The trained parameters of a linkage.

    Raises:
        NotReady: it was never trained, or its settings have changed since.
    """
    path = model.trained_path
    remedy = f"run `datafirst linkage train {model.dataset}` and review the new {path.name}"
    if not path.exists():
        msg = f"The linkage {model.dataset} has not been trained: {remedy}."
        raise NotReady(msg)
    content = path.read_bytes()
    stored = json.loads(content)
    if stored["settings_digest"] != model.digest:
        msg = (
            f"{path.name} was trained from other settings than {model.dataset}.yaml and "
            f"comparisons.yaml now state: {remedy}, or put the settings back."
        )
        raise NotReady(msg)
    return TrainedModel(
        comparisons=tuple(stored["comparisons"]),
        matches_per_record=stored["matches_per_record"],
        digest=hashlib.sha256(content).hexdigest(),
    )


def splink_settings(
    comparisons: Sequence[Mapping[str, Any]], prior: float, **more: object
) -> dict[str, Any]:
    """Settings for Splink: integer ids in one table, nothing retained beyond the score."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "comparisons": [dict(each) for each in comparisons],
        "blocking_rules_to_generate_predictions": [],
        "probability_two_random_records_match": prior,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        **more,
    }


def _levels(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A comparison of the library as Splink's levels."""
    levels: list[dict[str, Any]] = [
        {
            "sql_condition": comparison["missing"],
            "label_for_charts": "Missing",
            "is_null_level": True,
        }
    ]
    for level in comparison["levels"]:
        entry: dict[str, Any] = {
            "sql_condition": level.get("when", "ELSE"),
            "label_for_charts": level["label"],
        }
        if "term_frequency" in level:
            entry["tf_adjustment_column"] = level["term_frequency"]
        for parameter in ("m", "u"):
            if parameter in level:
                entry[f"{parameter}_probability"] = level[parameter]
                entry[f"fix_{parameter}_probability"] = True
        levels.append(entry)
    return levels


def _faults(dataset: str, raw: Mapping[str, Any], library: Mapping[str, Any]) -> list[str]:
    """Everything wrong with a settings file, in words."""
    needed = {"dataset", "kind", "description", "members", "comparisons", "blocking"}
    missing = sorted((needed | {"thresholds", "training"}) - raw.keys())
    if missing:
        return [f"it lacks {', '.join(missing)}"]
    faults = []
    if raw["dataset"] != dataset:
        faults.append(f"it is called {raw['dataset']!r}")
    if raw["kind"] not in KINDS:
        faults.append(f"kind is none of {', '.join(KINDS)}")
    faults += [f"no comparison {each!r}" for each in raw["comparisons"] if each not in library]
    reasons = [("comparison", each, library[each]) for each in raw["comparisons"] if each in library]
    reasons += [("blocking rule", rule.get("name"), rule) for rule in raw["blocking"]]
    reasons += [("training", each.get("name"), each) for each in raw["training"]["sessions"]]
    faults += [f"{what} {which} gives no reason" for what, which, it in reasons if not it.get("reason")]
    if raw["kind"] != "cases":
        keys = [*raw["blocking"], *raw["training"]["sessions"]]
        unknown = sorted({part for each in keys for part in each["on"]} - KEY_PARTS.keys())
        faults += [f"no key part {part!r}" for part in unknown]
    levels = [raw["thresholds"].get(level) for level in LEVELS]
    if None in levels or not levels[0] > levels[1] > levels[2]:
        faults.append("thresholds high, medium and low do not fall")
    return faults
