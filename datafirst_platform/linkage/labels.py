"""Clerks' labels: a stratified sample of candidate pairs, to be decided on by people.

What belongs here: drawing the sample into the secure zone, and reading the answers back. What does
not: estimates (`estimates.py`), and publishing what was answered (`quality.py`), which is counts.

```
secure/labels/<edition>/<dataset>/      0700
    sample.csv      what a clerk fills in: both sides of each pair, and an empty answer
    drawn.json      which stratum each pair is of, and how many pairs each stratum has
    answers.json    counts of answers by stratum and subgroup
```

A stratum is a band of match weights, and within it the strictest threshold at which the linkage
takes the pair for one: clusters may part pairs of a high weight and join those of a low one. Within
a stratum pairs are drawn evenly over the subgroups they are of. A clerk sees neither weight nor
link, and pairs come in an order that tells nothing.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform import tables
from datafirst_platform.engine import connect, name, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.cases import prepare_cases
from datafirst_platform.linkage.linking import prepare
from datafirst_platform.linkage.models import (
    LEVELS,
    LinkageModel,
    linkage_model,
    splink_settings,
    trained_model,
)
from datafirst_platform.linkage.profiles import EVERYONE, SUBGROUPS, people_tables, profiles_query
from datafirst_platform.linkage.publishing import is_judged, table_key
from datafirst_platform.linkage.scoring import score
from datafirst_platform.linkage.standardise import CLEANED
from datafirst_platform.safe_errors import NotReady, PlatformError, values_withheld
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

ANSWERS = ("yes", "no", "unsure")
"""What a clerk may answer: one person (or case), not, or not to be told from what is shown."""

UNLINKED = "none"
"""The strictest threshold of a pair that none links."""

_FORMAT = "datafirst-labels/1"
_LEAST = 15
"""Pairs drawn of a stratum at the least, if it has as many: fewer would tell nothing of it."""
_WEAKEST = -60.0
"""Every candidate pair has a higher match weight."""
_BELOW, _ABOVE = (10.0, 5.0), 8.0
"""How far below the low threshold, and above the high one, further bands begin."""


@dataclass(frozen=True)
class Drawn:
    """A sample that was drawn.

    Attributes:
        path: the file clerks fill in.
        pairs: drawn.
        candidates: pairs they were drawn from.
        strata: (band, strictest level that links, candidates, drawn), strongest first.
    """

    path: Path
    pairs: int
    candidates: int
    strata: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True)
class Answers:
    """What clerks answered.

    Attributes:
        links: data version of the links the sample was drawn of.
        pairs: drawn.
        answered: with a clear answer.
        unsure: that could not be decided.
        counts: (measure, level, part, subgroup, subgroup_value, value) as in the table of quality.
    """

    links: str
    pairs: int
    answered: int
    unsure: int
    counts: tuple[tuple[str, str, str, str, str, int], ...]


def labels_folder(settings: Settings, edition: str, dataset: str) -> Path:
    """Where a sample lies."""
    return settings.secure / "labels" / edition / dataset


def answers_path(settings: Settings, edition: str, dataset: str) -> Path:
    """The file of counted answers."""
    return labels_folder(settings, edition, dataset) / "answers.json"


def draw(
    settings: Settings,
    edition: str,
    dataset: str,
    *,
    pairs: int = 400,
    seed: int = 1,
    replace: bool = False,
) -> Drawn:
    """Draw candidate pairs for clerks and write them into the secure zone, for the owner alone.

    All candidate pairs are scored again, those below the low threshold too. The same links, number
    and seed draw the same pairs. Few pairs lie near a threshold and many far below: each stratum
    gets its least, and the rest goes where the model expects most doubt (Neyman's allocation; see
    Cochran, Sampling techniques, 3rd edition, 1977, 5.5).

    Args:
        settings: the installation.
        edition: partition key.
        dataset: a linkage.
        pairs: to draw, about; every stratum that has pairs gets some.
        seed: of the draw.
        replace: draw anew where a sample lies already, with what was answered in it.

    Raises:
        NotReady: the dataset has not been linked, or its model is out of date.
        PlatformError: a sample lies there already, there is no pair to draw, or the engine failed.
    """
    model = linkage_model(dataset)
    if not is_judged(dataset):
        msg = f"{dataset} has no match weights to draw pairs by."
        raise PlatformError(msg)
    folder = labels_folder(settings, edition, dataset)
    sample = folder / "sample.csv"
    if sample.exists() and not replace:
        msg = (
            f"{sample} has been drawn already and may hold answers. Read them with `datafirst "
            f"linkage label read {dataset} {edition}`, or draw anew with --replace."
        )
        raise PlatformError(msg)
    links = tables.require(settings, table_key(dataset, _links_of(model)), edition)
    told = [profiles_query(settings, edition, table)[0] for table in people_tables(model)]
    with connect(settings) as connection, values_withheld(f"Drawing pairs of {dataset}"):
        _score_all(settings, connection, edition, model)
        _place(connection, model, links, told)
        strata = _allocate(connection, model, pairs)
        if not strata:
            msg = f"{dataset} of edition {edition} has no candidate pair to draw."
            raise PlatformError(msg)
        _choose(connection, strata, seed)
        header, rows = _shown(settings, connection, edition, model)
        drawn = {
            "format": _FORMAT,
            "dataset": dataset,
            "edition": edition,
            "seed": seed,
            "links": links.version,
            "thresholds": dict(model.thresholds),
            "candidates": _counted(connection, "placed"),
            "pairs": {
                token: {"band": band, "level": level, **dict(zip(SUBGROUPS, groups, strict=True))}
                for token, band, level, *groups in connection.execute(
                    f"select token, band, level, {', '.join(SUBGROUPS)} from chosen order by token"
                ).fetchall()
            },
        }
    for each in (settings.secure / "labels", folder.parent, folder):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
        each.chmod(0o700)
    answers_path(settings, edition, dataset).unlink(missing_ok=True)
    _write(folder / "drawn.json", json.dumps(drawn, indent=1, sort_keys=True) + "\n")
    # Excel takes a file for UTF-8 only with the mark in front.
    _write_rows(sample, [header, *rows])
    total = sum(stratum.pairs for stratum in strata)
    return Drawn(
        sample,
        sum(stratum.drawn for stratum in strata),
        total,
        tuple((each.band, each.level, each.pairs, each.drawn) for each in strata),
    )


def read(settings: Settings, edition: str, dataset: str, file: Path | None = None) -> Answers:
    """Read the answers back, check them, and keep their counts.

    Args:
        settings: the installation.
        edition: partition key.
        dataset: a linkage.
        file: the filled-in sample; by default where it was drawn to.

    Raises:
        NotReady: nothing has been drawn.
        PlatformError: the file is not the one drawn, or an answer is none; every fault is named by
            its row, never by a value.
    """
    folder = labels_folder(settings, edition, dataset)
    record = folder / "drawn.json"
    if not record.exists():
        msg = (
            f"No pairs of {dataset} have been drawn: run `datafirst linkage label draw {dataset} "
            f"{edition}`."
        )
        raise NotReady(msg)
    content = record.read_text()
    drawn = json.loads(content)
    given = _answers(file or folder / "sample.csv", drawn["pairs"])
    counts = _count(drawn, given)
    answers = Answers(
        drawn["links"],
        len(drawn["pairs"]),
        sum(answer in ("yes", "no") for answer in given.values()),
        sum(answer == "unsure" for answer in given.values()),
        tuple((*key, value) for key, value in sorted(counts.items())),
    )
    stored = {
        "format": _FORMAT,
        "drawn": hashlib.sha256(content.encode()).hexdigest(),
        **vars(answers),
    }
    _write(
        answers_path(settings, edition, dataset),
        json.dumps(stored, indent=1, sort_keys=True) + "\n",
    )
    return answers


def answers_of(settings: Settings, edition: str, dataset: str) -> Answers | None:
    """The counts of what clerks answered; None where nothing was read."""
    path = answers_path(settings, edition, dataset)
    if not path.exists():
        return None
    stored = json.loads(path.read_text())
    return Answers(
        stored["links"],
        stored["pairs"],
        stored["answered"],
        stored["unsure"],
        tuple(tuple(row) for row in stored["counts"]),
    )


def bands(model: LinkageModel) -> list[tuple[str, float, float]]:
    """Bands of match weights around the thresholds, strongest first: name, from, up to."""
    high, medium, low = (model.thresholds[level] for level in LEVELS)
    cuts = [high + _ABOVE, high, (high + medium) / 2, medium, (medium + low) / 2, low]
    cuts += [low - each for each in sorted(_BELOW)]
    found = [(f"{cuts[0]:g} and over", cuts[0], 1000.0)]
    found += [(f"{least:g} to {most:g}", least, most) for most, least in pairwise(cuts)]
    return [*found, (f"below {cuts[-1]:g}", _WEAKEST * 10, cuts[-1])]


def _links_of(model: LinkageModel) -> str:
    return "cases" if model.kind == "cases" else "people"


def _score_all(
    settings: Settings, connection: duckdb.DuckDBPyConnection, edition: str, model: LinkageModel
) -> None:
    """Make `records`, `tuples`, `nodes` and `edges` (l, r, match_weight) of every candidate."""
    make = prepare_cases if model.kind == "cases" else prepare
    sizes = make(settings, connection, edition, model)
    trained = trained_model(model)
    block(connection, model.blocking, len(sizes))
    score(
        connection, splink_settings(trained.comparisons, trained.prior(sizes)), threshold=_WEAKEST
    )


def _place(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    links: TableVersion,
    told: Sequence[str],
) -> None:
    """Make `placed`: candidate pairs of nodes with their best tuples, band, level and subgroups.

    A pair is of the subgroup of its record with the smaller key. Keys are pseudonyms, so that it is
    either of the two by chance.
    """
    connection.execute(
        """create temp table best as
        select least(node_l, node_r) as one, greatest(node_l, node_r) as other,
            arg_max(
                if(node_l < node_r, struct_pack(l := l, r := r), struct_pack(l := r, r := l)),
                (match_weight, -l, -r)) as tuples,
            max(match_weight) as match_weight
        from (
            select l, r, match_weight,
                coalesce(of_l.node, l) as node_l, coalesce(of_r.node, r) as node_r
            from edges
            left join nodes as of_l on of_l.id = l left join nodes as of_r on of_r.id = r)
        where node_l <> node_r group by all"""
    )
    band = " ".join(
        f"when match_weight >= {least} then {text(band)}" for band, least, _ in bands(model)
    )
    if model.kind == "cases":
        own, other = (column for column, _ in links.columns if column.endswith("_key"))
        joined = f"""left join {links.sql} as linked
            on linked.{name(own)} = r1.record_key and linked.{name(other)} = r2.record_key"""
        level = " ".join(
            f"when linked.match_weight >= {model.thresholds[each]} then {text(each)}"
            for each in LEVELS
        )
    else:
        people = links.sql
        joined = f"""inner join {people} as p1 on p1.record_key = r1.record_key
            inner join {people} as p2 on p2.record_key = r2.record_key"""
        level = " ".join(
            f"when p1.person_{each} = p2.person_{each} then {text(each)}" for each in LEVELS
        )
    kinds = ", ".join(SUBGROUPS)
    connection.execute(
        f"""create temp table placed as
        select one, other, best.tuples, best.match_weight as weight, k1, k2, level, {kinds},
            case {band.replace("match_weight", "best.match_weight")} end as band
        from (
            select best.*, r1.record_key as k1, r2.record_key as k2,
                case {level} else {text(UNLINKED)} end as level
            from best
            inner join records as r1 on r1.id = one inner join records as r2 on r2.id = other
            {joined}) as best
        inner join ({" union all ".join(f"({query})" for query in told)}) as told
            on told.record_key = least(k1, k2)"""
    )


@dataclass(frozen=True)
class _Stratum:
    band: str
    level: str
    pairs: int
    drawn: int


def _allocate(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, wanted: int
) -> list[_Stratum]:
    """How many pairs to draw of each stratum, strongest first."""
    found = connection.execute(
        """select band, level, count(*), avg(sqrt(chance * (1 - chance)))
        from (select band, level, 1 / (1 + pow(2, -weight::double)) as chance from placed)
        group by band, level"""
    ).fetchall()
    place = {band: at for at, (band, _, _) in enumerate(bands(model))}
    levels = [*LEVELS, UNLINKED]
    found.sort(key=lambda each: (place[each[0]], levels.index(each[1])))
    # The model is sure of itself: a doubt it does not have is still worth a look.
    doubts = [pairs * max(doubt, 0.01) for _, _, pairs, doubt in found]
    least = [min(pairs, _LEAST) for _, _, pairs, _ in found]
    spare = max(0, wanted - sum(least))
    return [
        _Stratum(band, level, pairs, min(pairs, first + round(spare * doubt / sum(doubts))))
        for (band, level, pairs, _), doubt, first in zip(found, doubts, least, strict=True)
    ]


def _choose(connection: duckdb.DuckDBPyConnection, strata: Sequence[_Stratum], seed: int) -> None:
    """Make `chosen`: pairs of each stratum, evenly over subgroups, each with a token of its own.

    Systematic: pairs in the order of their subgroups, from a start by chance, every so many-th.
    """
    connection.execute("create temp table strata (band varchar, level varchar, drawn integer)")
    connection.executemany(
        "insert into strata values (?, ?, ?)",
        [[each.band, each.level, each.drawn] for each in strata],
    )
    chance = "sha256(concat_ws('|', $seed, {}))"
    connection.execute(
        f"""create temp table chosen as
        with shuffled as (
            select *, {chance.format("'pair', k1, k2")} as chance,
                {chance.format("'start', band, level")} as start
            from placed),
        ordered as (
            select *, row_number() over (
                    partition by band, level order by {", ".join(SUBGROUPS)}, chance) - 1 as place,
                count(*) over (partition by band, level) as pairs
            from shuffled)
        select * exclude (place, pairs, start), 'p' || left(chance, 12) as token
        from ordered inner join strata using (band, level)
        where (place * drawn + ('0x' || left(start, 8))::bigint % pairs) % pairs < drawn""",
        {"seed": str(seed)},
    )


def _shown(
    settings: Settings, connection: duckdb.DuckDBPyConnection, edition: str, model: LinkageModel
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Header and rows of the clerks' file: what was compared, and what was supplied, side by side.

    What was compared may be another form the source knows the person by, such as an alias.
    """
    described = connection.execute("describe select * from tuples").fetchall()
    fields = [column for column, *_ in described if _is_shown(model, column)]
    members = [tables.require(settings, key, edition) for key in _identity_keys(model)]
    supplied = " union all ".join(
        f"select {at} as member, record_key, {_as_supplied(version.key.table)} as supplied "
        f"from {version.sql}"
        for at, version in enumerate(members)
    )
    sides = ", ".join(
        f"{_readable('t1', field)} as {field}_1, {_readable('t2', field)} as {field}_2"
        for field in fields
    )
    header = ["pair", *(f"{field}_{side}" for field in fields for side in (1, 2))]
    header += ["as_supplied_1", "as_supplied_2", "answer"]
    rows = connection.execute(
        f"""select token, {sides}, s1.supplied, s2.supplied, '' as answer
        from chosen
        inner join tuples as t1 on t1.id = chosen.tuples.l
        inner join tuples as t2 on t2.id = chosen.tuples.r
        inner join ({supplied}) as s1 on s1.member = t1.member and s1.record_key = k1
        inner join ({supplied}) as s2 on s2.member = t2.member and s2.record_key = k2
        order by token"""
    ).fetchall()
    return header, rows


