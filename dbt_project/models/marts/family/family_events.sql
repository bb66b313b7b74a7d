with

events as (
    select * from {{ ref('int_familyman__events') }}
),

final as (
    select
        event_key as event_id_hash,
        case_key as case_number_hash,
        event_model_code,
        event_model_desc,
        event_class,
        disposal_type_code,
        disposal_type_desc,
        event_date,
        entry_date,
        court_code,
        court_name,
        application_types,
        children_named,
        cast(child_count as integer) as child_count,
        is_duplicate
    from events
)

select * from final
