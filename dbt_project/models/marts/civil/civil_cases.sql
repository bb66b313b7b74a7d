with

cases as (
    select * from {{ ref('stg_caseman__cases') }}
),

parties as (
    select * from {{ ref('int_caseman__case_parties') }}
),

events as (
    select * from {{ ref('int_caseman__case_events') }}
),

first_judgments as (
    select * from {{ ref('int_caseman__first_judgments') }}
),

final as (
    select
        cases.case_key as case_number_hash,
        cases.system_code,
        cases.system_desc,
        cases.claim_type_code,
        cases.claim_type_desc,
        cases.claim_group,
        cases.court_code,
        cases.court_name,
        cases.court_region,
        cases.issue_date,
        cases.closed_date,
        cases.amount_claimed,
        cases.track_code,
        cases.track_desc,
        coalesce(parties.claimant_count, 0) as claimant_count,
        coalesce(parties.defendant_count, 0) as defendant_count,
        coalesce(parties.has_company_claimant, false) as has_company_claimant,
        coalesce(parties.has_company_defendant, false) as has_company_defendant,
        coalesce(parties.has_litigant_in_person, false) as has_litigant_in_person,
        coalesce(parties.representation, 'Neither') as representation,
        coalesce(events.event_count, 0) as event_count,
        coalesce(events.defence_count, 0) > 0 as is_defended,
        coalesce(events.hearing_count, 0) as hearing_count,
        events.first_hearing_date,
        coalesce(events.judgment_count, 0) as judgment_count,
        first_judgments.judgment_date as first_judgment_date,
        first_judgments.judgment_type as first_judgment_type,
        first_judgments.judgment_amount as first_judgment_amount,
        {{ datediff('cases.issue_date', 'first_judgments.judgment_date', 'day') }}
            as days_to_judgment,
        coalesce(events.set_aside_count, 0) > 0 as has_judgment_set_aside,
        coalesce(events.warrant_count, 0) > 0 as has_warrant,
        coalesce(events.warrant_count, 0) as warrant_count,
        events.first_warrant_date,
        coalesce(events.repossession_count, 0) > 0 as has_repossession
    from cases
    left join parties on cases.case_key = parties.case_key
    left join events on cases.case_key = events.case_key
    left join first_judgments on cases.case_key = first_judgments.case_key
)

select * from final
