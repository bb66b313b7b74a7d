"""Every suite passes a refreshed installation, and every rule in it fails the fault it is for.

A fault is SQL over `{t}`, the table as it is, that breaks one rule. For rules of Great
Expectations' own types it is made from their arguments; for rules in SQL it is written below.
"""

import dataclasses
import re
from datetime import date

import duckdb
import pytest

from datafirst_platform import tables
from datafirst_platform.engine import text
from datafirst_platform.quality.suites import Rule, load_suite
from datafirst_platform.quality.validation import BATCH, run_suite
from datafirst_platform.quality.verdicts import check_file, check_table
from tests.quality.conftest import EDITION, SUITE_KEYS

SUITES = {str(key): load_suite(key, EDITION) for key in SUITE_KEYS}

# A text that is no pseudonym and a pseudonym that is nobody's.
STRANGER = "repeat('f', 32)"
# Every row equally often, some six thousand in all: as many as shares are judged from.
MANY = "from {t} as t, (select unnest(range(6000 // count(*) + 1)) as time from {t}) as again"


def everywhere(**columns):
    """Every row with these columns set, often enough for shares to be judged."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return f"select t.* replace ({changed}) {MANY}"


def whole(relation="t", **columns):
    """Every row of a relation with these columns set."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return f"select * replace ({changed}) from {{{relation}}}"


def often(relation):
    """Every row of a relation fifty times."""
    return f"select t.* from {{{relation}}} as t, range(50)"


def one(**columns):
    """One row changed."""
    changed = ", ".join(f"{value} as {column}" for column, value in columns.items())
    return f"(select * replace ({changed}) from {{t}} limit 1) union all (from {{t}} offset 1)"


SHRUNK = {BATCH: "from {t} limit 1", "previous": f"select t.* {MANY}"}
RENUMBERED = {
    BATCH: everywhere(record_key=STRANGER),
    "previous": f"select t.* {MANY}",
}
STRANGERS = one(record_key=STRANGER)

# What is wrong with people holds for each linked dataset.
PEOPLE = {
    "every_person_record_covered": "from {t} offset 1",
    "people_only": STRANGERS,
    "person_is_named_by_a_record": one(person_low=STRANGER),
    "high_within_medium": whole(person_high="min(record_key) over ()"),
    "medium_within_low": whole(person_medium="min(record_key) over ()"),
    "no_cluster_too_large": everywhere(person_medium=STRANGER),
    "no_cluster_swamps": everywhere(person_low=STRANGER),
    "sexes_agree_within_people": """
        select t.* replace (left(sha256((row_number() over () // 2)::varchar), 32) as person_high)
        from {t} as t inner join {defendant} as d using (record_key)
        where d.{sex} in ({sexes}) order by row_number() over (partition by d.{sex})""",
    "birth_years_agree_within_people": """
        with placed as (
          select t.record_key, row_number() over (order by d.birth_year, record_key) as n,
            count(*) over () as total
          from {t} as t inner join {defendant} as d using (record_key)
          where d.birth_year is not null
        )
        select t.* replace (
          left(sha256((placed.n % (placed.total // 2))::varchar), 32) as person_high
        )
        from {t} as t inner join placed using (record_key)""",
    "some_people_return": f"""
        select t.* replace (left(sha256((row_number() over ())::varchar), 32) as person_medium)
        {MANY}""",
}
EDGES = {
    "pairs_found": "from {t} where false",
    "complete": one(match_weight="null"),
    "no_record_with_itself": one(record_key_l="record_key_r"),
    "records_exist": one(record_key_l=STRANGER),
}


def case_mart(key):
    """What is wrong with a case mart holds at both courts."""
    return {
        "every_case_is_there": one(**{key: STRANGER}),
        "dates_unaltered": one(completion_date="date '1999-01-01'"),
        "person_is_the_linked_one": one(estimated_defendant_id=STRANGER),
        "people_have_a_person": one(is_organisation="estimated_defendant_id is not null"),
        "offences_reconcile": one(offence_count="offence_count + 1"),
        "principal_offence_exists": one(principal_offence_hash=STRANGER),
        "principal_offence_wherever_there_is_one": one(
            offence_count="5", principal_offence_hash="null"
        ),
        "principal_offence_is_most_serious": whole(disposal_rank="999"),
        "time_runs_forward": everywhere(days_from_offence_to_completion="-1"),
        "completed_cases_have_a_result": everywhere(disposal_group="'Not known'"),
        "custody_plausible": everywhere(disposal_group="'Immediate custody'"),
        "fines_plausible": everywhere(disposal_group="'Fine'"),
        "convictions_plausible": everywhere(is_convicted="true"),
        "some_go_to_the_crown_court": everywhere(committal_date="date '2020-01-01'"),
        "offences_are_known": everywhere(offence_group="'Not known'"),
    }


