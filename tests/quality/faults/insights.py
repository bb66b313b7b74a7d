"""What is wrong with an insight, for each rule in SQL written for it."""

from tests.quality.faults.sql import everywhere, whole


def disclosed(kind, total, count, part, **faults):
    """What disclosure control may let through holds for every insight of counts and their parts."""
    # Of each kind of subgroups one alone is withheld.
    alone = f"""
        select * exclude (place) replace (case when place = 1 then null else 100 end as {count})
        from (select *, row_number() over (partition by {kind}, {total}) as place from {{t}})"""
    return {
        "nothing_small_or_exact": whole(**{count: "11"}),
        "none_withheld_alone": alone,
        **({"nothing_small_is_left": whole(**{count: "100", part: "95"})} if part else {}),
        **faults,
    }


FAULTS = {
    "insights/family_and_criminal_courts": disclosed(
        "population, subgroup",
        "subgroup = 'everyone'",
        "people",
        "linked_people",
        either_side_tells_the_same=whole(
            linked_people="case population when 'family courts' then 100 end"
        ),
        subgroups_come_to_everyone=whole(
            people="case subgroup when 'everyone' then 100000 else 100 end"
        ),
        adoption_is_not_told_of=whole(subgroup_value="'Adoption'"),
    ),
    "insights/family_case_durations": disclosed(
        "case_year",
        "case_type = 'All cases'",
        "cases_received",
        None,
        weeks_with_their_count=whole(mean_weeks="10", cases_disposed="null"),
        types_come_to_all_cases=whole(
            cases_received="case case_type when 'All cases' then 100000 else 100 end"
        ),
        private_law_takes_as_long_as_published=everywhere(
            case_year="2023",
            case_type="'Private law children'",
            cases_disposed="1000",
            mean_weeks="90",
        ),
        types_in_published_proportions=whole(
            case_year="2016",
            cases_received="case case_type when 'Divorce' then 100000 else 100 end",
        ),
    ),
    "insights/linkage_coverage": disclosed(
        "source_dataset, linked_dataset, subgroup",
        "subgroup = 'everyone'",
        "people",
        "linked_people",
        subgroups_come_to_everyone=whole(
            people="case subgroup when 'everyone' then 100000 else 100 end"
        ),
    ),
    "insights/pupils_offending": disclosed(
        "subgroup",
        "subgroup = 'everyone'",
        "pupils",
        "cautioned_or_sentenced",
        subgroups_come_to_everyone=whole(
            pupils="case subgroup when 'everyone' then 100000 else 100 end"
        ),
        ages_are_among_everyone=whole(cautioned_or_sentenced="100"),
        offending_as_published=everywhere(
            subgroup="'everyone'", pupils="5000", share_cautioned_or_sentenced="0.2"
        ),
        boys_offend_more_as_published=whole(cautioned_or_sentenced="100"),
        first_offences_peak_as_published=whole(
            cautioned_or_sentenced="case subgroup_value when '17' then 500 else 100 end"
        ),
    ),
    "insights/repeat_custody": disclosed(
        "within_months",
        "release_type = 'all releases'",
        "journeys",
        "returned",
        longer_holds_shorter=whole(returned="100"),
    ),
    "insights/returning_defendants": disclosed(
        "starting_year",
        "offence_group = 'All offences'",
        "starters",
        "returned",
        return_plausible=everywhere(
            starting_year="2011",
            offence_group="'All offences'",
            starters="1000",
            share_returned="0.9",
        ),
    ),
    "insights/time_to_completion": disclosed(
        "court_type, completion_year",
        "offence_group = 'All offences'",
        "cases",
        None,
        median_with_its_count=whole(median_days="10", cases="null"),
        median_plausible=everywhere(
            completion_year="2023", offence_group="'All offences'", cases="1000", median_days="900"
        ),
    ),
}
