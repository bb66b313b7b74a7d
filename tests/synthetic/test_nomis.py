"""What P-NOMIS holds follows from the same lives as what the courts hold."""

from __future__ import annotations

import numpy as np
import pytest
from supply_files import Supplied

from datafirst_platform.extracts.contracts import code_list
from datafirst_platform.synthetic import lists, lives, nomis
from datafirst_platform.synthetic.lives import Lives

CUT_OFF = 20088  # days from 1970-01-01 to 2024-12-31
RECEPTIONS_AND_RELEASES = "movement_type in ('ADM', 'REL') and movement_reason_code <> 'INT'"


def test_names_stand_to_court_records_as_published(supply: Supplied) -> None:
    names, cases = supply.view("2025", "nomis_offenders"), supply.view("2025", "libra_cases")
    ratio = supply.ask(f"select (select count(*) from {names}) / (select count(*) from {cases})")
    assert ratio[0][0] == pytest.approx(2.2 / 19.6, rel=0.15)


@pytest.mark.parametrize(
    ("court", "key", "date", "days", "codes", "layout", "held"),
    [
        ("libra_offences", "case_id, defendant_id, offence_seq", "disposal_date", "custodial_days",
         "'IMP'", "%Y-%m-%d", 0.96),
        ("xhibit_offences", "defendant_on_offence_id", "disposal_date", "custodial_period_days",
         "'IMP', 'LIFE'", "%d/%m/%Y", 0.90),
    ],
)  # fmt: skip
def test_prisons_hold_what_courts_passed(
    supply: Supplied,
    court: str,
    key: str,
    date: str,
    days: str,
    codes: str,
    layout: str,
    held: float,
) -> None:
    """But for children elsewhere, those who had served it all, and what was withdrawn."""
    found, agreed = supply.ask(
        f"""with passed as (
            select person_id, strptime({date}, '{layout}')::date as passed_on, {days} as days
            from {supply.view("2025", court)} join {supply.truth("2025", court)} using ({key})
            where disposal_code in ({codes})),
        served as (
            select truth.person_id, start_date::date as passed_on,
                list(effective_sentence_days) as terms
            from {supply.view("2025", "nomis_sentences")}
            join {supply.truth("2025", "nomis_sentences")} truth
                using (offender_book_id, sentence_seq)
            group by all)
        select avg((terms is not null)::int),
            avg((days is null or list_contains(terms, days))::int) filter (terms is not null)
        from passed left join served using (person_id, passed_on)"""
    )[0]
    assert held < found < 1
    assert 0.985 < agreed < 1


def test_every_sentence_of_prisons_was_passed_by_a_court(supply: Supplied) -> None:
    """While every court's cases are held, which they are until 2020."""
    strays = supply.ask(
        f"""with passed as (
            select person_id, disposal_date from {supply.view("2025", "libra_offences")}
            join {supply.truth("2025", "libra_offences")} using (case_id, defendant_id, offence_seq)
            union
            select person_id, strptime(disposal_date, '%d/%m/%Y')::date::varchar
            from {supply.view("2025", "xhibit_offences")}
            join {supply.truth("2025", "xhibit_offences")} using (defendant_on_offence_id)),
        served as (
            select truth.person_id, start_date as disposal_date
            from {supply.view("2025", "nomis_sentences")}
            join {supply.truth("2025", "nomis_sentences")} truth
                using (offender_book_id, sentence_seq)
            where start_date between '2014-06-01' and '2020-06-01'
                and sentence_calc_type <> 'A/FINE')
        select count(*) filter (not passed), count(*) from (
            select exists (select 1 from passed where passed.person_id = served.person_id
                and passed.disposal_date = served.disposal_date) as passed from served)"""
    )[0]
    # Withdrawn records of courts.
    assert strays[0] / strays[1] < 0.03
    assert strays[1] > 1000


