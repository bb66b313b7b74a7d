with

parties as (
    select * from {{ ref('stg_caseman__parties') }}
),

cases as (
    select * from {{ ref('stg_caseman__cases') }}
),

people as (
    select * from {{ ref('stg_linkage__civil_people') }}
),

aged as (
    select
        parties.*,
        cast(extract(year from cases.issue_date) as integer) - parties.birth_year as years_to_issue
    from parties
    inner join cases on parties.case_key = cases.case_key
),

final as (
    select
        aged.party_key as party_id_hash,
        aged.case_key as case_number_hash,
        people.estimated_party_id,
        aged.role_code,
        aged.role_desc,
        aged.is_organisation,
        aged.is_represented,
        aged.is_litigant_in_person,
        case when aged.years_to_issue between 0 and 110 then aged.years_to_issue end
            as age_in_year_of_issue,
        aged.lsoa_residence
    from aged
    left join people on aged.party_key = people.party_key
)

select * from final
