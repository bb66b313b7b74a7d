"""Charts of what is released: drawn from the released file, suppressed and rounded as it is.

What belongs here: a picture and its words for each insight. What does not: figures; a chart shows
no number that is not in the table, but for published ones, which are marked as such.

Drawn without a network, in colours that people with any colour vision tell apart (Okabe and Ito,
Color Universal Design, 2008), never by colour alone. The same file gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import duckdb

from datafirst_platform.engine import parquet

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A drawn table.

    Attributes:
        title: what it is about.
        alternative: what it shows, in words and figures, for who does not see it.
        svg: the picture as SVG; its own label is the alternative.
        png: the same as PNG.
    """

    title: str
    alternative: str
    svg: bytes
    png: bytes


def draw(table: str, file: Path) -> Chart | None:
    """Draw a released table; None where it has no chart, or no figure that may be shown.

    Args:
        table: its name.
        file: its Parquet file as it is released.
    """
    drawing = DRAWINGS.get(table)
    if drawing is None:
        return None
    with duckdb.connect() as connection:
        found = connection.execute(f"select * from {parquet(file)}")
        columns = [each[0] for each in found.description]
        rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    return drawing(rows)


PUBLISHED_STARTING_YEAR = 2011
PUBLISHED_RETURNING = {"share_returned": 0.56, "share_returned_once": 0.17}
PUBLISHED_RETURNING |= {"share_six_or_more": 0.18}
PUBLISHED_RETURNING_BY_GROUP = {"Theft offences": 0.82}
"""Of those whose first case was in 2011, by the end of 2019: Data First, an analysis of returning
defendants from 2011 to 2019 in England and Wales (Ministry of Justice, 2022)."""

PUBLISHED_COMPLETION_YEAR = 2023
PUBLISHED_MEDIAN_DAYS = {"magistrates": 178, "crown": 374}
"""Criminal court statistics quarterly, July to September 2023 (Ministry of Justice)."""

PUBLISHED_FAMILY_YEAR = 2023
PUBLISHED_MEAN_WEEKS = {"Private law children": 47}
"""Of private law cases disposed of from April to June 2023: Family court statistics quarterly
(Ministry of Justice)."""

PUBLISHED_OFFENDING = {"Cautioned or sentenced": 0.047, "For serious violence": 0.011}
"""Of 1.63 million pupils, 77,300 and 18,000: Education, children's social care and offending
(Department for Education and Ministry of Justice, 2022)."""

_BLUE, _ORANGE, _GREEN, _PURPLE, _BLACK = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000"
_COLOURS = (_BLUE, _ORANGE, _GREEN, _PURPLE, _BLACK)
_SHAPES = ("circle", "square", "triangle-up", "cross", "triangle-down")
"""The diamond is left to what is published."""
_COURTS = {"magistrates": "magistrates' courts", "crown": "Crown Court"}
_SUBGROUPS = {"sex": "sex", "ethnicity_group": "ethnicity", "age_band": "age"}
_ALL_RELEASES, _A_YEAR = "all releases", 12
_HERE, _PUBLISHED = "this release", "published figure"
_ALL_CASES, _LINKED = "All cases", "share_linked"
_OTHER_COURTS = {"family courts": "criminal courts", "criminal courts": "family courts"}
_SUBGROUP_OF_COURTS = {
    "everyone": "Everyone",
    "role": "role: {}",
    "sex": "sex: {}",
    "case_type": "case: {}",
    "courts": "courts: {}",
}

_OFFENDING = {
    "share_cautioned_or_sentenced": "Cautioned or sentenced",
    "share_serious_violence": "For serious violence",
    "share_custody": "To custody",
}
_SUBGROUP_OF_PUPILS = {
    "sex": "sex",
    "ethnicity_group": "ethnicity",
    "free_school_meals": "free school meals",
    "special_needs": "special needs",
    "persistent_absence": "absence",
    "exclusion": "exclusion",
    "social_care": "social care",
}
_FIRST_AGE = "age_at_first_offence"


