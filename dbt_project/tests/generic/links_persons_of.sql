{# Every person a dataset tells of is linked; people it tells nothing of may be linked too. #}
{% test links_persons_of(model, other, key, source_dataset) %}

with linked as (
    select source_person_id
    from {{ model }}
    where source_dataset = '{{ source_dataset }}'
),

persons as (
    select distinct {{ key }} as source_person_id
    from {{ other }}
)

select persons.source_person_id
from persons
left join linked on persons.source_person_id = linked.source_person_id
where linked.source_person_id is null

{% endtest %}
