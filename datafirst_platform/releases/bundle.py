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
What the manifest says besides (gates, inputs, permissions, code) is told apart by the manifest's
own SHA-256.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from datafirst_platform.engine import name, one_file, parquet
from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.tables import digest_of

FORMAT = "datafirst-release/1"
MANIFEST = "manifest.json"
CATALOGUE = "catalogue.csv"
DOCUMENTS = "documents"
RELEASES = "releases"
CATALOGUE_HEADER = ("Table Name", "Variable Name", "Variable Description", "Values")

_RESTORE = "Restore the folder from the backup; never edit a published release."
_REVISION = re.compile(r"(?P<edition>[0-9]{4})\.(?P<revision>[1-9][0-9]*)\Z")
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    RecursionError,
    csv.Error,
    duckdb.Error,
)
"""What reading a spoilt file may end in; `AssertionError` is the parser of pages giving up."""


class _Form(BaseModel):
    """What is read of a manifest. Nothing is taken for what it is not: true is no number."""

    model_config = ConfigDict(strict=True)


class _FileForm(_Form):
    path: str
    bytes: int
    sha256: str


class _TableFileForm(_FileForm):
    format: str


class _DocumentForm(_FileForm):
    table: str = ""
    linkage: str = ""
    title: str = ""
    alternative: str = ""


class _ColumnForm(_Form):
    name: str
    type: str


class _TableForm(_Form):
    name: str
    rows: int
    primary_key: list[str]
    columns: list[_ColumnForm]
    files: list[_TableFileForm]


class _InputsForm(_Form):
    deliveries: dict[str, str]
    tables: dict[str, str]


class _GateForm(_Form):
    table: str
    gate: str
    data_version: str
    rules: int
    passed: bool


class _CodeForm(_Form):
    commit: str


class _PairForm(_Form):
    pair: list[str]
    legal_basis: list[str]
    evidence: str


class _PermissionsForm(_Form):
    audiences: dict[str, str] = {}
    pairs: list[_PairForm] = []


class _ManifestForm(_Form):
    format: str
    release: str
    edition: str
    revision: int
    digest: str
    description: str
    tables: list[_TableForm]
    documents: list[_DocumentForm]
    inputs: _InputsForm
    gates: list[_GateForm]
    code: _CodeForm
    members: dict[str, str] = {}
    permissions: _PermissionsForm = _PermissionsForm()


class ReleaseDamaged(PlatformError):
    """A published release is not as it was published."""

    exit_code = 5


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
    def manifest_digest(self) -> str:
        """SHA-256 of the manifest itself."""
        return digest_of(self.path / MANIFEST)

    @property
    def rows(self) -> int:
        """Rows over all tables."""
        return sum(int(table["rows"]) for table in self.manifest["tables"])


@dataclass(frozen=True)
class Damaged:
    """A folder among the published releases whose manifest cannot be used.

    Attributes:
        name: dataset, by the folder.
        edition: partition key, by the folder.
        revision: by the folder.
        path: the folder.
        problem: what is wrong, in words.
    """

    name: str
    edition: str
    revision: int
    path: Path
    problem: str

    @property
    def label(self) -> str:
        """`<name>/<edition>.<revision>`."""
        return f"{self.name}/{self.edition}.{self.revision}"

    @property
    def told(self) -> str:
        """What is wrong and what to do."""
        return f"{self.label} is damaged: {self.problem}. {_RESTORE}"


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
    """The published releases, by name, edition and revision; one name's where given.

    Those whose manifest cannot be used are left out: `damaged` has them.
    """
    return [each for each in _published(settings, release) if isinstance(each, Release)]


def damaged(settings: Settings, release: str | None = None) -> list[Damaged]:
    """The folders among the releases whose manifest cannot be used; one name's where given."""
    return [each for each in _published(settings, release) if isinstance(each, Damaged)]


def newest(settings: Settings, release: str, edition: str) -> Release | None:
    """The newest revision of an edition of a release, or None where there is none.

    Raises:
        ReleaseDamaged: its manifest cannot be used; an earlier revision does not stand in for it.
    """
    revisions = [each for each in _published(settings, release) if each.edition == edition]
    return _usable(revisions[-1]) if revisions else None


def find(settings: Settings, label: str) -> Release:
    """The release `<name>/<edition>.<revision>`; the newest revision where only an edition stands.

    Raises:
        NotReady: there is none; the message lists those there are.
        ReleaseDamaged: its manifest cannot be used.
    """
    published = _published(settings)
    matching = [each for each in published if label in (each.label, f"{each.name}/{each.edition}")]
    if not matching:
        listed = ", ".join(each.label for each in published) or "none yet"
        msg = f"There is no release {label!r}. Published: {listed}."
        raise NotReady(msg)
    return _usable(matching[-1])


