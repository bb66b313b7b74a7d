with

summonses as (
    select * from {{ source('extracts', 'juror_summonses') }}
),

outcomes as (
    select * from {{ ref('juror_outcomes') }}
),

final as (
    select
        summonses.record_key as summons_key,
        summonses.summoned_on,
        cast(summonses.age_at_summons as integer) as age_at_summons,
        summonses.outcome as outcome_code,
        outcomes.description as outcome_desc,
        outcomes.has_served
    from summonses
    left join outcomes on summonses.outcome = outcomes.code
)

select * from final
