"""Decisions of people above weights: the signed file, and what the linkage makes of it."""

import csv
import io

import pytest
from click.testing import CliRunner
from made_courts import records as made_records
from made_identities import pnc

from datafirst_platform import tables
from datafirst_platform.cli import main
from datafirst_platform.engine import connect, parquet
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.overrides import COLUMNS, overrides_of, sign, unknown
from datafirst_platform.safe_errors import PlatformError

EDITION = "2025"
KEY = "0123456789abcdef" * 2
OTHER = KEY[::-1]


@pytest.fixture
def write(tmp_path):
    """Write a file of decisions."""

    def written(*rows, columns=COLUMNS):
        held = io.StringIO()
        csv.writer(held).writerows([columns, *rows])
        path = tmp_path / "decisions.csv"
        path.write_text(held.getvalue())
        return path

    return written


@pytest.fixture
def keys(courts):
    """Record keys by the number of the case."""
    with connect(courts) as connection:
        define_record_pseudonym(connection, scope_key(courts, "records"))
        query = "select pseudonym('libra_cases|' || ? || '|d')"
        return {
            each["case"]: connection.execute(query, [each["case"]]).fetchall()[0][0]
            for each in made_records()
        }


def people(settings):
    """Record key to person, at the middle threshold."""
    path = tables.require(settings, TableKey.of("linkage", "magistrates_people"), EDITION).path
    with connect(settings) as connection:
        return dict(
            connection.execute(f"select record_key, person_medium from {parquet(path)}").fetchall()
        )


def decision(kind, one, other, reason="one man", by="A clerk"):
    return (kind, one, other, reason, by)


def test_decisions_stand_above_weights(courts, keys, write):
    # People 1 and 2 are strangers; person 1 has three records, person 2 has four.
    before = people(courts)
    assert before[keys["0010"]] == before[keys["0011"]] == before[keys["0012"]]
    assert before[keys["0010"]] != before[keys["0020"]]
    sign(
        courts,
        "magistrates",
        write(
            decision("always", keys["0010"], keys["0020"]),
            decision("never", keys["0010"], keys["0011"]),
        ),
    )

    link_dataset(courts, EDITION, "magistrates")

    after = people(courts)
    assert after[keys["0010"]] == after[keys["0020"]]
    assert after[keys["0010"]] != after[keys["0011"]]
    alike = [case for case in keys if case[:3] not in ("001", "002")]
    assert [after[keys[case]] for case in alike] == [before[keys[case]] for case in alike]


def test_without_decisions_nothing_is_linked_again(courts, write):
    first = link_dataset(courts, EDITION, "magistrates").tables["people"]
    sign(courts, "magistrates", write())
    second = link_dataset(courts, EDITION, "magistrates").tables["people"]
    assert first.version == second.version
    assert "overrides/magistrates" in second.inputs


def test_what_nobody_can_tell_apart_cannot_be_held_apart(courts, keys, write):
    held = [decision("always", keys["0010"], keys["0020"])]
    # By way of a third record two decisions contradict, and the file says so itself.
    held += [decision("always", keys["0020"], keys["0011"])]
    held += [decision("never", keys["0010"], keys["0011"])]
    with pytest.raises(PlatformError, match="row 4: never one, but other rows make them always"):
        sign(courts, "magistrates", write(*held))


def test_what_is_one_by_its_identifiers_cannot_be_decided_apart(
    settings, publish_identities, write
):
    man = {"defendant_type": "P", "last_name": "ZYXQUORWEN", "pnc_id": pnc(2004, 55)}
    sign(settings, "magistrates", write(decision("never", f"{0:032x}", f"{1:032x}")))
    publish_identities("libra_cases", [man, man])
    with pytest.raises(PlatformError, match="1 decisions on magistrates hold apart what is one"):
        link_dataset(settings, EDITION, "magistrates")


