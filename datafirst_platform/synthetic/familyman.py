"""FamilyMan: family cases as the family courts' system holds them.

What belongs here: which cases it holds, its columns and its habits. What does not: what happened
(`family_cases.py`), how a clerk misspells (`recording.py`) and how files are written
(`deliveries.py`).

A party record is made at a person's first role, and only some who come back to a court keep it.
What it holds follows from that role: children seldom have a postcode, and dates of birth are
asked for where children are, hardly in a divorce. Roles of documents' forms are made up, as are
all shares without a source; about one order in four hundred is entered twice, as published.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.synthetic import family_cases, lists, population, recording
from datafirst_platform.synthetic.family_cases import (
    ADOPTION,
    APPLICANT,
    APPLICATION,
    CHILD,
    DISSOLUTION,
    FINAL_ORDER,
    FURTHER_APPLICATION,
    HEARING,
    INJUNCTION,
    INTERIM_ORDER,
    MADE,
    NOTICE,
    PRIVATE,
    PUBLIC,
    RESPONDENT,
    SECOND_ORDER,
    Events,
    FamilyCases,
    FamilyLives,
)
from datafirst_platform.synthetic.history import History
from datafirst_platform.synthetic.lists import Bools, Floats, Ints
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import NEVER, People, calendar, stream

_MANNER = recording.Manner(
    upper=False, ascii_only=False, error=1.1, pnc_held=0, cro_held=0, short_pnc=False
)

_FIRST_DAY = 14975
"""2011-01-01: nothing received earlier is held."""

_ARRANGEMENTS_DAY = 16182
"""2014-04-22: orders over residence and contact become child arrangements orders."""

_OFFSET = 27_182_818
"""Where numbers begin to be dealt: the first is not 0."""

_KIND_LETTERS = pa.array(list("CPADF"))

_SAME_PARTY = 0.35
"""Share of roles under the record of the person's last role, at the same court."""

# Shares of party records that hold a date of birth, a postcode and a gender, by kind of case and
# part in it. Children come first.
_BIRTH_HELD = np.array([
    [0.96, 0.0, 0.80], [0.93, 0.88, 0.62], [0.97, 0.80, 0.45], [0.0, 0.34, 0.24],
    [0.85, 0.86, 0.66],
])  # fmt: skip
_POSTCODE_HELD = np.array([
    [0.30, 0.97, 0.80], [0.24, 0.94, 0.80], [0.08, 0.90, 0.40], [0.0, 0.95, 0.88],
    [0.20, 0.78, 0.84],
])  # fmt: skip
_GENDER_HELD = np.array([
    [0.95, 0.0, 0.95], [0.92, 0.96, 0.93], [0.95, 0.96, 0.85], [0.0, 0.93, 0.92],
    [0.86, 0.96, 0.95],
])  # fmt: skip

_OTHER_NAME = 0.16
"""Share of records of married or once married women under the other of their names."""
_UNNAMED_NEWBORN = 0.15
_MIDDLE_NAME_TOO = 0.32

_DELETED_ROLES, _DOUBLE_ROLES = 0.012, 0.003
_ERRORS, _ORDERS_TWICE = 0.008, 0.0025

