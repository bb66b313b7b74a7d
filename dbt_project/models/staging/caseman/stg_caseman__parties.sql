with

parties as (
    select * from {{ source('extracts', 'caseman_parties') }}
),

roles as (
    select * from {{ ref('party_roles_caseman') }}
),

flags as (
    select * from {{ ref('yes_no') }}
),

final as (
    select
        parties.record_key as party_key,
        parties.caseman_cases_key as case_key,
        parties.role as role_code,
        roles.description as role_desc,
        companies.flag as is_organisation,
        representations.flag as is_represented,
        -- A company without a lawyer is no litigant in person: somebody acts for it.
        not companies.flag and not representations.flag as is_litigant_in_person,
        cast(parties.birth_year as integer) as birth_year,
        parties.lsoa_residence
    from parties
    left join roles on parties.role = roles.code
    left join flags as companies on parties.is_company = companies.code
    left join flags as representations on parties.represented = representations.code
)

select * from final