def _is_shown(model: LinkageModel, column: str) -> bool:
    if model.kind != "cases":
        return column in CLEANED
    return column not in ("id", "member", "record_key") and not column.startswith("person_")


def _identity_keys(model: LinkageModel) -> list[TableKey]:
    return [TableKey.of("identities", table) for table in people_tables(model)]


_NUMBERS = {
    "pnc": "({0} // 10000000) || '/' || lpad(({0} % 10000000)::varchar, 7, '0')",
    "cro": "lpad(({0} % 1000000)::varchar, 6, '0') || '/' || ({0} // 1000000 % 10000)",
}
"""Police identifiers are compared as numbers; a clerk reads year and serial."""


def _readable(side: str, field: str) -> str:
    shown = _NUMBERS.get(field, "{0}::varchar").format(f"{side}.{field}")
    return f"coalesce({shown}, '')"


def _as_supplied(table: str) -> str:
    """SQL for all that was supplied of who a record is, in one text that begins with a word.

    It never begins with a sign that a spreadsheet would take for a formula.
    """
    told = [
        f"{text(each.name)} || ': ' || nullif(trim({name(each.name)}::varchar), '')"
        for each in contracts()[table].columns
        if each.treatment in ("identify", "link_and_keep")
    ]
    return f"concat_ws('; ', {', '.join(told)})"


