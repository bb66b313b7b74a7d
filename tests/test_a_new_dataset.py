"""A dataset nobody has heard of, added by files alone and taken from landing to a release.

The files are those of `tests/a_new_dataset/`, which docs/add_a_dataset.md explains. They are laid
over a copy of the platform that has no other dataset, so that whatever is bound to one shows here;
no Python is added or changed.
"""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from datafirst_platform.releases.bundle import CATALOGUE, verify
from datafirst_platform.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

EDITION = "2025"
NEW_FILES = Path(__file__).with_name("a_new_dataset")
HEADER = "summons_id,first_name,last_name,date_of_birth,postcode,summoned_on,outcome"
BY_HAND = [
    # One person, summoned twice; the second time the name is misspelt.
    "900001,Wilhelmina,Featherstonehaugh,14/02/1971,SA1 1AB,05/03/2019,S",
    "900002,Wilhelmina,Fetherstonehaugh,14/02/1971,SA1 1AB,11/06/2023,X",
    # Her brother, a stranger of her name, and one whose date of birth is a placeholder.
    "900003,Aubrey,Featherstonehaugh,30/09/1968,SA1 1AB,06/03/2019,D",
    "900004,Wilhelmina,Featherstonehaugh,02/12/1993,LS7 4QQ,19/10/2022,N",
    "900005,Ottoline,Quillinan,01/01/1900,SA1 2AB,20/10/2022,S",
    # What the contract refuses: a code that is none, a day that is none.
    "900006,Ottoline,Quillinan,17/05/1980,SA1 2AB,21/10/2022,Z",
    "900007,Ottoline,Quillinan,17/05/1980,SA1 2AB,31/02/2022,S",
]
REFUSED = {"unknown_code": 1, "bad_date": 1}
PEOPLE = 300
PEOPLE_BY_HAND = 4

WALK = f"""
import json
from datafirst_platform.coverage import coverage
from datafirst_platform.extracts.extraction import extract_source
from datafirst_platform.identity import master_key
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.training import train
from datafirst_platform.refresh import refresh
from datafirst_platform.safe_errors import NotReady
from datafirst_platform.settings import Settings

settings = Settings.from_environment().prepare()
master_key(settings)
taken = extract_source(settings, "{EDITION}", "juror").tables["juror_summonses"]
try:
    link_dataset(settings, "{EDITION}", "jury")
except NotReady as error:
    untrained = str(error)
train(settings, "{EDITION}", "jury")
done = refresh(settings, "{EDITION}", print)
told = {{
    "quarantined": {{each.rule: each.rows for each in taken.quarantined_by}},
    "untrained": untrained,
    "succeeded": done.succeeded,
    "failed": [vars(each) for each in done.steps if not each.succeeded] + [*done.failed_checks],
    "gaps": {{each.table: each.gaps for each in coverage()}},
}}
(settings.home / "told.json").write_text(json.dumps(told))
"""


def platform_without_datasets(target):
    """The code, the libraries of linkage and dbt's macros and tests: what every dataset shares."""

    def left_out(folder, names):
        inside = Path(folder).relative_to(PROJECT_ROOT).as_posix()
        datasets = inside.endswith(("extracts/contracts", "linkage/models"))
        return names if datasets else [name for name in names if name == "__pycache__"]

    package = PROJECT_ROOT / "datafirst_platform"
    shutil.copytree(package, target / package.name, ignore=left_out)
    for part in ("macros", "tests"):
        shutil.copytree(PROJECT_ROOT / "dbt_project" / part, target / "dbt_project" / part)
    for file in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT_ROOT / "dbt_project" / file, target / "dbt_project" / file)


def summonses():
    """A few hundred people, each summoned twice, some with a slip: enough to train on."""
    generator = np.random.default_rng(9)
    parts = ["Bram", "cor", "del", "fen", "hal", "kes", "lon", "mar", "nor", "pen", "tre", "win"]
    for number in range(PEOPLE):
        forename, surname = ("".join(generator.choice(parts, 2)) for _ in range(2))
        born = date(1950, 1, 2) + timedelta(days=int(generator.integers(16_000)))
        for time in range(2):
            slip = generator.random()
            summoned = date(2018, 3, 1) + timedelta(days=1_000 * time + number)
            yield [
                f"{100_000 + 2 * number + time}",
                forename,
                surname + "e" if slip < 0.1 else surname,
                f"{born + timedelta(days=1 if slip > 0.95 else 0):%d/%m/%Y}",
                f"SA{number % 20 + 1} {time if slip > 0.7 else 0}AB",
                f"{summoned:%d/%m/%Y}",
                "SXDN"[number % 4],
            ]


