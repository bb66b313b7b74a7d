"""How suites are read: strictly, with a message that names the file and the field."""

import dataclasses
import re

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from datafirst_platform.editions import EDITIONS
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey
from datafirst_platform.quality.derived import derive
from datafirst_platform.quality.rules import KINDS
from datafirst_platform.quality.suites import SuiteError, load_suite, suite_file
from tests.quality.conftest import SUITE_KEYS

KEY = TableKey.of("extracts", "made_up")
"""A table nothing is derived for."""
CASES = TableKey.of("extracts", "libra_cases")
COUNTS = TableKey.of("linkage", "magistrates_counts")
RULE = {
    "id": "filled",
    "type": "expect_column_values_to_not_be_null",
    "kwargs": {"column": "a"},
    "severity": "critical",
    "reason": "it is the key",
}
SUITE = {
    "table": "extracts/made_up",
    "description": "made up",
    "columns": ["a", "b"],
    "with": {"cases": "extracts/libra_cases"},
    "expectations": [RULE],
}


def write(folder, content, key=KEY):
    file = suite_file(key, folder)
    file.parent.mkdir(exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def refused(folder, content):
    """The message with which a suite is refused; it must name the file."""
    file = write(folder, content)
    with pytest.raises(SuiteError) as error:
        load_suite(KEY, "2025", folder)
    assert str(file) in str(error.value)
    return str(error.value).removeprefix(str(file))


def with_rule(**changed):
    return {**SUITE, "expectations": [{**RULE, **changed}]}


def test_a_suite_is_read_as_written(tmp_path):
    write(tmp_path, SUITE)
    suite = load_suite(KEY, "2025", tmp_path)

    closed, filled = suite.rules
    assert suite.columns == ("a", "b")
    assert closed.kwargs == {"column_list": ["a", "b"]}
    assert (filled.id, filled.kwargs, filled.severity) == ("filled", {"column": "a"}, "critical")
    assert [str(each.key) for each in suite.companions] == ["extracts/libra_cases"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (with_rule(type="expect_column_value_to_be_nice"), "expectation filled, type"),
        (with_rule(type=None), "expectation filled, type"),
        (with_rule(id=None), "expectation 1, id"),
        (with_rule(id="Filled!"), "expectation 1, id"),
        (with_rule(reason=" "), "expectation filled, reason"),
        (with_rule(severity="fatal"), "expectation filled, severity"),
        (with_rule(kwargs={"column": "c"}), "no column 'c'"),
        (with_rule(kwargs={}), "column missing"),
        (with_rule(kwargs={"column": "a", "mostli": 0.9}), "unknown field mostli"),
        (with_rule(kwargs={"column": "a", "mostly": 0}), "kwargs.mostly"),
        (with_rule(kwargs={"column": "a", "mostly": "most"}), "kwargs.mostly"),
        (with_rule(kwargs={"column": {"edition": "weather"}}), "{edition: cut_off or key}"),
        (with_rule(because="x"), "unknown field because"),
        (
            with_rule(
                type="unexpected_rows_expectation", kwargs={"unexpected_rows_query": "select 1"}
            ),
            "read from {batch}",
        ),
        ({**SUITE, "expectations": [RULE, RULE]}, "expectation filled, id: used twice"),
        ({**SUITE, "expectations": ["filled"]}, "expectation 1"),
        ({**SUITE, "expectations": {"filled": RULE}}, "expectations: must be a list"),
        ({**SUITE, "table": "marts/other"}, "table: must be extracts/made_up"),
        ({**SUITE, "description": ""}, "description"),
        ({**SUITE, "columns": ["a", "a"]}, "columns"),
        ({key: value for key, value in SUITE.items() if key != "columns"}, "columns"),
        ({**SUITE, "colums": []}, "unknown field colums"),
        ({**SUITE, "with": {"batch": "extracts/libra_cases"}}, "with.batch"),
        ({**SUITE, "with": {"x": "nowhere/libra_cases"}}, "with.x"),
        ({**SUITE, "with": {"x": "identities/libra_cases"}}, "may hold identifiers"),
        ({**SUITE, "with": {"x": "quarantine/libra_cases"}}, "may hold identifiers"),
        ({**SUITE, "with": {"x": {"table": "marts/y", "edition": "2019"}}}, "with.x"),
        ("table: [", "not YAML"),
        ("table: a\ntable: b\n", "twice"),
        ("- 1\n", "one mapping"),
    ],
)
def test_what_is_wrong_is_refused_and_named(tmp_path, content, named):
    assert named in refused(tmp_path, content)


