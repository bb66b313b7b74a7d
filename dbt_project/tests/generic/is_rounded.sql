{# A count of which nobody can tell more than its neighbourhood: withheld, or a multiple of 5. #}
{% test is_rounded(model, column_name) %}

select {{ column_name }}
from {{ model }}
where mod({{ column_name }}, 5) <> 0

{% endtest %}
