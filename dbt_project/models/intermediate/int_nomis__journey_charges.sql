with

charges as (
    select * from {{ ref('stg_nomis__charges') }}
),

journey_bookings as (
    select * from {{ ref('int_nomis__journey_bookings') }}
),

-- A charge belongs to the first journey of its booking that began after the offence, else to the
-- last one.
candidates as (
    select
        charges.*,
        journey_bookings.journey_key,
        row_number() over (
            partition by charges.charge_key
            order by
                case when journey_bookings.reception_date < charges.offence_date then 1 else 0 end,
                abs(
                    {{ datediff('charges.offence_date', 'journey_bookings.reception_date', 'day') }}
                ),
                journey_bookings.reception_date,
                journey_bookings.journey_key
        ) as nth_choice
    from charges
    inner join journey_bookings on charges.booking_key = journey_bookings.booking_key
),

ranked as (
    select
        *,
        count(*) over (partition by journey_key) as charge_count,
        row_number() over (
            partition by journey_key
            order by
                case when is_most_serious then 0 else 1 end,
                case when is_active then 0 else 1 end,
                case when offence_priority is null then 1 else 0 end,
                offence_priority,
                ho_offence_code,
                charge_key
        ) as severity_rank
    from candidates
    where nth_choice = 1
),

final as (
    select
        journey_key,
        charge_count,
        ho_offence_code,
        offence_desc,
        offence_group
    from ranked
    where severity_rank = 1
)

select * from final
