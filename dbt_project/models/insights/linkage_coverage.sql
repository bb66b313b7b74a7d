with

links as (
    select * from {{ ref('xjs_link') }}
),

magistrates_cases as (
    select * from {{ ref('magistrates_cases') }}
),

crown_cases as (
    select * from {{ ref('crown_cases') }}
),

prison_custodial_journeys as (
    select * from {{ ref('prison_custodial_journeys') }}
),

probation_events as (
    select * from {{ ref('probation_events') }}
),

oasys_assessments as (
    select * from {{ ref('oasys_assessments_metadata') }}
),

family_parties as (
    select * from {{ ref('family_parties') }}
),

family_cases as (
    select * from {{ ref('family_cases') }}
),

civil_parties as (
    select * from {{ ref('civil_parties') }}
),

civil_cases as (
    select * from {{ ref('civil_cases') }}
),

crown_courts as (
    select * from {{ ref('crown_courts') }}
),

police_forces as (
    select * from {{ ref('police_forces') }}
),

magistrates as (
    select
        'magistrates' as source_dataset,
        defendant_case_hash as source_person_id,
        first_hearing_date as recorded_on,
        sex,
        ethnicity_group,
        {{ age_band('age_at_first_hearing') }} as age_band,
        police_force_name as area
    from magistrates_cases
),

crown as (
    select
        'crown' as source_dataset,
        crown_cases.defendant_on_case_id_hash as source_person_id,
        crown_cases.first_hearing_date as recorded_on,
        crown_cases.sex,
        crown_cases.ethnicity_group,
        {{ age_band('crown_cases.age_at_first_hearing') }} as age_band,
        police_forces.description as area
    from crown_cases
    left join crown_courts on crown_cases.court_code = crown_courts.code
    left join police_forces on crown_courts.police_force_code = police_forces.code
),

prison as (
    select
        'prison' as source_dataset,
        offender_id_hash as source_person_id,
        reception_date as recorded_on,
        sex,
        ethnicity_group,
        {{ age_band('age_at_reception') }} as age_band,
        'Not given' as area
    from prison_custodial_journeys
),

probation as (
    select
        'probation' as source_dataset,
        offender_id_hash as source_person_id,
        referral_date as recorded_on,
        sex,
        ethnicity_group,
        {{ age_band('age_at_offence') }} as age_band,
        probation_region as area
    from probation_events
),

oasys as (
    select
        'oasys' as source_dataset,
        offender_id_hash as source_person_id,
        initiation_date as recorded_on,
        sex,
        ethnicity_group,
        {{ age_band('age_at_assessment') }} as age_band,
        'Not given' as area
    from oasys_assessments
),

family as (
    select
        'family' as source_dataset,
        family_parties.party_id_hash as source_person_id,
        family_cases.receipt_date as recorded_on,
        family_parties.sex,
        'Not given' as ethnicity_group,
        case
            when family_parties.age_band_at_receipt in ('Under 1', '1 to 4', '5 to 9')
                then 'Under 10'
            when family_parties.age_band_at_receipt is not null then '10 to 17'
            else {{ age_band('family_parties.age_at_receipt') }}
        end as age_band,
        family_cases.court_region as area
    from family_parties
    inner join family_cases
        on family_parties.case_number_hash = family_cases.case_number_hash
),

civil as (
    select
        'civil' as source_dataset,
        civil_parties.party_id_hash as source_person_id,
        civil_cases.issue_date as recorded_on,
        'unknown' as sex,
        'Not given' as ethnicity_group,
        {{ age_band('civil_parties.age_in_year_of_issue') }} as age_band,
        civil_cases.court_region as area
    from civil_parties
    inner join civil_cases on civil_parties.case_number_hash = civil_cases.case_number_hash
),

-- A dataset is added by one such query, and its line here.
mentions as (
    select * from magistrates
    union all
    select * from crown
    union all
    select * from prison
    union all
    select * from probation
    union all
    select * from oasys
    union all
    select * from family
    union all
    select * from civil
),

known_mentions as (
    select
        mentions.source_dataset,
        mentions.source_person_id,
        links.estimated_person_id,
        mentions.recorded_on,
        coalesce(mentions.sex, 'unknown') as sex,
        coalesce(mentions.ethnicity_group, 'Not known') as ethnicity_group,
        mentions.age_band,
        coalesce(mentions.area, 'Not known') as area
    from mentions
    inner join links
        on
            mentions.source_dataset = links.source_dataset
            and mentions.source_person_id = links.source_person_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by source_dataset, source_person_id
            order by recorded_on desc, sex asc, ethnicity_group asc, age_band asc, area asc
        ) as nth_of_record
    from known_mentions
),

