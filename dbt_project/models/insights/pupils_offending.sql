with

pupils as (
    select * from {{ ref('moj_dfe_pupils') }}
    where census_count > 0
),

sen as (
    select * from {{ ref('moj_dfe_sen') }}
),

absence as (
    select * from {{ ref('moj_dfe_absence') }}
),

exclusions as (
    select * from {{ ref('moj_dfe_exclusions') }}
),

cin_episodes as (
    select * from {{ ref('moj_dfe_cin') }}
),

cpp_episodes as (
    select * from {{ ref('moj_dfe_cpp') }}
),

cla_episodes as (
    select * from {{ ref('moj_dfe_cla') }}
),

links as (
    select * from {{ ref('moj_dfe_link') }}
),

offences as (
    select * from {{ ref('moj_dfe_offending') }}
),

-- Offences under every name the police have of a person are that person's.
offenders as (
    select
        estimated_offender_id,
        max(case when is_serious_violence then 1 else 0 end) as is_serious,
        max(case when is_custodial then 1 else 0 end) as is_in_custody,
        max(case when is_first_offence then age_at_offence end) as age_at_first_offence
    from offences
    group by estimated_offender_id
),

provisions as (
    select
        pupil_id_hash,
        max(
            case sen_provision when 'statement or plan' then 2 when 'SEN support' then 1 else 0 end
        ) as place
    from sen
    group by pupil_id_hash
),

absentees as (
    select
        pupil_id_hash,
        max(case when is_persistent_absentee then 1 else 0 end) as place
    from absence
    group by pupil_id_hash
),

excluded as (
    select
        pupil_id_hash,
        max(case exclusion_type when 'permanent' then 2 when 'suspension' then 1 else 0 end)
            as place
    from exclusions
    group by pupil_id_hash
),

care_episodes as (
    select
        pupil_id_hash,
        3 as place
    from cla_episodes
    union all
    select
        pupil_id_hash,
        2 as place
    from cpp_episodes
    union all
    select
        pupil_id_hash,
        1 as place
    from cin_episodes
),

cared_for as (
    select
        pupil_id_hash,
        max(place) as place
    from care_episodes
    where pupil_id_hash is not null
    group by pupil_id_hash
),

-- A pupil stands once in every kind of subgroup, under what comes closest to the state. What is not
-- known stands with the commonest: a rest too small to be told would hide another group with it.
described as (
    select
        pupils.pupil_id_hash,
        pupils.sex,
        pupils.ethnicity_group,
        case when pupils.was_ever_fsm_eligible then 'ever eligible' else 'never eligible' end
            as free_school_meals,
        case provisions.place
            when 2 then 'statement or plan'
            when 1 then 'SEN support'
            else 'no special need'
        end as special_needs,
        case absentees.place when 1 then 'persistently absent' else 'not persistently absent' end
            as persistent_absence,
        case excluded.place
            when 2 then 'permanently excluded'
            when 1 then 'suspended'
            else 'never excluded'
        end as exclusion,
        case cared_for.place
            when 3 then 'looked after'
            when 2 then 'on a protection plan'
            when 1 then 'in need'
            else 'no social care'
        end as social_care,
        case
            when offenders.estimated_offender_id is null then null
            when offenders.age_at_first_offence <= 12 then '10 to 12'
            when offenders.age_at_first_offence < 18
                then cast(offenders.age_at_first_offence as varchar)
            else '18 and over, or not known'
        end as age_at_first_offence,
        case when offenders.estimated_offender_id is null then 0 else 1 end as is_offender,
        coalesce(offenders.is_serious, 0) as is_serious,
        coalesce(offenders.is_in_custody, 0) as is_in_custody
    from pupils
    left join provisions on pupils.pupil_id_hash = provisions.pupil_id_hash
    left join absentees on pupils.pupil_id_hash = absentees.pupil_id_hash
    left join excluded on pupils.pupil_id_hash = excluded.pupil_id_hash
    left join cared_for on pupils.pupil_id_hash = cared_for.pupil_id_hash
    left join links on pupils.pupil_id_hash = links.pupil_id_hash
    left join offenders on links.estimated_offender_id = offenders.estimated_offender_id
),

