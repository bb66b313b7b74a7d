{# The age band of an age in whole years. #}
{% macro age_band(age) -%}
    case
        when {{ age }} is null then 'Not known'
        when {{ age }} < 18 then '10 to 17'
        when {{ age }} < 25 then '18 to 24'
        when {{ age }} < 35 then '25 to 34'
        when {{ age }} < 45 then '35 to 44'
        when {{ age }} < 55 then '45 to 54'
        else '55 and over'
    end
{%- endmacro %}