def test_movements_of_a_booking_go_in_and_out_in_the_order_of_time(supply: Supplied) -> None:
    view = supply.view("2025", "nomis_movements")
    backwards, gaps, rows = supply.ask(
        f"""select count(*) filter (movement_date < before), count(*) filter (seq <> nth), count(*)
        from (select movement_date, movement_seq::int as seq,
            lag(movement_date) over booking as before, row_number() over booking as nth
        from {view}
        window booking as (partition by offender_book_id order by movement_seq::int))"""
    )[0]
    assert (backwards, gaps) == (0, 0)
    assert rows > 10_000
    after = dict(
        supply.ask(
            f"""select coalesce(before, '-') || ' ' || movement_type, count(*) from (
            select movement_type, lag(movement_type) over (
                partition by offender_book_id order by movement_seq::int) as before
            from {view} where {RECEPTIONS_AND_RELEASES}) group by 1"""
        )
    )
    assert set(after) == {"- ADM", "ADM REL", "REL ADM", "ADM ADM"}
    # Receptions entered twice, and releases not entered yet.
    assert after["ADM ADM"] < 0.01 * after["ADM REL"]


def test_a_booking_stands_as_its_movements_say(supply: Supplied) -> None:
    wrong = supply.ask(
        f"""with last as (
            select offender_book_id, arg_max(movement_type, movement_seq::int) as last_type,
                arg_min(movement_reason_code, movement_seq::int) as reason,
                min(movement_date) as begun, max(movement_date) as latest,
                arg_max(to_agy_loc_id, movement_seq::int) as place
            from {supply.view("2025", "nomis_movements")} group by 1)
        select count(*) filter ((last_type = 'REL') <> (in_out_status = 'OUT')),
            count(*) filter (begun <> booking_begin_date or reason <> admission_reason
                or (booking_end_date is null) <> (in_out_status = 'IN')
                or (active_flag = 'Y') <> (in_out_status = 'IN')),
            count(*) filter (last_type = 'REL' and latest <> booking_end_date),
            count(*) filter (in_out_status = 'IN' and place <> agy_loc_id),
            count(*) filter (in_out_status = 'IN') / count(*)
        from {supply.view("2025", "nomis_bookings")} join last using (offender_book_id)"""
    )[0]
    # A release that was not entered leaves a booking that has ended.
    assert wrong[0] < 15
    assert wrong[1:4] == (0, 0, 0)
    assert 0.01 < wrong[4] < 0.08


def test_journeys_of_the_truth_follow_from_the_movements(supply: Supplied) -> None:
    """The rule told once more, over what is delivered: recalls and a day apart go on."""
    derived = f"""with moves as (
            select offender_book_id, movement_seq::int as seq, movement_date::date as day,
                movement_type, movement_reason_code as reason, person_id
            from {supply.view("2025", "nomis_movements")}
            join {supply.truth("2025", "nomis_movements")} using (offender_book_id, movement_seq)
            where {RECEPTIONS_AND_RELEASES}),
        once as (select * from moves qualify movement_type = 'REL' or coalesce(
            lag(movement_type) over (partition by person_id, offender_book_id order by seq)
            = 'REL', true)),
        -- A release that was not entered ends with its booking.
        spells as (
            select person_id, offender_book_id, seq, day, reason, coalesce(
                lead(case when movement_type = 'REL' then day end)
                    over (partition by person_id, offender_book_id order by seq),
                booking_end_date::date) as released, movement_type
            from once join {supply.view("2025", "nomis_bookings")} using (offender_book_id)
            qualify movement_type = 'ADM'),
        marked as (select *, reason in ('L', 'B', 'Y') as recall, coalesce(
                reason in ('L', 'B', 'Y') or day - lag(released) over person <= 1, false)
                as goes_on
            from spells window person as (partition by person_id order by day, released)),
        numbered as (select *, sum((not goes_on)::int)
            over (partition by person_id order by day, released) as journey from marked)
        select person_id, arg_min(offender_book_id, (day, released)) as offender_book_id,
            arg_min(seq, (day, released))::varchar as movement_seq, min(day) as reception_date,
            list(released order by day, released)[-1] as release_date,
            count(*) filter (recall) as recall_count, count(*) as spell_count
        from numbered group by person_id, journey"""
    truth = supply.truth("2025", "custodial_journeys")
    told, agreed = supply.ask(
        f"""select (select count(*) from {truth}), (select count(*) from (
            (select person_id, offender_book_id, movement_seq, reception_date, release_date,
                recall_count, spell_count from {truth}) intersect ({derived})))"""
    )[0]
    assert told > 3000
    assert agreed / told > 0.999


