with

links as (
    select * from {{ ref('xjs_link') }}
),

parties as (
    select * from {{ ref('family_parties') }}
),

family_cases as (
    select * from {{ ref('family_cases') }}
),

magistrates_cases as (
    select * from {{ ref('magistrates_cases') }}
),

crown_cases as (
    select * from {{ ref('crown_cases') }}
),

family_mentions as (
    select
        links.estimated_person_id,
        family_cases.receipt_date as recorded_on,
        parties.role_group,
        family_cases.case_type_desc as case_type,
        coalesce(parties.sex, 'unknown') as sex
    from parties
    inner join family_cases on parties.case_number_hash = family_cases.case_number_hash
    inner join links
        on
            links.source_dataset = 'family'
            and parties.party_id_hash = links.source_person_id
    where family_cases.receipt_date <= {{ cut_off() }}
),

criminal_mentions as (
    select
        links.estimated_person_id,
        magistrates_cases.first_hearing_date as recorded_on,
        'magistrates' as court,
        coalesce(magistrates_cases.sex, 'unknown') as sex
    from magistrates_cases
    inner join links
        on
            links.source_dataset = 'magistrates'
            and magistrates_cases.defendant_case_hash = links.source_person_id
    where magistrates_cases.first_hearing_date <= {{ cut_off() }}
    union all
    select
        links.estimated_person_id,
        crown_cases.first_hearing_date as recorded_on,
        'crown' as court,
        coalesce(crown_cases.sex, 'unknown') as sex
    from crown_cases
    inner join links
        on
            links.source_dataset = 'crown'
            and crown_cases.defendant_on_case_id_hash = links.source_person_id
    where crown_cases.first_hearing_date <= {{ cut_off() }}
),

-- A person's sex as last recorded on either side; values alone settle a day that tells two.
family_ranked as (
    select
        *,
        row_number() over (
            partition by estimated_person_id order by recorded_on desc, sex asc
        ) as nth
    from family_mentions
),

criminal_ranked as (
    select
        *,
        row_number() over (
            partition by estimated_person_id order by recorded_on desc, sex asc
        ) as nth
    from criminal_mentions
),

family_people as (
    select
        estimated_person_id,
        sex
    from family_ranked
    where nth = 1
),

criminal_people as (
    select
        estimated_person_id,
        max(case when nth = 1 then sex end) as sex,
        case
            when count(distinct court) = 2 then 'both'
            when min(court) = 'crown' then 'crown only'
            else 'magistrates only'
        end as courts
    from criminal_ranked
    group by estimated_person_id
),

-- Roles and types of case overlap: a person stands under each.
members as (
    select
        'family courts' as population,
        'everyone' as subgroup,
        'All' as subgroup_value,
        estimated_person_id
    from family_people
    union all
    select
        'family courts' as population,
        'sex' as subgroup,
        sex as subgroup_value,
        estimated_person_id
    from family_people
    union all
    select distinct
        'family courts' as population,
        'role' as subgroup,
        role_group as subgroup_value,
        estimated_person_id
    from family_mentions
    union all
    select distinct
        'family courts' as population,
        'case_type' as subgroup,
        case_type as subgroup_value,
        estimated_person_id
    from family_mentions
    union all
    select
        'criminal courts' as population,
        'everyone' as subgroup,
        'All' as subgroup_value,
        estimated_person_id
    from criminal_people
    union all
    select
        'criminal courts' as population,
        'sex' as subgroup,
        sex as subgroup_value,
        estimated_person_id
    from criminal_people
    union all
    select
        'criminal courts' as population,
        'courts' as subgroup,
        courts as subgroup_value,
        estimated_person_id
    from criminal_people
),

-- Every group has its row: one that is not there would tell of a zero. Parties of adoption cases
-- are not joined with other datasets at all.
wanted as (
    select
        populations.population,
        'everyone' as subgroup,
        'All' as subgroup_value
    from (values ('family courts'), ('criminal courts')) as populations (population)
    union all
    select
        populations.population,
        'sex' as subgroup,
        sexes.sex as subgroup_value
    from (values ('family courts'), ('criminal courts')) as populations (population)
    cross join (values ('male'), ('female'), ('unknown')) as sexes (sex)
    union all
    select
        'family courts' as population,
        'role' as subgroup,
        role_groups.role_group as subgroup_value
    from (values ('child'), ('applicant'), ('respondent')) as role_groups (role_group)
    union all
    select distinct
        'family courts' as population,
        'case_type' as subgroup,
        case_type_desc as subgroup_value
    from family_cases
    where case_type_code <> 'A'
    union all
    select
        'criminal courts' as population,
        'courts' as subgroup,
        court_sets.courts as subgroup_value
    from (
        values ('magistrates only'), ('crown only'), ('both')
    ) as court_sets (courts)
),

counted as (
    select
        wanted.population,
        wanted.subgroup,
        wanted.subgroup_value,
        count(members.estimated_person_id) as people,
        count(
            case
                when wanted.population = 'family courts' then criminal_people.estimated_person_id
                else family_people.estimated_person_id
            end
        ) as linked_people
    from wanted
    left join members
        on
            wanted.population = members.population
            and wanted.subgroup = members.subgroup
            and wanted.subgroup_value = members.subgroup_value
    left join family_people
        on members.estimated_person_id = family_people.estimated_person_id
    left join criminal_people
        on members.estimated_person_id = criminal_people.estimated_person_id
    group by wanted.population, wanted.subgroup, wanted.subgroup_value
),

with_everyone as (
    select
        *,
        max(case when subgroup = 'everyone' then people end) over (partition by population)
            as everyone,
        max(case when subgroup = 'everyone' then linked_people end) over (partition by population)
            as everyone_linked,
        min(
            case when subgroup = 'everyone' then least(linked_people, people - linked_people) end
        ) over () as least_of_everyone
    from counted
),

-- Where groups overlap those outside one are not told by the others: they are a count too. Whom the
-- two populations share is one number from either side: both tell it, or neither does.
least_counts as (
    select
        *,
        case
            when subgroup in ('role', 'case_type') then least(people, everyone - people)
            else people
        end as least_of_people,
        case
            when least_of_everyone < {{ disclosure_threshold() }} then least_of_everyone
            when subgroup in ('role', 'case_type')
                then
                    least(
                        linked_people,
                        people - linked_people,
                        everyone_linked - linked_people,
                        (everyone - everyone_linked) - (people - linked_people)
                    )
            else least(linked_people, people - linked_people)
        end as least_of_links
    from with_everyone
),

withheld as (
    select
        *,
        {{ is_withheld('least_of_people', 'population, subgroup', 'subgroup_value') }}
            as people_withheld,
        {{ is_withheld('least_of_people', 'population, subgroup', 'subgroup_value') }}
        or {{ is_withheld('least_of_links', 'population, subgroup', 'subgroup_value') }}
            as links_withheld
    from least_counts
),

released as (
    select
        population,
        subgroup,
        subgroup_value,
        links_withheld as is_suppressed,
        {{ released_count('people', 'people_withheld') }} as people,
        {{ released_count('linked_people', 'links_withheld') }} as linked_people
    from withheld
),

final as (
    select
        population,
        subgroup,
        subgroup_value,
        people,
        linked_people,
        {{ released_share('linked_people', 'people') }} as share_linked,
        is_suppressed
    from released
)

select * from final
