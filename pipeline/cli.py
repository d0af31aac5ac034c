"""The command line: a command for each stage and each tool. Heavy modules load when a command runs."""

import gc as garbage
import io
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer

from pipeline.errors import ParamsError, PipelineError, describe_os_error

if TYPE_CHECKING:
    from pipeline.params import Params
    from pipeline.tools.store_maintenance import StoreSummary

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bottleneck {version('frozen-bottleneck')}")
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say it, and end."),
    ] = False,
) -> None:
    """Prepare images, compute a frozen network's features once, train small heads on them."""


store_app = typer.Typer(help="Look after the feature store.", no_args_is_help=True)
app.add_typer(store_app, name="store")

# DVC hands over names as params.yaml has them: `-x` is to be refused there, not as an option.
STAGE: dict[str, Any] = {
    "rich_help_panel": "Stages",
    "context_settings": {"ignore_unknown_options": True},
}
Dataset = Annotated[str, typer.Argument(help="A dataset of params.yaml.", show_default=False)]
Backbone = Annotated[str, typer.Argument(help="A backbone of params.yaml.", show_default=False)]
BackboneOrFirst = Annotated[
    str | None, typer.Argument(help="Default: the first of params.yaml.", show_default=False)
]
GARBAGE_OBJECTS = 50_000  # new ones, after which Python looks for garbage
INTERRUPTED = 130  # the exit status of what Ctrl-C has ended, as shells have it
NO_EXPERIMENTS = (
    "No experiment started from HEAD's commit yet. `dvc exp run -S head.units=256` makes one; "
    "--all-commits shows those of other commits."
)


@app.command(**STAGE)
def fetch(dataset: Dataset) -> None:
    """Get a dataset's archive and check it."""
    from pipeline.stages import fetch as stage
    from pipeline.tools.progress import tracker

    print(stage.run(dataset, _params(), tracker("drawn", lambda image: 1)))


@app.command(**STAGE)
def split(dataset: Dataset) -> None:
    """Check every image and split them into train, val and test."""
    from pipeline.stages import split as stage
    from pipeline.tools.progress import tracker
    from pipeline.tools.unread_corrections import find_unread

    params = _params()
    print(stage.run(dataset, params, tracker("checked")))
    for warning in find_unread(dataset, params.datasets):
        print(warning, file=sys.stderr)


@app.command(**STAGE)
def augment(dataset: Dataset) -> None:
    """Write changed copies of the training images."""
    from pipeline.stages import augment as stage
    from pipeline.tools.progress import tracker

    print(stage.run(dataset, _params(), tracker("augmented", lambda copies: 1)))


@app.command(**STAGE)
def weights(backbone: Backbone) -> None:
    """Get a backbone's weights and check them."""
    from pipeline.stages import weights as stage

    with redirect_stdout(sys.stderr):  # where Keras shows how far a download is
        line = stage.run(backbone, _params())
    print(line)


