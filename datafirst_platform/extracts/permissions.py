"""Linkage permissions: which datasets may be joined by people, for whom, and by what law.

One table, `contracts/permissions/linkage_permissions.yaml`; a mistake in it is an error that names
file and field. What belongs here: reading and checking it, and saying what is not permitted. What
does not: refusing, which linkages (`linkage/models.py`), gates (`quality/derived.py`) and releases
(`releases/candidate.py`) do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datafirst_platform.extracts.contracts import CONTRACTS, ContractError, unique_keys_loader

PERMISSIONS = CONTRACTS / "permissions" / "linkage_permissions.yaml"
PEOPLE = ("all", "england")
EVIDENCE = ("confirmed", "inferred")

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_SECTIONS = frozenset({"version", "audiences", "laws", "left_out", "permissions"})
_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "audiences": frozenset({"description", "evidence"}),
        "laws": frozenset({"title", "description", "evidence"}),
        "left_out": frozenset(
            {"dataset", "description", "because", "evidence", "tables", "records"}
        ),
    }
)
_ROW = frozenset({"pair", "audiences", "people", "leaves_out", "legal_basis", "evidence", "source"})
_DATES = ("agreed", "review")

Pair = tuple[str, str]
"""Two datasets, in alphabetical order."""


@dataclass(frozen=True)
class Audience:
    """For whom a pair may be joined.

    Attributes:
        name: as permissions and releases give it.
        description: who, and in which secure setting.
        evidence: `confirmed` or `inferred`.
    """

    name: str
    description: str
    evidence: str


@dataclass(frozen=True)
class Law:
    """What a permission rests on.

    Attributes:
        name: as permissions give it.
        title: act and provision.
        description: what it permits.
        evidence: `confirmed`, or `inferred` where the owners have yet to say that they rely on it.
    """

    name: str
    title: str
    description: str
    evidence: str


@dataclass(frozen=True)
class LeftOut:
    """People who are not joined although their dataset may be.

    Attributes:
        name: as permissions give it.
        dataset: whose records they are.
        description: who they are.
        because: the law that protects them.
        evidence: `confirmed` or `inferred`.
        tables: marts that tell who they are.
        records: SQL over those marts for the ids by which the lookup of people would know them.
    """

    name: str
    dataset: str
    description: str
    because: str
    evidence: str
    tables: tuple[str, ...]
    records: str


@dataclass(frozen=True)
class Permission:
    """One pair of datasets that may be joined.

    Attributes:
        pair: the two, in alphabetical order.
        audiences: for whom.
        people: of whom: `all`, or those in `england` alone.
        leaves_out: classes of people who are not joined all the same.
        legal_basis: the laws it rests on.
        evidence: `confirmed` where the pair was published as joined, `inferred` where not.
        source: how that is known.
        agreed: day the owners agreed; None where it is not known.
        review: day by which they look at it again; None where none is set.
    """

    pair: Pair
    audiences: tuple[str, ...]
    people: str
    leaves_out: tuple[str, ...]
    legal_basis: tuple[str, ...]
    evidence: str
    source: str
    agreed: date | None
    review: date | None


@dataclass(frozen=True)
class Permissions:
    """The whole table.

    Attributes:
        version: of the table.
        file: where it stands, for messages.
        audiences: by name.
        laws: by name.
        left_out: by name.
        permitted: by pair, in order.
    """

    version: str
    file: Path
    audiences: Mapping[str, Audience]
    laws: Mapping[str, Law]
    left_out: Mapping[str, LeftOut]
    permitted: Mapping[Pair, Permission]

    def pairs(self, audiences: Collection[str] = ()) -> tuple[Pair, ...]:
        """The pairs that may be joined for all of these audiences; for any, where none is given."""
        return tuple(
            pair for pair, row in self.permitted.items() if set(audiences) <= set(row.audiences)
        )

    def refusals(self, members: Iterable[str], audiences: Collection[str] = ()) -> list[str]:
        """Why these datasets may not be joined, one reason a pair; empty if they may.

        Args:
            members: datasets that are to be joined, each with each.
            audiences: for whom; for anybody, where none is given.
        """
        found = []
        for pair in pairs_of(members):
            row = self.permitted.get(pair)
            told = " and ".join(pair)
            if row is None:
                found.append(
                    f"{told} may not be joined: {self.file.name} has no permission of the pair. "
                    f"Leave one of them out, or enter the pair in {self.file} once the data "
                    "owners have agreed, with its legal basis"
                )
                continue
            refused = sorted(set(audiences) - set(row.audiences))
            if refused:
                found.append(
                    f"{told} may not be joined for {', '.join(refused)}: {self.file.name} permits "
                    f"the pair for {', '.join(row.audiences)} alone. Leave one of them out, "
                    f"release for another audience, or change the pair in {self.file} once the "
                    "data owners have agreed"
                )
        return found

    def of(self, members: Iterable[str]) -> tuple[Permission, ...]:
        """The permissions by which these datasets are joined, in order."""
        return tuple(self.permitted[pair] for pair in pairs_of(members) if pair in self.permitted)

    def told(self, members: Iterable[str], audiences: Sequence[str]) -> dict[str, Any]:
        """What a release says of the permissions it rests on; JSON values.

        Args:
            members: datasets that are joined.
            audiences: for whom.
        """
        rows = self.of(members)
        laws = {law for row in rows for law in row.legal_basis}
        classes = {each for row in rows for each in row.leaves_out}
        return {
            "table": {"file": self.file.name, "version": self.version},
            "audiences": {each: self.audiences[each].description for each in sorted(audiences)},
            "pairs": [row_told(row) for row in rows],
            "legal_basis": {
                each: {"title": self.laws[each].title, "evidence": self.laws[each].evidence}
                for each in sorted(laws)
            },
            "left_out": {
                each: {
                    "dataset": self.left_out[each].dataset,
                    "who": self.left_out[each].description,
                    "because": self.left_out[each].because,
                    "evidence": self.left_out[each].evidence,
                }
                for each in sorted(classes)
            },
        }


def row_told(row: Permission) -> dict[str, Any]:
    """A permission as JSON values; dates that are not known are left out."""
    values = {
        field: list(value) if isinstance(value, tuple) else value
        for field, value in asdict(row).items()
    }
    return {
        field: value.isoformat() if isinstance(value, date) else value
        for field, value in values.items()
        if value is not None
    }


def pairs_of(members: Iterable[str]) -> tuple[Pair, ...]:
    """Every pair of these datasets, each once, in order."""
    return tuple(combinations(sorted(set(members)), 2))


def linkage_permissions() -> Permissions:
    """The table of this platform, checked; read once a process.

    Raises:
        ContractError: it is missing or wrong; file and field are named.
    """
    return load_permissions(PERMISSIONS)


@cache
def load_permissions(file: Path) -> Permissions:
    """Read and check a table of permissions.

    Raises:
        ContractError: it is missing or wrong; file and field are named.
    """
    return _Reader(file).permissions()


class _Reader:
    """Reads the table; every complaint names the file and the field."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def wrong(self, where: str, what: str) -> ContractError:
        return ContractError(f"{self.file.name}: {where}: {what}")

    def permissions(self) -> Permissions:
        raw = self.content()
        self.known("file", raw, _SECTIONS, _SECTIONS)
        audiences = {
            name: Audience(name, self.text(at, "description", given), self.evidence(at, given))
            for name, at, given in self.entries("audiences", raw)
        }
        laws = {
            name: Law(
                name,
                self.text(at, "title", given),
                self.text(at, "description", given),
                self.evidence(at, given),
            )
            for name, at, given in self.entries("laws", raw)
        }
        left_out = {
            name: LeftOut(
                name,
                self.text(at, "dataset", given),
                self.text(at, "description", given),
                self.text(at, "because", given),
                self.evidence(at, given),
                self.names(at, "tables", given),
                self.text(at, "records", given),
            )
            for name, at, given in self.entries("left_out", raw)
        }
        rows = raw["permissions"]
        if not isinstance(rows, list) or not rows:
            raise self.wrong("permissions", "must be a list with a row for each pair.")
        permitted: dict[Pair, Permission] = {}
        for number, given in enumerate(rows, start=1):
            row = self.row(number, given, audiences, laws, left_out)
            if row.pair in permitted:
                raise self.wrong(f"permissions: {' and '.join(row.pair)}", "is there twice.")
            permitted[row.pair] = row
        for each in left_out.values():
            self.check_left_out(each, permitted)
        return Permissions(
            version=self.text("file", "version", raw),
            file=self.file,
            audiences=MappingProxyType(audiences),
            laws=MappingProxyType(laws),
            left_out=MappingProxyType(left_out),
            permitted=MappingProxyType(permitted),
        )

    def content(self) -> Mapping[str, Any]:
        import yaml

        try:
            raw = yaml.load(self.file.read_text(), Loader=unique_keys_loader())  # noqa: S506
        except FileNotFoundError:
            raise self.wrong("file", f"is missing: {self.file}.") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"line {mark.line + 1}" if mark else "file"
            raise self.wrong(where, f"{getattr(error, 'problem', None) or 'not YAML'}.") from None
        if not isinstance(raw, dict):
            raise self.wrong("file", f"must have {', '.join(sorted(_SECTIONS))}.")
        return raw

    def known(
        self, where: str, given: object, allowed: Collection[str], needed: Collection[str]
    ) -> Mapping[str, Any]:
        """A mapping with these fields and no other."""
        if not isinstance(given, dict):
            raise self.wrong(where, f"must have {', '.join(sorted(needed))}.")
        for field in sorted(set(given) - set(allowed), key=str):
            raise self.wrong(f"{where}: {field}", "unknown field.")
        for field in sorted(set(needed) - set(given)):
            raise self.wrong(f"{where}: {field}", "missing.")
        return given

    def entries(
        self, section: str, raw: Mapping[str, Any]
    ) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """Name, place for messages, and content of each entry of a section."""
        given = raw[section]
        if not isinstance(given, dict):
            raise self.wrong(section, "must be a mapping of names.")
        for name, entry in given.items():
            at = f"{section}: {name}"
            if not isinstance(name, str) or not _NAME.match(name):
                raise self.wrong(at, "a name is lower snake case.")
            yield name, at, self.known(at, entry, _FIELDS[section], _FIELDS[section])

    def row(
        self,
        number: int,
        given: object,
        audiences: Collection[str],
        laws: Collection[str],
        left_out: Mapping[str, LeftOut],
    ) -> Permission:
        at = f"permissions: row {number}"
        row = self.known(at, given, _ROW | {*_DATES}, _ROW)
        pair = self.names(at, "pair", row)
        if len(pair) != 2:
            raise self.wrong(f"{at}: pair", "names two datasets.")
        at = f"permissions: {' and '.join(sorted(pair))}"
        people = self.text(at, "people", row)
        if people not in PEOPLE:
            raise self.wrong(f"{at}: people", f"{people!r} is none of {', '.join(PEOPLE)}.")
        classes = self.listed(at, "leaves_out", row, left_out, empty=True)
        for each in classes:
            if left_out[each].dataset not in pair:
                raise self.wrong(f"{at}: leaves_out", f"{each} are of neither dataset.")
        agreed, review = (self.day(at, field, row) for field in _DATES)
        if agreed and review and review <= agreed:
            raise self.wrong(f"{at}: review", "lies after the day of agreement.")
        first, second = sorted(pair)
        return Permission(
            pair=(first, second),
            audiences=self.listed(at, "audiences", row, audiences),
            people=people,
            leaves_out=classes,
            legal_basis=self.listed(at, "legal_basis", row, laws),
            evidence=self.evidence(at, row),
            source=self.text(at, "source", row),
            agreed=agreed,
            review=review,
        )

    def check_left_out(self, each: LeftOut, permitted: Mapping[Pair, Permission]) -> None:
        """Who is left out of one pair of a dataset is left out of all: the lookup is one."""
        for pair, row in permitted.items():
            if each.dataset in pair and each.name not in row.leaves_out:
                raise self.wrong(
                    f"permissions: {' and '.join(pair)}: leaves_out",
                    f"{each.name} must be left out of every pair of {each.dataset}: the lookup "
                    "of people holds a record, or does not.",
                )

    def text(self, where: str, field: str, given: Mapping[str, Any]) -> str:
        value = given[field]
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"{where}: {field}", "must be a text.")
        return " ".join(value.split())

    def evidence(self, where: str, given: Mapping[str, Any]) -> str:
        value = self.text(where, "evidence", given)
        if value not in EVIDENCE:
            raise self.wrong(f"{where}: evidence", f"{value!r} is none of {', '.join(EVIDENCE)}.")
        return value

    def names(
        self, where: str, field: str, given: Mapping[str, Any], *, empty: bool = False
    ) -> tuple[str, ...]:
        """A list of names, each once."""
        value = given[field]
        named = isinstance(value, list) and all(
            isinstance(each, str) and _NAME.match(each) for each in value
        )
        if not named or len(set(value)) != len(value) or not (value or empty):
            raise self.wrong(f"{where}: {field}", "must be a list of names, each once.")
        return tuple(value)

    def listed(
        self,
        where: str,
        field: str,
        given: Mapping[str, Any],
        known: Collection[str],
        *,
        empty: bool = False,
    ) -> tuple[str, ...]:
        """A list of names that stand elsewhere in the table."""
        names = self.names(where, field, given, empty=empty)
        for each in names:
            if each not in known:
                listed = ", ".join(sorted(known))
                raise self.wrong(f"{where}: {field}", f"there is no {each!r}. There are: {listed}.")
        return names

    def day(self, where: str, field: str, given: Mapping[str, Any]) -> date | None:
        value = given.get(field)
        if value is not None and type(value) is not date:
            raise self.wrong(f"{where}: {field}", "must be a date, YYYY-MM-DD.")
        return value
