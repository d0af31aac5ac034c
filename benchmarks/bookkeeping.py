"""What DVC adds to another head, by the number of images, and what is left of it from `train` on.

    python benchmarks/bookkeeping.py --images 1000 10000 100000

A clone of the project is given tiny images of ten classes, all stages are run as size.py runs them, and
DVC commits what they left. An experiment is then run as a whole, and from the stage train on alone
(`--downstream`); the seconds of its commands, run once more without DVC, are taken off. DVC computes on
one core and waits for the disk, so other programs show: seconds are those of the machine at the time.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from experiment import ENV
from size import BACKBONE, DATASET, ROOT, STAGES, run, write_settings

OF_A_HEAD = ("train", "evaluate", "report-head", "report")  # the stages that another head makes run
CLASSES = 10
TRAIN = f"train@{DATASET}-{BACKBONE}"


def main() -> None:
    """Print a row a number of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest is told")
    parser.add_argument("--folder", type=Path, help="where to work; default: the system's")
    options = parser.parse_args()
    print("| images | commit | status | commands | exp run adds | from train on it adds |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for images in options.images:
        with tempfile.TemporaryDirectory(prefix="bookkeeping-", dir=options.folder) as folder:
            print(row_of(images, options.rounds, Path(folder, "project")), flush=True)


def row_of(images: int, rounds: int, project: Path) -> str:
    """Make a project of so many images; return what DVC takes there, in seconds."""
    prepare(project, images)
    commit = time_of(project, "dvc", "commit", "--quiet", "--force", "dvc.yaml")
    time_of(project, "git", "commit", "--quiet", "--all", "--message", "as it is")
    status = min(time_of(project, "dvc", "status", "--quiet", "dvc.yaml") for _ in range(rounds))
    experiment = ("dvc", "exp", "run", "--quiet", "-S")
    whole, part = (
        min(time_of(project, *experiment, f"head.seed={seed}", *only) for seed in seeds)
        for seeds, only in (
            (range(100, 100 + rounds), ()),
            (range(200, 200 + rounds), ("--downstream", TRAIN)),
        )
    )
    commands = min(time_commands(project) for _ in range(rounds))
    cells = (commit, status, commands, whole - commands, part - commands)
    return f"| {images:,} | {' | '.join(f'{seconds:.1f}' for seconds in cells)} |"


def prepare(project: Path, images: int) -> None:
    """Clone the project, give it so many images, and run all stages; nothing of it is committed yet."""
    time_of(project.parent, "git", "clone", "--quiet", str(ROOT), str(project))
    folder = str(project)
    size = str(ROOT / "benchmarks" / "size.py")
    run(folder, size, "--archive", str(images), str(CLASSES))
    write_settings(project)
    for stage, *names in STAGES:
        if stage == "inspect":
            run(folder, size, "--inspect")
        elif stage in ("extract", "assemble"):
            run(folder, size, "--extract")
        else:
            run(folder, "-m", "pipeline", stage, *names)
    run(folder, "-m", "pipeline", "plots-page")


def time_commands(project: Path) -> float:
    """Return the seconds of a head's commands without DVC."""
    return sum(
        time_of(project, "python", "-m", "pipeline", stage, *names)
        for stage, *names in STAGES
        if stage in OF_A_HEAD
    )


def time_of(folder: Path, *command: str) -> float:
    """Run a command in a folder; return its seconds.

    Raises:
        CalledProcessError: It failed, and is not `dvc status`, whose 1 says that something has changed.
    """
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=ENV | {"PYTHONPATH": "."}, check=False, stdout=subprocess.DEVNULL
    )
    if "status" not in command:
        done.check_returncode()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
