"""The lists lives are drawn from: names, streets, postcode sectors, offences, courts.

Shapes: every list is an Arrow array of text; what is drawn from it is an index (int32), so that a
life is numbers until the moment it is written. Weights are cumulative and end at 1.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datafirst_platform.extracts.contracts import POSTCODE_SECTORS, SEEDS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

COHORTS = ("before 1965", "1965 to 1984", "since 1985")
"""Birth cohorts by which the first names of the British group differ."""

_HERE = Path(__file__).parent

# Unit letters of British postcodes leave out C, I, K, M, O and V.
_UNIT_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(frozen=True)
class Weighted:
    """Indices into a list with their cumulative weights."""

    members: Ints
    cumulative: Floats

    @classmethod
    def of(cls, members: Ints, weights: Floats) -> Weighted:
        """Weights need not sum to 1."""
        running = np.cumsum(weights)
        return cls(members, running / running[-1])

    def pick(self, uniform: Floats) -> Ints:
        """One member for each number in [0, 1)."""
        at = np.searchsorted(self.cumulative, uniform, side="right")
        return self.members[np.minimum(at, len(self.members) - 1)]


@dataclass(frozen=True)
class Names:
    """First names, surnames and nicknames.

    Attributes:
        first: text of the first names; nicknames are among them.
        first_of: (sex, name group, cohort) to the names given in it.
        nicknames: for each first name up to three indices of its short forms, -1 for none.
        surname: text of the surnames.
        surname_of: name group to its surnames.
    """

    first: pa.Array
    first_of: dict[tuple[str, str, str], Weighted]
    nicknames: Ints
    surname: pa.Array
    surname_of: dict[str, Weighted]


@dataclass(frozen=True)
class Places:
    """Postcode sectors, units and streets.

    Attributes:
        sector: text such as `SA1 1`.
        outcode: index of each sector's outcode.
        town: post town of each sector.
        force: index of each sector's police force in `Offices.force`.
        everywhere: sectors by population.
        within_force: sectors of each force, by population.
        within_outcode: sectors of each outcode, by population.
        unit: the two closing letters of a postcode.
        street: names of streets.
        locality: names of localities.
    """

    sector: pa.Array
    outcode: Ints
    town: pa.Array
    force: Ints
    everywhere: Weighted
    within_force: tuple[Weighted, ...]
    within_outcode: tuple[Weighted, ...]
    unit: pa.Array
    street: pa.Array
    locality: pa.Array


@dataclass(frozen=True)
class Offences:
    """The offence code list with how often each is charged.

    Attributes:
        code: Home Office codes.
        cjs: criminal justice system codes.
        group: offence group of each.
        kind: offence type of each (`Summary motoring`, `Indictable only`, …).
        priority: 1 is the most serious.
        magistrates: how many of a thousand magistrates' records it leads.
        crown: how many of a thousand Crown records it leads.
        serious: counted as serious violence.
    """

    code: pa.Array
    cjs: pa.Array
    group: npt.NDArray[np.str_]
    kind: npt.NDArray[np.str_]
    priority: Ints
    magistrates: Floats
    crown: Floats
    serious: Bools


@dataclass(frozen=True)
class Offices:
    """Police forces and courts; `courts_of` gives the courts of each force, never none."""

    force: pa.Array
    magistrates: pa.Array
    magistrates_of: tuple[Weighted, ...]
    crown: pa.Array
    crown_of: tuple[Weighted, ...]


def values_at(values: Ints, index: Ints, otherwise: int) -> Ints:
    """Values by index, and another value where the index is negative."""
    found = np.full(len(index), otherwise, dtype=np.int64)
    there = index >= 0
    found[there] = values[index[there]]
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _numbers(rows: list[dict[str, str]], column: str) -> Floats:
    return np.array([float(row[column]) for row in rows])


@cache
def names() -> Names:
    """The names; weights fall with rank as real name frequencies do."""
    given = _rows(_HERE / "first_names.csv")
    short = _rows(_HERE / "nicknames.csv")
    texts = list(dict.fromkeys([row["name"] for row in given] + [row["nickname"] for row in short]))
    at = {text: index for index, text in enumerate(texts)}
    first_of: dict[tuple[str, str, str], Weighted] = {}
    for key in dict.fromkeys((row["sex"], row["name_group"], row["birth_cohort"]) for row in given):
        rows = [row for row in given if (row["sex"], row["name_group"], row["birth_cohort"]) == key]
        drawn = Weighted.of(np.array([at[row["name"]] for row in rows]), _numbers(rows, "weight"))
        for cohort in COHORTS if key[2] == "all" else (key[2],):
            first_of[(key[0], key[1], cohort)] = drawn
    nicknames = np.full((len(texts), 3), -1, dtype=np.int64)
    used: dict[str, int] = {}
    for row in short:
        if row["name"] in at:
            nicknames[at[row["name"]], used.get(row["name"], 0)] = at[row["nickname"]]
            used[row["name"]] = used.get(row["name"], 0) + 1
    family = _rows(_HERE / "surnames.csv")
    surnames = list(dict.fromkeys(row["name"] for row in family))
    place = {text: index for index, text in enumerate(surnames)}
    surname_of = {}
    for group in dict.fromkeys(row["name_group"] for row in family):
        rows = [row for row in family if row["name_group"] == group]
        surname_of[group] = Weighted.of(
            np.array([place[row["name"]] for row in rows]), _numbers(rows, "weight")
        )
    return Names(pa.array(texts), first_of, nicknames, pa.array(surnames), surname_of)


@cache
def offices() -> Offices:
    """Forces and courts of the code lists; a force without a court borrows any court."""
    forces = [row["code"] for row in _rows(SEEDS / "police_forces.csv")]

    def courts(file: str) -> tuple[pa.Array, tuple[Weighted, ...]]:
        rows = _rows(SEEDS / file)
        of_force = []
        for force in forces:
            mine = [i for i, row in enumerate(rows) if row["police_force_code"] == force]
            members = np.array(mine or range(len(rows)), dtype=np.int64)
            of_force.append(Weighted.of(members, 1.0 / (np.arange(len(members)) + 1.5)))
        return pa.array([row["code"] for row in rows]), tuple(of_force)

    magistrates, magistrates_of = courts("magistrates_courts.csv")
    crown, crown_of = courts("crown_courts.csv")
    return Offices(pa.array(forces), magistrates, magistrates_of, crown, crown_of)


@cache
def places() -> Places:
    """Where people live; the sectors are those of the extracts room's code list."""
    rows = _rows(POSTCODE_SECTORS)
    forces = offices().force.to_pylist()
    outcodes = [row["postcode_sector"].split(" ")[0] for row in rows]
    distinct = list(dict.fromkeys(outcodes))
    town_of = {row["outcode"]: row["post_town"] for row in _rows(_HERE / "post_towns.csv")}
    weights = _numbers(rows, "population_weight")
    force = np.array([forces.index(row["police_force_code"]) for row in rows])
    position = {code: index for index, code in enumerate(distinct)}
    outcode = np.array([position[code] for code in outcodes])
    every = np.arange(len(rows), dtype=np.int64)

    def split(by: Ints, groups: int) -> tuple[Weighted, ...]:
        picked = [np.flatnonzero(by == group) for group in range(groups)]
        filled = [some if len(some) else every for some in picked]
        return tuple(Weighted.of(some, weights[some]) for some in filled)

    return Places(
        sector=pa.array([row["postcode_sector"] for row in rows]),
        outcode=outcode,
        town=pa.array([town_of[code] for code in outcodes]),
        force=force,
        everywhere=Weighted.of(every, weights),
        within_force=split(force, len(forces)),
        within_outcode=split(outcode, len(distinct)),
        unit=pa.array([a + b for a in _UNIT_LETTERS for b in _UNIT_LETTERS]),
        street=pa.array([row["street"] for row in _rows(_HERE / "streets.csv")]),
        locality=pa.array([row["locality"] for row in _rows(_HERE / "localities.csv")]),
    )


