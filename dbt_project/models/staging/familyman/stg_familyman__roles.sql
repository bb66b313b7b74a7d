with

roles as (
    select * from {{ source('extracts', 'familyman_roles') }}
),

parties as (
    select * from {{ ref('stg_familyman__parties') }}
),

role_models as (
    select * from {{ ref('role_models_familyman') }}
),

relationships as (
    select * from {{ ref('relationships_familyman') }}
),

yes_no as (
    select * from {{ ref('yes_no') }}
),

final as (
    select
        roles.record_key as role_key,
        roles.role_key as source_role_key,
        roles.familyman_cases_key as case_key,
        roles.party_key as source_party_key,
        parties.party_key,
        roles.role_model as role_code,
        role_models.description as role_desc,
        role_models.role_group,
        representations.flag as is_represented,
        roles.relationship_to_child as relationship_to_child_code,
        relationships.description as relationship_to_child_desc
    from roles
    left join parties on roles.party_key = parties.source_party_key
    left join role_models on roles.role_model = role_models.code
    left join relationships on roles.relationship_to_child = relationships.code
    left join yes_no as representations on roles.represented = representations.code
    -- FamilyMan marks what was deleted and keeps it.
    where roles.delete_flag = 'N'
)

select * from final
