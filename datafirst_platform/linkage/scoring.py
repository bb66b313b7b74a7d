"""Standard records, candidate pairs and their match weights.

What belongs here: what linking and training share: collapsing equal records, blocking, and Splink.
What does not: clusters, published tables, settings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform.engine import text
from datafirst_platform.linkage.models import BlockingRule, LinkageModel, TrainedModel, splink_settings
from datafirst_platform.linkage.standardise import FIELDS, KEY_PARTS, standard_query
from datafirst_platform.safe_errors import PlatformError, values_withheld


def load_records(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[tuple[str, Path]]
) -> None:
    """Make `records` (record_key, id, tuple) and `tuples` (id, member, `FIELDS`).

    Records with the same identifiers are one tuple, compared once; its number is that of its first
    record. Only what identifies collapses: a police identifier, or names, date of birth and
    postcode. Name and date of birth alone would merge strangers, ever more as the data grow.
    Ids follow the order of the record keys within a member, and members follow each other.

    Args:
        connection: with `define_macros`.
        sources: contract and file of each member.
    """
    joined = " || '|' || ".join(f"coalesce({field}::varchar, '')" for field in FIELDS)
    connection.execute("create or replace temp table standard (member utinyint, id integer, "
        "record_key varchar, " + ", ".join(f"{f} {k}" for f, k in FIELDS.items()) + ")")
    first = 0
    for member, (table, file) in enumerate(sources):
        connection.execute(
            f"insert into standard by name select {member} as member, "
            f"row_number() over (order by record_key) + {first - 1} as id, * "
            f"from ({standard_query(table, file)})"
        )
        first = connection.execute("select coalesce(max(id) + 1, 0) from standard").fetchall()[0][0]
    connection.execute(
        f"""create or replace temp table records as
        select member, record_key, id,
            case when identified then min(id) over (partition by member, content, identified)
            else id end as tuple
        from (
            select member, record_key, id, hash({joined}) as content,
                pnc is not null or cro is not null or (forename1 is not null and surname is not null
                    and dob is not null and postcode is not null) as identified
            from standard)"""
    )
    connection.execute(
        f"""create or replace temp table tuples as select id, member, {", ".join(FIELDS)}
        from standard semi join records on records.tuple = standard.id"""
    )
    connection.execute("drop table standard")
