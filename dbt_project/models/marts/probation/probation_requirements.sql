with

requirements as (
    select * from {{ ref('stg_delius__requirements') }}
),

events as (
    select * from {{ ref('stg_delius__events') }}
),

people as (
    select * from {{ ref('stg_linkage__probation_people') }}
),

final as (
    select
        requirements.requirement_key as rqmnt_id_hash,
        requirements.event_key as event_id_hash,
        people.estimated_offender_id,
        requirements.rqmnt_type_main_category_code,
        requirements.rqmnt_type_main_category_desc,
        requirements.rqmnt_start_date,
        requirements.rqmnt_commencement_date,
        requirements.rqmnt_termination_date,
        requirements.rqmnt_termination_reason_code,
        requirements.rqmnt_termination_reason_desc,
        requirements.rqmnt_termination_outcome,
        requirements.length,
        requirements.length_units,
        requirements.length_in_days
    from requirements
    inner join events on requirements.event_key = events.event_key
    left join people on events.offender_key = people.offender_key
)

select * from final
