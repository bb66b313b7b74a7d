with

requirements as (
    select * from {{ source('extracts', 'delius_pss_requirements') }}
),

disposals as (
    select * from {{ ref('stg_delius__disposals') }}
),

requirement_types as (
    select * from {{ ref('pss_requirement_types_delius') }}
),

termination_reasons as (
    select * from {{ ref('requirement_termination_reasons_delius') }}
),

final as (
    select
        requirements.record_key as pss_requirement_key,
        disposals.event_key,
        requirements.pss_rqmnt_type_main_category_code,
        requirement_types.description as pss_rqmnt_type_main_category_desc,
        requirements.start_date as pss_rqmnt_start_date,
        requirements.termination_date as pss_rqmnt_termination_date,
        requirements.termination_reason_code as pss_rqmnt_termination_reason_code,
        termination_reasons.description as pss_rqmnt_termination_reason_desc,
        termination_reasons.termination_outcome as pss_rqmnt_termination_outcome
    from requirements
    inner join disposals on requirements.delius_disposals_key = disposals.disposal_key
    left join requirement_types
        on requirements.pss_rqmnt_type_main_category_code = requirement_types.code
    left join termination_reasons
        on requirements.termination_reason_code = termination_reasons.code
    where requirements.soft_deleted = '0'
)

select * from final
