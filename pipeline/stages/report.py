"""Stage report: the parts of every dataset and head become one page."""

import json
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.files import atomic_write_text
from pipeline.page.rendering import render_report
from pipeline.page.revision import read_revision
from pipeline.params import Params


def run(params: Params) -> str:
    """Write the report for all that params.yaml names; return a line that says where it is.

    Parts that params.yaml does not name any more are removed: DVC takes the folder of parts for
    what the page is made of, and has no way to name just some of it.

    Raises:
        PipelineError: A part is missing or damaged; names the file and the stage that writes it.
    """
    parts = {
        paths.dataset_part(dataset): [
            paths.head_part(dataset, backbone) for backbone in params.backbones
        ]
        for dataset in params.datasets
    }
    page = render_report(
        [
            {
                **_read(dataset, "report_dataset", "name"),
                "heads": [_read(head, "report_head", "metrics") for head in heads],
            }
            for dataset, heads in parts.items()
        ],
        params,
        read_revision(Path()),
    )
    atomic_write_text(paths.REPORT, page)
    named = {*parts, *(head for heads in parts.values() for head in heads)}
    for left_over in set(paths.REPORT_PARTS.rglob("*.json")) - named:
        left_over.unlink()
    return f"{paths.REPORT}: {_count(len(named) - len(parts), 'head')} on {_count(len(parts), 'dataset')}"


def _read(path: Path, stage: str, key: str) -> dict[str, Any]:
    try:
        part = dict(json.loads(path.read_bytes()))
        if key not in part:
            raise ValueError(f"it has no {key!r}")
        return part
    except FileNotFoundError:
        raise PipelineError(
            f"the report needs {path}, which is missing. The {stage} stage writes it: run `dvc repro`."
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise PipelineError(
            f"{path} is not what the {stage} stage writes: {error}. Run that stage again."
        ) from None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
