"""A trial: linking a table of people nobody here has seen, and measuring it against its own truth.

What belongs here: reading such a table, choosing fields, comparisons and blocking by what it
holds, and the run. What does not: the linkages that are published, whose settings are files, and
anything about a single record: every figure here is an aggregate.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import log2
from pathlib import Path
from typing import Any

import duckdb

from datafirst_platform.editions import EDITIONS
from datafirst_platform.engine import arrays, connect, name, one_file, parquet, register, text
from datafirst_platform.linkage.blocking import block, key_sql
from datafirst_platform.linkage.clusters import HUNDREDTHS, Guard, Pairs, clusters
from datafirst_platform.linkage.evaluation import measure_pairs
from datafirst_platform.linkage.measures import Measure
from datafirst_platform.linkage.models import (
    LEVELS,
    BlockingRule,
    LinkageModel,
    TrainingSession,
    library_comparisons,
    linkage_model,
    possible_pairs,
    trained_model,
    typical_m,
)
from datafirst_platform.linkage.scoring import thresholds_of
from datafirst_platform.linkage.standardise import CLEANED, FIELDS, define_macros, derive_query
from datafirst_platform.linkage.training import (
    Comparisons,
    estimate_m,
    estimate_u,
    expected_matches,
)
from datafirst_platform.safe_errors import PlatformError, values_withheld
from datafirst_platform.settings import Settings

FIELDS_KNOWN: Mapping[str, tuple[str, ...]] = {
    "forename": ("forename", "forename1", "firstname", "givenname", "fname", "first", "given"),
    "middle": ("middle", "middlename", "middlenames", "forename2", "secondname", "mname"),
    "surname": ("surname", "lastname", "familyname", "lname", "last", "family"),
    "full_name": ("name", "fullname", "personname"),
    "dob": ("dob", "dateofbirth", "birthdate", "bdate", "borndate", "birthday", "dobstr"),
    "birth_year": ("birthyear", "yearofbirth", "yob", "by", "dobyear"),
    "birth_month": ("birthmonth", "monthofbirth", "mob", "bm", "dobmon", "dobmonth"),
    "birth_day": ("dayofbirth", "bd", "dobday"),
    "sex": ("sex", "gender", "gendercode", "sexcode"),
    "postcode": ("postcode", "postalcode", "zip", "zipcode", "postcodefake", "pcode"),
    "town": ("town", "city", "suburb", "posttown", "towncity", "municipality", "locality"),
    "house": ("streetnumber", "housenumber", "addressnumber", "building", "housename", "number"),
    "address": ("address", "address1", "addressline1", "street", "streetname", "streetaddress"),
    "email": ("email", "emailaddress", "mail"),
    "phone": ("phone", "phonenumber", "telephone", "mobile", "tel"),
    "number": ("socsecid", "ssn", "nhsnumber", "nino", "nationalid", "personalnumber", "idnumber"),
    "pnc": ("pnc", "pncid", "pncnumber"),
    "cro": ("cro", "cronumber"),
    "noms": ("noms", "nomsnumber", "nomisid", "prisonnumber"),
    "crn": ("crn",),
}
"""What a column can be taken for, and the names (small letters and digits only) that say so.

