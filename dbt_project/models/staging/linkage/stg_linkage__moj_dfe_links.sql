with

links as (
    select * from {{ source('linkage', 'moj_dfe_links') }}
),

final as (
    select
        pupil_matching_ref_key as pupil_key,
        pnc_subjects_key as subject_key,
        cast(pass_number as integer) as match_pass
    from links
)

select * from final
