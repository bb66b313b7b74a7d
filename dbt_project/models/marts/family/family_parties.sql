with

roles as (
    select * from {{ ref('stg_familyman__roles') }}
),

cases as (
    select * from {{ ref('stg_familyman__cases') }}
),

parties as (
    select * from {{ ref('stg_familyman__parties') }}
),

people as (
    select * from {{ ref('stg_linkage__family_people') }}
),

-- Of a date of birth the year alone is known here: everybody is taken to be born on 1 July.
aged as (
    select
        roles.role_key,
        case
            when parties.birth_year = extract(year from cases.receipt_date) then 0
            else
                extract(year from cases.receipt_date)
                - parties.birth_year
                - case when extract(month from cases.receipt_date) < 7 then 1 else 0 end
        end as age
    from roles
    inner join cases on roles.case_key = cases.case_key
    inner join parties on roles.party_key = parties.party_key
),

final as (
    select
        roles.role_key as role_id_hash,
        roles.case_key as case_number_hash,
        roles.party_key as party_id_hash,
        people.estimated_party_id,
        roles.role_code,
        roles.role_desc,
        roles.role_group,
        roles.relationship_to_child_code,
        roles.relationship_to_child_desc,
        roles.is_represented,
        parties.is_organisation,
        parties.gender_code,
        parties.sex,
        case
            when roles.role_group <> 'child' and aged.age between 10 and 110
                then cast(aged.age as integer)
        end as age_at_receipt,
        case
            when roles.role_group <> 'child' then null
            when aged.age = 0 then 'Under 1'
            when aged.age between 1 and 4 then '1 to 4'
            when aged.age between 5 and 9 then '5 to 9'
            when aged.age between 10 and 14 then '10 to 14'
            when aged.age between 15 and 17 then '15 to 17'
        end as age_band_at_receipt,
        parties.lsoa_residence
    from roles
    left join parties on roles.party_key = parties.party_key
    left join people on roles.party_key = people.party_key
    left join aged on roles.role_key = aged.role_key
)

select * from final
