{# The rank of an offence among those of its defendant's case: 1 is the principal offence.

   The most serious disposal comes first, by the order of the court's own list of disposals; an
   offence without a listed disposal comes after all that have one. Then the longer custody, the
   larger fine, the more serious offence, the lower offence code. The offence's key comes last, so
   that no tie is left to chance. #}
{% macro most_serious_disposal_rank(partition_by) -%}
  row_number() over (
    partition by {{ partition_by | join(", ") }}
    order by
      case when disposal_rank is null then 1 else 0 end,
      disposal_rank,
      coalesce(custodial_days, 0) desc,
      coalesce(fine_amount, 0) desc,
      case when offence_priority is null then 1 else 0 end,
      offence_priority,
      ho_offence_code,
      offence_key
  )
{%- endmacro %}
