"""Linkage's tables as a linkage without error would publish them: from who is who in a supply."""

from __future__ import annotations

from datafirst_platform import tables
from datafirst_platform.engine import connect, name, parquet, text
from datafirst_platform.extracts.contracts import contracts
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.settings import Settings

PEOPLE_OF = {
    "magistrates": "libra_cases",
    "crown": "xhibit_defendants_on_case",
    "prison": "nomis_offenders",
    "probation": "delius_offenders",
    "oasys": "oasys_offenders",
    "family": "familyman_parties",
    "civil": "caseman_parties",
}
PUPILS, SUBJECTS = "npd_census", "pnc_subjects"
"""Who is linked by passes, and with no other dataset."""


def publish_true_links(settings: Settings, edition: str) -> None:
    """Publish people of each dataset and of all, and what is linked, for extracts that stand."""
    with connect(settings) as connection:
        define_record_pseudonym(connection, scope_key(settings, "records"))
        for dataset, table in PEOPLE_OF.items():
            _publish(settings, edition, f"{dataset}_people", _people(settings, edition, table))
        everyone = " union all ".join(
            f"select '{dataset}' as source_dataset, * from ({_people(settings, edition, table)})"
            for dataset, table in PEOPLE_OF.items()
        )
        _publish(settings, edition, "cross_justice_people", everyone)
        magistrates, crown = PEOPLE_OF["magistrates"], PEOPLE_OF["crown"]
        _publish(
            settings,
            edition,
            "mags_crown_cases",
            f"""select distinct
                {_key(magistrates)} as {magistrates}_key, {_key(crown)} as {crown}_key,
                20::decimal(6,2) as match_weight, 1::decimal(5,4) as match_probability
            from {_truth(settings, edition, "mags_crown_cases")}""",
        )
        _publish(settings, edition, "pnc_people", _people(settings, edition, SUBJECTS))
        _publish(settings, edition, "moj_dfe_links", _pupils(settings, edition))


def _publish(settings: Settings, edition: str, table: str, query: str) -> None:
    with connect(settings) as connection:
        define_record_pseudonym(connection, scope_key(settings, "records"))
        tables.publish(
            settings,
            connection,
            TableKey.of("linkage", table),
            edition,
            f"{query} order by all",
            recipe="true links",
            inputs={},
        )


def _people(settings: Settings, edition: str, table: str) -> str:
    """SQL for the people of a table's records; a person is called by their number's pseudonym."""
    accepted = tables.require(settings, TableKey.of("identities", table), edition)
    person = "pseudonym('person|' || person_id)"
    return f"""select record_key, {person} as person_high, {person} as person_medium,
            {person} as person_low
        from (select {_key(table)} as record_key, person_id from {_truth(settings, edition, table)})
        semi join {parquet(accepted.path)} using (record_key)
        where person_id > 0"""


def _pupils(settings: Settings, edition: str) -> str:
    """SQL for each pupil who has a police record, with one record of it."""
    pupil, subject = contracts()[PUPILS].column("pupil_matching_ref"), f"{SUBJECTS}_key"
    return f"""select {pupil.content_name}, min({subject}) as {subject}, 1::smallint as pass_number
        from (
            select distinct person_id,
                pseudonym({text(f"{pupil.domain}|")} || {pupil.name}) as {pupil.content_name}
            from {_truth(settings, edition, PUPILS)}
        ) inner join (
            select person_id, {_key(SUBJECTS)} as {subject}
            from {_truth(settings, edition, SUBJECTS)}
        ) using (person_id)
        where person_id > 0
        group by {pupil.content_name}"""


def _key(table: str) -> str:
    parts = [text(table), *(name(column) for column in contracts()[table].primary_key)]
    return f"pseudonym({' || chr(124) || '.join(parts)})"


def _truth(settings: Settings, edition: str, table: str) -> str:
    return f"read_parquet({text(settings.secure / 'truth' / edition / f'{table}.parquet')})"
