with

movements as (
    select * from {{ ref('stg_nomis__movements') }}
),

bookings as (
    select * from {{ ref('stg_nomis__bookings') }}
),

people as (
    select * from {{ ref('stg_linkage__prison_people') }}
),

entries as (
    select
        movement_key,
        booking_key,
        movement_seq,
        movement_date as event_date,
        is_reception,
        continues_journey,
        row_number() over (
            partition by booking_key, movement_date, is_reception, movement_reason_code
            order by movement_seq, movement_key
        ) as nth_time_entered
    from movements
    where is_reception or is_release
),

last_of_booking as (
    select
        booking_key,
        movement_seq,
        event_date,
        is_reception,
        row_number() over (
            partition by booking_key
            order by event_date desc, movement_seq desc, movement_key desc
        ) as nth_from_last
    from entries
    where nth_time_entered = 1
),

events as (
    select
        movement_key,
        booking_key,
        movement_seq,
        event_date,
        is_reception,
        continues_journey
    from entries
    where nth_time_entered = 1
    union all
    -- Where the release was never entered, the end of the booking stands for it.
    select
        cast(null as varchar) as movement_key,
        last_of_booking.booking_key,
        last_of_booking.movement_seq + 1 as movement_seq,
        bookings.booking_end_date as event_date,
        false as is_reception,
        false as continues_journey
    from last_of_booking
    inner join bookings on last_of_booking.booking_key = bookings.booking_key
    where
        last_of_booking.nth_from_last = 1
        and last_of_booking.is_reception
        and bookings.booking_end_date >= last_of_booking.event_date
),

of_people as (
    select
        events.*,
        people.estimated_offender_id,
        bookings.booking_begin_date,
        -- Someone let go under one booking and received under another on the same day is let go
        -- first.
        first_value(events.is_reception) over (
            partition by events.booking_key, events.event_date
            order by events.movement_seq, events.movement_key
        ) as comes_in_first
    from events
    inner join bookings on events.booking_key = bookings.booking_key
    left join people on bookings.offender_name_key = people.offender_name_key
),

numbered as (
    select
        *,
        row_number() over (
            partition by estimated_offender_id
            order by
                event_date,
                case when comes_in_first then 1 else 0 end,
                booking_begin_date,
                booking_key,
                movement_seq,
                movement_key
        ) as event_number
    from of_people
),

in_sequence as (
    select
        *,
        lag(is_reception) over (
            partition by estimated_offender_id order by event_number
        ) as follows_reception,
        lag(event_date) over (
            partition by estimated_offender_id order by event_number
        ) as previous_date
    from numbered
),

placed as (
    select
        *,
        coalesce(
            {{ datediff('previous_date', 'event_date', 'day') }} <= 1, false
        ) as is_connected
    from in_sequence
),

-- A reception at most a day after another, with no release between, is the same entered twice.
opened as (
    select
        *,
        is_reception
        and not (coalesce(follows_reception, false) and is_connected) as opens_spell
    from placed
),

in_spells as (
    select
        *,
        sum(case when opens_spell then 1 else 0 end) over (
            partition by estimated_offender_id
            order by event_number
            rows between unbounded preceding and current row
        ) as spell_number
    from opened
),

receptions as (
    select
        *,
        -- A recall goes on with what was before, and so does whoever is back within a day.
        spell_number = 1
        or not (continues_journey or (not follows_reception and is_connected)) as opens_journey
    from in_spells
    where opens_spell
),

-- Of several releases in a row the first one ended the spell.
releases as (
    select *
    from in_spells
    where not is_reception and follows_reception
),

in_journeys as (
    select
        *,
        sum(case when opens_journey then 1 else 0 end) over (
            partition by estimated_offender_id
            order by spell_number
            rows between unbounded preceding and current row
        ) as journey_number,
        max(spell_number) over (partition by estimated_offender_id) as last_spell_number
    from receptions
),

paired as (
    select
        receptions.movement_key as spell_key,
        receptions.estimated_offender_id,
        receptions.booking_key,
        receptions.journey_number,
        receptions.spell_number,
        receptions.event_date as reception_date,
        releases.event_date as release_date,
        releases.movement_key as release_movement_key,
        receptions.spell_number = receptions.last_spell_number as is_last_of_person,
        first_value(receptions.movement_key) over (
            partition by receptions.estimated_offender_id, receptions.journey_number
            order by receptions.spell_number
        ) as journey_key,
        row_number() over (
            partition by receptions.estimated_offender_id, receptions.journey_number
            order by receptions.spell_number
        ) as spell_of_journey,
        row_number() over (
            partition by receptions.estimated_offender_id, receptions.journey_number
            order by receptions.spell_number desc
        ) as spell_from_last
    from in_journeys as receptions
    left join releases
        on
            receptions.estimated_offender_id = releases.estimated_offender_id
            and receptions.spell_number = releases.spell_number
),

final as (
    select
        paired.spell_key,
        paired.journey_key,
        paired.estimated_offender_id,
        paired.booking_key,
        paired.journey_number,
        paired.spell_number,
        paired.spell_of_journey,
        paired.spell_from_last,
        paired.is_last_of_person,
        paired.reception_date,
        reception_movements.movement_reason_code as reception_reason_code,
        reception_movements.movement_reason_desc as reception_reason_desc,
        reception_movements.reception_type,
        reception_movements.to_establishment_code as reception_establishment_code,
        reception_movements.to_establishment_name as reception_establishment_name,
        paired.release_date,
        release_movements.movement_reason_code as release_reason_code,
        release_movements.movement_reason_desc as release_reason_desc,
        case
            when release_movements.movement_key is not null then release_movements.release_type
            when paired.release_date is not null then 'not recorded'
        end as release_type,
        release_movements.from_establishment_code as release_establishment_code,
        release_movements.from_establishment_name as release_establishment_name
    from paired
    inner join movements as reception_movements
        on paired.spell_key = reception_movements.movement_key
    left join movements as release_movements
        on paired.release_movement_key = release_movements.movement_key
)

select * from final