def _returning_defendants(rows: Sequence[Row]) -> Chart | None:
    """Who came back of the first year's starters: of all, and by offence group."""
    import altair as alt

    first = min((row["starting_year"] for row in rows), default=None)
    cohort = [row for row in rows if row["starting_year"] == first]
    shown = [row for row in cohort if row["share_returned"] is not None]
    if not shown:
        return None
    compared = first == PUBLISHED_STARTING_YEAR
    labels = {
        "share_returned": "Came back",
        "share_returned_once": "Came back once only",
        "share_six_or_more": "Six cases or more",
    }
    everyone = [row for row in cohort if row["offence_group"] == "All offences"]
    of_all = [
        _bar(labels[column], row[column], PUBLISHED_RETURNING[column] if compared else None)
        for row in everyone
        for column in labels
        if row[column] is not None
    ]
    by_group = [
        _bar(
            row["offence_group"],
            row["share_returned"],
            PUBLISHED_RETURNING_BY_GROUP.get(row["offence_group"]) if compared else None,
        )
        for row in sorted(shown, key=lambda each: (-each["share_returned"], each["offence_group"]))
        if row["offence_group"] != "All offences"
    ]
    followed_to = cohort[0]["followed_to"]
    title = f"Defendants who started in {first} and came back by {followed_to:%d %B %Y}"
    panels = [
        _bars(entries, heading, axis, "share of those who started")
        for entries, heading, axis in (
            (of_all, "All who started", "measure"),
            (by_group, "Came back, by offence group of the first case", "offence group"),
        )
        if entries
    ]
    withheld = sorted(row["offence_group"] for row in cohort if row["share_returned"] is None)
    words = (
        f"Bar chart in two parts. Of all who started at the magistrates' courts in {first}, "
        f"share by {followed_to}: {_listed(of_all)}. Share who came back by offence group of the "
        f"first case, highest first: {_listed(by_group)}." + _withheld(withheld)
    )
    return _chart(alt.vconcat(*panels, spacing=18), title, words)


def _time_to_completion(rows: Sequence[Row]) -> Chart | None:
    """Median days from offence to completion by year, a line for each court."""
    import altair as alt

    shown: list[dict[str, Any]] = [
        {"court": _COURTS[row["court_type"]], "year": str(row["completion_year"]), "days": days}
        for row in rows
        if row["offence_group"] == "All offences" and (days := row["median_days"]) is not None
    ]
    if not shown:
        return None
    shown.sort(key=lambda each: (each["court"], each["year"]))
    courts = [each for each in _COURTS.values() if any(row["court"] == each for row in shown)]
    references = [
        {**each, "days": days}
        for court, days in PUBLISHED_MEDIAN_DAYS.items()
        for each in shown
        if each["court"] == _COURTS[court] and each["year"] == str(PUBLISHED_COMPLETION_YEAR)
    ]
    x = alt.X("year:O", title="year of completion", axis=alt.Axis(labelAngle=0))
    y = alt.Y("days:Q", title="median days from offence to completion", scale=alt.Scale(zero=True))
    colour = alt.Color(
        "court:N",
        title="court",
        sort=courts,
        scale=alt.Scale(domain=courts, range=list(_COLOURS[: len(courts)])),
    )
    shape = alt.Shape("court:N", title="court", sort=courts, scale=alt.Scale(domain=courts))
    base = alt.Chart(alt.Data(values=shown)).encode(x=x, y=y, color=colour)
    lines = base.mark_line()
    points = base.mark_point(filled=True, size=60, opacity=1).encode(shape=shape)
    marks = (
        alt.Chart(alt.Data(values=references))
        .mark_point(shape="diamond", size=130, strokeWidth=2, color=_BLACK, opacity=1)
        .encode(x=x, y=y)
    )
    layers = [lines, points, marks] if references else [lines, points]
    chart = alt.layer(*layers).properties(width=560, height=280)
    told = []
    for court in courts:
        own = [each for each in shown if each["court"] == court]
        known = [each["days"] for each in references if each["court"] == court]
        against = f" (published for {PUBLISHED_COMPLETION_YEAR}: {known[0]})" if known else ""
        years = ", ".join(f"{each['year']}: {each['days']}" for each in own)
        told.append(f"{court}{against}: {years}")
    words = (
        "Line chart of the median days from offence to completion of a case, by year of "
        f"completion, all offences together. {'. '.join(told)}."
    )
    subtitle = (
        "Diamonds: published figures, of every court; fewer cases are in these systems from 2021 on"
        if references
        else ""
    )
    return _chart(chart, "Time from offence to completion of a case", words, subtitle)


