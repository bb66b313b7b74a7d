"""The report of a linkage: what it is and how good, as figures that may be published.

What belongs here: the figures, under disclosure control, made of a linkage's tables of counts, its
settings and its trained model; and their forms. What does not: counting (`quality.py`), pictures
(`pictures.py`) and the page (`page.py`), which show these figures and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log2
from typing import Any

import duckdb

from datafirst_platform import tables
from datafirst_platform.linkage.disclosure import ROUNDED_TO, THRESHOLD, told, told_share, withheld
from datafirst_platform.linkage.estimates import (
    Estimate,
    Stratum,
    false_match_rate,
    missed_match_rate,
    share_of_matches,
)
from datafirst_platform.linkage.models import LEVELS, LinkageModel, linkage_model, trained_model
from datafirst_platform.linkage.page import page
from datafirst_platform.linkage.pictures import picture_of, pictures
from datafirst_platform.linkage.profiles import EVERYONE, NOT_KNOWN, NOT_RECORDED, SUBGROUPS
from datafirst_platform.linkage.publishing import table_key
from datafirst_platform.linkage.quality import SIZES
from datafirst_platform.settings import Settings

FORMAT = "datafirst-linkage-report/1"
_MIDDLE = "medium"
"""The threshold at which subgroups are compared: the one for most research."""
_SCOPES = {
    "all": "all pairs",
    "cross": "pairs of two datasets",
    "cases": "pairs of cases",
}
_BASIS = {
    "truth": "Measured against the truth of the made-up supply: every record's person is known, "
    "because the people are made up. Figures of a real supply would differ.",
    "none": "There are no reference labels for this edition: precision and recall are not known.",
}
_IN_SHORT = {
    "truth": "Measured against the truth of the made-up supply",
    "none": "Without reference labels",
}
_UNSEEN = (
    "A clerk can only be asked about candidate pairs. A match that no blocking rule pairs is in no "
    "figure here, nor is a link that only follows from others."
)


@dataclass(frozen=True)
class Report:
    """A linkage's report.

    Attributes:
        dataset: the linkage.
        title: of the page.
        alternative: what the picture shows, in words.
        figures: all that is told.
        html: the page: one file that needs nothing else.
        json: the figures.
        png: the charts in one picture.
        charts: each chart as SVG, by its section.
    """

    dataset: str
    title: str
    alternative: str
    figures: Mapping[str, Any]
    html: bytes
    json: bytes
    png: bytes
    charts: Mapping[str, str]


@dataclass(frozen=True)
class _Counts:
    """Counts by (measure, level, part, subgroup, value); 0 where nothing was counted."""

    rows: Mapping[tuple[str, str, str, str, str], int]

    def of(
        self,
        measure: str,
        level: str = "",
        part: str = "",
        group: tuple[str, str] = EVERYONE,
    ) -> int:
        return self.rows.get((measure, level, part, *group), 0)

    def parts(self, measure: str, level: str = "") -> dict[str, int]:
        """Everyone's figures of a measure by part."""
        return {
            part: value
            for (what, at, part, *group), value in self.rows.items()
            if (what, at) == (measure, level) and tuple(group) == EVERYONE
        }

    def values(self, kind: str) -> list[str]:
        """The subgroups of a kind, what is not known last."""
        found = {value for what, _, _, of, value in self.rows if (what, of) == ("records", kind)}
        return sorted(found, key=lambda each: (each in (NOT_KNOWN, NOT_RECORDED), each))


def make_report(settings: Settings, edition: str, dataset: str) -> Report:
    """The report of a linkage as it stands, in every form; the same tables give the same bytes.

    Raises:
        NotReady: the dataset has not been linked or measured.
    """
    return _rendered(json.dumps(figures(settings, edition, dataset), indent=1, ensure_ascii=False))


@lru_cache(maxsize=64)
def _rendered(content: str) -> Report:
    """The forms of some figures; several releases hold one report, and drawing takes its time."""
    told_of = json.loads(content)
    drawn = pictures(told_of)
    return Report(
        dataset=told_of["linkage"],
        title=told_of["title"],
        alternative=" ".join(each.words for each in drawn),
        figures=told_of,
        html=page(told_of, drawn).encode(),
        json=f"{content}\n".encode(),
        png=picture_of(told_of, drawn),
        charts={each.name: each.svg for each in drawn},
    )


