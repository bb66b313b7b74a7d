"""The settings of each linkage and its trained parameters.

What belongs here: reading and checking `models/<dataset>.yaml` and `models/<dataset>.json`, and
turning the two into what Splink takes. Settings name comparisons and blocking rules, which
`library/` defines once. What does not: data. A dataset is added by a YAML and the JSON that `train`
makes of it.
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

from datafirst_platform.extracts.permissions import linkage_permissions
from datafirst_platform.linkage.clusters import HUNDREDTHS, Unlikely
from datafirst_platform.linkage.standardise import BESIDE, CLEANED, KEY_PARTS, TOLD_TOGETHER
from datafirst_platform.safe_errors import NotReady, PlatformError

FOLDER = Path(__file__).with_name("models")
LIBRARY = Path(__file__).with_name("library")
KINDS = ("within", "across", "cases", "passes")
LEVELS = ("high", "medium", "low")
"""The three thresholds, strictest first; clusters at one refine those at the next."""


@dataclass(frozen=True)
class BlockingRule:
    """Pairs that agree on every part are scored.

    Attributes:
        name: of the rule.
        agree_on: parts of the key (`standardise.KEY_PARTS`, or columns of a case).
        ceiling: records a block may hold; pairs of a larger one are not scored by this rule.
        reason: why the rule earns its pairs.
    """

    name: str
    agree_on: tuple[str, ...]
    ceiling: int
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What a further table tells of a member's people; its rows are children of theirs.

    Attributes:
        table: its contract.
        fills: fields taken from it where a person's own record holds none.
        varies: fields in which it states another form of a person: a name, an address, a number.
        reason: what it adds.
    """

    table: str
    fills: tuple[str, ...]
    varies: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Beside:
    """Who stands beside a member's people: a table of the cases they have a part in.

    Attributes:
        table: its contract; a row names a person by the source's own id, as the member's table
            does, and belongs to the row of a case.
        reason: what it adds.
    """

    table: str
    reason: str


@dataclass(frozen=True)
class TrainingSession:
    """One run of expectation maximisation.

    Attributes:
        name: of the session.
        agree_on: parts of the key its pairs agree on.
        estimates: comparisons whose m it estimates; they may not look at what it blocks on.
        reason: why these pairs.
        of_one_person: whether its pairs are those a source itself holds for one person, where by
            default they are those it does not.
    """

    name: str
    agree_on: tuple[str, ...]
    estimates: tuple[str, ...]
    reason: str
    of_one_person: bool = False


@dataclass(frozen=True)
class Pass:
    """One of the ordered passes of a linkage without weights.

    Attributes:
        number: from 1, the strictest first.
        description: what the two sides agree on, as it is released.
        agree_on: parts of the key both sides share.
        and_one_of: further parts; those of at least one of these lists are shared too.
        unless_known_to_differ: parts that may be missing, but may not be known on both sides and
            differ.
        reason: why its pairs are taken.
    """

    number: int
    description: str
    agree_on: tuple[str, ...]
    and_one_of: tuple[tuple[str, ...], ...]
    unless_known_to_differ: tuple[str, ...]
    reason: str

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Every list of parts by which two sides may agree."""
        return tuple((*self.agree_on, *more) for more in self.and_one_of or ((),))


@dataclass(frozen=True)
class LinkageModel:
    """The settings of one linkage.

    Attributes:
        dataset: its name; the tables it publishes are named after it.
        kind: `within` one table, `across` datasets already linked within, of `cases`, or by
            ordered `passes`, which have neither weights nor parameters.
        description: what is linked.
        members: the contract (within), or the datasets (across, cases, passes).
        evidence: further tables of the contract's source; only within.
        beside: who stands beside whom; only within, None where nothing tells.
        comparisons: name to levels, as Splink's settings have them.
        blocking: which pairs are scored.
        thresholds: level to the match weight from which a pair links.
        sessions: how m is estimated.
        seed: of the sample from which u is estimated.
        u_pairs: pairs in that sample.
        em_pairs: pairs a session may use at most.
        people: the linkage whose person ids cases are compared on; only for cases.
        trained_from: digest of all that the trained parameters depend on.
        digest: digest of all settings.
        passes: in order; empty for every other kind.
        unlikely: when a cluster of people is unlikely to be one, None where nothing says.
        most_pairs_a_record: pairs a set of identifiers may have on average, or the linkage stops;
            None where nothing says (`scoring.most_pairs`).
    """

    dataset: str
    kind: str
    description: str
    members: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    beside: Beside | None
    comparisons: Mapping[str, Sequence[Mapping[str, Any]]]
    blocking: tuple[BlockingRule, ...]
    thresholds: Mapping[str, float]
    sessions: tuple[TrainingSession, ...]
    seed: int
    u_pairs: float
    em_pairs: float
    people: str | None
    trained_from: str
    digest: str
    passes: tuple[Pass, ...] = ()
    unlikely: Unlikely | None = None
    most_pairs_a_record: float | None = None

    @property
    def is_trained(self) -> bool:
        """Whether it has parameters to be trained: passes have none."""
        return self.kind != "passes"

    def for_splink(
        self, comparisons: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> list[dict[str, Any]]:
        """Comparisons by name as Splink's settings list them, in the order of the settings."""
        return [
            {
                "output_column_name": name,
                "comparison_description": name.replace("_", " "),
                "comparison_levels": [dict(level) for level in comparisons[name]],
            }
            for name in self.comparisons
            if name in comparisons
        ]

    def compares(self, field: str) -> bool:
        """Whether a comparison or a blocking rule looks at a field of the standard record."""
        levels = [level for levels in self.comparisons.values() for level in levels]
        return any(f"{field}_l" in level["sql_condition"] for level in levels) or any(
            field in rule.agree_on for rule in self.blocking
        )

    @property
    def trained_path(self) -> Path:
        """The JSON with the trained parameters."""
        return FOLDER / f"{self.dataset}.json"


