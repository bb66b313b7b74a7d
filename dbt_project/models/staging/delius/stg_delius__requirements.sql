with

requirements as (
    select * from {{ source('extracts', 'delius_requirements') }}
),

disposals as (
    select * from {{ ref('stg_delius__disposals') }}
),

requirement_types as (
    select * from {{ ref('requirement_types_delius') }}
),

units as (
    select * from {{ ref('units_delius') }}
),

termination_reasons as (
    select * from {{ ref('requirement_termination_reasons_delius') }}
),

final as (
    select
        requirements.record_key as requirement_key,
        disposals.event_key,
        requirements.rqmnt_type_main_category_code,
        requirement_types.description as rqmnt_type_main_category_desc,
        requirements.rqmnt_start_date,
        requirements.rqmnt_commencement_date,
        requirements.rqmnt_termination_date,
        requirements.rqmnt_termination_reason_code,
        termination_reasons.description as rqmnt_termination_reason_desc,
        termination_reasons.termination_outcome as rqmnt_termination_outcome,
        cast(requirements.length as integer) as length,
        requirements.length_units,
        {{ length_in_days('requirements.length', 'units.days_per_unit') }} as length_in_days
    from requirements
    inner join disposals on requirements.delius_disposals_key = disposals.disposal_key
    left join requirement_types
        on requirements.rqmnt_type_main_category_code = requirement_types.code
    left join units on requirements.length_units = units.code
    left join termination_reasons
        on requirements.rqmnt_termination_reason_code = termination_reasons.code
    where requirements.soft_deleted = '0'
)

select * from final
