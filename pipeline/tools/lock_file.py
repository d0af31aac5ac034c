"""What dvc.lock tells of how a file came about: with these settings, and of which inputs."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.yaml_reader import NotYaml, read_yaml

log = logging.getLogger(__name__)
STAGE = re.compile(r"^  (?=\S)", re.MULTILINE)  # before the name of each
# The code that a stage depends on: most of the text, and of no interest here.
CODE = re.compile(r"^    - path: (?:\.\./)?pipeline/.*\n(?:      .*\n)*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LockFile:
    """A dvc.lock, and the params.yaml beside it.

    Attributes:
        stages: Of `read_stages`.
        params: What params.yaml holds.
        study_params: What studies/params.yaml holds.
        read: Gives the bytes of an output that lies beside them, by its path; None of what is not looked at.
    """

    stages: Mapping[str, Any]
    params: Mapping[str, Any]
    read: Callable[[str], bytes | None] = lambda path: None
    study_params: Mapping[str, Any] = field(default_factory=dict)

    def knows(self, path: str) -> bool:
        """Tell whether a stage made a file."""
        return self._maker(path) is not None

    def is_current(self, path: str) -> bool:
        """Tell whether a file, and all that it was made of, was made with these settings.

        False, too, where a stage behind it ran anew since, or no stage made it.

        Args:
            path: Of an output, as dvc.yaml names it.
        """
        return self.has_settings_of(path) and all(
            self._hash_made(dep["path"]) in (None, dep.get("md5"))
            for stage in self._stages_behind(path)
            for dep in _deps(stage)
        )

    def has_settings_of(self, path: str) -> bool:
        """Tell whether the stages that a file comes from, if there are any, ran with these settings."""
        stages = list(self._stages_behind(path))
        return bool(stages) and all(self._has_all(one.get("params", {})) for one in stages)

    def has_features_of(self, path: str) -> bool:
        """Tell whether the features that a file was made of, if any, are those that a stage made last."""
        return all(
            self._hash_made(dep["path"]) in (None, dep.get("md5"))
            for dep in _deps(self._maker(path) or {})
            if _plain(dep["path"]).startswith("features/")
        )

    def is_as_made(self, path: str) -> bool:
        """Tell whether a file that lies there is what its stage made."""
        content = self.read(path)
        if content is None:
            return True
        return _md5(content) == self._hash_made(path)

    def holds(self, folder: Path) -> bool:
        """Tell whether a folder of files, none deeper, is what its stage made."""
        files = sorted(folder.iterdir(), key=lambda file: file.name)
        listed = [{"md5": _md5(file.read_bytes()), "relpath": file.name} for file in files]
        return f"{_md5(json.dumps(listed).encode())}.dir" == self._hash_made(folder.as_posix())

    def inputs_of(self, path: str) -> str | None:
        """Return a digest of what the stage that made a file read, and no code; None where none made it."""
        stage = self._maker(path)
        if stage is None:
            return None
        read = sorted((one["path"], one.get("md5")) for one in _deps(stage))
        return hashlib.sha256(repr(read).encode()).hexdigest()[:16]

    def _stages_behind(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Yield the stage that made a file, and those that made what it read, and so on."""
        waiting, seen = [path], set()
        while waiting:
            one = waiting.pop()
            stage = self._maker(one)
            if stage is not None and one not in seen:
                seen.add(one)
                yield stage
                waiting += [dep["path"] for dep in _deps(stage)]

    def _maker(self, path: str) -> Mapping[str, Any] | None:
        """Return the stage whose output is a path."""
        for stage in self.stages.values():
            if any(_plain(out["path"]) == _plain(path) for out in stage.get("outs", ())):
                found: Mapping[str, Any] = stage
                return found
        return None

    def _hash_made(self, path: str) -> str | None:
        outs = (self._maker(path) or {}).get("outs", ())
        return next((one.get("md5") for one in outs if _plain(one["path"]) == _plain(path)), None)

    def _has_all(self, params: Mapping[str, Mapping[str, Any]]) -> bool:
        """Tell whether the files of settings have what a stage ran with; others are not looked at."""
        trees = {paths.PARAMS.as_posix(): self.params, paths.STUDIES.as_posix(): self.study_params}
        return all(
            _has(trees[_plain(file)], key, value)
            for file, values in params.items()
            if _plain(file) in trees
            for key, value in values.items()
        )


