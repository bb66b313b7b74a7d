{{ rank_offences(ref('stg_libra__offences')) }}
