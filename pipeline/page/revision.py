"""Which commit the code and the settings are of that made the page."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

# What decides results. A commit of results alone, as of dvc.lock, does not make the page another.
DECIDING = ("pipeline", "dvc.yaml", "params.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit, and whether it is all that made the page.

    Attributes:
        commit: The last one that touched code or settings, 40 hexadecimal digits.
        changed: Files of code and settings that are others than in it.
    """

    commit: str
    changed: tuple[str, ...]


def read_revision(folder: Path) -> Revision | None:
    """Ask git; None where there is no git, no repository, no such commit or no whole history."""
    if ask_git(folder, "rev-parse", "--is-shallow-repository") != "false":
        return None  # the last commit that is there would pass for the one that touched all
    commit = ask_git(folder, "log", "-1", "--format=%H", "--", *DECIDING)
    changes = ask_git(folder, "status", "--porcelain", "-z", "--no-renames", "--", *DECIDING)
    if not commit or changes is None:
        return None
    return Revision(
        commit=commit, changed=tuple(entry[3:] for entry in changes.split("\0") if entry)
    )


def ask_git(folder: Path, *arguments: str) -> str | None:
    """Return what git says; None where it cannot."""
    try:
        found = subprocess.run(  # noqa: S603 (fixed commands)
            ["git", *arguments],  # noqa: S607 (the user's own git)
            cwd=folder, capture_output=True, check=True, encoding="utf-8",
            errors="replace", timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.removesuffix("\n")
