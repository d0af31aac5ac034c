"""README.md and docs/*: what they show runs, is a command that exists, or settings that are accepted."""

import argparse
import importlib.util
import json
import re
import sys
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import yaml
from dvc.cli.parser import get_main_parser
from typer.main import get_command

from pipeline import paths
from pipeline.cli import app
from pipeline.exporting import export
from pipeline.exporting.formats import FORMATS
from pipeline.params import Params, load_params, parse_params
from pipeline.stages import train
from tests.documents import (
    DOCUMENTS,
    NOTEBOOK,
    OTHERS,
    PROGRAMS,
    ROOT,
    all_blocks,
    blocks_of,
    cells_of,
    shown_commands,
    split_commands,
    text_of,
    tokens_of,
)
from tests.exporting.tiny import use_tiny_backbone
from tests.project import BACKBONE
from tests.trained_project import make_trained

LANGUAGES = {
    "python",
    "sh",
    "console",
    "yaml",
    "text",
}  # text: what a command printed, or a drawing
FLOWERS = ("daisy", "rose", "tulip")
WITH_PYTHON = [
    document for document in DOCUMENTS if any(b.language == "python" for b in blocks_of(document))
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_says_what_it_is(document: Path) -> None:
    """An indented block says nothing, so nothing would check it: fence it, with a language."""
    unknown = [
        (one.line, one.language) for one in blocks_of(document) if one.language not in LANGUAGES
    ]
    assert unknown == [], f"expected one of {sorted(LANGUAGES)}"


def test_there_is_something_to_check() -> None:
    for language in LANGUAGES:
        assert all_blocks(language), language
    commands = [words for _, words in shown_commands()]
    for program in PROGRAMS:
        assert any(words[0] == program for words in commands), program


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project after `dvc repro`, in which the test runs."""
    make_trained(tmp_path / "project", monkeypatch, "flowers", FLOWERS)
    return tmp_path / "project"


@pytest.mark.slow
@pytest.mark.parametrize("document", WITH_PYTHON, ids=lambda path: path.name)
def test_python_in_documents_runs(
    document: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {}
    if document.name == "export.md":
        place_exports(project, monkeypatch)
    for block in blocks_of(document):
        if block.language == "python":
            where = f"{block.document}, line {block.line}"
            exec(compile(block.text, where, "exec"), names)


def place_exports(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export the project's head in every format, for pixels as the document has them, beside a photo."""
    use_tiny_backbone(monkeypatch, size=224)
    for ending, one in FORMATS.items():
        for module in one.needs:
            pytest.importorskip(module, reason="the extra `export` is not installed")
        export.run("flowers", BACKBONE, load_params(), project / f"flowers{ending}")
    photo = next((project / "data" / "split").rglob("*.jpg"))
    (project / "photo.jpg").write_bytes(photo.read_bytes())


@pytest.mark.slow
def test_the_notebook_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    (project / "docs").mkdir()
    monkeypatch.chdir(project / "docs")
    names: dict[str, Any] = {}
    pictures = 0
    for number, source in enumerate(cells_of("code")):
        exec(compile(source, f"notebook.ipynb, code cell {number}", "exec"), names)
        pictures += len(pyplot.get_fignums())
        pyplot.close("all")
    said = capsys.readouterr().out
    assert pictures > 8
    assert "36 images to learn from, 18 to ask about, 3 classes" in said
    assert re.search(r"image 1 is \w+ 0\.\d\d ", said)


@pytest.mark.slow
def test_the_notebook_asks_no_head_about_images_that_it_was_fitted_to(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matplotlib.use("Agg")
    params = load_params()
    head = params.head.model_copy(update={"fit_on": "all"})
    train.run("flowers", BACKBONE, params.model_copy(update={"head": head}))
    names: dict[str, Any] = {}
    cells = cells_of("code")
    asks = next(number for number, source in enumerate(cells) if "head.probabilities(" in source)
    for number, source in enumerate(cells[: asks + 1]):
        exec(compile(source, f"notebook.ipynb, code cell {number}", "exec"), names)
    matplotlib.pyplot.close("all")
    assert names["head"].fitted_to.isdisjoint(names["val"].sha256)


def test_the_notebook_explains_each_cell_and_keeps_no_outputs() -> None:
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    kinds = [one["cell_type"] for one in book["cells"]]
    assert 18 <= len(kinds) <= 26
    assert kinds == ["markdown", "code"] * (len(kinds) // 2) + ["markdown"]
    code = [one for one in book["cells"] if one["cell_type"] == "code"]
    assert all(one["outputs"] == [] and one["execution_count"] is None for one in code)


@pytest.mark.parametrize(("place", "words"), shown_commands(), ids=lambda value: str(value)[:60])
def test_a_shown_command_exists_with_its_options(
    place: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *arguments = words
    if program in OTHERS:
        return
    if words[:3] == ["python", "-m", "pipeline"]:
        program, arguments = "bottleneck", words[3:]
    assert program in CHECKS, f"{place}: {program} is none of {[*CHECKS, *OTHERS]}"
    CHECKS[program](arguments, monkeypatch)


def all_commands() -> list[str]:
    top: Any = get_command(app)
    return [
        f"{name} {sub}" if sub else name
        for name, command in top.commands.items()
        for sub in (getattr(command, "commands", None) or {"": None})
    ]


@pytest.mark.parametrize("command", all_commands())
def test_every_command_is_documented(command: str) -> None:
    named = ["bottleneck", *command.split()]
    assert any(words[: len(named)] == named for _, words in shown_commands())


def check_bottleneck(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command line as the program would, and run nothing."""
    command: Any = get_command(app)
    name = "bottleneck"
    while commands := getattr(command, "commands", None):
        name, *arguments = arguments
        assert name in commands, f"there is no command {name!r}"
        command = commands[name]
    is_only_named = not arguments  # as `bottleneck extract` in a sentence
    command.make_context(name, list(arguments), resilient_parsing=is_only_named)


def check_dvc(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command line as DVC would; one that is only named, as `dvc add`, must have help."""
    parser = get_main_parser()
    if not any(one.startswith("-") for one in arguments):
        with pytest.raises(SystemExit, match=r"^0$"):
            parser.parse_args([*arguments, "--help"])
        return
    check_overrides(getattr(parser.parse_args(arguments), "set_param", None) or [])


def check_overrides(overrides: list[str]) -> None:
    """Set keys as `dvc exp run -S` does; every key must be there, and every value accepted."""
    tree = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    choices = [(name, value) for name, _, value in (one.partition("=") for one in overrides)]
    for name, value in choices:
        *sections, key = name.split(".")
        section = tree
        for one in sections:
            section = section[one]
        assert key in section, f"params.yaml has no {name}"
        if value and "$" not in value:
            section[key] = yaml.safe_load(value.split(",")[0])
            section[key] = float(value) if re.fullmatch(r"\d+e-\d+", value) else section[key]
    parse_params(tree)


def check_make(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {one for one in arguments if "=" not in one} <= set(targets)


class Parsed(Exception):
    """A program has read its command line, and found it good."""


def check_python(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program of ours read its command line, and stop it there."""
    file, *rest = arguments
    if file == "-m":
        file, *rest = f"{rest[0].replace('.', '/')}.py", *rest[1:]
    real = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, *_: object) -> None:
        real(parser, rest)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("shown_program", ROOT / file)
    assert spec
    assert spec.loader, f"there is no {file}"
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shown_program", module)
    spec.loader.exec_module(module)
    with pytest.raises(Parsed, match=r"^$"):
        module.main()


CHECKS = {
    "bottleneck": check_bottleneck,
    "dvc": check_dvc,
    "make": check_make,
    "python": check_python,
}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bottleneck predikt a.jpg --dataset d", "no command 'predikt'"),
        ("bottleneck predict a.jpg --datasets d", "(?i)no such option.*--datasets"),
        ("bottleneck export flowers", "(?i)missing.*to"),
        ("bottleneck store clean", "no command 'clean'"),
        ("dvc exp run -S head.unit=256", r"params\.yaml has no head\.unit"),
        ("dvc exp run -S head.units=-1", r"head\.units"),
        ("dvc exp runn", "parser error"),
        ("dvc exp run --sett head.units=1", "parser error"),
        ("make everything", "everything"),
        ("python benchmarks/heads.py --fast", "^2$"),
        ("python benchmarks/gone.py", "No such file"),
        ("python -m tests.soak --fast", "^2$"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(
    line: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((program, *arguments),) = split_commands(line)
    with pytest.raises(BaseException, match=message):
        CHECKS[program](arguments, monkeypatch)


@pytest.mark.parametrize(
    "block", all_blocks("yaml"), ids=lambda block: f"{block.document}:{block.line}"
)
def test_shown_settings_are_accepted(block: Any) -> None:
    shown = yaml.safe_load(block.text)
    tree: dict[str, Any] = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    assert set(shown) <= set(Params.model_fields), "show whole sections: datasets: ..."
    for section, values in deepcopy(shown).items():
        tree[section] = {**tree[section], **values}
    parse_params(tree)


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, ROOT / "ARCHITECTURE.md"], ids=lambda path: path.name
)
def test_every_link_leads_somewhere(document: Path) -> None:
    for token in tokens_of(document):
        for child in token.children or ():
            target = str(child.attrGet("href") or child.attrGet("src") or "")
            if target and not re.match(r"https?://", target):
                name, _, heading = target.partition("#")
                file = (document.parent / name).resolve() if name else document
                assert file.exists(), target
                assert not heading or heading in headings(file), target


def headings(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    tokens = tokens_of(document)
    titles = [after.content for one, after in pairwise(tokens) if one.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_enters_the_environment_before_the_first_command_that_needs_it() -> None:
    words = [words for place, words in shown_commands() if place.startswith("README.md")]
    needing = [
        place for place, one in enumerate(words) if one[0] in ("bottleneck", "dvc", "python")
    ]
    assert ["source", ".venv/bin/activate"] in words[: needing[0]]


def test_the_glossary_is_in_alphabetical_order() -> None:
    words = re.findall(r"^\*\*([^*]+)\*\*", text_of(ROOT / "docs" / "glossary.md"), re.MULTILINE)
    assert len(words) > 20
    assert words == sorted(words, key=str.lower)
