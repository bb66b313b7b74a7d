with

episodes as (
    select * from {{ source('extracts', 'csc_cin_episodes') }}
),

local_authorities as (
    select * from {{ ref('local_authorities_england') }}
),

sexes as (
    select * from {{ ref('gender_csc') }}
),

needs as (
    select * from {{ ref('needs_csc') }}
),

referral_sources as (
    select * from {{ ref('referral_sources_csc') }}
),

closure_reasons as (
    select * from {{ ref('closure_reasons_csc') }}
),

final as (
    select
        episodes.record_key as episode_key,
        episodes.la_child_key as child_key,
        episodes.pupil_matching_ref_key as pupil_key,
        episodes.la_code,
        local_authorities.description as la_name,
        episodes.gender as sex_code,
        coalesce(sexes.sex, 'unknown') as sex,
        episodes.referral_date,
        episodes.referral_source as referral_source_code,
        referral_sources.description as referral_source_desc,
        referral_sources.source_group,
        episodes.primary_need as need_code,
        needs.description as need_desc,
        needs.need_group,
        episodes.closure_date,
        episodes.closure_reason as closure_reason_code,
        closure_reasons.description as closure_reason_desc
    from episodes
    left join local_authorities on episodes.la_code = local_authorities.code
    left join sexes on episodes.gender = sexes.code
    left join needs on episodes.primary_need = needs.code
    left join referral_sources on episodes.referral_source = referral_sources.code
    left join closure_reasons on episodes.closure_reason = closure_reasons.code
)

select * from final
