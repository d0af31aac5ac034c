"""The whole pipeline in one process, stage by stage as dvc.yaml has them, with a fake engine."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import Params
from pipeline.runners import pool
from pipeline.stages import (
    augment,
    evaluate,
    extract,
    fetch,
    inspect,
    plots_page,
    report,
    report_dataset,
    report_head,
    split,
    train,
    weights,
)
from tests.fakes import use_mean_colour

ARTEFACTS = ("data", "features", "models", "metrics", "plots", "report")


@contextmanager
def light_stages() -> Iterator[None]:
    """Let a fake engine compute the features, and this process do what others would."""
    with pytest.MonkeyPatch.context() as patch:
        use_mean_colour(patch)
        patch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
        patch.setattr(plots_page, "javascript_bundle", lambda snippet: "")  # takes seconds
        yield


def stage_calls(params: Any, real: Params) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield each stage's name, as DVC names it, and a call that runs it; in an order that works."""
    for backbone in real.backbones:
        yield f"weights@{backbone}", lambda backbone=backbone: weights.run(backbone, params)
    for dataset in real.datasets:
        for stage in (fetch, split, augment):
            yield (
                f"{name_of(stage)}@{dataset}",
                lambda stage=stage, dataset=dataset: stage.run(dataset, params),
            )
        for backbone in real.backbones:
            for stage in (extract, inspect, train, evaluate):
                yield (
                    f"{name_of(stage)}@{dataset}-{backbone}",
                    lambda stage=stage, names=(dataset, backbone): stage.run(*names, params),
                )
    for dataset in real.datasets:
        yield (
            f"report_dataset@{dataset}",
            lambda dataset=dataset: report_dataset.run(dataset, params),
        )
        for backbone in real.backbones:
            yield (
                f"report_head@{dataset}-{backbone}",
                lambda names=(dataset, backbone): report_head.run(*names, params),
            )
    yield "report", lambda: report.run(params)
    yield "plots_page", plots_page.run


def name_of(stage: Any) -> str:
    return str(stage.__name__).rpartition(".")[2]


def hash_artefacts() -> dict[str, str]:
    """Return the sha256 of every file that the stages made, by path."""
    files = (
        file for folder in ARTEFACTS for file in sorted(Path(folder).rglob("*")) if file.is_file()
    )
    return {os.fspath(file): sha256(file.read_bytes()).hexdigest() for file in files}
