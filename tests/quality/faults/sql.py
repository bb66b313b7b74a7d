"""Words of faults: a table with some rows or columns other than they are."""

# A text that is no pseudonym and a pseudonym that is nobody's.
STRANGER = "repeat('f', 32)"
# Every row equally often, some six thousand in all: as many as shares are judged from.
MANY = "from {t} as t, (select unnest(range(6000 // count(*) + 1)) as time from {t}) as again"


def everywhere(**columns):
    """Every row with these columns set, often enough for shares to be judged."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return f"select t.* replace ({changed}) {MANY}"


def whole(relation="t", **columns):
    """Every row of a relation with these columns set."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return f"select * replace ({changed}) from {{{relation}}}"


def often(relation):
    """Every row of a relation fifty times."""
    return f"select t.* from {{{relation}}} as t, range(50)"


def one(**columns):
    """One row changed."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return f"(select * replace ({changed}) from {{t}} limit 1) union all (from {{t}} offset 1)"
