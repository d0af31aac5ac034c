import re
from dataclasses import replace

import pytest

from pipeline.studies.cases import decide_case
from pipeline.studies.comparison import QUOTATIONS, Entry, Found
from pipeline.studies.page import describe, judge, name_entries, render_studies
from tests.studies.test_study import task_for

ADVICE = task_for("pets").settings.advice


def entry(study: str, recipe: str, accuracy: float, **others: object) -> Entry:
    values = {
        "backbone": "lite", "images_a_class": 80, "seeds": 1, "n": 100, "accuracy_low": accuracy - 0.05,
        "accuracy_high": accuracy + 0.05, "log_loss": 0.5, "seconds": 1.0, **others,
    }  # fmt: skip
    return Entry(study=study, recipe=recipe, accuracy=accuracy, **values)  # type: ignore[arg-type]


EVERY = [
    entry("scratch", "scratch", 0.6, backbone=""),
    entry("bottleneck", "mlp", 0.9),
    entry("augmentation", "no copies", 0.88, seeds=3),
    entry("frontier", "small", 0.87, backbone="small", is_on_front=True),
    entry("learning_curve", "bottleneck", 0.8, images_a_class=5),
    entry("learning_curve", "bottleneck", 0.9),
    entry("advice", "early layer, a", 0.7),
    entry("advice", "last layer", 0.9),
]


def test_the_page_says_every_figure_and_asks_nothing_of_the_network() -> None:
    found = {
        "cats_vs_dogs": Found(
            entries=EVERY,
            missing=[],
            of_other_split=["advice cats_vs_dogs lite"],
            without_row=["zero_shot cats_vs_dogs lite"],
        ),
        "empty": Found(entries=[], missing=["scratch empty"], of_other_split=[], without_row=[]),
    }
    page = render_studies(found, ADVICE)
    assert "Not made alike" not in page
    unsure = render_studies(found, ADVICE, ["results/a.csv"], ["results/b.csv", "results/c.csv"])
    assert "of other settings or features than the rest: results/a.csv." in unsure
    assert "nothing tells with which settings: results/b.csv; results/c.csv." in unsure
    for one in (*EVERY, *QUOTATIONS["cats_vs_dogs"]):
        assert one.recipe in page.replace("&#39;", "'")
    assert "0.9000" in page
    assert "0.80<" in page, "quoted figures have the digits that they were given with"
    assert "These have not run: scratch empty." in page
    assert "other images than are val now: advice cats_vs_dogs lite." in page
    assert "No study has results of it." in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "nothing to try: zero_shot cats_vs_dogs lite." in page
    assert page == render_studies(found, ADVICE)


def test_what_is_quoted_stands_beside_the_dataset_that_it_is_of_alone() -> None:
    assert "quoted" in describe("cats_vs_dogs", EVERY, ADVICE)[0].svg
    assert "quoted" not in describe("flowers", EVERY, ADVICE)[0].svg


def test_curves_of_several_backbones_have_a_picture_each() -> None:
    curves = [
        entry("learning_curve", recipe, 0.8, backbone=backbone)
        for backbone in ("lite", "large", "own")
        for recipe in ("scratch", "bottleneck", "fine-tuned, last block")
    ]
    sections = describe("pets", curves, ADVICE)
    assert [one.title.rpartition(", ")[2] for one in sections] == ["lite", "large", "own"]
    assert all(len(one.key) == one.svg.count('class="curve') == 3 for one in sections)


def test_a_section_is_there_where_its_study_has_results() -> None:
    assert len(describe("pets", EVERY, ADVICE)) == 5
    assert [one.title for one in describe("pets", EVERY[3:4], ADVICE)] == [
        "How good against how long"
    ]


@pytest.mark.parametrize(
    ("tuned_low", "verdict"),
    [
        (
            0.94,
            "the interval of none lies above the recommended way's; a small difference would not show so",
        ),
        (0.96, "finetune, all did better, with intervals that lie apart"),
    ],
)
def test_advice_is_judged_by_the_best_of_each_way_and_its_interval(
    tuned_low: float, verdict: str
) -> None:
    case = decide_case(80, 0.7, 0.9, 106, ADVICE.small, ADVICE.similar)
    ways = [
        *EVERY[:2],
        entry("bottleneck", "lda", 0.8),
        entry("finetune", "all", 0.99, accuracy_low=tuned_low),
    ]
    said = judge(case, ways)
    assert "bottleneck, mlp 0.9000" in said
    assert "lda" not in said
    assert said.endswith(f"So {verdict}.")
    for other in (
        entry("zero_shot", "cat or not", 1.0),
        entry("zero_shot", "2 of 5", 1.0, n=60),
        entry("finetune", "fine-tuned, no block", 1.0),
    ):
        assert judge(case, [*ways, other]) == said, "it is no such way, or answers another question"


def test_advice_is_not_judged_where_its_study_has_not_run() -> None:
    case = decide_case(5000, 0.7, 0.9, 106, ADVICE.small, ADVICE.similar)
    assert judge(case, EVERY[:2]).endswith("have not run.")
    case = decide_case(80, 0.7, 0.9, 106, ADVICE.small, ADVICE.similar)
    ways = [
        entry("scratch", "small", 0.4),
        entry("advice", "middle", 0.7),
        entry("finetune", "all", 0.8),
    ]
    for wanted in ((True, False), (False, True)):
        asked = replace(case, is_small=wanted[0], is_similar=wanted[1])
        assert judge(asked, ways).endswith("have not run."), "the plain way has not"
        assert "have not run" not in judge(asked, [*ways, entry("bottleneck", "mlp", 0.75)])


def test_names_tell_apart_and_no_more() -> None:
    assert name_entries(EVERY[1:2]) == ["mlp"]
    tuned = entry("finetune", "fine-tuned, all", 0.9)
    names = ["scratch", "bottleneck, mlp", "fine-tuned, all"]
    assert name_entries([*EVERY[:2], tuned]) == names
    two = [EVERY[1], entry("bottleneck", "mlp", 0.9, backbone="other")]
    assert name_entries(two) == ["mlp, lite", "mlp, other"]
