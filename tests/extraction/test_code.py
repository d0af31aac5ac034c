"""The digest of the code sees what decides a feature, and nothing that does not."""

import shutil
from pathlib import Path

import pytest

from pipeline.extraction import code
from pipeline.extraction.code import digest_code, digest_sources
from tests.closure import PACKAGE, import_closure

# What the extractor imports and the digest leaves out.
EXEMPT = {
    "pipeline.backbones.weights": "where weights lie; their sha256 is in the fingerprint",
    "pipeline.catalogue.backbones": "its entry is in the fingerprint: builder and scaling",
    "pipeline.backbones.conversion_check": "refuses a network, and changes no value",
    "pipeline.errors": "messages",
    "pipeline.extraction.code": "makes the digest; the tests here hold it",
    "pipeline.files": "hashes files, and puts them in place",
    "pipeline.parallel": "which work is done when; features travel with the keys of their images",
    "pipeline.params": "settings; those that decide are in the fingerprint",
    "pipeline.paths": "where files lie",
    "pipeline.backbones.scaling_check": "scales the noise that conversion_check tries networks with",
    "pipeline.store.fingerprint": "makes the fingerprint",
    "pipeline.store.shards": "names of types; what a shard holds is checked row by row",
}
LISTED = {
    *code.DECIDING,
    *(file for files in (code.BY_ENGINE, code.BY_BUILDER) for some in files.values() for file in some),
}  # fmt: skip
SOURCE = '''
"""What it is."""

import cv2
from pipeline.images import decode_square, Pixels as P

CROP: float = 7 / 8  # of the side

def cut(pixels: P, size: int = 3, *, fill=None) -> P:
    """Cut."""
    if size < 0:
        raise ValueError(f"size is {size}")
    assert size, "no size"
    return [f"{one:>{size}}" "x" for one in pixels][size:]
'''
DIGEST = "d06eca38d9102587d8010273375bbbab40eb0395970b8625186def1ddc461b48"


def test_the_digest_covers_what_the_extractor_is_made_of() -> None:
    closure = import_closure(PACKAGE / "extraction" / "extractor.py", frozenset(EXEMPT))
    # The package itself says what Python programs may ask it for, and pins nothing.
    closure.remove("pipeline/__init__.py")
    saying = {file for file in closure if digest_sources([_read(file)]) != digest_sources([""])}
    assert saying == {f"pipeline/{file}" for file in LISTED}


def _read(file: str) -> str:
    return (PACKAGE.parent / file).read_text(encoding="utf-8")


def test_each_exempt_module_is_imported_and_has_a_reason() -> None:
    closure = import_closure(PACKAGE / "extraction" / "extractor.py", frozenset())
    for name, reason in EXEMPT.items():
        assert f"{name.replace('.', '/')}.py" in closure
        assert reason


@pytest.mark.parametrize("file", sorted(LISTED))
def test_a_change_in_each_module_counts(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        ("tensorflow", "lite0", {"engines/tensorflow.py", *code.LITE}),
        ("openvino", "VGG16", {"engines/openvino.py"}),
        ("openvino", "own", {"engines/openvino.py", "backbones/own_network.py"}),
        ("openvino", "own_graph", {"engines/openvino.py", *code.BY_BUILDER["own_graph"]}),
        ("jax", "VGG16", {"engines/jax.py"}),
    ]

    def digests() -> list[str]:
        return [digest_code(engine, builder) for engine, builder, _ in asked]

    before = digests()
    shutil.copytree(PACKAGE, tmp_path / "pipeline")
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "pipeline")
    assert digests() == before
    with (tmp_path / "pipeline" / file).open("a") as stream:
        stream.write("\nadded = 1\n")
    changed = [now != then for now, then in zip(digests(), before, strict=True)]
    assert changed == [file in {*code.DECIDING, *own} for *_, own in asked]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it is."""', '"""Other words."""'),
        ('    """Cut."""\n', ""),
        ("  # of the side", ""),
        ("7 / 8", "(7 /\n 8)"),
        ("pixels: P, size: int", "pixels, size: float"),
        (" -> P", ""),
        ('f"size is {size}"', 'f"{size} is no size", size'),
        (', "no size"', ""),
        ("from pipeline.images import", "from pipeline.decoding.images import"),
        ("import decode_square, Pixels as P", "import Pixels as P, decode_square"),
        ("import cv2\n", "from pipeline.images import decode_square\nimport cv2\n"),
    ],
)
def test_what_runs_alike_has_one_digest(old: str, new: str) -> None:
    changed = SOURCE.replace(old, new)
    if new.endswith("import cv2\n"):  # the import only moves
        changed = changed.replace("import decode_square, Pixels", "import Pixels")
    assert changed != SOURCE
    assert digest_sources([changed]) == digest_sources([SOURCE])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("7 / 8", "7 / 9"),
        ("7 / 8", "8 / 7"),
        ("7 / 8", "7.0 / 8"),
        ("fill=None", "fill=0"),
        ("*, fill=None", "*, fill"),
        ("*, fill=None", "fill=None"),
        ("size < 0", "size <= 0"),
        ("ValueError", "KeyError"),
        ("        raise ValueError", "        return ValueError"),
        ("assert size", "assert not size"),
        (">{size}", "<{size}"),
        ('"x"', '"y"'),
        ("[size:]", "[:size]"),
        ("import cv2", "import cv3 as cv2"),
        ("decode_square", "decode_grey as decode_square"),
        ("\ndef cut", "\n@cache\ndef cut"),
    ],
)
def test_what_may_run_otherwise_has_another(old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_sources([SOURCE.replace(old, new)]) != digest_sources([SOURCE])


def test_code_that_gives_the_same_bits_keeps_its_digest() -> None:
    """Whoever changes a listed module empties SAME_BITS, or enters the new digest and has seen the bytes."""
    builders = ("", *code.BY_BUILDER)
    found = {digest_code(engine, builder) for engine in code.BY_ENGINE for builder in builders}
    assert found >= set(code.SAME_BITS.values()), "SAME_BITS holds digests of code that is no more"


def test_the_order_of_modules_does_not_count_but_each_does() -> None:
    assert digest_sources(["a = 1", "b = 2"]) == digest_sources(["b = 2", "a = 1"])
    assert digest_sources(["a = 1", "b = 2"]) != digest_sources(["a = 1"])
    assert digest_sources(["a = 1", "a = 1"]) != digest_sources(["a = 1"])


def test_every_python_gives_the_same_digest() -> None:
    """Found by 3.11, 3.12 and 3.13, whose own `ast.dump` differ; CI runs this on each."""
    assert digest_sources([SOURCE]) == DIGEST
