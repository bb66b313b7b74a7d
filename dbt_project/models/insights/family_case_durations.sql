with

cases as (
    select * from {{ ref('family_cases') }}
),

-- A case counts in the year it is received, and again in the year of its final order.
received as (
    select
        case_type_desc as case_type,
        cast(extract(year from receipt_date) as integer) as case_year,
        1 as is_received,
        0 as is_disposed,
        cast(null as integer) as weeks
    from cases
    where receipt_date <= {{ cut_off() }}
),

-- Where a case has its final order before it is received, one of the two dates is a slip.
disposed as (
    select
        case_type_desc as case_type,
        cast(extract(year from final_order_date) as integer) as case_year,
        0 as is_received,
        1 as is_disposed,
        weeks_to_final_order as weeks
    from cases
    where
        weeks_to_final_order is not null
        and final_order_date <= {{ cut_off() }}
),

with_all as (
    select * from received
    union all
    select * from disposed
    union all
    select
        'All cases' as case_type,
        case_year,
        is_received,
        is_disposed,
        weeks
    from received
    union all
    select
        'All cases' as case_type,
        case_year,
        is_received,
        is_disposed,
        weeks
    from disposed
),

ordered as (
    select
        *,
        row_number() over (partition by case_type, case_year order by weeks asc nulls last)
            as place,
        sum(is_disposed) over (partition by case_type, case_year) as number_disposed
    from with_all
),

-- The one case in the middle, or the two.
counted as (
    select
        case_type,
        case_year,
        cast(sum(is_received) as bigint) as cases_received,
        cast(sum(is_disposed) as bigint) as cases_disposed,
        cast(sum(weeks) as bigint) as total_weeks,
        min(case when place * 2 between number_disposed and number_disposed + 2 then weeks end)
            as lower_middle,
        max(case when place * 2 between number_disposed and number_disposed + 2 then weeks end)
            as upper_middle
    from ordered
    group by case_type, case_year
),

case_years as (
    select distinct case_year from counted
),

case_types as (
    select distinct case_type from counted
),

-- Every type stands beside every year: a row that is not there would tell of a zero.
completed as (
    select
        case_years.case_year,
        case_types.case_type,
        case_types.case_type = 'All cases' as is_total,
        coalesce(counted.cases_received, 0) as cases_received,
        coalesce(counted.cases_disposed, 0) as cases_disposed,
        counted.total_weeks,
        counted.lower_middle + counted.upper_middle + 1 as doubled_median
    from case_years
    cross join case_types
    left join counted
        on
            case_years.case_year = counted.case_year
            and case_types.case_type = counted.case_type
),

withheld as (
    select
        *,
        {{ is_withheld('cases_received', 'case_year, is_total', 'case_type') }}
            as received_withheld,
        {{ is_withheld('cases_disposed', 'case_year, is_total', 'case_type') }}
            as disposed_withheld
    from completed
),

final as (
    select
        case_type,
        case_year,
        {{ released_count('cases_received', 'received_withheld') }} as cases_received,
        {{ released_count('cases_disposed', 'disposed_withheld') }} as cases_disposed,
        case
            when not disposed_withheld
                then cast((doubled_median - mod(doubled_median, 2)) / 2 as integer)
        end as median_weeks,
        case
            when not disposed_withheld
                then
                    cast(
                        (
                            2 * total_weeks + cases_disposed
                            - mod(2 * total_weeks + cases_disposed, 2 * cases_disposed)
                        )
                        / (2 * cases_disposed)
                        as integer
                    )
        end as mean_weeks,
        received_withheld or disposed_withheld as is_suppressed
    from withheld
)

select * from final
