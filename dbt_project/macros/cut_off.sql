{# Last day the edition's deliveries cover. #}
{% macro cut_off() -%}
    cast('{{ env_var("DATAFIRST_CUT_OFF", "1900-01-01") }}' as date)
{%- endmacro %}
