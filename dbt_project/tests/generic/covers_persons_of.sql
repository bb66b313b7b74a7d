{# Every person of a dataset's cases is linked, and no organisation is. #}
{% test covers_persons_of(model, other, key, source_dataset) %}

with linked as (
    select source_person_id
    from {{ model }}
    where source_dataset = '{{ source_dataset }}'
),

persons as (
    select {{ key }} as source_person_id
    from {{ other }}
    where not is_organisation
)

select coalesce(linked.source_person_id, persons.source_person_id) as source_person_id
from linked
full outer join persons on linked.source_person_id = persons.source_person_id
where linked.source_person_id is null or persons.source_person_id is null

{% endtest %}
