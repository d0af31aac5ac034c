"""A stand-in for `python -m pipeline`: each stage writes a line to all that dvc.yaml says it makes.

For tests of what DVC does, where it matters when a stage runs and not what it computes. The page
is made by the real stage, of parts that say nothing.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline.params import load_params
from pipeline.stages import report


def write_outputs(stage: str, names: list[str]) -> None:
    """Write every output of a stage: CSV and JSON as files, others as folders of one file."""
    entry: dict[str, Any] = yaml.safe_load(Path("dvc.yaml").read_text())["stages"][stage]
    entry = entry.get("do", entry)
    for kind in ("outs", "metrics", "plots"):
        for out in entry.get(kind, []):
            text = next(iter(out)) if isinstance(out, dict) else out
            for variable, name in zip(("${item.dataset}", "${item.backbone}"), names, strict=False):
                text = text.replace(variable, name)
            path = Path(entry.get("wdir", "."), text.replace("${key}", "".join(names[:1])))
            file = path if path.suffix else path / "made.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            part = '{"name": "", "metrics": {}}'
            file.write_text(part if path.suffix == ".json" else f"{stage} {names}\n")


if __name__ == "__main__":
    stage, *names = sys.argv[1:]
    if stage == "report":
        report.__dict__["render_report"] = lambda *_: "page"
        report.run(load_params())
    else:
        write_outputs(stage.replace("-", "_"), names)
