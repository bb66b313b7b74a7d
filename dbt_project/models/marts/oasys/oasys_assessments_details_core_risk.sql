with

core_risk as (
    select * from {{ ref('stg_oasys__core_risk') }}
),

final as (
    select
        assessment_key as assessment_id_hash,
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
        question_3_tot,
        question_5_1,
        question_5_2,
        question_5_5,
        question_5_6,
        question_5_tot,
        question_8_1,
        question_8_2_heroin,
        question_8_2_crack,
        question_10_5,
        question_10_6,
        question_10_7_histpsych_v2,
        question_11_tot
    from core_risk
)

select * from final
