with

judgments as (
    select * from {{ ref('stg_caseman__events') }}
    where event_class = 'Judgment'
),

ranked as (
    select
        *,
        row_number() over (
            partition by case_key
            order by event_date asc, coalesce(amount, 0) desc, judgment_type asc, event_key asc
        ) as place
    from judgments
),

final as (
    select
        case_key,
        event_key,
        event_date as judgment_date,
        judgment_type,
        amount as judgment_amount
    from ranked
    where place = 1
)

select * from final