def test_an_edition_goes_on_with_the_one_before(supply: Supplied) -> None:
    early, late = supply.view("2025", "nomis_movements"), supply.view("2026", "nomis_movements")
    key = "using (offender_book_id, movement_seq)"
    before, gone, moved, new, new_of_old = supply.ask(
        f"""select (select count(*) from {early}),
        (select count(*) from {early} anti join {late} {key}),
        (select count(*) from {early} e join {late} l {key}
            where (e.movement_date, e.movement_type, e.to_agy_loc_id)
                <> (l.movement_date, l.movement_type, l.to_agy_loc_id)),
        (select count(*) from {late} anti join {early} {key}),
        (select count(*) from {late} anti join {early} {key} where movement_date <= '2024-12-31')"""
    )[0]
    assert gone / before == pytest.approx(0.002, abs=0.0015)
    assert moved == 0
    assert new > 400
    assert new_of_old < 10  # releases that were entered late
    lost = supply.ask(
        f"""select count(*) from {supply.view("2025", "nomis_offenders")}
        anti join {supply.view("2026", "nomis_offenders")} using (offender_id)"""
    )
    assert lost == [(0,)]
    corrected, told = supply.ask(
        f"""select count(*) filter ((e.first_name, e.last_name, e.birth_date)
            is distinct from (l.first_name, l.last_name, l.birth_date)), count(*)
        from {supply.view("2025", "nomis_offenders")} e
        join {supply.view("2026", "nomis_offenders")} l using (offender_id)"""
    )[0]
    assert 0 < corrected / told < 0.01


def test_no_edition_of_prisons_knows_its_future(supply: Supplied) -> None:
    for table, columns in {
        "nomis_movements": "max(movement_date)",
        "nomis_bookings": "max(booking_begin_date), max(booking_end_date)",
        "nomis_sentences": "max(start_date)",
        "nomis_charges": "max(offence_date)",
    }.items():
        view = supply.view("2025", table)
        assert max(supply.ask(f"select {columns} from {view}")[0]) <= "2024-12-31"


def test_a_booking_has_charges_and_one_is_the_most_serious(supply: Supplied) -> None:
    most = supply.ask(
        f"""select distinct count(charge.offender_charge_id)
            filter (most_serious_flag = 'Y')
        from {supply.view("2025", "nomis_bookings")}
        left join {supply.view("2025", "nomis_charges")} charge using (offender_book_id)
        group by offender_book_id"""
    )
    assert most == [(1,)]


def test_a_consecutive_sentence_names_an_earlier_one_of_the_same_day(supply: Supplied) -> None:
    view = supply.view("2025", "nomis_sentences")
    rows, sound = supply.ask(
        f"""select count(*), count(*) filter (other.sentence_seq::int < own.sentence_seq::int
            and other.start_date = own.start_date
            and coalesce(other.end_date <= own.end_date, true))
        from {view} own left join {view} other on own.offender_book_id = other.offender_book_id
            and own.consec_to_sentence_seq = other.sentence_seq
        where own.consec_to_sentence_seq is not null"""
    )[0]
    assert rows == sound > 50


def test_aliases_share_a_root_and_roots_split_and_mix_people(lived: Lives) -> None:
    known = nomis.register(lived)
    spells = lived.spells
    first = known.held[known.first]
    told = spells.received_day[first] <= CUT_OFF
    root = known.root_at(CUT_OFF)[known.root]
    person = spells.person[first]
    again = told & (spells.nth[first] == 0)
    again[1:] &= person[1:] == person[:-1]
    again[0] = False
    other = np.append([False], root[1:] != root[:-1])
    assert other[again].mean() == pytest.approx(0.12, abs=0.02)
    roots = np.unique(np.stack([root[told], person[told]]), axis=1)
    holders = np.bincount(roots[0])
    assert (holders[holders > 0] > 1).mean() == pytest.approx(0.003, abs=0.0015)
    assert (holders <= 3).all()


def test_names_stand_under_the_head_of_their_root(supply: Supplied) -> None:
    view = supply.view("2025", "nomis_offenders")
    assert supply.ask(
        f"select count(*) from {view} own anti join {view} head "
        "on own.root_offender_id = head.offender_id"
    ) == [(0,)]
    assert supply.ask(
        f"""select count(*) from (select root_offender_id from {view} group by 1
        having count(distinct offender_id_display) > 1)"""
    ) == [(0,)]
    kinds = dict(supply.ask(f"select name_type, count(*) from {view} group by 1"))
    assert kinds["CN"] > 5 * kinds["A"]
    assert min(kinds["A"], kinds["NICK"], kinds["MAID"]) > 0
    assert supply.ask(
        f"""select count(*) from {supply.view("2025", "nomis_bookings")} booking
        join {view} using (offender_id) where booking.root_offender_id <> {view}.root_offender_id"""
    ) == [(0,)]


