"""The charts of a linkage's report, with their words: drawn from its figures alone.

What belongs here: pictures. What does not: figures; a chart shows no number that the report does
not tell, and what is withheld is not drawn. Colours are those people with any colour vision tell
apart (Okabe and Ito, Color Universal Design, 2008), never colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from datafirst_platform.linkage.models import LEVELS

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Picture:
    """A chart of a report.

    Attributes:
        name: of its section on the page.
        title: what it is about.
        words: what it shows, for who does not see it.
        svg: the chart.
    """

    name: str
    title: str
    words: str
    svg: str


def pictures(figures: Figures) -> list[Picture]:
    """Every chart that the figures have something to show in, in the order of the page."""
    import vl_convert

    return [
        Picture(name, title, words(figures), str(vl_convert.vegalite_to_svg(_whole(chart))))
        for name, (title, draw, words) in _CHARTS.items()
        if (chart := draw(figures)) is not None
    ]


def picture_of(figures: Figures, drawn: Sequence[Picture]) -> bytes:
    """All charts below each other, each under its title, as PNG."""
    import vl_convert

    charts = []
    top, width = _MARGIN + 2.0 * _LINE, 0.0
    for number, each in enumerate(drawn):
        size = ElementTree.fromstring(each.svg).attrib  # noqa: S314 - our own chart
        # Every chart calls its clips by the same names.
        own = re.sub(r'(id="|url\(#)', rf"\g<1>c{number}-", each.svg)
        placed = f'<svg x="{_MARGIN}" y="{top + _LINE}" '
        charts.append(_text(each.title, top + _LINE / 2) + own.replace("<svg ", placed, 1))
        top += 2 * _LINE + float(size["height"])
        width = max(width, float(size["width"]))
    width += 2 * _MARGIN
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{top:g}">'
        f'<rect width="{width:g}" height="{top:g}" fill="white"/>'
        + _text(figures["title"], _MARGIN + _LINE / 2, 18)
        + _text(figures["labels"]["in_short"], _MARGIN + _LINE * 1.3, 13)
        + "".join(charts)
        + "</svg>"
    )
    return bytes(vl_convert.svg_to_png(whole, scale=1))


def _text(words: str, y: float, size: int = 15) -> str:
    bold = ' font-weight="bold"' if size > _PLAIN else ""
    return (
        f'<text x="{_MARGIN}" y="{y:g}" font-family="Liberation Sans" font-size="{size}"{bold}>'
        f"{escape(words)}</text>"
    )


_MARGIN, _LINE, _PLAIN = 16, 32, 13
"""Pixels around the charts and to a line of text; size up to which text is not bold."""

_BLUE, _ORANGE, _GREEN, _PURPLE, _GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#767676"
_WIDTH = 460


def _whole(chart: Any) -> dict[str, Any]:  # noqa: ANN401 (altair's charts share no typed base)
    """A chart's specification in the look of all; the font comes with the renderer."""
    described: dict[str, Any] = (
        chart.configure(font="Liberation Sans", background="white")
        .configure_axis(labelLimit=280, titlePadding=8)
        .configure_view(strokeOpacity=0)
        .to_dict()
    )
    return described


def _scores(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    rows = [each for each in figures["scores"] if each["links"] is not None]
    if not rows:
        return None
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("from:Q", title="match weight, prior included", bin="binned"),
            x2="to:Q",
            y=alt.Y("links:Q", title="links in half a unit"),
        )
    )
    levels = [
        {"at": each["match_weight"], "level": each["level"]} for each in figures["thresholds"]
    ]
    base = alt.Chart(alt.Data(values=levels))
    rules = base.mark_rule(strokeDash=[4, 3]).encode(x="at:Q")
    labels = base.mark_text(align="left", dx=3, dy=6, baseline="top").encode(
        x="at:Q", y=alt.value(0), text="level:N"
    )
    return alt.layer(bars, rules, labels).properties(width=_WIDTH, height=200)


def _scores_words(figures: Figures) -> str:
    rows = [each for each in figures["scores"] if each["links"] is not None]
    most = max(rows, key=lambda each: (each["links"], -each["from"]))
    cuts = ", ".join(f"{each['level']} {each['match_weight']:g}" for each in figures["thresholds"])
    return (
        f"Histogram of the links by match weight, from {figures['scores'][0]['from']:g} to "
        f"{figures['scores'][-1]['to']:g}, in halves. Most links, {most['links']:,}, have a weight "
        f"from {most['from']:g} to {most['to']:g}. Dashed lines mark the thresholds: {cuts}."
    )