@app.command(**STAGE)
def extract(dataset: Dataset, backbone: Backbone) -> None:
    """Compute the features that the store does not have yet."""
    from pipeline.stages import extract as stage
    from pipeline.tools.progress import tracker
    from pipeline.tools.words import count_of

    kept = 0

    def count(batch: tuple[Any, Any]) -> int:
        nonlocal kept
        kept += len(batch[0])
        return len(batch[0])

    try:
        with _sigterm_as_ctrl_c():  # what is computed is kept
            print(stage.run(dataset, backbone, _params(), tracker("computed", count)))
    except KeyboardInterrupt:
        what = count_of(kept, "feature is kept", "features are kept")
        print(f"stopped; {what}; run again", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, too, raise KeyboardInterrupt, so that what is half done is put away."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command(**STAGE)
def inspect(dataset: Dataset, backbone: Backbone) -> None:
    """Look for labels that seem wrong and images unlike their class."""
    from pipeline.stages import inspect as stage

    print(stage.run(dataset, backbone, _params()))


@app.command(**STAGE)
def train(dataset: Dataset, backbone: Backbone) -> None:
    """Train a head on the features."""
    from pipeline.stages import train as stage

    print(stage.run(dataset, backbone, _params()))


@app.command(**STAGE)
def evaluate(dataset: Dataset, backbone: Backbone) -> None:
    """Measure what the head predicts."""
    from pipeline.stages import evaluate as stage

    print(stage.run(dataset, backbone, _params()))


@app.command(**STAGE)
def report_dataset(dataset: Dataset) -> None:
    """Write what the report says of a dataset."""
    from pipeline.stages import report_dataset as stage

    print(stage.run(dataset, _params()))


@app.command(**STAGE)
def report_head(dataset: Dataset, backbone: Backbone) -> None:
    """Write what the report says of a head."""
    from pipeline.stages import report_head as stage

    print(stage.run(dataset, backbone, _params()))


@app.command(**STAGE)
def report() -> None:
    """Write the results as one page."""
    from pipeline.stages import report as stage

    print(stage.run(_params()))


@app.command(**STAGE)
def plots_page() -> None:
    """Write the page that `dvc plots` fills."""
    from pipeline.stages import plots_page as stage

    print(stage.run())


@app.command(rich_help_panel="Tools")
def add(
    path: Annotated[str, typer.Argument(help="A folder, .zip, .tar or .tgz.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Default: made of the path's end.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is there.")] = False,
) -> None:
    """Look at a folder or archive of your own images, and name it in params.yaml."""
    from pipeline.tools import add as tool

    print(tool.run(path, name, dry_run=dry_run))


@app.command(rich_help_panel="Tools")
def predict(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, patterns such as 'photos/*.jpg', or - for a list on standard input.",
            show_default=False,
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(help="Whose head answers; default: the only one.", show_default=False),
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Default: the first of params.yaml.")] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Show so many classes.", show_default="all")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, a column a class.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Draw where it was seen: a .png, or a folder for many."),
    ] = None,
) -> None:
    """Say what images show, by a trained head."""
    if as_csv and (as_json or top is not None):
        raise typer.BadParameter("--csv goes neither with --json nor with --top.")
    params = _params()  # before what takes seconds to load
    if dataset is None:
        dataset, *others = params.datasets
        if others:
            known = ", ".join(params.datasets)
            raise typer.BadParameter(
                f"--dataset is missing: say whose head is to answer, of {known}."
            )
    from pipeline.parallel import no_progress
    from pipeline.tools.image_list import list_images
    from pipeline.tools.lock_file import warn_of_other_head
    from pipeline.tools.predict import format_answer, predict_files, write_csv
    from pipeline.tools.progress import tracker

    files, left_out = list_images(images, sys.stdin or ())
    if left_out:
        print(
            f"left out, as hidden, no image or a link to a folder: {len(left_out)}, the first {left_out[0]}",
            file=sys.stderr,
        )
    backbone = _chosen(backbone, params)
    warn_of_other_head(dataset, backbone)
    # on a terminal the answers themselves show how far it is
    out = sys.stdout or io.StringIO()  # it may be closed
    show = no_progress if out.isatty() else tracker("computed", lambda pair: len(pair[1]))
    answers = predict_files(files, dataset, backbone, params, show)
    if explain is not None:
        from pipeline.tools.explain import explain_answers

        answers = explain_answers(answers, dataset, backbone, params, explain)
    if as_csv:
        write_csv(answers, out)
    else:
        for answer in answers:
            print(format_answer(answer, top, as_json=as_json))
    if explain is not None:
        print(f"drawn: {explain}", file=sys.stderr)


@app.command(rich_help_panel="Tools")
def export(
    dataset: Dataset,
    to: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="Its ending says the format: .keras, .onnx, .tflite; none: a SavedModel.",
            show_default=False,
        ),
    ],
    backbone: BackboneOrFirst = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a model that was not exported by this.")
    ] = False,
) -> None:
    """Write a trained head with its network as one model, for programs without this project."""
    params = _params()
    from pipeline.exporting import export as tool
    from pipeline.tools.lock_file import warn_of_other_head

    backbone = _chosen(backbone, params)
    warn_of_other_head(dataset, backbone)
    with _sigterm_as_ctrl_c(), redirect_stdout(sys.stderr):  # where converters say what they do
        line = tool.run(dataset, backbone, params, to, force=force)
    print(line)


@app.command(rich_help_panel="Tools")
def zero_shot(
    dataset: Dataset,
    backbone: BackboneOrFirst = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in full precision.")] = False,
) -> None:
    """Ask the network's own ImageNet classifier: how good is it with no training at all?"""
    params = _params()
    from pipeline.tools import zero_shot as tool

    result = tool.run(dataset, _chosen(backbone, params), params)
    print(tool.to_json(result) if as_json else tool.format_result(result))


