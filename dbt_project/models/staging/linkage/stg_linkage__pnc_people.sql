with

people as (
    select * from {{ source('linkage', 'pnc_people') }}
),

final as (
    select
        record_key as subject_key,
        person_medium as estimated_offender_id
    from people
)

select * from final
