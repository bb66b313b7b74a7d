"""Pairs put beside each other here weigh what Splink gives them when it joins them itself."""

import pytest
from made_identities import EDITION

from datafirst_platform.engine import connect
from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.linking import prepare
from datafirst_platform.linkage.models import (
    LEVELS,
    datasets,
    linkage_model,
    splink_settings,
    trained_model,
)
from datafirst_platform.linkage.scoring import score, splink_linker
from datafirst_platform.linkage.standardise import BESIDE_FIELDS, CLEANED, derive_query

LEAST = -30.0


TEXTS = ("SMITH", "SMYTH", "SMITH JONES", "ANNE", "A", "B11AA", "B12BB", "C11AA")


def _value(column, kind):
    """SQL of a made-up value of a row, by its id; a seventh of them not known."""
    drawn = f"(hash(id * 31 + {sum(map(ord, column))}) % 2310)::integer"
    listed = ", ".join(f"'{each}'" for each in TEXTS)
    value = {
        "VARCHAR": f"[{listed}][{drawn} % {len(TEXTS)} + 1]",
        "DATE": f"date '1980-01-01' + ({drawn} % 3 * 31)::integer",
        "BIGINT": f"({drawn} % 4)::bigint",
        "UBIGINT[]": f"[{drawn} % 3, {drawn} % 5 + 10]::ubigint[]",
    }[kind]
    return f"case when {drawn} % 7 > 0 then {value} end as {column}"


@pytest.mark.parametrize("dataset", [each for each in datasets() if linkage_model(each).is_trained])
def test_weights_are_those_of_splink(engine, dataset):
    model = linkage_model(dataset)
    columns = dict(CLEANED) | dict.fromkeys(BESIDE_FIELDS, "UBIGINT[]")
    if model.kind == "cases":
        columns = dict.fromkeys(("dob", "left_on", "first_hearing_date"), "DATE")
        columns |= dict.fromkeys(("surname", "initial", "urn", "asn"), "VARCHAR")
        columns |= {f"person_{level}": "VARCHAR" for level in LEVELS}
    listed = ", ".join(_value(column, kind) for column, kind in columns.items())
    rows = f"select id::integer as id, {listed} from (select range * 3 as id from range(90))"
    rows = rows if model.kind == "cases" else derive_query(rows)
    engine.execute(f"create or replace temp table tuples as {rows}")
    engine.execute(
        """create or replace temp table pairs as
        select 0::utinyint as match_key, l.id as join_key_l, r.id as join_key_r
        from tuples as l inner join tuples as r on l.id < r.id"""
    )
    settings = splink_settings(trained_model(model).comparisons, 0.001)
    score(engine, settings, LEAST)
    ours = engine.execute("select l, r, match_weight from edges order by all").fetchall()
    with splink_linker(engine, "tuples", settings) as (linker, api):
        linker.table_management.register_blocked_pairs_for_predict(api.register("pairs"))
        found = linker.inference.predict(threshold_match_weight=LEAST).physical_name
        theirs = engine.execute(
            f"select id_l, id_r, match_weight::decimal(6, 2) from {found} order by all"
        ).fetchall()
    assert len(theirs) > 1000
    assert ours == theirs


def _scored(connection, settings, model, weights):
    sizes = prepare(settings, connection, EDITION, model)
    block(connection, model.blocking, len(sizes))
    score(connection, weights, LEAST)
    return connection.execute("select l, r, match_weight from edges order by all").fetchall()


def test_pairs_may_come_in_any_number_of_pieces(courts, monkeypatch):
    model = linkage_model("magistrates")
    trained = trained_model(model)
    weights = splink_settings(trained.comparisons, 0.001)
    found = []
    for at_once in (7, 1 << 21):
        monkeypatch.setattr("datafirst_platform.linkage.scoring._PAIRS_AT_ONCE", at_once)
        with connect(courts) as connection:
            found.append(_scored(connection, courts, model, weights))
    assert found[0] == found[1]


def test_how_common_a_value_is_may_be_told_from_outside(courts):
    """A name that the edition before knew to be common weighs less."""
    model = linkage_model("magistrates")
    weights = splink_settings(trained_model(model).comparisons, 0.001)
    with connect(courts) as connection:
        sizes = prepare(courts, connection, EDITION, model)
        block(connection, model.blocking, len(sizes))
        (pair,) = connection.execute(
            """select join_key_l, join_key_r from pairs
            inner join tuples as l on l.id = join_key_l inner join tuples as r on r.id = join_key_r
            where l.surname = r.surname order by all limit 1"""
        ).fetchall()
        weighed = []
        for share in (0.5, 0.001):
            connection.execute(
                f"""create or replace temp table common as
                select distinct surname, {share}::double as tf_surname from tuples
                where surname is not null"""
            )
            score(connection, weights, -100.0, {"surname": "common"})
            weighed.append(
                connection.execute(
                    "select match_weight from edges where l = ? and r = ?", list(pair)
                ).fetchall()[0][0]
            )
    assert float(weighed[1] - weighed[0]) == pytest.approx(8.97, abs=0.02)


def test_fields_may_be_read_in_any_order(engine):
    """Who stands beside whom is joined to the tuples; of two threads rows come as they come."""
    columns = dict(CLEANED) | dict.fromkeys(BESIDE_FIELDS, "UBIGINT[]")
    listed = ", ".join(_value(column, kind) for column, kind in columns.items())
    rows = f"select id::integer as id, {listed} from (select range as id from range(700000))"
    engine.execute(f"create or replace temp table tuples as {derive_query(rows)}")
    engine.execute(
        """create or replace temp table pairs as
        select 0::utinyint as match_key, id as join_key_l, id + 350000 as join_key_r
        from tuples where id % 97 = 0 and id < 350000"""
    )
    settings = splink_settings(trained_model(linkage_model("family")).comparisons, 0.001)
    found = []
    for in_order in ("true", "false", "false"):
        engine.execute(f"set preserve_insertion_order = {in_order}")
        engine.execute("set threads = 4")
        score(engine, settings, LEAST)
        found.append(engine.execute("select l, r, match_weight from edges order by all").fetchall())
    assert len(found[0]) > 1000
    assert found[0] == found[1] == found[2]
