"""The linkage-change report of a linking release: what became of people since the edition before.

What belongs here: the counts of a linkage as JSON and as a page, under the rule for small counts
(docs/decisions/0009). What does not: who it was; that stands in the crosswalk, which is restricted.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datafirst_platform.editions import before
from datafirst_platform.engine import connect
from datafirst_platform.linkage.disclosure import ROUNDED_TO, THRESHOLD, told
from datafirst_platform.linkage.models import LEVELS, linkage_model
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

FORMAT = "datafirst-linkage-changes/1"
NAME = "linkage_changes"
_WORDS = {
    "before": "people in the edition before",
    "kept": "of them under the same id",
    "merged": "of them under another's id: two people turned out to be one",
    "withdrawn": "of them without a record in this edition",
    "split": "people of whom a record is another person's now: one turned out to be two or more",
    "people": "people in this edition",
    "new": "of them without a record in the edition before",
    "parted": "of them under a new id because they were split from somebody",
}
_SUMS = {"before": ("kept", "merged", "withdrawn"), "people": ("kept", "new", "parted")}
_RECORDS = {
    "records_before": "records in the edition before",
    "records_kept": "of them in this edition too",
    "records_moved": "of these under another person's id than before",
}


@dataclass(frozen=True)
class Report:
    """A report, ready to be written.

    Attributes:
        title: what it is, in a line.
        json: for programs.
        page: for readers; needs nothing but itself.
    """

    title: str
    json: str
    page: str


def linkage_changes(settings: Settings, edition: str, counts: TableVersion) -> Report:
    """What a linkage counted of the people of the edition before, as a release may tell it.

    A count under 10 is withheld, and with it a part of the same sum, so that the rest of a total
    does not give it back; what is shown is rounded to 5. The same counts give the same bytes.

    Args:
        settings: the installation.
        edition: partition key.
        counts: the counts of a linkage across datasets.
    """
    dataset = counts.key.table.removesuffix("_counts")
    earlier = before(edition)
    with connect(settings) as connection:
        rows = connection.execute(f"select measure, level, value from {counts.sql}").fetchall()
    found = {(measure, level): value for measure, level, value in rows}
    content: dict[str, Any] = {
        "format": FORMAT,
        "edition": edition,
        "edition_before": None,
        "linkage": {"datasets": list(linkage_model(dataset).members), "counts": counts.version},
        "rule": f"counts under {THRESHOLD} are withheld (null); others are rounded to {ROUNDED_TO}",
        "levels": {},
    }
    if earlier is not None and ("records_before", "") in found:
        content["edition_before"] = earlier.key
        content["levels"] = {level: _shown(found, level) for level in LEVELS}
    title = f"What became of people since the edition before {edition}"
    figures = json.dumps(content, indent=1, sort_keys=True) + "\n"
    return Report(title, figures, _page(content))


def _shown(found: Mapping[tuple[str, str], int], level: str) -> dict[str, int | None]:
    """The counts of a threshold, by measure: None where withheld."""
    counts = {measure: found[measure, level] for measure in _WORDS}
    counts |= {each: found[each, level if each == "records_moved" else ""] for each in _RECORDS}
    withheld = {each for each, count in counts.items() if 0 < count < THRESHOLD}
    known = 0
    # The sums share a part: what is withheld of one may tell a part of the other.
    while len(withheld) > known:
        known = len(withheld)
        for parts in _SUMS.values():
            withheld |= _withheld_of({part: counts[part] for part in parts}, withheld)
    return {
        # Nobody is a count: that an id of no one changed is worth telling.
        each: told(count, is_withheld=each in withheld) if count else 0
        for each, count in counts.items()
    }


def _withheld_of(parts: Mapping[str, int], withheld: set[str]) -> set[str]:
    """The parts of a total to be withheld where some are: two or more, and 10 together."""
    by_size = sorted((part for part in parts if parts[part]), key=parts.__getitem__)
    hidden = [part for part in by_size if part in withheld]
    for part in by_size:
        enough = len(hidden) > 1 and sum(parts[each] for each in hidden) >= THRESHOLD
        if hidden and not enough and part not in hidden:
            hidden.append(part)
    return set(hidden)


def _page(content: Mapping[str, Any]) -> str:
    return "".join(f"{line}\n" for line in _lines(content))


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    edition, earlier = content["edition"], content["edition_before"]
    title = f"Linkage changes, edition {html.escape(edition)}"
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield (
        "<style>body{font:1rem/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}th,td{padding:.3rem .8rem;border-bottom:1px solid #bbb;"
        "text-align:right}th[scope=row]{text-align:left;font-weight:normal}</style></head><body>"
    )
    yield f"<h1>{title}</h1>"
    if earlier is None:
        yield "<p>No edition before was linked: every person's id is given for the first time.</p>"
        yield "</body></html>"
        return
    datasets = ", ".join(content["linkage"]["datasets"])
    yield (
        f"<p>An id of a person goes on from edition {html.escape(earlier)} wherever most of the "
        "person's records do. Records that were corrected, added or withdrawn change whom the "
        "linkage takes for one person; this is how many. Counted over all that is linked: "
        f"{html.escape(datasets)}.</p>"
    )
    yield "<table><caption>People and records at the three thresholds</caption><thead><tr><td></td>"
    yield "".join(f'<th scope="col">{level}</th>' for level in LEVELS) + "</tr></thead><tbody>"
    for measure, words in (_WORDS | _RECORDS).items():
        cells = (_cell(content["levels"][level][measure]) for level in LEVELS)
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        yield f'<tr><th scope="row">{html.escape(words)}</th>{row}</tr>'
    yield "</tbody></table>"
    yield (
        f"<p>Counts under {THRESHOLD}, and what would give them back, are withheld; others "
        f"are rounded to {ROUNDED_TO}, so that parts need not add up.</p></body></html>"
    )


def _cell(count: int | None) -> str:
    return "withheld" if count is None else f"{count:,}"
