with

people as (
    select * from {{ ref('stg_linkage__criminal_courts_people') }}
),

final as (
    select
        source_dataset,
        defendant_case_key as source_person_id,
        estimated_person_id,
        estimated_person_id_high,
        estimated_person_id_low
    from people
)

select * from final