@cache
def offences() -> Offences:
    """The offence code list joined to the frequencies of this room."""
    rows = _rows(SEEDS / "offences.csv")
    often = {row["ho_offence_code"]: row for row in _rows(_HERE / "offence_frequencies.csv")}
    return Offences(
        code=pa.array([row["ho_offence_code"] for row in rows]),
        cjs=pa.array([row["cjs_offence_code"] for row in rows]),
        group=np.array([row["offence_group"] for row in rows]),
        kind=np.array([row["offence_type"] for row in rows]),
        priority=_numbers(rows, "priority").astype(np.int64),
        magistrates=np.array(
            [float(often[row["ho_offence_code"]]["magistrates_per_thousand"]) for row in rows]
        ),
        crown=np.array(
            [float(often[row["ho_offence_code"]]["crown_per_thousand"]) for row in rows]
        ),
        serious=np.array([row["is_serious_violence"] == "true" for row in rows]),
    )


@cache
def organisations() -> pa.Array:
    """Names of organisations."""
    return pa.array([row["organisation"] for row in _rows(_HERE / "organisations.csv")])


@dataclass(frozen=True)
class Establishments:
    """Prisons: which are chosen for whom.

    Attributes:
        code: three-letter agency codes.
        opened: year since which each holds prisoners.
        purpose: `local`, `trainer`, `open`, `high security`, `young adult`, `youth`, `women` or
            `women open`.
        local_of: prisons that serve the courts of each police force, never none.
        of_purpose: prisons of each purpose, by size.
        always: of each purpose, one that has long been open.
    """

    code: pa.Array
    opened: Ints
    purpose: npt.NDArray[np.str_]
    local_of: tuple[Weighted, ...]
    of_purpose: dict[str, Weighted]
    always: dict[str, int]


