with

bookings as (
    select * from {{ source('extracts', 'nomis_bookings') }}
),

statuses as (
    select * from {{ ref('in_out_statuses_nomis') }}
),

categories as (
    select * from {{ ref('security_categories') }}
),

final as (
    select
        -- The record key stands for offender_book_id: no two records share one.
        bookings.record_key as booking_key,
        bookings.nomis_offenders_key as offender_name_key,
        bookings.root_offender_key,
        bookings.booking_begin_date,
        bookings.booking_end_date,
        statuses.is_in_custody,
        bookings.security_category as security_category_code,
        categories.description as security_category_desc,
        categories.security_group,
        cast(bookings.age_at_reception as integer) as age_at_booking
    from bookings
    left join statuses on bookings.in_out_status = statuses.code
    left join categories on bookings.security_category = categories.code
)

select * from final
