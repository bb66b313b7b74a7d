"""Every research question is answered by variables that are released, or has a reason why not.

The queries in `docs/research_questions.md` are run on empty tables with the released columns.
"""

import re
from collections import Counter

import duckdb
import pytest

from datafirst_platform.engine import name
from datafirst_platform.marts.project import INSIGHTS, modelled_tables, release_specs
from datafirst_platform.settings import PROJECT_ROOT

TEXT = (PROJECT_ROOT / "docs/research_questions.md").read_text()
VERDICTS = ("Answered", "Answered in part", "Not answered")
QUESTIONS = {
    found["label"]: found["body"]
    for found in re.finditer(
        r"^### (?P<label>[SABCDR]\d+)\. (?P<body>.+?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
}
QUERIES = {
    label: query
    for label, body in QUESTIONS.items()
    for query in re.findall(r"^```sql\n(.+?)^```", body, re.MULTILINE | re.DOTALL)
}
RELEASED = {table.name: table for spec in release_specs() for table in spec.tables}
NAMED = {
    (table, column)
    for table, column in re.findall(r"`([a-z0-9_]+)\.([a-z0-9_]+)`", TEXT)
    if column not in ("py", "sql", "yaml", "md")
}


def verdict(body):
    (told,) = re.findall(rf"^\*\*({'|'.join(VERDICTS)})\.\*\* ", body, re.MULTILINE)
    return told


@pytest.fixture(scope="module")
def released():
    """An engine with every released table, empty."""
    with duckdb.connect() as connection:
        for table in RELEASED.values():
            columns = ", ".join(f"{name(each.name)} {each.data_type}" for each in table.columns)
            connection.execute(f"create table {table.name} ({columns})")
        yield connection


def test_the_first_lines_say_how_many_are_answered():
    counted = Counter(verdict(body) for body in QUESTIONS.values())
    told = re.search(
        r"^(\d+) questions .+?: (\d+) are answered, (\d+) in\s+part, (\d+) not\.",
        TEXT,
        re.MULTILINE | re.DOTALL,
    )
    assert told
    assert [int(each) for each in told.groups()] == [
        len(QUESTIONS),
        *(counted[each] for each in VERDICTS),
    ]
    assert len(QUESTIONS) == TEXT.count("\n### ")


@pytest.mark.parametrize("label", QUESTIONS)
def test_what_is_answered_names_variables_and_a_query(label):
    body = QUESTIONS[label]
    if verdict(body) == "Not answered":
        assert label not in QUERIES
        assert len(body.split("\n\n", 1)[1].strip()) > 60, "a reason"
    else:
        assert label in QUERIES
        assert re.search(r"`[a-z0-9_]+\.[a-z0-9_]+`", body)


def test_every_variable_named_is_released():
    assert NAMED
    unknown = [
        f"{table}.{column}"
        for table, column in sorted(NAMED)
        if table not in RELEASED or column not in {each.name for each in RELEASED[table].columns}
    ]
    assert unknown == []


@pytest.mark.parametrize("label", QUERIES)
def test_every_query_runs_on_the_released_columns(released, label):
    found = released.execute(QUERIES[label])
    assert len(found.description) >= 2
    found.fetchall()


def test_every_insight_is_of_use_to_a_question():
    insights = {table.name for table in modelled_tables() if table.stage == INSIGHTS}
    assert {each for each in insights if f"`{each}`" not in TEXT} == set()
