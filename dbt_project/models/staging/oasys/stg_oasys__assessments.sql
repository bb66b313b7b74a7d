with

assessments as (
    select * from {{ source('extracts', 'oasys_assessments') }}
),

assessment_types as (
    select * from {{ ref('assessment_types_oasys') }}
),

statuses as (
    select * from {{ ref('assessment_statuses_oasys') }}
),

purposes as (
    select * from {{ ref('assessment_purposes_oasys') }}
),

areas as (
    select * from {{ ref('probation_areas') }}
),

healthcare_levels as (
    select * from {{ ref('healthcare_levels_oasys') }}
),

yes_no as (
    select * from {{ ref('yes_no') }}
),

final as (
    select
        assessments.record_key as assessment_key,
        assessments.oasys_offenders_key as offender_key,
        assessments.assessment_type as assessment_type_code,
        assessment_types.description as assessment_type_desc,
        cast(assessments.assessment_version as integer) as assessment_version,
        assessments.assessment_status as assessment_status_code,
        statuses.description as assessment_status_desc,
        statuses.is_complete,
        assessments.purpose_code,
        purposes.description as purpose_desc,
        assessments.initiation_date,
        assessments.completed_date,
        cast(assessments.age_at_assessment as integer) as age_at_assessment,
        assessments.establishment_or_area_code,
        areas.description as establishment_or_area_desc,
        custodies.flag as is_in_custody,
        assessments.level_healthcare_req_elm,
        healthcare_levels.description as level_healthcare_req_desc,
        cast(assessments.ogrs3_2year as integer) as ogrs3_2year,
        cast(assessments.ogp_2year as integer) as ogp_2year,
        cast(assessments.ovp_2year as integer) as ovp_2year
    from assessments
    left join assessment_types on assessments.assessment_type = assessment_types.code
    left join statuses on assessments.assessment_status = statuses.code
    left join purposes on assessments.purpose_code = purposes.code
    left join areas on assessments.establishment_or_area_code = areas.code
    left join healthcare_levels
        on assessments.level_healthcare_req_elm = healthcare_levels.code
    left join yes_no as custodies on assessments.in_custody = custodies.code
)

select * from final