@cache
def establishments() -> Establishments:
    """Prisons with made-up weights near their size; a force without a prison borrows any."""
    rows = _rows(_HERE / "prisons.csv")
    purpose = np.array([row["purpose"] for row in rows])
    weights, opened = _numbers(rows, "weight"), _numbers(rows, "opened").astype(np.int64)

    def chosen(members: Ints) -> Weighted:
        return Weighted.of(members, weights[members])

    local_of = []
    for force in offices().force.to_pylist():
        mine = [i for i, row in enumerate(rows) if force in row["forces"].split(" ")]
        local_of.append(chosen(np.array(mine or np.flatnonzero(purpose == "local"))))
    members = {each: np.flatnonzero(purpose == each) for each in np.unique(purpose)}
    return Establishments(
        code=pa.array([row["code"] for row in rows]),
        opened=opened,
        purpose=purpose,
        local_of=tuple(local_of),
        of_purpose={each: chosen(at) for each, at in members.items()},
        always={each: int(at[np.argmin(opened[at])]) for each, at in members.items()},
    )


@dataclass(frozen=True)
class LocalCourts:
    """Family or county courts; `courts_of` gives those of each police force, never none.

    Attributes:
        code: of each court.
        prefix: the two letters that a case number of the court begins with, empty for none.
        courts_of: courts of each police force, by size.
    """

    code: pa.Array
    prefix: pa.Array
    courts_of: tuple[Weighted, ...]


def _by_force(forces_of: list[list[str]], weights: Floats) -> tuple[Weighted, ...]:
    """Of each force its members; a force without any borrows from all that have a force."""
    every = [index for index, forces in enumerate(forces_of) if forces]
    of_force = []
    for force in offices().force.to_pylist():
        mine = [index for index in every if force in forces_of[index]]
        members = np.array(mine or every, dtype=np.int64)
        of_force.append(Weighted.of(members, weights[members]))
    return tuple(of_force)


@cache
def family_courts() -> LocalCourts:
    """Family courts with made-up weights near the number of people they serve."""
    seeds = {row["code"]: row for row in _rows(SEEDS / "family_courts.csv")}
    rows = _rows(_HERE / "family_courts.csv")
    return LocalCourts(
        code=pa.array([row["code"] for row in rows]),
        prefix=pa.array([seeds[row["code"]]["case_prefix"] for row in rows]),
        courts_of=_by_force([row["forces"].split(" ") for row in rows], _numbers(rows, "weight")),
    )


