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

-- Combinations are few, and looked up once each.
combinations as (
    select distinct application_types
    from events
    where application_types is not null
),

combination_laws as (
    select
        combinations.application_types,
        application_types.law
    from combinations
    inner join application_types
        on
            concat(',', combinations.application_types, ',')
            like concat('%,', application_types.code, ',%')
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
        combination_laws.law
    from events
    inner join combination_laws on events.application_types = combination_laws.application_types
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