def _sizes(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    rows = [each for each in figures["sizes"] if each["people"] is not None]
    if not rows:
        return None
    order = list(dict.fromkeys(each["records"] for each in figures["sizes"]))
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("records:N", title="records of a person", sort=order),
            y=alt.Y("people:Q", title="people"),
            column=alt.Column("level:N", title="threshold", sort=list(LEVELS)),
        )
        .properties(width=170, height=160)
    )


def _sizes_words(figures: Figures) -> str:
    told = []
    for level in LEVELS:
        shown = [
            f"{each['records']}: {each['people']:,}"
            for each in figures["sizes"]
            if each["level"] == level and each["people"] is not None
        ]
        told.append(f"At the {level} threshold, people by records: {'; '.join(shown)}.")
    return "Bar charts of how many records an estimated person has. " + " ".join(told)


def _quality(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    measures = {"precision": "precision", "recall": "recall", "f1": "F1"}
    rows = [
        {"threshold": each["level"], "pairs": each["pairs"], "measure": words, "share": each[it]}
        for each in figures["labels"]["measures"]
        for it, words in measures.items()
        if each[it] is not None
    ]
    if not rows:
        return None
    names = list(measures.values())
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=alt.X(
                "share:Q",
                title="share",
                scale=alt.Scale(zero=False, nice=True),
                axis=alt.Axis(labelOverlap=True),
            ),
            y=alt.Y("threshold:N", title="threshold", sort=list(LEVELS)),
            color=alt.Color(
                "measure:N",
                title=None,
                scale=alt.Scale(domain=names, range=[_BLUE, _ORANGE, _GREEN]),
            ),
            shape=alt.Shape("measure:N", title=None, scale=alt.Scale(domain=names)),
            row=alt.Row("pairs:N", title=None),
        )
        .properties(width=_WIDTH, height=80)
    )


def _quality_words(figures: Figures) -> str:
    told = [
        f"{each['pairs']}, {each['level']} threshold: precision {_share(each['precision'])}, "
        f"recall {_share(each['recall'])}, F1 {_share(each['f1'])}"
        for each in figures["labels"]["measures"]
    ]
    return f"Dot plot of precision, recall and F1 by threshold. {'; '.join(told)}."


def _subgroups(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    rows = [
        {
            "kind": each["subgroup"],
            "group": each["value"],
            "measure": measure,
            "share": each[measure],
        }
        for each in figures["subgroups"]
        for measure in ("precision", "recall")
        if each[measure] is not None
    ]
    if not rows:
        return None
    names = ["precision", "recall"]
    panels = []
    for kind in dict.fromkeys(each["kind"] for each in rows):
        own = [each for each in rows if each["kind"] == kind]
        order = list(dict.fromkeys(each["group"] for each in own))
        panels.append(
            alt.Chart(alt.Data(values=own))
            .mark_point(filled=True, size=70, opacity=1)
            .encode(
                x=alt.X("share:Q", title=None, scale=alt.Scale(zero=False, nice=True)),
                y=alt.Y("group:N", title=kind.lower(), sort=order),
                color=alt.Color(
                    "measure:N", title=None, scale=alt.Scale(domain=names, range=[_BLUE, _ORANGE])
                ),
                shape=alt.Shape("measure:N", title=None, scale=alt.Scale(domain=names)),
            )
            .properties(width=_WIDTH, height=alt.Step(20))
        )
    return alt.vconcat(*panels, spacing=10).resolve_scale(x="shared")


def _subgroups_words(figures: Figures) -> str:
    told = [
        f"{each['subgroup']} {each['value']}: precision {_share(each['precision'])}, recall "
        f"{_share(each['recall'])}"
        for each in figures["subgroups"]
        if each["precision"] is not None or each["recall"] is not None
    ]
    return f"Dot plots by subgroup at the middle threshold. {'; '.join(told)}."


def _clerks(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    rates = {
        "false_match_rate": "false matches, of links",
        "missed_match_rate": "missed matches, of matches among candidate pairs",
    }
    panels = []
    for rate, words in rates.items():
        rows = [
            {"threshold": each["level"], **each[rate]}
            for each in (figures["clerks"] or {"estimates": ()})["estimates"]
            if each[rate] is not None
        ]
        if not rows:
            continue
        base = alt.Chart(alt.Data(values=rows))
        y = alt.Y("threshold:N", title="threshold", sort=list(LEVELS))
        axis = alt.Axis(format="~%", labelOverlap=True)
        lines = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", title="rate, with its interval of 95%", axis=axis), x2="high:Q", y=y
        )
        dots = base.mark_point(filled=True, size=70, opacity=1, color=_BLUE)
        layers = alt.layer(lines, dots.encode(x="value:Q", y=y))
        panels.append(layers.properties(width=_WIDTH, height=70, title=words))
    return alt.vconcat(*panels) if panels else None


def _clerks_words(figures: Figures) -> str:
    told = [
        f"{each['level']} threshold: false matches {_interval(each['false_match_rate'])}, missed "
        f"matches {_interval(each['missed_match_rate'])}"
        for each in figures["clerks"]["estimates"]
    ]
    return f"Dots with intervals of 95%, from clerks' answers. {'; '.join(told)}."


def _weights(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    rows = figures["model"]["outcomes"]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("match_weight:Q", title="match weight"),
            y=alt.Y("outcome:N", title=None, sort=None),
            color=alt.condition("datum.match_weight > 0", alt.value(_BLUE), alt.value(_ORANGE)),
            row=alt.Row("comparison:N", title=None, sort=None, spacing=4, header=_BESIDE),
        )
        .properties(width=360, height=alt.Step(15))
        .resolve_scale(y="independent")
    )


