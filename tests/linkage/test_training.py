"""A dataset nobody has heard of yet: settings, training, linking, and no Python."""

from datetime import date, timedelta

import numpy as np
import pytest
import yaml
from made_identities import EDITION, pnc

from datafirst_platform.linkage import models
from datafirst_platform.linkage.linking import link_dataset
from datafirst_platform.linkage.models import LEVELS, linkage_model
from datafirst_platform.linkage.training import train

PEOPLE = 300


@pytest.fixture
def made_up_folder(tmp_path, monkeypatch):
    """Settings of a dataset `prisons`, still untrained."""
    raw = yaml.safe_load((models.FOLDER / "magistrates.yaml").read_text())
    raw |= {"dataset": "prisons", "description": "People in prison."}
    raw["training"] |= {"u_pairs": 1.0e5}
    (tmp_path / "prisons.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models._read.cache_clear()
    yield tmp_path
    models._read.cache_clear()


def appearances():
    """Three records of each of a few hundred people, some with slips."""
    generator = np.random.default_rng(5)
    parts = ["BRAM", "COR", "DEL", "FEN", "HAL", "KES", "LON", "MAR", "NOR", "PEN", "TRE", "WIN"]
    for number in range(PEOPLE):
        forename, surname = ("".join(generator.choice(parts, 2)) for _ in range(2))
        born = date(1950, 1, 2) + timedelta(days=int(generator.integers(18_000)))
        for appearance in range(3):
            slip = generator.random()
            yield {
                "record_key": f"{number:016x}{appearance:016x}",
                "defendant_type": "P",
                "first_name": forename,
                "last_name": surname + "E" if slip < 0.1 else surname,
                "date_of_birth": born + timedelta(days=1 if slip > 0.95 else 0),
                "sex": "M" if number % 5 else "F",
                "postcode": f"LS{number % 20 + 1} {appearance if slip > 0.7 else 0}AB",
                "pnc_id": pnc(1990 + number % 20, 10_000 + number) if slip < 0.8 else None,
            }


def test_a_new_dataset_is_settings_and_training(settings, publish_identities, rows, made_up_folder):
    publish_identities("libra_cases", [*appearances()])
    trained = train(settings, EDITION, "prisons")
    assert (made_up_folder / "prisons.json").exists()
    # Fewer than the two others there are: equal records count once.
    assert 0.5 < trained.matches_per_record < 2
    by_name = {
        comparison["output_column_name"]: comparison["comparison_levels"]
        for comparison in trained.comparisons
    }
    equal, *_, different = [level for level in by_name["surname"] if not level.get("is_null_level")]
    assert equal["m_probability"] > 30 * equal["u_probability"]
    assert different["u_probability"] > 0.8
    # What the settings set is not estimated.
    assert by_name["identifiers"][1]["u_probability"] == 6.0e-10

    people = rows(link_dataset(settings, EDITION, "prisons").tables["people"])
    names = {f"{what}_{level}" for what in ("person", "since") for level in LEVELS}
    assert people[0].keys() == {"record_key", *names}
    assert len({row["person_medium"] for row in people}) == pytest.approx(PEOPLE, abs=5)
    # The same seed gives the same model.
    before = linkage_model("prisons").trained_path.read_bytes()
    train(settings, EDITION, "prisons")
    assert linkage_model("prisons").trained_path.read_bytes() == before


def test_a_source_that_holds_nobody_twice_is_learnt_from_whom_it_holds(
    settings, publish_identities, tmp_path, monkeypatch
):
    raw = yaml.safe_load((models.FOLDER / "npd.yaml").read_text())
    raw["training"] |= {"u_pairs": 1.0e4}
    (tmp_path / "npd.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models._read.cache_clear()
    parts = ["Bram", "Cor", "Del", "Fen", "Hal", "Kes", "Lon", "Mar", "Nor", "Pen", "Tre", "Win"]
    years = [
        {
            "pupil_matching_ref_key": f"{pupil:032x}",
            "forename": parts[pupil % 12] + parts[pupil // 12 % 12],
            "surname": parts[pupil // 5 % 12]
            + parts[pupil % 7]
            + ("s" if pupil + year == 40 else ""),
            "date_of_birth": date(1996, 9, 1) + timedelta(days=pupil * 7),
            "gender": "MF"[pupil % 2],
            "postcode": f"LS{pupil % 20 + 1} {year if pupil % 3 else 0}AB",
        }
        for pupil in range(80)
        for year in range(3)
    ]
    publish_identities("npd_census", years)
    try:
        trained = train(settings, EDITION, "npd")
    finally:
        models._read.cache_clear()
    equal = {
        comparison["output_column_name"]: comparison["comparison_levels"][1]["m_probability"]
        for comparison in trained.comparisons
    }
    # Names and dates stay, people move; and nobody has two references.
    assert equal["date_of_birth"] > 0.99
    assert 0.9 < equal["surname"] < 1
    assert equal["postcode"] < 0.1
    assert trained.matches_per_record < 0.05
