"""Pairs for clerks: drawn into the secure zone, read back, and what can be estimated of them."""

import csv
import stat

import numpy as np
import pytest
from click.testing import CliRunner
from made_identities import EDITION

from datafirst_platform.cli import main
from datafirst_platform.linkage.estimates import (
    Stratum,
    false_match_rate,
    matches_in,
    missed_match_rate,
    share_of_matches,
    wilson,
)
from datafirst_platform.linkage.labels import answers_of, draw, labels_folder, read
from datafirst_platform.linkage.quality import measure
from datafirst_platform.linkage.report import figures
from datafirst_platform.safe_errors import NotReady, PlatformError


def rows_of(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def fill_in(path, answer, where=bool):
    """Answer every pair as a clerk would who knows names by heart."""
    rows = rows_of(path)
    for row in rows:
        row["answer"] = answer(row) if where(row) else row["answer"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def same_birthday(row):
    return "yes" if row["dob_1"] == row["dob_2"] else "no"


@pytest.fixture
def drawn(courts):
    return draw(courts, EDITION, "magistrates", pairs=60)


def test_the_sample_is_for_its_owner_alone(courts, drawn):
    folder = labels_folder(courts, EDITION, "magistrates")
    assert drawn.path.parent == folder
    assert courts.secure in folder.parents
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_clerk_sees_both_people_and_neither_weight_nor_link(drawn):
    rows = rows_of(drawn.path)
    assert len(rows) == drawn.pairs
    assert {row["answer"] for row in rows} == {""}
    assert not [column for column in rows[0] if "weight" in column or "person" in column]
    for row in rows:
        for side in ("1", "2"):
            assert row[f"surname_{side}"] in row[f"as_supplied_{side}"]
            assert "address_line_1: " in row[f"as_supplied_{side}"]
    assert [row["pair"] for row in rows] == sorted(row["pair"] for row in rows)


def test_every_stratum_is_drawn_from_and_what_is_asked_for_comes(drawn):
    assert all(0 < taken <= candidates for _, _, candidates, taken in drawn.strata)
    assert drawn.candidates == sum(candidates for *_, candidates, _ in drawn.strata)
    assert 40 <= drawn.pairs <= 80 < drawn.candidates


def test_the_same_seed_draws_the_same_pairs_and_another_seed_others(courts, drawn):
    before = drawn.path.read_bytes()
    draw(courts, EDITION, "magistrates", pairs=60, replace=True)
    assert drawn.path.read_bytes() == before
    draw(courts, EDITION, "magistrates", pairs=60, seed=2, replace=True)
    assert drawn.path.read_bytes() != before


def test_answers_are_not_drawn_over(courts, drawn):
    with pytest.raises(PlatformError, match=r"has been drawn already.*--replace"):
        draw(courts, EDITION, "magistrates")


def test_answers_are_counted_by_stratum_and_subgroup(courts, drawn):
    fill_in(drawn.path, same_birthday)
    fill_in(drawn.path, lambda _: "unsure", lambda row: row["pair"] < "p2")
    answers = read(courts, EDITION, "magistrates")
    unsure = sum(row["pair"] < "p2" for row in rows_of(drawn.path))
    assert (answers.pairs, answers.unsure) == (drawn.pairs, unsure)
    assert answers.answered == drawn.pairs - unsure
    assert answers == answers_of(courts, EDITION, "magistrates")
    for kind in ("everyone", "sex", "ethnicity_group", "age_band", "area"):
        told = {
            what: sum(row[5] for row in answers.counts if row[0] == what and row[3] == kind)
            for what in ("candidates", "answered", "unsure")
        }
        assert told == {
            "candidates": drawn.candidates,
            "answered": answers.answered,
            "unsure": unsure,
        }


def test_rates_follow_from_answers_about_these_very_links(courts, drawn):
    fill_in(drawn.path, same_birthday)
    read(courts, EDITION, "magistrates")
    measure(courts, EDITION, "magistrates")
    clerks = figures(courts, EDITION, "magistrates")["clerks"]
    assert clerks["answered"] == drawn.pairs
    medium = next(each for each in clerks["estimates"] if each["level"] == "medium")
    rate = medium["false_match_rate"]
    assert rate["low"] == rate["value"] == 0 < rate["high"] < 0.2

    # Answers about other links say nothing of these.
    path = labels_folder(courts, EDITION, "magistrates") / "answers.json"
    links = answers_of(courts, EDITION, "magistrates").links
    path.write_text(path.read_text().replace(links, "f" * 64))
    measure(courts, EDITION, "magistrates")
    assert figures(courts, EDITION, "magistrates")["clerks"] is None


NAME = "WOLSTENHOLME"
FAULTS = {
    "answer": (lambda rows: rows[3].update(answer=NAME), "row 5: `answer` is none of yes, no"),
    "pair": (lambda rows: rows[0].update(pair=NAME), "row 2: `pair` is none of those drawn"),
    "twice": (lambda rows: rows.append(rows[0]), "row {last}: the same `pair` as row 2"),
    "missing": (lambda rows: rows.pop(), "1 of the {pairs} pairs drawn are missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_file_and_row_and_never_by_value(courts, drawn, fault):
    spoil, says = FAULTS[fault]
    fill_in(drawn.path, same_birthday)
    rows = rows_of(drawn.path)
    spoil(rows)
    with drawn.path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(PlatformError) as refused:
        read(courts, EDITION, "magistrates")
    assert str(drawn.path) in str(refused.value)
    assert says.format(last=drawn.pairs + 2, pairs=drawn.pairs) in str(refused.value)
    for value in (NAME, rows[0]["surname_1"], rows[0]["pair"]):
        assert value not in str(refused.value)
    assert answers_of(courts, EDITION, "magistrates") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "row 1: the header"),
        ("pair;answer\n", "row 1: the header"),
        ("pair,answer\np1,yes,yes\n", "row 2: 3 fields, the header has 2"),
        ("pair,answer\n\xff", "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_file_of_another_form_is_refused(courts, drawn, tmp_path, text, says):
    file = tmp_path / "filled.csv"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(PlatformError, match=says):
        read(courts, EDITION, "magistrates", file)


def test_nothing_can_be_read_that_was_not_drawn(courts):
    with pytest.raises(NotReady, match="linkage label draw magistrates 2025"):
        read(courts, EDITION, "magistrates")


def test_the_command_line_draws_and_reads(courts):
    environment = {"DATAFIRST_HOME": str(courts.home), "DATAFIRST_KEYS": str(courts.keys)}
    cli = CliRunner()
    arguments = ["linkage", "label", "draw", "magistrates", EDITION, "--pairs", "40"]
    drawn = cli.invoke(main, arguments, env=environment)
    assert drawn.exit_code == 0, drawn.output
    assert "CANDIDATE PAIRS" in drawn.output
    sample = labels_folder(courts, EDITION, "magistrates") / "sample.csv"
    shown = {value for row in rows_of(sample) for value in row.values() if len(value) > 3}
    assert not [value for value in shown if value in drawn.output]
    fill_in(sample, same_birthday)
    read_back = cli.invoke(
        main, ["linkage", "label", "read", "magistrates", EDITION], env=environment
    )
    assert "pairs decided, 0 unsure" in read_back.output
    report = cli.invoke(main, ["linkage", "report", "magistrates", EDITION], env=environment)
    assert "FALSE MATCHES OF LINKS" in report.output


# Arithmetic.


def test_an_interval_of_one_stratum_is_wilsons():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 15 of 148, and 0 of 20.
    many = 10**12
    assert wilson(15, 148, many).low == pytest.approx(0.0624, abs=1e-4)
    assert wilson(15, 148, many).high == pytest.approx(0.1605, abs=1e-4)
    assert (wilson(0, 20, many).low, wilson(0, 20, many).high) == (
        0,
        pytest.approx(0.1611, abs=1e-4),
    )


def test_who_looks_at_all_pairs_knows():
    told = wilson(3, 12, 12)
    assert (told.low, told.value, told.high) == (0.25, 0.25, 0.25)
    assert wilson(3, 12, 13).high - wilson(3, 12, 13).low < wilson(3, 12, 10**6).high - 0.25


def test_one_stratum_alone_has_its_own_interval():
    own, whole = wilson(4, 30, 500), share_of_matches([Stratum(500, 30, 4)])
    assert (whole.low, whole.high) == (pytest.approx(own.low), pytest.approx(own.high))


def test_strata_count_by_their_size():
    found = share_of_matches([Stratum(900, 10, 10), Stratum(100, 10, 0)])
    assert found.value == pytest.approx(0.9)
    linked = [Stratum(900, 10, 9), Stratum(100, 10, 5)]
    assert false_match_rate(linked).value == pytest.approx(0.14)
    missed = missed_match_rate(linked, [Stratum(10_000, 100, 1)])
    assert missed.value == pytest.approx(100 / (860 + 100))
    assert missed.low < missed.value < missed.high < 1


def test_what_nobody_answered_is_not_known():
    assert matches_in([Stratum(10, 0, 0)]) is None
    assert false_match_rate([]) is None
    assert missed_match_rate([], []) is None
    assumed = share_of_matches([Stratum(50, 50, 0), Stratum(50, 0, 0, otherwise=0.5)])
    assert (assumed.low, assumed.value, assumed.high) == (0, 0.25, 0.5)


def test_intervals_cover_what_is_true_about_nineteen_times_in_twenty():
    generator = np.random.default_rng(20)
    strata = ((5_000, 60, 0.995), (400, 40, 0.9), (30, 20, 0.5))
    others = ((200, 40, 0.3), (2_000, 60, 0.02))
    sizes = [pairs for pairs, *_ in (*strata, *others)]
    held = [round(pairs * share) for pairs, _, share in (*strata, *others)]
    true_false = 1 - sum(held[:3]) / sum(sizes[:3])
    true_missed = sum(held[3:]) / sum(held)
    covered = np.zeros(2)
    for _ in range(400):
        drawn = [
            Stratum(pairs, asked, int(generator.hypergeometric(matches, pairs - matches, asked)))
            for (pairs, asked, _), matches in zip((*strata, *others), held, strict=True)
        ]
        false, missed = false_match_rate(drawn[:3]), missed_match_rate(drawn[:3], drawn[3:])
        covered += [
            false.low <= true_false <= false.high,
            missed.low <= true_missed <= missed.high,
        ]
    # Errors in a large stratum are few and counted whole: 95% can only be come near to.
    assert (covered / 400 >= 0.91).all(), covered / 400
