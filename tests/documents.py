"""What README.md and docs/* show: blocks of code, and the commands in them and in sentences."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), NOTEBOOK]
PROGRAMS = ("bottleneck", "dvc", "make", "python")  # those whose every command is checked
OTHERS = ("git", "source", "du", "cd", "h5dump")  # known, and not ours to check
CONTROL = re.compile(r"^(for .* in .*|do|done|then|fi)$")


class Block(NamedTuple):
    """A block of code: its language, empty where it says none, and the line it begins in, from 1."""

    document: str
    line: int
    language: str
    text: str


def text_of(document: Path) -> str:
    """Return a document's text; of a notebook, what stands between the cells of code."""
    return (
        "\n\n".join(cells_of("markdown")) if document == NOTEBOOK else document.read_text("utf-8")
    )


def cells_of(kind: str) -> list[str]:
    """Return the notebook's cells of a kind: markdown or code."""
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(one["source"]) for one in book["cells"] if one["cell_type"] == kind]


def tokens_of(document: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text_of(document))


def blocks_of(document: Path) -> list[Block]:
    name = str(document.relative_to(ROOT))
    return [
        Block(name, token.map[0] + 1, token.info.strip(), token.content)
        for token in tokens_of(document)
        if token.type in ("fence", "code_block") and token.map
    ]


def python_in(text: str) -> list[str]:
    """Return the blocks of Python in a piece of Markdown."""
    tokens = MarkdownIt("commonmark").parse(text)
    return [one.content for one in tokens if one.type == "fence" and one.info.strip() == "python"]


def all_blocks(*languages: str) -> list[Block]:
    return [
        block
        for document in DOCUMENTS
        for block in blocks_of(document)
        if not languages or block.language in languages
    ]


def shown_commands() -> list[tuple[str, list[str]]]:
    """Return every command that the documents show, and where: in blocks, and as `code` in sentences."""
    found = []
    for block in all_blocks("sh", "console"):
        lines = block.text
        if block.language == "console":
            lines = "\n".join(re.findall(r"^\$ (.*)$", block.text, re.MULTILINE))
        found += [(f"{block.document}:{block.line}", one) for one in split_commands(lines)]
    for document in DOCUMENTS:
        for place, code in _inline_code(document):
            if code.split()[:1] and code.split()[0] in PROGRAMS and " " in code:
                found += [(place, one) for one in split_commands(code)]
    return found


def split_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a piece of shell, without variables that are set before it."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|"):
                words = words[1:] if words[:1] == ["do"] else words
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words = words[1:]
                if words and not CONTROL.match(" ".join(words)):
                    yield words
                words = []
            else:
                words.append(word)


def _inline_code(document: Path) -> Iterator[tuple[str, str]]:
    for token in tokens_of(document):
        for child in token.children or ():
            if child.type == "code_inline" and token.map:
                yield f"{document.relative_to(ROOT)}:{token.map[0] + 1}", child.content
