"""The command line `datafirst`: thin commands over the rooms; heavy imports wait for their command.

Exit codes: 0 done; 1 a step failed; 2 the command was mistyped; 3 a delivery is refused;
4 something is not there yet; 5 a gate refuses, or a release does not verify.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datafirst_platform.editions import EDITIONS, due_on
from datafirst_platform.editions import edition as edition_of
from datafirst_platform.safe_errors import DeliveryRefused, GateRefused, NotReady, PlatformError
from datafirst_platform.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from datafirst_platform.linkage.measures import Measure

_EDITION_KEYS = [each.key for each in EDITIONS]


class _Commands(click.Group):
    """Turns a `PlatformError` into its message and exit code; anything else is a defect."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except PlatformError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            sys.exit(error.exit_code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="datafirst-platform")
def main() -> None:
    """From justice records as delivered to linked, de-identified, documented releases.

    \b
    A first round:
      datafirst demo                    make a supply, refresh two editions, release them
      datafirst status                  what was delivered, what stands, what is released
      datafirst coverage                what every table has, and lacks
      datafirst release list            the releases
      datafirst release verify PATH     check one, on its folder alone
      datafirst ui                      the Dagster UI, on 127.0.0.1

    \b
    Exit codes: 0 done, 1 a step failed, 2 mistyped, 3 a delivery is refused,
    4 something is not there yet, 5 a gate refuses or a release does not verify.

    Data lies under DATAFIRST_HOME (.datafirst), keys under DATAFIRST_KEYS (.datafirst-keys).
    """  # noqa: D301 (click wants the character)
    # Registered first, so run last: DuckDB's binding reports on itself as the interpreter ends.
    atexit.register(_close_standard_error)


def _close_standard_error() -> None:
    sys.stderr.flush()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def _progress(line: str) -> None:
    click.echo(f"  {line}", err=True)


def _settings() -> Settings:
    try:
        return Settings.from_environment().prepare()
    except ValueError as error:
        raise PlatformError(str(error)) from None
    except OSError as error:
        msg = (
            f"{error.filename}: {error.strerror}. Set DATAFIRST_HOME and DATAFIRST_KEYS to folders "
            "that may be written."
        )
        raise PlatformError(msg) from None


def _seed(told: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option that says which of all that could be drawn is."""
    return click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help=told)


def _exit_code(codes: Collection[int]) -> int:
    """The one that tells most where several steps failed: a gate, a delivery, what is missing."""
    telling = (GateRefused.exit_code, DeliveryRefused.exit_code, NotReady.exit_code)
    return next((code for code in telling if code in codes), PlatformError.exit_code)


def _show(rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
    """Print a table; numbers to the right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [list(header), *cells]) for at in range(len(header))]
    right = [
        bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, right, strict=True)
        ).rstrip()

    click.secho(line(list(header)), bold=True)
    for row in cells:
        click.echo(line(row))


def _json(value: object) -> None:
    click.echo(json.dumps(value, indent=1, sort_keys=True, default=str))


@main.command()
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
@click.option(
    "--people",
    default=12_000,
    show_default=True,
    type=click.IntRange(min=100),
    help="Size of the made-up population.",
)
@_seed("Same seed, same population.")
@click.option(
    "--source", "sources", multiple=True, help="Only this supplier; repeatable. Default: all."
)
@click.option(
    "--format",
    "file_format",
    default="mixed",
    show_default=True,
    type=click.Choice(["mixed", "csv", "csv.gz", "parquet"]),
    help="Format of the data files.",
)
@click.option(
    "--sequence",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="1 for the first delivery of the edition, 2 for a re-delivery, …",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help="Switch on a supplier's fault; repeatable. `--fault list` names them.",
)
def supply(
    edition: str,
    people: int,
    seed: int,
    sources: tuple[str, ...],
    file_format: str,
    sequence: int,
    faults: tuple[str, ...],
) -> None:
    """Make up a supply for EDITION, as suppliers would deliver it.

    Writes deliveries to landing/ and, apart from them, who is who to secure/truth/, which only the
    evaluation of linkage reads. Real deliveries take the same place: a folder
    landing/<source>/<delivery>/ with data files and manifest.json (docs/guide_data_engineer.md).
    """
    from datafirst_platform.synthetic import FAULTS, make_supply

    if "list" in faults:
        for fault in FAULTS:
            click.echo(fault)
        return
    made = make_supply(
        _settings(),
        edition_of(edition),
        people=people,
        seed=seed,
        sources=sources or None,
        file_format=file_format,
        sequence=sequence,
        faults=faults,
        progress=_progress,
    )
    for delivery in made:
        click.echo(f"{delivery.folder}")
    click.echo(f"Next: datafirst refresh {edition}")


