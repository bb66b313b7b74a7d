with

events as (
    select * from {{ source('extracts', 'familyman_events') }}
),

event_models as (
    select * from {{ ref('event_models_familyman') }}
),

disposal_types as (
    select * from {{ ref('disposal_types_family') }}
),

courts as (
    select * from {{ ref('family_courts') }}
),

final as (
    select
        events.record_key as event_key,
        events.familyman_cases_key as case_key,
        events.event_model as event_model_code,
        event_models.description as event_model_desc,
        coalesce(event_models.event_class, 'other') as event_class,
        event_models.disposal_type as disposal_type_code,
        disposal_types.description as disposal_type_desc,
        coalesce(disposal_types.is_final, false) as is_final_disposal,
        event_models.law,
        events.receipt_date as event_date,
        events.entry_date,
        events.creating_court as court_code,
        courts.description as court_name,
        events.application_types,
        events.child_roles_key as child_role_keys
    from events
    left join event_models on events.event_model = event_models.code
    left join disposal_types on event_models.disposal_type = disposal_types.code
    left join courts on events.creating_court = courts.code
    -- FamilyMan marks what was entered in error and keeps it.
    where events.error = 'N'
)

select * from final
