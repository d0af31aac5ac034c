"""Corrections of labels that nobody would read: a file that is misnamed, or that Git does not know."""

from collections.abc import Collection, Iterator

from pipeline import paths
from pipeline.errors import did_you_mean
from pipeline.page.revision import ask_git


def find_unread(dataset: str, datasets: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each: files of no dataset, and those of this one where Git does not know them.

    Args:
        dataset: Whose file Git is asked about.
        datasets: All of params.yaml.
    """
    file = paths.corrections_file(dataset)
    expected = {"README.md", *(paths.corrections_file(name).name for name in datasets)}
    for path in sorted(file.parent.glob("[!.]*")):
        if path.name not in expected:
            hint = did_you_mean(path.stem, datasets)
            yield f"{path} is not read: no dataset of params.yaml is called so.{hint}"
    if file.is_file() and ask_git(file.parent, "ls-files", "--", file.name) == "":
        yield (
            f"Git does not know {file}: run `git add {file}`, or `dvc exp run --temp`, which works in a "
            "copy of what Git knows, leaves these corrections out"
        )
