with

parties as (
    select * from {{ ref('stg_caseman__parties') }}
),

counted as (
    select
        case_key,
        count(case when role_code = 'C' then 1 end) as claimant_count,
        count(case when role_code = 'D' then 1 end) as defendant_count,
        count(case when role_code = 'C' and is_organisation then 1 end) as company_claimants,
        count(case when role_code = 'D' and is_organisation then 1 end) as company_defendants,
        count(case when is_litigant_in_person then 1 end) as litigants_in_person,
        count(case when role_code = 'C' and is_represented then 1 end) as represented_claimants,
        count(case when role_code = 'D' and is_represented then 1 end) as represented_defendants
    from parties
    group by case_key
),

final as (
    select
        case_key,
        claimant_count,
        defendant_count,
        company_claimants > 0 as has_company_claimant,
        company_defendants > 0 as has_company_defendant,
        litigants_in_person > 0 as has_litigant_in_person,
        case
            when represented_claimants > 0 and represented_defendants > 0 then 'Both'
            when represented_claimants > 0 then 'Claimant only'
            when represented_defendants > 0 then 'Defendant only'
            else 'Neither'
        end as representation
    from counted
)

select * from final
