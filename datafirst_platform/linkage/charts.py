"""Charts of a model and of the quality of its links: aggregates only, drawn without a network.

What belongs here: pictures. What does not: figures, which are counted in `evaluation.py` and kept
in the models' files.
"""

from __future__ import annotations

from typing import Any

from datafirst_platform.linkage.measures import Quality
from datafirst_platform.linkage.models import LinkageModel, splink_settings, trained_model


def quality_chart(quality: Quality) -> str:
    """Precision, recall and F1 by threshold or pass, as SVG: a dot for each, labelled."""
    import altair as alt

    rows = [
        {"threshold": each.level, "measure": measure, "value": value, "pairs": each.scope}
        for each in quality.measures
        for measure, value in (
            ("precision", each.precision),
            ("recall", each.recall),
            ("F1", each.f1),
        )
        if value is not None
    ]
    levels = list(dict.fromkeys(each.level for each in quality.measures))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("value:Q", title=None, scale=alt.Scale(zero=False, nice=True)),
        y=alt.Y("threshold:N", title=None, sort=levels),
        color=alt.Color("measure:N", title=None, scale=alt.Scale(range=_COLOURS)),
        shape=alt.Shape("measure:N", title=None),
    )
    # A threshold has a line in every row of the chart, a pass only where it is measured.
    chart = base.mark_point(filled=True, size=90).properties(width=420, height=alt.Step(30))
    faceted = (
        chart.facet(row=alt.Row("pairs:N", title=None, sort=None))
        .resolve_scale(y="independent")
        .properties(title=f"{quality.dataset}: links against reference labels")
    )
    return _svg(faceted)


def model_chart(model: LinkageModel) -> str:
    """The match weight each outcome of each comparison adds, as SVG."""
    import altair as alt

    trained = trained_model(model)
    settings = splink_settings(trained.comparisons, 0.0001)
    rows = [
        {"comparison": comparison["output_column_name"], "level": label, "weight": weight}
        for comparison in settings["comparisons"]
        for label, weight in _weights(comparison)
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("weight:Q", title="match weight"),
            y=alt.Y("level:N", title=None, sort=None),
            color=alt.condition("datum.weight > 0", alt.value("#00703c"), alt.value("#d4351c")),
            row=alt.Row("comparison:N", title=None, sort=None, spacing=4),
        )
        .properties(width=360, title=f"{model.dataset}: what each comparison adds")
        .resolve_scale(y="independent")
    )
    return _svg(chart)


_COLOURS = ["#1d70b8", "#d4351c", "#00703c"]


def _weights(comparison: dict[str, Any]) -> list[tuple[str, float]]:
    """Label and match weight of each level that has one."""
    from math import log2

    found = []
    for level in comparison["comparison_levels"]:
        match, other = level.get("m_probability"), level.get("u_probability")
        if match and other:
            label = level.get("label_for_charts") or level["sql_condition"]
            found.append((label, round(log2(match / other), 2)))
    return found


def _svg(chart: Any) -> str:  # noqa: ANN401 (altair's charts share no typed base)
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_dict()))