`birthday` is the day, not the date, where a year or month of birth stands beside it.
"""

_FURTHER = ("dob_text", "town", "number", "email", "phone")
_PAIRS_PER_RECORD = 6
_LEAST_BUDGET = 3_000_000
_CEILING = 2_000
_DATE_FORMS = ("%Y%m%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d %b %Y")
_THRESHOLDS = {"high": 6.0, "medium": 2.0, "low": -2.0}
_SEED = 20300101
_U_PAIRS = 1.0e6
_EM_PAIRS = 2.0e6

# From strict to loose; a rule is used while the pairs it makes fit the budget that is left.
_RULES: tuple[tuple[str, ...], ...] = (
    ("pnc",), ("cro",), ("noms",), ("crn",), ("number",), ("email",), ("phone",),
    ("surname_start", "forename_initial", "dob_text"),
    ("name_low", "name_high", "dob_text"),
    ("surname", "forename1", "postcode"),
    ("forename1", "dob_text"),
    ("surname", "dob_text"),
    ("dob_text", "postcode"),
    ("surname", "forename1", "birth_year"),
    ("surname", "forename1", "birth_month", "birth_day"),
    ("address", "town"),
    ("surname", "address"),
    ("forename1", "address"),
    ("surname", "forename1", "town"),
    ("forename1", "postcode"),
    ("surname", "postcode"),
    ("dob_text", "town"),
    ("dob_text",),
    ("surname", "forename1"),
    ("forename_initial", "surname_start", "postcode"),
    ("forename_initial", "surname_start", "birth_year"),
    ("address",),
    ("surname", "forename_initial"),
    ("forename1", "surname_start"),
    ("forename1", "birth_year"),
    ("surname", "birth_year"),
    ("postcode", "birth_year"),
    ("forename1", "town"),
    ("surname", "town"),
    ("birth_month", "birth_day"),
    ("forename_initial", "surname_start"),
    ("postcode",),
    ("surname",),
    ("forename1",),
)  # fmt: skip


class MappingRefused(PlatformError):
    """What was asked for cannot be meant: a field that is none, or the truth to be linked by."""

    exit_code = 2


@dataclass(frozen=True)
class Trial:
    """How a trial went.

    Attributes:
        records: rows of the table.
        fields: field to the column it was read from.
        comparisons: names of those used.
        pairs: scored, by blocking rule.
        clusters: people found, by threshold.
        measures: against the truth, strictest threshold first; empty without a truth column.
        not_measurable: what the truth cannot tell, and why, in words.
        trained: whether m was estimated on the table.
        notes: what could not be used or learnt, in words.
        seconds: wall time from opening the file to the clusters.
    """

    records: int
    fields: Mapping[str, str]
    comparisons: tuple[str, ...]
    pairs: Mapping[str, int]
    clusters: Mapping[str, int]
    measures: tuple[Measure, ...]
    not_measurable: tuple[str, ...]
    trained: bool
    notes: tuple[str, ...]
    seconds: float

    @property
    def best(self) -> Measure | None:
        """The threshold with the highest F1 over all pairs; the stricter of equals.

        Where no pair is true, F1 favours no threshold: the middle one.
        """
        measures = [each for each in self.measures if each.scope == "all"]
        if not any(each.true for each in measures):
            return next((each for each in measures if each.level == "medium"), None)
        return max(measures, key=lambda each: each.f1 or 0, default=None)


def run_trial(
    settings: Settings,
    file: Path,
    truth: str | None,
    *,
    source: str | None = None,
    mapping: Mapping[str, str] | None = None,
    train: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Trial:
    """Link the records of a file and hold the clusters against its own truth.

    Args:
        settings: for the engine's threads, memory and spill.
        file: CSV (header row, any separator), or Parquet where its name ends so.
        truth: column that is equal for records of one person; None to link only.
        source: column that says which source a record is from: pairs across are measured too.
        mapping: field (`FIELDS_KNOWN`) to column, where names alone do not tell.
        train: estimate m on this table by expectation maximisation; else typical values are used.
            u is always estimated on the table.
        progress: told what is under way, in words without data.

    Raises:
        MappingRefused: a field is mapped that is none, or one to the truth.
        PlatformError: the file cannot be read, a named column is not there, no column can be
            taken for a name, or memory does not suffice.
    """
    began = time.monotonic()
    mapping = mapping or {}
    _check_mapping(mapping, truth)
    settings.prepare()
    with (
        values_withheld(f"Linking {file.name}"),
        _memory_told(settings, file),
        connect(settings) as connection,
    ):
        define_macros(connection, EDITIONS[-1].key)
        progress("reading")
        columns = _read(connection, file)
        for column in (truth, source, *mapping.values()):
            if column is not None and column not in columns:
                msg = f"There is no column {column!r}. {_columns_told(columns)}"
                raise PlatformError(msg)
        taken = {each for each in (truth, source) if each is not None}
        free = [each for each in columns if each not in taken]
        fields = _fields(columns, free, mapping, _days(connection, free, mapping))
        records = _standardise(connection, fields, truth, source)
        model, notes = _model(connection, fields, records)
        progress(f"{records:,} records; comparing {', '.join(model.comparisons)}")
        if model.blocking:
            pairs, untrained = _score(connection, model, train=train)
            notes += untrained
        else:
            connection.execute("create temp table edges (l integer, r integer, match_weight float)")
            pairs, notes = {}, [*notes, "no two records have anything to be compared on"]
        progress("clustering")
        found = _cluster(connection, model)
        seconds = time.monotonic() - began
        measures: tuple[Measure, ...] = ()
        untold: tuple[str, ...] = ()
        if truth is not None:
            scopes = ("all", "cross") if source else ("all",)
            measures = tuple(
                measure_pairs(connection, scope, level) for scope in scopes for level in LEVELS
            )
            untold = tuple(_not_measurable(connection, measures, records))
    return Trial(
        records=records,
        fields=fields,
        comparisons=tuple(model.comparisons),
        pairs=pairs,
        clusters=found,
        measures=measures,
        not_measurable=untold,
        trained=train,
        notes=tuple(notes),
        seconds=round(seconds, 2),
    )


@contextmanager
def _memory_told(settings: Settings, file: Path) -> Iterator[None]:
    """Say of memory that does not suffice what to do about it: the table is not at fault."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        msg = (
            f"{settings.memory_gib:g} GiB of memory do not suffice to link {file.name}. Set "
            "DATAFIRST_MEMORY_GIB higher."
        )
        raise PlatformError(msg) from None