def _repeat_custody(rows: Sequence[Row]) -> Chart | None:
    """Who began another custodial journey: over time, and within a year by type of release."""
    import altair as alt

    shown = [row for row in rows if row["share_returned"] is not None]
    if not shown:
        return None
    over_time = [
        _bar(_months(row["within_months"]), row["share_returned"])
        for row in sorted(shown, key=lambda each: int(each["within_months"]))
        if row["release_type"] == _ALL_RELEASES
    ]
    within_a_year = [row for row in rows if row["within_months"] == _A_YEAR]
    by_type = [
        _bar(row["release_type"], row["share_returned"])
        for row in sorted(shown, key=lambda each: (-each["share_returned"], each["release_type"]))
        if row["within_months"] == _A_YEAR and row["release_type"] != _ALL_RELEASES
    ]
    released_to = rows[0]["released_to"]
    panels = [
        _bars(entries, heading, axis, "share of journeys that ended")
        for entries, heading, axis in (
            (over_time, "All releases, by time since", "within"),
            (by_type, f"Within {_A_YEAR} months, by type of release", "release"),
        )
        if entries
    ]
    withheld = sorted(row["release_type"] for row in within_a_year if row["share_returned"] is None)
    words = (
        f"Bar chart in two parts. Of custodial journeys that ended up to {released_to}, share "
        f"after which the same person began another within: {_listed(over_time)}. Share within "
        f"{_A_YEAR} months by type of release, highest first: {_listed(by_type)}."
        + _withheld(withheld)
    )
    return _chart(alt.vconcat(*panels, spacing=18), "Return to custody after a release", words)


def _linkage_coverage(rows: Sequence[Row]) -> Chart | None:
    """For each pair of datasets, the share of people linked: of each subgroup and of everyone."""
    import altair as alt

    everyone = {_pair(row): row["share_of_people"] for row in rows if row["subgroup"] == "everyone"}
    if all(share is None for share in everyone.values()):
        return None
    told: list[dict[str, Any]] = [
        {
            "pair": _pair(row),
            "kind": _SUBGROUPS[row["subgroup"]],
            "group": f"{_SUBGROUPS[row['subgroup']]}: {row['subgroup_value']}",
            "share": row["share_of_people"],
        }
        for row in rows
        if row["subgroup"] in _SUBGROUPS
    ]
    groups = sorted({each["group"] for each in told}, key=_place)
    shown = sorted(
        ({**each, "share": float(each["share"])} for each in told if each["share"] is not None),
        key=lambda each: _place(each["group"]),
    )
    columns = max(2, len({row["linked_dataset"] for row in rows}) - 1)
    panels = [
        _coverage_panel(
            pair,
            None if share is None else float(share),
            [each for each in shown if each["pair"] == pair],
            groups,
            labelled=place % columns == 0,
        )
        for place, (pair, share) in enumerate(sorted(everyone.items()))
    ]
    words = (
        "Dot plots, one for each pair of datasets, of the share of a dataset's people who have a "
        "record in the other, by sex, ethnicity and age; a dashed line marks everyone's. "
    )
    words += " ".join(
        f"{pair}: everyone {share:.1%}"
        + "".join(
            f", {each['group']} {each['share']:.1%}" for each in shown if each["pair"] == pair
        )
        + "."
        for pair, share in sorted(everyone.items())
        if share is not None
    )
    return _chart(
        alt.concat(*panels, columns=columns, spacing=20),
        "People of a dataset who are found in another",
        words + _withheld(sorted(pair for pair, share in everyone.items() if share is None)),
        "Dashed line: everyone. No mark: withheld. Estimated people at the middle threshold",
    )


