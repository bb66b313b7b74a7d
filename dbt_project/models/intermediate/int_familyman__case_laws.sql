with

cases as (
    select * from {{ ref('stg_familyman__cases') }}
),

events as (
    select * from {{ ref('stg_familyman__events') }}
),

application_types as (
    select * from {{ ref('application_types_familyman') }}
),

laws as (
    select
        case_key,
        law
    from cases
    union all
    select
        case_key,
        law
    from events
    where event_class = 'order'
    union all
    select
        events.case_key,
        application_types.law
    from events
    inner join application_types
        on
            concat(',', events.application_types, ',')
            like concat('%,', application_types.code, ',%')
),

final as (
    select
        case_key,
        max(case when law = 'public' then 1 else 0 end) = 1 as has_public_law,
        max(case when law = 'private' then 1 else 0 end) = 1 as has_private_law
    from laws
    group by case_key
)

select * from final
