with

people as (
    select * from {{ ref('stg_linkage__cross_justice_people') }}
),

prisoners as (
    select * from {{ ref('stg_nomis__offenders') }}
),

service_users as (
    select * from {{ ref('stg_delius__offenders') }}
),

family_roles as (
    select * from {{ ref('stg_familyman__roles') }}
),

adoption_parties as (
    select * from {{ ref('int_familyman__adoption_parties') }}
),

-- Parties of adoption cases are not joined with other datasets, under none of their records.
family_parties as (
    select distinct family_roles.party_key
    from family_roles
    left join adoption_parties on family_roles.party_key = adoption_parties.party_key
    where adoption_parties.party_key is null
),

-- Of a prisoner's names the one that stands for the person; of probation what is not deleted; of
-- the family courts who has a role that is not.
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
    union all
    select
        'family' as source_dataset,
        party_key as person_record_key
    from family_parties
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
        people.source_dataset not in ('prison', 'probation', 'family')
        or persons.person_record_key is not null
)

select * from final
