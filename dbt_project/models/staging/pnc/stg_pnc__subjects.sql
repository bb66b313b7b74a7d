with

subjects as (
    select * from {{ source('extracts', 'pnc_subjects') }}
),

sexes as (
    select * from {{ ref('sex_pnc') }}
),

ethnic_appearances as (
    select * from {{ ref('ethnic_appearance_pnc') }}
),

final as (
    select
        subjects.record_key as subject_key,
        subjects.sex as sex_code,
        coalesce(sexes.sex, 'unknown') as sex,
        subjects.ethnic_appearance as ethnic_appearance_code,
        ethnic_appearances.description as ethnic_appearance_desc,
        coalesce(ethnic_appearances.ethnicity_group, 'Not known') as ethnicity_group
    from subjects
    left join sexes on subjects.sex = sexes.code
    left join ethnic_appearances on subjects.ethnic_appearance = ethnic_appearances.code
)

select * from final
