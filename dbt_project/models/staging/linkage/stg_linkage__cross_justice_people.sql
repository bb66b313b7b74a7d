with

people as (
    select * from {{ source('linkage', 'cross_justice_people') }}
),

final as (
    select
        source_dataset,
        record_key as person_record_key,
        person_high as estimated_person_id_high,
        person_medium as estimated_person_id,
        person_low as estimated_person_id_low
    from people
)

select * from final
