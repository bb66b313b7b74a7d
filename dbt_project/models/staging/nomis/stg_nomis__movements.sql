with

movements as (
    select * from {{ source('extracts', 'nomis_movements') }}
),

reasons as (
    select * from {{ ref('movement_reasons_nomis') }}
),

establishments as (
    select * from {{ ref('establishments') }}
),

final as (
    select
        movements.record_key as movement_key,
        movements.nomis_bookings_key as booking_key,
        movements.movement_seq,
        movements.movement_date,
        movements.movement_type as movement_type_code,
        movements.movement_reason_code,
        reasons.description as movement_reason_desc,
        -- Coming in from another establishment is an admission there, but no reception.
        movements.movement_type = 'ADM'
        and coalesce(reasons.reception_type, 'other') <> 'transfer' as is_reception,
        movements.movement_type = 'REL' as is_release,
        coalesce(reasons.reception_type, 'other') as reception_type,
        coalesce(reasons.continues_journey, false) as continues_journey,
        coalesce(reasons.release_type, 'other') as release_type,
        movements.from_agy_loc_id as from_establishment_code,
        origins.description as from_establishment_name,
        movements.to_agy_loc_id as to_establishment_code,
        destinations.description as to_establishment_name
    from movements
    left join reasons
        on
            movements.movement_type = reasons.movement_type
            and movements.movement_reason_code = reasons.code
    left join establishments as origins on movements.from_agy_loc_id = origins.code
    left join establishments as destinations on movements.to_agy_loc_id = destinations.code
)

select * from final
