with

roles as (
    select * from {{ ref('stg_familyman__roles') }}
),

-- A party may have the same role in a case twice.
counted as (
    select
        case_key,
        count(distinct case when role_group = 'child' then source_party_key end) as child_count,
        count(distinct case when role_group = 'applicant' then source_party_key end)
            as applicant_count,
        count(distinct case when role_group = 'respondent' then source_party_key end)
            as respondent_count,
        count(case when role_group = 'applicant' and is_represented then 1 end)
            as represented_applicants,
        count(case when role_group = 'respondent' and is_represented then 1 end)
            as represented_respondents
    from roles
    group by case_key
),

final as (
    select
        case_key,
        child_count,
        applicant_count,
        respondent_count,
        case
            when represented_applicants > 0 and represented_respondents > 0 then 'Both'
            when represented_applicants > 0 then 'Applicant only'
            when represented_respondents > 0 then 'Respondent only'
            else 'Neither'
        end as representation
    from counted
)

select * from final
