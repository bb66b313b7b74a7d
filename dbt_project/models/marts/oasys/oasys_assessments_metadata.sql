with

assessments as (
    select * from {{ ref('stg_oasys__assessments') }}
),

offenders as (
    select * from {{ ref('stg_oasys__offenders') }}
),

people as (
    select * from {{ ref('stg_linkage__oasys_people') }}
),

core_risk as (
    select * from {{ ref('stg_oasys__core_risk') }}
),

final as (
    select
        assessments.assessment_key as assessment_id_hash,
        assessments.offender_key as offender_id_hash,
        people.estimated_offender_id,
        offenders.gender_code,
        offenders.sex,
        offenders.ethnicity_code,
        offenders.ethnicity_desc,
        offenders.ethnicity_group,
        assessments.age_at_assessment,
        assessments.assessment_type_code,
        assessments.assessment_type_desc,
        assessments.assessment_version,
        assessments.assessment_status_code,
        assessments.assessment_status_desc,
        assessments.is_complete,
        assessments.purpose_code,
        assessments.purpose_desc,
        assessments.initiation_date,
        assessments.completed_date,
        assessments.establishment_or_area_code,
        assessments.establishment_or_area_desc,
        assessments.is_in_custody,
        assessments.level_healthcare_req_elm,
        assessments.level_healthcare_req_desc,
        assessments.ogrs3_2year,
        assessments.ogp_2year,
        assessments.ovp_2year,
        core_risk.assessment_key is not null as has_core_risk
    from assessments
    inner join offenders on assessments.offender_key = offenders.offender_key
    left join people on assessments.offender_key = people.offender_key
    left join core_risk on assessments.assessment_key = core_risk.assessment_key
)

select * from final
