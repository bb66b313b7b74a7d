{# As many rows as another relation, so that no join dropped or multiplied any. #}
{% test has_rows_of(model, other) %}

with counted as (
    select
        (select count(*) from {{ model }}) as here,
        (select count(*) from {{ other }}) as there
)

select *
from counted
where here <> there

{% endtest %}
