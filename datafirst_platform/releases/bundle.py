"""A release's folder: its manifest, its digest, and the checker that needs nothing but the folder.

```
releases/<release>/<edition>.<revision>/
    manifest.json               written last
    catalogue.csv               Table Name, Variable Name, Variable Description, Values
    data/<table>.parquet, data/<table>.csv
    documents/<table>.svg, documents/<table>.png    the chart of a table that has one
    documents/linkage_<linkage>.html, .json, .png   how good the links are: page, figures, charts
    documents/linkage_changes.json, .html   of a linking release: people since the edition before
```

The digest of a release is over the paths and SHA-256 of its files, the manifest apart: the same
tables and catalogue give the same digest, wherever and whenever it is built from the lock file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform.engine import name, text
from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.tables import digest_of

FORMAT = "datafirst-release/1"
MANIFEST = "manifest.json"
CATALOGUE = "catalogue.csv"
DOCUMENTS = "documents"
CATALOGUE_HEADER = ("Table Name", "Variable Name", "Variable Description", "Values")

_REVISION = re.compile(r"(?P<edition>[0-9]{4})\.(?P<revision>[1-9][0-9]*)\Z")


@dataclass(frozen=True)
class Release:
    """A published release.

    Attributes:
        name: dataset, such as `magistrates`.
        edition: partition key.
        revision: 1 for the first of its edition.
        path: its folder.
        manifest: the parsed manifest.
    """

    name: str
    edition: str
    revision: int
    path: Path
    manifest: Mapping[str, Any]

    @property
    def label(self) -> str:
        """`<name>/<edition>.<revision>`."""
        return f"{self.name}/{self.edition}.{self.revision}"

    @property
    def digest(self) -> str:
        """Digest over the release's files."""
        return str(self.manifest["digest"])

    @property
    def rows(self) -> int:
        """Rows over all tables."""
        return sum(int(table["rows"]) for table in self.manifest["tables"])


@dataclass(frozen=True)
class Finding:
    """One thing the checker looked at: what, whether it holds, and why not."""

    check: str
    passed: bool
    detail: str = ""