@main.command()
@click.argument("edition", required=False, type=click.Choice(_EDITION_KEYS))
@click.option("--relink", is_flag=True, help="Link from nothing where it would go on from before.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def refresh(edition: str | None, relink: bool, as_json: bool) -> None:  # noqa: FBT001
    """Refresh EDITION: receive, link, build the marts, check, release.

    Without EDITION the newest one that is due. Safe to repeat: what stands by the same inputs and
    code is not made again, so after a failure is mended only the rest runs.
    """
    from datetime import date

    from datafirst_platform.refresh import refresh as run

    due = due_on(date.today())  # noqa: DTZ011 - the reader's own calendar
    key = edition or (due.key if due else EDITIONS[0].key)
    settings = dataclasses.replace(_settings(), relink=relink)
    done = run(settings, key, _progress if not as_json else lambda _: None)
    if as_json:
        _json(
            {
                "edition": done.edition,
                "run_id": done.run_id,
                "succeeded": done.succeeded,
                "steps": [vars(step) for step in done.steps],
                "checks_passed": done.checks_passed,
                "failed_checks": done.failed_checks,
            }
        )
    else:
        for step in done.steps:
            if not step.succeeded:
                click.secho(f"\n{step.step}:", fg="red", err=True)
                click.echo(step.reason, err=True)
        for check in done.failed_checks:
            click.secho(f"gate not passed: {check}", fg="red", err=True)
        if done.succeeded:
            click.echo(f"Edition {key} is refreshed: {done.checks_passed} gates passed.")
            click.echo("Next: datafirst status, datafirst release list")
        else:
            click.echo(f"Mend what is named above, then run: datafirst refresh {key}", err=True)
    if not done.succeeded:
        codes = {step.exit_code for step in done.steps if not step.succeeded}
        if done.failed_checks:
            codes.add(GateRefused.exit_code)
        sys.exit(_exit_code(codes))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def status(as_json: bool) -> None:  # noqa: FBT001
    """Show each edition: deliveries, rows accepted and quarantined, people, gates, releases."""
    found = [_edition_status(_settings(), each.key) for each in EDITIONS]
    if as_json:
        _json(found)
        return
    _show_status(found)


def _edition_status(settings: Settings, key: str) -> dict[str, Any]:
    from datafirst_platform.extracts.deliveries import inspect_delivery
    from datafirst_platform.extracts.extraction import standing_extract
    from datafirst_platform.quality import verdicts
    from datafirst_platform.releases import bundle

    chosen = edition_of(key)
    sources = {}
    for source in chosen.sources:
        waiting = inspect_delivery(settings, key, source)
        try:
            extract = standing_extract(settings, key, source)
            counted = list(extract.tables.values())
        except NotReady:
            extract, counted = None, []
        sources[source] = {
            "delivery": waiting.delivery.name if waiting.delivery else None,
            "problem": waiting.problem,
            "refused": waiting.refused,
            "incomplete": waiting.incomplete,
            "taken": extract.delivery if extract else None,
            "supplied": sum(table.rows_supplied for table in counted),
            "accepted": sum(table.rows_accepted for table in counted),
            "quarantined": sum(table.rows_quarantined for table in counted),
        }
    passed, failed = verdicts.count_standing(settings, key)
    published = [each for each in bundle.releases(settings) if each.edition == key]
    return {
        "edition": key,
        "cut_off": str(chosen.cut_off),
        "due": str(chosen.due),
        "sources": sources,
        "people": _people(settings, key),
        "gates_passed": passed,
        "gates_failed": failed,
        "damaged": [each.told for each in bundle.damaged(settings) if each.edition == key],
        "releases": [
            {"label": each.label, "digest": each.digest, "rows": each.rows, "path": str(each.path)}
            for each in published
        ],
    }


def _people(settings: Settings, key: str) -> int:
    """People at the middle threshold by the linkage over most datasets; 0 before it ran."""
    from datafirst_platform import tables
    from datafirst_platform.engine import connect
    from datafirst_platform.linkage.models import datasets, linkage_model
    from datafirst_platform.linkage.publishing import table_key

    across = sorted(datasets("across"), key=lambda each: len(linkage_model(each).members))
    found = tables.current(settings, table_key(across[-1], "counts"), key) if across else None
    if found is None:
        return 0
    with connect(settings) as connection:
        counted = connection.execute(
            f"select value from {found.sql} where measure = 'people' and level = 'medium'"
        ).fetchall()
    return int(counted[0][0])


def _show_status(found: Sequence[dict[str, Any]]) -> None:
    _show(
        [
            (
                each["edition"],
                source,
                _deliveries(facts),
                facts["supplied"],
                facts["accepted"],
                facts["quarantined"],
            )
            for each in found
            for source, facts in each["sources"].items()
        ],
        ("EDITION", "SOURCE", "DELIVERY", "SUPPLIED", "ACCEPTED", "QUARANTINED"),
    )
    landed = [(source, facts) for each in found for source, facts in each["sources"].items()]
    for problem in sorted({facts["problem"] for _, facts in landed if facts["refused"]}):
        click.secho(f"Refused: {problem}", fg="red")
    for folder in sorted(
        {f"{source}/{each}" for source, facts in landed for each in facts["incomplete"]}
    ):
        click.echo(f"Still arriving, without a manifest.json: {folder}")
    click.echo()
    _show(
        [
            (
                each["edition"],
                each["due"],
                each["people"],
                each["gates_passed"],
                each["gates_failed"],
                len(each["releases"]),
            )
            for each in found
        ],
        ("EDITION", "DUE", "PEOPLE", "GATES PASSED", "FAILED", "RELEASES"),
    )
    rows = [
        (release["label"], release["rows"], release["digest"][:16], _short(release["path"]))
        for each in found
        for release in each["releases"]
    ]
    if rows:
        click.echo()
        _show(rows, ("RELEASE", "ROWS", "DIGEST", "LIES IN"))
    for told in (told for each in found for told in each["damaged"]):
        click.secho(told, fg="red")


def _deliveries(facts: Mapping[str, Any]) -> str:
    """What an edition has of a source, and what it would take now."""
    taken, newest = facts["taken"], facts["delivery"]
    waiting = f"{newest} waiting" if newest and newest != taken else ""
    if taken and waiting:
        return f"{taken} ({waiting})"
    return taken or waiting or "none yet"


def _short(path: str) -> str:
    """A path as typed from here, where it lies below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def coverage(as_json: bool) -> None:  # noqa: FBT001
    """Show what is written about every table, and what is missing.

    For each table: where its columns are laid down, variables in the catalogue, expectations, dbt
    tests, and the linkages that read it. Exits with 1 where there is a gap.
    """
    from datafirst_platform.coverage import coverage as covered

    found = covered()
    gaps = [each for each in found if each.gaps]
    if as_json:
        _json([vars(each) for each in found])
    else:
        _show(
            [
                (
                    each.table,
                    each.contract,
                    each.variables,
                    each.expectations,
                    each.tests,
                    ", ".join(each.linkage),
                    "; ".join(each.gaps) or "none",
                )
                for each in found
            ],
            ("TABLE", "CONTRACT", "VARIABLES", "EXPECTATIONS", "TESTS", "LINKAGE", "GAPS"),
        )
        click.echo(f"\n{len(found)} tables, {len(gaps)} with a gap.")
    if gaps:
        sys.exit(1)


@main.group()
def release() -> None:
    """List, show, build and verify releases."""


@release.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def release_list(as_json: bool) -> None:  # noqa: FBT001
    """List the published releases."""
    from datafirst_platform.releases import bundle

    settings = _settings()
    published, damaged = bundle.releases(settings), bundle.damaged(settings)
    if as_json:
        sound = [
            {
                "label": r.label,
                "digest": r.digest,
                "manifest_sha256": r.manifest_digest,
                "rows": r.rows,
                "path": str(r.path),
                "damaged": None,
            }
            for r in published
        ]
        # Of these nothing is known but where they lie.
        unknown = dict.fromkeys(("digest", "manifest_sha256", "rows"))
        _json(
            sound
            + [
                {**unknown, "label": d.label, "path": str(d.path), "damaged": d.told}
                for d in damaged
            ]
        )
        return
    if not published and not damaged:
        raise NotReady(
            "No release yet: run `datafirst refresh`, or `datafirst demo` for a first look."
        )
    if published:
        _show(
            [
                (
                    r.label,
                    len(r.manifest["tables"]),
                    r.rows,
                    r.digest[:16],
                    r.manifest_digest[:16],
                    _short(str(r.path)),
                )
                for r in published
            ],
            ("RELEASE", "TABLES", "ROWS", "DIGEST", "MANIFEST", "LIES IN"),
        )
    for each in damaged:
        click.secho(f"{each.told} It lies in {_short(str(each.path))}", fg="red")


@release.command("show")
@click.argument("label", metavar="NAME/EDITION[.REVISION]")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
def release_show(label: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a release: tables, inputs, gates, code, digest."""
    from datafirst_platform.releases import bundle

    found = bundle.find(_settings(), label)
    manifest = found.manifest
    if as_json:
        _json(manifest)
        return
    click.secho(f"{found.label}  {manifest['description']}", bold=True)
    click.echo(
        f"digest   {found.digest}\nmanifest {found.manifest_digest}\n"
        f"code     {manifest['code']['commit']}\nlies in  {found.path}\n"
    )
    _show(
        [
            (t["name"], t["rows"], len(t["columns"]), ", ".join(t["primary_key"]))
            for t in manifest["tables"]
        ],
        ("TABLE", "ROWS", "COLUMNS", "PRIMARY KEY"),
    )
    click.echo()
    if "members" in manifest:
        _show(list(manifest["members"].items()), ("MEMBER", "DIGEST"))
        click.echo()
    if "permissions" in manifest:
        told = manifest["permissions"]
        click.echo(f"for     {', '.join(told['audiences'])}\n")
        _show(
            [
                (" + ".join(row["pair"]), ", ".join(row["legal_basis"]), row["evidence"])
                for row in told["pairs"]
            ],
            ("MAY BE JOINED", "LEGAL BASIS", "EVIDENCE"),
        )
        click.echo()
    _show(list(manifest["inputs"]["deliveries"].items()), ("DELIVERY", "DIGEST"))
    click.echo()
    _show(
        [
            (
                g["table"],
                g["gate"],
                g["rules"],
                "passed" if g["passed"] else "failed",
                g["data_version"][:16],
            )
            for g in manifest["gates"]
        ],
        ("TABLE", "GATE", "RULES", "OUTCOME", "DATA VERSION"),
    )


@release.command("build")
@click.argument("name")
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
def release_build(name: str, edition: str) -> None:
    """Build release NAME of EDITION from the marts that stand, if every gate holds."""
    from datafirst_platform.instance import one_writer
    from datafirst_platform.marts.project import release_specs
    from datafirst_platform.releases.candidate import build_release

    settings = _settings()
    specs = {spec.name: spec for spec in release_specs()}
    if name not in specs:
        raise NotReady(f"There is no release {name!r}. Releases: {', '.join(sorted(specs))}.")
    with one_writer(settings):
        built = build_release(settings, edition, specs[name], _progress)
    click.echo(f"{built.label}  {built.digest}  {built.path}")


@release.command("verify")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def release_verify(path: Path, as_json: bool) -> None:  # noqa: FBT001
    """Check the release folder PATH against its own manifest; needs nothing else."""
    from datafirst_platform.releases import bundle

    findings = bundle.verify(path)
    told = bundle.identity(path)
    sound = all(finding.passed for finding in findings)
    if as_json:
        listed = [vars(each) for each in findings]
        _json({"path": str(path), "verified": sound, **told, "findings": listed})
    else:
        for finding in findings:
            mark = (
                click.style("ok    ", fg="green")
                if finding.passed
                else click.style("FAILED", fg="red")
            )
            click.echo(f"{mark}  {finding.check}{'  ' + finding.detail if finding.detail else ''}")
        for what, value in told.items():
            click.echo(f"{what.replace('_', ' '):<16}{value or 'not known'}")
    if not sound:
        raise GateRefused(f"{path} does not verify: do not use it, fetch it again.")
    if not as_json:
        click.echo(
            "The release verifies: its files are those of its manifest. That the manifest is the "
            "one published,\n`datafirst release show` of the installation tells: compare both "
            "digests."
        )


@main.group()
def linkage() -> None:
    """Train linkage models, judge links, and have clerks look at pairs."""


@linkage.command("train")
@click.argument("dataset")
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
def linkage_train(dataset: str, edition: str) -> None:
    """Train the model of DATASET on EDITION's records and store it for review.

    Rare by design: a refresh only predicts. The trained model is a file of the package; a new one
    is a reviewed change.
    """
    from datafirst_platform.linkage.training import train

    train(_settings(), edition, dataset)
    click.echo(f"Trained {dataset}: review datafirst_platform/linkage/models/{dataset}.json.")


@linkage.command("evaluate")
@click.argument("records", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--truth-column", help="Equal for records of one person; left out of the linking.")
@click.option("--source-column", help="Which source a record is from, where there are several.")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Take COLUMN for FIELD where its name does not tell; repeatable.",
)
@click.option("--train", is_flag=True, help="Estimate the model on these records.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def linkage_evaluate(
    records: Path,
    truth_column: str | None,
    source_column: str | None,
    mapped: tuple[str, ...],
    train: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Link the people of RECORDS, a CSV or Parquet file, and hold them against its truth.

    Columns are taken for names, date of birth, sex, place and numbers by what they are called;
    --map says so where that does not tell: --map forename=given_name. Nothing is kept. A name that
    ends in .parquet or .pq is read as Parquet, any other as CSV with a header row.

    What the truth cannot tell, as recall where no two records share one, is "not measurable", null
    in JSON.

    \b
    Fields: forename, middle, surname, full_name, dob, birth_year, birth_month, birth_day, sex,
    postcode, town, house, address, email, phone, number, pnc, cro, noms, crn.
    """  # noqa: D301 (click wants the character)
    from datafirst_platform.linkage.trial import run_trial

    pairs = [each.partition("=") for each in mapped]
    if any(not column for _, _, column in pairs):
        raise click.BadParameter("write FIELD=COLUMN", param_hint="--map")
    mapping = {field: column for field, _, column in pairs}
    if len(mapping) < len(pairs):
        raise click.BadParameter("give each field once", param_hint="--map")
    trial = run_trial(
        _settings(),
        records,
        truth_column,
        source=source_column,
        mapping=mapping,
        train=train,
        progress=(lambda _: None) if as_json else _progress,
    )
    best = trial.best
    measured = [_measured(each) for each in trial.measures]
    told = best.shares if best else dict.fromkeys(("precision", "recall", "f1"))
    if as_json:
        _json(
            {
                **vars(trial),
                "pairs": sum(trial.pairs.values()),
                "pairs_by_rule": trial.pairs,
                "clusters": trial.clusters[best.level if best else "medium"],
                "clusters_by_threshold": trial.clusters,
                "threshold": best.level if best else "medium",
                **told,
                "measures": measured,
            }
        )
        return
    _show(list(trial.fields.items()), ("FIELD", "COLUMN"))
    click.echo()
    _show(list(trial.pairs.items()), ("PAIRS THAT AGREE ON", "SCORED"))
    click.echo()
    _show(list(trial.clusters.items()), ("THRESHOLD", "PEOPLE"))
    if trial.measures:
        click.echo()
        _show(
            [_measured_row(each) for each in trial.measures],
            ("PAIRS", "THRESHOLD", "LINKED", "TRUE", "BOTH", "PRECISION", "RECALL", "F1"),
        )
    for reason in trial.not_measurable:
        click.echo(f"Not measurable: {reason}.")
    for note in trial.notes:
        click.echo(f"Note: {note}.", err=True)
    click.echo(f"\n{trial.records:,} records in {trial.seconds} s.")


@linkage.command("quality")
@click.argument("dataset")
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, every threshold by group.")
def linkage_quality(dataset: str, edition: str, as_json: bool) -> None:  # noqa: FBT001
    """Show how good the links of DATASET in EDITION are, in all and for whom.

    Links are held against reference labels, where there are any: precision is the share of what is
    linked that is right, recall the share of what is right that is linked, F1 their harmonic mean.
    Only aggregates are shown, and no group of fewer than ten people.

    \b
    PAIRS says what is counted:
      all           pairs of records, at each threshold; of links by passes the links
      cross         those across datasets, where several are linked
      cases         linked cases
      pass          links of one pass; its recall is the share of all true links it finds
      up to pass    links of a pass and of all before it

    \b
    GROUP is what the records themselves tell, where they tell it:
      sex, ethnicity
      born          decade; year, where all are of about one age
      area          the letters a postcode begins with

    Groups are shown at the middle threshold; --json has each. A pair has two ends, and each counts
    for the group of its record; a case, or a link by passes, counts for the group of its first
    dataset's record. Where several datasets are linked only pairs across them count.

    \b
    Examples:
      datafirst linkage quality cross_justice 2026
      datafirst linkage quality moj_dfe 2026 --json
    """  # noqa: D301 (click wants the character)
    from datafirst_platform.linkage.evaluation import evaluate

    found = evaluate(_settings(), edition, dataset)
    if found is None:
        raise NotReady(
            f"There are no reference labels to hold {dataset} against: only a made-up supply has "
            "them (`datafirst supply`), and clerical review may write others, under secure/truth/."
        )
    header = ("THRESHOLD", "LINKED", "TRUE", "BOTH", "PRECISION", "RECALL", "F1")
    if as_json:
        _json(
            {
                "dataset": dataset,
                "edition": edition,
                "measures": [_measured(each) for each in found.measures],
                "by_group": [_measured(each) for each in found.by_group],
            }
        )
        return
    _show([_measured_row(each) for each in found.measures], ("PAIRS", *header))
    groups = [each for each in found.by_group if each.level == found.main_level]
    if groups:
        click.echo()
        _show([_measured_row(each) for each in groups], ("GROUP", *header))


@linkage.command("permissions")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def linkage_permitted(as_json: bool) -> None:  # noqa: FBT001
    """Show which datasets may be joined, for whom, by what law, and who is left out.

    What is not listed is not joined: its linkage does not load and its release is refused.
    """
    from datafirst_platform.extracts.permissions import linkage_permissions, row_told

    found = linkage_permissions()
    if as_json:
        _json(
            {
                "version": found.version,
                "audiences": {each.name: vars(each) for each in found.audiences.values()},
                "laws": {each.name: vars(each) for each in found.laws.values()},
                "left_out": {each.name: vars(each) for each in found.left_out.values()},
                "permissions": [row_told(row) for row in found.permitted.values()],
            }
        )
        return
    _show(
        [
            (
                " + ".join(row.pair),
                ", ".join(row.audiences),
                row.people,
                ", ".join(row.leaves_out) or "nobody",
                ", ".join(row.legal_basis),
                row.evidence,
                row.agreed or "not known",
                row.review or "none set",
            )
            for row in found.permitted.values()
        ],
        ("PAIR", "AUDIENCES", "PEOPLE", "LEFT OUT", "LEGAL BASIS", "EVIDENCE", "AGREED", "REVIEW"),
    )
    for heading, entries in (
        (
            "AUDIENCE",
            [(each.name, each.evidence, each.description) for each in found.audiences.values()],
        ),
        (
            "LAW",
            [
                (each.name, each.evidence, f"{each.title}. {each.description}")
                for each in found.laws.values()
            ],
        ),
        (
            "LEFT OUT",
            [
                (each.name, each.evidence, f"{each.description} {each.because}")
                for each in found.left_out.values()
            ],
        ),
    ):
        click.echo()
        _show(entries, (heading, "EVIDENCE", "WHAT"))
    click.echo(f"\n{len(found.permitted)} pairs may be joined; no other.")


def _measured(measure: Measure) -> dict[str, Any]:
    return {**vars(measure), **measure.shares}


def _measured_row(measure: Measure) -> list[object]:
    """What a reader is shown; a share of nothing in words."""
    return ["not measurable" if it is None else it for it in _measured(measure).values()]


@linkage.command("report")
@click.argument("dataset")
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the page, its figures and its charts. Default: none is written.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def linkage_report(dataset: str, edition: str, out: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Report how good the links of DATASET are in EDITION, as a release would tell it.

    DATASET is a linkage: a dataset linked within, one across datasets, or one of cases. Counts
    under 10, and what would give them back, are withheld, so nothing here tells of a person.

    \b
    With --out, three files: linkage_<dataset>.html (one page, no script, no network), .json, .png.
    Releases hold the same files under documents/ once the edition is refreshed.

    \b
    What the figures rest on:
      the truth of the made-up supply, where there is one: precision and recall
      clerks' answers (datafirst linkage label --help): false and missed matches, with intervals
      neither: counts, scores and sizes alone
    """  # noqa: D301 (click wants the character)
    from datafirst_platform.instance import one_writer
    from datafirst_platform.linkage.quality import measure
    from datafirst_platform.linkage.report import figures, forms_of, make_report

    settings = _settings()
    with one_writer(settings):
        measure(settings, edition, dataset)
    told = figures(settings, edition, dataset)
    if as_json:
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        _show_report(told)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for file, content in forms_of(make_report(settings, edition, dataset)):
            (out / file).write_bytes(content)
            click.echo(f"{out / file}", err=True)


def _show_report(figures: Mapping[str, Any]) -> None:
    def told(value: object) -> object:
        return "withheld" if value is None else value

    click.secho(figures["title"], bold=True)
    click.echo(f"{figures['labels']['basis_in_words']}\n")
    for key in ("records", "unlinkable", "share_unlinkable"):
        click.echo(f"{key.replace('_', ' ')}: {told(figures['records'][key])}")
    measures = ("pairs", "level", "precision", "recall", "f1")
    if figures["labels"]["measures"]:
        click.echo()
        _show(
            [[told(each[it]) for it in measures] for each in figures["labels"]["measures"]],
            ("PAIRS", "THRESHOLD", "PRECISION", "RECALL", "F1"),
        )
    if figures["clerks"]:
        rates = ("false_match_rate", "missed_match_rate")
        click.echo(f"\n{figures['clerks']['answered']} pairs decided on by clerks")
        _show(
            [
                (each["level"], *(_rate(each[rate]) for rate in rates))
                for each in figures["clerks"]["estimates"]
            ],
            ("THRESHOLD", "FALSE MATCHES OF LINKS", "MISSED OF MATCHES AMONG CANDIDATES"),
        )
    if figures["subgroups"]:
        shown = ("subgroup", "value", "records", "share_linked", "precision", "recall")
        click.echo()
        _show(
            [[told(each[it]) for it in shown] for each in figures["subgroups"]],
            ("SUBGROUP", "", "RECORDS", "LINKED", "PRECISION", "RECALL"),
        )


def _rate(estimate: Mapping[str, float] | None) -> str:
    if estimate is None:
        return "not known"
    return f"{estimate['value']:.2%} ({estimate['low']:.2%} to {estimate['high']:.2%})"


@linkage.group("override")
def linkage_override() -> None:
    """Decide about people above weights: that two records are always one, or never.

    \b
    1. write a CSV: decision,record_key,other_record_key,reason,decided_by
    2. datafirst linkage override sign magistrates decisions.csv    checks it and puts it in force
    3. datafirst refresh 2026                                       links by it

    Keys are those of the linkage's tables, and of the bridges an incremental linkage leaves for a
    decision (secure/restricted/<dataset>_bridges). The file lies in the secure zone; altered after
    it was signed it stops the linkage.
    """  # noqa: D301 (click wants the character)


@linkage_override.command("sign")
@click.argument("dataset")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def linkage_override_sign(dataset: str, file: Path) -> None:
    """Check FILE, sign it, and put it in force for DATASET: it replaces the decisions before."""
    from datafirst_platform.instance import one_writer
    from datafirst_platform.linkage.overrides import sign, unknown

    settings = _settings()
    with one_writer(settings):
        signed = sign(settings, dataset, file)
    if lines := unknown(settings, dataset, signed):
        listed = ", ".join(map(str, lines[:10])) + (", …" if len(lines) > 10 else "")
        click.echo(
            f"Warning: no linked edition has a record that is named in {len(lines)} of the "
            f"decisions (line {listed}). They have no effect until one has: check these keys.",
            err=True,
        )
    click.echo(
        f"{dataset}: {signed.count('always')} always one, {signed.count('never')} never; "
        f"digest {signed.digest[:16]}. In force from the next refresh on."
    )


@linkage_override.command("show")
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def linkage_override_show(dataset: str, as_json: bool) -> None:  # noqa: FBT001
    """How many decisions are in force for DATASET, and whether they are as signed."""
    from datafirst_platform.linkage.overrides import DECISIONS, overrides_of

    found = overrides_of(_settings(), dataset)
    counts = {each: found.count(each) for each in DECISIONS}
    if as_json:
        click.echo(json.dumps({"dataset": dataset, "digest": found.digest, **counts}))
    elif not found.digest:
        click.echo(f"{dataset}: no decisions.")
    else:
        click.echo(
            f"{dataset}: {counts['always']} always one, {counts['never']} never; "
            f"digest {found.digest[:16]}, as signed."
        )


@linkage.group("label")
def linkage_label() -> None:
    """Have clerks decide on pairs, and estimate false and missed matches from their answers.

    \b
    1. datafirst linkage label draw magistrates 2026    a sample, into the secure zone
    2. clerks fill in the column `answer`: yes, no or unsure
    3. datafirst linkage label read magistrates 2026    checks the answers, and counts them
    4. datafirst linkage report magistrates 2026        the rates, with intervals

    A sample is of the links as they stand: once they change, draw another.
    """  # noqa: D301 (click wants the character)


@linkage_label.command("draw")
@click.argument("dataset")
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
@click.option(
    "--pairs",
    default=400,
    show_default=True,
    type=click.IntRange(min=20),
    help="About how many pairs to draw.",
)
@_seed("Same links and seed, same pairs.")
@click.option("--replace", is_flag=True, help="Draw anew where a sample lies already.")
def linkage_label_draw(
    dataset: str,
    edition: str,
    pairs: int,
    seed: int,
    replace: bool,  # noqa: FBT001
) -> None:
    """Draw candidate pairs of DATASET for clerks into secure/labels/, for the owner alone.

    Pairs are drawn by match weight, in bands around the thresholds and far below, and by whether
    they are linked; within a band evenly over sex, ethnicity, age and area. The file holds what
    identifies both people of each pair: it must not leave the secure zone. Clerks see no weight.
    """
    from datafirst_platform.linkage.labels import draw

    drawn = draw(_settings(), edition, dataset, pairs=pairs, seed=seed, replace=replace)
    _show(drawn.strata, ("MATCH WEIGHT", "LINKED FROM", "CANDIDATE PAIRS", "DRAWN"))
    click.echo(f"\n{drawn.pairs:,} of {drawn.candidates:,} candidate pairs: {drawn.path}")
    click.echo("Fill in `answer` with yes, no or unsure; keep the rows and the column `pair`.")
    click.echo(f"Next: datafirst linkage label read {dataset} {edition}")


@linkage_label.command("read")
@click.argument("dataset")
@click.argument("edition", type=click.Choice(_EDITION_KEYS))
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def linkage_label_read(dataset: str, edition: str, file: Path | None) -> None:
    """Read the answers of clerks on pairs of DATASET back and check them.

    FILE is the filled-in sample; by default the one in secure/labels/. A row without an answer is
    left out, one with another answer is refused, by its number. Counts of answers alone are kept.
    """
    from datafirst_platform.linkage.labels import read

    settings = _settings()
    answers = read(settings, edition, dataset, file)
    click.echo(
        f"{answers.answered:,} of {answers.pairs:,} pairs decided, {answers.unsure:,} unsure."
    )
    if file is not None and settings.secure not in file.resolve().parents:
        click.echo(f"{file} names people and lies outside the secure zone: remove it.", err=True)
    click.echo(f"Next: datafirst linkage report {dataset} {edition}; a refresh releases it anew.")


@main.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="It has no users and no passwords: think before changing this.",
)
def ui(port: int, host: str) -> None:
    """Open the Dagster UI: the asset graph, runs, gates, the schedule."""
    from datafirst_platform.instance import instance_in_use

    settings = _settings()
    with instance_in_use(settings):
        pass  # fails what a killed run left behind, before Dagster starts
    environment = {**os.environ, "DAGSTER_HOME": str(settings.dagster)}
    click.echo(f"http://{host}:{port}  (Ctrl+C to stop)", err=True)
    program = str(Path(sys.executable).with_name("dagster"))
    os.chdir(PROJECT_ROOT)
    os.execve(  # noqa: S606
        program,
        [program, "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)],
        environment,
    )


@main.command()
@click.option(
    "--people",
    default=12_000,
    show_default=True,
    type=click.IntRange(min=100),
    help="Size of the made-up population.",
)
def demo(people: int) -> None:
    """Make a supply for two editions, refresh both, and show what came of it."""
    from datafirst_platform.refresh import refresh as run
    from datafirst_platform.synthetic import make_supply

    settings = _settings()
    began = time.monotonic()
    for key in _EDITION_KEYS[:2]:
        click.secho(f"Edition {key}: supply", bold=True, err=True)
        make_supply(settings, edition_of(key), people=people, seed=1, progress=_progress)
        click.secho(f"Edition {key}: refresh", bold=True, err=True)
        done = run(settings, key, _progress)
        if not done.succeeded:
            reasons = [step.reason for step in done.steps if not step.succeeded]
            raise PlatformError("\n".join([*reasons, *done.failed_checks]))
    click.echo()
    _show_status([_edition_status(settings, key) for key in _EDITION_KEYS[:2]])
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. Next:")
    click.echo("  make ui                                   the asset graph, runs and gates")
    click.echo(
        f"  {_command()} release verify {_short(str(settings.releases / 'magistrates' / '2026.1'))}"
    )


def _command() -> str:
    """How to type this program here."""
    return (
        "datafirst"
        if os.environ.get("VIRTUAL_ENV")
        else _short(str(Path(sys.executable).with_name("datafirst")))
    )


if __name__ == "__main__":
    main()
