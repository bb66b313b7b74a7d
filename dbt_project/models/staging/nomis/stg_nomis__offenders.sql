with

offenders as (
    select * from {{ source('extracts', 'nomis_offenders') }}
),

sexes as (
    select * from {{ ref('sex_nomis') }}
),

ethnicities as (
    select * from {{ ref('ethnicities_nomis') }}
),

final as (
    select
        offenders.record_key as offender_name_key,
        offenders.offender_key,
        offenders.root_offender_key,
        offenders.sex_code,
        coalesce(sexes.sex, 'unknown') as sex,
        offenders.race_code as ethnicity_code,
        ethnicities.description as ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group,
        offenders.nationality_code as nationality
    from offenders
    left join sexes on offenders.sex_code = sexes.code
    left join ethnicities on offenders.race_code = ethnicities.code
)

select * from final
