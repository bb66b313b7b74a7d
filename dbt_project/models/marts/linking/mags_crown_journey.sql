with

linked_cases as (
    select * from {{ ref('stg_linkage__mags_crown_cases') }}
),

magistrates as (
    select * from {{ ref('stg_libra__cases') }}
),

final as (
    select
        linked_cases.magistrates_defendant_case_key as mc_defendant_case_hash,
        magistrates.case_key as mc_case_id_hash,
        magistrates.defendant_key as mc_defendant_id_hash,
        linked_cases.crown_defendant_case_key as cc_defendant_on_case_id_hash,
        linked_cases.match_probability as estimated_match_score,
        linked_cases.match_weight as estimated_match_weight
    from linked_cases
    inner join magistrates
        on linked_cases.magistrates_defendant_case_key = magistrates.defendant_case_key
)

select * from final
