with

offences as (
    select * from {{ ref('stg_xhibit__offences') }}
),

defendants_on_case as (
    select * from {{ ref('stg_xhibit__defendants_on_case') }}
),

people as (
    select * from {{ ref('stg_linkage__crown_people') }}
),

ranked as (
    select * from {{ ref('int_xhibit__offences_ranked') }}
),

final as (
    select
        offences.offence_key as defendant_on_offence_id_hash,
        offences.defendant_case_key as defendant_on_case_id_hash,
        defendants_on_case.case_key as case_id_hash,
        defendants_on_case.defendant_key as defendant_id_hash,
        people.estimated_defendant_id,
        offences.ho_offence_code,
        offences.cjs_offence_code,
        offences.offence_desc,
        offences.offence_group,
        offences.offence_type,
        offences.offence_date,
        offences.age_at_offence,
        offences.plea_code,
        offences.plea_desc,
        offences.verdict_code,
        offences.verdict_desc,
        offences.is_convicted,
        offences.disposal_code,
        offences.disposal_desc,
        offences.disposal_group,
        offences.disposal_rank,
        offences.disposal_date,
        offences.custodial_days,
        offences.fine_amount,
        ranked.most_serious_disposal_rank,
        ranked.most_serious_disposal_rank = 1 as is_principal_offence
    from offences
    inner join defendants_on_case
        on offences.defendant_case_key = defendants_on_case.defendant_case_key
    inner join ranked on offences.offence_key = ranked.offence_key
    left join people on offences.defendant_case_key = people.defendant_case_key
)

select * from final
