with

people as (
    select * from {{ source('linkage', 'oasys_people') }}
),

final as (
    select
        record_key as offender_key,
        person_medium as estimated_offender_id
    from people
)

select * from final
