with

episodes as (
    select * from {{ ref('stg_csc__cpp_episodes') }}
),

final as (
    select
        episode_key as cpp_episode_id_hash,
        child_key as child_id_hash,
        pupil_key as pupil_id_hash,
        la_code,
        la_name,
        start_date,
        initial_category_code,
        initial_category_desc,
        end_date,
        {{ datediff('start_date', 'end_date', 'day') }} as days_on_plan
    from episodes
)

select * from final
