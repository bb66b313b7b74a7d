with

attainment as (
    select * from {{ ref('stg_npd__attainment') }}
),

final as (
    select
        pupil_key as pupil_id_hash,
        key_stage_code,
        key_stage_desc,
        subject_code,
        subject_desc,
        academic_year,
        scheme_code,
        scheme_desc,
        result
    from attainment
)

select * from final
