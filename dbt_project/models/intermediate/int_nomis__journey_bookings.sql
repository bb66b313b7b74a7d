with

spells as (
    select * from {{ ref('int_nomis__spells') }}
),

bookings as (
    select * from {{ ref('stg_nomis__bookings') }}
),

people as (
    select * from {{ ref('stg_linkage__prison_people') }}
),

with_spells as (
    select
        journey_key,
        booking_key,
        min(reception_date) as reception_date,
        -- Open while any spell is.
        case when count(release_date) = count(*) then max(release_date) end as release_date
    from spells
    group by journey_key, booking_key
),

-- A reception entered twice leaves a booking without a spell of its own.
without_spells as (
    select
        bookings.booking_key,
        bookings.booking_begin_date,
        people.estimated_offender_id
    from bookings
    inner join people on bookings.offender_name_key = people.offender_name_key
    left join with_spells on bookings.booking_key = with_spells.booking_key
    where with_spells.booking_key is null
),

within_spells as (
    select
        spells.journey_key,
        without_spells.booking_key,
        spells.reception_date,
        spells.release_date,
        row_number() over (
            partition by without_spells.booking_key
            order by spells.spell_number desc
        ) as nth_from_last
    from without_spells
    inner join spells
        on
            without_spells.estimated_offender_id = spells.estimated_offender_id
            and without_spells.booking_begin_date >= spells.reception_date
    where spells.release_date is null or without_spells.booking_begin_date <= spells.release_date
),

final as (
    select
        journey_key,
        booking_key,
        reception_date,
        release_date
    from with_spells
    union all
    select
        journey_key,
        booking_key,
        reception_date,
        release_date
    from within_spells
    where nth_from_last = 1
)

select * from final
