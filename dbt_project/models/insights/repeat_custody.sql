with

journeys as (
    select * from {{ ref('prison_custodial_journeys') }}
),

-- Followed for two years each. Who died is not counted: there is nobody to come back.
ended as (
    select
        custodial_journey_id_hash,
        estimated_offender_id,
        release_type,
        release_date
    from journeys
    where
        estimated_offender_id is not null
        and release_type <> 'died'
        and release_date
        <= cast({{ dateadd('month', -24, cut_off()) }} as date)
),

-- A reception on the day after a release continues the journey: only later ones begin another.
returns as (
    select
        ended.custodial_journey_id_hash,
        ended.release_type,
        ended.release_date,
        min(journeys.reception_date) as returned_on
    from ended
    left join journeys
        on
            ended.estimated_offender_id = journeys.estimated_offender_id
            and ended.release_date < journeys.reception_date
    group by
        ended.custodial_journey_id_hash, ended.release_type, ended.release_date
),

with_all as (
    select
        custodial_journey_id_hash,
        release_date,
        returned_on,
        release_type
    from returns
    union all
    select
        custodial_journey_id_hash,
        release_date,
        returned_on,
        'all releases' as release_type
    from returns
),

counted as (
    {%- for months in [1, 3, 6, 12, 24] %}
        select
            release_type,
            {{ months }} as within_months,
            count(custodial_journey_id_hash) as journeys,
            count(
                case
                    when returned_on <= cast({{ dateadd('month', months, 'release_date') }} as date)
                        then custodial_journey_id_hash
                end
            ) as returned
        from with_all
        group by release_type
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

-- What lies between a span and the next longer one: those who came back in between, or not at all.
spans as (
    select
        *,
        release_type = 'all releases' as is_total,
        coalesce(
            lead(returned) over (partition by release_type order by within_months), journeys
        ) - returned as returned_later
    from counted
),

least_counts as (
    select
        *,
        least(
            returned,
            min(returned_later) over (
                partition by release_type order by within_months desc
                rows between unbounded preceding and current row
            )
        ) as least_of_return
    from spans
),

withheld as (
    select
        *,
        {{ is_withheld('journeys', 'within_months, is_total', 'release_type') }}
            as journeys_withheld,
        {{ is_withheld('journeys', 'within_months, is_total', 'release_type') }}
        or {{ is_withheld('least_of_return', 'within_months, is_total', 'release_type') }}
            as span_withheld
    from least_counts
),

-- A shorter span is withheld wherever a longer one is.
nested as (
    select
        *,
        max(case when span_withheld then 1 else 0 end) over (
            partition by release_type order by within_months desc
            rows between unbounded preceding and current row
        ) = 1 as return_withheld
    from withheld
),

released as (
    select
        release_type,
        within_months,
        return_withheld as is_suppressed,
        {{ released_count('journeys', 'journeys_withheld') }} as journeys,
        {{ released_count('returned', 'return_withheld') }} as returned
    from nested
),

final as (
    select
        release_type,
        within_months,
        cast({{ dateadd('month', -24, cut_off()) }} as date)
            as released_to,
        journeys,
        returned,
        {{ released_share('returned', 'journeys') }} as share_returned,
        is_suppressed
    from released
)

select * from final
