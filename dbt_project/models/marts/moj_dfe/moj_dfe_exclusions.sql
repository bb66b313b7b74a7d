with

exclusions as (
    select * from {{ ref('stg_npd__exclusions') }}
),

final as (
    select
        exclusion_key as exclusion_id_hash,
        pupil_key as pupil_id_hash,
        academic_year,
        start_date,
        exclusion_type_code,
        exclusion_type_desc,
        exclusion_type,
        reason_code,
        reason_desc,
        reason_group,
        sessions
    from exclusions
)

select * from final
