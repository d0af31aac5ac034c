"""A virtual environment for each rival: made where it is missing, of pinned versions.

And what it takes to let the rivals live side by side: all that they keep lies in a folder of ours.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
OWN = "ours"  # this process's environment, which has Keras and DVC too


def find_environments(folder: Path, names: list[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the Python of each environment, and why those that cannot be had cannot.

    Args:
        folder: Of the environments, a folder each; they are left there for the next time.
        names: Of the requirements files beside this module.
    """
    pythons, faults = {OWN: Path(sys.executable)}, {}
    for name in names:
        python = folder / name / "bin" / "python"
        fault = None if python.exists() else make_environment(python, HERE / f"{name}.txt")
        if fault is None:
            pythons[name] = python
        else:
            faults[name] = fault
    return pythons, faults


def make_environment(python: Path, requirements: Path) -> str | None:
    """Make an environment; return why it cannot be had, or None."""
    folder = python.parents[1]
    print(f"installing {requirements.stem} into {folder}", file=sys.stderr)
    steps = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return last_line(done.stderr) or f"exit status {done.returncode}"
    return None


def last_line(text: str) -> str:
    """Return the last line of a text that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def settings_of(state: Path) -> dict[str, str]:
    """Return variables by which all that the rivals keep lies in a folder."""
    return {
        "DATACHAIN_ROOT_DIR": str(state / "datachain"),
        "PIXELTABLE_HOME": str(state / "pixeltable"),
        "HF_HOME": str(state / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
    }


def stop_database(state: Path) -> None:
    """Stop the PostgreSQL that Pixeltable leaves running, so that its files can be copied.

    Raises:
        TimeoutError: It does not stop within half a minute.
    """
    file = state / "pixeltable" / "pgdata" / "postmaster.pid"
    if not file.exists():
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(file.read_text().splitlines()[0]), signal.SIGINT)
    for _ in range(300):
        if not file.exists():
            return
        time.sleep(0.1)
    raise TimeoutError("its database does not stop")
