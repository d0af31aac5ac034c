"""Does a change on the way from bytes to features ever keep the fingerprint? One line a change.

    python -m tests.mutations

Each change is made in a copy of the package, or in the environment, and a few images go through
the copy in a process of its own. It must leave every feature as it was, or change the
fingerprint, or fail. Changes that decide nothing (a comment, a file's name) must keep both.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation_list import CODE, ENVIRONMENT, KERAS_FILES, SILENT
from tests.sample_images import encode, odd_images, scene

ROOT = Path(__file__).parents[1]
PROBE = """
import hashlib, json, sys
from pathlib import Path
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.params import BackboneParams, ExtractParams

name, engine = sys.argv[1:]
weights = "imagenet" if name == "efficientnet_lite0" else "random"
extractor = Extractor(
    name,
    BackboneParams(input_size=64, weights=weights),
    ExtractParams(engine=engine, precision="float32", batch_size=None, dtype="float32"),
)
key = extractor.fingerprint.key
images = [ImageFile(path) for path in sorted(Path("images").iterdir())]
features = [values.tobytes() for _, values in extractor.extract(images)]
print(json.dumps([key, hashlib.sha256(b"".join(features)).hexdigest()]))
"""

Edit = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change.

    Attributes:
        name: What is changed, for the table.
        edit: Makes it in a copy of the package.
        environment: Variables to set.
        before: What the program does before it imports the pipeline.
        network, engine: What computes.
        silent: Whether neither fingerprint nor features may change.
    """

    name: str
    edit: Edit = lambda _: None
    environment: dict[str, str] = field(default_factory=dict)
    before: str = ""
    network: str = "efficientnet_lite0"
    engine: str = "tensorflow"
    silent: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a change did; both are None where the changed program failed."""

    mutation: Mutation
    key_changed: bool | None
    features_changed: bool | None

    @property
    def holds(self) -> bool:
        if self.mutation.silent:
            return self.key_changed is False and self.features_changed is False
        return self.key_changed is not False or not self.features_changed


def all_mutations() -> Iterator[Mutation]:
    for file, old, new, network, engine in CODE:
        yield Mutation(
            name=f"{file}: {old} -> {new}",
            edit=_replacement(file, old, new),
            network=network,
            engine=engine,
        )
    for variables, before in ENVIRONMENT:
        for engine in ("tensorflow", "openvino"):
            name = " ".join([*(f"{one}={value}" for one, value in variables.items()), before])
            yield Mutation(
                name=f"{engine}: {name}", environment=variables, before=before, engine=engine
            )
    for name, changes in SILENT:
        yield Mutation(name=name, edit=_replacements(changes), silent=True)
    yield Mutation(name="the decoder's file has another name", edit=_rename_decoder, silent=True)


def _replacement(file: str, old: str, new: str) -> Edit:
    return _replacements([(file, old, new)])


def _replacements(changes: Iterable[tuple[str, str, str]]) -> Edit:
    def edit(package: Path) -> None:
        for file, old, new in changes:
            text = (package / file).read_text(encoding="utf-8")
            assert old in text, f"{file} has no {old!r} any more: write this mutation anew"
            (package / file).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def _rename_decoder(package: Path) -> None:
    (package / "images.py").rename(package / "decoding.py")
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8").replace("pipeline.images", "pipeline.decoding")
        if file.name == "code.py":
            text = text.replace('"images.py"', '"decoding.py"')
        file.write_text(text, encoding="utf-8")


def run(mutations: Iterable[Mutation], processes: int = 2) -> Iterator[Result]:
    """Yield a result for each mutation, in order."""
    mutations = list(mutations)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as pool:
        make_inputs(Path(folder))
        pairs = sorted({(one.network, one.engine) for one in mutations})
        plain = [Mutation(name="as it is", network=n, engine=e) for n, e in pairs]
        bases = dict(zip(pairs, pool.map(lambda one: probe(one, Path(folder)), plain), strict=True))
        found = pool.map(lambda one: probe(one, Path(folder)), mutations)
        for mutation, after in zip(mutations, found, strict=True):
            base = bases[mutation.network, mutation.engine]
            assert base is not None, "the program itself fails"
            changed = (
                [now != then for now, then in zip(after, base, strict=True)] if after else None
            )
            key, features = changed or (None, None)
            yield Result(mutation=mutation, key_changed=key, features_changed=features)


def make_inputs(folder: Path) -> None:
    """Write images for every way through the decoder, and Keras's settings."""
    (folder / "images").mkdir()
    images = odd_images() | {
        f"{side}.jpg": encode(scene(side, side * 3 // 4, seed=side), "JPEG")
        for side in (150, 300, 700)
    }
    turned = scene(90, 60, seed=1).getexif()
    turned[0x0112] = 6
    images["turned.jpg"] = encode(scene(90, 60, seed=1), "JPEG", exif=turned)
    for name, data in images.items():
        (folder / "images" / name).write_bytes(data)
    for name, values in KERAS_FILES.items():
        (folder / name).mkdir()
        (folder / name / "keras.json").write_text(json.dumps(values), encoding="utf-8")


def probe(mutation: Mutation, folder: Path) -> list[str] | None:
    """Return fingerprint and hash of the features, None where the program fails."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "pipeline", Path(place, "pipeline"))
        mutation.edit(Path(place, "pipeline"))
        Path(place, "probe.py").write_text(f"{mutation.before}\n{PROBE}", encoding="utf-8")
        command = [sys.executable, f"{place}/probe.py", mutation.network, mutation.engine]
        environment = {**os.environ, **mutation.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main() -> None:
    """Print the table; exit with 1 if a change slips through."""
    words = {True: "changed", False: "same", None: "refused"}
    print("| change | fingerprint | features | verdict |\n| --- | --- | --- | --- |")
    slips = count = 0
    for result in run(all_mutations()):
        count, slips = count + 1, slips + (not result.holds)
        name = result.mutation.name.replace("|", "\\|").replace("\n", " ")
        cells = (name, words[result.key_changed], words[result.features_changed])
        print(f"| {' | '.join(cells)} | {'ok' if result.holds else 'SLIPS'} |", flush=True)
    print(f"\n{count} changes, {slips} slip through")
    sys.exit(slips > 0)


if __name__ == "__main__":
    main()
