with

magistrates as (
    select * from {{ ref('magistrates_cases') }}
),

crown as (
    select * from {{ ref('crown_cases') }}
),

-- A case the magistrates sent or committed to the Crown Court is completed there.
completions as (
    select
        'magistrates' as court_type,
        completion_date,
        coalesce(offence_group, 'Not known') as offence_group,
        days_from_offence_to_completion
    from magistrates
    where committal_date is null
    union all
    select
        'crown' as court_type,
        completion_date,
        coalesce(offence_group, 'Not known') as offence_group,
        days_from_offence_to_completion
    from crown
),

-- Where a case ends before its offence, one of the two dates is a slip.
timed as (
    select
        court_type,
        cast(extract(year from completion_date) as integer) as completion_year,
        offence_group,
        days_from_offence_to_completion
    from completions
    where
        days_from_offence_to_completion >= 0
        and completion_date <= {{ cut_off() }}
),

with_all as (
    select
        court_type,
        completion_year,
        days_from_offence_to_completion,
        offence_group
    from timed
    union all
    select
        court_type,
        completion_year,
        days_from_offence_to_completion,
        'All offences' as offence_group
    from timed
),

ordered as (
    select
        court_type,
        completion_year,
        offence_group,
        days_from_offence_to_completion,
        row_number() over (
            partition by court_type, completion_year, offence_group
            order by days_from_offence_to_completion
        ) as place,
        count(days_from_offence_to_completion) over (
            partition by court_type, completion_year, offence_group
        ) as cases
    from with_all
),

-- The one case in the middle, or the two.
counted as (
    select
        court_type,
        completion_year,
        offence_group,
        cases,
        min(days_from_offence_to_completion) as lower_middle,
        max(days_from_offence_to_completion) as upper_middle
    from ordered
    where place * 2 between cases and cases + 2
    group by court_type, completion_year, offence_group, cases
),

court_years as (
    select distinct
        court_type,
        completion_year
    from counted
),

offence_groups as (
    select distinct offence_group from counted
),

-- Every group stands beside every year of a court: a row that is not there would tell of a zero.
completed as (
    select
        court_years.court_type,
        court_years.completion_year,
        offence_groups.offence_group,
        offence_groups.offence_group = 'All offences' as is_total,
        coalesce(counted.cases, 0) as cases,
        counted.lower_middle + counted.upper_middle + 1 as doubled_median
    from court_years
    cross join offence_groups
    left join counted
        on
            court_years.court_type = counted.court_type
            and court_years.completion_year = counted.completion_year
            and offence_groups.offence_group = counted.offence_group
),

withheld as (
    select
        *,
        {{ is_withheld('cases', 'court_type, completion_year, is_total', 'offence_group') }}
            as is_suppressed
    from completed
),

final as (
    select
        court_type,
        completion_year,
        offence_group,
        {{ released_count('cases', 'is_suppressed') }} as cases,
        case
            when not is_suppressed
                then cast((doubled_median - mod(doubled_median, 2)) / 2 as integer)
        end as median_days,
        is_suppressed
    from withheld
)

select * from final
