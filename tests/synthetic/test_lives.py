"""The lives behind the supply have the published shapes, and editions tell one story."""

from __future__ import annotations

import numpy as np
import pytest
from supply_files import PEOPLE, Supplied

from datafirst_platform.synthetic import careers, lists, population, recording
from datafirst_platform.synthetic.lives import Lives

FIRST_2020 = 18262  # days from 1970-01-01 to 2020-01-01


@pytest.fixture(scope="module")
def chunk(lived: Lives) -> tuple[population.People, careers.Cases, careers.Charges]:
    return lived.people, lived.cases, lived.charges


def test_returning_defendants_have_the_published_shares(
    chunk: tuple[population.People, careers.Cases, careers.Charges],
) -> None:
    people, cases, charges = chunk
    starters = ~people.is_company & (population.calendar(people.entered)[0] == 2011)
    by_2019 = cases.first_hearing_day < FIRST_2020
    number = np.bincount(cases.person[by_2019], minlength=len(people))[starters]
    assert (number >= 2).mean() == pytest.approx(0.56, abs=0.02)
    assert (number >= 6).mean() == pytest.approx(0.18, abs=0.02)
    began = np.zeros(len(people), dtype=bool)
    first = (cases.nth[charges.case] == 0) & (charges.seq == 1)
    theft = lists.offences().group[charges.code] == "Theft offences"
    began[cases.person[charges.case[first & theft]]] = True
    assert (number[began[starters]] >= 2).mean() == pytest.approx(0.82, abs=0.03)


def test_courts_take_as_long_as_published(
    chunk: tuple[population.People, careers.Cases, careers.Charges],
) -> None:
    _, cases, _ = chunk

    def median(end: np.ndarray, chosen: np.ndarray) -> float:
        in_2023 = chosen & (population.calendar(np.minimum(end, 40_000))[0] == 2023)
        return float(np.median((end - cases.offence_day)[in_2023]))

    crown = cases.route != careers.MAGISTRATES
    assert median(cases.end_day, ~crown) == pytest.approx(178, rel=0.12)
    assert median(cases.crown_end_day, crown) == pytest.approx(374, rel=0.15)


def test_days_of_a_case_follow_each_other(
    chunk: tuple[population.People, careers.Cases, careers.Charges],
) -> None:
    people, cases, charges = chunk
    assert (cases.offence_day <= cases.charge_day).all()
    assert (cases.charge_day <= cases.first_hearing_day).all()
    assert (cases.first_hearing_day <= cases.end_day).all()
    sent = cases.committed_day < population.NEVER
    assert (cases.committed_day[sent] <= cases.crown_receipt_day[sent]).all()
    crown = cases.route != careers.MAGISTRATES
    assert (cases.crown_receipt_day[crown] < cases.crown_first_day[crown]).all()
    assert (cases.crown_first_day[crown] <= cases.crown_end_day[crown]).all()
    old_enough = cases.first_hearing_day - people.born[cases.person] > 3652
    assert old_enough[~people.is_company[cases.person]].all()
    assert 1.5 < len(charges) / len(cases) < 1.7


def test_records_stand_in_the_published_proportion(supply: Supplied) -> None:
    magistrates = supply.view("2025", "libra_cases")
    crown = supply.view("2025", "xhibit_defendants_on_case")
    ratio, companies, crown_companies = supply.ask(
        f"""select (select count(*) from {magistrates}) / (select count(*) from {crown}),
        (select avg((defendant_type = 'O')::int) from {magistrates}),
        (select avg((is_company = 'Y')::int) from {crown})"""
    )[0]
    assert ratio == pytest.approx(13.4, rel=0.08)
    assert companies == pytest.approx(0.015, abs=0.004)
    assert 0 < crown_companies < 0.01
    per_year = dict(
        supply.ask(f"select first_hearing_date[:4], count(*) from {magistrates} group by 1")
    )
    assert per_year["2024"] < per_year["2022"] < per_year["2020"] / 2
    assert supply.ask(
        f"select count(*) from {magistrates} "
        "where defendant_type = 'O' and (date_of_birth is not null or sex is not null "
        "or last_name is not null or organisation_name is null)"
    ) == [(0,)]


def test_two_records_of_a_person_disagree_as_often_as_in_production(supply: Supplied) -> None:
    view, truth = supply.view("2025", "libra_cases"), supply.truth("2025", "libra_cases")
    pairs = f"""with records as (
            select person_id, first_name, last_name, date_of_birth, split_part(forename2, ' ', 1)
                as middle, upper(replace(postcode, ' ', '')) as postcode,
                row_number() over (partition by person_id order by hash(case_id)) as place
            from {view} join {truth} using (case_id, defendant_id) where person_id > 0),
        pairs as (
            select one, other from records one join records other
            on one.person_id = other.person_id and one.place = 1 and other.place = 2)
        select
            avg((one.first_name <> other.first_name or one.last_name <> other.last_name)::int),
            avg((one.date_of_birth <> other.date_of_birth)::int),
            avg((one.postcode <> other.postcode)::int),
            avg((one.middle <> other.middle)::int)
        from pairs"""
    name, birth, postcode, middle = supply.ask(pairs)[0]
    assert name == pytest.approx(0.12, abs=0.025)
    assert birth == pytest.approx(0.052, abs=0.015)
    assert postcode == pytest.approx(0.29, abs=0.04)
    assert middle == pytest.approx(0.07, abs=0.025)


