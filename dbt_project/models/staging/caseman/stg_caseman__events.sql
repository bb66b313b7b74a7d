with

events as (
    select * from {{ source('extracts', 'caseman_events') }}
),

event_types as (
    select * from {{ ref('event_types_caseman') }}
),

outcomes as (
    select * from {{ ref('event_outcomes_caseman') }}
),

final as (
    select
        events.record_key as event_key,
        events.caseman_cases_key as case_key,
        events.event_type as event_type_code,
        event_types.description as event_type_desc,
        event_types.event_class,
        event_types.judgment_type,
        events.event_date,
        events.amount,
        events.outcome_code,
        outcomes.description as outcome_desc
    from events
    left join event_types on events.event_type = event_types.code
    left join outcomes on events.outcome_code = outcomes.code
)

select * from final
