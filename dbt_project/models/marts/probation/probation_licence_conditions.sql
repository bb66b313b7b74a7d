with

licence_conditions as (
    select * from {{ ref('stg_delius__licence_conditions') }}
),

events as (
    select * from {{ ref('stg_delius__events') }}
),

people as (
    select * from {{ ref('stg_linkage__probation_people') }}
),

final as (
    select
        licence_conditions.licence_condition_key as lic_condition_id_hash,
        licence_conditions.event_key as event_id_hash,
        people.estimated_offender_id,
        licence_conditions.lic_cond_type_main_category_code,
        licence_conditions.lic_cond_type_main_category_desc,
        licence_conditions.lic_condition_start_date,
        licence_conditions.lic_condition_commencement_date,
        licence_conditions.lic_condition_termination_date,
        licence_conditions.lic_condition_termination_reason_code,
        licence_conditions.lic_condition_termination_reason_desc,
        licence_conditions.lic_condition_termination_outcome
    from licence_conditions
    inner join events on licence_conditions.event_key = events.event_key
    left join people on events.offender_key = people.offender_key
)

select * from final
