"""Which of the project's modules a module is made of, found by reading imports, lazy ones too.

What is imported for types alone never runs, and is left out.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "pipeline"


def import_closure(start: Path, exempt: frozenset[str]) -> set[str]:
    """Return the paths, as in dvc.yaml, of a module and all of ours that it imports, directly or not.

    Exempt modules (dotted names) are neither listed nor followed.
    """
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [other for other in _imported(path, exempt) if other not in found]
    return {str(path.relative_to(PACKAGE.parent)) for path in found}


def _imported(path: Path, exempt: frozenset[str]) -> set[Path]:
    names = set()
    for node in _nodes_that_run(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            imported = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {node.module, *imported, *(n for name in imported for n in _modules_in(name))}
    ours = {
        name for name in names if name and name.split(".")[0] == "pipeline" and name not in exempt
    }
    parents = {
        ".".join(name.split(".")[:depth])
        for name in ours
        for depth in range(1, name.count(".") + 2)
    }
    return {file for name in parents - exempt for file in _files(name)}


def _nodes_that_run(tree: ast.Module) -> list[ast.AST]:
    """Return all nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return list(ast.walk(tree))


def _modules_in(name: str) -> list[str]:
    """Return the modules of a package that is imported itself: it is looked through, as heads.kinds is."""
    folder = PACKAGE.parent.joinpath(*name.split("."))
    return [f"{name}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"]


def _files(name: str) -> list[Path]:
    base = PACKAGE.parent.joinpath(*name.split("."))
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
