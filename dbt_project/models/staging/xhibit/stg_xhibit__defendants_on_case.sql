with

defendants_on_case as (
    select * from {{ source('extracts', 'xhibit_defendants_on_case') }}
),

genders as (
    select * from {{ ref('gender_xhibit') }}
),

ethnicities as (
    select * from {{ ref('ethnicities') }}
),

ethnic_appearances as (
    select * from {{ ref('ethnic_appearances') }}
),

courts as (
    select * from {{ ref('crown_courts') }}
),

case_types as (
    select * from {{ ref('crown_case_types') }}
),

remand_statuses as (
    select * from {{ ref('bail_custody_xhibit') }}
),

yes_no as (
    select * from {{ ref('yes_no') }}
),

final as (
    select
        -- The record key stands for defendant_on_case_id: no two records share one.
        defendants_on_case.record_key as defendant_case_key,
        defendants_on_case.case_key,
        defendants_on_case.defendant_key,
        companies.flag as is_organisation,
        defendants_on_case.gender as sex_code,
        coalesce(genders.sex, 'unknown') as sex,
        defendants_on_case.ethnicity_self_defined as ethnicity_code,
        ethnicities.description as ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group,
        defendants_on_case.ethnic_appearance_code,
        ethnic_appearances.description as ethnic_appearance_desc,
        defendants_on_case.nationality,
        cast(defendants_on_case.age_at_first_hearing as integer) as age_at_first_hearing,
        juveniles.flag as is_juvenile,
        defendants_on_case.lsoa_residence,
        defendants_on_case.court_code,
        courts.description as court_name,
        defendants_on_case.case_type as case_type_code,
        case_types.description as case_type_desc,
        defendants_on_case.receipt_date,
        defendants_on_case.date_of_committal as committal_date,
        defendants_on_case.mag_court_first_hearing_date as magistrates_first_hearing_date,
        defendants_on_case.mag_court_final_hearing_date as magistrates_final_hearing_date,
        defendants_on_case.first_hearing_date,
        defendants_on_case.completion_date,
        defendants_on_case.current_bc_status as remand_status_code,
        coalesce(remand_statuses.remand_status, 'unknown') as remand_status,
        cast(defendants_on_case.no_of_tics as integer) as tic_count,
        hate_crimes.flag as is_hate_crime
    from defendants_on_case
    left join genders on defendants_on_case.gender = genders.code
    left join ethnicities on defendants_on_case.ethnicity_self_defined = ethnicities.code
    left join ethnic_appearances
        on defendants_on_case.ethnic_appearance_code = ethnic_appearances.code
    left join courts on defendants_on_case.court_code = courts.code
    left join case_types on defendants_on_case.case_type = case_types.code
    left join remand_statuses on defendants_on_case.current_bc_status = remand_statuses.code
    left join yes_no as companies on defendants_on_case.is_company = companies.code
    left join yes_no as juveniles on defendants_on_case.is_juvenile = juveniles.code
    left join yes_no as hate_crimes on defendants_on_case.hate_ind = hate_crimes.code
)

select * from final
