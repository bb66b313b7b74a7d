with

census as (
    select * from {{ ref('stg_npd__census') }}
),

final as (
    select
        pupil_key as pupil_id_hash,
        academic_year,
        year_group_code,
        year_group,
        school_key as school_id_hash,
        school_type_code,
        school_type,
        la_code,
        la_name,
        is_fsm_eligible,
        idaci_decile,
        sen_provision_code,
        sen_provision_desc,
        sen_provision,
        sen_need_code,
        sen_need_desc,
        sen_need
    from census
)

select * from final
