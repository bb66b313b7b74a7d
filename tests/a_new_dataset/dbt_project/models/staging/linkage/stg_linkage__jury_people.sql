with

people as (
    select * from {{ source('linkage', 'jury_people') }}
),

final as (
    select
        record_key as summons_key,
        person_medium as estimated_juror_id
    from people
)

select * from final
