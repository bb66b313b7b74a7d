with

cases as (
    select * from {{ source('extracts', 'libra_cases') }}
),

defendant_types as (
    select * from {{ ref('defendant_types') }}
),

sexes as (
    select * from {{ ref('sex_libra') }}
),

ethnicities as (
    select * from {{ ref('ethnicities') }}
),

courts as (
    select * from {{ ref('magistrates_courts') }}
),

police_forces as (
    select * from {{ ref('police_forces') }}
),

remand_statuses as (
    select * from {{ ref('remand_statuses_libra') }}
),

final as (
    select
        cases.record_key as defendant_case_key,
        cases.case_key,
        cases.defendant_key,
        cases.defendant_type as defendant_type_code,
        defendant_types.is_organisation,
        cases.sex as sex_code,
        coalesce(sexes.sex, 'unknown') as sex,
        cases.ethnicity_self_defined as ethnicity_code,
        ethnicities.description as ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group,
        cast(cases.age_at_first_hearing as integer) as age_at_first_hearing,
        cases.lsoa_residence,
        cases.court_code,
        courts.description as court_name,
        courts.local_justice_area_code,
        cases.police_force_code,
        police_forces.description as police_force_name,
        cases.receipt_date,
        cases.first_hearing_date,
        cases.committal_date,
        cases.completion_date,
        cases.remand_status as remand_status_code,
        coalesce(remand_statuses.remand_status, 'unknown') as remand_status
    from cases
    left join defendant_types on cases.defendant_type = defendant_types.code
    left join sexes on cases.sex = sexes.code
    left join ethnicities on cases.ethnicity_self_defined = ethnicities.code
    left join courts on cases.court_code = courts.code
    left join police_forces on cases.police_force_code = police_forces.code
    left join remand_statuses on cases.remand_status = remand_statuses.code
)

select * from final