@app.command(rich_help_panel="Tools")
def demo(
    dataset: Dataset,
    backbone: BackboneOrFirst = None,
    host: Annotated[
        str, typer.Option(help="0.0.0.0 lets other machines in; by default none.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    proxy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Web server that hands on to this one.")
    ] = None,
) -> None:
    """Show a page on this machine that says what an image shows, dropped or from the camera."""
    params = _params()
    from pipeline.tools import demo as tool
    from pipeline.tools.lock_file import warn_of_other_head

    backbone = _chosen(backbone, params)
    warn_of_other_head(dataset, backbone)
    with _sigterm_as_ctrl_c():  # what was dropped on it is deleted
        tool.run(dataset, backbone, params, host, port, proxy)


@app.command(rich_help_panel="Tools")
def experiments(
    compare: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask whether this one is really better.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="Than which one; default: workspace.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Default: all.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Default: all.")] = None,
    sort: Annotated[
        Literal["accuracy", "log_loss", "name", "created"], typer.Option(help="Within a dataset.")
    ] = "accuracy",
    over_seeds: Annotated[
        bool, typer.Option("--over-seeds", help="Take together what differs in its seeds alone.")
    ] = False,
    commits: Annotated[
        int, typer.Option(min=1, help="Of how many of the newest commits to show experiments.")
    ] = 1,
    all_commits: Annotated[bool, typer.Option("--all-commits", help="Of every commit.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, in full precision.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in full precision.")] = False,
) -> None:
    """List the experiments and how well they do; say whether one is really better than another."""
    from pipeline.tools.experiment_recipes import Recipe, collect_recipes
    from pipeline.tools.experiment_table import (
        render_csv,
        render_json,
        render_recipes,
        render_table,
    )
    from pipeline.tools.experiments import Result, read_results, select_results, sort_results

    if as_csv and (compare is not None or as_json):
        raise typer.BadParameter("--csv goes neither with --json nor with --compare.")
    if against is not None and compare is None:
        raise typer.BadParameter("--against needs --compare.")
    if over_seeds and (compare is not None or sort != "accuracy"):
        raise typer.BadParameter("--over-seeds goes neither with --compare nor with --sort.")
    results = read_results(commits, all_commits=all_commits)
    chosen = sort_results(select_results(results, dataset, backbone), sort)
    if compare is not None:
        from pipeline.tools.experiment_comparison import compare_experiments

        other = against or "workspace"
        answers = list(compare_experiments(results, compare, other, dataset, backbone))
        print(render_json(answers) if as_json else "\n".join(map(str, answers)))
        return
    recipes = collect_recipes(chosen) if over_seeds else []
    width = shutil.get_terminal_size((120, 24)).columns
    if as_json:
        print(render_json(recipes if over_seeds else chosen))
    elif as_csv:
        print(render_csv(recipes, Recipe) if over_seeds else render_csv(chosen, Result))
    else:
        print(render_recipes(recipes, width) if over_seeds else render_table(chosen, width))
    if not all_commits and all(one.base is None for one in results):
        print(NO_EXPERIMENTS, file=sys.stderr)


@app.command(rich_help_panel="Tools")
def suspects(
    dataset: Dataset,
    backbone: BackboneOrFirst = None,
    top: Annotated[
        int, typer.Option(min=1, help="How many labels, and how many outliers, to list.")
    ] = 20,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
) -> None:
    """List labels that seem wrong, outliers, conflicts and extremes; say how to correct a label."""
    params = _params()
    backbone = _chosen(backbone, params)
    params.dataset(dataset), params.backbone(backbone)
    from pipeline.tools.suspects import find_suspects, render_csv, render_text

    found = find_suspects(dataset, backbone, top)
    print(render_csv(found.findings) if as_csv else render_text(found, dataset))


