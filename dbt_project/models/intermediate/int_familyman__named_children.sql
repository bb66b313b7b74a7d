with

events as (
    select * from {{ ref('stg_familyman__events') }}
    where child_role_keys is not null
),

child_roles as (
    select * from {{ ref('stg_familyman__roles') }}
    where role_group = 'child'
),

final as (
    select
        events.event_key,
        count(distinct child_roles.source_party_key) as child_count
    from events
    inner join child_roles
        on
            events.case_key = child_roles.case_key
            -- Keys are all of one length, so none is part of another.
            and events.child_role_keys like concat('%', child_roles.source_role_key, '%')
    group by events.event_key
)

select * from final
