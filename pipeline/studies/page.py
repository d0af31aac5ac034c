"""The studies' page: what they found about each dataset, in the look of the report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.page.rendering import make_environment
from pipeline.studies.cases import Case, decide_case
from pipeline.studies.charts import Share, draw_frontier, draw_learning, draw_shares
from pipeline.studies.comparison import QUOTATIONS, QUOTED, Entry, Found

if TYPE_CHECKING:  # so that the settings of one study change no other
    from pipeline.studies.settings import AdviceParams

TEMPLATES = Path(__file__).parent / "templates"
WAYS = ("scratch", "zero_shot", "bottleneck", "finetune")  # how to come to a classifier at all
# What each of the textbooks' recommendations is among the studies.
FOLLOWS = {
    (True, True): "bottleneck",
    (True, False): "advice",
    (False, True): "finetune",
    (False, False): "finetune",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What the page says of some studies of a dataset.

    Attributes:
        title: What they are about.
        words: What they say, a paragraph each.
        svg: The drawing.
        alt: What can be seen on it, in words.
        entries: The table's rows.
        key: Name of each curve of the drawing, in the order of the colours.
    """

    title: str
    words: Sequence[str]
    svg: str
    alt: str
    entries: Sequence[Entry]
    key: Sequence[str] = ()


def render_studies(
    found: Mapping[str, Found],
    advice: "AdviceParams",
    of_other_settings: Sequence[str] = (),
    by_hand: Sequence[str] = (),
) -> str:
    """Return the page, as HTML; the same results give the same bytes.

    Args:
        found: What the studies found about each dataset.
        advice: The bounds of the four cases.
        of_other_settings: Tables of results that were made with other settings or features than now.
        by_hand: Those of which nothing tells with which.
    """
    page = make_environment([TEMPLATES]).get_template("studies.html.j2")
    return page.render(
        datasets={name: describe(name, one.entries, advice) for name, one in found.items()},
        missing=[name for one in found.values() for name in one.missing],
        of_other_split=[name for one in found.values() for name in one.of_other_split],
        without_row=[name for one in found.values() for name in one.without_row],
        of_other_settings=of_other_settings,
        by_hand=by_hand,
    )


def describe(dataset: str, entries: Sequence[Entry], advice: "AdviceParams") -> list[Section]:
    """Return what the page says of a dataset: a section for whatever has results."""
    of_study = {
        study: [one for one in entries if one.study == study]
        for study in {e.study for e in entries}
    }
    ways = find_ways(entries)
    sections = [
        _ways(dataset, ways),
        *_learning(of_study.get("learning_curve", ())),
        _frontier(of_study.get("frontier", ())),
        _copies(of_study.get("augmentation", ())),
        _case(of_study.get("advice", ()), ways, advice),
    ]
    return [one for one in sections if one is not None]


