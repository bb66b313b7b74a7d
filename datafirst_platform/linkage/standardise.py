"""Standard linkage fields from what suppliers recorded.

What belongs here: the cleaning of names, dates of birth, postcodes, police identifiers and code
lists, as DuckDB macros, and the query that turns an `identities` table into standard records.
What does not: anything that compares two records. Which column feeds which field is said by the
contract (`links_as`), never here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from datafirst_platform.editions import edition as edition_of
from datafirst_platform.engine import name, text
from datafirst_platform.extracts.contracts import code_meanings, contracts
from datafirst_platform.safe_errors import PlatformError

NICKNAMES = Path(__file__).with_name("nicknames.csv")

CLEANED = {
    "forename1": "VARCHAR",
    "middle_first": "VARCHAR",
    "surname": "VARCHAR",
    "dob": "DATE",
    "sex": "VARCHAR",
    "postcode": "VARCHAR",
    "address": "VARCHAR",
    "pnc": "BIGINT",
    "cro": "BIGINT",
    "noms": "VARCHAR",
    "crn": "VARCHAR",
}
"""What is recorded of a person, cleaned, with types; NULL where not known or junk."""

ADDRESS = "address"
"""The field that only linkages which compare on it pay for: building and thoroughfare, which people
write in so many ways that of two records alike in all else it says nothing new."""

_DERIVED = {
    "forename_full": "coalesce(nicknames.long, forename1)",
    "dob_default": "month(dob) = 1 and day(dob) = 1",
    "birth_year": "year(dob)::smallint",
    "birth_month": "month(dob)::smallint",
    "birth_day": "day(dob)::smallint",
    "sector": "left(postcode, length(postcode) - 2)",
    "outcode": "left(postcode, length(postcode) - 3)",
}
FIELDS = (*CLEANED, *_DERIVED)
"""Columns of a standard record after its key."""

BESIDE = "beside"
BESIDE_FIELDS = (BESIDE, "beside_kin", "cases")
"""Lists of hashes, columns of a standard record where the settings say who stands beside whom: the
names of those who do in a person's cases, those of the person's own surname among them, and the
cases. NULL where nobody does."""

KEY_PARTS = {
    **{field: field for field in FIELDS},
    # Of a list each entry is a key of its own.
    BESIDE: BESIDE,
    # Of the full form: Bill and William begin alike.
    "forename_initial": "left(forename_full, 1)",
    "surname_start": "left(surname, 2)",
    "name_low": "least(surname, forename1)",
    "name_high": "greatest(surname, forename1)",
    "surname_sound": "sound(surname)",
    "middle_initial": "left(middle_first, 1)",
    "birth_low": "least(birth_month, birth_day)",
    "birth_high": "greatest(birth_month, birth_day)",
}
"""What a blocking key may be made of, as SQL over a standard record."""

TOLD_TOGETHER = {
    "name": (
        *("forename1", "forename_full", "forename_initial", "middle_first", "middle_initial"),
        *("surname", "surname_start", "surname_sound", "name_low", "name_high"),
    ),
    "birth": ("dob", "birth_year", "birth_month", "birth_day", "birth_low", "birth_high"),
    "sex": ("sex",),
    "place": ("postcode", "sector", "outcode"),
}
"""Key parts that are of one form of a person: a name is not put together of two, a postcode may be
of another year than the name."""

# What clerks enter where a form wants a name and they have none, or a child is not named yet: as a
# name it would make one person of everybody it stands for.
_JUNK_NAMES = (
    "NOT ENTERED",
    "BABY",
    "BABY BOY",
    "BABY GIRL",
    "NOT KNOWN",
    "NAME NOT KNOWN",
    "UNKNOWN",
    "UNNAMED",
    "NO NAME",
    "NONE",
    "NULL",
    "NK",
    "N A",
    "X",
    "XX",
    "XXX",
)
# MoJ's public cleaning code treats these as placeholders, whoever carries them. Those it lists
# besides (2033/0993399H, 1999/0339933H, 2003/0993399H) are no numbers by year or check letter.
_JUNK_PNC = (19330993399, 20030993399)
# Days on which spreadsheets and computers begin to count: what they hold for no date at all.
_JUNK_DOBS = ("1900-01-01", "1970-01-01")
_EARLIEST_DOB = "1900-01-02"
_CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
"""Check letter of PNC and CRO numbers: this alphabet at (year and serial as one number) mod 23."""
_LETTERS = "ABCDEFGIJKLMNOPQRSTUVXYZ"
_SOUNDS = "012301202245501262301202"
"""Soundex: letters that sound alike have one digit, vowels 0; H and W are not heard."""
_PNC_SERIALS = 10_000_000
_CRO_SERIALS = 1_000_000
_SF_FILE = 10_000_000_000
"""Added to the number of a CRO of the small files (`SFyy/n`), which count apart."""


def define_macros(connection: duckdb.DuckDBPyConnection, edition: str) -> None:
    """Give a connection the macros that clean one value each.

    `std_name(text)`, `sound(text)` of such a name, `std_dob(date)`, `compact(text)` and, on compact
    text, `std_postcode`, `pnc_parts` and `cro_parts`; on those parts `canonical_pnc` and
    `canonical_cro` (integers: year and serial; NULL where malformed, where the check letter is
    wrong, or for a placeholder). Two-digit years up to the edition's cut-off are of this century:
    these numbers are never older than living memory.
    """
    cut_off = edition_of(edition).cut_off
    junk = ", ".join(text(each) for each in _JUNK_NAMES)
    dobs = ", ".join(f"date {text(each)}" for each in _JUNK_DOBS)
    pncs = ", ".join(str(each) for each in _JUNK_PNC)
    # Most names are plain capitals: the fast branch spares them the regular expressions.
    macros = f"""
        create or replace temp macro rewritten_name(x) as trim(regexp_replace(regexp_replace(
            regexp_replace(regexp_replace(
                translate(upper(strip_accents(x)), 'ØŁĐÐÞÆŒẞ', 'OLDDTAOS'),
                '^\\s*((MIG_ERROR|NO_SHOW|DUPLICATE)_)+', ''),
                '[''’‘`´.]', '', 'g'),
                '[^A-Z]+', ' ', 'g'),
                '\\bMC ([A-Z])', 'MC\\1', 'g'));
        create or replace temp macro known_name(x) as
            case when x in ('', {junk}) then null else x end;
        create or replace temp macro std_name(x) as known_name(
            case when regexp_full_match(x, '[A-Z]+') then x else rewritten_name(x) end);
        create or replace temp macro std_dob(x) as
            case when x >= date {text(_EARLIEST_DOB)} and x <= date {text(cut_off)}
                and x not in ({dobs}) then x end;
        create or replace temp macro compact(x) as
            case when regexp_full_match(x, '[A-Z0-9/]+') then x
            else regexp_replace(upper(x), '[^A-Z0-9/]', '', 'g') end;
        -- The digits of Soundex, all of them: its usual three would take in half of the long names.
        create or replace temp macro runs_told_once(x) as
            regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
                regexp_replace(x, '1+', '1', 'g'), '2+', '2', 'g'), '3+', '3', 'g'),
                '4+', '4', 'g'), '5+', '5', 'g'), '6+', '6', 'g');
        create or replace temp macro sound(x) as left(x, 1) || replace(substr(runs_told_once(
            translate(left(x, 1) || regexp_replace(substr(x, 2), '[ HW]', '', 'g'),
                {text(_LETTERS)}, {text(_SOUNDS)})), 2), '0', '');
        create or replace temp macro std_noms(x) as
            case when regexp_full_match(x, '[A-Z][0-9]{{4}}[A-Z]{{2}}') then x end;
        create or replace temp macro std_crn(x) as
            case when regexp_full_match(x, '[A-Z][0-9]{{6}}') then x end;
        create or replace temp macro std_address(x) as
            case when regexp_matches(x, '[0-9]') and not contains(x, '@') then
                trim(regexp_replace(upper(x), '[^A-Z0-9]+', ' ', 'g')) end;
        -- NF1 stands for no fixed abode, ZZ99 for none in the country: nobody lives there together.
        create or replace temp macro std_postcode(x) as
            case when regexp_full_match(x, '[A-Z]{{1,2}}[0-9][A-Z0-9]?[0-9][A-Z]{{2}}')
                and left(x, 3) <> 'NF1' and left(x, 4) <> 'ZZ99' then x end;
        -- A cast alone would also read a sign or an exponent.
        create or replace temp macro whole(x) as
            case when not contains(x, 'E') then try_cast(x as bigint) end;
        create or replace temp macro check_letter(number) as
            substr({text(_CHECK_LETTERS)}, (number % 23)::integer + 1, 1);
        create or replace temp macro full_year(year) as
            case when year > 99 then year when year <= {cut_off.year % 100} then 2000 + year
            else 1900 + year end;
        create or replace temp macro parts(file, year, serial, letter) as
            struct_pack(file := file, year := whole(year), serial := whole(serial),
                letter := letter);
        create or replace temp macro split_pnc(x, digits, start) as
            parts(0, left(x, digits), substr(x, start, length(x) - start), right(x, 1));
        create or replace temp macro pnc_parts(x) as case
            when instr(x, '/') = 5 then split_pnc(x, 4, 6)
            when instr(x, '/') = 3 then split_pnc(x, 2, 4)
            when length(x) = 12 then split_pnc(x, 4, 5)
            when length(x) <= 10 and instr(x, '/') = 0 then split_pnc(x, 2, 3) end;
        create or replace temp macro cro_parts(x) as case
            when starts_with(x, 'SF') and instr(x, '/') = 5
                then parts({_SF_FILE}, substr(x, 3, 2), substr(x, 6, length(x) - 6), right(x, 1))
            when substr(x, length(x) - 3, 1) = '/'
                then parts(0, left(right(x, 3), 2), left(x, length(x) - 4), right(x, 1)) end;
        create or replace temp macro canonical_pnc(p) as case
            when p.serial between 1 and {_PNC_SERIALS - 1}
                and full_year(p.year) between 1900 and {cut_off.year}
                and check_letter((p.year % 100) * {_PNC_SERIALS} + p.serial) = p.letter
                and full_year(p.year) * {_PNC_SERIALS} + p.serial not in ({pncs})
            then full_year(p.year) * {_PNC_SERIALS} + p.serial end;
        create or replace temp macro canonical_cro(p) as case
            when p.serial between 1 and {_CRO_SERIALS - 1} and p.year between 0 and 99
                and check_letter(p.year * {_CRO_SERIALS} + p.serial) = p.letter
            then p.file + full_year(p.year) * {_CRO_SERIALS} + p.serial end"""
    connection.execute(macros)
    connection.execute(
        "create or replace temp table nicknames as select short, long "
        f"from read_csv({text(NICKNAMES)}, header = true, all_varchar = true)"
    )


def clean_query(table: str, source: str, beside: Sequence[str] = ("row", "record_key")) -> str:
    """SQL for the people of an `identities` table: columns beside, `CLEANED`, `previous_surname`.

    Organisations are left out: the linkage is of people. `define_macros` has to have run.

    Args:
        table: name of the contract.
        source: SQL whose rows are those of the table, with the columns beside.
        beside: columns of the source to be kept as they are.

    Raises:
        PlatformError: the table feeds no linkage field.
    """
    feeds = {field: column for column in contracts()[table].columns for field in column.feeds}
    if not feeds:
        msg = f"Contract {table} feeds no linkage field (`links_as`): it tells of nobody."
        raise PlatformError(msg)

    def supplied(field: str, kind: str = "varchar") -> str:
        if field not in feeds:
            return f"null::{kind}"
        column = feeds[field]
        if column.links_by is None:
            return name(column.name)
        codes = [code for code, fed in column.links_by.fields.items() if fed == field]
        listed = ", ".join(text(code) for code in codes)
        return (
            f"(case when {name(column.links_by.column)} in ({listed}) then {name(column.name)} end)"
        )

    kept = "".join(f"{each}, " for each in beside)

    sex = "null::varchar"
    if "sex" in feeds:
        meaning = _meanings(feeds["sex"].codes, ("sex",))
        sex = f"nullif({_decode(supplied('sex'), meaning)}, 'unknown')"
    people = "true"
    if "entity_type" in feeds:
        meaning = _meanings(feeds["entity_type"].codes, ("is_organisation", "flag"))
        organisations = [code for code, value in meaning.items() if value == "true"]
        listed = ", ".join(text(code) for code in organisations) or "null"
        people = f"not coalesce({supplied('entity_type')} in ({listed}), false)"
    return f"""
        with cleaned as (
            select
                {kept}std_name({supplied("forename1")}) as given,
                coalesce(std_name({supplied("forename2")}), std_name({supplied("forename3")}))
                    as middle,
                std_name({supplied("surname")}) as surname,
                std_name({supplied("previous_surname")}) as previous_surname,
                std_dob({supplied("date_of_birth", "date")}) as dob,
                {sex} as sex,
                compact(replace({supplied("postcode")}, ' ', '')) as postcode,
                std_address({supplied("address")}) as address,
                pnc_parts(compact({supplied("pnc")})) as pnc,
                cro_parts(compact({supplied("cro")})) as cro,
                std_noms(compact({supplied("noms")})) as noms,
                std_crn(compact({supplied("crn")})) as crn
            from ({source})
            where {people}
        ),
        split as (
            select
                {kept}surname, previous_surname, dob, sex, address, noms, crn,
                std_postcode(postcode) as postcode,
                canonical_pnc(pnc) as pnc,
                canonical_cro(cro) as cro,
                case when contains(given, ' ') then split_part(given, ' ', 1) else given end
                    as forename1,
                -- A second forename typed into the first field is a middle name.
                case when contains(given, ' ') then split_part(given, ' ', 2)
                    when contains(middle, ' ') then split_part(middle, ' ', 1)
                    else middle end as middle_first
            from cleaned
        )
        select * from split"""


def derive_query(source: str) -> str:
    """SQL for `FIELDS` of the rows of a source that has `CLEANED`, beside its other columns."""
    derived = ", ".join(f"{sql} as {field}" for field, sql in _DERIVED.items())
    return f"""
        select source.*, {derived}
        from ({source}) as source left join nicknames on nicknames.short = source.forename1"""


def _meanings(codes: str | None, columns: tuple[str, ...]) -> Mapping[str, str]:
    """Code to meaning, from the first of the columns that the code list has."""
    for column in columns:
        if meanings := code_meanings(str(codes), column):
            return meanings
    raise PlatformError(f"Code list {codes}.csv has none of the columns {', '.join(columns)}.")


def _decode(column: str, meaning: Mapping[str, str]) -> str:
    cases = " ".join(f"when {text(code)} then {text(value)}" for code, value in meaning.items())
    return f"case {column} {cases} end"
