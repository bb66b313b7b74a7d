"""One supply of two editions, and one chunk of lives, for all tests of the room."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from supply_files import PEOPLE, SEED, SOURCES, Supplied, settings_in

from datafirst_platform import editions
from datafirst_platform.extracts.contracts import SEEDS
from datafirst_platform.synthetic import csc, libra, lives, make_supply, npd, pnc

EARLY, LATE = 20088, 20453  # 2024-12-31 and 2025-12-31


@pytest.fixture(scope="session")
def supply(tmp_path_factory: pytest.TempPathFactory) -> Supplied:
    settings = settings_in(tmp_path_factory.mktemp("supply"))
    made = {
        key: make_supply(settings, editions.edition(key), people=PEOPLE, seed=SEED, sources=SOURCES)
        for key in ("2025", "2026")
    }
    return Supplied(settings, made, duckdb.connect())


@pytest.fixture(scope="session")
def lived() -> lives.Lives:
    return lives.draw(3, 0, 40_000)


@pytest.fixture(scope="session")
def told() -> lives.Lives:
    """Fewer lives, for sources whose every row is asked about."""
    return lives.draw(7, 0, 12_000)


@pytest.fixture(scope="session")
def shared(lived: lives.Lives) -> duckdb.DuckDBPyConnection:
    """What the departments share of these lives, the tables of 2026 with `_late` behind.

    Besides, `told` has one row a pupil: what came of them, as the tables tell it.
    """
    connection = duckdb.connect()
    for ending, cut_off in (("", EARLY), ("_late", LATE)):
        for source in (pnc, npd, csc):
            for name, table in source.tables(lived, cut_off).items():
                connection.register(f"{name}{ending}", table)
    connection.register("libra_cases", libra.tables(lived, EARLY)["libra_cases"])
    people = lived.pupils.people
    connection.register(
        "who",
        pa.table({"person_id": people.person_id, "born": people.born.astype("datetime64[D]")}),
    )
    connection.execute(
        f"""create table told as
        with offender as (
            select person_id, min(offence_date)::date as first_offence,
                bool_or(disposal_code in ('CUST', 'DTOR')) as custody,
                bool_or(is_serious_violence) as serious, bool_and(court_type = 'P') as cautioned
            from pnc_offences
            join read_csv('{SEEDS / "offences.csv"}') using (ho_offence_code)
            where adjudication in ('G', 'C') group by all),
        missed as (
            select person_id, max(share) >= 0.15 as persistently from (
                select person_id, (sum(sessions_authorised::int) + sum(sessions_unauthorised::int))
                    / sum(sessions_possible::int) as share
                from npd_absence group by person_id, academic_year) group by all),
        pupil as (
            select person_id, any_value(pupil_matching_ref) as ref, mode(gender) as gender,
                bool_or(fsm_eligible = 'Y') as poor, bool_or(sen_provision <> 'N') as has_needs
            from npd_census group by all)
        select pupil.*, born, first_offence, cautioned,
            case when custody then 'custody' when first_offence is null then 'none' else 'other'
                end as came_to,
            coalesce(serious, false) as serious,
            coalesce(persistently, false) as persistently_absent,
            person_id in (select person_id from npd_exclusions where exclusion_type = 'FIXD')
                as excluded,
            ref in (select pupil_matching_ref from csc_cin_episodes
                where pupil_matching_ref is not null) as in_need,
            ref in (select pupil_matching_ref from csc_cla_episodes
                where pupil_matching_ref is not null) as looked_after
        from pupil join who using (person_id) left join offender using (person_id)
            left join missed using (person_id)"""
    )
    return connection
