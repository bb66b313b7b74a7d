"""Quality figures of hand-made people, against figures worked out by hand."""

import pytest
from made_identities import EDITION

from datafirst_platform import tables
from datafirst_platform.engine import connect
from datafirst_platform.identity import TableKey, define_record_pseudonym, scope_key
from datafirst_platform.linkage.evaluation import evaluate
from datafirst_platform.linkage.measures import Measure


@pytest.fixture
def publish(settings):
    """Publish a table of the linkage; `key(…)` in the query is the key of a supplied record."""

    def run(table, query):
        with connect(settings) as connection:
            define_record_pseudonym(connection, scope_key(settings, "records"))
            connection.execute(
                "create temp macro libra(c, d) as pseudonym('libra_cases|' || c || '|' || d)"
            )
            connection.execute(
                "create temp macro xhibit(d) as pseudonym('xhibit_defendants_on_case|' || d)"
            )
            tables.publish(
                settings,
                connection,
                TableKey.of("linkage", table),
                EDITION,
                query,
                recipe="by hand",
                inputs={},
            )

    return run


def test_pairs_within_a_dataset(label, publish, settings):
    # True people: {1, 2, 3}, {4, 5}, {6}: 4 pairs. Record 6 has no label at high: left out nowhere.
    label(
        "libra_cases",
        case_id=[*"123456"],
        defendant_id=[*"abcdef"],
        person_id=[1, 1, 1, 2, 2, 3],
    )
    # High: nobody linked. Medium: {1, 2}, {3, 4}: 2 pairs, 1 right. Low: all six: 15, 4 right.
    publish(
        "magistrates_people",
        """select libra(c, d) as record_key, c as person_high, m as person_medium, 'x' as person_low
        from (values ('1','a','p'), ('2','b','p'), ('3','c','q'), ('4','d','q'), ('5','e','r'),
            ('6','f','s'), ('7','g','p')) as t(c, d, m)""",
    )
    quality = evaluate(settings, EDITION, "magistrates")
    assert quality.measures == (
        Measure("all", "high", linked=0, true=4, both=0),
        Measure("all", "medium", linked=2, true=4, both=1),
        Measure("all", "low", linked=15, true=4, both=4),
    )
    medium = quality.at("medium")
    assert (medium.precision, medium.recall) == (0.5, 0.25)
    assert medium.f1 == pytest.approx(1 / 3)
    assert quality.at("high").precision is None, "none is linked"
    with pytest.raises(KeyError):
        quality.at("medium", "cross")


def test_pairs_across_datasets(label, publish, settings):
    label("libra_cases", case_id=["1", "2"], defendant_id=["a", "b"], person_id=[1, 1])
    label("xhibit_defendants_on_case", defendant_on_case_id=["8", "9"], person_id=[1, 2])
    publish(
        "cross_justice_people",
        """select *, person_high as person_medium, person_high as person_low from (
            select 'magistrates' as source_dataset, libra('1', 'a') as record_key,
                'p' as person_high
            union all select 'magistrates', libra('2', 'b'), 'q'
            union all select 'crown', xhibit('8'), 'p'
            union all select 'crown', xhibit('9'), 'p')""",
    )
    quality = evaluate(settings, EDITION, "cross_justice")
    # True pairs: 1–2, 1–8, 2–8. Linked: 1–8, 1–9, 8–9.
    assert quality.at("high") == Measure("all", "high", linked=3, true=3, both=1)
    assert quality.at("high", "cross") == Measure("cross", "high", linked=2, true=2, both=1)


def test_cases(label, publish, settings):
    label(
        "mags_crown_cases",
        case_id=["1", "2", "3"],
        defendant_id=["a", "b", "c"],
        defendant_on_case_id=["7", "8", "9"],
    )
    publish(
        "mags_crown_cases",
        """select libra(c, d) as libra_cases_key, xhibit(x) as xhibit_defendants_on_case_key,
            w::decimal(6, 2) as match_weight
        from (values ('1','a','7',40), ('2','b','9',30), ('4','e','5',3)) as t(c, d, x, w)""",
    )
    quality = evaluate(settings, EDITION, "mags_crown_cases")
    assert quality.at("high", "cases") == Measure("cases", "high", linked=2, true=3, both=1)
    assert quality.at("low", "cases") == Measure("cases", "low", linked=3, true=3, both=1)


