"""Compare kinds of heads on a dataset, each with the settings of params.yaml, as one table."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.current_features import load_current_features
from pipeline.errors import HeadError, ParamsError, did_you_mean
from pipeline.files import atomic_write_csv
from pipeline.heads.folds import draw_share
from pipeline.heads.kind import known_kinds
from pipeline.heads.loading import rows_by_split
from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe
from pipeline.parallel import Progress, no_progress
from pipeline.params import HeadParams, change_head
from pipeline.selection.crossvalidation import Record, crossvalidate, mean_and_deviation

TITLES = ("images", "accuracy", "s. d.", "log loss", "s. d.")


def load_rows(dataset: str, backbone: str) -> Rows:
    """Return the rows of train and val together.

    Raises:
        FeaturesError: As `load_current_features`.
    """
    rows = rows_by_split(load_current_features(dataset, backbone))
    return rows["train"].join(rows["val"])


def compare_kinds(
    rows: Rows,
    settings: HeadParams,
    kinds: Sequence[str] = (),
    *,
    folds: int = 5,
    repeats: int = 3,
    fraction: float = 1.0,
    progress: Progress = no_progress,
) -> dict[str, list[Record]]:
    """Cross-validate heads of several kinds, and return what each did, by kind.

    Args:
        rows: Of all splits that take part.
        settings: The section `head`; its kind is replaced.
        kinds: Which; none stands for all.
        folds: How many, 2 or more.
        repeats: How often groups are assigned to folds anew.
        fraction: About this share of the groups takes part, always the same ones.
        progress: Shows how many heads are fitted.

    Raises:
        ParamsError: A kind is unknown.
        HeadError: There are too few images to hold some out, or a head cannot be fitted.
    """
    names = list(dict.fromkeys(kinds)) or list(known_kinds())
    recipes = [Recipe.of(_with_kind(settings, name)) for name in names]
    rows = rows.take(draw_share(rows, fraction))
    records = crossvalidate(rows, recipes, folds, repeats, settings.seed)
    found: dict[str, list[Record]] = {name: [] for name in names}
    for record in progress(records, len(recipes) * folds * repeats):
        found[names[record.recipe]].append(record)
    if not all(found.values()):
        raise HeadError(
            f"cannot cross-validate: of {len(rows)} images none can be held out in {folds} folds, "
            "because every class has all its images in one. Take more images, or a larger --fraction."
        )
    return found


def write_records(path: Path, found: dict[str, list[Record]]) -> None:
    """Write every head's figures as CSV: kind, repeat, fold, asked, log_loss, accuracy."""
    atomic_write_csv(
        path,
        [
            {"kind": kind, **{key: value for key, value in asdict(one).items() if key != "recipe"}}
            for kind, records in found.items()
            for one in records
        ],
    )


def format_table(found: dict[str, list[Record]]) -> str:
    """Return an aligned Markdown table: a row a kind, means and deviations over all its heads."""
    rows = [("kind", *TITLES), *((kind, *format_figures(one)) for kind, one in found.items())]
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"| {kind:{first}} | {' | '.join(map(str.rjust, figures, others))} |"
        for kind, *figures in rows
    ]
    rule = f"| {'-' * first} | {' | '.join('-' * (width - 1) + ':' for width in others)} |"
    return "\n".join([lines[0], rule, *lines[1:]])


def format_figures(records: Sequence[Record]) -> list[str]:
    """Return what stands under TITLES for some heads; images are those of one round of folds."""
    images = sum(record.asked for record in records if record.repeat == records[0].repeat)
    accuracy = mean_and_deviation([record.accuracy for record in records])
    loss = mean_and_deviation([record.log_loss for record in records])
    return [f"{images:,}", *(f"{value:.4f}" for value in (*accuracy, *loss))]


def _with_kind(settings: HeadParams, name: str) -> HeadParams:
    if name not in known_kinds():
        raise ParamsError(
            f"no kind of head is called {name!r}. Known: {', '.join(known_kinds())}."
            f"{did_you_mean(name, known_kinds())} (--kinds)"
        )
    try:
        return change_head(settings, {"kind": name})
    except ParamsError as error:
        raise ParamsError(f"kind {name}: {error} (params.yaml, --kinds)") from None
