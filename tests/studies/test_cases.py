import pytest

from pipeline.studies.cases import decide_case


@pytest.mark.parametrize(
    ("images", "early", "last", "advice"),
    [
        (1000, 0.8, 0.9, "fit a head to the features of the last layer"),
        (1000, 0.8, 0.89, "fit a head to the features of an earlier layer"),
        (1001, 0.8, 1.0, "fine-tune the network"),
        (1001, 0.8, 0.7, "fine-tune the whole network, or train one from nothing"),
        (5, 1.0, 1.0, "fit a head to the features of an earlier layer"),
    ],
)
def test_images_and_probes_decide_the_case(
    images: float, early: float, last: float, advice: str
) -> None:
    case = decide_case(images, early, last, small=1000, similar=0.5 - 1e-9)
    assert case.advice == advice
    assert f"({images:,} training images a class)" in str(case)