def offence_mart(key, case):
    """What is wrong with an offence mart holds at both courts."""
    return {
        "every_offence_is_there": one(**{key: STRANGER}),
        "results_unaltered": one(disposal_date="date '1999-01-01'"),
        "case_exists": one(**{case: STRANGER}),
        "one_principal_offence_in_a_case": whole(is_principal_offence="true"),
        "ranks_have_no_gap": one(most_serious_disposal_rank="77"),
        "person_is_that_of_the_case": one(estimated_defendant_id=STRANGER),
        "custody_has_a_custodial_result": everywhere(custodial_days="9", disposal_group="'Fine'"),
        "convicted_offences_have_a_result": everywhere(
            is_convicted="true", disposal_group="'Not known'"
        ),
    }


EXTRACT = {
    "not_shrunk": SHRUNK,
    "records_last": RENUMBERED,
    "ethnicity_not_all_missing": everywhere(ethnicity_self_defined="null"),
    "birth_year_of_people_filled": everywhere(birth_year="null"),
    "birth_years_plausible": everywhere(birth_year="2024"),
    "very_old_are_rare": everywhere(age_at_first_hearing="90"),
    "children_are_a_minority": everywhere(age_at_first_hearing="12"),
    "children_are_few": everywhere(age_at_first_hearing="12"),
    "disposals_are_dated": everywhere(disposal_date="null", disposal_code="'FINE'"),
    "guilty_pleas_plausible": everywhere(plea="'G'"),
    "no_offence_swamps": everywhere(ho_offence_code="'1/01'"),
}
RECEIPT = {
    "every_table_arrived": "from {t} limit 1",
    "no_row_lost": one(rows_supplied="rows_supplied + 1"),
    "accepted_share_agrees": one(accepted_share="0.960001"),
    **{
        f"accepted_is_published.{table}": whole(rows_accepted="rows_accepted + 1")
        for table in (
            "libra_cases",
            "libra_offences",
            "xhibit_defendants_on_case",
            "xhibit_offences",
        )
    },
}
FAULTS = {
    "extracts/libra_cases": {
        **EXTRACT,
        "sex_of_people_filled": everywhere(sex="null"),
        "most_are_people": everywhere(defendant_type="'O'"),
        "no_date_swamps": everywhere(first_hearing_date="date '2011-01-01'"),
    },
    "extracts/libra_offences": {
        **EXTRACT,
        "libra_cases_key.exists": one(libra_cases_key=STRANGER),
        "cases_have_offences": "from {t} where false",
        "custody_has_a_length": everywhere(disposal_code="'IMP'", custodial_days="null"),
        "custody_within_powers": everywhere(custodial_days="5000"),
    },
    "extracts/xhibit_defendants_on_case": {
        **EXTRACT,
        "sex_of_people_filled": everywhere(gender="'9'"),
        "most_are_people": everywhere(is_company="'Y'"),
        "trials_are_there": everywhere(case_type="'A'"),
        "no_date_swamps": everywhere(receipt_date="date '2013-01-01'"),
    },
    "extracts/xhibit_offences": {
        **EXTRACT,
        "xhibit_defendants_on_case_key.exists": one(xhibit_defendants_on_case_key=STRANGER),
        "cases_have_offences": {
            BATCH: "from {t} where false",
            "xhibit_defendants_on_case": often("xhibit_defendants_on_case"),
        },
        "custody_has_a_length": everywhere(disposal_code="'IMP'", custodial_period_days="null"),
    },
    "extracts/libra_receipt": RECEIPT,
    "extracts/xhibit_receipt": RECEIPT,
    "linkage/magistrates_people": PEOPLE,
    "linkage/crown_people": PEOPLE,
    "linkage/criminal_courts_people": {
        **PEOPLE,
        "magistrates_records_covered": "from {t} where source_dataset = 'crown'",
        "crown_records_covered": "from {t} where source_dataset = 'magistrates'",
        "no_other_record": STRANGERS,
        "people_of_a_dataset_stay_together": whole(person_medium="record_key"),
        "courts_meet": """
            select t.* replace (left(sha256(t.record_key || again.time), 32) as person_medium)
            from {t} as t, range(60) as again(time) where source_dataset = 'crown'""",
    },
    "linkage/magistrates_edges": EDGES,
    "linkage/crown_edges": EDGES,
    "linkage/criminal_courts_edges": EDGES,
    "linkage/mags_crown_cases": {
        "links_found": "from {t} where false",
        "magistrates_record_exists": one(libra_cases_key=STRANGER),
        "crown_record_exists": one(xhibit_defendants_on_case_key=STRANGER),
        "crown_follows_magistrates": {
            "libra_cases": whole("libra_cases", first_hearing_date="date '2090-01-01'")
        },
        "sexes_agree": {
            "libra_cases": whole("libra_cases", sex="'M'"),
            "xhibit_defendants_on_case": whole("xhibit_defendants_on_case", gender="'2'"),
        },
        "most_crown_cases_found": {
            BATCH: "from {t} limit 1",
            "xhibit_defendants_on_case": often("xhibit_defendants_on_case"),
        },
    },
    "marts/magistrates_cases": case_mart("defendant_case_hash"),
    "marts/crown_cases": case_mart("defendant_on_case_id_hash")
    | {
        "convictions_plausible": everywhere(
            is_convicted="true", case_type_code="'T'", completion_date="date '2020-01-01'"
        )
    },
    "marts/magistrates_offences": offence_mart("defendant_offence_hash", "defendant_case_hash"),
    "marts/crown_offences": offence_mart(
        "defendant_on_offence_id_hash", "defendant_on_case_id_hash"
    ),
    "marts/xjs_link": {
        "high_within_medium": whole(estimated_person_id_high=STRANGER),
        "medium_within_low": whole(estimated_person_id=STRANGER),
        "people_are_the_linked_ones": one(estimated_person_id_low=STRANGER),
        "records_exist": one(source_person_id=STRANGER),
        "every_person_record_is_there": "from {t} offset 1",
    },
    "marts/mags_crown_journey": {
        "magistrates_case_exists": one(mc_case_id_hash=STRANGER),
        "crown_case_exists": one(cc_defendant_on_case_id_hash=STRANGER),
        "both_ends_are_one_person": {"people": whole("people", person_low="record_key")},
        "crown_follows_magistrates": {
            "magistrates": whole("magistrates", first_hearing_date="date '2090-01-01'")
        },
    },
    "releases/magistrates_cases": {
        "content_unaltered": one(completion_date="date '1999-01-01'"),
        "principal_offences_exist": one(principal_offence_hash=STRANGER),
    },
    "releases/crown_cases": {
        "content_unaltered": one(completion_date="date '1999-01-01'"),
        "principal_offences_exist": one(principal_offence_hash=STRANGER),
    },
    "releases/magistrates_offences": {
        "content_unaltered": one(disposal_date="date '1999-01-01'"),
        "cases_exist": one(defendant_case_hash=STRANGER),
    },
    "releases/crown_offences": {
        "content_unaltered": one(disposal_date="date '1999-01-01'"),
        "cases_exist": one(defendant_on_case_id_hash=STRANGER),
    },
    "releases/xjs_link": {
        "high_within_medium": whole(estimated_person_id_high=STRANGER),
        "medium_within_low": whole(estimated_person_id=STRANGER),
        "people_as_large": whole(estimated_person_id=STRANGER),
    },
    "releases/mags_crown_journey": {
        "content_unaltered": one(estimated_match_weight="-40"),
        "ends_are_looked_up": {"people": "from {people} where false"},
    },
}


