"""The command line: a command for each stage and each tool. Heavy modules load when a command runs."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import PipelineError

app = typer.Typer(
    help="Prepare pictures, compute a frozen network's features once, train small heads on them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
store_app = typer.Typer(help="Look after the feature store.", no_args_is_help=True)
app.add_typer(store_app, name="store")

Dataset = Annotated[str, typer.Argument(help="A dataset of params.yaml.", show_default=False)]
Backbone = Annotated[str, typer.Argument(help="A backbone of params.yaml.", show_default=False)]


@app.command(rich_help_panel="Stages")
def fetch(dataset: Dataset) -> None:
    """Get a dataset's archive and check it."""
    from pipeline.stages import fetch as stage

    print(stage.run(dataset, _params()))


@app.command(rich_help_panel="Stages")
def split(dataset: Dataset) -> None:
    """Check every picture and deal them into train, val and test."""
    from pipeline.stages import split as stage

    print(stage.run(dataset, _params()))


@app.command(rich_help_panel="Stages")
def augment(dataset: Dataset) -> None:
    """Write changed copies of the training pictures."""
    from pipeline.stages import augment as stage

    print(stage.run(dataset, _params()))


@app.command(rich_help_panel="Stages")
def extract(dataset: Dataset, backbone: Backbone) -> None:
    """Compute the features that the store does not have yet."""
    from pipeline.progress import track_batches
    from pipeline.stages import extract as stage

    print(stage.run(dataset, backbone, _params(), track_batches))


@app.command(rich_help_panel="Stages")
def train(dataset: Dataset, backbone: Backbone) -> None:
    """Train a head on the features."""
    from pipeline.stages import train as stage

    print(stage.run(dataset, backbone, _params()))


@app.command(rich_help_panel="Stages")
def evaluate(dataset: Dataset, backbone: Backbone) -> None:
    """Measure what the head predicts."""
    from pipeline.stages import evaluate as stage

    print(stage.run(dataset, backbone, _params()))


@app.command(rich_help_panel="Stages")
def report() -> None:
    """Write the results as one page."""
    from pipeline.stages import report as stage

    print(stage.run(_params()))


@app.command(rich_help_panel="Tools")
def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    dataset: Annotated[str, typer.Option(help="Whose head answers.", show_default=False)],
    backbone: Annotated[str | None, typer.Option(help="Default: the first of params.yaml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say what pictures show, by a trained head."""
    from pipeline.predict import predict_files

    params = _params()
    for answer in predict_files(images, dataset, backbone or next(iter(params.backbones)), params):
        if as_json:
            print(
                json.dumps(
                    {"file": answer.file, "label": answer.label, "probabilities": answer.probabilities}
                )
            )
        else:
            chances = "  ".join(f"{name} {chance:.4f}" for name, chance in answer.probabilities.items())
            print(f"{answer.file}: {answer.label}  ({chances})")


@app.command(rich_help_panel="Tools")
def datasets() -> None:
    """List the datasets that the catalogue knows."""
    from pipeline.datasets import CATALOGUE

    for dataset in CATALOGUE.values():
        print(f"{dataset.name:20} {dataset.title}: {', '.join(dataset.classes)}")


@app.command(rich_help_panel="Tools")
def backbones() -> None:
    """List the backbones that the catalogue knows."""
    from pipeline.backbones.catalogue import CATALOGUE

    for backbone in CATALOGUE.values():
        print(f"{backbone.name:20} {backbone.title}")


def main() -> None:
    """Run the command line; what a user can mend prints as a message, with exit status 1."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except PipelineError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _params() -> Any:
    from pipeline.params import load_params

    return load_params()