def _family_case_durations(rows: Sequence[Row]) -> Chart | None:
    """Mean weeks from receipt to final disposal by year, a line for each kind of law."""
    import altair as alt

    shown: list[dict[str, Any]] = [
        {
            "type": row["case_type"],
            "year": str(row["case_year"]),
            "weeks": row["mean_weeks"],
            "median": row["median_weeks"],
        }
        for row in rows
        if row["case_type"] != _ALL_CASES and row["mean_weeks"] is not None
    ]
    if not shown:
        return None
    shown.sort(key=lambda each: (each["type"], each["year"]))
    kinds = list(dict.fromkeys(each["type"] for each in shown))
    references = [
        {**each, "weeks": PUBLISHED_MEAN_WEEKS[each["type"]]}
        for each in shown
        if each["type"] in PUBLISHED_MEAN_WEEKS and each["year"] == str(PUBLISHED_FAMILY_YEAR)
    ]
    x = alt.X("year:O", title="year of the final disposal", axis=alt.Axis(labelAngle=0))
    y = alt.Y("weeks:Q", title="mean weeks from receipt", scale=alt.Scale(zero=True))
    named = {"title": "kind of law", "sort": kinds}
    colour = alt.Color(
        "type:N", scale=alt.Scale(domain=kinds, range=list(_COLOURS[: len(kinds)])), **named
    )
    shape = alt.Shape(
        "type:N", scale=alt.Scale(domain=kinds, range=list(_SHAPES[: len(kinds)])), **named
    )
    base = alt.Chart(alt.Data(values=shown)).encode(x=x, y=y, color=colour)
    points = base.mark_point(filled=True, size=60, opacity=1).encode(shape=shape)
    marks = (
        alt.Chart(alt.Data(values=references))
        .mark_point(shape="diamond", size=130, strokeWidth=2, color=_BLACK, opacity=1)
        .encode(x=x, y=y)
    )
    layers = [base.mark_line(), points, *([marks] if references else [])]
    told = []
    for kind in kinds:
        own = [each for each in shown if each["type"] == kind]
        known = [each["weeks"] for each in references if each["type"] == kind]
        against = f" (published for {PUBLISHED_FAMILY_YEAR}: {known[0]})" if known else ""
        years = ", ".join(f"{each['year']}: {each['weeks']} ({each['median']})" for each in own)
        told.append(f"{kind}{against}: {years}")
    words = (
        "Line chart of the mean weeks from receipt of a family court case to its final order or "
        f"other disposal, by year of that and kind of law; medians in brackets. {'. '.join(told)}."
    )
    withheld = sorted(
        f"{row['case_type']} in {row['case_year']}"
        for row in rows
        if row["case_type"] != _ALL_CASES and row["mean_weeks"] is None
    )
    return _chart(
        alt.layer(*layers).properties(width=560, height=280),
        "Time family court cases take to their final order",
        words + _withheld(withheld),
        "Diamond: published figure, of April to June alone" if references else "",
    )


def _family_and_criminal_courts(rows: Sequence[Row]) -> Chart | None:
    """Shares of either courts' people who are found at the other, of everyone and by subgroup."""
    import altair as alt

    shown = [row for row in rows if row["share_linked"] is not None]
    if not shown:
        return None
    panels, told = [], []
    most = min(1.0, math.ceil(10 * max(float(row[_LINKED]) for row in shown)) / 10)
    for population, elsewhere in _OTHER_COURTS.items():
        entries = [
            _bar(_SUBGROUP_OF_COURTS[row["subgroup"]].format(row["subgroup_value"]), row[_LINKED])
            for row in sorted(shown, key=_place_at_courts)
            if row["population"] == population
        ]
        if entries:
            heading = f"People of the {population} found at the {elsewhere}"
            panels.append(_bars(entries, heading, "people", "share found there", most))
            told.append(f"{heading}: {_listed(entries)}")
    withheld = sorted(
        f"{row['population']}, {_SUBGROUP_OF_COURTS[row['subgroup']].format(row['subgroup_value'])}"
        for row in rows
        if row["share_linked"] is None
    )
    words = (
        "Bar chart in two parts of the share of people of one kind of court who have a record at "
        f"the other. {'. '.join(told)}." + _withheld(withheld)
    )
    return _chart(
        alt.vconcat(*panels, spacing=18),
        "People before the family courts and the criminal courts",
        words,
        "Estimated people at the middle threshold; parties of adoption cases are not joined",
    )


