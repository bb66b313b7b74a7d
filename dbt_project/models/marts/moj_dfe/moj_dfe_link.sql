with

links as (
    select * from {{ ref('stg_linkage__moj_dfe_links') }}
),

people as (
    select * from {{ ref('stg_linkage__pnc_people') }}
),

final as (
    select
        links.pupil_key as pupil_id_hash,
        links.subject_key as offender_id_hash,
        people.estimated_offender_id,
        links.match_pass,
        links.match_pass_desc
    from links
    left join people on links.subject_key = people.subject_key
)

select * from final