def datasets(kind: str | None = None) -> tuple[str, ...]:
    """Every dataset that has settings (of that kind), in alphabetical order."""
    named = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return tuple(each for each in named if kind is None or linkage_model(each).kind == kind)


def linkage_model(dataset: str, kind: str | None = None) -> LinkageModel:
    """The checked settings of a linkage (of that kind).

    Raises:
        PlatformError: there are none, they are of another kind, or they are not valid; the message
            lists every fault.
    """
    model = _read(dataset)
    if kind is not None and model.kind != kind:
        msg = f"The linkage {dataset} is of kind {model.kind!r}, not {kind!r}."
        raise PlatformError(msg)
    return model


def _yaml(path: Path) -> dict[str, Any]:
    """What a file of settings holds; read by the C parser, as definitions read dozens of them."""
    read: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return read


@cache
def _read(dataset: str) -> LinkageModel:
    path = FOLDER / f"{dataset}.yaml"
    if not path.exists():
        listed = ", ".join(datasets())
        msg = f"No linkage is called {dataset!r}. There are settings for: {listed}."
        raise PlatformError(msg)
    raw = _yaml(path)
    if raw.get("kind") == "passes":
        return _read_passes(path, raw)
    compared = _yaml(LIBRARY / "comparisons.yaml")
    rules = _yaml(LIBRARY / "blocking.yaml")
    faults = _faults(dataset, raw, compared, rules)
    if faults:
        msg = f"{path.name} is not valid: {'; '.join(faults)}."
        raise PlatformError(msg)
    training = raw["training"]
    comparisons = library_comparisons(raw["comparisons"])
    return LinkageModel(
        dataset=dataset,
        kind=raw["kind"],
        description=raw["description"],
        members=tuple(raw["members"]),
        evidence=tuple(
            Evidence(
                each["table"],
                tuple(each.get("fills", ())),
                tuple(each.get("varies", ())),
                each["reason"],
            )
            for each in raw.get("evidence", ())
        ),
        beside=Beside(raw["beside"]["table"], raw["beside"]["reason"])
        if raw.get("beside")
        else None,
        comparisons=comparisons,
        blocking=tuple(
            BlockingRule(
                rule, tuple(rules[rule]["agree_on"]), rules[rule]["ceiling"], rules[rule]["reason"]
            )
            for rule in raw["blocking"]
        ),
        thresholds={level: float(raw["thresholds"][level]) for level in LEVELS},
        sessions=tuple(
            TrainingSession(
                each["name"],
                tuple(each.get("agree_on", ())),
                tuple(each["estimates"]),
                each["reason"],
                of_one_person=each.get("of_one_person", False),
            )
            for each in training["sessions"]
        ),
        seed=training["seed"],
        u_pairs=float(training["u_pairs"]),
        em_pairs=float(training["em_pairs"]),
        people=raw.get("people"),
        trained_from=_digest(
            [raw["members"], comparisons, training]
            + [raw[each] for each in ("evidence", "beside") if raw.get(each)]
        ),
        digest=_digest([raw, comparisons, [rules[rule] for rule in raw["blocking"]]]),
        unlikely=_unlikely(raw["unlikely"]) if raw.get("unlikely") else None,
        most_pairs_a_record=raw.get("most_pairs_a_record"),
    )


