with

magistrates as (
    select * from {{ ref('stg_libra__offences') }}
),

crown as (
    select * from {{ ref('stg_xhibit__offences') }}
),

{%- set shared = [
    'offence_key', 'defendant_case_key', 'disposal_rank', 'custodial_days', 'fine_amount',
    'offence_priority', 'ho_offence_code', 'is_convicted',
] %}

offences as (
    select
        'magistrates' as source_dataset,
        {{ shared | join(',\n        ') }}
    from magistrates

    union all

    select
        'crown' as source_dataset,
        {{ shared | join(',\n        ') }}
    from crown
),

final as (
    select
        source_dataset,
        offence_key,
        defendant_case_key,
        {{ most_serious_disposal_rank(partition_by=['source_dataset', 'defendant_case_key']) }}
            as most_serious_disposal_rank,
        count(*) over (partition by source_dataset, defendant_case_key) as offence_count,
        cast(
            sum(case when is_convicted then 1 else 0 end)
                over (partition by source_dataset, defendant_case_key)
            as bigint
        ) as convicted_offence_count
    from offences
)

select * from final