def _pupils_offending(rows: Sequence[Row]) -> Chart | None:
    """Who was cautioned or sentenced: of all pupils, by what is known of them, and at what age."""
    import altair as alt

    share = "share_cautioned_or_sentenced"
    everyone = [row for row in rows if row["subgroup"] == "everyone"]
    of_all = [
        _bar(label, row[column], PUBLISHED_OFFENDING.get(label))
        for row in everyone
        for column, label in _OFFENDING.items()
        if row[column] is not None
    ]
    if not of_all:
        return None
    shown = [row for row in rows if row[share] is not None]
    kinds = list(_SUBGROUP_OF_PUPILS)
    by_group = [
        _bar(f"{_SUBGROUP_OF_PUPILS[row['subgroup']]}: {row['subgroup_value']}", row[share])
        for row in sorted(
            (row for row in shown if row["subgroup"] in kinds),
            key=lambda each: (kinds.index(each["subgroup"]), -each[share], each["subgroup_value"]),
        )
    ]
    by_age = [
        _bar(row["subgroup_value"], row[share])
        for row in sorted(shown, key=lambda each: each["subgroup_value"])
        if row["subgroup"] == _FIRST_AGE
    ]
    panels = [
        _bars(entries, heading, axis, "share of pupils", most=None)
        for entries, heading, axis in (
            (of_all, "All pupils", "measure"),
            (by_group, "Cautioned or sentenced, by what was recorded in any year", "pupils"),
            (by_age, "Cautioned or sentenced, by age at the first offence", "age"),
        )
        if entries
    ]
    withheld = sorted(
        f"{row['subgroup'].replace('_', ' ')} {row['subgroup_value']}"
        for row in rows
        if row[share] is None
    )
    words = (
        "Bar chart in three parts of the share of pupils who were cautioned or sentenced. All "
        f"pupils: {_listed(of_all)}. By what schools and social care recorded in any year: "
        f"{_listed(by_group)}. By age at the first offence, in all pupils: {_listed(by_age)}."
        + _withheld(withheld)
    )
    # Published figures, and what their ticks mean, are in the first part alone.
    return _chart(
        alt.vconcat(*panels, spacing=18).resolve_scale(color="independent"),
        "Pupils who were cautioned or sentenced",
        words,
        "Pupils of three school years, linked to police records; one may come before the other",
    )


def _place_at_courts(row: Row) -> tuple[int, str]:
    return list(_SUBGROUP_OF_COURTS).index(row["subgroup"]), row["subgroup_value"]


def _coverage_panel(
    pair: str,
    everyone: float | None,
    shown: Sequence[Row],
    groups: Sequence[str],
    *,
    labelled: bool,
) -> Any:  # noqa: ANN401
    """A dot for each subgroup of a pair of datasets, and a line for everyone."""
    import altair as alt

    kinds = list(_SUBGROUPS.values())
    x = alt.X(
        "share:Q",
        title="share of people linked",
        axis=alt.Axis(format=".0%", tickCount=4),
        scale=alt.Scale(domainMin=0, nice=True),
    )
    y = alt.Y(
        "group:N",
        title="subgroup" if labelled else None,
        sort=list(groups),
        scale=alt.Scale(domain=list(groups)),
        axis=alt.Axis(labels=labelled, ticks=labelled),
    )
    kind = {"title": "subgroup of", "sort": kinds}
    dots = (
        alt.Chart(alt.Data(values=list(shown)))
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=list(_COLOURS[: len(kinds)])),
                **kind,
            ),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds), **kind),
        )
    )
    rule = (
        alt.Chart(alt.Data(values=[] if everyone is None else [{"share": everyone}]))
        .mark_rule(strokeDash=[4, 3], color=_BLACK)
        .encode(x=x)
    )
    heading = pair if everyone is not None else f"{pair} (withheld)"
    return alt.layer(dots, rule).properties(width=200, title=heading)