# Which form an order, a hearing or an application is made by: (what, kind of case) to the forms
# with their shares. A few are of the other law than the case's.
_FORMS: dict[tuple[int, int], dict[str, float]] = {
    (APPLICATION, PUBLIC): {"U22": 1}, (APPLICATION, PRIVATE): {"U22": 1},
    (APPLICATION, ADOPTION): {"A58": 1}, (APPLICATION, DISSOLUTION): {"D8": 1},
    (APPLICATION, INJUNCTION): {"FL401": 1},
    **{(FURTHER_APPLICATION, kind): {"G50": 1} for kind in range(5)},
    (NOTICE, PUBLIC): {"C6": 1}, (NOTICE, PRIVATE): {"C6": 1}, (NOTICE, ADOPTION): {"C6": 1},
    (NOTICE, DISSOLUTION): {"G61": 1}, (NOTICE, INJUNCTION): {"FL402": 1},
    **{(HEARING, kind): {"G61": 0.93, "G62": 0.07} for kind in range(5)},
    (INTERIM_ORDER, PUBLIC): {"C33": 0.82, "C35B": 0.15, "C40": 0.03},
    (INTERIM_ORDER, PRIVATE): {"C40": 1}, (INTERIM_ORDER, ADOPTION): {"C40": 1},
    (INTERIM_ORDER, DISSOLUTION): {"D29": 1}, (INTERIM_ORDER, INJUNCTION): {"FL404B": 1},
    (FINAL_ORDER, PUBLIC): {
        "C32A": 0.35, "C35A": 0.25, "C43A": 0.19, "C43": 0.13, "C34A": 0.02, "C32B": 0.02,
        "C26": 0.01, "C29": 0.01, "C37": 0.005, "C23": 0.015,
    },
    (FINAL_ORDER, PRIVATE): {
        "C43": 0.863, "C45A": 0.05, "C80": 0.03, "C43A": 0.025, "C44B": 0.008, "C44A": 0.006,
        "C42": 0.006, "C30": 0.002, "C35A": 0.006, "C32A": 0.004,
    },
    (FINAL_ORDER, ADOPTION): {"A76": 0.995, "A77": 0.005},
    (FINAL_ORDER, DISSOLUTION): {"D37": 1},
    (FINAL_ORDER, INJUNCTION): {"FL404B": 0.87, "FL404": 0.13},
    (SECOND_ORDER, PUBLIC): {"C34A": 0.65, "C42": 0.35},
    (SECOND_ORDER, PRIVATE): {"C45A": 0.4, "C80": 0.4, "C42": 0.2},
    (SECOND_ORDER, ADOPTION): {"A73": 1}, (SECOND_ORDER, DISSOLUTION): {"D37": 1},
    (SECOND_ORDER, INJUNCTION): {"FL404B": 0.58, "FL404": 0.30, "FL406": 0.12},
}  # fmt: skip
_UNDISPOSED = {
    family_cases.WITHDRAWN: "G63", family_cases.REFUSED: "ORDREF", family_cases.NO_ORDER: "ORDNOM"
}  # fmt: skip
_PLACEMENT = "A70"

# What is applied for, with shares: by kind of case, at first and afterwards.
_TYPES: dict[tuple[int, int], dict[str, float]] = {
    (APPLICATION, PUBLIC): {
        "CARE": 0.66, "CARE,SUP": 0.12, "SUP": 0.06, "CARE,EPO": 0.04, "EPO": 0.04, "SECURE": 0.02,
        "DISCARE": 0.03, "DOL": 0.02, "RECOV": 0.01,
    },
    (APPLICATION, PRIVATE): {
        "CAO": 0.52, "CAO,PSO": 0.13, "CAO,SIO": 0.08, "CAO,PSO,SIO": 0.06, "PSO": 0.06,
        "SIO": 0.05, "PR": 0.03, "CAO,PR": 0.03, "SGO": 0.02, "REMOVE": 0.01, "SURNAME": 0.01,
    },
    (APPLICATION, ADOPTION): {"ADOPT": 1},
    (APPLICATION, DISSOLUTION): {"DIV": 0.8, "DIV,FIN": 0.2},
    (APPLICATION, INJUNCTION): {"NMO": 0.78, "NMO,OCC": 0.17, "OCC": 0.05},
    (FURTHER_APPLICATION, PUBLIC): {"CONCARE": 0.5, "CARE": 0.2, "SUP": 0.15, "SGO": 0.15},
    (FURTHER_APPLICATION, PRIVATE): {"ENF": 0.38, "CAO": 0.3, "SIO": 0.16, "PSO": 0.16},
    (FURTHER_APPLICATION, ADOPTION): {"PLACE": 1},
    (FURTHER_APPLICATION, DISSOLUTION): {"FIN": 1},
    (FURTHER_APPLICATION, INJUNCTION): {"NMO": 0.8, "OCC": 0.2},
}  # fmt: skip
_BEFORE_ARRANGEMENTS = {"CAO": "CON", "CAO,PSO": "RES,PSO", "CAO,SIO": "CON,SIO",
                        "CAO,PSO,SIO": "RES,PSO,SIO", "CAO,PR": "RES,PR"}  # fmt: skip

_NAMED_ON = np.array([0.6, 0.4, 0.0, 0.2, 0.5, 0.5, 0.5])
"""Share of events that name children, by what happens."""
_ONE_OF_THEM = 0.12
_MOST_CHILDREN = 4


