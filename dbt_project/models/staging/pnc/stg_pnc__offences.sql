with

offences as (
    select * from {{ source('extracts', 'pnc_offences') }}
),

offence_classes as (
    select * from {{ ref('offences') }}
),

adjudications as (
    select * from {{ ref('adjudications_pnc') }}
),

disposals as (
    select * from {{ ref('disposal_types_pnc') }}
),

court_types as (
    select * from {{ ref('court_types_pnc') }}
),

final as (
    select
        offences.record_key as offence_key,
        offences.pnc_subjects_key as subject_key,
        cast(offences.offence_seq as integer) as offence_number,
        offences.offence_date,
        cast(offences.age_at_offence as integer) as age_at_offence,
        offences.ho_offence_code,
        offence_classes.description as offence_desc,
        coalesce(offence_classes.offence_group, 'Not known') as offence_group,
        coalesce(offence_classes.is_serious_violence, false) as is_serious_violence,
        offences.adjudication as adjudication_code,
        adjudications.description as adjudication_desc,
        adjudications.adjudication,
        offences.disposal_code,
        disposals.description as disposal_desc,
        disposals.disposal_group,
        disposals.disposal_rank,
        disposals.is_caution,
        disposals.is_custodial,
        offences.disposal_date,
        offences.court_type as court_type_code,
        court_types.court_type,
        cast(offences.sentence_length_days as integer) as sentence_length_days
    from offences
    left join offence_classes on offences.ho_offence_code = offence_classes.ho_offence_code
    left join adjudications on offences.adjudication = adjudications.code
    left join disposals on offences.disposal_code = disposals.code
    left join court_types on offences.court_type = court_types.code
)

select * from final
