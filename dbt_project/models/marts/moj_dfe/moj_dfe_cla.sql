with

episodes as (
    select * from {{ ref('stg_csc__cla_episodes') }}
),

final as (
    select
        episode_key as cla_episode_id_hash,
        child_key as child_id_hash,
        pupil_key as pupil_id_hash,
        la_code,
        la_name,
        start_date,
        new_episode_reason_code,
        new_episode_reason_desc,
        legal_status_code,
        legal_status_desc,
        legal_status_group,
        need_code,
        need_desc,
        need_group,
        placement_type_code,
        placement_type_desc,
        placement_group,
        end_date,
        ceased_reason_code,
        ceased_reason_desc,
        is_leaving_care,
        {{ datediff('start_date', 'end_date', 'day') }} as days_in_episode
    from episodes
)

select * from final
