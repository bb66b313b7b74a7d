with

addresses as (
    select * from {{ source('extracts', 'delius_addresses') }}
),

flags as (
    select * from {{ ref('flags_delius') }}
),

final as (
    select
        addresses.record_key as address_key,
        addresses.delius_offenders_key as offender_key,
        addresses.start_date,
        addresses.end_date,
        flags.flag as is_no_fixed_abode,
        addresses.lsoa_residence
    from addresses
    left join flags on addresses.no_fixed_abode = flags.code
    where addresses.soft_deleted = '0'
)

select * from final
