with

absence as (
    select * from {{ ref('int_npd__absence_by_year') }}
),

final as (
    select
        pupil_key as pupil_id_hash,
        academic_year,
        terms_recorded,
        sessions_possible,
        sessions_authorised,
        sessions_unauthorised,
        sessions_missed,
        share_missed,
        persistent_absence_percent,
        is_persistent_absentee
    from absence
)

select * from final
