{# A column is filled exactly where another is. #}
{% test is_known_with(model, column_name, other) %}

select {{ column_name }}
from {{ model }}
where ({{ column_name }} is null) <> ({{ other }} is null)

{% endtest %}