def test_a_file_altered_after_it_was_signed_stops_the_linkage(courts, keys, write):
    sign(courts, "magistrates", write(decision("always", keys["0010"], keys["0020"])))
    path = courts.secure / "overrides" / "magistrates.csv"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text().replace("always", "never"))

    with pytest.raises(PlatformError, match="is not the file that was signed"):
        link_dataset(courts, EDITION, "magistrates")
    path.with_suffix(".json").unlink()
    with pytest.raises(PlatformError, match="is not the file that was signed"):
        overrides_of(courts, "magistrates")


def test_a_file_signed_for_one_linkage_is_not_signed_for_another(courts, write):
    sign(courts, "magistrates", write(decision("always", KEY, OTHER)))
    folder = courts.secure / "overrides"
    for suffix in (".csv", ".json"):
        (folder / f"crown{suffix}").write_bytes((folder / f"magistrates{suffix}").read_bytes())
    with pytest.raises(PlatformError, match=r"crown\.csv is not the file that was signed"):
        overrides_of(courts, "crown")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([decision("perhaps", KEY, OTHER)], "row 2, decision: it is neither always nor never"),
        ([decision("never", "JXQTHORN", OTHER)], "row 2: a record key has 32 hexadecimal"),
        ([decision("never", KEY, KEY)], "row 2: both keys are the same"),
        ([decision("never", KEY, OTHER, reason=" ")], "row 2: it lacks a reason, or who decided"),
        ([decision("never", KEY, OTHER, by=" ")], "row 2: it lacks a reason, or who decided"),
        (
            [decision("never", KEY, OTHER), decision("always", OTHER, KEY)],
            "row 3: these two are decided on in row 2 already",
        ),
        ([("never", KEY)], "row 2 has 2 cells instead of 5"),
    ],
)
def test_a_faulty_file_is_refused_whole_without_a_value(settings, write, rows, said):
    with pytest.raises(PlatformError, match=said) as refused:
        sign(settings, "magistrates", write(*rows))
    assert "JXQTHORN" not in str(refused.value)
    assert not overrides_of(settings, "magistrates").digest


def test_a_file_that_is_not_utf_8_says_so(settings, tmp_path):
    file = tmp_path / "decisions.csv"
    file.write_bytes("Åsa".encode("latin-1"))
    with pytest.raises(PlatformError, match=r"decisions\.csv is not UTF-8"):
        sign(settings, "magistrates", file)


def test_other_columns_and_other_linkages_are_refused(settings, write):
    with pytest.raises(PlatformError, match="its columns have to be decision, record_key"):
        sign(settings, "magistrates", write(columns=("a", "b")))
    with pytest.raises(PlatformError, match="mags_crown_cases links no people by weight"):
        sign(settings, "mags_crown_cases", write())


def test_a_decision_on_a_record_there_is_not_is_told_by_its_line(courts, write, keys):
    link_dataset(courts, EDITION, "magistrates")
    one, other, *_ = keys.values()
    rows = [decision("never", *each) for each in ((one, other), (one, KEY), (OTHER, other))]
    signed = sign(courts, "magistrates", write(*rows))
    assert unknown(courts, "magistrates", signed) == (3, 4)


def test_the_command_line_signs_and_shows(settings, write, monkeypatch):
    monkeypatch.setenv("DATAFIRST_HOME", str(settings.home))
    monkeypatch.setenv("DATAFIRST_KEYS", str(settings.keys))
    runner = CliRunner()
    shown = runner.invoke(main, ["linkage", "override", "show", "magistrates"])
    assert shown.output == "magistrates: no decisions.\n"
    file = write(decision("never", KEY, OTHER))
    done = runner.invoke(main, ["linkage", "override", "sign", "magistrates", str(file)])
    assert done.exit_code == 0, done.output
    assert "0 always one, 1 never" in done.output
    assert "named in 1 of the decisions (line 2)" in done.output
    assert KEY not in done.output
    shown = runner.invoke(main, ["linkage", "override", "show", "magistrates"])
    assert "as signed" in shown.output
