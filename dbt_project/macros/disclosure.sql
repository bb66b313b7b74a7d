{# Disclosure control of the insights, in one place: what is counted below the threshold is not
   shown, what is shown is rounded, and nothing shown gives back what is not.

   A figure is withheld by the least count it would tell, the smallest of its parts. Counts of a
   slice add up to a total that may be shown. So where one of them is withheld, more follow in the
   order of their size until their least counts come to the threshold together, which takes two at
   the least: a total less what is shown then says no more than that. #}

{% macro disclosure_threshold() -%}
    10
{%- endmacro %}

{# Whether a figure is withheld.
   least: the smallest count it would tell.
   slice: the columns that hold a total together. order: columns that tell the slice's rows apart. #}
{% macro is_withheld(least, slice, order) -%}
    (
        {{ least }} < {{ disclosure_threshold() }}
        or (
            min({{ least }}) over (partition by {{ slice }}) < {{ disclosure_threshold() }}
            and sum({{ least }}) over (
                partition by {{ slice }} order by {{ least }}, {{ order }}
                rows between unbounded preceding and 1 preceding
            ) < {{ disclosure_threshold() }}
        )
    )
{%- endmacro %}

{# A count to the nearest 5, or null where it is withheld. #}
{% macro released_count(count, withheld) -%}
    case when not {{ withheld }} then {{ count }} + 2 - mod({{ count }} + 2, 5) end
{%- endmacro %}

{# The share of one released count in another, to three decimals; null where either is withheld. #}
{% macro released_share(part, whole) -%}
    cast(round(cast({{ part }} as decimal(18, 6)) / {{ whole }}, 3) as decimal(4, 3))
{%- endmacro %}
