with

sentences as (
    select * from {{ source('extracts', 'nomis_sentences') }}
),

sentence_types as (
    select * from {{ ref('sentence_types_nomis') }}
),

final as (
    select
        sentences.record_key as sentence_key,
        sentences.nomis_bookings_key as booking_key,
        sentences.sentence_calc_type as sentence_type_code,
        sentence_types.description as sentence_type_desc,
        coalesce(sentence_types.sentence_group, 'not known') as sentence_group,
        sentence_types.sentence_rank,
        sentences.start_date,
        sentences.consec_to_sentence_seq is not null as is_consecutive,
        cast(
            case
                when sentences.effective_sentence_days is not null
                    then sentences.effective_sentence_days
                -- Both days count; a sentence that expires before it begins has no length.
                when sentences.end_date >= sentences.start_date
                    then {{ datediff('sentences.start_date', 'sentences.end_date', 'day') }} + 1
            end as integer
        ) as sentence_days
    from sentences
    left join sentence_types on sentences.sentence_calc_type = sentence_types.code
)

select * from final
