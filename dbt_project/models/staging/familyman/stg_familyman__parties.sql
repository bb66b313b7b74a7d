with

parties as (
    select * from {{ source('extracts', 'familyman_parties') }}
),

flags as (
    select * from {{ ref('flags_familyman') }}
),

genders as (
    select * from {{ ref('gender_familyman') }}
),

final as (
    select
        parties.record_key as party_key,
        parties.party_key as source_party_key,
        flags.flag as is_organisation,
        parties.gender as gender_code,
        case when not flags.flag then coalesce(genders.sex, 'unknown') end as sex,
        parties.birth_year,
        parties.lsoa_residence
    from parties
    left join flags on parties.is_company = flags.code
    left join genders on parties.gender = genders.code
)

select * from final
