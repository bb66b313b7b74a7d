"""What follows a sentence keeps to the law, to the calendar and to the published shapes."""

from __future__ import annotations

import numpy as np
import pytest

from datafirst_platform.synthetic import results, sentences
from datafirst_platform.synthetic.lives import Lives
from datafirst_platform.synthetic.population import NEVER, calendar, day_of


def _first_of(year: int) -> int:
    return int(day_of(np.array([year]), np.array([1]), np.array([1]))[0])


def _custody(lived: Lives) -> np.ndarray:
    kinds = (sentences.CUSTODY, sentences.YOUTH_CUSTODY)
    return np.flatnonzero(np.isin(lived.sentences.kind, kinds))


def test_stays_of_a_person_never_overlap(lived: Lives) -> None:
    spells = lived.spells
    assert (spells.received_day < spells.released_day).all()
    same = spells.person[1:] == spells.person[:-1]
    assert (spells.person[1:] >= spells.person[:-1]).all()
    assert (spells.received_day[1:] >= spells.released_day[:-1])[same].all()


def test_a_journey_goes_on_by_a_recall_or_within_a_day(lived: Lives) -> None:
    spells = lived.spells
    same = spells.person[1:] == spells.person[:-1]
    gap = spells.received_day[1:] - spells.released_day[:-1]
    recall = spells.received_as[1:] == sentences.RECALL
    goes_on = np.append([False], same & (recall | (gap <= 1)))
    assert (spells.journey == np.cumsum(~goes_on) - 1).all()
    assert ((spells.nth == 0) == ~goes_on).all()
    assert (spells.received_as[spells.nth == 0] != sentences.RECALL).all()


def test_a_sentence_is_what_the_court_decided_on_its_charges(lived: Lives) -> None:
    told, charges = lived.sentences, lived.charges
    custodial, days = sentences.custodial(lived.results, lived.cases, charges)
    assert (charges.case[told.charge] == told.case).all()
    assert (told.day == sentences.decision_day(lived.cases)[told.case]).all()
    counted = custodial & (days > 0)
    counted &= lived.results.consecutive | np.isin(np.arange(len(charges)), told.charge)
    in_a_row = np.zeros(len(lived.cases), dtype=np.int64)
    np.add.at(in_a_row, charges.case[counted], days[counted])
    of = _custody(lived)
    of = of[told.days[of] > 0]
    assert (told.days[of] == in_a_row[told.case[of]]).all()
    assert set(np.unique(charges.case[custodial])) <= set(told.case[_custody(lived)])


def test_half_of_a_sentence_is_served_in_custody_less_time_on_remand(lived: Lives) -> None:
    told, grounds = lived.sentences, lived.grounds
    remand = grounds.received_as == sentences.REMAND
    waited = np.zeros(len(lived.cases), dtype=np.int64)
    waited[grounds.case[remand]] = (grounds.end - grounds.start)[remand]
    served = np.flatnonzero(
        (grounds.received_as == sentences.SENTENCED) & (told.days[grounds.sentence] > 0)
    )
    sentence = grounds.sentence[served]
    in_all = grounds.end[served] - told.day[sentence] + waited[grounds.case[served]]
    half = (told.days[sentence] + 1) // 2
    curfew = grounds.released_as[served] == sentences.HDC
    # Where a sentence follows another the time before it is served for the other.
    usual = (in_all == half) | curfew
    assert usual.mean() > 0.9
    assert (in_all[curfew] < half[curfew])[: len(half)].mean() > 0.9
    assert (half - in_all <= 135).all()
    assert (told.expires[sentence] >= grounds.end[served]).all()


def test_time_on_remand_counts_to_the_end_of_a_sentence(lived: Lives) -> None:
    told, of = lived.sentences, _custody(lived)
    of = of[told.days[of] > 0]
    runs = told.expires[of] - told.day[of] + 1
    bailed_all_along = ~np.isin(told.case[of], lived.grounds.case[lived.grounds.received_as == 0])
    assert (runs == told.days[of])[bailed_all_along].mean() > 0.9
    assert (runs < told.days[of])[~bailed_all_along].mean() > 0.8