def _unlikely(stated: Mapping[str, Any]) -> Unlikely:
    return Unlikely(
        stated["more_than"],
        stated["years_apart"],
        stated["years_apart_of_two_sexes"],
        round(stated["raised_by"] * HUNDREDTHS),
    )


def _read_passes(path: Path, raw: Mapping[str, Any]) -> LinkageModel:
    """The settings of a linkage by ordered passes."""
    faults = _pass_faults(path.stem, raw)
    if faults:
        msg = f"{path.name} is not valid: {'; '.join(faults)}."
        raise PlatformError(msg)
    return LinkageModel(
        dataset=raw["dataset"],
        kind=raw["kind"],
        description=raw["description"],
        members=tuple(raw["members"]),
        evidence=(),
        beside=None,
        comparisons={},
        blocking=(),
        thresholds={},
        sessions=(),
        seed=0,
        u_pairs=0,
        em_pairs=0,
        people=None,
        trained_from="",
        digest=_digest(raw),
        passes=tuple(
            Pass(
                number=each["number"],
                description=each["description"],
                agree_on=tuple(each["agree_on"]),
                and_one_of=tuple(tuple(parts) for parts in each.get("and_one_of", ())),
                unless_known_to_differ=tuple(each.get("unless_known_to_differ", ())),
                reason=each["reason"],
            )
            for each in raw["passes"]
        ),
    )


