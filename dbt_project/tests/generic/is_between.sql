{# A number or date lies in a closed range; nulls pass, a missing bound is not asked. #}
{% test is_between(model, column_name, at_least=none, at_most=none) %}

select {{ column_name }}
from {{ model }}
where
    false
    {%- if at_least is not none %}
    or {{ column_name }} < {{ at_least }}
    {%- endif %}
    {%- if at_most is not none %}
    or {{ column_name }} > {{ at_most }}
    {%- endif %}

{% endtest %}
