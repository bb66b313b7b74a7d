with

cases as (
    select * from {{ ref('magistrates_cases') }}
),

-- Everything that tells two cases of a day apart comes before the key, so that no figure depends
-- on how keys were made.
appearances as (
    select
        estimated_defendant_id,
        case_id_hash,
        first_hearing_date,
        coalesce(offence_group, 'Not known') as offence_group,
        row_number() over (
            partition by estimated_defendant_id
            order by first_hearing_date, coalesce(offence_group, 'Not known'), defendant_case_hash
        ) as nth
    from cases
    where
        estimated_defendant_id is not null
        and first_hearing_date <= {{ cut_off() }}
),

starters as (
    select
        estimated_defendant_id,
        offence_group,
        cast(extract(year from first_hearing_date) as integer) as starting_year
    from appearances
    where nth = 1
),

-- The published window: those who started in 2011 were followed to the end of 2019.
starting_years as (
    select distinct
        starting_year,
        least(
            cast(cast(starting_year + 8 as varchar) || '-12-31' as date),
            {{ cut_off() }}
        ) as followed_to
    from starters
),

case_counts as (
    select
        starters.estimated_defendant_id,
        starters.starting_year,
        starters.offence_group,
        count(distinct appearances.case_id_hash) as case_count
    from starters
    inner join starting_years on starters.starting_year = starting_years.starting_year
    inner join appearances
        on
            starters.estimated_defendant_id = appearances.estimated_defendant_id
            and starting_years.followed_to >= appearances.first_hearing_date
    group by
        starters.estimated_defendant_id, starters.starting_year, starters.offence_group
),

with_all as (
    select
        estimated_defendant_id,
        starting_year,
        case_count,
        offence_group
    from case_counts
    union all
    select
        estimated_defendant_id,
        starting_year,
        case_count,
        'All offences' as offence_group
    from case_counts
),

counted as (
    select
        starting_year,
        offence_group,
        count(estimated_defendant_id) as starters,
        count(case when case_count >= 2 then estimated_defendant_id end) as returned,
        count(case when case_count = 2 then estimated_defendant_id end) as returned_once,
        count(case when case_count >= 6 then estimated_defendant_id end) as six_or_more
    from with_all
    group by starting_year, offence_group
),

offence_groups as (
    select distinct offence_group from counted
),

-- Every group stands beside every year: a row that is not there would tell of a zero.
completed as (
    select
        starting_years.starting_year,
        starting_years.followed_to,
        offence_groups.offence_group,
        offence_groups.offence_group = 'All offences' as is_total,
        coalesce(counted.starters, 0) as starters,
        coalesce(counted.returned, 0) as returned,
        coalesce(counted.returned_once, 0) as returned_once,
        coalesce(counted.six_or_more, 0) as six_or_more
    from starting_years
    cross join offence_groups
    left join counted
        on
            starting_years.starting_year = counted.starting_year
            and offence_groups.offence_group = counted.offence_group
),

least_counts as (
    select
        *,
        least(returned, starters - returned) as least_of_return,
        least(
            starters - returned,
            returned_once,
            six_or_more,
            returned - returned_once - six_or_more
        ) as least_of_number
    from completed
),

-- A finer split is withheld wherever a coarser one is.
withheld as (
    select
        *,
        {{ is_withheld('starters', 'starting_year, is_total', 'offence_group') }}
            as starters_withheld,
        {{ is_withheld('starters', 'starting_year, is_total', 'offence_group') }}
        or {{ is_withheld('least_of_return', 'starting_year, is_total', 'offence_group') }}
            as return_withheld,
        {{ is_withheld('starters', 'starting_year, is_total', 'offence_group') }}
        or {{ is_withheld('least_of_return', 'starting_year, is_total', 'offence_group') }}
        or {{ is_withheld('least_of_number', 'starting_year, is_total', 'offence_group') }}
            as number_withheld
    from least_counts
),

released as (
    select
        starting_year,
        offence_group,
        followed_to,
        number_withheld as is_suppressed,
        {{ released_count('starters', 'starters_withheld') }} as starters,
        {{ released_count('returned', 'return_withheld') }} as returned,
        {{ released_count('returned_once', 'number_withheld') }} as returned_once,
        {{ released_count('six_or_more', 'number_withheld') }} as six_or_more
    from withheld
),

final as (
    select
        starting_year,
        offence_group,
        followed_to,
        starters,
        returned,
        returned_once,
        six_or_more,
        {{ released_share('returned', 'starters') }} as share_returned,
        {{ released_share('returned_once', 'starters') }} as share_returned_once,
        {{ released_share('six_or_more', 'starters') }} as share_six_or_more,
        is_suppressed
    from released
)

select * from final