def _check_mapping(mapping: Mapping[str, str], truth: str | None) -> None:
    for field, column in mapping.items():
        if field not in FIELDS_KNOWN:
            msg = f"There is no field {field!r} to map to. Fields: {', '.join(FIELDS_KNOWN)}."
            raise MappingRefused(msg)
        if column == truth:
            msg = (
                f"Column {column!r} is the truth, which is left out of the linking: it cannot be "
                f"mapped to {field} as well."
            )
            raise MappingRefused(msg)


def _read(connection: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    """Make `given`: every column as trimmed text, empty as NULL; the columns' names."""
    is_parquet = file.suffix.lower() in {".parquet", ".pq"}
    try:
        if is_parquet:
            return _given(connection, parquet(file))
        return _given_text(connection, file)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        msg = (
            f"{file} cannot be read as {'Parquet' if is_parquet else 'CSV'} "
            f"({type(error).__name__}). Give a CSV in UTF-8 with a header row, or Parquet."
        )
        raise PlatformError(msg) from None


def _given_text(connection: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    """Read a CSV; what of its quotes cannot be seen in its first rows is tried."""
    options = (
        f"{one_file(file)}, header = true, all_varchar = true, null_padding = true, "
        "hive_partitioning = false"
    )
    quoted, other = options, f"{options}, parallel = false"
    sniffed = connection.execute(f'select "Quote" from sniff_csv({options})').fetchall()
    if sniffed[0][0] not in ('"', "'"):
        # Without a quote in the rows that are sniffed, later ones would not count.
        quoted = f"""{options}, quote = '"', escape = '"'"""
        # Line ends inside quotes are only read by one core; a quote never closed is a letter.
        other = options if _quotes(file) % 2 else f"{quoted}, parallel = false"
    try:
        return _given(connection, f"read_csv({quoted})")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        return _given(connection, f"read_csv({other})")


def _quotes(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(block.count(b'"') for block in iter(lambda: stream.read(1 << 20), b""))


def _given(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    described = connection.execute(f"describe select * from {source}").fetchall()
    made = ", ".join(
        f"nullif(trim({name(column)}::varchar), '') as {name(column.strip())}"
        for column, *_ in described
    )
    connection.execute(f"create temp table given as select {made} from {source}")
    return [column.strip() for column, *_ in described]


def _plain(column: str) -> str:
    """A column's name as `FIELDS_KNOWN` writes names."""
    return re.sub(r"[^a-z0-9]", "", column.lower())


def _by_name(
    columns: Sequence[str], mapping: Mapping[str, str], days: Collection[str] = ()
) -> dict[str, str]:
    """Field to column: as mapped, else by the column's name; `days` are days of birth."""
    fields = dict(mapping)
    plain = {each: "dayofbirth" if each in days else _plain(each) for each in columns}
    for field, names in FIELDS_KNOWN.items():
        if field in fields:
            continue
        free = [each for each in columns if each not in fields.values()]
        found = [each for known in names for each in free if plain[each] == known]
        if found:
            fields[field] = found[0]
    return fields


def _days(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], mapping: Mapping[str, str]
) -> list[str]:
    """Columns called birthday, however written, that are the day: beside its year or month.

    Unless most of the values are no day of a month: then it is a date with its year beside it.
    """
    if not {"birth_year", "birth_month"} & _by_name(columns, mapping).keys():
        return []
    found = []
    for column in columns:
        if _plain(column) == "birthday":
            at = name(column)
            filled, days = connection.execute(
                f"""select count({at}),
                    count(*) filter (try_cast({at} as integer) between 1 and 31)
                from given"""
            ).fetchall()[0]
            if 2 * days >= filled:
                found.append(column)
    return found


def _columns_told(columns: Sequence[str]) -> str:
    """What is said of a table's columns; not their names, which are values without a header."""
    known = _by_name(columns, {})
    return (
        f"Columns: {len(columns)}; known by name: {', '.join(known) or 'none'}. The first row has "
        "to be a header: without one, the first record is taken for it."
    )


def _fields(
    columns: Sequence[str],
    free: Sequence[str],
    mapping: Mapping[str, str],
    days: Collection[str],
) -> dict[str, str]:
    """Field to column, of those that are free to be taken; there has to be a name."""
    fields = _by_name(free, mapping, days)
    if not {"surname", "forename", "full_name"} & fields.keys():
        msg = (
            "No column can be taken for a name. Say which: --map surname=COLUMN "
            f"--map forename=COLUMN. {_columns_told(columns)}"
        )
        raise PlatformError(msg)
    return fields


def _standardise(
    connection: duckdb.DuckDBPyConnection,
    fields: Mapping[str, str],
    truth: str | None,
    source: str | None,
) -> int:
    """Make `tuples`, `labels` (id, tuple, person_id, member) and `nodes`; the number of records."""

    def given(field: str) -> str:
        return name(fields[field]) if field in fields else "null::varchar"

    full = f"std_name({given('full_name')})"
    words = f"string_split({full}, ' ')"
    digits = "regexp_replace({}, '[^0-9]', '', 'g')"
    dob = _date(given("dob"))
    if "dob" not in fields and "birth_year" in fields:
        parts = [f"try_cast({given(each)} as integer)" for each in ("birth_year", "birth_month")]
        day = f"try_cast({given('birth_day')} as integer)"
        dob = (
            f"try_cast(printf('%04d-%02d-%02d', {parts[0]}, coalesce({parts[1]}, 1), "
            f"coalesce({day}, 1)) as date)"
        )
    written = digits.format(given("dob"))
    written = f"case when not regexp_full_match({written}, '0*|9*') then {written} end"
    address = f"nullif(trim(upper(concat_ws(' ', {given('house')}, {given('address')}))), '')"
    sex = f"upper(left({given('sex')}, 1))"
    connection.execute(
        f"""create temp table cleaned as
        select
            (row_number() over () - 1)::integer as id, 0::utinyint as member,
            {name(truth) if truth else "null::varchar"} as person_id,
            {name(source) if source else "''"} as source,
            coalesce(std_name({given("forename")}),
                case when len({words}) > 1 then {words}[1] end) as given_name,
            std_name({given("middle")}) as middle,
            coalesce(std_name({given("surname")}), {words}[-1]) as surname,
            {dob} as dob, {written} as written,
            case when {sex} in ('M', '1') then 'male'
                when {sex} in ('F', 'W', '2') then 'female' end as sex,
            nullif(regexp_replace(upper({given("postcode")}), '[^A-Z0-9]', '', 'g'), '')
                as postcode,
            canonical_pnc(pnc_parts(compact({given("pnc")}))) as pnc,
            canonical_cro(cro_parts(compact({given("cro")}))) as cro,
            std_noms(compact({given("noms")})) as noms,
            std_crn(compact({given("crn")})) as crn,
            std_name({given("town")}) as town, {address} as address,
            nullif(regexp_replace(upper({given("number")}), '[^A-Z0-9]', '', 'g'), '') as number,
            lower({given("email")}) as email,
            nullif({digits.format(given("phone"))}, '') as phone
        from given"""
    )
    connection.execute(
        """create temp table standard as
        select id, member, person_id, source,
            split_part(given_name, ' ', 1) as forename1,
            coalesce(nullif(split_part(given_name, ' ', 2), ''), split_part(middle, ' ', 1))
                as middle_first,
            surname, dob, sex, postcode, pnc, cro, noms, crn,
            coalesce(strftime(dob, '%Y%m%d'), written) as dob_text,
            town, address, number, email, phone
        from cleaned order by id"""
    )
    kept = ", ".join([*CLEANED, *_FURTHER])
    # Only what identifies collapses: names with a date, and a place or a number.
    connection.execute(
        f"""create temp table labels as
        select id, person_id, source as member,
            case when forename1 is not null and surname is not null and dob_text is not null
                and coalesce(postcode, address, number, email) is not null
                then min(id) over (partition by {kept}) else id end as tuple
        from standard"""
    )
    connection.execute(
        f"""create temp table tuples as
        select id, member, {", ".join([*FIELDS, *_FURTHER])}
        from ({derive_query("select * from standard where id in (select tuple from labels)")})"""
    )
    connection.execute("create temp table nodes (id integer, node integer)")
    return int(connection.execute("select count(*) from standard").fetchall()[0][0])


def _date(column: str) -> str:
    """SQL for a date written in any usual way; day before month where it can be either."""
    tried = [f"cast(try_strptime({column}, {text(form)}) as date)" for form in _DATE_FORMS]
    return f"coalesce(try_cast({column} as date), {', '.join(tried)})"


def _model(
    connection: duckdb.DuckDBPyConnection, fields: Mapping[str, str], records: int
) -> tuple[LinkageModel, list[str]]:
    """Settings by what the table holds: comparisons, blocking within the budget, sessions."""
    filled = connection.execute(
        "select "
        + ", ".join(f"count(distinct {each})" for each in (*FIELDS, *_FURTHER))
        + " from tuples"
    ).fetchall()[0]
    tells = {
        field for field, values in zip((*FIELDS, *_FURTHER), filled, strict=True) if values > 1
    }
    wanted = {
        "identifiers": {"pnc", "cro"},
        "service_numbers": {"noms", "crn"},
        "surname": {"surname"},
        "forename": {"forename1"},
        "middle_names": {"middle_first"},
        "written_date_of_birth": {"dob_text"},
        "place": {"address", "postcode", "town"},
        "sex": {"sex"},
        "number": {"number"},
        "email": {"email"},
        "phone": {"phone"},
    }
    chosen = [each for each, needs in wanted.items() if needs & tells]
    notes = [
        f"{field}: every value is equal or missing, so it says nothing"
        for field in fields
        if field in wanted and field not in chosen and field in ("sex", "number", "email", "phone")
    ]
    blocking = _blocking(connection, tells, records)
    names = [each for each in ("surname", "forename1") if each in tells]
    others = [each for each in chosen if each not in ("surname", "forename")]
    sessions = []
    if len(names) == 2 and others:
        sessions.append(
            TrainingSession("same names", tuple(names), tuple(others), "Without the rest.")
        )
    apart = next(
        (each for each in ("dob_text", "number", "email", "postcode", "address") if each in tells),
        None,
    )
    if apart:
        sessions.append(
            TrainingSession(
                f"same {apart}",
                (apart,),
                tuple(each for each in chosen if each in ("surname", "forename")),
                "Without the names.",
            )
        )
    magistrates = linkage_model("magistrates")
    return replace(
        magistrates,
        dataset="trial",
        description="A table from elsewhere.",
        comparisons=library_comparisons(chosen),
        blocking=blocking,
        sessions=tuple(sessions),
        thresholds=_THRESHOLDS,
        seed=_SEED,
        u_pairs=_U_PAIRS,
        em_pairs=_EM_PAIRS,
    ), notes


def _blocking(
    connection: duckdb.DuckDBPyConnection, tells: set[str], records: int
) -> tuple[BlockingRule, ...]:
    """Rules from strict to loose, each measured, while their pairs fit the budget."""
    budget = max(_LEAST_BUDGET, _PAIRS_PER_RECORD * records)
    needs = {
        "forename_initial": {"forename1"}, "surname_start": {"surname"},
        "name_low": {"surname", "forename1"}, "name_high": {"surname", "forename1"},
    }  # fmt: skip
    found = []
    for parts in _RULES:
        if not all(needs.get(part, {part}) <= tells for part in parts):
            continue
        pairs = connection.execute(
            f"""select coalesce(sum(n * (n - 1) // 2), 0)::bigint
            from (select count(*) as n from tuples where {key_sql(parts)} is not null
                group by {key_sql(parts)})
            where n <= {_CEILING}"""
        ).fetchall()[0][0]
        if pairs <= budget:
            budget -= pairs
            found.append(BlockingRule(" and ".join(parts), parts, _CEILING, "Measured."))
    return tuple(found)


def _score(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, *, train: bool
) -> tuple[dict[str, int], list[str]]:
    """Make `edges` of the tuples; the pairs by rule, and what could not be learnt."""
    tuples = int(connection.execute("select count(*) from tuples").fetchall()[0][0])
    comparisons, notes = _parameters(connection, model, train=train)
    pairs, _ = block(connection, model.blocking, 1)
    matches = expected_matches(connection, model, comparisons, [tuples])
    prior = min(0.5, max(1.0, matches * tuples / 2) / max(1, possible_pairs([tuples])))
    # Every pair has its weight already, at even odds: the prior moves all by one amount.
    connection.execute(
        """create or replace temp table edges as
        select l, r, (match_weight + $shift)::decimal(6, 2) as match_weight
        from edges where match_weight + $shift >= $least""",
        {"shift": log2(prior / (1 - prior)), "least": model.thresholds["low"]},
    )
    return pairs, notes


def _parameters(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    *,
    train: bool,
) -> tuple[Comparisons, list[str]]:
    """Levels with u of the table and m, estimated or typical; what could not be learnt."""
    comparisons = estimate_u(connection, model)
    known: dict[str, dict[str, Any]] = {
        str(each["output_column_name"]): {
            level["label_for_charts"]: level.get("m_probability")
            for level in each["comparison_levels"]
        }
        for each in trained_model(linkage_model("magistrates")).comparisons
    }
    for comparison, levels in comparisons.items():
        m = typical_m(comparison) or known.get(comparison, {})
        comparisons[comparison] = [
            level
            if level.get("is_null_level") or (level.get("m_probability") and not m)
            else {**level, "m_probability": m.get(level["label_for_charts"]) or 0.05}
            for level in levels
        ]
    notes = []
    for session in model.sessions if train else ():
        try:
            comparisons |= estimate_m(connection, model, session, comparisons, 1)
        except PlatformError:
            told = ", ".join(session.estimates)
            notes.append(f"too few pairs with the {session.name} to learn {told} from: typical m")
    return comparisons, notes


def _cluster(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> dict[str, int]:
    """Make `labelled` (person_id, member, person_high, …) of every record; people by threshold."""
    import numpy as np

    left, right, weight = arrays(
        connection, f"select l, r, (match_weight * {HUNDREDTHS})::integer as weight from edges"
    )
    holder, identifier = arrays(
        connection,
        "select id, dense_rank() over (order by pnc) - 1 as number from tuples "
        "where pnc is not null",
    )
    ids, tuple_ = arrays(connection, "select id, tuple from labels order by id")
    guard = Guard(np.zeros(len(ids), dtype=np.int64), holder, identifier)
    labels = clusters(Pairs(left, right, weight), thresholds_of(model), guard)
    people = {f"person_{level}": label[tuple_] for level, label in zip(LEVELS, labels, strict=True)}
    register(connection, "people", {"id": ids, **people})
    connection.execute(
        """create temp table labelled as
        select labels.person_id, labels.member, people.* exclude (id)
        from labels inner join people using (id) where labels.person_id is not null"""
    )
    return {
        level: len(np.unique(label)) for level, label in zip(LEVELS, people.values(), strict=True)
    }


def _not_measurable(
    connection: duckdb.DuckDBPyConnection, measures: Sequence[Measure], records: int
) -> Iterator[str]:
    """What the truth in `labelled` cannot tell, and why."""
    labelled = int(connection.execute("select count(*) from labelled").fetchall()[0][0])
    for scope in dict.fromkeys(each.scope for each in measures):
        of_scope = [each for each in measures if each.scope == scope]
        pairs = "all pairs" if scope == "all" else "pairs across sources"
        if not any(each.true for each in of_scope):
            if not records:
                why = "the table has no records"
            elif not labelled:
                why = "the truth column is empty in every record"
            elif labelled == 1:
                why = "only one record has a truth"
            elif scope == "all":
                why = "no two records share a truth"
            else:
                why = "no two records of different sources share a truth"
            yield f"recall of {pairs}, and F1 where none is linked: {why}"
        none = [each.level for each in of_scope if not each.linked]
        if none:
            yield f"precision of {pairs}, {', '.join(none)}: none with a truth is linked there"
