import pytest

from pipeline.studies.cases import decide_case


@pytest.mark.parametrize(
    ("images", "early", "last", "advice"),
    [
        (1000, 0.8, 0.9, "fit a head to the features of the last layer"),
        (1000, 0.8, 0.89, "fit a head to the features of an earlier layer"),
        (1001, 0.8, 1.0, "fine-tune the network"),
        (1001, 0.8, 0.7, "fine-tune the whole network, or train one from nothing"),
        (5, 0.9, 0.95, "fit a head to the features of the last layer"),  # a half, to the last bit
        (5, 1.0, 1.0, "fit a head to the features of the last layer"),
        (
            5,
            0.991,
            0.98,
            "fit a head to the features of the last layer",
        ),  # of 9 errors nothing is told
        (5, 0.99, 0.98, "fit a head to the features of an earlier layer"),
    ],
)
def test_images_and_probes_decide_the_case(
    images: float, early: float, last: float, advice: str
) -> None:
    case = decide_case(images, early, last, 1000, small=1000, similar=0.5)
    assert case.advice == advice
    assert ("cannot be told" in str(case)) == (early > 0.99)
    assert f"({images:,} training images a class)" in str(case)