@cache
def county_courts() -> LocalCourts:
    """County courts, those named first in a force taken to be larger; centres have no force."""
    rows = _rows(SEEDS / "county_courts.csv")
    forces = [[row["police_force_code"]] if row["police_force_code"] else [] for row in rows]
    rank = np.array([forces[:index].count(forces[index]) for index in range(len(rows))])
    return LocalCourts(
        code=pa.array([row["code"] for row in rows]),
        prefix=pa.array([""] * len(rows)),
        courts_of=_by_force(forces, 1.0 / (rank + 1.5)),
    )


@dataclass(frozen=True)
class Schools:
    """England's local authorities and their schools, by where people live.

    Attributes:
        authority: three-digit codes of the local authorities.
        of_sector: index of the authority of each postcode sector, -1 in Wales.
        decile: of each sector by income deprivation affecting children; 1 is the most deprived.
        primaries: number of primary schools of each authority; `secondaries` likewise.
    """

    authority: pa.Array
    of_sector: Ints
    decile: Ints
    primaries: Ints
    secondaries: Ints


_WELSH_FORCES = ("60", "61", "62", "63")


@cache
def schools() -> Schools:
    """Which authority and decile each sector is in: made up, as is where sectors lie."""
    rows = _rows(_HERE / "local_authorities.csv")
    weights = _numbers(rows, "weight")
    forces = offices().force.to_pylist()
    of_force = _by_force([[row["force"]] for row in rows], weights)
    home = places()
    # Golden-ratio steps spread outcodes over authorities, and sectors over deciles, evenly.
    turn = (home.outcode + 1) * 0.6180339887 % 1
    authority = np.zeros(len(turn), dtype=np.int64)
    for index, members in enumerate(of_force):
        mine = home.force == index
        authority[mine] = members.pick(turn[mine])
    welsh = np.isin(home.force, [forces.index(each) for each in _WELSH_FORCES])
    people = np.diff(home.everywhere.cumulative, prepend=0.0)
    order = np.argsort((np.arange(len(turn)) + 1) * 0.7548776662 % 1, kind="stable")
    above = np.empty(len(turn))
    above[order] = np.cumsum(people[order]) - people[order] / 2
    return Schools(
        authority=pa.array([row["code"] for row in rows]),
        of_sector=np.where(welsh, -1, authority),
        decile=1 + (above * 10).astype(np.int64).clip(0, 9),
        primaries=(weights * 13).astype(np.int64).clip(4, 260),
        secondaries=(weights * 2.4).astype(np.int64).clip(2, 60),
    )


@dataclass(frozen=True)
class Institutions:
    """Councils, lenders, landlords and other bodies that courts meet everywhere.

    Attributes:
        name: of each.
        kind: `authority`, `bank`, `debt purchaser`, `insurer`, `landlord`, `lender`, `parking`,
            `telecom` or `utility`.
        force: index of the police force in whose area an authority lies, -1 for the others.
        of_kind: institutions of each kind, by how often they go to court.
        authorities_of: local authorities of each police force, never none.
    """

    name: pa.Array
    kind: npt.NDArray[np.str_]
    force: Ints
    of_kind: dict[str, Weighted]
    authorities_of: tuple[Weighted, ...]


@cache
def institutions() -> Institutions:
    """Institutions with made-up weights; a force without an authority borrows any."""
    rows = _rows(_HERE / "institutions.csv")
    forces = offices().force.to_pylist()
    kind = np.array([row["kind"] for row in rows])
    force = np.array([forces.index(row["force"]) if row["force"] else -1 for row in rows])
    weights = _numbers(rows, "weight")

    def chosen(members: Ints) -> Weighted:
        return Weighted.of(members, weights[members])

    authorities = np.flatnonzero(kind == "authority")
    within = [np.flatnonzero(force == index) for index in range(len(forces))]
    return Institutions(
        name=pa.array([row["name"] for row in rows]),
        kind=kind,
        force=force,
        of_kind={each: chosen(np.flatnonzero(kind == each)) for each in np.unique(kind)},
        authorities_of=tuple(chosen(mine if len(mine) else authorities) for mine in within),
    )


@cache
def organisation_names() -> pa.Array:
    """Names of organisations, and of institutions after them."""
    return pa.concat_arrays([organisations(), institutions().name])
