with

offences as (
    select * from {{ ref('stg_pnc__offences') }}
),

subjects as (
    select * from {{ ref('stg_pnc__subjects') }}
),

ordered as (
    select * from {{ ref('int_pnc__offences_ordered') }}
),

final as (
    select
        offences.offence_key as offence_id_hash,
        offences.subject_key as offender_id_hash,
        ordered.estimated_offender_id,
        subjects.sex_code,
        subjects.sex,
        subjects.ethnic_appearance_code,
        subjects.ethnic_appearance_desc,
        subjects.ethnicity_group as ethnic_appearance_group,
        offences.offence_number,
        offences.offence_date,
        offences.age_at_offence,
        offences.ho_offence_code,
        offences.offence_desc,
        offences.offence_group,
        offences.is_serious_violence,
        offences.adjudication_code,
        offences.adjudication_desc,
        offences.adjudication,
        offences.court_type_code,
        offences.court_type,
        offences.disposal_code,
        offences.disposal_desc,
        offences.disposal_group,
        offences.disposal_rank,
        offences.is_caution,
        offences.is_custodial,
        offences.disposal_date,
        offences.sentence_length_days,
        ordered.nth_offence = 1 as is_first_offence
    from offences
    inner join ordered on offences.offence_key = ordered.offence_key
    inner join subjects on offences.subject_key = subjects.subject_key
)

select * from final
