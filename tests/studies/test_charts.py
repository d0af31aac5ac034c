import re
from itertools import pairwise
from xml.etree import ElementTree

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


def test_names_of_equal_accuracy_do_not_cover_one_another() -> None:
    svg = draw_frontier([("a", 1.0, 0.9, True), ("b", 2.0, 0.9, False), ("c", 9.0, 0.5, False)])
    written = numbers(r'y="([\d.]+)" text-anchor="(?:start|end)">[abc]<', svg)
    assert written == sorted(written)
    assert min(b - a for a, b in pairwise(written)) >= 13
    assert svg.count("series-0") == 1
    assert svg.count("series-7") == 2
    ElementTree.fromstring(svg)


def test_a_curve_a_way_goes_through_its_sizes_and_their_names_stand_below() -> None:
    svg = draw_learning({"x": {5: 0.5, 1000: 0.9}, "y": {20: 0.7}})
    assert [">5<" in svg, ">20<" in svg, ">1,000<" in svg] == [True] * 3
    assert len(re.findall(r'class="curve solid series-\d"', svg)) == 2


def test_a_file_of_its_own_has_its_colours_and_says_what_it_is() -> None:
    svg = as_file(draw_shares([Share(name="a", value=0.5, low=0.4, high=0.6)], "accuracy"))
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert ".series-0 { color:" in (root[0].text or "")
