"""ARCHITECTURE.md's map: a line a module, in the module's own words."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"
BEGIN, END = "<!-- the map -->", "<!-- end of the map -->"


def first_sentence(path: Path) -> str:
    """Return what a module's docstring says first."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, f"{path} has no docstring"
    return text.split("\n\n")[0].replace("\n", " ")


def draw_map() -> str:
    """Return the lines of all modules: those at the top, then folder by folder."""
    folders = sorted({path.parent for path in PACKAGE.rglob("*.py")})
    lines = []
    for folder in folders:
        name = folder.relative_to(PACKAGE.parent)
        lines += ["", f"**`{name}/`** {first_sentence(folder / '__init__.py')}", ""]
        modules = sorted(set(folder.glob("*.py")) - {folder / "__init__.py"})
        lines += [f"* `{path.name}` {first_sentence(path)}" for path in modules]
    return "\n".join([*lines[1:], ""])


def test_the_map_names_every_module_in_its_own_words() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    found = text.partition(f"{BEGIN}\n")[2].partition(END)[0]
    assert found == draw_map(), "put what draw_map() returns between the two marks"
