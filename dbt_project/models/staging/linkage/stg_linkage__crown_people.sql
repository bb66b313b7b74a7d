with

people as (
    select * from {{ source('linkage', 'crown_people') }}
),

final as (
    select
        record_key as defendant_case_key,
        person_medium as estimated_defendant_id
    from people
)

select * from final
