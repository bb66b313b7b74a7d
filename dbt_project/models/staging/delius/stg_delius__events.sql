with

events as (
    select * from {{ source('extracts', 'delius_events') }}
),

offenders as (
    select * from {{ ref('stg_delius__offenders') }}
),

offence_classes as (
    select * from {{ ref('offences') }}
),

areas as (
    select * from {{ ref('probation_areas') }}
),

flags as (
    select * from {{ ref('flags_delius') }}
),

final as (
    select
        events.record_key as event_key,
        events.delius_offenders_key as offender_key,
        cast(events.event_number as integer) as event_number,
        events.referral_date,
        events.conviction_date,
        events.offence_date,
        cast(events.age_at_offence as integer) as age_at_offence,
        events.mo_code,
        offence_classes.description as mo_category_description,
        coalesce(offence_classes.offence_group, 'Not known') as offence_group,
        actives.flag as is_active,
        breaches.flag as in_breach,
        cast(events.ftc_count as integer) as ftc_count,
        events.probation_area_code,
        areas.description as probation_area_desc,
        coalesce(areas.area_type, 'Not known') as probation_area_type,
        areas.probation_region
    from events
    -- What belongs to a deleted offender is deleted too.
    inner join offenders on events.delius_offenders_key = offenders.offender_key
    left join offence_classes on events.mo_code = offence_classes.ho_offence_code
    left join areas on events.probation_area_code = areas.code
    left join flags as actives on events.active_flag = actives.code
    left join flags as breaches on events.in_breach = breaches.code
    where events.soft_deleted = '0'
)

select * from final
