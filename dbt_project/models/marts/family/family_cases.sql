with

cases as (
    select * from {{ ref('stg_familyman__cases') }}
),

parties as (
    select * from {{ ref('int_familyman__case_parties') }}
),

events as (
    select * from {{ ref('int_familyman__case_events') }}
),

orders as (
    select * from {{ ref('int_familyman__case_orders') }}
),

laws as (
    select * from {{ ref('int_familyman__case_laws') }}
),

final as (
    select
        cases.case_key as case_number_hash,
        cases.case_type_code,
        cases.case_type_desc,
        laws.has_public_law and laws.has_private_law as is_mixed_law,
        cases.court_code,
        cases.court_name,
        cases.court_region,
        cases.receipt_date,
        cases.closed_date,
        cases.is_fee_exempt,
        cases.is_harm_alleged,
        cast(coalesce(parties.child_count, 0) as integer) as child_count,
        cast(coalesce(parties.applicant_count, 0) as integer) as applicant_count,
        cast(coalesce(parties.respondent_count, 0) as integer) as respondent_count,
        coalesce(parties.representation, 'Neither') as representation,
        cast(coalesce(events.event_count, 0) as integer) as event_count,
        cast(coalesce(events.application_count, 0) as integer) as application_count,
        cast(coalesce(events.hearing_count, 0) as integer) as hearing_count,
        cast(coalesce(orders.order_count, 0) as integer) as order_count,
        orders.first_order_date,
        orders.first_order_code,
        orders.first_order_desc,
        orders.final_order_date,
        orders.final_order_code,
        orders.final_order_desc,
        orders.final_disposal_type_code,
        orders.final_disposal_type_desc,
        case
            when orders.final_order_date >= cases.receipt_date
                then {{ whole_weeks('cases.receipt_date', 'orders.final_order_date') }}
        end as weeks_to_final_order
    from cases
    inner join laws on cases.case_key = laws.case_key
    left join parties on cases.case_key = parties.case_key
    left join events on cases.case_key = events.case_key
    left join orders on cases.case_key = orders.case_key
)

select * from final
