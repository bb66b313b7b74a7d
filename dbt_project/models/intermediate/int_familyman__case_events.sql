with

events as (
    select * from {{ ref('int_familyman__events') }}
),

final as (
    select
        case_key,
        count(*) as event_count,
        count(case when event_class = 'application' then 1 end) as application_count,
        count(case when event_class = 'hearing' then 1 end) as hearing_count
    from events
    where not is_duplicate
    group by case_key
)

select * from final
