with

events as (
    select * from {{ ref('stg_familyman__events') }}
),

named_children as (
    select * from {{ ref('int_familyman__named_children') }}
),

case_parties as (
    select * from {{ ref('int_familyman__case_parties') }}
),

repeated as (
    select
        event_key,
        row_number() over (
            partition by
                case_key,
                event_model_code,
                event_date,
                coalesce(application_types, ''),
                coalesce(child_role_keys, '')
            order by
                case when entry_date is null then 1 else 0 end,
                entry_date,
                event_key
        ) as time_entered
    from events
    where event_class = 'order'
),

final as (
    select
        events.event_key,
        events.case_key,
        events.event_model_code,
        events.event_model_desc,
        events.event_class,
        events.disposal_type_code,
        events.disposal_type_desc,
        events.is_final_disposal,
        events.law,
        events.event_date,
        events.entry_date,
        events.court_code,
        events.court_name,
        events.application_types,
        coalesce(repeated.time_entered > 1, false) as is_duplicate,
        named_children.event_key is not null as children_named,
        coalesce(named_children.child_count, case_parties.child_count, 0) as child_count
    from events
    left join repeated on events.event_key = repeated.event_key
    left join named_children on events.event_key = named_children.event_key
    left join case_parties on events.case_key = case_parties.case_key
)

select * from final
