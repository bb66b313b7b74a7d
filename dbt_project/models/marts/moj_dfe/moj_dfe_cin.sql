with

episodes as (
    select * from {{ ref('stg_csc__cin_episodes') }}
),

final as (
    select
        episode_key as cin_episode_id_hash,
        child_key as child_id_hash,
        pupil_key as pupil_id_hash,
        la_code,
        la_name,
        sex_code,
        sex,
        referral_date,
        referral_source_code,
        referral_source_desc,
        source_group as referral_source_group,
        need_code,
        need_desc,
        need_group,
        closure_date,
        closure_reason_code,
        closure_reason_desc,
        {{ datediff('referral_date', 'closure_date', 'day') }} as days_open
    from episodes
)

select * from final
