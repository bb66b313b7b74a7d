"""The National Pupil Database of the supply: one school life a pupil, in the codes of its years."""

from __future__ import annotations

import duckdb
import pytest


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return connection.execute(query).fetchall()[0]


def test_pupils_go_up_a_year_at_a_time(shared: duckdb.DuckDBPyConnection) -> None:
    broken, least, most, mean = _one(
        shared,
        """with rows as (
            select person_id, left(academic_year, 4)::int as since,
                case year_group when 'R' then 0 else year_group::int end as year_group
            from npd_census)
        select (select count(*) from (
                select person_id from rows
                group by all having count(distinct since - year_group) > 1)),
            min(n), max(n), avg(n) from (select count(*) as n from rows group by person_id)""",
    )
    assert broken == 0
    assert least >= 1
    assert most <= 15
    assert 12 < mean < 13.2


def test_one_number_is_one_pupil_in_every_table_and_edition(
    shared: duckdb.DuckDBPyConnection,
) -> None:
    tables = ("npd_census", "npd_absence", "npd_exclusions", "npd_attainment", "npd_census_late")
    every = " union ".join(f"select pupil_matching_ref, person_id from {each}" for each in tables)
    rows, numbers, people = _one(
        shared,
        "select count(*), count(distinct pupil_matching_ref), count(distinct person_id) "
        f"from ({every})",
    )
    assert rows == numbers == people


def test_absence_and_results_are_of_pupils_at_school(shared: duckdb.DuckDBPyConnection) -> None:
    for table in ("npd_absence", "npd_attainment", "npd_exclusions"):
        lost = "anti join npd_census using (pupil_matching_ref, academic_year)"
        assert _one(shared, f"select count(*) from {table} {lost}") == (0,), table
    missed, terms, over = _one(
        shared,
        """select avg((sessions_authorised::int + sessions_unauthorised::int)
                / sessions_possible::int),
            count(*) / (select 3 * count(*) from npd_census
                where year_group not in ('R', '12', '13', '14') and academic_year >= '2006'),
            count(*) filter (sessions_authorised::int + sessions_unauthorised::int
                > sessions_possible::int)
        from npd_absence""",
    )
    assert missed == pytest.approx(0.055, abs=0.012)
    assert terms == pytest.approx(0.97, abs=0.01)
    assert over == 0


def test_codes_are_those_of_their_time(shared: duckdb.DuckDBPyConnection) -> None:
    too_early, too_late, some_late, behaviour, schemes = _one(
        shared,
        """select count(*) filter (sen_provision in ('K', 'E') and academic_year < '2014'),
            count(*) filter (sen_provision in ('A', 'P') and academic_year > '2016'),
            count(*) filter (sen_provision = 'S' and academic_year > '2015'),
            count(*) filter (case when academic_year < '2014' then sen_primary_need = 'SEMH'
                else sen_primary_need = 'BESD' end),
            (select count(*) from npd_attainment where case scheme
                when 'NUMBER' then academic_year < '2016'
                when 'LEVEL' then academic_year > '2014/15' else false end)
        from npd_census""",
    )
    assert (too_early, too_late, behaviour, schemes) == (0, 0, 0, 0)
    assert some_late > 0
    divided = _one(
        shared,
        """select count(*) filter (la_code in ('820', '875') and academic_year >= '2009'),
            count(*) filter (la_code in ('822', '823', '895', '896') and academic_year < '2009'),
            count(*) filter (la_code = '875') from npd_census""",
    )
    assert divided[:2] == (0, 0)
    assert divided[2] > 0


def test_names_change_a_little_over_the_years(shared: duckdb.DuckDBPyConnection) -> None:
    surnames, births, sexes, former = _one(
        shared,
        """select avg((surnames > 1)::int), avg((births > 1)::int), max(sexes), avg(former::int)
        from (select count(distinct surname) as surnames, count(distinct date_of_birth) as births,
            count(distinct gender) as sexes, bool_or(former_surname is not null) as former
            from npd_census group by person_id)""",
    )
    assert 0.08 < surnames < 0.20
    assert 0.004 < births < 0.03
    assert sexes == 1
    assert 0.03 < former < 0.10


def test_those_excluded_for_good_are_seen_elsewhere_after(
    shared: duckdb.DuckDBPyConnection,
) -> None:
    after, before = _one(
        shared,
        """select avg((school_type in ('PRU', 'AP'))::int) filter (academic_year > last),
            avg((school_type in ('PRU', 'AP'))::int) filter (academic_year <= last)
        from npd_census join (
            select person_id, max(academic_year) as last from npd_exclusions
            where exclusion_type = 'PERM' group by all) using (person_id)
        where year_group in ('8', '9', '10', '11')""",
    )
    assert after > 0.4
    assert before < 0.1


def test_exclusions_begin_on_school_days_of_their_year(shared: duckdb.DuckDBPyConnection) -> None:
    weekends, outside, for_good, sessions = _one(
        shared,
        """select count(*) filter (isodow(start_date::date) > 5),
            count(*) filter (left(academic_year, 4)::int
                <> year(start_date::date - interval 8 month)),
            max(n) filter (exclusion_type = 'PERM'),
            count(*) filter ((exclusion_type = 'PERM') <> (sessions is null))
        from (select *, count(*) over (partition by person_id, exclusion_type) as n
            from npd_exclusions)""",
    )
    assert (weekends, outside, for_good, sessions) == (0, 0, 1, 0)


def test_results_fall_with_special_needs(shared: duckdb.DuckDBPyConnection) -> None:
    points = dict(
        shared.execute(
            """select has_needs, avg(result::int) from npd_attainment join told using (person_id)
            where scheme = 'POINTS' group by all"""
        ).fetchall()
    )
    assert points[True] < points[False] - 40
    good = _one(
        shared,
        """select avg((result in ('A*', 'A', 'B', 'C'))::int) from npd_attainment
        where key_stage = 'KS4' and subject = 'MATH' and scheme = 'GRADE'""",
    )[0]
    assert 0.5 < good < 0.75
