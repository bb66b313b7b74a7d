with

cases as (
    select * from {{ source('extracts', 'caseman_cases') }}
),

systems as (
    select * from {{ ref('systems_caseman') }}
),

claim_types as (
    select * from {{ ref('claim_types_caseman') }}
),

courts as (
    select * from {{ ref('county_courts') }}
),

tracks as (
    select * from {{ ref('tracks_caseman') }}
),

final as (
    select
        cases.record_key as case_key,
        cases.system as system_code,
        systems.description as system_desc,
        cases.claim_type as claim_type_code,
        claim_types.description as claim_type_desc,
        claim_types.claim_group,
        cases.court_code,
        courts.description as court_name,
        coalesce(courts.region, 'Not known') as court_region,
        cases.issue_date,
        cases.closed_date,
        cases.amount_claimed,
        cases.track as track_code,
        tracks.description as track_desc
    from cases
    left join systems on cases.system = systems.code
    left join claim_types on cases.claim_type = claim_types.code
    left join courts on cases.court_code = courts.code
    left join tracks on cases.track = tracks.code
)

select * from final
