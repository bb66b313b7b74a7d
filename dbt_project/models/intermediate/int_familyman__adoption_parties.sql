with

roles as (
    select * from {{ ref('stg_familyman__roles') }}
),

cases as (
    select * from {{ ref('stg_familyman__cases') }}
),

people as (
    select * from {{ ref('stg_linkage__family_people') }}
),

adopting as (
    select distinct people.estimated_party_id
    from roles
    inner join cases on roles.case_key = cases.case_key
    inner join people on roles.party_key = people.party_key
    where cases.case_type_code = 'A'
),

-- One record left in would lead back to the adoption by the person's id.
final as (
    select people.party_key
    from people
    inner join adopting on people.estimated_party_id = adopting.estimated_party_id
)

select * from final