def _months(number: int) -> str:
    return f"{number} month" if number == 1 else f"{number} months"


def _pair(row: Row) -> str:
    return f"{row['source_dataset']} people in {row['linked_dataset']}"


def _place(group: str) -> tuple[int, bool, str]:
    """Where a subgroup stands: by kind, what is not known last."""
    kind, _, value = group.partition(": ")
    return list(_SUBGROUPS.values()).index(kind), value in ("Not known", "unknown"), value


def _bar(label: str, share: object, published: float | None = None) -> dict[str, Any]:
    return {"label": label, "share": float(str(share)), "published": published}


def _bars(
    entries: Sequence[Row], heading: str, axis: str, measure: str, most: float | None = 1
) -> Any:  # noqa: ANN401
    """A bar for each entry, and a tick on those a figure is published of.

    The axis ends at `most`, or, where that is None, beyond the longest bar.
    """
    import altair as alt

    order = [each["label"] for each in entries]
    y = alt.Y("label:N", title=axis, sort=order)
    measured = [{"label": each["label"], "share": each["share"], "what": _HERE} for each in entries]
    published = [
        {"label": each["label"], "share": each["published"], "what": _PUBLISHED}
        for each in entries
        if each["published"] is not None
    ]
    x = alt.X(
        "share:Q",
        title=measure,
        axis=alt.Axis(format=".1~%" if most is None else ".0%"),
        scale=alt.Scale(domainMin=0, nice=True) if most is None else alt.Scale(domain=[0, most]),
    )
    what = alt.Color(
        "what:N",
        title=None,
        sort=[_HERE, _PUBLISHED],
        scale=alt.Scale(domain=[_HERE, _PUBLISHED], range=[_BLUE, _BLACK]),
        legend=alt.Undefined if published else None,
    )
    bars = alt.Chart(alt.Data(values=measured)).mark_bar().encode(x=x, y=y, color=what)
    ticks = (
        alt.Chart(alt.Data(values=published))
        .mark_tick(thickness=3, size=20)
        .encode(x=x, y=y, color=what)
    )
    layers = [bars, ticks] if published else [bars]
    return alt.layer(*layers).properties(width=460, height=alt.Step(24), title=heading)


def _listed(entries: Sequence[Row]) -> str:
    told = [
        f"{each['label']} {each['share']:.1%}"
        + (f" (published {each['published']:.0%})" if each["published"] is not None else "")
        for each in entries
    ]
    return "; ".join(told) or "withheld"


def _withheld(groups: Sequence[str]) -> str:
    return f" Withheld by disclosure control: {', '.join(groups)}." if groups else ""


def _chart(chart: Any, title: str, words: str, subtitle: str = "") -> Chart:  # noqa: ANN401
    """Render; altair's charts share no typed base.

    The font comes with the renderer, so that a picture does not depend on the machine's.
    """
    import altair as alt
    import vl_convert

    heading = alt.TitleParams(title, subtitle=subtitle, anchor="start", offset=12)
    described = (
        chart.properties(title=heading)
        .configure(font="Liberation Sans", background="white")
        .configure_axis(labelLimit=260, titlePadding=8)
        .configure_view(strokeOpacity=0)
    )
    spec = described.to_dict()
    svg = str(vl_convert.vegalite_to_svg(spec))
    # The renderer leaves out the description of the whole.
    label = f'<svg role="img" aria-label={quoteattr(words)} '
    return Chart(
        title=title,
        alternative=words,
        svg=svg.replace("<svg ", label, 1).encode(),
        png=bytes(vl_convert.vegalite_to_png(spec, scale=1.5)),
    )


DRAWINGS: Mapping[str, Callable[[Sequence[Row]], Chart | None]] = {
    "family_and_criminal_courts": _family_and_criminal_courts,
    "family_case_durations": _family_case_durations,
    "linkage_coverage": _linkage_coverage,
    "pupils_offending": _pupils_offending,
    "repeat_custody": _repeat_custody,
    "returning_defendants": _returning_defendants,
    "time_to_completion": _time_to_completion,
}
"""The tables that have a chart: every insight."""