def deliver(landing):
    """The delivery as a supplier would write it."""
    folder = landing / "juror" / f"{EDITION}-1"
    folder.mkdir(parents=True)
    header, *by_hand = (line.split(",") for line in (HEADER, *BY_HAND))
    rows = [*by_hand, *summonses()]
    file = folder / "juror_summonses.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, lineterminator="\n").writerows([header, *rows])
    content = file.read_bytes()
    manifest = {
        "format": "datafirst-delivery/1",
        "source": "juror",
        "delivery": folder.name,
        "sequence": 1,
        "period": {"from": "2018-01-01", "to": "2024-12-31"},
        "files": [
            {
                "path": file.name,
                "table": "juror_summonses",
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "rows": len(rows),
                "columns": header,
            }
        ],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return len(rows)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The installation after the walk, what it told, and the number of rows delivered."""
    root = tmp_path_factory.mktemp("platform")
    platform, home = root / "platform", root / "data"
    platform_without_datasets(platform)
    shutil.copytree(NEW_FILES, platform, dirs_exist_ok=True)
    delivered = deliver(home / "landing")
    given = {
        "PYTHONPATH": str(platform),
        "DATAFIRST_HOME": str(home),
        "DATAFIRST_KEYS": str(root / "keys"),
        "DATAFIRST_THREADS": "2",
        "DATAFIRST_MEMORY_GIB": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", WALK],
        cwd=platform,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return home, json.loads((home / "told.json").read_text()), delivered


@pytest.fixture(scope="module")
def release(walked):
    """Folder of the release."""
    home, told, _ = walked
    assert told["succeeded"], told["failed"]
    return home / "releases" / "jury" / f"{EDITION}.1"


@pytest.fixture(scope="module")
def released(release):
    """Released rows."""
    found = duckdb.sql(f"from read_parquet('{release / 'data' / 'jury_summonses.parquet'}')")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def on(released):
    """The row of a day on which only somebody written by hand was summoned."""

    def find(day):
        (row,) = (row for row in released if row["summoned_on"] == date.fromisoformat(day))
        return row

    return find


def test_the_release_is_sound_and_holds_every_row_but_those_refused(walked, release):
    _, told, delivered = walked
    assert [each for each in verify(release) if not each.passed] == []
    manifest = json.loads((release / "manifest.json").read_text())
    assert {table["name"]: table["rows"] for table in manifest["tables"]} == {
        "jury_summonses": delivered - sum(REFUSED.values())
    }
    assert told["quarantined"] == REFUSED


def test_its_gates_were_asked_and_its_catalogue_is_that_of_its_marts(release):
    manifest = json.loads((release / "manifest.json").read_text())
    asked = {(gate["table"], gate["gate"]) for gate in manifest["gates"]}
    assert asked >= {
        ("extracts/juror_summonses", "expectations"),
        ("extracts/juror_receipt", "expectations"),
        ("linkage/jury_people", "expectations"),
        ("marts/jury_summonses", "dbt_tests"),
        ("marts/jury_summonses", "expectations"),
        ("releases/jury_summonses", "expectations"),
    }
    with (release / CATALOGUE).open(newline="", encoding="utf-8") as file:
        values = {row["Variable Name"]: row["Values"] for row in csv.DictReader(file)}
    assert values["outcome_code"] == "S = Served; X = Excused; D = Deferred; N = Did not attend"
    assert values["age_at_summons"] == "18 to 110"


def test_its_people_are_linked_by_the_model_trained_for_it(walked, released, on):
    first, again, brother, stranger = (
        on(day)["estimated_juror_id"]
        for day in ("2019-03-05", "2023-06-11", "2019-03-06", "2022-10-19")
    )
    assert again == first
    assert len({first, brother, stranger}) == 3
    found = len({row["estimated_juror_id"] for row in released})
    people = PEOPLE + PEOPLE_BY_HAND
    assert 0.98 * people < found < 1.1 * people
    assert "datafirst linkage train jury" in walked[1]["untrained"]


def test_ages_and_codes_come_from_the_contract_and_the_code_list(on):
    assert on("2019-03-05")["age_at_summons"] == 48
    placeholder = on("2022-10-20")
    assert placeholder["age_at_summons"] is None
    assert (placeholder["outcome_desc"], placeholder["has_served"]) == ("Served", True)


def test_no_name_leaves_the_secure_zone(walked):
    home = walked[0]
    files = [
        file
        for folder in ("warehouse", "releases", "audit")
        for file in sorted((home / folder).rglob("*.parquet"))
    ]
    assert len(files) > 5
    # A number of its own: six digits within a pseudonym are chance.
    number = "(^|[^0-9A-F])9000[0-9]{2}([^0-9A-F]|$)"
    told = f"regexp_matches(upper(found::varchar), 'HERSTONEHAUGH|QUILLINAN|{number}')"
    for file in files:
        held = duckdb.sql(
            f"select count(*) from read_parquet('{file}', hive_partitioning = false) as found "
            f"where {told}"
        ).fetchall()
        assert held == [(0,)], file


def test_the_platform_finds_nothing_lacking_about_it(walked):
    gaps = walked[1]["gaps"]
    assert set(gaps) == {
        "extracts/juror_summonses",
        "extracts/juror_receipt",
        "linkage/jury_edges",
        "linkage/jury_people",
        "linkage/jury_counts",
        "linkage/jury_quality",
        "restricted/jury_crosswalk",
        "marts/jury_summonses",
    }
    assert [(table, gap) for table, found in gaps.items() for gap in found] == []
