"""How long an experiment with another head takes beside DVC alone, in one run, taking turns.

    python benchmarks/experiment.py ../shared/data/cats_vs_dogs_2000.zip \
        ../shared/data/flower_photos_500.tgz --rounds 5

Two clones of the project hold the same data sets and features. In one, `dvc exp run` runs the
stages that a head needs; in the other, their commands copy what the first run of these stages left,
so that what is left is DVC: it hashes, compares, runs as many commands and commits as much.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("train", "evaluate", "report_head", "report")  # what another head makes run
RESULTS = ("models", "metrics", "plots", "report")
ENV = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_NAME": "benchmark", "GIT_AUTHOR_EMAIL": "benchmark@localhost",
    "GIT_COMMITTER_NAME": "benchmark", "GIT_COMMITTER_EMAIL": "benchmark@localhost",
}  # fmt: skip


def main() -> None:
    """Print a line a round, and the median of the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archives", nargs="+", type=Path, help="of photos, a data set each")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="experiment-") as folder:
        project, copier = Path(folder, "project"), Path(folder, "copier")
        prepare(project, [archive.resolve() for archive in options.archives])
        shutil.copytree(project, copier, symlinks=True)
        only_copy(copier)
        ratios = []
        for units in range(256, 256 + options.rounds):
            ours, alone = time_experiment(project, units), time_experiment(copier, units)
            ratios.append(ours / alone)
            print(
                f"dvc exp run {ours:.2f} s, DVC alone {alone:.2f} s: {ratios[-1]:.2f}", flush=True
            )
    print(f"median: {statistics.median(ratios):.2f}")


def prepare(project: Path, archives: list[Path]) -> None:
    """Clone the project, give it the archives as data sets, and run all of it."""
    run(ROOT, "git", "clone", "--quiet", str(ROOT), str(project))
    params = project / "params.yaml"
    settings = yaml.safe_load(params.read_text(encoding="utf-8"))
    settings["datasets"] = {
        f"photos{number}": {"source": "archive", "archive": str(archive)}
        for number, archive in enumerate(archives)
    }
    params.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    run(project, "dvc", "repro", "--quiet")
    commit(project)


def only_copy(project: Path) -> None:
    """Let the stages after the features copy their results instead of computing them."""
    kept = project.parent / "kept"
    for folder in RESULTS:
        shutil.copytree(project / folder, kept / folder)
    pipeline = project / "dvc.yaml"
    tree = yaml.safe_load(pipeline.read_text(encoding="utf-8"))
    for name in STAGES:
        stage = tree["stages"][name]
        outs = [path for kind in ("outs", "metrics", "plots") for path in stage.get(kind, [])]
        names = [next(iter(out)) if isinstance(out, dict) else out for out in outs]
        stage["cmd"] = " && ".join(
            f"mkdir -p $(dirname {path}) && cp -r {kept}/{path} {path}" for path in names
        )
    pipeline.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    run(project, "dvc", "repro", "--quiet")
    commit(project)


def time_experiment(project: Path, units: int) -> float:
    """Return the seconds of an experiment that nobody has run."""
    began = time.perf_counter()
    run(project, "dvc", "exp", "run", "--quiet", "-S", f"head.units={units}")
    return time.perf_counter() - began


def commit(project: Path) -> None:
    """Commit the workspace: an experiment begins from a commit."""
    run(project, "git", "commit", "--quiet", "--all", "--message", "as it is")


def run(folder: Path, *command: str) -> None:
    """Run a command in a folder."""
    subprocess.run(command, cwd=folder, env=ENV, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
