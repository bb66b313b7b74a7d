{# A rule across columns holds for every row; a rule that cannot be decided counts as broken. #}
{% test holds_for_all(model, rule) %}

select *
from {{ model }}
where not coalesce({{ rule }}, false)

{% endtest %}
