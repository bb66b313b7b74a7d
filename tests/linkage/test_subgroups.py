"""Quality by group of people: figures worked out by hand, and what is not shown."""

import json
from datetime import date

import pytest
from click.testing import CliRunner
from made_identities import EDITION

from datafirst_platform import tables
from datafirst_platform.cli import main
from datafirst_platform.engine import connect
from datafirst_platform.identity import TableKey
from datafirst_platform.linkage.evaluation import evaluate
from datafirst_platform.linkage.models import LEVELS

MEN, WOMEN, BOYS = 12, 10, 9
ETHNICITIES = ("W1", "W9", "UN")


@pytest.fixture
def crowd(settings, label, publish_identities, key_of):
    """Men, women and a few boys, each on two cases: men found, women not, boys taken for one."""
    people = [
        *({"sex": "M", "date_of_birth": date(1971, 5, 4), "postcode": "LS6 2AB"},) * MEN,
        *({"sex": "F", "date_of_birth": date(1988, 5, 4), "postcode": "CF10 3AT"},) * WOMEN,
        *({"sex": "M", "date_of_birth": date(2004, 5, 4)},) * BOYS,
    ]
    cases = [(f"{number}-{time}", number) for number in range(len(people)) for time in (1, 2)]
    keys = {case: key_of("libra_cases", case, "a") for case, _ in cases}
    publish_identities(
        "libra_cases",
        sorted(
            ({"record_key": keys[case], **people[number]} for case, number in cases),
            key=lambda record: record["record_key"],
        ),
    )
    label(
        "libra_cases",
        case_id=[case for case, _ in cases],
        defendant_id=["a"] * len(cases),
        person_id=[number for _, number in cases],
    )

    def estimated(case, number):
        return "boys" if number >= MEN + WOMEN else keys[case if number >= MEN else f"{number}-1"]

    linked = ", ".join(
        f"('{keys[case]}', '{estimated(case, number)}', '{ETHNICITIES[number % 3]}')"
        for case, number in cases
    )
    told = f"(values {linked}) as told(record_key, person, ethnicity_self_defined)"
    levels = ", ".join(f"person as person_{level}" for level in LEVELS)
    queries = {
        TableKey.of("linkage", "magistrates_people"): f"select record_key, {levels} from {told}",
        TableKey.of("extracts", "libra_cases"): f"select * exclude (person) from {told}",
    }
    with connect(settings) as connection:
        for key, query in queries.items():
            tables.publish(settings, connection, key, EDITION, query, recipe="by hand", inputs={})
    return settings


def figures(quality, group, level="medium"):
    found = quality.at(level, group)
    return found.linked, found.true, found.both


def test_each_group_has_its_own_figures(crowd):
    quality = evaluate(crowd, EDITION, "magistrates")
    # Of the 18 cases of boys each is linked to 17 others, one of them rightly.
    assert figures(quality, "sex: female") == (0, 2 * WOMEN, 0)
    assert figures(quality, "sex: male") == (
        2 * MEN + 18 * 17,
        2 * (MEN + BOYS),
        2 * (MEN + BOYS),
    )
    assert figures(quality, "born: 1970s") == figures(quality, "area: LS") == (24, 24, 24)
    assert quality.at("low", "area: CF").recall == 0
    # A pair has two ends: the groups of one attribute make up the whole.
    for measured in ("linked", "true", "both"):
        by_sex = [
            getattr(quality.at("high", f"sex: {sex}"), measured) for sex in ("male", "female")
        ]
        assert sum(by_sex) == 2 * getattr(quality.at("high"), measured)


def test_a_group_of_fewer_than_ten_people_is_not_shown(crowd):
    shown = {each.scope for each in evaluate(crowd, EDITION, "magistrates").by_group}
    assert shown == {
        *("sex: male", "sex: female", "ethnicity: White", "ethnicity: not recorded"),
        *("born: 1970s", "born: 1980s", "area: LS", "area: CF"),
    }


def test_the_command_shows_aggregates_only(crowd, monkeypatch):
    monkeypatch.setenv("DATAFIRST_HOME", str(crowd.home))
    monkeypatch.setenv("DATAFIRST_KEYS", str(crowd.keys))
    arguments = ["linkage", "quality", "magistrates", EDITION]
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert [each["level"] for each in told["measures"]] == ["high", "medium", "low"]
    women = {each["level"]: each for each in told["by_group"] if each["scope"] == "sex: female"}
    assert women["low"]["recall"] == 0
    shown = CliRunner().invoke(main, arguments).stdout
    assert "sex: female" in shown
    assert "1988" not in shown
    assert "by hand" not in shown


def test_without_labels_the_command_says_so(settings, monkeypatch):
    monkeypatch.setenv("DATAFIRST_HOME", str(settings.home))
    monkeypatch.setenv("DATAFIRST_KEYS", str(settings.keys))
    done = CliRunner().invoke(main, ["linkage", "quality", "crown", EDITION])
    assert done.exit_code == 4
    assert "no reference labels" in done.stderr
