with

events as (
    select * from {{ ref('stg_caseman__events') }}
),

cases as (
    select * from {{ ref('stg_caseman__cases') }}
),

first_judgments as (
    select * from {{ ref('int_caseman__first_judgments') }}
),

final as (
    select
        events.event_key as event_id_hash,
        events.case_key as case_number_hash,
        events.event_type_code,
        events.event_type_desc,
        events.event_class,
        events.judgment_type,
        first_judgments.event_key is not null as is_first_judgment,
        events.event_date,
        {{ datediff('cases.issue_date', 'events.event_date', 'day') }} as days_since_issue,
        events.amount,
        events.outcome_code,
        events.outcome_desc
    from events
    inner join cases on events.case_key = cases.case_key
    left join first_judgments on events.event_key = first_judgments.event_key
)

select * from final
