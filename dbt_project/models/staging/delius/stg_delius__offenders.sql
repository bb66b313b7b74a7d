with

offenders as (
    select * from {{ source('extracts', 'delius_offenders') }}
),

genders as (
    select * from {{ ref('gender_delius') }}
),

ethnicities as (
    select * from {{ ref('ethnicities_delius') }}
),

final as (
    select
        offenders.record_key as offender_key,
        offenders.gender as gender_code,
        coalesce(genders.sex, 'unknown') as sex,
        offenders.ethnicity as ethnicity_code,
        ethnicities.description as ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group,
        offenders.nationality
    from offenders
    left join genders on offenders.gender = genders.code
    left join ethnicities on offenders.ethnicity = ethnicities.code
    -- nDelius marks what was deleted and keeps it.
    where offenders.soft_deleted = '0'
)

select * from final