def figures(settings: Settings, edition: str, dataset: str) -> dict[str, Any]:
    """What a report tells, in the order it is told: JSON values, None where withheld.

    Raises:
        NotReady: the dataset has not been linked or measured.
    """
    model = linkage_model(dataset)
    counted = {
        part: tables.require(settings, table_key(dataset, part), edition)
        for part in ("counts", "quality")
    }
    with duckdb.connect() as connection:
        counts = {
            (measure, level): value
            for measure, level, value in connection.execute(
                f"from {counted['counts'].sql}"
            ).fetchall()
        }
        rows = connection.execute(f"from {counted['quality'].sql}").fetchall()
    found = _Counts({tuple(row[:5]): row[5] for row in rows})
    return {
        "format": FORMAT,
        "linkage": dataset,
        "edition": edition,
        "title": f"Linkage quality: {dataset.replace('_', ' ')}, edition {edition}",
        "description": model.description,
        "kind": model.kind,
        "members": list(model.members),
        "disclosure": {"withheld_below": THRESHOLD, "rounded_to": ROUNDED_TO},
        "thresholds": [_threshold(model, level) for level in LEVELS],
        "records": _records(found),
        "links": _links(model, counts),
        "blocking": _blocking(model, counts),
        "labels": _labels(found),
        "clerks": _clerks(found),
        "subgroups": [row for kind in SUBGROUPS for row in _subgroup(found, kind)],
        "scores": _scores(model, found),
        "sizes": _sizes(found),
        "model": _model(model),
    }


def _threshold(model: LinkageModel, level: str) -> dict[str, Any]:
    weight = model.thresholds[level]
    return {
        "level": level,
        "match_weight": weight,
        "probability": round(1 / (1 + 2**-weight), 4),
    }


def _records(found: _Counts) -> dict[str, Any]:
    records, unlinkable = found.of("records"), found.of("unlinkable")
    reached = told(min(unlinkable, records - unlinkable)) is not None
    shown = told(unlinkable) if reached else None
    return {
        "records": told(records),
        "unlinkable": shown,
        "share_unlinkable": told_share(shown, told(records)),
    }


