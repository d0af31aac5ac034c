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
    "23d260f706c207f34b86cc99b70758facdc6beb3a41908d0f4d75bf9bc8249cf":
        "357bc1fffdbddff6e5354109bf7290e25e4127afb8a8f8573e1b130dcf690d05",
    "eae296185afb6f8177996d56c91125c712654e0b69c77be3818f8f9b722725e0":
        "fa888e5ddc1f4963ff9b13c771a8bc0053a09e329d36c3d4b5ec59195bef05ed",
    "45cedf5f49a7329998dc57cc0d200f041380fd71d0a53453c198b74427baabe8":
        "6e7d8a7a3c0e68719d6be6ae13d0a4c428f785f3f199cfeb7f78c51db508faaf",
    "1e2ef8c19adaf375f21ad22ee7b6d42605f864d6002185b6197f3c941678f66f":
        "b0a90a14feb5c1d85655c6632a5a8ad4bbe43ab47c951ce32b1a66c45965f64b",
    "581bcca4f5475a84da3677b4664867dd8ad432ae743fdab75bbca41d07b42bc9":
        "dfbe7a91c81ead13dbefacee17565a92af8464df89ffbdaee477afafa4971156",
    "a19dec9b24bca3f00848c8300679bbfb365d2c1942b2f7e189680da2f79f8c0c":
        "4d529969f9db56495b0764498a15bb09101ece1bba74745e7d1eb96338a15853",
    "53d62a871ccac50bc20ea3a800c5c2471d66ab1c7402b7b48aa57e794c430aa5":
        "0ef3fdb27a7d8cbfd5d1b646a7a704d419e10e8c6a4f83a3711c179148787cc9",
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
