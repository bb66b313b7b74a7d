{# Whole weeks from one date to a later one. #}
{% macro whole_weeks(first_date, second_date) -%}
    cast(floor({{ datediff(first_date, second_date, "day") }} / 7.0) as integer)
{%- endmacro %}
