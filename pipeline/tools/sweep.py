"""Try many heads on a dataset's training images, keep what was found, and say which is best."""

import csv
import hashlib
import io
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import heads, paths, selection
from pipeline.current_features import load_current_features
from pipeline.errors import HeadError
from pipeline.extraction.code import digest_sources
from pipeline.files import atomic_write_text
from pipeline.heads.loading import rows_by_split
from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe, fit_head, measure
from pipeline.parallel import Progress, no_progress
from pipeline.params import HeadParams
from pipeline.selection.candidates import (
    FIXED,
    NOT_TRIED,
    SweepParams,
    make_recipes,
    plain_value,
    settings_of,
)
from pipeline.selection.sweep import Score, score_recipes
from pipeline.tools.sweep_chart import draw_sweep

BEST = 10
SETTINGS = ("kind", *(name for name in HeadParams.model_fields if name not in {"kind", *NOT_TRIED}))
FIGURES = tuple(field.name for field in fields(Score))
COLUMNS = ("key", *SETTINGS, *FIGURES, "check")

Found = dict[Recipe, Score]


def run(
    dataset: str,
    backbone: str,
    sweep: SweepParams,
    base: HeadParams,
    progress: Progress = no_progress,
) -> str:
    """Try the heads that a sweep asks for and that were not tried yet; return what to print.

    Rows are added to the table as heads are measured, so whoever stops it loses the heads that
    were being fitted. At the end the table holds this sweep's heads alone, in its order, and the
    picture shows them. Val is asked once, for the head that is best on the folds.

    Args:
        dataset: Whose features.
        backbone: Of which network.
        sweep: Which heads.
        base: The settings that the sweep does not name, and those that its winner is compared with.
        progress: Shows how many heads are tried.

    Raises:
        FeaturesError: As `load_current_features`.
        HeadError: There are too few images to hold some out, or no head can be fitted.
    """
    rows = rows_by_split(load_current_features(dataset, backbone))
    train, table = rows["train"], paths.sweep_file(dataset, backbone)
    keys = _make_keys(make_recipes(sweep, base), train, sweep)
    rows_there = {row["key"]: row for row in _read_table(table)}
    _write_table(table, rows_there.values())  # other sweeps' too: this one may be stopped
    there = {key: _as_score(row) for key, row in rows_there.items() if key in keys.values()}
    scores = {recipe: there[key] for recipe, key in keys.items() if key in there}
    missing = [recipe for recipe in keys if recipe not in scores]
    if missing:
        blocks = score_recipes(train, missing, sweep.folds, sweep.seed)
        with table.open("a", encoding="utf-8", newline="") as stream:
            for block in progress(blocks, len(missing)):
                stream.write(
                    _as_csv([_as_row(keys[recipe], recipe, score) for recipe, score in block])
                )
                stream.flush()
                scores |= dict(block)
    scores = {recipe: scores[recipe] for recipe in keys}
    _write_table(table, [_as_row(keys[recipe], recipe, score) for recipe, score in scores.items()])
    title = f"{dataset}/{backbone}: {len(keys)} heads on {sweep.folds} folds of train"
    tried = [(settings_of(recipe), score) for recipe, score in scores.items()]
    atomic_write_text(paths.sweep_picture(dataset, backbone), draw_sweep(title, tried))
    counted = f"{title}, {len(missing)} tried now, {len(there)} were there"
    return "\n".join([counted, "", *_best_heads(scores), "", *_winner(rows, scores, base)])


def _make_keys(recipes: Iterable[Recipe], train: Rows, sweep: SweepParams) -> dict[Recipe, str]:
    """Return a hash of all that decides each head's figures: settings, rows, folds and our code."""
    code = digest_sources(
        file.read_text(encoding="utf-8")
        for package in (heads, selection)
        for file in sorted(Path(package.__path__[0]).rglob("*.py"))
    )
    shared = hashlib.sha256(f"{code} {sweep.folds} {sweep.seed} {train.classes}".encode())
    for column in (train.features, train.labels, train.groups, train.original):
        shared.update(f"{column.dtype} {column.shape} ".encode())
        shared.update(np.ascontiguousarray(column).view(np.uint8).data)

    def key(recipe: Recipe) -> str:
        own = shared.copy()
        own.update(json.dumps(settings_of(recipe), sort_keys=True).encode())
        return own.hexdigest()[:16]

    return {recipe: key(recipe) for recipe in recipes}