def test_a_table_with_nothing_derived_and_nothing_written_is_an_error(tmp_path):
    with pytest.raises(SuiteError, match=re.escape(str(tmp_path / "extracts" / "made_up.yaml"))):
        load_suite(KEY, "2025", tmp_path)


def test_a_suite_that_is_wholly_derived_needs_no_file(tmp_path):
    suite = load_suite(COUNTS, "2025", tmp_path)
    derived = derive(COUNTS)
    assert suite.rules == derived.rules
    assert suite.columns == ("measure", "level", "value")
    assert suite.description == derived.description
    assert all(len(rule.reason) > 10 for rule in suite.rules)


def test_what_is_written_is_added_or_stands_in_the_place_of_what_is_derived(tmp_path):
    weaker = {**RULE, "id": "value.not_null", "kwargs": {"column": "value", "mostly": 0.5}}
    more = {**RULE, "id": "level_filled", "kwargs": {"column": "level"}}
    write(tmp_path, {"table": str(COUNTS), "expectations": [more, weaker]}, COUNTS)
    derived = [rule.id for rule in derive(COUNTS).rules]

    suite = load_suite(COUNTS, "2025", tmp_path)
    assert [rule.id for rule in suite.rules] == [*derived, "level_filled"]
    (replaced,) = (rule for rule in suite.rules if rule.id == "value.not_null")
    assert replaced.kwargs == {"column": "value", "mostly": 0.5}


def test_columns_that_are_derived_need_not_be_written_and_may_not_differ(tmp_path):
    stated = [each.name for each in contracts()["libra_cases"].content_schema]
    write(tmp_path, {"table": str(CASES), "columns": stated}, CASES)
    assert load_suite(CASES, "2025", tmp_path).columns == tuple(stated)
    write(tmp_path, {"table": str(CASES), "columns": stated[1:]}, CASES)
    with pytest.raises(SuiteError, match="the contract of libra_cases states others"):
        load_suite(CASES, "2025", tmp_path)


def test_a_view_of_derived_rules_may_be_written_again_and_may_not_be_another_table(tmp_path):
    def with_previous(table):
        other = {"previous": {"table": table, "edition": "previous"}}
        write(tmp_path, {"table": str(CASES), "with": other}, CASES)
        return load_suite(CASES, "2025", tmp_path)

    assert [each.view for each in with_previous("extracts/libra_cases").companions] == ["previous"]
    with pytest.raises(SuiteError, match="derived rules see extracts/libra_cases"):
        with_previous("extracts/libra_offences")


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.dates(),
    st.just([]),
    st.just({}),
)
_PLACES = [
    ("table",),
    ("description",),
    ("columns",),
    ("columns", 0),
    ("with",),
    ("with", "cases"),
    ("expectations",),
    ("expectations", 0),
    *(("expectations", 0, name) for name in RULE),
    ("expectations", 0, "kwargs", "column"),
    ("expectations", 0, "kwargs", "mostly"),
]


@checked(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(_PLACES), value=_LEAVES)
def test_any_other_value_anywhere_is_read_or_refused_and_never_crashes(tmp_path, place, value):
    content = yaml.safe_load(yaml.safe_dump(SUITE))
    at = content
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    file = write(tmp_path, content)
    refusal = None
    try:
        suite = load_suite(KEY, "2025", tmp_path)
    except SuiteError as error:
        refusal = str(error)
    if refusal is None:
        assert len({rule.id for rule in suite.rules}) == len(suite.rules)
    else:
        assert str(file) in refusal


def test_a_value_may_be_the_editions_own(tmp_path):
    write(
        tmp_path,
        with_rule(
            type="expect_column_values_to_be_between",
            kwargs={"column": "a", "max_value": {"edition": "cut_off"}},
        ),
    )
    for edition in EDITIONS:
        rule = load_suite(KEY, edition.key, tmp_path).rules[-1]
        assert rule.kwargs["max_value"] == edition.cut_off.isoformat()