def test_supervision_follows_the_law_of_its_time(lived: Lives) -> None:
    told, spells, supervisions = lived.sentences, lived.spells, lived.supervisions
    assert (supervisions.start_day <= supervisions.end_day).all()
    after = np.isin(supervisions.kind, (sentences.ON_LICENCE, sentences.POST_SENTENCE))
    assert ((supervisions.spell >= 0) == after).all()
    days, day = told.days[supervisions.sentence], told.day[supervisions.sentence]
    licence = supervisions.kind == sentences.ON_LICENCE
    released = spells.released_day[supervisions.spell]
    assert (supervisions.start_day == released)[licence].all()
    assert (spells.person[supervisions.spell] == supervisions.person)[after].all()
    short_before = (days > 0) & (days < 365) & (day < sentences.ORA_DAY)
    assert not (licence & short_before).any()
    post = supervisions.kind == sentences.POST_SENTENCE
    assert post.sum() > 1000
    assert ((days < 730) & (day >= sentences.ORA_DAY))[post].all()
    assert (supervisions.end_day <= released + 365)[post].all()
    orders = ~after
    assert (supervisions.start_day == day)[orders].all()
    assert (supervisions.end_day <= told.expires[supervisions.sentence])[~post].all()


def test_nothing_follows_a_death_in_custody(lived: Lives) -> None:
    spells, supervisions = lived.spells, lived.supervisions
    died = np.flatnonzero(spells.released_as == sentences.DIED)
    assert len(died) > 3
    day = np.full(len(lived.people), NEVER)
    day[spells.person[died]] = spells.released_day[died]
    assert (spells.received_day < day[spells.person]).all()
    assert (lived.sentences.day <= day[lived.sentences.person]).all()
    assert (supervisions.end_day <= day[supervisions.person]).all()


def test_recalls_stand_to_releases_as_published(lived: Lives) -> None:
    spells = lived.spells
    freed = (sentences.LICENCE, sentences.END_OF_SENTENCE, sentences.HDC)
    first = np.isin(spells.released_as, freed) & (spells.received_as != sentences.RECALL)

    def ratio(year: int) -> float:
        recalled = spells.received_as == sentences.RECALL
        recalls = (calendar(spells.received_day)[0] == year) & recalled
        gone = np.minimum(spells.released_day, 40_000)
        return recalls.sum() / ((calendar(gone)[0] == year) & first).sum()

    # 9,782 recalls against 13,289 releases in a quarter of 2024.
    assert ratio(2024) == pytest.approx(0.74, abs=0.12)
    assert ratio(2015) < 0.35


def test_remand_and_short_stays_are_common(lived: Lives) -> None:
    spells = lived.spells
    told = spells.received_day <= _first_of(2025)
    over = told & (spells.released_day <= _first_of(2025))
    newly = told & (spells.received_as != sentences.RECALL)
    remand = (spells.received_as == sentences.REMAND)[newly].mean()
    assert 0.3 < remand < 0.5
    stay = (spells.released_day - spells.received_day)[over]
    assert 30 < np.median(stay) < 70
    ends = np.bincount(spells.released_as[over], minlength=8) / over.sum()
    assert (ends[[sentences.BAIL, sentences.TO_COURT_NOT_CUSTODY, sentences.HDC]] > 0.04).all()
    assert 0.01 < ends[sentences.ACQUITTED] < 0.05
    in_custody = np.minimum(spells.released_day, _first_of(2025)) - spells.received_day
    years = in_custody[told].sum() / 365.25
    deaths = (spells.released_as[over] == sentences.DIED).sum()
    assert deaths / years == pytest.approx(0.0035, abs=0.002)


def test_murder_is_for_life(lived: Lives) -> None:
    told = lived.sentences
    life = lived.results.crown.disposal[told.charge] == results.LIFE
    assert life.sum() > 10
    assert (told.kind[life] == sentences.CUSTODY).all()
    assert (told.days[life] == -1).all()
    assert (told.expires[life] == NEVER).all()


def test_organisations_are_neither_held_nor_supervised(lived: Lives) -> None:
    for each in (lived.sentences, lived.spells, lived.supervisions):
        assert not lived.people.is_company[each.person].any()
