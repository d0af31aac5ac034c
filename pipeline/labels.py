"""Which class, and which ready-made split, the name of a file in an archive tells."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.errors import ArchiveError
from pipeline.signatures import suffix_of

# Columns and rows that stand beside the classes' own, and the label that sets an image aside.
RESERVED = frozenset(
    {"split", "sha256", "path", "label", "file", "unlike", "macro average", "quarantine"}
)
SPLIT_FOLDERS = MappingProxyType(
    {
        "train": "train", "training": "train",
        "val": "val", "valid": "val", "validation": "val",
        "test": "test", "testing": "test",
    }
)  # fmt: skip
LAYOUTS = (
    "class folders (flowers/daisy/1.jpg, or train/daisy/1.jpg) "
    "or names that begin with the class (train/cat.1.jpg), two classes or more"
)

_PREFIXED = re.compile(r"(?P<label>[^.]+)\.\d+(\.[^.]+)?")
_ARCHIVE_SUFFIX = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)
_ENDS_OF_LINES = r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # and what else cannot be seen
_UNSAFE = re.compile(rf'^[.\s-]|[<>:"|?*{_ENDS_OF_LINES}]|[.\s]$')

Folders = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A file whose name tells its class.

    Attributes:
        name: Its path inside the archive.
        label: Its class; safe as a folder's name.
        folder_split: `train`, `val` or `test` if it lies in such a folder.
    """

    name: str
    label: str
    folder_split: str | None


def label_members(
    names: Sequence[str],
    images: Collection[str],
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> list[Labelled | None]:
    """Tell each file's class by its folder or, where folders tell none, by its name's beginning.

    A class folder is a folder of images with no folder of images below it. Everything
    in it has its class, whether an image or not (a text is for whoever decodes it to
    refuse); what lies outside has none. If that gives fewer than two classes, the beginning
    of `cat.123.jpg` is the class, as in Kaggle's archive; names without one (the unlabelled
    `test/1.jpg`) and files that are no images have none.

    Args:
        names: Paths inside the archive, as `archives.read_members` gives them.
        images: Those of them that are images, by their content.
        aliases: Other spellings of a class, lower case, to the class. Any class named here is
            also known in other capitals; classes not named keep the archive's spelling.

    Returns:
        One for each name, in order; None where the name tells no class.

    Raises:
        ArchiveError: There are no images or fewer than two classes; a class has a name that
            cannot be a folder's or is a reserved column; two differ in capitals alone; or
            images lie both in a folder and in folders below it.
    """
    images = frozenset(images)
    places = _places(names, images)
    spellings = {known.lower(): known for known in aliases.values()} | dict(aliases)
    by_folder = _labels_by_folder(names, places, images)
    by_name = [_label_by_name(name) if name in images else None for name in names]
    labels = by_folder if _count_classes(by_folder, spellings) > 1 else by_name
    labels = [label and spellings.get(label.lower(), label) for label in labels]
    _check_classes(names, labels, images)
    return [
        Labelled(name=name, label=label, folder_split=split) if label else None
        for name, label, (_, split) in zip(names, labels, places, strict=True)
    ]


def _places(names: Sequence[str], images: Collection[str]) -> list[tuple[Folders, str | None]]:
    """Return each file's folders without the split folders, and the split that those tell."""
    folders = [
        tuple(_ARCHIVE_SUFFIX.sub("", part) for part in name.split("/")[:-1]) for name in names
    ]
    with_images = {own for own, name in zip(folders, names, strict=True) if name in images}
    split_folders = _find_split_folders(with_images)
    places = {}
    for own in set(folders):
        above = [own[: depth + 1] for depth in range(len(own))]
        splits = [SPLIT_FOLDERS[path[-1].lower()] for path in above if path in split_folders]
        kept = tuple(path[-1] for path in above if path not in split_folders)
        places[own] = (kept, splits[-1] if splits else None)
    return [places[own] for own in folders]


def _find_split_folders(with_images: set[Folders]) -> set[Folders]:
    """Return the folders that stand for a split: `train` beside `car` and `ship` is a class.

    A folder named like a split is one if all folders beside it are named so too, or if its
    images lie in folders of their own.
    """
    paths = {own[:depth] for own in with_images for depth in range(1, len(own) + 1)}
    beside: dict[Folders, set[str]] = {}
    for path in paths:
        beside.setdefault(path[:-1], set()).add(path[-1].lower())
    return {
        path
        for path in paths
        if path[-1].lower() in SPLIT_FOLDERS
        and (path not in with_images or all(name in SPLIT_FOLDERS for name in beside[path[:-1]]))
    }


def _labels_by_folder(
    names: Sequence[str], places: Sequence[tuple[Folders, str | None]], images: Collection[str]
) -> list[str | None]:
    """Return the name of the class folder that each file lies in."""
    with_images = {
        own for (own, _), name in zip(places, names, strict=True) if own and name in images
    }
    above = {own[:depth] for own in with_images for depth in range(len(own))}
    class_folders = with_images - above
    for own in sorted(with_images & above):
        below = [folder for folder in class_folders if folder[: len(own)] == own]
        if len(below) < len(class_folders):
            raise ArchiveError(
                f"images lie both in {'/'.join(own)!r} and in folders below it ({'/'.join(min(below))!r}), "
                f"so that it is not clear which is the class; expected {LAYOUTS}. Move those below up into "
                f"{'/'.join(own)!r}, or those that lie there down into one of the folders."
            )
    return [own[-1] if own in class_folders else None for own, _ in places]


def _label_by_name(name: str) -> str | None:
    match = _PREFIXED.fullmatch(name.rpartition("/")[2])
    return match["label"] if match else None


def _count_classes(labels: Iterable[str | None], spellings: Mapping[str, str]) -> int:
    return len({spellings.get(label.lower(), label) for label in labels if label})


def _check_classes(
    names: Sequence[str], labels: Sequence[str | None], images: Collection[str]
) -> None:
    classes = sorted({label for label in labels if label})
    if not any(label and name in images for name, label in zip(names, labels, strict=True)):
        folders = {name.rpartition("/")[0] for name in images}
        one = "; all images lie in one folder, which makes one class" if len(folders) == 1 else ""
        raise ArchiveError(
            f"no labelled images: expected {LAYOUTS}; found {_describe(names)}{one}."
        )
    if len(classes) < 2:
        raise ArchiveError(
            f"only one class, {classes[0]!r}: expected {LAYOUTS}; found {_describe(names)}."
        )
    for label in classes:
        if _UNSAFE.search(label) or label.lower() in RESERVED:
            raise ArchiveError(
                f"a class cannot be called {label!r}: expected a name that any system takes for a folder, "
                f"and none of {', '.join(sorted(RESERVED))}. Rename the folder."
            )
    by_lower = {label.lower(): label for label in classes}
    for label in classes:
        if by_lower[label.lower()] != label:
            raise ArchiveError(
                f"classes {label!r} and {by_lower[label.lower()]!r} differ in capitals alone; "
                "expected one spelling. Rename one folder."
            )


def _describe(names: Sequence[str]) -> str:
    """Say in a few words what an archive holds."""
    if not names:
        return "no files at all"
    suffixes = Counter(suffix_of(name) or "no suffix" for name in names).most_common(3)
    kinds = ", ".join(f"{count:,} of {suffix}" for suffix, count in suffixes)
    return f"{len(names):,} files ({kinds}), the first {names[0]!r}"
