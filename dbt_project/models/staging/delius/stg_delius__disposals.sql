with

disposals as (
    select * from {{ source('extracts', 'delius_disposals') }}
),

events as (
    select * from {{ ref('stg_delius__events') }}
),

disposal_types as (
    select * from {{ ref('disposals_delius') }}
),

units as (
    select * from {{ ref('units_delius') }}
),

termination_reasons as (
    select * from {{ ref('termination_reasons_delius') }}
),

final as (
    select
        disposals.record_key as disposal_key,
        disposals.delius_events_key as event_key,
        disposals.disposal_type_code,
        disposal_types.description as disposal_type_description,
        disposal_types.disposal_group,
        disposal_types.is_custodial,
        disposals.disposal_date,
        disposals.termination_date as disposal_termination_date,
        disposals.termination_reason_code as disposal_termination_reason_code,
        termination_reasons.description as disposal_termination_reason_desc,
        termination_reasons.termination_outcome as disposal_termination_outcome,
        cast(disposals.length as integer) as length,
        disposals.length_units,
        coalesce(
            {{ length_in_days('disposals.length', 'units.days_per_unit') }},
            cast(disposals.length_in_days as integer)
        ) as length_in_days,
        cast(disposals.recall_count as integer) as recall_count
    from disposals
    inner join events on disposals.delius_events_key = events.event_key
    left join disposal_types on disposals.disposal_type_code = disposal_types.code
    left join units on disposals.length_units = units.code
    left join termination_reasons
        on disposals.termination_reason_code = termination_reasons.code
    where disposals.soft_deleted = '0'
)

select * from final
