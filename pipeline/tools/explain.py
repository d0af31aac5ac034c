"""Where a head found the answers of `predict`: heat maps drawn for the images that are asked alone."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from pipeline.errors import ImageError
from pipeline.explanations.explainer import Explainer, open_explainer
from pipeline.files import atomic_write
from pipeline.images import Pixels
from pipeline.params import Params
from pipeline.rounding import decimal
from pipeline.tools.explanation_pictures import draw_row, stack_rows
from pipeline.tools.predict import Answer

MOST_ROWS = 50  # of one picture; a folder takes any number


def explain_answers(
    answers: Iterable[Answer], dataset: str, backbone: str, params: Params, out: Path
) -> Iterator[Answer]:
    """Pass answers on, and draw where in each image the answer was found.

    Args:
        answers: Of `predict_files`.
        dataset: Whose head answered.
        backbone: By whose features.
        params: How these are computed.
        out: A .png, a row an image; or else a folder, a picture an image.

    Raises:
        NoClassMap: These features have no map, or the head has none.
        HeadError: There is no head, or it was trained on features of another fingerprint.
        ImageError: `out` is neither.
    """
    explainer = open_explainer(dataset, backbone, params)
    is_sheet = _is_sheet(out)
    return _draw_all(answers, explainer, out) if is_sheet else _draw_each(answers, explainer, out)


def draw_answer(answer: Answer, explainer: Explainer) -> Pixels:
    """Return a row: the image, and its heat map, with the class and its probability."""
    pixels = explainer.see(Path(answer.file).read_bytes())
    evidence = explainer.class_maps(pixels).evidence(explainer.classes.index(answer.label))
    title = f"{answer.label} {decimal(answer.probabilities[answer.label], 4)}"
    return draw_row(pixels, evidence, title, Path(answer.file).name)


def _is_sheet(out: Path) -> bool:
    """Is it one picture, and not a folder?"""
    if out.is_dir() or (not out.suffix and not out.exists()):
        return False
    if out.suffix.lower() != ".png":
        raise ImageError(f"--explain {out}: expected a name that ends in .png, or a folder")
    return True


def _draw_each(answers: Iterable[Answer], explainer: Explainer, folder: Path) -> Iterator[Answer]:
    for number, answer in enumerate(answers, 1):
        folder.mkdir(parents=True, exist_ok=True)
        _save(draw_answer(answer, explainer), folder / f"{number:03}-{Path(answer.file).stem}.png")
        yield answer


def _draw_all(answers: Iterable[Answer], explainer: Explainer, file: Path) -> Iterator[Answer]:
    rows: list[Pixels] = []
    try:
        for answer in answers:
            if len(rows) == MOST_ROWS:
                raise ImageError(
                    f"{file} has the first {MOST_ROWS} images, as many as one picture takes: "
                    "name a folder for more (--explain)"
                )
            if file.exists() and file.samefile(answer.file):
                raise ImageError(f"--explain {file} would replace the image itself: name another")
            rows.append(draw_answer(answer, explainer))
            yield answer
    finally:  # files that are no images are told after the answers
        if rows:
            _save(stack_rows(rows), file)


def _save(picture: Pixels, file: Path) -> None:
    with atomic_write(file) as temporary:
        Image.fromarray(picture).save(temporary, "PNG")
