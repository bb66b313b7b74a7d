with

linked_cases as (
    select * from {{ source('linkage', 'mags_crown_cases') }}
),

final as (
    select
        libra_cases_key as magistrates_defendant_case_key,
        xhibit_defendants_on_case_key as crown_defendant_case_key,
        match_weight,
        match_probability
    from linked_cases
)

select * from final