def library_comparisons(names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Comparisons of the library by name, as Splink's levels."""
    compared = _yaml(LIBRARY / "comparisons.yaml")
    return {each: _levels(compared[each]) for each in names}


def typical_m(comparison: str) -> dict[str, float]:
    """Label to the m that is typical of a comparison's levels; empty where none is stated."""
    levels = _yaml(LIBRARY / "comparisons.yaml")[comparison]["levels"]
    return {level["label"]: level["typical"] for level in levels if "typical" in level}


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

    def prior(self, sizes: Sequence[int]) -> float:
        """Probability that two random records match, in datasets of these sizes.

        A person's number of records does not grow with the datasets, so the prior falls as they
        grow: it is worked out again at every refresh.
        """
        matches = max(1.0, self.matches_per_record * sum(sizes) / 2)
        return min(0.5, matches / max(1, possible_pairs(sizes)))


def possible_pairs(sizes: Sequence[int]) -> int:
    """Pairs within one dataset, or across several, of these sizes."""
    if len(sizes) == 1:
        return sizes[0] * (sizes[0] - 1) // 2
    return (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2


def trained_model(model: LinkageModel) -> TrainedModel:
    """The trained parameters of a linkage.

    Raises:
        NotReady: it was never trained, or its settings have changed since.
        PlatformError: it is of a kind that is not trained.
    """
    if not model.is_trained:
        raise PlatformError(nothing_to_train(model))
    path = model.trained_path
    remedy = f"run `datafirst linkage train {model.dataset}` and review the new {path.name}"
    if not path.exists():
        msg = f"The linkage {model.dataset} has not been trained: {remedy}."
        raise NotReady(msg)
    content = path.read_bytes()
    stored = json.loads(content)
    if stored["trained_from"] != model.trained_from:
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


def nothing_to_train(model: LinkageModel) -> str:
    """What to say to somebody who would train a linkage that has no parameters."""
    return (
        f"The linkage {model.dataset} goes by ordered passes: there is nothing to train. What a "
        f"pass asks for stands in datafirst_platform/linkage/models/{model.dataset}.yaml."
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


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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
            entry["tf_minimum_u_value"] = level["rarest"]
        for parameter in ("m", "u"):
            if parameter in level:
                entry[f"{parameter}_probability"] = level[parameter]
                entry[f"fix_{parameter}_probability"] = True
        levels.append(entry)
    return levels


_UNLIKELY = {"more_than", "years_apart", "years_apart_of_two_sexes", "raised_by"}


def _faults(
    dataset: str, raw: Mapping[str, Any], compared: Mapping[str, Any], rules: Mapping[str, Any]
) -> list[str]:
    """Everything wrong with a settings file and with what it uses of the library, in words."""
    needed = {"dataset", "kind", "description", "members", "comparisons", "blocking"}
    missing = sorted((needed | {"thresholds", "training"}) - raw.keys())
    if missing:
        return [f"it lacks {', '.join(missing)}"]
    sessions = raw["training"]["sessions"]
    faults = [f"no comparison {each!r}" for each in raw["comparisons"] if each not in compared]
    faults += [f"no blocking rule {each!r}" for each in raw["blocking"] if each not in rules]
    if faults:
        return faults
    if raw["dataset"] != dataset:
        faults.append(f"it calls itself {raw['dataset']!r}")
    if raw["kind"] not in KINDS:
        faults.append(f"kind is none of {', '.join(KINDS)}")
    if raw["kind"] != "within":
        faults += linkage_permissions().refusals(raw["members"])
    reasons = [(f"comparison {each}", compared[each]) for each in raw["comparisons"]]
    reasons += [(f"blocking rule {each}", rules[each]) for each in raw["blocking"]]
    reasons += [(f"training session {each.get('name')}", each) for each in sessions]
    reasons += [(f"evidence {each.get('table')}", each) for each in raw.get("evidence", ())]
    reasons += [("beside", raw["beside"])] if raw.get("beside") else []
    reasons += [("unlikely", raw["unlikely"])] if raw.get("unlikely") else []
    faults += [f"{what} gives no reason" for what, stated in reasons if not stated.get("reason")]
    if raw["kind"] != "cases":
        keys = [*(rules[each] for each in raw["blocking"]), *sessions]
        parts = {part for each in keys for part in each.get("agree_on", ())}
        faults += [f"no key part {part!r}" for part in sorted(parts - KEY_PARTS.keys())]
    faults += [
        f"training session {each.get('name')} needs agree_on, or of_one_person, and not both"
        for each in sessions
        if bool(each.get("agree_on")) == bool(each.get("of_one_person"))
    ]
    faults += [
        f"evidence {each.get('table')} adds {field!r}, which is no field"
        for each in raw.get("evidence", ())
        for field in (*each.get("fills", ()), *each.get("varies", ()))
        if field not in CLEANED
    ]
    faults += [
        f"{each} is of a dataset linked within"
        for each in ("evidence", "beside")
        if raw.get(each) and raw["kind"] != "within"
    ]
    if not isinstance(raw.get("most_pairs_a_record", 1), int | float):
        faults.append("most_pairs_a_record is no number")
    if raw.get("unlikely") and (lacking := sorted(_UNLIKELY - raw["unlikely"].keys())):
        faults.append(f"unlikely lacks {', '.join(lacking)}")
    if BESIDE in {part for session in sessions for part in session.get("agree_on", ())}:
        faults.append("a training session cannot agree on who stands beside")
    estimated = [each for session in sessions for each in session["estimates"]]
    faults += [
        f"training estimates {each} {estimated.count(each)} times"
        for each in sorted({*estimated})
        if each not in raw["comparisons"] or estimated.count(each) > 1
    ]
    levels = [raw["thresholds"].get(level) for level in LEVELS]
    if None in levels or not levels[0] > levels[1] > levels[2]:
        faults.append("thresholds high, medium and low do not fall")
    return faults


def _pass_faults(dataset: str, raw: Mapping[str, Any]) -> list[str]:
    """Everything wrong with the settings of a linkage by passes, in words, with the field."""
    fields = {"dataset", "kind", "description", "members", "passes"}
    missing, unknown = sorted(fields - raw.keys()), sorted(raw.keys() - fields)
    if missing:
        return [f"it lacks {', '.join(missing)}"]
    faults = [f"{field}: passes have no such field" for field in unknown]
    if raw["dataset"] != dataset:
        faults.append(f"dataset: it calls itself {raw['dataset']!r}")
    if len(raw["members"]) != 2 or len(set(raw["members"])) != 2:
        faults.append("members: passes join two datasets")
    faults += linkage_permissions().refusals(raw["members"])
    if not raw["passes"]:
        faults.append("passes: there is none")
    known = {part for parts in TOLD_TOGETHER.values() for part in parts}
    needed = {"number", "description", "agree_on", "reason"}
    optional = {"and_one_of", "unless_known_to_differ"}
    for at, each in enumerate(raw["passes"], start=1):
        field = f"passes, {at}"
        if lacking := sorted(needed - {key for key, value in each.items() if value}):
            faults.append(f"{field}: it lacks {', '.join(lacking)}")
            continue
        others = sorted(each.keys() - needed - optional)
        faults += [f"{field}, {key}: no such field" for key in others]
        if each["number"] != at:
            faults.append(f"{field}, number: passes are numbered from 1, in their order")
        stated = {
            "agree_on": each["agree_on"],
            "and_one_of": [part for parts in each.get("and_one_of", ()) for part in parts],
            "unless_known_to_differ": each.get("unless_known_to_differ", ()),
        }
        faults += [
            f"{field}, {key}: no key part {part!r}"
            for key, parts in stated.items()
            for part in parts
            if part not in known
        ]
        both = sorted({*stated["agree_on"]} & {*stated["unless_known_to_differ"]})
        faults += [f"{field}, unless_known_to_differ: {part} is agreed on" for part in both]
    return faults
