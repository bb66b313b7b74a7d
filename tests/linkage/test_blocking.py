"""Candidate pairs: each once, and never more than records account for."""

import pytest
from made_identities import EDITION

from datafirst_platform import tables
from datafirst_platform.linkage.blocking import block
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.models import BlockingRule, linkage_model
from datafirst_platform.linkage.publishing import table_key
from datafirst_platform.linkage.scoring import most_pairs
from datafirst_platform.safe_errors import PlatformError

SURNAME = BlockingRule("surname", ("surname",), 100, "")
FORENAME = BlockingRule("forename", ("forename1",), 100, "")


@pytest.fixture
def crowd(engine):
    """Ten of one surname, of whom four share a forename; two sets of identifiers are one node."""
    engine.execute(
        """create or replace temp table tuples as
        select (10 - range)::integer as id, 0::utinyint as member, 'A' as surname,
            case when range < 4 then 'B' else range::varchar end as forename1
        from range(10)"""
    )
    engine.execute(
        "create or replace temp table nodes as select 10::integer as id, 9::integer as node"
    )
    return engine


def test_a_pair_is_of_the_rule_that_finds_it_first(crowd):
    by_rule, unreached = block(crowd, [FORENAME, SURNAME], 1)
    assert by_rule == {"forename": 5, "surname": 39}
    assert unreached == 0
    pairs = crowd.execute("select join_key_l, join_key_r from pairs order by all").fetchall()
    every = [(one, other) for one in range(1, 11) for other in range(one + 1, 11)]
    assert pairs == [pair for pair in every if pair != (9, 10)]


@pytest.mark.parametrize(
    ("rules", "most", "named"),
    [
        ([FORENAME, SURNAME], 44, "Blocking rule surname: 45 pairs of 10 sets"),
        ([FORENAME], 5, "Blocking rule forename: 6 pairs"),
        ([FORENAME, SURNAME], 45, None),
    ],
)
def test_more_pairs_than_may_be_stop_it(crowd, rules, most, named):
    if named is None:
        block(crowd, rules, 1, most)
        return
    with pytest.raises(PlatformError, match=named):
        block(crowd, rules, 1, most)


def test_how_many_pairs_there_may_be():
    model = linkage_model("magistrates")
    assert most_pairs(model, 1_000, None) == 1_000_000
    assert most_pairs(model, 1_000_000, None) == 20_000_000
    assert most_pairs(model, 1_000_000, 1.5) == 4_500_000
    assert most_pairs(model, 1_000_000, 15) == 20_000_000


def test_a_linkage_whose_pairs_jump_publishes_nothing(settings, publish_identities, monkeypatch):
    monkeypatch.setattr("datafirst_platform.linkage.scoring._FEW_PAIRS", 100)
    publish_identities(
        "libra_cases",
        [
            {"first_name": "ZEBEDEE", "last_name": "QUILLFEATHER", "pnc_id": f"200{number}"}
            | {"defendant_type": "P", "postcode": "TR11 3AB"}
            for number in range(60)
        ],
    )
    with pytest.raises(PlatformError, match="names_postcode: 1770 pairs of 60 sets") as stopped:
        link_dataset(settings, EDITION, "magistrates")
    assert "QUILLFEATHER" not in str(stopped.value)
    assert tables.current(settings, table_key("magistrates", "people"), EDITION) is None