def require_whole(release: Release) -> None:
    """See that the files of a published release are those of its manifest, byte for byte.

    Raises:
        ReleaseDamaged: which release, which files, and what to do.
    """
    wrong = [
        f"{_shown(finding.check)} ({_shown(finding.detail)})"
        for finding in _file_findings(release.path, files_of(release.manifest))
        if not finding.passed
    ]
    if wrong:
        msg = (
            f"{release.label} is not as it was published: {'; '.join(wrong)}. {_RESTORE} "
            f"Then `datafirst release verify {release.path}`."
        )
        raise ReleaseDamaged(msg)


def _usable(found: Release | Damaged) -> Release:
    if isinstance(found, Damaged):
        raise ReleaseDamaged(found.told)
    return found


def _published(settings: Settings, release: str | None = None) -> list[Release | Damaged]:
    """Every folder that has the place of a release, by name, edition and revision."""
    found: list[Release | Damaged] = []
    for folder in settings.releases.glob("*/*"):
        number = _REVISION.match(folder.name)
        its_name = folder.parent.name
        if number is None or release not in (None, its_name) or _is_bare(folder):
            continue
        place = (its_name, number["edition"], int(number["revision"]), folder)
        manifest = _read(folder)
        if isinstance(manifest, str):
            found.append(Damaged(*place, problem=manifest))
        elif _label_of(manifest) != f"{its_name}/{folder.name}":
            told = f"its {MANIFEST} is that of {_shown(_label_of(manifest))}"
            found.append(Damaged(*place, problem=told))
        else:
            found.append(Release(*place, manifest=manifest))
    return sorted(found, key=lambda each: (each.name, each.edition, each.revision))


def _is_bare(folder: Path) -> bool:
    """Whether nothing but folders is left of a release that was removed."""
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and all(each.is_dir() and not each.is_symlink() for each in folder.rglob("*"))
    )


def _label_of(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['release']}/{manifest['edition']}.{manifest['revision']}"


def _read(folder: Path) -> Mapping[str, Any] | str:
    """The manifest in a folder, of the form all manifests have; or, in words, why there is none."""
    file = folder / MANIFEST
    if file.is_symlink() or not file.is_file():
        return f"{MANIFEST} is missing, or no file"
    try:
        content = file.read_bytes()
        manifest = json.loads(content)
        # From the text: there half a character, which cannot be written anywhere, is refused too.
        _ManifestForm.model_validate_json(content)
    except ValidationError as error:
        # Of where it is wrong only the outermost is ours for sure: a key may be any text.
        at = ", ".join(sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]}))
        return f"{MANIFEST} is not of the form releases have{f' (at {at})' if at else ''}"
    except (OSError, ValueError, RecursionError):
        return f"{MANIFEST} cannot be read"
    return dict(manifest)


def _shown(told: str) -> str:
    """What a manifest or a folder says, fit for a screen: nothing unprintable, no end of it."""
    most = 400
    safe = told if told.isprintable() else ascii(told)[1:-1]
    return safe if len(safe) <= most else f"{safe[:most]}…"


def identity(folder: Path) -> dict[str, str | None]:
    """What a release folder says it is, to be compared with what was published.

    Returns:
        `release` (`<name>/<edition>.<revision>`) and `digest` by its manifest, and
        `manifest_sha256`, which tells apart all that the manifest says; each None where the
        manifest cannot be used.
    """
    manifest = _read(folder)
    if isinstance(manifest, str):
        return {"release": None, "digest": None, "manifest_sha256": None}
    return {
        "release": _shown(_label_of(manifest)),
        "digest": _shown(manifest["digest"]),
        "manifest_sha256": digest_of(folder / MANIFEST),
    }


def verify(folder: Path) -> list[Finding]:
    """Check a release folder against its own manifest, with nothing but the folder.

    Checks the manifest's form, each file's bytes and SHA-256, that nothing is missing or added,
    each table's rows, columns and primary key in Parquet and CSV alike, the catalogue's coverage,
    that every chart says in words what it shows, that the reports of linkages are whole and need
    nothing from elsewhere, and the release digest. Whether the manifest is the one that was
    published is not to be seen from the folder: compare `identity`.

    Returns:
        All findings in order; the release is sound if every one passed. Whatever is in the
        folder, it is told as a finding.
    """
    return [
        Finding(_shown(each.check), each.passed, _shown(each.detail)) for each in _verified(folder)
    ]


