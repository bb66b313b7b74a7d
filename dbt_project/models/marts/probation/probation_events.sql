with

events as (
    select * from {{ ref('stg_delius__events') }}
),

offenders as (
    select * from {{ ref('stg_delius__offenders') }}
),

people as (
    select * from {{ ref('stg_linkage__probation_people') }}
),

residences as (
    select * from {{ ref('int_delius__residences_at_referral') }}
),

disposals as (
    select * from {{ ref('int_delius__standing_disposals') }}
),

requirements as (
    select
        event_key,
        count(*) as requirement_count
    from {{ ref('stg_delius__requirements') }}
    group by event_key
),

licence_conditions as (
    select
        event_key,
        count(*) as licence_condition_count
    from {{ ref('stg_delius__licence_conditions') }}
    group by event_key
),

pss_requirements as (
    select
        event_key,
        count(*) as pss_requirement_count
    from {{ ref('stg_delius__pss_requirements') }}
    group by event_key
),

final as (
    select
        events.event_key as event_id_hash,
        events.offender_key as offender_id_hash,
        people.estimated_offender_id,
        events.event_number,
        offenders.gender_code,
        offenders.sex,
        offenders.ethnicity_code,
        offenders.ethnicity_desc,
        offenders.ethnicity_group,
        offenders.nationality,
        events.age_at_offence,
        residences.lsoa_residence,
        events.referral_date,
        events.conviction_date,
        events.offence_date,
        events.mo_code,
        events.mo_category_description,
        events.offence_group,
        events.probation_area_code,
        events.probation_area_desc,
        events.probation_area_type,
        events.probation_region,
        events.is_active,
        events.in_breach,
        events.ftc_count,
        disposals.disposal_type_code,
        disposals.disposal_type_description,
        coalesce(disposals.disposal_group, 'Not known') as disposal_group,
        disposals.is_custodial,
        disposals.disposal_date,
        disposals.disposal_termination_date,
        disposals.disposal_termination_reason_code,
        disposals.disposal_termination_reason_desc,
        disposals.disposal_termination_outcome,
        disposals.length,
        disposals.length_units,
        disposals.length_in_days,
        disposals.recall_count,
        coalesce(requirements.requirement_count, 0) as requirement_count,
        coalesce(licence_conditions.licence_condition_count, 0) as licence_condition_count,
        coalesce(pss_requirements.pss_requirement_count, 0) as pss_requirement_count
    from events
    inner join offenders on events.offender_key = offenders.offender_key
    left join people on events.offender_key = people.offender_key
    left join residences on events.event_key = residences.event_key
    left join disposals on events.event_key = disposals.event_key
    left join requirements on events.event_key = requirements.event_key
    left join licence_conditions on events.event_key = licence_conditions.event_key
    left join pss_requirements on events.event_key = pss_requirements.event_key
)

select * from final
