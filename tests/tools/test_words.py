import pytest

from pipeline.tools.words import count_of


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 heads"), (1, "1 head"), (2, "2 heads"), (3000, "3,000 heads")]
)
def test_one_alone_is_singular(number: int, expected: str) -> None:
    assert count_of(number, "head") == expected


def test_a_plural_can_be_given() -> None:
    assert [count_of(number, "class", "classes") for number in (1, 2)] == ["1 class", "2 classes"]