def _verified(folder: Path) -> Iterator[Finding]:
    # The engine would take a `~` at the start of a path for somebody's home.
    folder = folder.resolve()
    manifest = _read(folder)
    if isinstance(manifest, str):
        yield Finding("manifest", passed=False, detail=manifest)
        return
    listed, tables = files_of(manifest), manifest["tables"]
    label = f"{manifest['edition']}.{manifest['revision']}"
    yield Finding("format", manifest["format"] == FORMAT, f"expected {FORMAT}")
    # A copy may lie anywhere; where it lies as a release does, it has to be that one.
    elsewhere = folder.parent.parent.name != RELEASES
    own = elsewhere or folder.parent.name == manifest["release"]
    yield Finding("release", own, f"the manifest says {manifest['release']}")
    yield Finding("label", folder.name == label, f"the manifest says {label}")
    files = _checked("files", lambda: _file_findings(folder, listed))
    yield from files
    if all(finding.passed for finding in files):
        for table in tables:
            look = partial(_table_findings, folder, table)
            yield from _checked(f"table {table['name']}", look)
        yield from _checked("catalogue", lambda: [_catalogue_finding(folder, tables)])
        yield _chart_finding(manifest["documents"])
        yield from _checked("reports", lambda: _report_findings(folder, manifest["documents"]))
    digest = digest_over({path: str(file["sha256"]) for path, file in listed.items()})
    yield Finding("digest", digest == manifest["digest"], "over the listed files")
    gates = manifest["gates"]
    passed = bool(gates) and all(gate["passed"] for gate in gates)
    yield Finding("gates", passed, f"{len(gates)} recorded")


def _checked(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a look finds; that it cannot look at all is a finding too."""
    try:
        return list(look())
    except _UNREADABLE as error:
        # Its message may quote a row.
        told = f"cannot be read as what it should be ({type(error).__name__})"
        return [Finding(check, passed=False, detail=told)]


def _file_findings(folder: Path, listed: Mapping[str, Mapping[str, Any]]) -> Iterable[Finding]:
    """Whether a folder holds the files of a manifest and nothing else.

    What the manifest says is looked up among what there is, so no path leads out of the folder.
    """
    folders = {str(parent) for path in listed for parent in PurePosixPath(path).parents}
    present = dict(_entries(folder, folders))
    added = [
        path if kind == "file" else f"{path} (a {kind})"
        for path, kind in sorted(present.items())
        if path not in listed
        and not (kind == "folder" and path in folders)
        and not (kind == "file" and path == MANIFEST)
    ]
    yield Finding("no file added", not added, ", ".join(added))
    for path, file in sorted(listed.items()):
        problem = _file_problem(folder / path, file, present.get(path))
        yield Finding(f"file {path}", not problem, problem)


def _file_problem(target: Path, file: Mapping[str, Any], kind: str | None) -> str:
    if kind != "file":
        return "missing" if kind is None else f"a {kind}, not a file"
    try:
        if target.stat().st_size != file["bytes"]:
            return "size differs"
        return "" if digest_of(target) == file["sha256"] else "sha-256 differs"
    except OSError as error:
        return f"cannot be read ({type(error).__name__})"


def _entries(folder: Path, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """What lies in a folder, by path, and its kind; only known folders are looked into."""
    for root, inner, files in os.walk(folder):
        base = Path(root).relative_to(folder)
        for each in (*inner, *files):
            path = Path(root, each)
            if path.is_symlink():
                kind = "link"
            elif each in inner:
                kind = "folder"
            else:
                kind = "file" if path.is_file() else "special file"
            yield (base / each).as_posix(), kind
        inner[:] = [each for each in inner if (base / each).as_posix() in known]


def _table_findings(folder: Path, table: Mapping[str, Any]) -> Iterable[Finding]:
    columns = [str(column["name"]) for column in table["columns"]]
    key = ", ".join(name(column) for column in table["primary_key"])
    missing = " or ".join(f"{name(column)} is null" for column in table["primary_key"])
    counted = f"count(*), count(distinct ({key})), count(*) filter (where {missing})"
    paths = {file["format"]: folder / file["path"] for file in table["files"]}
    readers = {
        "parquet": parquet(paths["parquet"]),
        "csv": f"read_csv({one_file(paths['csv'])}, all_varchar=true, header=true, "
        "delim=',', quote='\"', hive_partitioning=false)",
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
            wrong += _wrong_of_page(folder / f"{base}.html")
            if _linkage_of(folder / f"{base}.json") != linkage:
                wrong.append("the figures are of another linkage, or cannot be read")
        yield Finding(f"report {linkage}", not wrong, "; ".join(wrong))


def _wrong_of_page(path: Path) -> list[str]:
    page = _Page()
    try:
        page.feed(path.read_text(encoding="utf-8"))
    except _UNREADABLE:
        return ["the page cannot be read"]
    return list(dict.fromkeys(page.wrong))


def _linkage_of(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["linkage"]
    except _UNREADABLE:
        return None