-- A person's latest record. Values come before the key, so that no figure depends on how keys were
-- made.
records as (
    select
        *,
        row_number() over (
            partition by source_dataset, estimated_person_id
            order by
                recorded_on desc,
                sex asc,
                ethnicity_group asc,
                age_band asc,
                area asc,
                source_person_id asc
        ) = 1 as is_latest
    from ranked
    where nth_of_record = 1
),

people as (
    select distinct
        source_dataset as linked_dataset,
        estimated_person_id
    from links
),

linked_datasets as (
    select distinct linked_dataset from people
),

-- Counted once for each combination of subgroups, which are few, before they are told apart.
profiles as (
    select
        records.source_dataset,
        linked_datasets.linked_dataset,
        records.sex,
        records.ethnicity_group,
        records.age_band,
        records.area,
        count(records.source_person_id) as records,
        count(people.estimated_person_id) as linked_records,
        count(case when records.is_latest then records.estimated_person_id end) as people,
        count(case when records.is_latest then people.estimated_person_id end) as linked_people
    from records
    inner join linked_datasets on records.source_dataset <> linked_datasets.linked_dataset
    left join people
        on
            linked_datasets.linked_dataset = people.linked_dataset
            and records.estimated_person_id = people.estimated_person_id
    group by
        records.source_dataset,
        linked_datasets.linked_dataset,
        records.sex,
        records.ethnicity_group,
        records.age_band,
        records.area
),

subgroups as (
    {%- for subgroup in ["everyone", "sex", "ethnicity_group", "age_band", "area"] %}
        select
            source_dataset,
            linked_dataset,
            '{{ subgroup }}' as subgroup,
            {{ "'All'" if subgroup == "everyone" else subgroup }} as subgroup_value,
            records,
            linked_records,
            people,
            linked_people
        from profiles
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

counted as (
    select
        source_dataset,
        linked_dataset,
        subgroup,
        subgroup_value,
        cast(sum(records) as bigint) as records,
        cast(sum(linked_records) as bigint) as linked_records,
        cast(sum(people) as bigint) as people,
        cast(sum(linked_people) as bigint) as linked_people
    from subgroups
    group by source_dataset, linked_dataset, subgroup, subgroup_value
),

-- Records are no fewer than people, linked or not: what people may be told of, records may.
-- Whom two datasets share is one number, whichever is looked from, and what subgroups come to:
-- where either dataset may not tell it of everyone, neither tells it of anyone.
shared as (
    select
        *,
        least(linked_people, people - linked_people) as least_of_row,
        min(
            case
                when subgroup = 'everyone' then least(linked_people, people - linked_people)
            end
        ) over (
            partition by
                least(source_dataset, linked_dataset), greatest(source_dataset, linked_dataset)
        ) as least_of_everyone
    from counted
),

least_counts as (
    select
        *,
        case
            when least_of_everyone < {{ disclosure_threshold() }} then least_of_everyone
            else least_of_row
        end as least_of_links
    from shared
),

withheld as (
    select
        *,
        {{ is_withheld('people', 'source_dataset, linked_dataset, subgroup', 'subgroup_value') }}
            as people_withheld,
        {{ is_withheld('people', 'source_dataset, linked_dataset, subgroup', 'subgroup_value') }}
        or {{ is_withheld(
            'least_of_links', 'source_dataset, linked_dataset, subgroup', 'subgroup_value'
        ) }} as links_withheld
    from least_counts
),

released as (
    select
        source_dataset,
        linked_dataset,
        subgroup,
        subgroup_value,
        links_withheld as is_suppressed,
        {{ released_count('people', 'people_withheld') }} as people,
        {{ released_count('linked_people', 'links_withheld') }} as linked_people,
        {{ released_count('records', 'people_withheld') }} as records,
        {{ released_count('linked_records', 'links_withheld') }} as linked_records
    from withheld
),

final as (
    select
        source_dataset,
        linked_dataset,
        subgroup,
        subgroup_value,
        people,
        linked_people,
        {{ released_share('linked_people', 'people') }} as share_of_people,
        records,
        linked_records,
        {{ released_share('linked_records', 'records') }} as share_of_records,
        is_suppressed
    from released
)

select * from final
