"""Deliveries: which folder an edition takes, and whether what lies in it is what was sent.

A delivery is `landing/<source>/<delivery>/`: data files, and `manifest.json` written last, with
the supplier's control totals. Without its manifest a folder is still arriving and is left alone.
Nothing of a manifest is echoed in a message but names that the contracts hold too.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import BinaryIO

from datafirst_platform import editions
from datafirst_platform.extracts.contracts import Contract, sources
from datafirst_platform.safe_errors import DeliveryRefused, NotReady
from datafirst_platform.settings import Settings
from datafirst_platform.tables import digest_of

MANIFEST = "manifest.json"
FORMAT = "datafirst-delivery/1"
FILE_KINDS = (".csv", ".csv.gz", ".parquet")

_BLOCK = 1 << 20
_MANIFEST_LIMIT = 16 << 20
_EXPANSION_LIMIT = 250
"""Most bytes a byte of gzip may become. Text reaches 5 to 20; a bomb a thousand."""
_EXPANSION_FLOOR = 64 << 20
_LONGEST_PATH = 200
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class DeliveredFile:
    """A file as its manifest states it.

    Attributes:
        path: where it lies.
        name: its path within the delivery.
        table: table it feeds.
        sha256: of its bytes.
        bytes: size.
        rows: data rows.
        totals: column to its exact sum over all rows.
    """

    path: Path
    name: str
    table: str
    sha256: str
    bytes: int
    rows: int
    totals: Mapping[str, Decimal]


@dataclass(frozen=True)
class Delivery:
    """A complete delivery of a source.

    Attributes:
        source: supplier's system.
        name: name of its folder.
        sequence: the highest of an edition is taken.
        period_from: first day covered.
        period_to: last day covered; it decides the edition.
        files: in the manifest's order.
        manifest_sha256: digest of the manifest, which holds the digests of the files.
    """

    source: str
    name: str
    sequence: int
    period_from: date
    period_to: date
    files: tuple[DeliveredFile, ...]
    manifest_sha256: str

    def files_of(self, table: str) -> tuple[DeliveredFile, ...]:
        """The files that feed a table."""
        return tuple(each for each in self.files if each.table == table)


@dataclass(frozen=True)
class DeliveryStatus:
    """What lies in the landing zone for a source and edition.

    Attributes:
        source: supplier's system.
        edition: partition key.
        delivery: the delivery that would be taken, None where there is none.
        superseded: deliveries of the edition with a lower sequence.
        incomplete: folders of the source without a manifest.
        problem: why none can be taken, None where nothing stands in the way.
        refused: whether one is there and cannot be taken.
    """

    source: str
    edition: str
    delivery: Delivery | None = None
    superseded: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    problem: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class ReceivedText:
    """A delivered text file after its bytes were checked.

    Attributes:
        path: plain text to read: the file itself, or its unpacked copy in the spill folder.
        lines: lines of text, counted by their ends.
        one_ending: whether every line ends alike, so that a carriage return is nothing else.
    """

    path: Path
    lines: int
    one_ending: bool


def inspect_delivery(settings: Settings, edition: str, source: str) -> DeliveryStatus:
    """What an edition would take from a source now; refusals are told, not raised.

    Only manifests are read, no data.
    """
    incomplete = tuple(
        folder.name for folder in _folders(settings, source) if not (folder / MANIFEST).is_file()
    )
    try:
        found = _of_edition(settings, edition, source)
    except DeliveryRefused as wrong:
        return DeliveryStatus(
            source, edition, incomplete=incomplete, problem=str(wrong), refused=True
        )
    if not found:
        return DeliveryStatus(
            source, edition, incomplete=incomplete, problem=_missing(settings, edition, source)
        )
    return DeliveryStatus(
        source,
        edition,
        delivery=found[-1],
        superseded=tuple(each.name for each in found[:-1]),
        incomplete=incomplete,
    )


def delivery_for(settings: Settings, edition: str, source: str) -> Delivery:
    """The delivery an edition takes: the highest sequence whose period ends within it.

    Raises:
        NotReady: none is complete yet.
        DeliveryRefused: a manifest is wrong, or two deliveries claim one sequence.
    """
    found = _of_edition(settings, edition, source)
    if not found:
        raise NotReady(_missing(settings, edition, source))
    return found[-1]


def check_size(file: DeliveredFile) -> None:
    """Hold a file's size against the manifest.

    Raises:
        DeliveryRefused: it is missing or truncated.
    """
    if not file.path.is_file():
        raise DeliveryRefused(f"{file.name}: the manifest lists it, but it is not there.")
    size = file.path.stat().st_size
    if size != file.bytes:
        msg = (
            f"{file.name}: {size} bytes came, the manifest states {file.bytes}: truncated or "
            "altered on its way. Ask for it to be sent again."
        )
        raise DeliveryRefused(msg)


def check_digest(file: DeliveredFile) -> None:
    """Hold the digest of a file's bytes against the manifest.

    Raises:
        DeliveryRefused: it is altered.
    """
    if digest_of(file.path) != file.sha256:
        msg = (
            f"{file.name}: its SHA-256 is not the manifest's: altered after the manifest was "
            "written. Ask for it to be sent again."
        )
        raise DeliveryRefused(msg)


def receive_text(file: DeliveredFile, scratch: Path) -> ReceivedText:
    """Unpack a text file where it is packed, and check that it is UTF-8 text.

    Unpacked it can be read by every core; DuckDB reads gzip with one.

    Args:
        file: a `.csv` or `.csv.gz`.
        scratch: secure folder for the unpacked copy.

    Raises:
        DeliveryRefused: broken gzip, not UTF-8, or NUL bytes; the byte offset is named.
    """
    if not file.name.endswith(".gz"):
        with file.path.open("rb") as stream:
            return ReceivedText(file.path, *_check_text(file.name, stream, None))
    limit = max(_EXPANSION_FLOOR, file.bytes * _EXPANSION_LIMIT)
    unpacked = scratch / f"{file.sha256[:16]}.csv"
    try:
        with gzip.open(file.path, "rb") as stream, unpacked.open("wb") as target:
            counted = _check_text(file.name, stream, _Bounded(target, file.name, limit))
    except (gzip.BadGzipFile, EOFError, zlib.error):
        msg = f"{file.name}: broken or truncated gzip. Ask for it to be packed and sent again."
        raise DeliveryRefused(msg) from None
    return ReceivedText(unpacked, *counted)


class _Bounded:
    """A file that takes so many bytes and no more: a few bytes of gzip can fill a disk."""

    def __init__(self, target: BinaryIO, name: str, limit: int) -> None:
        self.target = target
        self.name = name
        self.left = limit

    def write(self, block: bytes) -> None:
        self.left -= len(block)
        if self.left < 0:
            msg = (
                f"{self.name}: unpacks to more than {_EXPANSION_LIMIT} times its size, which no "
                "table of text does. Ask for it unpacked, or in several files."
            )
            raise DeliveryRefused(msg)
        self.target.write(block)


def _check_text(
    name: str, stream: BinaryIO | gzip.GzipFile, copy: _Bounded | None
) -> tuple[int, bool]:
    """Check a stream block by block, copying it where asked; return what `ReceivedText` says."""
    import numpy as np

    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = ends = returns = 0
    last = b"\n"
    while block := stream.read(_BLOCK):
        nul = block.find(b"\0")
        if nul >= 0:
            msg = (
                f"{name}: a NUL byte at byte {offset + nul}: this is not UTF-8 text (UTF-16, or a "
                "damaged file). Ask for it as UTF-8."
            )
            raise DeliveryRefused(msg)
        pending = decoder.getstate()[0]
        if pending or not block.isascii():
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise _not_utf8(name, offset - len(pending) + error.start) from None
        if copy is not None:
            copy.write(block)
        octets = np.frombuffer(block, np.uint8)
        ends += int(np.count_nonzero(octets == ord("\n")))
        returns += int(np.count_nonzero(octets == ord("\r")))
        offset += len(block)
        last = block[-1:]
    if decoder.getstate()[0]:
        raise _not_utf8(name, offset - len(decoder.getstate()[0]))
    return ends + (last != b"\n"), returns in {0, ends}


def _not_utf8(name: str, offset: int) -> DeliveryRefused:
    return DeliveryRefused(
        f"{name}: not UTF-8 at byte {offset} of its text. Often it was written as Windows-1252: "
        "ask for it to be exported as UTF-8."
    )


def _folders(settings: Settings, source: str) -> list[Path]:
    folder = settings.landing / source
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() and each.name[0] != ".")


def _missing(settings: Settings, edition: str, source: str) -> str:
    after, until = _window(edition)
    return (
        f"No complete delivery of {source} for edition {edition}: {settings.landing / source} "
        f"holds none with a manifest whose period ends {f'after {after} and ' if after else ''}"
        f"by {until}."
    )


def _window(edition: str) -> tuple[date | None, date]:
    """A delivery is an edition's when its period ends after the first and by the second day."""
    previous = editions.before(edition)
    return previous.cut_off if previous else None, editions.edition(edition).cut_off


