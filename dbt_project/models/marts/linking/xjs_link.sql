with

people as (
    select * from {{ ref('stg_linkage__criminal_justice_people') }}
),

prisoners as (
    select * from {{ ref('stg_nomis__offenders') }}
),

service_users as (
    select * from {{ ref('stg_delius__offenders') }}
),

-- Of a prisoner's names the one that stands for the person; of probation what is not deleted.
persons as (
    select
        'prison' as source_dataset,
        offender_name_key as person_record_key
    from prisoners
    where offender_key = root_offender_key
    union all
    select
        'probation' as source_dataset,
        offender_key as person_record_key
    from service_users
),

final as (
    select
        people.source_dataset,
        people.person_record_key as source_person_id,
        people.estimated_person_id,
        people.estimated_person_id_high,
        people.estimated_person_id_low
    from people
    left join persons
        on
            people.source_dataset = persons.source_dataset
            and people.person_record_key = persons.person_record_key
    where
        people.source_dataset not in ('prison', 'probation')
        or persons.person_record_key is not null
)

select * from final
