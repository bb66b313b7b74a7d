{# Every text that is not null matches the whole pattern. #}
{% test matches_pattern(model, column_name, pattern) %}

select {{ column_name }}
from {{ model }}
where not ({{ matches(column_name, pattern) }})

{% endtest %}
