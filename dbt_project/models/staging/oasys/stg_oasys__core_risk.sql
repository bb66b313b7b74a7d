with

core_risk as (
    select * from {{ source('extracts', 'oasys_core_risk') }}
),

final as (
    select
        -- One row for each assessment: its key is that of the assessment.
        oasys_assessments_key as assessment_key,
        question_1_10,
        question_1_11,
        question_1_29,
        question_2_2_weapon,
        question_2_3_physicalviol,
        question_2_10_alcho,
        question_2_10_drugs,
        question_3_3,
        question_3_4,
        question_3_5,
        question_3_6,
        cast(question_3_tot as integer) as question_3_tot,
        question_5_1,
        question_5_2,
        question_5_5,
        question_5_6,
        cast(question_5_tot as integer) as question_5_tot,
        question_8_1,
        question_8_2_heroin,
        question_8_2_crack,
        question_10_5,
        question_10_6,
        question_10_7_histpsych_v2,
        cast(question_11_tot as integer) as question_11_tot
    from core_risk
)

select * from final
