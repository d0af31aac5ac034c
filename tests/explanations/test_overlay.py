"""Heat maps: red where it speaks for the class, blue where against, grey where for none."""

import numpy as np
import pytest

from pipeline.explanations.overlay import overlay

GREY = np.full((64, 64, 3), 100, np.uint8)


def test_evidence_is_red_counter_evidence_blue_and_none_grey() -> None:
    found = overlay(GREY, np.array([[1.0, -1.0, 0, 0], [0, 0, 0, 0]]).repeat(2, axis=0))
    red, blue, grey = (found[8, column].astype(int) for column in (4, 24, 56))
    assert red[0] > 150 > 100 > red[2]
    assert blue[2] > 120 > 100 > blue[0]
    assert np.ptp(grey) < 10


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_strongest_place_has_the_strongest_colour_whatever_its_number(scale: float) -> None:
    evidence = np.array([[1.0, 0.25], [0.0, -0.5]])
    np.testing.assert_array_equal(overlay(GREY, scale * evidence), overlay(GREY, evidence))


def test_no_evidence_leaves_the_image_grey() -> None:
    np.testing.assert_array_equal(overlay(GREY, np.zeros((2, 2))), GREY)


def test_beside_a_stronger_map_of_the_same_scale_a_weak_one_is_pale() -> None:
    evidence = np.array([[1.0, -0.5]])
    pale = overlay(GREY, evidence, 10.0)
    np.testing.assert_array_equal(pale, overlay(GREY, np.array([[0.1, -0.05]]), 1.0))
    assert 0 < np.abs(pale.astype(int) - 100).max() < 20
    np.testing.assert_array_equal(overlay(GREY, evidence, 1.0), overlay(GREY, evidence))