def fault_of(suite, rule: Rule):
    """SQL for the views that break a rule."""
    written = FAULTS.get(str(suite.key), {}).get(rule.id)
    if written is not None:
        return written if isinstance(written, dict) else {BATCH: written}
    if rule.id.endswith("_rekeyed"):
        # The internal id itself goes out.
        return {BATCH: "from {mart}"}
    if rule.id.endswith("_as_many"):
        return {BATCH: everywhere(**{rule.id.removesuffix("_as_many"): STRANGER})}
    return {BATCH: made_fault(rule)}


def made_fault(rule: Rule):
    """SQL that breaks a rule of one of Great Expectations' own types, made from its arguments."""
    columns, kwargs = rule.columns, rule.kwargs
    if rule.type == "expect_column_pair_values_a_to_be_greater_than_b":
        return whole(**{columns[0]: "date '2019-01-01'", columns[1]: "date '2020-01-01'"})
    if rule.type in ROWS:
        return ROWS[rule.type]
    if rule.type == "expect_column_values_to_be_between":
        return whole(**{columns[0]: beyond(kwargs)})
    if rule.type == "expect_column_values_to_be_of_type":
        return whole(**{columns[0]: "null::date" if kwargs["type_"] != "DATE" else "null::bigint"})
    return whole(**{columns[0]: VALUES[rule.type]})


