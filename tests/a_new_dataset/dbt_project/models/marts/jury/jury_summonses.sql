with

summonses as (
    select * from {{ ref('stg_juror__summonses') }}
),

people as (
    select * from {{ ref('stg_linkage__jury_people') }}
),

final as (
    select
        summonses.summons_key as summons_id_hash,
        people.estimated_juror_id,
        summonses.summoned_on,
        summonses.age_at_summons,
        summonses.outcome_code,
        summonses.outcome_desc,
        summonses.has_served
    from summonses
    left join people on summonses.summons_key = people.summons_key
)

select * from final
