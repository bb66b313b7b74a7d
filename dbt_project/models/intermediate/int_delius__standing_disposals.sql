with

disposals as (
    select * from {{ ref('stg_delius__disposals') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by event_key
            order by disposal_date desc, disposal_key desc
        ) as place
    from disposals
),

final as (
    select
        event_key,
        disposal_key,
        disposal_type_code,
        disposal_type_description,
        disposal_group,
        is_custodial,
        disposal_date,
        disposal_termination_date,
        disposal_termination_reason_code,
        disposal_termination_reason_desc,
        disposal_termination_outcome,
        length,
        length_units,
        length_in_days,
        recall_count
    from ranked
    where place = 1
)

select * from final