-- Every group has its row: one that is not there would tell of a zero.
wanted as (
    select
        subgroups.subgroup,
        subgroups.subgroup_value
    from (
        values
        ('everyone', 'All'),
        ('sex', 'male'),
        ('sex', 'female'),
        ('ethnicity_group', 'Asian'),
        ('ethnicity_group', 'Black'),
        ('ethnicity_group', 'Mixed'),
        ('ethnicity_group', 'White'),
        ('ethnicity_group', 'Other'),
        ('ethnicity_group', 'Not known'),
        ('free_school_meals', 'ever eligible'),
        ('free_school_meals', 'never eligible'),
        ('special_needs', 'statement or plan'),
        ('special_needs', 'SEN support'),
        ('special_needs', 'no special need'),
        ('persistent_absence', 'persistently absent'),
        ('persistent_absence', 'not persistently absent'),
        ('exclusion', 'permanently excluded'),
        ('exclusion', 'suspended'),
        ('exclusion', 'never excluded'),
        ('social_care', 'looked after'),
        ('social_care', 'on a protection plan'),
        ('social_care', 'in need'),
        ('social_care', 'no social care'),
        ('age_at_first_offence', '10 to 12'),
        ('age_at_first_offence', '13'),
        ('age_at_first_offence', '14'),
        ('age_at_first_offence', '15'),
        ('age_at_first_offence', '16'),
        ('age_at_first_offence', '17'),
        ('age_at_first_offence', '18 and over, or not known')
    ) as subgroups (subgroup, subgroup_value)
),

kinds as (
    select distinct subgroup from wanted
),

members as (
    select
        kinds.subgroup,
        case kinds.subgroup
            when 'everyone' then 'All'
            when 'sex' then described.sex
            when 'ethnicity_group' then described.ethnicity_group
            when 'free_school_meals' then described.free_school_meals
            when 'special_needs' then described.special_needs
            when 'persistent_absence' then described.persistent_absence
            when 'exclusion' then described.exclusion
            when 'social_care' then described.social_care
            else described.age_at_first_offence
        end as subgroup_value,
        described.pupil_id_hash,
        described.is_offender,
        described.is_serious,
        described.is_in_custody
    from described
    cross join kinds
),

counted as (
    select
        wanted.subgroup,
        wanted.subgroup_value,
        count(members.pupil_id_hash) as members,
        cast(coalesce(sum(members.is_offender), 0) as bigint) as offenders,
        cast(coalesce(sum(members.is_serious), 0) as bigint) as serious,
        cast(coalesce(sum(members.is_in_custody), 0) as bigint) as custody
    from wanted
    left join members
        on
            wanted.subgroup = members.subgroup
            and wanted.subgroup_value = members.subgroup_value
    group by wanted.subgroup, wanted.subgroup_value
),

-- Nobody has an age at a first offence but who offended: those are counted among all pupils.
with_pupils as (
    select
        *,
        case
            when subgroup = 'age_at_first_offence'
                then max(case when subgroup = 'everyone' then members end) over ()
            else members
        end as pupils
    from counted
),

least_counts as (
    select
        *,
        least(offenders, pupils - offenders) as least_of_offending,
        least(serious, offenders - serious) as least_of_serious,
        least(custody, offenders - custody) as least_of_custody
    from with_pupils
),

-- A finer split is withheld wherever a coarser one is.
withheld as (
    select
        *,
        {{ is_withheld('pupils', 'subgroup', 'subgroup_value') }} as pupils_withheld,
        {{ is_withheld('pupils', 'subgroup', 'subgroup_value') }}
        or {{ is_withheld('least_of_offending', 'subgroup', 'subgroup_value') }}
            as offending_withheld,
        {{ is_withheld('least_of_serious', 'subgroup', 'subgroup_value') }} as serious_unsafe,
        {{ is_withheld('least_of_custody', 'subgroup', 'subgroup_value') }} as custody_unsafe
    from least_counts
),

released as (
    select
        subgroup,
        subgroup_value,
        {{ released_count('pupils', 'pupils_withheld') }} as pupils,
        {{ released_count('offenders', 'offending_withheld') }} as cautioned_or_sentenced,
        {{ released_count('serious', '(offending_withheld or serious_unsafe)') }}
            as serious_violence,
        {{ released_count('custody', '(offending_withheld or custody_unsafe)') }} as custody,
        offending_withheld or serious_unsafe or custody_unsafe as is_suppressed
    from withheld
),

final as (
    select
        subgroup,
        subgroup_value,
        pupils,
        cautioned_or_sentenced,
        serious_violence,
        custody,
        {{ released_share('cautioned_or_sentenced', 'pupils') }} as share_cautioned_or_sentenced,
        {{ released_share('serious_violence', 'pupils') }} as share_serious_violence,
        {{ released_share('custody', 'pupils') }} as share_custody,
        is_suppressed
    from released
)

select * from final