def _weights_words(figures: Figures) -> str:
    outcomes = figures["model"]["outcomes"]
    best = max(outcomes, key=lambda each: each["match_weight"])
    worst = min(outcomes, key=lambda each: each["match_weight"])
    return (
        f"Bar chart of the match weight that each of {len(outcomes)} outcomes of the comparisons "
        f"adds. Most for a match speaks {best['comparison']}: {best['outcome']} "
        f"({best['match_weight']:+.1f}); most against one {worst['comparison']}: "
        f"{worst['outcome']} ({worst['match_weight']:+.1f}). The table holds them all."
    )


def _parameters(figures: Figures) -> Any:  # noqa: ANN401
    import altair as alt

    names = ["m: of matches", "u: of other pairs"]
    rows = [
        {**each, "of": words, "share": each[it]}
        for each in figures["model"]["outcomes"]
        for it, words in zip(("m", "u"), names, strict=True)
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=45, opacity=1)
        .encode(
            x=alt.X(
                "share:Q",
                title="share of pairs with the outcome (log scale)",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~g", labelOverlap=True),
            ),
            y=alt.Y("outcome:N", title=None, sort=None),
            color=alt.Color(
                "of:N", title=None, scale=alt.Scale(domain=names, range=[_BLUE, _ORANGE])
            ),
            shape=alt.Shape("of:N", title=None, scale=alt.Scale(domain=names)),
            row=alt.Row("comparison:N", title=None, sort=None, spacing=4, header=_BESIDE),
        )
        .properties(width=360, height=alt.Step(15))
        .resolve_scale(y="independent")
    )


def _parameters_words(figures: Figures) -> str:
    return (
        "Dot plot, for each outcome of each comparison, of its share among matches (m) and among "
        f"other pairs (u), on a log scale: {len(figures['model']['outcomes'])} outcomes, all of "
        "which the table holds."
    )


_BESIDE = {"labelAngle": 0, "labelAlign": "left", "labelPadding": 4}


def _share(share: float | None) -> str:
    return "withheld" if share is None else f"{share:.4g}"


def _interval(estimate: Mapping[str, float] | None) -> str:
    if estimate is None:
        return "not known"
    return f"{estimate['value']:.2%} ({estimate['low']:.2%} to {estimate['high']:.2%})"


_Drawing = Callable[[Figures], Any]
_CHARTS: Mapping[str, tuple[str, _Drawing, Callable[[Figures], str]]] = {
    "quality": ("Precision and recall by threshold", _quality, _quality_words),
    "clerks": ("False and missed matches, as clerks see them", _clerks, _clerks_words),
    "subgroups": ("Precision and recall by subgroup", _subgroups, _subgroups_words),
    "scores": ("Links by match weight", _scores, _scores_words),
    "sizes": ("People by the number of their records", _sizes, _sizes_words),
    "weights": ("What each outcome of a comparison adds", _weights, _weights_words),
    "parameters": ("Trained parameters", _parameters, _parameters_words),
}
"""Section of the page to title, drawing and words."""


def sections() -> Sequence[str]:
    """The sections that may have a chart, in order."""
    return tuple(_CHARTS)
