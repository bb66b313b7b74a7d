{{ rank_offences(ref('stg_xhibit__offences')) }}
