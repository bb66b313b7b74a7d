with

cases as (
    select * from {{ source('extracts', 'familyman_cases') }}
),

case_types as (
    select * from {{ ref('case_types_familyman') }}
),

courts as (
    select * from {{ ref('family_courts') }}
),

yes_no as (
    select * from {{ ref('yes_no') }}
),

final as (
    select
        cases.record_key as case_key,
        cases.case_type as case_type_code,
        case_types.description as case_type_desc,
        case_types.law,
        cases.court_code,
        courts.description as court_name,
        courts.region as court_region,
        cases.receipt_date,
        cases.closed_date,
        exemptions.flag as is_fee_exempt,
        harms.flag as is_harm_alleged
    from cases
    left join case_types on cases.case_type = case_types.code
    left join courts on cases.court_code = courts.code
    left join yes_no as exemptions on cases.fee_exempt = exemptions.code
    left join yes_no as harms on cases.harm_alleged = harms.code
)

select * from final
