"""Look at a folder or archive of one's own images, and name it in params.yaml."""

import json
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from pipeline import paths
from pipeline.archives import read_members
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ParamsError, SourceError
from pipeline.files import atomic_write_text
from pipeline.labels import SPLIT_FOLDERS, Labelled, label_members
from pipeline.manifest import SPLITS
from pipeline.params import NAME, Params, load_params, parse_params
from pipeline.signatures import format_of, is_image
from pipeline.sources.archive import plain_path
from pipeline.urls import is_url
from pipeline.yaml_reader import read_yaml

FIRST_BYTES = 32  # of a file, which tell its format
FEW = 10  # images of a class, below which its figures say little
SHOWN = 30  # classes, at most
_SUFFIX = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What names and first bytes tell of an archive.

    Attributes:
        classes: Class to its images, in alphabetical order.
        own_splits: Images in folders that tell a split, as `train` and `val`.
        no_class: Images beside the class folders.
        no_images: Files that are no images.
        odd: Files named as images that do not begin as one; they count as images of their class.
        empty: Empty folders.
        folders: Those of each class, where folders tell it, without `train`, `val` and `test`.
    """

    classes: dict[str, int]
    own_splits: dict[str, int]
    no_class: tuple[str, ...] = ()
    no_images: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def run(path: str, name: str | None, *, dry_run: bool) -> str:
    """Name a folder or archive in params.yaml, unless it is only to be looked at; return what to print.

    Args:
        path: Of the folder or archive; params.yaml gets the absolute one.
        name: Of the dataset; None: made of the path's last part.
        dry_run: Write nothing.

    Raises:
        ParamsError: params.yaml has faults, or has the name already, or it cannot be a name.
        SourceError: There is nothing at the path, or it is a URL or around the project.
        ArchiveError: It is damaged or unsafe, or has no class folders, or one class alone.
    """
    params = load_params()
    archive = _check_path(path)
    name = name or make_name(archive.name)
    _check_name(name, params)
    findings = examine(archive, name)
    text = insert_dataset(paths.PARAMS.read_bytes().decode(), name, str(archive))
    if not dry_run:
        _replace_text(paths.PARAMS.resolve(), text)  # of a link, the file that it leads to
    return "\n".join(_describe(name, archive, findings, params, dry_run=dry_run))


def _replace_text(path: Path, text: str) -> None:
    """Replace what a file holds, and leave its rights."""
    rights = path.stat().st_mode
    atomic_write_text(path, text)
    path.chmod(stat.S_IMODE(rights))


def make_name(file: str) -> str:
    """Return a dataset's name made of a file's: `My photos (2).zip` is `My_photos_2`."""
    plain = unicodedata.normalize("NFKD", _SUFFIX.sub("", file)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_-")[:100]


def examine(archive: Path, name: str) -> Findings:
    """Look at the names in an archive and, where these tell nothing, at the files' first bytes.

    Raises:
        ArchiveError: As `read_members` and `label_members`.
    """
    names, images, odd = [], set(), []
    for member in read_members(archive, most_bytes=FIRST_BYTES):
        names.append(member.name)
        if is_image(*member):
            images.add(member.name)
            if not format_of(member.data):
                odd.append(member.name)
    known = CATALOGUE.get(name)
    found = label_members(names, images, known.aliases if known else {})
    labelled = [one for one in found if one and one.name in images]
    classes = Counter(one.label for one in labelled)
    splits = Counter(one.folder_split for one in labelled)
    with_class = {one.name for one in labelled}
    return Findings(
        classes=dict(sorted(classes.items())),
        own_splits={split: splits[split] for split in SPLITS if split in splits},
        no_class=tuple(one for one in names if one in images and one not in with_class),
        no_images=tuple(one for one in names if one not in images and not one.endswith("/")),
        odd=tuple(odd),
        empty=tuple(one for one in names if one.endswith("/")),
        folders=_class_folders(labelled),
    )


def _class_folders(labelled: Iterable[Labelled]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in labelled:
        *parts, _ = (part for part in one.name.split("/") if part.lower() not in SPLIT_FOLDERS)
        found[one.label].add("/".join(parts))
    told_by_names = len(set().union(*found.values())) < len(found)
    return {} if told_by_names else {label: tuple(sorted(some)) for label, some in found.items()}


def insert_dataset(text: str, name: str, archive: str) -> str:
    """Return the text of params.yaml with a dataset more; every other byte stays as it is.

    Raises:
        ParamsError: The datasets stand in braces; says what to write by hand. Or they would have faults.
    """
    before = read_yaml(text)
    wanted = {**before["datasets"], name: {"source": "archive", "archive": archive}}
    parse_params({**before, "datasets": wanted})
    datasets = _find_datasets(text)
    key, value = _as_yaml(name), _as_yaml(archive)
    if datasets.flow_style:
        raise ParamsError(
            f"the datasets of {paths.PARAMS} stand in braces; expected one below the other. Change that, "
            f"or write into them: {key}: {{source: archive, archive: {value}}}"
        )
    at = _last_line(datasets)
    lines = text.split("\n")
    end = "\r" if lines[at].endswith("\r") else ""
    indent = " " * datasets.value[0][0].start_mark.column
    added = [f"{indent}{key}:", f"{indent}  source: archive", f"{indent}  archive: {value}"]
    rest = lines[at + 1 :] or [""]
    changed = "\n".join([*lines[: at + 1], *(f"{line}{end}" for line in added), *rest])
    assert read_yaml(changed) == {**before, "datasets": wanted}, "a bug: it stands elsewhere"
    return changed


def _check_path(path: str) -> Path:
    """Return the absolute path of what is to be added."""
    if is_url(path):
        raise SourceError(
            "a URL is not looked into: write it into params.yaml by hand (docs/adding-a-dataset.md), "
            "or download the file and add that"
        )
    archive = plain_path(Path(path).expanduser().absolute())
    if not (archive.is_file() or archive.is_dir()):
        raise SourceError(
            f"there is no {str(archive)!r}; expected a folder, or a .zip, .tar, .tar.gz or .tgz file."
        )
    own, raw = archive.resolve(), paths.raw_folder("x").parent.resolve()
    if raw.is_relative_to(own) or own.is_relative_to(raw):
        raise SourceError(f"{str(archive)!r} and {raw} lie in one another; move the images out.")
    return archive


def _check_name(name: str, params: Params) -> None:
    if not re.search(NAME, name):
        raise ParamsError(
            f"a dataset cannot be called {name!r}: a name holds letters, digits, '-' and '_', begins "
            "with a letter or digit and has at most 100 characters. Choose one by --name."
        )
    if name in params.datasets:
        found = params.datasets[name]
        raise ParamsError(
            f"{paths.PARAMS} has a dataset {name!r} already (source: {found.source}, archive: "
            f"{found.archive or 'null'}). Choose another by --name, or change it there."
        )


def _find_datasets(text: str) -> MappingNode:
    """Return the section's node, which knows its place in the text."""
    top = YAML().compose(text)
    found: MappingNode = next(value for key, value in top.value if key.value == "datasets")
    return found


