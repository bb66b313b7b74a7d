with

offences as (
    select * from {{ ref('stg_libra__offences') }}
),

cases as (
    select * from {{ ref('stg_libra__cases') }}
),

people as (
    select * from {{ ref('stg_linkage__magistrates_people') }}
),

ranked as (
    select * from {{ ref('int_libra__offences_ranked') }}
),

final as (
    select
        offences.offence_key as defendant_offence_hash,
        offences.defendant_case_key as defendant_case_hash,
        cases.case_key as case_id_hash,
        cases.defendant_key as defendant_id_hash,
        people.estimated_defendant_id,
        offences.offence_number,
        offences.ho_offence_code,
        offences.cjs_offence_code,
        offences.offence_desc,
        offences.offence_group,
        offences.offence_type,
        offences.offence_date,
        offences.charge_date,
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
    inner join cases on offences.defendant_case_key = cases.defendant_case_key
    inner join ranked on offences.offence_key = ranked.offence_key
    left join people on offences.defendant_case_key = people.defendant_case_key
)

select * from final
