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
        *,
        row_number() over (
            partition by booking_key, movement_date, is_reception, movement_reason_code
            order by movement_seq, movement_key
        ) as nth_time_entered
    from movements
    where is_reception or is_release
),

recorded as (
    select * from entries
    where nth_time_entered = 1
),

last_of_booking as (
    select
        booking_key,
        movement_seq,
        movement_date,
        is_reception,
        row_number() over (
            partition by booking_key
            order by movement_date desc, movement_seq desc, movement_key desc
        ) as nth_from_last
    from recorded
),

-- Where the release was never entered, the end of the booking stands for it.
ends_of_bookings as (
    select
        last_of_booking.booking_key,
        last_of_booking.movement_seq,
        bookings.booking_end_date
    from last_of_booking
    inner join bookings on last_of_booking.booking_key = bookings.booking_key
    where
        last_of_booking.nth_from_last = 1
        and last_of_booking.is_reception
        and bookings.booking_end_date >= last_of_booking.movement_date
),

events as (
    select
        movement_key,
        booking_key,
        movement_date as event_date,
        movement_seq,
        is_reception,
        movement_reason_code as reason_code,
        movement_reason_desc as reason_desc,
        case when is_reception then reception_type else release_type end as event_type,
        continues_journey,
        case
            when is_reception then to_establishment_code else from_establishment_code
        end as establishment_code,
        case
            when is_reception then to_establishment_name else from_establishment_name
        end as establishment_name
    from recorded
    union all
    select
        cast(null as varchar) as movement_key,
        booking_key,
        booking_end_date as event_date,
        movement_seq + 1 as movement_seq,
        false as is_reception,
        cast(null as varchar) as reason_code,
        cast(null as varchar) as reason_desc,
        'not recorded' as event_type,
        false as continues_journey,
        cast(null as varchar) as establishment_code,
        cast(null as varchar) as establishment_name
    from ends_of_bookings
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

joined as (
    select
        receptions.movement_key as spell_key,
        receptions.estimated_offender_id,
        receptions.booking_key,
        receptions.journey_number,
        receptions.spell_number,
        receptions.spell_number = receptions.last_spell_number as is_last_of_person,
        receptions.event_date as reception_date,
        receptions.reason_code as reception_reason_code,
        receptions.reason_desc as reception_reason_desc,
        receptions.event_type as reception_type,
        receptions.establishment_code as reception_establishment_code,
        receptions.establishment_name as reception_establishment_name,
        releases.event_date as release_date,
        releases.reason_code as release_reason_code,
        releases.reason_desc as release_reason_desc,
        releases.event_type as release_type,
        releases.establishment_code as release_establishment_code,
        releases.establishment_name as release_establishment_name
    from in_journeys as receptions
    left join releases
        on
            receptions.estimated_offender_id = releases.estimated_offender_id
            and receptions.spell_number = releases.spell_number
),

final as (
    select
        *,
        first_value(spell_key) over (
            partition by estimated_offender_id, journey_number
            order by spell_number
        ) as journey_key,
        row_number() over (
            partition by estimated_offender_id, journey_number
            order by spell_number
        ) as spell_of_journey,
        row_number() over (
            partition by estimated_offender_id, journey_number
            order by spell_number desc
        ) as spell_from_last
    from joined
)

select * from final