ROWS = {
    "expect_table_columns_to_match_ordered_list": "select *, 1 as surname from {t}",
    "expect_table_row_count_to_be_between": "from {t} where false",
    "expect_table_row_count_to_equal_other_table": "from {t} union all (from {t} limit 1)",
    "expect_column_values_to_be_unique": "from {t} union all (from {t} limit 1)",
    "expect_compound_columns_to_be_unique": "from {t} union all (from {t} limit 1)",
}
VALUES = {
    "expect_column_values_to_not_be_null": "null",
    "expect_column_values_to_be_in_set": "'not in the list'",
    "expect_column_values_to_match_regex": "'Elizabeth II'",
    "expect_column_value_lengths_to_be_between": "repeat('x', 500)",
    "expect_column_proportion_of_non_null_values_to_be_between": "null",
}


def beyond(kwargs):
    """A value just outside the bounds."""
    step = 1 if "max_value" in kwargs else -1
    bound = kwargs.get("max_value", kwargs.get("min_value"))
    if isinstance(bound, str):
        return f"date '{date.fromisoformat(bound)}' + {step}"
    return str(bound + step * (0.5 if isinstance(bound, float) else 1))


def tried():
    """Suite and rule: every rule in SQL, and of those that are alike one in each suite."""
    for name, suite in SUITES.items():
        seen = set()
        for rule in suite.rules:
            in_sql = "query" in rule.kwargs or "unexpected_rows_query" in rule.kwargs
            alike = re.search(r"_(rekeyed|as_many)\Z", rule.id) if in_sql else None
            kind = alike[0] if alike else rule.id if in_sql else rule.type
            if kind not in seen:
                seen.add(kind)
                yield pytest.param(name, rule.id, id=f"{name}-{rule.id}")


@pytest.fixture(scope="module")
def ground(judged, candidate):
    """Relation of every table, as SQL, by suite key and, for companions, by view."""

    def relations(suite):
        def file(key):
            if key.stage == "releases":
                return candidate[key.table]
            return tables.require(judged, key, EDITION).path

        files = {BATCH: file(suite.key)}
        for each in suite.companions:
            files[each.view] = None if each.previous else file(each.key)
        return files

    return relations


@pytest.fixture(scope="module")
def workbench():
    """An engine that makes faulty tables."""
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


@pytest.mark.parametrize("key", SUITE_KEYS, ids=str)
def test_a_refreshed_installation_passes_every_suite(judged, candidate, key):
    if key.stage == "releases":
        verdict = check_file(judged, key, EDITION, candidate[key.table], beside=candidate)
    else:
        verdict = check_table(judged, key, EDITION)
    assert verdict.passed, [(each.rule, each.counts, each.error) for each in verdict.failures]
    assert not [each.rule for each in verdict.outcomes if not each.passed]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rule_id"), list(tried()))
def test_each_rule_fails_the_fault_it_is_for(ground, workbench, judged, tmp_path, name, rule_id):
    suite = SUITES[name]
    (rule,) = (each for each in suite.rules if each.id == rule_id)
    views = ground(suite)
    relation = {
        view: f"read_parquet({text(file)}, hive_partitioning = false)"
        for view, file in views.items()
        if file is not None
    }
    words = {
        **relation,
        "t": relation[BATCH],
        **_defendants(suite, relation),
    }
    for view, query in fault_of(suite, rule).items():
        views[view] = tmp_path / f"{view}.parquet"
        workbench.execute(f"copy ({query.format(**words)}) to {text(views[view])} (format parquet)")
    single = dataclasses.replace(suite, rules=(rule,))
    (outcome,) = run_suite(judged, single, views)
    assert not outcome.passed, outcome
    assert not outcome.error


def _defendants(suite, relation):
    """Content that linkage suites compare people on."""
    if "libra_cases" in relation and "xhibit_defendants_on_case" in relation:
        both = f"(select record_key, sex, birth_year from {relation['libra_cases']})"
        return {"defendant": both, "sex": "sex", "sexes": "'M', 'F'"}
    if "xhibit_defendants_on_case" in relation:
        return {
            "defendant": relation["xhibit_defendants_on_case"],
            "sex": "gender",
            "sexes": "'1', '2'",
        }
    if "libra_cases" in relation:
        return {"defendant": relation["libra_cases"], "sex": "sex", "sexes": "'M', 'F'"}
    return {}