def read_stages(text: str) -> dict[str, Any]:
    """Return the stages of a dvc.lock as DVC writes it, by name: `deps` without code, `outs` and `params`.

    Nothing where it cannot be read.
    """
    stages: dict[str, Any] = {}
    try:
        for block in STAGE.split(CODE.sub("", text))[1:]:
            stages |= _read_block(block)
    except (NotYaml, AttributeError, TypeError):
        return {}
    return stages


@lru_cache(maxsize=4096)
def _read_block(text: str) -> dict[str, Any]:
    """Return a stage under its name; most are the same in many experiments, and to read YAML takes long."""
    return {name: one for name, one in read_yaml(text).items() if isinstance(one, dict)}


def warn_of_other_settings(dataset: str, backbone: str | None) -> None:
    """Say so where the features, or without a backbone the images, are those of other settings than now.

    Only dvc.lock is asked; who runs stages without DVC is told nothing of these.
    """
    try:
        lock = LockFile(_read_lock(paths.LOCK), _read(paths.PARAMS))
    except (OSError, ValueError):
        return
    made = paths.features_file(dataset, backbone) if backbone else paths.split_folder(dataset)
    name = made.as_posix()
    if lock.knows(name) and not lock.is_current(name):
        log.warning(
            "%s was made with other settings than params.yaml has now (dvc.lock): what follows mixes both; "
            "run `dvc repro` first",
            name,
        )


def warn_of_other_head(dataset: str, backbone: str) -> None:
    """Say so where the head that lies here is not that of dvc.lock, as after `git checkout` alone."""
    folder = paths.model_folder(dataset, backbone)
    try:
        lock = LockFile(_read_lock(paths.LOCK), {})
        other = lock.knows(folder.as_posix()) and not lock.holds(folder)
    except (OSError, ValueError):
        return
    if other:
        log.warning(
            "%s is not the head that dvc.lock names: `dvc checkout dvc.yaml` brings that one, unless this "
            "was just trained by hand",
            folder,
        )


def find_other_results() -> tuple[list[str], list[str]]:
    """Return the results of studies that were made with other settings or features than there are now.

    And those that were made by hand, of which nothing tells how. Those of other images tell that themselves.
    """
    try:
        params, study_params = (_read(path) for path in (paths.PARAMS, paths.STUDIES))
        locks = [_read_lock(path) for path in (paths.LOCK, paths.STUDIES_LOCK) if path.exists()]
    except (OSError, ValueError):
        return [], []
    stages = {name: stage for one in locks for name, stage in one.items()}
    lock = LockFile(stages, params, lambda path: Path(path).read_bytes(), study_params)
    results = [path.as_posix() for path in sorted(paths.STUDIES_RESULTS.rglob("*.csv"))]
    by_hand = [one for one in results if not (lock.knows(one) and lock.is_as_made(one))]
    others = [
        one
        for one in results
        if one not in by_hand and not (lock.has_settings_of(one) and lock.has_features_of(one))
    ]
    return others, by_hand


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8"))
    return found


def _read_lock(path: Path) -> dict[str, Any]:
    return read_stages(path.read_text(encoding="utf-8"))


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _has(tree: Any, key: str, value: Any) -> bool:
    """Tell whether a tree of settings has a value under a dotted key."""
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return bool(tree == value)


def _deps(stage: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return stage.get("deps") or ()  # a stage may depend on code alone


def _plain(path: str) -> str:
    """Return a path from the project's folder, where a stage works in a folder of it."""
    return path.removeprefix("../")
