{# Whether a whole text matches a regular expression. #}
{% macro matches(expression, pattern) -%}
    {{ return(adapter.dispatch("matches")(expression, pattern)) }}
{%- endmacro %}

{% macro default__matches(expression, pattern) -%}
    {{ expression }} rlike '^({{ pattern }})$'
{%- endmacro %}

{% macro duckdb__matches(expression, pattern) -%}
    regexp_full_match({{ expression }}, '{{ pattern }}')
{%- endmacro %}
