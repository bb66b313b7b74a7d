with

spells as (
    select * from {{ ref('int_nomis__spells') }}
),

bookings as (
    select * from {{ ref('stg_nomis__bookings') }}
),

counted as (
    select
        journey_key,
        count(*) as spell_count,
        sum(case when reception_type = 'recall' then 1 else 0 end) as recall_count,
        max(case when reception_type = 'remand' then 1 else 0 end) as remand_flag,
        sum(case when release_date is null then 1 else 0 end) as open_spell_count,
        sum({{ datediff('reception_date', 'release_date', 'day') }}) as days_released_from
    from spells
    group by journey_key
),

first_spells as (
    select * from spells
    where spell_of_journey = 1
),

last_spells as (
    select * from spells
    where spell_from_last = 1
),

final as (
    select
        first_spells.journey_key,
        first_spells.estimated_offender_id,
        first_spells.booking_key as first_booking_key,
        last_spells.booking_key as last_booking_key,
        first_spells.reception_date,
        first_spells.reception_reason_code,
        first_spells.reception_reason_desc,
        first_spells.reception_type,
        first_spells.reception_establishment_code,
        first_spells.reception_establishment_name,
        last_spells.release_date,
        last_spells.release_reason_code,
        last_spells.release_reason_desc,
        last_spells.release_establishment_code,
        last_spells.release_establishment_name,
        -- Without a release somebody is in custody only if nothing tells otherwise.
        last_spells.release_date is null
        and last_spells.is_last_of_person
        and last_bookings.is_in_custody as is_in_custody,
        case
            when last_spells.release_type is not null then last_spells.release_type
            when not (last_spells.is_last_of_person and last_bookings.is_in_custody)
                then 'not recorded'
        end as release_type,
        counted.spell_count,
        cast(counted.recall_count as bigint) as recall_count,
        case
            when counted.open_spell_count = 0 then cast(counted.days_released_from as bigint)
        end as days_in_custody,
        counted.remand_flag = 1 as had_remand
    from first_spells
    inner join last_spells on first_spells.journey_key = last_spells.journey_key
    inner join counted on first_spells.journey_key = counted.journey_key
    inner join bookings as last_bookings on last_spells.booking_key = last_bookings.booking_key
)

select * from final
