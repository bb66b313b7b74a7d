with

pss_requirements as (
    select * from {{ ref('stg_delius__pss_requirements') }}
),

events as (
    select * from {{ ref('stg_delius__events') }}
),

people as (
    select * from {{ ref('stg_linkage__probation_people') }}
),

final as (
    select
        pss_requirements.pss_requirement_key as pss_rqmnt_id_hash,
        pss_requirements.event_key as event_id_hash,
        people.estimated_offender_id,
        pss_requirements.pss_rqmnt_type_main_category_code,
        pss_requirements.pss_rqmnt_type_main_category_desc,
        pss_requirements.pss_rqmnt_start_date,
        pss_requirements.pss_rqmnt_termination_date,
        pss_requirements.pss_rqmnt_termination_reason_code,
        pss_requirements.pss_rqmnt_termination_reason_desc,
        pss_requirements.pss_rqmnt_termination_outcome
    from pss_requirements
    inner join events on pss_requirements.event_key = events.event_key
    left join people on events.offender_key = people.offender_key
)

select * from final
