with

charges as (
    select * from {{ source('extracts', 'nomis_charges') }}
),

offence_classes as (
    select * from {{ ref('offences') }}
),

yes_no as (
    select * from {{ ref('yes_no') }}
),

statuses as (
    select * from {{ ref('charge_statuses_nomis') }}
),

final as (
    select
        charges.record_key as charge_key,
        charges.nomis_bookings_key as booking_key,
        charges.offence_code as ho_offence_code,
        offence_classes.description as offence_desc,
        coalesce(offence_classes.offence_group, 'Not known') as offence_group,
        offence_classes.priority as offence_priority,
        charges.offence_date,
        yes_no.flag as is_most_serious,
        statuses.is_active
    from charges
    left join offence_classes on charges.offence_code = offence_classes.ho_offence_code
    left join yes_no on charges.most_serious_flag = yes_no.code
    left join statuses on charges.charge_status = statuses.code
)

select * from final
