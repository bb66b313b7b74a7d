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
from datafirst_platform.engine import name, one_file, text
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

FULL_FORM = "forename_full"
"""The forename a short form stands for, or the forename itself."""

DERIVED = {
    "dob_default": "month(dob) = 1 and day(dob) = 1",
    "birth_year": "year(dob)::smallint",
    "birth_month": "month(dob)::smallint",
    "birth_day": "day(dob)::smallint",
    "sector": "left(postcode, length(postcode) - 2)",
    "outcode": "left(postcode, length(postcode) - 3)",
}
"""What follows from one cleaned field, as SQL: cheaper made again than kept."""

FIELDS = (*CLEANED, FULL_FORM, *DERIVED)
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
    # Known on both sides or on neither: many sources hold no middle names at all.
    "middle_initial_if_any": "coalesce(left(middle_first, 1), '')",
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
_USUAL_PNC = "[0-9]{4}/[0-9]{7}[A-Z]"
_USUAL_CRO = "[0-9]{1,6}/[0-9]{2}[A-Z]"
_USUAL_POSTCODE = "[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}"
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
    # A list this long in `in (…)` becomes a join, which carries the whole row along for each name.
    junk = ", ".join(f"{text(each)}: true" for each in ("", *_JUNK_NAMES))
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
            case when map_contains(map {{{junk}}}, x) then null else x end;
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
        create or replace temp macro settled(x) as
            case when not starts_with(x, 'NF1') and not starts_with(x, 'ZZ99') then x end;
        create or replace temp macro std_postcode(x) as
            case when regexp_full_match(x, '[A-Z]{{1,2}}[0-9][A-Z0-9]?[0-9][A-Z]{{2}}')
                then settled(x) end;
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
        create or replace temp macro checked_pnc(year, serial, letter) as case
            when serial between 1 and {_PNC_SERIALS - 1}
                and full_year(year) between 1900 and {cut_off.year}
                and check_letter((year % 100) * {_PNC_SERIALS} + serial) = letter
                and full_year(year) * {_PNC_SERIALS} + serial not in ({pncs})
            then full_year(year) * {_PNC_SERIALS} + serial end;
        create or replace temp macro checked_cro(file, year, serial, letter) as case
            when serial between 1 and {_CRO_SERIALS - 1} and year between 0 and 99
                and check_letter(year * {_CRO_SERIALS} + serial) = letter
            then file + full_year(year) * {_CRO_SERIALS} + serial end;
        create or replace temp macro canonical_pnc(p) as checked_pnc(p.year, p.serial, p.letter);
        create or replace temp macro canonical_cro(p) as
            checked_cro(p.file, p.year, p.serial, p.letter)"""
    connection.execute(macros)
    connection.execute(
        "create or replace temp table nicknames as select short, long "
        f"from read_csv({one_file(NICKNAMES)}, header = true, all_varchar = true)"
    )


def clean_query(table: str, source: str, beside: Sequence[str] = ("row", "record_key")) -> str:
    """SQL for the people of an `identities` table: columns beside, `CLEANED`, `previous_surname`.

    Organisations are left out: the linkage is of people. `define_macros` has to have run. What is
    written in the usual way is told by one look and read by position; the macros that read any way
    of writing cost four times as much.

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
        with supplied as (
            select
                {kept}{supplied("forename1")} as given,
                {supplied("forename2")} as second,
                {supplied("forename3")} as third,
                {supplied("surname")} as surname,
                {supplied("previous_surname")} as previous_surname,
                {supplied("date_of_birth", "date")} as dob,
                {sex} as sex,
                {supplied("postcode")} as postcode,
                {supplied("address")} as address,
                {supplied("pnc")} as pnc,
                {supplied("cro")} as cro,
                {supplied("noms")} as noms,
                {supplied("crn")} as crn
            from ({source})
            where {people}
        ),
        cleaned as (
            select
                {kept}std_name(given) as given,
                coalesce(std_name(second), std_name(third)) as middle,
                std_name(surname) as surname,
                std_name(previous_surname) as previous_surname,
                std_dob(dob) as dob,
                sex,
                replace(postcode, ' ', '') as postcode,
                regexp_full_match(postcode, {text(_USUAL_POSTCODE)}) as has_usual_postcode,
                std_address(address) as address,
                regexp_full_match(pnc, {text(_USUAL_PNC)}) as has_usual_pnc,
                try_cast(left(pnc, 4) as bigint) as pnc_year,
                try_cast(substr(pnc, 6, 7) as bigint) as pnc_serial,
                right(pnc, 1) as pnc_letter,
                case when not regexp_full_match(pnc, {text(_USUAL_PNC)})
                    then pnc_parts(compact(pnc)) end as pnc,
                regexp_full_match(cro, {text(_USUAL_CRO)}) as has_usual_cro,
                try_cast(substr(cro, length(cro) - 2, 2) as bigint) as cro_year,
                try_cast(left(cro, length(cro) - 4) as bigint) as cro_serial,
                right(cro, 1) as cro_letter,
                case when not regexp_full_match(cro, {text(_USUAL_CRO)})
                    then cro_parts(compact(cro)) end as cro,
                std_noms(compact(noms)) as noms,
                std_crn(compact(crn)) as crn
            from supplied
        ),
        split as (
            select
                {kept}surname, previous_surname, dob, sex, address, noms, crn,
                case when has_usual_postcode then settled(postcode)
                    else std_postcode(compact(postcode)) end as postcode,
                case when has_usual_pnc then checked_pnc(pnc_year, pnc_serial, pnc_letter)
                    else canonical_pnc(pnc) end as pnc,
                case when has_usual_cro then checked_cro(0, cro_year, cro_serial, cro_letter)
                    else canonical_cro(cro) end as cro,
                case when contains(given, ' ') then split_part(given, ' ', 1) else given end
                    as forename1,
                -- A second forename typed into the first field is a middle name.
                case when contains(given, ' ') then split_part(given, ' ', 2)
                    when contains(middle, ' ') then split_part(middle, ' ', 1)
                    else middle end as middle_first
            from cleaned
        )
        select * from split"""


def full_form_query(source: str) -> str:
    """SQL for the rows of a source that has `CLEANED`, with `FULL_FORM` beside its columns."""
    return f"""
        select source.*, coalesce(nicknames.long, forename1) as {FULL_FORM}
        from ({source}) as source left join nicknames on nicknames.short = source.forename1"""


def derive_query(source: str) -> str:
    """SQL for `FIELDS` of the rows of a source that has `CLEANED`, beside its other columns."""
    derived = ", ".join(f"{sql} as {field}" for field, sql in DERIVED.items())
    return f"select *, {derived} from ({full_form_query(source)})"


def _meanings(codes: str | None, columns: tuple[str, ...]) -> Mapping[str, str]:
    """Code to meaning, from the first of the columns that the code list has."""
    for column in columns:
        if meanings := code_meanings(str(codes), column):
            return meanings
    raise PlatformError(f"Code list {codes}.csv has none of the columns {', '.join(columns)}.")


def _decode(column: str, meaning: Mapping[str, str]) -> str:
    cases = " ".join(f"when {text(code)} then {text(value)}" for code, value in meaning.items())
    return f"case {column} {cases} end"
