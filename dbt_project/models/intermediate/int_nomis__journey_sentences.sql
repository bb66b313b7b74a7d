with

sentences as (
    select * from {{ ref('stg_nomis__sentences') }}
),

journey_bookings as (
    select * from {{ ref('int_nomis__journey_bookings') }}
),

-- A sentence belongs to the journey of its booking in which it began, else to the next one, else
-- to the one before.
candidates as (
    select
        sentences.*,
        journey_bookings.journey_key,
        row_number() over (
            partition by sentences.sentence_key
            order by
                case
                    when journey_bookings.reception_date > sentences.start_date then 2
                    when
                        journey_bookings.release_date is null
                        or journey_bookings.release_date >= sentences.start_date
                        then 1
                    else 3
                end,
                abs(
                    {{ datediff('sentences.start_date', 'journey_bookings.reception_date', 'day') }}
                ),
                journey_bookings.journey_key
        ) as nth_choice
    from sentences
    inner join journey_bookings on sentences.booking_key = journey_bookings.booking_key
),

ranked as (
    select
        *,
        row_number() over (
            partition by journey_key
            order by
                case when sentence_rank is null then 1 else 0 end,
                sentence_rank,
                -coalesce(sentence_days, 0),
                start_date,
                sentence_key
        ) as severity_rank
    from candidates
    where nth_choice = 1
),

-- Sentences run side by side, so the longest counts; those served after another add to it. A
-- recall under another booking enters them anew.
lengths_of_bookings as (
    select
        journey_key,
        booking_key,
        count(*) as sentence_count,
        max(case when not is_consecutive then sentence_days end) as longest_days,
        sum(case when is_consecutive then sentence_days end) as consecutive_days
    from ranked
    group by journey_key, booking_key
),

lengths as (
    select
        journey_key,
        sum(sentence_count) as sentence_count,
        max(
            case
                when coalesce(longest_days, consecutive_days) is not null
                    then coalesce(longest_days, 0) + coalesce(consecutive_days, 0)
            end
        ) as sentence_days
    from lengths_of_bookings
    group by journey_key
),

final as (
    select
        ranked.journey_key,
        ranked.sentence_type_code,
        ranked.sentence_type_desc,
        ranked.sentence_group,
        cast(lengths.sentence_count as bigint) as sentence_count,
        case
            when ranked.sentence_group <> 'indeterminate'
                then cast(lengths.sentence_days as integer)
        end as sentence_days
    from ranked
    inner join lengths on ranked.journey_key = lengths.journey_key
    where ranked.severity_rank = 1
)

select * from final
