"""The page of a linkage's report: one HTML file that needs no script, no network and no other file.

What belongs here: words and tables around the figures. What does not: figures, pictures.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datafirst_platform.linkage.pictures import Picture

Figures = Mapping[str, Any]

_WITHHELD = "withheld"
_MEANT = {
    "high": "strict: few false links",
    "medium": "middle: for most research",
    "low": "lenient: few missed links",
}
_STYLE = """
body { font: 1rem/1.5 "Liberation Sans", Arial, sans-serif; color: #0b0c0c; background: #fff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.8rem; } h2 { font-size: 1.35rem; margin-top: 2.2rem; } h3 { font-size: 1.1rem; }
table { border-collapse: collapse; margin: .8rem 0; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
th, td { border-bottom: 1px solid #b1b4b6; padding: .25rem .8rem .25rem 0; text-align: left;
  vertical-align: top; }
td { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
.note { border-left: .3rem solid #1d70b8; padding-left: 1rem; }
.scroll { overflow-x: auto; } summary { cursor: pointer; color: #1d70b8; }
.missing { color: #505a5f; }
"""


def page(figures: Figures, drawn: Sequence[Picture]) -> str:
    """The whole page.

    Args:
        figures: of the report.
        drawn: its charts, shown in the sections they are named after.
    """
    charts = {each.name: _figure(each) for each in drawn}
    sections = [
        _heading(figures),
        _thresholds(figures),
        _counts(figures),
        _quality(figures, charts),
        _clerks(figures, charts),
        _subgroups(figures, charts),
        _scores(figures, charts),
        _sizes(figures, charts),
        _model(figures, charts),
        _disclosure(figures),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(figures['title'])}</title>\n<style>{_STYLE}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(each for each in sections if each) + "\n</main>\n"
        "</body>\n</html>\n"
    )


def _heading(figures: Figures) -> str:
    joined = {
        "within": "records of one table that are one person's",
        "across": "people of several datasets",
        "cases": "cases of two courts, each to one of the other at most",
    }.get(figures["kind"], "records")
    members = ", ".join(each.replace("_", " ") for each in figures["members"])
    return (
        f"<h1>{escape(figures['title'])}</h1>\n<p>{escape(figures['description'])}</p>\n"
        f"<p>It links {escape(joined)}: {escape(members)}. The figures are of all records it "
        "links, whichever of them a release holds. Pairs of records that agree on one of the "
        "blocking rules are compared field by field; each outcome adds to a match weight, or takes "
        "from it, and a pair links from a threshold on. Records that link, directly or by others, "
        "are one estimated person, within limits that keep strangers from being chained together."
        "</p>\n"
        f'<p class="note">{escape(figures["labels"]["basis_in_words"])}</p>'
    )


def _thresholds(figures: Figures) -> str:
    rows = [
        (
            each["level"],
            _MEANT[each["level"]],
            _Number(f"{each['match_weight']:g}"),
            _share(each["probability"], 2),
        )
        for each in figures["thresholds"]
    ]
    return "<h2>Thresholds</h2>\n" + _table(
        "From which match weight a pair links",
        ("threshold", "what it is for", "match weight", "probability of a match"),
        rows,
    )


def _counts(figures: Figures) -> str:
    records = figures["records"]
    about = _table(
        "Records",
        ("what", "number"),
        [
            ("records linked", records["records"]),
            (
                "of them, reached by no blocking rule: nothing can link to them",
                records["unlinkable"],
            ),
            ("their share", _share(records["share_unlinkable"])),
        ],
    )
    has_people = "people" in figures["links"][0]
    links = _table(
        "Links",
        ("threshold", "links", *(("estimated people",) if has_people else ())),
        [
            (each["level"], each["links"], *((each["people"],) if has_people else ()))
            for each in figures["links"]
        ],
    )
    pairs = _table(
        "Candidate pairs by the first rule that finds them",
        ("rule", "pairs agree on", "pairs scored"),
        [
            (
                each["rule"].replace("_", " "),
                ", ".join(each["agree_on"]).replace("_", " "),
                each["pairs"],
            )
            for each in figures["blocking"]
        ],
    )
    return f"<h2>Counts</h2>\n{about}\n{links}\n{pairs}"


def _quality(figures: Figures, charts: Mapping[str, str]) -> str:
    measures = figures["labels"]["measures"]
    if not measures:
        return ""
    table = _table(
        "Pairs linked against pairs known to be one",
        ("pairs", "threshold", "linked", "true", "precision", "recall", "F1"),
        [
            (
                *(each[it] for it in ("pairs", "level", "linked", "true")),
                *(_share(each[it], 2) for it in ("precision", "recall", "f1")),
            )
            for each in measures
        ],
    )
    return (
        "<h2>Precision and recall</h2>\n<p>Precision is the share of linked pairs that are true, "
        f"recall the share of true pairs that are linked.</p>\n{charts.get('quality', '')}\n{table}"
    )


def _clerks(figures: Figures, charts: Mapping[str, str]) -> str:
    clerks = figures["clerks"]
    title = "<h2>False and missed matches, as clerks see them</h2>\n"
    if clerks is None:
        return title + "<p>No clerk has been asked about these links.</p>"
    table = _table(
        "Estimated rates with intervals of 95%",
        (
            "threshold",
            "false matches, of links",
            "missed matches, of matches among candidate pairs",
            "matches, of candidate pairs not linked",
        ),
        [
            (
                each["level"],
                _interval(each["false_match_rate"]),
                _interval(each["missed_match_rate"]),
                _interval(each["matches_among_unlinked"]),
            )
            for each in clerks["estimates"]
        ],
    )
    return (
        f"{title}<p>Clerks decided on {clerks['answered']:,} pairs drawn by match weight and link "
        f"from {_cell(clerks['candidate_pairs'])} candidate pairs; {clerks['unsure']:,} more could "
        "not be decided and are left out. Estimates weigh each stratum by its size. Intervals are "
        "Wilson's in each stratum, put together as by Zou, Huang and Zhang (2009), those of missed "
        f"matches as by Donner and Zou (2012).</p>\n<p>{escape(clerks['unseen'])}</p>\n"
        f"{charts.get('clerks', '')}\n{table}"
    )


def _subgroups(figures: Figures, charts: Mapping[str, str]) -> str:
    rows = figures["subgroups"]
    if not rows:
        return ""
    labelled = bool(figures["labels"]["measures"])
    asked = figures["clerks"] is not None
    header = ["", "records", "share no rule reaches", "share linked"]
    header += ["precision", "recall"] if labelled else []
    header += ["false matches", "missed matches"] if asked else []
    tables = []
    for kind in dict.fromkeys(each["subgroup"] for each in rows):
        body = []
        for each in rows:
            if each["subgroup"] != kind:
                continue
            shares = [each["share_unlinkable"], each["share_linked"]]
            shares += [each["precision"], each["recall"]] if labelled else []
            rates = [each["false_match_rate"], each["missed_match_rate"]] if asked else []
            body.append(
                (
                    each["value"],
                    each["records"],
                    *(_share(share) for share in shares),
                    *(_interval(rate) for rate in rates),
                )
            )
        tables.append(_table(kind, header, body))
    return (
        "<h2>By subgroup</h2>\n<p>At the middle threshold. A record is of a subgroup as its own "
        "source says: age is that reached in the year of the edition's cut-off, area the region of "
        "residence. A pair counts for the subgroup of each of its records. Links that are wrong "
        "or missing are not spread evenly: a study that compares subgroups should hold its result "
        f"against these figures.</p>\n{charts.get('subgroups', '')}\n" + "\n".join(tables)
    )


def _scores(figures: Figures, charts: Mapping[str, str]) -> str:
    if not figures["scores"]:
        return ""
    table = _table(
        "Links by match weight",
        ("from", "to", "links"),
        [
            (f"{each['from']:g}", _Number(f"{each['to']:g}"), each["links"])
            for each in figures["scores"]
        ],
    )
    return (
        "<h2>Scores</h2>\n<p>Pairs below the low threshold link nobody and are not kept.</p>\n"
        f"{charts.get('scores', '')}\n{_behind(table)}"
    )


def _sizes(figures: Figures, charts: Mapping[str, str]) -> str:
    rows = figures["sizes"]
    if not rows:
        return ""
    levels = list(dict.fromkeys(each["level"] for each in rows))
    sizes = list(dict.fromkeys(each["records"] for each in rows))
    people = {(each["records"], each["level"]): each["people"] for each in rows}
    table = _table(
        "People by the number of their records",
        ("records", *(f"{level} threshold" for level in levels)),
        [(size, *(people[size, level] for level in levels)) for size in sizes],
    )
    return f"<h2>Records of a person</h2>\n{charts.get('sizes', '')}\n{table}"


def _model(figures: Figures, charts: Mapping[str, str]) -> str:
    model = figures["model"]
    table = _table(
        "Trained parameters",
        ("comparison", "outcome", "m", "u", "match weight"),
        [
            (
                each["comparison"],
                each["outcome"],
                *(_Number(f"{each[it]:.4g}") for it in ("m", "u")),
                _Number(f"{each['match_weight']:+.2f}"),
            )
            for each in model["outcomes"]
        ],
    )
    return (
        "<h2>The model</h2>\n<p>Trained on "
        f"{_cell(model['trained_on_records'])} records of edition "
        f"{escape(model['trained_on_edition'])}. m is the share of matches, u that of other pairs, "
        "in which an outcome is seen; the match weight is log2 of m / u. Rare values add more than "
        f"stands here, common ones less.</p>\n{charts.get('weights', '')}\n"
        f"{charts.get('parameters', '')}\n{_behind(table)}"
    )


def _disclosure(figures: Figures) -> str:
    rule = figures["disclosure"]
    return (
        "<h2>What is withheld</h2>\n"
        f"<p>Counts under {rule['withheld_below']} are withheld, and with them others from which "
        f"they could be worked out. Counts are rounded to {rule['rounded_to']}, and shares of "
        "records follow from rounded counts, so figures need not add up. Precision and recall are "
        f"not told of groups with fewer than {rule['withheld_below']} pairs, nor are rates of "
        f"those of whom clerks decided on fewer than {rule['withheld_below']}.</p>"
    )


def _figure(picture: Picture) -> str:
    encoded = base64.b64encode(picture.svg.encode()).decode()
    return (
        f'<figure>\n<img alt="{escape(picture.words)}" src="data:image/svg+xml;base64,{encoded}">\n'
        f"<figcaption>{escape(picture.title)}</figcaption>\n</figure>"
    )


def _behind(table: str) -> str:
    return f"<details>\n<summary>The figures behind the charts</summary>\n{table}\n</details>"


class _Number(str):
    """A cell that is a number already written out."""

    __slots__ = ()


def _share(share: float | None, digits: int = 1) -> _Number | None:
    return None if share is None else _Number(f"{share:.{digits}%}")


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numbers = [
        at > 0 and all(row[at] is None or isinstance(row[at], int | _Number) for row in rows)
        for at in range(len(header))
    ]
    head = "".join(
        f'<th scope="col"{_class(number)}>{escape(each)}</th>'
        for each, number in zip(header, numbers, strict=True)
    )
    body = "\n".join(
        f'<tr><th scope="row">{escape(str(row[0]))}</th>'
        + "".join(
            f"<td{_class(number)}>{_cell(cell)}</td>"
            for cell, number in zip(row[1:], numbers[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table>\n<caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _class(number: bool) -> str:  # noqa: FBT001
    return ' class="number"' if number else ""


def _cell(value: object) -> str:
    if value is None:
        return f'<span class="missing">{_WITHHELD}</span>'
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _interval(estimate: Mapping[str, float] | None) -> _Number | None:
    if estimate is None:
        return None
    low, high = estimate["low"], estimate["high"]
    return _Number(f"{estimate['value']:.2%} ({low:.2%} to {high:.2%})")
