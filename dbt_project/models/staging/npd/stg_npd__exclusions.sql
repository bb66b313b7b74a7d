with

exclusions as (
    select * from {{ source('extracts', 'npd_exclusions') }}
),

exclusion_types as (
    select * from {{ ref('exclusion_types_npd') }}
),

reasons as (
    select * from {{ ref('exclusion_reasons_npd') }}
),

final as (
    select
        exclusions.record_key as exclusion_key,
        exclusions.pupil_matching_ref_key as pupil_key,
        exclusions.academic_year,
        exclusions.start_date,
        exclusions.exclusion_type as exclusion_type_code,
        exclusion_types.description as exclusion_type_desc,
        exclusion_types.exclusion_type,
        exclusions.reason as reason_code,
        reasons.description as reason_desc,
        reasons.reason_group,
        cast(exclusions.sessions as integer) as sessions
    from exclusions
    left join exclusion_types on exclusions.exclusion_type = exclusion_types.code
    left join reasons on exclusions.reason = reasons.code
)

select * from final
