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

family_cases as (
    select * from {{ ref('stg_familyman__cases') }}
),

family_people as (
    select * from {{ ref('stg_linkage__family_people') }}
),

-- Parties of adoption cases are not joined with other datasets, under none of their records.
adoption_people as (
    select distinct family_people.estimated_party_id
    from family_roles
    inner join family_cases on family_roles.case_key = family_cases.case_key
    inner join family_people on family_roles.party_key = family_people.party_key
    where family_cases.case_type_code = 'A'
),

family_parties as (
    select distinct family_people.party_key
    from family_people
    inner join family_roles on family_people.party_key = family_roles.party_key
    left join adoption_people
        on family_people.estimated_party_id = adoption_people.estimated_party_id
    where adoption_people.estimated_party_id is null
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
