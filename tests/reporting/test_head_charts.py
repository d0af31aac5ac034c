"""Which curves a head has: few enough to tell apart, none where there is nothing to show."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.reporting.charts import SERIES_COLOURS
from pipeline.reporting.findings import average_roc
from pipeline.reporting.head_charts import choose_curves

Curve = dict[str, NDArray[np.float64]]


def curves_of(count: int) -> tuple[dict[str, Curve], dict[str, float]]:
    """Return a curve and an area for each of so many classes, the first the weakest."""
    line = {"fpr": np.array([0.0, 1.0]), "tpr": np.array([0.0, 1.0])}
    names = [f"class {number:02}" for number in range(count)]
    return dict.fromkeys(names, line), {name: row / count for row, name in enumerate(names)}


@pytest.mark.parametrize("count", [2, SERIES_COLOURS])
def test_few_classes_have_a_curve_each(count: int) -> None:
    curves, areas = curves_of(count)
    assert list(choose_curves(curves, areas, average_roc)) == list(curves)


def test_of_many_classes_the_mean_and_the_weakest_are_drawn() -> None:
    curves, areas = curves_of(60)
    assert list(choose_curves(curves, areas, average_roc)) == [
        "mean of 60 classes", "class 00 (weakest)", "class 01 (weakest)", "class 02 (weakest)",
    ]  # fmt: skip


def test_a_class_without_an_area_has_no_curve() -> None:
    curves, areas = curves_of(3)
    del areas["class 01"]
    assert list(choose_curves(curves, areas, average_roc)) == ["class 00", "class 02"]
