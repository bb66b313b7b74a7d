with

offences as (
    select * from {{ ref('stg_pnc__offences') }}
),

people as (
    select * from {{ ref('stg_linkage__pnc_people') }}
),

disposed as (
    select
        offences.*,
        people.estimated_offender_id
    from offences
    left join people on offences.subject_key = people.subject_key
    where offences.disposal_code is not null
),

-- Of one day the offence that was dealt with most severely; the key is asked last.
final as (
    select
        offence_key,
        estimated_offender_id,
        row_number() over (
            partition by coalesce(estimated_offender_id, subject_key)
            order by
                offence_date asc nulls last,
                disposal_date asc nulls last,
                disposal_rank asc,
                ho_offence_code asc,
                offence_key asc
        ) as nth_offence
    from disposed
)

select * from final