def test_without_labels_there_is_no_figure(settings):
    assert evaluate(settings, EDITION, "magistrates") is None
    assert evaluate(settings, EDITION, "cross_justice") is None
    assert evaluate(settings, EDITION, "mags_crown_cases") is None
    assert evaluate(settings, EDITION, "moj_dfe") is None


def test_what_a_source_holds_for_one_person_is_no_merit_of_the_linkage(
    label, publish, publish_identities, settings
):
    # Names 1 and 2 stand under one root; 3 is the same person under another root, and not found.
    with connect(settings) as connection:
        define_record_pseudonym(connection, scope_key(settings, "records"))
        keys = connection.execute(
            "select pseudonym('nomis_offenders|' || i) from (values ('1'), ('2'), ('3')) t(i)"
        ).fetchall()
    roots = ("a", "a", "b")
    records = [
        {"record_key": key, "root_offender_key": root}
        for (key,), root in zip(keys, roots, strict=True)
    ]
    publish_identities("nomis_offenders", sorted(records, key=lambda each: each["record_key"]))
    label("nomis_offenders", offender_id=[*"123"], person_id=[1, 1, 1])
    publish(
        "prison_people",
        """select pseudonym('nomis_offenders|' || i) as record_key,
            p as person_high, p as person_medium, p as person_low
        from (values ('1', 'x'), ('2', 'x'), ('3', 'y')) as t(i, p)""",
    )
    assert evaluate(settings, EDITION, "prison").at("medium") == Measure(
        "all", "medium", linked=0, true=1, both=0
    )


def test_passes_are_measured_one_by_one_and_together(
    label, publish, publish_identities, settings, key_of
):
    # Pupils 1 to 4, with a year or two each; 1, 2 and 3 are known to the police, 1 twice.
    years = [("p1", "2009/10"), ("p1", "2010/11"), ("p2", "2009/10"), ("p3", "2009/10")]
    years += [("p4", "2009/10")]
    publish_identities(
        "npd_census",
        sorted(
            (
                {"record_key": key_of("npd_census", *year), "pupil_matching_ref_key": year[0]}
                for year in years
            ),
            key=lambda each: each["record_key"],
        ),
    )
    label(
        "npd_census",
        pupil_matching_ref=[pupil for pupil, _ in years],
        academic_year=[year for _, year in years],
        person_id=[1, 1, 2, 3, 4],
    )
    label("pnc_subjects", subject_number=[*"abcdx"], person_id=[1, 1, 2, 3, 9])
    links = [("p1", "b", 1), ("p2", "c", 2), ("p4", "x", 2)]
    listed = ", ".join(
        f"('{pupil}', '{key_of('pnc_subjects', subject)}', {number})"
        for pupil, subject, number in links
    )
    publish(
        "moj_dfe_links",
        f"""select p as pupil_matching_ref_key, s as pnc_subjects_key, n::smallint as pass_number
        from (values {listed}) as t(p, s, n)""",
    )
    quality = evaluate(settings, EDITION, "moj_dfe")
    # The second record of person 1 is no link that could be made beside the first.
    assert quality.main == Measure("all", "all", linked=3, true=3, both=2)
    assert quality.at("1", "pass") == Measure("pass", "1", linked=1, true=3, both=1)
    assert quality.at("2", "pass") == Measure("pass", "2", linked=2, true=3, both=1)
    assert quality.at("1", "up to pass").recall == pytest.approx(1 / 3)
    assert quality.at("10", "up to pass") == Measure("up to pass", "10", linked=3, true=3, both=2)


def test_a_share_of_nothing_is_none():
    assert Measure("all", "high", 0, 3, 0).shares == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert Measure("all", "high", 3, 0, 0).shares == {"precision": 0.0, "recall": None, "f1": 0.0}
    assert set(Measure("all", "high", 0, 0, 0).shares.values()) == {None}