def test_a_merged_number_was_in_use_and_is_no_more(supply: Supplied) -> None:
    early, late = supply.view("2025", "nomis_offenders"), supply.view("2026", "nomis_offenders")
    merged = f"""(select identifier from {supply.view("2026", "nomis_identifiers")}
        where identifier_type = 'MERGED')"""
    rows, still, before = supply.ask(
        f"""select (select count(*) from {merged}),
        (select count(*) from {late} where offender_id_display in {merged}),
        (select count(distinct offender_id_display) from {early}
            where offender_id_display in {merged})"""
    )[0]
    assert rows > 20
    assert still == 0
    assert before > 0


def test_police_numbers_come_long_and_short_and_some_are_wrong(supply: Supplied) -> None:
    view = supply.view("2025", "nomis_identifiers")
    long, short, valid = supply.ask(
        f"""with parts as (select identifier,
            regexp_extract(identifier, '(\\d\\d)/(\\d+)([A-Z])$', 1) as year,
            regexp_extract(identifier, '(\\d\\d)/(\\d+)([A-Z])$', 2) as serial
        from {view} where identifier_type = 'PNC')
        select count(*) filter (regexp_full_match(identifier, '\\d{{4}}/\\d{{7}}[A-Z]')),
            count(*) filter (regexp_full_match(identifier, '\\d\\d/\\d{{1,7}}[A-Z]')),
            avg((right(identifier, 1) = 'ZABCDEFGHJKLMNPQRTUVWXY'[
                ((year || lpad(serial, 7, '0'))::bigint % 23 + 1)::int])::int)
        from parts"""
    )[0]
    assert long > 2 * short > 0
    assert 0.97 < valid < 1


def test_the_number_others_copy_is_that_of_the_booking(lived: Lives) -> None:
    known, spells = nomis.register(lived), lived.spells
    first = known.held[known.first]
    person, day = spells.person[first], spells.received_day[first]
    assert nomis.number_on(lived, known, person, day).null_count == 0
    never = np.setdiff1d(np.arange(len(lived.people)), person)
    nobody = nomis.number_on(lived, known, never, np.full(len(never), CUT_OFF))
    assert nobody.null_count == len(never)
    numbers = nomis.number_on(lived, known, person, np.full(len(person), 30_000))
    assert all(len(number) == 7 for number in numbers.to_pylist())


def test_codes_are_those_of_the_lists(supply: Supplied) -> None:
    for table, column, codes in (
        ("nomis_bookings", "agy_loc_id", "establishments"),
        ("nomis_bookings", "admission_reason", "movement_reasons_nomis"),
        ("nomis_charges", "offence_code", "offences"),
        ("nomis_charges", "result_code_1", "results_nomis"),
        ("nomis_sentences", "sentence_calc_type", "sentence_types_nomis"),
        ("nomis_movements", "movement_reason_code", "movement_reasons_nomis"),
        ("nomis_offenders", "race_code", "ethnicities_nomis"),
    ):
        view = supply.view("2026", table)
        used = {
            code
            for (code,) in supply.ask(f"select distinct {column} from {view} where {column} <> ''")
        }
        assert used <= set(code_list(codes)), column
    assert set(lists.establishments().code.to_pylist()) <= set(code_list("establishments"))


def test_prisons_of_wales_hold_people_too(supply: Supplied) -> None:
    view = supply.view("2025", "nomis_movements")
    found = supply.ask(
        f"select distinct to_agy_loc_id from {view} "
        "where to_agy_loc_id in ('PRI', 'CFI', 'SWI', 'BWI', 'UKI', 'UPI')"
    )
    assert len(found) >= 5


@pytest.mark.parametrize("people", [1, 5])
def test_where_nobody_is_in_prison_the_tables_are_empty(people: int) -> None:
    """And have the columns they have anywhere else."""
    usual = nomis.tables(lives.draw(0, 0, 300), CUT_OFF)
    for seed in range(8):
        made = nomis.tables(lives.draw(seed, 0, people), CUT_OFF)
        assert {name: table.schema for name, table in made.items()} == {
            name: table.schema for name, table in usual.items()
        }
