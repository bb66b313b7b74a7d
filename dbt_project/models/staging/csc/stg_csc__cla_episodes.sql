with

episodes as (
    select * from {{ source('extracts', 'csc_cla_episodes') }}
),

local_authorities as (
    select * from {{ ref('local_authorities_england') }}
),

new_episode_reasons as (
    select * from {{ ref('new_episode_reasons_csc') }}
),

legal_statuses as (
    select * from {{ ref('legal_statuses_csc') }}
),

needs as (
    select * from {{ ref('needs_csc') }}
),

placement_types as (
    select * from {{ ref('placement_types_csc') }}
),

ceased_reasons as (
    select * from {{ ref('ceased_reasons_csc') }}
),

final as (
    select
        episodes.record_key as episode_key,
        episodes.la_child_key as child_key,
        episodes.pupil_matching_ref_key as pupil_key,
        episodes.la_code,
        local_authorities.description as la_name,
        episodes.decom as start_date,
        episodes.rne as new_episode_reason_code,
        new_episode_reasons.description as new_episode_reason_desc,
        episodes.legal_status as legal_status_code,
        legal_statuses.description as legal_status_desc,
        legal_statuses.legal_status_group,
        episodes.category_of_need as need_code,
        needs.description as need_desc,
        needs.need_group,
        episodes.placement_type as placement_type_code,
        placement_types.description as placement_type_desc,
        placement_types.placement_group,
        episodes.dec as end_date,
        episodes.rec as ceased_reason_code,
        ceased_reasons.description as ceased_reason_desc,
        coalesce(ceased_reasons.is_leaving_care, false) as is_leaving_care
    from episodes
    left join local_authorities on episodes.la_code = local_authorities.code
    left join new_episode_reasons on episodes.rne = new_episode_reasons.code
    left join legal_statuses on episodes.legal_status = legal_statuses.code
    left join needs on episodes.category_of_need = needs.code
    left join placement_types on episodes.placement_type = placement_types.code
    left join ceased_reasons on episodes.rec = ceased_reasons.code
)

select * from final
