with

links as (
    select * from {{ source('linkage', 'moj_dfe_links') }}
),

passes as (
    select * from {{ ref('link_passes_moj_dfe') }}
),

final as (
    select
        links.pupil_matching_ref_key as pupil_key,
        links.pnc_subjects_key as subject_key,
        cast(links.pass_number as integer) as match_pass,
        passes.description as match_pass_desc
    from links
    left join passes on links.pass_number = passes.code
)

select * from final
