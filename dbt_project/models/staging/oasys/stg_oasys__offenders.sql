with

offenders as (
    select * from {{ source('extracts', 'oasys_offenders') }}
),

genders as (
    select * from {{ ref('gender_oasys') }}
),

ethnicities as (
    select * from {{ ref('ethnicities') }}
),

final as (
    select
        offenders.record_key as offender_key,
        offenders.gender_code,
        coalesce(genders.sex, 'unknown') as sex,
        offenders.ethnic_category_code as ethnicity_code,
        ethnicities.description as ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group
    from offenders
    left join genders on offenders.gender_code = genders.code
    left join ethnicities on offenders.ethnic_category_code = ethnicities.code
)

select * from final
