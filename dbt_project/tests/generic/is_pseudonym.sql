{# A keyed pseudonym: 32 hexadecimal characters, so no id has slipped through as supplied. #}
{% test is_pseudonym(model, column_name) %}

select {{ column_name }}
from {{ model }}
where not ({{ matches(column_name, "[0-9a-f]{32}") }})

{% endtest %}