@app.command(rich_help_panel="Tools")
def crossvalidate(
    dataset: Dataset,
    backbone: BackboneOrFirst = None,
    folds: Annotated[int, typer.Option(min=2, max=100, help="Each is held out once.")] = 5,
    repeats: Annotated[
        int, typer.Option(min=1, max=100, help="Rounds of folds, each drawn anew.")
    ] = 3,
    kinds: Annotated[
        str, typer.Option(help="Kinds of heads, with commas between; default: all.")
    ] = "",
    fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the images, at least one group a class.")
    ] = 1.0,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write every head's figures there.", dir_okay=False, resolve_path=True),
    ] = None,
) -> None:
    """Compare kinds of heads on train and val together, each image asked when it was not fitted to."""
    if csv and csv.exists() and not csv.is_file():
        raise typer.BadParameter(f"--csv {csv} is no file.")
    params = _params()
    backbone = _chosen(backbone, params)
    params.dataset(dataset), params.backbone(backbone)
    from pipeline.tools import crossvalidate as tool
    from pipeline.tools.lock_file import warn_of_other_settings
    from pipeline.tools.progress import tracker

    warn_of_other_settings(dataset, backbone)

    found = tool.compare_kinds(
        tool.load_rows(dataset, backbone),
        params.head,
        [kind.strip() for kind in kinds.split(",") if kind.strip()],
        folds=folds,
        repeats=repeats,
        fraction=fraction,
        progress=tracker("fitted", lambda record: 1, "heads"),
    )
    print(tool.format_table(found))
    if csv:
        tool.write_records(csv, found)


@app.command(rich_help_panel="Tools")
def sweep(
    dataset: Dataset,
    backbone: BackboneOrFirst = None,
    file: Annotated[
        Path | None, typer.Option(help="Which heads; default: studies/sweep.yaml.")
    ] = None,
) -> None:
    """Try many heads on folds of the training images, and measure the best on val."""
    params = _params()
    backbone = _chosen(backbone, params)
    params.dataset(dataset), params.backbone(backbone)
    from pipeline import paths
    from pipeline.selection.candidates import load_sweep
    from pipeline.tools import sweep as tool
    from pipeline.tools.lock_file import warn_of_other_settings
    from pipeline.tools.progress import tracker

    warn_of_other_settings(dataset, backbone)

    heads = load_sweep(file or paths.SWEEP, params.head)
    print(tool.run(dataset, backbone, heads, params.head, tracker("tried", unit="heads")))


