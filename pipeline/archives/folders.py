"""Which folders of an archive are empty: a class without images is reported, not lost."""

from collections.abc import Iterable


def empty_folders(folders: Iterable[str], filled: Iterable[str]) -> list[str]:
    """Return the folders with no file in or below them, the uppermost of each such branch.

    Args:
        folders: Paths that end in `/`.
        filled: Those in which files lie, likewise; empty for the archive itself.

    Returns:
        Sorted; a folder that an archive does not list counts if another below it is listed.
    """
    with_files = {part for folder in filled for part in _branch(folder)}
    uppermost = (
        next((part for part in _branch(folder) if part not in with_files), None)
        for folder in folders
    )
    return sorted({folder for folder in uppermost if folder is not None})


def folder_of(name: str) -> str:
    """Return the folder in which a file lies, with its `/`; empty for the archive itself."""
    return name[: name.rfind("/") + 1]


def _branch(folder: str) -> list[str]:
    """Return `a/`, `a/b/` and `a/b/c/` of `a/b/c/`."""
    return [folder[: end + 1] for end, sign in enumerate(folder) if sign == "/"]
