"""YAML means to the pipeline what it means to DVC, and what is none is told in one line."""

import math
from pathlib import Path

import pytest
from dvc.utils.serialize import parse_yaml

from pipeline.yaml_reader import NotYaml, read_yaml

VALUES = [
    "010", "0o10", "0x10", "1_000", "1:30", "1e-5", "1.e-5", ".1e3", "+1e-5", "yes", "on", "no", "null",
    "~", "true", "True", ".inf", "-.INF", "'1e-5'", "2024-01-01", "2024-01-01T10:00:00Z", "0b1", "1.5",
    "!!str 1", "!!set {a, b}", "[1, [a, {b: c}]]", "|\n  text\n  more", "&a [x, *a]",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_what_it_is_to_dvc(value: str) -> None:
    text = f"key: {value}\n"
    assert repr(read_yaml(text)) == repr(parse_yaml(text, Path("params.yaml")))


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("010", 10),
        ("0o10", 8),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("1e-5", 1e-5),
        (".inf", math.inf),
    ],
)
def test_a_value_is_that_of_yaml_1_2(value: str, meaning: object) -> None:
    found = read_yaml(f"key: {value}")["key"]
    assert (found, type(found)) == (meaning, type(meaning))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\nc: 3\nb: 4\n", r'line 4, .* from line 1 on: found duplicate key "b"'),
        ("a: !foo 1", r"line 1: could not determine a constructor for the tag '!foo'"),
        ("a:\n  !!python/object:os.system x", "line 2: .*python/object"),
        ("a: *nothing", "line 1: found undefined alias 'nothing'"),
        ("a:\n\tb: 1", r"line 2: found character '\\t'"),
        ("a: 1\n---\nb: 2", "line 2, expected a single document .*: but found another document"),
        ("a:\nb: " + "9" * 5000, r"line 2: a value cannot be read: Exceeds the limit \(4300"),
        ("a: 2024-99-01", "line 1: a value cannot be read: month must be in 1..12"),
        ("a: !!int ''", "line 1: a value cannot be read"),
        ("a: !!bool maybe", "line 1: a value cannot be read"),
        ("a: " + "[" * 2000, "nested too deep"),
        ("".join(" " * level + "a:\n" for level in range(2000)), "nested too deep"),
        ("a: '\x01'", "unacceptable character"),
        ("? {a: b}\n: 1", "found unhashable key"),
    ],
)
def test_what_is_no_yaml_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(NotYaml, match=message) as caught:
        read_yaml(text)
    assert "\n" not in str(caught.value)


def test_a_bomb_of_references_costs_nothing() -> None:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert len(read_yaml("\n".join(lines))) == 30