def _counted(connection: duckdb.DuckDBPyConnection, table: str) -> list[list[Any]]:
    """Pairs by stratum and subgroup: band, level, subgroup, value, pairs."""
    kinds = {EVERYONE[0]: text(EVERYONE[1]), **{kind: kind for kind in SUBGROUPS}}
    query = " union all ".join(
        f"select band, level, {text(kind)} as subgroup, {value} as subgroup_value, "
        f"count(*) as pairs from {table} group by all"
        for kind, value in kinds.items()
    )
    rows = connection.execute(f"select * from ({query}) order by all").fetchall()
    return [list(row) for row in rows]


def _answers(file: Path, pairs: Mapping[str, Any]) -> dict[str, str]:
    """The answer to each pair that has one.

    Raises:
        PlatformError: the file is not as it was drawn; faults by row.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            # A clerk's file has hundreds of rows, and every fault is told by its own.
            rows = list(csv.reader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{file} cannot be read as CSV in UTF-8 ({type(error).__name__})."
        raise PlatformError(msg) from None
    header = [each.strip().lower() for each in rows[0]] if rows else []
    if header[:1] != ["pair"] or "answer" not in header:
        msg = (
            f"{file}, row 1: the header must begin with `pair` and hold `answer`, parted by "
            "commas, as it was drawn."
        )
        raise PlatformError(msg)
    given: dict[str, tuple[int, str]] = {}
    faults: list[str] = []
    for number, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            fault = _fault(header, row, pairs, given)
            if fault:
                faults.append(f"row {number}: {fault}")
            else:
                given[row[0].strip()] = number, row[header.index("answer")].strip().lower()
    found = {pair: answer for pair, (_, answer) in given.items() if answer}
    if not faults and len(given) < len(pairs):
        faults.append(f"{len(pairs) - len(given)} of the {len(pairs)} pairs drawn are missing")
    if not faults and not found:
        faults.append("no pair is answered yet")
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults[:_SHOWN])
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        msg = f"{file} cannot be taken:\n{listed}{more}"
        raise PlatformError(msg)
    return found


def _fault(
    header: Sequence[str],
    row: Sequence[str],
    pairs: Mapping[str, Any],
    given: Mapping[str, tuple[int, str]],
) -> str:
    """What is wrong with a row, in words without a value; empty where nothing is."""
    pair = row[0].strip()
    if len(row) != len(header):
        return f"{len(row)} fields, the header has {len(header)}"
    if pair not in pairs:
        return "`pair` is none of those drawn"
    if pair in given:
        return f"the same `pair` as row {given[pair][0]}"
    if row[header.index("answer")].strip().lower() not in ("", *ANSWERS):
        return f"`answer` is none of {', '.join(ANSWERS)}"
    return ""


_SHOWN = 20


def _count(
    drawn: Mapping[str, Any], given: Mapping[str, str]
) -> dict[tuple[str, str, str, str, str], int]:
    """Candidates, answers and matches by stratum and subgroup."""
    counts: dict[tuple[str, str, str, str, str], int] = {
        ("candidates", level, band, subgroup, value): pairs
        for band, level, subgroup, value, pairs in drawn["candidates"]
    }
    for pair, answer in given.items():
        stratum = drawn["pairs"][pair]
        measures = {"yes": ("answered", "one_person"), "no": ("answered",)}.get(answer, ("unsure",))
        groups = [EVERYONE, *((kind, stratum[kind]) for kind in SUBGROUPS)]
        for measure in measures:
            for group in groups:
                key = (measure, stratum["level"], stratum["band"], *group)
                counts[key] = counts.get(key, 0) + 1
    return counts


def _write(path: Path, content: str) -> None:
    """Write a file for its owner alone, from its first byte on, and put it in place whole."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(content)
    staged.replace(path)


def _write_rows(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    from io import StringIO

    content = StringIO()
    content.write("\ufeff")
    csv.writer(content, lineterminator="\n").writerows(rows)
    _write(path, content.getvalue())