@dataclass(frozen=True)
class _Menu:
    """Texts to choose from by a key, as `lists.Weighted` of each key."""

    text: pa.Array
    of_key: tuple[lists.Weighted, ...]

    @classmethod
    def of(cls, choices: dict[tuple[int, int], dict[str, float]]) -> _Menu:
        """Of choices by (what, kind of case)."""
        texts = list(dict.fromkeys(text for shares in choices.values() for text in shares))
        nothing = lists.Weighted.of(np.zeros(1, dtype=np.int64), np.ones(1))
        of_key = [nothing] * (len(_NAMED_ON) * 5)
        for (what, kind), shares in choices.items():
            members = np.array([texts.index(text) for text in shares])
            of_key[what * 5 + kind] = lists.Weighted.of(members, np.array([*shares.values()]))
        return cls(pa.array(texts), tuple(of_key))

    def index(self, text: str) -> int:
        return int(self.text.index(text).as_py())


def tables(lives: Lives, cut_off: int) -> dict[str, pa.Table]:
    """The rows of one chunk as FamilyMan would extract them on the day of the cut-off.

    Returns:
        The four `familyman_…` tables: text columns as the contracts name them, then `person_id`.

    Raises:
        PlatformError: more people than case numbers of five digits reach for.
    """
    if lives.chunk >= family_cases.MOST_CHUNKS:
        raise PlatformError(
            f"Case numbers of FamilyMan reach for {family_cases.MOST_CHUNKS} chunks of people: "
            "ask for fewer, or leave familyman out."
        )
    family, people = lives.family, lives.households.people
    cases = family.cases
    history = History.draw(lives.seed, lives.chunk, "familyman cases", cases.receipt_day)
    held = cases.on_paper & (cases.receipt_day >= _FIRST_DAY)
    supplied = held & (cases.receipt_day <= cut_off) & history.stands(cut_off)
    numbers = _case_numbers(cases)
    applicant = _first_applicants(family, people)
    roles = _RoleRows.draw(lives, held)
    role_table, party_used = _role_table(lives, roles, numbers, supplied, cut_off)
    return {
        "familyman_cases": _case_table(cases, numbers, applicant, supplied, cut_off),
        "familyman_events": _event_table(lives, numbers, applicant, supplied, cut_off),
        "familyman_parties": _party_table(lives, roles, party_used, cut_off),
        "familyman_roles": role_table,
    }


def _dates(days: Ints) -> pa.Array:
    return recording.date_texts(days)


# --- cases ----------------------------------------------------------------------------------------


def _case_numbers(cases: FamilyCases) -> pa.Array:
    """Two letters of the court, two digits of the year, the kind, and five digits."""
    return pc.binary_join_element_wise(
        recording.take(lists.family_courts().prefix, cases.court),
        recording.digits(calendar(cases.receipt_day)[0] % 100, 2),
        recording.take(_KIND_LETTERS, cases.kind),
        recording.digits((cases.serial * 61_803 + _OFFSET) % 100_000, 5),
        "",
    )


def _first_applicants(family: FamilyLives, people: People) -> Ints:
    """Identity of the first applicant of each case, of whom its rows tell."""
    roles = family.roles
    applies = np.flatnonzero(roles.part == APPLICANT)[::-1]
    who = np.zeros(len(family.cases), dtype=np.int64)
    who[roles.case[applies]] = people.person_id[roles.person[applies]]
    return who


def _case_table(
    cases: FamilyCases, numbers: pa.Array, applicant: Ints, supplied: Bools, cut_off: int
) -> pa.Table:
    at = np.flatnonzero(supplied)
    yes_no = pa.array(["N", "Y"])
    closed = np.where(cases.closed_day[at] <= cut_off, cases.closed_day[at], NEVER)
    harm = np.where(cases.asks_harm[at], cases.harm_alleged[at].astype(int), -1)
    return pa.table(
        {
            "case_number": numbers.take(pa.array(at)),
            "case_type": recording.take(_KIND_LETTERS, cases.kind[at]),
            "court_code": recording.take(lists.family_courts().code, cases.court[at]),
            "receipt_date": _dates(cases.receipt_day[at]),
            "closed_date": _dates(closed),
            "fee_exempt": recording.take(yes_no, cases.fee_exempt[at].astype(int)),
            "harm_alleged": recording.take(yes_no, harm),
            "person_id": pa.array(applicant[at]),
        }
    )


