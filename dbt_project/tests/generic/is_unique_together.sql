{# No two rows agree on all these columns. #}
{% test is_unique_together(model, columns) %}

select {{ columns | join(", ") }}
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1

{% endtest %}
