with

people as (
    select * from {{ source('linkage', 'family_people') }}
),

final as (
    select
        record_key as party_key,
        person_medium as estimated_party_id
    from people
)

select * from final
