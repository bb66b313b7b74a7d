{# The offences of a court, ranked among those of their defendant's case: 1 is the principal
   offence.

   The most serious disposal comes first, by the order of the court's own list of disposals; an
   offence without a listed disposal comes after all that have one. Then the longer custody, the
   larger fine, the more serious offence, the lower offence code. The offence's key comes last, so
   that no tie is left to chance. #}
{% macro rank_offences(offences) -%}
with

offences as (
    select * from {{ offences }}
),

final as (
    select
        offence_key,
        defendant_case_key,
        row_number() over (
            partition by defendant_case_key
            order by
                case when disposal_rank is null then 1 else 0 end,
                disposal_rank,
                coalesce(custodial_days, 0) desc,
                coalesce(fine_amount, 0) desc,
                case when offence_priority is null then 1 else 0 end,
                offence_priority,
                ho_offence_code,
                offence_key
        ) as most_serious_disposal_rank,
        count(*) over (partition by defendant_case_key) as offence_count,
        cast(
            sum(case when is_convicted then 1 else 0 end)
                over (partition by defendant_case_key)
            as bigint
        ) as convicted_offence_count
    from offences
)

select * from final
{%- endmacro %}
