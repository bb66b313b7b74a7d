with

defendants_on_case as (
    select * from {{ ref('stg_xhibit__defendants_on_case') }}
),

offences as (
    select * from {{ ref('stg_xhibit__offences') }}
),

people as (
    select * from {{ ref('stg_linkage__crown_people') }}
),

principal as (
    select * from {{ ref('int_xhibit__offences_ranked') }}
    where most_serious_disposal_rank = 1
),

final as (
    select
        defendants_on_case.defendant_case_key as defendant_on_case_id_hash,
        defendants_on_case.case_key as case_id_hash,
        defendants_on_case.defendant_key as defendant_id_hash,
        people.estimated_defendant_id,
        defendants_on_case.is_organisation,
        defendants_on_case.sex_code,
        defendants_on_case.sex,
        defendants_on_case.ethnicity_code,
        defendants_on_case.ethnicity_desc,
        defendants_on_case.ethnicity_group,
        defendants_on_case.ethnic_appearance_code,
        defendants_on_case.ethnic_appearance_desc,
        defendants_on_case.nationality,
        defendants_on_case.age_at_first_hearing,
        defendants_on_case.is_juvenile,
        defendants_on_case.lsoa_residence,
        defendants_on_case.court_code,
        defendants_on_case.court_name,
        defendants_on_case.case_type_code,
        defendants_on_case.case_type_desc,
        defendants_on_case.magistrates_first_hearing_date,
        defendants_on_case.magistrates_final_hearing_date,
        defendants_on_case.committal_date,
        defendants_on_case.receipt_date,
        defendants_on_case.first_hearing_date,
        defendants_on_case.completion_date,
        defendants_on_case.remand_status_code,
        defendants_on_case.remand_status,
        defendants_on_case.tic_count,
        defendants_on_case.is_hate_crime,
        coalesce(principal.offence_count, 0) as offence_count,
        coalesce(principal.convicted_offence_count, 0) as convicted_offence_count,
        offences.offence_key as principal_offence_hash,
        offences.ho_offence_code,
        offences.cjs_offence_code,
        offences.offence_desc,
        offences.offence_group,
        offences.offence_type,
        offences.offence_date,
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
        {{ datediff('offences.offence_date', 'defendants_on_case.completion_date', 'day') }}
            as days_from_offence_to_completion
    from defendants_on_case
    left join principal
        on defendants_on_case.defendant_case_key = principal.defendant_case_key
    left join offences on principal.offence_key = offences.offence_key
    left join people
        on defendants_on_case.defendant_case_key = people.defendant_case_key
)

select * from final
