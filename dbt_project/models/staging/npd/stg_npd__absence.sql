with

absence as (
    select * from {{ source('extracts', 'npd_absence') }}
),

terms as (
    select * from {{ ref('terms_npd') }}
),

final as (
    select
        absence.record_key as absence_key,
        absence.pupil_matching_ref_key as pupil_key,
        absence.academic_year,
        terms.description as term,
        cast(absence.sessions_possible as integer) as sessions_possible,
        cast(absence.sessions_authorised as integer) as sessions_authorised,
        cast(absence.sessions_unauthorised as integer) as sessions_unauthorised
    from absence
    left join terms on absence.term = terms.code
)

select * from final