# --- parties and roles ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _RoleRows:
    """Roles of the cases held, with the party record each is under.

    Attributes:
        role: index into the chunk's roles.
        party: index of the role at which the party record was made.
        opened: the roles at which any was made.
    """

    role: Ints
    party: Ints
    opened: Ints

    @classmethod
    def draw(cls, lives: Lives, held: Bools) -> _RoleRows:
        """Party records of the roles: who comes back to a court may keep theirs."""
        family = lives.family
        roles, cases = family.roles, family.cases
        rng = stream(lives.seed, lives.chunk, "familyman parties")
        keeps = rng.random(len(roles)) < _SAME_PARTY
        role = np.flatnonzero(held[roles.case])
        order = np.lexsort((role, cases.receipt_day[roles.case[role]], roles.person[role]))
        sorted_role = role[order]
        person, court = roles.person[sorted_role], cases.court[roles.case[sorted_role]]
        opens = np.ones(len(role), dtype=bool)
        opens[1:] = ~(
            (person[1:] == person[:-1]) & (court[1:] == court[:-1]) & keeps[sorted_role[1:]]
        )
        made_at = sorted_role[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
        party = np.zeros(len(roles), dtype=np.int64)
        party[sorted_role] = made_at
        return cls(role, party[role], np.sort(sorted_role[opens]))


def _party_numbers(chunk: int, role: Ints) -> pa.Array:
    """Numbers of the party records made at those roles, dealt at random."""
    number = chunk * family_cases.ROLES_PER_CHUNK + role
    return recording.digits((number * 618_033_989 + _OFFSET) % 10**10, 1)


def _role_numbers(chunk: int, role: Ints, copy: Ints) -> pa.Array:
    """Numbers of roles, and of those entered besides; dealt at random."""
    number = (chunk * family_cases.ROLES_PER_CHUNK + role) * 3 + copy
    return recording.digits((number * 381_966_011 + _OFFSET) % 10**10, 1)


def _role_table(
    lives: Lives, rows: _RoleRows, numbers: pa.Array, supplied: Bools, cut_off: int
) -> tuple[pa.Table, Bools]:
    """The roles, and which of the party records they use."""
    roles, cases, people = lives.family.roles, lives.family.cases, lives.households.people
    rng = stream(lives.seed, lives.chunk, "familyman roles")
    chance = rng.random((4, len(roles)))
    found = 20 + rng.exponential(150, len(roles)).astype(np.int64)
    visible = supplied[roles.case[rows.role]]
    role, party = rows.role[visible], rows.party[visible]
    # Entered wrongly, mostly as the other side's, and deleted once that is seen; or just twice.
    wrong = chance[0][role] < _DELETED_ROLES
    twice = chance[1][role] < _DOUBLE_ROLES
    taken = np.concatenate([role, role[wrong], role[twice]])
    copies = np.repeat([0, 1, 2], [len(role), int(wrong.sum()), int(twice.sum())])
    deleted_day = cases.receipt_day[roles.case[taken]] + found[taken]
    deleted = (copies == 1) & (deleted_day <= cut_off)
    case, person, part = roles.case[taken], roles.person[taken], roles.part[taken]
    other_side = (copies == 1) & (part != CHILD) & (chance[2][taken] < 0.6)
    part = np.where(other_side, APPLICANT + RESPONDENT - part, part)
    kind = cases.kind[case]
    suffix = np.select(
        [kind == ADOPTION, part == CHILD, kind == DISSOLUTION, kind == INJUNCTION],
        [1, 0, 2, np.where(chance[3][taken] < 0.6, 2, 0)],
        np.where(chance[3][taken] < 0.84, 0, np.where(chance[3][taken] < 0.9, 1, 2)),
    )
    models = pa.array([part + law for part in ("CHLD", "APL", "RSP") for law in "CZA"])
    relation = np.where(chance[2][taken] < 0.18, family_cases.NO_RELATION, roles.relation[taken])
    yes_no = pa.array(["N", "Y"])
    used = np.zeros(len(roles), dtype=bool)
    used[party] = True
    parties = np.concatenate([party, party[wrong], party[twice]])
    table = pa.table(
        {
            "role": _role_numbers(lives.chunk, taken, copies),
            "case_number": numbers.take(pa.array(case)),
            "party": _party_numbers(lives.chunk, parties),
            "role_model": recording.take(models, part * 3 + suffix),
            "represented": recording.take(yes_no, roles.represented[taken].astype(int)),
            "relationship_to_child": pa.array(["MO", "FA", "AP", "LA", None]).take(
                pa.array(relation)
            ),
            "delete_flag": recording.take(yes_no, deleted.astype(int)),
            "person_id": pa.array(people.person_id[person]),
        }
    )
    return table, used


def _party_table(lives: Lives, rows: _RoleRows, used: Bools, cut_off: int) -> pa.Table:
    """The party records; all are drawn, so that an edition does not change another's."""
    roles, cases, people = lives.family.roles, lives.family.cases, lives.households.people
    rng = stream(lives.seed, lives.chunk, "familyman identities")
    made_at = rows.opened
    total = len(made_at)
    person, part, case = roles.person[made_at], roles.part[made_at], roles.case[made_at]
    kind, day = cases.kind[case], cases.receipt_day[case]
    history = History.draw(lives.seed, lives.chunk, "familyman parties", day)
    put_right = history.put_right(cut_off)
    chance = rng.random((7, total))
    # A married woman is known by her other name to some, and goes back to it after a divorce.
    renamed = people.renamed[person]
    other_name = (chance[0] < _OTHER_NAME) & (renamed < NEVER) & people.female[person]
    known_as = np.where(other_name, np.where(day >= renamed, renamed - 1, renamed), day)
    first, middle, _, surname = recording.names(rng, people, person, known_as, _MANNER, put_right)
    both = pc.coalesce(pc.binary_join_element_wise(first, middle, " "), first)
    first = pc.if_else(pa.array(chance[1] < _MIDDLE_NAME_TOO), both, first)
    newborn = (part == CHILD) & (day - people.born[person] < 60) & (chance[2] < _UNNAMED_NEWBORN)
    first = pc.if_else(pa.array(newborn), "Baby", first)
    born = recording.birth_days(rng, people, person, _MANNER, put_right)
    # Nobody is said to be born after they came to court.
    born = np.where((born > day) & (born < NEVER), people.born[person], born)
    born = np.where(chance[3] < _BIRTH_HELD[kind, part], born, NEVER)
    postcode = recording.postcodes(rng, people, person, day, _MANNER, put_right)
    sex = 1 + people.female[person].astype(np.int64)
    sex = np.where((chance[4] < 0.004) & ~put_right, 3 - sex, sex)
    sex = np.where(chance[4] > 0.985, 3, sex)
    sex = np.where(chance[5] < _GENDER_HELD[kind, part], sex, 0)
    company = people.is_company[person]
    organisation = recording.organisations(rng, people.organisation[person], _MANNER, 0.35)
    empty = pa.array(company)
    nobody = recording.EMPTY
    flags = pa.array(["0", "1"])
    return pa.table(
        {
            "party": _party_numbers(lives.chunk, made_at),
            "person_given_first_name": pc.if_else(empty, nobody, first),
            "person_family_name": pc.if_else(empty, nobody, surname),
            "company": organisation,
            "is_company": recording.take(flags, company.astype(int)),
            "dob": _dates(np.where(company, NEVER, born)),
            "gender": pa.array([None, "1", "2", "9"]).take(pa.array(np.where(company, 0, sex))),
            "postcode": pc.if_else(
                pa.array(company | (chance[6] < _POSTCODE_HELD[kind, part])), postcode, nobody
            ),
            "person_id": pa.array(people.person_id[person]),
        }
    ).filter(pa.array(used[made_at]))


# --- events ---------------------------------------------------------------------------------------


_MENU, _TYPES_MENU = _Menu.of(_FORMS), _Menu.of(_TYPES)


def _event_table(
    lives: Lives, numbers: pa.Array, applicant: Ints, supplied: Bools, cut_off: int
) -> pa.Table:
    cases, events = lives.family.cases, lives.family.events
    rng = stream(lives.seed, lives.chunk, "familyman events")
    total = len(events)
    chance = rng.random((7, total))
    lag = rng.integers(0, 4, total)
    every_court = rng.integers(0, len(lists.family_courts().code), total)
    visible = supplied[events.case] & (events.day <= cut_off)
    # Some orders are entered twice, and some events in error besides.
    is_order = np.isin(events.what, (INTERIM_ORDER, FINAL_ORDER, SECOND_ORDER))
    twice = np.flatnonzero(visible & is_order & (chance[0] < _ORDERS_TWICE))
    wrong = np.flatnonzero(visible & (chance[1] < _ERRORS))
    at = np.concatenate([np.flatnonzero(visible), twice, wrong])
    copies = np.repeat([0, 1, 2], [int(visible.sum()), len(twice), len(wrong)])
    case, what, day = events.case[at], events.what[at], events.day[at]
    entered = np.minimum(day + np.where(chance[2][at] < 0.9, lag[at], lag[at] * 9), cut_off)
    # Cases sent on leave events of another court.
    court = np.where(chance[3][at] < 0.03, every_court[at], cases.court[case])
    code = recording.take(lists.family_courts().code, court)
    number = lives.chunk * family_cases.EVENTS_PER_CHUNK + at * 3 + copies
    number = (number * 61_803_397 + _OFFSET) % 10**9
    yes_no = pa.array(["N", "Y"])
    return pa.table(
        {
            "event": pc.binary_join_element_wise(code, recording.digits(number, 9), ""),
            "case_number": numbers.take(pa.array(case)),
            "event_model": _forms(cases, events, at),
            "receipt_date": _dates(day),
            "entry_date": _dates(np.where(chance[4][at] < 0.03, NEVER, entered)),
            "error": recording.take(yes_no, (copies == 2).astype(int)),
            "application_types": _application_types(cases, events, at, chance[5][at]),
            "child_roles": _child_roles(lives, case, what, chance[6][at]),
            "creating_court": code,
            "person_id": pa.array(applicant[case]),
        }
    )


def _forms(cases: FamilyCases, events: Events, at: Ints) -> pa.Array:
    """The form each event is made by."""
    case, what = events.case[at], events.what[at]
    kind, disposal = cases.kind[case], cases.disposal[case]
    form = population.within(_MENU.of_key, what * 5 + kind, events.chance[at])
    undisposed = (what == FINAL_ORDER) & (disposal != MADE)
    forms = pa.concat_arrays([_MENU.text, pa.array([*_UNDISPOSED.values(), _PLACEMENT])])
    form = np.where(undisposed, len(_MENU.text) + disposal - 1, form)
    # A child that goes to be adopted is placed by the last order of its care case.
    placed = cases.adopted[case] & (kind == PUBLIC)
    form = np.where(placed & (what == FINAL_ORDER), _MENU.index("C32A"), form)
    form = np.where(placed & (what == SECOND_ORDER), len(forms) - 1, form)
    return recording.take(forms, form)


def _application_types(cases: FamilyCases, events: Events, at: Ints, chance: Floats) -> pa.Array:
    """What applications are for, in the words of their time; empty on other events."""
    case, what = events.case[at], events.what[at]
    menu = _TYPES_MENU
    texts = pa.concat_arrays([menu.text, pa.array(list(_BEFORE_ARRANGEMENTS.values()))])
    kind = population.within(menu.of_key, what * 5 + cases.kind[case], events.chance[at])
    earlier = np.full(len(menu.text), -1, dtype=np.int64)
    earlier[[menu.index(text) for text in _BEFORE_ARRANGEMENTS]] = np.arange(
        len(menu.text), len(texts)
    )
    old = (events.day[at] < _ARRANGEMENTS_DAY) & (earlier[kind] >= 0)
    kind = np.where(old, earlier[kind], kind)
    applies = np.isin(what, (APPLICATION, FURTHER_APPLICATION)) & (chance < 0.985)
    return recording.take(texts, np.where(applies, kind, -1))


def _child_roles(lives: Lives, case: Ints, what: Ints, chance: Floats) -> pa.Array:
    """Roles of the children events are about, where any are named; one of them alone at times."""
    roles = lives.family.roles
    children = np.flatnonzero(roles.part == CHILD)
    number = np.bincount(roles.case[children], minlength=len(lives.family.cases))
    first = np.cumsum(number) - number
    named = np.flatnonzero((number[case] > 0) & (chance < _NAMED_ON[what]))
    alone = chance[named] < _NAMED_ON[what[named]] * _ONE_OF_THEM
    texts = _role_numbers(lives.chunk, children, np.zeros(len(children), dtype=np.int64))
    columns = []
    for nth in range(_MOST_CHILDREN):
        there = (nth < number[case[named]]) & ((nth == 0) | ~alone)
        columns.append(recording.take(texts, np.where(there, first[case[named]] + nth, -1)))
    joined = pc.binary_join_element_wise(*columns, ",", null_handling="skip")
    place = np.full(len(case), -1, dtype=np.int64)
    place[named] = np.arange(len(named))
    return recording.take(joined, place)
