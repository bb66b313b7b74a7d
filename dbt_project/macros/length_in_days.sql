{# A length in whole days, rounded half up: the length as entered times the days of its unit. Null
   where either is missing, or where the unit is no span of time. #}
{% macro length_in_days(length, days_per_unit) -%}
    cast(floor({{ length }} * {{ days_per_unit }} + 0.5) as integer)
{%- endmacro %}
