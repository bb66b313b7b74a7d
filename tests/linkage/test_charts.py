"""The charts hold the figures they are made of, and need nothing from a network."""

from xml.etree import ElementTree

import pytest

from datafirst_platform.linkage.charts import model_chart, quality_chart
from datafirst_platform.linkage.measures import Measure, Quality
from datafirst_platform.linkage.models import datasets, linkage_model


def words(svg):
    """Every text a chart shows."""
    root = ElementTree.fromstring(svg)
    return {text for node in root.iter() if (text := (node.text or "").strip())}


def test_quality_is_shown_at_each_threshold():
    measures = tuple(
        Measure("all", level, linked=100, true=110, both=99) for level in ("high", "medium", "low")
    )
    svg = quality_chart(Quality("magistrates", measures))

    assert {"high", "medium", "low", "precision", "recall", "F1"} <= words(svg)
    assert "href" not in svg


def test_quality_of_passes_is_shown_pass_by_pass():
    measures = (
        Measure("all", "all", linked=10, true=12, both=10),
        *(Measure("pass", str(number), linked=5, true=12, both=5) for number in (1, 2)),
    )
    assert {"all", "pass", "1", "2", "recall"} <= words(quality_chart(Quality("moj_dfe", measures)))


@pytest.mark.parametrize("dataset", [each for each in datasets() if linkage_model(each).is_trained])
def test_a_model_shows_every_comparison(dataset):
    model = linkage_model(dataset)
    assert set(model.comparisons) <= words(model_chart(model))
