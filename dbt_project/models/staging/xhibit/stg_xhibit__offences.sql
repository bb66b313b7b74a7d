with

offences as (
    select * from {{ source('extracts', 'xhibit_offences') }}
),

offence_classes as (
    select * from {{ ref('offences') }}
),

pleas as (
    select * from {{ ref('pleas') }}
),

verdicts as (
    select * from {{ ref('verdicts') }}
),

disposals as (
    select * from {{ ref('disposals_xhibit') }}
),

final as (
    select
        offences.record_key as offence_key,
        offences.xhibit_defendants_on_case_key as defendant_case_key,
        offences.ho_offence_code,
        offences.cjs_offence_code,
        offence_classes.description as offence_desc,
        coalesce(offence_classes.offence_group, 'Not known') as offence_group,
        coalesce(offence_classes.offence_type, 'Not known') as offence_type,
        offence_classes.priority as offence_priority,
        offences.offence_date,
        cast(offences.age_at_offence as integer) as age_at_offence,
        offences.plea as plea_code,
        pleas.description as plea_desc,
        offences.verdict as verdict_code,
        verdicts.description as verdict_desc,
        coalesce(verdicts.is_conviction, false) as is_convicted,
        offences.disposal_code,
        disposals.description as disposal_desc,
        coalesce(disposals.disposal_group, 'Not known') as disposal_group,
        disposals.disposal_rank,
        offences.disposal_date,
        cast(offences.custodial_period_days as integer) as custodial_days,
        offences.monetary_amount as fine_amount
    from offences
    left join offence_classes on offences.ho_offence_code = offence_classes.ho_offence_code
    left join pleas on offences.plea = pleas.code
    left join verdicts on offences.verdict = verdicts.code
    left join disposals on offences.disposal_code = disposals.code
)

select * from final
