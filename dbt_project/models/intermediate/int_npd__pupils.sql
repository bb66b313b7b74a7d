with

census as (
    select * from {{ ref('stg_npd__census') }}
),

absence as (
    select * from {{ ref('stg_npd__absence') }}
),

exclusions as (
    select * from {{ ref('stg_npd__exclusions') }}
),

attainment as (
    select * from {{ ref('stg_npd__attainment') }}
),

cin_episodes as (
    select * from {{ ref('stg_csc__cin_episodes') }}
),

cpp_episodes as (
    select * from {{ ref('stg_csc__cpp_episodes') }}
),

cla_episodes as (
    select * from {{ ref('stg_csc__cla_episodes') }}
),

-- A pupil may be missing from every census: what else is told of them is still theirs.
mentioned as (
    select pupil_key from census
    union
    select pupil_key from absence
    union
    select pupil_key from exclusions
    union
    select pupil_key from attainment
    union
    select pupil_key from cin_episodes
    where pupil_key is not null
    union
    select pupil_key from cpp_episodes
    where pupil_key is not null
    union
    select pupil_key from cla_episodes
    where pupil_key is not null
),

spans as (
    select
        pupil_key,
        count(*) as census_count,
        min(academic_year) as first_academic_year,
        max(academic_year) as last_academic_year,
        max(case when is_fsm_eligible then 1 else 0 end) = 1 as was_ever_fsm_eligible
    from census
    group by pupil_key
),

-- A slip is made in one year: what most years tell holds, of several the latest.
sexes as (
    select
        pupil_key,
        sex,
        row_number() over (
            partition by pupil_key order by count(*) desc, max(academic_year) desc, sex asc
        ) as place
    from census
    group by pupil_key, sex
),

birth_years as (
    select
        pupil_key,
        birth_year,
        row_number() over (
            partition by pupil_key order by count(*) desc, max(academic_year) desc, birth_year asc
        ) as place
    from census
    where birth_year is not null
    group by pupil_key, birth_year
),

ethnicities as (
    select
        pupil_key,
        ethnicity_code,
        ethnicity_desc,
        ethnicity_group,
        row_number() over (partition by pupil_key order by academic_year desc) as place
    from census
    where ethnicity_group <> 'Not known'
),

homes as (
    select
        pupil_key,
        la_code,
        la_name,
        la_region,
        lsoa_residence,
        row_number() over (partition by pupil_key order by academic_year desc) as place
    from census
),

final as (
    select
        mentioned.pupil_key,
        coalesce(sexes.sex, 'unknown') as sex,
        ethnicities.ethnicity_code,
        ethnicities.ethnicity_desc,
        coalesce(ethnicities.ethnicity_group, 'Not known') as ethnicity_group,
        birth_years.birth_year,
        coalesce(spans.census_count, 0) as census_count,
        spans.first_academic_year,
        spans.last_academic_year,
        spans.was_ever_fsm_eligible,
        homes.la_code,
        homes.la_name,
        homes.la_region,
        homes.lsoa_residence
    from mentioned
    left join spans on mentioned.pupil_key = spans.pupil_key
    left join sexes on mentioned.pupil_key = sexes.pupil_key and sexes.place = 1
    left join birth_years on mentioned.pupil_key = birth_years.pupil_key and birth_years.place = 1
    left join ethnicities on mentioned.pupil_key = ethnicities.pupil_key and ethnicities.place = 1
    left join homes on mentioned.pupil_key = homes.pupil_key and homes.place = 1
)

select * from final