def _last_line(node: Node) -> int:
    """Return the line in which a node ends; that of its last leaf, since comments may follow it."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _last_line(node.value[-1][1])
    return int(node.end_mark.line)


def _as_yaml(text: str) -> str:
    """Write a text such that YAML reads it as that text."""
    if re.fullmatch(r"[\w./-]+", text, re.ASCII) and read_yaml(f"x: {text}") == {"x": text}:
        return text
    return json.dumps(text, ensure_ascii=False)


def _describe(
    name: str, archive: Path, found: Findings, params: Params, *, dry_run: bool
) -> Iterator[str]:
    """Yield what to print, line by line."""
    yield f"{name}: {sum(found.classes.values()):,} images of {len(found.classes)} classes in {archive}"
    yield from _describe_classes(found.classes)
    if found.own_splits.keys() - {"train"}:
        own = ", ".join(f"{split} {count:,}" for split, count in found.own_splits.items())
        does = "keeps" if params.split.respect_folders else "does not keep"
        yield f"its own folders tell a split ({own}), which split {does} (split.respect_folders)"
    needed = 3 if params.split.test_fraction else 2
    few = [f"{label} {count}" for label, count in found.classes.items() if count < FEW]
    if few:
        yield f"few images: {_some(few)}; each class needs {needed}, and figures of so few say little"
    yield from _doubt_folders(found.folders)
    for what, files in (
        ("no images, so quarantined", found.no_images),
        ("named as images, but they do not begin as one", found.odd),
        ("images without a class, so quarantined", found.no_class),
        ("empty folders", found.empty),
    ):
        if files:
            yield f"{what}: {len(files):,}, the first {files[0]}"
    yield "told by names and first bytes; split will read every image and count what it cannot use"
    yield f"{paths.PARAMS} {'would get' if dry_run else 'now has'} datasets.{name}"
    yield "next: the same without --dry-run" if dry_run else "next: dvc repro"


def _doubt_folders(folders: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what may be folders of another kind than classes."""
    if several := [
        f"{label} ({', '.join(some[:3])})" for label, some in folders.items() if len(some) > 1
    ]:
        yield f"folders of the same name are one class: {_some(several)}; if they are not, rename them"
    by_depth = {some[0].count("/"): some[0] for some in reversed(list(folders.values()))}
    if len(by_depth) > 1:
        highest, deepest = by_depth[min(by_depth)], by_depth[max(by_depth)]
        yield (
            f"class folders at different depths, as {highest} and {deepest}: the class is the deepest folder "
            "that holds images; if it is the one above, move them there"
        )


def _describe_classes(classes: dict[str, int]) -> Iterator[str]:
    shown = sorted(classes, key=lambda label: -classes[label])[:SHOWN]
    width = max(map(len, shown))
    for label in (label for label in classes if label in shown):
        yield f"  {label:{width}}  {classes[label]:,}"
    if len(classes) > len(shown):
        smaller = [classes[label] for label in classes if label not in shown]
        yield f"  and {len(smaller):,} smaller ones of {min(smaller):,} to {max(smaller):,}"


def _some(parts: Sequence[str]) -> str:
    return ", ".join(parts[:SHOWN]) + (f", and {len(parts) - SHOWN} more" * (len(parts) > SHOWN))