def _of_edition(settings: Settings, edition: str, source: str) -> list[Delivery]:
    """Complete deliveries of an edition, by sequence.

    A wrong manifest whose period is another edition's does not concern this one, nor one that a
    right one with a higher sequence came after.
    """
    after, until = _window(edition)
    found: dict[int, Delivery] = {}
    refused: dict[int, DeliveryRefused] = {}
    for folder in _folders(settings, source):
        path = folder / MANIFEST
        if not path.is_file():
            continue
        manifest = _Manifest(folder, source)
        try:
            ends = manifest.day("period.to")
            if ends > until or (after is not None and ends <= after):
                continue
            delivery = manifest.delivery()
        except DeliveryRefused as wrong:
            refused[manifest.sequence] = wrong
            continue
        if delivery.sequence in found:
            msg = (
                f"{source}: deliveries {found[delivery.sequence].name} and {delivery.name} both "
                f"claim sequence {delivery.sequence}. Ask the supplier which one stands; remove "
                "the other, or give it a higher sequence."
            )
            raise DeliveryRefused(msg)
        found[delivery.sequence] = delivery
    if refused and max(refused) >= max(found, default=0):
        raise refused[max(refused)]
    return [found[sequence] for sequence in sorted(found)]


class _Manifest:
    """Reads a manifest strictly; complaints name the place and quote nothing from it."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.source = source
        self.contracts = {each.table: each for each in sources().get(source, ())}
        self.sequence = 0
        path = folder / MANIFEST
        if path.stat().st_size > _MANIFEST_LIMIT:
            raise self.wrong("file", f"is larger than {_MANIFEST_LIMIT >> 20} MiB.")
        content = path.read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()
        try:
            raw = json.loads(content, object_pairs_hook=self.unique)
        except (ValueError, RecursionError):
            raise self.wrong("file", "is not JSON.") from None
        self.raw = self.fields(
            "file", raw, {"format", "source", "delivery", "sequence", "period", "files"}
        )
        self.sequence = self.whole("sequence", self.raw["sequence"], 1)

    def wrong(self, where: str, what: str) -> DeliveryRefused:
        # Another delivery supersedes it by its sequence; as long as none is known it is in the way.
        advice = (
            "Ask the supplier for a corrected delivery under a new name and a higher sequence."
            if self.sequence
            else "Ask the supplier for it again, and move this folder out of the landing zone."
        )
        place = f"{self.source}/{self.folder.name}/{MANIFEST}: {where}"
        return DeliveryRefused(f"{place}: {what} {advice}")

    def unique(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise self.wrong("file", "a field stands twice in one object.")
        return made

    def fields(
        self, where: str, given: object, wanted: set[str], optional: frozenset[str] = frozenset()
    ) -> dict[str, object]:
        if not isinstance(given, dict):
            raise self.wrong(where, "must be an object.")
        absent = wanted - set(given)
        if absent:
            raise self.wrong(where, f"lacks {', '.join(sorted(absent))}.")
        more = len(set(given) - wanted - optional)
        if more:
            listed = ", ".join(sorted(wanted | optional))
            raise self.wrong(where, f"has {more} unknown fields; there are {listed}.")
        return dict(given)

    def day(self, where: str) -> date:
        period = self.fields("period", self.raw["period"], {"from", "to"})
        given = period[where.removeprefix("period.")]
        try:
            if isinstance(given, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", given):
                return date.fromisoformat(given)
        except ValueError:
            pass
        raise self.wrong(where, "must be a date, yyyy-MM-dd.")

    def whole(self, where: str, given: object, least: int) -> int:
        if not isinstance(given, int) or isinstance(given, bool) or given < least:
            raise self.wrong(where, f"must be a whole number of at least {least}.")
        return given

    def delivery(self) -> Delivery:
        if self.raw["format"] != FORMAT:
            raise self.wrong("format", f"must be {FORMAT!r}.")
        if self.raw["source"] != self.source:
            raise self.wrong("source", f"must be {self.source!r}, the folder it lies in.")
        if self.raw["delivery"] != self.folder.name:
            raise self.wrong("delivery", "must be the name of its folder.")
        if not _SAFE_NAME.match(self.folder.name):
            raise self.wrong("delivery", "must be of letters, digits, '.', '_' and '-'.")
        begins, ends = self.day("period.from"), self.day("period.to")
        if begins > ends:
            raise self.wrong("period", "begins after it ends.")
        listed = self.raw["files"]
        if not isinstance(listed, list) or not listed:
            raise self.wrong("files", "must list at least one file.")
        files = tuple(self.file(f"files[{at}]", given) for at, given in enumerate(listed))
        if len({file.name for file in files}) < len(files):
            raise self.wrong("files", "a path stands twice.")
        absent = set(self.contracts) - {file.table for file in files}
        if absent:
            raise self.wrong("files", f"none feeds {', '.join(sorted(absent))}.")
        return Delivery(
            source=self.source,
            name=self.folder.name,
            sequence=self.sequence,
            period_from=begins,
            period_to=ends,
            files=files,
            manifest_sha256=self.digest,
        )

    def file(self, where: str, given: object) -> DeliveredFile:
        fields = self.fields(
            where,
            given,
            {"path", "table", "sha256", "bytes", "rows", "columns"},
            frozenset({"totals"}),
        )
        contract = self.contracts.get(str(fields["table"]))
        if contract is None:
            msg = f"must be one of {', '.join(self.contracts)}."
            raise self.wrong(f"{where}.table", msg)
        if not isinstance(fields["sha256"], str) or not _HEX.match(fields["sha256"]):
            raise self.wrong(f"{where}.sha256", "must be 64 lower-case hexadecimal characters.")
        name, path = self.path(f"{where}.path", fields["path"])
        columns = fields["columns"]
        if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
            raise self.wrong(f"{where}.columns", "must be a list of names.")
        difference = columns_differ(contract, columns, in_order=not name.endswith(".parquet"))
        if difference:
            raise self.wrong(f"{where}.columns", difference)
        return DeliveredFile(
            path=path,
            name=name,
            table=contract.table,
            sha256=fields["sha256"],
            bytes=self.whole(f"{where}.bytes", fields["bytes"], 0),
            rows=self.whole(f"{where}.rows", fields["rows"], 0),
            totals=self.totals(f"{where}.totals", fields.get("totals", {}), contract),
        )

    def path(self, where: str, given: object) -> tuple[str, Path]:
        parts = given.split("/") if isinstance(given, str) else []
        name = "/".join(parts)
        if not all(map(_SAFE_NAME.match, parts)) or not 0 < len(name) <= _LONGEST_PATH:
            msg = (
                "must be a path within the delivery, of letters, digits, '.', '_' and '-', and "
                f"at most {_LONGEST_PATH} characters."
            )
            raise self.wrong(where, msg)
        if not name.endswith(FILE_KINDS):
            raise self.wrong(where, f"must end in {', '.join(FILE_KINDS)}.")
        path = self.folder.joinpath(*parts)
        try:
            within = path.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError):
            raise self.wrong(where, "is a link that leads nowhere.") from None
        if not within:
            raise self.wrong(where, "leads out of the delivery.")
        return name, path

    def totals(self, where: str, given: object, contract: Contract) -> dict[str, Decimal]:
        if not isinstance(given, dict):
            raise self.wrong(where, "must be an object of column to sum.")
        summed = {each.name for each in contract.columns if each.type in {"integer", "number"}}
        if set(given) - summed:
            listed = ", ".join(sorted(summed)) or "none"
            raise self.wrong(where, f"only these columns of {contract.table} have sums: {listed}.")
        found: dict[str, Decimal] = {}
        for column, text in given.items():
            try:
                found[column] = Decimal(text) if isinstance(text, str) else Decimal("nan")
            except InvalidOperation:
                found[column] = Decimal("nan")
            if not found[column].is_finite():
                raise self.wrong(f"{where}.{column}", "must be an exact decimal as text.")
        return found


def columns_differ(contract: Contract, given: list[str], *, in_order: bool = True) -> str | None:
    """How delivered column names differ from the contract's, None where they do not.

    Only names of the contract are repeated: an unexpected header may be a row of data.
    """
    wanted = [column.name for column in contract.columns]
    if given == wanted or (not in_order and sorted(given) == sorted(wanted)):
        return None
    missing = [column for column in wanted if column not in given]
    others = len([column for column in given if column not in wanted])
    twice = sorted({column for column in given if column in wanted and given.count(column) > 1})
    told = []
    if missing:
        told.append(f"missing: {', '.join(missing)}")
    if others:
        told.append(f"{others} that the contract does not have (their text is withheld)")
    if twice:
        told.append(f"more than once: {', '.join(twice)}")
    if not told:
        first = next(at for at, column in enumerate(wanted) if given[at] != column)
        told.append(f"the same names in another order, from column {first + 1} ({wanted[first]})")
    return f"columns differ from the contract of {contract.table}: {'; '.join(told)}."
