with

census as (
    select * from {{ source('extracts', 'npd_census') }}
),

sexes as (
    select * from {{ ref('sex_npd') }}
),

ethnicities as (
    select * from {{ ref('ethnicity_npd') }}
),

local_authorities as (
    select * from {{ ref('local_authorities_england') }}
),

school_types as (
    select * from {{ ref('school_types_npd') }}
),

year_groups as (
    select * from {{ ref('year_groups_npd') }}
),

flags as (
    select * from {{ ref('yes_no') }}
),

sen_provisions as (
    select * from {{ ref('sen_provisions_npd') }}
),

sen_needs as (
    select * from {{ ref('sen_needs_npd') }}
),

final as (
    select
        census.record_key as census_key,
        census.pupil_matching_ref_key as pupil_key,
        census.academic_year,
        census.gender as sex_code,
        coalesce(sexes.sex, 'unknown') as sex,
        census.ethnicity as ethnicity_code,
        ethnicities.description as ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group,
        cast(census.birth_year as integer) as birth_year,
        census.la_code,
        local_authorities.description as la_name,
        local_authorities.region as la_region,
        census.lsoa_residence,
        census.school_urn_key as school_key,
        census.school_type as school_type_code,
        school_types.school_type,
        census.year_group as year_group_code,
        year_groups.year_number as year_group,
        flags.flag as is_fsm_eligible,
        cast(census.idaci_decile as integer) as idaci_decile,
        census.sen_provision as sen_provision_code,
        sen_provisions.description as sen_provision_desc,
        sen_provisions.sen_provision,
        census.sen_primary_need as sen_need_code,
        sen_needs.description as sen_need_desc,
        sen_needs.sen_need
    from census
    left join sexes on census.gender = sexes.code
    left join ethnicities on census.ethnicity = ethnicities.code
    left join local_authorities on census.la_code = local_authorities.code
    left join school_types on census.school_type = school_types.code
    left join year_groups on census.year_group = year_groups.code
    left join flags on census.fsm_eligible = flags.code
    left join sen_provisions on census.sen_provision = sen_provisions.code
    left join sen_needs on census.sen_primary_need = sen_needs.code
)

select * from final
