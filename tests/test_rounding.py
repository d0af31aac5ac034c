"""What is neither none nor all is never shown as such."""

import pytest

from pipeline.rounding import decimal, percent

PERCENTAGES = (
    (0.0, 1, "0.0"),
    (1.0, 1, "100.0"),
    (0.12345, 1, "12.3"),
    (0.9995, 1, ">99.9"),
    (0.99949, 1, "99.9"),
    (0.0004, 1, "<0.1"),
    (0.0006, 1, "0.1"),
    (199 / 200, 0, ">99"),
    (1 / 200, 0, "<1"),
    (0.5, 0, "50"),
)
DECIMALS = (
    (0.999663, 3, ">0.999"),
    (1.0, 3, "1.000"),
    (1 - 1e-16, 3, "1.000"),
    (1 - 1e-6, 4, ">0.9999"),
    (9.9e-143, 4, "0.0000"),
    (2e-5, 4, "<0.0001"),
    (0.0005, 3, "0.001"),
)


@pytest.mark.parametrize(("share", "digits", "text"), PERCENTAGES)
def test_a_percentage(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == f"{text}\u202f%"


@pytest.mark.parametrize(("share", "digits", "text"), DECIMALS)
def test_a_decimal(share: float, digits: int, text: str) -> None:
    assert decimal(share, digits) == text
