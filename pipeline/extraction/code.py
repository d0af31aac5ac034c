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
    "own_graph": ("backbones/own_graph.py",),
}

# Code that was written anew and gives the same bits: its digest, and that of the code whose features
# the stores hold, so that nothing is computed again. Only for changes whose features files were seen
# to have the same bytes; with the next change of what features are, it is emptied.
SAME_BITS: dict[str, str] = {
    "03577baa1ba1f70876bb2bbc29b63fd7ee4172e36a3c149553f2cb6d34e0a9d8":
        "357bc1fffdbddff6e5354109bf7290e25e4127afb8a8f8573e1b130dcf690d05",
    "2050ea9a75d31ced0e3d89980322a3488282ca56fda812f354ef60f54882f6ed":
        "4d529969f9db56495b0764498a15bb09101ece1bba74745e7d1eb96338a15853",
    "4e7865765202555b5186790099984b3a79dc834f30b95ac0a8e0c6ca56d0ddb7":
        "6e7d8a7a3c0e68719d6be6ae13d0a4c428f785f3f199cfeb7f78c51db508faaf",
    "054fc5d869c9aca701f2e3dbfc59a79066fd9a7d143f8668e3facfa07476fcdc":
        "b0a90a14feb5c1d85655c6632a5a8ad4bbe43ab47c951ce32b1a66c45965f64b",
    "8769abd31a164f7cdbb8c88425ec163b9895bd1a2a32b5a63988256c9bc5a432":
        "dfbe7a91c81ead13dbefacee17565a92af8464df89ffbdaee477afafa4971156",
    "b5988d1d1278a85b6db2aa8bd9291fa219e9add0b058bc4ca44bfab8acea7d71":
        "fa888e5ddc1f4963ff9b13c771a8bc0053a09e329d36c3d4b5ec59195bef05ed",
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