def _read_table(table: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table, if it is there; what a killed run left or a hand changed is none."""
    try:
        lines = table.read_bytes().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:  # one by one, so that a spoiled one takes no other with it
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            continue
        row = dict(zip(COLUMNS, cells, strict=False))
        if len(cells) == len(COLUMNS) and row["check"] == _checksum(row):
            yield row


def _as_score(row: Mapping[str, str]) -> Score:
    numbers = {name: float(row[name] or "nan") for name in FIGURES if name != "fault"}
    return Score(**numbers, fault=row["fault"])


def _checksum(row: Mapping[str, str]) -> str:
    """Return a hash of a row's other cells."""
    cells = [row.get(name, "") for name in COLUMNS if name != "check"]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:8]


def _write_table(table: Path, rows: Iterable[Mapping[str, str]]) -> None:
    atomic_write_text(table, _as_csv([dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]))


def _as_row(key: str, recipe: Recipe, score: Score) -> dict[str, str]:
    """Return a row of the table; a setting that the kind does not have is an empty cell."""
    settings = {name: _as_text(value) for name, value in settings_of(recipe).items()}
    figures = {name: "" if value != value else str(value) for name, value in asdict(score).items()}
    row = {"key": key, **settings, **figures}
    return {**row, "check": _checksum(row)}


def _as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    stream = io.StringIO()
    csv.DictWriter(
        stream, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n"
    ).writerows(rows)
    return stream.getvalue()


def _best_heads(scores: Found) -> list[str]:
    """Return a table of the heads with the lowest log loss, with those settings in which heads differ."""
    every = [settings_of(recipe) for recipe in scores]
    names = [
        name
        for name in SETTINGS
        if len({_as_text(settings[name]) for settings in every if name in settings}) > 1
    ]
    lines = [("log loss", "s. d.", "accuracy", "s. d.", *names)]
    for recipe in _ranked(scores)[:BEST]:
        score, settings = scores[recipe], settings_of(recipe)
        figures = (score.log_loss, score.log_loss_sd, score.accuracy, score.accuracy_sd)
        cells = [_as_text(settings[name]) if name in settings else "" for name in names]
        lines.append((*(f"{value:.4f}" for value in figures), *cells))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _winner(rows: Mapping[str, Rows], scores: Found, base: HeadParams) -> list[str]:
    """Return how the best head, fitted to all of train, does on val, and how to make it the project's."""
    ranked = _ranked(scores)
    faults = [score.fault for score in scores.values() if score.fault]
    if not ranked:
        raise HeadError(f"none of {len(scores)} heads could be fitted; the first: {faults[0]}")
    head = fit_head(rows["train"], ranked[0]).head
    loss, accuracy = measure(head, rows["val"])
    lines = [
        f"the best of {len(scores)} heads tried, fitted to all of train: val log loss {loss:.4f}, "
        f"val accuracy {accuracy:.4f}",
        f"to make it the project's head: {command}"
        if (command := command_for(ranked[0], base))
        else "it is the head that params.yaml asks for",
    ]
    if faults:
        lines.insert(
            0, f"{len(faults)} of {len(scores)} heads could not be fitted; the first: {faults[0]}"
        )
    return lines


def _ranked(scores: Found) -> list[Recipe]:
    """Return the recipes that gave heads, the lowest log loss first; of equals the earlier."""
    sound = [recipe for recipe, score in scores.items() if not score.fault]
    return sorted(sound, key=lambda recipe: scores[recipe].log_loss)


def command_for(recipe: Recipe, base: HeadParams) -> str:
    """Return the command that makes a recipe the project's; empty where params.yaml asks for it already."""
    wanted = settings_of(recipe)
    wanted |= {
        name: value for name, value in FIXED.items() if name in wanted or name == "calibrate"
    }
    now = {name: plain_value(value) for name, value in base.model_dump(mode="json").items()}
    changes = [
        f"-S {shlex.quote(f'head.{name}={_as_text(value)}')}"
        for name, value in wanted.items()
        if now[name] != value
    ]
    return " ".join(["dvc exp run", *changes]) if changes else ""


def _as_text(value: Any) -> str:
    """Write a setting as YAML and DVC read it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
