with

people as (
    select * from {{ source('linkage', 'prison_people') }}
),

final as (
    select
        record_key as offender_name_key,
        person_medium as estimated_offender_id
    from people
)

select * from final