def test_the_digest_follows_the_rules_and_not_their_wording(tmp_path):
    def digest(content):
        write(tmp_path, content)
        return load_suite(KEY, "2025", tmp_path).digest

    as_written = digest(SUITE)
    assert digest({**SUITE, "description": "said otherwise"}) == as_written
    assert digest(with_rule(reason="said otherwise")) == as_written
    for changed in (
        with_rule(id="filled_2"),
        with_rule(severity="warning"),
        with_rule(kwargs={"column": "b"}),
        with_rule(kwargs={"column": "a", "mostly": 0.9}),
        {**SUITE, "columns": ["b", "a"]},
        {**SUITE, "with": {"cases": "extracts/libra_offences"}},
        {**SUITE, "expectations": []},
    ):
        assert digest(changed) != as_written


@pytest.mark.parametrize("edition", [each.key for each in EDITIONS])
def test_every_suite_can_be_read_for_every_edition(edition):
    for key in SUITE_KEYS:
        suite = load_suite(key, edition)
        assert any(rule.severity == "critical" for rule in suite.rules), key
        assert len({rule.id for rule in suite.rules}) == len(suite.rules), key


@pytest.mark.parametrize("table", sorted(contracts()))
def test_what_a_contract_says_of_a_column_is_held(table):
    contract = contracts()[table]
    rules = {rule.id: rule for rule in load_suite(TableKey.of("extracts", table), "2025").rules}

    assert rules["columns"].kwargs["column_list"] == [c.name for c in contract.content_schema]
    assert {"record_key.unique", "record_key.not_null", "record_key.pseudonym"} <= set(rules)
    for column in contract.content_schema:
        assert rules[f"{column.name}.type"].kwargs["type_"] == column.type.partition("(")[0]
    for column in contract.columns:
        if column.content_name is None:
            assert not any(column.name in rule.columns for rule in rules.values())
            continue
        assert (f"{column.content_name}.not_null" in rules) == column.required
        closed = column.codes is not None and not column.codes_open
        assert (f"{column.content_name}.codes" in rules) == closed
    if contract.parent:
        assert f"{contract.parent}_key.exists" in rules


def test_a_field_of_several_entries_is_held_entry_by_entry():
    suite = load_suite(TableKey.of("extracts", "familyman_events"), "2025")
    rules = {rule.id: rule for rule in suite.rules}
    one, other = "0123456789abcdef" * 2, "f" * 32
    for rule, good, bad in (
        ("application_types.codes", ("CAO", "CAO,PSO"), ("XXX", "CAO,XXX", "CAO,", "")),
        ("child_roles_key.pseudonym", (one, f"{one},{other}"), (f"{one},7", f"{one}{other}", "")),
    ):
        form = re.compile(rules[rule].kwargs["regex"])
        assert all(form.match(each) for each in good), rule
        assert not any(form.match(each) for each in bad), rule


def test_no_identifier_is_a_column_of_anything_behind_the_door():
    columns = [column for contract in contracts().values() for column in contract.columns]
    hidden = {
        column.name
        for column in columns
        if column.classification in ("direct_identifier", "linkage_key")
    }
    # A key of one source may be called as an attribute of another: FamilyMan's number of a role.
    identifiers = hidden - {column.name for column in columns if column.content_name == column.name}
    assert {"surname", "date_of_birth", "pnc_id", "postcode"} <= identifiers
    for key in SUITE_KEYS:
        assert not identifiers & set(load_suite(key, "2025").columns), key


def test_every_type_a_suite_may_use_is_known_to_great_expectations_with_its_arguments():
    from datafirst_platform.quality.validation import _toolkit

    _toolkit()
    from great_expectations.expectations.registry import get_expectation_impl

    for name, kind in KINDS.items():
        known = set(get_expectation_impl(name).__fields__)
        assert kind.required | kind.optional <= known, name


def test_rules_are_equal_only_if_all_of_them_is():
    suite = load_suite(CASES, "2025")
    assert dataclasses.replace(suite, rules=suite.rules[:-1]).digest != suite.digest
