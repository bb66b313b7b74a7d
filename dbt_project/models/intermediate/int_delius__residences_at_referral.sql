with

events as (
    select * from {{ ref('stg_delius__events') }}
),

addresses as (
    select * from {{ ref('stg_delius__addresses') }}
),

candidates as (
    select
        events.event_key,
        addresses.address_key,
        addresses.lsoa_residence,
        addresses.start_date,
        addresses.start_date <= events.referral_date
        and coalesce(addresses.end_date >= events.referral_date, true) as is_at_referral
    from events
    inner join addresses on events.offender_key = addresses.offender_key
),

-- Of several addresses at referral the one moved to last; of those at another time the first.
ranked as (
    select
        *,
        row_number() over (
            partition by event_key
            order by
                case when is_at_referral then 0 else 1 end asc,
                case when is_at_referral then start_date end desc,
                start_date asc,
                address_key asc
        ) as place
    from candidates
),

final as (
    select
        event_key,
        address_key,
        lsoa_residence,
        is_at_referral
    from ranked
    where place = 1
)

select * from final