@app.command(rich_help_panel="Tools")
def study(
    name: Annotated[
        str, typer.Argument(help="Which one (docs/studies.md), or `compare` for what all found.")
    ],
    dataset: Annotated[
        str, typer.Argument(help="Its name in params.yaml.", show_default=False)
    ] = "",
    backbone: Annotated[
        str,
        typer.Argument(
            help="Its name in params.yaml, for studies of one; of `frontier` a candidate.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Run one study beside the pipeline, as studies/dvc.yaml does, and keep its results."""
    params = _params()
    from pipeline.studies.settings import load_studies
    from pipeline.studies.study import run_study
    from pipeline.studies.task import Task
    from pipeline.tools.lock_file import find_other_results, warn_of_other_settings
    from pipeline.tools.progress import tracker

    if name == "compare" and not dataset:
        from pipeline.studies import compare

        print(compare.run(params, load_studies(), *find_other_results()))
        return
    task = Task(
        dataset=dataset,
        backbone=backbone,
        params=params,
        settings=load_studies(),
        progress=tracker("done", lambda step: 1, "steps"),
    )
    warn_of_other_settings(dataset, backbone if backbone in params.backbones else None)
    print(run_study(name, task))


@app.command(rich_help_panel="Tools")
def datasets() -> None:
    """List the datasets of params.yaml, and how far each is."""
    from pipeline.tools.listings import describe_catalogue, describe_datasets

    if (params := _params_if_there()) is None:
        print("There is no params.yaml here; these are known by name:", file=sys.stderr)
    for line in describe_datasets(params.datasets) if params else describe_catalogue():
        print(line)


@app.command(rich_help_panel="Tools")
def backbones(
    name: Annotated[
        str | None, typer.Argument(help="List the layers of this one.", show_default=False)
    ] = None,
) -> None:
    """List the backbones that the catalogue knows, or the layers of one."""
    from pipeline.tools import listings

    lines = (
        listings.describe_networks()
        if name is None
        else listings.describe_layers(name, _params_if_there())
    )
    for line in lines:
        print(line)


@app.command(rich_help_panel="Tools")
def doctor() -> None:
    """Say whether everything is there that params.yaml needs, and what to do if not."""
    from pipeline.tools.doctor import examine_machine

    well = True
    for check in examine_machine():
        well &= check.ok
        print(check, flush=True)
    if not well:
        raise SystemExit(1)


@store_app.command()
def stats() -> None:
    """Say which fingerprints the store holds, what they are made of and how much they take."""
    from pipeline import paths
    from pipeline.tools.store_maintenance import inspect_store
    from pipeline.tools.words import count_of

    for summary in _or_empty(inspect_store(paths.store_folder())):
        shards = count_of(summary.shards, "shard")
        print(_counted(summary, f"in {shards}, {summary.bytes:,} bytes"))
        for name, value in sorted(summary.fingerprint_parts.items()):
            print(f"    {name:12} {json.dumps(value) if isinstance(value, dict) else value}")


@store_app.command()
def verify() -> None:
    """Read and check every feature; what is damaged is quarantined and will be computed again."""
    from pipeline import paths
    from pipeline.tools.store_maintenance import inspect_store
    from pipeline.tools.words import count_of

    damaged = 0
    for summary in _or_empty(inspect_store(paths.store_folder(), check_rows=True)):
        damaged += len(summary.damaged)
        print(_counted(summary, f"sound, {count_of(len(summary.damaged), 'shard')} quarantined"))
        for name in summary.damaged:
            print(f"    {name}")
    if damaged:
        raise SystemExit(1)


@store_app.command()
def push() -> None:
    """Add to the shared store what it lacks of this machine's; `extract` does so by itself."""
    from pipeline import paths
    from pipeline.params import load_params
    from pipeline.tools.store_maintenance import share

    print(share(paths.store_folder(), load_params().features.store))


@store_app.command()
def gc(
    experiments: Annotated[
        int, typer.Option(help="How many of the newest experiments keep their features.", min=0)
    ] = 20,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Drop the features that neither the workspace nor HEAD nor the last experiments use."""
    from pipeline import paths
    from pipeline.tools.store_maintenance import collect_garbage, features_in_use, list_shards

    verb = "would drop" if dry_run else "dropped"
    shards = list_shards(paths.store_folder())  # first: what is computed meanwhile stays
    used = features_in_use(experiments)
    for one in _or_empty(collect_garbage(shards, used, dry_run=dry_run)):
        dropped = f"{verb} {one.features:,} features, {one.bytes:,} bytes"
        print(f"{one.fingerprint}: {dropped}; {one.kept:,} features stay")


def main() -> None:
    """Run the command line; what a user can fix prints as a message, with exit status 1."""
    # What is imported and read stays: by itself Python would look for garbage in it again and again.
    garbage.set_threshold(GARBAGE_OBJECTS)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s"
    )
    for stream in (sys.stdout, sys.stderr):  # a name need not fit the terminal's encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):  # and a name in a list need not be text
        sys.stdin.reconfigure(errors="surrogateescape")
    try:
        app()
    except ParamsError as error:
        _fail(f"{error}{_way_back()}")
    except PipelineError as error:
        _fail(str(error))
    except BrokenExecutor:
        _fail(
            "a process that did a part of the work was ended from outside, as the system does where "
            "memory runs out: free some memory and run again"
        )
    except MemoryError:
        _fail("memory ran out: free some, or lift the limit (ulimit -v), and run again")
    except OSError as error:
        message = describe_os_error(error)
        if message is None:
            raise
        _fail(message)


def _way_back() -> str:
    """Say how to have back what DVC deletes before it runs a stage; nothing where it runs none."""
    if "DVC_STAGE" not in os.environ:
        return ""
    return (
        "\nA value given by `dvc exp run -S` stays in params.yaml, also where the run fails: `git diff "
        "params.yaml` shows it, `git checkout params.yaml` takes back all that is not committed there."
        "\nDVC has deleted what this stage had made. When params.yaml is right again, have back models and "
        "features by `dvc checkout dvc.yaml`, figures and plots by `git checkout -- metrics plots`, "
        "results of studies by `git checkout -- studies`."
    )


def _fail(message: str) -> NoReturn:
    print(f"Error: {message}", file=sys.stderr)
    raise SystemExit(1) from None


def _or_empty(found: Iterator[T]) -> Iterator[T]:
    """Pass on what is found in the store; say so where there is nothing."""
    if (first := next(found, None)) is None:
        from pipeline import paths

        print(f"the store is empty ({paths.store_folder()})")
        return
    yield first
    yield from found


def _counted(summary: "StoreSummary", rest: str) -> str:
    return f"{summary.fingerprint}: {summary.features:,} features {rest}"


def _params() -> "Params":
    from pipeline.params import load_params

    return load_params()


def _chosen(backbone: str | None, params: "Params") -> str:
    return backbone or next(iter(params.backbones))


def _params_if_there() -> "Params | None":
    from pipeline import paths

    return _params() if paths.PARAMS.exists() else None
