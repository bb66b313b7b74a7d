with

attainment as (
    select * from {{ source('extracts', 'npd_attainment') }}
),

key_stages as (
    select * from {{ ref('key_stages_npd') }}
),

subjects as (
    select * from {{ ref('subjects_npd') }}
),

schemes as (
    select * from {{ ref('attainment_schemes_npd') }}
),

final as (
    select
        attainment.record_key as attainment_key,
        attainment.pupil_matching_ref_key as pupil_key,
        attainment.key_stage as key_stage_code,
        key_stages.description as key_stage_desc,
        attainment.subject as subject_code,
        subjects.description as subject_desc,
        attainment.academic_year,
        attainment.scheme as scheme_code,
        schemes.description as scheme_desc,
        attainment.result
    from attainment
    left join key_stages on attainment.key_stage = key_stages.code
    left join subjects on attainment.subject = subjects.code
    left join schemes on attainment.scheme = schemes.code
)

select * from final