def digest_over(files: Mapping[str, str]) -> str:
    """The release digest: SHA-256 over `<sha256>  <path>` lines in path order."""
    lines = "".join(f"{sha}  {path}\n" for path, sha in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def files_of(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every file a manifest lists, by path."""
    listed = [file for table in manifest["tables"] for file in table["files"]]
    return {file["path"]: file for file in [*listed, *manifest["documents"]]}


def releases(settings: Settings, release: str | None = None) -> list[Release]:
    """The published releases, by name, edition and revision; one name's where given."""
    found = []
    for manifest in sorted(settings.releases.glob(f"{release or '*'}/*/{MANIFEST}")):
        label = _REVISION.match(manifest.parent.name)
        if label is not None:
            found.append(
                Release(
                    name=manifest.parent.parent.name,
                    edition=label["edition"],
                    revision=int(label["revision"]),
                    path=manifest.parent,
                    manifest=json.loads(manifest.read_text()),
                )
            )
    return sorted(found, key=lambda each: (each.name, each.edition, each.revision))


def find(settings: Settings, label: str) -> Release:
    """The release `<name>/<edition>.<revision>`; the newest revision where only an edition stands.

    Raises:
        NotReady: there is none; the message lists those there are.
    """
    published = releases(settings)
    matching = [each for each in published if label in (each.label, f"{each.name}/{each.edition}")]
    if not matching:
        listed = ", ".join(each.label for each in published) or "none yet"
        msg = f"There is no release {label!r}. Published: {listed}."
        raise NotReady(msg)
    return matching[-1]


def verify(folder: Path) -> list[Finding]:
    """Check a release folder against its own manifest, with nothing but the folder.

    Checks the manifest's form, each file's bytes and SHA-256, that nothing is missing or added,
    each table's rows, columns and primary key in Parquet and CSV alike, the catalogue's coverage,
    that every chart says in words what it shows, that the reports of linkages are whole and need
    nothing from elsewhere, and the release digest.

    Returns:
        All findings in order; the release is sound if every one passed.

    Raises:
        PlatformError: the folder holds no readable manifest, so nothing can be checked.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        listed = files_of(manifest)
        tables: Sequence[Mapping[str, Any]] = manifest["tables"]
        label = f"{manifest['edition']}.{manifest['revision']}"
    except (OSError, ValueError, KeyError, TypeError):
        msg = f"{folder} is no release folder: its {MANIFEST} is missing or cannot be read."
        raise PlatformError(msg) from None

    findings = [
        Finding("format", manifest.get("format") == FORMAT, f"expected {FORMAT}"),
        Finding("label", folder.resolve().name == label, f"the manifest says {label}"),
        *_file_findings(folder, listed),
    ]
    if all(finding.passed for finding in findings):
        for table in tables:
            findings += _table_findings(folder, table)
        findings.append(_catalogue_finding(folder, tables))
        findings.append(_chart_finding(manifest["documents"]))
        findings += _report_findings(folder, manifest["documents"])
    digest = digest_over({path: str(file["sha256"]) for path, file in listed.items()})
    findings.append(Finding("digest", digest == manifest.get("digest"), "over the listed files"))
    gates = manifest.get("gates", [])
    passed = bool(gates) and all(gate.get("passed") is True for gate in gates)
    findings.append(Finding("gates", passed, f"{len(gates)} recorded"))
    return findings


def _file_findings(folder: Path, listed: Mapping[str, Mapping[str, Any]]) -> Iterable[Finding]:
    root = folder.resolve()
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {MANIFEST}
    added = sorted(present - set(listed))
    yield Finding("no file added", not added, ", ".join(added))
    for path, file in sorted(listed.items()):
        target = (folder / path).resolve()
        if root not in target.parents or not target.is_file():
            yield Finding(f"file {path}", passed=False, detail="missing")
            continue
        if target.stat().st_size != file["bytes"]:
            yield Finding(f"file {path}", passed=False, detail="size differs")
            continue
        same = digest_of(target) == file["sha256"]
        yield Finding(f"file {path}", same, "" if same else "sha-256 differs")


def _table_findings(folder: Path, table: Mapping[str, Any]) -> Iterable[Finding]:
    columns = [str(column["name"]) for column in table["columns"]]
    key = ", ".join(name(column) for column in table["primary_key"])
    missing = " or ".join(f"{name(column)} is null" for column in table["primary_key"])
    counted = f"count(*), count(distinct ({key})), count(*) filter (where {missing})"
    paths = {file["format"]: folder / file["path"] for file in table["files"]}
    readers = {
        "parquet": f"read_parquet({text(paths['parquet'])})",
        "csv": f"read_csv({text(paths['csv'])}, all_varchar=true, header=true, "
        "delim=',', quote='\"')",
    }
    with duckdb.connect() as connection:
        for kind, reader in readers.items():
            label = f"table {table['name']} ({kind})"
            try:
                described = connection.execute(f"describe select * from {reader}").fetchall()
                rows, keys, nulls = connection.execute(
                    f"select {counted} from {reader}"
                ).fetchall()[0]
            except duckdb.Error as error:
                yield Finding(label, passed=False, detail=f"cannot be read: {type(error).__name__}")
                continue
            wrong = [
                problem
                for problem, holds in (
                    ("columns differ", [row[0] for row in described] == columns),
                    (
                        "types differ",
                        kind == "csv"
                        or [row[1] for row in described] == [c["type"] for c in table["columns"]],
                    ),
                    ("rows differ", rows == table["rows"]),
                    ("primary key is not unique", keys == rows and nulls == 0),
                )
                if not holds
            ]
            yield Finding(label, not wrong, "; ".join(wrong) or f"{rows} rows")


def _catalogue_finding(folder: Path, tables: Sequence[Mapping[str, Any]]) -> Finding:
    with (folder / CATALOGUE).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    described = {(row[0], row[1]) for row in rows if row[2].strip()}
    released = {(table["name"], column["name"]) for table in tables for column in table["columns"]}
    whole = tuple(header) == CATALOGUE_HEADER and described == released
    return Finding("catalogue", whole, f"{len(described)} of {len(released)} variables described")


def _chart_finding(documents: Iterable[Mapping[str, Any]]) -> Finding:
    charts = [each for each in documents if str(each["path"]).endswith((".svg", ".png"))]
    mute = [each["path"] for each in charts if not str(each.get("alternative", "")).strip()]
    return Finding("charts in words", not mute, ", ".join(mute) or f"{len(charts)} charts")


_FORMS = (".html", ".json", ".png")


class _Page(HTMLParser):
    """What a page lacks for standing alone: `wrong`, in words."""

    _LOADING = frozenset({"script", "link", "iframe", "object", "embed", "base", "form"})
    _REFERRING = frozenset({"src", "srcset", "href", "data", "poster", "background", "action"})

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        outside = [told[name] for name in self._REFERRING & set(told)]
        if tag in self._LOADING or any(not each.startswith(("data:", "#")) for each in outside):
            self.wrong.append("the page refers to something else")
        if any(name.startswith("on") for name in told):
            self.wrong.append("the page runs something")
        if tag == "img" and not told.get("alt", "").strip():
            self.wrong.append("a chart on the page is not told in words")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style" and ("url(" in data or "@import" in data):
            self.wrong.append("the page refers to something else")


def _report_findings(folder: Path, documents: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    """Each report of a linkage: in all its forms, of one linkage, and a page that stands alone."""
    reports: dict[str, set[str]] = {}
    for document in documents:
        if "linkage" in document:
            reports.setdefault(document["linkage"], set()).add(str(document["path"]))
    for linkage, paths in sorted(reports.items()):
        base = f"{DOCUMENTS}/linkage_{linkage}"
        wrong = []
        if paths != {f"{base}{form}" for form in _FORMS}:
            wrong.append("a form is missing")
        else:
            page = _Page()
            page.feed((folder / f"{base}.html").read_text(encoding="utf-8"))
            wrong += dict.fromkeys(page.wrong)
            if _linkage_of(folder / f"{base}.json") != linkage:
                wrong.append("the figures are of another linkage, or cannot be read")
        yield Finding(f"report {linkage}", not wrong, "; ".join(wrong))


def _linkage_of(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["linkage"]
    except (ValueError, KeyError, TypeError):
        return None