def test_police_numbers_have_the_check_letter_of_the_published_example() -> None:
    assert recording.check_letter(np.array([3 * 10**7 + 62845])).to_pylist() == ["E"]


@pytest.mark.parametrize("table", ["libra_cases", "xhibit_defendants_on_case"])
def test_police_numbers_are_valid_but_for_slips(supply: Supplied, table: str) -> None:
    view = supply.view("2025", table)
    people = "defendant_type = 'P'" if table == "libra_cases" else "is_company = 'N'"
    held, valid = supply.ask(
        f"""with parts as (
            select pnc_id, regexp_extract(pnc_id, '(\\d\\d)/(\\d+)([A-Z])$', 1) as year,
                regexp_extract(pnc_id, '(\\d\\d)/(\\d+)([A-Z])$', 2) as serial
            from {view} where {people})
        select avg((pnc_id is not null)::int), avg((right(pnc_id, 1) =
            'ZABCDEFGHJKLMNPQRTUVWXY'[((year || lpad(serial, 7, '0'))::bigint % 23 + 1)::int])::int)
        from parts"""
    )[0]
    assert 0.58 < held < 0.75
    assert 0.97 < valid < 1


def test_twins_share_all_but_their_first_name() -> None:
    people = population.draw(1, 0, 20_000)
    one = np.flatnonzero(people.twin >= 0)
    other = people.twin[one]
    assert len(one) > 200
    assert (people.twin[other] == one).all()
    assert (people.born[one] == people.born[other]).all()
    assert (people.surname[one] == people.surname[other]).all()
    assert (people.addresses.sector[one, 0] == people.addresses.sector[other, 0]).all()
    assert (people.first[one] != people.first[other]).mean() > 0.99


def test_a_later_edition_adds_completes_corrects_and_withdraws(supply: Supplied) -> None:
    early, late = supply.view("2025", "libra_cases"), supply.view("2026", "libra_cases")
    key = "using (case_id, defendant_id)"
    before, gone, new, reopened, completed, corrected = supply.ask(
        f"""select (select count(*) from {early}),
        (select count(*) from {early} anti join {late} {key}),
        (select count(*) from {late} anti join {early} {key}),
        (select count(*) from {early} e join {late} l {key}
            where e.completion_date is not null and l.completion_date is null),
        (select count(*) from {early} e join {late} l {key}
            where e.completion_date is null and l.completion_date is not null),
        (select count(*) from {early} e join {late} l {key}
            where e.completion_date is not distinct from l.completion_date and e <> l)"""
    )[0]
    assert gone / before == pytest.approx(0.002, abs=0.0012)
    assert corrected / before == pytest.approx(0.005, abs=0.002)
    assert new > 50
    assert completed > 0
    assert reopened == 0
    assert supply.ask(
        f"select count(*) from {late} anti join {early} {key} "
        "where first_hearing_date <= '2024-12-31'"
    ) == [(0,)]


def test_no_edition_knows_its_future(supply: Supplied) -> None:
    view = supply.view("2025", "libra_cases")
    latest = "max(first_hearing_date), max(completion_date), max(committal_date)"
    assert max(supply.ask(f"select {latest} from {view}")[0]) <= "2024-12-31"
    crown = supply.view("2025", "xhibit_defendants_on_case")
    for column in ("receipt_date", "first_hearing_date", "completion_date", "date_of_committal"):
        found = supply.ask(f"select max(strptime({column}, '%d/%m/%Y')::date) from {crown}")
        assert str(found[0][0]) <= "2024-12-31"


def test_rows_of_a_person_do_not_stand_together(supply: Supplied) -> None:
    view, truth = supply.view("2025", "libra_cases"), supply.truth("2025", "libra_cases")
    beside = supply.ask(
        f"""with lines as (select row_number() over () as line, case_id, defendant_id from {view})
        select avg((person_id = before)::int) from (
            select person_id, lag(person_id) over (order by line) as before
            from lines join {truth} using (case_id, defendant_id))"""
    )[0][0]
    assert beside < 0.001


def test_two_systems_write_one_name_in_their_own_way(supply: Supplied) -> None:
    magistrates = supply.view("2025", "libra_cases")
    crown = supply.view("2025", "xhibit_defendants_on_case")
    assert supply.ask(
        f"select count(*) from {magistrates} where last_name <> upper(last_name) "
        "or last_name <> strip_accents(last_name)"
    ) == [(0,)]
    mixed, accented = supply.ask(
        f"""select avg((surname <> upper(surname))::int),
        count(*) filter (surname || first_name <> strip_accents(surname || first_name))
        from {crown}"""
    )[0]
    assert mixed > 0.99
    assert accented > 0


def test_people_are_about_as_many_as_asked_for(supply: Supplied) -> None:
    truth = supply.truth("2025", "libra_cases")
    seen = supply.ask(f"select count(distinct person_id) from {truth} where person_id > 0")
    assert 0.75 * PEOPLE < seen[0][0] <= PEOPLE
