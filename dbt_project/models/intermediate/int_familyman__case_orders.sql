with

disposals as (
    select * from {{ ref('int_familyman__events') }}
    where disposal_type_code is not null and not is_duplicate
),

ranked as (
    select
        *,
        row_number() over (
            partition by
                case_key,
                case when disposal_type_code in ('1', '2') then 1 else 0 end
            order by event_date asc, disposal_type_code asc, event_key asc
        ) as place_from_first,
        row_number() over (
            partition by
                case_key,
                is_final_disposal
            order by event_date desc, disposal_type_code asc, event_key asc
        ) as place_from_last
    from disposals
),

firsts as (
    select * from ranked
    where disposal_type_code in ('1', '2') and place_from_first = 1
),

finals as (
    select * from ranked
    where is_final_disposal and place_from_last = 1
),

counted as (
    select
        case_key,
        count(case when disposal_type_code in ('1', '2') then 1 end) as order_count
    from disposals
    group by case_key
),

final as (
    select
        counted.case_key,
        counted.order_count,
        firsts.event_date as first_order_date,
        firsts.event_model_code as first_order_code,
        firsts.event_model_desc as first_order_desc,
        finals.event_date as final_order_date,
        finals.event_model_code as final_order_code,
        finals.event_model_desc as final_order_desc,
        finals.disposal_type_code as final_disposal_type_code,
        finals.disposal_type_desc as final_disposal_type_desc
    from counted
    left join firsts on counted.case_key = firsts.case_key
    left join finals on counted.case_key = finals.case_key
)

select * from final
