with

journeys as (
    select * from {{ ref('int_nomis__journeys') }}
),

bookings as (
    select * from {{ ref('stg_nomis__bookings') }}
),

offenders as (
    select * from {{ ref('stg_nomis__offenders') }}
),

sentences as (
    select * from {{ ref('int_nomis__journey_sentences') }}
),

charges as (
    select * from {{ ref('int_nomis__journey_charges') }}
),

described as (
    select
        journeys.journey_key,
        first_bookings.booking_begin_date,
        first_bookings.age_at_booking,
        -- The booking whose security category is told: the last one that has any.
        case
            when last_bookings.security_category_code is null then first_bookings.booking_key
            else last_bookings.booking_key
        end as category_booking_key,
        -- The root name stands for all; the name booked under where it was not supplied.
        coalesce(roots.offender_name_key, booked_as.offender_name_key) as offender_name_key
    from journeys
    inner join bookings as first_bookings
        on journeys.first_booking_key = first_bookings.booking_key
    inner join bookings as last_bookings
        on journeys.last_booking_key = last_bookings.booking_key
    inner join offenders as booked_as
        on first_bookings.offender_name_key = booked_as.offender_name_key
    left join offenders as roots
        on first_bookings.root_offender_key = roots.offender_key
),

-- Known for the day the booking began; a later reception adds the whole years between.
aged as (
    select
        journeys.journey_key,
        described.age_at_booking
        + cast(
            floor(
                {{ datediff('described.booking_begin_date', 'journeys.reception_date', 'day') }}
                / 365.25
            ) as integer
        ) as age_at_reception
    from journeys
    inner join described on journeys.journey_key = described.journey_key
    where journeys.reception_date >= described.booking_begin_date
),

final as (
    select
        journeys.journey_key as custodial_journey_id_hash,
        offenders.offender_name_key as offender_id_hash,
        journeys.estimated_offender_id,
        offenders.sex_code,
        offenders.sex,
        offenders.ethnicity_code,
        offenders.ethnicity_desc,
        offenders.ethnicity_group,
        offenders.nationality,
        case
            when aged.age_at_reception between 10 and 110 then aged.age_at_reception
        end as age_at_reception,
        journeys.reception_date,
        journeys.reception_reason_code,
        journeys.reception_reason_desc,
        journeys.reception_type,
        journeys.reception_establishment_code,
        journeys.reception_establishment_name,
        journeys.release_date,
        journeys.release_reason_code,
        journeys.release_reason_desc,
        journeys.release_type,
        journeys.release_establishment_code,
        journeys.release_establishment_name,
        journeys.is_in_custody,
        journeys.spell_count,
        journeys.recall_count,
        journeys.days_in_custody,
        journeys.had_remand,
        coalesce(sentences.sentence_count, 0) as sentence_count,
        sentences.sentence_type_code,
        sentences.sentence_type_desc,
        sentences.sentence_group,
        sentences.sentence_days,
        case
            when sentences.journey_key is null and journeys.reception_type in ('remand', 'other')
                then 'unsentenced'
            when sentences.sentence_group = 'indeterminate' then 'indeterminate'
            when sentences.sentence_days is null then 'not known'
            when sentences.sentence_days <= 184 then '6 months or less'
            when sentences.sentence_days <= 366 then 'over 6 to 12 months'
            when sentences.sentence_days <= 1461 then 'over 12 months to 4 years'
            when sentences.sentence_days <= 3653 then 'over 4 to 10 years'
            else 'over 10 years'
        end as sentence_band,
        coalesce(charges.charge_count, 0) as charge_count,
        charges.ho_offence_code,
        charges.offence_desc,
        charges.offence_group,
        categorised.security_category_code,
        categorised.security_category_desc,
        categorised.security_group
    from journeys
    inner join described on journeys.journey_key = described.journey_key
    inner join offenders on described.offender_name_key = offenders.offender_name_key
    inner join bookings as categorised
        on described.category_booking_key = categorised.booking_key
    left join aged on journeys.journey_key = aged.journey_key
    left join sentences on journeys.journey_key = sentences.journey_key
    left join charges on journeys.journey_key = charges.journey_key
)

select * from final
