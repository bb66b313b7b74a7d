with

pupils as (
    select * from {{ ref('int_npd__pupils') }}
),

final as (
    select
        pupil_key as pupil_id_hash,
        sex,
        ethnicity_code,
        ethnicity_desc,
        ethnicity_group,
        birth_year,
        first_academic_year,
        last_academic_year,
        cast(census_count as integer) as census_count,
        was_ever_fsm_eligible,
        la_code,
        la_name,
        la_region,
        lsoa_residence
    from pupils
)

select * from final
