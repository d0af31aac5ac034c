"""Which of our modules decide a feature's value, and a digest of what they do.

The digest is of their syntax trees, so what runs alike is alike: comments, docstrings, types,
messages of errors, and where a file lies cost no forward pass.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

PACKAGE = Path(__file__).parents[1]
DECIDING = (
    "backbones/backbone.py",
    "backbones/keras_settings.py",
    "engines/__init__.py",
    "engines/choice.py",
    "engines/environment.py",
    "engines/hardware.py",
    "engines/memory.py",
    "extraction/decoding.py",
    "extraction/extractor.py",
    "images.py",
    "jpeg.py",
    "pinned_environment.py",
    "tiff.py",
)
BY_ENGINE = {
    "jax": ("engines/jax.py",),
    "openvino": ("engines/openvino.py",),
    "tensorflow": ("engines/tensorflow.py",),
}
LITE = ("backbones/efficientnet_lite.py", "backbones/torch_file.py")
BY_BUILDER = {
    "lite0": LITE,
    "lite1": LITE,
    "lite2": LITE,
    "own": ("backbones/own_network.py",),
    "own_graph": ("backbones/channel_axis.py", "backbones/own_graph.py"),
}

# Code that was written anew and gives the same bits: its digest, and that of the code whose features
# the stores hold, so that nothing is computed again. Only for changes whose features files were seen
# to have the same bytes; with the next change of what features are, it is emptied.
SAME_BITS: dict[str, str] = {
    "06d4d58a25c5aac5d34908a416eddc2dfe34fd5f0d9d35e04bdd9b1ceddd059e":
        "357bc1fffdbddff6e5354109bf7290e25e4127afb8a8f8573e1b130dcf690d05",
    "12e77fcdf014d6f532c080659f415f1c7d567f6ef4430a9d2eef224c18ee06e0":
        "fa888e5ddc1f4963ff9b13c771a8bc0053a09e329d36c3d4b5ec59195bef05ed",
    "96a6e48d3a1517c79e3e97396374d3dda755fa76c563c549ac33c083142464c0":
        "6e7d8a7a3c0e68719d6be6ae13d0a4c428f785f3f199cfeb7f78c51db508faaf",
    "8fa32c6fabf1b9d4ca8a54c4df47b5d458f2ac483ce4de011e3b36980277771f":
        "b0a90a14feb5c1d85655c6632a5a8ad4bbe43ab47c951ce32b1a66c45965f64b",
    "2807b14033181e2477f3cde7bb819d851c524c6aaa1c217a0beffd3b193e08ef":
        "dfbe7a91c81ead13dbefacee17565a92af8464df89ffbdaee477afafa4971156",
    "31030cc50f5330c0941b6dd16ab71470bafa48ea7ef1b2985c7b50c13ef146ff":
        "4d529969f9db56495b0764498a15bb09101ece1bba74745e7d1eb96338a15853",
    "4e9997e51bab350d2db4adf1567aa68dc23be3353ae1b73f7e9e909818711883":
        "0ef3fdb27a7d8cbfd5d1b646a7a704d419e10e8c6a4f83a3711c179148787cc9",
    "75c538381210191ac09cd166db8a11a9da8cf9cc7ef800dbd8fca05f9095339d":
        "44abd1ac9f06bfc8757d8107b83032ca61dcbc2c05d995f63663034371272cc4",
    "b9e2caa3ccaeb259ba596c0cf8b5e92066f3122a4464d990e0fcba3d70fd54aa":
        "8fd83cb95c7e18775cf4229c48f9ace5d4fdaddb4d38fb613b5537ee93e85b92",
}  # fmt: skip

# Fields of a syntax tree that decide no value; `type_params` came with Python 3.12.
SILENT = {"annotation", "returns", "ctx", "msg", "type_comment", "type_params", "kind"}


def digest_code(engine: str, builder: str) -> str:
    """Return a hash of all code of ours that decides features, the same on every Python.

    Args:
        engine: `tensorflow`, `openvino` or `jax`.
        builder: Of the catalogue: which network is built.
    """
    files = (*DECIDING, *BY_ENGINE[engine], *BY_BUILDER.get(builder, ()))
    digest = digest_sources((PACKAGE / file).read_text(encoding="utf-8") for file in files)
    return SAME_BITS.get(digest, digest)


def digest_sources(sources: Iterable[str]) -> str:
    """Return a hash of what modules do, in whatever order they come."""
    forms = sorted(_form(_without_own_imports(ast.parse(source))) for source in sources)
    return hashlib.sha256("\0".join(forms).encode()).hexdigest()


def _without_own_imports(module: ast.Module) -> ast.Module:
    """Replace the imports of our own modules by what is imported, sorted: where it lies may change."""
    names = []
    for node in ast.walk(module):
        for block in _blocks(node):
            for statement in [one for one in block if _is_own_import(one)]:
                names += [f"{one.name} {one.asname}" for one in statement.names]
                block.remove(statement)
    module.body[:0] = [ast.Expr(ast.Name(name)) for name in sorted(names)]
    return module


def _is_own_import(node: object) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pipeline"


def _blocks(node: ast.AST) -> Iterator[list[object]]:
    """Yield the lists of statements in a node."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, list):
            yield value


def _form(node: object) -> str:
    """Write a syntax tree as text: kinds of nodes, and those of their fields that say something.

    Not by `ast.dump`, which differs from one Python to another.
    """
    if isinstance(node, list):
        return f"[{','.join(map(_form, node))}]"
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if not isinstance(node, ast.AST):
        return f"<{node!r}>"
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        node = ast.Raise(node.exc.func)
    fields = {name: _without_silent(value) for name, value in ast.iter_fields(node)}
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty parts
        fields["values"] = [one for one in node.values if getattr(one, "value", None) != ""]
    said = (
        f"{name}={_form(value)}"
        for name, value in fields.items()
        if name not in SILENT and value is not None and value != []
    )
    return f"{type(node).__name__}({','.join(said)})"


def _without_silent(value: object) -> object:
    """Take statements that are a text alone, as docstrings are, from a list of statements."""
    if not isinstance(value, list):
        return value
    return [one for one in value if not (isinstance(one, ast.Expr) and _is_text(one.value))]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
