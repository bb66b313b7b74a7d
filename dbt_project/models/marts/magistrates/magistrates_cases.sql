with

cases as (
    select * from {{ ref('stg_libra__cases') }}
),

offences as (
    select * from {{ ref('stg_libra__offences') }}
),

people as (
    select * from {{ ref('stg_linkage__magistrates_people') }}
),

principal as (
    select * from {{ ref('int_libra__offences_ranked') }}
    where most_serious_disposal_rank = 1
),

final as (
    select
        cases.defendant_case_key as defendant_case_hash,
        cases.case_key as case_id_hash,
        cases.defendant_key as defendant_id_hash,
        people.estimated_defendant_id,
        cases.is_organisation,
        cases.sex_code,
        cases.sex,
        cases.ethnicity_code,
        cases.ethnicity_desc,
        cases.ethnicity_group,
        cases.age_at_first_hearing,
        cases.lsoa_residence,
        cases.court_code,
        cases.court_name,
        cases.local_justice_area_code,
        cases.police_force_code,
        cases.police_force_name,
        cases.receipt_date,
        cases.first_hearing_date,
        cases.committal_date,
        cases.completion_date,
        cases.remand_status_code,
        cases.remand_status,
        coalesce(principal.offence_count, 0) as offence_count,
        coalesce(principal.convicted_offence_count, 0) as convicted_offence_count,
        offences.offence_key as principal_offence_hash,
        offences.ho_offence_code,
        offences.cjs_offence_code,
        offences.offence_desc,
        offences.offence_group,
        offences.offence_type,
        offences.offence_date,
        offences.charge_date,
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
        {{ datediff('offences.offence_date', 'cases.completion_date', 'day') }}
            as days_from_offence_to_completion
    from cases
    left join principal on cases.defendant_case_key = principal.defendant_case_key
    left join offences on principal.offence_key = offences.offence_key
    left join people on cases.defendant_case_key = people.defendant_case_key
)

select * from final
