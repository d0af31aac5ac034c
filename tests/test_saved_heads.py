"""A head in its folder: what is written is read back, and no damage passes for a head."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline.saved_heads import (
    DESCRIPTION,
    PREDICTIONS,
    WEIGHTS,
    HeadInfo,
    SavedHead,
    _Description,
    read_head,
    read_head_predictions,
    write_head,
)
from safetensors.numpy import load_file, save, save_file

from pipeline.errors import HeadError
from tests.test_predictions import predictions

FILES = (WEIGHTS, DESCRIPTION, PREDICTIONS)
FAULTS = 500


def saved(kind: str = "mlp", classes: str = "abc", shape: tuple[int, ...] = (5,)) -> SavedHead:
    info = HeadInfo(
        kind=kind,  # type: ignore[arg-type]
        units=4,
        dropout=0.25,
        shape=shape,
        classes=tuple(classes),
        backbone="vgg16",
        fingerprint="f" * 32,
        fingerprint_parts='{"backbone":"vgg16","x":1}',
    )
    chance = np.random.default_rng(1)
    tensors = {
        name: chance.normal(size=size).astype(np.float32)
        for name, size in info.tensor_shapes().items()
    }
    return SavedHead(info=info, tensors=tensors)


def equal(one: SavedHead, other: SavedHead) -> bool:
    return one.info == other.info and all(
        np.array_equal(one.tensors[name], other.tensors[name])
        for name in one.tensors.keys() | other.tensors.keys()
    )


@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize(("classes", "shape"), [("ab", (5,)), ("abc", (2, 3, 4))])
def test_what_is_written_is_read_back(
    kind: str, classes: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    head = saved(kind, classes, shape)
    write_head(tmp_path, head, predictions())
    assert equal(read_head(tmp_path), head)
    assert read_head_predictions(tmp_path).path == predictions().path
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(FILES)


def test_the_description_names_the_sha256_of_the_files_beside_it(tmp_path: Path) -> None:
    write_head(tmp_path, saved(), predictions())
    found = json.loads((tmp_path / DESCRIPTION).read_text())
    for file, key in ((WEIGHTS, "weights_sha256"), (PREDICTIONS, "predictions_sha256")):
        assert found[key] == sha256((tmp_path / file).read_bytes()).hexdigest()
    assert found["fingerprint_parts"] == {"backbone": "vgg16", "x": 1}


def test_tensorflow_is_not_imported() -> None:
    code = "import sys, pipeline.saved_heads; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


Damage = Callable[[Path], object]


def seal(folder: Path) -> None:
    """Make hashes and checksum fit what lies in the folder, as a careful forger would."""
    found = json.loads((folder / DESCRIPTION).read_text())
    found["weights_sha256"] = sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    try:
        found["checksum"] = _Description.model_validate_json(json.dumps(found)).compute_checksum()
    except ValueError:
        pass  # what no description can hold has no checksum
    (folder / DESCRIPTION).write_text(json.dumps(found))


def described(**changes: Any) -> Damage:
    def change(folder: Path) -> None:
        found = json.loads((folder / DESCRIPTION).read_text())
        (folder / DESCRIPTION).write_text(json.dumps({**found, **changes}))
        seal(folder)

    return change


def weighing(change: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]) -> Damage:
    def rewrite(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)
        seal(folder)

    return rewrite


def text(content: str | bytes) -> Damage:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / DESCRIPTION).write_bytes(data)


def with_nan(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    tensors["classes/bias"][1] = np.nan
    return tensors


def make_pipe(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


def make_huge(name: str) -> Damage:
    """Make a file of 1 TB that takes no room, as sparse files do."""
    return lambda folder: os.truncate(folder / name, 1 << 40)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "train first .head.safetensors is"),
        (lambda folder: (folder / DESCRIPTION).unlink(), "train first .head.json is"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), "has 0 bytes, a head as"),
        (lambda folder: (folder / WEIGHTS).write_bytes(bytes(250)), "has the sha256 [0-9a-f]{12}"),
        (make_pipe, "head.safetensors is no file"),
        (make_huge(WEIGHTS), "has 1,099,511,627,776 bytes, a head as head.json has 156"),
        (make_huge(DESCRIPTION), "has 1,099,511,627,776 bytes, 16,777,216 at most"),
        (text("{"), "EOF while parsing"),
        (text("[]"), "the whole: Input should be an object"),
        (text("{}"), "kind: Field required"),
        (text(b"\xff\xfe"), "head.json, the whole: Invalid JSON"),
        (text("[" * 2000 + "]" * 2000), "recursion limit exceeded"),
        (described(kind="svm"), "kind: Input should be 'mlp' or 'linear', found 'svm'"),
        (described(kind="linear"), "head.safetensors holds .*hidden/kernel.* a head as head.json"),
        (described(units=-3), "units: Input should be greater than or equal to 1, found -3"),
        (described(units="wide"), "units: Input should be a valid integer, found 'wide'"),
        (described(units=10**9), "units: Input should be less than or equal to 65536"),
        (described(units=True), "units: Input should be a valid integer, found True"),
        (described(dropout=1), "dropout: Input should be less than 1"),
        (described(dropout=float("nan")), "dropout: Input should be a"),
        (described(shape=None), "shape: Input should be a valid array, found None"),
        (described(shape=[]), "shape: Tuple should have at least 1 item"),
        (described(shape=[1] * 4), "shape: Tuple should have at most 3 items"),
        (described(shape=[6]), r"holds .*'hidden/kernel': \(\(5, 4\), .* has .*'hidden/kernel': \(\(6, 4\)"),
        (described(shape=[1 << 24] * 3), "bytes, a head as head.json has"),
        (described(classes=[]), "classes: Tuple should have at least 2 items"),
        (described(classes=["a", "c", "b"]), "classes should be different names in alphabetical"),
        (described(classes=["a", "a", "b"]), "classes should be different names in alphabetical"),
        (described(classes=["a", "b", "c" * 999]), "classes.2: String should have at most 255"),
        (described(classes=["a", "b", "c", "d"]), "head.safetensors holds"),
        (described(colour="blue"), "colour: Extra inputs are not permitted, found 'blue'"),
        (described(predictions_sha256="0" * 63), "predictions_sha256: String should match pattern"),
        (weighing(lambda found: dict(list(found.items())[1:])), "bytes, a head as|holds"),
        (weighing(lambda found: {n: v[::-1].T.copy() for n, v in found.items()}), "holds"),
        (weighing(lambda found: {n: v.view(np.int32) for n, v in found.items()}), "int32"),
        (weighing(lambda found: {f"{n}s": v for n, v in found.items()}), "classes/biass"),
        (weighing(with_nan), "classes/bias holds numbers that are not finite"),
    ],
)  # fmt: skip
def test_damage_is_told_as_such(damage: Damage, message: str, tmp_path: Path) -> None:
    write_head(tmp_path, saved(), predictions())
    damage(tmp_path)
    with pytest.raises(HeadError, match=message) as caught:
        read_head(tmp_path)
    assert "run the stage train" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_changed_word_is_noticed(tmp_path: Path) -> None:
    write_head(tmp_path, saved(), predictions())
    description = (tmp_path / DESCRIPTION).read_text()
    (tmp_path / DESCRIPTION).write_text(description.replace('"c"', '"d"'))
    with pytest.raises(HeadError, match="its contents do not give its checksum"):
        read_head(tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_predictions_that_lack_rows_are_noticed(kept: int, tmp_path: Path) -> None:
    write_head(tmp_path, saved(), predictions())
    lines = (tmp_path / PREDICTIONS).read_text().splitlines(keepends=True)
    (tmp_path / PREDICTIONS).write_text("".join(lines[:kept]))
    with pytest.raises(HeadError, match=r"predictions.csv has the sha256 .*run the stage train"):
        read_head_predictions(tmp_path)


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    write_head(tmp_path, saved(), predictions())
    (tmp_path / PREDICTIONS).unlink()
    with pytest.raises(HeadError, match=r"run the stage train first .predictions.csv is missing"):
        read_head_predictions(tmp_path)


class Vandal:
    """A source of damaged head folders: the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)

    def pick(self, *options: Any) -> Any:
        return options[self.chance.integers(len(options))]

    def damage(self, folder: Path) -> bool:
        """Do one of many harms to a folder; return whether its hashes were made to fit again."""
        self.pick(
            self.flip, self.cut, self.swap, self.edit, self.edit, self.edit,
            self.rewrite_text, self.rewrite_weights, self.rewrite_header, self.replace,
        )(folder)  # fmt: skip
        if self.chance.random() < 0.5 or not all((folder / name).is_file() for name in FILES):
            return False
        try:
            seal(folder)
        except (ValueError, TypeError, RecursionError):
            return False  # beyond a forger's skill
        return True

    def flip(self, folder: Path) -> None:
        file = folder / self.pick(*FILES)
        data = bytearray(file.read_bytes())
        for _ in range(self.pick(1, 1, 1, 20)):
            data[self.chance.integers(len(data))] ^= 1 << self.chance.integers(8)
        file.write_bytes(bytes(data))

    def cut(self, folder: Path) -> None:
        file = folder / self.pick(*FILES)
        data = file.read_bytes()
        end = int(self.chance.integers(len(data)))
        file.write_bytes(
            self.pick(data[:end], data[end:], data + data[:end], data[:end] + bytes(9))
        )

    def swap(self, folder: Path) -> None:
        one, other = self.chance.permutation(FILES)[:2]
        (folder / one).rename(folder / "x")
        (folder / other).rename(folder / one)
        (folder / "x").rename(folder / other)

    def value(self) -> Any:
        """Return some JSON value that nobody expects."""
        return self.pick(
            None, True, -1, 0, 2, 10**9, 10**30, 1.5, float("nan"), float("inf"), "", "linear", "mlp",
            "x" * 10_000, [], [1], [0], [-1, 2], [1.0], [10**9], ["a"], ["a", "b"], ["b", "a", "c"],
            [1 << 24] * 3, {}, {"a": 1}, [[[]]], ["a", None], "\x00", "0" * 64,
        )  # fmt: skip

    def edit(self, folder: Path) -> None:
        found = json.loads((folder / DESCRIPTION).read_text())
        for _ in range(self.pick(1, 1, 2, 4)):
            key = self.pick(*found, "another")
            if self.chance.random() < 0.2:
                found.pop(key, None)
            else:
                found[key] = self.value()
        (folder / DESCRIPTION).write_text(json.dumps(found))

    def rewrite_text(self, folder: Path) -> None:
        depth = int(self.chance.integers(1, 3000))
        whole = (folder / DESCRIPTION).read_text()
        text = self.pick(
            "", "null", "[" * depth, '{"kind":' * depth + "1" + "}" * depth, "9" * 5000, "\ufeff" + whole,
            '"\\ud800"', whole.replace('"x": 1', f'"x": {"[" * depth}{"]" * depth}'),
            whole.replace('"x": 1', f'"x": {"9" * depth}'), whole.replace(": 4,", f": {'4' * depth},"),
            whole.replace('"vgg16"', '"\\ud800"'), whole + whole, json.dumps([json.loads(whole)]),
        )  # fmt: skip
        (folder / DESCRIPTION).write_text(text)

    def rewrite_weights(self, folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        name = self.pick(*found)
        values = found[name].copy()
        if self.chance.random() < 0.5:
            values.flat[self.chance.integers(values.size)] = self.pick(np.nan, np.inf, -np.inf)
            found[name] = values
        else:
            found[self.pick(name, "more")] = self.pick(
                values[:-1].copy(), values.astype(np.float16), values.astype(np.float64), values[None],
                values.view(np.int32), np.zeros(0, np.float32), np.zeros((), np.float32),
            )  # fmt: skip
        (folder / WEIGHTS).write_bytes(save(found))

    def rewrite_header(self, folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = data[8 : 8 + length].decode()
        header = self.pick(
            header.replace("F32", self.pick("BF16", "F8_E4M3", "F64", "BOOL", "X", "C64")),
            header.replace("[5,4]", self.pick("[5,-4]", "[4,5]", "[99999999999,4]", "null", "[20]")),
            header.replace('"data_offsets":[', '"data_offsets":[9'), "{}", "[" * 5000, header[:-1],
            header.replace("classes/bias", "hidden/bias"),
        )  # fmt: skip
        encoded = header.encode()
        claimed = self.pick(len(encoded), 0, 1 << 40, len(encoded) + 1)
        (folder / WEIGHTS).write_bytes(claimed.to_bytes(8, "little") + encoded + data[8 + length :])

    def replace(self, folder: Path) -> None:
        file = folder / self.pick(*FILES)
        file.unlink()
        self.pick(
            lambda: None, file.mkdir, lambda: os.mkfifo(file), lambda: file.symlink_to("nowhere"),
            lambda: file.symlink_to(file), lambda: file.symlink_to("/dev/zero"),
            lambda: file.write_bytes(self.chance.bytes(500)),
        )()  # fmt: skip


@pytest.mark.parametrize("seed", range(FAULTS // 100))
def test_no_damaged_folder_gives_a_traceback_or_a_wrong_head(seed: int, tmp_path: Path) -> None:
    written = saved()
    refused = 0
    for number in range(100):
        folder = tmp_path / str(number)
        write_head(folder, written, predictions())
        forged = Vandal(1000 * seed + number).damage(folder)
        head, table = attempt(read_head, folder), attempt(read_head_predictions, folder)
        assert head is None or forged or equal(head, written)
        assert table is None or table.path == predictions().path
        refused += head is None
    assert 50 < refused < 100


def attempt(read: Callable[[Path], Any], folder: Path) -> Any:
    """Return what was read, or None where it was refused in a message; nothing else is caught."""
    try:
        return read(folder)
    except HeadError as error:
        return None if "run the stage train" in str(error) else error
