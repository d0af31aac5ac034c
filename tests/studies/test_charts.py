import re
from xml.etree import ElementTree

from pipeline.reporting.charts import WIDTH
from pipeline.studies.charts import Share, as_file, draw_frontier, draw_learning, draw_shares


def numbers(pattern: str, svg: str) -> list[float]:
    return [float(one) for one in re.findall(pattern, svg)]


def test_a_better_share_lies_further_right_and_its_interval_around_it() -> None:
    svg = draw_shares(
        [
            Share(name="a & b", value=0.8, low=0.7, high=0.9),
            Share(name="c", value=0.9, low=None, high=None, series=3),
        ],
        "accuracy",
    )
    first, second = numbers(r'<circle cx="([\d.]+)"', svg)
    assert first < second
    ((left, right),) = re.findall(r'class="curve" d="M([\d.]+) [\d.]+H([\d.]+)', svg)
    assert float(left) < first < float(right)
    assert "a &amp; b" in svg
    assert 'class="series-3"' in svg
    ElementTree.fromstring(svg)


def test_names_of_near_points_cover_neither_one_another_nor_a_point() -> None:
    points = [("lite0_224", 9.9, 0.871), ("lite0_bf16", 4.7, 0.871), ("lite0_192", 9.6, 0.868)]
    svg = draw_frontier(
        [(*one, one[0] == "lite0_bf16") for one in points] + [("c", 15, 0.83, False)]
    )
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    names = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">([a-z][a-z0-9_]*)<', svg)
    assert [name for *_, name in names] == ["lite0_224", "lite0_bf16", "lite0_192", "c"]
    boxes = [(float(x), float(y) - 10, float(x) + 6 * len(name), float(y)) for x, y, name in names]
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert right <= 420
        assert not any(left < float(x) < right and top < float(y) < bottom for x, y in dots)
        for other in boxes[place + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top, (
                "they do not cover one another"
            )
    assert (svg.count("series-0"), svg.count("series-7")) == (1, 3)
    ElementTree.fromstring(svg)


def test_a_curve_a_way_goes_through_its_sizes_and_their_names_stand_below() -> None:
    svg = draw_learning({"x": {5: 0.5, 1000: 0.9}, "y": {20: 0.7}})
    assert [">5<" in svg, ">20<" in svg, ">1,000<" in svg] == [True] * 3
    assert len(re.findall(r'class="curve solid series-\d"', svg)) == 2
    assert re.findall(r"<title>(.: .*?)</title>", svg) == ["x: 50.00 %", "x: 90.00 %", "y: 70.00 %"]


def test_a_curve_of_one_size_is_a_point() -> None:
    svg = draw_learning({"x": {5: 0.5}})
    assert (svg.count("<circle"), svg.count(">5<")) == (1, 1)


def test_a_file_of_its_own_has_its_colours_and_says_what_it_is() -> None:
    svg = as_file(draw_shares([Share(name="a", value=0.5, low=0.4, high=0.6)], "accuracy"))
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert ".series-0 { color:" in (root[0].text or "")


def test_a_name_that_is_longer_than_the_picture_is_narrowed_not_cut() -> None:
    short, long = Share(name="a", value=0.5, low=None, high=None), "golden retriever or not, " * 4
    svg = draw_shares([short, Share(name=long, value=0.5, low=None, high=None)], "accuracy")
    assert svg.count("textLength") == 1
    assert f'textLength="{WIDTH}" lengthAdjust="spacingAndGlyphs">{long}<' in svg