def find_ways(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that are ways to a classifier, a study after the other."""
    return [one for study in WAYS for one in entries if one.study == study]


def name_entries(entries: Sequence[Entry]) -> list[str]:
    """Return names that tell entries apart in a picture: study and backbone where there are several."""
    studies = {one.study for one in entries}
    backbones = {one.backbone for one in entries if one.backbone}
    names = []
    for one in entries:
        is_said = one.recipe.replace("-", "").startswith(one.study)
        study = "" if len(studies) == 1 or is_said else one.study.replace("_", "-")
        backbone = one.backbone if len(backbones) > 1 and one.backbone != one.recipe else ""
        quoted = QUOTED if one.source == QUOTED else ""
        names.append(", ".join(filter(None, (study, one.recipe, backbone, quoted))))
    return names


def draw_ways(dataset: str, ways: Sequence[Entry]) -> str:
    """Draw how each way to a classifier does, a colour a study, and below them what is quoted."""
    quoted = QUOTATIONS.get(dataset, ())
    return _draw([*ways, *quoted], [*WAYS, *(one.study for one in quoted)])


def _draw(entries: Sequence[Entry], studies: Sequence[str]) -> str:
    shares = [
        Share(
            name=name,
            value=one.accuracy,
            low=one.accuracy_low,
            high=one.accuracy_high,
            series=studies.index(one.study),
        )
        for name, one in zip(name_entries(entries), entries, strict=True)
    ]
    return draw_shares(shares, "val accuracy, with 95 % intervals")


def _ways(dataset: str, ways: Sequence[Entry]) -> Section | None:
    if not ways:
        return None
    words = []
    if dataset in QUOTATIONS:
        words = [
            "What the Keras blog reports is quoted (Chollet 2016, “Building powerful image "
            "classification models using very little data”): Kaggle's photos, 1,000 training images a "
            "class, 800 others asked. It was not measured here, nor on these images."
        ]
    return Section(
        title="Ways to a classifier",
        words=words,
        svg=draw_ways(dataset, ways),
        alt="A point and an interval for each way; the table has the numbers",
        entries=[*ways, *QUOTATIONS.get(dataset, ())],
    )


def _learning(entries: Sequence[Entry]) -> Iterator[Section]:
    """Yield a section a backbone: more of them than there are colours have no room in one picture."""
    backbones = dict.fromkeys(one.backbone for one in entries)
    for backbone in backbones:
        own = [one for one in entries if one.backbone == backbone]
        curves: dict[str, dict[int, float]] = {}
        for name, one in zip(name_entries(own), own, strict=True):
            curves.setdefault(name, {})[round(one.images_a_class)] = one.accuracy
        yield Section(
            title=f"How many images it takes{f', {backbone}' if len(backbones) > 1 else ''}",
            words=[
                "Means over the seeds, each of which draws other images. Sizes stand at equal distances."
            ],
            svg=draw_learning(curves),
            alt="Accuracy by training images a class; the table has the numbers",
            entries=own,
            key=list(curves),
        )


def _frontier(entries: Sequence[Entry]) -> Section | None:
    if not entries:
        return None
    points = [
        (one.backbone, one.seconds or 0.0, one.accuracy, bool(one.is_on_front)) for one in entries
    ]
    front = ", ".join(one.backbone for one in entries if one.is_on_front)
    return Section(
        title="How good against how long",
        words=[f"No other is as fast and as accurate as one of these: {front}."],
        svg=draw_frontier(points),
        alt="A point for each network, by seconds and accuracy; the table has the numbers",
        entries=entries,
    )


def _copies(entries: Sequence[Entry]) -> Section | None:
    if not entries:
        return None
    return Section(
        title="What augmented copies buy",
        words=[],
        svg=_draw(entries, ["augmentation"]),
        alt="A point and an interval for each number and kind of copies; the table has the numbers",
        entries=entries,
    )


def _case(probes: Sequence[Entry], ways: Sequence[Entry], advice: "AdviceParams") -> Section | None:
    """Return the case by each backbone's probes, what is recommended, and what the studies say of it."""
    if not probes:
        return None
    words = []
    for backbone in dict.fromkeys(one.backbone for one in probes):
        own = [one for one in probes if one.backbone == backbone]
        case = decide_case(
            own[-1].images_a_class,
            own[0].accuracy,
            own[-1].accuracy,
            own[-1].n,
            advice.small,
            advice.similar,
        )
        others = [one for one in ways if one.backbone in (backbone, "")]
        words += [f"By {backbone} it is {case}.", judge(case, [*own[:-1], *others])]
    return Section(
        title="Which of the textbooks' cases it is",
        words=words,
        svg=_draw(probes, ["advice"]),
        alt="A point and an interval for the probe of each layer; the table has the numbers",
        entries=probes,
    )


def judge(case: Case, entries: Sequence[Entry]) -> str:
    """Say whether the studies bear a recommendation out: the best of each way, with its interval.

    What asked for fewer images than the others, as a classifier that knows some classes alone, is left out.
    """
    most = max((one.n for one in entries), default=0)
    best: dict[str, Entry] = {}
    for one in sorted(
        (one for one in entries if one.n == most and not _is_another(one)),
        key=lambda one: -one.accuracy,
    ):
        best.setdefault(one.study, one)
    wanted = FOLLOWS[case.is_small, case.is_similar]
    # Any other way is an answer to the plain one: a head on the last layer's features.
    if not {wanted, "bottleneck"} <= best.keys() or len(best) < 2:
        return "The studies that would tell whether that holds have not run."
    names = dict(zip(best, name_entries(list(best.values())), strict=True))
    bound = best[wanted].accuracy_high or 1.0
    better = [name for study, name in names.items() if (best[study].accuracy_low or 0.0) > bound]
    figures = "; ".join(f"{name} {best[study].accuracy:.4f}" for study, name in names.items())
    verdict = (
        f"{' and '.join(better)} did better, with intervals that lie apart"
        if better
        else "the interval of none lies above the recommended way's; a small difference would not show so"
    )
    return f"The best of each way here: {figures}. So {verdict}."


def _is_another(entry: Entry) -> bool:
    """Tell of what no way is judged by: a question about one class alone, and fine-tuning of nothing."""
    return entry.recipe.endswith((" or not", ", no block"))
