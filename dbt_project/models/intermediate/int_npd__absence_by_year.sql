with

absence as (
    select * from {{ ref('stg_npd__absence') }}
),

summed as (
    select
        pupil_key,
        academic_year,
        cast(count(*) as integer) as terms_recorded,
        cast(sum(sessions_possible) as integer) as sessions_possible,
        cast(sum(sessions_authorised) as integer) as sessions_authorised,
        cast(sum(sessions_unauthorised) as integer) as sessions_unauthorised
    from absence
    group by pupil_key, academic_year
),

-- More sessions missed than there were is a slip: no share is taken of those.
judged as (
    select
        *,
        sessions_authorised + sessions_unauthorised as sessions_missed,
        sessions_possible > 0
        and sessions_authorised + sessions_unauthorised <= sessions_possible as has_share,
        case when academic_year < '2015/16' then 15 else 10 end as persistent_absence_percent
    from summed
),

final as (
    select
        pupil_key,
        academic_year,
        terms_recorded,
        sessions_possible,
        sessions_authorised,
        sessions_unauthorised,
        sessions_missed,
        case
            when has_share
                then
                    cast(
                        round(cast(sessions_missed as decimal(18, 6)) / sessions_possible, 3)
                        as decimal(4, 3)
                    )
        end as share_missed,
        persistent_absence_percent,
        case
            when has_share
                then sessions_missed * 100 >= persistent_absence_percent * sessions_possible
        end as is_persistent_absentee
    from judged
)

select * from final
