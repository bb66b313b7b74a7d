with

conditions as (
    select * from {{ source('extracts', 'delius_licence_conditions') }}
),

disposals as (
    select * from {{ ref('stg_delius__disposals') }}
),

condition_types as (
    select * from {{ ref('licence_condition_types_delius') }}
),

termination_reasons as (
    select * from {{ ref('licence_condition_termination_reasons_delius') }}
),

final as (
    select
        conditions.record_key as licence_condition_key,
        disposals.event_key,
        conditions.lic_cond_type_main_category_code,
        condition_types.description as lic_cond_type_main_category_desc,
        conditions.start_date as lic_condition_start_date,
        conditions.commencement_date as lic_condition_commencement_date,
        conditions.termination_date as lic_condition_termination_date,
        conditions.termination_reason_code as lic_condition_termination_reason_code,
        termination_reasons.description as lic_condition_termination_reason_desc,
        termination_reasons.termination_outcome as lic_condition_termination_outcome
    from conditions
    inner join disposals on conditions.delius_disposals_key = disposals.disposal_key
    left join condition_types
        on conditions.lic_cond_type_main_category_code = condition_types.code
    left join termination_reasons
        on conditions.termination_reason_code = termination_reasons.code
    where conditions.soft_deleted = '0'
)

select * from final
