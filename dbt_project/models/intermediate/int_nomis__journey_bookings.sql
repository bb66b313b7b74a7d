with

spells as (
    select * from {{ ref('int_nomis__spells') }}
),

final as (
    select
        journey_key,
        booking_key,
        min(reception_date) as reception_date,
        -- Open while any spell is.
        case when count(release_date) = count(*) then max(release_date) end as release_date
    from spells
    group by journey_key, booking_key
)

select * from final