def _links(model: LinkageModel, counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [
        {
            "level": level,
            "links": told(counts.get(("edges", level), 0)),
            **({} if model.kind == "cases" else {"people": told(counts.get(("people", level), 0))}),
        }
        for level in LEVELS
    ]


def _blocking(model: LinkageModel, counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    pairs = {rule.name: counts.get(("pairs", rule.name), 0) for rule in model.blocking}
    hidden = withheld(pairs)
    return [
        {
            "rule": rule.name,
            "agree_on": list(rule.agree_on),
            "pairs": told(pairs[rule.name], is_withheld=rule.name in hidden),
        }
        for rule in model.blocking
    ]


def _labels(found: _Counts) -> dict[str, Any]:
    """Precision and recall; without labels only that there are none."""
    measures = []
    for scope, words in _SCOPES.items():
        for level in LEVELS:
            linked, true, right = _pairs(found, level, scope, EVERYONE)
            if not true and not linked:
                continue
            measures.append(
                {
                    "pairs": words,
                    "level": level,
                    "linked": told(linked),
                    "true": told(true),
                    "precision": _share(right, linked, 4),
                    "recall": _share(right, true, 4),
                    "f1": _share(2 * right, linked + true, 4),
                }
            )
    basis = "truth" if measures else "none"
    return {
        "basis": basis,
        "in_short": _IN_SHORT[basis],
        "basis_in_words": _BASIS[basis],
        "measures": measures,
    }


def _pairs(found: _Counts, level: str, scope: str, group: tuple[str, str]) -> tuple[int, ...]:
    return tuple(
        found.of(measure, level, scope, group)
        for measure in ("linked_pairs", "true_pairs", "right_pairs")
    )


def _share(part: int, whole: int, digits: int = 3) -> float | None:
    """A share of pairs; None where it is of fewer than the threshold."""
    return round(part / whole, digits) if whole >= THRESHOLD else None


def _clerks(found: _Counts) -> dict[str, Any] | None:
    """What clerks' answers let estimate; None where there are none about these links."""
    answered = _over_strata(found, "answered", EVERYONE)
    if not answered:
        return None
    estimates = []
    for level in LEVELS:
        linked, unlinked = _strata(found, level, EVERYONE)
        estimates.append(
            {
                "level": level,
                "false_match_rate": _interval(false_match_rate(linked)),
                "missed_match_rate": _interval(missed_match_rate(linked, unlinked)),
                "matches_among_unlinked": _interval(share_of_matches(unlinked)),
            }
        )
    return {
        "candidate_pairs": told(_over_strata(found, "candidates", EVERYONE)),
        "answered": answered,
        "unsure": _over_strata(found, "unsure", EVERYONE),
        "unseen": _UNSEEN,
        "estimates": estimates,
    }


def _over_strata(found: _Counts, measure: str, group: tuple[str, str]) -> int:
    return sum(
        value
        for (what, _, _, *of), value in found.rows.items()
        if what == measure and tuple(of) == group
    )


def _strata(
    found: _Counts, level: str, group: tuple[str, str]
) -> tuple[list[Stratum], list[Stratum]]:
    """Strata of candidate pairs linked at a threshold, and of those not."""
    sides: tuple[list[Stratum], list[Stratum]] = ([], [])
    links = LEVELS[: LEVELS.index(level) + 1]
    everyone = [
        (at, part)
        for what, at, part, *of in sorted(found.rows)
        if what == "candidates" and tuple(of) == EVERYONE
    ]
    for at, part in everyone:
        answered = found.of("answered", at, part)
        share = found.of("one_person", at, part) / answered if answered else None
        stratum = Stratum(
            found.of("candidates", at, part, group),
            found.of("answered", at, part, group),
            found.of("one_person", at, part, group),
            # A subgroup nobody was drawn of is taken to be as everyone, within all that can be.
            None if group == EVERYONE else share,
        )
        sides[at not in links].append(stratum)
    return sides


def _interval(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {each: round(value, 4) for each, value in vars(estimate).items()}


def _subgroup(found: _Counts, kind: str) -> list[dict[str, Any]]:
    """A kind of subgroup: who is in it, who cannot be linked, who is, and how well."""
    values = found.values(kind)
    if values == [NOT_RECORDED]:
        return []
    records = {each: found.of("records", group=(kind, each)) for each in values}
    few = withheld(records)
    parts = {
        "unlinkable": {each: found.of("unlinkable", group=(kind, each)) for each in values},
        "linked": {each: found.of("linked", _MIDDLE, group=(kind, each)) for each in values},
    }
    hidden = {
        part: withheld({each: min(count[each], records[each] - count[each]) for each in values})
        for part, count in parts.items()
    }
    scope = "cases" if found.parts("true_pairs", _MIDDLE).keys() == {"cases"} else "all"
    rows = []
    for each in values:
        whole = told(records[each], is_withheld=each in few)
        row: dict[str, Any] = {"subgroup": SUBGROUPS[kind], "value": each, "records": whole}
        for part, count in parts.items():
            shown = told(count[each], is_withheld=each in few | hidden[part])
            row[f"share_{part}"] = told_share(shown, whole)
        linked, true, right = _pairs(found, _MIDDLE, scope, (kind, each))
        row["precision"] = _share(right, linked) if whole else None
        row["recall"] = _share(right, true) if whole else None
        sides = _strata(found, _MIDDLE, (kind, each))
        asked = whole and _over_strata(found, "answered", (kind, each)) >= THRESHOLD
        row["false_match_rate"] = _interval(false_match_rate(sides[0])) if asked else None
        row["missed_match_rate"] = _interval(missed_match_rate(*sides)) if asked else None
        rows.append(row)
    return rows


def _scores(model: LinkageModel, found: _Counts) -> list[dict[str, Any]]:
    """Links by match weight; those between two thresholds add up to what links there are."""
    bins = {float(part): value for part, value in found.parts("edges_of_weight").items()}
    if not bins:
        return []
    cuts = sorted(model.thresholds.values())
    first, last = min(bins), max(bins)
    steps = [first + at / 2 for at in range(round((last - first) * 2) + 1)]
    slices: dict[int, dict[str, int]] = {}
    for step in steps:
        at = sum(step >= cut for cut in cuts)
        slices.setdefault(at, {})[f"{step:07.1f}"] = bins.get(step, 0)
    hidden = frozenset[str]().union(*(withheld(each) for each in slices.values()))
    return [
        {
            "from": step,
            "to": step + 0.5,
            "links": told(bins.get(step, 0), is_withheld=f"{step:07.1f}" in hidden),
        }
        for step in steps
    ]


def _sizes(found: _Counts) -> list[dict[str, Any]]:
    rows = []
    for level in LEVELS:
        people = found.parts("people_of_size", level)
        if not people:
            continue
        hidden = withheld({size: people.get(size, 0) for size in SIZES})
        rows += [
            {
                "level": level,
                "records": size,
                "people": told(people.get(size, 0), is_withheld=size in hidden),
            }
            for size in SIZES
        ]
    return rows


def _model(model: LinkageModel) -> dict[str, Any]:
    """The trained parameters: m, u and the match weight of every outcome that has both."""
    trained = trained_model(model)
    outcomes: list[dict[str, Any]] = []
    for comparison in trained.comparisons:
        for level in comparison["comparison_levels"]:
            match, other = level.get("m_probability"), level.get("u_probability")
            if match and other:
                outcomes.append(
                    {
                        "comparison": comparison["output_column_name"].replace("_", " "),
                        "outcome": level.get("label_for_charts") or "otherwise",
                        "m": match,
                        "u": other,
                        "match_weight": round(log2(match / other), 2),
                    }
                )
    stored = json.loads(model.trained_path.read_text())
    return {
        "trained_on_edition": stored["edition"],
        "trained_on_records": told(stored["records"]),
        "digest": trained.digest,
        "outcomes": outcomes,
    }


def report_names(dataset: str) -> Mapping[str, str]:
    """Names of a report's files by form."""
    return {form: f"linkage_{dataset}.{form}" for form in ("html", "json", "png")}


def forms_of(report: Report) -> Sequence[tuple[str, bytes]]:
    """Each file of a report: name and bytes."""
    content = {"html": report.html, "json": report.json, "png": report.png}
    return [(file, content[form]) for form, file in report_names(report.dataset).items()]
