with

episodes as (
    select * from {{ source('extracts', 'csc_cpp_episodes') }}
),

local_authorities as (
    select * from {{ ref('local_authorities_england') }}
),

categories as (
    select * from {{ ref('abuse_categories_csc') }}
),

final as (
    select
        episodes.record_key as episode_key,
        episodes.la_child_key as child_key,
        episodes.pupil_matching_ref_key as pupil_key,
        episodes.la_code,
        local_authorities.description as la_name,
        episodes.cpp_start_date as start_date,
        episodes.initial_category as initial_category_code,
        categories.description as initial_category_desc,
        episodes.cpp_end_date as end_date
    from episodes
    left join local_authorities on episodes.la_code = local_authorities.code
    left join categories on episodes.initial_category = categories.code
)

select * from final
