with

events as (
    select * from {{ ref('stg_caseman__events') }}
),

final as (
    select
        case_key,
        count(*) as event_count,
        count(case when event_class = 'Hearing' then 1 end) as hearing_count,
        count(case when event_class = 'Judgment' then 1 end) as judgment_count,
        count(case when event_class = 'Warrant' then 1 end) as warrant_count,
        count(case when event_type_code = 'DEFENCE' then 1 end) as defence_count,
        count(case when event_class = 'Set aside' then 1 end) as set_aside_count,
        count(case when event_type_code = 'REPOSS' then 1 end) as repossession_count,
        min(case when event_class = 'Hearing' then event_date end) as first_hearing_date,
        min(case when event_class = 'Warrant' then event_date end) as first_warrant_date
    from events
    group by case_key
)

select * from final
